//! Where a datagram came from.

use std::net::SocketAddr;

use crate::id::{ClientKey, HostId, OperationId};
use crate::net::{Kind, Label};
use crate::rpc::service::Caller;
use crate::trace::Event;

/// A datagram's origin.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The address that it came from.
    pub address: SocketAddr,
    /// The host behind it, for the trace.
    pub host: HostId,
    /// In simulation, the sender's label.
    pub label: Option<Label>,
}

impl Origin {
    pub(super) fn caller(&self, client: ClientKey, sequence: u32) -> Caller {
        let named = OperationId {
            client: self.host,
            number: sequence,
        };
        let operation = self.label.map_or(named, |label| label.operation);
        Caller {
            client,
            address: self.address,
            operation,
        }
    }

    pub(super) fn received(&self, operation: OperationId) -> Event {
        let label = self.label.or(Some(Label::new(Kind::Request, operation)));
        Event::Receive {
            from: self.host,
            label,
        }
    }
}
