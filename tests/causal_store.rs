//! The causal store on both simulators: generated load with crashes, and a data centre that has lost its
//! memory. And the examples of its documentation.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use wavetank::check::{Verdict, causal};
use wavetank::history::sessions::{Access, SessionHistory};
use wavetank::history::{History, HistoryEvent, OutcomeKind, Told};
use wavetank::id::{HostId, Version};
use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::services::causal::Causal;
use wavetank::services::causal::message::{
    Answer, Ask, PeerBody, PeerMessage, Refusal, Reply, Request,
};
use wavetank::services::causal::write::{Dependency, Write};
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::sim::{report, simulation};
use wavetank::trace::{Detail, text};

/// Clients that roam between five data centres, on a bad network and with crashes.
const LOAD: &str = r#"
story = "Clients write, read and move on a bad network, while data centres crash."
service = "causal"
seed = 1
data_centres = 5
attempts = 6
timeout_ms = 1000

[variants]
memory = { reply_cache = "epoch" }
disk = { state = "disk", reply_cache = "durable" }
seed-distances = { distance_ms = 200 }

[load.client]
count = 6
requests = 10
think_ms = { uniform = [0, 60] }
mix = { put = 3, get = 4, move = 1 }

[network]
delay_ms = { exponential = { mean = 30, max = 900 } }
loss = 0.1
duplication = 0.2

[[fault]]
crash = { host = "dc1", at_ms = { uniform = [100, 900] }, restart_after_ms = 400 }

[[fault]]
crash = { host = "dc3", at_ms = { uniform = [4000, 5000] }, restart_after_ms = 300 }

[[fault]]
partition = { between = ["dc0", "dc2"], at_ms = 300, for_ms = 1500 }
"#;

/// Clients that roam a lot on a network where messages overtake each other.
const STORM: &str = r#"
story = "Clients write, read and roam while messages between data centres overtake each other."
service = "causal"
seed = 1
data_centres = 5
load_keys = 3
attempts = 6
timeout_ms = 1000

[variants]
causal = {}
disk = { state = "disk", reply_cache = "durable", fault = [{ crash = { host = "dc1", at_ms = { uniform = [100, 900] }, restart_after_ms = 400 } }] }
memory = { reply_cache = "epoch", fault = [{ crash = { host = "dc1", at_ms = { uniform = [100, 900] }, restart_after_ms = 400 } }] }
eventual = { mode = "eventual" }
newer-stands-in = { mode = "newer-stands-in" }
forget-early = { mode = "forget-early" }

[load.client]
count = 8
requests = 25
think_ms = { uniform = [0, 60] }
mix = { put = 3, get = 5, move = 2 }

[network]
delay_ms = { exponential = { mean = 60, max = 2000 } }
loss = 0.1
duplication = 0.1
"#;

/// dc0 loses its memory, and with it a write that only dc1 has been sent.
const LOST_MEMORY: &str = r#"
story = "dc0 crashes before dc2 has been sent what Alice wrote. dc1 has it and gives it back; dc0 tells dc2."
service = "causal"
seed = 1

[variants]
memory = {}
disk = { state = "disk" }

[clients]
alice = ["put ring 1", "wait 1s", "get ring", "put ring 2"]

[network]
delay_ms = { fixed = 10 }

[[fault]]
drop = { peer_about = "alice#1", to = "dc2", nth = 1 }

[[fault]]
crash = { host = "dc0", at_ms = 100, restart_after_ms = 200 }
"#;

/// Bob wants to move while dc2 has not got what he wrote, and again when it has.
const ROAMING: &str = r#"
story = "Bob cannot move to dc2 before his write has come there; then he can."
service = "causal"
seed = 1

[variants]
causal = {}
eventual = { mode = "eventual" }

[clients]
bob = ["put x 1", "move dc2", "get x", "wait 10s", "move dc2", "get x"]

[home]
bob = "dc1"

[network]
delay_ms = { fixed = 10 }

[[fault]]
partition = { between = ["dc1", "dc2"], at_ms = 0, for_ms = 9000 }
"#;

