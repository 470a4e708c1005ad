//! Explorations that stop before their end, and go on.

use super::*;

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
