//! Time: whole milliseconds on a host's clock.
//!
//! In simulation this is virtual time, which jumps from event to event; on real sockets it counts
//! from the start of the process. No code of a server or client reads any other clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: milliseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Time(u64);

impl Time {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// Later than every time that a run reaches.
    pub const NEVER: Self = Self(u64::MAX);

    /// The time `ms` milliseconds after the start of the run.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the start of the run.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Whole milliseconds are added; a fraction of one is dropped.
    #[inline]
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(ms(span)))
    }
}

impl Sub for Time {
    type Output = Duration;

    /// The span between two times, zero if `earlier` is the later one.
    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A span in whole milliseconds.
#[must_use]
#[inline]
pub const fn ms(span: Duration) -> u64 {
    let whole = span.as_secs().saturating_mul(1_000);
    whole.saturating_add(span.subsec_millis() as u64)
}

/// Reads a span such as `500ms`, `3s`, `20m` or `2h`: a whole number and a unit.
///
/// # Errors
///
/// Says what was expected if the text is anything else.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is not a span of time; write a number and ms, s, m or h, as in 20m");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(unit_ms)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

/// Writes a span as [`parse_span`] reads it, in the largest unit that is exact.
#[must_use]
pub fn show_span(span: Duration) -> String {
    match ms(span) {
        0 => "0s".to_owned(),
        n if n % 3_600_000 == 0 => format!("{}h", n / 3_600_000),
        n if n % 60_000 == 0 => format!("{}m", n / 60_000),
        n if n % 1_000 == 0 => format!("{}s", n / 1_000),
        n => format!("{n}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_alike() {
        for text in ["500ms", "3s", "20m", "2h", "0s", "90s"] {
            let span = parse_span(text).unwrap();
            assert_eq!(parse_span(&show_span(span)).unwrap(), span);
        }
        assert_eq!(parse_span("90s").unwrap(), Duration::from_secs(90));
    }

    #[test]
    fn a_span_without_unit_or_beyond_64_bits_is_refused() {
        for text in [
            "",
            "3",
            "s",
            "-3s",
            "3 s",
            "1.5s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}
