//! `merge`: the parts of an exploration, joined.

use super::*;

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
