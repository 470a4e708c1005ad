//! The front of a server that clients reach by lines over connections: it makes requests of lines, and lines of
//! replies.
//!
//! What it guarantees: no connection holds up another, whatever its client does or leaves undone. They take turns:
//! each writes once, reads a little and takes one line, and then it is the next one's turn; new ones are let in between, a
//! few at a time. Each has one request under way at most, and its next line is taken when the reply has been
//! written; so what is kept of it is bounded: one line, one reply. Long replies share some room; whoever leaves one
//! unread for longest loses its connection to newcomers, and short replies always have room. Whoever has ended what
//! it sends is still answered, and then the connection is closed.
//!
//! What it deliberately does not: it never repeats anything. A connection that breaks takes nothing back; the
//! reply waits in the reply cache for a client that asks again under the same id.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use crate::clock::Time;
use crate::host::Host;
use crate::id::ClientId;
use crate::net::{Connection, Label, Listener};
use crate::rpc::line::{Lines, write_answer};
use crate::rpc::line_connection::{LineConnection, Request, SHORT_BYTES_MAX, Step};
use crate::rpc::message::Message;
use crate::rpc::origin::Origin;
use crate::wire::SharedBytes;

/// Connections at once: more are told so, and closed. Each may keep a line, about 40 KiB, and a reply.
pub const CONNECTIONS_MAX: usize = 1_000;

/// Bytes of long replies that are not written yet, on all connections. Where there would be more, whoever has left one
/// unread for longest makes room: its connection is closed. Room for ten of the longest; few are long, and most are
/// written at once.
const LONG_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Steps in a row before other tasks, and datagrams, have their turn.
const STEPS_MAX: usize = 32;

/// Connections that are let in before each round: a flood of them does not keep those that are there from theirs.
const ACCEPTS_MAX: usize = 8;

/// The port of all lines: no datagram can be sent there. The rest of their address is their number.
const NO_PORT: u16 = 0;

/// The connections of a server.
pub struct LineFront {
    host: Host,
    listener: Box<dyn Listener>,
    lines: Lines,
    /// In whose name lines without an id are executed.
    own: ClientId,
    /// How many lines were requests. Each has a number, so that no reply goes to another one of the same id: where
    /// duplicates are not filtered, that may be another request.
    numbered: u32,
    connections: Vec<LineConnection>,
    /// Whose turn it is: the next one's after the one that has last done something, so none is forgotten because
    /// others say much.
    turn: usize,
}

/// A line that is a request.
#[derive(Debug)]
pub struct Said {
    /// Where it came from; answers to it go to the front.
    pub origin: Origin,
    /// Whose request it is.
    pub client: ClientId,
    /// Its number.
    pub sequence: u32,
    /// What it asks for.
    pub ask: Ask,
}

/// What a line asks a server for.
#[derive(Debug)]
pub enum Ask {
    /// A session.
    Hello,
    /// A request without an id: it is executed now.
    Once(SharedBytes),
    /// A request with an id, in a session of the client or, for [`NO_SESSION`](super::message::NO_SESSION), in
    /// the one that it has.
    Under(u64, SharedBytes),
}

impl std::fmt::Debug for LineFront {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineFront")
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

impl LineFront {
    /// A front of this host, whose clients come to this listener.
    #[must_use]
    pub fn new(host: Host, listener: Box<dyn Listener>, lines: Lines) -> Self {
        let own = ClientId(host.stream("lines without id").next_u64());
        Self {
            host,
            listener,
            lines,
            own,
            numbered: 0,
            connections: Vec::new(),
            turn: 0,
        }
    }

    /// The address that clients connect to.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.listener.local_address()
    }

    /// When a connection is to be closed unless something happens on it.
    #[must_use]
    pub fn next_deadline(&self) -> Time {
        let deadlines = self.connections.iter().map(LineConnection::deadline);
        deadlines.min().unwrap_or(Time::NEVER)
    }

    /// Closes connections on which nothing has happened for too long.
    pub(super) fn expire(&mut self, now: Time) {
        for connection in &mut self.connections {
            connection.expire(now, self.lines.idle);
        }
    }

