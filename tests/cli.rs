//! The program from outside: what it prints where, and how it ends.

#[path = "cli/program.rs"]
#[expect(dead_code, reason = "other tests of the program need more of it")]
mod program;

use std::fs;

use program::{STORY, Scratch, assert_is_usage, wavetank};
use serde_json::Value;

/// The scenario of most tests here, which has a drop and the three semantics as variants.
const VARIANTS: [&str; 3] = ["maybe", "at-least-once", "at-most-once"];

fn story() -> String {
    fs::read_to_string(STORY).expect("the story is part of the tree")
}

// ---- run: verdicts

#[test]
fn every_scenario_holds_and_the_table_tells_why() {
    let ended = wavetank(&["run", "sims"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stderr, "");
    let last = ended.stdout.lines().last().expect("a last line");
    assert!(last.ends_with(": all expectations held"), "{last}");

    let ended = wavetank(&["run", STORY]);
    for told in [
        "booking/lost-cancel-reply  (seed 7)",
        "  maybe          1 unknown  1 ran once ",
        "  at-least-once  1 failed   1 ran twice ",
        "  at-most-once   1 ok       1 ran once ",
        "executions violated, as expected: alice#1 ran 2 times (lines 3, 7)",
        "1 scenario, 3 runs: all expectations held",
    ] {
        assert!(ended.stdout.contains(told), "{told}\n{}", ended.stdout);
    }
    assert!(ended.stdout.lines().all(|line| line.chars().count() <= 118));
}

#[test]
fn a_broken_expectation_tells_the_story_the_lines_and_the_command() {
    let scratch = Scratch::new("broken");
    let text = story().replace("executions = \"violated\"", "executions = \"valid\"");
    let file = scratch.file("lost.toml", &text);
    let ended = wavetank(&["run", &file]);
    assert_eq!(ended.code, 1);
    let command = format!("wavetank run {file} --variant at-least-once --seed 7 --trace text");
    for told in [
        "BROKEN: lost, variant at-least-once, seed 7",
        "The reply to a cancel is lost.",
        "executions: expected valid, found violated: alice#1 ran 2 times (lines 3, 7)",
        "     3      5  server  execute             alice#1 cancel CONF000001 -> cancelled\n",
        "     7   5005  server  execute             alice#1 cancel CONF000001 -> already cancelled\n",
        &command,
    ] {
        assert!(ended.stderr.contains(told), "{told}\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("variant maybe"), "{}", ended.stderr);
    let last = "1 scenario, 3 runs: 1 expectation broken\n";
    assert!(ended.stdout.ends_with(last), "{}", ended.stdout);

    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let replayed = wavetank(&words);
    assert_eq!(replayed.code, 1);
    assert!(replayed.stdout.contains("alice#1 ran 2 times (lines 3, 7)"));
}

#[test]
fn what_cannot_be_judged_is_unknown_and_not_broken() {
    let ended = wavetank(&["run", STORY, "--set", "max_virtual_s=1"]);
    assert_eq!(ended.code, 5);
    assert!(ended.stderr.contains("UNKNOWN: booking/lost-cancel-reply"));
    assert!(ended.stderr.contains("--set max_virtual_s=1 --trace text"));
    let last = "1 scenario, 3 runs: 3 runs with an unknown verdict\n";
    assert!(ended.stdout.ends_with(last), "{}", ended.stdout);
}

#[test]
fn a_setup_and_an_end_that_take_too_long_are_given_up_like_a_story() {
    let scratch = Scratch::new("too-long");
    let head = "story = \"x\"\nservice = \"booking\"\nseed = 7\nmax_virtual_s = 20\n";
    let monitor = "monitor 'Meeting Room A' --for 30s";
    let never = "wait 18446744073709551615ms";
    for (part, told) in [
        (format!("setup.alice = [\"{monitor}\"]"), "the setup was"),
        (format!("setup.alice = [\"{never}\"]"), "the setup was"),
        (
            format!("expect.default.final = {{ \"{monitor}\" = \"no updates\" }}"),
            "the commands at the end were",
        ),
    ] {
        let file = scratch.file("long.toml", &format!("{head}clients.alice = []\n{part}\n"));
        for backend in ["event", "turmoil"] {
            let ended = wavetank(&["run", &file, "--backend", backend]);
            let told = format!("executions unknown: {told} not over after 20 virtual seconds");
            assert!(ended.stdout.contains(&told), "{}", ended.stdout);
            assert_eq!(ended.code, 5, "{}", ended.stderr);
        }
    }
}

#[test]
fn the_end_of_an_earlier_registration_ends_no_later_one() {
    let scratch = Scratch::new("ended-twice");
    let text = r#"
        story = "The notice that a monitoring has ended comes again, while the next one lasts."
        service = "booking"
        seed = 7
        [clients]
        alice = ["monitor 'Hall' --for 3s", "monitor 'Hall' --for 20s"]
        bob = ["wait 10s", "book 'Hall' mon 10:00-11:00"]
        [[fault]]
        duplicate = { update_to = "alice#1", nth = 1, after_ms = 100 }
    "#;
    let file = scratch.file("ended.toml", text);
    let words = [
        "run",
        &file,
        "--set",
        "facilities=['Hall']",
        "--trace",
        "text",
    ];
    let ended = wavetank(&words);
    assert!(
        ended.stdout.contains("alice#2 ok: 1 update\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn json_has_an_object_for_each_run() {
    let ended = wavetank(&[
        "run",
        STORY,
        "--format",
        "json",
        "--seed",
        "18446744073709551615",
    ]);
    assert_eq!(ended.code, 0);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let runs = json.as_array().expect("an array");
    let variants: Vec<&Value> = runs.iter().map(|run| &run["variant"]).collect();
    assert_eq!(variants, VARIANTS);
    let run = &runs[1];
    assert_eq!(run["scenario"], "booking/lost-cancel-reply");
    assert_eq!(run["seed"], "18446744073709551615");
    assert_eq!(run["verdicts"]["executions"]["verdict"], "violated");
    assert_eq!(
        run["verdicts"]["executions"]["evidence"],
        "alice#1 ran 2 times (lines 3, 7)"
    );
    assert_eq!(run["outcomes"]["alice#1"], "failed");
    assert_eq!(run["broken"], Value::Array(Vec::new()));
    assert_eq!(run["messages"]["sent"], 4);
    assert_eq!(run["messages"]["lost"], 1);
    assert_eq!(run["retransmissions"], 1);
}

// ---- run: traces

#[test]
fn a_trace_is_the_snapshot_and_the_table_goes_to_stderr() {
    let ended = wavetank(&["run", STORY, "--trace", "text"]);
    assert_eq!(ended.code, 0);
    let snapshots = VARIANTS.map(|variant| {
        let path = format!("snapshots/booking/lost-cancel-reply.{variant}.snap");
        let text = fs::read_to_string(path).expect("every variant has a snapshot");
        let body = text.splitn(3, "---\n").nth(2).expect("a head and a body");
        body.to_owned()
    });
    assert_eq!(ended.stdout, snapshots.join("\n"));
    assert!(ended.stderr.contains("all expectations held"));
}

#[test]
fn json_traces_are_read_back_as_the_same_text() {
    let text = wavetank(&["run", STORY, "--trace", "text"]).stdout;
    let json = wavetank(&["run", STORY, "--trace", "json"]).stdout;
    let mut traces: Vec<String> = Vec::new();
    for line in json.lines() {
        match traces.last_mut() {
            Some(trace) if !line.contains("\"wavetank\":\"trace\"") => {
                trace.push_str(line);
                trace.push('\n');
            }
            _ => traces.push(format!("{line}\n")),
        }
    }
    let told = traces.iter().map(|trace| {
        let trace = wavetank::trace::json::read(trace).expect("what is written can be read");
        wavetank::trace::text::write(&trace)
    });
    assert_eq!(told.collect::<Vec<_>>().join("\n"), text);
}

#[test]
fn two_processes_and_both_simulators_print_the_same_bytes() {
    let rough = [
        "--set",
        "network.loss=0.3",
        "--set",
        "network.duplication=0.3",
    ];
    let run = |backend: &str| {
        let mut words = vec!["run", STORY, "--seed", "11", "--trace", "text"];
        words.extend(rough);
        words.extend(["--backend", backend]);
        wavetank(&words)
    };
    let (first, second, other) = (run("event"), run("event"), run("turmoil"));
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(first.stderr, second.stderr);
    assert_eq!(first.stdout, other.stdout);
    assert!(!other.stdout.contains("turmoil"));
    let header = "--variant maybe --seed 11 --set network.loss=0.3 --set network.duplication=0.3\n";
    assert!(first.stdout.contains(header), "{}", first.stdout);
}

#[test]
fn a_reader_who_leaves_early_is_no_error() {
    // Far more than a pipe holds, so that the program is still writing when its reader leaves.
    let words = ["run"].into_iter().chain([STORY; 200]);
    let ended = program::read_one_line(words.chain(["--trace", "json"]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn nobody_need_read_what_a_client_says_on_stderr() {
    let words = "client booking --server 127.0.0.1:1 --timeout-ms 20 cancel CONF000001";
    assert_eq!(program::exit_code_without_stderr(words), 5);
}

// ---- run: which files, variants and simulators

#[test]
fn files_come_in_the_order_of_arguments_and_those_of_a_directory_by_path() {
    let scratch = Scratch::new("order");
    for name in ["z.toml", "deeper/b.toml", "a.toml", "notes.txt"] {
        scratch.file(name, &story());
    }
    let directory = scratch.path("");
    let ended = wavetank(&["run", STORY, &directory, "--variant", "maybe"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let heads = ended
        .stdout
        .lines()
        .filter(|line| line.ends_with("(seed 7)"));
    let heads: Vec<&str> = heads.collect();
    assert_eq!(
        heads,
        [
            "booking/lost-cancel-reply  (seed 7)",
            "a  (seed 7)",
            "b  (seed 7)",
            "z  (seed 7)"
        ]
    );
    assert!(
        ended
            .stdout
            .ends_with("4 scenarios, 4 runs: all expectations held\n")
    );
}

#[test]
fn a_simulator_that_a_file_excludes_is_a_mistake_and_in_a_directory_a_reason_to_skip() {
    let scratch = Scratch::new("backend");
    let only = format!("backends = [\"event\"]\n{}", story());
    let only = scratch.file("only.toml", &only);
    scratch.file("both.toml", &story());
    let ended = wavetank(&["run", &only, "--backend", "turmoil"]);
    assert_is_usage(
        &ended,
        "variant `maybe` does not run on turmoil, only on event",
    );
    let directory = scratch.path("");
    let ended = wavetank(&["run", &directory, "--backend", "turmoil"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        ended.stderr.matches("skipped ").count(),
        3,
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stdout
            .ends_with("1 scenario, 3 runs: all expectations held\n")
    );
    // Without a choice, a scenario runs where it can.
    let only = format!("backends = [\"turmoil\"]\n{}", story());
    let only = scratch.file("only.toml", &only);
    assert_eq!(wavetank(&["run", &only]).code, 0);
}

#[test]
fn mistakes_are_named_in_one_line() {
    let scratch = Scratch::new("mistakes");
    let bad = scratch.file("bad.toml", &story().replace("[[fault]]", "[[falt]]"));
    let line = story().lines().position(|line| line == "[[fault]]");
    let line = line.expect("the story has a fault") + 1;
    assert_is_usage(&wavetank(&["run", &bad]), &format!("bad.toml:{line}:3: "));
    assert_is_usage(
        &wavetank(&["run", "sims/nowhere.toml"]),
        "sims/nowhere.toml: cannot be read",
    );
    let empty = scratch.path("empty");
    fs::create_dir(&empty).expect("a new directory");
    assert_is_usage(&wavetank(&["run", &empty]), "no scenario (*.toml)");
    assert_is_usage(
        &wavetank(&["run", STORY, "--variant", "perhaps"]),
        "no scenario has the variant `perhaps`; expected one of maybe, at-least-once, at-most-once",
    );
    assert_is_usage(
        &wavetank(&["run", STORY, "--set", "network.los=0.1"]),
        "--set network.los=0.1: unknown key `los`",
    );
    let text = story().replace("mon 10:00-11:00", "mon 10:00-11:00\", \"cancel CONF000009");
    let setup = scratch.file("setup.toml", &text);
    assert_is_usage(
        &wavetank(&["run", &setup]),
        "setup of alice: `cancel CONF000009`",
    );
    let compare = ["compare", &setup, "--seeds", "3..5"];
    assert_is_usage(
        &wavetank(&compare),
        "variant `maybe`, seed 3: setup of alice",
    );
}

#[test]
fn wrong_options_end_with_2() {
    for words in [
        &["frobnicate"][..],
        &[],
        &["run"],
        &["run", STORY, "--seed", "-1"],
        &["run", STORY, "--set", "loss"],
        &["run", STORY, "--backend", "madsim"],
        &["compare", STORY],
        &["compare", STORY, "--seeds", "5..5"],
        &["compare", STORY, "--seeds", "0..2", "--jobs", "0"],
        &["compare", "sims", "--seeds", "0..2"],
    ] {
        let ended = wavetank(words);
        assert_eq!(ended.code, 2, "{words:?}");
        assert_eq!(ended.stdout, "", "{words:?}");
    }
}

// ---- compare

/// Three busy clients on a rough network.
const LOAD: &str = r#"
story = "A rough day."
service = "booking"
seed = 7
[variants]
at-most-once = { semantics = "at-most-once" }
at-least-once = { semantics = "at-least-once" }
[network]
loss = 0.1
duplication = 0.1
[load.visitor]
count = 3
requests = 8
think_ms = { uniform = [150, 450] }
mix = { query = 4, book = 3, cancel = 2 }
"#;

#[test]
fn a_comparison_adds_up() {
    let scratch = Scratch::new("compare");
    let file = scratch.file("rough.toml", LOAD);
    let ended = wavetank(&["compare", &file, "--seeds", "5..25", "--format", "json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let order = ["at-most-once", "at-least-once"].map(|name| ended.stdout.find(name));
    assert!(order[0] < order[1], "variants are in the order of the file");
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(json["scenario"], "rough");
    assert_eq!(json["seeds"], serde_json::json!(["5", "25"]));
    for variant in ["at-most-once", "at-least-once"] {
        let told = &json["variants"][variant];
        assert_eq!(told["runs"], 20);
        let operations = told["operations"].as_object().expect("labels");
        let labels: Vec<&String> = operations.keys().collect();
        assert_eq!(labels, ["book", "cancel", "query"]);
        let ended: u64 = operations.values().map(sum).sum();
        assert_eq!(ended, 20 * 3 * 8);
        assert_eq!(sum(&told["executions"]), ended);
        let messages = &told["messages"];
        assert!(messages["sent"].as_u64() > messages["lost"].as_u64());
        assert!(messages["lost"].as_u64() > Some(0));
        assert!(messages["duplicated"].as_u64() > Some(0));
        assert!(told["retransmissions"].as_u64() > Some(0));
        let [p50, p99, max] = ["p50", "p99", "max"].map(|key| told["latency_ms"][key].as_u64());
        assert!(Some(2) <= p50 && p50 <= p99 && p99 <= max, "{told}");
        assert_eq!(told.get("unknown"), None);
    }
    let [cured, ill] = ["at-most-once", "at-least-once"].map(|name| &json["variants"][name]);
    assert_eq!(
        cured["violated"],
        serde_json::json!({"effects": 0, "executions": 0})
    );
    assert_eq!(
        cured["executions"].as_object().map(|counts| counts.len()),
        Some(2)
    );
    assert!(ill["violated"]["executions"].as_u64() > Some(0));
    assert!(ill["executions"]["2"].as_u64() > Some(0));
}

fn sum(counts: &Value) -> u64 {
    let counts = counts.as_object().expect("an object of numbers").values();
    counts.map(|count| count.as_u64().expect("a number")).sum()
}

#[test]
fn a_comparison_does_not_depend_on_threads() {
    let scratch = Scratch::new("threads");
    let file = scratch.file("rough.toml", LOAD);
    for format in ["text", "json"] {
        let compare = |jobs| {
            let words = ["compare", &file, "--seeds", "0..30", "--format", format];
            wavetank(&[&words[..], &["--jobs", jobs]].concat())
        };
        let (one, four) = (compare("1"), compare("4"));
        assert_eq!(one.code, 0, "{}", one.stderr);
        assert_eq!(one.stdout, four.stdout);
    }
}

#[test]
fn a_comparison_names_a_seed_that_shows_the_violation() {
    let ended = wavetank(&["compare", STORY, "--seeds", "40..60"]);
    assert_eq!(ended.code, 0);
    let replay = format!("wavetank run {STORY} --variant at-least-once --seed 40 --trace text");
    for told in [
        "booking/lost-cancel-reply  (seeds 40..60, 20 runs of each variant)",
        "cancel 20 failed",
        "20 ran twice",
        "effects 100.0 %",
        "(83.9 .. 100.0)",
        "at-least-once: effects violated, for example:",
        &replay,
    ] {
        assert!(ended.stdout.contains(told), "{told}\n{}", ended.stdout);
    }
}

#[test]
fn runs_that_come_to_no_end_are_unknown_in_a_comparison() {
    let words = [
        "compare",
        STORY,
        "--seeds",
        "0..4",
        "--set",
        "max_virtual_s=1",
    ];
    let ended = wavetank(&[&words[..], &["--format", "json"]].concat());
    assert_eq!(ended.code, 0);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let told = &json["variants"]["maybe"];
    assert_eq!(told["unknown"]["effects"], 4);
    assert_eq!(told["operations"]["cancel"]["unknown"], 4);
    assert_eq!(told["latency_ms"]["p50"], Value::Null);
}

// ---- the rest

#[test]
fn completions_and_schema_are_printed() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = wavetank(&["completions", shell]);
        assert_eq!(ended.code, 0);
        assert!(ended.stdout.contains("compare"), "{shell}");
    }
    let schema = wavetank(&["schema"]).stdout;
    let checked_in = fs::read_to_string("sims/scenario.schema.json").expect("a schema");
    assert_eq!(schema, checked_in);
}

#[test]
fn help_has_examples() {
    for words in [&["--help"][..], &["run", "--help"], &["compare", "--help"]] {
        let ended = wavetank(words);
        assert_eq!(ended.code, 0);
        assert!(ended.stdout.contains("Examples:"), "{words:?}");
    }
}
