//! Reading and writing histories of stores.

use super::*;

/// Lines of calls that follow each other.
fn lines(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{{{line}}}\n")).collect()
}

fn access(kind: AccessKind, value: Option<&str>, outcome: OutcomeKind, line: u32) -> Access {
    Access {
        kind,
        key: "x".to_owned(),
        value: value.map(str::to_owned),
        outcome,
        place: format!("line {line}"),
    }
}

#[test]
fn json_lines_are_read_with_the_key_in_the_value_or_beside_it() {
    let in_value = lines(&[
        r#""process":0,"type":"invoke","f":"write","value":["x",1]"#,
        r#""process":0,"type":"ok","f":"write","value":["x",1]"#,
        r#""process":3,"type":"invoke","f":"read","value":["x",null]"#,
        r#""process":3,"type":"ok","f":"read","value":["x",1]"#,
    ]);
    let beside = lines(&[
        r#""process":0,"type":"invoke","f":"put","key":"x","value":"1","time":5"#,
        r#""process":0,"type":"ok","f":"put""#,
        r#""process":3,"type":"invoke","f":"get","key":"x""#,
        r#""process":3,"type":"ok","f":"get","value":1"#,
    ]);
    let write = access(AccessKind::Write, Some("1"), OutcomeKind::Ok, 1);
    let told = access(AccessKind::Read, Some("1"), OutcomeKind::Ok, 3);
    let sessions = vec![vec![write], vec![told]];
    assert_eq!(read(&in_value).unwrap().sessions, sessions);
    assert_eq!(read(&beside).unwrap().sessions, sessions);
}

#[test]
fn calls_without_an_end_are_unknown_and_the_nemesis_is_no_client() {
    let text = lines(&[
        r#""process":"nemesis","type":"info","f":"kill","value":null"#,
        r#""process":1,"type":"invoke","f":"write","value":["x",1],"operation":"alice#1""#,
        r#""process":1,"type":"fail","f":"write","value":["x",1]"#,
        r#""process":1,"type":"invoke","f":"read","value":["x",null]"#,
    ]);
    let history = read(&text).unwrap();
    let [failed, open] = &history.sessions[0][..] else {
        panic!("two calls: {history:?}");
    };
    assert_eq!(
        (failed.place.as_str(), failed.outcome),
        ("alice#1", OutcomeKind::Failed)
    );
    assert_eq!(open.outcome, OutcomeKind::Unknown);
}

#[test]
fn edn_maps_and_log_lines_are_read_as_json_lines_are() {
    let json = lines(&[
        r#""process":"nemesis","type":"info","f":["kill"]"#,
        r#""process":0,"type":"invoke","f":"write","value":["x",1]"#,
        r#""process":0,"type":"ok","f":"write","value":["x",1]"#,
        r#""process":3,"type":"invoke","f":"read","value":["x",null]"#,
        r#""process":3,"type":"ok","f":"read","value":["x",1]"#,
    ]);
    let edn = "{:process :nemesis, :type :info, :f [:kill]}\n\
               {:process 0, :type :invoke, :f :write, :value [:x 1]}\n\
               {:process 0, :type :ok, :f :write, :value [:x 1]}\n\
               {:process 3, :type :invoke, :f :read, :value [:x nil]}\n\
               {:process 3, :type :ok, :f :read, :value [:x 1]}\n";
    let log = "INFO  jepsen.core - Worker 0 starting\n\
               INFO  jepsen.util - 0\t:invoke\t:write\t[:x 1]\n\
               INFO  jepsen.util - 0\t:ok\t:write\t[:x 1]\n\
               INFO  jepsen.util - 3\t:invoke\t:read\t[:x nil]\n\
               INFO  jepsen.util - 3\t:ok\t:read\t[:x 1]\n";
    let history = read(&json).unwrap();
    assert_eq!(history.sessions.len(), 2);
    assert_eq!(read(edn).unwrap(), history);
    assert_eq!(read(log).unwrap(), history);
}

