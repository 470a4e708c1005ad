//! `explore` and `merge` from outside: the same bytes whatever the threads, the parts and the breaks,
//! and what is said of seeds that break an expectation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// One cancel while one datagram in five is lost, with three variants.
const LOSSY: &str = "sims/booking/lossy-cancel.toml";

/// Variables by which somebody who runs these tests may name a part.
const ENGINES: [&str; 8] = [
    "SLURM_ARRAY_TASK_ID",
    "JOB_COMPLETION_INDEX",
    "JOB_COMPLETIONS",
    "AWS_BATCH_JOB_ARRAY_INDEX",
    "CI_NODE_INDEX",
    "CI_NODE_TOTAL",
    "PARALLEL_SEQ",
    "WAVETANK_SHARDS",
];

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

fn command(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUST_LOG")
        .args(words.split_whitespace());
    for name in ENGINES {
        command.env_remove(name);
    }
    command
}

fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().expect("the program is not killed"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn wavetank(words: &str) -> Ended {
    ended(command(words).output().expect("the program starts"))
}

/// An exploration that holds, and the file that it leaves.
fn explored(words: &str, file: &Path) -> String {
    let ended = wavetank(&format!("explore {words} --out {}", file.display()));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    fs::read_to_string(file).expect("the file is written")
}

/// A directory of one test's own, empty at first.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("explore-{name}"));
    if path.exists() {
        fs::remove_dir_all(&path).expect("what an earlier test run left can be removed");
    }
    fs::create_dir_all(&path).expect("a directory can be made");
    path
}

/// The lossy cancel, with the same expected of at-least-once as of the others.
fn breaking(directory: &Path) -> String {
    let text = fs::read_to_string(LOSSY).expect("the story is part of the tree");
    let text = text.replace("\"violated\"", "\"valid\"");
    let path = directory.join("lossy.toml");
    fs::write(&path, text).expect("a file can be written");
    path.display().to_string()
}

fn assert_refused(ended: &Ended, told: &str) {
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains(told), "{told}\n{}", ended.stderr);
}

#[test]
fn one_thread_and_four_write_the_same() {
    let directory = scratch("threads");
    let explore = |jobs: u32| {
        let file = directory.join(jobs.to_string());
        let words = format!(
            "explore sims --seeds 3..7 --jobs {jobs} --out {}",
            file.display()
        );
        let ended = wavetank(&words);
        (
            ended.stdout,
            fs::read_to_string(file).expect("it is written"),
        )
    };
    let (one, four) = (explore(1), explore(4));
    assert_eq!(one, four);
    let lines: Vec<&str> = one.1.lines().skip(1).collect();
    assert!(lines.len() > 100, "{}", lines.len());
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    assert_eq!(lines, sorted); // these seeds have one digit each
}

#[test]
fn the_file_has_a_header_and_a_line_for_each_run() {
    let file = scratch("file").join("out");
    let text = explored(&format!("{LOSSY} --seeds 9..11 --variant maybe"), &file);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let [header, nine, ten] = &lines[..] else {
        panic!("{text}");
    };
    let fields = |of: &serde_json::Value| -> Vec<String> {
        of.as_object().expect("an object").keys().cloned().collect()
    };
    let mut expected = [
        "wavetank",
        "format",
        "scenario_hash",
        "variants",
        "seeds",
        "shard",
    ];
    expected.sort_unstable();
    let mut found = fields(header);
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(header["seeds"], serde_json::json!(["9", "11"]));
    assert_eq!(header["shard"], "1/1");
    assert_eq!(header["variants"]["booking/lossy-cancel"][0], "maybe");
    assert_eq!(nine["seed"], "9");
    assert_eq!(ten["seed"], "10");
    assert_eq!(ten["verdicts"]["executions"], "valid");
    assert_eq!(ten["digest"].as_str().map(str::len), Some(16));
}

