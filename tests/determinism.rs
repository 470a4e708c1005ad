//! One seed, one storm: the same bytes in one process, in fresh ones, in threads, in every build; and
//! the same fates for datagrams of the same label, whoever else sends.

use std::collections::BTreeMap;
use std::env::current_exe;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use wavetank::history::json;
use wavetank::id::{HostId, OperationId};
use wavetank::net::Kind;
use wavetank::net::fate::Fate;
use wavetank::seed::{Seed, fnv1a};
use wavetank::services::catalogue;
use wavetank::services::words::Words;
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::trace::{Detail, Event, Line, Names, text};

/// The story whose traces are pinned: every random condition, both kinds of clients, a partition.
const REFERENCE: &str = r#"
story = "Bookings in a storm."
service = "booking"
seed = 7
timeout_ms = 100
[setup]
wanda = ["book 'Meeting Room A' mon 10:00-11:00"]
[clients]
wanda = ["monitor 'Meeting Room A' --for 1s", "cancel CONF000001"]
[load.user]
count = 3
requests = 20
think_ms = { uniform = [0, 30] }
mix = { query = 2, book = 6, change = 2, extend = 1, cancel = 3 }
[network]
delay_ms = { exponential = { mean = 6, max = 60 } }
loss = 0.1
duplication = 0.1
[[fault]]
partition = { between = ["user1", "server"], at_ms = 200, for_ms = 300 }
[variants]
maybe = { semantics = "maybe" }
at-least-once = { semantics = "at-least-once" }
at-most-once = { semantics = "at-most-once" }
[expect.at-most-once]
final = { "query 'Meeting Room A' all" = "?" }
"#;

/// The digests of the reference at these seeds: FNV-1a of trace and history of every variant.
///
/// They are the same in every build: debug, release, any machine. A change that is meant to change
/// traces (their text, the order of draws, the load) changes them: run
/// `cargo test --test determinism pinned -- --nocapture`, read the line `digests`, and say in the
/// change log that traces have changed.
const PINNED: [(u64, u64); 3] = [
    (1, 2_404_562_771_373_270_712),
    (7, 8_814_311_581_283_688_283),
    (u64::MAX, 13_303_484_083_075_982_915),
];

/// What the line begins with in which a process says its digests.
const DIGESTS: &str = "digests of the reference: ";

fn scenario(text: &str) -> Scenario {
    Scenario::parse("reference.toml", text, &catalogue()).unwrap_or_else(|error| panic!("{error}"))
}

/// Everything that can be read of the reference under a seed.
fn tell(seed: u64) -> String {
    let scenario = scenario(REFERENCE);
    let mut told = String::new();
    for variant in &scenario.variants {
        let report = report::run(variant, Seed(seed), Backend::Event, Detail::Trace);
        let report = report.expect("the setup succeeds");
        told += &text::write(&report.trace(&scenario, variant, Seed(seed)));
        let words = Words(Arc::clone(&variant.application));
        let names = Names(&report.run.names);
        told += &json::write(&json::records(&report.run.history.entries(), names, &words));
    }
    told
}

fn digests() -> [(u64, u64); 3] {
    PINNED.map(|(seed, _)| (seed, fnv1a(tell(seed).as_bytes())))
}

#[test]
fn the_reference_has_its_pinned_digests_in_every_build() {
    let digests = digests();
    println!("{DIGESTS}{digests:?}");
    assert_eq!(digests, PINNED);
}

#[test]
fn fresh_processes_tell_the_same_story() {
    let here = format!("{:?}", digests());
    for _ in 0..2 {
        let child = Command::new(current_exe().expect("a test has an executable"))
            .args([
                "--exact",
                "the_reference_has_its_pinned_digests_in_every_build",
            ])
            .arg("--nocapture")
            .output()
            .expect("a fresh process of this test");
        let said = String::from_utf8_lossy(&child.stdout);
        let there = said
            .split(DIGESTS)
            .nth(1)
            .and_then(|rest| rest.lines().next());
        assert_eq!(there, Some(here.as_str()), "{said}");
    }
}

