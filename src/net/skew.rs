//! The clocks of hosts where some clock is wrong: local time from virtual time, and back.
//!
//! Whole numbers only, so that every machine computes the same.

use crate::clock::Time;
use crate::net::conditions::Fault;
use crate::net::faults::Skew;

/// What a clock that is right shows at the start of the run, where some clock is wrong: an hour, so
/// that one that is behind has time to be behind in.
const START_MS: i128 = 3_600_000;

/// A clock that is right gains so many millionths of a ms in each ms.
const RIGHT_PPM: u32 = 1_000_000;

/// The clock of a host. Until time zero of the trace it goes as fast as others, so that it is then as
/// far ahead as its fault says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct LocalClock {
    start_ms: i128,
    rate_ppm: u32,
    /// Time zero of the trace, once it has come.
    zero_ms: i128,
}

impl LocalClock {
    /// The clocks of so many hosts under these faults; none at all if no host has a skew. Where a host
    /// has several, the last counts.
    pub(super) fn of_hosts(hosts: usize, faults: &[Fault]) -> Vec<Self> {
        let mut clocks = Vec::new();
        for fault in faults {
            if let Fault::Skew(skew) = fault {
                clocks.resize(hosts, Self::RIGHT);
                clocks[skew.host.index()] = Self::new(skew);
            }
        }
        clocks
    }

    const RIGHT: Self = Self {
        start_ms: START_MS,
        rate_ppm: RIGHT_PPM,
        zero_ms: i128::MAX,
    };

    fn new(skew: &Skew) -> Self {
        Self {
            start_ms: START_MS + i128::from(skew.offset_ms),
            rate_ppm: skew.rate_ppm.max(1),
            zero_ms: i128::MAX,
        }
    }

    /// From this virtual time on it goes at its own rate.
    pub(super) fn begin(&mut self, zero: Time) {
        self.zero_ms = zero.as_ms().into();
    }

    /// What it shows at a virtual time. It never goes back, and never shows less than zero.
    pub(super) fn local(self, at: Time) -> Time {
        let before = i128::from(at.as_ms()).min(self.zero_ms);
        let since = i128::from(at.as_ms()) - before;
        let gone = since * i128::from(self.rate_ppm) / i128::from(RIGHT_PPM);
        time(self.start_ms + before + gone)
    }

    /// The first virtual ms in which it shows this time or a later one.
    pub(super) fn virtual_time(self, local: Time) -> Time {
        if local == Time::NEVER || local == Time::ZERO {
            return local;
        }
        let missing = (i128::from(local.as_ms()) - self.start_ms).max(0);
        let before = missing.min(self.zero_ms);
        let rate = i128::from(self.rate_ppm);
        let since = ((missing - before) * i128::from(RIGHT_PPM) + rate - 1) / rate;
        time(before + since)
    }
}

fn time(ms: i128) -> Time {
    Time::from_ms(u64::try_from(ms.max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::HostId;

    fn clock(offset_ms: i64, rate_ppm: u32) -> LocalClock {
        let host = HostId(1);
        let skew = Skew {
            host,
            offset_ms,
            rate_ppm,
        };
        LocalClock::of_hosts(2, &[Fault::Skew(skew)])[1]
    }

    fn begun(mut clock: LocalClock, zero_ms: u64) -> LocalClock {
        clock.begin(Time::from_ms(zero_ms));
        clock
    }

    #[test]
    fn a_timer_fires_in_the_first_ms_in_which_its_time_is_reached() {
        for (offset_ms, rate_ppm) in [
            (0, 1_000_000),
            (250, 1_010_000),
            (-90, 999_999),
            (7, 333_333),
            (0, 3_000_000),
            (-5_000_000, 1_700_000),
        ] {
            let clock = begun(clock(offset_ms, rate_ppm), 100);
            let ahead = clock.local(Time::ZERO).as_ms();
            for local in ahead..ahead + 3_000 {
                let at = clock.virtual_time(Time::from_ms(local));
                assert!(clock.local(at).as_ms() >= local, "{clock:?} {local}");
                if let Some(before) = at.as_ms().checked_sub(1) {
                    let before = clock.local(Time::from_ms(before));
                    assert!(before.as_ms() < local, "{clock:?} {local}");
                }
            }
        }
    }

    #[test]
    fn a_clock_shows_its_offset_and_its_rate() {
        let waits = clock(250, 1_010_000);
        assert_eq!(waits.local(Time::from_ms(1_000)), Time::from_ms(3_601_250));
        let fast = begun(waits, 40);
        assert_eq!(fast.local(Time::from_ms(40)), Time::from_ms(3_600_290));
        assert_eq!(fast.local(Time::from_ms(1_040)), Time::from_ms(3_601_300));
        assert_eq!(fast.virtual_time(Time::NEVER), Time::NEVER);
        let behind = begun(clock(i64::MIN, 1), 0);
        assert_eq!(behind.local(Time::from_ms(5)), Time::ZERO);
    }

    #[test]
    fn clocks_that_are_right_differ_from_virtual_time_only_where_one_is_wrong() {
        let skew = Fault::Skew(Skew {
            host: HostId(1),
            offset_ms: 250,
            rate_ppm: 1_010_000,
        });
        assert_eq!(LocalClock::of_hosts(2, &[]), []);
        let right = LocalClock::of_hosts(2, &[skew])[0];
        assert_eq!(right.local(Time::from_ms(5)), Time::from_ms(3_600_005));
    }
}
