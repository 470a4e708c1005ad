//! Steps made by hand, for what the twins on file do not show.

use super::*;
use crate::check::Verdict;
use crate::id::HostId;
use crate::trace::Names;

const LEASE: Duration = Duration::from_secs(2);

/// One step by the host `c1` or `c2`, and so on; in the nth of them it is operation n.
type Made = (u64, u16, What);

fn judged(made: &[Made]) -> Verdict {
    judged_at(made, |line| line)
}

fn judged_at(made: &[Made], line: impl Fn(u32) -> u32) -> Verdict {
    let steps = (1..).zip(made).map(|(number, (clock, client, what))| Step {
        line: line(number),
        clock: Time::from_ms(*clock),
        operation: client.checked_sub(1).map(|client| OperationId {
            client: HostId(client),
            number,
        }),
        what: what.clone(),
    });
    let steps: Vec<Step> = steps.collect();
    judge(&steps, Names(&["c1".to_owned(), "c2".to_owned()]))
}

fn grant(token: u64) -> What {
    What::Grant {
        lock: 0,
        token,
        lease: LEASE,
    }
}

fn staged(token: u64, text: &str) -> What {
    What::Accepted(LockAccess::Staged {
        lock: 0,
        token,
        file: 0,
        text: text.into(),
    })
}

fn released(token: u64) -> What {
    What::Accepted(LockAccess::Released { lock: 0, token })
}

fn read(from: u64, total: usize, text: &str) -> What {
    What::Accepted(LockAccess::Read {
        file: 0,
        token: 0,
        from,
        total: total as u64,
        text: text.into(),
    })
}

fn waits() -> What {
    What::Accepted(LockAccess::Waits { lock: 0 })
}

#[test]
fn the_first_violation_is_told_and_the_others_are_counted() {
    let steps = [(0, 1, grant(7)), (1, 2, grant(7)), (2, 1, staged(7, "A"))];
    assert_eq!(
        judged(&steps).evidence(),
        "T1: lock 0 was granted to c2#2 with token 7 (line 2), after token 7 (line 1); 2 more"
    );
    assert_eq!(
        judged_at(&steps, |_| 0).evidence(),
        "T1: lock 0 was granted to c2#2 with token 7, after token 7; 2 more",
        "lines that were not kept are not cited, and the order is the same"
    );
}

#[test]
fn a_part_of_a_file_is_judged_as_a_part() {
    let text = "0123456789".repeat(10);
    let before = [
        (0, 1, grant(1)),
        (1, 1, staged(1, &text)),
        (2, 1, released(1)),
    ];
    let judged = |seen: What| judged(&[&before[..], &[(3, 2, seen)]].concat());
    assert_eq!(judged(read(20, 100, "012345")), Verdict::Valid);
    assert_eq!(judged(read(100, 100, "")), Verdict::Valid);
    assert_eq!(judged(read(107, 100, "")), Verdict::Valid);
    for (seen, rule) in [
        (read(20, 100, "12345"), "T4: c2#4 saw '12345' in file_0"),
        (read(20, 99, "012345"), "T5: c2#4 saw '012345' in file_0"),
        (read(20, 101, "012345"), "T4: c2#4 saw '012345' in file_0"),
        (read(99, 100, "90"), "T4: c2#4 saw '90' in file_0"),
        (read(107, 101, ""), "T4: c2#4 saw '' in file_0"),
        (read(107, 99, ""), "T5: c2#4 saw '' in file_0"),
        (read(u64::MAX, 100, "9"), "T4: c2#4 saw '9' in file_0"),
    ] {
        let verdict = judged(seen);
        assert!(verdict.evidence().starts_with(rule), "{verdict}");
    }
    let verdict = judged(read(20, 99, "012345"));
    assert!(
        verdict
            .evidence()
            .ends_with(" was released (6 bytes from byte 20 of 99, where there are 100)"),
        "{verdict}"
    );
}

#[test]
fn long_texts_are_shown_where_they_differ() {
    let text = "é".repeat(1_000);
    let before = [
        (0, 1, grant(1)),
        (1, 1, staged(1, &text)),
        (2, 1, released(1)),
    ];
    let seen = format!("{text}X");
    let verdict = judged(&[&before[..], &[(3, 2, read(0, seen.len(), &seen))]].concat());
    assert_eq!(
        verdict.evidence(),
        "T4: c2#4 saw '..ééééééééX' in file_0 (line 4), where '..éééééééé' was released"
    );
}

