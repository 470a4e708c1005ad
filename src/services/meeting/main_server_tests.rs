//! What the main server does with requests that others stand in the way of.

use super::*;
use crate::id::{ClientId, ClientKey, HostId};
use crate::rpc::service::{Caller, Effect};
use crate::services::meeting::command;
use crate::services::meeting::message::{Entry, Piece, Question};
use crate::services::meeting::times::{Interval, Times};

const ONE: Piece = Piece { number: 0, of: 1 };

struct Desk {
    main: MainServer,
    now: Time,
    /// What its timer was set to last.
    timer: Option<Time>,
}

impl Desk {
    /// A main server that knows nobody.
    fn of_nobody() -> Self {
        Self {
            main: MainServer::new(Settings::default()),
            now: Time::ZERO,
            timer: None,
        }
    }

    /// A main server that knows ann at 1 and bob at 2.
    fn new() -> Self {
        let mut desk = Self::of_nobody();
        for (place, name) in [(1, "ann"), (2, "bob")] {
            desk.hear(place, names(1, name));
        }
        desk
    }

    fn step(&mut self, input: Input<'_>) -> Vec<String> {
        let mut effects = Effects::default().with_records();
        self.main.step(self.now, input, &mut effects);
        for effect in effects.iter() {
            if let Effect::SetTimer(DUE, at) = effect {
                self.timer = Some(at);
            }
        }
        let told = effects.iter().filter_map(|effect| match effect {
            Effect::Complete {
                ticket: Ticket(number),
                reply,
            } => Some(format!("{number}: {:?}", Reply::decode(reply).unwrap())),
            Effect::Send { to, body, .. } => {
                let body = PeerMessage::decode(body).unwrap().body;
                let word = format!("{body:?}");
                let word = word
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                Some(format!("{word} to {to}"))
            }
            _ => None,
        });
        told.collect()
    }

    fn hear(&mut self, from: u16, body: PeerBody) -> Vec<String> {
        let body = &PeerMessage { life: 1, body }.encode();
        let about = None;
        self.step(Input::Peer { from, about, body })
    }

    /// Goes on until its timer runs out.
    fn run_out(&mut self) -> Vec<String> {
        self.now = self.timer.take().unwrap();
        self.step(Input::Timer(DUE))
    }

    fn ask(&mut self, ticket: u64, line: &str) -> Vec<String> {
        self.ask_from(1, ticket, line)
    }

    /// From a port; from port 0 it is over a connection.
    fn ask_from(&mut self, port: u16, ticket: u64, line: &str) -> Vec<String> {
        let request = command::request(line).unwrap();
        let caller = Caller {
            client: ClientKey::Id(ClientId(ticket)),
            address: ([10, 0, 0, 1], port).into(),
            operation: OperationId {
                client: HostId(3),
                number: 1,
            },
        };
        self.step(Input::Request {
            ticket: Ticket(ticket),
            caller: &caller,
            body: &request.encode(),
        })
    }

    fn times(&mut self, from: u16, number: u64, name: &str, times: &str) -> Vec<String> {
        let times: Times = times.parse().unwrap();
        let entry = Entry {
            name: name.to_owned(),
            times: times.as_slice().to_vec(),
        };
        let body = PeerBody::Times {
            task: task(number),
            taken: 0,
            piece: ONE,
            entries: vec![entry],
        };
        self.hear(from, body)
    }

    fn yes(&mut self, from: u16, number: u64) -> Vec<String> {
        let (task, against) = (task(number), Vec::new());
        self.hear(from, PeerBody::Vote { task, against })
    }
}

/// All the names of a data server, as it answers a question of this number.
fn names(number: u64, names: &str) -> PeerBody {
    PeerBody::Names {
        question: Question { main: 1, number },
        piece: ONE,
        names: names.split_whitespace().map(str::to_owned).collect(),
    }
}

const fn task(number: u64) -> TaskId {
    TaskId { life: 1, number }
}

#[test]
fn all_that_is_about_the_same_people_waits_until_a_registration_is_decided() {
    let mut desk = Desk::new();
    assert_eq!(
        desk.ask(1, "register 1 2 ann bob"),
        ["Prepare to 1", "Prepare to 2"]
    );
    assert_eq!(desk.ask(2, "ann"), [""; 0]);
    assert_eq!(desk.ask(3, "register 1 2 ann"), [""; 0]);
    assert_eq!(desk.yes(1, 1), [""; 0]);
    let told = desk.yes(2, 1);
    assert!(told[0].starts_with("1: Registered"), "{told:?}");
    assert_eq!(told[1..], ["Decide to 1", "Decide to 2", "Lookup to 1"]);
    let told = desk.times(1, 2, "ann", "[1,5]");
    assert!(
        told[0].contains("start: 2, end: 5"),
        "it is not taken there yet: {told:?}"
    );
    assert_eq!(
        told[1..],
        ["Prepare to 1"],
        "the next registration has waited for the query"
    );
}

