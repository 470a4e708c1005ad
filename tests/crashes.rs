//! A server is crashed at every operation on its disk, and hosts at every event of a trace.
//!
//! Two clients book, move and cancel on a network with some loss. The run is repeated once for each
//! moment at which somebody can crash; each time the host comes back after 50 ms, and the clients
//! send again. What was acknowledged must be there in the end, and nothing may have run twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use wavetank::check::Verdict;
use wavetank::disk::DiskFate;
use wavetank::history::OutcomeKind;
use wavetank::id::HostId;
use wavetank::net::conditions::Fault;
use wavetank::net::faults::{Chosen, Crash, Trigger, When};
use wavetank::rpc::message::Message;
use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::sim::report::{self, Report};
use wavetank::sim::scenario::{Backend, Check, Scenario, Variant};
use wavetank::trace::{Detail, Event, Line, text};

const SERVER: HostId = HostId(0);
const SEED: Seed = Seed(7);

/// What may become of what a disk has not synced.
const FATES: [DiskFate; 3] = [DiskFate::Keep, DiskFate::Lose, DiskFate::Tear];

/// More operations on the disk than there are in any of these runs.
const OPERATIONS_MAX: u64 = 4_096;

/// Twenty requests. They collide on purpose, so that what was executed and in which order is seen in
/// replies and in the end.
const TWENTY_REQUESTS: &str = r#"
story = "Bookings on a server that crashes."
service = "booking"
seed = 7
semantics = "at-most-once"
state = "disk"
timeout_ms = 30
attempts = 12
max_virtual_s = 30
[clients]
alice = [
    "book A mon 10:00-11:00", "book A mon 12:00-13:00", "change CONF000001 +30m", "extend CONF000002 60m",
    "query A mon", "cancel CONF000001", "book A mon 10:00-12:00", "book A tue 09:00-10:00",
    "cancel CONF000002", "query A all",
]
bob = [
    "book A mon 10:30-11:30", "book A wed 10:00-11:00", "extend CONF000003 30m", "query A wed",
    "change CONF000003 -60m", "cancel CONF000003", "book A wed 09:00-12:00", "cancel CONF000004",
    "book A mon 12:30-14:00", "query A all",
]
[network]
delay_ms = { uniform = [1, 5] }
loss = 0.05
duplication = 0.1
[variants]
memory = { reply_cache = "memory" }
epoch = { reply_cache = "epoch" }
durable = { reply_cache = "durable" }
[expect.durable]
final = { "query A all" = "?" }
[expect.epoch]
final = { "query A all" = "?" }
[expect.memory]
final = { "query A all" = "?" }
"#;

/// A scenario of this file, and one variant of it.
struct Tank {
    scenario: Scenario,
    variant: Arc<Variant>,
}

impl Tank {
    fn of(variant: &str) -> Self {
        let text = TWENTY_REQUESTS.replace(" A ", " 'Meeting Room A' ");
        let scenario = Scenario::parse("crashes.toml", &text, &catalogue())
            .unwrap_or_else(|error| panic!("{error}"));
        let variant = scenario.variant(variant).expect("a variant").clone();
        Self { scenario, variant }
    }

    /// A run in which this happens.
    fn run(&self, faults: &[Fault], backend: Backend) -> Report {
        let mut variant = Variant::clone(&self.variant);
        variant.conditions.faults.extend_from_slice(faults);
        report::run(&Arc::new(variant), SEED, backend, Detail::Trace).expect("there is no setup")
    }

    fn trace(&self, faults: &[Fault], backend: Backend) -> String {
        let report = self.run(faults, backend);
        text::write(&report.trace(&self.scenario, &self.variant, SEED))
    }

    /// What is wrong with the runs in which one of these happens.
    fn judge(&self, moments: Vec<Vec<Fault>>) -> Judged {
        let runs = moments.len();
        let judge = |faults: Vec<Fault>| {
            let report = self.run(&faults, Backend::Event);
            let idle = &report.run.idle_faults;
            assert!(idle.is_empty(), "did not happen: {faults:?}");
            let verdict = |check| {
                let (_, verdict) = report
                    .verdicts
                    .iter()
                    .find(|(judged, _)| *judged == check)?;
                (*verdict != Verdict::Valid).then(|| format!("{faults:?}: {verdict}"))
            };
            let is_unknown = |line: &Line| matches!(&line.event, Event::Outcome { outcome, .. } if outcome.kind == OutcomeKind::Unknown);
            let unknown = report.run.lines.iter().any(is_unknown);
            let unknown = unknown.then(|| format!("{faults:?}"));
            [verdict(Check::Executions), verdict(Check::Effects), unknown]
        };
        let judged: Vec<_> = moments.into_par_iter().map(judge).collect();
        let [executions, effects, unknown] = [0, 1, 2].map(|place| {
            let of_place = judged.iter().filter_map(|of_run| of_run[place].clone());
            of_place.collect()
        });
        Judged {
            runs,
            executions,
            effects,
            unknown,
        }
    }