#[test]
fn a_reader_without_the_lock_does_not_see_what_its_host_has_staged_under_a_grant_that_ended() {
    let own = |token, text: &str| {
        What::Accepted(LockAccess::Read {
            file: 0,
            token,
            from: 0,
            total: text.len() as u64,
            text: text.into(),
        })
    };
    let before = [(0, 1, grant(1)), (1, 1, staged(1, "A"))];
    let judged = |more: &[Made]| judged(&[&before[..], more].concat());
    assert_eq!(judged(&[(2, 1, own(1, "A"))]), Verdict::Valid);
    assert_eq!(
        judged(&[(2, 1, own(1, ""))]).evidence(),
        "T4: c1#3 saw '' in file_0 (line 3), where 'A' was released, with what it has staged itself"
    );
    assert_eq!(judged(&[(2, 2, own(1, "A"))]).name(), "violated");
    let over = (2_000, 1, What::Withdraw { lock: 0, token: 1 });
    assert_eq!(
        judged(&[over.clone(), (2_001, 1, own(1, ""))]),
        Verdict::Valid
    );
    assert_eq!(judged(&[over, (2_001, 1, own(1, "A"))]).name(), "violated");
}

#[test]
fn a_server_that_is_down_or_paused_in_the_end_owes_nobody_anything() {
    let before = [(0, 1, grant(1)), (1, 2, waits())];
    let end = (9_000, 0, What::End);
    let judged = |what: What| judged(&[&before[..], &[(1_500, 0, what), end.clone()]].concat());
    assert_eq!(judged(What::Crash), Verdict::Valid);
    assert_eq!(judged(What::Pause), Verdict::Valid);
    assert_eq!(judged(What::GoesOn).name(), "violated");
}

#[test]
fn whoever_begins_to_wait_later_is_owed_the_lock_later() {
    let before = [(0, 1, grant(1)), (5_000, 2, waits())];
    let judged = |at| judged(&[&before[..], &[(at, 0, What::End)]].concat());
    assert_eq!(judged(5_100), Verdict::Valid);
    assert_eq!(
        judged(5_101).evidence(),
        "L1: c2#2 waited for lock 0 (line 2), and did not have it in the end, 101 ms after it could have \
         been granted"
    );
}

#[test]
fn a_duplicate_of_a_request_that_nobody_waits_for_is_owed_nothing() {
    let duplicate = Step {
        line: 1,
        clock: Time::from_ms(1),
        operation: Some(OperationId {
            client: HostId(1),
            number: 1,
        }),
        what: What::Gone,
    };
    let waits = Step {
        what: waits(),
        ..duplicate.clone()
    };
    let end = Step {
        clock: Time::from_ms(9_000),
        operation: None,
        what: What::End,
        ..duplicate.clone()
    };
    let names = Names(&[]);
    let valid = judge(&[duplicate, waits.clone(), end.clone()], names);
    assert_eq!(valid, Verdict::Valid);
    assert_eq!(judge(&[waits, end], names).name(), "violated");
}

/// Like [`judged`], with the number of each operation.
fn judged_as_numbered(made: &[(u32, Made)]) -> Verdict {
    let steps = (1..)
        .zip(made)
        .map(|(line, (number, (clock, client, what)))| Step {
            line,
            clock: Time::from_ms(*clock),
            operation: client.checked_sub(1).map(|client| OperationId {
                client: HostId(client),
                number: *number,
            }),
            what: what.clone(),
        });
    let steps: Vec<Step> = steps.collect();
    judge(&steps, Names(&["c1".to_owned(), "c2".to_owned()]))
}

#[test]
fn the_next_life_of_a_host_may_use_the_grants_of_the_last_one_and_its_close_does_not_end_them() {
    let closed = || What::Accepted(LockAccess::Closed);
    let told = What::Told(Told::Granted { lock: 0, token: 1 });
    // The next life closes with its first request, number 9; requests of the last one come late.
    let steps = [
        (1, (0, 1, grant(1))),
        (8, (1, 1, told)),
        (9, (2, 1, closed())),
        (2, (3, 1, staged(1, "A"))),
        (3, (4, 1, released(1))),
        (0, (5, 0, read(0, 1, "A"))),
    ];
    assert_eq!(judged_as_numbered(&steps), Verdict::Valid);
    let taken = [(0, 1, grant(1)), (2, 1, closed()), (3, 2, grant(2))];
    assert!(judged(&taken).evidence().starts_with("T2: "));
}

