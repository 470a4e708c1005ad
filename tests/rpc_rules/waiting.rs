//! What becomes of requests that wait: their duplicates, and what nobody waits for any more.

use std::collections::VecDeque;
use std::time::Duration;

use wavetank::clock::Time;
use wavetank::disk::DiskFate;
use wavetank::id::{ClientId, HostId};
use wavetank::net::conditions::{Fault, Partition, Streams};
use wavetank::rpc::called::Called;
use wavetank::rpc::message::{Message, Refused};
use wavetank::rpc::origin::Origin;
use wavetank::rpc::output::Action;
use wavetank::rpc::reply_cache::{Limits, REQUEST_BYTES};
use wavetank::rpc::server::RpcServer;
use wavetank::rpc::service::{Effects, Input, Service, Ticket};
use wavetank::rpc::{CacheKind, Semantics};
use wavetank::seed::Seed;
use wavetank::trace::{Event, Line, Word};
use wavetank::wire::SharedBytes;

use crate::lives::{ALICE, Lives, executed, refused, request as in_session};
use crate::tank::{self, SERVER, alice, request, run, script};

/// Lets every request wait but `wake`, which completes all of them: also those of which it was told
/// that nobody waits for them. It tells what it is given.
#[derive(Debug, Default)]
struct Stubborn {
    waiting: VecDeque<Ticket>,
}

impl Service for Stubborn {
    fn step(&mut self, _now: Time, input: Input<'_>, effects: &mut Effects) {
        let mut tell = |text: &str| effects.tell(Word::Expire, None, text);
        match input {
            Input::Request { ticket, body, .. } if body == b"wake" => {
                effects.complete(ticket, b"woken");
                for waiting in self.waiting.drain(..) {
                    effects.complete(waiting, b"awake");
                }
            }
            Input::Request { ticket, body, .. } if body == b"look" => {
                effects.complete_unremembered(ticket, &[b'x'; 500]);
            }
            Input::Request { ticket, .. } => self.waiting.push_back(ticket),
            Input::Again(ticket) => tell(&format!("again {}", ticket.0)),
            Input::Abandoned(ticket) => tell(&format!("abandoned {}", ticket.0)),
            _ => {}
        }
    }
}

/// A server of it.
struct Asked(RpcServer);

impl Asked {
    fn with(semantics: Semantics, kind: CacheKind, limits: Limits) -> Self {
        let service = Box::<Stubborn>::default();
        let numbers = Seed(7).stream("sessions");
        let server = RpcServer::new(service, None, semantics);
        Self(server.with_reply_cache(kind, limits, numbers))
    }

    fn new(semantics: Semantics) -> Self {
        Self::with(semantics, CacheKind::Memory, Limits::default())
    }

    /// What a request of alice's comes to, one word each: events, what the service tells, and what is
    /// sent.
    fn ask(&mut self, sequence: u32, awaited: u32, body: &[u8]) -> Vec<String> {
        self.ask_in_session(0, sequence, awaited, body)
    }

    fn ask_in_session(
        &mut self,
        session: u64,
        sequence: u32,
        awaited: u32,
        body: &[u8],
    ) -> Vec<String> {
        let client = ALICE;
        let message = Message::Request {
            client,
            session,
            sequence,
            awaited,
            body,
        };
        self.receive(&message.encode())
    }

    fn receive(&mut self, datagram: &[u8]) -> Vec<String> {
        let origin = Origin {
            address: ([10, 0, 0, 2], 1).into(),
            host: HostId(1),
            label: None,
        };
        let mut actions = Vec::new();
        let datagram = SharedBytes::from(datagram);
        let done = (self.0).receive(Time::ZERO, &origin, &datagram, &mut actions);
        done.expect("there is no disk");
        actions.iter().filter_map(in_words).collect()
    }
}

fn in_words(action: &Action) -> Option<String> {
    match action {
        Action::Record(Event::Receive { .. }) => None,
        Action::Record(Event::Service { text, .. }) => Some(text.to_string()),
        Action::Record(event) => Some(event.word().to_owned()),
        Action::Send { datagram, .. } => Some(match Message::decode(datagram) {
            Ok(Message::Reply { sequence, body, .. }) => {
                format!("{sequence} {}", body.escape_ascii())
            }
            Ok(Message::InProgress { sequence, .. }) => format!("{sequence} in progress"),
            Ok(Message::Refused { reason, .. }) => format!("refused: {reason:?}"),
            other => format!("{other:?}"),
        }),
    }
}