fn scenario(toml: &str) -> Scenario {
    Scenario::parse("mine.toml", toml, &catalogue()).unwrap_or_else(|error| panic!("{error}"))
}

/// The trace of a run, which is the same on both simulators.
fn trace(scenario: &Scenario, variant: &str, seed: u64) -> String {
    let seed = Seed(seed);
    let variant = scenario.variant(variant).unwrap();
    let [event, turmoil] = Backend::ALL.map(|backend| {
        let report = report::run(variant, seed, backend, Detail::Trace).unwrap();
        assert!(report.broken.is_empty(), "{:?}", report.broken);
        text::write(&report.trace(scenario, variant, seed))
    });
    assert_eq!(event, turmoil, "the simulators tell different stories");
    event
}

#[test]
fn a_storm_of_load_is_the_same_on_both_simulators_and_comes_to_rest() {
    let scenario = scenario(LOAD);
    for variant in ["memory", "disk", "seed-distances"] {
        for seed in 0..4 {
            let trace = trace(&scenario, variant, seed);
            assert!(trace.contains("stall"), "{variant}, seed {seed}");
            let asks = trace.contains("has lost its memory");
            assert_eq!(asks, variant != "disk", "only who has no disk asks others");
        }
    }
}

#[test]
fn a_data_centre_without_a_disk_fetches_its_memory_and_spreads_what_only_one_had() {
    let trace = trace(&scenario(LOST_MEMORY), "memory", 1);
    for line in [
        "ring = '1' (1,0) from dc1",
        "ring = '1' (1,0) from dc0",
        "alice#2 ok: '1' (1,0)",
        "alice#3 ok: ring (2,0/",
    ] {
        assert!(trace.contains(line), "{line}\n{trace}");
    }
}

#[test]
fn a_data_centre_with_a_disk_sends_again_what_it_had_written() {
    let trace = trace(&scenario(LOST_MEMORY), "disk", 1);
    assert!(!trace.contains(" from dc"), "it asks nobody\n{trace}");
    for line in ["alice#2 ok: '1' (1,0)", "alice#3 ok: ring (2,0)"] {
        assert!(trace.contains(line), "{line}\n{trace}");
    }
    let at_dc2 = |line: &&str| {
        line.split_whitespace()
            .skip(2)
            .take(2)
            .eq(["dc2", "commit"])
    };
    let commits: Vec<&str> = trace.lines().filter(at_dc2).collect();
    assert_eq!(commits.len(), 2, "{commits:?}");
}

/// Whether a line of a trace has these words, one after the other.
fn has_line(trace: &str, words: &str) -> bool {
    let joined = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    trace.lines().any(|line| joined(line).contains(words))
}

#[test]
fn a_session_moves_only_to_where_all_that_it_depends_on_is() {
    let trace = trace(&scenario(ROAMING), "causal", 1);
    for line in [
        "bob send dc2 bob#2 move dc2 after x (1,1)",
        "bob outcome bob#2 failed: dependencies missing: x (1,1)",
        "bob send dc1 bob#3 get x",
        "bob outcome bob#4 ok: now at dc2",
        "bob send dc2 bob#5 get x",
        "bob outcome bob#5 ok: '1' (1,1)",
    ] {
        assert!(has_line(&trace, line), "{line}\n{trace}");
    }
}

