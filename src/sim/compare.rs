//! Many storms: what a variant did over a range of seeds, in numbers.
//!
//! [`over`] runs a variant once for each seed, on as many threads as rayon's current pool has, and
//! adds the runs up as [`Statistics`]. What is counted are the operations of clients; those of the
//! setup are not.
//!
//! # Determinism
//!
//! Statistics are sums, counts by value and least seeds, so that they depend neither on the number of
//! threads nor on the order in which runs end.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::check::Verdict;
use crate::clock;
use crate::history::{HistoryEvent, OutcomeKind};
use crate::id::OperationId;
use crate::net::world::Traffic;
use crate::seed::Seed;
use crate::sim::causal::Causality;
use crate::sim::report::{self, Report};
use crate::sim::scenario::{Backend, Variant};
use crate::trace::{Coverage, Detail};
use crate::wire::SharedBytes;

/// How the variants of a scenario compare over a range of seeds. Its JSON form is public.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The scenario's name.
    pub scenario: String,
    /// The half-open range of seeds, as texts because JSON readers may not keep large numbers.
    pub seeds: [String; 2],
    /// What each variant did, in the order of the file.
    #[serde(serialize_with = "in_order")]
    pub variants: Vec<(String, Statistics)>,
}

/// Writes variants as a map that keeps their order.
pub(crate) fn in_order<S: Serializer>(
    variants: &[(String, Statistics)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(variants.len()))?;
    for (name, statistics) in variants {
        map.serialize_entry(name, statistics)?;
    }
    map.end()
}

/// What a variant did over a range of seeds.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Statistics {
    /// How many runs.
    pub runs: u64,
    /// How operations ended, by the first word of the command.
    pub operations: BTreeMap<String, Outcomes>,
    /// How many operations the servers executed 0 times, once, twice, and so on without a gap.
    #[serde(serialize_with = "from_zero_to_one_at_least")]
    pub executions: BTreeMap<u32, u64>,
    /// For each check, the runs that it found violated.
    #[serde(serialize_with = "numbers_of_runs")]
    pub violated: BTreeMap<&'static str, Runs>,
    /// For each check that could not be judged everywhere, the runs where it could not: they came to
    /// no end, or their setup did not succeed.
    #[serde(
        serialize_with = "numbers_of_runs",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub unknown: BTreeMap<&'static str, Runs>,
    /// Datagrams.
    pub messages: Messages,
    /// Second and later attempts of a request.
    pub retransmissions: u64,
    /// How long operations took.
    pub latency_ms: Latencies,
    /// How often each kind of fault struck, and each protection acted.
    pub coverage: Coverage,
    /// Of a store: what its replicas kept back, and what readers saw too early.
    #[serde(skip_serializing_if = "Causality::is_none")]
    pub causality: Causality,
    /// Runs whose setup did not succeed. They hold no operation.
    #[serde(skip)]
    pub setup_failed: u64,
}

/// How operations ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Outcomes {
    /// Executed, and the client was told so.
    pub ok: u64,
    /// Certainly did not happen, or refused.
    pub failed: u64,
    /// May have happened; also those that had not ended when the run was stopped.
    pub unknown: u64,
}

/// Some runs: how many, and which to look at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Runs {
    /// How many.
    pub count: u64,
    /// The least seed among them; `None` if there are none.
    pub example: Option<u64>,
}

/// Datagrams of all runs together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Messages {
    /// Sent, each counted once.
    pub sent: u64,
    /// Of these, those of which no copy arrived.
    pub lost: u64,
    /// Of these, those that were on their way more than once.
    pub duplicated: u64,
}

/// How long operations took, from their invocation to their end, in virtual ms.
///
/// Only those count that ended ok or failed. For the others the time to the end says how patient the
/// client is and not how fast the service was; [`Outcomes::unknown`] says how many they are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Latencies {
    pub(super) counts: BTreeMap<u64, u64>,
}

/// A comparison could not be finished.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// A server or a client panicked.
    #[error("the run with seed {seed} panicked")]
    Panicked {
        /// In the run with this seed.
        seed: u64,
    },
}

