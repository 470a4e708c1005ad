//! When somebody is free: intervals in order, with a gap between any two.
//!
//! Times are whole numbers of whatever unit people agree on. An interval lasts from its start to its end, so
//! two that only touch have nothing in common:
//!
//! ```
//! use wavetank::services::meeting::times::{Interval, Times};
//!
//! let lilith: Times = "[[1,3],[4,6],[7,9]]".parse()?;
//! let jameson: Times = "[2,3], [5,7]".parse()?;
//! assert_eq!(lilith.intersection(&jameson).to_string(), "[2,3], [5,6]");
//!
//! let taken = Interval::new(7, 8).expect("it starts before it ends");
//! assert!(lilith.contains(taken));
//! assert_eq!(lilith.without(taken).to_string(), "[1,3], [4,6], [8,9]");
//! # Ok::<(), wavetank::services::meeting::times::TimesError>(())
//! ```
//!
//! As text they are written as in a data file, `[[1,5],[7,9]]`, or as in a reply, `[1,5], [7,9]`; no time at
//! all is `[]`. Spaces and tabs may stand anywhere, even inside a number: `4  8` is 48.

use std::fmt;
use std::str::FromStr;

/// A stretch of time that is not empty.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Interval {
    start: u64,
    end: u64,
}

impl Interval {
    /// From `start` to `end`; `None` unless it starts before it ends.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start < end {
            Some(Self { start, end })
        } else {
            None
        }
    }

    /// When it begins.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// When it is over.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{},{}]", self.start, self.end)
    }
}

/// When somebody is free: each interval begins after the one before has ended.
///
/// It is shown as in a reply, `[1,5], [7,9]`, and with `{:#}` as in a data file, `[[1,5],[7,9]]`.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Times(Vec<Interval>);

impl Times {
    /// These intervals; `None` unless each begins after the one before has ended.
    #[must_use]
    pub fn new(intervals: Vec<Interval>) -> Option<Self> {
        let is_ordered = intervals.is_sorted_by(|one, next| one.end < next.start);
        is_ordered.then_some(Self(intervals))
    }

    /// The intervals, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Interval] {
        &self.0
    }

    /// Whether there is no time at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What two have in common: one merge, linear in the sum of their lengths.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut left, mut right) = (&self.0[..], &other.0[..]);
        let mut common = Vec::new();
        while let ([one, left_rest @ ..], [two, right_rest @ ..]) = (left, right) {
            common.extend(Interval::new(
                one.start.max(two.start),
                one.end.min(two.end),
            ));
            if one.end <= two.end {
                left = left_rest;
            }
            if two.end <= one.end {
                right = right_rest;
            }
        }
        Self(common)
    }

    /// What all of these have in common; `None` if there are none of them, as then any time would do.
    ///
    /// They are merged in pairs, the results in pairs, and so on: n intervals of k people take n log k
    /// steps, even where each step leaves as many intervals as it has found.
    #[must_use]
    pub fn common(all: &[&Self]) -> Option<Self> {
        match all {
            [] => None,
            [one] => Some((*one).clone()),
            _ => {
                let (left, right) = all.split_at(all.len() / 2);
                Some(Self::common(left)?.intersection(&Self::common(right)?))
            }
        }
    }

    /// Whether all of this stretch is free.
    #[must_use]
    pub fn contains(&self, stretch: Interval) -> bool {
        let place = self.0.partition_point(|it| it.end < stretch.end);
        self.0
            .get(place)
            .is_some_and(|it| it.start <= stretch.start)
    }

    /// The same without this stretch, whether all of it, some of it or nothing of it was free.
    #[must_use]
    pub fn without(&self, stretch: Interval) -> Self {
        let pieces = self.0.iter().flat_map(|it| {
            let before = Interval::new(it.start, it.end.min(stretch.start));
            let after = Interval::new(it.start.max(stretch.end), it.end);
            before.into_iter().chain(after)
        });
        Self(pieces.collect())
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, separator, close) = match (f.alternate(), self.is_empty()) {
            (true, _) => ("[", ",", "]"),
            (false, true) => ("[", "", "]"),
            (false, false) => ("", ", ", ""),
        };
        f.write_str(open)?;
        for (place, interval) in self.0.iter().enumerate() {
            let between = if place == 0 { "" } else { separator };
            write!(f, "{between}{interval}")?;
        }
        f.write_str(close)
    }
}

