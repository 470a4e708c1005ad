//! A main server and data servers on a bad network of the test's own, with a crash at any step.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::data_server::DataServer;
use super::main_server::{MAIN, MainServer};
use super::message::{Meeting, PeerBody, PeerMessage, Reply, Request, TaskId};
use super::promise::Promise;
use super::settings::{Protection, Settings};
use super::times::Interval;
use crate::check::Verdict;
use crate::check::linearizable::Timed;
use crate::check::sequential::{Call, Specification};
use crate::clock::Time;
use crate::id::{ClientId, ClientKey, HostId, OperationId};
use crate::rpc::service::{Caller, Effect, Effects, Input, Service, Ticket, TimerKey};
use crate::seed::{Seed, Stream};
use crate::trace::Part;

pub(super) const SERVERS: u16 = 3;
const CALLS: u32 = 12;
/// Within this time, clients call and servers crash.
const STORM_MS: u64 = 2_500;
/// How late a message may be as long as some are lost.
const LATE_MS_MAX: u32 = 600;
/// In this time after the last fault everything has been said.
const SETTLE_MS: u64 = 20_000;
const STEPS_MAX: u64 = 1_000_000;

/// The long names, of whom nobody asks, make two pieces of the names of each.
const PEOPLE: &str = "\
    people.a = [\"ann;[[0,9]]\", \"bob;[[0,6]]\", \"zoe-of-the-house-by-the-northern-lake;[]\"]
    people.b = [\"cat;[[0,9]]\", \"dan;[[3,9]]\", \"zoe-of-the-house-by-the-southern-lake;[]\"]";
const NAMES: [&str; 5] = ["ann", "bob", "cat", "dan", "nobody"];

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

enum Server {
    Main(Box<MainServer>),
    Data(Box<DataServer>),
}

/// How a server crashes at a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Crash {
    /// Nothing of the step is left.
    Before,
    /// It is stored, and so many of its messages have left.
    After(usize),
}

/// When servers crash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Crashes {
    Never,
    /// So many steps of a thousand.
    Often(u32),
    /// At this step of this server, counted from 1, and never again.
    Once(u16, u32, Crash),
}

pub(super) struct Cluster {
    settings: Settings,
    now: Time,
    chance: Stream,
    /// In a hundred messages, so many are lost, and so many doubled.
    pub(super) loss: u32,
    pub(super) doubles: u32,
    crashes: Crashes,
    servers: Vec<Option<Server>>,
    timers: Vec<Option<Time>>,
    records: Vec<Records>,
    pub(super) steps: Vec<u32>,
    mail: BTreeMap<(Time, u64), (u16, u16, Vec<u8>)>,
    restarts: BTreeMap<(Time, u16), ()>,
    sent: u64,
    /// Begins and ends of calls, counted.
    places: u64,
    pub(super) calls: Vec<Timed<Call>>,
    /// What the main server asked the data servers to hold.
    asked: BTreeMap<TaskId, BTreeSet<String>>,
    /// What each server has said that it has of each transaction: held, or taken.
    told: Vec<BTreeMap<Rc<str>, Part>>,
}

impl Server {
    fn service(&mut self) -> &mut dyn Service {
        match self {
            Self::Main(main) => &mut **main,
            Self::Data(data) => &mut **data,
        }
    }
}

impl Cluster {
    pub(super) fn new(seed: u64, without: &[Protection], crashes: Crashes) -> Self {
        let mut settings = Settings {
            lookup_timeout: Duration::from_millis(60),
            decision_timeout: Duration::from_millis(100),
            piece_bytes: 48,
            without: without.iter().copied().collect(),
            ..Settings::default()
        };
        let people = PEOPLE.parse().expect("a table");
        settings.set_all(&people).expect("settings");
        let mut cluster = Self {
            settings,
            now: Time::ZERO,
            chance: Seed(seed).stream("cluster"),
            loss: 15,
            doubles: 15,
            crashes,
            servers: (0..SERVERS).map(|_| None).collect(),
            timers: vec![None; usize::from(SERVERS)],
            records: vec![Records::new(); usize::from(SERVERS)],
            steps: vec![0; usize::from(SERVERS)],
            mail: BTreeMap::new(),
            restarts: BTreeMap::new(),
            sent: 0,
            places: 0,
            calls: Vec::new(),
            asked: BTreeMap::new(),
            told: vec![BTreeMap::new(); usize::from(SERVERS)],
        };
        (0..SERVERS).for_each(|place| cluster.start(place));
        cluster
    }

    /// Begins a life of a server, with the records of earlier ones.
    fn start(&mut self, place: u16) {
        let index = usize::from(place);
        let settings = self.settings.clone();
        let mut server = match place {
            MAIN => Server::Main(Box::new(MainServer::new(settings))),
            place => Server::Data(Box::new(DataServer::new(settings, place))),
        };
        let mut effects = Effects::default().with_records();
        let mut records = self.records[index].clone().into_iter();
        let service = server.service();
        service
            .restore(self.now, &mut records, &mut effects)
            .expect("its own records");
        self.servers[index] = Some(server);
        self.told[index].clear();
        self.carry_out(place, &effects, usize::MAX);
    }

