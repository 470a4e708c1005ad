//! Histories that somebody recorded, in any of the formats that are understood, as calls.
//!
//! - JSON lines, ours ([`json`]) and Jepsen's;
//! - EDN, as in Jepsen's `history.edn`;
//! - the log lines of `jepsen.util`.
//!
//! The text itself shows which. `docs/checking.md` describes them.
//!
//! [`json`]: crate::history::json

use std::collections::BTreeMap;

use serde_json::Value;

use crate::history::json::RecordKind;
use crate::history::scan::{Notation, Wrong};
use crate::history::{OutcomeKind, jepsen_edn, jepsen_log};

/// What cannot be understood, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct Mistake {
    /// In which line, from 1.
    pub line: usize,
    /// At which of its characters, from 1.
    pub column: usize,
    /// What was expected.
    pub message: String,
}

/// A record: the begin of a call, or its end.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its place in the text, in bytes.
    pub(crate) at: usize,
    pub(crate) process: u64,
    pub(crate) kind: RecordKind,
    pub(crate) f: String,
    pub(crate) value: Value,
    /// The operation's name, where the record has one.
    pub(crate) operation: Option<String>,
}

/// One call of a client, from its begin to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which session of a client.
    pub process: u64,
    /// The operation's name.
    pub f: String,
    /// The value with which it was invoked.
    pub asked: Value,
    /// The value with which it ended; null if it did not.
    pub told: Value,
    /// How it ended. One that did not is unknown.
    pub outcome: OutcomeKind,
    /// Which record of the history is its begin, from 0.
    pub began: u64,
    /// Which record is its end, if it has one: also where the end says that the outcome is unknown.
    pub ended: Option<u64>,
    /// The lines of both.
    pub lines: (usize, Option<usize>),
    /// The name that its begin has for it, such as `alice#1`: ours, not Jepsen's.
    pub operation: Option<String>,
    /// The place of the begin in the text, in bytes.
    at: usize,
    /// The place of the end.
    ended_at: Option<usize>,
}

/// A recorded history.
#[derive(Clone, Debug)]
pub struct Recorded<'a> {
    text: &'a str,
    /// In the order of their begins.
    pub calls: Vec<Call>,
}

impl<'a> Recorded<'a> {
    /// Reads a history in the format that it shows.
    ///
    /// A value may be missing, which is then null. Records of a process that is a word are left out:
    /// Jepsen's nemesis is no client. After a call whose outcome is unknown its
    /// process may go on; the call itself stays open.
    ///
    /// # Errors
    ///
    /// Says where it cannot be understood and what was expected: no such format, a field that is
    /// missing or has another type, a call that begins before the process's last one has ended, one
    /// that ends without having begun or under another name, or no call at all.
    pub fn read(text: &'a str) -> Result<Self, Mistake> {
        let lines = match format(text) {
            Some(Format::Maps(notation)) => jepsen_edn::read(text, notation),
            Some(Format::Log) => jepsen_log::read(text),
            None => Err(Wrong {
                at: text.len() - text.trim_start().len(),
                message: "this is no history: expected JSON lines, EDN maps or log lines of \
                          jepsen.util (docs/checking.md shows each)"
                    .to_owned(),
            }),
        };
        let calls = lines.and_then(|lines| calls(text, lines));
        let calls = calls.map_err(|wrong| mistake(text, wrong.at, wrong.message))?;
        if calls.is_empty() {
            return Err(mistake(text, 0, "a history without any call".to_owned()));
        }
        Ok(Self { text, calls })
    }

    /// What cannot be understood of a call, at its begin.
    #[must_use]
    pub fn mistake(&self, call: &Call, message: String) -> Mistake {
        mistake(self.text, call.at, message)
    }

    /// What cannot be understood of a call's end.
    #[must_use]
    pub fn mistake_at_end(&self, call: &Call, message: String) -> Mistake {
        mistake(self.text, call.ended_at.unwrap_or(call.at), message)
    }
}

/// Whether a text shows one of the formats.
pub(crate) fn is_recorded(text: &str) -> bool {
    format(text).is_some()
}

enum Format {
    Maps(Notation),
    Log,
}

/// The format that a text shows.
fn format(text: &str) -> Option<Format> {
    let is_comment = |line: &&str| line.trim().is_empty() || line.starts_with(';');
    let comments = text.split_inclusive('\n').take_while(is_comment);
    let first = text[comments.map(str::len).sum()..].trim_start();
    let inside = first.strip_prefix(['[', '(']).unwrap_or(first).trim_start();
    if let Some(inside) = inside.strip_prefix('{') {
        let is_json = inside.trim_start().starts_with('"');
        let notation = if is_json {
            Notation::Json
        } else {
            Notation::Edn
        };
        return Some(Format::Maps(notation));
    }
    if jepsen_log::is_log(text) {
        return Some(Format::Log);
    }
    inside
        .starts_with('#')
        .then_some(Format::Maps(Notation::Edn))
}

/// Joins begins and ends.
fn calls(text: &str, lines: Vec<Line>) -> Result<Vec<Call>, Wrong> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    let mut line = 1;
    let mut counted = 0;
    for (number, record) in (0..).zip(lines) {
        let at = record.at;
        line += text[counted..at].matches('\n').count();
        counted = at;
        let wrong = |message| Err(Wrong { at, message });
        let process = record.process;
        let outcome = match record.kind {
            RecordKind::Invoke => {
                if let Some(before) = open.insert(process, calls.len()) {
                    let before = calls[before].lines.0;
                    return wrong(format!(
                        "process {process} begins a call before its last one, of line {before}, has ended"
                    ));
                }
                calls.push(Call {
                    process,
                    f: record.f,
                    asked: record.value,
                    told: Value::Null,
                    outcome: OutcomeKind::Unknown,
                    began: number,
                    ended: None,
                    lines: (line, None),
                    operation: record.operation,
                    at,
                    ended_at: None,
                });
                continue;
            }
            RecordKind::Ok => OutcomeKind::Ok,
            RecordKind::Fail => OutcomeKind::Failed,
            RecordKind::Unknown => OutcomeKind::Unknown,
        };
        let Some(begun) = open.remove(&process) else {
            return wrong(format!(
                "process {process} ends a call that it has not begun"
            ));
        };
        let call = &mut calls[begun];
        if call.f != record.f {
            return wrong(format!(
                "process {process} ends `{}`, but the call that it began in line {} is `{}`",
                record.f, call.lines.0, call.f
            ));
        }
        call.outcome = outcome;
        call.told = record.value;
        call.ended = Some(number);
        call.lines.1 = Some(line);
        call.ended_at = Some(at);
    }
    Ok(calls)
}

fn mistake(text: &str, at: usize, message: String) -> Mistake {
    let before = &text[..at];
    let line_begin = before.rfind('\n').map_or(0, |end| end + 1);
    Mistake {
        line: before.matches('\n').count() + 1,
        column: before[line_begin..].chars().count() + 1,
        message,
    }
}

#[cfg(test)]
#[path = "recorded_tests.rs"]
mod tests;