    /// A crash at every operation on the server's disk.
    fn disk_operations(&self, disk: DiskFate) -> Vec<Vec<Fault>> {
        self.while_struck(|nth| vec![in_disk_operation(0, nth, disk)])
    }

    /// A crash in the middle of the run, and one at every disk operation of the life after it, the first
    /// of which repair the disk.
    fn disk_operations_after(&self, first: Fault) -> Vec<Vec<Fault>> {
        let crash_of = |line: &&Line| matches!(line.event, Event::Crash { .. });
        let run = self.run(std::slice::from_ref(&first), Backend::Event).run;
        let at = run.lines.iter().find(crash_of).expect("it happens").at;
        let second = |nth| in_disk_operation(at.as_ms() + 1, nth, DiskFate::Tear);
        self.while_struck(|nth| vec![first.clone(), second(nth)])
    }

    /// The moments 1, 2, 3 and so on, up to the last that comes.
    fn while_struck(&self, moment: impl Fn(u64) -> Vec<Fault>) -> Vec<Vec<Fault>> {
        let comes = |nth| {
            let report = self.run(&moment(nth), Backend::Event);
            report.run.idle_faults.is_empty()
        };
        let (mut last, mut beyond) = (0, OPERATIONS_MAX);
        assert!(!comes(beyond), "more operations than this test looks for");
        while beyond - last > 1 {
            let middle = u64::midpoint(last, beyond);
            *(if comes(middle) {
                &mut last
            } else {
                &mut beyond
            }) = middle;
        }
        (1..=last).map(moment).collect()
    }

    /// A crash at every event of the undisturbed run that is about an operation: of the host that `who`
    /// makes of the event's host and the operation's client.
    fn events(&self, disk: DiskFate, who: fn(HostId, HostId) -> Option<HostId>) -> Vec<Vec<Fault>> {
        let undisturbed = self.run(&[], Backend::Event).run;
        let end = undisturbed.lines.last().expect("much happens").at;
        let mut seen: BTreeMap<_, u32> = BTreeMap::new();
        let mut moments = Vec::new();
        for Line {
            at,
            host: on,
            event,
        } in &undisturbed.lines
        {
            let (word, operation) = (event.word(), event.operation().expect("of a client"));
            let nth = seen.entry((word, operation)).or_default();
            *nth += 1;
            let trigger = Trigger {
                word,
                operation,
                nth: *nth,
            };
            // Another host would crash in the next ms, and the story is over in its last.
            let host = who(*on, operation.client).filter(|host| host == on || *at < end);
            let crash = host.map(|host| crash(host, When::After(trigger), None, disk));
            moments.extend(crash.map(|crash| vec![crash]));
        }
        moments
    }
}

/// What was wrong with many runs, each time with what had happened there.
struct Judged {
    runs: usize,
    executions: Vec<String>,
    effects: Vec<String>,
    /// Some call ended unknown.
    unknown: Vec<String>,
}

impl Judged {
    fn assert_valid(&self, at_least: usize) {
        let none: [String; 0] = [];
        assert!(self.runs >= at_least, "only {} moments", self.runs);
        assert_eq!(self.executions, none);
        assert_eq!(self.effects, none);
    }

    /// However the server crashes, every call is answered.
    fn assert_answered(&self, at_least: usize) {
        self.assert_valid(at_least);
        assert_eq!(self.unknown, [""; 0]);
    }
}

fn crash(host: HostId, when: When, disk_operation: Option<u64>, disk: DiskFate) -> Fault {
    Fault::Crash(Crash {
        host,
        when,
        disk_operation: disk_operation.map(Chosen::Fixed),
        restart_after: Some(Duration::from_millis(50)),
        disk,
    })
}

fn in_disk_operation(from_ms: u64, nth: u64, disk: DiskFate) -> Fault {
    crash(SERVER, When::At(Chosen::Fixed(from_ms)), Some(nth), disk)
}

const fn server(_on: HostId, _client: HostId) -> Option<HostId> {
    Some(SERVER)
}

fn client(on: HostId, client: HostId) -> Option<HostId> {
    (on == client).then_some(client)
}

#[test]
fn undisturbed_twenty_requests_are_executed_and_answered() {
    for variant in ["memory", "epoch", "durable"] {
        let tank = Tank::of(variant);
        assert_eq!(tank.run(&[], Backend::Event).run.executed.len(), 20);
        tank.judge(vec![Vec::new()]).assert_answered(1);
    }
}

