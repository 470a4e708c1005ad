//! Histories of stores, session by session: what each client read and wrote, key by key.
//!
//! [`read()`] takes JSON lines with Jepsen's field names, or the text format of [`plume`], and tells by
//! the first character which of them it is; [`write()`] writes JSON lines. Either way the places in
//! the file are kept, so that evidence can name them.
//!
//! In JSON lines, `f` is `read` or `get`, `write` or `put`. A `value` is `[key, value]`, or the value
//! alone where the line has a `key`; the initial value is null. Number and text of one spelling are one
//! value. Keys and the values of writes are taken from the call's begin, the value of a read from its
//! end. A process is a session, and a call whose end is missing is unknown.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::json::RecordKind;
use crate::history::{OutcomeKind, plume};
use crate::trace::json::{numbered, push};

/// What an access does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AccessKind {
    /// It asks for the value of a key.
    Read,
    /// It sets the value of a key.
    Write,
}

/// One call of a client, on one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Access {
    /// Whether it reads or writes.
    pub kind: AccessKind,
    /// The key.
    pub key: String,
    /// What was written or read; `None` is the value of a key that nobody has written. A read that is
    /// not ok has none.
    pub value: Option<String>,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// How evidence names its place: `line 3`, or the operation's name.
    pub place: String,
}

/// What clients did, each session in its own order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SessionHistory {
    /// The sessions, in the order of their first calls.
    pub sessions: Vec<Vec<Access>>,
}

impl SessionHistory {
    /// What a checker takes for certain.
    ///
    /// What failed is dropped, and so are an unknown read and an unknown write whose value nobody read;
    /// an unknown write that was read is kept. After an unknown call the client goes on as a new
    /// session, since the call may yet take effect. Sessions without a call are left out.
    #[must_use]
    pub fn settled(&self) -> Vec<Vec<&Access>> {
        let all = || self.sessions.iter().flatten();
        let told = all()
            .filter(|access| access.kind == AccessKind::Read && access.outcome == OutcomeKind::Ok);
        let seen: BTreeSet<(&str, Option<&str>)> = told.map(Access::version).collect();
        let mut settled = Vec::new();
        for session in &self.sessions {
            for part in session.split_inclusive(|access| access.outcome == OutcomeKind::Unknown) {
                let kept: Vec<&Access> = part
                    .iter()
                    .filter(|access| match access.outcome {
                        OutcomeKind::Ok => true,
                        OutcomeKind::Failed => false,
                        OutcomeKind::Unknown => {
                            access.kind == AccessKind::Write && seen.contains(&access.version())
                        }
                    })
                    .collect();
                settled.extend(Some(kept).filter(|kept| !kept.is_empty()));
            }
        }
        settled
    }
}

impl Access {
    fn version(&self) -> (&str, Option<&str>) {
        (&self.key, self.value.as_deref())
    }
}

/// A history cannot be read. It is shown as `line:column: message`, to follow a file's name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ReadError {
    /// In which line, from 1.
    pub line: usize,
    /// At which character of the line, from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// Reads a history in either format.
///
/// # Errors
///
/// Says where the text is of neither format, has no call at all, or is wrong as the format goes.
pub fn read(text: &str) -> Result<SessionHistory, ReadError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = numbered(text).next();
    let indent = |line: &str| line.len() - line.trim_start().len();
    match first {
        Some((_, line)) if line.trim_start().starts_with('{') => read_json(text),
        Some((_, line)) if line.trim_start().starts_with(['r', 'w']) => plume::read(text),
        _ => Err(ReadError {
            line: first.map_or(1, |(line, _)| line),
            column: first.map_or(1, |(_, line)| indent(line) + 1),
            message: "expected a history: JSON lines such as \
                      {\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":[\"x\",1]}, or lines such as \
                      w(1,1,0,0)"
                .to_owned(),
        }),
    }
}

/// Writes a history as JSON lines: session by session, each call's begin and then its end.
#[must_use]
pub fn write(history: &SessionHistory) -> String {
    let mut out = String::new();
    for (process, session) in (0..).zip(&history.sessions) {
        for access in session {
            let pair = |value: Option<&String>| (access.key.clone(), value.cloned());
            let (f, asked) = match access.kind {
                AccessKind::Read => ("read", None),
                AccessKind::Write => ("write", access.value.as_ref()),
            };
            let line = |kind, value| WrittenLine {
                process,
                kind,
                f,
                value,
            };
            push(&mut out, &line(RecordKind::Invoke, pair(asked)));
            let kind = RecordKind::from(access.outcome);
            push(&mut out, &line(kind, pair(access.value.as_ref())));
        }
    }
    out
}

#[derive(Serialize)]
struct WrittenLine {
    process: u64,
    #[serde(rename = "type")]
    kind: RecordKind,
    f: &'static str,
    value: (String, Option<String>),
}

