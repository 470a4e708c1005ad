//! Generated load on five data centres: what the causal store promises, and what catches its mistakes.
//!
//! The storm is `tests/load/causal.toml`. Here it blows for some seeds; `.ci/run` explores ten
//! thousand. To read the price and the gain of causality:
//! `cargo run --release -- compare tests/load/causal.toml --seeds 0..1000`.

use std::path::Path;
use std::sync::LazyLock;

use wavetank::check::Check;
use wavetank::services::catalogue;
use wavetank::sim::compare::{Statistics, over};
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::trace::Detail;

const SEEDS: u64 = 60;

/// How often everything that counts must happen at least, so that the storm is one.
const AT_LEAST: u64 = 20;

static STORM: LazyLock<Scenario> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/load/causal.toml");
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
fn nothing_is_seen_before_its_cause_and_all_agree_in_the_end() {
    for variant in ["causal", "memory"] {
        let statistics = storm(variant, SEEDS);
        for (check, runs) in &statistics.violated {
            assert_eq!(runs.count, 0, "{variant}: {check}, seed {:?}", runs.example);
        }
        assert!(
            statistics.unknown.is_empty(),
            "{variant}: {:?}",
            statistics.unknown
        );
        let causality = &statistics.causality;
        assert_eq!(causality.anomalies, 0, "{variant}");
        assert!(
            causality.reads > 2_000 && causality.stalls_ms.count() > 500,
            "{causality:?}"
        );
        let counts = statistics.coverage.counts();
        let mut faults = vec![
            "datagram lost",
            "datagram duplicated",
            "partition",
            "crash",
            "restart",
        ];
        if variant == "causal" {
            faults.extend([
                "crash inside a disk operation",
                "sectors torn",
                "write stalled",
            ]);
        }
        for fault in faults {
            let struck = counts
                .iter()
                .find(|(name, _)| name == fault)
                .map(|(_, count)| *count);
            assert!(
                struck.is_some_and(|count| count >= AT_LEAST),
                "{variant}: {fault} {struck:?}"
            );
        }
    }
}

#[test]
fn each_weaker_store_is_caught() {
    let most = storm("eventual", SEEDS);
    assert!(violated(&most, Check::Causal) > SEEDS / 2);
    assert!(most.causality.anomalies > 3 && most.causality.stalls_ms.count() == 0);
    for guarantee in [
        Check::ReadYourWrites,
        Check::MonotonicReads,
        Check::MonotonicWrites,
    ] {
        assert!(violated(&most, guarantee) > 0, "{}", guarantee.name());
    }
    assert!(violated(&storm("newer-stands-in", 30), Check::Causal) > 15);
    assert!(violated(&storm("forget-early", 150), Check::Causal) > 1);
}

#[test]
fn even_a_store_that_shows_effects_without_causes_converges() {
    for variant in ["eventual", "newer-stands-in", "forget-early"] {
        assert_eq!(
            violated(&storm(variant, 50), Check::Convergence),
            0,
            "{variant}"
        );
    }
}

#[test]
fn both_simulators_tell_the_same_of_the_storm() {
    for variant in &STORM.variants {
        for seed in 0..1 {
            let told = Backend::ALL.map(|backend| {
                let seed = wavetank::seed::Seed(seed);
                let report = report::run(variant, seed, backend, Detail::Trace);
                let report = report.unwrap_or_else(|error| panic!("{error}"));
                wavetank::trace::text::write(&report.trace(&STORM, variant, seed))
            });
            assert_eq!(told[0], told[1], "{}, seed {seed}", variant.name);
        }
    }
}
