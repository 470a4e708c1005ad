//! The thin loop around a server: receive, and hand to the server.

use crate::host::Host;
use crate::net::{Arrival, Datagrams, recv_until};
use crate::rpc::origin::Origin;
use crate::rpc::output::Outlet;
use crate::rpc::server::RpcServer;

/// Serves on a socket until the host's life ends.
pub async fn serve(host: Host, mut socket: Box<dyn Datagrams>, mut server: RpcServer) {
    answer(&host, &mut *socket, &mut server).await;
}

/// Answers what comes, for ever; whoever stops it has the server back.
pub async fn answer(host: &Host, socket: &mut dyn Datagrams, server: &mut RpcServer) {
    let mut timer = host.timer();
    loop {
        let arrival = recv_until(&mut *socket, &mut *timer, server.next_timer()).await;
        let now = host.now();
        let mut outlet = Outlet {
            host,
            socket: &mut *socket,
            wants_all_events: host.wants_all_events(),
        };
        if let Some(Arrival { body, from, label }) = arrival {
            let origin = Origin {
                address: from,
                host: host.host_of(from),
                label,
            };
            server.receive(now, &origin, &body, &mut outlet);
        } else {
            server.fire_timers(now, &mut outlet);
        }
    }
}