impl FromStr for Times {
    type Err = TimesError;

    fn from_str(text: &str) -> Result<Self, TimesError> {
        let mut text = Text::new(text);
        let is_list = text.starts_a_list();
        let times = if is_list { text.list() } else { text.row(None) }?;
        text.end(if is_list { "nothing more" } else { "`,`" })?;
        Ok(times)
    }
}

/// A text says no times.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct TimesError {
    /// What was expected, and what was found.
    pub message: String,
    /// Where, in bytes from the start of the text.
    pub at: usize,
}

/// Reads `[[1,5],[7,9]]`, as a data file has it, and nothing else.
///
/// # Errors
///
/// Says what was expected where the text is something else.
pub(super) fn parse_list(text: &str) -> Result<Times, TimesError> {
    let mut text = Text::new(text);
    let times = text.list()?;
    text.end("nothing more")?;
    Ok(times)
}

/// Something else was expected here.
pub(super) fn expected(what: &str, text: &str, at: usize) -> TimesError {
    let found = match text[at..].chars().next() {
        None => "the end".to_owned(),
        Some(found) => format!("`{}`", found.escape_debug()),
    };
    TimesError {
        message: format!("expected {what}, found {found}"),
        at,
    }
}

/// A text that is read from its start on. Spaces are skipped before each byte that is looked at.
struct Text<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Text<'a> {
    const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), TimesError> {
        if self.skip(byte) {
            Ok(())
        } else {
            Err(self.wrong(&format!("`{}`", char::from(byte))))
        }
    }

    fn end(&mut self, expected: &str) -> Result<(), TimesError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.wrong(expected)),
        }
    }

    /// Whether it is a list in brackets, which may be empty, and not its intervals alone.
    fn starts_a_list(&self) -> bool {
        let mut ahead = Self::new(self.text);
        ahead.skip(b'[') && matches!(ahead.peek(), Some(b'[' | b']'))
    }

    /// `[` intervals `]`.
    fn list(&mut self) -> Result<Times, TimesError> {
        self.expect(b'[')?;
        if self.skip(b']') {
            return Ok(Times::default());
        }
        self.row(Some(b']'))
    }

    /// At least one interval, `,` between any two, up to `close` or, without it, to where no `,` follows.
    fn row(&mut self, close: Option<u8>) -> Result<Times, TimesError> {
        let mut intervals = Vec::new();
        loop {
            let interval = self.interval(intervals.last().copied())?;
            intervals.push(interval);
            if self.skip(b',') {
                continue;
            }
            if close.is_some_and(|close| !self.skip(close)) {
                return Err(self.wrong("`,` or `]`"));
            }
            intervals.shrink_to_fit();
            return Ok(Times(intervals));
        }
    }

    /// One interval, after the one before.
    fn interval(&mut self, before: Option<Interval>) -> Result<Interval, TimesError> {
        self.expect(b'[')?;
        let at = self.at - 1;
        let start = self.number()?;
        self.expect(b',')?;
        let end = self.number()?;
        self.expect(b']')?;
        let Some(interval) = Interval::new(start, end) else {
            let message = format!("[{start},{end}] is to start before it ends");
            return Err(TimesError { message, at });
        };
        match before.filter(|before| before.end >= start) {
            None => Ok(interval),
            Some(before) => Err(TimesError {
                message: format!("{interval} is to start after {before} has ended"),
                at,
            }),
        }
    }

    fn number(&mut self) -> Result<u64, TimesError> {
        let mut number = None;
        self.peek();
        let at = self.at;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let before: u64 = number.unwrap_or(0);
            let longer = before.checked_mul(10);
            let longer = longer.and_then(|it| it.checked_add(u64::from(digit - b'0')));
            number = Some(longer.ok_or_else(|| TimesError {
                message: format!("this number is too large: at most {}", u64::MAX),
                at,
            })?);
            self.at += 1;
        }
        number.ok_or_else(|| self.wrong("a number"))
    }

    fn wrong(&self, what: &str) -> TimesError {
        expected(what, self.text, self.at)
    }
}

#[cfg(test)]
#[path = "times_tests.rs"]
mod tests;
