//! Exploring: a variant under many seeds, what each run amounts to, and whether it does so again.
//!
//! [`block`] runs a variant once for each of some seeds, on as many threads as rayon's current pool
//! has. [`confirm`] repeats one of the runs with its trace kept.
//!
//! # What a digest covers
//!
//! The digest of a run is the 64-bit FNV-1a hash of: what each check says (valid, violated or
//! unknown), how each operation ended (ok, failed or unknown) in the order in which they ended, the
//! executions in their order, what the commands at the end said, how many datagrams were sent, lost,
//! duplicated and sent again, and why the run came to no end, if so. Of a run whose setup did not succeed it is
//! the hash of the error. It does not cover the trace, which is not kept: nor times, nor the texts of replies.
//!
//! # Determinism
//!
//! The runs of a block are in the order of its seeds, whatever the threads do. A digest depends on the
//! variant and the seed alone: not on the simulator, and not on what is recorded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::id::OperationId;
use crate::seed::{Seed, fnv1a};
use crate::sim::explored::{RunLine, VerdictKind, hex};
use crate::sim::report::{self, Report};
use crate::sim::scenario::{Backend, Check, Expected, Scenario, Variant};
use crate::sim::simulation::SetupError;
use crate::sim::twice::{Difference, Telling};
use crate::trace::{Coverage, Detail};

/// How often a run that went otherwise the second time is repeated to see where its traces part.
const REPEATS_MAX: usize = 20;

/// What a variant did under some seeds.
#[derive(Debug)]
pub struct Block {
    /// The runs, in the order of the seeds.
    pub runs: Vec<RunLine>,
    /// How often each kind of fault struck, and each protection acted, in all of them.
    pub coverage: Coverage,
    /// The error of the first seed, if the setup succeeded at none.
    pub setup_error: Option<SetupError>,
}

/// A block was not finished.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExploreError {
    /// A server or a client panicked.
    #[error("the run with seed {seed} panicked")]
    Panicked {
        /// In the run with this seed, the lowest of those.
        seed: u64,
    },
    /// Somebody asked to stop.
    #[error("it was stopped")]
    Stopped,
}

/// One run gave two results.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nondeterminism {
    /// The seed.
    pub seed: u64,
    /// The two digests.
    pub digests: [String; 2],
    /// Where two tellings of it part, if they did so again.
    pub difference: Option<Difference>,
}

/// One run of a block.
enum Ran {
    Done(RunLine, Box<Coverage>),
    SetupFailed(RunLine, SetupError),
    Panicked(u64),
    Stopped,
}

/// Runs a variant once for each seed. Once `stop` is true, no other run is begun.
///
/// # Errors
///
/// If a run panics, or if it was stopped. A run whose setup does not succeed is no error: its verdicts
/// are unknown.
pub fn block(
    scenario: &Scenario,
    variant: &Arc<Variant>,
    backend: Backend,
    seeds: &[u64],
    stop: &AtomicBool,
) -> Result<Block, ExploreError> {
    let run = |&seed: &u64| {
        if stop.load(Ordering::Relaxed) {
            return Ran::Stopped;
        }
        let run = || run(scenario, variant, backend, seed);
        // The state of a run that panics dies with it, so that nothing broken is left behind.
        catch_unwind(AssertUnwindSafe(run)).unwrap_or(Ran::Panicked(seed))
    };
    let all: Vec<Ran> = seeds.par_iter().map(run).collect();
    let mut runs = Vec::with_capacity(all.len());
    let mut coverage = Coverage::default();
    let mut setup_error = None;
    let mut has_begun = false;
    for ran in all {
        match ran {
            Ran::Done(line, counts) => {
                has_begun = true;
                coverage.merge(&counts);
                runs.push(line);
            }
            Ran::SetupFailed(line, error) => {
                setup_error.get_or_insert(error);
                runs.push(line);
            }
            Ran::Panicked(seed) => return Err(ExploreError::Panicked { seed }),
            Ran::Stopped => return Err(ExploreError::Stopped),
        }
    }
    Ok(Block {
        runs,
        coverage,
        setup_error: setup_error.filter(|_| !has_begun),
    })
}

fn run(scenario: &Scenario, variant: &Arc<Variant>, backend: Backend, seed: u64) -> Ran {
    match report::run(variant, Seed(seed), backend, Detail::Checks) {
        Ok(report) => {
            let line = run_line(scenario, variant, seed, &report);
            Ran::Done(line, Box::new(report.run.coverage))
        }
        Err(error) => {
            let checks = variant.checks.iter().map(|check| check.name().to_owned());
            let line = RunLine {
                scenario: scenario.name.clone(),
                variant: variant.name.clone(),
                seed,
                verdicts: checks.map(|check| (check, VerdictKind::Unknown)).collect(),
                digest: hex(fnv1a(error.to_string().as_bytes())),
            };
            Ran::SetupFailed(line, error)
        }
    }
}

