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

/// Reads in a row: so many that a line is whole as a rule.
const READS_MAX: usize = 4;

/// The longest reply that is kept however many others are: all connections have room for one.
pub(super) const SHORT_BYTES_MAX: usize = 4 * 1_024;

/// How long a line waits for its answer at most, then its connection is closed: longer than any service of this crate
/// takes, so that a line which the server has lost sight of does not keep its connection for ever.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(600);

/// One connection.
pub(super) struct LineConnection {
    connection: Box<dyn Connection>,
    state: State,
    /// What has come.
    unread: Vec<u8>,
    /// Where in it the next line begins: what stands before is done with.
    line_start: usize,
    /// Up to where the next line is known to have no end.
    looked_at: usize,
    /// The label of what came last.
    label: Option<Label>,
    unwritten: Vec<u8>,
    /// How much of it is written.
    written: usize,
    unwritten_label: Option<Label>,
    under_way: Option<UnderWay>,
    /// When the last request was complete.
    completed_at: Time,
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
    /// The number of its line, from 1.
    number: u32,
    /// Whether the client was told that it is in progress: it came before, and is executed for somebody else.
    is_joined: bool,
    /// The id as the client wrote it.
    id: Option<String>,
    since: Time,
}

/// What a step of a connection has come to.
pub(super) enum Step {
    /// Nothing: it waits for its client, or for the server.
    Idle,
    /// Something, and maybe there is more to do at once.
    Busy,
    /// A line that is a request.
    Request(Request),
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
            line_start: 0,
            looked_at: 0,
            label: None,
            unwritten: Vec::new(),
            written: 0,
            unwritten_label: None,
            under_way: None,
            completed_at: Time::ZERO,
            until,
        }
    }

    /// One write, a few reads, one line: little enough that others have their turn soon. A request is under way from
    /// then on; the caller is to [`begin`](Self::begin) it.
    pub(super) fn step(&mut self, context: &mut Context<'_>, now: Time, lines: &Lines) -> Step {
        let mut is_busy = self.write(context, now, lines.idle);
        for _ in 0..READS_MAX {
            if let Some(step) = self.take_line(now, lines) {
                return step;
            }
            if !self.read(context, now, lines.idle) {
                return if is_busy { Step::Busy } else { Step::Idle };
            }
            is_busy = true;
        }
        Step::Busy
    }

    /// Does what the next line asks for, if there is one and the one before is answered. Empty lines do not count.
    fn take_line(&mut self, now: Time, lines: &Lines) -> Option<Step> {
        let is_free = self.under_way.is_none() && self.unwritten.is_empty();
        if !is_free || !matches!(self.state, State::Open | State::Heard) {
            return None;
        }
        loop {
            match self.next_line() {
                Line::None => return None,
                Line::Whole(line) if line.trim_ascii().is_empty() => {}
                Line::Whole(line) => {
                    let request = self.take_in(&line, now, lines);
                    return Some(request.map_or(Step::Busy, Step::Request));
                }
                Line::TooLong => {
                    self.say(&format!(
                        "error: the line is longer than {LINE_BYTES_MAX} bytes"
                    ));
                    self.leave(now);
                    return Some(Step::Busy);
                }
            }
        }
    }

    /// The request that has just come is this one, and its line has this number.
    pub(super) fn begin(&mut self, request: (ClientId, u32), number: u32) {
        if let Some(under_way) = &mut self.under_way {
            (under_way.request, under_way.number) = (Some(request), number);
        }
    }

    /// Writes that the request under way is in progress already. Its reply is still to come.
    pub(super) fn join(&mut self, text: &str, label: Option<Label>) {
        self.write_line(text, label);
        if let Some(under_way) = &mut self.under_way {
            under_way.is_joined = true;
        }
    }

    /// Writes the answer to the request under way, which ends it.
    pub(super) fn answer(&mut self, text: &str, label: Option<Label>) {
        self.write_line(text, label);
        self.under_way = None;
    }

    /// The same for an answer that may have taken long: from now on, the client has time to read it.
    pub(super) fn complete(
        &mut self,
        text: &str,
        label: Option<Label>,
        (now, idle): (Time, Duration),
    ) {
        self.answer(text, label);
        self.completed_at = now;
        self.touch(now, idle);
    }

    /// Writes a line for the request under way.
    fn write_line(&mut self, text: &str, label: Option<Label>) {
        let room = self.room_for(text);
        self.unwritten.reserve_exact(room);
        if let Some(id) = self.under_way.as_ref().and_then(|it| it.id.as_ref()) {
            self.unwritten.extend_from_slice(id.as_bytes());
            self.unwritten.push(b' ');
        }
        self.say(text);
        self.unwritten_label = label;
    }

    /// How many bytes this text takes as an answer to the request under way.
    pub(super) fn room_for(&self, text: &str) -> usize {
        let id = self.under_way.as_ref().and_then(|it| it.id.as_ref());
        id.map_or(0, |id| id.len() + 1) + text.len() + 1
    }

    /// Something has happened on it.
    fn touch(&mut self, now: Time, idle: Duration) {
        if self.state != State::Leaving {
            self.until = now + idle;
        }
    }

    /// Closes it if nothing has happened on it for too long.
    pub(super) fn expire(&mut self, now: Time, idle: Duration) {
        if self.deadline() > now {
            return;
        }
        let may_be_heard = self.unwritten.is_empty();
        match self.state {
            State::Open | State::Heard if may_be_heard && self.under_way.is_some() => {
                let waited = show_span(ANSWER_MAX);
                self.answer(&format!("error: no answer for {waited}"), None);
                self.leave(now);
            }
            State::Open if may_be_heard => {
                self.say(&format!("error: nothing came for {}", show_span(idle)));
                self.leave(now);
            }
            _ => self.state = State::Gone,
        }
    }

    /// When it expires; while its client waits for an answer, later than otherwise.
    pub(super) fn deadline(&self) -> Time {
        match &self.under_way {
            Some(under_way) if self.unwritten.is_empty() => under_way.since + ANSWER_MAX,
            _ => self.until,
        }
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.connection.peer_address()
    }

    /// How many bytes of a long reply are kept, the written ones too; 0 if none is.
    pub(super) fn long_bytes(&self) -> usize {
        let bytes = self.unwritten.capacity();
        if bytes > SHORT_BYTES_MAX { bytes } else { 0 }
    }

    pub(super) const fn completed_at(&self) -> Time {
        self.completed_at
    }

    /// Closes it at once; what is not written is lost.
    pub(super) fn close(&mut self) {
        self.state = State::Gone;
        self.unwritten = Vec::new();
        self.written = 0;
    }

    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// Whether a request is under way that is executed for somebody else.
    pub(super) fn has_joined(&self) -> bool {
        self.under_way.as_ref().is_some_and(|it| it.is_joined)
    }

    /// Whether the line of this number is under way.
    pub(super) fn is_number(&self, number: Option<u32>) -> bool {
        let under_way = self.under_way.as_ref();
        under_way.is_some_and(|it| Some(it.number) == number)
    }

    pub(super) fn is_under_way(&self, request: (ClientId, u32)) -> bool {
        let under_way = self.under_way.as_ref();
        under_way.is_some_and(|it| it.request == Some(request))
    }

    /// Writes what there is room for, and says whether that is anything.
    fn write(&mut self, context: &mut Context<'_>, now: Time, idle: Duration) -> bool {
        if self.unwritten.is_empty() || self.is_gone() {
            return false;
        }
        let rest = &self.unwritten[self.written..];
        match (self.connection).poll_write(context, rest, self.unwritten_label) {
            Poll::Pending => return false,
            Poll::Ready(Err(_)) => self.state = State::Gone,
            Poll::Ready(Ok(count)) => {
                self.written += count;
                self.touch(now, idle);
            }
        }
        if self.written == self.unwritten.len() {
            self.unwritten = Vec::new(); // a long reply is not to be kept room for
            self.written = 0;
            if self.state == State::Leaving {
                self.connection.finish();
            }
        }
        true
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
            State::Open if self.unread.len() - self.line_start > LINE_BYTES_MAX => return false,
            State::Open | State::Leaving => {}
        }
        match self.connection.poll_read(context) {
            Poll::Pending => false,
            Poll::Ready(Ok(Some(piece))) => {
                if self.state == State::Open {
                    self.forget_lines();
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
        let found = fresh.iter().position(|&byte| byte == b'\n');
        let end = found.map_or(self.unread.len(), |found| self.looked_at + found);
        if end - self.line_start > LINE_BYTES_MAX {
            return Line::TooLong;
        }
        let is_last = self.state == State::Heard && end > self.line_start;
        if found.is_none() && !is_last {
            self.looked_at = end;
            return Line::None;
        }
        let line = self.unread[self.line_start..end].to_vec();
        self.line_start = (end + 1).min(self.unread.len());
        self.looked_at = self.line_start;
        Line::Whole(line)
    }

    /// Forgets the lines that are taken out: before every read, so that they are not moved once for each line.
    fn forget_lines(&mut self) {
        self.unread.drain(..self.line_start);
        self.looked_at -= self.line_start;
        self.line_start = 0;
    }

    /// Does what a line asks for, or gives the request that it is.
    fn take_in(&mut self, line: &[u8], now: Time, lines: &Lines) -> Option<Request> {
        let Ok(line) = std::str::from_utf8(line) else {
            self.say("error: the line is no text in UTF-8");
            return None;
        };
        let asked = match read(line) {
            Ok(asked) => asked,
            Err(error) => {
                self.say(&format!("error: {error}"));
                return None;
            }
        };
        let word = line.split_whitespace().next().unwrap_or_default();
        let under_way = UnderWay {
            request: None,
            number: 0,
            is_joined: false,
            id: word.starts_with('#').then(|| word.to_owned()),
            since: now,
        };
        let (id, ask) = match asked {
            Asked::Nothing => return None,
            Asked::Quit => {
                self.leave(now);
                return None;
            }
            Asked::Help => {
                let forms = lines.format.forms().join(", ");
                self.under_way = Some(under_way);
                self.answer(&format!("commands: {forms}, help, quit"), None);
                return None;
            }
            Asked::Hello(id) => (Some(id), Ok(Ask::Hello)),
            Asked::Request(id, words) => {
                let body = lines.format.read_request(words);
                let ask = body.map(|body| match id {
                    Some(id) => Ask::Under(id.session, body.into()),
                    None => Ask::Once(body.into()),
                });
                (id, ask)
            }
        };
        self.under_way = Some(under_way);
        match ask {
            Ok(ask) => Some(Request {
                id,
                label: self.label,
                ask,
            }),
            Err(error) => {
                self.answer(&format!("error: {error}"), None);
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
        (self.line_start, self.looked_at) = (0, 0);
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
