//! Histories of stores, session by session: what each client read and wrote, key by key.
//!
//! [`read()`] takes a history in any format of [`recorded`], or in the text format of [`plume`], and tells
//! by the text which of them it is; [`write()`] writes JSON lines. Either way the places in the file are
//! kept, so that evidence can name them.
//!
//! Of a recorded history, `f` is `read` or `get`, `write` or `put`. A `value` is `[key, value]`, or the
//! value alone where the record has a `key`; the initial value is null. Number and text of one spelling
//! are one value. Keys and the values of writes are taken from the call's begin, the value of a read from
//! its end. A process is a session, and a call whose end is missing is unknown.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::history::json::RecordKind;
use crate::history::recorded::{self, Call, Mistake, Recorded};
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

impl AccessKind {
    /// The word for it in histories.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
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

/// Reads a history in any of the formats.
///
/// # Errors
///
/// Says where the text is of none of them, has no call at all, or is wrong as the format goes.
pub fn read(text: &str) -> Result<SessionHistory, Mistake> {
    if recorded::is_recorded(text) {
        return of(&Recorded::read(text)?);
    }
    let first = numbered(text).next();
    match first {
        Some((_, line)) if line.trim_start().starts_with(['r', 'w']) => plume::read(text),
        _ => Err(Mistake {
            line: first.map_or(1, |(line, _)| line),
            column: first.map_or(1, |(_, line)| indent(line) + 1),
            message: "expected a history: JSON lines such as \
                      {\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":[\"x\",1]}, EDN maps, log \
                      lines of jepsen.util, or Plume's lines such as w(1,1,0,0) (docs/checking.md shows \
                      each)"
                .to_owned(),
        }),
    }
}

/// Characters before the first that is no blank.
fn indent(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).count()
}

/// Writes a history as JSON lines: session by session, each call's begin and then its end.
#[must_use]
pub fn write(history: &SessionHistory) -> String {
    let mut out = String::new();
    for (process, session) in (0..).zip(&history.sessions) {
        for access in session {
            let pair = |value: Option<&String>| (access.key.clone(), value.cloned());
            let f = access.kind.name();
            let asked = match access.kind {
                AccessKind::Read => None,
                AccessKind::Write => access.value.as_ref(),
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

/// The reads and writes of a recorded history.
fn of(recorded: &Recorded<'_>) -> Result<SessionHistory, Mistake> {
    let mut history = SessionHistory::default();
    let mut sessions = BTreeMap::new();
    for call in &recorded.calls {
        let access = access(recorded, call)?;
        let next = history.sessions.len();
        let session = *sessions.entry(call.process).or_insert(next);
        if session == next {
            history.sessions.push(Vec::new());
        }
        history.sessions[session].push(access);
    }
    Ok(history)
}

fn access(recorded: &Recorded<'_>, call: &Call) -> Result<Access, Mistake> {
    let mistake = |message| recorded.mistake(call, message);
    let kind = match call.f.as_str() {
        "read" | "get" => AccessKind::Read,
        "write" | "put" => AccessKind::Write,
        other => {
            let expected = "expected read, get, write or put";
            return Err(mistake(format!("`f` is `{other}`: {expected}")));
        }
    };
    let (key, asked) = key_and_value(&call.asked).map_err(mistake)?;
    let value = match kind {
        AccessKind::Write if asked.is_none() => {
            return Err(mistake(
                "a write needs a value of its own: null is what no key holds before it is written"
                    .to_owned(),
            ));
        }
        AccessKind::Write => asked,
        AccessKind::Read if call.outcome == OutcomeKind::Ok => {
            told(call, &key).map_err(|message| recorded.mistake_at_end(call, message))?
        }
        AccessKind::Read => None,
    };
    let line = || format!("line {}", call.lines.0);
    Ok(Access {
        kind,
        key,
        value,
        outcome: call.outcome,
        place: call.operation.clone().unwrap_or_else(line),
    })
}

/// What a read was told of its key. The begin has named the key: the end need not.
fn told(call: &Call, key: &str) -> Result<Option<String>, String> {
    if !call.told.is_array() {
        return Ok(word(&call.told));
    }
    let (told_key, value) = key_and_value(&call.told)?;
    if told_key == key {
        return Ok(value);
    }
    Err(format!(
        "the read began with key {key}, and ends with {told_key}"
    ))
}

fn key_and_value(value: &Value) -> Result<(String, Option<String>), String> {
    let Some([key, value]) = value.as_array().map(Vec::as_slice) else {
        return Err(format!(
            "`value` is {value}: expected [key, value], or a field `key`"
        ));
    };
    let key = word(key).ok_or("the key is null: expected a text or number")?;
    Ok((key, word(value)))
}

/// A value's spelling; null has none.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