    fn crash(&mut self, place: u16) {
        self.servers[usize::from(place)] = None;
        self.timers[usize::from(place)] = None;
        let down = 1 + u64::from(self.chance.below(400));
        let back = Time::from_ms(self.now.as_ms() + down);
        self.restarts.insert((back, place), ());
    }

    /// Whether the server crashes at this step.
    fn fate(&mut self, place: u16) -> Option<Crash> {
        self.steps[usize::from(place)] += 1;
        match self.crashes {
            Crashes::Never => None,
            Crashes::Once(at, step, crash) => {
                (at == place && step == self.steps[usize::from(place)]).then_some(crash)
            }
            Crashes::Often(per_thousand) => {
                let strikes = self.chance.below(1_000) < per_thousand;
                strikes.then(|| match self.chance.below(4) {
                    0 => Crash::Before,
                    count => Crash::After(count as usize - 1),
                })
            }
        }
    }

    fn step(&mut self, place: u16, input: Input<'_>) {
        if self.servers[usize::from(place)].is_none() {
            return;
        }
        let fate = self.fate(place);
        if fate == Some(Crash::Before) {
            return self.crash(place);
        }
        let mut effects = Effects::default().with_records();
        if let Some(server) = &mut self.servers[usize::from(place)] {
            server.service().step(self.now, input, &mut effects);
        }
        let messages = match fate {
            Some(Crash::After(count)) => count,
            _ => usize::MAX,
        };
        self.carry_out(place, &effects, messages);
        if fate.is_some() {
            self.crash(place);
        }
    }

