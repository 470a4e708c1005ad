//! `compare` from outside: sweeps, documents in Markdown, and plots that tell the same numbers.

#[path = "compare/picture.rs"]
mod picture;
#[path = "compare/plots.rs"]
mod plots;
#[path = "cli/program.rs"]
#[expect(dead_code, reason = "other tests of the program need more of it")]
mod program;

use std::collections::BTreeSet;
use std::fs;

use picture::{Panel, assert_well_formed};
use program::{Ended, Scratch, wavetank};
use serde_json::{Value, json};

/// One cancel while one datagram in five is lost, with the three semantics as variants.
const LOSSY: &str = "sims/booking/lossy-cancel.toml";
/// The reply to a cancel is lost, by a scripted fault.
const STORY: &str = "sims/booking/lost-cancel-reply.toml";

/// Runs `wavetank compare`.
fn compare(words: &[&str]) -> Ended {
    wavetank(&[&["compare"], words].concat())
}

/// The program ended with this code, this message and nothing on stdout.
fn assert_fails(ended: &Ended, code: i32, told: &str) {
    assert_eq!(ended.code, code, "{told}\n{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains(told), "{told}\n{}", ended.stderr);
}

/// Two busy clients on a rough network.
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
count = 2
requests = 6
think_ms = { uniform = [150, 450] }
mix = { query = 4, book = 3, cancel = 2 }
"#;

fn json_of(words: &[&str]) -> Value {
    let ended = compare(&[words, &["--format", "json"]].concat());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{words:?}");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

// ---- sweeps

#[test]
fn each_value_meets_the_storms_of_a_comparison_with_set() {
    let scratch = Scratch::new("storms");
    let file = scratch.file("rough.toml", LOAD);
    for (sweep, key, values) in [
        ("loss=0,0.1..0.2", "network.loss", vec!["0", "0.1", "0.2"]),
        ("duplication=0.3,0", "network.duplication", vec!["0.3", "0"]),
        ("delay_ms=1,40", "network.delay_ms.fixed", vec!["1", "40"]),
        (
            "semantics=maybe,at-most-once",
            "semantics",
            vec!["maybe", "at-most-once"],
        ),
    ] {
        let words = [file.as_str(), "--seeds", "5..15"];
        let swept = json_of(&[&words[..], &["--sweep", sweep]].concat());
        assert_eq!(swept["scenario"], "rough");
        assert_eq!(swept["seeds"], json!(["5", "15"]));
        assert_eq!(swept["sweep"]["key"], key);
        let points = swept["points"].as_array().expect("points");
        assert_eq!(points.len(), values.len());
        for (point, value) in points.iter().zip(values) {
            let set = format!("{key}={value}");
            let alone = json_of(&[&words[..], &["--set", &set]].concat());
            assert_eq!(point["variants"], alone["variants"], "{set}");
            let written = &point["value"];
            let written = written
                .as_str()
                .map_or_else(|| written.to_string(), str::to_owned);
            assert_eq!(written, value);
        }
        let different: BTreeSet<String> =
            points.iter().map(|p| p["variants"].to_string()).collect();
        assert_eq!(different.len(), points.len(), "the value of {key} matters");
    }
}

#[test]
fn the_json_of_a_sweep_has_its_form() {
    let words = [
        STORY,
        "--seeds",
        "40..42",
        "--variant",
        "maybe",
        "--format",
        "json",
    ];
    let plain = compare(&words).stdout;
    let start = "{\n  \"scenario\": \"booking/lost-cancel-reply\",\n  \"seeds\": [\n    \"40\",\n    \"42\"\n  ],\n  ";
    let variants = plain
        .strip_prefix(start)
        .expect("the form of a plain comparison");
    let variants = variants.strip_suffix("\n}\n").expect("one object");
    assert!(variants.starts_with("\"variants\": {\n    \"maybe\": {\n      \"runs\": 2,"));

    let swept = compare(&[&words[..], &["--sweep", "loss=0,0.0"]].concat());
    assert_fails(&swept, 2, "column 8: the value 0 comes twice");
    let swept = compare(&[&words[..], &["--sweep", "attempts=1,2"]].concat()).stdout;
    // Of the same bytes, two levels further in: `maybe` sends once, whatever its attempts.
    let inner = variants.replace('\n', "\n    ");
    let point = |value| format!("    {{\n      \"value\": {value},\n      {inner}\n    }}");
    let sweep = "\"sweep\": {\n    \"key\": \"attempts\",\n    \"values\": [\n      1,\n      2\n    ]\n  }";
    let points = format!("{},\n{}", point(1), point(2));
    assert_eq!(
        swept,
        format!("{start}{sweep},\n  \"points\": [\n{points}\n  ]\n}}\n")
    );
}

#[test]
fn the_table_of_a_sweep_has_a_row_for_each_value_and_variant() {
    let words = [STORY, "--seeds", "40..60", "--sweep", "attempts=3,1"];
    let ended = compare(&words);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let head = "booking/lost-cancel-reply  (seeds 40..60, 20 runs of each variant at each value)\n";
    assert!(ended.stdout.starts_with(head), "{}", ended.stdout);
    let rows: Vec<String> = ended
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| line.starts_with("3 ") || line.starts_with("1 "))
        .collect();
    let [none, all] = ["0.0 (0.0 .. 16.1)", "100.0 (83.9 .. 100.0)"];
    assert_eq!(
        rows,
        [
            format!("3 maybe {none} {none} 100.0 0.00 2.00 - -"),
            format!("3 at-least-once {all} {all} 0.0 1.00 4.00 5006 5009"),
            format!("3 at-most-once {none} {none} 0.0 1.00 4.00 5006 5009"),
            format!("1 maybe {none} {none} 100.0 0.00 2.00 - -"),
            format!("1 at-least-once {none} {none} 100.0 0.00 2.00 - -"),
            format!("1 at-most-once {none} {none} 100.0 0.00 2.00 - -"),
        ]
    );
    assert!(
        ended
            .stdout
            .lines()
            .all(|line| line.starts_with("  wavetank") || line.len() <= 118)
    );
}

#[test]
fn a_replay_sets_the_value() {
    let ended = compare(&[LOSSY, "--seeds", "0..40", "--sweep", "loss=0,0.1..0.3"]);
    let (_, below) = ended
        .stdout
        .split_once("at-least-once: executions violated at network.loss = 0.1 in 3 runs, for example:\n  wavetank ")
        .unwrap_or_else(|| panic!("{}", ended.stdout));
    let replay = below.lines().next().expect("a command");
    assert!(replay.contains(" --set network.loss=0.1 "), "{replay}");
    let words: Vec<&str> = replay.split(' ').collect();
    let replayed = wavetank(&words).stdout;
    assert!(replayed.contains("alice#1 ran 2 times"), "{replayed}");
}

#[test]
fn what_could_not_be_judged_at_a_value_is_noted() {
    let ended = compare(&[STORY, "--seeds", "0..4", "--sweep", "max_virtual_s=600,1"]);
    let told = "\nmaybe: effects could not be judged at max_virtual_s = 1 in 4 runs, for example:\n  \
                wavetank run sims/booking/lost-cancel-reply.toml --variant maybe --seed 0 \
                --set max_virtual_s=1 --trace text\n";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
}

#[test]
fn neither_threads_nor_another_run_change_a_byte() {
    let scratch = Scratch::new("threads");
    let file = scratch.file("rough.toml", LOAD);
    let run = |jobs: &str, format: &str| {
        let plot = scratch.path(&format!("{jobs}-{format}.svg"));
        let words = [
            file.as_str(),
            "--seeds",
            "0..20",
            "--sweep",
            "loss=0.2,0",
            "--plot",
            &plot,
        ];
        let ended = compare(&[&words[..], &["--jobs", jobs, "--format", format]].concat());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        (ended.stdout, fs::read(plot).expect("a plot"))
    };
    for format in ["text", "markdown", "json"] {
        assert_eq!(run("1", format), run("4", format));
    }
}

// ---- mistakes

#[test]
fn a_wrong_sweep_or_plot_is_a_mistake_of_the_user() {
    let scratch = Scratch::new("mistakes");
    let plot = scratch.path("plot.svg");
    let plot = plot.as_str();
    // So many runs would never end: each mistake is found before the first.
    let words = [LOSSY, "--seeds", "0..1000000000000"];
    for (more, told) in [
        (
            &["--sweep", "loss"][..],
            "expected KEY=VALUES, as in loss=0,0.05..0.4",
        ),
        (
            &["--sweep", "loss=0.1..0.4"],
            "column 6: the range 0.1..0.4 has no step",
        ),
        (
            &["--sweep", "loss=0.3,0.2..0"],
            "column 10: 0.3,0.2..0 does not go up",
        ),
        (&["--sweep", "loss=0,,1"], "column 8: a value is missing"),
        (
            &["--sweep", "attempts=1,2..200"],
            "column 12: more than 100 values",
        ),
        (
            &["--sweep", "seed=1,2"],
            "`seed` is no key to sweep; --seeds says",
        ),
        (
            &["--sweep", "loss=0", "--sweep", "attempts=1"],
            "cannot be used multiple times",
        ),
        (
            &["--sweep", "loss=0.9,1..1.1"],
            "--sweep network.loss, value 1.1: 1.1 is out of range",
        ),
        (
            &["--sweep", "los=1"],
            "--sweep los, value 1: unknown key `los`",
        ),
        (
            &["--sweep", "story=x"],
            "--sweep story, value x: `story` may not be overridden",
        ),
        (
            &["--sweep", "reply_cache=memory,durable"],
            "value durable: the state is in memory",
        ),
        (
            &["--sweep", "loss=0", "--set", "network.loss=1"],
            "`network.loss` is both in --set and in",
        ),
        (
            &["--sweep", "loss=0,0.1", "--variant", "x"],
            "no scenario has the variant `x`",
        ),
        (
            &["--plot", plot],
            "--plot draws against the values of a key; expected --sweep with it",
        ),
        (
            &["--plot", plot, "--sweep", "loss=0"],
            "expected two values of --sweep network.loss",
        ),
        (
            &["--plot", plot, "--sweep", "semantics=maybe,at-most-once"],
            "--plot draws against numbers; the value maybe of --sweep semantics is no decimal number of at most 18 digits",
        ),
        (&["--format", "html"], "text, markdown, json"),
    ] {
        assert_fails(&compare(&[&words[..], more].concat()), 2, told);
    }
    assert_eq!(scratch.names(), [""; 0]);
}

#[test]
fn a_mistake_in_the_file_is_not_one_of_the_sweep() {
    let scratch = Scratch::new("file-mistake");
    let file = scratch.file("wrong.toml", &LOAD.replace("seed = 7", "seeds = 7"));
    let ended = compare(&[&file, "--seeds", "0..2", "--sweep", "loss=0,0.1"]);
    let told = format!("wavetank: {file}:1:1: `seed` is missing");
    assert_fails(&ended, 2, &told);
}

// ---- Markdown

#[test]
fn the_document_of_a_comparison_tells_the_numbers_of_the_text() {
    let words = [LOSSY, "--seeds", "0..40"];
    let text = compare(&words).stdout;
    let document = compare(&[&words[..], &["--format", "markdown"]].concat()).stdout;
    let (head, rest) = document.split_once("\n| variant |").expect("a table");
    assert!(head.starts_with("## booking/lossy-cancel\n\nSeeds 0..40, 40 runs of each variant.\n"));
    assert!(head.contains("\nThe story: One cancel while one datagram in five is lost."));
    let tables: Vec<&str> = rest.lines().filter(|line| line.starts_with('|')).collect();
    // Every cell of the text is found again, once for each time that it stands there.
    let in_tables = tables.join(" ").replace("<br>", " ").replace('|', " ");
    let (_, table) = text.split_once("violated\n").expect("a table");
    let (table, _) = table.split_once("\n\nat-least-once: ").expect("notes");
    let words_of = |text: &str| {
        let mut words: Vec<String> = text
            .split_whitespace()
            .filter(|word| !word.trim_matches(['-', ':']).is_empty())
            .map(str::to_owned)
            .collect();
        words.sort();
        words
    };
    assert_eq!(words_of(&in_tables), words_of(table));
    for line in text
        .lines()
        .filter_map(|line| line.strip_prefix("  wavetank "))
    {
        let block = format!(", for example:\n\n```sh\nwavetank {line}\n```\n");
        assert!(document.contains(&block), "{block}");
    }
}

#[test]
fn the_document_of_a_sweep_is_as_reviewed() {
    let scratch = Scratch::new("document");
    let text = fs::read_to_string(STORY).expect("the story is part of the tree");
    let story = "story = \"The reply to a cancel is lost.";
    assert!(text.contains(story));
    let text = text.replace(story, "story = \"A | B: <lost> *twice*, #1.");
    let file = scratch.file("odd_one.toml", &text);
    let words = [
        "--seeds",
        "40..42",
        "--sweep",
        "attempts=1,2",
        "--format",
        "markdown",
    ];
    let variant = ["--variant", "at-least-once"];
    let ended = compare(&[&[file.as_str()][..], &words, &variant].concat());
    let (head, table) = ended.stdout.split_once("\n\n|").expect("a table");
    let (title, story) = head.split_once("The story: ").expect("a story");
    assert_eq!(
        title,
        "## odd\\_one\n\nSeeds 40..42, 2 runs of each variant at each value.\n\n"
    );
    assert!(
        story.starts_with(r"A \| B: &lt;lost&gt; \*twice\*, \#1."),
        "{story}"
    );
    let replay = format!(
        "```sh\nwavetank run {file} --variant at-least-once --seed 40 --set attempts=2 --trace text\n```\n"
    );
    assert_eq!(
        table,
        format!(
            " attempts | variant | effects<br>violated % | executions<br>violated % | unknown<br>% \
             | resent<br>per op | sent<br>per op | p50<br>ms | p99<br>ms |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n\
             | 1 | at-least-once | 0.0 (0.0 .. 65.8) | 0.0 (0.0 .. 65.8) | 100.0 | 0.00 | 2.00 | - | - |\n\
             | 2 | at-least-once | 100.0 (34.2 .. 100.0) | 100.0 (34.2 .. 100.0) | 0.0 | 1.00 | 4.00 | 5006 | 5009 |\n\
             \nat-least-once: effects violated at attempts = 2 in 2 runs, for example:\n\n{replay}\
             \nat-least-once: executions violated at attempts = 2 in 2 runs, for example:\n\n{replay}"
        )
    );
}

// ---- the documents

#[test]
fn the_document_about_comparing_shows_what_is_printed_and_drawn() {
    let scratch = Scratch::new("docs");
    let document = fs::read_to_string("docs/comparing.md").expect("a document");
    let mut count = 0;
    for block in document.split("```console\n$ wavetank ").skip(1) {
        let (command, rest) = block.split_once('\n').expect("a command");
        let (shown, _) = rest.split_once("```").expect("the end of a block");
        let drawn = scratch.path("comparing.svg");
        let words: Vec<&str> = command
            .split(' ')
            .map(|word| {
                if word == "comparing.svg" {
                    &drawn
                } else {
                    word
                }
            })
            .collect();
        let printed = wavetank(&words).stdout;
        assert!(
            printed.contains(shown),
            "{command} printed\n{printed}\nand not\n{shown}"
        );
        if command.contains("comparing.svg") {
            count += 1;
            let drawn = fs::read(&drawn).expect("a plot");
            let checked_in = fs::read("docs/comparing.svg").expect("a plot");
            assert!(drawn.len() < 40_000, "{} bytes", drawn.len());
            assert!(
                drawn == checked_in,
                "`wavetank {command}` draws another picture"
            );
        }
    }
    assert_eq!(count, 1);
}

#[test]
fn the_price_and_the_gain_of_causality_stand_in_one_table() {
    let words = [
        "tests/load/causal.toml",
        "--seeds",
        "0..6",
        "--variant",
        "causal",
        "--variant",
        "eventual",
    ];
    let told = compare(&words);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let mut lines = told.stdout.lines();
    let head = lines
        .find(|line| line.contains("anomalies"))
        .expect("the table is there");
    for column in [
        "reads", "commits", "stalled", "stall ms", "p99", "max", "messages",
    ] {
        assert!(head.contains(column), "{column}: {head}");
    }
    let rows: Vec<Vec<&str>> = lines
        .skip(1)
        .take(2)
        .map(|row| row.split_whitespace().collect())
        .collect();
    let json = compare(&[&words[..], &["--format", "json"]].concat());
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    for (row, stalls) in rows.iter().zip([true, false]) {
        let variant = &json["variants"][row[0]];
        let causality = &variant["causality"];
        assert_eq!(row.len(), 9, "{row:?}");
        assert_eq!(row[1], causality["reads"].to_string());
        assert_eq!(row[4], causality["stalled"].to_string());
        assert_eq!(row[4] != "0", stalls, "{row:?}");
        assert_eq!(row[5] == "-", !stalls, "{row:?}");
        let sent = variant["messages"]["sent"].as_f64().expect("a number");
        // Five clients with twenty operations each, in six runs.
        assert_eq!(row[8], format!("{:.2}", sent / 600.0));
    }
}
