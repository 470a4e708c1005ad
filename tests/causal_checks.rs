//! The causal checkers against histories on file, against the definitions on every small history, and
//! against the patterns as they are written in the paper on larger ones.

#[path = "causal_checks/definitions.rs"]
mod definitions;
#[path = "causal_checks/patterns.rs"]
mod patterns;
#[path = "causal_checks/small.rs"]
mod small;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wavetank::check::Verdict;
use wavetank::check::causal::{self, History};
use wavetank::history::{plume, sessions};
use wavetank::seed::Seed;

use definitions::Definitions;
use small::{Plain, Saw};

/// Enough for every history here.
const JOINS_MAX: u64 = 1_000_000;

/// What is reported as broken: the patterns that CC, CCv and CM name, and the session guarantees.
const REPORTS: [&str; 11] = [
    "cyclic-co",
    "thin-air-read",
    "write-co-init-read",
    "write-co-read",
    "cyclic-cf",
    "write-hb-init-read",
    "cyclic-hb",
    "read-your-writes",
    "monotonic-reads",
    "monotonic-writes",
    "writes-follow-reads",
];

#[test]
fn twins_are_told_apart_by_the_pattern_that_their_name_says() {
    let mut bad: BTreeMap<&str, u32> = BTreeMap::new();
    let mut ok = bad.clone();
    for (path, text) in files() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (word, rest) = name.split_once('-').unwrap();
        let report = REPORTS.into_iter().find(|report| {
            let rest = rest.strip_prefix(report);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("-by-"))
        });
        let report = report.unwrap_or_else(|| panic!("{name} names no pattern"));
        let reported = reported(&judge(&text));
        if word == "ok" {
            assert!(reported.is_empty(), "{name}: {reported:?}");
        } else {
            // Of the patterns, or of the guarantees, this is the only one.
            assert_eq!(word, "bad", "{name}");
            let is_pattern = |name: &str| REPORTS[..7].contains(&name);
            let alike = |other: &&String| is_pattern(other) == is_pattern(report);
            let alike: Vec<&String> = reported.iter().filter(alike).collect();
            assert_eq!(alike, [report], "{name}");
        }
        *if word == "ok" { &mut ok } else { &mut bad }
            .entry(report)
            .or_default() += 1;
    }
    for report in REPORTS {
        assert!(bad.contains_key(report), "no bad history for {report}");
        assert!(ok.contains_key(report), "no ok history for {report}");
    }
}

#[test]
fn twins_in_both_formats_say_the_same() {
    for (path, text) in files() {
        let history = sessions::read(&text).unwrap();
        let lines = sessions::write(&history);
        assert_eq!(
            reported(&judge(&lines)),
            reported(&judge(&text)),
            "{}",
            path.display()
        );
        let plain = plume::write(&history);
        assert_eq!(
            reported(&judge(&plain)),
            reported(&judge(&text)),
            "{}",
            path.display()
        );
    }
}

#[test]
fn an_ok_history_of_no_named_break_is_valid_in_all() {
    let text = "w(1,1,0,0)\nw(2,1,0,1)\nr(2,1,1,2)\nr(1,1,1,3)\n";
    for (name, verdict) in judge(text) {
        assert_eq!(verdict, Verdict::Valid, "{name}");
    }
}

#[test]
fn convergent_does_not_mean_causal_memory() {
    // A: w(y,1) w(x,1) w(z,1); B: w(y,5) w(x,2); C: r(x,2) r(y,5) r(z,1) r(x,2) r(y,1).
    let text = "w(2,1,0,0)\nw(1,1,0,1)\nw(3,1,0,2)\n\
                w(2,5,1,3)\nw(1,2,1,4)\n\
                r(1,2,2,5)\nr(2,5,2,6)\nr(3,1,2,7)\nr(1,2,2,8)\nr(2,1,2,9)\n";
    let verdicts = judge(text);
    assert_eq!(verdicts[0], ("CC", Verdict::Valid));
    assert_eq!(verdicts[1], ("CCv", Verdict::Valid));
    assert_eq!(verdicts[2].1.name(), "violated");
    assert!(
        verdicts[2].1.evidence().starts_with("CyclicHB: "),
        "{}",
        verdicts[2].1
    );
}

