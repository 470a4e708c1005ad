//! A history as it is kept: small notes, and all bytes in one piece.
//!
//! A run notes two things for each operation, and most runs are only judged: so a note is cheap, and
//! entries are made when somebody asks for them.

use crate::clock::Time;
use crate::history::{Entry, HistoryEvent, Outcome, OutcomeKind, Told};
use crate::id::OperationId;
use crate::wire::SharedBytes;

/// Bytes that a request or reply usually takes, to make room at once.
const BYTES_USUAL: usize = 64;

/// What clients invoked and were told.
#[derive(Debug, Default)]
pub struct History {
    notes: Vec<Note>,
    /// Requests and replies, one behind the other.
    bytes: Vec<u8>,
    /// Outcomes in clients' own words.
    texts: Vec<Outcome>,
}

#[derive(Clone, Copy, Debug)]
struct Note {
    at: Time,
    operation: OperationId,
    noted: Noted,
}

#[derive(Clone, Copy, Debug)]
enum Noted {
    /// The request ends here; it begins where the bytes of the note before end.
    Invoke { end: u32 },
    /// The same of a reply.
    Reply {
        end: u32,
        kind: OutcomeKind,
        reply_to: Option<OperationId>,
    },
    /// The place among the texts.
    Text(u32),
}

impl History {
    /// Makes room for so many operations.
    pub(crate) fn reserve(&mut self, operations: usize) {
        self.notes.reserve(2 * operations);
        self.bytes.reserve(2 * operations * BYTES_USUAL);
    }

    /// Notes that a client began an operation.
    #[inline]
    pub(crate) fn invoke(&mut self, at: Time, operation: OperationId, request: &[u8]) {
        let end = self.append(request);
        self.notes.push(Note {
            at,
            operation,
            noted: Noted::Invoke { end },
        });
    }

    /// Notes how it ended.
    #[inline]
    pub(crate) fn complete(&mut self, at: Time, operation: OperationId, outcome: &Outcome) {
        let noted = match &outcome.told {
            Told::Reply(reply) => {
                let (kind, reply_to) = (outcome.kind, outcome.reply_to);
                Noted::Reply {
                    end: self.append(reply),
                    kind,
                    reply_to,
                }
            }
            Told::Text(_) => {
                self.texts.push(outcome.clone());
                Noted::Text(place(self.texts.len() - 1))
            }
        };
        self.notes.push(Note {
            at,
            operation,
            noted,
        });
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.extend_from_slice(bytes);
        place(self.bytes.len())
    }

    /// How each operation ended, in the order in which they did.
    pub fn outcomes(&self) -> impl Iterator<Item = (OperationId, OutcomeKind)> + '_ {
        self.notes.iter().filter_map(|note| match note.noted {
            Noted::Invoke { .. } => None,
            Noted::Reply { kind, .. } => Some((note.operation, kind)),
            Noted::Text(text) => Some((note.operation, self.texts[text as usize].kind)),
        })
    }

    /// The entries: by time, then client, then order within the client.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let whole = SharedBytes::from(&self.bytes[..]);
        let mut start = 0;
        let mut bytes_until = |end: u32| {
            let begin = std::mem::replace(&mut start, end as usize);
            whole.part(begin..end as usize)
        };
        let entry = |note: &Note| {
            let event = match note.noted {
                Noted::Invoke { end } => HistoryEvent::Invoke(bytes_until(end)),
                Noted::Reply {
                    end,
                    kind,
                    reply_to,
                } => {
                    let told = Told::Reply(bytes_until(end));
                    HistoryEvent::Complete(Outcome {
                        kind,
                        told,
                        reply_to,
                    })
                }
                Noted::Text(text) => HistoryEvent::Complete(self.texts[text as usize].clone()),
            };
            Entry {
                at: note.at,
                operation: note.operation,
                event,
            }
        };
        let mut entries: Vec<Entry> = self.notes.iter().map(entry).collect();
        entries.sort_by_key(|entry| (entry.at, entry.operation.client));
        entries
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).expect("a run notes less than 4 GiB")
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
        let unknown = Outcome::text(OutcomeKind::Unknown, "no reply");
        let mut history = History::default();
        history.invoke(Time::ZERO, operation(2), b"ask");
        history.invoke(Time::ZERO, operation(1), b"");
        history.complete(Time::ZERO, operation(2), &unknown);
        history.complete(Time::ZERO, operation(1), &reply);
        let told: Vec<_> = history
            .entries()
            .into_iter()
            .map(|entry| (entry.operation.client.0, entry.event))
            .collect();
        let expected = [
            (1, HistoryEvent::Invoke(b"".into())),
            (1, HistoryEvent::Complete(reply)),
            (2, HistoryEvent::Invoke(b"ask".into())),
            (2, HistoryEvent::Complete(unknown)),
        ];
        assert_eq!(told, expected);
        let kinds: Vec<_> = history.outcomes().map(|(_, kind)| kind).collect();
        assert_eq!(kinds, [OutcomeKind::Unknown, OutcomeKind::Ok]);
    }
}
