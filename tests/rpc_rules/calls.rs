//! What a client does: ids, retransmissions, patience, and what it says in the end.

use std::collections::BTreeSet;
use std::time::Duration;

use wavetank::clock::Time;
use wavetank::history::OutcomeKind;
use wavetank::id::OperationId;
use wavetank::net::conditions::{Fault, Selector, Target};
use wavetank::net::faults::Skew;
use wavetank::rpc::Semantics;
use wavetank::rpc::called::Called;
use wavetank::rpc::message::Refused;
use wavetank::trace::{Event, Line};

use crate::services::{Counter, Lock, Silent, Slow};
use crate::tank::{
    ALICE, BOB, DELAY_MS, POLICY, Run, Script, alice, named, reply, request, run, script,
};

/// Bob's first operation.
const BOB_1: OperationId = OperationId {
    client: BOB,
    number: 1,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Calls so often, one after another.
fn calls(count: u32) -> Script {
    script(move |client| async move {
        let mut rpc = client.rpc(1);
        for number in 1..=count {
            client.call(&mut rpc, number, b"count").await;
        }
    })
}

/// What a client says of its only call.
fn outcome(run: &Run) -> OutcomeKind {
    let [call] = &run.calls[..] else {
        panic!("one call: {:?}", run.calls);
    };
    call.called.outcome(|_| false).kind
}

#[test]
fn every_retransmission_is_the_same_datagram_and_every_call_has_a_number_of_its_own() {
    let faults = vec![
        Fault::Drop(reply(1, 1)),
        Fault::Drop(reply(1, 2)),
        Fault::Drop(request(2, 1)),
    ];
    let run = run(
        || Box::<Counter>::default(),
        Semantics::AtMostOnce,
        faults,
        vec![calls(3)],
    );
    let sent = run.requests();
    let operations: Vec<u32> = sent
        .iter()
        .map(|(_, operation, _)| operation.number)
        .collect();
    assert_eq!(operations, [1, 1, 1, 2, 2, 3]);
    assert!(sent[0].2 == sent[1].2 && sent[1].2 == sent[2].2 && sent[3].2 == sent[4].2);
    let ids: Vec<_> = sent
        .iter()
        .map(|(_, _, datagram)| named(datagram))
        .collect();
    let (client, ..) = ids[0];
    assert_eq!(
        [ids[0], ids[3], ids[5]],
        [(client, 1, 1), (client, 2, 2), (client, 3, 3)],
        "numbers rise, and each says that the earlier replies are no longer waited for"
    );
}

#[test]
fn every_client_life_has_an_id_of_its_own_even_on_one_host() {
    let two_lives = || {
        script(|client| async move {
            for (life, port) in [(1, 1), (2, 1), (3, 2)] {
                let mut rpc = client.rpc(port);
                client.call(&mut rpc, life, b"count").await;
            }
        })
    };
    let scripts = vec![two_lives(), two_lives()];
    let run = run(
        || Box::<Counter>::default(),
        Semantics::AtMostOnce,
        Vec::new(),
        scripts,
    );
    let ids: BTreeSet<u64> = run
        .requests()
        .iter()
        .map(|(_, _, sent)| named(sent).0)
        .collect();
    assert_eq!(ids.len(), 6, "three lives on each of two hosts");
    let counts: BTreeSet<_> = run.replies().into_iter().collect();
    assert_eq!(
        counts.len(),
        6,
        "no life got the stored reply of another: {counts:?}"
    );
}

#[test]
fn a_late_reply_to_one_call_is_not_taken_for_the_answer_to_the_next() {
    // The reply to the first call comes when the second one waits, and its own reply comes later.
    let faults = vec![
        Fault::Delay(reply(1, 1), MS(700)),
        Fault::Delay(reply(2, 1), MS(400)),
    ];
    let run = run(
        || Box::<Counter>::default(),
        Semantics::Maybe,
        faults,
        vec![calls(2)],
    );
    assert_eq!(run.calls[0].called, Called::GaveUp { sends: 1 });
    assert_eq!(run.replies(), [None, Some(vec![2])]);
    assert_eq!(run.calls[1].at_ms, 500 + u64::from(DELAY_MS) + 400);
    assert!(
        run.words(ALICE).contains(&"ignore"),
        "the late reply is ignored"
    );
}

#[test]
fn the_notice_that_a_request_is_in_progress_delays_the_next_retransmission() {
    let service = || Box::new(Slow(MS(2_500))) as _;
    let run = run(service, Semantics::AtMostOnce, Vec::new(), vec![calls(1)]);
    let sent: Vec<u64> = run.requests().iter().map(|(at_ms, ..)| *at_ms).collect();
    // 500 ms of timeout; there and back; then the timeout and a second of patience more.
    let second = 500 + 2 * u64::from(DELAY_MS) + 1_500;
    assert_eq!(sent, [0, 500, second]);
    assert_eq!(run.replies(), [Some(b"at last".to_vec())]);
    assert_eq!(run.executions(alice(1)), 1);
    let patience = |word: &&&str| **word == "patience";
    assert_eq!(run.words(ALICE).iter().filter(patience).count(), 2);
}

#[test]
fn the_trace_says_in_its_own_time_until_when_a_client_with_a_wrong_clock_waits() {
    let skew = Fault::Skew(Skew {
        host: ALICE,
        offset_ms: 70_000,
        rate_ppm: 2_000_000,
    });
    let service = || Box::new(Slow(MS(2_500))) as _;
    let run = run(service, Semantics::AtMostOnce, vec![skew], vec![calls(1)]);
    let sent: Vec<u64> = run.requests().iter().map(|(at_ms, ..)| *at_ms).collect();
    let until = |line: &Line| match line.event {
        Event::Patience { until, .. } => Some(until.as_ms()),
        _ => None,
    };
    let said: Vec<u64> = run.lines.iter().filter_map(until).collect();
    assert_eq!(sent, [0, 250, 1_020, 1_790], "each of her ms is half a ms");
    assert_eq!(said[..2], sent[2..]);
    assert_eq!(said[2..], [1_790 + 20 + 750]);
}

#[test]
fn the_notice_that_a_request_is_in_progress_gives_the_client_all_its_attempts_back() {
    // Far longer than the three sends that a silent server would get.
    let service = || Box::new(Slow(MS(20_000))) as _;
    let run = run(service, Semantics::AtMostOnce, Vec::new(), vec![calls(1)]);
    assert!(run.requests().len() > usize::from(POLICY.attempts));
    assert_eq!(run.replies(), [Some(b"at last".to_vec())]);
}

#[test]
fn a_client_that_gives_up_after_all_its_sends_says_unknown() {
    // Nothing was executed in the first run, and everything in the second: it cannot know.
    let requests = (1..=3).map(|nth| Fault::Drop(request(1, nth)));
    let replies = (1..=3).map(|nth| Fault::Drop(reply(1, nth)));
    for (faults, executions) in [(requests.collect(), 0), (replies.collect::<Vec<_>>(), 1)] {
        let run = run(
            || Box::<Counter>::default(),
            Semantics::AtMostOnce,
            faults,
            vec![calls(1)],
        );
        assert_eq!(run.executions(alice(1)), executions);
        assert_eq!(run.calls[0].called, Called::GaveUp { sends: 3 });
        assert_eq!(run.calls[0].at_ms, 1_500);
        assert_eq!(outcome(&run), OutcomeKind::Unknown);
    }
}

#[test]
fn a_client_whose_request_is_in_progress_says_unknown_when_it_gives_up() {
    let lost = (2..=3).map(|nth| Fault::Drop(request(1, nth))).collect();
    let run = run(
        || Box::new(Silent),
        Semantics::AtMostOnce,
        lost,
        vec![calls(1)],
    );
    assert_eq!(run.executions(alice(1)), 1);
    assert_eq!(outcome(&run), OutcomeKind::Unknown);
}

#[test]
fn a_refusal_that_says_nothing_of_other_copies_leaves_the_client_without_knowledge() {
    let outcome = |reason| Called::Refused(reason).outcome(|_| false).kind;
    assert_eq!(outcome(Refused::SessionExpired), OutcomeKind::Unknown);
    assert_eq!(outcome(Refused::DifferentBody), OutcomeKind::Failed);
    assert_eq!(outcome(Refused::Full), OutcomeKind::Unknown);
}

#[test]
fn messages_without_reply_and_updates_are_neither_filtered_nor_remembered() {
    let talker = script(|client| async move {
        let mut rpc = client.rpc(1);
        rpc.tell(client.operation(1), b"beat");
        rpc.tell(client.operation(1), b"beat");
        for expected in 0..2 {
            let update = rpc
                .next_update(Time::from_ms(400))
                .await
                .expect("an update");
            assert_eq!(&update.body[..], b"beat", "update {expected}");
        }
        assert!(rpc.next_update(Time::from_ms(400)).await.is_none());
        // They took no number of a call, so that this one is the first.
        client.call(&mut rpc, 2, b"count").await;
    });
    let run = run(
        || Box::<Counter>::default(),
        Semantics::AtMostOnce,
        Vec::new(),
        vec![talker],
    );
    assert_eq!(run.replies(), [Some(vec![1])]);
    assert_eq!(run.filtered(), []);
    let sent = run.requests();
    assert_eq!(named(sent.last().unwrap().2).1, 1);
}

#[test]
fn an_update_that_comes_during_a_call_is_kept_and_is_no_reply() {
    let talker = script(|client| async move {
        let mut rpc = client.rpc(1);
        rpc.tell(client.operation(1), b"beat");
        client.call(&mut rpc, 2, b"count").await;
        let update = rpc
            .next_update(client.host.now())
            .await
            .expect("the update was kept");
        assert_eq!(&update.body[..], b"beat");
    });
    let run = run(
        || Box::<Counter>::default(),
        Semantics::AtMostOnce,
        Vec::new(),
        vec![talker],
    );
    assert_eq!(run.replies(), [Some(vec![1])]);
}

#[test]
fn a_request_that_waits_is_completed_by_the_step_of_another_client() {
    let first = script(|client| async move {
        let mut rpc = client.rpc(1);
        client.call(&mut rpc, 1, b"acquire").await;
        client.host.sleep_until(Time::from_ms(3_000)).await;
        client.call(&mut rpc, 2, b"release").await;
    });
    let second = script(|client| async move {
        let mut rpc = client.rpc(1);
        client.host.sleep_until(Time::from_ms(100)).await;
        client.call(&mut rpc, 1, b"acquire").await;
        client.call(&mut rpc, 2, b"release").await;
    });
    // The first reply to the waiting client is lost: its retransmission gets the stored one.
    let label = Selector::ReplyTo(BOB_1);
    let lost = Fault::Drop(Target { label, nth: 1 });
    let scripts = vec![first, second];
    let run = run(
        || Box::<Lock>::default(),
        Semantics::AtMostOnce,
        vec![lost],
        scripts,
    );
    let told: Vec<(u16, u64)> = run
        .calls
        .iter()
        .map(|call| (call.operation.client.0, call.at_ms))
        .collect();
    let granted = Some(b"granted".to_vec());
    let released = Some(b"released".to_vec());
    assert_eq!(
        run.replies(),
        [granted.clone(), released.clone(), granted, released]
    );
    assert_eq!(told[..2], [(ALICE.0, 20), (ALICE.0, 3_020)]);
    assert!(told[2].0 == BOB.0 && told[2].1 > 3_020, "{told:?}");
    assert_eq!(run.executions(BOB_1), 1, "it waited for its turn once");
}
