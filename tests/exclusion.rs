//! The check `exclusion`: against steps on file, against made-up runs in which one thing is wrong, and on
//! runs of a small lock service.
//!
//! The twins stand in `tests/histories/exclusion`, as `ok-RULE-WHAT` and `bad-RULE-WHAT`. The comment in the
//! first line says why the rule holds, or is the evidence that it does not.

#[path = "exclusion/broken.rs"]
mod broken;
#[path = "exclusion/made_up.rs"]
mod made_up;
#[path = "cli/program.rs"]
#[expect(dead_code, reason = "other tests of the program need more of it")]
mod program;
#[path = "exclusion/small.rs"]
mod small;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use program::wavetank;
use wavetank::check::exclusion::written::Written;
use wavetank::check::exclusion::{Step, judge};
use wavetank::check::{Check, Verdict};
use wavetank::seed::Seed;
use wavetank::sim::report::{self, Report};
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::trace::{Detail, Names, json};

use made_up::{MadeUp, NAMES};
use small::{Flaw, Locks};

/// The rules.
const RULES: [&str; 7] = ["t1", "t2", "t3", "t4", "t5", "l1", "l2"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn twins() -> Vec<PathBuf> {
    let entries =
        fs::read_dir(root().join("tests/histories/exclusion")).expect("the twins are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn read(text: &str) -> Written {
    Written::read(text).unwrap_or_else(|mistake| panic!("{mistake}"))
}

fn names() -> Vec<String> {
    NAMES.map(str::to_owned).to_vec()
}

fn verdict(steps: &[Step]) -> Verdict {
    judge(steps, Names(&names()))
}

#[test]
fn the_twins_are_told_apart() {
    let (mut ok, mut bad) = (BTreeSet::new(), BTreeSet::new());
    for path in twins() {
        let text = fs::read_to_string(&path).unwrap();
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let comment = first["comment"].as_str().expect("a comment comes first");
        let Written { names, steps } = read(&text);
        let verdict = judge(&steps, Names(&names));
        let (kind, twin) = name(&path).split_once('-').expect("ok- or bad-");
        if kind == "ok" {
            assert_eq!(verdict, Verdict::Valid, "{twin}");
            ok.insert(twin.to_owned());
        } else {
            assert_eq!(verdict, Verdict::Violated(comment.to_owned()), "{twin}");
            let rule = twin.split('-').next().unwrap();
            assert!(
                comment.to_lowercase().starts_with(&format!("{rule}: ")),
                "{twin}"
            );
            bad.insert(twin.to_owned());
        }
    }
    assert_eq!(ok, bad, "twins come in pairs");
    for rule in RULES {
        assert!(
            bad.iter().any(|twin| twin.starts_with(rule)),
            "no twins of {rule}"
        );
    }
}

#[test]
fn made_up_runs_are_valid_and_have_everything_in_them() {
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let steps = MadeUp::run(Seed(seed));
        assert_eq!(verdict(&steps), Verdict::Valid, "seed {seed}");
        let words = steps.iter().map(|step| {
            let word = format!("{:?}", step.what);
            let word = word.strip_prefix("Accepted(").unwrap_or(&word);
            word.split([' ', '{', '(', ')']).next().unwrap().to_owned()
        });
        seen.extend(words);
    }
    let all = [
        "Closed", "Crash", "End", "Gone", "GoesOn", "Grant", "Granted", "Pause", "Read",
        "Released", "Renew", "Staged", "Told", "Waits", "Withdraw",
    ];
    assert_eq!(seen, all.map(str::to_owned).into());
}

#[test]
fn whatever_is_broken_in_a_made_up_run_is_seen_by_its_rule() {
    for (what, rule, break_it) in broken::ALL {
        let mut broken = 0;
        for seed in 0..400 {
            if let Some(steps) = break_it(MadeUp::run(Seed(seed))) {
                broken += 1;
                let verdict = verdict(&steps);
                let is_seen = verdict.name() == "violated" && verdict.evidence().starts_with(rule);
                assert!(is_seen, "{what}, seed {seed}: {verdict}");
            }
        }
        assert!(broken >= 40, "{what}: {broken} runs only");
    }
}

#[test]
fn the_program_judges_steps_on_file() {
    let path = "tests/histories/exclusion/bad-t3-stale-append.jsonl";
    let ended = wavetank(&["check", "exclusion", path]);
    let expected = format!(
        "{path}  (exclusion)
  6 steps by 2 clients

  exclusion  violated: T3: c1#2 staged 'A' in file_0 with token 1 (line 6), which had ended (line 4)
"
    );
    assert_eq!((ended.code, ended.stdout), (1, expected));
    let ended = wavetank(&[
        "check",
        "exclusion",
        "tests/histories/exclusion/ok-t3-stale-append.jsonl",
        "--format",
        "json",
    ]);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let valid = serde_json::json!({"exclusion": {"verdict": "valid", "evidence": ""}});
    assert_eq!((ended.code, json), (0, valid));
}

#[test]
fn steps_that_cannot_be_understood_are_named_by_their_line() {
    let good = "{\"step\":\"grant\",\"clock\":0,\"operation\":\"c1#1\",\"lock\":0,\"token\":1,\"lease_ms\":5}";
    for (line, told) in [
        ("{\"step\":\"grab\",\"clock\":0}", "2:1: `grab` is no step"),
        ("{\"clock\":0}", "2:1: `` is no step"),
        ("{\"step\":\"end\"}", "2:1: `end` needs `clock`"),
        (
            "{\"step\":\"waits\",\"clock\":0,\"operation\":\"c1#1\"}",
            "2:1: `waits` needs `lock`",
        ),
        (
            "{\"step\":\"waits\",\"clock\":0,\"lock\":0}",
            "2:1: `waits` needs `operation`",
        ),
        (
            "{\"step\":\"gone\",\"clock\":0,\"operation\":\"c1\"}",
            "2:1: `c1` is no operation",
        ),
        (
            "{\"step\":\"end\",\"clock\":0,\"token\":1}",
            "2:1: `end` has no `token`",
        ),
        ("{\"comment\":\"x\",\"clock\":0}", "2:1: `` has no `clock`"),
        (
            "{\"step\":\"end\",\"clock\":0,\"tokn\":1}",
            "2:30: no step: unknown field `tokn`",
        ),
        ("[]", "no step: invalid"),
        ("w(1,1,0,0)", "2:1: no step: expected value"),
    ] {
        let mistake = Written::read(&format!("{good}\n{line}\n")).unwrap_err();
        let mistake = mistake.to_string();
        assert!(mistake.contains(told), "{line}\n{mistake}");
    }
    let mistake = Written::read("{\"comment\":\"nothing\"}\n").unwrap_err();
    assert!(
        mistake
            .to_string()
            .starts_with("1:1: no step; expected JSON lines such as")
    );
}

/// Two clients of one lock: the first pauses in its critical section for longer than its lease.
const STORY: &str = r#"
story = "The holder pauses past its lease, and goes on as if nothing had happened."
service = "locks"
seed = 7
checks = ["exclusion"]
timeout_ms = 200
attempts = 20
max_virtual_s = 20
[clients]
c1 = ["acquire 0", "append 0 A", "pause 3s", "append 0 X", "release 0", "acquire 0", "append 0 C", "release 0"]
c2 = ["wait 100ms", "acquire 0", "append 0 B", "read 0", "wait 5s", "release 0"]
"#;

fn scenario(flaw: Flaw, more: &str) -> Scenario {
    let text = format!("{STORY}{more}");
    Scenario::parse("locks.toml", &text, &[Locks::with(flaw)])
        .unwrap_or_else(|error| panic!("{error}"))
}

fn run(scenario: &Scenario, backend: Backend, detail: Detail) -> Report {
    report::run(&scenario.variants[0], Seed(7), backend, detail)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What the check says of the story with this flaw; the same on both simulators, and whatever is kept.
fn judged(flaw: Flaw, more: &str) -> String {
    let scenario = scenario(flaw, more);
    let told = |backend, detail| {
        let verdicts = run(&scenario, backend, detail).verdicts;
        assert_eq!(verdicts.len(), 1);
        assert_eq!(verdicts[0].0, Check::Exclusion);
        verdicts[0].1.to_string()
    };
    let whole = told(Backend::Event, Detail::Trace);
    assert_eq!(told(Backend::Turmoil, Detail::Trace), whole);
    let cut = told(Backend::Event, Detail::Checks);
    assert_eq!(without_lines(&whole), cut);
    whole
}

/// Evidence without the lines that it cites.
fn without_lines(evidence: &str) -> String {
    let mut parts = evidence.split(" (line");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |before, part| {
        before + part.split_once(')').map_or(part, |(_, after)| after)
    })
}

/// The server's clock is wrong.
const SKEW: &str = "[[fault]]\nskew = { host = \"server\", offset_ms = 90000, rate = 1.5 }\n";

#[test]
fn a_run_of_a_lock_service_is_judged() {
    for more in ["", SKEW] {
        assert_eq!(judged(Flaw::None, more), "valid");
        let told = judged(Flaw::NoFencing, more);
        assert!(
            told.starts_with("violated  T3: c1#3 staged 'X' in file_0 with token 2 (line "),
            "{told}"
        );
        let told = judged(Flaw::NoStaging, more);
        assert!(
            told.starts_with("violated  T4: c2#3 saw 'AB' in file_0 (line "),
            "{told}"
        );
        let told = judged(Flaw::NoLeases, more);
        assert!(
            told.starts_with("violated  L1: c2#1 waited for lock 0 (line "),
            "{told}"
        );
        let told = judged(Flaw::Forgetful, more);
        assert!(told.starts_with("violated  T5: in the end "), "{told}");
    }
}

/// A third client closes with a text staged, and acquires again; a fourth one comes after the second.
const MORE: &str = r#"
c3 = ["acquire 1", "append 1 D", "close", "append 1 E", "release 1", "acquire 1", "append 1 F", "release 1"]
c4 = ["wait 300ms", "acquire 0", "release 0"]
"#;

#[test]
fn a_lock_service_that_serves_out_of_order_or_goes_on_after_a_close_is_caught() {
    assert_eq!(judged(Flaw::None, MORE), "valid");
    let told = judged(Flaw::Unfair, MORE);
    let expected = "violated  L2: lock 0 was granted to c4#1 with token 2";
    assert!(told.starts_with(expected), "{told}");
    assert!(
        told.contains(", before c2#1, which had waited for longer (line "),
        "{told}"
    );
    let told = judged(Flaw::Open, MORE);
    let expected = "violated  T3: c3#4 staged 'E' in file_1 with token 1 (line ";
    assert!(told.starts_with(expected), "{told}");
    assert!(
        told.contains(", which its client had closed (line "),
        "{told}"
    );
}

#[test]
fn a_waiter_that_waits_for_ever_is_seen_in_a_run_without_end() {
    let told = judged(Flaw::Deaf, "");
    let expected = "violated  L1: c2#1 waited for lock 0 (line ";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains("in the end, "), "{told}");
    // What is not decided in such a run is unknown.
    let scenario = scenario(Flaw::None, "");
    let text = STORY.replace("max_virtual_s = 20", "max_virtual_s = 2");
    let short = Scenario::parse("locks.toml", &text, &[Locks::with(Flaw::None)]).unwrap();
    assert_eq!(
        run(&short, Backend::Event, Detail::Trace).verdicts[0]
            .1
            .to_string(),
        "unknown  not over after 2 virtual seconds"
    );
    assert_eq!(
        run(&scenario, Backend::Event, Detail::Trace).verdicts[0].1,
        Verdict::Valid
    );
}

