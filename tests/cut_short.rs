//! What is cut short: steps of a server by a crash upon their own first event, and calls of a fresh client
//! by their bound.
//!
//! A step is durable before anything of it is seen, so all of it is on the disk when its first event is
//! recorded. If the host dies of that event, the others are recorded as soon as the disk shows them.

#[path = "cut_short/turnstile.rs"]
mod turnstile;

use std::sync::Arc;

use wavetank::check::{Verdict, executions};
use wavetank::history::OutcomeKind;
use wavetank::id::{HostId, OperationId};
use wavetank::seed::Seed;
use wavetank::sim::report::{self, Report};
use wavetank::sim::scenario::{Backend, Check, Scenario, Variant};
use wavetank::trace::{Detail, Event, Line, Names, text as trace_text};

use turnstile::TurnstileApplication;

const SEED: Seed = Seed(7);

/// Alice holds the lock, bob waits for it; alice's release gives it to him. The server dies of the
/// event that says that her release was executed.
const HANDED_OVER: &str = r#"
story = "A release hands the lock over, and the server dies as it says so."
service = "turnstile"
seed = 7
timeout_ms = 500
attempts = 5
max_virtual_s = 30
checks = ["executions", "linearizable"]
[clients]
alice = ["acquire", "wait 100ms", "release"]
bob = ["wait 50ms", "acquire", "release"]
[network]
delay_ms = { fixed = 5 }
[[fault]]
crash = { host = "server", after = "execute alice#2", restart_after_ms = 50, disk = "keep" }
"#;

const DURABLE: &str = "state = \"disk\"\nreply_cache = \"durable\"\n";
const IN_MEMORY: &str = "state = \"memory\"\nreply_cache = \"memory\"\n";

fn scenario(head: &str, text: &str) -> (Scenario, Arc<Variant>) {
    let text = format!("{head}{text}");
    let scenario = Scenario::parse("x.toml", &text, &[Arc::new(TurnstileApplication)]);
    let scenario = scenario.unwrap_or_else(|mistake| panic!("{mistake}"));
    let variant = scenario.variants[0].clone();
    (scenario, variant)
}

/// What happens, which is the same on both simulators and with every detail.
fn report(head: &str, text: &str) -> Report {
    let (scenario, variant) = scenario(head, text);
    let [event, turmoil] = Backend::ALL.map(|backend| {
        let report = report::run(&variant, SEED, backend, Detail::Trace).expect("no setup");
        let trace = trace_text::write(&report.trace(&scenario, &variant, SEED));
        (report, trace)
    });
    assert_eq!(event.1, turmoil.1, "event, turmoil");
    let counted = report::run(&variant, SEED, Backend::Event, Detail::Counts).expect("no setup");
    for (check, verdict) in &counted.verdicts {
        let kept = verdict_of(&event.0, *check);
        assert_eq!(
            verdict.name(),
            kept.name(),
            "{check:?} of what was not kept"
        );
    }
    event.0
}

fn verdict_of(report: &Report, asked: Check) -> &Verdict {
    let found = report.verdicts.iter().find(|(check, _)| *check == asked);
    &found.expect("it is made").1
}

fn assert_valid(report: &Report) {
    for (check, verdict) in &report.verdicts {
        assert_eq!(*verdict, Verdict::Valid, "{check:?}");
    }
}

/// The server's events that say what is on its disk, its crashes and its restarts: when, and which. What
/// was recovered is starred.
fn of_server(report: &Report) -> Vec<String> {
    let names = ["server", "alice", "bob"];
    let name = |operation: &OperationId| {
        let client = names[operation.client.index()];
        format!("{client}#{}", operation.number)
    };
    let in_words = |line: &Line| {
        let star = |recovered: bool| if recovered { "*" } else { "" };
        let what = match &line.event {
            Event::Execute {
                operation,
                recovered,
                ..
            } => format!("{}{}", name(operation), star(*recovered)),
            Event::Complete {
                operation,
                recovered,
                ..
            } => format!("{}{}", name(operation), star(*recovered)),
            Event::Lock(step) => format!("{} token {}", name(&step.operation), step.token),
            Event::Crash { .. } | Event::Restart { .. } => String::new(),
            _ => return None,
        };
        let text = format!("{} {} {what}", line.at, line.event.word());
        Some(text.trim_end().to_owned())
    };
    let lines = report.run.lines.iter();
    let lines = lines.filter(|line| line.host == HostId(0));
    lines.filter_map(in_words).collect()
}

fn outcomes(report: &Report) -> Vec<OutcomeKind> {
    let lines = report.run.lines.iter();
    let kinds = lines.filter_map(|line| match &line.event {
        Event::Outcome { outcome, .. } => Some(outcome.kind),
        _ => None,
    });
    kinds.collect()
}

