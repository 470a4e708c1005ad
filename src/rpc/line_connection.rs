//! One connection of a server that clients reach by lines.

use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::{Time, show_span};
use crate::id::ClientId;
use crate::net::{Connection, Label};
use crate::rpc::line::{Asked, LINE_BYTES_MAX, LineId, Lines, read};
use crate::rpc::line_front::Ask;

/// How long the server waits, when it has said its last word, for the client to close the connection: so that
/// a client that is still sending reads that word before it learns that nobody listens.
const LINGER: Duration = Duration::from_secs(1);

/// One connection.
pub(super) struct LineConnection {
    connection: Box<dyn Connection>,
    state: State,
    /// What has come, from the beginning of a line on.
    unread: Vec<u8>,
    /// How much of it is known to have no line end.
    looked_at: usize,
    /// The label of what came last.
    label: Option<Label>,
    unwritten: Vec<u8>,
    /// How much of it is written.
    written: usize,
    unwritten_label: Option<Label>,
    under_way: Option<UnderWay>,
    /// When it is to be closed.
    until: Time,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Both ends talk.
    Open,
    /// The client has ended what it sends: what has come is answered.
    Heard,
    /// The server has said its last word, once all is written: what comes is not looked at.
    Leaving,
    /// It is no more.
    Gone,
}

/// A request that is not answered.
struct UnderWay {
    request: Option<(ClientId, u32)>,
    /// The id as the client wrote it.
    id: Option<String>,
}

/// A line that is a request.
pub(super) struct Request {
    pub(super) id: Option<LineId>,
    pub(super) label: Option<Label>,
    pub(super) ask: Ask,
}

impl LineConnection {
    pub(super) fn new(connection: Box<dyn Connection>, until: Time) -> Self {
        Self {
            connection,
            state: State::Open,
            unread: Vec::new(),
            looked_at: 0,
            label: None,
            unwritten: Vec::new(),
            written: 0,
            unwritten_label: None,
            under_way: None,
            until,
        }
    }

