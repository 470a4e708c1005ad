//! A server is crashed at every operation on its disk, and hosts at every event of a trace.
//!
//! Two clients book, move and cancel on a network with some loss. The run is repeated once for each
//! moment at which somebody can crash; each time the server comes back after 50 ms, and the clients
//! send again. What was acknowledged must be there in the end, and nothing may have run twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use wavetank::check::Verdict;
use wavetank::disk::DiskFate;
use wavetank::history::OutcomeKind;
use wavetank::id::HostId;
use wavetank::net::conditions::Fault;
use wavetank::net::faults::{Chosen, Crash, Trigger, When};
use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::sim::report::{self, Report};
use wavetank::sim::scenario::{Backend, Check, Scenario, Variant};
use wavetank::trace::{Detail, Event, text};

const SERVER: HostId = HostId(0);
const SEED: Seed = Seed(7);

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

    /// What is wrong with a run in which this happens.
    fn complaint(&self, fault: &Fault) -> Option<Complaint> {
        let report = self.run(std::slice::from_ref(fault), Backend::Event);
        if !report.run.idle_faults.is_empty() {
            eprintln!("idle {fault:?}");
        }
        let violated = |check| {
            let (_, verdict) = report
                .verdicts
                .iter()
                .find(|(judged, _)| *judged == check)?;
            (*verdict != Verdict::Valid).then(|| format!("{fault:?}: {verdict}"))
        };
        let unknown = report.run.lines.iter().any(|line| {
            matches!(&line.event, Event::Outcome { outcome, .. } if outcome.kind == OutcomeKind::Unknown)
        });
        Some(Complaint {
            executions: violated(Check::Executions),
            effects: violated(Check::Effects),
            unknown: unknown.then(|| format!("{fault:?}")),
        })
    }

    fn judge(&self, faults: &[Fault]) -> Judged {
        let complaints: Vec<_> = faults
            .par_iter()
            .filter_map(|fault| self.complaint(fault))
            .collect();
        let all = |of: fn(&Complaint) -> &Option<String>| {
            complaints.iter().filter_map(|c| of(c).clone()).collect()
        };
        Judged {
            executions: all(|c| &c.executions),
            effects: all(|c| &c.effects),
            unknown: all(|c| &c.unknown),
        }
    }

    /// Every operation on the server's disk, as a moment to crash with this fate of the disk.
    fn disk_operations(&self, disk: DiskFate) -> Vec<Fault> {
        let crash = |nth| crash(SERVER, When::At(Chosen::Fixed(0)), Some(nth), disk);
        let is_idle = |nth| {
            !self
                .run(&[crash(nth)], Backend::Event)
                .run
                .idle_faults
                .is_empty()
        };
        let mut bounds = (0, 4_096);
        assert!(
            is_idle(bounds.1),
            "more operations than this test looks for"
        );
        while bounds.1 - bounds.0 > 1 {
            let middle = u64::midpoint(bounds.0, bounds.1);
            if is_idle(middle) {
                bounds.1 = middle;
            } else {
                bounds.0 = middle;
            }
        }
        (1..=bounds.0).map(crash).collect()
    }

    /// Every event of the undisturbed run that is about an operation, as a moment to crash for whoever
    /// `who` names; told the host of the event and the operation's client.
    fn events(&self, who: impl Fn(HostId, HostId) -> Option<HostId>) -> Vec<Fault> {
        let undisturbed = self.run(&[], Backend::Event);
        let mut seen = BTreeMap::new();
        let mut faults = Vec::new();
        for line in &undisturbed.run.lines {
            let Some(operation) = line
                .event
                .operation()
                .filter(|operation| operation.number > 0)
            else {
                continue;
            };
            let word = line.event.word();
            let nth: &mut u32 = seen.entry((word, operation)).or_default();
            *nth += 1;
            let trigger = Trigger {
                word,
                operation,
                nth: *nth,
            };
            if let Some(host) = who(line.host, operation.client) {
                faults.push(crash(host, When::After(trigger), None, DiskFate::Lose));
            }
        }
        faults
    }
}

/// What may be wrong with a run.
struct Complaint {
    executions: Option<String>,
    effects: Option<String>,
    unknown: Option<String>,
}

/// What was wrong with many.
struct Judged {
    executions: Vec<String>,
    effects: Vec<String>,
    unknown: Vec<String>,
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

const FATES: [DiskFate; 3] = [DiskFate::Keep, DiskFate::Lose, DiskFate::Tear];

#[test]
fn measure() {
    for variant in ["durable", "epoch", "memory"] {
        let tank = Tank::of(variant);
        let started = std::time::Instant::now();
        let mut all: Vec<(String, Vec<Fault>)> = FATES
            .iter()
            .map(|f| (format!("{f:?}"), tank.disk_operations(*f)))
            .collect();
        all.push(("events".into(), tank.events(|_, _| Some(SERVER))));
        all.push((
            "client".into(),
            tank.events(|on, client| (on == client).then_some(client)),
        ));
        for (name, faults) in all {
            let judged = tank.judge(&faults);
            eprintln!(
                "{variant} {name}: {} faults, {} executions {} effects {} unknown, {:?}",
                faults.len(),
                judged.executions.len(),
                judged.effects.len(),
                judged.unknown.len(),
                started.elapsed()
            );
            if variant == "durable" {
                eprintln!(
                    "{:?} {:?}",
                    judged.executions.first(),
                    judged.effects.first()
                );
            }
        }
    }
    let tank = Tank::of("durable");
    eprintln!(
        "{}",
        tank.trace(
            &tank.disk_operations(DiskFate::Tear)[40..41],
            Backend::Event
        )
    );
}
