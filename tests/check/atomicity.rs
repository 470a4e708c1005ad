//! `wavetank check atomicity`: twins, what is printed, and transactions that cannot be understood.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::program::{Scratch, assert_is_usage};
use crate::{check, root, verdict_on};

const TWINS: &str = "tests/histories/atomicity";

#[test]
fn the_twins_are_told_apart_and_the_evidence_is_their_comment() {
    let (mut ok, mut bad) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(root().join(TWINS)).expect("the twins are there") {
        let path = entry.expect("a file").path();
        let text = fs::read_to_string(&path).expect("a text");
        let first = text.lines().next().expect("a line");
        let first: Value = serde_json::from_str(first).expect("JSON");
        let comment = first["comment"].as_str().expect("a comment comes first");
        let ended = check(
            "atomicity",
            &path.display().to_string(),
            &["--format", "json"],
        );
        let name = path.file_name().and_then(|name| name.to_str());
        let (kind, twin) = name.and_then(|name| name.split_once('-')).expect("ok-");
        assert_eq!(ended.stderr, "", "{twin}");
        let (verdict, evidence) = verdict_on("atomicity", &ended);
        let judged = (ended.code, verdict.as_str(), evidence.as_str());
        if kind == "ok" {
            assert_eq!(judged, (0, "valid", ""), "{twin}");
            ok.insert(twin.to_owned());
        } else {
            assert_eq!(judged, (1, "violated", comment), "{twin}");
            bad.insert(twin.to_owned());
        }
    }
    assert_eq!(ok, bad, "twins come in pairs");
    assert!(ok.len() >= 10, "{ok:?}");
}

#[test]
fn the_text_counts_transactions_and_those_who_take_part() {
    let path = format!("{TWINS}/bad-several.jsonl");
    let ended = check("atomicity", &path, &[]);
    let expected = format!(
        "{path}  (atomicity)
  3 transactions of 3 participants

  atomicity  violated: t2 was never decided, and c has taken it (line 3); 1 more
"
    );
    assert_eq!((ended.code, ended.stdout), (1, expected));
}

#[test]
fn transactions_that_cannot_be_understood_are_named_by_their_line() {
    let scratch = Scratch::new("check-transactions");
    let good = r#"{"transaction":"t1","participants":{"a":"nothing"}}"#;
    for (line, told) in [
        (
            r#"{"transaction":"t2","decide":["commit"],"participants":{}}"#,
            "2:28: no transaction: unknown field `decide`, expected one of `transaction`, `decided`, \
             `told`, `participants`, `comment`",
        ),
        (
            r#"{"transaction":"t2","participants":{"a":"half"}}"#,
            "2:46: no transaction: unknown variant `half`, expected one of `taken`, `prepared`, `nothing`",
        ),
        (
            r#"{"transaction":"t2","decided":["maybe"],"participants":{}}"#,
            "2:38: no transaction: unknown variant `maybe`, expected `commit` or `abort`",
        ),
        (
            r#"{"transaction":"t2","told":"nothing","participants":{}}"#,
            "2:36: no transaction: unknown variant `nothing`, expected `commit` or `abort`",
        ),
        (
            r#"{"transaction":"t2","participants":["a"]}"#,
            "no transaction: invalid type: sequence, expected participants such as \
             {\"a\":\"taken\",\"b\":\"nothing\"}",
        ),
        (
            r#"{"transaction":"t2","participants":{"a":"taken","a":"nothing"}}"#,
            "2:62: no transaction: participant `a` stands twice",
        ),
        (
            r#"{"transaction":"t2","told":"abort"}"#,
            "2:1: `t2` needs `participants`",
        ),
        (
            r#"{"comment":"x","participants":{}}"#,
            "2:1: a transaction needs `transaction`, its name",
        ),
        ("{}", "2:1: a transaction needs `transaction`, its name"),
        (good, "2:1: `t1` stands in line 1 already"),
        ("w(1,1,0,0)", "2:1: no transaction: expected value"),
    ] {
        let file = scratch.file("wrong.jsonl", &format!("{good}\n{line}\n"));
        let ended = check("atomicity", &file, &[]);
        assert_is_usage(&ended, &format!("wavetank: {file}:"));
        assert_is_usage(&ended, told);
    }
    for text in ["", "\n", "{\"comment\":\"nothing\"}\n"] {
        let file = scratch.file("none.jsonl", text);
        let ended = check("atomicity", &file, &[]);
        assert_is_usage(
            &ended,
            "none.jsonl:1:1: no transaction; expected JSON lines such as {\"transaction\":\"t1\",",
        );
    }
    let ended = check("atomicity", "nowhere.jsonl", &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""));
}
