//! A request that the main server is to complete.

use crate::clock::Time;
use crate::id::OperationId;
use crate::rpc::service::{Effects, Ticket};
use crate::services::meeting::message::{Refusal, Reply, Request};
use crate::services::meeting::turns::Turn;

/// A request that is to be completed.
#[derive(Debug)]
pub(super) struct Asked {
    /// None if nobody waits for it any more.
    pub(super) ticket: Option<Ticket>,
    pub(super) about: OperationId,
    pub(super) since: Time,
    /// No name stands there twice.
    pub(super) request: Request,
    /// How many bytes its reply may take, on the way that it came.
    pub(super) reply_bytes_max: usize,
    /// Its place among all requests; they give it one.
    pub(super) turn: Turn,
}

impl Asked {
    /// Tells whoever waits for it.
    pub(super) fn complete(&self, reply: &Reply, effects: &mut Effects) {
        let Some(ticket) = self.ticket else {
            return;
        };
        let mut reply = reply.encode();
        if reply.len() > self.reply_bytes_max {
            reply = Reply::Refused(Refusal::TooLong).encode();
        }
        effects.complete(ticket, &reply);
    }
}