    /// Stores all, and sends so many messages.
    fn carry_out(&mut self, place: u16, effects: &Effects, mut messages: usize) {
        let index = usize::from(place);
        for effect in effects.iter() {
            if let Effect::Store { key, value } = effect {
                match value {
                    Some(value) => self.records[index].insert(key.to_vec(), value.to_vec()),
                    None => self.records[index].remove(key),
                };
            }
        }
        for effect in effects.iter() {
            let is_message = matches!(effect, Effect::Send { .. } | Effect::Complete { .. });
            if is_message && messages == 0 {
                continue;
            }
            messages -= usize::from(is_message);
            match effect {
                Effect::Send { to, body, .. } => self.send(place, to, body),
                Effect::Complete { ticket, reply } => self.complete(ticket, reply),
                Effect::SetTimer(_, at) => self.timers[index] = Some(at),
                Effect::Store { .. } => {}
                Effect::Transaction(step) => {
                    let told = &mut self.told[index];
                    match step.part {
                        Part::Decide { .. } => None,
                        Part::Hold | Part::Take => {
                            told.insert(step.transaction.clone(), step.part.clone())
                        }
                        Part::Release => told.remove(&step.transaction),
                    };
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn send(&mut self, from: u16, to: u16, body: &[u8]) {
        let message = PeerMessage::decode(body).expect("servers speak their own format");
        if let PeerBody::Prepare { task, meeting } = message.body {
            self.asked.entry(task).or_default().extend(meeting.names);
        }
        let luck = self.chance.below(100);
        let copies = match luck {
            _ if luck < self.loss => 0,
            _ if luck < self.loss + self.doubles => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let mut delay = 1 + u64::from(self.chance.below(9) * self.chance.below(9));
            if self.loss > 0 && self.chance.below(8) == 0 {
                delay += u64::from(self.chance.below(LATE_MS_MAX)); // its sender may have begun another life
            }
            self.sent += 1;
            let due = (Time::from_ms(self.now.as_ms() + delay), self.sent);
            self.mail.insert(due, (from, to, body.to_vec()));
        }
    }

    fn complete(&mut self, Ticket(number): Ticket, reply: &[u8]) {
        self.places += 1;
        let timed = &mut self.calls[number as usize];
        assert_eq!(timed.ended, None, "a request is completed once");
        timed.ended = Some(self.places);
        timed.call.told = Some(reply.into());
    }

    pub(super) fn call(&mut self, request: &Request) {
        if self.servers[usize::from(MAIN)].is_none() {
            return;
        }
        let number = self.calls.len();
        let body = request.encode();
        self.places += 1;
        self.calls.push(Timed {
            call: Call {
                request: body.as_slice().into(),
                told: None,
            },
            began: self.places,
            ended: None,
            name: format!("call {number}"),
        });
        let caller = Caller {
            client: ClientKey::Id(ClientId(number as u64)),
            address: ([10, 0, 0, 1], 1).into(),
            operation: OperationId {
                client: HostId(SERVERS),
                number: number as u32 + 1,
            },
        };
        let input = Input::Request {
            ticket: Ticket(number as u64),
            caller: &caller,
            body: &body,
        };
        self.step(MAIN, input);
    }

    /// A request about one to three people, and a time that others may want too.
    fn some_request(&mut self) -> Request {
        let mut names: Vec<String> = Vec::new();
        for _ in 0..=self.chance.below(3) {
            let known = if self.chance.below(10) == 0 { 5 } else { 4 };
            names.push(NAMES[self.chance.below(known) as usize].to_owned());
        }
        if self.chance.below(3) == 0 {
            return Request::Free { names };
        }
        let start = u64::from(self.chance.below(8));
        let end = start + 1 + u64::from(self.chance.below(2));
        let stretch = Interval::new(start, end).expect("it ends after its start");
        Request::Register(Meeting { stretch, names })
    }

    /// Lets mail arrive, timers run out and servers come back until then.
    pub(super) fn advance(&mut self, span_ms: u64) {
        let until = Time::from_ms(self.now.as_ms() + span_ms);
        loop {
            let mail = self.mail.keys().next().map(|(due, _)| *due);
            let restart = self.restarts.keys().next().copied();
            let timers = (0..SERVERS).filter_map(|place| {
                let at = self.timers[usize::from(place)]?;
                Some((at, place))
            });
            let timer = timers.min();
            let moments = [mail, restart.map(|it| it.0), timer.map(|it| it.0)];
            let next = moments.into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            if let Some((at, place)) = restart.filter(|(at, _)| *at == next) {
                self.restarts.remove(&(at, place));
                self.start(place);
            } else if mail == Some(next) {
                let (_, (from, to, body)) = self.mail.pop_first().expect("it was there");
                let (about, body) = (None, body.as_slice());
                self.step(to, Input::Peer { from, about, body });
            } else if let Some((_, place)) = timer {
                self.timers[usize::from(place)] = None;
                self.step(place, Input::Timer(TimerKey(0)));
            }
        }
        self.now = until;
    }

    /// Calls, crashes and restarts on a bad network; then peace, and everybody's time.
    pub(super) fn live(&mut self) {
        for _ in 0..CALLS {
            let span = u64::from(self.chance.below(2 * STORM_MS as u32 / CALLS));
            self.advance(span);
            let request = self.some_request();
            self.call(&request);
        }
        self.end();
    }

    pub(super) fn end(&mut self) {
        self.advance(1_000);
        self.crashes = Crashes::Never;
        (self.loss, self.doubles) = (0, 0);
        self.advance(SETTLE_MS);
        for name in &NAMES[..4] {
            let names = vec![(*name).to_owned()];
            self.call(&Request::Free { names });
            self.advance(1_000);
        }
    }

    /// What is wrong in the end.
    pub(super) fn faults(&mut self) -> Vec<String> {
        let mut faults = Vec::new();
        for timed in self.calls.iter().rev().take(4) {
            let told = timed.call.told.as_deref().map(Reply::decode);
            let answer = match told {
                Some(Ok(Reply::Free(answer))) => answer,
                told => {
                    faults.push(format!("in the end {} is told {told:?}", timed.name));
                    continue;
                }
            };
            if !answer.is_complete() || !answer.unknown.is_empty() {
                faults.push(format!("in the end {} is told {answer}", timed.name));
            }
        }
        for server in self.servers.iter_mut().flatten() {
            if !server.service().is_settled() {
                faults.push("somebody waits for a decision".to_owned());
            }
        }
        let mut taken: BTreeMap<TaskId, BTreeSet<String>> = BTreeMap::new();
        let mut given: Vec<(String, Interval)> = Vec::new();
        for (told, server) in self.told.iter().zip(&self.servers) {
            let Some(Server::Data(data)) = server else {
                continue;
            };
            let mut has: BTreeMap<Rc<str>, Part> = BTreeMap::new();
            let name = |task: &TaskId| -> Rc<str> { task.to_string().into() };
            let held = data.holds().held().keys();
            has.extend(held.map(|task| (name(task), Part::Hold)));
            let of_data = data.holds().taken_so_far();
            has.extend(of_data.keys().map(|task| (name(task), Part::Take)));
            if *told != has {
                faults.push(format!("a server has {has:?}, and says {told:?}"));
            }
            for (&task, meeting) in of_data {
                taken
                    .entry(task)
                    .or_default()
                    .extend(meeting.names.iter().cloned());
                let names = meeting.names.iter();
                given.extend(names.map(|name| (name.clone(), meeting.stretch)));
            }
        }
        for (task, names) in &taken {
            if self.asked.get(task) != Some(names) {
                faults.push(format!(
                    "{task} is half done: {names:?} of {:?}",
                    self.asked.get(task)
                ));
            }
        }
        given.sort();
        for pair in given.windows(2) {
            let [(name, one), (other, two)] = pair else {
                continue;
            };
            if name == other && two.start() < one.end() {
                faults.push(format!("{name} has {one} and {two}"));
            }
        }
        let verdict = Promise::new(&self.settings).judge(&self.calls, STEPS_MAX);
        if verdict != Verdict::Valid {
            faults.push(format!("{verdict}"));
        }
        faults
    }

    /// How many calls ended so.
    pub(super) fn count(&self, is_such: fn(&Reply) -> bool) -> usize {
        let told = self
            .calls
            .iter()
            .filter_map(|timed| timed.call.told.as_deref());
        let replies = told.filter_map(|told| Reply::decode(told).ok());
        replies.filter(is_such).count()
    }
}
