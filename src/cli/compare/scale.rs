//! Axes: where a number stands in a picture, and which round numbers are written beside it.

use crate::cli::compare::decimal::Decimal;

/// About how many steps an axis has.
const STEPS_MAX: f64 = 6.0;
/// What computing with floats may add to a number of steps.
const ROUNDING: f64 = 1e-9;

/// An axis: the numbers that it shows, and where.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// The numbers at its ends.
    ends: [f64; 2],
    /// Where the ends are, in the picture's units.
    at: [f64; 2],
    step: Decimal,
}

impl Scale {
    /// From zero to the first round number that is not below `high`, which is above zero.
    pub(super) fn from_zero(high: f64, at: [f64; 2]) -> Self {
        let step = step(high, 0.0);
        let steps = (high / step.to_f64() - ROUNDING).ceil();
        Self {
            ends: [0.0, steps * step.to_f64()],
            at,
            step,
        }
    }

    /// From the one number to the other, which is greater, in steps that are not below `step_min`.
    pub(super) fn between(ends: [f64; 2], step_min: f64, at: [f64; 2]) -> Self {
        let step = step(ends[1] - ends[0], step_min);
        Self { ends, at, step }
    }

    /// Where a number stands.
    pub(super) fn place(&self, number: f64) -> f64 {
        let ([low, high], [from, to]) = (self.ends, self.at);
        from + (number - low) / (high - low) * (to - from)
    }

    /// The round numbers between its ends.
    pub(super) fn ticks(&self) -> Vec<Decimal> {
        let step = self.step.to_f64();
        let [low, high] = self.ends.map(|end| end / step);
        let (first, last) = ((low - ROUNDING).ceil(), (high + ROUNDING).floor());
        whole_from(first, last)
            .map(|steps| self.step.times(steps))
            .collect()
    }
}

/// The whole numbers from the one to the other.
#[expect(
    clippy::cast_possible_truncation,
    reason = "both are whole, and of at most 19 digits"
)]
const fn whole_from(first: f64, last: f64) -> std::ops::RangeInclusive<i128> {
    first as i128..=last as i128
}

/// The least of 1, 2, 5, 10 and so on, or of their tenths, that makes few enough steps of a span.
fn step(span: f64, step_min: f64) -> Decimal {
    let tenths = (0..=15).rev().map(|decimals| (1, decimals));
    let tens = (1..=18).map(|power| (10_i128.pow(power), 0));
    let mut steps = tenths
        .chain(tens)
        .flat_map(|(units, decimals)| [1, 2, 5].map(|each| Decimal::new(each * units, decimals)));
    let step = steps.find(|step| {
        let step = step.to_f64();
        step >= step_min && span / step <= STEPS_MAX
    });
    step.expect("a span has at most 18 digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(scale: &Scale) -> String {
        let ticks: Vec<String> = scale.ticks().iter().map(Decimal::to_string).collect();
        ticks.join(" ")
    }

    #[test]
    fn ticks_are_round_numbers() {
        for (high, expected) in [
            (100.0, "0 20 40 60 80 100"),
            (17.4, "0 5 10 15 20"),
            (0.43, "0 0.1 0.2 0.3 0.4 0.5"),
            (1.0, "0 0.2 0.4 0.6 0.8 1"),
            (10_010.0, "0 2000 4000 6000 8000 10000 12000"),
            (0.6, "0 0.1 0.2 0.3 0.4 0.5 0.6"),
        ] {
            assert_eq!(ticks(&Scale::from_zero(high, [0.0, 1.0])), expected);
        }
        let between = |low, high| Scale::between([low, high], 0.0, [0.0, 1.0]);
        assert_eq!(ticks(&between(0.0, 0.4)), "0 0.1 0.2 0.3 0.4");
        assert_eq!(ticks(&between(0.05, 0.4)), "0.1 0.2 0.3 0.4");
        assert_eq!(ticks(&between(-3.0, 3.0)), "-3 -2 -1 0 1 2 3");
        assert_eq!(ticks(&between(1.0, 1000.0)), "200 400 600 800 1000");
        let whole = Scale::between([1.0, 2.0], 1.0, [0.0, 1.0]);
        assert_eq!(ticks(&whole), "1 2");
        let highest = ticks(&between(0.0, 999_999_999_999_999_999.0));
        assert_eq!(highest.split(' ').count(), 6);
    }

    #[test]
    fn a_number_stands_where_it_belongs() {
        let scale = Scale::from_zero(17.4, [200.0, 50.0]);
        assert_eq!(scale.place(0.0).to_bits(), 200.0_f64.to_bits());
        assert_eq!(scale.place(20.0).to_bits(), 50.0_f64.to_bits());
        assert_eq!(scale.place(5.0).to_bits(), 162.5_f64.to_bits());
        let scale = Scale::between([0.05, 0.25], 0.0, [10.0, 20.0]);
        assert!((scale.place(0.15) - 15.0).abs() < 1e-9);
    }
}
