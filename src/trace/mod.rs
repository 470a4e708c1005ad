//! Traces: what hosts and the network did.
//!
//! Events are typed values, given to a [`Recorder`] as they happen; their words and columns are made
//! afterwards: each [`Line`] becomes a [`Row`] of texts, and rows are printed as [`text`] or [`json`].
//! The words form one closed list, [`Event::WORDS`], documented in `docs/trace.md`.
//!
//! What a trace never holds: the backend, ports, process ids, wall-clock time.

mod coverage;
mod decided;
pub mod json;
mod names;
mod reasons;
mod recorder;
mod row;
#[cfg(test)]
pub(crate) mod sample;
mod segment;
pub mod text;
mod words;

use std::rc::Rc;

use crate::clock::Time;
use crate::disk::Damage;
use crate::history::Outcome;
use crate::id::{ConnectionId, HostId, OperationId};
use crate::net::fate::Fate;
use crate::net::{Broken, Kind, Label};
use crate::wire::SharedBytes;

pub use coverage::Coverage;
pub use decided::{Commit, Decision, LockStep, Part, TransactionStep};
pub use names::Names;
pub use reasons::{Filtered, Ignored};
pub use recorder::{Detail, Live, Recorded, Recorder};
pub use row::{AttemptRow, CauseRow, Final, Header, OutcomeRow, Row, TraceFile, VerdictRow};
pub use segment::{SegmentEvent, SegmentWord, segment_text};

/// One event, with the time and the host.
#[derive(Clone, Debug)]
pub struct Line {
    /// When, counted from time zero of the trace.
    pub at: Time,
    /// Where.
    pub host: HostId,
    /// What.
    pub event: Event,
}

/// What hosts and the network do.
#[derive(Clone, Debug)]
pub enum Event {
    /// A host sent a datagram; the word depends on its label.
    Send {
        /// To whom.
        to: HostId,
        /// Which operation, and which attempt.
        label: Option<Label>,
        /// The datagram itself.
        datagram: SharedBytes,
        /// What becomes of it.
        fate: Fate,
    },
    /// A server took a request or a one-way message in.
    Receive {
        /// From whom.
        from: HostId,
        /// Which operation, and which attempt.
        label: Option<Label>,
    },
    /// A server executed a request: the step is done and, where there is a disk, durable.
    Execute {
        /// Whose request.
        operation: OperationId,
        /// The request, in the service's own encoding.
        request: SharedBytes,
        /// The reply, or `None` if the request waits.
        reply: Option<SharedBytes>,
        /// Of a request that waits: whether its step has stored anything. If not, nothing is left of it when
        /// its server crashes.
        stored: bool,
        /// Whether an earlier life did it, and was found to have done so when its disk was opened again.
        recovered: bool,
    },
    /// A request that had waited is complete.
    Complete {
        /// Whose request.
        operation: OperationId,
        /// The reply, in the service's own encoding.
        reply: SharedBytes,
        /// Whether an earlier life did it, as in [`Self::Execute`].
        recovered: bool,
    },
    /// A replica has made a write visible to its clients.
    Commit(Commit),
    /// A lock server has decided about one of its locks.
    Lock(LockStep),
    /// A server has done its part in a transaction.
    Transaction(TransactionStep),
    /// A server took a request in and did not execute it: a duplicate, or one that it may not take.
    Filter {
        /// Whose request.
        operation: OperationId,
        /// What it did instead.
        instead: Filtered,
    },
    /// A server forgot a request that waited, as nobody waits for it any more.
    Abandon {
        /// Whose request.
        operation: OperationId,
    },
    /// A host took a datagram in and made nothing of it.
    Ignore {
        /// From whom.
        from: HostId,
        /// Which operation.
        label: Option<Label>,
        /// Why.
        reason: Ignored,
    },
    /// A client was told that its request is in progress.
    Patience {
        /// From whom.
        from: HostId,
        /// Which operation.
        operation: OperationId,
        /// When it will send again.
        until: Time,
    },
    /// A client took an update in.
    Notified {
        /// From whom.
        from: HostId,
        /// The operation that asked for updates.
        operation: OperationId,
        /// The update, in the service's own encoding.
        update: SharedBytes,
    },
    /// A client's operation ended.
    Outcome {
        /// Which operation.
        operation: OperationId,
        /// How.
        outcome: Outcome,
    },
    /// A host sent a segment of a connection; the word says what for.
    Segment(Box<SegmentEvent>),
    /// A host has learned that a connection is no more, or never was.
    Broken {
        /// The host at the other end.
        peer: HostId,
        /// Which connection.
        connection: ConnectionId,
        /// Why.
        why: Broken,
        /// The number of the fault that did it, if one did.
        fault: Option<u16>,
    },
    /// A datagram reached a host that is down, or a port where nobody listens; or a segment reached a host
    /// that is down, and will be sent again.
    Lost {
        /// From whom.
        from: HostId,
        /// Of a segment: which connection.
        connection: Option<ConnectionId>,
        /// Which operation.
        label: Option<Label>,
        /// Whether the host is down, or has restarted in this very ms.
        down: bool,
    },
    /// This host and another are cut off from each other.
    Partition {
        /// The other host.
        from: HostId,
        /// Whether only what this host sends is lost.
        one_way: bool,
        /// The number of the fault.
        fault: u16,
    },
    /// They can reach each other again.
    Heal {
        /// The other host.
        from: HostId,
        /// The number of the fault.
        fault: u16,
    },
    /// The life of this host ended.
    Crash {
        /// The number of the fault.
        fault: u16,
        /// Whether it ended inside an operation on its disk, which failed.
        in_disk_operation: bool,
        /// What the disk has lost.
        disk: Damage,
    },
    /// A new life of this host began.
    Restart {
        /// The number of the fault that had ended the old one.
        fault: u16,
    },
    /// This host stopped running.
    Pause {
        /// For so many ms.
        span_ms: u64,
        /// The number of the fault; `None` if its script says so.
        fault: Option<u16>,
    },
    /// This host goes on.
    Resume {
        /// The number of the fault; `None` if its script said so.
        fault: Option<u16>,
    },
    /// The clock of this host is wrong.
    Skew {
        /// How far ahead it is at time zero of the trace, in ms.
        offset_ms: i64,
        /// How fast it goes, in millionths.
        rate_ppm: u32,
        /// The number of the fault.
        fault: u16,
    },
    /// Something that a service wants told, in one of the words of [`Word`].
    Service {
        /// The word.
        word: Word,
        /// Which operation it is about, if one.
        operation: Option<OperationId>,
        /// What about.
        text: Rc<str>,
    },
}

