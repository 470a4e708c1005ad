//! Packets under way in simulation, and the addresses of simulated hosts.

use std::net::{IpAddr, Ipv4Addr};

use crate::clock::Time;
use crate::id::HostId;
use crate::net::Label;
use crate::net::segment::SegmentHead;
use crate::wire::SharedBytes;

/// A copy of a datagram under way, or a segment of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) due: Time,
    pub(crate) from: HostId,
    pub(crate) to: HostId,
    pub(crate) from_port: u16,
    pub(crate) to_port: u16,
    pub(crate) label: Option<Label>,
    /// Which send of its label, and which copy of that send; of a segment, its number in its direction of
    /// the connection, and which attempt to bring it arrives.
    pub(crate) nth: u32,
    pub(crate) copy: u8,
    /// Of a segment: boxed, since most packets are datagrams.
    pub(crate) segment: Option<Box<SegmentHead>>,
    pub(crate) body: SharedBytes,
}

impl Packet {
    /// The canonical order of arrivals of one millisecond: (to, from, label, nth, copy), for segments
    /// (to, from, connection, direction, nth, copy).
    pub(crate) fn order(&self) -> u128 {
        let (kind, client, number) = match (&self.segment, self.label) {
            (Some(segment), _) => (
                segment.direction(),
                segment.connection.opener.0,
                segment.connection.number,
            ),
            (None, Some(label)) => (
                label.kind as u8 + 1,
                label.operation.client.0,
                label.operation.number,
            ),
            (None, None) => (0, 0, 0),
        };
        u128::from(self.to.0) << 112
            | u128::from(self.from.0) << 96
            | u128::from(kind) << 88
            | u128::from(client) << 72
            | u128::from(number) << 40
            | u128::from(self.nth) << 8
            | u128::from(self.copy)
    }
}

/// How a backend brings packets to where they are due.
pub(crate) trait Carrier {
    /// Takes a packet on its way.
    fn carry(&self, packet: Packet);
}

/// The address of a simulated host.
#[must_use]
pub fn ip(host: HostId) -> IpAddr {
    let [high, low] = host.0.wrapping_add(1).to_be_bytes();
    Ipv4Addr::new(10, 0, high, low).into()
}

/// The simulated host of an address.
#[must_use]
pub fn host_at(address: IpAddr) -> Option<HostId> {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [10, 0, high, low] => Some(HostId(u16::from_be_bytes([high, low]).wrapping_sub(1))),
            _ => None,
        },
        IpAddr::V6(_) => None,
    }
}
