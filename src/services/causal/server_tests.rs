//! One data centre among others that the test plays by hand.

use super::*;
use crate::id::{ClientId, ClientKey, HostId};
use crate::rpc::service::{Caller, Effect};
use crate::services::causal::message::DEPENDENCIES_MAX;

const ALICE_1: OperationId = OperationId {
    client: HostId(3),
    number: 1,
};

/// What a step brought about, in words.
fn words(effects: &mut Effects) -> Vec<String> {
    let words = effects.iter().filter_map(|effect| match effect {
        Effect::Complete { ticket, reply } => {
            Some(format!("reply {}: {}", ticket.0, describe::reply(reply)))
        }
        Effect::Send { to, body, .. } => Some(format!("to dc{to}: {}", describe::peer(body))),
        Effect::Commit(commit) => Some(format!("commit {}", commit.text)),
        Effect::Tell(_, _, text) => Some(format!("stall {text}")),
        Effect::SetTimer(_, at) => Some(format!("timer {at}")),
        Effect::Push { .. }
        | Effect::Store { .. }
        | Effect::Lock(_)
        | Effect::Transaction(_)
        | Effect::Stop(_) => None,
    });
    let words = words.collect();
    effects.clear();
    words
}

fn server(settings: Settings) -> CausalServer {
    CausalServer::new(settings, 0)
}

fn step(server: &mut CausalServer, at_ms: u64, input: Input<'_>) -> Vec<String> {
    let mut effects = Effects::default();
    server.step(Time::from_ms(at_ms), input, &mut effects);
    words(&mut effects)
}

fn ask(server: &mut CausalServer, at_ms: u64, ticket: u64, request: &Request) -> Vec<String> {
    let caller = Caller {
        client: ClientKey::Id(ClientId(1)),
        address: ([10, 0, 0, 1], 1).into(),
        operation: ALICE_1,
    };
    let input = Input::Request {
        ticket: Ticket(ticket),
        caller: &caller,
        body: &request.encode(),
    };
    step(server, at_ms, input)
}

fn put(key: &str, value: &str) -> Request {
    request(Ask::Put {
        key: key.to_owned(),
        value: value.to_owned(),
        author: String::new(),
    })
}

fn request(ask: Ask) -> Request {
    Request {
        clock: 0,
        needs: Vec::new(),
        ask,
    }
}

fn hear(server: &mut CausalServer, at_ms: u64, from: u16, body: PeerBody) -> Vec<String> {
    let message = PeerMessage {
        life: 0,
        everywhere: 0,
        body,
    };
    hear_message(server, at_ms, from, &message)
}

fn hear_message(
    server: &mut CausalServer,
    at_ms: u64,
    from: u16,
    message: &PeerMessage,
) -> Vec<String> {
    let body = message.encode();
    let about = Some(ALICE_1);
    let body = &body;
    step(server, at_ms, Input::Peer { from, about, body })
}

/// The write of this number of data centre 1.
fn write(sequence: u64, needs: Vec<Dependency>) -> Write {
    Write {
        key: format!("k{sequence}"),
        value: "v".to_owned(),
        author: String::new(),
        version: version(sequence, 1),
        sequence,
        needs,
    }
}

fn version(timestamp: u64, replica: u16) -> Version {
    Version {
        timestamp,
        replica,
        life: 0,
    }
}

fn acknowledge(sequence: u64) -> PeerBody {
    PeerBody::Acknowledge {
        version: version(sequence, 0),
        sequence,
    }
}

fn fire(server: &mut CausalServer, at_ms: u64) -> Vec<String> {
    step(server, at_ms, Input::Timer(DUE))
}

