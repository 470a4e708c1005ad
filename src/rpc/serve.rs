//! The thin loop around a server: receive, and hand to the server.

use std::fmt;

use crate::disk::StoreError;
use crate::host::Host;
use crate::net::{Arrival, Datagrams, recv_until};
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
pub async fn answer(host: &Host, socket: &mut dyn Datagrams, server: &mut RpcServer) -> StoreError {
    let mut timer = host.timer();
    loop {
        let arrival = recv_until(&mut *socket, &mut *timer, server.next_timer()).await;
        let now = host.now();
        let mut outlet = Outlet {
            host,
            socket: &mut *socket,
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
            return failure;
        }
    }
}
