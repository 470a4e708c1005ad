//! The meeting scheduler in simulation: a crash at each event and in each disk operation of a registration; and what its page documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use wavetank::check::{Check, Verdict};
use wavetank::seed::Seed;
use wavetank::services::meeting::MeetingScheduler;
use wavetank::services::meeting::data_file::DataFile;
use wavetank::services::meeting::message::{
    Answer, Meeting, PeerBody, PeerMessage, Refusal, Reply, Request, TaskId,
};
use wavetank::services::meeting::settings::Protection;
use wavetank::services::meeting::times::Interval;
use wavetank::services::{Application, catalogue};
use wavetank::sim::report::{self, Report};
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::trace::{Detail, text};

/// Ann registers; then somebody asks for each of the two people.
const REGISTRATION: &str = r#"
story = "A crash at some event of a registration."
service = "meeting"
seed = 1
semantics = "at-most-once"
reply_cache = "durable"
state = "disk"
timeout_ms = 700
people = { a = ["lilith;[[1,3],[4,9]]"], b = ["jameson;[[2,3],[5,7]]"] }

[setup]
ann = ["lilith"]
bob = ["lilith"]

[clients]
ann = ["register STRETCH lilith jameson"]
bob = ["wait 6s", "lilith", "jameson"]
"#;

/// What ann wants: a time that both have, and one that jameson has not.
const STRETCHES: [&str; 2] = ["5 6", "4 5"];

const SERVERS: [&str; 3] = ["main", "a", "b"];

fn run(stretch: &str, fault: &str) -> (Report, String) {
    let source = REGISTRATION.replace("STRETCH", stretch) + fault;
    run_on(Backend::Event, &source)
}

fn run_on(backend: Backend, source: &str) -> (Report, String) {
    let scenario = Scenario::parse("registration.toml", source, &catalogue());
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let variant = &scenario.variants[0];
    let report = report::run(variant, Seed(1), backend, Detail::Trace);
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    let trace = text::write(&report.trace(&scenario, variant, Seed(1)));
    (report, trace)
}

/// With at-least-once ann's registration runs twice. The second time the main server has come back and does not know
/// server b, so that it refuses at once and begins no transaction.
const REFUSED_AT_ONCE: &str = r#"
[network]
delay_ms = { fixed = 2 }

[[fault]]
reset = { between = ["ann", "main"], at_ms = 7 }
[[fault]]
crash = { host = "main", at_ms = 9, restart_after_ms = 300 }
[[fault]]
crash = { host = "b", at_ms = 20, restart_after_ms = 3000 }
"#;

#[test]
fn a_refusal_of_a_second_execution_says_nothing_of_the_first_ones_transaction() {
    let source = REGISTRATION.replace("STRETCH", "5 6") + REFUSED_AT_ONCE;
    let source = source.replace("at-most-once", "at-least-once");
    let source = source.replace("reply_cache = \"durable\"\n", "");
    let (report, trace) = run_on(Backend::Event, &source);
    let told = "ann#1 failed: no answer from server b: nothing is registered";
    assert!(trace.contains(told), "{trace}");
    let verdict = |asked| report.verdicts.iter().find(|(check, _)| *check == asked);
    let is = |check, word| verdict(check).is_some_and(|(_, verdict)| verdict.name() == word);
    assert!(is(Check::Atomicity, "valid"), "{trace}");
    assert!(is(Check::Executions, "violated"), "{trace}");
}

/// Lets ann register while a server crashes, and judges it. `false` if there was no such crash.
fn survives(stretch: &str, crash: &str) -> bool {
    let fault = format!("[[fault]]\ncrash = {{ {crash}, restart_after_ms = 300 }}\n");
    let (report, trace) = run(stretch, &fault);
    let checks = report.verdicts.iter().map(|(check, verdict)| {
        assert_eq!(
            *verdict,
            Verdict::Valid,
            "{}\n{crash}\n{trace}",
            check.name()
        );
        *check
    });
    let judged = [Check::Executions, Check::Linearizable, Check::Atomicity];
    assert_eq!(checks.collect::<Vec<_>>(), judged);
    let is_told = |end: &str| trace.lines().any(|line| line.ends_with(end));
    let taken = [
        is_told("bob#1 ok: Available time slots: [1,3], [4,5], [6,9]"),
        is_told("bob#2 ok: Available time slots: [2,3], [6,7]"),
    ];
    let left = [
        is_told("bob#1 ok: Available time slots: [1,3], [4,9]"),
        is_told("bob#2 ok: Available time slots: [2,3], [5,7]"),
    ];
    let is_whole = (taken, left) == ([true; 2], [false; 2]);
    let is_none = (taken, left) == ([false; 2], [true; 2]);
    assert!(is_whole || is_none, "{crash}\n{trace}");
    report.run.idle_faults.is_empty()
}