#[test]
fn causal_memory_does_not_mean_convergent() {
    let verdicts = judge("w(1,1,0,0)\nr(1,2,0,1)\nw(1,2,1,2)\nr(1,1,1,3)\n");
    let names: Vec<&str> = verdicts.iter().map(|(_, verdict)| verdict.name()).collect();
    assert_eq!(names[..3], ["valid", "violated", "valid"]);
}

#[test]
fn evidence_names_the_operations_and_their_places() {
    let evidence = |text: &str, property: &str| {
        let verdicts = judge(text);
        let found = verdicts.into_iter().find(|(name, _)| *name == property);
        found.unwrap().1.evidence().to_owned()
    };
    let read = |name: &str| fs::read_to_string(folder().join(name)).unwrap();
    assert_eq!(
        evidence(&read("bad-cyclic-co.txt"), "CC"),
        "CyclicCO: r(2,1) (line 1) -po-> w(1,1) (line 2) -rf-> r(1,1) (line 3) -po-> w(2,1) (line 4) -rf-> r(2,1) (line 1)"
    );
    assert_eq!(
        evidence(&read("bad-cyclic-cf.txt"), "CCv"),
        "CyclicCF: w(1,1) (line 1) -before, says r(1,2) (line 2)-> w(1,2) (line 3) -before, says r(1,1) (line 4)-> w(1,1) (line 1)"
    );
    assert_eq!(
        evidence(
            &read("bad-writes-follow-reads-by-operation.jsonl"),
            "writes-follow-reads"
        ),
        "r(x,initial) (carol#2) saw an older value than r(x,1) (bob#1), although its session had seen w(y,1) (bob#2), which was written after that read"
    );
}

#[test]
fn values_that_do_not_tell_the_write_leave_all_unknown() {
    for (text, reason) in [
        (
            "w(1,1,0,0)\nw(1,1,1,1)\n",
            "w(1,1) (line 1) and w(1,1) (line 2) write the same value",
        ),
        (
            "w(1,0,0,0)\n",
            "w(1,initial) (line 1) writes the value that keys have",
        ),
    ] {
        for (name, verdict) in judge(text) {
            let Verdict::Unknown(said) = &verdict else {
                panic!("{name}: {verdict}");
            };
            assert!(said.starts_with(reason), "{name}: {said}");
        }
    }
}

#[test]
fn session_guarantees_are_unknown_where_the_causal_order_has_a_cycle() {
    for (name, verdict) in judge("r(2,1,0,0)\nw(1,1,0,1)\nr(1,1,1,2)\nw(2,1,1,3)\n") {
        let expected = if name.starts_with("C") {
            "violated"
        } else {
            "unknown"
        };
        assert_eq!(verdict.name(), expected, "{name}");
    }
}

#[test]
fn causal_memory_is_unknown_beyond_its_budget() {
    let text = fs::read_to_string(folder().join("bad-cyclic-hb.txt")).unwrap();
    let history = History::new(&sessions::read(&text).unwrap());
    let verdicts = causal::judge_all(&history, 1);
    let reason = "not decided after 1 joins of clocks".to_owned();
    assert_eq!(verdicts[2], ("CM", Verdict::Unknown(reason)));
    assert_eq!(verdicts[0], ("CC", Verdict::Valid));
}

#[test]
fn each_session_of_causal_memory_costs_a_join_for_each_operation() {
    let text = "w(1,1,0,0)\nw(1,2,1,1)\nw(1,3,2,2)\n";
    let history = History::new(&sessions::read(text).unwrap());
    let judged = |joins_max| causal::judge_all(&history, joins_max)[2].1.name();
    assert_eq!([judged(8), judged(9)], ["unknown", "valid"]);
}

#[test]
fn a_history_whose_clocks_would_fill_the_memory_is_unknown() {
    // As many sessions as operations: the least whose square is more than 2^27.
    let text: String = (0..11_586)
        .map(|op| format!("w(1,{},{op},{op})\n", op + 1))
        .collect();
    for (name, verdict) in judge(&text) {
        let reason =
            "11586 operations in 11586 sessions are too many: their product may be 134217728";
        assert_eq!(verdict, Verdict::Unknown(reason.to_owned()), "{name}");
    }
}

