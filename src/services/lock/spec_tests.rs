//! Histories that a lock service can give, and their twins that it cannot.

use super::*;
use crate::check::Verdict;
use crate::check::linearizable::Timed;
use crate::check::sequential::{Call, Specification};
use crate::services::lock::command;
use crate::services::lock::message::APPEND_BYTES_MAX;

const STEPS_MAX: u64 = 10_000;

/// A request and its reply, if its client was given one.
type Told = (Vec<u8>, Option<Vec<u8>>);

/// The command of a line, with the token of a grant, and its reply.
fn ask(line: &str, token: u64, reply: Option<&Reply<'_>>) -> Told {
    let command = command::parse(line).unwrap().remove(0);
    let request = match Request::decode(&command.body).unwrap() {
        Request::Renew { file, number, .. } => Request::Renew {
            file,
            token,
            number,
        },
        Request::Release { file, .. } => Request::Release { file, token },
        Request::Append { file, text, .. } => Request::Append { file, token, text },
        Request::Read { file, from, .. } => Request::Read { file, token, from },
        other => other,
    };
    (request.encode(), reply.map(Reply::encode))
}

fn lease(token: u64, is_global: bool) -> Lease {
    Lease {
        token,
        lease_ms: 2_000,
        is_global,
    }
}

fn granted(token: u64) -> Told {
    let reply = Reply::Granted(lease(token, false));
    ask("acquire file_0", 0, Some(&reply))
}

fn staged(token: u64, text: &str) -> Told {
    let line = format!("append file_0 {text}");
    ask(&line, token, Some(&Reply::Staged { token }))
}

fn released(token: u64) -> Told {
    ask("release file_0", token, Some(&Reply::Released { token }))
}

fn renewed(token: u64) -> Told {
    let reply = Reply::Renewed(lease(token, false));
    ask("renew file_0", token, Some(&reply))
}

fn refused(line: &str, token: u64, refusal: Refusal) -> Told {
    ask(line, token, Some(&Reply::Refused(refusal)))
}

fn lost(token: u64) -> Told {
    refused("append file_0 X", token, Refusal::LeaseLost)
}

/// Who has `token` asks so, and sees this part of a file so long, under the grant with the token `seen`.
fn piece(line: &str, (token, seen): (u64, u64), (from, total): (u64, u64), text: &str) -> Told {
    let reply = Reply::Text {
        token: seen,
        from,
        total,
        text: text.into(),
    };
    ask(line, token, Some(&reply))
}

fn saw(token: u64, seen: u64, text: &str) -> Told {
    piece("read file_0", (token, seen), (0, text.len() as u64), text)
}

fn read(text: &str) -> Told {
    saw(0, 0, text)
}

fn untold(line: &str, token: u64) -> Told {
    ask(line, token, None)
}

/// The calls one after the other; those without a reply never end.
fn timed(calls: &[Told]) -> Vec<Timed<Call>> {
    let timed = |(place, (request, told)): (u64, &Told)| Timed {
        call: Call {
            request: request.as_slice().into(),
            told: told.as_deref().map(Into::into),
        },
        began: 2 * place,
        ended: told.as_ref().map(|_| 2 * place + 1),
        name: format!("call {place}"),
    };
    (0..).zip(calls).map(timed).collect()
}

fn judged(locks: Locks, calls: &[Timed<Call>]) -> bool {
    match LockSpec::new(locks).judge(calls, STEPS_MAX) {
        Verdict::Valid => true,
        Verdict::Violated(_) => false,
        Verdict::Unknown(reason) => panic!("{reason}"),
    }
}

#[track_caller]
fn ok(calls: &[Told]) {
    assert!(judged(Locks::PerFile, &timed(calls)));
}

/// All but the last is right, and that is not.
#[track_caller]
fn wrong(calls: &[Told]) {
    ok(&calls[..calls.len() - 1]);
    assert!(!judged(Locks::PerFile, &timed(calls)));
}

#[test]
fn a_critical_section_appears_at_its_release() {
    let section = || vec![granted(1), staged(1, "A"), staged(1, "B")];
    let then = |more: &[Told]| [section(), more.to_vec()].concat();
    ok(&then(&[read(""), saw(1, 1, "AB"), released(1), read("AB")]));
    wrong(&then(&[read("A")]));
    wrong(&then(&[read("AB")]));
    wrong(&then(&[released(1), read("A")]));
    wrong(&then(&[released(1), read("BA")]));
    wrong(&then(&[released(1), read("")]));
    wrong(&then(&[saw(1, 1, "A")]));
    wrong(&then(&[released(1), saw(1, 1, "AB")]));
    // Of nobody's grant is it seen that has no token.
    wrong(&then(&[saw(0, 1, "AB")]));
}