/// Runs a variant once for each seed. `done` is called after every run, on any thread.
///
/// # Errors
///
/// If a run panics: the lowest seed of those is named. A run whose setup does not succeed is no error: it is counted as unknown.
pub fn over(
    variant: &Arc<Variant>,
    seeds: Range<u64>,
    backend: Backend,
    done: &(dyn Fn() + Sync),
) -> Result<Statistics, CompareError> {
    add_up(seeds, |mut statistics, seed| {
        match report::run(variant, Seed(seed), backend, Detail::Checks) {
            Ok(report) => statistics.add(&report, variant, seed),
            Err(_) => statistics.add_failed_setup(variant, seed),
        }
        done();
        statistics
    })
}

/// Adds the runs of all seeds up. If runs panic, the lowest of their seeds is named, whatever the
/// threads do: every seed below a panic is still run, and those above are not.
fn add_up(
    seeds: Range<u64>,
    add_run: impl Fn(Statistics, u64) -> Statistics + Sync,
) -> Result<Statistics, CompareError> {
    // No range that ends before 2^64 has this seed.
    let panicked = AtomicU64::new(u64::MAX);
    let add_unless_panicked = |statistics: Statistics, seed: u64| {
        if seed > panicked.load(Ordering::Relaxed) {
            return statistics;
        }
        catch_unwind(AssertUnwindSafe(|| add_run(statistics, seed))).unwrap_or_else(|_| {
            panicked.fetch_min(seed, Ordering::Relaxed);
            Statistics::default()
        })
    };
    let statistics = seeds
        .into_par_iter()
        .fold(Statistics::default, add_unless_panicked)
        .reduce(Statistics::default, Statistics::merged);
    match panicked.into_inner() {
        u64::MAX => Ok(statistics),
        seed => Err(CompareError::Panicked { seed }),
    }
}

impl Statistics {
    /// Adds a run.
    fn add(&mut self, report: &Report, variant: &Variant, seed: u64) {
        let application = &*variant.application;
        if application.is_store() {
            self.causality.add(&Causality::of(variant, &report.run));
        }
        self.runs += 1;
        self.messages.merge(report.run.traffic.into());
        self.retransmissions += report.run.traffic.retransmissions;
        self.coverage.merge(&report.run.coverage);
        for (check, verdict) in &report.verdicts {
            let violated = self.violated.entry(check.name()).or_default();
            match verdict {
                Verdict::Valid => {}
                Verdict::Violated(_) => violated.add(seed),
                Verdict::Unknown(_) => self.unknown.entry(check.name()).or_default().add(seed),
            }
        }
        let ran = times_executed(&report.run.executed);
        for operation in operations(report) {
            let label = first_word(&application.describe_request(&operation.request));
            let outcomes = self.operations.entry(label).or_default();
            outcomes.add(
                operation
                    .ended
                    .map_or(OutcomeKind::Unknown, |(kind, _)| kind),
            );
            let times = ran.get(&operation.id).copied().unwrap_or_default();
            *self.executions.entry(times).or_default() += 1;
            if let Some((OutcomeKind::Ok | OutcomeKind::Failed, latency_ms)) = operation.ended {
                self.latency_ms.add(latency_ms);
            }
        }
    }

    /// Adds a run whose setup did not succeed: none of its checks could be judged.
    fn add_failed_setup(&mut self, variant: &Variant, seed: u64) {
        self.runs += 1;
        self.setup_failed += 1;
        for check in &variant.checks {
            self.violated.entry(check.name()).or_default();
            self.unknown.entry(check.name()).or_default().add(seed);
        }
    }

    fn merged(mut self, other: Self) -> Self {
        self.runs += other.runs;
        self.setup_failed += other.setup_failed;
        self.retransmissions += other.retransmissions;
        self.messages.merge(other.messages);
        self.coverage.merge(&other.coverage);
        self.causality.add(&other.causality);
        for (label, outcomes) in other.operations {
            self.operations.entry(label).or_default().merge(outcomes);
        }
        for (check, runs) in other.violated {
            self.violated.entry(check).or_default().merge(runs);
        }
        for (check, runs) in other.unknown {
            self.unknown.entry(check).or_default().merge(runs);
        }
        merge_counts(&mut self.executions, other.executions);
        merge_counts(&mut self.latency_ms.counts, other.latency_ms.counts);
        self
    }
}

