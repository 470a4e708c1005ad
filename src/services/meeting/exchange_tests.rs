//! A main server and data servers on a network that loses nothing and has no time: messages are delivered in any
//! order, and no timer runs out. What is not done then would wait for a timeout.

use std::collections::BTreeMap;

use super::command;
use super::data_server::DataServer;
use super::main_server::{MAIN, MainServer};
use super::message::{Meeting, PeerBody, PeerMessage, Refusal, Reply, TaskId};
use super::settings::Settings;
use super::times::Interval;
use crate::clock::Time;
use crate::id::{ClientId, ClientKey, HostId, OperationId};
use crate::rpc::service::{Caller, Effect, Effects, Input, Service, Ticket, TimerKey};
use crate::seed::{Seed, Stream};

/// Servers, and the messages between them.
struct Exchange {
    main: MainServer,
    data: Vec<DataServer>,
    mail: Vec<(u16, u16, Vec<u8>)>,
    told: BTreeMap<u64, Reply>,
    /// How many messages of each kind data servers were sent.
    asked: BTreeMap<&'static str, usize>,
}

impl Exchange {
    /// With these people, whom the main server knows.
    fn new(people: &str, chance: &mut Stream) -> Self {
        let mut settings = Settings::default();
        settings.set_all(&people.parse().unwrap()).unwrap();
        let data = (1..=2).map(|place| DataServer::new(settings.clone(), place));
        let mut exchange = Self {
            data: data.collect(),
            main: MainServer::new(settings),
            mail: Vec::new(),
            told: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        exchange.step(MAIN, Input::Timer(TimerKey(0)));
        exchange.deliver_all(chance);
        exchange
    }

    fn step(&mut self, place: u16, input: Input<'_>) {
        let server: &mut dyn Service = match usize::from(place).checked_sub(1) {
            None => &mut self.main,
            Some(index) => &mut self.data[index],
        };
        let mut effects = Effects::default().with_records();
        server.step(Time::ZERO, input, &mut effects);
        for effect in effects.iter() {
            match effect {
                Effect::Send { to, body, .. } => self.mail.push((place, to, body.to_vec())),
                Effect::Complete {
                    ticket: Ticket(number),
                    reply,
                } => {
                    let reply = Reply::decode(reply).unwrap();
                    assert_eq!(self.told.insert(number, reply), None);
                }
                _ => {}
            }
        }
        // What a server is sent when it begins goes by timers, of which there are none here but at this time.
        if let Some(index) = usize::from(place).checked_sub(1) {
            let mut effects = Effects::default().with_records();
            let timer = Input::Timer(TimerKey(0));
            self.data[index].step(Time::ZERO, timer, &mut effects);
        }
    }

    fn ask(&mut self, number: u64, line: &str) {
        let caller = Caller {
            client: ClientKey::Id(ClientId(number)),
            address: ([10, 0, 0, 1], 1).into(),
            operation: OperationId {
                client: HostId(3),
                number: 1,
            },
        };
        let body = &command::request(line).unwrap().encode();
        let ticket = Ticket(number);
        let caller = &caller;
        self.step(
            MAIN,
            Input::Request {
                ticket,
                caller,
                body,
            },
        );
    }

    /// Delivers one message, whichever.
    fn deliver(&mut self, chance: &mut Stream) {
        let place = chance.below(self.mail.len() as u32) as usize;
        let (from, to, body) = self.mail.remove(place);
        let kind = match PeerMessage::decode(&body).unwrap().body {
            PeerBody::Lookup { .. } => "lookup",
            PeerBody::Prepare { .. } => "prepare",
            _ => "other",
        };
        *self.asked.entry(kind).or_default() += 1;
        let (about, body) = (None, body.as_slice());
        self.step(to, Input::Peer { from, about, body });
    }

    fn deliver_all(&mut self, chance: &mut Stream) {
        while !self.mail.is_empty() {
            self.deliver(chance);
        }
    }
}

#[test]
fn ten_registrations_of_the_same_time_take_no_timeout() {
    let people = "people = { a = [\"ann;[[1,9]]\"], b = [\"bob;[[1,9]]\"] }";
    for seed in 0..100 {
        let chance = &mut Seed(seed).stream("exchange");
        let mut exchange = Exchange::new(people, chance);
        for number in 0..10 {
            exchange.ask(number, "register 5 6 ann bob");
        }
        exchange.deliver_all(chance);
        let told: Vec<&Reply> = exchange.told.values().collect();
        assert_eq!(told.len(), 10, "seed {seed}: {told:?}");
        assert!(matches!(told[0], Reply::Registered(_)), "{told:?}");
        let is_refused = |it: &&Reply| matches!(it, Reply::Refused(Refusal::NotFree(_)));
        assert!(
            told[1..].iter().copied().all(|it| is_refused(&it)),
            "{told:?}"
        );
        assert!(exchange.main.is_settled());
    }
}

#[test]
fn registrations_that_only_touch_or_follow_a_refusal_take_none_either() {
    let people = "people = { a = [\"ann;[[1,9]]\"], b = [\"bob;[[1,2]]\"] }";
    for seed in 0..100 {
        let chance = &mut Seed(seed).stream("exchange");
        let mut exchange = Exchange::new(people, chance);
        let lines = [
            "register 4 6 ann bob", // bob is not free, and ann's time may be held until she is told
            "register 5 7 ann",
            "register 4 5 ann",
            "register 7 8 ann",
        ];
        for (number, line) in (0..).zip(lines) {
            exchange.ask(number, line);
        }
        exchange.deliver_all(chance);
        let registered = exchange
            .told
            .values()
            .map(|it| matches!(it, Reply::Registered(_)));
        let registered: Vec<bool> = registered.collect();
        assert_eq!(registered, [false, true, true, true], "seed {seed}");
    }
}

#[test]
fn a_long_answer_is_given_while_others_are_taken_from() {
    let times: Vec<String> = (0..12_000)
        .map(|it| format!("[{},{}]", 2 * it, 2 * it + 1))
        .collect();
    let people = format!(
        "people = {{ a = [\"ann;[[1,2]]\", \"bob;[[0,1000000]]\", \"eve;[{}]\"] }}",
        times.join(",")
    );
    let chance = &mut Seed(1).stream("exchange");
    let mut exchange = Exchange::new(&people, chance);
    exchange.asked.clear();
    exchange.ask(0, "eve");
    let mut number = 0;
    // Something is taken from bob after each few messages: far more often than pieces are asked for.
    for _ in 0..1_000 {
        if exchange.told.len() as u64 > number {
            break;
        }
        number += 1;
        let (start, end) = (2 * number, 2 * number + 1);
        exchange.ask(number, &format!("register {start} {end} bob"));
        while !exchange.mail.is_empty() && !exchange.told.contains_key(&number) {
            exchange.deliver(chance);
        }
    }
    exchange.deliver_all(chance);
    // 12,000 intervals in pieces of 73 each, 32 at a time.
    assert_eq!(exchange.asked["lookup"], 12_000_usize.div_ceil(73 * 32));
    assert!(exchange.asked["prepare"] > 3);
    let told = &exchange.told[&0];
    assert_eq!(*told, Reply::Refused(Refusal::TooLong), "over datagrams");
}

/// A data server alone: what it says to a message of the main server.
fn say(server: &mut DataServer, body: PeerBody) -> Vec<PeerBody> {
    let mut effects = Effects::default().with_records();
    let body = &PeerMessage { life: 1, body }.encode();
    let (from, about) = (MAIN, None);
    server.step(Time::ZERO, Input::Peer { from, about, body }, &mut effects);
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send { body, .. } => Some(PeerMessage::decode(body).unwrap().body),
        _ => None,
    });
    let of_times = |it: &PeerBody| !matches!(it, PeerBody::Names { .. });
    sent.filter(of_times).collect()
}

