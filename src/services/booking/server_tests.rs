//! What a booking server sends, to whom, and in which order.

use std::net::SocketAddr;

use super::*;
use crate::id::{ClientId, HostId, OperationId};
use crate::rpc::service::{Effect, Ticket};
use crate::services::booking::command;
use crate::services::booking::describe;
use crate::services::booking::watch::Watch;

/// A server, and the words of what it does.
struct Fixture(BookingServer);

fn caller(client: ClientKey, host: u16) -> Caller {
    Caller {
        client,
        address: SocketAddr::from(([10, 0, 0, 1], 5000 + host)),
        operation: OperationId {
            client: HostId(host),
            number: 1,
        },
    }
}

fn v2(host: u16) -> Caller {
    caller(ClientKey::Id(ClientId(host.into())), host)
}

fn v1(host: u16) -> Caller {
    let address = SocketAddr::from(([10, 0, 0, 1], 5000 + host));
    caller(ClientKey::Address(address), host)
}

impl Fixture {
    fn new() -> Self {
        Self(BookingServer::new(["Hall", "Room"]))
    }

    fn step(&mut self, at_ms: u64, input: Input<'_>) -> Vec<String> {
        let mut effects = Effects::default();
        self.0.step(Time::from_ms(at_ms), input, &mut effects);
        effects.iter().map(words).collect()
    }

    fn request(&mut self, at_ms: u64, caller: &Caller, line: &str) -> Vec<String> {
        let body = command::parse(line).unwrap().remove(0).body;
        let ticket = Ticket(1);
        let body = &body;
        self.step(
            at_ms,
            Input::Request {
                ticket,
                caller,
                body,
            },
        )
    }

    fn ask(&mut self, caller: &Caller, facility: &str, after: u32) -> Vec<String> {
        let facility = facility.to_owned();
        let body = &Ask { facility, after }.encode();
        self.step(0, Input::OneWay { caller, body })
    }

    fn timer(&mut self, at_ms: u64) -> Vec<String> {
        self.step(at_ms, Input::Timer(DUE))
    }
}

/// An effect in words; host 3 is `to 3`.
fn words(effect: Effect) -> String {
    match effect {
        Effect::Complete { reply, .. } => format!("reply {}", describe::reply(reply)),
        Effect::Push { to, update } => {
            let host = to.operation.client.0;
            format!("to {host}: {}", describe::update(update))
        }
        Effect::Send { to, .. } => format!("to server {to}"),
        Effect::Commit(commit) => format!("commit {}", commit.text),
        Effect::Lock(step) => format!("lock {}", step.text),
        Effect::Transaction(step) => format!("part in {}", step.transaction),
        Effect::SetTimer(_, at) => format!("timer {at}"),
        Effect::Tell(word, _, text) => format!("{word:?} {text}"),
        Effect::Stop(why) => format!("stop {why}"),
        Effect::Store { key, value } => format!("store {} {value:?}", key.escape_ascii()),
    }
}

#[test]
fn updates_go_to_all_who_monitor_before_the_reply_to_who_caused_them() {
    let mut server = Fixture::new();
    server.request(0, &v2(1), "monitor Hall --for 60s");
    server.request(0, &v1(2), "monitor Hall --for 60s");
    server.request(0, &v2(3), "monitor Room --for 60s");
    assert_eq!(
        server.request(1, &v2(1), "book Hall mon 10:00-11:00"),
        [
            "to 1: 'Hall' revision 1: taken mon 10:00-11:00",
            "to 2: 'Hall' revision 1: taken mon 10:00-11:00",
            "reply CONF000001"
        ]
    );
}

#[test]
fn every_kind_of_change_is_an_update_and_a_refusal_or_query_is_none() {
    let mut server = Fixture::new();
    server.request(0, &v2(1), "monitor Hall --for 60s");
    for (line, update) in [
        ("book Hall mon 10:00-11:00", "1: taken mon 10:00-11:00"),
        ("change CONF000001 +1h", "2: taken mon 11:00-12:00"),
        ("extend CONF000001 1h", "3: taken mon 11:00-13:00"),
        ("cancel CONF000001", "4: all free"),
    ] {
        let effects = server.request(1, &v2(2), line);
        assert_eq!(effects[0], format!("to 1: 'Hall' revision {update}"));
        assert_eq!(effects.len(), 2);
    }
    for line in [
        "cancel CONF000001",
        "query Hall mon",
        "change CONF000009 +1h",
    ] {
        assert_eq!(server.request(1, &v2(2), line).len(), 1, "{line}");
    }
}

