//! Traces: what hosts and the network did.
//!
//! Events are typed values, given to a [`Recorder`] as they happen; their words and columns are made
//! afterwards, in the modules `text` and `json`. The words form one closed list, [`Event::word`], documented
//! in `docs/trace.md`.
//!
//! What a trace never holds: the backend, ports, process ids, wall-clock time.

use std::rc::Rc;

use crate::clock::Time;
use crate::history::{Entry, HistoryEvent, Outcome};
use crate::id::{HostId, OperationId};
use crate::net::fate::Fate;
use crate::net::{Kind, Label};

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
        datagram: Rc<[u8]>,
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
        request: Rc<[u8]>,
        /// The reply, or `None` if the request waits.
        reply: Option<Rc<[u8]>>,
    },
    /// A request that had waited is complete.
    Complete {
        /// Whose request.
        operation: OperationId,
        /// The reply, in the service's own encoding.
        reply: Rc<[u8]>,
    },
    /// A server recognized a request as a duplicate and did not execute it.
    Filter {
        /// Whose request.
        operation: OperationId,
        /// What it did instead.
        instead: Filtered,
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
        update: Rc<[u8]>,
    },
    /// A client's operation ended.
    Outcome {
        /// Which operation.
        operation: OperationId,
        /// How.
        outcome: Outcome,
    },
    /// A datagram reached a host where nobody listens.
    Lost {
        /// From whom.
        from: HostId,
        /// Which operation.
        label: Option<Label>,
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
    /// Something that a service wants told, in one of the words of [`Word`].
    Service {
        /// The word.
        word: Word,
        /// What about.
        text: Rc<str>,
    },
}

/// What a server did with a duplicate instead of executing it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Filtered {
    /// Sent the stored reply again.
    ReplyStored,
    /// Said that the request is in progress.
    InProgress,
    /// Nothing: the client has acknowledged the reply.
    Acknowledged,
    /// Refused it: the same request id came with another body.
    DifferentBody,
    /// Refused it: the reply cache is full of requests in progress.
    Full,
}

/// Why a host made nothing of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ignored {
    /// A reply that nobody waits for any more.
    NotWaiting,
    /// An update that is known already.
    KnownUpdate,
    /// An update that came before an earlier one; the earlier one was asked for.
    EarlyUpdate,
    /// An update that nobody asked for, or no longer.
    NotMonitoring,
    /// No message of any format.
    Malformed,
}

/// Words in which services tell their own events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    /// Something ended by its time: a registration.
    Expire,
}

impl Event {
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
            },
            Self::Send { label: None, .. } => "send",
            Self::Receive { .. } => "receive",
            Self::Execute { .. } => "execute",
            Self::Complete { .. } => "complete",
            Self::Filter { .. } => "filter",
            Self::Ignore { .. } => "ignore",
            Self::Patience { .. } => "patience",
            Self::Notified { .. } => "notified",
            Self::Outcome { .. } => "outcome",
            Self::Lost { .. } => "lost",
            Self::Partition { .. } => "partition",
            Self::Heal { .. } => "heal",
            Self::Service {
                word: Word::Expire, ..
            } => "expire",
        }
    }

    /// Whether checkers need this event even where nobody reads the trace.
    const fn is_for_checks(&self) -> bool {
        matches!(
            self,
            Self::Execute { .. } | Self::Complete { .. } | Self::Outcome { .. }
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
}

/// How much a recorder keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detail {
    /// Every event: a trace to read.
    Trace,
    /// What checkers need, and no more.
    Checks,
}

/// Keeps the trace and the history of a run.
#[derive(Debug)]
pub struct Recorder {
    detail: Detail,
    muted: bool,
    zero: Time,
    lines: Vec<Line>,
    history: Vec<Entry>,
}

impl Recorder {
    /// An empty recorder.
    #[must_use]
    pub const fn new(detail: Detail) -> Self {
        Self {
            detail,
            muted: false,
            zero: Time::ZERO,
            lines: Vec::new(),
            history: Vec::new(),
        }
    }

    /// Stops recording: what follows is no part of the story.
    pub const fn mute(&mut self) {
        self.muted = true;
    }

    /// Records from here on; `zero` is time zero of the trace.
    pub const fn unmute(&mut self, zero: Time) {
        self.muted = false;
        self.zero = zero;
    }

    /// Whether events are recorded at present.
    #[must_use]
    pub const fn is_muted(&self) -> bool {
        self.muted
    }

    /// The time of the trace at this time of the run.
    #[must_use]
    pub fn trace_time(&self, now: Time) -> Time {
        Time::ZERO + (now - self.zero)
    }

    /// Records an event.
    pub fn record(&mut self, now: Time, host: HostId, event: Event) {
        if !self.muted && (self.detail == Detail::Trace || event.is_for_checks()) {
            self.lines.push(Line {
                at: self.trace_time(now),
                host,
                event,
            });
        }
    }

    /// Whether every event is kept: if not, nobody need make those that checkers do not read.
    #[must_use]
    pub fn wants_all(&self) -> bool {
        self.detail == Detail::Trace && !self.muted
    }

    /// Records what a client did or was told.
    pub fn record_history(&mut self, now: Time, operation: OperationId, event: HistoryEvent) {
        if !self.muted {
            self.history.push(Entry {
                at: self.trace_time(now),
                operation,
                event,
            });
        }
    }

    /// The trace in its canonical order (by time, then host, then order within the host), and the
    /// history.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Line>, Vec<Entry>) {
        self.lines.sort_by_key(|line| (line.at, line.host));
        (self.lines, self.history)
    }
}