#[test]
fn after_a_close_its_client_makes_no_use_of_its_grants_but_of_new_ones() {
    let before = [
        (0, 1, grant(1)),
        (1, 1, staged(1, "A")),
        (2, 1, What::Accepted(LockAccess::Closed)),
    ];
    let judged = |more: &[Made]| judged(&[&before[..], more].concat());
    assert_eq!(
        judged(&[(3, 1, staged(1, "B"))]).evidence(),
        "T3: c1#4 staged 'B' in file_0 with token 1 (line 4), which its client had closed (line 3)"
    );
    assert_eq!(
        judged(&[(3, 1, released(1))]).evidence(),
        "T3: c1#4 released lock 0 with token 1 (line 4), which its client had closed (line 3)"
    );
    let own = What::Accepted(LockAccess::Read {
        file: 0,
        token: 1,
        from: 0,
        total: 1,
        text: "A".into(),
    });
    assert!(judged(&[(3, 1, own)]).evidence().starts_with("T4: "));
    let anew = [
        (3, 1, What::Withdraw { lock: 0, token: 1 }),
        (3, 1, grant(2)),
        (4, 1, staged(2, "B")),
        (5, 1, released(2)),
        (6, 0, read(0, 1, "B")),
    ];
    assert_eq!(judged(&anew), Verdict::Valid);
}

#[test]
fn a_holder_that_acquires_anew_lets_its_grant_be_withdrawn_and_queues_like_others() {
    let over = || (11, 1, What::Withdraw { lock: 0, token: 1 });
    let judged = |waits: &[Made], next| {
        let after = [over(), (11, next, grant(2))];
        let steps = [&[(0, 1, grant(1))], waits, &after].concat();
        // The waits are the clients' second operations, and so is what they are granted.
        let number = |step: &Made| match step.2 {
            What::Grant { token: 1, .. } | What::Withdraw { .. } => 1,
            _ => 2,
        };
        let steps: Vec<_> = steps
            .into_iter()
            .map(|step| (number(&step), step))
            .collect();
        judged_as_numbered(&steps)
    };
    let (other, anew) = ((9, 2, waits()), (10, 1, waits()));
    assert_eq!(judged(std::slice::from_ref(&anew), 1), Verdict::Valid);
    assert_eq!(judged(&[other.clone(), anew.clone()], 2), Verdict::Valid);
    assert_eq!(
        judged(&[other.clone(), anew], 1).evidence(),
        "L2: lock 0 was granted to c1#2 with token 2 (line 5), before c2#2, which had waited for longer \
         (line 2)"
    );
    assert!(judged(&[other], 2).evidence().starts_with("T2: "));
    // Its request may be answered in one step.
    let told = What::Accepted(LockAccess::Granted { lock: 0, token: 2 });
    assert_eq!(judged(&[(10, 1, told)], 1), Verdict::Valid);
    let again = What::Accepted(LockAccess::Granted { lock: 0, token: 1 });
    assert!(judged(&[(10, 1, again)], 1).evidence().starts_with("T2: "));
}

#[test]
fn the_order_of_those_who_wait_begins_anew_with_a_crash_and_whoever_is_told_has_its_place() {
    let wait = |number, client| (number, (1, client, waits()));
    let granted = |number, client| (number, (3_000, client, grant(2)));
    let first = (1, (0, 1, grant(1)));
    let judged = |more: &[(u32, Made)]| {
        let name = judged_as_numbered(&[std::slice::from_ref(&first), more].concat()).name();
        name == "valid"
    };
    let pause = (0, (1, 0, What::Pause));
    let two = [wait(1, 2), wait(1, 3), pause.clone()];
    assert!(judged(&[&two[..], &[granted(1, 2)]].concat()));
    assert!(!judged(&[&two[..], &[granted(1, 3)]].concat()));
    assert!(!judged(&[&two[..], &[granted(9, 1)]].concat()));
    let crash = (0, (2, 0, What::Crash));
    let turned = [wait(1, 3), wait(1, 2), pause];
    assert!(judged(
        &[&two[..], &[crash], &turned[..], &[granted(1, 3)]].concat()
    ));
    // The client has given up, but the server does not know, and serves it in its turn.
    let gone = |client| (1, (2, client, What::Gone));
    assert!(judged(&[&two[..], &[gone(2), granted(1, 2)]].concat()));
    assert!(judged(&[&two[..], &[gone(2), granted(1, 3)]].concat()));
    assert!(!judged(&[&two[..], &[gone(3), granted(1, 3)]].concat()));
}

#[test]
fn whoever_is_told_of_the_lock_waits_no_longer() {
    let told = What::Accepted(LockAccess::Granted { lock: 0, token: 2 });
    let steps = [
        (1, (0, 1, grant(1))),
        (1, (1, 2, waits())),
        (2, (1, 2, waits())),
        (1, (2_000, 2, grant(2))),
        (2, (2_000, 2, told)),
        (0, (9_000, 0, What::End)),
    ];
    assert_eq!(judged_as_numbered(&steps), Verdict::Valid);
}