#[test]
fn a_put_commits_replies_and_goes_to_the_others_until_they_have_it() {
    let mut server = server(Settings::default());
    let told = ask(&mut server, 0, 1, &put("x", "1"));
    assert_eq!(
        told,
        [
            "commit x = '1' (1,0)",
            "reply 1: x (1,0)",
            "to dc1: x = '1' (1,0)",
            "to dc2: x = '1' (1,0)",
            "timer 1000"
        ]
    );
    assert!(!server.is_settled());
    assert!(hear(&mut server, 10, 1, acknowledge(1)).is_empty());
    let told = fire(&mut server, 1_000);
    assert_eq!(told, ["to dc2: x = '1' (1,0)", "timer 3000"]);
    hear(&mut server, 1_010, 2, acknowledge(1));
    assert!(server.is_settled());
    assert!(fire(&mut server, 3_000).is_empty());
}

#[test]
fn a_write_is_acknowledged_when_it_commits_and_each_time_that_it_comes_again() {
    let mut server = server(Settings::default());
    let (first, second) = (
        write(1, vec![]),
        write(2, vec![write(1, vec![]).as_dependency()]),
    );
    let told = hear(&mut server, 5, 1, PeerBody::Write(second.clone()));
    assert_eq!(told[0], "stall k2 (2,1) waits for k1 (1,1)");
    let told = hear(&mut server, 9, 1, PeerBody::Write(second));
    assert!(
        !told.concat().contains("stall"),
        "it is told once: {told:?}"
    );
    assert!(!server.is_settled());
    let told = hear(&mut server, 40, 1, PeerBody::Write(first.clone()));
    let expected = [
        "commit k1 = 'v' (1,1)",
        "to dc1: has (1,1)",
        "commit k2 = 'v' (2,1) after 35 ms",
        "to dc1: has (2,1)",
    ];
    assert_eq!(told, expected);
    let told = hear(&mut server, 50, 1, PeerBody::Write(first));
    assert_eq!(told, ["to dc1: has (1,1)"]);
    assert!(server.is_settled());
}

#[test]
fn a_request_waits_for_what_its_session_depends_on() {
    let mut server = server(Settings::default());
    let mut get = request(Ask::Get {
        key: "k1".to_owned(),
    });
    get.needs = vec![write(1, vec![]).as_dependency()];
    assert_eq!(ask(&mut server, 0, 7, &get), ["timer 5000"]);
    let told = hear(&mut server, 100, 1, PeerBody::Write(write(1, vec![])));
    assert_eq!(told[2], "reply 7: 'v' (1,1)");
    let mut attach = request(Ask::Attach { to: 0 });
    attach.needs = vec![write(2, vec![]).as_dependency()];
    ask(&mut server, 1_000, 8, &attach);
    assert!(!fire(&mut server, 5_999).concat().contains("reply"));
    let told = fire(&mut server, 6_000);
    assert_eq!(told, ["reply 8: dependencies missing: k2 (2,1)"]);
    let put = Request {
        ask: put("x", "1").ask,
        ..attach
    };
    ask(&mut server, 7_000, 9, &put);
    assert_eq!(
        fire(&mut server, 12_000).len(),
        1,
        "a put that is refused writes nothing"
    );
    assert_eq!(server.replica().last(), 0);
}

#[test]
fn what_all_have_is_said_in_replies_and_messages_not_before() {
    for (mode, after_one) in [(Mode::Causal, 0), (Mode::ForgetEarly, 1)] {
        let mut server = server(Settings {
            mode,
            ..Settings::default()
        });
        let own = server.replica().own();
        ask(&mut server, 0, 1, &put("x", "1"));
        hear(&mut server, 10, 2, acknowledge(1));
        assert_eq!(server.replica().everywhere(own), after_one, "{mode:?}");
        hear(&mut server, 20, 1, acknowledge(1));
        assert_eq!(server.replica().everywhere(own), 1);
        let mut effects = Effects::default();
        let list = request(Ask::List);
        server.reply(Ticket(2), Answer::Nothing, &mut effects);
        let reply = Reply::decode(effects.reply_to(Ticket(2)).unwrap()).unwrap();
        assert_eq!(reply.everywhere, [(own, 1)]);
        assert_eq!(ask(&mut server, 30, 3, &list), ["reply 3: x (1,0) '1'"]);
    }
}

