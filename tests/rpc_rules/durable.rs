//! What a server does on a disk: all of a step is durable together, and before anything of it is seen.

use std::time::Duration;

use wavetank::clock::Time;
use wavetank::disk::{Batch, DiskFate, SimDisk, Store};
use wavetank::id::ClientId;
use wavetank::rpc::message::{Message, Refused};
use wavetank::rpc::reply_cache::{Limits, REQUEST_BYTES};
use wavetank::rpc::server::RpcServer;
use wavetank::rpc::{CacheKind, Semantics};
use wavetank::seed::Seed;
use wavetank::trace::Event;

use crate::lives::{
    ALICE, BOB, Done, Lives, executed, hello, refused, reply, request, request_that_awaits, stored,
};
use crate::services::{Counter, Ledger};

const FATES: [DiskFate; 3] = [DiskFate::Keep, DiskFate::Lose, DiskFate::Tear];

/// A server with a durable cache.
fn durable() -> Lives {
    Lives::new(CacheKind::Durable, Limits::default())
}

fn beat(client: ClientId) -> Vec<u8> {
    let body = b"beat";
    Message::OneWay { client, body }.encode()
}

#[test]
fn a_life_goes_on_where_the_last_one_was() {
    for fate in FATES {
        let mut lives = durable();
        let session = lives.hello(ALICE);
        let [first, second] = [1, 2].map(|sequence| request(ALICE, session, sequence, b"count"));
        assert_eq!(lives.receive(&first), executed(ALICE, 1, 1));
        lives.restart(CacheKind::Durable, fate);
        assert_eq!(lives.receive(&first), stored(ALICE, 1, 1));
        assert_eq!(lives.hello(ALICE), session);
        assert_eq!(lives.receive(&second), executed(ALICE, 2, 2));
        lives.restart(CacheKind::Durable, fate);
        let ignored = Done {
            sent: Vec::new(),
            words: vec!["filter"],
        };
        assert_eq!(lives.receive(&first), ignored, "it was acknowledged");
        assert_eq!(lives.receive(&second), stored(ALICE, 2, 2));
    }
}

#[test]
fn nothing_of_a_step_is_seen_before_it_is_durable() {
    type Act = fn(&mut Lives, u64) -> (Done, bool);
    let acts: [(&str, Act); 4] = [
        ("hello", |lives, _| {
            let (done, result) = lives.try_to_receive(&hello(BOB));
            (done, result.is_ok())
        }),
        ("request", |lives, session| {
            let (done, result) = lives.try_to_receive(&request(ALICE, session, 1, b"count"));
            (done, result.is_ok())
        }),
        ("message without reply", |lives, _| {
            let (done, result) = lives.try_to_receive(&beat(ALICE));
            (done, result.is_ok())
        }),
        ("timer", |lives, _| {
            lives.now = Time::from_ms(1_000);
            let (done, result) = lives.fire_timers();
            (done, result.is_ok())
        }),
    ];
    for (name, act) in acts {
        for operations in 0.. {
            let mut lives = durable();
            let session = lives.hello(ALICE);
            lives.receive(&beat(ALICE));
            lives.disk.fail_after(Some(operations));
            let (done, is_durable) = act(&mut lives, session);
            if is_durable {
                assert!(operations > 2, "{name}: a write and a sync at least");
                assert_ne!(done, Done::default(), "{name}");
                break;
            }
            assert_eq!(done, Done::default(), "{name}: {operations}");
            let again = lives.try_to_receive(&hello(ClientId(3)));
            assert!(again.1.is_err() && again.0 == Done::default(), "{name}");
        }
    }
}