#[test]
fn durable_loses_and_repeats_nothing_at_any_operation_of_its_disk() {
    let tank = Tank::of("durable");
    for fate in FATES {
        let moments = tank.disk_operations(fate);
        tank.judge(moments).assert_answered(120);
    }
}

#[test]
fn durable_loses_and_repeats_nothing_when_it_crashes_again_while_its_disk_is_repaired() {
    let tank = Tank::of("durable");
    for nth in [40, 41, 42, 43, 44] {
        let moments = tank.disk_operations_after(in_disk_operation(0, nth, DiskFate::Tear));
        let trace = tank.trace(&moments[0], Backend::Event);
        let is_back = trace.find("  restart  ").expect("it comes back");
        let next = trace[is_back..].lines().nth(1).expect("it crashes");
        assert!(next.contains("server  crash"), "not while it opens: {next}");
        let soon = moments.into_iter().take(24).collect();
        tank.judge(soon).assert_answered(24);
    }
}

#[test]
fn durable_loses_and_repeats_nothing_at_any_event() {
    let tank = Tank::of("durable");
    for fate in FATES {
        let moments = tank.events(fate, server);
        tank.judge(moments).assert_answered(120);
    }
}

#[test]
fn a_client_that_crashes_at_any_event_of_its_own_repeats_nothing() {
    for variant in ["memory", "epoch", "durable"] {
        let tank = Tank::of(variant);
        let moments = tank.events(DiskFate::Keep, client);
        let judged = tank.judge(moments);
        judged.assert_valid(40);
        assert!(!judged.unknown.is_empty(), "nobody was waiting");
    }
}

#[test]
fn epoch_repeats_nothing_and_does_not_always_know() {
    let tank = Tank::of("epoch");
    let at_operations = FATES
        .into_iter()
        .flat_map(|fate| tank.disk_operations(fate));
    let moments = at_operations.chain(tank.events(DiskFate::Lose, server));
    let judged = tank.judge(moments.collect());
    judged.assert_valid(300);
    assert!(judged.unknown.len() > 100, "{}", judged.unknown.len());
}

#[test]
fn no_life_of_an_epoch_server_gives_a_session_of_another() {
    let tank = Tank::of("epoch");
    let crashes = [60, 170, 280].map(|at| {
        let at = When::At(Chosen::Fixed(at));
        crash(SERVER, at, None, DiskFate::Keep)
    });
    let run = tank.run(&crashes, Backend::Event).run;
    let mut lives = vec![BTreeSet::new()];
    for line in &run.lines {
        match &line.event {
            Event::Crash { .. } => lives.push(BTreeSet::new()),
            Event::Send { datagram, .. } => {
                if let Ok(Message::Welcome { session, .. }) = Message::decode(datagram) {
                    lives.last_mut().expect("one at least").insert(session);
                }
            }
            _ => {}
        }
    }
    let given: usize = lives.iter().map(BTreeSet::len).sum();
    assert!(lives.len() == 4 && given >= 6, "{lives:?}");
    let different: BTreeSet<u64> = lives.iter().flatten().copied().collect();
    assert_eq!(different.len(), given, "{lives:?}");
}

#[test]
fn memory_is_caught_repeating() {
    let tank = Tank::of("memory");
    for moments in [
        tank.disk_operations(DiskFate::Tear),
        tank.events(DiskFate::Lose, server),
    ] {
        let judged = tank.judge(moments);
        assert!(judged.executions.len() > 40, "{}", judged.executions.len());
        assert!(judged.effects.len() > 40, "{}", judged.effects.len());
    }
}

#[test]
fn a_disk_that_lies_is_caught_losing_what_was_acknowledged() {
    let tank = Tank::of("durable");
    let moments = tank.events(DiskFate::Lie, server);
    let judged = tank.judge(moments);
    assert!(judged.effects.len() > 40, "{}", judged.effects.len());
}

#[test]
fn both_simulators_tell_the_same_story_of_a_crash() {
    let tank = Tank::of("durable");
    let moments = [
        tank.disk_operations(DiskFate::Tear),
        tank.disk_operations_after(in_disk_operation(0, 44, DiskFate::Lose)),
        tank.events(DiskFate::Lose, server),
        tank.events(DiskFate::Keep, client),
    ];
    for faults in moments.concat().iter().step_by(29) {
        let [ours, theirs] = Backend::ALL.map(|backend| tank.trace(faults, backend));
        assert!(ours.contains("  crash  "), "{ours}");
        assert_eq!(ours, theirs, "{faults:?}");
    }
}