#[test]
fn a_client_goes_on_as_a_new_session_after_an_unknown_call() {
    let file = |end: &str| {
        let call = |kind: &str, f: &str, value: &str| {
            format!(
                "{{\"process\":0,\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":[\"x\",{value}]}}\n"
            )
        };
        call("invoke", "write", "1")
            + &call(end, "write", "1")
            + &call("invoke", "read", "null")
            + &call("ok", "read", "null")
    };
    assert_eq!(reported(&judge(&file("ok")))[0], "write-co-init-read");
    assert!(reported(&judge(&file("info"))).is_empty());
    assert!(reported(&judge(&file("fail"))).is_empty());
}

/// All histories of up to five operations, sessions and keys and values renamed: see [`small`].
#[test]
fn the_patterns_are_the_definitions_on_every_small_history() {
    let mut histories = 0;
    let mut violated = [0; 7];
    for shape in small::shapes(5) {
        let definitions = Definitions::new(&shape);
        small::each_history(&shape, |plain| {
            histories += 1;
            let verdicts = causal::judge_all(&plain.history(), JOINS_MAX);
            let names: Vec<&str> = verdicts.iter().map(|(_, verdict)| verdict.name()).collect();
            let expected = definitions.judge(plain);
            assert_eq!(
                names[..3],
                expected.map(|holds| word(Some(holds))),
                "{plain:?}"
            );
            let guarantees = definitions::session_guarantees(plain);
            assert_eq!(names[3..], guarantees.map(word), "{plain:?}");
            for (count, name) in violated.iter_mut().zip(names) {
                *count += u32::from(name == "violated");
            }
        });
    }
    assert_eq!((histories, violated), EXPECTED);
}

/// How many histories there are, and how many of them break each property. A count that changes shows
/// that fewer histories are compared, or that both sides have come to agree on something else.
const EXPECTED: (u32, [u32; 7]) = (56_469, [48_588, 48_648, 48_627, 8_932, 2_135, 210, 12]);

/// Larger histories reach what five operations cannot: several writes of a session between others.
#[test]
fn the_patterns_found_are_those_of_the_paper_on_larger_histories() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..4_000 {
        let plain = random(seed);
        let verdicts = causal::judge_all(&plain.history(), JOINS_MAX);
        let reported = reported(&verdicts);
        let expected = patterns::reported(&plain);
        assert_eq!(reported, expected, "seed {seed}: {plain:?}");
        for report in reported {
            *seen.entry(report).or_default() += 1;
        }
    }
    for report in REPORTS {
        assert!(
            seen.get(report).is_some_and(|count| *count >= 20),
            "{report}: {seen:?}"
        );
    }
}