/// Fields of other names are ignored, as in all of Jepsen's lines.
#[derive(Deserialize)]
struct Line {
    process: Value,
    #[serde(rename = "type")]
    kind: RecordKind,
    f: String,
    #[serde(default)]
    value: Value,
    key: Option<Value>,
    operation: Option<String>,
}

/// What is wrong with a line, and the field at which to look.
type Wrong = (&'static str, String);

fn read_json(text: &str) -> Result<SessionHistory, ReadError> {
    let mut reader = JsonReader::default();
    for (number, text) in numbered(text) {
        let wrong = |column, message| ReadError {
            line: number,
            column,
            message,
        };
        let line: Line = serde_json::from_str(text).map_err(|error| {
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            wrong(
                error.column().max(1),
                format!("not a line of a history: {said}"),
            )
        })?;
        reader.take(line, number).map_err(|(field, message)| {
            let at = text.find(&format!("\"{field}\"")).unwrap_or_default();
            wrong(text[..at].chars().count() + 1, message)
        })?;
    }
    Ok(reader.history)
}

#[derive(Default)]
struct JsonReader {
    history: SessionHistory,
    sessions: BTreeMap<u64, usize>,
    calling: BTreeSet<u64>,
}

impl JsonReader {
    fn take(&mut self, line: Line, number: usize) -> Result<(), Wrong> {
        if line.process.is_string() {
            return Ok(()); // Jepsen's nemesis is no client.
        }
        let Some(process) = line.process.as_u64() else {
            let message = format!("`process` is {}: expected a number from 0", line.process);
            return Err(("process", message));
        };
        let kind = match line.f.as_str() {
            "read" | "get" => AccessKind::Read,
            "write" | "put" => AccessKind::Write,
            other => {
                let message = format!("`f` is `{other}`: expected read, get, write or put");
                return Err(("f", message));
            }
        };
        let outcome = match line.kind {
            RecordKind::Invoke => return self.begin(process, kind, line, number),
            RecordKind::Ok => OutcomeKind::Ok,
            RecordKind::Fail => OutcomeKind::Failed,
            RecordKind::Unknown => OutcomeKind::Unknown,
        };
        self.end(process, kind, outcome, line)
    }

    fn begin(
        &mut self,
        process: u64,
        kind: AccessKind,
        line: Line,
        number: usize,
    ) -> Result<(), Wrong> {
        if !self.calling.insert(process) {
            let message = format!("process {process} begins a call before its last one has ended");
            return Err(("type", message));
        }
        let (key, value) = key_and_value(line.key, line.value)?;
        if kind == AccessKind::Write && value.is_none() {
            return Err((
                "value",
                "a write needs a value of its own: null is what no key holds before it is written"
                    .to_owned(),
            ));
        }
        let access = Access {
            kind,
            key,
            value: value.filter(|_| kind == AccessKind::Write),
            outcome: OutcomeKind::Unknown,
            place: line.operation.unwrap_or_else(|| format!("line {number}")),
        };
        let sessions = &mut self.history.sessions;
        let session = *self.sessions.entry(process).or_insert(sessions.len());
        if session == sessions.len() {
            sessions.push(Vec::new());
        }
        sessions[session].push(access);
        Ok(())
    }

    fn end(
        &mut self,
        process: u64,
        kind: AccessKind,
        outcome: OutcomeKind,
        line: Line,
    ) -> Result<(), Wrong> {
        let session = self.sessions.get(&process).copied();
        let begun = session.and_then(|session| self.history.sessions[session].last_mut());
        let Some(begun) = begun.filter(|_| self.calling.remove(&process)) else {
            let message = format!("process {process} ends a call that it has not begun");
            return Err(("type", message));
        };
        if begun.kind != kind {
            let message = format!("process {process} ends another call than it has begun");
            return Err(("f", message));
        }
        begun.outcome = outcome;
        if kind == AccessKind::Read && outcome == OutcomeKind::Ok {
            // The begin has named the key: the end need not, if it has a key at all.
            let key = line.key.or_else(|| {
                let alone = !line.value.is_array();
                alone.then(|| Value::from(begun.key.clone()))
            });
            let (key, value) = key_and_value(key, line.value)?;
            if key != begun.key {
                let message = format!("the read began with key {}, and ends with {key}", begun.key);
                return Err(("value", message));
            }
            begun.value = value;
        }
        Ok(())
    }
}

fn key_and_value(key: Option<Value>, value: Value) -> Result<(String, Option<String>), Wrong> {
    let (key, value) = match (key, value) {
        (Some(key), value) => (key, value),
        (None, Value::Array(pair)) if pair.len() == 2 => {
            let mut pair = pair.into_iter();
            let mut next = || pair.next().unwrap_or_default();
            (next(), next())
        }
        (None, other) => {
            let message = format!("`value` is {other}: expected [key, value], or a field `key`");
            return Err(("value", message));
        }
    };
    let key = word(key).ok_or((
        "value",
        "the key is null: expected a text or number".to_owned(),
    ))?;
    Ok((key, word(value)))
}

/// A value's spelling; null has none.
fn word(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
