//! Generated bookings on a lossy network, over many seeds: what each semantics promises, it keeps.

use rayon::prelude::*;
use wavetank::check::Verdict;
use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Check, Scenario};
use wavetank::trace::Detail;

const SEEDS: u64 = 300;

/// Three clients with thirty operations each; a tenth of the datagrams is lost.
const LOAD: &str = r#"
story = "Bookings on a lossy network."
service = "booking"
seed = 7
timeout_ms = 60
attempts = 8
[load.user]
count = 3
requests = 30
think_ms = { uniform = [0, 40] }
mix = { query = 3, book = 6, change = 2, extend = 1, cancel = 3 }
[network]
loss = 0.1
duplication = 0.1
[variants]
maybe = { semantics = "maybe" }
maybe-without-duplication = { semantics = "maybe", network = { duplication = 0.0 } }
at-least-once = { semantics = "at-least-once" }
at-most-once = { semantics = "at-most-once" }
"#;

/// The violations of a check, each with its seed.
fn violations(variant: &str, check: Check) -> Vec<String> {
    let scenario = Scenario::parse("load.toml", LOAD, &catalogue());
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let variant = scenario.variant(variant).expect("a variant of the load");
    let violation = |seed: u64| {
        let report = report::run(variant, Seed(seed), Backend::Event, Detail::Trace).ok()?;
        match report
            .verdicts
            .iter()
            .find(|(judged, _)| *judged == check)?
        {
            (_, Verdict::Valid) => None,
            (_, verdict) => Some(format!("seed {seed}: {verdict}")),
        }
    };
    (0..SEEDS).into_par_iter().filter_map(violation).collect()
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
