//! The abstract network: what a server or client sees of it.
//!
//! Servers and clients are written once, against the traits of this module, and run on three
//! backends: [`event`], the event-driven simulator; [`turmoil`], the same hosts on turmoil; and
//! [`real`], UDP and TCP sockets.
//!
//! There are [`Datagrams`], which may be lost, doubled, delayed and overtaken; and [`Connection`]s, each of
//! which carries bytes both ways, complete and in their order, or breaks. In simulation both are packets
//! with a fate: a segment of a connection is never lost, it only comes late.
//!
//! The traits have poll methods, so that one boxed value serves every backend without a generic
//! parameter and without an allocation per call; [`recv_until`], [`read_until`], [`accept`] and [`write_all`]
//! are the helpers that are awaited.
//!
//! Deliberately absent: a way to ask for the fate of a datagram. A sender hands a [`Label`] along and
//! never learns what became of it, exactly as on a real network.

pub mod conditions;
mod connections;
mod deeds;
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
mod segment;
mod segment_fate;
mod segments;
pub mod simulated;
mod simulated_connection;
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

/// Bytes of a connection that are written and that the other end has not read: so many, and a write waits
/// for room. What Linux gives a socket at first, in order of magnitude.
pub const UNREAD_BYTES_MAX: usize = 65_536;

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
    fn send(&mut self, to: SocketAddr, body: &SharedBytes, label: Option<Label>);

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

    /// Listens for connections; port 0 asks for any free port. Ports of connections and of datagrams are
    /// apart.
    ///
    /// # Errors
    ///
    /// If the port is taken or may not be used.
    fn listen(&self, port: u16) -> io::Result<Box<dyn Listener>>;

    /// Begins a connection; [`Connection::poll_open`] says how that ends.
    fn connect(&self, to: SocketAddr) -> Box<dyn Connection>;

    /// The address of a host, by name.
    fn lookup(&self, name: &str) -> Option<IpAddr>;
}

/// Why a connection is no more, or never was.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Broken {
    /// The host is there, and nobody listens on this port, or too many wait already.
    #[error("connection refused")]
    Refused,
    /// The other end does not know the connection any more, or something between the two has ended it.
    #[error("connection reset")]
    Reset,
    /// The other host did not answer in time, or there is no way to it.
    #[error("connection timed out")]
    TimedOut,
}

impl Broken {
    /// Every one, in order.
    pub const ALL: [Self; 3] = [Self::Refused, Self::Reset, Self::TimedOut];
}

/// Bytes that have arrived on a connection.
///
/// Where they are cut says nothing: a piece may hold a part of what was written at once, or more.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The bytes, one at least.
    pub body: SharedBytes,
    /// In simulation, the label of the write that its last byte came from: for the trace only.
    pub label: Option<Label>,
}

/// Waits for connections on one port. Once it is dropped nobody listens there, and connections that nobody
/// has accepted are reset.
pub trait Listener {
    /// The next connection that another host has opened.
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Box<dyn Connection>>;

    /// The address that others connect to.
    fn local_address(&self) -> SocketAddr;
}

/// One end of a connection: bytes both ways, in order and complete as far as they come.
///
/// Dropping it closes it. If all that has arrived was read, the other end reads on to the end of what was
/// written, and is told of a reset if it writes more; if not, the connection is reset.
///
/// The end of a host's life is silent: the other end learns of it by a reset when it next sends something
/// that a later life receives, by [`Broken::TimedOut`] if none does for a long time, or by a limit of its own
/// on how long it waits.
pub trait Connection {
    /// Ready once the connection is open, before which nothing else is to be asked of it:
    /// [`Host::connect`](crate::host::Host::connect) waits for it. In simulation it times out after 3 s.
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>>;

    /// The next bytes, or `None` at the end of what the other end sends. What had arrived before the
    /// connection broke comes first; over TCP, as far as the operating system has kept it.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Broken>>;

    /// Writes the first of these bytes, one at least unless there are none, and says how many: ready when
    /// there is room. An end that has finished can write no more: to it the connection is reset.
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        label: Option<Label>,
    ) -> Poll<Result<usize, Broken>>;

    /// Ends what this end sends. It may read on.
    fn finish(&mut self);

    /// The address of the other end.
    fn peer_address(&self) -> SocketAddr;
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

/// Reads the next bytes, or gives `None` at the deadline. As with datagrams, what arrives in the
/// deadline's millisecond comes first.
///
/// # Errors
///
/// If the connection breaks.
pub async fn read_until(
    connection: &mut dyn Connection,
    timer: &mut dyn Timer,
    deadline: Time,
) -> Option<Result<Option<Piece>, Broken>> {
    poll_fn(|context| match connection.poll_read(context) {
        Poll::Ready(read) => Poll::Ready(Some(read)),
        Poll::Pending if deadline == Time::NEVER => Poll::Pending,
        Poll::Pending => timer.poll_until(context, deadline).map(|()| None),
    })
    .await
}

/// Waits for the next connection.
pub async fn accept(listener: &mut dyn Listener) -> Box<dyn Connection> {
    poll_fn(|context| listener.poll_accept(context)).await
}

/// Writes all of these bytes, as there is room for them.
///
/// # Errors
///
/// If the connection breaks; nobody knows then how much of it has arrived.
pub async fn write_all(
    connection: &mut dyn Connection,
    bytes: &[u8],
    label: Option<Label>,
) -> Result<(), Broken> {
    let mut written = 0;
    while written < bytes.len() {
        let rest = &bytes[written..];
        written += poll_fn(|context| connection.poll_write(context, rest, label)).await?;
    }
    Ok(())
}

/// Waits until the clock has reached `at`.
pub async fn sleep_until(timer: &mut dyn Timer, at: Time) {
    poll_fn(|context| timer.poll_until(context, at)).await;
}
