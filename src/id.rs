//! Identities: hosts, clients, requests and operations.
//!
//! Two names exist for one client call, and they are kept apart on purpose. A [`RequestId`] is what
//! the protocol knows and sends; an [`OperationId`] (`alice#3`) is what a reader of a trace knows. A
//! protocol that confuses two requests, as format v1 does, confuses request ids; the trace still
//! tells the two operations apart.

use std::fmt;
use std::net::SocketAddr;

/// A host of a run: its place in the order of hosts.
///
/// The order is part of a run's behaviour: within one virtual millisecond, hosts run in this order.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostId(pub u16);

impl HostId {
    /// The host's place in the order of hosts, counted from zero.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One life of a client: a random 64-bit number, never used twice.
///
/// A client that restarts draws a new number, so it is never taken for its old life, even on its old
/// port.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientId(pub u64);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How a server knows a client.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ClientKey {
    /// Format v1 has no client ids: a client is its source address, whoever sends from there.
    Address(SocketAddr),
    /// Format v2: the client id of this life.
    Id(ClientId),
}

/// What the protocol knows a request by: the same for every retransmission of one call.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId {
    /// Whose request it is.
    pub client: ClientKey,
    /// The request's number, from 1, rising by 1 with each call of one client life.
    pub sequence: u32,
}

/// What a trace knows a call by: `alice#3` is the third operation of alice's script.
///
/// Waits and pauses are not counted; the count goes on across a client's lives. Calls of a scenario's
/// setup have the number 0.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OperationId {
    /// The client whose operation it is.
    pub client: HostId,
    /// The operation's number in the client's script, from 1.
    pub number: u32,
}

/// A connection between two hosts: who opened it, and which of the connections that this host has opened.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId {
    /// The host that opened it.
    pub opener: HostId,
    /// Its number among those that the host has opened, from 1, over all of the host's lives.
    pub number: u32,
}

/// One write of a replicated service: a Lamport timestamp, and who gave it. Versions are ordered; of two
/// writes of one key the greater wins.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Version {
    /// The Lamport timestamp, from 1.
    pub timestamp: u64,
    /// The replica that gave it, from 0.
    pub replica: u16,
    /// 0, or a number that is another one for each life of a replica that forgets its own writes in a
    /// crash: so no version is ever given twice.
    pub life: u32,
}

/// `(2,0)`: the timestamp and the replica; with a life, `(2,0/9f3c)`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            timestamp,
            replica,
            life,
        } = self;
        match life {
            0 => write!(f, "({timestamp},{replica})"),
            _ => write!(f, "({timestamp},{replica}/{life:x})"),
        }
    }
}