#[test]
fn both_simulators_leave_the_same_file() {
    let directory = scratch("backends");
    let words = format!("{LOSSY} --seeds 0..30 --backend");
    let event = explored(&format!("{words} event"), &directory.join("event"));
    let turmoil = explored(&format!("{words} turmoil"), &directory.join("turmoil"));
    assert_eq!(event, turmoil);
}

// ---- breaking seeds

#[test]
fn a_breaking_seed_is_named_with_the_command_that_shows_it() {
    let story = breaking(&scratch("breaking"));
    let ended = wavetank(&format!("explore {story} --seeds 0..200"));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let head = "BROKEN at-least-once: executions expected valid, found violated at ";
    assert!(ended.stdout.contains(head), "{}", ended.stdout);
    assert!(ended.stdout.contains(" more seeds\n"), "{}", ended.stdout);
    let last = ended.stdout.lines().last().expect("a last line");
    assert_eq!(
        last,
        "1 scenario, 3 variants, 600 runs: 2 expectations broken"
    );

    let mut lines = ended
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with(head));
    let replay = lines.nth(1).expect("a command").trim();
    let replay = replay.strip_prefix("wavetank ").expect("a command");
    assert!(
        replay.contains("--variant at-least-once --seed "),
        "{replay}"
    );
    let replayed = wavetank(replay);
    assert_eq!(replayed.code, 1);
    assert!(
        replayed.stdout.contains("executions  violated"),
        "{}",
        replayed.stdout
    );
}

#[test]
fn violated_needs_one_seed_of_all_and_a_part_cannot_tell() {
    let directory = scratch("one");
    // Seeds 0 to 5 lose no reply of at-least-once that would have it run twice.
    let few = format!("explore {LOSSY} --seeds 0..6");
    let ended = wavetank(&few);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let told = "executions expected violated at one seed at least, found at none";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
    let enough = wavetank(&format!("explore {LOSSY} --seeds 0..40"));
    assert_eq!(enough.code, 0, "{}", enough.stdout);

    let parts = ["1/2", "2/2"].map(|shard| {
        let file = directory.join(shard.replace('/', "-"));
        let ended = wavetank(&format!("{few} --shard {shard} --out {}", file.display()));
        assert_eq!(ended.code, 0, "{}", ended.stdout);
        assert!(
            ended.stdout.ends_with(": 2 expectations open\n"),
            "{}",
            ended.stdout
        );
        file.display().to_string()
    });
    let merged = wavetank(&format!("merge {}", parts.join(" ")));
    let whole = directory.join("whole");
    fs::write(&whole, merged.stdout).expect("it can be written");
    let judged = wavetank(&format!("{few} --out {} --resume", whole.display()));
    assert_eq!(judged.code, 1, "{}", judged.stderr);
    assert!(judged.stdout.contains(told), "{}", judged.stdout);
}

#[test]
fn what_cannot_be_judged_is_unknown() {
    let ended = wavetank(&format!(
        "explore {LOSSY} --seeds 0..20 --set max_virtual_s=1"
    ));
    assert_eq!(ended.code, 5, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("could not be judged at "),
        "{}",
        ended.stdout
    );
}

#[test]
fn coverage_tells_what_struck_and_what_acted() {
    let ended = wavetank(&format!("explore {LOSSY} --seeds 0..40"));
    for told in [
        "how often",
        "datagram lost",
        "filter: duplicate: stored reply sent",
    ] {
        assert!(ended.stdout.contains(told), "{told}\n{}", ended.stdout);
    }
}

