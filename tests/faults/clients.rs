//! What a fault of a host means to the clients of a scenario.

use std::sync::Arc;
use std::time::Duration;

use wavetank::disk::DiskFate;
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::{Fault, Selector, Target};
use wavetank::net::faults::{Chosen, Crash, Pause, Skew, Trigger, When};
use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Scenario, Variant};
use wavetank::trace::{Detail, text};

const SERVER: HostId = HostId(0);
const ALICE: HostId = HostId(1);

/// Alice asks three times, with 10 ms between; every datagram takes 2 ms.
const THREE_QUERIES: &str = r#"
story = "Alice asks three times."
service = "booking"
seed = 7
timeout_ms = 100
attempts = 2
[clients]
alice = ["query A mon", "wait 10ms", "query A tue", "wait 10ms", "query A wed"]
[network]
delay_ms = { fixed = 2 }
"#;

/// The trace of a scenario under these faults, without header, numbers and verdicts; it is the same
/// on both simulators.
fn trace(scenario: &str, faults: &[Fault]) -> Vec<String> {
    let [event, turmoil] = Backend::ALL.map(|backend| {
        let scenario = scenario.replace(" A ", " 'Meeting Room A' ");
        let scenario = Scenario::parse("it.toml", &scenario, &catalogue())
            .unwrap_or_else(|error| panic!("{error}"));
        let mut variant = Variant::clone(&scenario.variants[0]);
        variant.conditions.faults.extend_from_slice(faults);
        let variant = Arc::new(variant);
        let report = report::run(&variant, Seed(7), backend, Detail::Trace).unwrap();
        text::write(&report.trace(&scenario, &variant, Seed(7)))
    });
    assert_eq!(event, turmoil);
    let lines = event.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.map(|line| line.replace("'Meeting Room A'", "A"));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_numbered = words[0].parse::<u32>().is_ok();
            words[usize::from(is_numbered)..].join(" ")
        })
        .collect()
}

fn crash(host: HostId, when: When, restart_ms: Option<u64>) -> Fault {
    Fault::Crash(Crash {
        host,
        when,
        disk_operation: None,
        restart_after: restart_ms.map(Duration::from_millis),
        disk: DiskFate::Keep,
    })
}

const fn after(word: &'static str, number: u32) -> When {
    When::After(Trigger {
        word,
        operation: OperationId {
            client: ALICE,
            number,
        },
        nth: 1,
    })
}

fn of<'a>(lines: &'a [String], words: &[&str]) -> Vec<&'a str> {
    let has_word = |line: &&str| {
        let word = line.split(' ').nth(2);
        word.is_some_and(|word| words.contains(&word))
    };
    lines.iter().map(String::as_str).filter(has_word).collect()
}

#[test]
fn a_client_that_crashes_goes_on_with_its_next_operation() {
    // The request was sent and reached the server; nobody will take the reply.
    let lines = trace(THREE_QUERIES, &[crash(ALICE, after("send", 2), Some(20))]);
    assert_eq!(
        of(&lines, &["send", "crash", "restart", "outcome", "lost"]),
        [
            "0 alice send server alice#1 query A mon",
            "4 alice outcome alice#1 ok: mon 00:00-24:00",
            "14 alice send server alice#2 query A tue",
            "14 alice crash fault 1",
            "14 alice outcome alice#2 unknown: the client crashed",
            "18 alice lost server alice#2 reply: host down",
            "34 alice restart fault 1",
            "44 alice send server alice#3 query A wed",
            "48 alice outcome alice#3 ok: wed 00:00-24:00",
        ]
    );
}

#[test]
fn a_client_that_crashes_as_it_is_told_has_been_told() {
    let lines = trace(THREE_QUERIES, &[crash(ALICE, after("outcome", 1), Some(1))]);
    assert_eq!(
        of(&lines, &["crash", "restart", "outcome"]),
        [
            "4 alice outcome alice#1 ok: mon 00:00-24:00",
            "4 alice crash fault 1",
            "5 alice restart fault 1",
            "19 alice outcome alice#2 ok: tue 00:00-24:00",
            "33 alice outcome alice#3 ok: wed 00:00-24:00",
        ]
    );
}

#[test]
fn a_client_that_is_down_for_good_has_done_its_part() {
    let lines = trace(THREE_QUERIES, &[crash(ALICE, after("send", 2), None)]);
    assert_eq!(lines[lines.len() - 1], "effects valid");
    assert!(of(&lines, &["send"]).len() == 2, "{lines:#?}");
}

#[test]
fn a_server_that_crashes_after_an_execution_sends_no_reply() {
    let lines = trace(
        THREE_QUERIES,
        &[crash(SERVER, after("execute", 1), Some(50))],
    );
    assert_eq!(
        lines[..9],
        [
            "0 alice send server alice#1 query A mon",
            "2 server receive alice alice#1",
            "2 server execute alice#1 query A mon -> mon 00:00-24:00",
            "2 server crash fault 1",
            "52 server restart fault 1",
            "100 alice retransmit server alice#1 query A mon attempt 2 of 2",
            "102 server receive alice alice#1",
            "102 server execute alice#1 query A mon -> mon 00:00-24:00",
            "102 server reply alice alice#1 mon 00:00-24:00",
        ]
    );
}

#[test]
fn another_host_that_an_event_crashes_does_so_in_the_next_ms() {
    let lines = trace(THREE_QUERIES, &[crash(ALICE, after("execute", 1), Some(5))]);
    assert_eq!(
        of(&lines, &["crash", "execute"])[..2],
        [
            "2 server execute alice#1 query A mon -> mon 00:00-24:00",
            "3 alice crash fault 1",
        ]
    );
}

