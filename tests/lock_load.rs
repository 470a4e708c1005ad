//! Generated load on a lock server: that critical sections exclude each other in every storm, and that each
//! protection that is left out is missed.
//!
//! The storm is `tests/load/lock.toml`. Here it blows for 200 seeds; `.ci/run` explores ten thousand.

use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use wavetank::check::Check;
use wavetank::services::catalogue;
use wavetank::sim::compare::{Statistics, over};
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Expected, Scenario};
use wavetank::trace::Detail;

const SEEDS: u64 = 200;

/// What must happen in the storm, and how often at least in 200 runs, so that it is one: it is a hundred
/// times in the ten thousand runs of `.ci/run`.
const AT_LEAST: [(&str, u64); 21] = [
    ("datagram lost", 5_000),
    ("datagram duplicated", 5_000),
    ("partition", 500),
    ("host down", 200),
    ("nobody listens", 50),
    ("crash", 500),
    ("crash inside a disk operation", 100),
    ("restart", 500),
    ("pause", 200),
    ("sectors lost", 20),
    ("sectors torn", 50),
    ("lock granted", 3_000),
    ("lease renewed", 3_000),
    ("grant withdrawn", 1_000),
    ("wait abandoned", 5),
    ("ended by its time", 5),
    ("found after a crash", 10),
    ("filter: duplicate: stored reply sent", 2_000),
    ("filter: duplicate: in progress", 2_000),
    ("filter: no longer waited for: ignored", 50),
    ("filter: session expired: refused", 100),
];

static STORM: LazyLock<Scenario> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/load/lock.toml");
    Scenario::load(&path, &catalogue()).unwrap_or_else(|error| panic!("{error}"))
});

fn storm(variant: &str, seeds: Range<u64>) -> Statistics {
    let variant = STORM.variant(variant).expect("the storm has this variant");
    over(variant, seeds, Backend::Event, &|| ()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn with_every_protection_nothing_is_violated() {
    for (variant, seeds) in [("full", SEEDS), ("global", 20), ("always", 20)] {
        let statistics = storm(variant, 0..seeds);
        let violated = &statistics.violated;
        for check in [Check::Executions, Check::Linearizable, Check::Exclusion] {
            let runs = violated[check.name()];
            let name = check.name();
            assert_eq!(runs.count, 0, "{variant}: {name}, seed {:?}", runs.example);
        }
        let unknown = &statistics.unknown;
        assert!(unknown.is_empty(), "{variant}: {unknown:?}");
        let counts = statistics.coverage.counts();
        for (what, at_least) in AT_LEAST.into_iter().filter(|_| seeds == SEEDS) {
            let found = counts.iter().find(|(name, _)| name == what);
            let found = found.unwrap_or_else(|| panic!("nothing counts {what}")).1;
            assert!(found >= at_least, "{variant}: {what} {found} times");
        }
    }
}

#[test]
fn each_protection_that_is_left_out_is_missed() {
    let is_weak = |name: &&str| !["full", "global", "always"].contains(name);
    let names = STORM.variants.iter().map(|variant| variant.name.as_str());
    let weak: Vec<&str> = names.filter(is_weak).collect();
    assert_eq!(weak.len(), 9);
    for variant in weak {
        let of_variant = STORM.variant(variant).expect("it is one of them");
        let expected = (Check::Exclusion, Expected::Violated);
        assert_eq!(of_variant.expect.checks, [expected], "{variant}");
        let is_caught =
            |seed| storm(variant, seed..seed + 1).violated[Check::Exclusion.name()].count > 0;
        assert!((0..SEEDS).any(is_caught), "{variant}");
    }
}

#[test]
fn both_simulators_tell_the_same_of_the_storm() {
    for variant in &STORM.variants {
        let seed = wavetank::seed::Seed(7);
        let told = Backend::ALL.map(|backend| {
            let report = report::run(variant, seed, backend, Detail::Trace);
            let report = report.unwrap_or_else(|error| panic!("{error}"));
            wavetank::trace::text::write(&report.trace(&STORM, variant, seed))
        });
        assert_eq!(told[0], told[1], "{}", variant.name);
    }
}
