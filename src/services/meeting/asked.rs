//! A request that the main server is to complete.

use crate::clock::Time;
use crate::id::OperationId;
use crate::rpc::service::{Effects, Ticket};
use crate::services::meeting::message::{REPLY_BYTES_MAX, Refusal, Reply, Request};
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
    /// Tells whoever waits for it. A long answer would take room from replies that must be remembered, and what fits
    /// one way may not fit another: it is found again when it is asked for again.
    pub(super) fn complete(&self, reply: &Reply, effects: &mut Effects) {
        let Some(ticket) = self.ticket else {
            return;
        };
        let mut reply = reply.encode();
        let is_too_long = reply.len() > self.reply_bytes_max;
        let is_long = reply.len() > REPLY_BYTES_MAX;
        if is_too_long {
            reply = Reply::Refused(Refusal::TooLong).encode();
        }
        if matches!(self.request, Request::Free { .. }) && is_long {
            effects.complete_unremembered(ticket, &reply);
        } else {
            effects.complete(ticket, &reply);
        }
    }
}
