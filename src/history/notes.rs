//! A history as it grows: what is noted during a run, and becomes entries at its end.
//!
//! Requests and replies stand one behind the other in one piece of memory, which all entries share in
//! the end: a run has two for each operation, and to keep each by itself would cost more than any
//! other part of recording.

use crate::clock::Time;
use crate::history::{Entry, HistoryEvent, Outcome, OutcomeKind, Told};
use crate::id::OperationId;
use crate::wire::SharedBytes;

/// Bytes that a request or reply usually takes, to make room at once.
const BYTES_USUAL: usize = 64;

/// A history as it grows.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    notes: Vec<Note>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Note {
    at: Time,
    operation: OperationId,
    noted: Noted,
    /// How many bytes are this note's.
    len: usize,
}

#[derive(Debug)]
enum Noted {
    Invoke,
    Reply {
        kind: OutcomeKind,
        reply_to: Option<OperationId>,
    },
    /// An outcome without bytes.
    Text(Outcome),
}

impl Notes {
    /// Makes room for so many operations.
    pub(crate) fn reserve(&mut self, operations: usize) {
        self.notes.reserve(2 * operations);
        self.bytes.reserve(2 * operations * BYTES_USUAL);
    }

    /// Notes what a client did or was told.
    pub(crate) fn note(&mut self, at: Time, operation: OperationId, event: HistoryEvent) {
        let before = self.bytes.len();
        let noted = match event {
            HistoryEvent::Invoke(request) => {
                self.bytes.extend_from_slice(&request);
                Noted::Invoke
            }
            HistoryEvent::Complete(Outcome {
                kind,
                told: Told::Reply(reply),
                reply_to,
            }) => {
                self.bytes.extend_from_slice(&reply);
                Noted::Reply { kind, reply_to }
            }
            HistoryEvent::Complete(outcome) => Noted::Text(outcome),
        };
        self.notes.push(Note {
            at,
            operation,
            noted,
            len: self.bytes.len() - before,
        });
    }

    /// The history: by time, then client, then order within the client.
    pub(crate) fn finish(self) -> Vec<Entry> {
        let whole = SharedBytes::from(self.bytes);
        let mut start = 0;
        let entry = |note: Note| {
            let bytes = || whole.part(start..start + note.len);
            let event = match note.noted {
                Noted::Invoke => HistoryEvent::Invoke(bytes()),
                Noted::Reply { kind, reply_to } => HistoryEvent::Complete(Outcome {
                    kind,
                    told: Told::Reply(bytes()),
                    reply_to,
                }),
                Noted::Text(outcome) => HistoryEvent::Complete(outcome),
            };
            start += note.len;
            Entry {
                at: note.at,
                operation: note.operation,
                event,
            }
        };
        let mut entries: Vec<Entry> = self.notes.into_iter().map(entry).collect();
        let place = |entry: &Entry| (entry.at, entry.operation.client);
        if !entries.is_sorted_by_key(place) {
            entries.sort_by_key(place);
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::HostId;

    #[test]
    fn what_was_noted_comes_back_in_order_of_time() {
        let operation = |client| OperationId {
            client: HostId(client),
            number: 1,
        };
        let reply = Outcome {
            kind: OutcomeKind::Ok,
            told: Told::Reply(b"done".into()),
            reply_to: Some(operation(2)),
        };
        let events = [
            (2, HistoryEvent::Invoke(b"ask".into())),
            (1, HistoryEvent::Invoke(b"".into())),
            (
                2,
                HistoryEvent::Complete(Outcome::text(OutcomeKind::Unknown, "no reply")),
            ),
            (1, HistoryEvent::Complete(reply)),
        ];
        let mut notes = Notes::default();
        for (client, event) in events.clone() {
            notes.note(Time::ZERO, operation(client), event);
        }
        let told: Vec<_> = notes
            .finish()
            .into_iter()
            .map(|entry| (entry.operation.client.0, entry.event))
            .collect();
        let [a, b, c, d] = events;
        assert_eq!(told, [b, d, a, c]);
    }
}