#[test]
fn what_is_about_others_waits_for_nobody() {
    let mut desk = Desk::new();
    desk.ask(1, "register 1 2 ann");
    assert_eq!(desk.ask(2, "bob"), ["Lookup to 2"]);
    assert_eq!(desk.ask(3, "bob"), ["Lookup to 2"]);
    assert_eq!(
        desk.ask(4, "register 3 4 bob"),
        [""; 0],
        "queries are under way"
    );
    assert_eq!(
        desk.ask(5, "bob"),
        [""; 0],
        "nobody overtakes a registration"
    );
}

#[test]
fn votes_are_kept_for_each_server_and_abort_is_never_said_while_they_come() {
    let mut desk = Desk::new();
    desk.ask(1, "register 1 2 ann bob");
    assert_eq!(desk.yes(1, 1), [""; 0]);
    assert_eq!(desk.yes(1, 1), [""; 0], "a copy is no second vote");
    assert_eq!(desk.hear(1, PeerBody::Inquire { task: task(1) }), [""; 0]);
    let against = vec!["bob".to_owned()];
    let told = desk.hear(
        2,
        PeerBody::Vote {
            task: task(1),
            against,
        },
    );
    assert_eq!(
        told,
        [
            "Decide to 1",
            "Decide to 2",
            "1: Refused(NotFree([\"bob\"]))"
        ]
    );
    assert_eq!(
        desk.hear(1, PeerBody::Inquire { task: task(1) }),
        ["Decide to 1"]
    );
    assert_eq!(
        desk.yes(2, 1),
        ["Decide to 2"],
        "a late yes is told that it is over"
    );
}

#[test]
fn a_decision_is_told_until_all_have_acknowledged_it() {
    let mut desk = Desk::new();
    desk.ask(1, "register 1 2 ann bob");
    desk.yes(1, 1);
    desk.yes(2, 1);
    assert!(!desk.main.is_settled());
    desk.hear(1, PeerBody::Done { task: task(1) });
    desk.now = Time::from_ms(500);
    assert_eq!(desk.step(Input::Timer(DUE)), ["Decide to 2"]);
    desk.hear(2, PeerBody::Done { task: task(1) });
    assert!(desk.main.is_settled());
}

#[test]
fn a_server_that_does_not_vote_makes_it_fail_for_all() {
    let mut desk = Desk::new();
    desk.ask(1, "register 1 2 ann bob");
    desk.yes(1, 1);
    for ms in [200, 400] {
        desk.now = Time::from_ms(ms);
        assert_eq!(desk.step(Input::Timer(DUE)), ["Prepare to 2"]);
    }
    desk.now = Time::from_ms(600);
    let told = desk.step(Input::Timer(DUE));
    assert_eq!(
        told,
        [
            "Decide to 1",
            "Decide to 2",
            "1: Refused(Unavailable([\"b\"]))"
        ]
    );
}

#[test]
fn who_is_unknown_is_waited_for_and_then_said_to_be_missing() {
    let mut desk = Desk::of_nobody();
    assert_eq!(desk.ask(1, "ann"), ["Who to 1", "Who to 2"]);
    desk.ask(2, "register 1 2 ann");
    assert_eq!(desk.hear(2, names(1, "bob")), ["HasNames to 2"]);
    desk.now = Time::from_ms(600);
    let told = desk.step(Input::Timer(DUE));
    assert!(
        told[1].contains("missing: [\"ann\"], silent: [\"a\"]"),
        "{told:?}"
    );
    assert_eq!(told[2..], ["2: Refused(Unavailable([\"a\"]))"]);
    desk.hear(1, names(1, "eve"));
    assert_eq!(
        desk.ask(3, "register 1 2 ann"),
        ["3: Refused(Unknown([\"ann\"]))"]
    );
}

#[test]
fn a_request_waits_no_longer_for_a_server_that_has_long_been_silent() {
    let mut desk = Desk::of_nobody();
    desk.step(Input::Timer(DUE));
    while desk.timer.unwrap() < Time::from_ms(10_000) {
        assert_eq!(desk.run_out(), ["Who to 1", "Who to 2"]);
    }
    desk.now = Time::from_ms(10_000);
    assert_eq!(desk.ask(1, "ann"), [""; 0]);
    let told = desk.run_out();
    assert!(told[0].starts_with("1: Free(Answer"), "{told:?}");
    assert_eq!((told.len(), desk.now), (1, Time::from_ms(10_600)));
}

