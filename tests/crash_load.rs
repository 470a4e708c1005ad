//! Generated load while servers crash and disks tear: what each reply cache survives.
//!
//! The storm is `tests/load/crashes.toml`. Here it blows for a hundred seeds; for thousands, and to read
//! the numbers: `cargo run --release -- compare tests/load/crashes.toml --seeds 0..2000`.

use std::path::Path;
use std::sync::LazyLock;

use wavetank::services::catalogue;
use wavetank::sim::compare::{Statistics, over};
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::trace::Detail;

const SEEDS: u64 = 100;

/// How often everything that counts must happen at least, so that the storm is one. In two thousand
/// seeds nothing of it happens less than 400 times.
const AT_LEAST: u64 = 10;

/// What the storm does to servers, clients and datagrams.
const FAULTS: [&str; 10] = [
    "datagram lost",
    "datagram duplicated",
    "partition",
    "host down",
    "crash",
    "crash inside a disk operation",
    "restart",
    "pause",
    "sectors lost",
    "sectors torn",
];

/// What a durable reply cache does about it. Three more protections no booking client provokes: requests
/// that are in progress (bookings never wait), another body under an id, a full cache. `tests/rpc_rules` does.
const PROTECTIONS: [&str; 3] = [
    "filter: duplicate: stored reply sent",
    "filter: no longer waited for: ignored",
    "filter: session expired: refused",
];

static STORM: LazyLock<Scenario> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/load/crashes.toml");
    let text = std::fs::read_to_string(path).expect("the storm is a file");
    Scenario::parse("crashes.toml", &text, &catalogue()).unwrap_or_else(|error| panic!("{error}"))
});

fn storm(variant: &str) -> Statistics {
    let variant = STORM.variant(variant).expect("the storm has this variant");
    over(variant, 0..SEEDS, Backend::Event, &|| ()).unwrap_or_else(|error| panic!("{error}"))
}

fn violated(statistics: &Statistics, check: &str) -> u64 {
    statistics.violated[check].count
}

/// The operations that ran more than once.
fn repeated(statistics: &Statistics) -> u64 {
    let repeated = statistics
        .executions
        .iter()
        .filter(|(times, _)| **times > 1);
    repeated.map(|(_, count)| count).sum()
}

#[test]
fn a_durable_reply_cache_survives_the_storm() {
    let durable = storm("durable");
    assert!(durable.unknown.is_empty(), "{:?}", durable.unknown);
    for (check, runs) in &durable.violated {
        assert_eq!(
            runs.count, 0,
            "{check}, for example with seed {:?}",
            runs.example
        );
    }
    assert_eq!(repeated(&durable), 0);
    let counts = durable.coverage.counts();
    for name in FAULTS.iter().chain(&PROTECTIONS) {
        let count = counts.iter().find(|(known, _)| known == name);
        let (_, count) = count.expect("the name is one of those that are counted");
        assert!(*count >= AT_LEAST, "{name}: {count} times in {SEEDS} seeds");
    }
}

#[test]
fn the_reply_cache_of_an_epoch_repeats_nothing_in_it() {
    let epoch = storm("epoch");
    assert_eq!(violated(&epoch, "executions"), 0);
    assert_eq!(violated(&epoch, "effects"), 0);
    assert_eq!(repeated(&epoch), 0);
}

#[test]
fn a_reply_cache_in_memory_is_caught_in_it() {
    let memory = storm("memory");
    assert!(repeated(&memory) >= SEEDS);
    assert!(violated(&memory, "executions") >= SEEDS / 2);
    assert!(violated(&memory, "effects") >= SEEDS / 2);
}

#[test]
fn a_lying_disk_is_caught_in_it() {
    let lying = storm("lying");
    assert_eq!(repeated(&lying), 0);
    assert!(violated(&lying, "effects") >= SEEDS / 2);
}

#[test]
fn the_expectations_hold_at_the_seed_of_the_file() {
    for variant in &STORM.variants {
        let report = report::run(variant, STORM.seed, Backend::Event, Detail::Trace);
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert!(
            report.broken.is_empty(),
            "{}: {:?}",
            variant.name,
            report.broken
        );
    }
}
