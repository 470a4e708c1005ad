//! Histories as JSON lines, with Jepsen's field names.
//!
//! A process is one session of a client, in Jepsen's sense: it does one thing after the other, and
//! after an unknown outcome the client goes on as a new process, since the call may yet take effect
//! (see Jepsen's `jepsen.history`, and `docs/trace.md` for every field).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::{Entry, HistoryEvent, Outcome, OutcomeKind, Told};
use crate::id::HostId;
use crate::trace::json::{numbered, push};
use crate::trace::{Describe, Names};

pub use crate::trace::json::ReadError;

/// Jepsen counts in nanoseconds.
const NANOSECONDS_PER_MS: u64 = 1_000_000;

/// One line of a history.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Record {
    /// The line's place, from 0.
    pub index: u64,
    /// When, in nanoseconds.
    pub time: u64,
    /// Which session of a client.
    pub process: u64,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: RecordKind,
    /// The operation's verb; the same when it completes.
    pub f: String,
    /// To invoke, the rest of the command; at the end, what the client was told.
    pub value: Value,
    /// The operation's name, `alice#1`: ours, not Jepsen's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// What happened.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// The process began an operation.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly did not happen.
    #[serde(alias = "failed")]
    Fail,
    /// It may have happened: Jepsen's `info`.
    #[serde(alias = "info")]
    Unknown,
}

/// The records of a history.
#[must_use]
pub fn records(history: &[Entry], names: Names<'_>, describe: &dyn Describe) -> Vec<Record> {
    let mut sessions = Sessions::of(history);
    let mut verbs = BTreeMap::new();
    let lines = (0..).zip(history).map(|(index, entry)| {
        let client = entry.operation.client;
        let process = sessions.process(client);
        let (kind, f, value) = match &entry.event {
            HistoryEvent::Invoke(request) => {
                let (verb, rest) = split_command(&describe.request(request));
                verbs.insert(entry.operation, verb.clone());
                (RecordKind::Invoke, verb, rest)
            }
            HistoryEvent::Complete(outcome) => {
                if outcome.kind == OutcomeKind::Unknown {
                    sessions.end(client);
                }
                let verb = verbs.remove(&entry.operation).unwrap_or_default();
                let told = Value::String(told(outcome, describe));
                (RecordKind::from(outcome.kind), verb, told)
            }
        };
        Record {
            index,
            time: entry.at.as_ms().saturating_mul(NANOSECONDS_PER_MS),
            process,
            kind,
            f,
            value,
            operation: Some(names.operation(entry.operation)),
        }
    });
    lines.collect()
}

/// Writes records, one per line.
#[must_use]
pub fn write(records: &[Record]) -> String {
    let mut out = String::new();
    records.iter().for_each(|record| push(&mut out, record));
    out
}

/// Reads a history, ours or somebody else's.
///
/// An index may be missing, then it is the record's place; so may a time, then it is 0, and a value,
/// then it is null. Jepsen's words `info` and `failed` are understood. Fields of other names are
/// ignored, and so are records of a process that is no number: Jepsen's nemesis is no client.
///
/// # Errors
///
/// Says which line is wrong: no JSON, a field missing or of another type, a call that begins before
/// the process's last one has ended, or one that ends without having begun.
pub fn read(text: &str) -> Result<Vec<Record>, ReadError> {
    let mut records = Vec::new();
    let mut calling = BTreeSet::new();
    for (line, text) in numbered(text) {
        let wrong = |message| ReadError { line, message };
        let Some(record) = read_record(text, records.len()).map_err(wrong)? else {
            continue;
        };
        let process = record.process;
        if record.kind == RecordKind::Invoke && !calling.insert(process) {
            let message = format!("process {process} begins a call before its last one has ended");
            return Err(wrong(message));
        }
        if record.kind != RecordKind::Invoke && !calling.remove(&process) {
            let message = format!("process {process} ends a call that it has not begun");
            return Err(wrong(message));
        }
        records.push(record);
    }
    Ok(records)
}

fn read_record(text: &str, place: usize) -> Result<Option<Record>, String> {
    let mut value: Value =
        serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let Some(fields) = value.as_object_mut() else {
        return Err("a record is an object: {\"process\":0,\"type\":\"invoke\",..}".to_owned());
    };
    if fields.get("process").is_some_and(Value::is_string) {
        return Ok(None);
    }
    for (name, missing) in [
        ("index", Value::from(place)),
        ("time", Value::from(0)),
        ("value", Value::Null),
    ] {
        fields.entry(name).or_insert(missing);
    }
    let record = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok(Some(record))
}

fn split_command(command: &str) -> (String, Value) {
    match command.split_once(' ') {
        Some((verb, rest)) => (verb.to_owned(), Value::from(rest)),
        None => (command.to_owned(), Value::Null),
    }
}

