//! Do a scenario's expectations hold over many seeds? For tests of one's own service.
//!
//! [`hold`] is what `wavetank explore` does, as a function: a failed test prints which seed broke what,
//! the evidence, and the line that replays it.
//!
//! ```no_run
//! # use wavetank::sim::scenario::Scenario;
//! # fn scenario() -> Scenario { Scenario::parse("mine.toml", "", &[]).unwrap() }
//! use wavetank::sim::hold::hold;
//!
//! let replay = |variant: &str, seed| format!("cargo run -- {variant} {seed}");
//! hold(&scenario(), 0..500, &replay).unwrap_or_else(|broken| panic!("{broken}"));
//! ```

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::check::Verdict;
use crate::seed::Seed;
use crate::sim::explore::{Block, ExploreError, block, confirm_all};
use crate::sim::explored::RunLine;
use crate::sim::report;
use crate::sim::scenario::{Check, Expected, Scenario, Variant};
use crate::sim::standing::{Found, Standing};
use crate::trace::{Coverage, Detail};

/// The expectations of a scenario that do not hold.
#[derive(Debug)]
pub struct Broken {
    scenario: String,
    seeds: u64,
    findings: Vec<Finding>,
}

/// One of them.
#[derive(Debug)]
struct Finding {
    /// Which variant, and what is wrong with it.
    text: String,
    /// The seed to look at, and what shows it there.
    example: Option<(u64, String)>,
    replay: Option<String>,
}

/// Runs every variant of a scenario once for each seed, on all cores and on the first of its simulators, and
/// says how often each fault struck and each protection acted.
///
/// `valid` binds every seed, `violated` means one at least; a verdict that is unknown satisfies neither. What
/// the scenario expects of single operations and of commands at the end belongs to its own seed, and
/// is not judged here. `replay` gives the command that shows the run of a variant under a seed.
///
/// # Errors
///
/// If an expectation is broken, a run panics, a setup succeeds nowhere, or a run that broke an expectation
/// does otherwise the second time.
pub fn hold(
    scenario: &Scenario,
    seeds: Range<u64>,
    replay: &dyn Fn(&str, u64) -> String,
) -> Result<Coverage, Broken> {
    let mut coverage = Coverage::default();
    let mut findings = Vec::new();
    let all: Vec<u64> = seeds.collect();
    for variant in &scenario.variants {
        match explored(scenario, variant, &all) {
            Ok(block) => {
                coverage.merge(&block.coverage);
                findings.extend(broken(variant, &block.runs, replay));
            }
            Err((what, seed)) => findings.push(Finding {
                text: format!("{}: {what}", variant.name),
                example: None,
                replay: seed.map(|seed| replay(&variant.name, seed)),
            }),
        }
    }
    if findings.is_empty() {
        return Ok(coverage);
    }
    Err(Broken {
        scenario: scenario.name.clone(),
        seeds: all.len() as u64,
        findings,
    })
}

/// The runs of a variant, or why there are none that can be judged, with the seed to look at.
fn explored(
    scenario: &Scenario,
    variant: &Arc<Variant>,
    seeds: &[u64],
) -> Result<Block, (String, Option<u64>)> {
    let backend = variant.backends[0];
    let block = block(scenario, variant, backend, seeds, &AtomicBool::new(false));
    let block = block.map_err(|error| match error {
        ExploreError::Panicked { seed } => (error.to_string(), Some(seed)),
        ExploreError::Stopped => unreachable!("nobody stops it"),
    })?;
    if let Some(error) = &block.setup_error {
        return Err((error.to_string(), seeds.first().copied()));
    }
    confirm_all(scenario, variant, backend, &block.runs).map_err(|differs| {
        let what = "one seed gave two results: something else than the seed decides".to_owned();
        (what, Some(differs.seed))
    })?;
    Ok(block)
}

fn broken(
    variant: &Arc<Variant>,
    runs: &[RunLine],
    replay: &dyn Fn(&str, u64) -> String,
) -> Vec<Finding> {
    let mut found = Found::default();
    found.add(variant, runs);
    let mut findings = Vec::new();
    for (check, expected, counts, standing) in found.standings(variant, true) {
        let (name, check_name, all) = (&variant.name, check.name(), runs.len());
        let (text, seed) = match (standing, expected) {
            (Standing::Unasked | Standing::Held | Standing::Open, _) => continue,
            (Standing::Broken, Some(Expected::Violated)) => {
                let text = format!("expected violated, and is so at none of {all} seeds");
                (text, None)
            }
            (Standing::Broken, _) => {
                let text = format!(
                    "expected valid, and is not at {} of {all} seeds",
                    counts.violated
                );
                (text, counts.listed.first().copied())
            }
            (Standing::Unknown, _) => {
                let text = format!("could not be judged at {} of {all} seeds", counts.unknown);
                (text, counts.first_unknown)
            }
        };
        findings.push(Finding {
            text: format!("{name}: {check_name} {text}"),
            example: seed.map(|seed| (seed, evidence(variant, check, seed))),
            replay: seed.map(|seed| replay(name, seed)),
        });
    }
    findings
}

/// What shows it, with lines of the trace that the replay prints.
fn evidence(variant: &Arc<Variant>, check: Check, seed: u64) -> String {
    match report::run(variant, Seed(seed), variant.backends[0], Detail::Trace) {
        Ok(report) => {
            let verdicts = report.verdicts.into_iter();
            let of_check = verdicts.filter(|(judged, _)| *judged == check);
            let verdict = of_check.map(|(_, verdict)| verdict).next();
            verdict.unwrap_or(Verdict::Valid).to_string()
        }
        Err(error) => error.to_string(),
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scenario,
            seeds,
            findings,
        } = self;
        write!(f, "{scenario}: broken over {seeds} seeds")?;
        for Finding {
            text,
            example,
            replay,
        } in findings
        {
            write!(f, "\n  {text}")?;
            if let Some((seed, evidence)) = example {
                write!(f, "\n    seed {seed}: {evidence}")?;
            }
            if let Some(replay) = replay {
                write!(f, "\n    replay: {replay}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Broken {}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
