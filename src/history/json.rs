//! Histories as JSON lines, with Jepsen's field names.
//!
//! A process is one session of a client, in Jepsen's sense: it does one thing after the other, and
//! after an unknown outcome the client goes on as a new process, since the call may yet take effect
//! (see Jepsen's `jepsen.history`, and `docs/trace.md` for every field). [`recorded`] reads them.
//!
//! [`recorded`]: crate::history::recorded

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::history::sessions::AccessKind;
use crate::history::{Entry, HistoryEvent, Outcome, OutcomeKind, Told};
use crate::id::{HostId, OperationId};
use crate::trace::json::push;
use crate::trace::{Describe, Names};

/// Jepsen counts in nanoseconds.
const NANOSECONDS_PER_MS: u64 = 1_000_000;

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// The process began an operation.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// It may have happened: Jepsen's `info`.
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

/// Of a call of a store, given its request and its reply: whether it reads or writes, which key, and which
/// value. The request alone decides whether it is a call on one key.
pub type AccessOf<'a> =
    dyn Fn(&[u8], Option<&[u8]>) -> Option<(AccessKind, String, Option<String>)> + 'a;

/// The records of a store's history, as [`sessions`] reads them: with `read` or `write` as operations and
/// `[key, value]` as values. Calls that are not on one key are left out.
///
/// [`sessions`]: crate::history::sessions
#[must_use]
pub fn records_of_store(
    history: &[Entry],
    names: Names<'_>,
    describe: &dyn Describe,
    access: &AccessOf<'_>,
) -> Vec<Record> {
    let mut asked: BTreeMap<OperationId, &[u8]> = BTreeMap::new();
    let records = records(history, names, describe);
    let on_one_key = records
        .into_iter()
        .zip(history)
        .filter_map(|(record, entry)| {
            let reply = match &entry.event {
                HistoryEvent::Invoke(request) => {
                    asked.insert(entry.operation, request);
                    None
                }
                HistoryEvent::Complete(outcome) => match &outcome.told {
                    Told::Reply(reply) => Some(&reply[..]),
                    Told::Text(_) => None,
                },
            };
            let (kind, key, value) = access(asked.get(&entry.operation)?, reply)?;
            Some(Record {
                f: kind.name().to_owned(),
                value: Value::from(vec![Value::from(key), Value::from(value)]),
                ..record
            })
        });
    let numbered = (0..).zip(on_one_key);
    numbered
        .map(|(index, record)| Record { index, ..record })
        .collect()
}

/// Writes records, one per line.
#[must_use]
pub fn write(records: &[Record]) -> String {
    let mut out = String::new();
    records.iter().for_each(|record| push(&mut out, record));
    out
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
    use crate::history::recorded::Recorded;
    use crate::history::sessions;
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
        let text = write(&written());
        let calls = Recorded::read(&text).unwrap().calls;
        let read: Vec<_> = calls
            .iter()
            .map(|call| {
                let name = call.operation.as_deref().unwrap();
                let (asked, told) = (call.asked.as_str(), call.told.as_str());
                (name, call.process, call.f.as_str(), asked, told, call.lines)
            })
            .collect();
        let conf = Some("CONF000001");
        let no_reply = Some("no reply to 3 sends");
        let cancelled = Some("already cancelled");
        assert_eq!(
            read,
            [
                ("alice#1", 0, "cancel", conf, no_reply, (1, Some(4))),
                ("bob#1", 1, "list", None, Some("nothing"), (2, Some(3))),
                ("alice#2", 2, "cancel", conf, cancelled, (5, Some(6))),
            ]
        );
        let outcomes: Vec<OutcomeKind> = calls.iter().map(|call| call.outcome).collect();
        use OutcomeKind::{Failed, Ok, Unknown};
        assert_eq!(outcomes, [Unknown, Ok, Failed]);
    }

    #[test]
    fn a_history_of_a_store_is_read_as_one() {
        let history = [
            entry(0, 1, 1, invoke("put x 1")),
            entry(1, 3, 1, invoke("list")),
            entry(2, 1, 1, complete(OutcomeKind::Ok, "stored")),
            entry(3, 3, 1, complete(OutcomeKind::Ok, "all")),
            entry(4, 3, 2, invoke("get x")),
            entry(5, 3, 2, complete(OutcomeKind::Unknown, "no reply")),
        ];
        let hosts = ["server", "alice", "idle", "bob"].map(str::to_owned);
        let access = |request: &[u8], _: Option<&[u8]>| {
            let text = String::from_utf8(request.to_vec()).unwrap();
            let words: Vec<&str> = text.split(' ').collect();
            match words[..] {
                ["put", key, value] => {
                    Some((AccessKind::Write, key.to_owned(), Some(value.to_owned())))
                }
                ["get", key] => Some((AccessKind::Read, key.to_owned(), None)),
                _ => None,
            }
        };
        let records = records_of_store(&history, Names(&hosts), &Plain, &access);
        let indexes: Vec<u64> = records.iter().map(|record| record.index).collect();
        assert_eq!(indexes, [0, 1, 2, 3]);
        let read = sessions::read(&write(&records)).unwrap();
        let [[write], [read]] = [&read.sessions[0][..], &read.sessions[1][..]] else {
            panic!("a call each: {read:?}");
        };
        assert_eq!(
            (write.key.as_str(), write.value.as_deref()),
            ("x", Some("1"))
        );
        assert_eq!(
            (write.outcome, write.place.as_str()),
            (OutcomeKind::Ok, "alice#1")
        );
        assert_eq!(
            (read.kind, read.outcome),
            (AccessKind::Read, OutcomeKind::Unknown)
        );
    }

    #[test]
    fn after_an_unknown_outcome_a_client_goes_on_as_a_new_process() {
        let processes: Vec<u64> = written().iter().map(|record| record.process).collect();
        assert_eq!(processes, [0, 1, 1, 0, 2, 2]);
    }
}
