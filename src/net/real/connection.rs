//! TCP connections of a host.
//!
//! What the operating system has taken is written: it keeps the bytes and sends them, also after the
//! connection is closed, and its buffers are the bound on what waits. No conditions apply here: the system
//! repeats what is lost.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Sleep, sleep};

use crate::id::{ConnectionId, HostId};
use crate::net::fate::Fate;
use crate::net::real::RealWorld;
use crate::net::{Broken, Connection, Label, Listener, Piece};
use crate::trace::{Event, SegmentEvent, SegmentWord};

/// Bytes that are read at once.
const READ_BYTES: usize = 16_384;

/// How long a listener rests when a connection cannot be accepted: mostly the process has too many open
/// files, and trying again at once would be all that it does.
const REST: Duration = Duration::from_millis(20);

/// A TCP port at which a host listens.
pub(super) struct RealListener {
    world: RealWorld,
    me: HostId,
    listener: TcpListener,
    address: SocketAddr,
    rest: Option<Pin<Box<Sleep>>>,
}

impl RealListener {
    pub(super) fn bind(world: RealWorld, me: HostId, to: SocketAddr) -> io::Result<Self> {
        let listener = StdTcpListener::bind(to)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        world.0.opened.borrow_mut().listen(address);
        Ok(Self {
            world,
            me,
            listener,
            address,
            rest: None,
        })
    }
}

impl Listener for RealListener {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Box<dyn Connection>> {
        loop {
            if let Some(rest) = &mut self.rest {
                ready!(rest.as_mut().poll(context));
                self.rest = None;
            }
            let accepted = ready!(self.listener.poll_accept(context));
            let accepted = accepted.and_then(|(stream, peer)| {
                stream.set_nodelay(true)?;
                Ok((stream, peer))
            });
            let Ok((stream, peer)) = accepted else {
                self.rest = Some(Box::pin(sleep(REST)));
                continue;
            };
            let (id, is_inner) = self.world.connection_from(peer);
            let connection = RealConnection {
                world: self.world.clone(),
                me: self.me,
                id,
                is_opener: false,
                is_inner: is_inner && self.world.is_heard(),
                peer,
                state: State::Open(stream),
                broken: None,
                has_finished: false,
                buffer: Vec::new(),
            };
            connection.record(SegmentWord::Accept, None, &[]);
            return Poll::Ready(Box::new(connection));
        }
    }

    fn local_address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RealListener {
    fn drop(&mut self) {
        let mut opened = self.world.0.opened.borrow_mut();
        opened.stop_listening(self.address);
    }
}

/// One end of a TCP connection.
pub(super) struct RealConnection {
    world: RealWorld,
    me: HostId,
    id: ConnectionId,
    /// Whether it is the end that has opened the connection.
    is_opener: bool,
    /// Whether the other end is in this process, and somebody reads labels.
    is_inner: bool,
    peer: SocketAddr,
    state: State,
    /// Why the connection is no more. The system tells it once, to whoever writes or reads first.
    broken: Option<Broken>,
    has_finished: bool,
    buffer: Vec<u8>,
}

type Opening = Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>;

enum State {
    Opening(Opening),
    Open(TcpStream),
    NeverOpen(Broken),
}

impl RealConnection {
    /// Begins a connection, from the host's address if it has one of the same family.
    pub(super) fn open(world: RealWorld, me: HostId, from: SocketAddr, to: SocketAddr) -> Self {
        let id = world.0.opened.borrow_mut().next(me);
        let opening = || {
            let socket = if to.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            if from.is_ipv4() == to.is_ipv4() && !from.ip().is_unspecified() {
                socket.bind(from)?;
                let address = socket.local_addr()?;
                world.0.opened.borrow_mut().name(address, id);
            }
            Ok(socket)
        };
        let state = match opening() {
            Ok(socket) => State::Opening(Box::pin(socket.connect(to))),
            Err(error) => State::NeverOpen(broken(&error)),
        };
        let is_inner = world.is_heard() && world.0.opened.borrow().is_listening(to);
        let connection = Self {
            world,
            me,
            id,
            is_opener: true,
            is_inner,
            peer: to,
            state,
            broken: None,
            has_finished: false,
            buffer: Vec::new(),
        };
        connection.record(SegmentWord::Connect, None, &[]);
        connection
    }

    fn record(&self, word: SegmentWord, label: Option<Label>, bytes: &[u8]) {
        if self.world.is_heard() {
            let event = SegmentEvent {
                to: self.peer_host(),
                connection: self.id,
                word,
                label,
                bytes: bytes.into(),
                fate: Fate::once(1),
            };
            self.world.record(self.me, Event::Segment(Box::new(event)));
        }
    }