#[test]
fn a_waiter_that_a_release_has_served_is_served_though_the_server_dies_as_it_says_so() {
    for fate in ["keep", "lose", "tear"] {
        let text = HANDED_OVER.replace("disk = \"keep\"", &format!("disk = \"{fate}\""));
        let report = report(DURABLE, &text);
        assert_eq!(outcomes(&report), [OutcomeKind::Ok; 4], "{fate}");
        assert_valid(&report);
        let (scenario, variant) = scenario(DURABLE, &text);
        let trace = report.trace(&scenario, &variant, SEED);
        let (executed, told) = executions::from_trace(&trace);
        let names = Names(&trace.header.hosts);
        assert_eq!(executions::judge(&executed, &told, names), Verdict::Valid);
        let lines = of_server(&report);
        assert_eq!(
            lines[..8],
            [
                "15 execute alice#1",
                "15 grant alice#1 token 1",
                "65 execute bob#1",
                "125 execute alice#2",
                "125 crash",
                "175 restart",
                "175 grant bob#1 token 2",
                "175 complete bob#1*",
            ],
            "{fate}"
        );
        assert_eq!(lines.len(), 9, "bob's release follows: {lines:#?}");
    }
}

#[test]
fn what_a_step_did_is_told_in_several_lives_if_each_dies_of_it() {
    let again = "[[fault]]\ncrash = { host = \"server\", after = \"grant bob#1\", \
                 restart_after_ms = 20, disk = \"tear\" }\n";
    let report = report(DURABLE, &format!("{HANDED_OVER}{again}"));
    assert_valid(&report);
    let lines = of_server(&report);
    assert_eq!(
        lines[4..10],
        [
            "125 crash",
            "175 restart",
            "175 grant bob#1 token 2",
            "175 crash",
            "195 restart",
            "195 complete bob#1*",
        ]
    );
}

#[test]
fn what_the_disk_has_lied_about_is_not_told() {
    let text = HANDED_OVER.replace("disk = \"keep\"", "disk = \"lie\"");
    let report = report(DURABLE, &text);
    let lines = of_server(&report);
    let is_of_the_step = |line: &&String| line.contains('*') || line.starts_with("175 ");
    let told: Vec<_> = lines.iter().filter(is_of_the_step).collect();
    assert_eq!(told, ["175 restart"], "{lines:#?}");
}

#[test]
fn what_a_life_does_after_its_end_is_not_told_though_the_disk_looks_like_it() {
    let text = HANDED_OVER
        .replace(
            "[\"acquire\", \"wait 100ms\", \"release\"]",
            "[\"acquire\", \"touch\"]",
        )
        .replace("[\"wait 50ms\", \"acquire\", \"release\"]", "[]")
        .replace("[\"executions\", \"linearizable\"]", "[\"executions\"]")
        .replace("execute alice#2", "receive alice#2");
    let report = report("state = \"disk\"\nreply_cache = \"memory\"\n", &text);
    assert_valid(&report);
    assert_eq!(
        of_server(&report),
        [
            "5 execute alice#1",
            "5 grant alice#1 token 1",
            "15 crash",
            "65 restart",
            "515 execute alice#2",
        ]
    );
}

#[test]
fn of_a_step_that_stored_nothing_nothing_is_left_to_be_told() {
    let text = HANDED_OVER
        .replace(
            "[\"acquire\", \"wait 100ms\", \"release\"]",
            "[\"wait 100ms\", \"wake\", \"wake\"]",
        )
        .replace("[\"wait 50ms\", \"acquire\", \"release\"]", "[\"sleep\"]")
        .replace("[\"executions\", \"linearizable\"]", "[\"effects\"]")
        .replace("execute alice#2", "execute alice#1");
    let report = report("state = \"disk\"\nreply_cache = \"memory\"\n", &text);
    assert_eq!(
        of_server(&report)[..6],
        [
            "5 execute bob#1",
            "105 execute alice#1",
            "105 crash",
            "155 restart",
            "505 execute bob#1",
            "605 execute alice#1",
        ]
    );
}

#[test]
fn of_a_server_without_a_disk_nothing_is_told() {
    let report = report(IN_MEMORY, HANDED_OVER);
    let lines = of_server(&report);
    let after = lines.iter().position(|line| line.ends_with("restart"));
    let after = &lines[after.expect("it comes back") + 1..];
    assert!(!after.iter().any(|line| line.contains('*')), "{lines:#?}");
    // Bob's request is new to the next life, which knows of no holder.
    assert_eq!(after[0].split_once(' ').expect("a time").1, "execute bob#1");
}

#[test]
fn a_call_of_a_fresh_client_that_is_never_answered_ends_at_the_bound() {
    let text = r#"
story = "One call is never answered."
service = "turnstile"
seed = 7
max_virtual_s = 30
[clients]
alice = []
[liveness]
calls = ["sleep", "acquire", "release"]
within_ms = 2500
"#;
    let report = report(IN_MEMORY, text);
    assert_eq!(report.run.unfinished, None);
    let calls = report.run.fresh_calls.iter();
    let took: Vec<_> = calls
        .map(|call| (call.is_answered, call.took.as_millis()))
        .collect();
    assert_eq!(took.len(), 3, "the client goes on: {took:?}");
    assert_eq!(took[0], (false, 2_501));
    assert!(took[1..].iter().all(|(is_answered, _)| *is_answered));
    assert_eq!(
        verdict_of(&report, Check::Liveness).to_string(),
        "violated  a fresh client's `sleep` was not answered: no answer after 2500 ms (gave up after \
         2501 ms)"
    );
}