#[test]
fn a_lost_update_and_a_stale_read_are_found() {
    let first = || vec![granted(1), staged(1, "A"), released(1)];
    let then = |more: &[Told]| [first(), more.to_vec()].concat();
    ok(&then(&[
        granted(2),
        staged(2, "B"),
        released(2),
        read("AB"),
    ]));
    wrong(&then(&[granted(2), staged(2, "B"), released(2), read("B")]));
    wrong(&then(&[granted(2), staged(2, "B"), released(2), read("A")]));
}

#[test]
fn what_a_lost_grant_staged_is_never_seen() {
    let first = || vec![granted(1), staged(1, "A"), granted(2)];
    let then = |more: &[Told]| [first(), more.to_vec()].concat();
    ok(&then(&[staged(2, "B"), lost(1), released(2), read("B")]));
    wrong(&then(&[staged(2, "B"), released(2), read("AB")]));
    wrong(&then(&[staged(1, "B")]));
    wrong(&then(&[released(1)]));
    wrong(&then(&[renewed(1)]));
    wrong(&then(&[saw(1, 1, "A")]));
    ok(&then(&[saw(1, 0, "")]));
}

#[test]
fn a_grant_that_is_said_to_be_over_is_over() {
    for over in [
        lost(1),
        refused("append file_0 X", 1, Refusal::NotTheHolder),
        refused("release file_0", 1, Refusal::LeaseLost),
        refused("renew file_0", 1, Refusal::LeaseLost),
        saw(1, 0, ""),
    ] {
        let then = |next: Told| [granted(1), staged(1, "A"), over.clone(), next];
        ok(&then(read("")));
        ok(&then(granted(2)));
        for next in [
            staged(1, "B"),
            released(1),
            renewed(1),
            saw(1, 1, "A"),
            granted(1),
            read("A"),
        ] {
            wrong(&then(next));
        }
    }
}

#[test]
fn tokens_only_grow_and_the_living_grant_is_told_again() {
    ok(&[
        granted(1),
        staged(1, "A"),
        granted(1),
        released(1),
        read("A"),
    ]);
    ok(&[granted(3), granted(7)]);
    wrong(&[granted(3), granted(7), granted(3)]);
    wrong(&[granted(3), released(3), granted(3)]);
    wrong(&[granted(3), released(3), granted(2)]);
    wrong(&[granted(0)]);
}

#[test]
fn only_who_comes_without_the_living_grant_is_refused_as_no_holder() {
    let not_the_holder = |token| refused("append file_0 X", token, Refusal::NotTheHolder);
    ok(&[
        not_the_holder(0),
        granted(1),
        not_the_holder(0),
        staged(1, "A"),
    ]);
    ok(&[granted(1), released(1), not_the_holder(1), lost(1)]);
    wrong(&[lost(0)]);
    for (line, token) in [
        ("append file_0 A", 0),
        ("release file_0", 0),
        ("renew file_0", 0),
    ] {
        wrong(&[granted(1), refused(line, token, Refusal::Skipped)]);
        wrong(&[granted(1), refused(line, token, Refusal::Invalid)]);
    }
    wrong(&[
        granted(1),
        ask("append file_0 A", 0, Some(&Reply::Staged { token: 0 })),
    ]);
    wrong(&[
        granted(1),
        ask("append file_0 A", 1, Some(&Reply::Staged { token: 0 })),
    ]);
    wrong(&[
        granted(1),
        ask("release file_0", 1, Some(&Reply::Released { token: 2 })),
    ]);
    wrong(&[ask(
        "release file_0",
        0,
        Some(&Reply::Released { token: 0 }),
    )]);
    let other = Reply::Renewed(lease(2, false));
    wrong(&[granted(2), ask("renew file_0", 1, Some(&other))]);
    ok(&[granted(2), renewed(2)]);
}

#[test]
fn an_acquire_that_is_skipped_changes_nothing() {
    let skipped = || refused("acquire file_0", 0, Refusal::Skipped);
    ok(&[granted(1), skipped(), saw(1, 1, "")]);
    ok(&[refused("acquire file_0", 0, Refusal::NotTheHolder)]);
    for refusal in [Refusal::Invalid, Refusal::LeaseLost, Refusal::Full] {
        wrong(&[refused("acquire file_0", 0, refusal)]);
    }
}