#[test]
fn what_a_paused_server_leaves_undone_is_not_held_against_it() {
    let pause = "[[fault]]\npause = { host = \"server\", at_ms = 1000, for_ms = 4000 }\n";
    assert_eq!(judged(Flaw::None, pause), "valid");
}

#[test]
fn what_was_done_in_the_setup_counts() {
    let setup = "[setup]\nc1 = [\"acquire 0\", \"append 0 S\", \"release 0\"]\n";
    assert_eq!(
        judged(Flaw::None, setup),
        "valid",
        "and what it released is read"
    );
    let held = "[setup]\nc1 = [\"acquire 0\", \"append 0 S\"]\n";
    assert_eq!(judged(Flaw::None, held), "valid");
}

#[test]
fn the_check_needs_locks() {
    let text = "story = \"x\"\nservice = \"booking\"\nseed = 7\nchecks = [\"exclusion\"]\n";
    let mistake = Scenario::parse("x.toml", text, &wavetank::services::catalogue()).unwrap_err();
    let told = mistake.to_string();
    assert!(
        told.contains("booking has no locks, which `exclusion` needs"),
        "{told}"
    );
}

#[test]
fn a_trace_says_of_each_grant_which_token_and_which_lease_it_has() {
    let scenario = scenario(Flaw::None, "");
    let report = run(&scenario, Backend::Event, Detail::Trace);
    let trace = report.trace(&scenario, &scenario.variants[0], Seed(7));
    let text = json::write(&trace);
    assert_eq!(json::read(&text).unwrap(), trace);
    let rows = |word: &'static str| trace.rows.iter().filter(move |row| row.event == word);
    let granted: Vec<_> = rows("grant")
        .map(|row| (row.lock, row.token, row.lease_ms))
        .collect();
    assert_eq!(
        granted,
        [1, 2, 3].map(|token| (Some(0), Some(token), Some(1000)))
    );
    let withdrawn = rows("withdraw").next().expect("the lease runs out");
    let began = rows("grant").next().expect("a grant").clock_ms.unwrap();
    assert_eq!(withdrawn.clock_ms, Some(began + 1000));
    assert_eq!(withdrawn.lease_ms, None);
}