#[test]
fn a_crash_after_each_event_of_a_registration_leaves_all_or_nothing() {
    for (stretch, ends) in STRETCHES.into_iter().zip(["take", "release"]) {
        let (_, calm) = run(stretch, "");
        let mut events: BTreeMap<&str, u32> = BTreeMap::new();
        for line in calm.lines().filter(|line| line.contains(" ann#1")) {
            let word = line.split_whitespace().nth(3).expect("a word");
            *events.entry(word).or_default() += 1;
        }
        for word in [
            "receive", "execute", "peer", "hold", "decide", ends, "complete",
        ] {
            assert!(events.contains_key(word), "{word}\n{calm}");
        }
        for (word, count) in events {
            for (host, nth) in SERVERS
                .iter()
                .flat_map(|host| (1..=count).map(move |nth| (host, nth)))
            {
                let crash = format!(
                    "host = \"{host}\", after = \"{word} ann#1\", nth = {nth}, disk = \"lose\""
                );
                assert!(survives(stretch, &crash), "nothing has crashed: {crash}");
            }
        }
    }
}

#[test]
fn a_crash_in_each_disk_operation_of_a_registration_leaves_all_or_nothing() {
    for (stretch, host, disk) in STRETCHES.into_iter().flat_map(|stretch| {
        let hosts = SERVERS.into_iter();
        hosts.flat_map(move |host| ["keep", "lose", "tear"].map(|disk| (stretch, host, disk)))
    }) {
        let crash = |nth| format!("host = \"{host}\", disk_operation = {nth}, disk = \"{disk}\"");
        let crashes = (1..).take_while(|nth: &u32| survives(stretch, &crash(*nth)));
        let crashes = crashes.count();
        if (stretch, host) == ("4 5", "b") {
            assert_eq!(crashes, 0, "b votes no, which it need not remember");
        } else {
            assert!(crashes >= 10, "{stretch} {host} {disk}: {crashes}");
        }
    }
}

/// The bytes of an example: hexadecimal digits, and texts in quotes.
fn bytes(example: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, part) in example.split('"').enumerate() {
        if number % 2 == 1 {
            bytes.extend(part.as_bytes());
            continue;
        }
        let digits: Vec<char> = part
            .chars()
            .filter(|digit| !digit.is_whitespace())
            .collect();
        let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
        bytes.extend(pairs.map(|pair| u8::from_str_radix(&pair, 16).expect("two digits")));
    }
    bytes
}

const PAGE: &str = include_str!("../docs/meeting.md");