impl Outcomes {
    fn add(&mut self, kind: OutcomeKind) {
        match kind {
            OutcomeKind::Ok => self.ok += 1,
            OutcomeKind::Failed => self.failed += 1,
            OutcomeKind::Unknown => self.unknown += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.unknown += other.unknown;
    }
}

impl Runs {
    fn add(&mut self, seed: u64) {
        self.merge(Self {
            count: 1,
            example: Some(seed),
        });
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.example = self.example.into_iter().chain(other.example).min();
    }
}

impl From<Traffic> for Messages {
    fn from(traffic: Traffic) -> Self {
        Self {
            sent: traffic.sent,
            lost: traffic.lost,
            duplicated: traffic.duplicated,
        }
    }
}

impl Messages {
    const fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
    }
}

impl Latencies {
    pub(super) fn add(&mut self, ms: u64) {
        *self.counts.entry(ms).or_default() += 1;
    }

    /// The nearest-rank percentile: the least of the values that at least `percent` % of all do not
    /// exceed. It is always one of the values; `None` if there are none.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let total: u64 = self.counts.values().sum();
        let rank = (u128::from(total) * u128::from(percent)).div_ceil(100);
        let mut passed = 0;
        self.counts.iter().find_map(|(&ms, &count)| {
            passed += u128::from(count);
            (passed >= rank).then_some(ms)
        })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The longest; `None` if there is none.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.counts.keys().next_back().copied()
    }
}

impl Serialize for Latencies {
    /// `p50`, `p99` and `max`; each is null if no operation ended ok or failed.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("p50", &self.percentile(50))?;
        map.serialize_entry("p99", &self.percentile(99))?;
        map.serialize_entry("max", &self.max())?;
        map.end()
    }
}

/// One operation of a client.
struct Operation {
    id: OperationId,
    request: SharedBytes,
    /// How it ended and after how many ms; `None` if it did not.
    ended: Option<(OutcomeKind, u64)>,
}

/// The operations of a run, in the order in which they began.
fn operations(report: &Report) -> impl Iterator<Item = Operation> + use<> {
    let history = report.run.history.entries();
    let ends = history.iter().filter_map(|entry| match &entry.event {
        HistoryEvent::Complete(outcome) => Some((entry.operation, (outcome.kind, entry.at))),
        HistoryEvent::Invoke(_) => None,
    });
    let ends: BTreeMap<OperationId, _> = ends.collect();
    history
        .into_iter()
        .filter_map(move |entry| match entry.event {
            HistoryEvent::Invoke(request) if entry.operation.number > 0 => {
                let end = ends.get(&entry.operation);
                Some(Operation {
                    id: entry.operation,
                    request,
                    ended: end.map(|&(kind, at)| (kind, clock::ms(at - entry.at))),
                })
            }
            _ => None,
        })
}

/// How often each operation was executed; those that never were are absent.
#[must_use]
pub fn times_executed(executed: &[OperationId]) -> BTreeMap<OperationId, u32> {
    let mut times = BTreeMap::new();
    for operation in executed {
        *times.entry(*operation).or_default() += 1;
    }
    times
}

fn first_word(command: &str) -> String {
    command
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

pub(super) fn merge_counts<K: Ord>(into: &mut BTreeMap<K, u64>, other: BTreeMap<K, u64>) {
    for (key, count) in other {
        *into.entry(key).or_default() += count;
    }
}

/// Writes every number of times from 0 to the greatest, and to 1 at least.
fn from_zero_to_one_at_least<S: Serializer>(
    counts: &BTreeMap<u32, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let most = counts.keys().next_back().copied().unwrap_or_default();
    serializer.collect_map((0..=most.max(1)).map(|times| {
        let count = counts.get(&times).copied().unwrap_or_default();
        (times, count)
    }))
}

fn numbers_of_runs<S: Serializer>(
    runs: &BTreeMap<&'static str, Runs>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(runs.iter().map(|(check, runs)| (check, runs.count)))
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