#[test]
fn the_same_process_tells_the_same_story_again() {
    for seed in [1, 7] {
        let (first, second) = (tell(seed), tell(seed));
        for (line, (first, second)) in first.lines().zip(second.lines()).enumerate() {
            assert_eq!(first, second, "seed {seed}, line {}", line + 1);
        }
        assert!(first == second, "seed {seed}: one is longer");
    }
}

#[test]
fn threads_side_by_side_tell_the_same_story() {
    let here = digests();
    let threads: Vec<_> = (0..4).map(|_| thread::spawn(digests)).collect();
    for there in threads {
        assert_eq!(there.join().unwrap(), here);
    }
}

#[test]
fn another_seed_tells_another_story() {
    assert_ne!(tell(1), tell(2));
}

/// A datagram as its sender labels it: whence, whither, what, of which operation, which send.
type Labelled = (HostId, HostId, Kind, OperationId, u32);

/// The fate of every labelled datagram of a run.
fn fates(lines: &[Line]) -> BTreeMap<Labelled, Fate> {
    let mut sends = BTreeMap::new();
    let mut fates = BTreeMap::new();
    for line in lines {
        if let Event::Send {
            to,
            label: Some(label),
            fate,
            ..
        } = &line.event
        {
            let key = (line.host, *to, label.kind, label.operation);
            let nth = sends
                .entry(key)
                .and_modify(|sends| *sends += 1)
                .or_insert(1_u32);
            fates.insert((key.0, key.1, key.2, key.3, *nth), *fate);
        }
    }
    fates
}

fn fates_of(scenario: &Scenario, variant: &str, seed: u64) -> BTreeMap<Labelled, Fate> {
    let variant = scenario.variant(variant).expect("a variant of the storm");
    let report = report::run(variant, Seed(seed), Backend::Event, Detail::Trace);
    fates(&report.expect("there is no setup").run.lines)
}

/// How many datagrams both runs sent; each has the same fate in both.
fn shared(some: &BTreeMap<Labelled, Fate>, others: &BTreeMap<Labelled, Fate>, seed: u64) -> usize {
    let both = some
        .iter()
        .filter_map(|(label, fate)| Some((label, fate, others.get(label)?)));
    both.inspect(|(label, one, other)| assert_eq!(one, other, "seed {seed}: {label:?}"))
        .count()
}

/// Random conditions only: partitions strike by time, and times differ between runs.
fn storm(clients: u32) -> Scenario {
    scenario(&format!(
        r#"
story = "Bookings in a storm."
service = "booking"
seed = 7
timeout_ms = 50
[load.user]
count = {clients}
requests = 15
think_ms = {{ uniform = [0, 30] }}
mix = {{ query = 2, book = 6, change = 2, extend = 1, cancel = 3 }}
[network]
delay_ms = {{ uniform = [1, 20] }}
loss = 0.15
duplication = 0.15
[variants]
maybe = {{ semantics = "maybe" }}
at-least-once = {{ semantics = "at-least-once" }}
at-most-once = {{ semantics = "at-most-once" }}
"#
    ))
}

#[test]
fn variants_under_one_seed_meet_the_same_storm() {
    let storm = storm(3);
    for seed in 0..50 {
        let [maybe, at_least_once, at_most_once] = ["maybe", "at-least-once", "at-most-once"]
            .map(|variant| fates_of(&storm, variant, seed));
        // Every first request, and most replies to them.
        assert!(shared(&maybe, &at_least_once, seed) > 70);
        assert!(shared(&maybe, &at_most_once, seed) > 70);
        let retransmissions = |fates: &BTreeMap<Labelled, Fate>| {
            let again = |(_, _, kind, _, nth): &&Labelled| *kind == Kind::Request && *nth > 1;
            fates.keys().filter(again).count()
        };
        assert!(retransmissions(&at_least_once) > 5);
        assert!(shared(&at_least_once, &at_most_once, seed) > 90);
    }
}

#[test]
fn one_client_more_changes_the_fate_of_nobody_else_s_datagram() {
    let (three, four) = (storm(3), storm(4));
    for seed in 0..50 {
        let [three, four] = [&three, &four].map(|storm| fates_of(storm, "at-least-once", seed));
        let of_three = shared(&three, &four, seed);
        assert!(of_three > 90, "{of_three} of {}", three.len());
        assert!(four.len() > three.len() + 20);
    }
}
