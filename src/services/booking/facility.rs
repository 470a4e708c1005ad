//! One facility: its calendar, its revision, and what its last changes were.

use std::collections::VecDeque;

use crate::services::booking::calendar::Calendar;
use crate::services::booking::message::{Availability, DayAvailability, Update};
use crate::services::booking::week::Interval;

/// How many changes of a facility can be told again. A monitor that has lost more updates in a row
/// than this learns how many it missed, and goes on from there. Another number is another format of
/// what a server stores (see `records`).
pub const KEPT_REVISIONS: usize = 64;

/// How many updates the server sends for one question about lost ones, so that one small datagram
/// does not cause a flood; a client that needs more asks again.
pub const UPDATES_PER_ASK: usize = 16;

/// How many bytes of updates the server sends for one question, unless the first is longer: an
/// address that is not the sender's own gets no more for twenty bytes. A client whose answer is cut
/// short is told the latest revision, and asks again.
pub const BYTES_PER_ASK: usize = 16 * 1024;

/// What a change did to the calendar.
///
/// It is kept instead of the availability after it: that can be worked out backwards when somebody
/// asks, which is seldom, while changes are many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Change {
    /// An interval that became free.
    pub(crate) freed: Option<Interval>,
    /// An interval that was taken, afterwards.
    pub(crate) taken: Option<Interval>,
}

/// A facility.
#[derive(Debug)]
pub(crate) struct Facility {
    name: String,
    calendar: Calendar,
    /// How many changes it has seen; the last ones are kept.
    changes: u64,
    kept: VecDeque<Change>,
}