/// Up to twenty operations in four sessions on three keys, from a store whose replicas, one for each
/// session, learn of writes together with all that these depend on; now and then it goes wrong.
fn random(seed: u64) -> Plain {
    let mut stream = Seed(seed).stream("history");
    let sessions = 2 + stream.below(3);
    let mut order: Vec<usize> = (0..8 + stream.below(13))
        .map(|_| stream.below(sessions) as usize)
        .collect();
    let keys = 1 + stream.below(3);
    // Of several values, the last writer's; or any that is not outdated; or any at all.
    let rule = [0, 0, 0, 1, 1, 2][stream.below(6) as usize];
    let mut replicas = vec![0_u32; sessions as usize];
    let mut done: Vec<(usize, Saw, u32)> = Vec::new();
    if stream.below(16) == 0 {
        // Chance hardly ever finds a WriteHBInitRead: so the ground is laid for it.
        order.splice(..SEED_OF_HB.len(), SEED_OF_HB.map(|(session, ..)| session));
        done.extend(SEED_OF_HB.map(|(_, key, saw, known)| (key, saw, known)));
        replicas[..2].copy_from_slice(&[0b111, 0b1111]);
    }
    for (op, &session) in order.iter().enumerate().skip(done.len()) {
        let key = stream.below(keys) as usize;
        if stream.below(3) == 0 && op > 0 {
            let (_, saw, known) = done[stream.below(u32::try_from(op).unwrap()) as usize];
            replicas[session] |= if saw == Saw::Write { known } else { 0 };
        }
        let known = &mut replicas[session];
        if stream.below(2) == 0 {
            *known |= 1 << op;
            done.push((key, Saw::Write, *known));
            continue;
        }
        let is_known = |&write: &usize| *known >> write & 1 == 1 && done[write].0 == key;
        let mut writes: Vec<usize> = (0..op).filter(is_known).collect();
        let outdated = |write: usize| {
            writes
                .iter()
                .any(|&newer| newer != write && done[newer].2 >> write & 1 == 1)
        };
        if rule == 0 {
            writes = writes.last().copied().into_iter().collect();
        } else if rule == 1 {
            writes = writes
                .iter()
                .copied()
                .filter(|&write| !outdated(write))
                .collect();
        }
        let saw = match u32::try_from(writes.len()).unwrap() {
            _ if stream.below(300) == 0 => Saw::Nobody,
            _ if rule == 2 && stream.below(10) == 0 => Saw::Initial,
            0 => Saw::Initial,
            count => Saw::Op(writes[stream.below(count) as usize]),
        };
        done.push((key, saw, 0));
    }
    if stream.below(8) == 0 {
        // A read of what may be written later.
        let read = stream.below(u32::try_from(done.len()).unwrap()) as usize;
        let (key, saw, _) = done[read];
        let write = done
            .iter()
            .rposition(|other| (other.0, other.1) == (key, Saw::Write));
        if let Some(write) = write.filter(|_| saw != Saw::Write) {
            done[read].1 = Saw::Op(write);
        }
    }
    by_session(&order, &done, sessions as usize)
}

/// Session, key, kind and what a writer knew, of operations that have the pattern; what follows them may
/// hide it behind another one.
const SEED_OF_HB: [(usize, usize, Saw, u32); 7] = [
    (0, 2, Saw::Write, 0b1),
    (0, 0, Saw::Write, 0b11),
    (0, 1, Saw::Write, 0b111),
    (1, 0, Saw::Write, 0b1000),
    (1, 2, Saw::Initial, 0),
    (1, 1, Saw::Op(2), 0),
    (1, 0, Saw::Op(3), 0),
];

/// Lays operations down session by session.
fn by_session(order: &[usize], done: &[(usize, Saw, u32)], sessions: usize) -> Plain {
    let mut sorted: Vec<usize> = (0..order.len()).collect();
    sorted.sort_by_key(|&op| order[op]);
    let place = |op: usize| sorted.iter().position(|&other| other == op).unwrap();
    let ops = sorted.iter().map(|&op| match done[op] {
        (key, Saw::Op(write), _) => (key, Saw::Op(place(write))),
        (key, saw, _) => (key, saw),
    });
    let length = |session| order.iter().filter(|&&other| other == session).count();
    Plain {
        ops: ops.collect(),
        shape: (0..sessions).map(length).collect(),
    }
}

fn word(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "valid",
        Some(false) => "violated",
        None => "unknown",
    }
}

fn judge(text: &str) -> Vec<(&'static str, Verdict)> {
    let history = sessions::read(text).unwrap_or_else(|error| panic!("{error}"));
    causal::judge_all(&History::new(&history), JOINS_MAX)
}

/// The patterns and guarantees that are reported, as in [`REPORTS`].
fn reported(verdicts: &[(&str, Verdict)]) -> Vec<String> {
    let mut reported: Vec<String> = Vec::new();
    for (name, verdict) in verdicts {
        let Verdict::Violated(evidence) = verdict else {
            continue;
        };
        let report = if name.starts_with('C') {
            let pattern = evidence.split(':').next().unwrap();
            match pattern {
                "CyclicCO" => "cyclic-co",
                "ThinAirRead" => "thin-air-read",
                "WriteCOInitRead" => "write-co-init-read",
                "WriteCORead" => "write-co-read",
                "CyclicCF" => "cyclic-cf",
                "WriteHBInitRead" => "write-hb-init-read",
                "CyclicHB" => "cyclic-hb",
                other => panic!("{other} is no pattern"),
            }
        } else {
            name
        };
        if !reported.iter().any(|known| known == report) {
            reported.push(report.to_owned());
        }
    }
    reported
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories/causal")
}

fn files() -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder()).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}
