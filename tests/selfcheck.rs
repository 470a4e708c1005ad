//! `selfcheck` and `run --twice` from outside. Of the program itself no two runs differ, so what it says
//! of a difference is tested inside, in `src/cli/selfcheck_tests.rs` and `src/cli/run.rs`, on a service
//! that is no function of its seed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Stories that end after some seconds of virtual time: turmoil runs every millisecond.
const SHORT: [&str; 2] = [
    "sims/booking/lost-cancel-reply.toml",
    "sims/booking/crash-inside-commit.toml",
];

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

fn wavetank(directory: &Path, words: &str) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .current_dir(directory)
        .env_remove("RUST_LOG")
        .args(words.split_whitespace())
        .output()
        .expect("the program starts");
    Ended {
        code: output.status.code().expect("the program is not killed"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory of one test's own, empty at first.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("selfcheck-{name}"));
    if path.exists() {
        fs::remove_dir_all(&path).expect("what an earlier test run left can be removed");
    }
    fs::create_dir_all(&path).expect("a directory can be made");
    path
}

/// One of the stories as it stands, with this put before it.
fn story(before: &str) -> String {
    let text = fs::read_to_string(root().join(SHORT[0])).expect("the story is part of the tree");
    format!("{before}\n{text}")
}

#[test]
fn stories_are_the_same_in_two_processes_and_on_two_simulators() {
    let ended = wavetank(root(), &format!("selfcheck {}", SHORT.join(" ")));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let [head, first, second, "", last] = lines[..] else {
        panic!("{}", ended.stdout);
    };
    assert!(head.starts_with(" scenario "), "{head}");
    let digest = |row: &str, name: &str, runs: &str| {
        let words: Vec<&str> = row.split_whitespace().collect();
        let [scenario, count, _, "event,", "turmoil", digest] = words[..] else {
            panic!("{row}");
        };
        assert_eq!((scenario, count), (name, runs));
        assert_eq!(digest.len(), 16, "{row}");
        digest.to_owned()
    };
    let first = digest(first, "booking/lost-cancel-reply", "3");
    let second = digest(second, "booking/crash-inside-commit", "3");
    assert_ne!(first, second);
    let told = "lines: the same in 2 processes and on 2 simulators";
    assert!(
        last.starts_with("2 scenarios, 6 runs, ") && last.ends_with(told),
        "{last}"
    );
    assert!(ended.stderr.starts_with("done in "), "{}", ended.stderr);
    // Another time of the day, and the same bytes.
    let again = wavetank(root(), &format!("selfcheck {}", SHORT.join(" ")));
    assert_eq!(again.stdout, ended.stdout);
}

#[test]
fn the_usual_place_is_sims_and_a_simulator_that_is_excluded_is_skipped() {
    let directory = scratch("usual");
    let missing = wavetank(&directory, "selfcheck");
    assert_eq!((missing.code, missing.stdout.as_str()), (2, ""));
    assert!(
        missing
            .stderr
            .contains("there is no directory `sims` here; name the scenarios")
    );

    fs::create_dir(directory.join("sims")).expect("a directory can be made");
    let one = story("backends = [\"event\"]");
    fs::write(directory.join("sims/one.toml"), one).expect("it can be written");
    let checked = wavetank(&directory, "selfcheck");
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let told = "skipped sims/one.toml: variant `maybe` does not run on turmoil\n";
    assert!(checked.stderr.contains(told), "{}", checked.stderr);
    let told = ": the same in 2 processes and on 1 simulator\n";
    assert!(checked.stdout.ends_with(told), "{}", checked.stdout);
}

#[test]
fn a_mistake_is_told_as_run_tells_it() {
    let directory = scratch("mistakes");
    let wrong = "sims = 3";
    fs::write(directory.join("wrong.toml"), story(wrong)).expect("it can be written");
    let refused = wavetank(&directory, "selfcheck wrong.toml");
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(
        refused.stderr.starts_with("wavetank: wrong.toml:1:1"),
        "{}",
        refused.stderr
    );
    // Nobody sees this one before a process runs it.
    let setup = story("").replace("book 'Meeting Room A' mon 10:00-11:00", "cancel CONF000009");
    fs::write(directory.join("setup.toml"), setup).expect("it can be written");
    let refused = wavetank(&directory, "selfcheck setup.toml");
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let told = "wavetank: setup.toml: variant `maybe`, seed 7: setup of alice";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
}

#[test]
fn run_twice_says_that_all_were_the_same() {
    let words = format!("run --twice {}", SHORT.join(" "));
    let ended = wavetank(root(), &words);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = "6 runs done twice: all were the same, to the byte\n";
    assert!(ended.stdout.ends_with(told), "{}", ended.stdout);
    let once = wavetank(root(), &words.replace("--twice ", ""));
    assert_eq!(ended.stdout, once.stdout + told);
    // Where stdout is for programs, people read it on stderr.
    for format in ["--format json", "--trace text"] {
        let ended = wavetank(root(), &format!("{words} {format}"));
        assert!(!ended.stdout.contains(told));
        assert!(ended.stderr.ends_with(told), "{}", ended.stderr);
    }
}

#[test]
fn a_digest_does_not_depend_on_how_a_file_is_called() {
    let digest = |path: &str| {
        let ended = wavetank(root(), &format!("selfcheck {path}"));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let row = ended.stdout.lines().nth(1).expect("a row").to_owned();
        row.split_whitespace().last().expect("a digest").to_owned()
    };
    let path = SHORT[0];
    assert_eq!(digest(path), digest(&format!("./{path}")));
}
