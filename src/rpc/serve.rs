//! The thin loop around a server: receive, and hand to the server. Datagrams come first, then lines, then timers;
//! but no flood of datagrams shuts lines out.

use std::fmt;
use std::future::Future;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::clock::Time;
use crate::disk::StoreError;
use crate::host::Host;
use crate::net::{Arrival, Datagrams, Timer};
use crate::rpc::line_front::{LineFront, Said};
use crate::rpc::origin::Origin;
use crate::rpc::output::Outlet;
use crate::rpc::server::RpcServer;
use crate::trace::{Event, Word};

/// Why a server answers nobody any more.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Its disk has failed it.
    #[error(transparent)]
    Disk(#[from] StoreError),
    /// Its service has said that it stops, and why.
    #[error("{0}")]
    Service(String),
}

/// Serves on a socket until the host's life ends, its service stops, or its disk fails. On real hosts it is to be
/// called inside the runtime that polls it.
pub fn serve(host: Host, socket: Box<dyn Datagrams>, server: RpcServer) -> Serving {
    serve_with_front(host, socket, None, server)
}

/// The same, also for clients that come to this front, if there is one.
pub fn serve_with_front(
    host: Host,
    socket: Box<dyn Datagrams>,
    front: Option<LineFront>,
    server: RpcServer,
) -> Serving {
    let turns = Turns::new(&host, &server, front);
    let parts = Parts {
        socket,
        server,
        turns,
    };
    Serving {
        host,
        parts: Some(parts),
    }
}

/// The future of [`serve`]. Like that of [`answer`] it has one place to go on, where an asynchronous function would
/// look for it at every arrival.
#[must_use = "a server answers nobody until this future is polled"]
pub struct Serving {
    host: Host,
    /// `None` once it has stopped.
    parts: Option<Parts>,
}

struct Parts {
    socket: Box<dyn Datagrams>,
    server: RpcServer,
    turns: Turns,
}

/// Records that a server has stopped, and why.
pub fn halt(host: &Host, why: &dyn fmt::Display) {
    host.record(Event::Service {
        word: Word::Halt,
        operation: None,
        text: why.to_string().into(),
    });
}

/// Answers what comes until the service stops or the disk fails, and says why. Whoever stops it before has the
/// server back.
pub fn answer<'a>(
    host: &'a Host,
    socket: &'a mut dyn Datagrams,
    server: &'a mut RpcServer,
) -> Answering<'a> {
    let turns = Turns::new(host, server, None);
    Answering {
        host,
        socket,
        server,
        turns,
    }
}

/// The future of [`answer`].
#[must_use = "a server answers nobody until this future is polled"]
pub struct Answering<'a> {
    host: &'a Host,
    socket: &'a mut dyn Datagrams,
    server: &'a mut RpcServer,
    turns: Turns,
}

/// Whose turn it is: that of a datagram, of a line, or of a timer.
struct Turns {
    front: Option<LineFront>,
    /// Datagrams since the front was asked for a line.
    in_a_row: u32,
    timer: Box<dyn Timer>,
}

/// Datagrams that are taken in one after the other while lines wait: less than what a task may take in before
/// tokio lets it find nothing more, so that a flood of datagrams does not shut out connections.
const DATAGRAMS_IN_A_ROW_MAX: u32 = 32;

/// What a server is to take in next, if it is no datagram.
enum Next {
    Line(Said),
    Timer,
}

impl Answering<'_> {
    /// The same, also for clients that come to this front.
    pub fn with_front(mut self, front: Option<LineFront>) -> Self {
        self.turns.front = front;
        self
    }
}

impl Turns {
    fn new(host: &Host, server: &RpcServer, front: Option<LineFront>) -> Self {
        host.settle(server.is_settled());
        Self {
            front,
            in_a_row: 0,
            timer: host.timer(),
        }
    }