#[test]
fn in_the_mode_eventual_it_moves_at_once_and_misses_its_own_write() {
    let trace = trace(&scenario(ROAMING), "eventual", 1);
    assert!(has_line(&trace, "bob outcome bob#3 ok: nothing"), "{trace}");
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

/// The examples of docs/causal.md, by name.
fn examples() -> BTreeMap<String, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/causal.md");
    let docs = std::fs::read_to_string(path).unwrap();
    let blocks = docs.split("```wire\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let joined: String = blocks.map(|block| block.replace("\n ", " ")).collect();
    let example = |line: &str| {
        let (name, example) = line.split_once(": ")?;
        Some((name.to_owned(), bytes(example)))
    };
    joined.lines().filter_map(example).collect()
}

#[test]
fn the_examples_of_the_documentation_are_what_is_sent() {
    let version = |timestamp, replica| Version {
        timestamp,
        replica,
        life: 0,
    };
    let found = Dependency {
        version: version(2, 0),
        sequence: 2,
        key: "ring".to_owned(),
    };
    let glad = Write {
        key: "answer".to_owned(),
        value: "glad".to_owned(),
        author: "bob".to_owned(),
        version: version(3, 1),
        sequence: 1,
        needs: vec![found.clone()],
    };
    let request = Request {
        clock: 2,
        needs: vec![found.clone()],
        ask: Ask::Put {
            key: "answer".to_owned(),
            value: "glad".to_owned(),
            author: "bob".to_owned(),
        },
    };
    let reply = Reply {
        clock: 3,
        everywhere: vec![(found.origin(), 1)],
        answer: Answer::Put(glad.as_dependency()),
    };
    let refused = Reply {
        clock: 0,
        everywhere: vec![],
        answer: Answer::Refused(Refusal::Missing(found)),
    };
    let message = |body| PeerMessage {
        life: 0,
        everywhere: 0,
        body,
    };
    let has = PeerBody::Acknowledge {
        version: glad.version,
        sequence: 1,
    };
    let expected = [
        ("request", request.encode()),
        ("reply", reply.encode()),
        ("refused", refused.encode()),
        ("write", message(PeerBody::Write(glad)).encode()),
        ("has", message(has).encode()),
    ];
    let expected = expected.map(|(name, bytes)| (name.to_owned(), bytes));
    assert_eq!(examples(), BTreeMap::from(expected));
}

/// What each session read and wrote, key by key.
fn accesses(history: &History) -> SessionHistory {
    let mut begun = BTreeMap::new();
    let mut sessions: BTreeMap<HostId, Vec<Access>> = BTreeMap::new();
    for entry in history.entries() {
        match entry.event {
            HistoryEvent::Invoke(request) => {
                begun.insert(entry.operation, request);
            }
            HistoryEvent::Complete(outcome) => {
                let request = begun.remove(&entry.operation).expect("it was begun");
                let reply = match &outcome.told {
                    Told::Reply(reply) if outcome.kind == OutcomeKind::Ok => Some(&reply[..]),
                    _ => None,
                };
                if let Some((kind, key, value)) = Causal::default().access(&request, reply) {
                    let place = format!("{:?}", entry.operation);
                    let outcome = outcome.kind;
                    let access = Access {
                        kind,
                        key,
                        value,
                        outcome,
                        place,
                    };
                    sessions
                        .entry(entry.operation.client)
                        .or_default()
                        .push(access);
                }
            }
        }
    }
    SessionHistory {
        sessions: sessions.into_values().collect(),
    }
}

/// The first of these seeds under which clients saw what is not causally consistent.
fn first_inconsistent(variant: &str, mut seeds: Range<u64>) -> Option<u64> {
    let scenario = scenario(STORM);
    let variant = scenario.variant(variant).unwrap();
    seeds.find(|&seed| {
        let run = simulation::run(variant, Seed(seed), Backend::Event, Detail::Checks).unwrap();
        assert_eq!(run.unfinished, None);
        let history = causal::History::new(&accesses(&run.history));
        match causal::Judge::new(&history).causal_convergence() {
            Verdict::Violated(_) => true,
            Verdict::Valid => false,
            Verdict::Unknown(why) => panic!("seed {seed}: {why}"),
        }
    })
}

#[test]
fn clients_see_no_effect_without_its_cause() {
    for variant in ["causal", "disk", "memory"] {
        assert_eq!(first_inconsistent(variant, 0..15), None, "{variant}");
    }
}

#[test]
fn in_each_other_mode_they_do() {
    for mode in ["eventual", "newer-stands-in", "forget-early"] {
        assert!(first_inconsistent(mode, 0..100).is_some(), "{mode}");
    }
}