#[test]
fn the_last_commands_are_asked_of_a_server_that_is_down_for_good() {
    let scenario =
        format!("{THREE_QUERIES}[expect.default]\nfinal = {{ \"query A mon\" = \"?\" }}");
    let at = When::At(Chosen::Fixed(0));
    let lines = trace(&scenario, &[crash(SERVER, at, None)]);
    let told = lines.iter().find(|line| line.starts_with("in the end"));
    assert_eq!(
        told.unwrap(),
        "in the end query A mon -> no reply to 2 sends"
    );
    assert_eq!(of(&lines, &["lost"]).len(), 6, "{lines:#?}");
}

#[test]
fn the_story_lasts_until_who_is_to_come_back_is_back() {
    let at = When::At(Chosen::Fixed(20));
    let pause = Pause {
        host: SERVER,
        at: Chosen::Fixed(60),
        span: Duration::from_millis(400),
    };
    let late = crash(SERVER, When::At(Chosen::Fixed(2_000)), None);
    let faults = [crash(ALICE, at, Some(500)), Fault::Pause(pause), late];
    let lines = trace(THREE_QUERIES, &faults);
    assert_eq!(
        of(&lines, &["crash", "restart", "pause", "resume"]),
        [
            "20 alice crash fault 1",
            "60 server pause for 400 ms fault 2",
            "460 server resume fault 2",
            "520 alice restart fault 1",
        ]
    );
    assert_eq!(lines[lines.len() - 1], "faults idle fault 3 struck nothing");
}

#[test]
fn a_client_whose_script_pauses_hears_nothing_meanwhile() {
    let scenario = THREE_QUERIES.replacen("wait 10ms", "pause 50ms", 1);
    let lines = trace(&scenario, &[]);
    assert_eq!(
        of(&lines, &["pause", "resume", "send"]),
        [
            "0 alice send server alice#1 query A mon",
            "5 alice pause for 50 ms",
            "55 alice resume",
            "55 alice send server alice#2 query A tue",
            "69 alice send server alice#3 query A wed",
        ]
    );
}

#[test]
fn a_pause_of_a_life_that_ends_first_does_not_strike_the_next_life() {
    let scenario = THREE_QUERIES.replacen("wait 10ms", "pause 50ms", 1);
    // She hears the second reply in the ms of the first one, when her script has paused already.
    let operation = OperationId {
        client: ALICE,
        number: 1,
    };
    let target = Target {
        label: Selector::ReplyTo(operation),
        nth: 1,
    };
    let twice = Fault::Duplicate(target, Duration::ZERO);
    for (when, at) in [(after("ignore", 1), 4), (When::At(Chosen::Fixed(5)), 5)] {
        let faults = [twice.clone(), crash(ALICE, when, Some(1))];
        let lines = trace(&scenario, &faults);
        assert_eq!(
            of(&lines, &["pause", "resume", "crash", "restart", "send"])[1..4],
            [
                format!("{at} alice crash fault 2"),
                format!("{} alice restart fault 2", at + 1),
                format!("{} alice send server alice#2 query A tue", at + 1),
            ]
        );
    }
}

#[test]
fn a_crash_after_the_story_strikes_nothing_in_the_end() {
    let scenario =
        format!("{THREE_QUERIES}[expect.default]\nfinal = {{ \"query A mon\" = \"?\" }}");
    let story = trace(&scenario, &[]);
    assert_eq!(
        of(&story, &["outcome"])[2],
        "32 alice outcome alice#3 ok: wed 00:00-24:00"
    );
    for at in 33..40 {
        let late = crash(SERVER, When::At(Chosen::Fixed(at)), None);
        let lines = trace(&scenario, &[late]);
        let told = lines.iter().find(|line| line.starts_with("in the end"));
        assert_eq!(
            told.unwrap(),
            "in the end query A mon -> mon 00:00-24:00",
            "at {at} ms"
        );
        assert_eq!(lines[lines.len() - 1], "faults idle fault 1 struck nothing");
    }
}

#[test]
fn a_client_with_a_fast_clock_sends_again_early_and_says_when_in_time_of_the_trace() {
    let skew = Fault::Skew(Skew {
        host: ALICE,
        offset_ms: -250,
        rate_ppm: 2_000_000,
    });
    let at = When::At(Chosen::Fixed(0));
    let lines = trace(THREE_QUERIES, &[skew, crash(SERVER, at, None)]);
    assert_eq!(
        lines[..4],
        [
            "0 server crash fault 2",
            "0 alice skew -250 ms, rate 2 fault 1",
            "0 alice send server alice#1 query A mon",
            "2 server lost alice alice#1 request: host down",
        ]
    );
    assert_eq!(
        of(&lines, &["retransmit"])[0],
        "50 alice retransmit server alice#1 query A mon attempt 2 of 2"
    );
}

#[test]
fn a_registration_ends_by_the_clock_of_the_server() {
    let skew = |rate_ppm| {
        Fault::Skew(Skew {
            host: SERVER,
            offset_ms: 0,
            rate_ppm,
        })
    };
    let scenario = r#"
story = "Alice's registration ends by the server's clock."
service = "booking"
seed = 7
[clients]
bob = ["wait 3s"]
alice = ["monitor A --for 1s"]
[network]
delay_ms = { fixed = 2 }
"#;
    for (rate_ppm, at) in [(500_000, 2_002), (1_000_000, 1_002), (2_000_000, 502)] {
        let lines = trace(scenario, &[skew(rate_ppm)]);
        let expire = of(&lines, &["expire"])[0];
        assert!(
            expire.starts_with(&format!("{at} server expire")),
            "{expire}"
        );
    }
}
