//! The client's side of lines: a socket for one client, whose datagrams travel as lines over a connection.
//!
//! To the client above nothing is different: what it sends may get lost, and it sends it again. A connection is
//! opened when there is something to send, and kept as long as everything is answered on it. What is sent again goes
//! over a new one: either the old one is broken, or nobody has answered on it in time.
//!
//! While a long reply comes, the client is told with each part of it that its request is in progress: it would not
//! help to ask for it again.
//!
//! A kept connection may have been closed by the server long ago. If that turns out before anything of a line was
//! written to it, the line goes over a new one, and nothing is lost by it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use crate::host::Host;
use crate::id::ClientId;
use crate::net::{Arrival, Connection, Datagrams, Label};
use crate::rpc::line::{LineFormat, LineId, REPLY_LINE_BYTES_MAX, read_answer, write};
use crate::rpc::message::Message;
use crate::wire::SharedBytes;

/// How much of a reply comes before the client is told so. If less comes until its timeout, it asks again.
const PART_BYTES: usize = 64 * 1_024;

/// A socket whose datagrams travel as lines.
pub struct LineSocket {
    host: Host,
    format: &'static dyn LineFormat,
    link: Option<Link>,
    asked: Option<Asked>,
    /// Whoever waits for something to arrive.
    waker: Option<Waker>,
    /// For a user: which error the server has named last that is no reply, such as that it has no room.
    complaint: Rc<RefCell<Option<String>>>,
}

/// A connection.
struct Link {
    connection: Box<dyn Connection>,
    to: SocketAddr,
    is_open: bool,
    /// Whether something was answered on it.
    is_used: bool,
    /// What has come, from the beginning of a line on.
    unread: Vec<u8>,
    /// How much of it is known to have no line end.
    looked_at: usize,
    /// How much of it the client was told of.
    noticed: usize,
    label: Option<Label>,
}

/// What has come.
enum Came {
    Line(Vec<u8>),
    /// A part of a long line.
    Part,
}

/// What was sent last.
struct Asked {
    client: ClientId,
    sequence: u32,
    /// `None` for a hello.
    body: Option<SharedBytes>,
    line: Vec<u8>,
    /// How much of the line is written.
    written: usize,
    label: Option<Label>,
    is_answered: bool,
}

impl LineSocket {
    /// A socket of this host, for one client of a service with these words.
    #[must_use]
    pub fn new(host: Host, format: &'static dyn LineFormat) -> Self {
        Self {
            host,
            format,
            link: None,
            asked: None,
            waker: None,
            complaint: Rc::default(),
        }
    }

    /// The same socket; an error that the server names and that is no reply is kept there, the last of them.
    #[must_use]
    pub fn with_complaints(mut self, complaint: Rc<RefCell<Option<String>>>) -> Self {
        self.complaint = complaint;
        self
    }

    fn connect(&mut self, to: SocketAddr) {
        self.link = Some(Link {
            connection: self.host.begin_connection(to),
            to,
            is_open: false,
            is_used: false,
            unread: Vec::new(),
            looked_at: 0,
            noticed: 0,
            label: None,
        });
    }

    /// That the request is in progress, as a datagram; `None` if nothing is asked.
    fn notice(&self) -> Option<SharedBytes> {
        let asked = self.asked.as_ref().filter(|asked| !asked.is_answered)?;
        let notice = Message::InProgress {
            client: asked.client,
            sequence: asked.sequence,
        };
        Some(notice.encode().into())
    }

    /// What a line says, as a datagram; the line itself if it says nothing to this client.
    fn hear(&mut self, line: &[u8]) -> SharedBytes {
        let mut read = || {
            let asked = self.asked.as_mut()?;
            let line = std::str::from_utf8(line).ok()?;
            let (id, text) = line.trim_end().split_once(' ')?;
            let id: LineId = id.parse().ok()?;
            let request = (asked.client, asked.sequence);
            let is_it = (id.client, id.sequence) == request;
            let body = asked.body.as_deref();
            let answer = is_it.then(|| read_answer(text, request, body, self.format))??;
            if !matches!(Message::decode(&answer), Ok(Message::InProgress { .. })) {
                asked.is_answered = true;
                self.link.as_mut()?.is_used = true;
            }
            Some(SharedBytes::from(answer))
        };
        let read = read();
        if read.is_none()
            && let Some(complaint) = complaint(line)
        {
            *self.complaint.borrow_mut() = Some(complaint);
        }
        read.unwrap_or_else(|| line.into())
    }
}