fn run_line(scenario: &Scenario, variant: &Variant, seed: u64, report: &Report) -> RunLine {
    let verdicts = report.verdicts.iter();
    RunLine {
        scenario: scenario.name.clone(),
        variant: variant.name.clone(),
        seed,
        verdicts: verdicts
            .map(|(check, verdict)| (check.name().to_owned(), verdict.into()))
            .collect(),
        digest: hex(digest(report)),
    }
}

/// A hash of what a run amounts to: see the head of this file.
fn digest(report: &Report) -> u64 {
    let run = &report.run;
    let mut bytes = Vec::new();
    for (check, verdict) in &report.verdicts {
        push_text(&mut bytes, check.name());
        push_text(&mut bytes, verdict.name());
    }
    for (operation, kind) in run.history.outcomes() {
        push_operation(&mut bytes, operation);
        bytes.push(kind as u8);
    }
    push_text(&mut bytes, "executed");
    for &operation in &run.executed {
        push_operation(&mut bytes, operation);
    }
    for (command, told) in &run.finals {
        push_text(&mut bytes, command);
        push_text(&mut bytes, told);
    }
    let traffic = run.traffic;
    for count in [
        traffic.sent,
        traffic.lost,
        traffic.duplicated,
        traffic.retransmissions,
    ] {
        bytes.extend(count.to_le_bytes());
    }
    push_text(&mut bytes, run.unfinished.as_deref().unwrap_or_default());
    fnv1a(&bytes)
}

fn push_operation(bytes: &mut Vec<u8>, operation: OperationId) {
    bytes.extend(operation.client.0.to_le_bytes());
    bytes.extend(operation.number.to_le_bytes());
}

/// A text and its end.
fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// The checks whose expectation this run breaks on its own: those that are expected valid and were
/// found violated. That a check is expected violated binds all seeds together, and none alone.
pub fn broken<'a>(variant: &'a Variant, run: &'a RunLine) -> impl Iterator<Item = Check> + 'a {
    let expected = variant.expect.checks.iter();
    expected.filter_map(|&(check, expected)| {
        let found = run.verdicts.get(check.name());
        let breaks = expected == Expected::Valid && found == Some(&VerdictKind::Violated);
        breaks.then_some(check)
    })
}

/// Repeats those runs that break an expectation, with their traces kept.
///
/// # Errors
///
/// If one of them went otherwise: the first of those is told.
pub fn confirm_all(
    scenario: &Scenario,
    variant: &Arc<Variant>,
    backend: Backend,
    runs: &[RunLine],
) -> Result<(), Box<Nondeterminism>> {
    let breaking: Vec<&RunLine> = runs
        .iter()
        .filter(|run| broken(variant, run).next().is_some())
        .collect();
    let differs = breaking
        .par_iter()
        .find_map_first(|run| confirm(scenario, variant, backend, run).err());
    differs.map_or(Ok(()), Err)
}

/// Repeats a run with its trace kept.
///
/// # Errors
///
/// If it went otherwise. It is then repeated until two tellings differ, 20 times at most.
pub fn confirm(
    scenario: &Scenario,
    variant: &Arc<Variant>,
    backend: Backend,
    run: &RunLine,
) -> Result<(), Box<Nondeterminism>> {
    let repeat = || repeat(scenario, variant, backend, run.seed);
    let (second, told) = repeat();
    if second == run.digest {
        return Ok(());
    }
    let mut others = std::iter::repeat_with(repeat).take(REPEATS_MAX);
    let difference = others.find_map(|(_, other)| told().first_difference(&other()));
    Err(Box::new(Nondeterminism {
        seed: run.seed,
        digests: [run.digest.clone(), second],
        difference,
    }))
}

/// The digest of a run with its trace kept, and how to tell the run. A panic is a result too.
fn repeat<'a>(
    scenario: &'a Scenario,
    variant: &'a Arc<Variant>,
    backend: Backend,
    seed: u64,
) -> (String, impl Fn() -> Telling + 'a) {
    let run = || report::run(variant, Seed(seed), backend, Detail::Trace);
    let ran = catch_unwind(AssertUnwindSafe(run));
    let digest = match &ran {
        Ok(Ok(report)) => hex(digest(report)),
        Ok(Err(_)) => "setup failed".to_owned(),
        Err(_) => "panicked".to_owned(),
    };
    let told = move || match &ran {
        Ok(Ok(report)) => Telling::of(scenario, variant, Seed(seed), report),
        Ok(Err(error)) => Telling::untold(&error.to_string()),
        Err(_) => Telling::untold("the run panicked"),
    };
    (digest, told)
}

#[cfg(test)]
#[path = "explore_tests.rs"]
mod tests;
