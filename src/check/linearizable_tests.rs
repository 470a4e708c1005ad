//! Tests of the search: by hand, and against all orders of small histories.

use super::*;
use crate::check::register::RegisterCall::{CompareAndSet, Read, Write};
use crate::check::register::{Register, RegisterCall};

const STEPS: u64 = 1_000_000;

fn call(call: RegisterCall, began: u64, ended: Option<u64>) -> Timed<RegisterCall> {
    Timed {
        call,
        began,
        ended,
        name: format!("{call:?}"),
    }
}

fn verdict(calls: &[Timed<RegisterCall>]) -> Verdict {
    judge(&Register, &[calls.to_vec()], STEPS)
}

#[test]
fn a_read_after_a_write_is_told_its_value() {
    let write = call(Write(1), 0, Some(1));
    assert_eq!(
        verdict(&[write.clone(), call(Read(1), 2, Some(3))]),
        Verdict::Valid
    );
    let stale = verdict(&[write, call(Read(0), 2, Some(3))]);
    assert_eq!(
        stale.evidence(),
        "Read(0) fits nowhere: up to its end, no order of the calls explains what clients were told \
         (nothing else was under way; the last to end before it: Write(1))"
    );
}

#[test]
fn an_unknown_write_takes_effect_late_or_never_but_not_early() {
    let unknown = call(Write(1), 2, None);
    let late = [call(Read(0), 3, Some(4)), call(Read(1), 5, Some(6))];
    let mut history = vec![unknown.clone()];
    history.extend(late.clone());
    assert_eq!(verdict(&history), Verdict::Valid);
    assert_eq!(verdict(&[unknown.clone(), late[0].clone()]), Verdict::Valid);
    let early = verdict(&[unknown, call(Read(1), 0, Some(1))]);
    assert_eq!(early.name(), "violated");
}

#[test]
fn a_budget_ends_the_search_and_a_refuted_part_ends_it_at_once() {
    // Writes that all overlap, and a read of what none of them wrote: every order must be tried.
    let hard: Vec<_> = (0..24)
        .map(|n| call(Write(1 + n as u32), n, Some(100 + n)))
        .chain([call(Read(99), 50, Some(99))])
        .collect();
    let parts = [hard.clone()];
    let verdict = judge(&Register, &parts, 10_000);
    assert_eq!(
        verdict.evidence(),
        "not decided after 10000 steps of the search"
    );
    let bad = vec![call(Read(1), 0, Some(1))];
    assert_eq!(judge(&Register, &[hard, bad], 10_000).name(), "violated");
}

#[test]
fn too_many_calls_at_once_are_unknown() {
    let at_once = |count| -> Vec<_> {
        (0..count)
            .map(|n| call(Write(1), n, Some(1000 + n)))
            .collect()
    };
    assert_eq!(verdict(&at_once(128)), Verdict::Valid);
    let calls = at_once(129);
    assert_eq!(
        verdict(&calls).evidence(),
        "more than 128 calls are under way at once, at Write(1)"
    );
    let bad = vec![call(Read(1), 0, Some(1))];
    let verdict = judge(&Register, &[calls, bad], STEPS);
    assert_eq!(verdict.name(), "violated", "another part is refuted");
}

/// Whether some order explains the calls, by trying all.
fn some_order(left: &[Timed<RegisterCall>], value: u32) -> bool {
    if left.iter().all(|call| call.ended.is_none()) {
        return true;
    }
    let first_end = left.iter().filter_map(|call| call.ended).min();
    (0..left.len()).any(|at| {
        let mut rest = left.to_vec();
        let next = rest.remove(at);
        first_end.is_none_or(|end| next.began < end)
            && Register
                .step(&value, &next.call)
                .is_some_and(|value| some_order(&rest, value))
    })
}

/// A history of up to 6 calls by 3 clients, from the numbers that `draw` gives below its argument.
fn small(draw: &mut dyn FnMut(u64) -> u64) -> Vec<Timed<RegisterCall>> {
    let mut calls: Vec<Timed<RegisterCall>> = Vec::new();
    let mut busy: [Option<usize>; 3] = [None; 3];
    for now in 0..12 {
        let client = draw(3) as usize;
        if let Some(at) = busy[client].take() {
            if draw(5) > 0 {
                calls[at].ended = Some(now);
            }
        } else if calls.len() < 6 {
            busy[client] = Some(calls.len());
            let (a, b) = (draw(3) as u32, draw(3) as u32);
            let what = [Write(a), Read(a), CompareAndSet(a, b)][draw(3) as usize];
            calls.push(call(what, now, None));
        }
    }
    calls
}

/// A register that does not say which calls are alike.
struct Terse;

impl Sequential for Terse {
    type Call = RegisterCall;
    type State = u32;

    fn initial(&self) -> u32 {
        Register.initial()
    }

    fn step(&self, state: &u32, call: &RegisterCall) -> Option<u32> {
        Register.step(state, call)
    }
}

#[test]
fn small_histories_are_judged_as_by_trying_all_orders() {
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut valid = 0;
    for _ in 0..20_000 {
        let calls = small(&mut draw);
        let expected = some_order(&calls, Register::NIL);
        valid += u32::from(expected);
        let found = verdict(&calls);
        assert_eq!(found == Verdict::Valid, expected, "{found}\n{calls:#?}");
        assert_ne!(found.name(), "unknown");
        let by_each = judge(&Terse, std::slice::from_ref(&calls), STEPS);
        assert_eq!(
            by_each, found,
            "whether calls are alike matters\n{calls:#?}"
        );
    }
    assert!(
        (2_000..18_000).contains(&valid),
        "{valid} of 20000 are valid"
    );
}