/// The error that a line names, with or without the id of the request that it is about.
fn complaint(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let text = match line.split_once(' ') {
        Some((id, text)) if id.starts_with('#') => text,
        _ => &line,
    };
    text.strip_prefix("error: ")
        .map(|it| it.trim_end().to_owned())
}

impl Link {
    /// The next line or part of one, or `None` if none will come. What was asked is written as soon as there is room for it.
    fn poll_line(
        &mut self,
        context: &mut Context<'_>,
        asked: Option<&mut Asked>,
    ) -> Poll<Option<Came>> {
        if !self.is_open {
            if ready!(self.connection.poll_open(context)).is_err() {
                return Poll::Ready(None);
            }
            self.is_open = true;
        }
        loop {
            if let Some(line) = self.take_line() {
                return Poll::Ready(Some(Came::Line(line)));
            }
            if self.unread.len() >= self.noticed + PART_BYTES {
                self.noticed = self.unread.len();
                return Poll::Ready(Some(Came::Part));
            }
            match self.connection.poll_read(context) {
                Poll::Ready(Ok(Some(piece))) if self.unread.len() <= REPLY_LINE_BYTES_MAX => {
                    self.unread.extend_from_slice(&piece.body);
                    self.label = piece.label;
                }
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        let Some(asked) = asked else {
            return Poll::Pending;
        };
        while asked.written < asked.line.len() {
            let rest = &asked.line[asked.written..];
            match ready!(self.connection.poll_write(context, rest, asked.label)) {
                Ok(count) => asked.written += count,
                Err(_) => return Poll::Ready(None),
            }
        }
        Poll::Pending
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let fresh = &self.unread[self.looked_at..];
        let Some(end) = fresh.iter().position(|&byte| byte == b'\n') else {
            self.looked_at = self.unread.len();
            return None;
        };
        let end = std::mem::take(&mut self.looked_at) + end;
        self.noticed = 0;
        let rest = self.unread.split_off(end + 1);
        Some(std::mem::replace(&mut self.unread, rest))
    }
}

impl Datagrams for LineSocket {
    /// Sends a request or a hello; what else clients send has no lines.
    fn send(&mut self, to: SocketAddr, body: &SharedBytes, label: Option<Label>) {
        let Ok(message) = Message::decode(body) else {
            return;
        };
        let Some(mut line) = write(&message, self.format) else {
            return;
        };
        line.push('\n');
        let (client, sequence, request) = match message {
            Message::Request {
                client,
                sequence,
                body: request,
                ..
            } => (client, sequence, Some(body.last(request.len()))),
            Message::Hello { client, sequence } => (client, sequence, None),
            _ => return,
        };
        let is_owed = self.asked.as_ref().is_some_and(|it| !it.is_answered);
        if is_owed || self.link.as_ref().is_none_or(|link| link.to != to) {
            self.link = None;
            self.connect(to);
        }
        self.asked = Some(Asked {
            client,
            sequence,
            body: request,
            line: line.into_bytes(),
            written: 0,
            label,
            is_answered: false,
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Arrival> {
        while let Some(link) = &mut self.link {
            let (to, is_used) = (link.to, link.is_used);
            match link.poll_line(context, self.asked.as_mut()) {
                Poll::Ready(Some(came)) => {
                    let label = link.label;
                    let body = match came {
                        Came::Line(line) => self.hear(&line),
                        Came::Part => match self.notice() {
                            Some(notice) => notice,
                            None => continue,
                        },
                    };
                    return Poll::Ready(Arrival {
                        body,
                        from: to,
                        label,
                    });
                }
                Poll::Ready(None) => {
                    self.link = None;
                    let is_unsent = self.asked.as_ref().is_some_and(|it| it.written == 0);
                    if is_used && is_unsent {
                        self.connect(to);
                    }
                }
                Poll::Pending => break,
            }
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// None: connections have addresses of their own.
    fn local_address(&self) -> SocketAddr {
        ([0, 0, 0, 0], 0).into()
    }
}

impl std::fmt::Debug for LineSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineSocket")
            .field("is_connected", &self.link.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "line_socket_tests.rs"]
mod tests;
