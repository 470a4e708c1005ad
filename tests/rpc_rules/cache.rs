//! What a server answers to datagrams, and what it remembers of them.

use wavetank::clock::Time;
use wavetank::id::{ClientId, HostId};
use wavetank::rpc::Semantics;
use wavetank::rpc::message::{Message, Refused};
use wavetank::rpc::origin::Origin;
use wavetank::rpc::output::Action;
use wavetank::rpc::reply_cache::Limits;
use wavetank::rpc::server::RpcServer;
use wavetank::rpc::service::Service;
use wavetank::trace::Event;

use crate::services::{Counter, Silent};

fn server(service: impl Service + 'static) -> RpcServer {
    RpcServer::new(Box::new(service), None, Semantics::AtMostOnce)
}

fn request(client: u64, sequence: u32, awaited: u32, body: &[u8]) -> Vec<u8> {
    let (client, session) = (ClientId(client), 0);
    Message::Request {
        client,
        session,
        sequence,
        awaited,
        body,
    }
    .encode()
}

/// What a server sends back for a datagram, and whether it executed anything.
fn answer(server: &mut RpcServer, datagram: &[u8]) -> (Option<Vec<u8>>, bool) {
    let address = ([10, 0, 0, 2], 1).into();
    let origin = Origin {
        address,
        host: HostId(1),
        label: None,
    };
    let mut actions = Vec::new();
    let done = server.receive(Time::ZERO, &origin, &datagram.into(), &mut actions);
    done.expect("there is no disk");
    let executed = |action: &Action| matches!(action, Action::Record(Event::Execute { .. }));
    let executes = actions.iter().any(executed);
    let sent = actions.into_iter().filter_map(|action| match action {
        Action::Send { datagram, .. } => Some(datagram.to_vec()),
        Action::Record(_) => None,
    });
    (sent.last(), executes)
}

fn refused(client: u64, sequence: u32, reason: Refused) -> Vec<u8> {
    let client = ClientId(client);
    Message::Refused {
        client,
        sequence,
        reason,
    }
    .encode()
}

fn replied(client: u64, sequence: u32, body: &[u8]) -> Vec<u8> {
    let client = ClientId(client);
    Message::Reply {
        client,
        sequence,
        body,
    }
    .encode()
}

fn in_progress(client: u64, sequence: u32) -> Vec<u8> {
    let client = ClientId(client);
    Message::InProgress { client, sequence }.encode()
}

#[test]
fn a_duplicate_gets_the_stored_reply_with_its_own_request_id() {
    let mut server = server(Counter::default());
    for (client, sequence, count) in [(1, 1, 1), (2, 1, 2), (1, 2, 3)] {
        let datagram = request(client, sequence, 1, b"count");
        let reply = replied(client, sequence, &[count]);
        assert_eq!(answer(&mut server, &datagram), (Some(reply.clone()), true));
        assert_eq!(answer(&mut server, &datagram), (Some(reply), false));
    }
}

#[test]
fn a_duplicate_of_a_request_in_progress_is_told_so() {
    let mut server = server(Silent);
    let datagram = request(1, 1, 1, b"wait");
    assert_eq!(answer(&mut server, &datagram), (None, true));
    for _ in 0..3 {
        assert_eq!(
            answer(&mut server, &datagram),
            (Some(in_progress(1, 1)), false)
        );
    }
}

#[test]
fn the_same_request_id_with_another_body_is_refused() {
    let mut server = server(Counter::default());
    answer(&mut server, &request(1, 1, 1, b"count"));
    let refusal = refused(1, 1, Refused::DifferentBody);
    assert_eq!(
        answer(&mut server, &request(1, 1, 1, b"other")),
        (Some(refusal), false)
    );
    let stored = replied(1, 1, &[1]);
    assert_eq!(
        answer(&mut server, &request(1, 1, 1, b"count")),
        (Some(stored), false)
    );
}

