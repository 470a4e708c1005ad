//! One story on both simulators: all that a run leaves behind, compared.

use std::sync::Arc;

use wavetank::history::json;
use wavetank::net::world::Traffic;
use wavetank::seed::Seed;
use wavetank::services::words::Words;
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Scenario, Variant};
use wavetank::trace::{Detail, Names, text};

/// All that a run leaves behind that anybody can read.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) trace: String,
    pub(crate) history: String,
    pub(crate) traffic: Traffic,
    pub(crate) finals: Vec<(String, String)>,
    pub(crate) idle_faults: Vec<u16>,
    pub(crate) unfinished: Option<String>,
    pub(crate) coverage: Vec<(String, u64)>,
}

fn tell(scenario: &Scenario, variant: &Arc<Variant>, seed: u64, backend: Backend) -> Told {
    let report = report::run(variant, Seed(seed), backend, Detail::Trace);
    let report = report.expect("the setup succeeds");
    let trace = text::write(&report.trace(scenario, variant, Seed(seed)));
    let words = Words(Arc::clone(&variant.application));
    let run = report.run;
    let records = json::records(&run.history.entries(), Names(&run.names), &words);
    Told {
        trace,
        history: json::write(&records),
        traffic: run.traffic,
        finals: run.finals,
        idle_faults: run.idle_faults,
        unfinished: run.unfinished,
        coverage: run.coverage.counts(),
    }
}

/// Tells the story on both simulators; where they differ, says in which line first, and which faults
/// were scripted.
pub(crate) fn tell_on_both(
    scenario: &Scenario,
    variant: &Arc<Variant>,
    seed: u64,
) -> Result<Told, String> {
    let [event, turmoil] = Backend::ALL.map(|backend| tell(scenario, variant, seed, backend));
    if event == turmoil {
        return Ok(event);
    }
    let mut lines = event.trace.lines().zip(turmoil.trace.lines());
    let (ours, theirs) = match lines.find(|(ours, theirs)| ours != theirs) {
        Some((ours, theirs)) => (ours.to_owned(), theirs.to_owned()),
        None => (format!("{event:?}"), format!("{turmoil:?}")),
    };
    let faults = &variant.conditions.faults;
    Err(format!(
        "seed {seed}\n  event:   {ours}\n  turmoil: {theirs}\n{faults:#?}"
    ))
}
