//! Generated load on a meeting scheduler whose servers crash: what it promises, and what catches its mistakes.
//!
//! The storm is `tests/load/meeting.toml`. To read the price of a lost message:
//! `cargo run --release -- compare tests/load/meeting.toml --seeds 0..500`.

use std::path::Path;
use std::sync::LazyLock;

use wavetank::check::Check;
use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::sim::compare::{Statistics, over};
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::trace::{Detail, text};

const SEEDS: u64 = 100;

/// How often everything that counts must happen at least, so that the storm is one.
const AT_LEAST: u64 = 20;

static STORM: LazyLock<Scenario> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/load/meeting.toml");
    Scenario::load(&path, &catalogue()).unwrap_or_else(|error| panic!("{error}"))
});

fn storm(variant: &str, seeds: u64) -> Statistics {
    let variant = STORM.variant(variant).expect("the storm has this variant");
    over(variant, 0..seeds, Backend::Event, &|| ()).unwrap_or_else(|error| panic!("{error}"))
}

fn violated(statistics: &Statistics, check: Check) -> u64 {
    statistics.violated[check.name()].count
}

#[test]
fn everybody_is_told_the_truth_whatever_crashes() {
    let statistics = storm("full", SEEDS);
    for (check, runs) in &statistics.violated {
        assert_eq!(runs.count, 0, "{check}, seed {:?}", runs.example);
    }
    let unknown = &statistics.unknown;
    assert!(unknown.is_empty(), "{unknown:?}");
    for fault in [
        "datagram lost",
        "datagram duplicated",
        "partition",
        "crash",
        "restart",
        "crash inside a disk operation",
        "sectors torn",
        "filter: duplicate: stored reply sent",
    ] {
        let counts = statistics.coverage.counts();
        let struck = counts.iter().find(|(name, _)| name == fault);
        let struck = struck.map(|(_, count)| *count);
        assert!(
            struck.is_some_and(|count| count >= AT_LEAST),
            "{fault} {struck:?}"
        );
    }
}

#[test]
fn each_protection_that_is_left_out_is_found_out() {
    for (variant, seeds) in [
        ("not-logged", 100),
        ("not-durable", 20),
        ("holds-expire", 20),
        ("counted", 20),
    ] {
        let caught = violated(&storm(variant, seeds), Check::Linearizable);
        assert!(caught > 0, "{variant}");
    }
}

#[test]
fn at_least_once_tells_some_that_their_own_time_is_not_free() {
    let statistics = storm("at-least-once", 20);
    assert!(violated(&statistics, Check::Executions) > 10);
    assert!(violated(&statistics, Check::Linearizable) > 0);
}

#[test]
fn both_simulators_tell_the_same_of_the_storm() {
    for variant in &STORM.variants {
        let told = Backend::ALL.map(|backend| {
            let report = report::run(variant, Seed(1), backend, Detail::Trace);
            let report = report.unwrap_or_else(|error| panic!("{error}"));
            text::write(&report.trace(&STORM, variant, Seed(1)))
        });
        assert_eq!(told[0], told[1], "{}", variant.name);
    }
}