#[test]
fn a_reply_that_is_no_longer_awaited_is_forgotten_and_its_duplicate_ignored() {
    let mut server = server(Counter::default());
    answer(&mut server, &request(1, 1, 1, b"count"));
    answer(&mut server, &request(1, 2, 2, b"count"));
    assert_eq!(
        answer(&mut server, &request(1, 1, 1, b"count")),
        (None, false)
    );
    assert_eq!(
        answer(&mut server, &request(1, 1, 1, b"other")),
        (None, false)
    );
    // What says less than an earlier datagram takes nothing back.
    let stored = replied(1, 2, &[2]);
    assert_eq!(
        answer(&mut server, &request(1, 2, 1, b"count")),
        (Some(stored), false)
    );
}

#[test]
fn a_client_that_acknowledges_calls_without_end() {
    let mut server = server(Counter::default());
    let limit = Limits::default().replies_per_client as u32;
    for sequence in 1..=3 * limit {
        let (_, executed) = answer(&mut server, &request(1, sequence, sequence, b"count"));
        assert!(executed, "request {sequence}");
    }
}

#[test]
fn a_client_with_too_much_in_progress_is_refused_and_nothing_is_dropped_for_it() {
    let mut server = server(Silent);
    let limit = Limits::default().replies_per_client as u32;
    for sequence in 1..=limit {
        assert_eq!(
            answer(&mut server, &request(1, sequence, 1, b"wait")),
            (None, true)
        );
    }
    let refusal = refused(1, limit + 1, Refused::Full);
    let one_more = request(1, limit + 1, 1, b"wait");
    assert_eq!(answer(&mut server, &one_more), (Some(refusal), false));
    for sequence in 1..=limit {
        let again = answer(&mut server, &request(1, sequence, 1, b"wait"));
        assert_eq!(again, (Some(in_progress(1, sequence)), false));
    }
    assert_eq!(
        answer(&mut server, &request(2, 1, 1, b"wait")),
        (None, true),
        "another client"
    );
}

#[test]
fn a_client_too_many_is_refused_and_no_other_is_forgotten_for_it() {
    let mut server = server(Counter::default());
    let limit = Limits::default().clients as u64;
    for client in 1..=limit {
        answer(&mut server, &request(client, 1, 1, b"count"));
    }
    let refusal = refused(limit + 1, 1, Refused::Full);
    let one_more = request(limit + 1, 1, 1, b"count");
    assert_eq!(answer(&mut server, &one_more), (Some(refusal), false));
    for client in [1, limit / 2, limit] {
        let (_, executed) = answer(&mut server, &request(client, 1, 1, b"count"));
        assert!(!executed, "client {client}");
    }
}

#[test]
fn a_request_of_a_session_is_told_that_it_has_expired_and_runs_nothing() {
    let mut server = server(Counter::default());
    let (client, session) = (ClientId(1), 5);
    let (sequence, awaited, body) = (1, 1, &b"count"[..]);
    let datagram = Message::Request {
        client,
        session,
        sequence,
        awaited,
        body,
    }
    .encode();
    let refusal = refused(1, 1, Refused::SessionExpired);
    assert_eq!(answer(&mut server, &datagram), (Some(refusal), false));
}

#[test]
fn messages_without_reply_fill_no_cache() {
    let mut server = server(Counter::default());
    let client = ClientId(1);
    let beat = Message::OneWay {
        client,
        body: b"beat",
    }
    .encode();
    let update = Message::Update {
        client,
        body: b"beat",
    }
    .encode();
    for _ in 0..2 * Limits::default().replies_per_client {
        assert_eq!(answer(&mut server, &beat), (Some(update.clone()), false));
    }
    let (_, executed) = answer(&mut server, &request(1, 1, 1, b"count"));
    assert!(executed);
}

#[test]
fn what_only_servers_send_is_counted_and_not_answered() {
    let mut server = server(Counter::default());
    for datagram in [
        replied(1, 1, b"x"),
        in_progress(1, 1),
        refused(1, 1, Refused::Full),
    ] {
        assert_eq!(answer(&mut server, &datagram), (None, false));
    }
    assert_eq!(server.malformed().get("not-for-servers"), Some(&3));
}