/// Words in which services tell their own events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    /// Something ended by its time: a registration.
    Expire,
    /// A server stopped: its disk failed, or holds what it cannot use.
    Halt,
    /// A write waits at a replica for others that it depends on.
    Stall,
}

impl Event {
    /// Every word that [`Self::word`] gives, with its meaning: the whole vocabulary of a trace.
    pub const WORDS: [(&'static str, &'static str); 44] = [
        ("send", "a client sent a request for the first time"),
        ("retransmit", "a client sent the same request again"),
        (
            "reply",
            "a server sent a reply, or the refusal of a request",
        ),
        ("in-progress", "a server said that a request is in progress"),
        ("update", "a server sent a client something unasked"),
        ("tell", "a client sent a message that asks for no reply"),
        ("hello", "a client asked the server for a session"),
        ("welcome", "a server gave a client a session"),
        ("peer", "a server sent another server a message"),
        ("receive", "a server took a request or a message in"),
        ("execute", "a server executed a request"),
        ("complete", "a request that had waited is complete"),
        ("commit", "a replica made a write visible to its clients"),
        ("grant", "a server granted a lock"),
        ("renew", "a server let the lease of a grant run anew"),
        ("withdraw", "a server ended a grant without a release"),
        (
            "decide",
            "a coordinator decided what becomes of a transaction",
        ),
        (
            "hold",
            "a participant of a transaction holds its part, and has voted yes",
        ),
        ("take", "a participant of a transaction took its part"),
        (
            "release",
            "a participant of a transaction gave its part free",
        ),
        (
            "filter",
            "a server took a request in and did not execute it",
        ),
        (
            "abandon",
            "a server forgot a request that waited, as nobody waits for it",
        ),
        ("ignore", "a host took a datagram in and made nothing of it"),
        (
            "patience",
            "a client learned that its request is in progress",
        ),
        ("notified", "a client took an update in"),
        ("outcome", "a client's operation ended"),
        ("connect", "a host asked another one for a connection"),
        ("accept", "a host that listens opened a connection"),
        ("segment", "a host sent bytes on a connection"),
        ("end", "a host sends no more bytes on a connection"),
        (
            "reset",
            "a host ended a connection at once, or does not know it",
        ),
        (
            "refuse",
            "a host was asked for a connection where nobody listens",
        ),
        ("broken", "a host learned that a connection is no more"),
        (
            "lost",
            "a datagram reached a host that is down, or where nobody listens",
        ),
        ("partition", "two hosts are cut off from each other"),
        ("heal", "two hosts can reach each other again"),
        ("crash", "the life of a host ended"),
        ("restart", "a new life of a host began"),
        ("pause", "a host stopped running"),
        ("resume", "a host goes on after a pause"),
        ("skew", "the clock of a host is wrong"),
        ("expire", "something ended by its time"),
        ("halt", "a server was stopped by its disk or its service"),
        ("stall", "a write waits for others that it depends on"),
    ];

    /// Those of the words that are about no operation.
    pub const WORDS_OF_NO_OPERATION: [&'static str; 14] = [
        "connect",
        "accept",
        "end",
        "reset",
        "refuse",
        "broken",
        "partition",
        "heal",
        "crash",
        "restart",
        "pause",
        "resume",
        "skew",
        "halt",
    ];

    /// The word of [`Self::Execute`].
    pub(crate) const EXECUTE: &'static str = "execute";
    /// The word of [`Self::Outcome`].
    pub(crate) const OUTCOME: &'static str = "outcome";