#[test]
fn a_run_that_goes_otherwise_the_second_time_ends_with_3() {
    let directory = scratch("otherwise");
    let (story, file) = (breaking(&directory), directory.join("out"));
    let words = format!("explore {story} --seeds 0..40 --out {}", file.display());
    assert_eq!(wavetank(&words).code, 1);
    let text = fs::read_to_string(&file).expect("it is written");
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    let at = lines
        .iter()
        .position(|line| line.contains("\"violated\""))
        .expect("a breaking seed");
    let run: serde_json::Value = serde_json::from_str(&lines[at]).expect("JSON");
    let digest = run["digest"].as_str().expect("a text");
    lines[at] = lines[at].replace(digest, "0123456789abcdef");
    fs::write(&file, lines.concat()).expect("it can be written");
    let ended = wavetank(&format!("{words} --resume"));
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let seed = run["seed"].as_str().expect("a text");
    for told in [
        format!("NONDETERMINISM: lossy, variant at-least-once, seed {seed}"),
        format!("amounted to 0123456789abcdef, the second to {digest}"),
        format!("--variant at-least-once --seed {seed} --trace text"),
    ] {
        assert!(ended.stderr.contains(&told), "{told}\n{}", ended.stderr);
    }
}

// ---- resume, time, signals

#[test]
fn a_file_that_is_not_of_an_exploration_is_left_alone() {
    let directory = scratch("foreign");
    let words = format!("{LOSSY} --seeds 0..40");
    for notes in ["my notes", "{", "my notes\n"] {
        let file = directory.join("notes.txt");
        fs::write(&file, notes).expect("it can be written");
        let ended = wavetank(&format!(
            "explore {words} --out {} --resume",
            file.display()
        ));
        let is_ours = explored(&words, &directory.join("ours")).starts_with(notes);
        assert_eq!(
            ended.code,
            if is_ours { 0 } else { 2 },
            "{notes}: {}",
            ended.stderr
        );
        if !is_ours {
            assert!(
                ended.stderr.contains("is no file of `wavetank explore`"),
                "{}",
                ended.stderr
            );
            assert_eq!(fs::read_to_string(&file).expect("it is there"), notes);
        }
    }
}

