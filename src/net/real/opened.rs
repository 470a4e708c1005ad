//! The names of connections: which host of the process has opened which.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::id::{ConnectionId, HostId};

/// The connections of one process, and the addresses that they were opened from.
#[derive(Default)]
pub(super) struct Opened {
    /// How many each host has opened.
    counts: BTreeMap<HostId, u32>,
    from: BTreeMap<SocketAddr, ConnectionId>,
}

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

    /// The connection is no more.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.from.retain(|_, known| *known != id);
    }
}
