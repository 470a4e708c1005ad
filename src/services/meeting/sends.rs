//! When something is sent again. Pure.

use std::time::Duration;

use crate::clock::Time;

/// Something is sent again after so many times its timeout at most.
const SPAN_FACTOR_MAX: u32 = 8;

/// Sends for ever, ever later: after the timeout, then twice that, up to a bound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sends {
    next: Time,
    factor: u32,
}

/// Some sends in a row without a sign of the other side, each after the same timeout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Attempts {
    next: Time,
    made: u16,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Nothing,
    Send,
    GiveUp,
}

impl Sends {
    /// For the first time at once.
    pub(super) const fn at_once(now: Time) -> Self {
        Self {
            next: now,
            factor: 1,
        }
    }

    /// Whether it is sent now; then the next time is set.
    pub(super) fn take_due(&mut self, now: Time, timeout: Duration) -> bool {
        let is_due = self.next <= now;
        if is_due {
            self.next = now + timeout * self.factor;
            self.factor = (self.factor * 2).min(SPAN_FACTOR_MAX);
        }
        is_due
    }

    /// When it is sent next.
    pub(super) const fn next(&self) -> Time {
        self.next
    }
}

impl Attempts {
    /// The first one at once.
    pub(super) const fn at_once(now: Time) -> Self {
        Self { next: now, made: 0 }
    }

    /// What is to be done now, with so many attempts in all; then the next time is set.
    pub(super) fn take_due(&mut self, now: Time, timeout: Duration, attempts: u16) -> Due {
        if self.next > now {
            return Due::Nothing;
        }
        if self.made >= attempts {
            return Due::GiveUp;
        }
        self.made += 1;
        self.next = now + timeout;
        Due::Send
    }

    /// A sign of the other side has come: it has all attempts again, after the timeout.
    pub(super) fn hear(&mut self, now: Time, timeout: Duration) {
        *self = Self {
            next: now + timeout,
            made: 0,
        };
    }

    /// When something is to be done next.
    pub(super) const fn next(&self) -> Time {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(100);

    #[test]
    fn sends_come_ever_later() {
        let mut sends = Sends::at_once(Time::ZERO);
        let mut at = Vec::new();
        while sends.next() <= Time::from_ms(3_100) {
            let now = sends.next();
            assert!(sends.take_due(now, TIMEOUT));
            assert!(!sends.take_due(now, TIMEOUT));
            at.push(now.as_ms());
        }
        assert_eq!(at, [0, 100, 300, 700, 1_500, 2_300, 3_100]);
    }

    #[test]
    fn attempts_come_to_an_end() {
        let mut attempts = Attempts::at_once(Time::ZERO);
        let mut due = |ms| attempts.take_due(Time::from_ms(ms), TIMEOUT, 2);
        assert_eq!(
            [due(0), due(99), due(100)],
            [Due::Send, Due::Nothing, Due::Send]
        );
        assert_eq!([due(199), due(200)], [Due::Nothing, Due::GiveUp]);
    }
}