#[test]
fn the_service_hears_of_each_duplicate_of_what_waits_and_of_no_other() {
    let mut server = Asked::new(Semantics::AtMostOnce);
    assert_eq!(server.ask(1, 1, b"wait"), ["execute"]);
    assert_eq!(server.ask(2, 1, b"wait"), ["execute"]);
    for (sequence, again) in [(1, "again 1"), (2, "again 2"), (1, "again 1")] {
        let done = server.ask(sequence, 1, b"wait");
        assert_eq!(done, ["filter", &format!("{sequence} in progress"), again]);
    }
    let other_body = server.ask(1, 1, b"other");
    assert_eq!(other_body, ["filter", "refused: DifferentBody"]);
    server.ask(3, 1, b"wake");
    assert_eq!(server.ask(1, 1, b"wait"), ["filter", "1 awake"]);
}

#[test]
fn where_duplicates_are_not_filtered_a_duplicate_is_another_request() {
    let mut server = Asked::new(Semantics::AtLeastOnce);
    assert_eq!(server.ask(1, 1, b"wait"), ["execute"]);
    assert_eq!(server.ask(1, 1, b"wait"), ["execute"]);
    let woken = ["execute", "2 woken", "complete", "1 awake"];
    let twice = [&woken[..], &woken[2..]].concat();
    assert_eq!(server.ask(2, 1, b"wake"), twice);
}

#[test]
fn what_nobody_waits_for_is_abandoned_before_the_new_request_and_never_completed() {
    for semantics in Semantics::ALL {
        let mut server = Asked::new(semantics);
        for sequence in 1..=3 {
            server.ask(sequence, 1, b"wait");
        }
        let next = server.ask(4, 3, b"wake");
        assert_eq!(
            next,
            [
                "abandon",
                "abandon",
                "abandoned 1",
                "abandoned 2",
                "execute",
                "4 woken",
                "complete",
                "3 awake"
            ],
            "{semantics}"
        );
        let late = server.ask(1, 1, b"wait");
        if semantics.filters_duplicates() {
            assert_eq!(late, ["filter"], "it was acknowledged");
        } else {
            assert_eq!(late, ["execute"], "{semantics}");
        }
    }
}

#[test]
fn every_execution_of_one_request_is_abandoned() {
    let mut server = Asked::new(Semantics::AtLeastOnce);
    server.ask(1, 1, b"wait");
    server.ask(1, 1, b"wait");
    let next = server.ask(2, 2, b"wait");
    assert_eq!(
        next,
        [
            "abandon",
            "abandon",
            "abandoned 1",
            "abandoned 2",
            "execute"
        ]
    );
    assert_eq!(
        server.ask(3, 3, b"wait"),
        ["abandon", "abandoned 3", "execute"]
    );
}

#[test]
fn another_client_abandons_nothing() {
    let mut server = Asked::new(Semantics::AtMostOnce);
    server.ask(1, 1, b"wait");
    let (client, session, sequence, awaited, body) = (ClientId(2), 0, 9, 9, &b"wait"[..]);
    let of_another = Message::Request {
        client,
        session,
        sequence,
        awaited,
        body,
    };
    assert_eq!(server.receive(&of_another.encode()), ["execute"]);
    assert_eq!(
        server.ask(1, 1, b"wait"),
        ["filter", "1 in progress", "again 1"]
    );
}

#[test]
fn what_is_abandoned_makes_room_for_the_request_that_says_so() {
    let of_one = [
        Limits {
            replies_per_client: 1,
            ..Limits::default()
        },
        Limits {
            bytes: REQUEST_BYTES + 10,
            ..Limits::default()
        },
    ];
    for limits in of_one {
        let mut server = Asked::with(Semantics::AtMostOnce, CacheKind::Memory, limits);
        assert_eq!(server.ask(1, 1, b"wait"), ["execute"]);
        let full = server.ask(2, 1, b"wait");
        assert_eq!(full, ["filter", "refused: Full"]);
        for ticket in 1..=20 {
            let sequence = 1 + ticket;
            let next = server.ask(sequence, sequence, b"wait");
            assert_eq!(next, ["abandon", &format!("abandoned {ticket}"), "execute"]);
        }
    }
}

#[test]
fn a_request_outside_its_session_abandons_nothing() {
    let mut server = Asked::with(Semantics::AtMostOnce, CacheKind::Epoch, Limits::default());
    let (client, sequence) = (ALICE, 1);
    server.receive(&Message::Hello { client, sequence }.encode());
    let numbered = (Seed(7).stream("sessions")).next_u64();
    let mut ask = |session, sequence| server.ask_in_session(session, sequence, sequence, b"wait");
    assert_eq!(ask(numbered, 2), ["execute"]);
    let stranger = ask(numbered + 1, 3);
    assert_eq!(stranger, ["filter", "refused: SessionExpired"]);
    assert_eq!(ask(numbered, 2), ["filter", "2 in progress", "again 1"]);

    let mut server = Asked::new(Semantics::Maybe);
    server.ask(1, 1, b"wait");
    let stranger = server.ask_in_session(5, 2, 2, b"wait");
    assert_eq!(stranger, ["filter", "refused: SessionExpired"]);
    assert_eq!(
        server.ask(3, 3, b"wait"),
        ["abandon", "abandoned 1", "execute"]
    );
}