#[test]
fn the_effect_and_the_reply_are_found_together_or_not_at_all() {
    let mut found_either = [0, 0];
    for fate in FATES {
        for operations in 0.. {
            let mut lives = durable();
            let session = lives.hello(ALICE);
            let datagram = request(ALICE, session, 1, b"count");
            lives.disk.fail_after(Some(operations));
            let (_, result) = lives.try_to_receive(&datagram);
            let missed = lives.restart(CacheKind::Durable, fate);
            let again = lives.receive(&datagram);
            let was_executed = again == stored(ALICE, 1, 1);
            assert!(
                was_executed || again == executed(ALICE, 1, 1),
                "{fate:?} {operations}: {again:?}"
            );
            let next = lives.receive(&request(ALICE, session, 2, b"count"));
            assert_eq!(next, executed(ALICE, 2, 2), "{fate:?} {operations}");
            if result.is_ok() {
                assert!(was_executed && missed.is_empty());
                break;
            }
            // What the trace could not say is said as soon as it is known.
            found_either[usize::from(was_executed)] += 1;
            match &missed[..] {
                [Event::Execute { reply, .. }] if was_executed => {
                    assert_eq!(reply.as_deref(), Some(&[1][..]));
                }
                [] if !was_executed => {}
                other => panic!("{fate:?} {operations}: {other:?}"),
            }
        }
    }
    assert!(
        found_either.iter().all(|&times| times > 0),
        "{found_either:?}"
    );
}

#[test]
fn a_request_that_waited_and_stored_is_not_executed_by_the_next_life() {
    let mut lives = durable();
    let session = lives.hello(ALICE);
    let waits = request(ALICE, session, 1, b"wait");
    assert_eq!(lives.receive(&waits).words, ["execute"]);
    let in_progress = lives.receive(&waits);
    assert_eq!(
        (in_progress.sent.len(), &in_progress.words[..]),
        (1, &["filter"][..])
    );
    lives.restart(CacheKind::Durable, DiskFate::Lose);
    let expired = refused(ALICE, 1, Refused::SessionExpired);
    assert_eq!(lives.receive(&waits), expired);
    assert_eq!(lives.hello(ALICE), session, "the session itself goes on");
    let next = lives.receive(&request(ALICE, session, 2, b"count"));
    assert_eq!(next, executed(ALICE, 2, 2));
}

#[test]
fn a_request_that_waited_and_stored_nothing_waits_again_in_the_next_life() {
    let mut lives = durable();
    let (alice, bob) = (lives.hello(ALICE), lives.hello(BOB));
    let queues = request(ALICE, alice, 1, b"queue");
    assert_eq!(lives.receive(&queues).words, ["execute"]);
    lives.restart(CacheKind::Durable, DiskFate::Lose);
    let again = lives.receive(&queues);
    assert_eq!((again.sent.len(), &again.words[..]), (0, &["execute"][..]));
    let wakes = lives.receive(&request(BOB, bob, 1, b"wake"));
    assert_eq!(wakes.sent, [reply(BOB, 1, 1), reply(ALICE, 1, 1)]);
}

#[test]
fn a_request_that_waited_is_answered_by_a_later_life_than_completed_it() {
    let mut lives = durable();
    let (alice, bob) = (lives.hello(ALICE), lives.hello(BOB));
    lives.receive(&request(ALICE, alice, 1, b"wait"));
    let wakes = lives.receive(&request(BOB, bob, 1, b"wake"));
    assert_eq!(wakes.words, ["execute", "complete"]);
    assert_eq!(wakes.sent, [reply(BOB, 1, 2), reply(ALICE, 1, 2)]);
    lives.restart(CacheKind::Durable, DiskFate::Lose);
    let again = lives.receive(&request(ALICE, alice, 1, b"wait"));
    assert_eq!(again, stored(ALICE, 1, 2));
}

#[test]
fn what_changes_without_a_step_is_durable_too() {
    let limits = Limits {
        bytes: 2 * (REQUEST_BYTES + 10),
        ..Limits::default()
    };
    let mut lives = Lives::new(CacheKind::Durable, limits);
    let session = lives.hello(ALICE);
    for sequence in 1..=2 {
        lives.receive(&request_that_awaits(ALICE, session, sequence, 1, b"count"));
    }
    // It acknowledges the first request, and is itself too large.
    let large = request_that_awaits(ALICE, session, 3, 2, &[7; 1_000]);
    assert_eq!(lives.receive(&large), refused(ALICE, 3, Refused::Full));
    lives.restart(CacheKind::Durable, DiskFate::Lose);
    let first = lives.receive(&request_that_awaits(ALICE, session, 1, 1, b"count"));
    assert_eq!((first.sent.len(), &first.words[..]), (0, &["filter"][..]));
    let second = lives.receive(&request_that_awaits(ALICE, session, 2, 2, b"count"));
    assert_eq!(second, stored(ALICE, 2, 2));
}

