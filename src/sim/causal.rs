//! The checks of causal consistency, on a run of a store.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::check::causal::{History, Judge};
use crate::check::{Check, Verdict, cite, commits};
use crate::clock::ms;
use crate::history::sessions::{Access, SessionHistory};
use crate::history::{Entry, HistoryEvent, Outcome, OutcomeKind, Told};
use crate::id::{HostId, OperationId};
use crate::rpc::StateKind;
use crate::sim::compare::{Latencies, merge_counts};
use crate::sim::report::lines_of_operations;
use crate::sim::scenario::Variant;
use crate::sim::simulation::Run;
use crate::trace::{Detail, Event, Names};
use crate::wire::SharedBytes;

/// Joins of clocks after which causal memory is not decided: some seconds.
const JOINS_MAX: u64 = 1_000_000;

/// The verdicts of those checks of a variant that are about a store: none for other services.
pub(super) fn judge(variant: &Variant, run: &Run, detail: Detail) -> Vec<(Check, Verdict)> {
    let of_store = |check: &Check| {
        let alone = [Check::Causal, Check::CausalMemory];
        alone.contains(check) || Check::OF_SESSIONS.contains(check)
    };
    let checks: Vec<Check> = variant.checks.iter().copied().filter(of_store).collect();
    if checks.is_empty() {
        return Vec::new();
    }
    let history = History::new(&sessions(variant, run, detail));
    let judge = Judge::new(&history);
    let guarantees = judge.session_guarantees();
    let verdict = |check| match check {
        Check::Causal => judge_all(variant, run, detail, &judge),
        Check::CausalMemory => judge.causal_memory(JOINS_MAX),
        _ => {
            let mut named = guarantees.iter().filter(|(name, _)| *name == check.name());
            named
                .next()
                .expect("each guarantee is judged by its name")
                .1
                .clone()
        }
    };
    checks
        .into_iter()
        .map(|check| (check, verdict(check)))
        .collect()
}

/// `causal`: what replicas committed, and what clients saw, by causal consistency and convergence.
fn judge_all(variant: &Variant, run: &Run, detail: Detail, judge: &Judge<'_>) -> Verdict {
    let forgets = variant.state == StateKind::Memory;
    let steps = commits::from_lines(&run.lines, detail, forgets);
    match commits::judge(steps, Names(&run.names)) {
        Verdict::Valid => {}
        violated => return violated,
    }
    match judge.causal_consistency() {
        Verdict::Valid => judge.causal_convergence(),
        other => other,
    }
}

/// What the replicas of a store kept back for its cause, and what readers saw without one: the price of
/// causality, and its gain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Causality {
    /// Reads that were answered.
    pub reads: u64,
    /// Of these, those that saw something older than what their past holds: an effect had been seen, and
    /// its cause was not there.
    pub anomalies: u64,
    /// Commits of writes at replicas, their own not counted.
    pub commits: u64,
    /// How long writes waited at a replica for others that they depend on, in virtual ms; those that did
    /// not wait are not counted.
    pub stalls_ms: Latencies,
}

impl Causality {
    /// What a run shows.
    pub(super) fn of(variant: &Variant, run: &Run) -> Self {
        let history = History::new(&sessions(variant, run, Detail::Checks));
        let judge = Judge::new(&history);
        let (reads, anomalies) = judge.anomalous_reads();
        let mut causality = Self {
            reads,
            anomalies,
            ..Self::default()
        };
        for line in &run.lines {
            if let Event::Commit(commit) = &line.event
                && usize::from(commit.version.replica) != line.host.index()
            {
                causality.commits += 1;
                if let Some(span) = commit.stalled {
                    causality.stalls_ms.add(ms(span));
                }
            }
        }
        causality
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Anomalies per 1,000 reads; `None` if there were no reads.
    #[must_use]
    pub fn anomalies_per_1000_reads(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let ratio = |part: u64, all: u64| 1000.0 * part as f64 / all as f64;
        (self.reads > 0).then(|| ratio(self.anomalies, self.reads))
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.anomalies += other.anomalies;
        self.commits += other.commits;
        merge_counts(&mut self.stalls_ms.counts, other.stalls_ms.counts.clone());
    }
}

impl Serialize for Causality {
    /// `reads`, `anomalies`, `anomalies_per_1000_reads`, `commits`, `stalled` (how many) and `stall_ms` with
    /// its percentiles.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("reads", &self.reads)?;
        map.serialize_entry("anomalies", &self.anomalies)?;
        map.serialize_entry("anomalies_per_1000_reads", &self.anomalies_per_1000_reads())?;
        map.serialize_entry("commits", &self.commits)?;
        map.serialize_entry("stalled", &self.stalls_ms.count())?;
        map.serialize_entry("stall_ms", &self.stalls_ms)?;
        map.end()
    }
}

/// What each client of a store read and wrote, in its order. Places are cited with the lines of the
/// trace, if it was kept.
#[must_use]
pub fn sessions(variant: &Variant, run: &Run, detail: Detail) -> SessionHistory {
    let lines = lines_of_operations(run, detail);
    let names = Names(&run.names);
    let mut asked: BTreeMap<OperationId, SharedBytes> = BTreeMap::new();
    let mut sessions: BTreeMap<HostId, Vec<Access>> = BTreeMap::new();
    for Entry {
        operation, event, ..
    } in run.history.entries()
    {
        match event {
            HistoryEvent::Invoke(request) => {
                asked.insert(operation, request);
            }
            HistoryEvent::Complete(outcome) => {
                let place = || {
                    let lines = lines
                        .get(&operation)
                        .map_or(String::new(), |l| cite::lines(l));
                    format!("{}{lines}", names.operation(operation))
                };
                let request = asked.remove(&operation);
                let access = request.and_then(|request| access(variant, &request, &outcome, place));
                sessions.entry(operation.client).or_default().extend(access);
            }
        }
    }
    // What never ended may have happened: the run was stopped.
    for (operation, request) in asked {
        let outcome = Outcome::text(OutcomeKind::Unknown, "");
        let access = access(variant, &request, &outcome, || names.operation(operation));
        sessions.entry(operation.client).or_default().extend(access);
    }
    SessionHistory {
        sessions: sessions.into_values().collect(),
    }
}

fn access(
    variant: &Variant,
    request: &[u8],
    outcome: &Outcome,
    place: impl FnOnce() -> String,
) -> Option<Access> {
    let reply = match &outcome.told {
        Told::Reply(reply) => Some(&reply[..]),
        Told::Text(_) => None,
    };
    let (kind, key, value) = variant.application.access(request, reply)?;
    Some(Access {
        kind,
        key,
        value,
        outcome: outcome.kind,
        place: place(),
    })
}