#[test]
fn what_waits_and_has_stored_nothing_of_its_own_is_new_in_the_next_life() {
    for (body, again) in [(&b"wait afresh"[..], "execute"), (b"wait", "filter")] {
        let mut lives = Lives::new(CacheKind::Durable, Limits::default());
        let session = lives.hello(ALICE);
        let waits = in_session(ALICE, session, 1, body);
        assert_eq!(lives.receive(&waits).words, ["execute"]);
        lives.restart(CacheKind::Durable, DiskFate::Keep);
        assert_eq!(lives.receive(&waits).words[0], again);
    }
}

#[test]
fn what_waited_and_stored_runs_in_no_life_again_wherever_the_disk_fails_as_it_is_abandoned() {
    let mut failed = 0;
    for fate in [DiskFate::Keep, DiskFate::Lose, DiskFate::Tear] {
        for operations in 0.. {
            let mut lives = Lives::new(CacheKind::Durable, Limits::default());
            let session = lives.hello(ALICE);
            let waits = in_session(ALICE, session, 1, b"wait");
            assert_eq!(lives.receive(&waits).words, ["execute"]);
            let next = in_session(ALICE, session, 2, b"count");
            lives.disk.fail_after(Some(operations));
            let (_, result) = lives.try_to_receive(&next);
            lives.restart(CacheKind::Durable, fate);
            let late = lives.receive(&waits);
            assert_eq!(late.words, ["filter"], "{fate:?} {operations}");
            if late != refused(ALICE, 1, Refused::SessionExpired) {
                assert_eq!(late.sent, [[0; 0]; 0], "{fate:?} {operations}");
            }
            let after = lives.receive(&in_session(ALICE, session, 3, b"count"));
            if result.is_ok() {
                assert_eq!(after, executed(ALICE, 3, 3));
                break;
            }
            failed += 1;
        }
    }
    assert!(failed > 6, "{failed}");
}

#[test]
fn a_client_that_gave_up_does_not_know_and_its_next_request_ends_the_waiting() {
    let scripts = vec![script(|client| async move {
        let mut rpc = client.rpc(1);
        client.call(&mut rpc, 1, b"wait").await;
        client.call(&mut rpc, 2, b"wake").await;
    })];
    let faults = vec![
        // A copy of the first send comes long after the second call.
        Fault::Duplicate(request(1, 1), Duration::from_secs(20)),
        // Nothing comes back while the first call lasts.
        Fault::Partition(Partition {
            between: (SERVER, tank::ALICE),
            from: Time::ZERO,
            until: Time::from_ms(1_500),
            one_way: true,
            streams: Streams::Wait,
        }),
    ];
    let service = || Box::<Stubborn>::default() as _;
    let run = run(service, Semantics::AtMostOnce, faults, scripts);
    assert_eq!(run.calls[0].called, Called::GaveUp { sends: 3 });
    assert_eq!(run.replies(), [None, Some(b"woken".to_vec())]);
    assert_eq!(run.executions(alice(1)), 1);
    let words = run.words(SERVER);
    assert_eq!(words.iter().filter(|word| **word == "complete").count(), 0);
    let told: Vec<&str> = run.lines.iter().filter_map(told).collect();
    assert_eq!(told, ["again 1", "again 1", "abandoned 1"]);
}

fn told(line: &Line) -> Option<&str> {
    match &line.event {
        Event::Service { text, .. } => Some(text),
        _ => None,
    }
}

#[test]
fn what_need_not_be_remembered_takes_no_room_and_is_executed_again() {
    let limits = Limits {
        bytes: 2 * (REQUEST_BYTES + 100),
        ..Limits::default()
    };
    let mut server = Asked::with(Semantics::AtMostOnce, CacheKind::Memory, limits);
    let seen = "x".repeat(500);
    for sequence in 1..=20 {
        let done = server.ask(sequence, 1, b"look");
        assert_eq!(done, ["execute", &format!("{sequence} {seen}")]);
    }
    let again = server.ask(20, 1, b"look");
    assert_eq!(again, ["execute", &format!("20 {seen}")]);
    assert_eq!(server.ask(21, 1, b"wait"), ["execute"], "there is room");
    server.ask(22, 1, b"wake");
    let remembered = server.ask(21, 1, b"wait");
    assert_eq!(remembered, ["filter", "21 awake"]);
}
