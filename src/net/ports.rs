//! Ports and datagrams of a simulated world: what is sent, admitted and handed over.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use crate::id::HostId;
use crate::net::fate::Fate;
use crate::net::packet::{Packet, host_at, ip};
use crate::net::world::{HostState, World};
use crate::net::{Arrival, DATAGRAM_BYTES_MAX, Kind, Label};
use crate::trace::Event;
use crate::wire::SharedBytes;

/// The first port that is given to sockets that ask for any, and to connections.
pub(super) const EPHEMERAL_PORT: u16 = 49_152;

pub(crate) type SharedPort = Rc<RefCell<Port>>;

/// A bound port: datagrams that have arrived and are not yet received.
#[derive(Debug, Default)]
pub(crate) struct Port {
    pub(crate) queue: VecDeque<Arrival>,
    pub(crate) waker: Option<Waker>,
}

impl World {
    /// Binds a port, or any free one for 0; `None` if it is taken. What a life that has ended binds
    /// hears nothing.
    pub(crate) fn bind(&mut self, me: (HostId, u32), port: u16) -> Option<(u16, SharedPort)> {
        if !self.is_alive(me) {
            return Some((port, SharedPort::default()));
        }
        let ports = &mut self.hosts[me.0.index()].ports;
        let is_free = |port: u16| ports.iter().all(|(taken, _)| *taken != port);
        let port = match port {
            0 => (EPHEMERAL_PORT..=u16::MAX).find(|&port| is_free(port))?,
            port if is_free(port) => port,
            _ => return None,
        };
        let shared = SharedPort::default();
        ports.push((port, shared.clone()));
        Some((port, shared))
    }

    /// Frees a port, unless it may be that of a later life.
    pub(crate) fn unbind(&mut self, me: (HostId, u32), port: u16) {
        if self.is_alive(me) {
            self.hosts[me.0.index()]
                .ports
                .retain(|(bound, _)| *bound != port);
        }
    }

    /// Decides the fate of a datagram, records it, and hands each copy that will arrive to `carry`.
    pub(crate) fn send(
        &mut self,
        from: (HostId, u16),
        to: SocketAddr,
        body: &SharedBytes,
        label: Option<Label>,
        mut carry: impl FnMut(Packet),
    ) {
        let Some(to_host) = host_at(to.ip()).filter(|host| host.index() < self.hosts.len()) else {
            return; // an address of nobody, as a protocol may have read it from a datagram
        };
        if body.len() > DATAGRAM_BYTES_MAX {
            return;
        }
        let (fate, nth) = if self.calm {
            self.calm_sends += 1;
            (Fate::once(1), self.calm_sends)
        } else {
            self.fates
                .decide(self.recorder.trace_time(self.now), from.0, to_host, label)
        };
        if !self.calm {
            self.traffic.count(label, &fate);
        }
        if self.recorder.wants_all() {
            let datagram = body.clone();
            self.record(
                from.0,
                Event::Send {
                    to: to_host,
                    label,
                    datagram,
                    fate,
                },
            );
        }
        for (copy, &delay_ms) in (0..).zip(fate.delays_ms()) {
            *self.in_flight(label) += 1;
            carry(Packet {
                due: self.now + Duration::from_millis(delay_ms.into()),
                from: from.0,
                to: to_host,
                from_port: from.1,
                to_port: to.port(),
                label,
                nth,
                copy,
                segment: None,
                body: body.clone(),
            });
        }
    }

    /// Whether somebody listens for this packet, before the hosts run; if not, it is lost. Either way
    /// it is no longer under way.
    pub(crate) fn admit(&mut self, packet: &Packet) -> bool {
        *self.in_flight(packet.label) -= 1;
        let state = &self.hosts[packet.to.index()];
        let listens = state.port(packet.to_port).is_some();
        if !listens {
            let (from, label, down) = (packet.from, packet.label, state.is_down(self.now));
            let event = Event::Lost {
                from,
                connection: None,
                label,
                down,
            };
            self.record(packet.to, event);
        }
        listens
    }

    /// Puts a packet that was admitted into its port, or keeps it for a host that pauses.
    pub(crate) fn hand_over(&mut self, packet: Packet) {
        let state = &mut self.hosts[packet.to.index()];
        if state.paused_until.is_some() {
            state.held.push(packet);
            return;
        }
        let Some(port) = state.port(packet.to_port) else {
            return; // lost when it was not admitted, or with the life that has ended since
        };
        let mut port = port.borrow_mut();
        let from = SocketAddr::new(ip(packet.from), packet.from_port);
        port.queue.push_back(Arrival {
            body: packet.body,
            from,
            label: packet.label,
        });
        if let Some(waker) = port.waker.take() {
            waker.wake();
        }
    }

    /// Hands over what came while the host paused, if it has gone on.
    pub(crate) fn hand_over_held(&mut self, host: HostId) {
        if self.has_held(host) {
            for waker in std::mem::take(&mut self.connections.of(host).held_wakes) {
                waker.wake();
            }
            for packet in std::mem::take(&mut self.hosts[host.index()].held) {
                self.hand_over(packet);
            }
        }
    }

    /// Whether something came while the host paused, and it has gone on.
    pub(crate) fn has_held(&self, host: HostId) -> bool {
        let state = &self.hosts[host.index()];
        let has_held = !state.held.is_empty() || self.connections.has_held_wakes(host);
        has_held && state.paused_until.is_none()
    }

    pub(super) const fn in_flight(&mut self, label: Option<Label>) -> &mut usize {
        match label {
            Some(Label {
                kind: Kind::Update | Kind::OneWay,
                ..
            }) => &mut self.others_in_flight,
            _ => &mut self.calls_in_flight,
        }
    }
}

impl HostState {
    fn port(&self, port: u16) -> Option<&SharedPort> {
        let bound = self.ports.iter().find(|(bound, _)| *bound == port);
        bound.map(|(_, port)| port)
    }
}