#[test]
fn who_waits_for_names_is_not_looked_at_for_a_part_of_an_answer() {
    let mut desk = Desk::of_nobody();
    desk.ask(1, "ann");
    let mut is_looked_at = |number, of| {
        let body = PeerBody::Names {
            question: Question { main: 1, number: 1 },
            piece: Piece { number, of },
            names: vec![format!("p{number}")],
        };
        let message = PeerMessage { life: 1, body };
        desk.main
            .hear(desk.now, (2, None), message, &mut Effects::default());
        desk.main.turns.nameless_since().is_none()
    };
    assert!(!is_looked_at(0, 2) && !is_looked_at(0, 2));
    assert!(is_looked_at(1, 2));
}

#[test]
fn a_data_server_with_a_name_of_another_is_refused() {
    let mut desk = Desk::new();
    let say = |desk: &mut Desk, body| {
        let message = PeerMessage { life: 2, body };
        desk.step(Input::Peer {
            from: 2,
            about: None,
            body: &message.encode(),
        })
    };
    assert_eq!(say(&mut desk, PeerBody::Here), ["Who to 2"]);
    for copy in 1..=2 {
        let told = say(&mut desk, names(2, "ann"));
        assert_eq!(told, ["NamesTaken to 2"], "copy {copy}: one may be lost");
    }
}

#[test]
fn nobody_is_told_who_no_longer_waits() {
    let mut desk = Desk::new();
    desk.ask(1, "register 1 2 ann");
    desk.ask(2, "ann");
    desk.step(Input::Abandoned(Ticket(1)));
    desk.step(Input::Abandoned(Ticket(2)));
    assert_eq!(desk.yes(1, 1), ["Decide to 1"], "it was taken all the same");
}

#[test]
fn a_query_that_is_abandoned_under_way_holds_up_nobody() {
    let mut desk = Desk::new();
    assert_eq!(desk.ask(1, "ann"), ["Lookup to 1"]);
    assert_eq!(desk.ask(2, "register 1 2 ann"), [""; 0]);
    assert_eq!(desk.step(Input::Abandoned(Ticket(1))), ["Prepare to 1"]);
    assert_eq!(desk.ask(3, "bob"), ["Lookup to 2"]);
    desk.step(Input::Abandoned(Ticket(3)));
    assert_eq!(desk.ask(4, "register 1 2 bob"), ["Prepare to 2"]);
}

/// So many times that do not touch.
fn so_many(count: u64) -> Vec<Interval> {
    let many = (0..count).map(|number| Interval::new(2 * number, 2 * number + 1));
    many.map(Option::unwrap).collect()
}

/// A piece of what a data server says of ann.
fn times_of_ann(piece: Piece, times: &[Interval]) -> PeerBody {
    let entry = Entry {
        name: "ann".to_owned(),
        times: times.to_vec(),
    };
    PeerBody::Times {
        task: task(1),
        taken: 0,
        piece,
        entries: vec![entry],
    }
}

#[test]
fn an_answer_that_fits_no_datagram_is_refused() {
    let mut desk = Desk::new();
    desk.ask(1, "ann");
    let told = desk.hear(1, times_of_ann(ONE, &so_many(4_000)));
    assert_eq!(told, ["1: Refused(TooLong)"]);
}

#[test]
fn an_answer_over_a_connection_may_be_longer_but_has_a_limit_too() {
    // What stands around the times takes less than 32 bytes.
    let fit = LINE_REPLY_BYTES_MAX / 16 - 2;
    for (count, is_told) in [(4_000, true), (fit, true), (fit + 2, false)] {
        let mut desk = Desk::new();
        desk.ask_from(0, 1, "ann");
        let many = so_many(count as u64);
        let of = many.len().div_ceil(4_000) as u32;
        let mut told = Vec::new();
        for (number, times) in (0..of).zip(many.chunks(4_000)) {
            let told_of_piece = desk.hear(1, times_of_ann(Piece { number, of }, times));
            let replies = told_of_piece
                .into_iter()
                .filter(|it| !it.starts_with("Lookup"));
            told.extend(replies);
        }
        assert_eq!(told.len(), 1);
        let is_refused = told[0] == "1: Refused(TooLong)";
        assert_eq!(is_refused, !is_told, "{count}");
    }
}
