//! Deeds: what a host does for its connections at a later time, by itself.
//!
//! They are no timers of its tasks: a pause does not stop them, and a wrong clock does not move them. Each
//! is done after the arrivals of its millisecond and before the timers, by the host itself, so that on turmoil
//! what it sends crosses its own socket. What a life has planned and not done is about ends of connections that
//! are gone with it, and so it does nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Time;
use crate::id::HostId;
use crate::net::Broken;
use crate::net::packet::Packet;
use crate::net::segment::EndId;
use crate::net::world::World;
use crate::trace::Event;

/// Something that a host is to do.
#[derive(Debug)]
pub(super) enum Deed {
    /// The connection is to be open by now.
    Open(EndId),
    /// A segment reached a host that was down: it is sent again. With which attempt this is.
    SendAgain(Packet, u8),
    /// A segment never arrives: the connection is given up.
    GiveUp(EndId),
    /// The fault of this number resets all connections with this host.
    Reset(HostId, u16),
}

impl Deed {
    /// How long a connection may take to open: the first three attempts and a little of the fourth. Linux
    /// tries for two minutes, and who waits for a connection seldom does.
    pub(super) const OPENED_WITHIN: Duration = Duration::from_secs(3);
}

/// What is to be done, in the order of time, then of hosts, then of planning.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    planned: BTreeMap<(Time, HostId, u32), Deed>,
    count: u32,
}

impl Deeds {
    pub(super) fn plan(&mut self, host: HostId, at: Time, deed: Deed) {
        self.count += 1;
        self.planned.insert((at, host, self.count), deed);
    }

    /// When the next deed is due: of this host, or of all.
    pub(super) fn next(&self, of: Option<HostId>) -> Option<Time> {
        let mut keys = self.planned.keys();
        let key = keys.find(|(_, host, _)| of.is_none_or(|of| of == *host))?;
        Some(key.0)
    }

    fn take_due(&mut self, of: Option<HostId>, now: Time) -> Option<(HostId, Deed)> {
        let is_due = |key: &&(Time, HostId, u32)| key.0 <= now;
        let mut due = self.planned.keys().take_while(is_due);
        let key = *due.find(|(_, host, _)| of.is_none_or(|of| of == *host))?;
        self.planned.remove(&key).map(|deed| (key.1, deed))
    }
}

impl World {
    /// When the next timer of a queue is due, or the next deed of its hosts.
    pub(crate) fn next_timer(&mut self, queue: usize) -> Option<Time> {
        let timer = self.timers.next(queue);
        if !self.has_deeds() {
            return timer; // most runs have no connections
        }
        let of = self.timers.host_of_queue(queue);
        let deed = self.connections.deeds.next(of);
        timer.into_iter().chain(deed).min()
    }

    /// Whether anything is planned.
    pub(super) fn has_deeds(&self) -> bool {
        !self.connections.deeds.planned.is_empty()
    }

    /// Plans what a host is to do.
    pub(super) fn plan_deed(&mut self, host: HostId, at: Time, deed: Deed) {
        self.connections.deeds.plan(host, at, deed);
        self.wake_driver(host);
    }

    /// Does what is due: of this host, or of all.
    pub(super) fn do_due_deeds(&mut self, of: Option<HostId>, carry: &mut dyn FnMut(Packet)) {
        while let Some((host, deed)) = self.connections.deeds.take_due(of, self.now) {
            match deed {
                Deed::Open(id) => {
                    let ends = &self.connections.of(host).ends;
                    if ends.get(&id).is_some_and(|end| !end.is_open) {
                        self.lose_end(host, id, Broken::TimedOut, None);
                    }
                }
                Deed::SendAgain(packet, attempt) => self.send_again(packet, attempt, carry),
                Deed::GiveUp(id) => self.lose_end(host, id, Broken::TimedOut, None),
                Deed::Reset(peer, fault) => self.reset_ends(host, peer, fault),
            }
        }
    }

    /// An end is no more, and the trace says so if anybody holds it.
    pub(super) fn lose_end(&mut self, host: HostId, id: EndId, why: Broken, fault: Option<u16>) {
        let Some(end) = self.connections.of(host).ends.get(&id) else {
            return;
        };
        if end.broken.is_some() {
            return;
        }
        let (peer, is_held) = (end.peer, !end.is_closed);
        self.break_end(host, id, why);
        if is_held {
            let connection = id.connection;
            let event = Event::Broken {
                peer,
                connection,
                why,
                fault,
            };
            self.record(host, event);
        }
    }

    /// Resets every end of a host whose other end is on another one.
    fn reset_ends(&mut self, host: HostId, peer: HostId, fault: u16) {
        let ends = self.connections.of(host).ends.iter();
        let with_peer = ends.filter(|(_, end)| end.peer == peer && end.broken.is_none());
        let ids: Vec<EndId> = with_peer.map(|(id, _)| *id).collect();
        for id in ids {
            self.fates.strike(fault);
            self.lose_end(host, id, Broken::Reset, Some(fault));
        }
    }

    /// A fault resets all connections between two hosts: each host does so with its own ends.
    pub(super) fn plan_reset(&mut self, between: (HostId, HostId), fault: u16) {
        let (one, other) = between;
        for (host, peer) in [(one, other), (other, one)] {
            if self.is_up(host) {
                self.plan_deed(host, self.now, Deed::Reset(peer, fault));
            }
        }
    }
}