/// Steps that it takes to refute a read of 99 after these.
fn steps_to_refute(mut calls: Vec<Timed<RegisterCall>>) -> u64 {
    calls.push(call(Read(99), 10_000, Some(10_001)));
    let (verdict, steps) = judge_counting(&Register, &[calls], STEPS);
    assert_eq!(verdict.name(), "violated");
    steps
}

#[test]
fn the_memory_keeps_the_search_from_trying_everything_twice() {
    // Pairs of writes that overlap: 2^100 orders, but only two ways to leave each pair.
    let pairs = (0..100).flat_map(|n| {
        let write = |value, at| call(Write(value), at, Some(at + 2));
        [write(1, 10 * n), write(2, 10 * n + 1)]
    });
    let steps = steps_to_refute(pairs.collect());
    assert!(steps < 2_000, "{steps}");
}

#[test]
fn unknown_calls_that_explain_nothing_cost_little() {
    // Each of 60 writes may have taken effect at many places: 2^60 choices, none of which matters.
    let calls = (0..60_u32).flat_map(|n| {
        let at = 10 * u64::from(n);
        let told = [Write(n + 200), Read(n + 200)][(n % 2) as usize];
        let known = if n % 2 == 0 { told } else { Read(n + 199) };
        [
            call(Write(n + 1), at, None),
            call(known, at + 1, Some(at + 2)),
        ]
    });
    let steps = steps_to_refute(calls.collect());
    assert!(steps < 200_000, "{steps}");
    // The same write each time: a class.
    let alike = (0..1000).map(|n| call(Write(1), n, None));
    let steps = steps_to_refute(alike.collect());
    assert!(steps < 10, "{steps}");
}

#[test]
fn parts_are_searched_by_themselves() {
    // 12 writes that overlap, and a read of what none wrote, in each part: together, the masks of one
    // part would be tried with those of every other.
    let part = |wrong| {
        let mut calls: Vec<_> = (0..6_u32)
            .map(|n| call(Write(n + 1), n.into(), Some(100 + u64::from(n))))
            .collect();
        calls.push(call(Read(wrong), 200, Some(201)));
        calls
    };
    let parts: Vec<_> = (0..50)
        .map(|n| part(if n == 49 { 99 } else { 1 }))
        .collect();
    let (verdict, steps) = judge_counting(&Register, &parts, STEPS);
    assert_eq!(verdict.name(), "violated");
    assert!(steps < 60_000, "{steps}");
}

#[test]
fn a_full_memory_is_emptied_and_the_verdict_stays() {
    let mut failed = Failed {
        reached: BTreeSet::new(),
        count_max: 2,
    };
    let reached = |place| Reached {
        place,
        beyond: 0,
        state: 0,
        spent: vec![1].into(),
    };
    for place in 0..3 {
        failed.insert(reached(place));
    }
    assert_eq!(failed.reached.len(), 1, "the first two are forgotten");
    assert!(failed.contains(&reached(2)).0);
    let with_spent = |spent: u32| Reached {
        spent: vec![spent].into(),
        ..reached(2)
    };
    assert!(failed.contains(&with_spent(2)).0, "more spent is no better");
    assert!(!failed.contains(&with_spent(0)).0, "fewer spent may be");
}

#[test]
fn a_step_that_notes_many_classes_counts_as_several() {
    let steps = |classes: u32| {
        let unknown = (0..classes).map(|n| call(Write(n + 1), n.into(), None));
        let read = call(Read(1), 1_000_000, Some(1_000_001));
        let calls: Vec<_> = unknown.chain([read]).collect();
        let (verdict, steps) = judge_counting(&Register, &[calls], STEPS);
        assert_eq!(verdict, Verdict::Valid);
        steps
    };
    assert_eq!(steps(6400) - steps(1), 6400 / 64);
}

#[test]
fn a_path_that_would_fill_the_memory_is_unknown_and_another_part_may_be_refuted() {
    // All of the unknown calls together explain the read.
    let unknown = (0..200).map(|n| call(CompareAndSet(n, n + 1), n.into(), None));
    let read = call(Read(200), 1000, Some(1001));
    let deep: Vec<_> = unknown.chain([read]).collect();
    let judge = |parts: &[Vec<_>], bytes| judge_within(&Register, parts, STEPS, bytes).0;
    let shallow = judge(std::slice::from_ref(&deep), 150 * 200 * 4);
    let reason = "not decided: there are too many different unknown calls";
    assert_eq!(shallow, Verdict::Unknown(reason.to_owned()));
    assert_eq!(
        judge(std::slice::from_ref(&deep), 200 * 200 * 4),
        Verdict::Valid
    );
    let bad = vec![call(Read(1), 0, Some(1))];
    let parts = [deep, bad];
    assert_eq!(judge(&parts, 150 * 200 * 4).name(), "violated");
}

/// A register that counts how often calls are compared.
struct Counting(std::cell::Cell<u64>);

impl Sequential for Counting {
    type Call = RegisterCall;
    type State = u32;

    fn initial(&self) -> u32 {
        Register.initial()
    }

    fn step(&self, state: &u32, call: &RegisterCall) -> Option<u32> {
        Register.step(state, call)
    }

    fn alike(&self, one: &RegisterCall, other: &RegisterCall) -> bool {
        self.0.set(self.0.get() + 1);
        Register.alike(one, other)
    }

    fn bucket(&self, call: &RegisterCall) -> u64 {
        Register.bucket(call)
    }
}

#[test]
fn unknown_calls_that_differ_are_not_compared_each_with_all() {
    let calls = (0..2000).map(|n| call(Write(n / 2), n.into(), None));
    let spec = Counting(std::cell::Cell::new(0));
    let _ = judge(&spec, &[calls.collect()], STEPS);
    assert_eq!(spec.0.get(), 1000, "each second one with the first");
}
