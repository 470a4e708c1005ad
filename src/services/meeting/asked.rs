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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::HostId;
    use crate::services::meeting::message::{Answer, LINE_REPLY_BYTES_MAX, Meeting};
    use crate::services::meeting::times::{Interval, Times};

    const TICKET: Ticket = Ticket(7);

    /// Whether the reply with so many times is remembered.
    fn is_remembered(request: &Request, count: u64, reply_bytes_max: usize) -> bool {
        let client = HostId(3);
        let asked = Asked {
            ticket: Some(TICKET),
            about: OperationId { client, number: 1 },
            since: Time::ZERO,
            request: request.clone(),
            reply_bytes_max,
            turn: Turn::default(),
        };
        let times = (0..count).filter_map(|nth| Interval::new(2 * nth, 2 * nth + 1));
        let answer = Answer {
            times: Times::new(times.collect()).unwrap(),
            ..Answer::default()
        };
        let mut effects = Effects::default();
        asked.complete(&Reply::Free(answer), &mut effects);
        assert!(effects.reply_to(TICKET).is_some());
        effects.remembers(TICKET)
    }

    #[test]
    fn an_answer_that_is_too_long_for_a_datagram_is_not_remembered() {
        let names = vec!["ann".to_owned()];
        let free = Request::Free {
            names: names.clone(),
        };
        for limit in [REPLY_BYTES_MAX, LINE_REPLY_BYTES_MAX] {
            assert!(is_remembered(&free, 10, limit));
            assert!(!is_remembered(&free, 4_000, limit));
        }
        let stretch = Interval::new(1, 2).unwrap();
        let register = Request::Register(Meeting { stretch, names });
        assert!(is_remembered(&register, 4_000, LINE_REPLY_BYTES_MAX));
    }
}
