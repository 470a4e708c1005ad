//! Which intervals of a facility's week are taken.

use std::iter::from_fn;

use crate::services::booking::message::{DayAvailability, WireTime};
use crate::services::booking::week::{Interval, Minute, WEEK_DAYS};

/// The taken intervals of one facility: disjoint, in order.
///
/// A full week has 10,080 of them at most, so that making room for one moves 40 kB at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calendar {
    taken: Vec<Interval>,
}

impl Calendar {
    /// Takes an interval that is free.
    pub(crate) fn take(&mut self, interval: Interval) {
        debug_assert!(self.is_free(interval, None), "taken twice: {interval}");
        let place = self.first_from(interval.start());
        self.taken.insert(place, interval);
    }

    /// Frees an interval that was taken.
    pub(crate) fn free(&mut self, interval: Interval) {
        let place = self.first_from(interval.start());
        let freed = self.taken.remove(place);
        debug_assert_eq!(freed, interval, "freed what was not taken");
    }

    /// Whether an interval is free, once `but` has been freed.
    ///
    /// Taken intervals are disjoint, so of those that start before its end only the last can reach
    /// into it, or the last but one if the last is to be freed.
    pub(crate) fn is_free(&self, interval: Interval, but: Option<Interval>) -> bool {
        self.taken[..self.first_from(interval.end())]
            .iter()
            .rev()
            .find(|&&taken| but != Some(taken))
            .is_none_or(|taken| taken.end() <= interval.start())
    }

    /// Whether nothing is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Whether exactly this interval was taken.
    pub(crate) fn holds(&self, interval: Interval) -> bool {
        let place = self.first_from(interval.start());
        self.taken.get(place) == Some(&interval)
    }

    /// When it is free on a day, 0 Monday .. 6 Sunday, in order; never on what is no day.
    pub(crate) fn free_on(&self, day: u8) -> impl Iterator<Item = (WireTime, WireTime)> {
        let bound = |day| Minute::start_of_day(day).unwrap_or(Minute::END);
        let (day_start, day_end) = (bound(day), bound(day.saturating_add(1)));
        let first = self.first_from(day_start);
        let overnight = first.checked_sub(1).map(|place| self.taken[place].end());
        let mut free_from = overnight.map_or(day_start, |end| end.max(day_start));
        let mut taken = self.taken[first..].iter();
        from_fn(move || {
            while free_from < day_end {
                let start = free_from;
                let (end, next) = match taken.next() {
                    Some(taken) if taken.start() < day_end => (taken.start(), taken.end()),
                    _ => (day_end, day_end),
                };
                free_from = next;
                if start < end {
                    return Some((start.on_day(day), end.on_day(day)));
                }
            }
            None
        })
    }

    /// When it is free on all seven days.
    pub(crate) fn week(&self) -> Vec<DayAvailability> {
        let free_on = |day| DayAvailability {
            day,
            free: self.free_on(day).collect(),
        };
        (0..WEEK_DAYS).map(free_on).collect()
    }

    /// The place of the first taken interval that starts at this minute or later.
    fn first_from(&self, minute: Minute) -> usize {
        self.taken.partition_point(|taken| taken.start() < minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::booking::week::TimeOfDay;

    fn interval(start: i64, end: i64) -> Interval {
        Interval::new(Minute::new(start).unwrap(), Minute::new(end).unwrap()).unwrap()
    }

    fn free(calendar: &Calendar, day: u8) -> String {
        let words = |(start, end)| format!("{}-{}", TimeOfDay(start), TimeOfDay(end));
        let free: Vec<_> = calendar.free_on(day).map(words).collect();
        free.join(" ")
    }

    #[test]
    fn neighbours_do_not_overlap_and_one_minute_more_does() {
        let mut calendar = Calendar::default();
        calendar.take(interval(600, 660));
        assert!(calendar.is_free(interval(540, 600), None));
        assert!(calendar.is_free(interval(660, 720), None));
        for (start, end) in [(540, 601), (659, 720), (610, 620), (500, 800), (600, 660)] {
            assert!(!calendar.is_free(interval(start, end), None), "{start}");
        }
    }

    #[test]
    fn an_interval_may_overlap_the_one_it_replaces_and_no_other() {
        let mut calendar = Calendar::default();
        let own = interval(600, 660);
        calendar.take(interval(500, 560));
        calendar.take(own);
        assert!(calendar.is_free(interval(570, 700), Some(own)));
        assert!(!calendar.is_free(interval(550, 700), Some(own)));
        calendar.take(interval(690, 720));
        assert!(!calendar.is_free(interval(570, 700), Some(own)));
    }

    #[test]
    fn a_booking_over_midnight_takes_from_both_days() {
        let mut calendar = Calendar::default();
        calendar.take(interval(22 * 60, 26 * 60));
        assert_eq!(free(&calendar, 0), "00:00-22:00");
        assert_eq!(free(&calendar, 1), "02:00-24:00");
        assert_eq!(free(&calendar, 2), "00:00-24:00");
    }

    #[test]
    fn a_booking_over_days_leaves_those_between_without_any_free_interval() {
        let mut calendar = Calendar::default();
        calendar.take(interval(23 * 60, 3 * 1_440));
        assert_eq!(free(&calendar, 0), "00:00-23:00");
        assert_eq!(free(&calendar, 1), "");
        assert_eq!(free(&calendar, 2), "");
        assert_eq!(free(&calendar, 3), "00:00-24:00");
        assert_eq!(calendar.week().len(), 7);
        assert_eq!(free(&calendar, 7), "");
    }

    #[test]
    fn what_is_freed_is_free_again() {
        let mut calendar = Calendar::default();
        calendar.take(interval(0, 10_080));
        calendar.free(interval(0, 10_080));
        assert_eq!(free(&calendar, 6), "00:00-24:00");
    }
}