    /// The next line that is a request. Meanwhile connections are accepted, read, written and closed.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Said> {
        let now = self.host.now();
        let mut steps = 0;
        while steps < STEPS_MAX {
            let before = steps;
            steps += self.let_in(context, now);
            if let Some(request) = self.round(context, now, &mut steps) {
                return Poll::Ready(self.said(request));
            }
            if steps == before {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref(); // there is more to do
        Poll::Pending
    }

    /// A step of each connection, up to one that has a request, or until much has been done.
    fn round(
        &mut self,
        context: &mut Context<'_>,
        now: Time,
        steps: &mut usize,
    ) -> Option<Request> {
        let count = self.connections.len();
        let first = self.turn.min(count);
        let mut found = None;
        for place in (first..count).chain(0..first) {
            match self.connections[place].step(context, now, &self.lines) {
                Step::Idle => continue,
                Step::Busy => {}
                Step::Request(request) => found = Some(request),
            }
            self.turn = place + 1;
            *steps += 1;
            if found.is_some() || *steps >= STEPS_MAX {
                break;
            }
        }
        // Whoever was in front of the one whose turn it is moves it forward when it goes.
        let before = self.connections.iter().take(self.turn);
        self.turn = before.filter(|it| !it.is_gone()).count();
        self.connections.retain(|it| !it.is_gone());
        found
    }

    /// Accepts a few of the connections that wait, and says how many.
    fn let_in(&mut self, context: &mut Context<'_>, now: Time) -> usize {
        let mut count = 0;
        while count < ACCEPTS_MAX
            && let Poll::Ready(connection) = self.listener.poll_accept(context)
        {
            self.accept(connection, now, context);
            count += 1;
        }
        count
    }

    /// The request of the connection that has last done something.
    fn said(&mut self, request: Request) -> Said {
        self.numbered = self.numbered.wrapping_add(1).max(1);
        let number = self.numbered;
        let (client, sequence) = match request.id {
            Some(id) => (id.client, id.sequence),
            None => (self.own, number),
        };
        let connection = &mut self.connections[self.turn - 1];
        connection.begin((client, sequence), number);
        let origin = Origin {
            address: address_of(number),
            host: self.host.host_of(connection.peer()),
            label: request.label,
        };
        Said {
            origin,
            client,
            sequence,
            ask: request.ask,
        }
    }

    /// Whether what is sent to an address is for the front.
    pub(super) fn is_at(to: SocketAddr) -> bool {
        to.port() == NO_PORT
    }

    /// Writes what the server answers to the line of this address. A reply is also for those who were told that
    /// its request is in progress; anything else is for that line alone.
    pub(super) fn answer(&mut self, to: SocketAddr, datagram: &[u8], label: Option<Label>) {
        let Ok(message) = Message::decode(datagram) else {
            return;
        };
        let number = number_of(to);
        let (Message::InProgress { client, sequence }
        | Message::Refused {
            client, sequence, ..
        }
        | Message::Welcome {
            client, sequence, ..
        }) = message
        else {
            return self.complete(&message, number, label);
        };
        let mut connections = self.connections.iter_mut();
        let request = (client, sequence);
        if let Some(asker) = connections.find(|it| it.is_number(number) && it.is_under_way(request))
            && let Some(text) = write_answer(&message, self.lines.format)
        {
            match message {
                Message::InProgress { .. } => asker.join(&text, label),
                _ => asker.answer(&text, label),
            }
        }
    }

    /// The server sends this to somebody else. If it is the reply to a request of which somebody here was told that
    /// it is in progress, it is written here too.
    pub(super) fn overhear(&mut self, datagram: &[u8], label: Option<Label>) {
        if self.connections.iter().any(LineConnection::has_joined)
            && let Ok(message) = Message::decode(datagram)
        {
            self.complete(&message, None, label);
        }
    }

    fn complete(&mut self, message: &Message<'_>, number: Option<u32>, label: Option<Label>) {
        let &Message::Reply {
            client, sequence, ..
        } = message
        else {
            return;
        };
        let now = self.host.now();
        let mut text = None;
        for place in 0..self.connections.len() {
            let connection = &self.connections[place];
            let is_heard = connection.is_number(number) || connection.has_joined();
            if is_heard && connection.is_under_way((client, sequence)) {
                let text = text.get_or_insert_with(|| write_answer(message, self.lines.format));
                let Some(text) = text else { return };
                let bytes = connection.room_for(text);
                self.make_room(bytes);
                self.connections[place].complete(text, label, (now, self.lines.idle));
            }
        }
    }

    /// Makes room for a reply of so many bytes, if it is a long one.
    fn make_room(&mut self, bytes: usize) {
        if bytes <= SHORT_BYTES_MAX {
            return;
        }
        let connections = self.connections.iter();
        let mut held: usize = connections.map(LineConnection::long_bytes).sum();
        while held + bytes > LONG_BYTES_MAX {
            let holders = self.connections.iter_mut();
            let holders = holders.filter(|it| it.long_bytes() > 0);
            let Some(slowest) = holders.min_by_key(|it| it.completed_at()) else {
                return;
            };
            held -= slowest.long_bytes();
            slowest.close();
        }
    }

    /// The server will not answer this request: it has taken in a later one of the same client.
    pub(super) fn give_up(&mut self, client: ClientId, sequence: u32) {
        let now = self.host.now();
        for connection in &mut self.connections {
            if connection.is_under_way((client, sequence)) {
                connection.complete(SUPERSEDED, None, (now, self.lines.idle));
            }
        }
    }

    fn accept(
        &mut self,
        mut connection: Box<dyn Connection>,
        now: Time,
        context: &mut Context<'_>,
    ) {
        if self.connections.len() < CONNECTIONS_MAX {
            let until = now + self.lines.idle;
            self.connections
                .push(LineConnection::new(connection, until));
        } else {
            // If there is no room for a line on a connection that has just begun, nothing is lost by it.
            let _is_written =
                connection.poll_write(context, b"error: too many connections\n", None);
        }
    }
}

/// Where the answers to the line of this number are sent.
fn address_of(number: u32) -> SocketAddr {
    let ip = Ipv6Addr::from(u128::from(number));
    SocketAddr::new(ip.into(), NO_PORT)
}

/// The number of the line whose address this is.
fn number_of(address: SocketAddr) -> Option<u32> {
    match address.ip() {
        IpAddr::V6(ip) => u32::try_from(u128::from(ip)).ok(),
        IpAddr::V4(_) => None,
    }
}

/// What is said of a request that nobody is believed to wait for.
const SUPERSEDED: &str = "error: a later request of this client has come";

#[cfg(test)]
#[path = "line_front_tests.rs"]
pub(super) mod tests;

#[cfg(test)]
#[path = "line_front_server_tests.rs"]
mod server_tests;
