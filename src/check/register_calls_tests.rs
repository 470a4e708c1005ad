//! What recorded histories mean, against all orders of small ones: no rule that leaves calls out or
//! bounds them changes a verdict.

use serde_json::{Value, json};

use crate::check::{kv, register};
use crate::history::OutcomeKind;
use crate::history::recorded::{Call, Recorded};

const STEPS: u64 = 1_000_000;

/// What a naive store of one key does: its content after a call, if the call fits.
fn naive(content: &Option<Value>, call: &Call) -> Option<Option<Value>> {
    let nil_or_empty = [json!(null), json!("")];
    let sees = |seen: &Value| match content {
        Some(content) => content == seen,
        None => nil_or_empty.contains(seen),
    };
    match call.f.as_str() {
        "read" if call.outcome != OutcomeKind::Ok => Some(content.clone()),
        "read" => sees(&call.told[1]).then(|| content.clone()),
        "write" => Some(Some(call.asked[1].clone())),
        "cas" => sees(&call.asked[1][0]).then(|| Some(call.asked[1][1].clone())),
        "append" => {
            let more = call.asked[1].as_str().unwrap();
            Some(Some(match content {
                None | Some(Value::Null) => json!(more),
                Some(Value::String(text)) => json!(format!("{text}{more}")),
                Some(_) => json!("nobody ever reads this"),
            }))
        }
        f => panic!("{f}"),
    }
}

/// Whether some order explains the calls, by trying all.
fn some_order(left: &[Call], content: &Option<Value>) -> bool {
    let is_unknown = |call: &Call| call.outcome == OutcomeKind::Unknown;
    if left.iter().all(is_unknown) {
        return true;
    }
    let ends = left.iter().filter(|call| !is_unknown(call));
    let first_end = ends.filter_map(|call| call.ended).min().unwrap();
    (0..left.len()).any(|at| {
        let mut rest = left.to_vec();
        let next = rest.remove(at);
        next.began < first_end
            && naive(content, &next).is_some_and(|content| some_order(&rest, &content))
    })
}

/// A history of up to 6 calls by 3 clients of one key, as JSON lines.
fn small(draw: &mut dyn FnMut(usize) -> usize, names: &[&str], values: &[Value]) -> String {
    let mut text = String::new();
    let mut busy: [Option<(usize, &str, Value)>; 3] = [None, None, None];
    let mut begun = 0;
    for _ in 0..14 {
        let client = draw(3);
        let mut line = |process: usize, kind: &str, f: &str, value: Value| {
            let value = json!(["k", value]);
            let record = json!({"process": process, "type": kind, "f": f, "value": value});
            text.push_str(&format!("{record}\n"));
        };
        if let Some((process, f, value)) = busy[client].take() {
            let kind = ["ok", "ok", "ok", "info", "fail"][draw(5)];
            let told = if f == "read" {
                values[draw(values.len())].clone()
            } else {
                value
            };
            line(process, kind, f, told);
        } else if begun < 6 {
            let mut value = || values[draw(values.len())].clone();
            let (one, two) = (value(), value());
            let f = names[draw(names.len())];
            let value = match f {
                "read" => Value::Null,
                "write" => one,
                "cas" => json!([one, two]),
                _ => json!(["a", "b"][draw(2)]),
            };
            line(begun, "invoke", f, value.clone());
            busy[client] = Some((begun, f, value));
            begun += 1;
        }
    }
    text
}

/// Compares the verdicts on many histories, and says how many were valid.
fn compare(names: &[&str], values: &[Value], judge: impl Fn(&str) -> String) -> u32 {
    let mut state = 11_u64;
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % below as u64) as usize
    };
    let mut valid = 0;
    for _ in 0..2_000 {
        let text = small(&mut draw, names, values);
        let mut calls = Recorded::read(&text).unwrap().calls;
        calls.retain(|call| call.outcome != OutcomeKind::Failed);
        let is_valid = some_order(&calls, &None);
        let expected = if is_valid { "valid" } else { "violated" };
        assert_eq!(judge(&text), expected, "{text}");
        valid += u32::from(is_valid);
    }
    valid
}

fn judge_kv(text: &str) -> String {
    let recorded = Recorded::read(text).unwrap();
    kv::judge(&recorded, STEPS).unwrap().0.name().to_owned()
}

/// The same history without its keys.
fn judge_register(text: &str) -> String {
    let without_key = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record["value"] = record["value"][1].take();
        record.to_string()
    };
    let lines: Vec<String> = text.lines().map(without_key).collect();
    let text = lines.join("\n");
    let recorded = Recorded::read(&text).unwrap();
    register::judge(&recorded, STEPS)
        .unwrap()
        .0
        .name()
        .to_owned()
}