#[test]
fn a_call_without_a_reply_is_done_or_not() {
    let append = || untold("append file_0 B", 1);
    let first = || vec![granted(1), staged(1, "A"), append()];
    let then = |more: &[Told]| [first(), more.to_vec()].concat();
    ok(&then(&[released(1), read("A")]));
    ok(&then(&[released(1), read("AB")]));
    wrong(&then(&[released(1), read("ABB")]));
    wrong(&then(&[released(1), read("BA")]));
    // It comes too late.
    wrong(&then(&[
        released(1),
        read("A"),
        granted(2),
        released(2),
        read("AB"),
    ]));

    let release = || untold("release file_0", 1);
    let first = || vec![granted(1), staged(1, "A"), release()];
    let then = |more: &[Told]| [first(), more.to_vec()].concat();
    ok(&then(&[read("A"), granted(2), read("A")]));
    ok(&then(&[granted(2), read("")]));
    ok(&then(&[granted(1), released(1), read("A")]));
    wrong(&then(&[granted(2), read(""), read("A")]));
    wrong(&then(&[read("A"), granted(1)]));

    // Somebody was granted it, and nobody was told.
    let acquire = || untold("acquire file_0", 0);
    ok(&[
        granted(1),
        acquire(),
        staged(1, "A"),
        released(1),
        read("A"),
    ]);
    ok(&[granted(1), acquire(), lost(1), granted(2)]);
    ok(&[granted(1), acquire(), lost(1), granted(3)]);
}

#[test]
fn a_full_file_is_full() {
    let long = "x".repeat(APPEND_BYTES_MAX);
    let most = STAGED_BYTES_MAX / APPEND_BYTES_MAX;
    let mut calls = vec![granted(1)];
    calls.extend(vec![staged(1, &long); most]);
    ok(&[calls.clone(), vec![staged(1, "''")]].concat());
    wrong(&[calls.clone(), vec![staged(1, "A")]].concat());
    let full = refused("append file_0 A", 1, Refusal::Full);
    ok(&[calls.clone(), vec![full.clone()]].concat());
    wrong(&[granted(1), full.clone()]);

    let section = |token| [calls_of(token, &long, most), vec![released(token)]].concat();
    let sections = FILE_BYTES_MAX / STAGED_BYTES_MAX;
    let mut calls: Vec<Told> = (1..=sections as u64).flat_map(section).collect();
    let token = sections as u64 + 1;
    let left = FILE_BYTES_MAX - sections * STAGED_BYTES_MAX;
    calls.push(granted(token));
    calls.extend(vec![staged(token, &long); left / APPEND_BYTES_MAX]);
    calls.push(staged(token, &"x".repeat(left % APPEND_BYTES_MAX)));
    let full = refused("append file_0 A", token, Refusal::Full);
    ok(&[calls.clone(), vec![full]].concat());
    wrong(&[calls, vec![staged(token, "A")]].concat());
}

fn calls_of(token: u64, text: &str, count: usize) -> Vec<Told> {
    let mut calls = vec![granted(token)];
    calls.extend(vec![staged(token, text); count]);
    calls
}

#[test]
fn a_part_of_a_file_is_of_its_place_and_length() {
    let read = |line: &str, from, total, text: &'static str| {
        let file = [granted(1), staged(1, "aéb"), released(1)];
        let piece = piece(line, (0, 0), (from, total), text);
        [file.to_vec(), vec![piece]].concat()
    };
    ok(&read("read file_0 1", 1, 4, "éb"));
    ok(&read("read file_0 1", 1, 4, "é"));
    ok(&read("read file_0 4", 4, 4, ""));
    ok(&read("read file_0 9", 9, 4, ""));
    ok(&read("read file_0 9", 4, 4, ""));
    wrong(&read("read file_0 1", 1, 4, ""));
    wrong(&read("read file_0 1", 1, 4, "b"));
    wrong(&read("read file_0 1", 1, 5, "éb"));
    wrong(&read("read file_0 1", 0, 4, "éb"));
    wrong(&read("read file_0 2", 2, 4, ""));
    let refused = |line: &str| {
        let file = [granted(1), staged(1, "aéb"), released(1)];
        [file.to_vec(), vec![refused(line, 0, Refusal::Invalid)]].concat()
    };
    ok(&refused("read file_0 2"));
    for from in [0, 1, 3, 4, 9] {
        wrong(&refused(&format!("read file_0 {from}")));
    }
}

