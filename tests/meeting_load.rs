//! Generated load on a meeting scheduler whose servers crash: what it promises, and what catches its mistakes.
//!
//! The storm is `tests/load/meeting.toml`. To read the price of a lost message:
//! `cargo run --release -- compare tests/load/meeting.toml --seeds 0..500`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use wavetank::check::Check;
use wavetank::history::{HistoryEvent, Outcome, Told};
use wavetank::rpc::message::Message;
use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::services::meeting::message::{PeerBody, PeerMessage, Refusal, Reply};
use wavetank::sim::compare::{Statistics, over};
use wavetank::sim::report::{self, Report};
use wavetank::sim::scenario::{Backend, Expected, Scenario};
use wavetank::trace::{Detail, Event, text};

const SEEDS: u64 = 100;

/// What must happen in the storm, and how often at least in 100 runs, so that it is one: it is a hundred times
/// in the ten thousand runs of `.ci/run`.
const AT_LEAST: [(&str, u64); 15] = [
    ("datagram lost", 5_000),
    ("datagram duplicated", 5_000),
    ("partition", 500),
    ("host down", 500),
    ("crash", 400),
    ("restart", 400),
    ("crash inside a disk operation", 100),
    ("sectors lost", 10),
    ("sectors torn", 50),
    ("segment late", 500),
    ("found after a crash", 50),
    ("part held", 2_000),
    ("transaction committed", 700),
    ("transaction aborted", 700),
    ("filter: duplicate: stored reply sent", 20),
];

/// What clients must be told, and servers say, and how often at least in 100 runs: a scheduler that answers
/// everybody with "I do not know" is never wrong.
const REACHED_AT_LEAST: [(&str, u64); 7] = [
    (REGISTERED, 700),
    (NOT_FREE, 500),
    (NO_ANSWER, 20),
    (WHOLE, 1_000),
    (INCOMPLETE, 20),
    (TIMES_IN_PIECES, 1_000),
    (NAMES_IN_PIECES, 100),
];

const REGISTERED: &str = "registered";
const NOT_FREE: &str = "refused, somebody is not free";
const NO_ANSWER: &str = "refused, a server does not answer";
const WHOLE: &str = "answer about all";
const INCOMPLETE: &str = "incomplete answer";
const TIMES_IN_PIECES: &str = "second piece of times";
const NAMES_IN_PIECES: &str = "second piece of names";

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
    let counts = statistics.coverage.counts();
    for (what, at_least) in AT_LEAST {
        let found = counts.iter().find(|(name, _)| name == what);
        let found = found.unwrap_or_else(|| panic!("nothing counts {what}")).1;
        assert!(found >= at_least, "{what} {found} times");
    }
}

/// Adds up what clients were told in a run, and which pieces servers sent.
fn add_reached(report: &Report, reached: &mut BTreeMap<&str, u64>) {
    let told = report.run.history.entries().into_iter();
    let told = told.filter_map(|entry| match entry.event {
        HistoryEvent::Complete(Outcome {
            told: Told::Reply(reply),
            ..
        }) => Some(Reply::decode(&reply).expect("a client understands what it is told")),
        _ => None,
    });
    let told = told.filter_map(|reply| match reply {
        Reply::Free(answer) if answer.missing.is_empty() => Some(WHOLE),
        Reply::Free(_) => Some(INCOMPLETE),
        Reply::Registered(_) => Some(REGISTERED),
        Reply::Refused(Refusal::NotFree(_)) => Some(NOT_FREE),
        Reply::Refused(Refusal::Unavailable(_)) => Some(NO_ANSWER),
        Reply::Refused(_) => None,
    });
    let sent = report
        .run
        .lines
        .iter()
        .filter_map(|line| match &line.event {
            Event::Send { datagram, .. } => match Message::decode(datagram) {
                Ok(Message::Peer { body, .. }) => PeerMessage::decode(body).ok(),
                _ => None,
            },
            _ => None,
        });
    let sent = sent.filter_map(|message| match message.body {
        PeerBody::Times { piece, .. } if piece.number == 1 => Some(TIMES_IN_PIECES),
        PeerBody::Names { piece, .. } if piece.number == 1 => Some(NAMES_IN_PIECES),
        _ => None,
    });
    for what in told.chain(sent) {
        *reached.entry(what).or_default() += 1;
    }
}

#[test]
fn most_requests_are_done_and_when_all_is_quiet_every_one() {
    let variant = STORM.variant("full").expect("the storm has it");
    let mut reached = BTreeMap::new();
    for seed in 0..SEEDS {
        let report = report::run(variant, Seed(seed), Backend::Event, Detail::Trace);
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        add_reached(&report, &mut reached);
        let calls = &report.run.fresh_calls;
        let began_with = |number: usize, begins: &[&str]| {
            let told = &calls[number].told;
            assert!(
                begins.iter().any(|it| told.starts_with(it)),
                "seed {seed}: {told}"
            );
        };
        assert_eq!(calls.len(), 3, "seed {seed}");
        began_with(0, &["Available time slots: "]);
        began_with(1, &["Registered [58,60]", "not free: "]);
        began_with(2, &["Available time slots: "]);
    }
    for (what, at_least) in REACHED_AT_LEAST {
        let found = reached.get(what).copied().unwrap_or_default();
        assert!(found >= at_least, "{what} {found} times: {reached:?}");
    }
}

#[test]
fn each_protection_that_is_left_out_is_found_out() {
    for variant in ["not-logged", "not-durable", "holds-expire", "counted"] {
        let statistics = storm(variant, 20);
        for check in [Check::Linearizable, Check::Atomicity] {
            assert!(
                violated(&statistics, check) > 0,
                "{variant}: {}",
                check.name()
            );
        }
    }
}

#[test]
fn at_least_once_tells_some_that_their_own_time_is_not_free() {
    let statistics = storm("at-least-once", 20);
    assert!(violated(&statistics, Check::Executions) > 10);
    assert!(violated(&statistics, Check::Linearizable) > 0);
    assert_eq!(violated(&statistics, Check::Atomicity), 0);
}

#[test]
fn each_variant_says_what_is_expected_of_it() {
    for variant in &STORM.variants {
        let is_full = variant.name == "full";
        let expected = |check| variant.expect.checks.iter().find(|(it, _)| *it == check);
        let of_all = expected(Check::Linearizable).map(|(_, expected)| *expected);
        let wanted = [Expected::Violated, Expected::Valid][usize::from(is_full)];
        assert_eq!(of_all, Some(wanted), "{}", variant.name);
    }
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
