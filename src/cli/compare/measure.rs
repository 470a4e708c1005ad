//! The work: every variant over the seeds, with progress on stderr.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cli::choice::{Choice, Plan};
use crate::cli::exit::UsageError;
use crate::cli::out;
use crate::seed::Seed;
use crate::sim::compare::{CompareError, Statistics, over};
use crate::sim::report;
use crate::trace::Detail;

/// How often progress is shown over all runs.
const PROGRESS_STEPS: u64 = 100;

/// Runs every variant of the plan over the seeds, on the threads of rayon's current pool.
///
/// # Errors
///
/// If a run panics; and [`UsageError`], if no setup of a variant succeeds.
pub(super) fn measure(
    plan: &Plan,
    choice: &Choice,
    seeds: &Range<u64>,
    progress: &Progress,
) -> anyhow::Result<Vec<(String, Statistics)>> {
    let mut variants = Vec::new();
    for (variant, backend) in &plan.runs {
        let done = || progress.step();
        let statistics = over(variant, seeds.clone(), *backend, &done).map_err(|error| {
            let CompareError::Panicked { seed } = error;
            let replay = choice.replay(&plan.path, &variant.name, seed);
            anyhow::anyhow!("internal error: {error}; replay: {replay}")
        })?;
        if statistics.setup_failed == statistics.runs {
            let (name, seed) = (&variant.name, seeds.start);
            let error = report::run(variant, Seed(seed), *backend, Detail::Checks).err();
            let error = error.map_or_else(String::new, |error| format!(": {error}"));
            let message = format!("{}: variant `{name}`, seed {seed}{error}", plan.path);
            return Err(UsageError(message).into());
        }
        variants.push((variant.name.clone(), statistics));
    }
    Ok(variants)
}

/// Progress on stderr, if somebody may be looking.
pub(super) struct Progress {
    is_shown: bool,
    done: AtomicU64,
    all: u64,
}

impl Progress {
    /// Of so many runs.
    pub(super) fn new(all: u64) -> Self {
        Self {
            is_shown: std::io::stderr().is_terminal(),
            done: AtomicU64::new(0),
            all,
        }
    }

    fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.is_shown && done.is_multiple_of((self.all / PROGRESS_STEPS).max(1)) {
            // Nobody depends on progress: if it cannot be shown, it is not.
            let _ = write!(out::stderr(), "\r{done} of {} runs", self.all);
        }
    }

    /// Wipes the line.
    pub(super) fn end(&self) {
        if self.is_shown {
            let _ = write!(out::stderr(), "\r\x1b[K");
        }
    }
}
