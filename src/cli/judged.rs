//! A run of a scenario, judged, and where it stands with the scenario's expectations.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;

use crate::check::Verdict;
use crate::cli::exit::Exit;
use crate::history::{HistoryEvent, OutcomeKind};
use crate::id::OperationId;
use crate::sim::compare::{Messages, times_executed};
use crate::sim::report::{self, Report};
use crate::sim::scenario::{Backend, Check, Expected, Scenario, Variant};
use crate::sim::simulation::SetupError;
use crate::trace::{Detail, Names, TraceFile};

/// Where a run stands; the later, the worse.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Standing {
    /// Every expectation holds.
    Held,
    /// Something could not be judged, and nothing is broken.
    Unknown,
    /// An expectation does not hold.
    Broken,
    /// A server or a client panicked.
    Panicked,
}

impl From<Standing> for Exit {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Held => Self::Held,
            Standing::Unknown => Self::Unknown,
            Standing::Broken => Self::Broken,
            Standing::Panicked => Self::Failure,
        }
    }
}

/// One run.
#[derive(Debug)]
pub(crate) struct Judged {
    /// What was run.
    pub(crate) variant: Arc<Variant>,
    /// What came out of it; `None` if it panicked.
    pub(crate) told: Option<Told>,
}

/// What came out of a run.
#[derive(Debug)]
pub(crate) struct Told {
    /// The run and its verdicts.
    pub(crate) report: Report,
    /// Its trace in words.
    pub(crate) trace: TraceFile,
}

impl Judged {
    /// Runs a variant at the scenario's seed.
    ///
    /// # Errors
    ///
    /// If a command of the setup does not succeed.
    pub(crate) fn run(
        scenario: &Scenario,
        variant: &Arc<Variant>,
        backend: Backend,
    ) -> Result<Self, SetupError> {
        let run = || -> Result<Told, SetupError> {
            let report = report::run(variant, scenario.seed, backend, Detail::Trace)?;
            let trace = report.trace(scenario, variant, scenario.seed);
            Ok(Told { report, trace })
        };
        // The state of a run that panics dies with it, so that nothing broken is left behind.
        Ok(Self {
            variant: variant.clone(),
            told: catch_unwind(AssertUnwindSafe(run)).ok().transpose()?,
        })
    }

    /// Where the run stands.
    pub(crate) fn standing(&self) -> Standing {
        let Some(told) = &self.told else {
            return Standing::Panicked;
        };
        let is_unknown = |(_, verdict): &(_, Verdict)| matches!(verdict, Verdict::Unknown(_));
        match () {
            () if self.broken_count() > 0 => Standing::Broken,
            () if told.report.verdicts.iter().any(is_unknown) => Standing::Unknown,
            () => Standing::Held,
        }
    }

    /// How many expectations are broken. One that could not be judged is not broken.
    pub(crate) fn broken_count(&self) -> usize {
        let Some(told) = &self.told else {
            return 0;
        };
        let unjudged = told.unjudged_count(&self.variant);
        told.report.broken.len().saturating_sub(unjudged)
    }

    /// What was expected of a check, if anything.
    pub(crate) fn expected(&self, check: Check) -> Option<Expected> {
        let mut expected = self.variant.expect.checks.iter();
        let found = expected.find(|(judged, _)| *judged == check);
        found.map(|(_, expected)| *expected)
    }

    /// The run as an element of JSON's array.
    pub(crate) fn to_json(&self, scenario: &Scenario) -> RunJson {
        let head = RunJson {
            scenario: scenario.name.clone(),
            variant: self.variant.name.clone(),
            seed: scenario.seed.0.to_string(),
            ..RunJson::default()
        };
        let Some(Told { report, .. }) = &self.told else {
            return RunJson {
                broken: vec!["internal error: the run panicked".to_owned()],
                ..head
            };
        };
        let names = Names(&report.run.names);
        let operations = operations(report).into_iter();
        let outcomes = operations.map(|(operation, ended)| {
            let kind = ended.unwrap_or(OutcomeKind::Unknown);
            (names.operation(operation), kind.name())
        });
        let verdicts = report.verdicts.iter().map(|(check, verdict)| {
            let (name, evidence) = (verdict.name(), verdict.evidence().to_owned());
            let verdict = VerdictJson {
                verdict: name,
                evidence,
            };
            (check.name(), verdict)
        });
        let traffic = report.run.traffic;
        RunJson {
            verdicts: verdicts.collect(),
            outcomes: outcomes.collect(),
            broken: report.broken.clone(),
            messages: Messages::from(traffic),
            retransmissions: traffic.retransmissions,
            ..head
        }
    }
}

impl Told {
    /// How many of the expectations that do not hold could not be judged: their check could not, or
    /// the run was stopped before there was anything to judge.
    fn unjudged_count(&self, variant: &Variant) -> usize {
        let Report { run, verdicts, .. } = &self.report;
        let checks = variant.expect.checks.iter().filter(|(check, _)| {
            let mut unknown = verdicts.iter().filter(|(judged, _)| judged == check);
            unknown.any(|(_, verdict)| matches!(verdict, Verdict::Unknown(_)))
        });
        if run.unfinished.is_none() {
            return checks.count();
        }
        let outcomes = variant.expect.outcomes.iter();
        let outcomes = outcomes.filter(|(operation, _)| report::outcome(run, *operation).is_none());
        let was_asked = |line: &str| run.finals.iter().any(|(asked, _)| asked == line);
        let finals = variant.expect.finals.iter();
        let finals = finals.filter(|asked| !was_asked(&asked.line));
        checks.count() + outcomes.count() + finals.count()
    }

    /// How often each operation ran, counted: `{1: 5}` if each of five ran once.
    pub(crate) fn executions(&self) -> BTreeMap<u32, u64> {
        let times = times_executed(&self.report.run.executed);
        let mut counts = BTreeMap::new();
        for (operation, _) in operations(&self.report) {
            let times = times.get(&operation).copied().unwrap_or_default();
            *counts.entry(times).or_default() += 1;
        }
        counts
    }

    /// How many operations ended in each way; one that did not end is unknown.
    pub(crate) fn outcomes(&self) -> BTreeMap<OutcomeKind, u64> {
        let mut counts = BTreeMap::new();
        for (_, ended) in operations(&self.report) {
            let kind = ended.unwrap_or(OutcomeKind::Unknown);
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }

    /// How many events of the trace have this word.
    pub(crate) fn events(&self, word: &str) -> usize {
        let rows = self.trace.rows.iter();
        rows.filter(|row| row.event == word).count()
    }
}

/// The operations of the clients and how they ended.
fn operations(report: &Report) -> BTreeMap<OperationId, Option<OutcomeKind>> {
    let mut operations = BTreeMap::new();
    for entry in &report.run.history.entries() {
        let ended = match &entry.event {
            HistoryEvent::Invoke(_) => None,
            HistoryEvent::Complete(outcome) => Some(outcome.kind),
        };
        operations.insert(entry.operation, ended);
    }
    operations
}

/// A run in JSON.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RunJson {
    scenario: String,
    variant: String,
    /// A text, because JSON readers may not keep large numbers.
    seed: String,
    verdicts: BTreeMap<&'static str, VerdictJson>,
    outcomes: BTreeMap<String, &'static str>,
    broken: Vec<String>,
    messages: Messages,
    retransmissions: u64,
}

#[derive(Debug, Serialize)]
struct VerdictJson {
    verdict: &'static str,
    evidence: String,
}
