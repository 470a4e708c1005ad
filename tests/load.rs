//! Generated bookings on a lossy network, over many seeds: what each semantics promises, it keeps.
//!
//! The load is `tests/load/bookings.toml`; to read the numbers:
//! `cargo run --release -- compare tests/load/bookings.toml --seeds 0..2000`.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use rayon::prelude::*;
use wavetank::check::Verdict;
use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Check, Scenario, Variant};
use wavetank::trace::Detail;

const SEEDS: u64 = 300;

const FILE: &str = "tests/load/bookings.toml";

static LOAD: LazyLock<Scenario> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    Scenario::load(&path, &catalogue()).unwrap_or_else(|error| panic!("{error}"))
});

/// The violations in all storms: whose, of which check, and what was found at which seed.
static VIOLATIONS: LazyLock<Vec<(String, Check, String)>> = LazyLock::new(|| {
    let promised = LOAD
        .variants
        .iter()
        .filter(|each| each.name != "evicted-early");
    let runs: Vec<_> = promised
        .flat_map(|variant| (0..SEEDS).map(move |seed| (variant, seed)))
        .collect();
    runs.into_par_iter().flat_map_iter(found).collect()
});

fn found((variant, seed): (&Arc<Variant>, u64)) -> Vec<(String, Check, String)> {
    let report = report::run(variant, Seed(seed), Backend::Event, Detail::Trace);
    let verdicts = report.map_or(Vec::new(), |report| report.verdicts);
    let violated = verdicts
        .into_iter()
        .filter(|(_, verdict)| *verdict != Verdict::Valid);
    let told = |(check, verdict)| {
        (
            variant.name.clone(),
            check,
            format!("seed {seed}: {verdict}"),
        )
    };
    violated.map(told).collect()
}

/// The violations of a check, each with its seed.
fn violations(variant: &str, check: Check) -> Vec<String> {
    let asked = |(of, judged, _): &&(String, Check, String)| of == variant && *judged == check;
    let found = VIOLATIONS.iter().filter(asked);
    found.map(|(_, _, text)| text.clone()).collect()
}

#[test]
fn at_most_once_never_runs_a_request_twice() {
    assert_eq!(violations("at-most-once", Check::Executions), [""; 0]);
}

#[test]
fn at_most_once_tells_every_client_what_its_own_request_did() {
    assert_eq!(violations("at-most-once", Check::Effects), [""; 0]);
}

#[test]
fn at_least_once_runs_some_requests_twice() {
    let violations = violations("at-least-once", Check::Executions);
    assert!(violations.len() as u64 > SEEDS / 2, "{violations:?}");
}

#[test]
fn at_least_once_tells_some_client_of_another_effect_than_its_request_had() {
    let violations = violations("at-least-once", Check::Effects);
    assert!(violations.len() as u64 > SEEDS / 10, "{violations:?}");
}

#[test]
fn maybe_runs_a_request_twice_only_where_the_network_duplicates() {
    let violated = violations("maybe", Check::Executions);
    assert!(violated.len() as u64 > SEEDS / 2, "{violated:?}");
    assert_eq!(
        violations("maybe-without-duplication", Check::Executions),
        [""; 0]
    );
}

#[test]
fn at_most_once_is_linearizable_and_answers_whoever_comes_later() {
    assert_eq!(violations("at-most-once", Check::Linearizable), [""; 0]);
    assert_eq!(violations("at-most-once", Check::Liveness), [""; 0]);
}

/// What `wavetank explore` says of a thousand storms at most: its exit code and its stdout.
fn explore(variant: &str, seeds: &str) -> (Option<i32>, String) {
    let explored = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["explore", FILE, "--variant", variant, "--seeds", seeds])
        .output()
        .expect("the program starts");
    let stdout = String::from_utf8(explored.stdout).expect("text");
    (explored.status.code(), stdout)
}

#[test]
fn a_reply_that_is_evicted_before_it_is_acknowledged_is_found() {
    let (code, told) = explore("evicted-early", "0..100");
    assert_eq!(code, Some(1), "{told}");
    for check in ["executions", "effects", "linearizable"] {
        assert!(told.contains(check), "{told}");
    }
    assert!(told.contains("--seed "), "{told}");
    let (code, told) = explore("at-most-once", "0..100");
    assert_eq!(code, Some(0), "{told}");
}
