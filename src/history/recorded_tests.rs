//! Tests of reading histories: each format, and what is wrong with its place.

use serde_json::json;

use super::*;

const LOG: &str = "INFO  jepsen.core - Worker 0 starting
INFO  jepsen.util - 3\t:invoke\t:cas\t[1 4]
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
2021-02-26 23:39:01,300{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:invoke\t:read\tnil
INFO  jepsen.util - 3\t:info\t:cas\t:timed-out
WARN  jepsen.core - Process 3 indeterminate
INFO [2017-05-02 12:48:02,331] jepsen worker 1 - jepsen.util 1 :ok :read 4 [\"more\"]
INFO  jepsen.util - 3\t:invoke\t:read\tnil
INFO  jepsen.util - 3\t:fail\t:read\t:timed-out\r
";

const EDN: &str = "; the same
{:process 3, :type :invoke, :f :cas, :value [1 4], :time 1, :index 0}
{:process :nemesis, :type :info, :f :start}
#jepsen.history.Op{:process 1, :type :invoke, :f :read, :value nil}
{:process 3, :type :info, :f :cas, :value :timed-out}
{:process 1, :type :ok,
 :f :read, :value 4}
{:process 3, :type :invoke, :f :read}
{:process 3, :type :fail, :f :read, :value :timed-out}
";

const JSON: &str = r#"{"process":3,"type":"invoke","f":"cas","value":[1,4]}
{"process":"nemesis","type":"info","f":"start","value":null}
{"process":1,"type":"invoke","f":"read","value":null}
{"process":3,"type":"unknown","f":"cas","value":"timed-out"}
{"process":1,"type":"ok","f":"read","value":4}

{"process":3,"type":"invoke","f":"read","value":null}
{"process":3,"type":"fail","f":"read","value":"timed-out"}
"#;

fn read(text: &str) -> Vec<Call> {
    let read = Recorded::read(text);
    read.unwrap_or_else(|mistake| panic!("{mistake}")).calls
}

/// Without their lines and places, which differ.
fn without_places(calls: Vec<Call>) -> Vec<Call> {
    let without = |call| Call {
        lines: (0, None),
        at: 0,
        ended_at: None,
        ..call
    };
    calls.into_iter().map(without).collect()
}

#[test]
fn all_formats_give_the_same_calls() {
    let calls = read(LOG);
    assert_eq!(calls.len(), 3);
    let cas = &calls[0];
    assert_eq!((cas.process, cas.f.as_str()), (3, "cas"));
    assert_eq!(cas.asked, json!([1, 4]));
    assert_eq!(cas.outcome, OutcomeKind::Unknown);
    assert_eq!(cas.lines, (2, Some(5)));
    assert_eq!(
        (calls[1].told.clone(), calls[1].outcome),
        (json!(4), OutcomeKind::Ok)
    );
    assert_eq!(calls[2].outcome, OutcomeKind::Failed);
    let expected = without_places(calls);
    assert_eq!(without_places(read(EDN)), expected);
    assert_eq!(without_places(read(JSON)), expected);
    assert_eq!(read(EDN)[1].lines, (4, Some(6)));
    assert_eq!(read(JSON)[2].lines, (7, Some(8)));

    let vector = EDN.replacen("; the same\n", "[", 1) + "]";
    assert_eq!(without_places(read(&vector)), expected);
    let below = EDN.replacen("; the same\n", "[\n", 1) + "]";
    assert_eq!(without_places(read(&below)), expected);
    let objects: Vec<&str> = JSON.split_whitespace().collect();
    let array = format!("[{}]", objects.join(",\n"));
    assert_eq!(without_places(read(&array)), expected);
    let values: Value = serde_json::from_str(&array).unwrap();
    let pretty = serde_json::to_string_pretty(&values).unwrap();
    assert_eq!(without_places(read(&pretty)), expected);
}

#[test]
fn a_key_stands_in_the_value() {
    let put = read("{:process 4, :type :invoke, :f :put, :key \"9\", :value \"x\"}");
    assert_eq!(put[0].asked, json!(["9", "x"]));
    let get = read(r#"{"process":4,"type":"invoke","f":"get","key":9}"#);
    assert_eq!(get[0].asked, json!([9, null]));
}

#[test]
fn a_call_that_never_ends_is_unknown_and_its_process_may_go_on_after_info() {
    let begin = "{:process 0, :type :invoke, :f :write, :value 1}\n";
    let calls = read(begin);
    assert_eq!(
        (calls[0].outcome, calls[0].ended),
        (OutcomeKind::Unknown, None)
    );
    let info = "{:process 0, :type :info, :f :write}\n";
    assert_eq!(read(&format!("{begin}{info}{begin}")).len(), 2);
}

#[test]
fn what_cannot_be_understood_is_told_with_line_and_column() {
    let begin = "{:process 0, :type :invoke, :f :write, :value 1}\n";
    for (text, told) in [
        (
            "one\ntwo",
            "1:1: this is no history: expected JSON lines, EDN maps or log lines of jepsen.util \
             (docs/checking.md shows each)",
        ),
        ("", "1:1: this is no history: expected"),
        (
            "{:process :nemesis, :type :info, :f :stop}",
            "1:1: a history without any call",
        ),
        (
            "{:process 0, :type :invoked, :f :read}",
            "1:20: a type is `invoke`, `ok`, `fail` or `info`, not \"invoked\"",
        ),
        (
            "\n {:process -1, :type :ok, :f :read}",
            "2:12: a process is a number from 0, not -1",
        ),
        (
            "{:process 18446744073709551616, :type :invoke, :f :read}",
            "1:11: a process is a number from 0, not \"18446744073709551616\"",
        ),
        (
            r#"{"process":18446744073709551616,"type":"invoke","f":"read"}"#,
            "1:12: a process is a number from 0, not \"18446744073709551616\"",
        ),
        (
            "{:process nil, :type :invoke, :f :read}",
            "1:11: a process is a number from 0, not null",
        ),
        (
            "{:process 0, :f :read}",
            "1:1: a record has a field `type`, this one has none",
        ),
        (
            "{:process 0, :type :invoke, :f 7}",
            "1:32: an f is the name of an operation, not 7",
        ),
        (
            "{:process 0\n :type :invoke, :f :read, :value [1 }",
            "2:37: expected a value, found `}`",
        ),
        (
            "{:process :é, :f :x, :type \"a",
            "1:28: a string begins here and does not end",
        ),
        (
            &format!("{begin}\nwords"),
            "3:1: expected a map: {:process 0, :type :invoke, :f :read, :value nil}, found `words`",
        ),
        (
            r#"{"process":0,"type":"invoke" "f":"read"}"#,
            "1:30: expected `,` or `}`, found `\"f\":\"read\"}`",
        ),
        (
            &format!("{begin}{begin}"),
            "2:1: process 0 begins a call before its last one, of line 1, has ended",
        ),
        (
            "{:process 0, :type :ok, :f :write}",
            "1:1: process 0 ends a call that it has not begun",
        ),
        (
            &format!("{begin}{{:process 0, :type :ok, :f :read}}"),
            "2:1: process 0 ends `read`, but the call that it began in line 1 is `write`",
        ),
        (
            "x\nINFO  jepsen.util - 3\t:invoked\t:read\tnil",
            "2:23: a type is :invoke, :ok, :fail or :info, not `invoked`",
        ),
        (
            "INFO  jepsen.util - 3\t:invoke\t7",
            "1:31: expected the name of an operation, found `7`",
        ),
        (
            "INFO  jepsen.util - 3\t:invoke\t:cas\t[1 4\nINFO  jepsen.util - 4]",
            "1:40: expected `]`, found the end of the line",
        ),
    ] {
        let mistake = Recorded::read(text).map(|_| ()).unwrap_err().to_string();
        assert!(mistake.starts_with(told), "{text}\n{mistake}\n{told}");
    }
}
