//! Reading and writing lines of Plume.

use super::*;
use crate::history::sessions;

const TEXT: &str = "w(1,5,0,0)\nr(2,0,0,1)\nr(1,5,1,2)\nw(2,7,1,3)\n";

#[test]
fn what_is_read_is_written_again() {
    let history = read(TEXT).unwrap();
    assert_eq!(write(&history), TEXT);
    assert_eq!(sessions::read(TEXT).unwrap(), history);
    let indented = TEXT.replace('w', "  w");
    assert_eq!(sessions::read(&indented).unwrap(), history);
}

#[test]
fn sessions_are_told_apart_whatever_their_numbers_and_order() {
    let history = read("r(1,0,9,4)\nw(1,5,3,2)\n\nr(1,5,9,7)\r\n").unwrap();
    let places: Vec<Vec<&str>> = history
        .sessions
        .iter()
        .map(|session| session.iter().map(|access| access.place.as_str()).collect())
        .collect();
    assert_eq!(places, [vec!["line 1", "line 4"], vec!["line 2"]]);
}

#[test]
fn zero_is_the_initial_value_and_minus_one_the_transaction_of_what_was_aborted() {
    let history = read("r(1,0,0,0)\nw(1,5,0,-1)\nw(1,6,0,-1)\n").unwrap();
    let [initial, aborted, _] = &history.sessions[0][..] else {
        panic!("three operations: {history:?}");
    };
    assert_eq!((&initial.value, initial.outcome), (&None, OutcomeKind::Ok));
    assert_eq!(aborted.outcome, OutcomeKind::Failed);
    assert_eq!(write(&history), "r(1,0,0,0)\n");
}

#[test]
fn words_are_numbered_as_they_come() {
    let named = |kind, key: &str, value: Option<&str>| Access {
        kind,
        key: key.to_owned(),
        value: value.map(str::to_owned),
        outcome: OutcomeKind::Ok,
        place: String::new(),
    };
    let session = vec![
        named(AccessKind::Write, "lost", Some("ring")),
        named(AccessKind::Write, "found", Some("3")),
        named(AccessKind::Read, "lost", Some("ring")),
        named(AccessKind::Read, "glad", None),
    ];
    let history = SessionHistory {
        sessions: vec![session],
    };
    let text = "w(0,1,0,0)\nw(1,2,0,1)\nr(0,1,0,2)\nr(2,0,0,3)\n";
    assert_eq!(write(&history), text);
}

#[test]
fn what_is_wrong_is_shown_with_its_place() {
    for (text, line, column, message) in [
        ("x(1,1,0,0)", 1, 1, "expected `r` or `w`"),
        ("w 1,1,0,0)", 1, 2, "expected `(`"),
        (" \tw 1,1,0,0)", 1, 4, "expected `(`"),
        ("r(1,0,0,0)\n\nw(1,,0,1)", 3, 5, "expected a number"),
        ("w(1,1,0)", 1, 8, "expected `,`"),
        ("w(1,1,0,-2)", 1, 9, "expected a number"),
        ("w(1,1,0,0", 1, 10, "expected `)`"),
        ("w(1,1,0,0) r", 1, 11, "expected the end of the line"),
        ("w(1,9223372036854775808,0,0)", 1, 5, "a number beyond"),
        (
            "w(1,1,0,0)\nw(2,1,1,0)",
            2,
            9,
            "transaction 0 has several operations, the first in line 1",
        ),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text}: {error}"
        );
        assert!(error.message.starts_with(message), "{text}: {error}");
    }
}
