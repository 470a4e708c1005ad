//! What holds over seeds, and what is said of what does not.

use super::*;
use crate::services::catalogue;
use crate::sim::moody;

fn load(variants: &str) -> Scenario {
    let text = format!(
        r#"
story = "Bookings on a lossy network."
service = "booking"
seed = 7
timeout_ms = 60
attempts = 8
[load.user]
count = 2
requests = 8
think_ms = {{ uniform = [0, 40] }}
mix = {{ book = 3, cancel = 2 }}
[network]
loss = 0.1
duplication = 0.1
[variants]
at-least-once = {{ semantics = "at-least-once" }}
at-most-once = {{}}
{variants}
"#
    );
    Scenario::parse("load.toml", &text, &catalogue()).unwrap_or_else(|error| panic!("{error}"))
}

fn told(scenario: &Scenario) -> Vec<String> {
    let replay = |variant: &str, seed| format!("again {variant} {seed}");
    let broken = hold(scenario, 10..40, &replay).map(drop);
    let text = broken.map_or_else(|broken| broken.to_string(), |()| "holds".to_owned());
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_holds_says_how_often_each_fault_struck() {
    let scenario = load(
        "[expect.at-least-once]\nexecutions = 'violated'\n\
         [expect.at-most-once]\nexecutions = 'valid'\nlinearizable = 'valid'\n",
    );
    let coverage = hold(&scenario, 10..40, &|_, _| String::new()).unwrap();
    let counts = coverage.counts();
    let lost = counts.iter().find(|(name, _)| name == "datagram lost");
    assert!(lost.is_some_and(|&(_, count)| count > 100), "{counts:?}");
}

#[test]
fn what_is_broken_is_told_with_a_seed_its_evidence_and_its_replay() {
    let told = told(&load("[expect.at-least-once]\nexecutions = 'valid'\n"));
    let [head, what, evidence, replay] = &told[..] else {
        panic!("{told:#?}");
    };
    assert_eq!(head, "load: broken over 30 seeds");
    assert!(
        what.starts_with("  at-least-once: executions expected valid, and is not at "),
        "{what}"
    );
    let seed = evidence.trim_start().strip_prefix("seed ").unwrap();
    let (seed, evidence) = seed.split_once(": ").unwrap();
    assert!(evidence.contains(" ran 2 times (lines "), "{evidence}");
    assert_eq!(*replay, format!("    replay: again at-least-once {seed}"));
}

#[test]
fn what_is_expected_violated_and_never_is_is_broken_too() {
    assert_eq!(
        told(&load("[expect.at-most-once]\nexecutions = 'violated'\n")),
        [
            "load: broken over 30 seeds",
            "  at-most-once: executions expected violated, and is so at none of 30 seeds",
        ]
    );
}

#[test]
fn a_run_that_comes_to_no_end_satisfies_nothing() {
    let scenario = load("[expect.at-most-once]\nexecutions = 'valid'\n");
    let mut scenario = scenario;
    for variant in &mut scenario.variants {
        Arc::make_mut(variant).max_virtual = std::time::Duration::from_millis(5);
    }
    let told = told(&scenario);
    assert!(
        told[1].contains("could not be judged at 30 of 30 seeds"),
        "{told:#?}"
    );
    assert!(
        told[2].contains("seed 10: unknown  not over after"),
        "{told:#?}"
    );
}

#[test]
fn a_server_that_panics_is_named_with_its_seed() {
    let told = told(&moody::scenario("moody", "clients.a = [\"fall\"]\n"));
    assert_eq!(told[1], "  default: the run with seed 10 panicked");
    assert_eq!(told[2], "    replay: again default 10");
}
