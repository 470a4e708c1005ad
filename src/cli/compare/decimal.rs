//! Decimal numbers as people write them, with exact sums: 0.05 + 0.1 is 0.15.

use std::fmt;

/// More digits than any key of a scenario has; products of two of them stay within an `i128`.
const DIGITS_MAX: usize = 18;

/// A decimal number in its shortest form, such as -12.5: `units` divided by `decimals` tens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Decimal {
    units: i128,
    decimals: u32,
}

impl Decimal {
    /// So many units of 10 to the power of -`decimals`, of which there are at most 18.
    pub(super) const fn new(mut units: i128, mut decimals: u32) -> Self {
        while decimals > 0 && units % 10 == 0 {
            units /= 10;
            decimals -= 1;
        }
        Self { units, decimals }
    }

    /// Reads a number without exponent, as TOML writes it. `None` if it is none, or has more than 18
    /// digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (digits, ""),
        };
        let all = [whole, fraction].concat();
        let is_padded = whole.len() > 1 && whole.starts_with('0');
        let is_number = !whole.is_empty() && all.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || is_padded || all.len() > DIGITS_MAX {
            return None;
        }
        let units: i128 = all.parse().ok()?;
        let decimals = u32::try_from(fraction.len()).ok()?;
        Some(Self::new(
            if is_negative { -units } else { units },
            decimals,
        ))
    }

    /// The nearest float.
    pub(super) fn to_f64(self) -> f64 {
        let text = self.to_string();
        text.parse().expect("every float is written like this")
    }

    /// The whole number, if it is one.
    pub(super) fn whole(self) -> Option<i64> {
        (self.decimals == 0)
            .then(|| i64::try_from(self.units).ok())
            .flatten()
    }

    /// So many times the number.
    pub(super) const fn times(self, count: i128) -> Self {
        Self::new(self.units * count, self.decimals)
    }

    /// The numbers from the second to the last of these, as far apart as the first two.
    ///
    /// # Errors
    ///
    /// [`RangeError`], if they do not go up, miss the last, or are more than `count_max`.
    pub(super) fn range(
        [before, first, last]: [Self; 3],
        count_max: usize,
    ) -> Result<Vec<Self>, RangeError> {
        let decimals = before.decimals.max(first.decimals).max(last.decimals);
        let [before, first, last] = [before, first, last].map(|each| each.units_of(decimals));
        let (step, span) = (first - before, last - first);
        if step <= 0 || span < 0 {
            return Err(RangeError::Backwards);
        }
        if span % step != 0 {
            let reached = first + span / step * step;
            return Err(RangeError::Missed {
                step: Self::new(step, decimals),
                below: Self::new(reached, decimals),
                above: Self::new(reached + step, decimals),
            });
        }
        let steps = usize::try_from(span / step).map_err(|_| RangeError::TooMany)?;
        if steps >= count_max {
            return Err(RangeError::TooMany);
        }
        let steps = (0..=steps as i128).map(|index| Self::new(first + index * step, decimals));
        Ok(steps.collect())
    }

    /// How many units there are if it is written with so many decimals, which are not fewer.
    const fn units_of(self, decimals: u32) -> i128 {
        self.units * 10_i128.pow(decimals - self.decimals)
    }
}

/// Why numbers are no range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RangeError {
    /// They do not go up.
    Backwards,
    /// The last is between two steps.
    Missed {
        /// From one number to the next.
        step: Decimal,
        /// The last that is reached.
        below: Decimal,
        /// The one after it.
        above: Decimal,
    },
    /// There are too many.
    TooMany,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let (units, decimals) = (self.units.unsigned_abs(), self.decimals as usize);
        if decimals == 0 {
            return write!(f, "{sign}{units}");
        }
        let digits = format!("{units:0>width$}", width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).expect("a number")
    }

    fn range(numbers: [&str; 3]) -> Result<Vec<String>, RangeError> {
        let numbers = Decimal::range(numbers.map(decimal), 100)?;
        Ok(numbers.iter().map(Decimal::to_string).collect())
    }

    #[test]
    fn numbers_are_read_and_written_in_their_shortest_form() {
        for (text, written) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("0.10", "0.1"),
            ("+5", "5"),
            ("-12.50", "-12.5"),
            ("-0.05", "-0.05"),
            ("100", "100"),
            ("123456789012345678", "123456789012345678"),
        ] {
            assert_eq!(decimal(text).to_string(), written);
        }
        for none in [
            "", "-", ".5", "5.", "1e3", "05", "1_0", "inf", "0x1", "1.2.3",
        ] {
            assert_eq!(Decimal::parse(none), None, "{none}");
        }
        assert_eq!(Decimal::parse("1234567890123456789"), None);
    }

    #[test]
    fn ranges_are_exact() {
        let tenths = range(["0", "0.05", "0.4"]).expect("a range");
        let expected = ["0.05", "0.1", "0.15", "0.2", "0.25", "0.3", "0.35", "0.4"];
        assert_eq!(tenths, expected);
        let from_below = range(["-1.5", "-1", "0.5"]).expect("a range");
        assert_eq!(from_below, ["-1", "-0.5", "0", "0.5"]);
        assert_eq!(range(["1", "2", "2"]), Ok(vec!["2".to_owned()]));
        assert_eq!(range(["0", "1", "100"]).map(|all| all.len()), Ok(100));
    }

    #[test]
    fn what_is_no_range_says_why() {
        for numbers in [["0", "0.2", "0.1"], ["0.2", "0.1", "0"], ["1", "1", "2"]] {
            assert_eq!(range(numbers), Err(RangeError::Backwards));
        }
        assert_eq!(range(["0", "1", "101"]), Err(RangeError::TooMany));
        let tiny = ["0", "0.00000000000000001", "99999999999999999"];
        assert_eq!(range(tiny), Err(RangeError::TooMany));
        let missed = RangeError::Missed {
            step: decimal("0.3"),
            below: decimal("0.9"),
            above: decimal("1.2"),
        };
        assert_eq!(range(["0", "0.3", "1"]), Err(missed));
    }
}