impl Facility {
    /// A facility that was never booked: revision 0.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            calendar: Calendar::default(),
            changes: 0,
            kept: VecDeque::with_capacity(KEPT_REVISIONS),
        }
    }

    /// Makes a change, which makes a revision.
    pub(crate) fn make(&mut self, change: Change) {
        change.freed.into_iter().for_each(|i| self.calendar.free(i));
        change.taken.into_iter().for_each(|i| self.calendar.take(i));
        if self.kept.len() == KEPT_REVISIONS {
            self.kept.pop_front();
        }
        self.kept.push_back(change);
        self.changes = self.changes.saturating_add(1);
    }

    /// Takes a stored booking up, unless its time is taken.
    pub(crate) fn restore_booking(&mut self, interval: Interval) -> bool {
        let is_free = self.calendar.is_free(interval, None);
        if is_free {
            self.calendar.take(interval);
        }
        is_free
    }

    /// Takes the stored change of this number up, from 1, unless it does not follow on the last. The
    /// calendar is that after all changes already.
    pub(crate) fn restore_change(&mut self, number: u64, change: Change) -> bool {
        let follows = match self.kept.len() {
            0 => number > 0,
            KEPT_REVISIONS.. => false,
            _ => self.changes.checked_add(1) == Some(number),
        };
        if follows {
            self.changes = number;
            self.kept.push_back(change);
        }
        follows
    }

    /// Whether the changes that were taken up lead to the bookings that were: from no booking, or
    /// from what was before the oldest change that is kept.
    pub(crate) fn is_whole(&self) -> bool {
        let earlier = self.changes - self.kept.len() as u64;
        let mut calendar = self.calendar.clone();
        for change in self.kept.iter().rev() {
            if change.taken.is_some_and(|i| !calendar.holds(i)) {
                return false;
            }
            change.taken.into_iter().for_each(|i| calendar.free(i));
            if change.freed.is_some_and(|i| !calendar.is_free(i, None)) {
                return false;
            }
            change.freed.into_iter().for_each(|i| calendar.take(i));
        }
        match earlier {
            0 => calendar.is_empty(),
            _ => self.kept.len() == KEPT_REVISIONS,
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How many changes it has seen. After four thousand million the revision stays as it is: bookings
    /// go on, and monitors take further updates for known ones.
    pub(crate) const fn revision(&self) -> u32 {
        if self.changes > u32::MAX as u64 {
            return u32::MAX;
        }
        self.changes as u32
    }

    /// The number of its last change, from 1, and what it did.
    pub(crate) fn last_change(&self) -> Option<(u64, Change)> {
        Some((self.changes, *self.kept.back()?))
    }

    /// Its calendar.
    pub(crate) const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The update that tells its last change.
    pub(crate) fn update(&self) -> Update {
        self.changed(self.revision(), self.calendar.week())
    }

    /// The updates after this revision, in order: those kept, and no more than
    /// [`UPDATES_PER_ASK`].
    pub(crate) fn updates_after(&self, after: u32) -> Vec<Update> {
        let first = after.saturating_add(1).max(self.oldest());
        let revision = self.revision();
        let last = revision.min(first.saturating_add(UPDATES_PER_ASK as u32 - 1));
        let mut calendar = self.calendar.clone();
        let mut updates = Vec::new();
        for (revision, change) in (first..=revision).rev().zip(self.kept.iter().rev()) {
            if revision <= last {
                updates.push(self.changed(revision, calendar.week()));
            }
            change.taken.into_iter().for_each(|i| calendar.free(i));
            change.freed.into_iter().for_each(|i| calendar.take(i));
        }
        updates.reverse();
        updates
    }

    /// The earliest revision that can still be told again.
    fn oldest(&self) -> u32 {
        self.revision().saturating_sub(self.kept.len() as u32) + 1
    }

    fn changed(&self, revision: u32, days: Vec<DayAvailability>) -> Update {
        Update::Changed {
            revision,
            oldest: self.oldest().min(revision),
            availability: Availability {
                facility: self.name.clone(),
                days,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::booking::week::Minute;

    fn interval(hour: i64) -> Interval {
        let minute = |hour: i64| Minute::new(hour * 60).unwrap();
        Interval::new(minute(hour), minute(hour + 1)).unwrap()
    }

    /// A facility whose first `hours` hours were taken one by one.
    fn taken(hours: i64) -> Facility {
        let mut facility = Facility::new("Hall".to_owned());
        for hour in 0..hours {
            facility.make(Change {
                freed: None,
                taken: Some(interval(hour)),
            });
        }
        facility
    }

    fn revisions(updates: &[Update]) -> Vec<u32> {
        let revision = |update: &Update| match update {
            Update::Changed { revision, .. } => *revision,
            Update::Latest { .. } => panic!("not a change"),
        };
        updates.iter().map(revision).collect()
    }

    #[test]
    fn updates_told_again_are_the_same_as_the_first_time() {
        let mut facility = taken(0);
        let mut first_time = Vec::new();
        for (freed, taken) in [
            (None, Some(1)),
            (None, Some(5)),
            (Some(1), Some(2)),
            (Some(5), None),
            (Some(2), Some(2)),
        ] {
            facility.make(Change {
                freed: freed.map(interval),
                taken: taken.map(interval),
            });
            first_time.push(facility.update());
        }
        assert_eq!(facility.updates_after(0), first_time);
        assert_eq!(facility.updates_after(3), first_time[3..]);
        assert_eq!(facility.updates_after(5), []);
        assert_eq!(facility.updates_after(u32::MAX), []);
    }

    #[test]
    fn one_question_is_answered_with_sixteen_updates_at_most() {
        let updates = taken(30).updates_after(2);
        assert_eq!(revisions(&updates), (3..=18).collect::<Vec<_>>());
    }

    #[test]
    fn a_question_for_more_than_is_kept_starts_with_the_oldest_kept() {
        let facility = taken(100);
        let updates = facility.updates_after(10);
        assert_eq!(revisions(&updates), (37..=52).collect::<Vec<_>>());
        let Update::Changed { oldest, .. } = updates[0] else {
            panic!("not a change");
        };
        assert_eq!(oldest, 100 - KEPT_REVISIONS as u32 + 1);
        assert_eq!(revisions(&facility.updates_after(99)), [100]);
    }

    #[test]
    fn stored_changes_are_taken_up_in_order_without_gaps_and_as_many_as_are_kept() {
        let change = Change {
            freed: None,
            taken: Some(interval(1)),
        };
        let mut facility = taken(0);
        assert!(!facility.restore_change(0, change));
        let last = 7 + KEPT_REVISIONS as u64 - 1;
        for number in 7..=last {
            assert!(facility.restore_change(number, change), "{number}");
            assert!(!facility.restore_change(number + 2, change), "{number}");
        }
        assert!(!facility.restore_change(last + 1, change));
    }

    #[test]
    fn beyond_the_last_revision_and_the_last_number_changes_go_on() {
        let mut facility = taken(64);
        facility.changes = u64::from(u32::MAX) - 1;
        let mut revisions_seen = Vec::new();
        for hour in 64..67 {
            facility.make(Change {
                freed: None,
                taken: Some(interval(hour)),
            });
            revisions_seen.push(facility.revision());
        }
        assert_eq!(revisions_seen, [u32::MAX; 3]);
        assert_eq!(
            facility.last_change().map(|(number, _)| number),
            Some(0x1_0000_0001)
        );
        let mut last = taken(0);
        let change = Change {
            freed: None,
            taken: Some(interval(1)),
        };
        assert!(last.restore_change(u64::MAX, change));
        assert!(!last.restore_change(1, change));
        last.make(change);
        assert_eq!(last.changes, u64::MAX);
    }
}
