//! `wavetank check` from outside: twins in three formats, verdicts, exit codes and messages.
//!
//! The twins stand in `tests/histories/linearizable`, as `ok-MODEL-WHAT` and `bad-MODEL-WHAT`. The first
//! line of each is no operation: it says why the history is valid, or what shows that it is not. Those of
//! transactions stand in `tests/histories/atomicity`, as `ok-WHAT` and `bad-WHAT`.

#[path = "check/atomicity.rs"]
mod atomicity;
#[path = "cli/program.rs"]
#[expect(dead_code, reason = "other tests of the program need more of it")]
mod program;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use program::{Ended, Scratch, assert_is_usage, wavetank};
use serde_json::{Value, json};

const TWINS: &str = "tests/histories/linearizable";

/// The histories, each with its model.
fn twins() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join(TWINS)).expect("the twins are there");
    let names = entries.map(|entry| entry.expect("a file").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort();
    let model = |name: &String| name.split('-').nth(1).expect("ok-MODEL-WHAT").to_owned();
    names
        .iter()
        .map(|name| (model(name), format!("{TWINS}/{name}")))
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(model: &str, history: &str, more: &[&str]) -> Ended {
    wavetank(&[&["check", model, history], more].concat())
}

/// The verdict on a register or a store and its evidence, as JSON has them.
fn verdict(ended: &Ended) -> (String, String) {
    verdict_on("linearizable", ended)
}

/// The verdict on the only property, and its evidence.
fn verdict_on(property: &str, ended: &Ended) -> (String, String) {
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let judged = &json[property];
    let text = |name: &str| judged[name].as_str().expect("a text").to_owned();
    let verdict = (text("verdict"), text("evidence"));
    assert_eq!(
        json,
        json!({property: {"verdict": verdict.0, "evidence": verdict.1}})
    );
    verdict
}

#[test]
fn the_twins_are_told_apart() {
    let (mut ok, mut bad) = (0, 0);
    for (model, path) in twins() {
        let ended = check(&model, &path, &["--format", "json"]);
        assert_eq!(ended.stderr, "", "{path}");
        let (verdict, evidence) = verdict(&ended);
        let first = fs::read_to_string(root().join(&path)).expect("a text");
        let first = first.lines().next().expect("a line").replace("\\\"", "\"");
        if path.contains("/ok-") {
            ok += 1;
            assert_eq!((ended.code, verdict.as_str()), (0, "valid"), "{path}");
        } else {
            bad += 1;
            assert_eq!((ended.code, verdict.as_str()), (1, "violated"), "{path}");
            assert!(first.contains(&evidence), "{path}\n{first}\n{evidence}");
        }
    }
    assert!(ok >= 8 && ok == bad, "{ok} ok, {bad} bad");
    for model in ["register", "kv"] {
        for format in [".jsonl", ".edn", ".log"] {
            let is_it = |(of, path): &(String, String)| of == model && path.ends_with(format);
            assert!(twins().iter().any(is_it), "no twins of {model} in {format}");
        }
    }
}

#[test]
fn the_text_is_short_and_names_calls_by_their_lines() {
    let path = format!("{TWINS}/bad-register-read-after-a-write.log");
    let ended = check("register", &path, &[]);
    let expected = format!(
        "{path}  (register)
  2 calls by 2 processes: 2 ok

  linearizable  violated: process 1's read -> nil (lines 4..5) fits nowhere: up to its end, no order
                          of the calls explains what clients were told (nothing else was under way;
                          the last to end before it: process 0's write 1 (lines 2..3))
"
    );
    assert_eq!((ended.code, ended.stdout), (1, expected));
    let path = format!("{TWINS}/ok-register-one-cas-wins.edn");
    let ended = check("register", &path, &[]);
    let expected = format!(
        "{path}  (register)
  3 calls by 2 processes: 2 ok, 1 failed

  linearizable  valid
"
    );
    assert_eq!((ended.code, ended.stdout), (0, expected));
}

#[test]
fn a_history_comes_from_stdin_too() {
    let path = format!("{TWINS}/bad-kv-append-lost.edn");
    let mut program = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(["check", "kv", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let text = fs::read(root().join(path)).expect("a history");
    let mut stdin = program.stdin.take().expect("it is piped");
    stdin.write_all(&text).expect("the program reads");
    drop(stdin);
    let output = program.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(1));
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        stdout.starts_with("stdin  (kv)\n  3 calls by 3 processes: 3 ok\n"),
        "{stdout}"
    );
}

/// Writes that all overlap, and a read behind them of what the first one wrote, after which it has
/// been overwritten in every order.
fn hard(writes: u32) -> String {
    let mut text = String::new();
    let mut line = |process: u32, kind: &str, f: &str, value: &str| {
        let line = format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n");
        text.push_str(&line);
    };
    for n in 0..writes {
        line(n, "invoke", "write", &n.to_string());
    }
    for n in 0..writes {
        line(n, "ok", "write", &n.to_string());
    }
    for told in ["0", "1"] {
        line(0, "invoke", "read", "nil");
        line(0, "ok", "read", told);
    }
    text
}

#[test]
fn a_budget_gives_unknown_and_more_of_it_a_verdict() {
    let scratch = Scratch::new("check-budget");
    let path = scratch.file("hard.edn", &hard(12));
    let ended = check("register", &path, &["--budget", "1000", "--format", "json"]);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    let unknown = "not decided after 1000 steps of the search".to_owned();
    assert_eq!(verdict(&ended), ("unknown".to_owned(), unknown));
    let ended = check("register", &path, &[]);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let path = scratch.file("at-once.edn", &hard(129));
    let ended = check("register", &path, &[]);
    assert_eq!(ended.code, 5);
    let told = "unknown: more than 128 calls are under way at once, at process 128's write";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
}

#[test]
fn what_cannot_be_understood_is_named_with_line_and_column() {
    let scratch = Scratch::new("check-wrong");
    let read =
        "{:process 0, :type :invoke, :f :read}\n{:process 0, :type :ok, :f :read, :value 1}\n";
    for (model, name, text, told) in [
        (
            "register",
            "dequeue.edn",
            format!("{read}  {{:process 0, :type :invoke, :f :dequeue}}"),
            "3:3: the model register has no `dequeue`; it knows read (get), write (put), cas",
        ),
        (
            "register",
            "append.log",
            "INFO  jepsen.util - 3\t:invoke\t:append\t\"x\"".to_owned(),
            "1:1: the model register has no `append`; it knows read (get), write (put), cas",
        ),
        (
            "kv",
            "txn.jsonl",
            r#"{"process":0,"type":"invoke","f":"txn","value":[1,[]]}"#.to_owned(),
            "1:1: the model kv has no `txn`; it knows read (get), write (put), cas, append",
        ),
        (
            "kv",
            "keyless.edn",
            read.to_owned(),
            "1:1: the value of a `read` is [key value], or a field `key` stands beside it; found nil",
        ),
        (
            "register",
            "cas.edn",
            format!("{read}{{:process 0, :type :invoke, :f :cas, :value 4}}"),
            "3:1: the value of a `cas` is [old new], not 4",
        ),
        (
            "kv",
            "append.edn",
            "{:process 0, :type :invoke, :f :append, :key 1, :value 2}".to_owned(),
            "1:1: the value of an `append` is a text, not 2",
        ),
        (
            "register",
            "type.jsonl",
            r#"{"process":0,"type":"begin","f":"read"}"#.to_owned(),
            "1:21: a type is `invoke`, `ok`, `fail` or `info`, not \"begin\"",
        ),
        (
            "register",
            "nothing",
            String::new(),
            "1:1: this is no history: expected JSON lines, EDN maps or log lines of jepsen.util \
             (docs/checking.md shows each)",
        ),
    ] {
        let file = scratch.file(name, &text);
        let ended = check(model, &file, &[]);
        assert_is_usage(&ended, told);
        assert_eq!(ended.stderr, format!("wavetank: {file}:{told}\n"));
    }
    let latin = PathBuf::from(scratch.path("latin.edn"));
    fs::write(&latin, b"; fine\n; caf\xe9").expect("a file can be written");
    assert_is_usage(
        &check("register", &latin.display().to_string(), &[]),
        "latin.edn:2: not UTF-8 here",
    );
    assert_is_usage_of_clap("queue");
}

/// A model that is none is a mistake, too; the program says which there are.
fn assert_is_usage_of_clap(model: &str) {
    let ended = check(model, "history", &[]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("register, kv"), "{}", ended.stderr);
}

#[test]
fn a_file_of_any_model_that_cannot_be_read_is_told_so() {
    for model in ["register", "kv", "causal"] {
        let ended = check(model, "nowhere.edn", &[]);
        assert_eq!(ended.code, 4);
        let told = "wavetank: nowhere.edn: cannot be read: ";
        assert!(ended.stderr.starts_with(told), "{}", ended.stderr);
    }
    let ended = check("register", "tests", &[]);
    assert_eq!(ended.code, 4);
    let told = "wavetank: tests: cannot be read: ";
    assert!(ended.stderr.starts_with(told), "{}", ended.stderr);
}

#[test]
fn the_history_of_a_run_is_checked_and_its_trace_refused() {
    let scratch = Scratch::new("check-run");
    // Carol asks for each key, so that the history itself shows what she has seen.
    let ring = fs::read_to_string(root().join("sims/causal/ring.toml")).expect("a scenario");
    let (story, _) = ring.split_once("[expect").expect("it expects something");
    let asked = r#"carol = ["wait 200ms", "get answer", "get ring"]"#;
    let lines = story
        .lines()
        .map(|line| match line.starts_with("carol = [") {
            true => asked,
            false => line,
        });
    let ring = scratch.file("ring.toml", &lines.collect::<Vec<_>>().join("\n"));
    for (variant, code) in [("causal", 0), ("eventual", 1)] {
        let run =
            |format| wavetank(&["run", &ring, "--variant", variant, "--trace", format]).stdout;
        let file = scratch.file("history.jsonl", &run("history"));
        let ended = check("causal", &file, &[]);
        assert_eq!((ended.code, ended.stderr.as_str()), (code, ""), "{variant}");
        for format in ["text", "json"] {
            let file = scratch.file("trace", &run(format));
            let told = "trace: this is a trace and no history; `wavetank run FILE --variant NAME --trace \
                        history` prints the history of a run";
            assert_is_usage(&check("causal", &file, &[]), told);
        }
    }
    let run = [
        "run",
        program::STORY,
        "--variant",
        "maybe",
        "--trace",
        "history",
    ];
    let history = wavetank(&run);
    let first = history.stdout.lines().next().expect("a line");
    let expected = r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"cancel","value":"CONF000001","operation":"alice#1"}"#;
    assert_eq!(first, expected);
    assert!(
        history.stderr.contains("lost-cancel-reply"),
        "{}",
        history.stderr
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_history() {
    let scratch = Scratch::new("check-mark");
    let line = r#"{"process":0,"type":"invoke","f":"write","value":["x",1]}"#;
    let file = scratch.file("mark.jsonl", &format!("\u{feff}{line}"));
    for model in ["register", "kv", "causal"] {
        let ended = check(model, &file, &[]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{model}");
    }
}

#[test]
fn the_formats_of_the_other_models_are_read_for_causal_too() {
    let scratch = Scratch::new("check-causal");
    let record = |process, kind: &str, f: &str, value: &str| {
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
    };
    let stale = [
        record(0, "invoke", "write", "[:x 1]"),
        record(0, "ok", "write", "[:x 1]"),
        record(0, "invoke", "read", "[:x nil]"),
        record(0, "ok", "read", "[:x nil]"),
    ];
    let file = scratch.file("stale.edn", &stale.concat());
    let ended = check("causal", &file, &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
    let told = "WriteCOInitRead: w(x,1) (line 1) is in the past of r(x,initial) (line 3)";
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    assert!(words.join(" ").contains(told), "{}", ended.stdout);
    let nobody = scratch.file("nobody.edn", "{:process :nemesis, :type :info, :f :kill}");
    let ended = check("causal", &nobody, &[]);
    assert_is_usage(&ended, "nobody.edn:1:1: a history without any call");
}

#[test]
fn a_file_that_is_not_there_is_no_mistake_in_a_history() {
    let ended = check("register", "nowhere.edn", &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""));
    assert!(
        ended.stderr.starts_with("wavetank: nowhere.edn: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_examples_of_the_document_are_judged_as_it_says() {
    let scratch = Scratch::new("check-document");
    let text = fs::read_to_string(root().join("docs/checking.md")).expect("the document is there");
    let mut count = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        // The fence says what comes of the example: ```edn register valid
        let info = line.strip_prefix("```").unwrap_or_default();
        let [format, model, expected] = info.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        count += 1;
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let file = scratch.file(&format!("{count}.{format}"), &body.join("\n"));
        let ended = check(model, &file, &["--format", "json"]);
        assert_eq!(ended.stderr, "", "{info}");
        assert_eq!(ended.code, i32::from(expected != "valid"), "{info}");
        match model {
            "causal" => {}
            "exclusion" | "atomicity" => {
                assert_eq!(verdict_on(model, &ended).0, expected, "{info}")
            }
            _ => assert_eq!(verdict(&ended).0, expected, "{info}"),
        }
    }
    assert!(count >= 5, "the document shows {count} histories");
}

#[test]
fn the_twins_of_causal_consistency_are_told_apart() {
    let twins = root().join("tests/histories/causal");
    let mut codes = std::collections::BTreeMap::new();
    for entry in fs::read_dir(twins).expect("the twins are there") {
        let path = entry.expect("a file").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("UTF-8");
        let ended = check("causal", &path.display().to_string(), &["--format", "json"]);
        assert_eq!(ended.stderr, "", "{name}");
        let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let verdict = |property: &str| json[property]["verdict"].as_str().expect("a verdict");
        // Causal memory is told, and nothing hangs on it.
        let only_memory = name.contains("cyclic-hb") || name.contains("hb-init-read");
        let expected = i32::from(name.starts_with("bad-") && !only_memory);
        assert_eq!(ended.code, expected, "{name}");
        if name.starts_with("bad-") {
            assert_eq!(
                verdict("CM") == "violated",
                only_memory || expected == 1 && verdict("CC") == "violated",
                "{name}"
            );
        }
        *codes.entry(ended.code).or_insert(0) += 1;
    }
    assert!(codes[&0] >= 15 && codes[&1] >= 13, "{codes:?}");
}

#[test]
fn a_run_of_a_store_is_written_in_both_formats_and_judged_the_same() {
    let scratch = Scratch::new("check-written");
    for (variant, expected) in [("causal", 0), ("eventual", 1)] {
        for (format, name) in [("history", "h.jsonl"), ("plume", "h.plume")] {
            let words = [
                "run",
                "sims/causal/chain.toml",
                "--variant",
                variant,
                "--trace",
                format,
            ];
            let ended = wavetank(&words);
            assert_eq!(ended.code, 0, "{}", ended.stderr);
            let file = scratch.file(name, &ended.stdout);
            let judged = check("causal", &file, &["--format", "json"]);
            assert_eq!(
                judged.code, expected,
                "{variant} {format}: {}",
                judged.stdout
            );
        }
    }
    let refused = wavetank(&["run", "sims/booking/storm.toml", "--trace", "plume"]);
    assert_is_usage(&refused, "booking has no reads and writes of keys");
}
