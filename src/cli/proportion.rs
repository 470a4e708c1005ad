//! A part of many runs, and how well so many runs tell it.

/// A proportion and its 95 % interval after Wilson, each from 0 to 1.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
/// the American Statistical Association 22 (158), 1927. Unlike the textbook's interval it stays within
/// 0 and 1, and none or all of few runs is not taken for never or always.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Proportion {
    /// The part of the runs.
    pub(crate) observed: f64,
    /// The interval's lower end.
    pub(crate) low: f64,
    /// The interval's upper end.
    pub(crate) high: f64,
}

impl Proportion {
    /// `count` of `runs`, which are at least one.
    #[expect(
        clippy::cast_precision_loss,
        reason = "more than 2^53 runs are none of ours"
    )]
    pub(crate) fn of(count: u64, runs: u64) -> Self {
        /// The 97.5 % quantile of the normal distribution.
        const Z: f64 = 1.959_963_984_540_054;
        let runs = runs as f64;
        let observed = count as f64 / runs;
        let share = Z * Z / runs;
        let centre = (observed + share / 2.0) / (1.0 + share);
        let spread = (observed * (1.0 - observed) / runs + share / (4.0 * runs)).sqrt();
        let half = Z * spread / (1.0 + share);
        Self {
            observed,
            low: (centre - half).max(0.0),
            high: (centre + half).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_wilson() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        for (count, runs, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0000, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let proportion = Proportion::of(count, runs);
            assert!((proportion.low - low).abs() < 5e-5, "{proportion:?}");
            assert!((proportion.high - high).abs() < 5e-5, "{proportion:?}");
        }
    }
}