#[test]
fn hello_and_close_are_greetings_and_what_is_no_file_is_not_found() {
    let greeted = |line: &str, reply: &Reply<'_>| ask(line, 0, Some(reply));
    ok(&[
        greeted("hello", &Reply::Connected),
        granted(1),
        greeted("close", &Reply::Disconnected),
        refused("append file_0 A", 0, Refusal::NotTheHolder),
        granted(2),
    ]);
    wrong(&[greeted("hello", &Reply::Disconnected)]);
    wrong(&[greeted("close", &Reply::Connected)]);
    for line in [
        "acquire file_100",
        "read x",
        "append x A",
        "release x",
        "renew x",
    ] {
        ok(&[refused(line, 0, Refusal::FileNotFound)]);
        wrong(&[refused(line, 0, Refusal::NotTheHolder)]);
    }
    wrong(&[refused("acquire file_0", 0, Refusal::FileNotFound)]);
    wrong(&[refused("read file_0", 0, Refusal::FileNotFound)]);
    let invalid = |reply: &Reply<'_>| (vec![99], Some(reply.encode()));
    ok(&[invalid(&Reply::Refused(Refusal::Invalid))]);
    wrong(&[invalid(&Reply::Connected)]);
    wrong(&[(ask("hello", 0, None).0, Some(vec![0]))]);
}

#[test]
fn each_file_has_its_own_lock_unless_one_guards_all() {
    let lease_of = |file: &str, token, is_global| {
        let reply = Reply::Granted(lease(token, is_global));
        ask(&format!("acquire {file}"), 0, Some(&reply))
    };
    let one_each = [
        lease_of("file_0", 1, false),
        lease_of("file_1", 1, false),
        staged(1, "A"),
        released(1),
        read("A"),
    ];
    ok(&one_each);
    wrong(&[lease_of("file_0", 1, true)]);
    let staged = |file: &str| {
        let reply = Reply::Staged { token: 1 };
        ask(&format!("append {file} A"), 1, Some(&reply))
    };
    let text = |file: &str, text: &'static str| {
        let line = format!("read {file}");
        piece(&line, (0, 0), (0, text.len() as u64), text)
    };
    let global = |more: &[Told]| {
        let first = [
            lease_of("file_0", 1, true),
            staged("file_3"),
            staged("file_4"),
        ];
        judged(Locks::Global, &timed(&[&first[..], more].concat()))
    };
    assert!(global(&[
        released(1),
        text("file_3", "A"),
        text("file_4", "A")
    ]));
    assert!(!global(&[
        released(1),
        text("file_3", "A"),
        text("file_4", "")
    ]));
    assert!(!global(&[text("file_4", "A")]));
    assert!(!global(&[lease_of("file_1", 1, false)]));
    assert!(global(&[
        lease_of("file_1", 2, true),
        released(2),
        text("file_3", "")
    ]));
    assert!(!global(&[lease_of("file_1", 2, true), staged("file_3")]));
}

#[test]
fn a_setup_is_done_though_nobody_tells_its_tokens() {
    let follows = |lines: &[&str], more: &[Told]| {
        let setup = lines.iter().map(|line| untold(line, 0));
        let all: Vec<Told> = setup.chain(more.to_vec()).collect();
        let mut calls = timed(&all);
        for call in &mut calls[..lines.len()] {
            call.ended = Some(call.began + 1);
        }
        judged(Locks::PerFile, &calls)
    };
    let (acquire, append) = ("acquire file_0", "append file_0 A");
    let whole = [acquire, append, "release file_0", acquire, append];
    assert!(follows(&whole[..3], &[read("A"), granted(2)]));
    assert!(!follows(&whole[..3], &[read("")]));
    assert!(follows(&whole, &[staged(2, "B"), released(2), read("AAB")]));
    assert!(follows(&whole, &[granted(3), read("A")]));
    assert!(!follows(&whole, &[staged(1, "B")]));
    assert!(!follows(&whole, &[staged(2, "B"), released(2), read("AB")]));
    // Once somebody has shown the token, nobody goes without.
    let stray = [staged(2, "B"), untold(append, 0), released(2), read("AABA")];
    assert!(!follows(&whole, &stray));
}

#[test]
fn calls_at_the_same_time_have_an_order() {
    let overlapping = |text: &str| {
        let mut calls = timed(&[granted(1), staged(1, "A"), released(1), read(text)]);
        calls[3].began = calls[2].began;
        calls[2].began += 1;
        calls[3].ended = Some(calls[2].began + 1);
        calls[2].ended = Some(calls[2].began + 2);
        judged(Locks::PerFile, &calls)
    };
    assert!(overlapping("") && overlapping("A"));
    assert!(!overlapping("AA"));
}

#[test]
fn only_reads_without_a_token_change_nothing() {
    let spec = LockSpec::new(Locks::PerFile);
    let only_reads = |line: &str, token| spec.only_reads(&ask(line, token, None).0);
    for line in ["hello", "close", "read file_0", "read x", "append x A"] {
        assert!(only_reads(line, 0), "{line}");
    }
    assert!(spec.only_reads(&[99]));
    assert!(!only_reads("read file_0", 1));
    for line in [
        "acquire file_0",
        "renew file_0",
        "append file_0 A",
        "release file_0",
    ] {
        assert!(!only_reads(line, 0), "{line}");
    }
}
