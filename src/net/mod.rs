//! The abstract network: what a server or client sees of it.
//!
//! Servers and clients are written once, against the traits of this module, and run on three
//! backends: [`event`], the event-driven simulator; [`turmoil`], the same hosts on turmoil; and
//! [`real`], UDP sockets.
//!
//! The traits have poll methods, so that one boxed value serves every backend without a generic
//! parameter and without an allocation per call; [`recv_until`] is the helper that is awaited.
//!
//! Deliberately absent: a way to ask for the fate of a datagram. A sender hands a [`Label`] along and
//! never learns what became of it, exactly as on a real network.

pub mod conditions;
mod disks;
pub mod event;
pub mod fate;
pub mod faults;
mod flow;
mod lives;
pub mod packet;
mod ports;
pub mod real;
mod script;
pub mod simulated;
mod skew;
mod streams;
mod timers;
pub mod turmoil;
pub mod world;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::clock::Time;
use crate::id::OperationId;
use crate::wire::SharedBytes;

/// The longest datagram that a service may send, in bytes: what UDP over IPv4 can carry.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;

/// What a datagram is, in the words of a trace: `alice#3`'s second attempt, the reply to `bob#1`.
///
/// The label is no part of the datagram. It names its fate in simulation and its line in the trace;
/// a protocol must not act on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Label {
    /// What the datagram carries.
    pub kind: Kind,
    /// The operation that it belongs to.
    pub operation: OperationId,
    /// For requests: which attempt this is, from 1, and of how many. Zero for all others.
    pub attempt: Attempt,
}

impl Label {
    /// A label without attempt.
    #[must_use]
    pub const fn new(kind: Kind, operation: OperationId) -> Self {
        Self {
            kind,
            operation,
            attempt: Attempt { number: 0, of: 0 },
        }
    }
}

/// Which attempt of how many.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u16,
    /// How many the client's policy allows.
    pub of: u16,
}

/// What a datagram carries.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A request, or a retransmission of one.
    Request,
    /// The reply to a request, or the refusal of one.
    Reply,
    /// The notice that a request is in progress.
    InProgress,
    /// A message that a server pushes to a client.
    Update,
    /// A message from a client that asks for no reply (a heartbeat, a question for a lost update).
    OneWay,
    /// A client's question for a session.
    Hello,
    /// The answer to a hello.
    Welcome,
    /// A message from one server of a service to another.
    Peer,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Self; 8] = [
        Self::Request,
        Self::Reply,
        Self::InProgress,
        Self::Update,
        Self::OneWay,
        Self::Hello,
        Self::Welcome,
        Self::Peer,
    ];

    /// The kind's name, as traces and streams write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Reply => "reply",
            Self::InProgress => "in-progress",
            Self::Update => "update",
            Self::OneWay => "one-way",
            Self::Hello => "hello",
            Self::Welcome => "welcome",
            Self::Peer => "peer",
        }
    }
}

/// A datagram that has arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its bytes.
    pub body: SharedBytes,
    /// Who sent it.
    pub from: SocketAddr,
    /// In simulation, the sender's label: for the trace only.
    pub label: Option<Label>,
}

/// A bound datagram socket.
pub trait Datagrams {
    /// Sends a datagram. It may be lost, doubled, delayed or overtaken; nobody will say so.
    ///
    /// A datagram of more than [`DATAGRAM_BYTES_MAX`] bytes is lost.
    fn send(&mut self, to: SocketAddr, body: SharedBytes, label: Option<Label>);

    /// The next datagram that has arrived.
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Arrival>;

    /// The address that this socket is bound to.
    fn local_address(&self) -> SocketAddr;
}

/// A timer of one task.
pub trait Timer {
    /// Ready once the clock has reached `at`. A later call may name another time.
    fn poll_until(&mut self, context: &mut Context<'_>, at: Time) -> Poll<()>;
}

/// The network as one host sees it.
pub trait Network {
    /// Binds a datagram socket; port 0 asks for any free port.
    ///
    /// # Errors
    ///
    /// If the port is taken or may not be used.
    fn bind(&self, port: u16) -> io::Result<Box<dyn Datagrams>>;

    /// The address of a host, by name.
    fn lookup(&self, name: &str) -> Option<IpAddr>;
}

/// Receives, or gives `None` at the deadline. A datagram that arrives in the deadline's millisecond
/// comes first: one rule, in one place, on every backend.
pub fn recv_until<'a>(
    socket: &'a mut dyn Datagrams,
    timer: &'a mut dyn Timer,
    deadline: Time,
) -> RecvUntil<'a> {
    RecvUntil {
        socket,
        timer,
        deadline,
    }
}

/// The future of [`recv_until`].
pub struct RecvUntil<'a> {
    socket: &'a mut dyn Datagrams,
    timer: &'a mut dyn Timer,
    deadline: Time,
}

impl Future for RecvUntil<'_> {
    type Output = Option<Arrival>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Arrival>> {
        if let Poll::Ready(arrival) = self.socket.poll_recv(context) {
            return Poll::Ready(Some(arrival));
        }
        let deadline = self.deadline;
        if deadline == Time::NEVER {
            return Poll::Pending;
        }
        self.timer.poll_until(context, deadline).map(|()| None)
    }
}

impl fmt::Debug for RecvUntil<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvUntil")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Waits until the clock has reached `at`.
pub async fn sleep_until(timer: &mut dyn Timer, at: Time) {
    poll_fn(|context| timer.poll_until(context, at)).await;
}
