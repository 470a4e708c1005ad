//! Sessions: what a server gives and refuses, and what a client makes of it.

use std::time::Duration;

use wavetank::clock::Time;
use wavetank::disk::DiskFate;
use wavetank::history::OutcomeKind;
use wavetank::id::HostId;
use wavetank::net::conditions::{Delay, Fault, Link, Partition, Probability, Streams};
use wavetank::net::faults::{Chosen, Crash, When};
use wavetank::rpc::called::Called;
use wavetank::rpc::message::Refused;
use wavetank::rpc::reply_cache::Limits;
use wavetank::rpc::{CacheKind, Semantics};
use wavetank::seed::Seed;
use wavetank::trace::Filtered;

use crate::lives::{
    ALICE as ID, BOB as OTHER_ID, Lives, executed, hello, refused, request, stored,
};
use crate::services::{Counter, Ledger, Slow};
use crate::tank::{ALICE, DELAY_MS, Run, SERVER, Script, Tank, alice, script};

const KINDS: [CacheKind; 2] = [CacheKind::Epoch, CacheKind::Durable];

/// A ledger with a cache of this kind, and clients that know that they need a session.
fn tank(reply_cache: CacheKind) -> Tank {
    Tank {
        reply_cache,
        sessions: true,
        ..Tank::of(|| Box::<Ledger>::default())
    }
}

/// Calls so often, one second after another.
fn calls(count: u32) -> Script {
    calls_every(1_000, count)
}

fn calls_every(ms: u64, count: u32) -> Script {
    script(move |client| async move {
        let mut rpc = client.rpc(1);
        for number in 1..=count {
            client.call(&mut rpc, number, b"count").await;
            rpc.idle_until(Time::from_ms(ms * u64::from(number))).await;
        }
    })
}

fn crash(host: HostId, at_ms: u64) -> Fault {
    Fault::Crash(Crash {
        host,
        when: When::At(Chosen::Fixed(at_ms)),
        disk_operation: None,
        restart_after: Some(Duration::from_millis(20)),
        disk: DiskFate::Lose,
    })
}

/// How often alice sent a hello.
fn hellos(run: &Run) -> usize {
    let words = run.words(ALICE);
    words.iter().filter(|word| **word == "hello").count()
}

const fn counted(count: u8) -> Option<[u8; 1]> {
    Some([count])
}

fn replies(run: &Run) -> Vec<Option<[u8; 1]>> {
    let of_one = |reply: Option<Vec<u8>>| reply.map(|body| [body[0]]);
    run.replies().into_iter().map(of_one).collect()
}

// ---- the server, asked directly

#[test]
fn a_hello_gets_a_session_and_its_copies_the_same() {
    for kind in KINDS {
        let mut lives = Lives::new(kind, Limits::default());
        let session = lives.hello(ID);
        assert_ne!(session, 0);
        assert_eq!(lives.hello(ID), session);
        assert_ne!(lives.hello(OTHER_ID), session);
        let datagram = request(ID, session, 1, b"count");
        assert_eq!(lives.receive(&datagram), executed(ID, 1, 1));
        assert_eq!(lives.hello(ID), session);
        assert_eq!(lives.receive(&datagram), stored(ID, 1, 1));
    }
}

#[test]
fn a_request_outside_its_session_is_refused_and_not_executed() {
    for kind in KINDS {
        let mut lives = Lives::new(kind, Limits::default());
        let session = lives.hello(ID);
        for (client, of) in [
            (ID, 0),
            (ID, session ^ 1),
            (OTHER_ID, session),
            (OTHER_ID, 0),
        ] {
            let done = lives.receive(&request(client, of, 1, b"count"));
            assert_eq!(done, refused(client, 1, Refused::SessionExpired));
        }
    }
}

#[test]
fn a_session_ends_with_the_life_of_its_server_unless_it_is_durable() {
    let mut lives = Lives::new(CacheKind::Epoch, Limits::default());
    let session = lives.hello(ID);
    let datagram = request(ID, session, 1, b"count");
    assert_eq!(lives.receive(&datagram), executed(ID, 1, 1));
    lives.restart(CacheKind::Epoch, DiskFate::Keep);
    let expired = refused(ID, 1, Refused::SessionExpired);
    assert_eq!(lives.receive(&datagram), expired);
    let next = lives.hello(ID);
    assert_ne!(next, session, "no life repeats a number of another");
    assert_eq!(lives.receive(&datagram), expired, "a late copy");
    let second = request(ID, next, 2, b"count");
    assert_eq!(lives.receive(&second), executed(ID, 2, 2));
}