    /// Takes in what comes, until the server stops.
    #[inline(always)]
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        host: &Host,
        socket: &mut dyn Datagrams,
        server: &mut RpcServer,
    ) -> Poll<Stop> {
        loop {
            let is_lines_turn = self.in_a_row >= DATAGRAMS_IN_A_ROW_MAX;
            let line = if is_lines_turn {
                self.in_a_row = 0;
                self.poll_line(context)
            } else {
                Poll::Pending
            };
            let taken = match line {
                Poll::Ready(line) => self.take_in(line, host, socket, server),
                // A datagram is looked at where it stands.
                Poll::Pending => match &socket.poll_recv(context) {
                    Poll::Ready(arrival) => {
                        self.in_a_row += 1;
                        self.take_datagram_in(arrival, host, socket, server)
                    }
                    Poll::Pending => {
                        self.in_a_row = 0;
                        let next = ready!(self.poll_next(context, server));
                        self.take_in(next, host, socket, server)
                    }
                },
            };
            if let Err(failure) = taken {
                return Poll::Ready(failure.into());
            }
            if let Some(why) = server.stopped() {
                return Poll::Ready(Stop::Service(why.to_owned()));
            }
        }
    }

    /// What comes next where no datagram has: a line, or a timer that has run out.
    fn poll_next(&mut self, context: &mut Context<'_>, server: &RpcServer) -> Poll<Next> {
        let mut deadline = server.next_timer();
        if let Some(front) = &mut self.front {
            if let Poll::Ready(said) = front.poll_next(context) {
                return Poll::Ready(Next::Line(said));
            }
            deadline = deadline.min(front.next_deadline());
        }
        if deadline == Time::NEVER {
            return Poll::Pending;
        }
        let due = self.timer.poll_until(context, deadline);
        due.map(|()| Next::Timer)
    }

    /// The next line, after so many datagrams that one is to have its turn.
    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        match &mut self.front {
            Some(front) => front.poll_next(context).map(Next::Line),
            None => Poll::Pending,
        }
    }

    fn take_datagram_in(
        &mut self,
        arrival: &Arrival,
        host: &Host,
        socket: &mut dyn Datagrams,
        server: &mut RpcServer,
    ) -> Result<(), StoreError> {
        let origin = Origin {
            address: arrival.from,
            host: host.host_of(arrival.from),
            label: arrival.label,
        };
        let mut outlet = Outlet {
            host,
            socket,
            front: self.front.as_mut(),
            wants_all_events: host.wants_all_events(),
        };
        server.receive(host.now(), &origin, &arrival.body, &mut outlet)
    }

    /// Takes in what is no datagram.
    #[inline(never)]
    fn take_in(
        &mut self,
        next: Next,
        host: &Host,
        socket: &mut dyn Datagrams,
        server: &mut RpcServer,
    ) -> Result<(), StoreError> {
        let now = host.now();
        let mut outlet = Outlet {
            host,
            socket,
            front: self.front.as_mut(),
            wants_all_events: host.wants_all_events(),
        };
        match next {
            Next::Line(said) => {
                let is_answered = server.receive_line(now, &said, &mut outlet)?;
                if let (false, Some(front)) = (is_answered, &mut self.front) {
                    front.give_up(said.client, said.sequence);
                }
                Ok(())
            }
            Next::Timer => {
                if let Some(front) = &mut outlet.front {
                    front.expire(now);
                }
                server.fire_timers(now, &mut outlet)
            }
        }
    }
}

impl Future for Answering<'_> {
    type Output = Stop;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Stop> {
        let Self {
            host,
            socket,
            server,
            turns,
        } = &mut *self;
        turns.poll(context, host, *socket, server)
    }
}

impl Future for Serving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { host, parts } = &mut *self;
        let Some(serving) = parts else {
            return Poll::Ready(());
        };
        let (socket, server) = (&mut *serving.socket, &mut serving.server);
        let stop = ready!(serving.turns.poll(context, host, socket, server));
        serving.turns.front = None; // its connections end before the server says that it stops
        halt(host, &stop);
        *parts = None;
        Poll::Ready(())
    }
}

impl fmt::Debug for Answering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").finish_non_exhaustive()
    }
}