    /// The event's word, its second column in the text of a trace.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Send {
                label: Some(label), ..
            } => match label.kind {
                Kind::Request if label.attempt.number > 1 => "retransmit",
                Kind::Request => "send",
                Kind::Reply => "reply",
                Kind::InProgress => "in-progress",
                Kind::Update => "update",
                Kind::OneWay => "tell",
                Kind::Hello => "hello",
                Kind::Welcome => "welcome",
                Kind::Peer => "peer",
            },
            Self::Send { label: None, .. } => "send",
            Self::Receive { .. } => "receive",
            Self::Execute { .. } => Self::EXECUTE,
            Self::Complete { .. } => "complete",
            Self::Commit(_) => "commit",
            Self::Lock(step) => match step.decision {
                Decision::Grant(_) => "grant",
                Decision::Renew(_) => "renew",
                Decision::Withdraw => "withdraw",
            },
            Self::Transaction(step) => match step.part {
                Part::Decide { .. } => "decide",
                Part::Hold => "hold",
                Part::Take => "take",
                Part::Release => "release",
            },
            Self::Filter { .. } => "filter",
            Self::Abandon { .. } => "abandon",
            Self::Ignore { .. } => "ignore",
            Self::Patience { .. } => "patience",
            Self::Notified { .. } => "notified",
            Self::Outcome { .. } => Self::OUTCOME,
            Self::Segment(segment) => segment.word.text(),
            Self::Broken { .. } => "broken",
            Self::Lost { .. } => "lost",
            Self::Partition { .. } => "partition",
            Self::Heal { .. } => "heal",
            Self::Crash { .. } => "crash",
            Self::Restart { .. } => "restart",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Skew { .. } => "skew",
            Self::Service {
                word: Word::Expire, ..
            } => "expire",
            Self::Service {
                word: Word::Halt, ..
            } => "halt",
            Self::Service {
                word: Word::Stall, ..
            } => "stall",
        }
    }

    /// The operation that it is about, if it is about one.
    #[must_use]
    pub fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Send { label, .. }
            | Self::Receive { label, .. }
            | Self::Ignore { label, .. }
            | Self::Lost { label, .. } => label.map(|label| label.operation),
            Self::Execute { operation, .. }
            | Self::Complete { operation, .. }
            | Self::Filter { operation, .. }
            | Self::Abandon { operation }
            | Self::Patience { operation, .. }
            | Self::Notified { operation, .. }
            | Self::Outcome { operation, .. } => Some(*operation),
            Self::Commit(commit) => commit.operation,
            Self::Segment(segment) => segment.label.map(|label| label.operation),
            Self::Lock(step) => Some(step.operation),
            Self::Transaction(step) => step.operation,
            Self::Service { operation, .. } => *operation,
            Self::Broken { .. }
            | Self::Partition { .. }
            | Self::Heal { .. }
            | Self::Crash { .. }
            | Self::Restart { .. }
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Skew { .. } => None,
        }
    }

    /// Whether checkers need this event even where nobody reads the trace.
    const fn is_for_checks(&self) -> bool {
        matches!(
            self,
            Self::Execute { .. }
                | Self::Complete { .. }
                | Self::Commit(_)
                | Self::Lock(_)
                | Self::Transaction(_)
                | Self::Abandon { .. }
                | Self::Crash { .. }
                | Self::Restart { .. }
                | Self::Pause { .. }
                | Self::Resume { .. }
                | Self::Skew { .. }
                | Self::Outcome { .. }
                | Self::Service {
                    word: Word::Halt,
                    ..
                }
        )
    }
}

/// Puts a service's bytes into words. Every word of a trace that is not of this module comes from it.
pub trait Describe {
    /// What a datagram says: `cancel CONF000001`.
    fn datagram(&self, bytes: &[u8]) -> String;
    /// A request, as its client would type it.
    fn request(&self, body: &[u8]) -> String;
    /// A reply, as a client reads it.
    fn reply(&self, body: &[u8]) -> String;
    /// An update, as a client reads it.
    fn update(&self, body: &[u8]) -> String;
    /// What a segment of a connection says, which may be a part of a message or several: unless a service knows
    /// better, its text if it is one.
    fn segment(&self, bytes: &[u8]) -> String {
        segment_text(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_word_of_the_list_and_every_word_an_event() {
        let listed: Vec<&str> = Event::WORDS.iter().map(|(word, _)| *word).collect();
        let mut told: Vec<&str> = Vec::new();
        for event in sample::every_event() {
            let word = event.word();
            assert!(listed.contains(&word), "{word} is not listed");
            if !told.contains(&word) {
                told.push(word);
            }
        }
        assert_eq!(told, listed);
    }

    #[test]
    fn the_words_of_no_operation_are_those_of_events_that_never_have_one() {
        let mut without: Vec<&str> = Event::WORDS.iter().map(|(word, _)| *word).collect();
        for event in sample::every_event() {
            if event.operation().is_some() {
                without.retain(|word| *word != event.word());
            }
        }
        assert_eq!(without, Event::WORDS_OF_NO_OPERATION);
    }
}
