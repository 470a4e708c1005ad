//! The spec of booking against the server, and what it refuses.

use super::*;
use crate::clock::Time;
use crate::id::{ClientId, ClientKey, HostId, OperationId};
use crate::rpc::service::{Caller, Effect, Effects, Input, Service, Ticket};
use crate::seed::Seed;
use crate::services::booking::server::BookingServer;
use crate::services::booking::{command, describe};

fn body(line: &str) -> Vec<u8> {
    command::parse(line).unwrap()[0].body.clone()
}

fn spec() -> BookingSpec {
    BookingSpec::new(vec!["Hall".to_owned(), "Room".to_owned()])
}

/// What a fresh server replies to these, one after the other.
fn served(bodies: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut server = BookingServer::new(["Hall", "Room"]);
    let serve = |(number, body): (u64, &Vec<u8>)| {
        let operation = OperationId {
            client: HostId(1),
            number: 1,
        };
        let caller = Caller {
            client: ClientKey::Id(ClientId(1)),
            address: ([10, 0, 0, 1], 5000).into(),
            operation,
        };
        let mut effects = Effects::default();
        let ticket = Ticket(number);
        let input = Input::Request {
            ticket,
            caller: &caller,
            body,
        };
        server.step(Time::from_ms(number), input, &mut effects);
        let mut replies = effects.iter().filter_map(|effect| match effect {
            Effect::Complete { reply, .. } => Some(reply.to_vec()),
            _ => None,
        });
        replies.next().expect("booking replies at once")
    };
    (0..).zip(bodies).map(serve).collect()
}

/// The place of the first reply that the spec does not give.
fn first_refused(bodies: &[Vec<u8>], replies: &[Vec<u8>]) -> Option<usize> {
    let (spec, mut state) = (spec(), Bookings::default());
    bodies.iter().zip(replies).position(|(body, reply)| {
        match spec.step(&state, body, Some(reply)) {
            Some(after) => {
                state = after;
                false
            }
            None => true,
        }
    })
}

/// Commands that often collide, one of them no request at all.
fn commands(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut chance = Seed(seed).stream("commands");
    let mut drawn = |bound| chance.below(bound);
    let mut body_of = || {
        let facility = ["Hall", "Room", "Attic"][[0, 0, 0, 1, 1, 2][drawn(6) as usize]];
        let id = format!("CONF{:06}", drawn(12));
        let (from, hours) = (drawn(22), 1 + drawn(2));
        match drawn(12) {
            0..=4 => body(&format!(
                "book {facility} mon {from:02}:00-{:02}:00",
                from + hours
            )),
            5 => body(&format!(
                "book {facility} mon {from:02}:30-tue 0{}:00",
                drawn(3)
            )),
            6 => body(&format!("book {facility} sun 10:00-{:02}:00", 8 + drawn(4))),
            7 => body(&format!(
                "query {facility} {}",
                ["mon", "all", "tue,mon,tue"][drawn(3) as usize]
            )),
            8 => body(&format!(
                "change {id} {}{}h",
                ["+", "-"][drawn(2) as usize],
                1 + drawn(9)
            )),
            9 => body(&format!("extend {id} {}m", 30 * drawn(6))),
            10 => body(&format!("cancel {id}")),
            _ if drawn(2) == 0 => body(&format!("monitor {facility} --for 3s")),
            _ => vec![99, 1, 2],
        }
    };
    (0..count).map(|_| body_of()).collect()
}

#[test]
fn the_server_gives_what_the_spec_gives() {
    for seed in 0..100 {
        let bodies = commands(seed, 60);
        let replies = served(&bodies);
        assert_eq!(first_refused(&bodies, &replies), None, "seed {seed}");
    }
}

#[test]
fn every_refusal_and_every_reply_occurs_in_these_commands() {
    let replies: Vec<String> = (0..100)
        .flat_map(|seed| served(&commands(seed, 60)))
        .map(|reply| describe::reply(&reply))
        .collect();
    for expected in [
        "no such facility",
        "not available",
        "no such booking",
        "bad time range",
        "invalid request",
        "booking was cancelled",
        "already cancelled",
        "changed",
        "extended",
        "cancelled",
        "CONF000011",
    ] {
        assert!(replies.iter().any(|reply| reply == expected), "{expected}");
    }
}

#[test]
fn another_reply_than_the_server_s_is_refused() {
    let bodies = commands(7, 60);
    let replies = served(&bodies);
    let others = [
        Reply::Cancelled,
        Reply::Booked("CONF000099".to_owned()),
        Reply::Error(Refusal::NotAvailable),
        Reply::Error(Refusal::NoSuchBooking),
    ];
    for place in 0..bodies.len() {
        for other in others.iter().map(Reply::encode) {
            let mut told = replies.clone();
            told[place].clone_from(&other);
            let expected = (told[place] != replies[place]).then_some(place);
            assert_eq!(first_refused(&bodies[..=place], &told[..=place]), expected);
        }
    }
}

#[test]
fn a_reply_that_nobody_got_may_be_any() {
    let state = spec().initial();
    let after = spec().step(&state, &body("book Hall mon 10:00-11:00"), None);
    assert_eq!(after.map(|bookings| bookings.len()), Some(1));
    assert_eq!(
        spec().step(&state, &body("cancel CONF000001"), None),
        Some(state)
    );
}

#[test]
fn what_only_reads_is_known() {
    let reads = |line: &str| spec().only_reads(&body(line));
    assert!(reads("query Hall mon") && reads("monitor Hall --for 3s"));
    assert!(!reads("book Hall mon 10:00-11:00") && !reads("cancel CONF000001"));
    assert!(!reads("change CONF000001 +1h") && !reads("extend CONF000001 1h"));
}