#[test]
fn what_is_written_is_read_back() {
    use AccessKind::{Read, Write};
    let history = SessionHistory {
        sessions: vec![
            vec![
                access(Write, Some("a"), OutcomeKind::Ok, 1),
                access(Read, None, OutcomeKind::Ok, 3),
                access(Read, Some("a"), OutcomeKind::Ok, 5),
                access(Write, Some("b"), OutcomeKind::Unknown, 7),
                access(Read, None, OutcomeKind::Failed, 9),
            ],
            vec![access(Write, Some("c"), OutcomeKind::Failed, 11)],
        ],
    };
    assert_eq!(read(&write(&history)).unwrap(), history);
}

#[test]
fn only_what_is_certain_or_was_seen_is_kept() {
    use AccessKind::{Read, Write};
    let history = SessionHistory {
        sessions: vec![
            vec![
                access(Write, Some("seen"), OutcomeKind::Unknown, 1),
                access(Write, Some("failed"), OutcomeKind::Failed, 2),
                access(Write, Some("unseen"), OutcomeKind::Unknown, 3),
                access(Read, None, OutcomeKind::Ok, 4),
                access(Read, None, OutcomeKind::Unknown, 5),
            ],
            vec![access(Read, Some("seen"), OutcomeKind::Ok, 6)],
        ],
    };
    let settled = history.settled();
    let places: Vec<Vec<&str>> = settled
        .iter()
        .map(|session| session.iter().map(|access| access.place.as_str()).collect())
        .collect();
    assert_eq!(places, [["line 1"], ["line 4"], ["line 6"]]);
}

#[test]
fn what_is_wrong_is_shown_with_its_place() {
    let begun = r#"{"process":0,"type":"invoke","f":"read","value":["x",null]}"#;
    for (text, line, column, message) in [
        ("", 1, 1, "expected a history"),
        (
            r#"{"process":"nemesis","type":"info","f":"kill"}"#,
            1,
            1,
            "a history without any call",
        ),
        ("\n  hello", 2, 3, "expected a history"),
        (
            r#"{"process":0,"type":"maybe"}"#,
            1,
            21,
            "a type is `invoke`, `ok`, `fail` or `info`",
        ),
        (
            r#"{"process":-1,"type":"ok","f":"read"}"#,
            1,
            12,
            "a process is a number from 0, not -1",
        ),
        (
            r#"{"process":0,"type":"invoke","f":"cas","value":["x",1]}"#,
            1,
            1,
            "`f` is `cas`",
        ),
        (
            r#"{"process":0,"type":"invoke","f":"put","value":3}"#,
            1,
            1,
            "`value` is 3",
        ),
        (
            r#"{"process":0,"type":"invoke","f":"put","value":[null,3]}"#,
            1,
            1,
            "the key is null",
        ),
        (
            r#"{"process":0,"type":"invoke","f":"put","value":["x",null]}"#,
            1,
            1,
            "a write needs",
        ),
        (
            r#"{"process":0,"type":"ok","f":"read"}"#,
            1,
            1,
            "process 0 ends a call",
        ),
        (
            &format!("{begun}\n{begun}"),
            2,
            1,
            "process 0 begins a call",
        ),
        (
            &format!(
                "{begun}\n{{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":[\"y\",1]}}"
            ),
            2,
            1,
            "the read began with key x, and ends with y",
        ),
        (
            &format!("{begun}\n{{\"process\":0,\"type\":\"ok\",\"f\":\"write\"}}"),
            2,
            1,
            "process 0 ends `write`, but the call that it began in line 1 is `read`",
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

#[test]
fn an_error_follows_the_name_of_a_file() {
    let error = read("?").unwrap_err();
    assert!(
        error.to_string().starts_with("1:1: expected a history"),
        "{error}"
    );
}
