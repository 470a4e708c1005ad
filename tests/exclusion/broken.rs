//! Ways to break a run of a lock server, each with the rule that forbids it.

use std::time::Duration;

use wavetank::check::exclusion::{BOUND, LockAccess, Step, Told, What};
use wavetank::clock::Time;
use wavetank::id::OperationId;

use crate::made_up::LEASE_MS;

/// What is broken, the rule, and how; nothing comes of it if there is nothing to break in this run.
pub(crate) type Break = (
    &'static str,
    &'static str,
    fn(Vec<Step>) -> Option<Vec<Step>>,
);

/// Every way.
pub(crate) const ALL: [Break; 19] = [
    ("a token comes a second time", "T1", token_again),
    (
        "a lock moves on before the lease has run out",
        "T2",
        moves_on_early,
    ),
    (
        "a withdrawal comes before the lease has run out",
        "T2",
        withdraws_early,
    ),
    (
        "a grant that has ended is renewed",
        "T2",
        renews_what_has_ended,
    ),
    (
        "a grant that has ended is withdrawn",
        "T2",
        withdraws_what_has_ended,
    ),
    (
        "a text is staged after the grant has ended",
        "T3",
        stages_late,
    ),
    (
        "another stages with the holder's token",
        "T3",
        stages_as_another,
    ),
    ("another releases", "T3", releases_as_another),
    ("another is told of a grant", "T3", tells_another),
    ("there is more in a file in the end", "T4", more_in_the_end),
    (
        "a part of a release is missing in the end",
        "T4",
        part_in_the_end,
    ),
    ("a text is staged twice", "T5", stages_twice),
    ("a release is missing in the end", "T5", less_in_the_end),
    (
        "who was refused has staged a text",
        "T5",
        refuses_what_is_done,
    ),
    ("the lock moves on late", "L1", moves_on_late),
    ("the lock does not move on", "L1", never_moves_on),
    ("a waiter is passed over", "L2", passes_over),
    ("a grant is renewed as another's", "T2", renews_as_another),
    (
        "a text is staged after its client has closed",
        "T3",
        stages_after_the_close,
    ),
];

fn place(steps: &[Step], is_it: impl Fn(&Step) -> bool) -> Option<usize> {
    steps.iter().position(is_it)
}

fn last_place(steps: &[Step], is_it: impl Fn(&Step) -> bool) -> Option<usize> {
    steps.iter().rposition(is_it)
}

/// Another operation of whoever's this is, or of somebody else, that nobody else uses.
fn other(operation: OperationId, shift: u16) -> OperationId {
    OperationId {
        client: wavetank::id::HostId((operation.client.0 + shift) % 3),
        number: 1_000_000,
    }
}

fn is_staged(step: &Step) -> bool {
    matches!(step.what, What::Accepted(LockAccess::Staged { .. }))
}

fn is_withdraw(step: &Step) -> bool {
    matches!(step.what, What::Withdraw { .. })
}

/// Where a withdrawal at the very end of a lease, for somebody who waited, stands: a grant follows it.
fn takeover(steps: &[Step]) -> Option<usize> {
    (1..steps.len()).find(|&at| {
        let What::Withdraw { lock, token } = steps[at].what else {
            return false;
        };
        let began = last_place(&steps[..at], |it| match it.what {
            What::Grant { lock: of, .. } | What::Renew { lock: of, .. } => of == lock,
            What::Accepted(LockAccess::Granted {
                lock: of,
                token: told,
            }) => (of, told) == (lock, token),
            _ => false,
        });
        let lease_end = began.map(|began| steps[began].clock + Duration::from_millis(LEASE_MS));
        let next = steps.get(at + 1);
        let waits = |it: &Step| {
            let waits = matches!(it.what, What::Accepted(LockAccess::Waits { .. }));
            waits && next.is_some_and(|next| it.operation == next.operation)
        };
        lease_end == Some(steps[at].clock) && place(&steps[..at], waits).is_some()
    })
}

fn token_again(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let first = place(&steps, |it| {
        matches!(
            it.what,
            What::Grant {
                token: 1,
                lock: 0,
                ..
            }
        )
    })?;
    let second = place(&steps[first + 1..], |it| {
        matches!(it.what, What::Grant { lock: 0, .. })
    });
    let second = second.map(|place| first + 1 + place)?;
    steps[second].what = steps[first].what.clone();
    Some(steps)
}

fn moves_on_early(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = takeover(&steps)?;
    steps.remove(at);
    steps[at].clock = Time::from_ms(steps[at].clock.as_ms() - 1);
    Some(steps)
}

fn withdraws_early(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = takeover(&steps)?;
    steps[at].clock = Time::from_ms(steps[at].clock.as_ms() - 1);
    Some(steps)
}

fn renews_what_has_ended(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = place(&steps, is_withdraw)?;
    let What::Withdraw { lock, token } = steps[at].what else {
        return None;
    };
    let lease = Duration::from_millis(LEASE_MS);
    let what = What::Renew { lock, token, lease };
    steps.insert(
        at + 1,
        Step {
            what,
            ..steps[at].clone()
        },
    );
    Some(steps)
}