fn told(outcome: &Outcome, describe: &dyn Describe) -> String {
    match &outcome.told {
        Told::Reply(reply) => describe.reply(reply),
        Told::Text(text) => text.clone().into_owned(),
    }
}

/// Numbers the sessions of clients as Jepsen does: client k of n has the processes k, k + n, k + 2n..
struct Sessions(BTreeMap<HostId, u64>);

impl Sessions {
    fn of(history: &[Entry]) -> Self {
        let clients: BTreeSet<HostId> =
            history.iter().map(|entry| entry.operation.client).collect();
        Self(clients.into_iter().zip(0..).collect())
    }

    /// Lets what the client does next be the work of a new session.
    fn end(&mut self, client: HostId) {
        let clients = self.0.len() as u64;
        *self.0.entry(client).or_default() += clients;
    }

    fn process(&self, client: HostId) -> u64 {
        self.0.get(&client).copied().unwrap_or_default()
    }
}

impl From<OutcomeKind> for RecordKind {
    fn from(kind: OutcomeKind) -> Self {
        match kind {
            OutcomeKind::Ok => Self::Ok,
            OutcomeKind::Failed => Self::Fail,
            OutcomeKind::Unknown => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::id::OperationId;
    use crate::trace::sample::Plain;

    fn entry(at_ms: u64, client: u16, number: u32, event: HistoryEvent) -> Entry {
        Entry {
            at: Time::from_ms(at_ms),
            operation: OperationId {
                client: HostId(client),
                number,
            },
            event,
        }
    }

    fn invoke(command: &str) -> HistoryEvent {
        HistoryEvent::Invoke(command.as_bytes().into())
    }

    fn complete(kind: OutcomeKind, text: &'static str) -> HistoryEvent {
        HistoryEvent::Complete(Outcome::text(kind, text))
    }

    fn written() -> Vec<Record> {
        let history = [
            entry(0, 1, 1, invoke("cancel CONF000001")),
            entry(2, 3, 1, invoke("list")),
            entry(7, 3, 1, complete(OutcomeKind::Ok, "nothing")),
            entry(
                9,
                1,
                1,
                complete(OutcomeKind::Unknown, "no reply to 3 sends"),
            ),
            entry(9, 1, 2, invoke("cancel CONF000001")),
            entry(12, 1, 2, complete(OutcomeKind::Failed, "already cancelled")),
        ];
        let hosts = ["server", "alice", "idle", "bob"].map(str::to_owned);
        records(&history, Names(&hosts), &Plain)
    }

    #[test]
    fn records_have_the_field_names_of_jepsen() {
        let text = write(&written());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"cancel","value":"CONF000001","operation":"alice#1"}"#
        );
        assert_eq!(
            lines[5],
            r#"{"index":5,"time":12000000,"process":2,"type":"fail","f":"cancel","value":"already cancelled","operation":"alice#2"}"#
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let written = written();
        assert_eq!(read(&write(&written)).unwrap(), written);
    }

    #[test]
    fn after_an_unknown_outcome_a_client_goes_on_as_a_new_process() {
        let processes: Vec<u64> = written().iter().map(|record| record.process).collect();
        assert_eq!(processes, [0, 1, 1, 0, 2, 2]);
    }

    #[test]
    fn a_history_of_jepsen_is_read() {
        let text = r#"
            {"type":"invoke","f":"write","value":3,"process":0,"time":10,"index":0}
            {"type":"info","f":"kill","value":null,"process":"nemesis","time":11,"index":1}
            {"type":"info","f":"write","value":3,"process":0,"time":12,"index":2,"error":"timeout"}
            {"type":"invoke","f":"read","process":5}
            {"type":"failed","f":"read","process":5}"#;
        let records = read(text).unwrap();
        let kinds: Vec<RecordKind> = records.iter().map(|record| record.kind).collect();
        use RecordKind::{Fail, Invoke, Unknown};
        assert_eq!(kinds, [Invoke, Unknown, Invoke, Fail]);
        assert_eq!(records[0].value, Value::from(3));
        assert_eq!(records[2].index, 2);
    }

    #[test]
    fn a_history_that_no_client_can_have_is_refused_with_its_line() {
        let invoke = r#"{"process":0,"type":"invoke","f":"read"}"#;
        let twice = format!("{invoke}\n\n{invoke}");
        assert_eq!(read(&twice).unwrap_err().line, 3);
        let end = r#"{"process":0,"type":"ok","f":"read"}"#;
        assert_eq!(read(end).unwrap_err().line, 1);
        for wrong in ["[]", "x", r#"{"process":0,"type":"maybe","f":"read"}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