/// The examples of the page, by name.
fn examples() -> BTreeMap<String, Vec<u8>> {
    let blocks = PAGE.split("```wire\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let joined: String = blocks.map(|block| block.replace("\n ", " ")).collect();
    let example = |line: &str| {
        let (name, example) = line.split_once(": ")?;
        Some((name.to_owned(), bytes(example)))
    };
    joined.lines().filter_map(example).collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Two people with many times, and clients that ask for each of them.
fn long_answers(front: &str) -> String {
    let times = |count: u32| {
        let times = (0..count).map(|it| format!("[{},{}]", 2 * it, 2 * it + 1));
        times.collect::<Vec<_>>().join(",")
    };
    format!(
        "story = \"Somebody has many times.\"
service = \"meeting\"
seed = 1
semantics = \"at-most-once\"
reply_cache = \"durable\"
state = \"disk\"
front = \"{front}\"
people = {{ a = [\"many;[{}]\"], b = [\"more;[{}]\"] }}

[clients]
ann = [\"many\", \"more\", \"many more\"]
",
        times(4_000),
        times(50_000)
    )
}

#[test]
fn people_with_thousands_of_times_are_told_whole_over_connections() {
    for (front, refused) in [("tcp", 0), ("udp", 3)] {
        let source = long_answers(front);
        let (report, trace) = run_on(Backend::Event, &source);
        for (check, verdict) in &report.verdicts {
            assert_eq!(*verdict, Verdict::Valid, "{front}: {}", check.name());
        }
        let ended = |number: u32, how: &str| {
            let end = format!("ann#{number} {how}");
            let line = trace
                .lines()
                .find_map(|line| Some(line.split_once(&end)?.1));
            line.map(str::to_owned)
        };
        let too_long = |number| {
            let told = ended(number, "failed: ").unwrap_or_default();
            told == "the answer has too many times: at most 3840 fit a datagram, and 131072 a line over TCP"
        };
        assert_eq!((1..=3).filter(|&number| too_long(number)).count(), refused);
        if refused == 0 {
            let told = (1..=3).map(|number| ended(number, "ok: ").unwrap_or_default());
            let counts: Vec<usize> = told.map(|told| told.matches('[').count()).collect();
            assert_eq!(counts, [4_000, 50_000, 4_000]);
        }
        let (_, other) = run_on(Backend::Turmoil, &source);
        assert!(
            trace == other,
            "{front}: the simulators tell different stories"
        );
    }
}

#[test]
fn a_long_answer_may_take_longer_than_its_client_waits_without_a_sign() {
    let source = long_answers("tcp").replace("[clients]", "timeout_ms = 1000\n[clients]");
    let source = format!("{source}\n[network]\ndelay_ms = {{ fixed = 100 }}\n");
    let (_, trace) = run_on(Backend::Event, &source);
    for number in 1..=3 {
        let end = format!("ann#{number} ok: Available time slots: [0,1], ");
        assert!(trace.contains(&end), "{number}");
    }
}

#[test]
fn the_examples_of_the_page_are_what_is_sent() {
    let stretch = Interval::new(5, 6).unwrap();
    let meeting = || Meeting {
        stretch,
        names: names(&["lilith"]),
    };
    let task = TaskId { life: 1, number: 2 };
    let peer = |body| PeerMessage { life: 1, body }.encode();
    let free = Request::Free {
        names: names(&["lilith", "jameson"]),
    };
    let answer = Answer {
        names: names(&["lilith"]),
        times: "[1,3], [4,9]".parse().unwrap(),
        unknown: names(&["ererer"]),
        ..Answer::default()
    };
    let refusal = Refusal::NotFree(names(&["jameson"]));
    let prepare = PeerBody::Prepare {
        task,
        meeting: meeting(),
    };
    let yes = PeerBody::Vote {
        task,
        against: Vec::new(),
    };
    let commit = PeerBody::Decide { task, commit: true };
    let sent = [
        ("free", free.encode()),
        ("register", Request::Register(meeting()).encode()),
        ("free-reply", Reply::Free(answer).encode()),
        ("not-free", Reply::Refused(refusal).encode()),
        ("prepare", peer(prepare)),
        ("yes", peer(yes)),
        ("commit", peer(commit)),
    ];
    let sent = sent.map(|(name, bytes)| (name.to_owned(), bytes));
    assert_eq!(examples(), BTreeMap::from(sent));
}

#[test]
fn the_page_names_every_setting_and_protection() {
    let catalogue = catalogue();
    let meeting = catalogue.iter().find(|it| it.name() == "meeting").unwrap();
    let settings = meeting.settings().into_iter().map(|setting| setting.name);
    let protections = Protection::ALL.map(Protection::name);
    for name in settings.chain(protections) {
        assert!(PAGE.contains(&format!("| `{name}` |")), "{name}");
    }
}

/// Data server b has bob too, of a, and eve alone.
const CLASH: &str = r#"
story = "Two data servers have bob. The second one stops, and bob's time is that of the first, after a restart of the main server too."
service = "meeting"
seed = 1
semantics = "at-most-once"
timeout_ms = 2000

[clients]
ann = ["wait 100ms", "bob eve", "wait 2s", "bob", "eve"]

[[fault]]
crash = { host = "main", at_ms = 1000, restart_after_ms = 100 }
"#;

#[test]
fn a_data_server_with_a_name_of_another_stops_and_is_not_waited_for() {
    let people = |lines: &str| {
        let file = DataFile::parse("people", lines.as_bytes()).unwrap();
        file.into_people()
    };
    let scheduler = MeetingScheduler::default()
        .with_people(1, people("bob;[[1,2]]"))
        .with_people(2, people("bob;[[7,8]]\neve;[[3,4]]"));
    let services: [Arc<dyn Application>; 1] = [Arc::new(scheduler)];
    let scenario = Scenario::parse("clash.toml", CLASH, &services).unwrap();
    let report = report::run(
        &scenario.variants[0],
        Seed(1),
        Backend::Event,
        Detail::Trace,
    );
    let trace = text::write(
        &report
            .unwrap()
            .trace(&scenario, &scenario.variants[0], Seed(1)),
    );
    let lines: Vec<&str> = trace.lines().collect();
    let halt = lines
        .iter()
        .position(|line| line.contains("  b       halt "));
    let halt = halt.expect(&trace);
    assert!(
        lines[halt].contains("names already: bob: "),
        "{}",
        lines[halt]
    );
    let said = lines[halt + 1..].iter().filter(|line| {
        let words: Vec<&str> = line.split_whitespace().take(4).collect();
        words.get(2) == Some(&"b") && words.get(3) != Some(&"lost")
    });
    assert_eq!(said.count(), 0, "{trace}");
    let told: Vec<(u64, &str)> = lines
        .iter()
        .filter(|line| line.contains("  ann     outcome "))
        .filter_map(|line| {
            let at = line.split_whitespace().nth(1)?.parse().ok()?;
            Some((at, line.split_once(" ok: ")?.1))
        })
        .collect();
    let expected = [
        "eve does not exist. Available time slots for bob: [1,2]",
        "Available time slots: [1,2]",
        "No answer from server b: incomplete, without eve.",
    ];
    assert_eq!(told.iter().map(|it| it.1).collect::<Vec<_>>(), expected);
    let patience_ms = 600;
    assert!(told[0].0 < 100 + patience_ms, "b has answered: {trace}");
}
