//! The connections of a process: which host has opened which, and the labels of what is under way between
//! two hosts of it.
//!
//! A real connection carries no labels, and the trace of such a world is to read as in simulation. Since a
//! connection keeps the order of bytes, counting them says which label is whose.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use crate::id::{ConnectionId, HostId};
use crate::net::Label;

/// The connections of one process, and the addresses that they were opened from.
#[derive(Default)]
pub(super) struct Opened {
    /// How many each host has opened.
    counts: BTreeMap<HostId, u32>,
    from: BTreeMap<SocketAddr, ConnectionId>,
    listening: BTreeSet<SocketAddr>,
    /// Writes whose bytes have not been read, of connections within the process.
    written: BTreeMap<Direction, VecDeque<(usize, Option<Label>)>>,
}

/// One direction of a connection: whether to the end that has opened it.
pub(super) type Direction = (ConnectionId, bool);

impl Opened {
    /// The next connection that a host opens.
    pub(super) fn next(&mut self, opener: HostId) -> ConnectionId {
        let number = self.counts.entry(opener).or_default();
        *number += 1;
        ConnectionId {
            opener,
            number: *number,
        }
    }

    /// From here on, this address is where a connection comes from.
    pub(super) fn name(&mut self, address: SocketAddr, id: ConnectionId) {
        self.from.insert(address, id);
    }

    /// The connection that comes from an address, if it was opened in this process.
    pub(super) fn find(&self, address: SocketAddr) -> Option<ConnectionId> {
        self.from.get(&address).copied()
    }

    /// From here on, a host of this process listens at an address.
    pub(super) fn listen(&mut self, address: SocketAddr) {
        self.listening.insert(address);
    }

    pub(super) fn stop_listening(&mut self, address: SocketAddr) {
        self.listening.remove(&address);
    }

    pub(super) fn is_listening(&self, address: SocketAddr) -> bool {
        self.listening.contains(&address)
    }

    /// So many bytes were written.
    pub(super) fn write(&mut self, direction: Direction, bytes: usize, label: Option<Label>) {
        let written = self.written.entry(direction).or_default();
        written.push_back((bytes, label));
    }

    /// How many bytes of one write may be read next, if that is known.
    pub(super) fn readable(&self, direction: Direction) -> Option<usize> {
        let written = self.written.get(&direction)?;
        written.front().map(|(bytes, _)| *bytes)
    }

    /// So many bytes of one write were read: its label.
    pub(super) fn read(&mut self, direction: Direction, bytes: usize) -> Option<Label> {
        let written = self.written.get_mut(&direction)?;
        let (left, label) = written.front_mut()?;
        let label = *label;
        *left -= bytes.min(*left);
        if *left == 0 {
            written.pop_front();
        }
        label
    }

    /// Whoever reads this direction of a connection is gone; and if it opened it, the connection's name.
    pub(super) fn forget(&mut self, direction: Direction) {
        self.written.remove(&direction);
        let (id, is_opener) = direction;
        if is_opener {
            self.from.retain(|_, known| *known != id);
        }
    }
}
