//! Where the expectations of a variant stand after many seeds.
//!
//! `valid` binds every seed, and `violated` means one at least; a verdict that is unknown satisfies
//! neither.

use crate::sim::explore;
use crate::sim::explored::{RunLine, VerdictKind};
use crate::sim::scenario::{Check, Expected, Variant};

/// How many breaking seeds of one check are listed.
const LISTED_MAX: usize = 10;

/// What was found of one variant.
#[derive(Debug, Default)]
pub struct Found {
    /// How many runs.
    pub runs: u64,
    /// The last seed.
    pub last: Option<u64>,
    checks: Vec<(Check, Counts)>,
}

/// What was found of one check.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// How many runs violate it.
    pub violated: u64,
    /// How many could not be judged.
    pub unknown: u64,
    /// The first seeds that violate it.
    pub listed: Vec<u64>,
    /// The first seed at which it could not be judged.
    pub first_unknown: Option<u64>,
}

/// Where an expectation stands; the later, the worse.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// Nothing is expected, and everything was judged.
    Unasked,
    /// It holds.
    Held,
    /// No seed so far is violated, but these are not all.
    Open,
    /// It could not be judged everywhere.
    Unknown,
    /// It is broken.
    Broken,
}

impl Standing {
    /// The word in the table.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unasked => "none",
            Self::Held => "as expected",
            Self::Open => "open",
            Self::Unknown => "UNKNOWN",
            Self::Broken => "BROKEN",
        }
    }
}

impl Found {
    /// Adds runs, and says how many of them break an expectation.
    pub fn add(&mut self, variant: &Variant, runs: &[RunLine]) -> u64 {
        if self.checks.is_empty() {
            let checks = variant.checks.iter();
            self.checks = checks.map(|&check| (check, Counts::default())).collect();
        }
        let mut breaking = 0;
        for run in runs {
            self.runs += 1;
            self.last = Some(run.seed);
            breaking += u64::from(explore::broken(variant, run).next().is_some());
            for (check, counts) in &mut self.checks {
                match run.verdicts.get(check.name()) {
                    Some(VerdictKind::Violated) => counts.add_violated(run.seed),
                    Some(VerdictKind::Valid) => {}
                    Some(VerdictKind::Unknown) | None => {
                        counts.unknown += 1;
                        counts.first_unknown.get_or_insert(run.seed);
                    }
                }
            }
        }
        breaking
    }

    /// Each check with what is expected of it, what was found, and where it stands. Unless `all` seeds
    /// have been run, that none is violated says nothing yet.
    #[must_use]
    pub fn standings(
        &self,
        variant: &Variant,
        all: bool,
    ) -> Vec<(Check, Option<Expected>, &Counts, Standing)> {
        let expected = |asked: Check| {
            let mut each = variant.expect.checks.iter();
            each.find(|(check, _)| *check == asked).map(|each| each.1)
        };
        let checks = self.checks.iter();
        checks
            .map(|(check, counts)| {
                let expected = expected(*check);
                (*check, expected, counts, counts.standing(expected, all))
            })
            .collect()
    }
}

impl Counts {
    fn add_violated(&mut self, seed: u64) {
        self.violated += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(seed);
        }
    }

    /// Where an expectation stands. Unless `all` seeds have been run, that none is violated says nothing yet.
    #[must_use]
    pub fn standing(&self, expected: Option<Expected>, all: bool) -> Standing {
        match expected {
            Some(Expected::Valid) if self.violated > 0 => Standing::Broken,
            Some(Expected::Violated) if self.violated > 0 => Standing::Held,
            Some(Expected::Violated) if !all => Standing::Open,
            _ if self.unknown > 0 => Standing::Unknown,
            Some(Expected::Violated) => Standing::Broken,
            Some(Expected::Valid) => Standing::Held,
            None => Standing::Unasked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_binds_every_seed_and_violated_one_at_least() {
        let counts = |violated, unknown| Counts {
            violated,
            unknown,
            ..Counts::default()
        };
        for (expected, violated, unknown, all, standing) in [
            (Some(Expected::Valid), 0, 0, true, Standing::Held),
            (Some(Expected::Valid), 1, 9, false, Standing::Broken),
            (Some(Expected::Valid), 0, 1, true, Standing::Unknown),
            (Some(Expected::Violated), 1, 1, true, Standing::Held),
            (Some(Expected::Violated), 0, 0, true, Standing::Broken),
            (Some(Expected::Violated), 0, 1, true, Standing::Unknown),
            (Some(Expected::Violated), 0, 0, false, Standing::Open),
            (None, 7, 0, true, Standing::Unasked),
            (None, 7, 1, true, Standing::Unknown),
        ] {
            let found = counts(violated, unknown).standing(expected, all);
            assert_eq!(found, standing, "{expected:?} {violated} {unknown} {all}");
        }
    }
}