#[test]
fn what_another_says_is_everywhere_is_believed() {
    let mut server = server(Settings::default());
    let message = PeerMessage {
        life: 0,
        everywhere: 3,
        body: acknowledge(9),
    };
    hear_message(&mut server, 0, 1, &message);
    let origin = write(1, vec![]).origin();
    assert_eq!(server.replica().everywhere(origin), 3);
}

#[test]
fn distance_delays_each_message_by_its_steps() {
    let mut server = server(Settings {
        distance: Duration::from_secs(2),
        ..Settings::default()
    });
    let told = ask(&mut server, 0, 1, &put("x", "1"));
    assert_eq!(told[2..], ["timer 2000"]);
    let told = fire(&mut server, 2_000);
    assert_eq!(told, ["to dc1: x = '1' (1,0)", "timer 4000"]);
    let told = fire(&mut server, 4_000);
    assert_eq!(told, ["to dc2: x = '1' (1,0)", "timer 5000"]);
}

#[test]
fn a_write_that_nobody_sends_again_is_dropped() {
    let mut server = server(Settings::default());
    let second = write(2, vec![write(1, vec![]).as_dependency()]);
    let told = hear(&mut server, 0, 1, PeerBody::Write(second));
    assert_eq!(told[1], "timer 24000");
    assert!(fire(&mut server, 24_000).is_empty());
    assert!(server.is_settled());
}

#[test]
fn what_is_no_message_of_a_data_centre_changes_nothing() {
    let mut server = server(Settings::default());
    let body = PeerBody::Write(write(1, vec![]));
    assert!(
        hear(&mut server, 0, 2, body.clone()).is_empty(),
        "not its own write"
    );
    assert!(
        hear(&mut server, 0, 0, body.clone()).is_empty(),
        "from itself"
    );
    assert!(hear(&mut server, 0, 9, body).is_empty(), "from nobody");
    let input = Input::Peer {
        from: 1,
        about: None,
        body: b"nothing",
    };
    assert!(step(&mut server, 0, input).is_empty());
    let told = ask(&mut server, 0, 1, &request(Ask::Wait { ms: 1 }));
    assert_eq!(told, ["reply 1: invalid request"]);
    assert_eq!(server.replica().committed().len(), 0);
}

#[test]
fn a_list_that_is_too_long_says_how_much_is_left_out() {
    let mut server = server(Settings::default());
    for number in 0..12 {
        let value = "v".repeat(4_096);
        ask(
            &mut server,
            0,
            number,
            &put(&format!("k{number:02}"), &value),
        );
    }
    let told = ask(&mut server, 0, 99, &request(Ask::List));
    assert!(
        told[0].ends_with(".. and 3 more"),
        "{}",
        &told[0][told[0].len() - 40..]
    );
}

#[test]
fn the_longest_messages_fit_a_datagram() {
    let need = |sequence| Dependency {
        key: "k".repeat(20),
        ..write(sequence, vec![]).as_dependency()
    };
    let put = Request {
        needs: (1..=DEPENDENCIES_MAX as u64).map(need).collect(),
        ..put(&"k".repeat(255), &"v".repeat(4_096))
    };
    let encoded = put.encode();
    assert!(encoded.len() < crate::rpc::message::BODY.max);
    assert_eq!(Request::decode(&encoded), Ok(put));
}

#[test]
fn an_acknowledgement_of_another_life_s_write_says_nothing_of_this_one() {
    let mut server = server(Settings::default());
    let own = server.replica().own();
    ask(&mut server, 0, 1, &put("x", "1"));
    for from in [1, 2] {
        let of_another_life = Version {
            life: 9,
            ..version(1, 0)
        };
        let body = PeerBody::Acknowledge {
            version: of_another_life,
            sequence: 1,
        };
        hear(&mut server, 10, from, body);
    }
    assert_eq!(server.replica().everywhere(own), 0);
    assert!(!server.is_settled());
}