const fn task(number: u64) -> TaskId {
    TaskId { life: 1, number }
}

fn prepare(number: u64, (start, end): (u64, u64)) -> PeerBody {
    let meeting = Meeting {
        stretch: Interval::new(start, end).unwrap(),
        names: vec!["ann".to_owned()],
    };
    let task = task(number);
    PeerBody::Prepare { task, meeting }
}

fn vote(number: u64, against: &[&str]) -> PeerBody {
    PeerBody::Vote {
        task: task(number),
        against: against.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn ann() -> DataServer {
    let mut settings = Settings::default();
    let people = "people = { a = [\"ann;[[1,9]]\"] }".parse().unwrap();
    settings.set_all(&people).unwrap();
    DataServer::new(settings, 1)
}

const fn decide(number: u64, commit: bool) -> PeerBody {
    let task = task(number);
    PeerBody::Decide { task, commit }
}

#[test]
fn a_vote_that_waits_is_cast_when_the_other_transaction_is_decided() {
    for (commit, against) in [(true, &["ann"][..]), (false, &[])] {
        let mut server = ann();
        assert_eq!(say(&mut server, prepare(1, (1, 3))), [vote(1, &[])]);
        let inquiry = PeerBody::Inquire { task: task(1) };
        assert_eq!(say(&mut server, prepare(2, (2, 4))), [inquiry]);
        let said = say(&mut server, decide(1, commit));
        assert_eq!(said.last(), Some(&vote(2, against)));
        assert_eq!(said.len(), if commit { 2 } else { 1 });
        assert!(say(&mut server, decide(2, false)).is_empty());
    }
}

#[test]
fn a_vote_that_waits_is_dropped_when_its_own_transaction_is_decided() {
    let mut server = ann();
    say(&mut server, prepare(1, (1, 3)));
    say(&mut server, prepare(2, (2, 4)));
    assert!(say(&mut server, decide(2, false)).is_empty());
    assert!(say(&mut server, decide(1, false)).is_empty());
    assert!(server.holds().held().is_empty(), "nothing is held for it");
}

#[test]
fn only_some_votes_wait() {
    let mut server = ann();
    say(&mut server, prepare(1, (1, 3)));
    for number in 2..=1_000 {
        say(&mut server, prepare(number, (2, 4)));
    }
    let said = say(&mut server, decide(1, true));
    let votes = said.iter().filter(|it| matches!(it, PeerBody::Vote { .. }));
    assert_eq!(votes.count(), 128);
    let again = say(&mut server, prepare(1_000, (2, 4)));
    assert_eq!(again, [vote(1_000, &["ann"])], "it is asked for again");
}

#[test]
fn a_hold_is_no_yes_to_another_meeting_of_the_same_number() {
    let mut server = ann();
    assert_eq!(say(&mut server, prepare(1, (1, 2))), [vote(1, &[])]);
    assert_eq!(say(&mut server, prepare(1, (1, 2))), [vote(1, &[])]);
    assert_eq!(
        say(&mut server, prepare(1, (5, 6))),
        [],
        "the main server is not that of before"
    );
    assert!(say(&mut server, decide(1, false)).is_empty());
    assert_eq!(say(&mut server, prepare(2, (5, 6))), [vote(2, &[])]);
}

#[test]
fn the_state_of_a_piece_counts_takings_from_those_who_are_asked_for() {
    let mut settings = Settings::default();
    let people = "people = { a = [\"ann;[[1,9]]\", \"bob;[[1,9]]\"] }"
        .parse()
        .unwrap();
    settings.set_all(&people).unwrap();
    let mut server = DataServer::new(settings, 1);
    let told = |server: &mut DataServer, names: &[&str]| {
        let lookup = PeerBody::Lookup {
            task: task(9),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            pieces: Vec::new(),
        };
        match say(server, lookup)[..] {
            [PeerBody::Times { taken, .. }] => taken,
            _ => panic!("one piece"),
        }
    };
    let mut states = vec![["ann", "bob"].map(|name| told(&mut server, &[name]))];
    for number in 1..=2 {
        say(&mut server, prepare(number, (number, number + 1)));
        say(&mut server, decide(number, true));
        states.push(["ann", "bob"].map(|name| told(&mut server, &[name])));
    }
    assert_eq!(states, [[0, 0], [1, 0], [2, 0]]);
    assert_eq!(told(&mut server, &["bob", "ann"]), 2);
}