#[test]
fn a_register_is_judged_as_by_trying_all_orders() {
    let names = ["read", "write", "cas"];
    for values in [
        vec![json!(null), json!(1), json!(2)],
        (1..9).map(Value::from).collect(),
    ] {
        let valid = compare(&names, &values, judge_register);
        assert!((200..1_800).contains(&valid), "{valid} of 2000 are valid");
    }
}

#[test]
fn a_key_is_judged_as_by_trying_all_orders() {
    let names = ["read", "write", "cas"];
    let values = [json!(null), json!(""), json!("a"), json!(7)];
    let valid = compare(&names, &values, judge_kv);
    assert!((200..1_800).contains(&valid), "{valid} of 2000 are valid");
}

#[test]
fn appends_are_judged_as_by_trying_all_orders() {
    let names = ["read", "read", "write", "cas", "append", "append"];
    let texts = ["a", "b", "ab", "ba", "aab"].map(Value::from);
    let values: Vec<Value> = texts.into_iter().chain([json!(null), json!(7)]).collect();
    let valid = compare(&names, &values, judge_kv);
    assert!((200..1_800).contains(&valid), "{valid} of 2000 are valid");
}

#[test]
fn what_cannot_have_been_there_is_refuted_without_a_search() {
    let text = "{:process 0, :type :invoke, :f :read}\n{:process 0, :type :ok, :f :read, :value 3}\n\
                {:process 0, :type :invoke, :f :write, :value 3}";
    let recorded = Recorded::read(text).unwrap();
    let (verdict, steps) = register::judge(&recorded, STEPS).unwrap();
    assert_eq!(
        verdict.evidence(),
        "process 0's read -> 3 (lines 1..2) fits nowhere: nobody had begun to write what it saw by its end"
    );
    assert_eq!(steps, 0);
}

#[test]
fn an_unknown_write_that_was_seen_says_so_in_evidence() {
    let text = "{:process 0, :type :invoke, :f :write, :value 3}\n\
                {:process 1, :type :invoke, :f :read}\n{:process 1, :type :ok, :f :read, :value 3}\n\
                {:process 1, :type :invoke, :f :read}\n{:process 1, :type :ok, :f :read, :value nil}";
    let recorded = Recorded::read(text).unwrap();
    let (verdict, _) = register::judge(&recorded, STEPS).unwrap();
    let before = "the last to end before it: process 1's read -> 3 (lines 2..3)";
    assert!(verdict.evidence().contains(before), "{verdict}");
    let text = text.replace(":f :read, :value nil", ":f :read, :value 3");
    let text = text.replacen(":f :read}", ":f :cas, :value [nil 3]}", 1);
    let text = text.replacen(":f :read, :value 3", ":f :cas", 1);
    let recorded = Recorded::read(&text).unwrap();
    assert_eq!(register::judge(&recorded, STEPS).unwrap().0.name(), "valid");
}

#[test]
fn a_call_that_failed_may_have_any_value() {
    let failed = "{:process 0, :type :invoke, :f :cas}\n{:process 0, :type :fail, :f :cas}\n";
    let read = "{:process 1, :type :invoke, :f :read, :value [1 nil]}\n\
                {:process 1, :type :ok, :f :read, :value [1 nil]}\n";
    assert_eq!(judge_kv(&format!("{failed}{read}")), "valid");
    let read = read.replace("[1 nil]", "nil");
    let text = format!("{failed}{read}");
    let recorded = Recorded::read(&text).unwrap();
    let (verdict, _) = register::judge(&recorded, STEPS).unwrap();
    assert_eq!(verdict.name(), "valid");
    let unknown = text.replace(":fail", ":info");
    let recorded = Recorded::read(&unknown).unwrap();
    let mistake = register::judge(&recorded, STEPS).unwrap_err();
    assert_eq!(
        mistake.to_string(),
        "1:1: the value of a `cas` is [old new], not nil"
    );
}

#[test]
fn a_read_that_ends_with_another_key_is_a_mistake_at_its_end() {
    let text = "{:process 1, :type :invoke, :f :read, :value [1 nil]}\n\
                {:process 1, :type :ok, :f :read, :value [2 nil]}\n";
    let recorded = Recorded::read(text).unwrap();
    let mistake = kv::judge(&recorded, STEPS).unwrap_err();
    assert_eq!(
        mistake.to_string(),
        "2:1: the read began with key 1, and ends with 2"
    );
    let unknown = text.replace(":ok", ":info");
    assert_eq!(judge_kv(&unknown), "valid");
}