#[test]
fn a_v2_client_that_registers_twice_is_told_once_and_a_v1_client_twice() {
    let mut server = Fixture::new();
    for caller in [v2(1), v1(2), v2(1), v1(2)] {
        server.request(0, &caller, "monitor Hall --for 60s");
    }
    let effects = server.request(1, &v2(3), "book Hall mon 10:00-11:00");
    let told = |host: &str| {
        effects
            .iter()
            .filter(|effect| effect.starts_with(host))
            .count()
    };
    assert_eq!((told("to 1"), told("to 2")), (1, 2));
}

#[test]
fn a_v2_client_is_told_the_latest_revision_every_five_seconds_and_at_the_end() {
    let mut server = Fixture::new();
    let effects = server.request(100, &v2(1), "monitor Hall --for 12s");
    assert_eq!(effects, ["reply monitoring for 12s", "timer 5100"]);
    server.request(200, &v2(2), "book Hall mon 10:00-11:00");
    assert_eq!(
        server.timer(5_100),
        ["to 1: 'Hall' is at revision 1", "timer 10100"]
    );
    assert_eq!(
        server.timer(10_100),
        ["to 1: 'Hall' is at revision 1", "timer 12100"]
    );
    assert_eq!(
        server.timer(12_100),
        [
            "Expire monitoring of 'Hall'",
            "to 1: 'Hall' is at revision 1, monitoring has ended"
        ]
    );
    let effects = server.request(12_200, &v2(2), "cancel CONF000001");
    assert_eq!(effects, ["reply cancelled"]);
}

#[test]
fn a_v1_registration_just_expires() {
    let mut server = Fixture::new();
    let effects = server.request(0, &v1(1), "monitor Hall --for 12s");
    assert_eq!(effects, ["reply monitoring for 12s", "timer 12000"]);
    assert_eq!(server.timer(12_000), ["Expire monitoring of 'Hall'"]);
}

#[test]
fn a_registration_for_no_time_ends_at_once() {
    let mut server = Fixture::new();
    let effects = server.request(7, &v2(1), "monitor Hall --for 0s");
    assert_eq!(
        effects,
        [
            "reply monitoring",
            "Expire monitoring of 'Hall'",
            "to 1: 'Hall' is at revision 0, monitoring has ended"
        ]
    );
}

#[test]
fn the_reply_says_how_long_a_registration_really_lasts() {
    let mut server = Fixture::new();
    let body = &Request::Monitor {
        facility: "Hall".into(),
        seconds: u32::MAX,
    }
    .encode();
    let (ticket, caller) = (Ticket(1), &v2(1));
    let request = Input::Request {
        ticket,
        caller,
        body,
    };
    let effects = server.step(0, request);
    assert_eq!(effects, ["reply monitoring for 168h", "timer 5000"]);
}

#[test]
fn the_timer_is_set_to_what_is_due_first() {
    let mut server = Fixture::new();
    server.request(0, &v2(1), "monitor Hall --for 60s");
    let effects = server.request(1_000, &v2(2), "monitor Hall --for 60s");
    assert_eq!(effects, ["reply monitoring for 1m"]);
    let effects = server.request(1_000, &v2(3), "monitor Hall --for 1s");
    assert_eq!(effects, ["reply monitoring for 1s", "timer 2000"]);
    let effects = server.timer(2_000);
    assert_eq!(effects.last().map(String::as_str), Some("timer 5000"));
}