    /// The host at the other end: the one that has opened the connection, or the one that listens there.
    fn peer_host(&self) -> HostId {
        if self.is_opener {
            self.world.host_of(self.peer)
        } else {
            self.id.opener
        }
    }

    /// The connection is no more, for this reason.
    fn fail<T>(&mut self, error: &io::Error) -> Poll<Result<T, Broken>> {
        if let Some(why) = self.broken {
            return Poll::Ready(Err(why));
        }
        let why = broken(error);
        self.broken = Some(why);
        if self.world.is_heard() {
            let event = Event::Broken {
                peer: self.peer_host(),
                connection: self.id,
                why,
                fault: None,
            };
            self.world.record(self.me, event);
        }
        if let State::Opening(_) = self.state {
            self.state = State::NeverOpen(why);
        }
        Poll::Ready(Err(why))
    }

    fn poll_stream(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Pin<&mut TcpStream>, Broken>> {
        if let State::Opening(opening) = &mut self.state {
            let opened = ready!(opening.as_mut().poll(context));
            match opened.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
                Ok(stream) => {
                    self.state = State::Open(stream);
                }
                Err(error) => return self.fail(&error),
            }
        }
        Poll::Ready(match &mut self.state {
            State::Open(stream) => Ok(Pin::new(stream)),
            State::NeverOpen(why) => Err(*why),
            State::Opening(_) => unreachable!("it has just opened or failed"),
        })
    }

    /// For a TCP socket this never waits.
    fn shut_down(&mut self) {
        if let State::Open(stream) = &mut self.state {
            let _ = Pin::new(stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
            self.record(SegmentWord::End, None, &[]);
        }
    }
}

impl Connection for RealConnection {
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.poll_stream(context).map_ok(|_| ())
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Broken>> {
        let direction = (self.id, self.is_opener);
        let readable = self.world.0.opened.borrow().readable(direction);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(READ_BYTES, 0);
        let bytes = readable.map_or(READ_BYTES, |bytes| bytes.min(READ_BYTES));
        let mut read = ReadBuf::new(&mut buffer[..bytes]);
        let polled = match self.poll_stream(context) {
            Poll::Ready(Ok(stream)) => stream.poll_read(context, &mut read),
            Poll::Ready(Err(why)) => return Poll::Ready(Err(why)),
            Poll::Pending => Poll::Pending,
        };
        let bytes = read.filled().len();
        self.buffer = buffer;
        if let (0, Some(why)) = (bytes, self.broken) {
            return Poll::Ready(Err(why));
        }
        match ready!(polled) {
            Ok(()) if bytes == 0 => Poll::Ready(Ok(None)),
            Ok(()) => {
                let body = self.buffer[..bytes].into();
                let label = self.world.0.opened.borrow_mut().read(direction, bytes);
                Poll::Ready(Ok(Some(Piece { body, label })))
            }
            Err(error) => self.fail(&error),
        }
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        label: Option<Label>,
    ) -> Poll<Result<usize, Broken>> {
        if self.has_finished || self.broken.is_some() {
            return Poll::Ready(Err(self.broken.unwrap_or(Broken::Reset)));
        }
        let stream = ready!(self.poll_stream(context))?;
        match ready!(stream.poll_write(context, bytes)) {
            Ok(written) => {
                if self.is_inner && written > 0 {
                    let direction = (self.id, !self.is_opener);
                    let mut opened = self.world.0.opened.borrow_mut();
                    opened.write(direction, written, label);
                }
                self.record(SegmentWord::Segment, label, &bytes[..written]);
                Poll::Ready(Ok(written))
            }
            Err(error) => self.fail(&error),
        }
    }

    fn finish(&mut self) {
        if !std::mem::replace(&mut self.has_finished, true) {
            self.shut_down();
        }
    }

    fn peer_address(&self) -> SocketAddr {
        self.peer
    }
}

impl Drop for RealConnection {
    fn drop(&mut self) {
        if !self.has_finished && matches!(self.state, State::Open(_)) {
            self.record(SegmentWord::End, None, &[]);
        }
        let mut opened = self.world.0.opened.borrow_mut();
        opened.forget((self.id, self.is_opener));
    }
}

/// What an error of the operating system says about a connection.
fn broken(error: &io::Error) -> Broken {
    match error.kind() {
        ErrorKind::ConnectionRefused => Broken::Refused,
        ErrorKind::TimedOut
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => Broken::TimedOut,
        _ => Broken::Reset,
    }
}
