//! The front of a server that clients reach by lines over connections: it makes requests of lines, and lines of
//! replies.
//!
//! What it guarantees: no connection holds up another, whatever its client does or leaves undone. Each has one
//! request under way at most, and is read on when the reply has been written; so what is kept of it is bounded:
//! one line, one reply. Whoever has ended what it sends is still answered, and then the connection is closed.
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
use crate::rpc::line_connection::LineConnection;
use crate::rpc::message::Message;
use crate::rpc::origin::Origin;
use crate::wire::SharedBytes;

/// Connections at once: more are told so, and closed. Each may keep a line, about 40 KiB, and a reply.
pub const CONNECTIONS_MAX: usize = 1_000;

/// Bytes of replies that are not written yet, on all connections: more are not kept, and their clients are told to
/// ask again. Room for ten of the longest; few are long, and most are written at once.
const UNWRITTEN_BYTES_MAX: usize = 64 * 1_024 * 1_024;

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
    /// Which of them is asked first for its next line: so none is forgotten because others say much.
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
        while let Poll::Ready(connection) = self.listener.poll_accept(context) {
            self.accept(connection, now, context);
        }
        let count = self.connections.len();
        let mut found = None;
        for place in (self.turn..count).chain(0..self.turn.min(count)) {
            let connection = &mut self.connections[place];
            if let Some(line) = connection.poll(context, now, &self.lines) {
                self.turn = place + 1;
                found = Some((place, line));
                break;
            }
        }
        let said = found.map(|(place, line)| {
            let (client, sequence) = match line.id {
                Some(id) => (id.client, id.sequence),
                None => {
                    self.numbered = self.numbered.wrapping_add(1).max(1);
                    (self.own, self.numbered)
                }
            };
            self.supersede(client, sequence);
            let connection = &mut self.connections[place];
            connection.begin((client, sequence));
            Said {
                origin: self.origin(self.connections[place].peer(), line.label),
                client,
                sequence,
                ask: line.ask,
            }
        });
        // Whoever was in front of the one whose turn it is moves it forward when it goes.
        let before = self.connections[..self.turn.min(count)].iter();
        self.turn = before.filter(|it| !it.is_gone()).count();
        self.connections.retain(|it| !it.is_gone());
        match said {
            Some(said) => Poll::Ready(said),
            None => Poll::Pending,
        }
    }

    /// Whether what is sent to an address is for the front.
    pub(super) fn is_at(to: SocketAddr) -> bool {
        to.port() == NO_PORT
    }

    /// Writes what the server answers, on every connection where this request is under way.
    pub(super) fn answer(&mut self, datagram: &[u8], label: Option<Label>) {
        let Ok(message) = Message::decode(datagram) else {
            return;
        };
        let (Message::Reply {
            client, sequence, ..
        }
        | Message::InProgress { client, sequence }
        | Message::Refused {
            client, sequence, ..
        }
        | Message::Welcome {
            client, sequence, ..
        }) = message
        else {
            return;
        };
        let is_last = !matches!(message, Message::InProgress { .. });
        let now = self.host.now();
        let mut unwritten = self.unwritten_bytes();
        let mut text = None;
        for connection in &mut self.connections {
            if connection.is_under_way((client, sequence)) {
                let text = text.get_or_insert_with(|| write_answer(&message, self.lines.format));
                let Some(text) = text else { return };
                unwritten += text.len();
                if unwritten > UNWRITTEN_BYTES_MAX {
                    unwritten -= text.len();
                    connection.answer(NO_ROOM, None, true);
                } else {
                    connection.answer(text, label, is_last);
                }
                connection.touch(now, self.lines.idle);
            }
        }
    }

    /// The server will not answer this request: it has heard of a later one of the same client.
    pub(super) fn give_up(&mut self, client: ClientId, sequence: u32) {
        for connection in &mut self.connections {
            if connection.is_under_way((client, sequence)) {
                connection.answer(SUPERSEDED, None, true);
            }
        }
    }

    /// Whoever sends a request waits for no earlier one.
    fn supersede(&mut self, client: ClientId, sequence: u32) {
        if client == self.own {
            return;
        }
        for connection in &mut self.connections {
            if connection.waits_below((client, sequence)) {
                connection.answer(SUPERSEDED, None, true);
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