#[test]
fn a_hello_to_a_server_that_is_full_is_refused() {
    let limits = Limits {
        clients: 1,
        ..Limits::default()
    };
    for kind in KINDS {
        let mut lives = Lives::new(kind, limits);
        let session = lives.hello(ID);
        let full = refused(OTHER_ID, 1, Refused::Full);
        assert_eq!(lives.receive(&hello(OTHER_ID)), full);
        let none = refused(OTHER_ID, 1, Refused::SessionExpired);
        assert_eq!(
            lives.receive(&request(OTHER_ID, session, 1, b"count")),
            none
        );
    }
}

#[test]
fn a_server_without_sessions_answers_a_hello_with_none() {
    let mut lives = Lives::new(CacheKind::Memory, Limits::default());
    assert_eq!(lives.hello(ID), 0);
    let datagram = request(ID, 0, 1, b"count");
    assert_eq!(lives.receive(&datagram), executed(ID, 1, 1));
    assert_eq!(lives.receive(&datagram), stored(ID, 1, 1));
}

// ---- clients

#[test]
fn a_client_says_hello_before_its_first_call_and_then_no_more() {
    for kind in KINDS {
        let run = tank(kind).run(vec![calls(3)]);
        assert_eq!(replies(&run), [1, 2, 3].map(counted));
        assert_eq!(run.words(ALICE), ["hello", "send", "send", "send"]);
        assert_eq!(hellos(&run), 1);
        assert_eq!(run.filtered(), []);
        assert_eq!(run.calls[0].at_ms, 4 * u64::from(DELAY_MS));
    }
}

#[test]
fn a_client_that_does_not_know_learns_from_the_refusal_of_its_request() {
    for kind in KINDS {
        let tank = Tank {
            sessions: false,
            ..tank(kind)
        };
        let run = tank.run(vec![calls(3)]);
        assert_eq!(replies(&run), [1, 2, 3].map(counted));
        assert_eq!(run.filtered(), [Filtered::SessionExpired]);
        assert_eq!(hellos(&run), 1);
    }
}

#[test]
fn a_server_without_sessions_is_called_all_the_same() {
    for semantics in Semantics::ALL {
        let tank = Tank {
            semantics,
            sessions: true,
            ..Tank::of(|| Box::<Counter>::default())
        };
        let run = tank.run(vec![calls(3)]);
        assert_eq!(replies(&run), [1, 2, 3].map(counted));
        assert_eq!(hellos(&run), 1);
    }
}

/// Every datagram comes twice, at once or much later.
#[test]
fn copies_of_hellos_welcomes_and_refusals_are_taken_for_nothing_else() {
    let always = Probability::new(1.0).unwrap();
    for (delay, seeds) in [
        (Delay::Fixed(DELAY_MS), 0..1),
        (Delay::Uniform { min: 1, max: 400 }, 0..30),
    ] {
        for (seed, kind, sessions) in seeds.flat_map(|seed| {
            KINDS
                .into_iter()
                .flat_map(move |kind| [false, true].map(|sessions| (seed, kind, sessions)))
        }) {
            let tank = Tank {
                sessions,
                everywhere: Link {
                    duplication: always,
                    delay,
                    ..Link::default()
                },
                seed: Seed(seed),
                ..tank(kind)
            };
            let run = tank.run(vec![calls(4)]);
            assert_eq!(
                replies(&run),
                [1, 2, 3, 4].map(counted),
                "seed {seed}, {kind:?}, {sessions}"
            );
        }
    }
}

#[test]
fn after_a_restart_epoch_leaves_a_client_without_knowledge_once() {
    let tank = Tank {
        faults: vec![crash(SERVER, 500)],
        ..tank(CacheKind::Epoch)
    };
    let run = tank.run(vec![calls(4)]);
    let expired = Called::Refused(Refused::SessionExpired);
    assert_eq!(run.calls[1].called, expired);
    assert_eq!(run.executions(alice(2)), 0);
    let called = run.calls[1].called.clone();
    assert_eq!(called.outcome(|_| false).kind, OutcomeKind::Unknown);
    assert_eq!(
        replies(&run),
        [counted(1), None, counted(1), counted(2)],
        "it counts in memory"
    );
    assert_eq!(hellos(&run), 2);
}

#[test]
fn after_a_restart_durable_goes_on_as_if_nothing_had_happened() {
    let tank = Tank {
        faults: vec![crash(SERVER, 500), crash(SERVER, 1_500)],
        ..tank(CacheKind::Durable)
    };
    let run = tank.run(vec![calls(4)]);
    assert_eq!(replies(&run), [1, 2, 3, 4].map(counted));
    assert_eq!(hellos(&run), 1);
}

#[test]
fn a_client_that_was_silent_too_long_does_not_know_and_then_gets_another_session() {
    let limits = Limits {
        age: Duration::from_millis(700),
        ..Limits::default()
    };
    for kind in KINDS {
        let tank = Tank {
            limits,
            ..tank(kind)
        };
        let run = tank.run(vec![calls(3)]);
        let expired = Called::Refused(Refused::SessionExpired);
        assert_eq!(run.calls[1].called, expired);
        assert_eq!(run.executions(alice(2)), 0);
        assert_eq!(replies(&run)[2], counted(2), "{kind:?}");
        assert_eq!(hellos(&run), 2);
    }
}

