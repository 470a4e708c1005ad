//! The fixed week, in minutes.
//!
//! Availability is kept for seven days, Monday to Sunday, without dates. A [`Minute`] counts from
//! Monday 00:00; the last one, 10,080, is the end of Sunday and can only end an interval. An
//! [`Interval`] is half-open: it holds its start and not its end, so that neighbours do not overlap.
//!
//! The end of a day has two names, `mon 24:00` and `tue 00:00`. Both are understood; an end is
//! written as the first, a start as the second.

use std::fmt;

use crate::services::booking::message::{Refusal, WireTime};

/// Days in the week.
pub const WEEK_DAYS: u8 = 7;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// Minutes of the week.
const WEEK_MINUTES: u16 = DAY_MINUTES * WEEK_DAYS as u16;

/// The days' names, as they are written; the full names are understood too.
const DAY_NAMES: [(&str, &str); WEEK_DAYS as usize] = [
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
];

/// A point in the week: 0 is the start of Monday, 10,080 the end of Sunday.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Minute(u16);

impl Minute {
    /// The end of the week.
    pub const END: Self = Self(WEEK_MINUTES);

    /// The point this many minutes after the start of the week, if it lies in the week.
    #[must_use]
    pub fn new(minutes: i64) -> Option<Self> {
        let minutes = u16::try_from(minutes).ok()?;
        (minutes <= WEEK_MINUTES).then_some(Self(minutes))
    }

    /// The start of a day, 0 Monday .. 6 Sunday; or, for 7, the end of the week.
    #[must_use]
    pub const fn start_of_day(day: u8) -> Option<Self> {
        if day > WEEK_DAYS {
            return None;
        }
        Some(Self(day as u16 * DAY_MINUTES))
    }

    /// Minutes since the start of the week.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }

    /// How the wire carries it as the start of an interval: midnight is 00:00.
    #[must_use]
    pub const fn as_start(self) -> WireTime {
        self.on_day((self.0 / DAY_MINUTES) as u8)
    }

    /// How the wire carries it as the end of an interval: midnight is 24:00 of the day before.
    #[must_use]
    pub const fn as_end(self) -> WireTime {
        self.on_day((self.0.saturating_sub(1) / DAY_MINUTES) as u8)
    }

    /// How the wire carries it as a time of this day, on which it lies or which it ends.
    #[must_use]
    pub(crate) const fn on_day(self, day: u8) -> WireTime {
        let minute_of_day = self.0 - day as u16 * DAY_MINUTES;
        WireTime {
            day,
            hour: (minute_of_day / 60) as u8,
            minute: (minute_of_day % 60) as u8,
        }
    }
}

impl TryFrom<WireTime> for Minute {
    type Error = Refusal;

    fn try_from(time: WireTime) -> Result<Self, Refusal> {
        let is_time_of_day =
            time.minute < 60 && (time.hour < 24 || (time.hour, time.minute) == (24, 0));
        if time.day >= WEEK_DAYS || !is_time_of_day {
            return Err(Refusal::BadTimeRange);
        }
        let hours = u16::from(time.day) * 24 + u16::from(time.hour);
        Ok(Self(hours * 60 + u16::from(time.minute)))
    }
}

/// A half-open interval of the week, never empty.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Interval {
    start: Minute,
    end: Minute,
}

impl Interval {
    /// The interval from `start` up to, and without, `end`; `None` if it would be empty or backwards.
    #[must_use]
    pub fn new(start: Minute, end: Minute) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// Its first minute.
    #[must_use]
    pub const fn start(self) -> Minute {
        self.start
    }

    /// The minute after its last.
    #[must_use]
    pub const fn end(self) -> Minute {
        self.end
    }

    /// The same interval, earlier or later; `None` if it would leave the week.
    #[must_use]
    pub fn moved(self, offset_minutes: i32) -> Option<Self> {
        let moved = |minute: Minute| Minute::new(i64::from(minute.0) + i64::from(offset_minutes));
        Self::new(moved(self.start)?, moved(self.end)?)
    }

    /// How the wire carries it.
    #[must_use]
    pub const fn to_wire(self) -> (WireTime, WireTime) {
        (self.start.as_start(), self.end.as_end())
    }
}

impl TryFrom<(WireTime, WireTime)> for Interval {
    type Error = Refusal;

    fn try_from((start, end): (WireTime, WireTime)) -> Result<Self, Refusal> {
        Self::new(start.try_into()?, end.try_into()?).ok_or(Refusal::BadTimeRange)
    }
}

/// `mon 10:00-11:00`, `mon 22:00-tue 02:00`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = self.to_wire();
        WireInterval(start, end).fmt(f)
    }
}

