//! The thin loop around a server: receive, and hand to the server.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::disk::StoreError;
use crate::host::Host;
use crate::net::{Arrival, Datagrams, Timer, recv_until};
use crate::rpc::origin::Origin;
use crate::rpc::output::Outlet;
use crate::rpc::server::RpcServer;
use crate::trace::{Event, Word};

/// Serves on a socket until the host's life ends, or its disk fails.
pub async fn serve(host: Host, mut socket: Box<dyn Datagrams>, mut server: RpcServer) {
    let failure = answer(&host, &mut *socket, &mut server).await;
    halt(&host, &failure);
}

/// Records that a server has stopped because its disk has failed it.
pub fn halt(host: &Host, why: &dyn fmt::Display) {
    host.record(Event::Service {
        word: Word::Halt,
        operation: None,
        text: why.to_string().into(),
    });
}

/// Answers what comes until the disk fails, and says how it did: for ever, without a disk. Whoever
/// stops it has the server back.
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
        timer,
        server,
    }
}

/// The future of [`answer`]. It has one place to go on, where an asynchronous function would look for
/// it at every arrival.
pub struct Answering<'a> {
    host: &'a Host,
    socket: &'a mut dyn Datagrams,
    timer: Box<dyn Timer>,
    server: &'a mut RpcServer,
}

impl Future for Answering<'_> {
    type Output = StoreError;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<StoreError> {
        let Self {
            host,
            socket,
            timer,
            server,
        } = &mut *self;
        loop {
            let mut next = recv_until(*socket, &mut **timer, server.next_timer());
            let arrival = ready!(Pin::new(&mut next).poll(context));
            let now = host.now();
            let mut outlet = Outlet {
                host,
                socket: *socket,
                wants_all_events: host.wants_all_events(),
            };
            let done = if let Some(Arrival { body, from, label }) = arrival {
                let origin = Origin {
                    address: from,
                    host: host.host_of(from),
                    label,
                };
                server.receive(now, &origin, &body, &mut outlet)
            } else {
                server.fire_timers(now, &mut outlet)
            };
            if let Err(failure) = done {
                return Poll::Ready(failure);
            }
        }
    }
}

impl fmt::Debug for Answering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