    /// Reads and writes, and gives the next line that is a request. It is under way from then on; the caller is
    /// to [`begin`](Self::begin) it.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        now: Time,
        lines: &Lines,
    ) -> Option<Request> {
        loop {
            self.write(context, now, lines.idle);
            let is_free = self.under_way.is_none() && self.unwritten.is_empty();
            if is_free && matches!(self.state, State::Open | State::Heard) {
                match self.next_line() {
                    Line::None => {}
                    Line::TooLong => {
                        self.say(&format!(
                            "error: the line is longer than {LINE_BYTES_MAX} bytes"
                        ));
                        self.leave(now);
                        continue;
                    }
                    Line::Whole(line) => {
                        if let Some(request) = self.take_in(&line, now, lines) {
                            return Some(request);
                        }
                        continue;
                    }
                }
            }
            if !self.read(context, now, lines.idle) {
                return None;
            }
        }
    }

    /// The request that has just come is this one.
    pub(super) fn begin(&mut self, request: (ClientId, u32)) {
        if let Some(under_way) = &mut self.under_way {
            under_way.request = Some(request);
        }
    }

    /// Writes a line for the request under way; the last one ends it.
    pub(super) fn answer(&mut self, text: &str, label: Option<Label>, is_last: bool) {
        let Some(under_way) = &self.under_way else {
            return;
        };
        if let Some(id) = &under_way.id {
            self.unwritten.extend_from_slice(id.as_bytes());
            self.unwritten.push(b' ');
        }
        self.say(text);
        self.unwritten_label = label;
        if is_last {
            self.under_way = None;
        }
    }

    /// Something has happened on it.
    pub(super) fn touch(&mut self, now: Time, idle: Duration) {
        if self.state != State::Leaving {
            self.until = now + idle;
        }
    }

    /// Closes it if nothing has happened on it for too long.
    pub(super) fn expire(&mut self, now: Time, idle: Duration) {
        if self.deadline() > now {
            return;
        }
        if self.state == State::Open && self.unwritten.is_empty() {
            self.say(&format!("error: nothing came for {}", show_span(idle)));
            self.leave(now);
        } else {
            self.state = State::Gone;
        }
    }

    /// When it expires: never while the client waits for an answer.
    pub(super) fn deadline(&self) -> Time {
        if self.under_way.is_some() && self.unwritten.is_empty() {
            Time::NEVER
        } else {
            self.until
        }
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.connection.peer_address()
    }

    /// How much of what it is told is kept.
    pub(super) fn unwritten_bytes(&self) -> usize {
        self.unwritten.len()
    }

    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    pub(super) fn is_under_way(&self, request: (ClientId, u32)) -> bool {
        let under_way = self.under_way.as_ref();
        under_way.is_some_and(|it| it.request == Some(request))
    }

    /// Whether a request of this client with a lower number is under way.
    pub(super) fn waits_below(&self, (client, sequence): (ClientId, u32)) -> bool {
        let under_way = self.under_way.as_ref().and_then(|it| it.request);
        under_way.is_some_and(|(of, number)| of == client && number < sequence)
    }

    /// Writes as far as there is room.
    fn write(&mut self, context: &mut Context<'_>, now: Time, idle: Duration) {
        if self.unwritten.is_empty() || self.is_gone() {
            return;
        }
        while self.written < self.unwritten.len() {
            let rest = &self.unwritten[self.written..];
            match (self.connection).poll_write(context, rest, self.unwritten_label) {
                Poll::Pending => return,
                Poll::Ready(Err(_)) => {
                    self.state = State::Gone;
                    return;
                }
                Poll::Ready(Ok(count)) => {
                    self.written += count;
                    self.touch(now, idle);
                }
            }
        }
        self.unwritten = Vec::new(); // a long reply is not to be kept room for
        self.written = 0;
        if self.state == State::Leaving {
            self.connection.finish();
        }
    }

    /// Reads what has come, and says whether that is worth a look.
    fn read(&mut self, context: &mut Context<'_>, now: Time, idle: Duration) -> bool {
        match self.state {
            State::Gone => return false,
            State::Heard => {
                if self.under_way.is_none() && self.unwritten.is_empty() {
                    self.state = State::Gone;
                }
                return false;
            }
            // A line is taken out of what has come when the one before is answered.
            State::Open if self.unread.len() > LINE_BYTES_MAX => return false,
            State::Open | State::Leaving => {}
        }
        match self.connection.poll_read(context) {
            Poll::Pending => false,
            Poll::Ready(Ok(Some(piece))) => {
                if self.state == State::Open {
                    self.unread.extend_from_slice(&piece.body);
                    self.label = piece.label;
                    self.touch(now, idle);
                }
                true
            }
            Poll::Ready(Ok(None)) if self.state == State::Open => {
                self.state = State::Heard;
                true
            }
            Poll::Ready(Ok(None) | Err(_)) => {
                self.state = State::Gone;
                false
            }
        }
    }

    /// Takes the next line out of what has come. At the end of what the client sends, a line needs no end.
    fn next_line(&mut self) -> Line {
        let fresh = &self.unread[self.looked_at..];
        let end = fresh.iter().position(|&byte| byte == b'\n');
        let end = end.map(|end| self.looked_at + end);
        let length = end.unwrap_or(self.unread.len());
        if length > LINE_BYTES_MAX {
            return Line::TooLong;
        }
        match end {
            Some(end) => {
                let rest = self.unread.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.unread, rest);
                line.pop();
                self.looked_at = 0;
                Line::Whole(line)
            }
            None if self.state == State::Heard && length > 0 => {
                self.looked_at = 0;
                Line::Whole(std::mem::take(&mut self.unread))
            }
            None => {
                self.looked_at = length;
                Line::None
            }
        }
    }

    /// Does what a line asks for, or gives the request that it is.
    fn take_in(&mut self, line: &[u8], now: Time, lines: &Lines) -> Option<Request> {
        let Ok(line) = std::str::from_utf8(line) else {
            self.say("error: the line is no text in UTF-8");
            return None;
        };
        let (id, ask) = match read(line) {
            Ok(Asked::Nothing) => return None,
            Ok(Asked::Help) => {
                let forms = lines.format.forms().join(", ");
                self.say(&format!("commands: {forms}, help, quit"));
                return None;
            }
            Ok(Asked::Quit) => {
                self.leave(now);
                return None;
            }
            Err(error) => {
                self.say(&format!("error: {error}"));
                return None;
            }
            Ok(Asked::Hello(id)) => (Some(id), Ok(Ask::Hello)),
            Ok(Asked::Request(id, words)) => {
                let body = lines.format.read_request(words);
                let ask = body.map(|body| match id {
                    Some(id) => Ask::Under(id.session, body.into()),
                    None => Ask::Once(body.into()),
                });
                (id, ask)
            }
        };
        let word = line.split_whitespace().next().unwrap_or_default();
        self.under_way = Some(UnderWay {
            request: None,
            id: id.map(|_| word.to_owned()),
        });
        match ask {
            Ok(ask) => Some(Request {
                id,
                label: self.label,
                ask,
            }),
            Err(error) => {
                self.answer(&format!("error: {error}"), None, true);
                None
            }
        }
    }

    fn say(&mut self, text: &str) {
        self.unwritten.extend_from_slice(text.as_bytes());
        self.unwritten.push(b'\n');
        self.unwritten_label = None;
    }

    /// Says no more than what is not written yet.
    fn leave(&mut self, now: Time) {
        self.state = State::Leaving;
        self.until = now + LINGER;
        self.unread = Vec::new();
        self.looked_at = 0;
        if self.unwritten.is_empty() {
            self.connection.finish();
        }
    }
}

/// What was found where a line may be.
enum Line {
    None,
    Whole(Vec<u8>),
    TooLong,
}