#[test]
fn what_changes_nothing_touches_no_disk() {
    let mut lives = durable();
    let session = lives.hello(ALICE);
    let datagram = request(ALICE, session, 1, b"count");
    lives.receive(&datagram);
    let operations = lives.disk.operations();
    lives.receive(&datagram);
    lives.hello(ALICE);
    lives.receive(&request(BOB, 5, 1, b"count"));
    lives.receive(b"WT no message");
    assert_eq!(lives.disk.operations(), operations);
}

#[test]
fn a_cache_of_another_kind_takes_up_nothing_that_a_durable_one_has_stored() {
    for kind in [CacheKind::Epoch, CacheKind::Memory] {
        let mut lives = durable();
        let session = lives.hello(ALICE);
        let first = request(ALICE, session, 1, b"count");
        lives.receive(&first);
        lives.restart(kind, DiskFate::Lose);
        let expired = refused(ALICE, 1, Refused::SessionExpired);
        assert_eq!(lives.receive(&first), expired, "{kind:?}");
        let other = lives.hello(ALICE);
        assert_ne!(other, session, "{kind:?}");
        let second = request(ALICE, other, 2, b"count");
        assert_eq!(lives.receive(&second), executed(ALICE, 2, 2), "{kind:?}");
        lives.restart(kind, DiskFate::Lose);
        if kind == CacheKind::Epoch {
            let expired = refused(ALICE, 2, Refused::SessionExpired);
            assert_eq!(lives.receive(&second), expired);
        }
        // The durable cache goes on where it was, and knows nothing of what came between.
        lives.restart(CacheKind::Durable, DiskFate::Lose);
        let expired = refused(ALICE, 2, Refused::SessionExpired);
        assert_eq!(lives.receive(&second), expired, "{kind:?}");
        assert_eq!(lives.receive(&first), stored(ALICE, 1, 1), "{kind:?}");
    }
}

#[test]
fn a_server_begins_with_no_records_but_its_own() {
    let begin = |key: &[u8], value: &[u8], service: bool| {
        let mut store = Store::open(SimDisk::formatted().backend()).unwrap();
        let mut batch = Batch::default();
        batch.put(key, value);
        store.commit(&batch).unwrap();
        let server = if service {
            RpcServer::new(Box::<Ledger>::default(), None, Semantics::AtMostOnce)
        } else {
            RpcServer::new(Box::<Counter>::default(), None, Semantics::AtMostOnce)
        };
        let numbers = Seed(7).stream("sessions");
        let server = server.with_reply_cache(CacheKind::Durable, Limits::default(), numbers);
        server
            .with_store(Time::ZERO, store)
            .map_err(|error| error.to_string())
    };
    assert!(begin(b"rcount", &[3], true).is_ok());
    for (key, value, service, says) in [
        (&b"rcount"[..], &[1, 2][..], true, "no count"),
        (b"rcount", &[3], false, "this service stores nothing"),
        (b"s1234567", &[7; 12], true, "no record of a reply cache"),
        (b"c12345678", &[0; 9], true, "no record of a reply cache"),
    ] {
        let refused = begin(key, value, service).unwrap_err();
        assert!(
            refused.contains(says) && refused.contains("name another directory"),
            "{refused}"
        );
    }
}

#[test]
#[should_panic(expected = "a reply cache comes before the disk")]
fn a_server_on_its_disk_takes_no_other_reply_cache() {
    let lives = durable();
    let numbers = Seed(7).stream("sessions");
    let _forgets = (lives.server).with_reply_cache(CacheKind::Durable, Limits::default(), numbers);
}

#[test]
fn a_session_that_expires_is_gone_for_later_lives_too() {
    let age = Duration::from_secs(10);
    let limits = Limits {
        age,
        ..Limits::default()
    };
    let mut lives = Lives::new(CacheKind::Durable, limits);
    let session = lives.hello(ALICE);
    let datagram = request(ALICE, session, 1, b"count");
    lives.receive(&datagram);
    lives.now = Time::ZERO + age + age;
    lives.receive(&request(BOB, 5, 1, b"count")); // sweeps, and is refused
    lives.now = Time::ZERO;
    lives.restart(CacheKind::Durable, DiskFate::Lose);
    let expired = refused(ALICE, 1, Refused::SessionExpired);
    assert_eq!(lives.receive(&datagram), expired);
}