#[test]
fn a_part_without_a_seed_says_that_nothing_was_judged() {
    let ended = wavetank(&format!("explore {LOSSY} --seeds 0..3 --shard 5/7"));
    assert!(
        ended
            .stdout
            .ends_with("no seed of the range is in this part, and nothing was judged\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_resumed_file_is_the_one_of_an_uninterrupted_run() {
    let directory = scratch("resume");
    let words = format!("{LOSSY} --seeds 0..100");
    let whole = explored(&words, &directory.join("whole"));
    let header = whole.find('\n').expect("a header") + 1;
    let later = whole[..whole.len() / 2].rfind('\n').expect("a line") + 1;
    let file = directory.join("torn");
    for length in [
        0,
        10,
        header,
        header + 5,
        later,
        later + 7,
        whole.len() - 1,
        whole.len(),
    ] {
        fs::write(&file, &whole[..length]).expect("it can be written");
        let resumed = explored(&format!("{words} --resume"), &file);
        assert_eq!(resumed, whole, "from {length} bytes");
    }
    fs::remove_file(&file).expect("it is there");
    assert_eq!(explored(&format!("{words} --resume"), &file), whole);
}

#[test]
fn only_the_file_of_the_same_command_is_resumed() {
    let directory = scratch("other");
    let file = directory.join("out");
    let whole = explored(&format!("{LOSSY} --seeds 0..40"), &file);
    let file = file.display();
    for (words, told) in [
        ("--seeds 0..41", "`seeds` is 0..40 and not 0..41"),
        ("--seeds 0..40 --shard 1/2", "`shard` is 1/1 and not 1/2"),
        (
            "--seeds 0..40 --set network.loss=0.1",
            "`scenario_hash` is ",
        ),
        ("--seeds 0..40 --variant maybe", "`variants` is "),
    ] {
        let ended = wavetank(&format!("explore {LOSSY} {words} --out {file} --resume"));
        assert_refused(&ended, told);
    }
    let line = whole.lines().nth(5).expect("a line");
    let doubled = whole.replacen(line, &format!("{line}\n{line}"), 1);
    fs::write(file.to_string(), doubled).expect("it can be written");
    let ended = wavetank(&format!(
        "explore {LOSSY} --seeds 0..40 --out {file} --resume"
    ));
    assert_refused(
        &ended,
        ":7: cannot be resumed: this run is out of its order",
    );
}

#[test]
fn a_time_ends_at_a_block_and_its_file_is_that_of_the_seeds() {
    let directory = scratch("time");
    let words = format!("{LOSSY} --variant maybe --jobs 2");
    let timed = explored(
        &format!("{words} --time 1ms --seeds 5.."),
        &directory.join("timed"),
    );
    let header: serde_json::Value =
        serde_json::from_str(timed.lines().next().expect("a header")).expect("JSON");
    let to = header["seeds"][1].as_str().expect("a text");
    let ranged = explored(
        &format!("{words} --seeds 5..{to}"),
        &directory.join("ranged"),
    );
    assert_eq!(timed, ranged);
    assert!(timed.lines().count() > 64);
    assert!(!directory.join("timed.part").exists());
    let both = explored(&format!("{LOSSY} --time 1ms"), &directory.join("both"));
    let to = both.lines().count() / 3;
    let again = explored(
        &format!("{LOSSY} --seeds 0..{to}"),
        &directory.join("again"),
    );
    assert_eq!(both, again);
}

#[test]
fn seeds_and_time_must_say_where_to_end() {
    for (words, told) in [
        ("", "which seeds?"),
        ("--seeds 5..", "goes on for ever"),
        ("--seeds 0..5 --time 1s", "write --seeds A.. with it"),
        ("--seeds 0..5 --shard 3/2", "expected I/N"),
        ("--seeds 0..5 --resume", "--out"),
        ("--time 1 --seeds 0..", "is not a span of time"),
    ] {
        assert_refused(&wavetank(&format!("explore {LOSSY} {words}")), told);
    }
    let story = breaking(&scratch("setup"));
    let set = "--set setup.alice=[\"cancel\\u0020CONF000009\"]";
    let ended = wavetank(&format!("explore {story} --seeds 4..9 {set}"));
    assert_refused(&ended, "seed 4: setup of alice");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_what_was_found_and_whole_lines() {
    let directory = scratch("signal");
    let (story, file) = (breaking(&directory), directory.join("out"));
    let words = format!(
        "explore {story} --seeds 0..100000000 --out {}",
        file.display()
    );
    let program = command(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let length = || fs::metadata(&file).map_or(0, |file| file.len());
    while length() < 50_000 {
        std::thread::yield_now();
    }
    let pid = program.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status();
    assert!(killed.expect("there is a kill").success());
    let ended = ended(program.wait_with_output().expect("the program ends"));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("BROKEN at-least-once: "),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stderr
            .contains("stopped; the seeds in the table are complete")
    );
    let text = fs::read_to_string(&file).expect("it is written");
    assert!(text.ends_with("}\n"));
    let last: serde_json::Value =
        serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    let last: u64 = last["seed"].as_str().unwrap().parse().unwrap();
    let complete = format!("0..{}", last + 1);
    assert!(
        ended.stdout.contains(&complete),
        "{complete}\n{}",
        ended.stdout
    );
    let runs = text.lines().count() - 1;
    assert!(
        ended.stdout.contains(&format!("{runs} runs: ")),
        "{}",
        ended.stdout
    );
}

// ---- parts

#[test]
fn the_environment_of_each_engine_names_the_part() {
    let explore = |environment: &[(&str, &str)]| {
        let mut command = command(&format!("explore {LOSSY} --seeds 0..12 --shard auto"));
        command.envs(environment.iter().copied());
        ended(command.output().expect("the program starts"))
    };
    let slurm = [
        ("SLURM_ARRAY_TASK_ID", "6"),
        ("SLURM_ARRAY_TASK_MIN", "2"),
        ("SLURM_ARRAY_TASK_MAX", "6"),
        ("SLURM_ARRAY_TASK_COUNT", "3"),
        ("SLURM_ARRAY_TASK_STEP", "2"),
    ];
    let kubernetes = [("JOB_COMPLETION_INDEX", "0"), ("JOB_COMPLETIONS", "3")];
    let batch = [
        ("AWS_BATCH_JOB_ARRAY_INDEX", "1"),
        ("AWS_BATCH_JOB_ARRAY_SIZE", "3"),
    ];
    let gitlab = [("CI_NODE_INDEX", "3"), ("CI_NODE_TOTAL", "3")];
    let parallel = [("PARALLEL_SEQ", "2"), ("WAVETANK_SHARDS", "3")];
    for (environment, shard) in [
        (&slurm[..], "3/3"),
        (&kubernetes, "1/3"),
        (&batch, "2/3"),
        (&gitlab, "3/3"),
        (&parallel, "2/3"),
    ] {
        let ended = explore(environment);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let head = format!("booking/lossy-cancel  (seeds 0..12, shard {shard})\n");
        assert!(ended.stdout.starts_with(&head), "{head}{}", ended.stdout);
    }
    let resubmitted = [
        slurm[0],
        slurm[1],
        slurm[2],
        ("SLURM_ARRAY_TASK_COUNT", "2"),
    ];
    assert_refused(&explore(&resubmitted), "SLURM_ARRAY_TASK_COUNT is 2");
    assert_refused(
        &explore(&kubernetes[..1]),
        "set JOB_COMPLETIONS or WAVETANK_SHARDS",
    );
    assert_refused(&explore(&parallel[..1]), "set WAVETANK_SHARDS");
    assert_refused(&explore(&[]), "nothing in the environment");
    let two = [gitlab, kubernetes].concat();
    assert_refused(
        &explore(&two),
        "(JOB_COMPLETION_INDEX) and that of GitLab's parallel (CI_NODE_INDEX)",
    );
}

/// The paths of the parts of an exploration.
fn parts(directory: &Path, words: &str, count: u64) -> Vec<String> {
    let part = |index: u64| {
        let file = directory.join(format!("part-{index}"));
        explored(&format!("{words} --shard {index}/{count}"), &file);
        file.display().to_string()
    };
    (1..=count).map(part).collect()
}

#[test]
fn the_parts_merge_to_the_whole() {
    let directory = scratch("merge");
    let words = "sims/booking/storm.toml sims/booking/lossy-cancel.toml --seeds 3..60";
    let whole = explored(words, &directory.join("whole"));
    for count in [2, 3] {
        let mut parts = parts(&directory, words, count);
        parts.reverse();
        let merged = wavetank(&format!("merge {}", parts.join(" ")));
        assert_eq!((merged.code, merged.stderr.as_str()), (0, ""));
        assert_eq!(merged.stdout, whole);
    }
    // A file may come twice, and ranges may follow each other.
    let one = directory.join("whole").display().to_string();
    assert_eq!(wavetank(&format!("merge {one} {one}")).stdout, whole);
    let words = "sims/booking/storm.toml sims/booking/lossy-cancel.toml --seeds";
    explored(&format!("{words} 3..40"), &directory.join("first"));
    let second = directory.join("second");
    explored(&format!("{words} 40..60 --shard 1/1 --set seed=3"), &second);
    let first = directory.join("first").display().to_string();
    let merged = wavetank(&format!("merge {} {first}", second.display()));
    assert_eq!(merged.stdout, whole, "{}", merged.stderr);
}

#[test]
fn missing_seeds_are_named() {
    let directory = scratch("missing");
    let words = format!("{LOSSY} --seeds 0..60 --set network.loss=0.4");
    let parts = parts(&directory, &words, 3);
    let merged = wavetank(&format!("merge {} {}", parts[0], parts[2]));
    assert_eq!(merged.code, 5, "{}", merged.stderr);
    let told = "missing: booking/lossy-cancel, variant maybe, 20 seeds: 1..59 in steps of 3\n";
    assert!(merged.stderr.contains(told), "{}", merged.stderr);
    assert!(merged.stdout.contains(r#""shard":"1/3+3/3"}"#));
    assert_eq!(merged.stdout.lines().count(), 1 + 3 * 40);

    // What is there can be merged with the rest later.
    let some = directory.join("some").display().to_string();
    fs::write(&some, merged.stdout).expect("it can be written");
    let all = wavetank(&format!("merge {some} {}", parts[1]));
    assert_eq!(all.code, 0, "{}", all.stderr);
    assert!(all.stdout.contains(r#""shard":"1/1"}"#));

    let text = fs::read_to_string(&parts[1]).expect("it is written");
    fs::write(&parts[1], &text[..text.len() - 9]).expect("it can be written");
    let torn = wavetank(&format!("merge {}", parts.join(" ")));
    assert_eq!(torn.code, 5);
    assert!(
        torn.stderr.contains("part-2:60: the line after it is torn"),
        "{}",
        torn.stderr
    );
    let told = "variant maybe, 1 seed: 58\n";
    assert!(torn.stderr.contains(told), "{}", torn.stderr);
}

#[test]
fn two_digests_of_one_seed_are_nondeterminism() {
    let directory = scratch("digests");
    let file = directory.join("one");
    let text = explored(
        &format!("{LOSSY} --seeds 0..40 --set network.loss=0.4"),
        &file,
    );
    let line = text.lines().nth(8).expect("a line");
    let digest = line.split('"').nth_back(1).expect("a digest");
    let other = directory.join("other");
    fs::write(
        &other,
        text.replace(line, &line.replace(digest, "0123456789abcdef")),
    )
    .expect("it can be written");
    let merged = wavetank(&format!("merge {} {}", file.display(), other.display()));
    assert_eq!(merged.code, 3, "{}", merged.stderr);
    assert_eq!(merged.stdout, "");
    for told in [
        "variant at-least-once, seed 7 has two results",
        digest,
        "0123456789abcdef",
        ":9: ",
    ] {
        assert!(merged.stderr.contains(told), "{told}\n{}", merged.stderr);
    }
}

#[test]
fn what_does_not_belong_together_is_not_merged() {
    let directory = scratch("mixed");
    let file = directory.join("one");
    let text = explored(&format!("{LOSSY} --seeds 0..40"), &file);
    let words = format!("{LOSSY} --seeds 40..80 --set network.loss=0.3");
    explored(&words, &directory.join("loss"));
    explored(
        &format!("{LOSSY} --seeds 40..80 --variant maybe"),
        &directory.join("maybe"),
    );
    let version = format!(r#""wavetank":"{}""#, env!("CARGO_PKG_VERSION"));
    let lines: Vec<&str> = text.lines().collect();
    let mut swapped = lines.clone();
    swapped.swap(4, 5);
    for (name, text) in [
        ("version", text.replace(&version, r#""wavetank":"0.0.9""#)),
        ("format", text.replace(r#""format":1"#, r#""format":2"#)),
        ("order", swapped.join("\n") + "\n"),
        ("range", text.replace(r#"["0","40"]"#, r#"["0","39"]"#)),
        ("words", "nothing\n".to_owned()),
        ("empty", String::new()),
    ] {
        fs::write(directory.join(name), text).expect("it can be written");
    }
    for (name, told) in [
        ("loss", "`scenario_hash` is "),
        ("maybe", "`variants` is "),
        ("version", "`wavetank` is 0.0.9 and not "),
        ("format", "has format 2; this program knows 1"),
        ("order", "order:6: this run is out of its order"),
        (
            "range",
            "range:41: the seed is not in the range of the header",
        ),
        ("words", "words:1: is no file of `wavetank explore`"),
        ("empty", "has no whole line"),
    ] {
        let other = directory.join(name);
        let merged = wavetank(&format!("merge {} {}", file.display(), other.display()));
        assert_refused(&merged, told);
    }
    // A file that is gone is no mistake of the command's.
    let nowhere = directory.join("nowhere");
    let merged = wavetank(&format!("merge {} {}", file.display(), nowhere.display()));
    assert_eq!((merged.code, merged.stdout.as_str()), (4, ""));
    let told = format!("wavetank: {}: cannot be read: ", nowhere.display());
    assert!(merged.stderr.starts_with(&told), "{}", merged.stderr);
}
