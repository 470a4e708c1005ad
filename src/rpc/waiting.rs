//! Requests that wait for a later step to complete them.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{ClientKey, RequestId};
use crate::rpc::dispatch::Pending;
use crate::rpc::service::Ticket;

/// Requests that wait. Where duplicates are not filtered, one request may wait more than once.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_ticket: BTreeMap<Ticket, Pending>,
    by_id: BTreeSet<(RequestId, Ticket)>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn insert(&mut self, ticket: Ticket, pending: Pending) {
        self.by_ticket.insert(ticket, pending);
        self.by_id.insert((pending.id(), ticket));
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Pending> {
        let pending = self.by_ticket.remove(&ticket)?;
        self.by_id.remove(&(pending.id(), ticket));
        Some(pending)
    }

    /// The execution of this request that waits, if one does; the latest of several.
    pub(super) fn ticket_of(&self, id: RequestId) -> Option<Ticket> {
        let all = (id, Ticket(0))..=(id, Ticket(u64::MAX));
        self.by_id.range(all).next_back().map(|(_, ticket)| *ticket)
    }

    /// What waits of a client with a lower sequence number than this one, in the order of numbers.
    pub(super) fn below(&self, client: ClientKey, awaited: u32) -> Vec<Ticket> {
        let id = |sequence| RequestId { client, sequence };
        let below = (id(0), Ticket(0))..(id(awaited), Ticket(0));
        self.by_id.range(below).map(|(_, ticket)| *ticket).collect()
    }
}