#[test]
fn lost_updates_are_sent_again_to_who_asks() {
    let mut server = Fixture::new();
    for line in ["book Hall mon 10:00-11:00", "cancel CONF000001"] {
        server.request(0, &v2(1), line);
    }
    assert_eq!(
        server.ask(&v2(2), "Hall", 0),
        [
            "to 2: 'Hall' revision 1: taken mon 10:00-11:00",
            "to 2: 'Hall' revision 2: all free"
        ]
    );
    let only_last = server.ask(&v2(2), "Hall", 1);
    assert_eq!(only_last, ["to 2: 'Hall' revision 2: all free"]);
    assert!(server.ask(&v2(2), "Hall", 2).is_empty());
    assert!(server.ask(&v2(2), "Nowhere", 0).is_empty());
}

/// The bytes of the updates that answer a question, and whether all went to the client that asked.
fn asked_bytes(server: &mut BookingServer, after: u32) -> Vec<Vec<u8>> {
    let facility = "Hall".to_owned();
    let body = &Ask { facility, after }.encode();
    let mut effects = Effects::default();
    let caller = &v2(2);
    server.step(Time::ZERO, Input::OneWay { caller, body }, &mut effects);
    let updates = effects.iter().map(|effect| match effect {
        Effect::Push { to, update } if to == *caller => update.to_vec(),
        other => panic!("{other:?}"),
    });
    updates.collect()
}

#[test]
fn an_answer_of_many_bytes_is_cut_short_and_the_client_asks_for_the_rest() {
    let mut server = Fixture::new();
    for number in 0..700 {
        let (day, minute) = (number / 350, number % 350 * 2);
        let day = ["mon", "tue"][day];
        let time = |minute: usize| format!("{:02}:{:02}", minute / 60, minute % 60);
        let line = format!("book Hall {day} {}-{}", time(minute), time(minute + 1));
        server.request(0, &v2(1), &line);
    }
    let (mut watch, mut answers) = (Watch::after("Hall".to_owned(), 690), 0);
    let latest = Update::Latest {
        facility: "Hall".to_owned(),
        revision: 700,
        ended: true,
    };
    assert_eq!(watch.take_in(&latest.encode()), Ok(()));
    while let Some(ask) = watch.ask() {
        answers += 1;
        let updates = asked_bytes(&mut server.0, ask.after);
        let bytes: usize = updates.iter().map(Vec::len).sum();
        assert!(bytes <= BYTES_PER_ASK + latest.encode().len(), "{bytes}");
        for update in updates {
            assert_eq!(watch.take_in(&update), Ok(()));
        }
    }
    assert_eq!(watch.summary(), "10 updates");
    assert!(answers > 1 && watch.is_over());
}

#[test]
fn what_is_no_request_is_refused_and_what_is_no_question_ignored() {
    let mut server = Fixture::new();
    let refused = format!("reply {}", Refusal::InvalidRequest);
    let request = Input::Request {
        ticket: Ticket(1),
        caller: &v2(1),
        body: b"",
    };
    assert_eq!(server.step(0, request), [refused]);
    let garbage = Input::OneWay {
        caller: &v2(1),
        body: b"",
    };
    assert!(server.step(0, garbage).is_empty());
}

#[test]
fn only_a_facility_that_exists_can_be_monitored() {
    let mut server = Fixture::new();
    let effects = server.request(0, &v2(1), "monitor Nowhere --for 1s");
    assert_eq!(effects, [format!("reply {}", Refusal::NoSuchFacility)]);
}

#[test]
fn a_facility_that_is_none_is_said_before_a_time_that_is_none() {
    let mut server = Fixture::new();
    for (facility, refusal) in [
        ("Nowhere", Refusal::NoSuchFacility),
        ("Hall", Refusal::BadTimeRange),
    ] {
        let effects = server.request(0, &v2(1), &format!("book {facility} mon 11:00-10:00"));
        assert_eq!(effects, [format!("reply {refusal}")]);
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_an_invalid_request_and_no_unknown_facility() {
    let mut server = Fixture::new();
    let (ticket, caller) = (Ticket(1), &v2(1));
    let body = b"\x01\0\0\0\x01\xff\0\0\0\x01\0";
    let input = Input::Request {
        ticket,
        caller,
        body,
    };
    let refused = format!("reply {}", Refusal::InvalidRequest);
    assert_eq!(server.step(0, input), [refused]);
}