fn withdraws_what_has_ended(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = place(&steps, is_withdraw)?;
    steps.insert(at + 1, steps[at].clone());
    Some(steps)
}

fn stages_late(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = place(&steps, is_withdraw)?;
    let What::Withdraw { lock, token } = steps[at].what else {
        return None;
    };
    let staged = LockAccess::Staged {
        lock,
        token,
        file: lock,
        text: "late".into(),
    };
    let operation = steps[at].operation.map(|it| other(it, 0));
    steps.insert(
        at + 1,
        Step {
            operation,
            what: What::Accepted(staged),
            ..steps[at].clone()
        },
    );
    Some(steps)
}

fn stages_as_another(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = last_place(&steps, is_staged)?;
    steps[at].operation = steps[at].operation.map(|it| other(it, 1));
    // Nobody has been told that the operation which is no more was done.
    steps.retain(|it| !matches!(it.what, What::Told(Told::Done)));
    Some(steps)
}

fn releases_as_another(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let is_it = |it: &Step| matches!(it.what, What::Accepted(LockAccess::Released { .. }));
    let at = place(&steps, is_it)?;
    steps[at].operation = steps[at].operation.map(|it| other(it, 1));
    Some(steps)
}

fn tells_another(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let is_it = |it: &Step| matches!(it.what, What::Told(Told::Granted { .. }));
    let at = place(&steps, is_it)?;
    steps[at].operation = steps[at].operation.map(|it| other(it, 1));
    Some(steps)
}

/// The run with another text in the last file, as it was read in the end.
fn last_text(mut steps: Vec<Step>, change: impl Fn(&str) -> String) -> Option<Vec<Step>> {
    let What::Accepted(LockAccess::Read { text, total, .. }) = &mut steps.last_mut()?.what else {
        return None;
    };
    let changed = change(text);
    let is_changed = *changed != **text;
    *total = changed.len() as u64;
    *text = changed.into();
    is_changed.then_some(steps)
}

fn more_in_the_end(steps: Vec<Step>) -> Option<Vec<Step>> {
    last_text(steps, |text| format!("{text}more"))
}

fn part_in_the_end(steps: Vec<Step>) -> Option<Vec<Step>> {
    last_text(steps, |text| {
        text[..text.len().saturating_sub(1)].to_owned()
    })
}

fn less_in_the_end(steps: Vec<Step>) -> Option<Vec<Step>> {
    last_text(steps, |_| String::new())
}

fn stages_twice(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = place(&steps, is_staged)?;
    steps.insert(at + 1, steps[at].clone());
    Some(steps)
}

fn refuses_what_is_done(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = place(&steps, is_staged)?;
    let what = What::Told(Told::Refused);
    steps.insert(
        at + 1,
        Step {
            what,
            ..steps[at].clone()
        },
    );
    Some(steps)
}

fn moves_on_late(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = takeover(&steps)?;
    for step in &mut steps[at..] {
        step.clock = step.clock + BOUND + Duration::from_millis(1);
    }
    Some(steps)
}

fn never_moves_on(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = takeover(&steps)?;
    let clock = steps[at].clock + Duration::from_millis(101);
    steps.truncate(at);
    let what = What::End;
    steps.push(Step {
        line: 0,
        clock,
        operation: None,
        what,
    });
    Some(steps)
}

fn passes_over(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let waits = |it: &Step| match it.what {
        What::Accepted(LockAccess::Waits { lock }) => it.operation.map(|it| (lock, it)),
        _ => None,
    };
    for at in 0..steps.len() {
        let (What::Grant { lock, .. }, Some(granted)) = (&steps[at].what, steps[at].operation)
        else {
            continue;
        };
        let began = place(&steps[..at], |it| waits(it) == Some((*lock, granted)));
        let Some(began) = began else { continue };
        let later = steps[began + 1..at].iter().filter_map(waits);
        let mut later = later.filter(|(of, _)| of == lock).map(|(_, it)| it);
        let is_gone = |it: &Step| matches!(it.what, What::Gone | What::Crash);
        if let Some(other) = later.next()
            && place(&steps[began..at], is_gone).is_none()
        {
            steps.truncate(at + 1);
            steps[at].operation = Some(other);
            return Some(steps);
        }
    }
    None
}

fn renews_as_another(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let at = place(&steps, |it| matches!(it.what, What::Renew { .. }))?;
    steps[at].operation = steps[at].operation.map(|it| other(it, 0));
    Some(steps)
}

fn stages_after_the_close(mut steps: Vec<Step>) -> Option<Vec<Step>> {
    let is_closed = |it: &Step| matches!(it.what, What::Accepted(LockAccess::Closed));
    let ends = |pair: &[Step]| is_closed(&pair[0]) && is_withdraw(&pair[1]);
    let at = steps.windows(2).position(ends)?;
    let What::Withdraw { lock, token } = steps[at + 1].what else {
        return None;
    };
    let staged = LockAccess::Staged {
        lock,
        token,
        file: lock,
        text: "late".into(),
    };
    let what = What::Accepted(staged);
    let operation = steps[at].operation.map(|it| other(it, 0));
    let late = Step {
        operation,
        what,
        ..steps[at].clone()
    };
    steps.insert(at + 1, late);
    Some(steps)
}