/// The day with this name, short or full, in any case.
#[must_use]
pub fn parse_day(name: &str) -> Option<u8> {
    let is_it = |&(short, full): &(&str, &str)| {
        name.eq_ignore_ascii_case(short) || name.eq_ignore_ascii_case(full)
    };
    (0..WEEK_DAYS).find(|&day| is_it(&DAY_NAMES[usize::from(day)]))
}

/// A day in words: `mon`. What is no day has words too (`day9`), for messages that came so.
#[derive(Clone, Copy, Debug)]
pub struct WireDay(pub u8);

impl fmt::Display for WireDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DAY_NAMES.get(usize::from(self.0)) {
            Some((short, _)) => f.write_str(short),
            None => write!(f, "day{}", self.0),
        }
    }
}

/// The time of day of a wire time in words: `10:00`.
#[derive(Clone, Copy, Debug)]
pub struct TimeOfDay(pub WireTime);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour, self.0.minute)
    }
}

/// Two wire times in words, as they are, be they an interval of the week or not.
#[derive(Clone, Copy, Debug)]
pub struct WireInterval(pub WireTime, pub WireTime);

impl fmt::Display for WireInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(start, end) = *self;
        write!(f, "{} {}-", WireDay(start.day), TimeOfDay(start))?;
        if start.day != end.day {
            write!(f, "{} ", WireDay(end.day))?;
        }
        TimeOfDay(end).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(day: u8, hour: u8, minute: u8) -> WireTime {
        WireTime { day, hour, minute }
    }

    fn interval(start: WireTime, end: WireTime) -> Result<Interval, Refusal> {
        Interval::try_from((start, end))
    }

    #[test]
    fn a_time_outside_day_hour_or_minute_is_a_bad_range() {
        for (day, hour, minute) in [
            (7, 0, 0),
            (0, 24, 1),
            (0, 25, 0),
            (0, 10, 60),
            (255, 255, 255),
        ] {
            let wrong = Minute::try_from(time(day, hour, minute));
            assert_eq!(wrong, Err(Refusal::BadTimeRange), "{day} {hour} {minute}");
        }
    }

    #[test]
    fn the_end_of_a_day_is_the_start_of_the_next() {
        let end_of_monday = Minute::try_from(time(0, 24, 0)).unwrap();
        assert_eq!(end_of_monday, Minute::try_from(time(1, 0, 0)).unwrap());
        assert_eq!(end_of_monday.as_end(), time(0, 24, 0));
        assert_eq!(end_of_monday.as_start(), time(1, 0, 0));
    }

    #[test]
    fn the_end_of_the_week_ends_an_interval_and_starts_none() {
        let last_hour = interval(time(6, 23, 0), time(6, 24, 0)).unwrap();
        assert_eq!(last_hour.end().minutes(), 10_080);
        assert_eq!(last_hour.to_wire().1, time(6, 24, 0));
        let after = interval(time(6, 24, 0), time(6, 24, 0));
        assert_eq!(after, Err(Refusal::BadTimeRange));
    }

    #[test]
    fn empty_and_backwards_intervals_are_bad_ranges() {
        for end in [time(0, 10, 0), time(0, 9, 0)] {
            let wrong = interval(time(0, 10, 0), end);
            assert_eq!(wrong, Err(Refusal::BadTimeRange));
        }
    }

    #[test]
    fn an_interval_moves_within_the_week_and_not_beyond() {
        let hour = interval(time(0, 1, 0), time(0, 2, 0)).unwrap();
        assert_eq!(hour.moved(-60).unwrap().to_string(), "mon 00:00-01:00");
        assert_eq!(hour.moved(-61), None);
        let to_the_end = hour.moved(10_080 - 120).unwrap();
        assert_eq!(to_the_end.to_string(), "sun 23:00-24:00");
        assert_eq!(hour.moved(10_080 - 119), None);
        assert_eq!(hour.moved(i32::MIN), None);
        assert_eq!(hour.moved(i32::MAX), None);
    }

    #[test]
    fn intervals_name_their_second_day_only_if_it_is_another() {
        let text = |start, end| interval(start, end).unwrap().to_string();
        assert_eq!(text(time(0, 10, 0), time(0, 11, 0)), "mon 10:00-11:00");
        assert_eq!(text(time(0, 22, 0), time(1, 2, 0)), "mon 22:00-tue 02:00");
        assert_eq!(text(time(0, 0, 0), time(1, 0, 0)), "mon 00:00-24:00");
    }

    #[test]
    fn days_are_read_short_or_full_in_any_case() {
        for (name, day) in [("mon", 0), ("TUE", 1), ("Wednesday", 2), ("sun", 6)] {
            assert_eq!(parse_day(name), Some(day), "{name}");
        }
        assert_eq!(parse_day("mo"), None);
        assert_eq!(WireDay(9).to_string(), "day9");
    }
}
