//! A request that the main server is to complete.

use crate::clock::Time;
use crate::id::OperationId;
use crate::rpc::service::{Effects, Ticket};
use crate::services::meeting::message::{REPLY_BYTES_MAX, Refusal, Reply, Request};

/// A request that is to be completed.
#[derive(Debug)]
pub(super) struct Asked {
    /// None if nobody waits for it any more.
    pub(super) ticket: Option<Ticket>,
    pub(super) about: OperationId,
    pub(super) since: Time,
    /// No name stands there twice.
    pub(super) request: Request,
}

impl Asked {
    /// Tells whoever waits for it.
    pub(super) fn complete(&self, reply: &Reply, effects: &mut Effects) {
        let Some(ticket) = self.ticket else {
            return;
        };
        let mut reply = reply.encode();
        if reply.len() > REPLY_BYTES_MAX {
            reply = Reply::Refused(Refusal::TooLong).encode();
        }
        effects.complete(ticket, &reply);
    }
}
