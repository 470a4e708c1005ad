//! Checking from inside, with real processes: this test's own executable, which knows a service that is
//! no function of its seed. The program knows no such service, so what it does of a difference can be
//! seen here only.

use super::*;
use crate::sim::moody;

/// What a process is made to run here: a service that gives its own process away, on one simulator.
const MOODY: &str = "backends = [\"event\"]\n[clients]\nalice = [\"ask\"]\n";

fn plan(service: &str, rest: &str) -> Vec<Plan> {
    let scenario = moody::scenario(service, rest);
    let variants = scenario.variants.iter();
    let runs = variants.map(|variant| (variant.clone(), variant.backends[0]));
    vec![Plan {
        path: "x.toml".to_owned(),
        runs: runs.collect(),
        scenario,
    }]
}

/// A process that prints this, and then does what the shell is told.
fn shell(print: &str, then: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("printf '%s' \"$0\"; {then}"), print]);
    command
}

/// What a process of this executable tells of such runs.
fn told(plans: &[Plan]) -> String {
    let mut told = Vec::new();
    tell(plans, &mut told).expect("no run panics");
    String::from_utf8(told).expect("UTF-8")
}

#[test]
fn a_process_tells_its_runs() {
    let told = told(&plan("moody", MOODY));
    // A process of its own prints it for the test below, after what the harness has printed.
    print!("\n{told}");
    assert_eq!(told.lines().count(), 1);
    assert!(told.starts_with("{\"scenario\":\"x\""), "{told}");
}

#[test]
fn two_processes_that_do_not_tell_the_same_are_seen() {
    let process = || {
        let name = "cli::selfcheck::tests::a_process_tells_its_runs";
        let script = format!("\"$0\" --exact {name} --nocapture | sed -n '/^{{/p'");
        let program = current_exe().expect("a test has an executable");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(program);
        command
    };
    let plans = plan("moody", MOODY);
    let compared = compare(&plans, [process(), process()]).expect("both tell their run");
    let Otherwise(told) = compared.expect_err("each names its process");
    let lines: Vec<&str> = told.lines().collect();
    let [head, line, first, second, replay] = lines[..] else {
        panic!("{told}");
    };
    assert_eq!(
        head,
        "NONDETERMINISM: x, variant default, seed 7: process 1 on event and process 2 on event did not \
         tell the same"
    );
    assert_eq!(line, "the first line that differs is line 6 of the trace:");
    assert!(first.contains("server  execute"), "{told}");
    assert!(second.contains("server  execute"), "{told}");
    assert_ne!(first, second);
    assert!(
        replay.ends_with("--variant default --seed 7 --trace text"),
        "{replay}"
    );
}

#[test]
fn two_simulators_that_do_not_tell_the_same_are_seen() {
    // The same process counts its calls, so that the second simulator is told a higher number.
    let plans = plan("moody", "[clients]\nalice = [\"ask\"]\n");
    let told = told(&plans);
    let process = || shell(&told, "true");
    let compared = compare(&plans, [process(), process()]).expect("both tell their runs");
    let Otherwise(told) = compared.expect_err("the calls are counted");
    let head = "process 1 on event and process 1 on turmoil did not tell the same";
    assert!(told.contains(head), "{told}");
    assert!(told.contains("--seed 7 --trace text\n"), "{told}");
    assert!(told.ends_with("--backend turmoil --trace text"), "{told}");
}

#[test]
fn what_is_the_same_is_added_up() {
    let query = "[clients]\nalice = [\"query 'Meeting Room A' mon\"]\n";
    let plans = plan("booking", query);
    let told = told(&plans);
    assert_eq!(told.lines().count(), 2);
    let compared = compare(&plans, [shell(&told, "true"), shell(&told, "true")]);
    let Ok(Ok(all)) = compared else {
        panic!("they are the same");
    };
    let summary = summary(&all);
    assert!(summary.contains("event, turmoil"), "{summary}");
    assert!(
        summary.ends_with(": the same in 2 processes and on 2 simulators\n"),
        "{summary}"
    );
    // One byte of the history of one process, at the end of its last line.
    let at = told.rfind("\\n\"}}").expect("the history ends with a line");
    let other = format!("{} {}", &told[..at], &told[at..]);
    let compared = compare(&plans, [shell(&told, "true"), shell(&other, "true")]);
    let compared = compared.expect("both tell their runs");
    let Otherwise(told) = compared.expect_err("one byte");
    assert!(
        told.contains("process 1 on turmoil and process 2 on turmoil"),
        "{told}"
    );
    assert!(told.contains(" of the history:\n"), "{told}");
}

#[test]
fn a_process_that_does_not_tell_its_runs_is_an_error() {
    let query = "[clients]\nalice = [\"query 'Meeting Room A' mon\"]\n";
    let plans = plan("booking", query);
    let told = told(&plans);
    let half = told.lines().next().expect("a line").to_owned() + "\n";
    let more = format!("{told}{half}");
    let failed = |second: Command| {
        let compared = compare(&plans, [shell(&told, "true"), second]);
        compared.expect_err("an error")
    };
    for (second, words) in [
        (
            shell(&half, "echo alas >&2; exit 4"),
            "process 2 ended before x, variant default, on turmoil (exit status: 4): alas",
        ),
        (
            shell(&half, "kill -9 $$"),
            "process 2 ended before x, variant default, on turmoil (signal: 9",
        ),
        (
            shell(&told, "echo late >&2; exit 4"),
            "process 2 ended before its end (exit status: 4): late",
        ),
        (
            shell("nothing\n", "exec cat /dev/zero"),
            "process 2 told something else",
        ),
        (shell(&more, "true"), "where its end was awaited"),
        (
            Command::new("./no such program"),
            "process 2 cannot be started",
        ),
    ] {
        let error = failed(second);
        let told = format!("{error:#}");
        assert!(told.contains(words), "{words}\n{told}");
        assert!(!error.is::<UsageError>());
    }
    let mistake = failed(shell("", "echo wavetank: x.toml is wrong >&2; exit 2"));
    assert!(mistake.is::<UsageError>());
    assert_eq!(mistake.to_string(), "x.toml is wrong");
}

#[test]
fn a_run_that_panics_is_named() {
    let plans = plan("moody", "[clients]\nalice = [\"fall\"]\n");
    let error = tell(&plans, &mut Vec::new()).expect_err("its server falls");
    assert_eq!(
        error.to_string(),
        "x.toml: variant `default`, seed 7, on event: the run panicked"
    );
}
