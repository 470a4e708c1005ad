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

/// Serves on a socket until the host's life ends, its service stops, or its disk fails.
pub async fn serve(host: Host, socket: Box<dyn Datagrams>, server: RpcServer) {
    serve_with_front(host, socket, None, server).await;
}

/// The same, also for clients that come to this front, if there is one.
pub async fn serve_with_front(
    host: Host,
    mut socket: Box<dyn Datagrams>,
    front: Option<LineFront>,
    mut server: RpcServer,
) {
    let answering = answer(&host, &mut *socket, &mut server);
    let stop = answering.with_front(front).await;
    halt(&host, &stop);
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
    let timer = host.timer();
    host.settle(server.is_settled());
    Answering {
        host,
        socket,
        front: None,
        in_a_row: 0,
        timer,
        server,
    }
}

/// The future of [`answer`]. It has one place to go on, where an asynchronous function would look for
/// it at every arrival.
pub struct Answering<'a> {
    host: &'a Host,
    socket: &'a mut dyn Datagrams,
    front: Option<LineFront>,
    /// Datagrams since the front was asked for a line.
    in_a_row: u32,
    timer: Box<dyn Timer>,
    server: &'a mut RpcServer,
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
    #[must_use]
    pub fn with_front(mut self, front: Option<LineFront>) -> Self {
        self.front = front;
        self
    }

    /// What comes next where no datagram has: a line, or a timer that has run out.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        let mut deadline = self.server.next_timer();
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

    fn take_datagram_in(&mut self, arrival: &Arrival) -> Result<(), StoreError> {
        let now = self.host.now();
        let mut outlet = Outlet {
            host: self.host,
            socket: self.socket,
            front: self.front.as_mut(),
            wants_all_events: self.host.wants_all_events(),
        };
        let origin = Origin {
            address: arrival.from,
            host: self.host.host_of(arrival.from),
            label: arrival.label,
        };
        self.server
            .receive(now, &origin, &arrival.body, &mut outlet)
    }

    /// Takes in what is no datagram.
    #[inline(never)]
    fn take_in(&mut self, next: Next) -> Result<(), StoreError> {
        let now = self.host.now();
        let mut outlet = Outlet {
            host: self.host,
            socket: self.socket,
            front: self.front.as_mut(),
            wants_all_events: self.host.wants_all_events(),
        };
        match next {
            Next::Line(said) => {
                let is_answered = self.server.receive_line(now, &said, &mut outlet)?;
                if let (false, Some(front)) = (is_answered, &mut self.front) {
                    front.give_up(said.client, said.sequence);
                }
                Ok(())
            }
            Next::Timer => {
                if let Some(front) = &mut outlet.front {
                    front.expire(now);
                }
                self.server.fire_timers(now, &mut outlet)
            }
        }
    }
}

impl Future for Answering<'_> {
    type Output = Stop;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Stop> {
        loop {
            let answering = &mut *self;
            let is_lines_turn = answering.in_a_row >= DATAGRAMS_IN_A_ROW_MAX;
            let line = if is_lines_turn {
                answering.in_a_row = 0;
                answering.poll_line(context)
            } else {
                Poll::Pending
            };
            let taken = match line {
                Poll::Ready(line) => answering.take_in(line),
                // A datagram is looked at where it stands.
                Poll::Pending => match &answering.socket.poll_recv(context) {
                    Poll::Ready(arrival) => {
                        answering.in_a_row += 1;
                        answering.take_datagram_in(arrival)
                    }
                    Poll::Pending => {
                        answering.in_a_row = 0;
                        let next = ready!(answering.poll_next(context));
                        answering.take_in(next)
                    }
                },
            };
            if let Err(failure) = taken {
                return Poll::Ready(failure.into());
            }
            if let Some(why) = self.server.stopped() {
                return Poll::Ready(Stop::Service(why.to_owned()));
            }
        }
    }
}

impl fmt::Debug for Answering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
