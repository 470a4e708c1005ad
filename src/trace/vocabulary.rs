//! The words of events: the second column of a trace, and what each means.

use crate::net::Kind;
use crate::trace::{Decision, Event, Part, Word};

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
}
