//! The thin loop around a server: receive, hand to the server, send what it returned.

use crate::host::Host;
use crate::net::{Arrival, Datagrams, recv_until};
use crate::rpc::origin::Origin;
use crate::rpc::server::{Action, RpcServer};

/// Serves on a socket until the host's life ends.
pub async fn serve(host: Host, mut socket: Box<dyn Datagrams>, mut server: RpcServer) {
    answer(&host, &mut *socket, &mut server).await;
}

/// Answers what comes, for ever; whoever stops it has the server back.
pub async fn answer(host: &Host, socket: &mut dyn Datagrams, server: &mut RpcServer) {
    let mut timer = host.timer();
    let mut actions = Vec::new();
    loop {
        let arrival = recv_until(socket, &mut *timer, server.next_timer()).await;
        let now = host.now();
        server.tell_all(host.wants_all_events());
        if let Some(Arrival {
            body,
            from: address,
            label,
        }) = arrival
        {
            let origin = Origin {
                address,
                host: host.host_of(address),
                label,
            };
            server.receive(now, origin, &body, &mut actions);
        } else {
            server.fire_timers(now, &mut actions);
        }
        for action in actions.drain(..) {
            match action {
                Action::Send {
                    to,
                    datagram,
                    label,
                } => socket.send(to, datagram, label),
                Action::Record(event) => host.record(event),
            }
        }
    }
}
