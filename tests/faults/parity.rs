//! Random faults of hosts under generated load: both simulators tell the same story, to the byte.

use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use wavetank::disk::DiskFate;
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::Fault;
use wavetank::net::faults::{Chosen, Crash, Pause, Skew, Trigger, When};
use wavetank::rpc::Semantics;
use wavetank::seed::{Seed, Stream};
use wavetank::services::catalogue;
use wavetank::sim::scenario::{Backend, Scenario, Variant};
use wavetank::trace::Detail;

use crate::told::{Told, tell_on_both};

const SEEDS: u64 = 200;

/// Clients of each run: one with a script, and those that are generated.
const CLIENTS: u32 = 4;

/// Datagrams often share a millisecond and are often sent again; the host of wanda pauses by itself.
fn storm(seed: u64) -> String {
    let semantics = Semantics::ALL[seed as usize % 3].name();
    let wire = ["v1", "v2"][seed as usize / 3 % 2];
    let wanda = match seed % 4 {
        0 => "monitor 'Meeting Room A' --for 1s",
        _ => "query 'Meeting Room A' all",
    };
    format!(
        r#"
story = "Bookings on hosts that fail."
service = "booking"
seed = 7
semantics = "{semantics}"
wire = "{wire}"
timeout_ms = 40
attempts = 3
max_virtual_s = 3
[setup]
wanda = ["book 'Meeting Room A' mon 10:00-11:00"]
[clients]
wanda = ["{wanda}", "pause 25ms", "cancel CONF000001", "wait 5ms", "query 'Meeting Room A' all"]
[load.user]
count = 3
requests = 8
think_ms = {{ uniform = [0, 10] }}
mix = {{ query = 2, book = 6, change = 2, cancel = 3 }}
[network]
delay_ms = {{ uniform = [1, 5] }}
loss = 0.1
duplication = 0.15
[[fault]]
partition = {{ between = ["user1", "server"], at_ms = 30, for_ms = 40 }}
[expect.default]
final = {{ "query 'Meeting Room A' all" = "?" }}
"#
    )
}

fn time(chance: &mut Stream) -> Chosen {
    match chance.below(2) {
        0 => Chosen::Fixed(chance.below(200).into()),
        _ => Chosen::Uniform { min: 0, max: 200 },
    }
}

/// The server, as often as all clients together.
fn host(chance: &mut Stream) -> HostId {
    match chance.below(2) {
        0 => HostId(0),
        _ => HostId(1 + chance.below(CLIENTS) as u16),
    }
}

fn trigger(chance: &mut Stream) -> Trigger {
    const WORDS: [&str; 8] = [
        "send",
        "receive",
        "execute",
        "reply",
        "outcome",
        "filter",
        "lost",
        "retransmit",
    ];
    let client = HostId(1 + chance.below(CLIENTS) as u16);
    Trigger {
        word: WORDS[chance.below(8) as usize],
        operation: OperationId {
            client,
            number: 1 + chance.below(3),
        },
        nth: 1 + chance.below(2),
    }
}

fn ms(chance: &mut Stream, bound: u32) -> Duration {
    Duration::from_millis(chance.below(bound).into())
}

fn fault(chance: &mut Stream) -> Fault {
    match chance.below(6) {
        0 => Fault::Pause(Pause {
            host: host(chance),
            at: time(chance),
            span: ms(chance, 80),
        }),
        1 => Fault::Skew(Skew {
            host: host(chance),
            offset_ms: i64::from(chance.below(600)) - 300,
            rate_ppm: 700_000 + chance.below(600_000),
        }),
        kind => Fault::Crash(Crash {
            host: host(chance),
            when: if kind < 4 {
                When::At(time(chance))
            } else {
                When::After(trigger(chance))
            },
            disk_operation: None,
            restart_after: (chance.below(5) > 0).then(|| ms(chance, 60)),
            disk: DiskFate::Keep,
        }),
    }
}

fn variant(scenario: &Scenario, seed: u64) -> Arc<Variant> {
    let mut chance = Seed(seed).stream("faults of the test");
    let mut variant = Variant::clone(&scenario.variants[0]);
    for _ in 0..1 + chance.below(6) {
        variant.conditions.faults.push(fault(&mut chance));
    }
    Arc::new(variant)
}

fn story(seed: u64) -> Result<Told, String> {
    let scenario = Scenario::parse("storm.toml", &storm(seed), &catalogue())
        .unwrap_or_else(|error| panic!("{error}"));
    tell_on_both(&scenario, &variant(&scenario, seed), seed)
}

#[test]
fn both_simulators_tell_the_same_story_whatever_hosts_fail() {
    let told: Result<Vec<Told>, String> = (0..SEEDS).into_par_iter().map(story).collect();
    let told = told.unwrap_or_else(|difference| panic!("the simulators differ at {difference}"));
    the_storms_had_teeth(&told);
}

/// That two runs without faults agree would prove nothing here.
fn the_storms_had_teeth(told: &[Told]) {
    let runs_with = |text: &str| told.iter().filter(|told| told.trace.contains(text)).count();
    for (text, at_least) in [
        ("  crash       ", 100),
        ("  restart     ", 70),
        ("  pause       ", 60),
        ("  resume      ", 60),
        ("  skew        ", 40),
        (": host down", 30),
        ("unknown: the client crashed", 30),
        ("  partition   ", 100),
    ] {
        let runs = runs_with(text);
        assert!(runs > at_least, "only {runs} storms have `{text}`");
    }
    let unfinished = told.iter().filter(|told| told.unfinished.is_some()).count();
    assert!(
        unfinished < told.len() / 4,
        "{unfinished} storms had no end"
    );
    let idle = told.iter().filter(|told| !told.idle_faults.is_empty());
    assert!(
        idle.count() > 30,
        "faults whose time does not come are idle"
    );
}

#[test]
fn what_is_counted_and_told_to_clients_does_not_depend_on_what_is_kept() {
    for seed in 0..60 {
        let scenario = Scenario::parse("storm.toml", &storm(seed), &catalogue()).unwrap();
        let variant = variant(&scenario, seed);
        let [whole, checks, counts] = [Detail::Trace, Detail::Checks, Detail::Counts]
            .map(|detail| {
                wavetank::sim::simulation::run(&variant, Seed(seed), Backend::Event, detail)
            })
            .map(|run| run.expect("the setup succeeds"));
        for less in [checks, counts] {
            assert_eq!(whole.executed, less.executed, "seed {seed}");
            assert_eq!(whole.traffic, less.traffic, "seed {seed}");
            assert_eq!(whole.idle_faults, less.idle_faults, "seed {seed}");
            assert_eq!(
                whole.history.entries(),
                less.history.entries(),
                "seed {seed}"
            );
            assert_eq!(whole.coverage, less.coverage, "seed {seed}");
        }
    }
}
