//! The front of a server that clients reach by lines over connections: it makes requests of lines, and lines of
//! replies.
//!
//! What it guarantees: no connection holds up another, whatever its client does or leaves undone. They take turns:
//! each writes once, reads a little and takes one line, and then it is the next one's turn; new ones are let in between, a
//! few at a time. Each has one request under way at most, and its next line is taken when the reply has been
//! written; so what is kept of it is bounded: one line, one reply. Whoever has ended what it sends is still
//! answered, and then the connection is closed.
//!
//! What it deliberately does not: it never repeats anything. A connection that breaks takes nothing back; the
//! reply waits in the reply cache for a client that asks again under the same id.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::clock::Time;
use crate::host::Host;
use crate::id::ClientId;
use crate::net::{Connection, Label, Listener};
use crate::rpc::line::{Lines, write_answer};
use crate::rpc::line_connection::{LineConnection, Request, Step};
use crate::rpc::message::Message;
use crate::rpc::origin::Origin;
use crate::wire::SharedBytes;

/// Connections at once: more are told so, and closed. Each may keep a line, about 40 KiB, and a reply.
pub const CONNECTIONS_MAX: usize = 1_000;

/// Bytes of replies that are not written yet, on all connections: more are not kept, and their clients are told to
/// ask again. Room for ten of the longest; few are long, and most are written at once.
const UNWRITTEN_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Steps in a row before other tasks, and datagrams, have their turn.
const STEPS_MAX: usize = 32;

/// Connections that are let in before each round: a flood of them does not keep those that are there from theirs.
const ACCEPTS_MAX: usize = 8;

/// Where all connections stand in for one address: no datagram can be sent to port 0.
const NO_PORT: u16 = 0;

/// The connections of a server.
pub struct LineFront {
    host: Host,
    listener: Box<dyn Listener>,
    lines: Lines,
    /// In whose name lines without an id are executed.
    own: ClientId,
    /// How many of them there have been.
    numbered: u32,
    connections: Vec<LineConnection>,
    /// Whose turn it is: the next one's after the one that has last done something, so none is forgotten because
    /// others say much. If that was a request, it is the one that the server has.
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
        let (client, sequence) = match request.id {
            Some(id) => (id.client, id.sequence),
            None => {
                self.numbered = self.numbered.wrapping_add(1).max(1);
                (self.own, self.numbered)
            }
        };
        let connection = &mut self.connections[self.turn - 1];
        connection.begin((client, sequence));
        let peer = connection.peer();
        Said {
            origin: self.origin(peer, request.label),
            client,
            sequence,
            ask: request.ask,
        }
    }

    /// Whether what is sent to an address is for the front.
    pub(super) fn is_at(to: SocketAddr) -> bool {
        to.port() == NO_PORT
    }

    /// Writes what the server answers: a reply on every connection where its request is under way, whoever it was
    /// executed for. Anything else is about the line that has just come, and goes to its connection alone.
    pub(super) fn answer(&mut self, datagram: &[u8], label: Option<Label>) {
        let Ok(message) = Message::decode(datagram) else {
            return;
        };
        let (Message::InProgress { client, sequence }
        | Message::Refused {
            client, sequence, ..
        }
        | Message::Welcome {
            client, sequence, ..
        }) = message
        else {
            return self.complete(&message, label);
        };
        let is_last = !matches!(message, Message::InProgress { .. });
        let (now, idle) = (self.host.now(), self.lines.idle);
        let asker = self.turn.checked_sub(1);
        let asker = asker.and_then(|place| self.connections.get_mut(place));
        if let Some(asker) = asker
            && asker.is_under_way((client, sequence))
            && let Some(text) = write_answer(&message, self.lines.format)
        {
            asker.answer(&text, label, is_last);
            asker.touch(now, idle);
        }
    }

    /// The server sends this to somebody else. If it is the reply to a request that is under way here as well, it is
    /// written here too.
    pub(super) fn overhear(&mut self, datagram: &[u8], label: Option<Label>) {
        if self.connections.iter().any(LineConnection::is_waiting)
            && let Ok(message) = Message::decode(datagram)
        {
            self.complete(&message, label);
        }
    }

    fn complete(&mut self, message: &Message<'_>, label: Option<Label>) {
        let &Message::Reply {
            client, sequence, ..
        } = message
        else {
            return;
        };
        let now = self.host.now();
        let mut unwritten = self.unwritten_bytes();
        let mut text = None;
        for connection in &mut self.connections {
            if connection.is_under_way((client, sequence)) {
                let text = text.get_or_insert_with(|| write_answer(message, self.lines.format));
                let Some(text) = text else { return };
                unwritten += text.len();
                if unwritten > UNWRITTEN_BYTES_MAX {
                    unwritten -= text.len();
                    connection.answer(NO_ROOM, None, true);
                } else {
                    connection.answer(text, label, true);
                }
                connection.touch(now, self.lines.idle);
            }
        }
    }

    /// The server will not answer this request: it has taken in a later one of the same client.
    pub(super) fn give_up(&mut self, client: ClientId, sequence: u32) {
        let now = self.host.now();
        for connection in &mut self.connections {
            if connection.is_under_way((client, sequence)) {
                connection.answer(SUPERSEDED, None, true);
                connection.touch(now, self.lines.idle);
            }
        }
    }

    fn unwritten_bytes(&self) -> usize {
        let connections = self.connections.iter();
        connections.map(LineConnection::unwritten_bytes).sum()
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

    fn origin(&self, peer: SocketAddr, label: Option<Label>) -> Origin {
        Origin {
            address: SocketAddr::new(peer.ip(), NO_PORT),
            host: self.host.host_of(peer),
            label,
        }
    }
}

/// What is said where a reply would be, if too many replies are not read.
const NO_ROOM: &str = "error: too many replies wait to be read; ask again later";

/// What is said of a request that nobody is believed to wait for.
const SUPERSEDED: &str = "error: a later request of this client has come";

#[cfg(test)]
#[path = "line_front_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "line_front_server_tests.rs"]
mod server_tests;