#[test]
fn a_client_that_calls_now_and_then_says_hello_once_and_a_silent_one_again() {
    for (every_ms, expected) in [(100_000, 1), (250_000, 7)] {
        let run = tank(CacheKind::Epoch).run(vec![calls_every(every_ms, 7)]);
        assert_eq!(replies(&run), [1, 2, 3, 4, 5, 6, 7].map(counted));
        assert_eq!(hellos(&run), expected, "every {every_ms} ms");
    }
}

#[test]
fn a_client_whose_hello_is_not_answered_knows_that_nothing_has_happened() {
    let cut = Fault::Partition(Partition {
        between: (SERVER, ALICE),
        from: Time::ZERO,
        until: Time::from_ms(5_000),
        one_way: true,
        streams: Streams::Wait,
    });
    let tank = Tank {
        faults: vec![cut],
        ..tank(CacheKind::Durable)
    };
    let run = tank.run(vec![calls(1)]);
    assert_eq!(run.calls[0].called, Called::NoWelcome { sends: 3 });
    assert_eq!(run.calls[0].at_ms, 1_500);
    assert_eq!(run.executions(alice(1)), 0);
    let called = run.calls[0].called.clone();
    assert_eq!(called.outcome(|_| false).kind, OutcomeKind::Failed);
}

#[test]
fn a_client_that_gets_no_session_knows_that_nothing_has_happened() {
    let limits = Limits {
        clients: 1,
        ..Limits::default()
    };
    let late = || {
        script(|client| async move {
            let mut rpc = client.rpc(1);
            client.host.sleep_until(Time::from_ms(100)).await;
            client.call(&mut rpc, 1, b"count").await;
        })
    };
    for (kind, sessions) in [
        (CacheKind::Epoch, false),
        (CacheKind::Epoch, true),
        (CacheKind::Durable, true),
    ] {
        let tank = Tank {
            limits,
            sessions,
            ..tank(kind)
        };
        let run = tank.run(vec![calls(1), late()]);
        assert_eq!(run.calls[1].called, Called::NoSession(Refused::Full));
        let called = run.calls[1].called.clone();
        assert_eq!(called.outcome(|_| false).kind, OutcomeKind::Failed);
        assert_eq!(run.executions(run.calls[1].operation), 0);
    }
}

#[test]
fn a_client_waits_for_a_request_in_progress_longer_than_its_session_may_be_silent() {
    let limits = Limits {
        age: Duration::from_millis(400),
        ..Limits::default()
    };
    let tank = Tank {
        limits,
        service: || Box::new(Slow(Duration::from_secs(4))),
        ..tank(CacheKind::Epoch)
    };
    let run = tank.run(vec![calls(1)]);
    assert_eq!(run.replies(), [Some(b"at last".to_vec())]);
    assert_eq!(run.executions(alice(1)), 1);
}

/// Loss, duplication, delay, crashes of the server and sessions that expire, over many seeds: what was
/// answered ran once, and nothing ran twice.
#[test]
fn in_no_storm_does_a_session_let_a_request_run_twice() {
    let mut unknown = [0, 0];
    for seed in 0..60 {
        for (place, kind) in KINDS.into_iter().enumerate() {
            let crashes = (0..6).map(|nth| crash(SERVER, 300 + 731 * nth + seed * 13 % 700));
            let tank = Tank {
                sessions: seed % 2 == 0,
                limits: Limits {
                    age: Duration::from_millis(1_100),
                    ..Limits::default()
                },
                everywhere: Link {
                    loss: Probability::new(0.2).unwrap(),
                    duplication: Probability::new(0.4).unwrap(),
                    delay: Delay::Uniform { min: 1, max: 300 },
                },
                faults: crashes.collect(),
                seed: Seed(seed),
                ..tank(kind)
            };
            let run = tank.run(vec![calls(8), calls(8)]);
            for call in &run.calls {
                let ran = run.executions(call.operation);
                let answered = matches!(call.called, Called::Reply { .. });
                assert!(
                    ran <= 1 && (ran == 1 || !answered),
                    "seed {seed}, {kind:?}: {call:?} ran {ran} times"
                );
                let outcome = call.called.outcome(|_| false).kind;
                assert!(
                    ran == 0 || outcome != OutcomeKind::Failed,
                    "seed {seed}, {kind:?}: {call:?} ran"
                );
                unknown[place] += u32::from(outcome == OutcomeKind::Unknown);
            }
        }
    }
    let [epoch, durable] = unknown;
    assert!(epoch > 2 * durable, "{unknown:?}");
}
