//! Connections of a simulated host, as its servers and clients hold them.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::net::packet::ip;
use crate::net::segment::EndId;
use crate::net::simulated::SimHost;
use crate::net::{Broken, Connection, Label, Listener, Piece};

/// A port at which a simulated host listens.
pub(super) struct SimListener {
    host: SimHost,
    port: u16,
}

impl SimListener {
    pub(super) const fn new(host: SimHost, port: u16) -> Self {
        Self { host, port }
    }
}

impl Listener for SimListener {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Box<dyn Connection>> {
        let mut world = self.host.world().borrow_mut();
        let accepted = world.poll_accept(self.host.life(), self.port, context);
        accepted.map(|(end, peer)| -> Box<dyn Connection> {
            Box::new(SimConnection {
                host: self.host.clone(),
                end: Some(end),
                peer,
            })
        })
    }

    fn local_address(&self) -> SocketAddr {
        SocketAddr::new(ip(self.host.id()), self.port)
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let (host, port) = (&self.host, self.port);
        let mut world = host.world().borrow_mut();
        world.stop_listening(host.life(), port, &mut |packet| {
            host.carrier().carry(packet)
        });
    }
}

/// One end of a connection of a simulated host.
pub(super) struct SimConnection {
    host: SimHost,
    /// `None` if there is no way to the address.
    end: Option<EndId>,
    peer: SocketAddr,
}

impl SimConnection {
    pub(super) fn open(host: SimHost, peer: SocketAddr) -> Self {
        let mut world = host.world().borrow_mut();
        let end = world.connect(host.life(), peer, &mut |packet| {
            host.carrier().carry(packet)
        });
        drop(world);
        Self { host, end, peer }
    }

    /// What becomes of a call if there is no way to the address; of a life that has ended, nothing does.
    fn no_way<T>(&self) -> Poll<Result<T, Broken>> {
        if self.host.is_alive() {
            Poll::Ready(Err(Broken::TimedOut))
        } else {
            Poll::Pending
        }
    }
}

impl Connection for SimConnection {
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(end) = self.end else {
            return self.no_way();
        };
        let mut world = self.host.world().borrow_mut();
        world.poll_open(self.host.life(), end, context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Broken>> {
        let Some(end) = self.end else {
            return self.no_way();
        };
        let host = &self.host;
        let mut world = host.world().borrow_mut();
        let carry = &mut |packet| host.carrier().carry(packet);
        world.poll_read(host.life(), end, context, carry)
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        label: Option<Label>,
    ) -> Poll<Result<usize, Broken>> {
        let Some(end) = self.end else {
            return self.no_way();
        };
        let host = &self.host;
        let mut world = host.world().borrow_mut();
        let carry = &mut |packet| host.carrier().carry(packet);
        world.poll_write(host.life(), end, context, (bytes, label), carry)
    }

    fn finish(&mut self) {
        if let Some(end) = self.end {
            let host = &self.host;
            let mut world = host.world().borrow_mut();
            world.finish(host.life(), end, &mut |packet| host.carrier().carry(packet));
        }
    }

    fn peer_address(&self) -> SocketAddr {
        self.peer
    }
}

impl Drop for SimConnection {
    fn drop(&mut self) {
        if let Some(end) = self.end {
            let host = &self.host;
            let mut world = host.world().borrow_mut();
            world.close(host.life(), end, &mut |packet| host.carrier().carry(packet));
        }
    }
}
