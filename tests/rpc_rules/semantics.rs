//! Three semantics around the same service: how often a request is sent, and how often it runs.

use std::time::Duration;

use wavetank::net::conditions::Fault;
use wavetank::rpc::Semantics;
use wavetank::trace::Filtered;

use crate::services::Counter;
use crate::tank::{Run, SERVER, alice, reply, request, run, script};

/// Two calls of a counter: one semantics or another, the same service and the same faults.
fn two_calls(semantics: Semantics, faults: &[Fault]) -> Run {
    let calls = script(|client| async move {
        let mut rpc = client.rpc(1);
        for number in 1..=2 {
            client.call(&mut rpc, number, b"count").await;
        }
    });
    run(
        || Box::<Counter>::default(),
        semantics,
        faults.to_vec(),
        vec![calls],
    )
}

/// How often the first request was sent and how often it ran, and what the calls were told.
fn of_each(faults: &[Fault]) -> Vec<(usize, usize, Vec<Option<u8>>)> {
    let of = |semantics| {
        let run = two_calls(semantics, faults);
        let sent = run
            .requests()
            .iter()
            .filter(|(_, operation, _)| operation.number == 1)
            .count();
        let counts = run
            .replies()
            .into_iter()
            .map(|reply| reply.map(|body| body[0]));
        (sent, run.executions(alice(1)), counts.collect())
    };
    Semantics::ALL.map(of).to_vec()
}

#[test]
fn a_lost_reply_is_never_known_or_runs_again_or_is_sent_again() {
    assert_eq!(
        of_each(&[Fault::Drop(reply(1, 1))]),
        [
            (1, 1, vec![None, Some(2)]),
            (2, 2, vec![Some(2), Some(3)]),
            (2, 1, vec![Some(1), Some(2)]),
        ]
    );
}

#[test]
fn a_lost_request_is_never_run_or_sent_again() {
    assert_eq!(
        of_each(&[Fault::Drop(request(1, 1))]),
        [
            (1, 0, vec![None, Some(1)]),
            (2, 1, vec![Some(1), Some(2)]),
            (2, 1, vec![Some(1), Some(2)]),
        ]
    );
}

#[test]
fn a_request_that_the_network_doubles_runs_twice_unless_duplicates_are_filtered() {
    let after = Duration::from_millis(1);
    let [maybe, at_least_once, at_most_once] =
        &of_each(&[Fault::Duplicate(request(1, 1), after)])[..]
    else {
        panic!("three semantics");
    };
    assert_eq!((maybe.0, maybe.1), (1, 2));
    assert_eq!((at_least_once.0, at_least_once.1), (1, 2));
    assert_eq!((at_most_once.0, at_most_once.1), (1, 1));
}

#[test]
fn on_a_perfect_network_the_semantics_do_not_differ() {
    assert_eq!(of_each(&[]), vec![(1, 1, vec![Some(1), Some(2)]); 3]);
}

#[test]
fn a_duplicate_that_is_overtaken_by_later_calls_is_ignored() {
    let late = [Fault::Duplicate(request(1, 1), Duration::from_secs(4))];
    let run = two_calls(Semantics::AtMostOnce, &late);
    assert_eq!(run.filtered(), [Filtered::Acknowledged]);
    assert_eq!(run.executions(alice(1)), 1);
    let replies = run
        .words(SERVER)
        .iter()
        .filter(|word| **word == "reply")
        .count();
    assert_eq!(
        replies, 2,
        "nobody waits for an answer to the late duplicate"
    );
    assert_eq!(
        two_calls(Semantics::AtLeastOnce, &late).executions(alice(1)),
        2
    );
}
