//! `explore` and `merge` from outside: the same bytes whatever the threads, the parts and the breaks,
//! and what is said of seeds that break an expectation.

#[path = "explore/merge.rs"]
mod merge;
#[path = "explore/stops.rs"]
mod stops;

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
