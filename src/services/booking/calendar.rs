//! Which intervals of a facility's week are taken.

use std::collections::BTreeMap;

use crate::services::booking::message::DayAvailability;
use crate::services::booking::week::{Interval, Minute, WEEK_DAYS};

/// The taken intervals of one facility: disjoint, each known by its start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calendar {
    ends: BTreeMap<Minute, Minute>,
}

impl Calendar {
    /// Takes an interval that is free.
    pub(crate) fn take(&mut self, interval: Interval) {
        debug_assert!(self.is_free(interval, None), "taken twice: {interval}");
        self.ends.insert(interval.start(), interval.end());
    }

    /// Frees an interval that was taken.
    pub(crate) fn free(&mut self, interval: Interval) {
        let end = self.ends.remove(&interval.start());
        debug_assert_eq!(end, Some(interval.end()), "freed untaken: {interval}");
    }

    /// Whether an interval is free, once `but` has been freed.
    ///
    /// Taken intervals are disjoint, so of those that start before its end only the last can reach
    /// into it, or the last but one if the last is to be freed.
    pub(crate) fn is_free(&self, interval: Interval, but: Option<Interval>) -> bool {
        self.ends
            .range(..interval.end())
            .rev()
            .find(|&(&start, _)| but.is_none_or(|but| but.start() != start))
            .is_none_or(|(_, &end)| end <= interval.start())
    }

    /// When it is free on a day, 0 Monday .. 6 Sunday; `None` for what is no day.
    pub(crate) fn availability(&self, day: u8) -> Option<DayAvailability> {
        if day >= WEEK_DAYS {
            return None;
        }
        let (day_start, day_end) = (Minute::start_of_day(day)?, Minute::start_of_day(day + 1)?);
        let overnight = self.ends.range(..day_start).next_back();
        let mut free = Vec::new();
        let mut free_from = overnight.map_or(day_start, |(_, &end)| end.max(day_start));
        for (&start, &end) in self.ends.range(day_start..day_end) {
            free.extend(Interval::new(free_from, start).map(Interval::to_wire));
            free_from = end;
        }
        free.extend(Interval::new(free_from, day_end).map(Interval::to_wire));
        Some(DayAvailability { day, free })
    }

    /// When it is free on all seven days.
    pub(crate) fn week(&self) -> Vec<DayAvailability> {
        (0..WEEK_DAYS)
            .filter_map(|day| self.availability(day))
            .collect()
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
        let day = calendar.availability(day).unwrap();
        let words = |&(start, end): &_| format!("{}-{}", TimeOfDay(start), TimeOfDay(end));
        day.free.iter().map(words).collect::<Vec<_>>().join(" ")
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
        assert_eq!(calendar.availability(7), None);
    }

    #[test]
    fn what_is_freed_is_free_again() {
        let mut calendar = Calendar::default();
        calendar.take(interval(0, 10_080));
        calendar.free(interval(0, 10_080));
        assert_eq!(free(&calendar, 6), "00:00-24:00");
    }
}
