//! When a client sends again, and when it gives up.
//!
//! Pure: times come in, a decision goes out. A notice that the request is in progress is a sign of
//! life: it delays the next retransmission and gives the client all its attempts back.

use std::time::Duration;

use crate::clock::Time;

/// How a client retransmits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// How long it waits for a reply before it sends again.
    pub timeout: Duration,
    /// How many sends in a row may stay without any sign of the server.
    pub attempts: u16,
    /// How much longer than the timeout it waits after a notice that the request is in progress.
    pub patience: Duration,
}

impl Default for Policy {
    /// The first seed's: sends at 0, 5 and 10 s, at 15 s nobody knows; and 1 s more after a notice of
    /// progress.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            attempts: 3,
            patience: Duration::from_secs(1),
        }
    }
}

/// What to do when the deadline has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Send again; this attempt of the policy's.
    Retransmit {
        /// Counted from 1, the first send.
        attempt: u16,
    },
    /// Stop: nobody knows whether the request was executed.
    GiveUp,
}

/// The retransmissions of one request, all by the same policy.
#[derive(Clone, Copy, Debug)]
pub struct Retransmission {
    attempt: u16,
    deadline: Time,
}

impl Retransmission {
    /// The first send, at `now`.
    #[must_use]
    #[inline]
    pub fn first_send(now: Time, policy: &Policy) -> Self {
        Self {
            attempt: 1,
            deadline: now + policy.timeout,
        }
    }

    /// Until when to wait for a reply.
    #[must_use]
    #[inline]
    pub const fn deadline(&self) -> Time {
        self.deadline
    }

    /// The deadline has passed without a reply.
    pub fn deadline_passed(&mut self, now: Time, policy: &Policy) -> Step {
        if self.attempt >= policy.attempts {
            return Step::GiveUp;
        }
        self.attempt += 1;
        self.deadline = now + policy.timeout;
        Step::Retransmit {
            attempt: self.attempt,
        }
    }

    /// The server has said that the request is in progress.
    pub fn in_progress(&mut self, now: Time, policy: &Policy) {
        self.attempt = 1;
        self.deadline = now + policy.timeout + policy.patience;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_sends_then_it_gives_up_at_fifteen_seconds() {
        let policy = Policy::default();
        let mut call = Retransmission::first_send(Time::ZERO, &policy);
        let mut steps = Vec::new();
        while steps.last().is_none_or(|&(_, step)| step != Step::GiveUp) {
            let now = call.deadline();
            steps.push((now.as_ms(), call.deadline_passed(now, &policy)));
        }
        let retransmit = |attempt| Step::Retransmit { attempt };
        assert_eq!(
            steps,
            [
                (5_000, retransmit(2)),
                (10_000, retransmit(3)),
                (15_000, Step::GiveUp)
            ]
        );
    }

    #[test]
    fn a_notice_of_progress_delays_the_next_send_and_restores_the_attempts() {
        let policy = Policy::default();
        let mut call = Retransmission::first_send(Time::ZERO, &policy);
        for _ in 0..10 {
            let now = call.deadline();
            assert_eq!(
                call.deadline_passed(now, &policy),
                Step::Retransmit { attempt: 2 }
            );
            call.in_progress(now, &policy);
            assert_eq!(call.deadline() - now, Duration::from_secs(6));
        }
    }
}
