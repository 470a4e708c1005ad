//! Exploring from inside: digests, confirmation, and what is found where a service is no function of
//! its seed.

use super::*;
use crate::sim::moody::scenario;

/// Two clients on a lossy network.
const CANCEL: &str = r#"
semantics = "at-least-once"
[setup]
alice = ["book 'Meeting Room A' mon 10:00-11:00"]
[clients]
alice = ["cancel CONF000001"]
[network]
loss = 0.3
[expect.default]
executions = "valid"
"#;

fn runs(scenario: &Scenario, backend: Backend, seeds: &[u64]) -> Vec<RunLine> {
    let stop = AtomicBool::new(false);
    let block = block(scenario, &scenario.variants[0], backend, seeds, &stop);
    block.expect("no run panics").runs
}

#[test]
fn a_digest_depends_on_the_run_and_neither_on_the_simulator_nor_on_the_trace() {
    let scenario = scenario("booking", CANCEL);
    let seeds: Vec<u64> = (0..40).collect();
    let event = runs(&scenario, Backend::Event, &seeds);
    assert_eq!(event, runs(&scenario, Backend::Turmoil, &seeds));
    let mut digests: Vec<&str> = event.iter().map(|run| run.digest.as_str()).collect();
    digests.sort_unstable();
    digests.dedup();
    assert!((3..40).contains(&digests.len()), "{digests:?}");
    for run in &event {
        let confirmed = confirm(&scenario, &scenario.variants[0], Backend::Event, run);
        assert_eq!(confirmed, Ok(()));
    }
}

#[test]
fn only_what_is_expected_valid_is_broken_by_one_seed() {
    let scenario = scenario("booking", CANCEL);
    let variant = &scenario.variants[0];
    let found = runs(&scenario, Backend::Event, &(0..40).collect::<Vec<_>>());
    let is_violated =
        |run: &&RunLine| run.verdicts.get("executions") == Some(&VerdictKind::Violated);
    let violated = found.iter().filter(is_violated).count();
    let breaking = found
        .iter()
        .filter(|run| broken(variant, run).next().is_some());
    assert!(violated > 0);
    assert_eq!(breaking.count(), violated);
}

#[test]
fn a_run_that_goes_otherwise_the_second_time_is_told_with_the_first_line_that_differs() {
    let rest = "[clients]\nalice = [\"ask\"]\n[expect.default.final]\nask = \"x\"\n";
    let scenario = scenario("moody", rest);
    let variant = &scenario.variants[0];
    let first = runs(&scenario, Backend::Event, &[5]).remove(0);
    let differs = confirm(&scenario, variant, Backend::Event, &first).unwrap_err();
    assert_eq!(differs.seed, 5);
    assert_ne!(differs.digests[0], differs.digests[1]);
    let difference = differs.difference.expect("each run has its own numbers");
    assert_ne!(difference.texts[0], difference.texts[1]);
    assert!(difference.texts[0].contains("execute"), "{difference:?}");
}

#[test]
fn a_stopped_block_is_no_block() {
    let scenario = scenario("booking", CANCEL);
    let stop = AtomicBool::new(true);
    let stopped = block(
        &scenario,
        &scenario.variants[0],
        Backend::Event,
        &[1],
        &stop,
    );
    assert_eq!(stopped.unwrap_err(), ExploreError::Stopped);
}

#[test]
fn of_several_panics_the_first_is_told() {
    let scenario = scenario("moody", "[clients]\nalice = [\"fall\"]\n");
    let (variant, stop) = (&scenario.variants[0], AtomicBool::new(false));
    let panicked = block(&scenario, variant, Backend::Event, &[5, 6, 7], &stop);
    assert_eq!(panicked.unwrap_err(), ExploreError::Panicked { seed: 5 });
}

#[test]
fn a_setup_that_never_succeeds_is_told() {
    let rest = "[setup]\nalice = [\"cancel CONF000009\"]\n[clients]\nalice = []\n";
    let scenario = scenario("booking", rest);
    let stop = AtomicBool::new(false);
    let block = block(
        &scenario,
        &scenario.variants[0],
        Backend::Event,
        &[1, 2],
        &stop,
    );
    let block = block.expect("no run panics");
    assert!(block.setup_error.is_some());
    let unknown = |run: &RunLine| {
        run.verdicts
            .values()
            .all(|each| *each == VerdictKind::Unknown)
    };
    assert!(block.runs.iter().all(unknown));
}
