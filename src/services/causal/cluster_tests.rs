//! Data centres on a bad network of the test's own, with crashes, judged by what sessions really know.
//!
//! The test keeps the whole past of each session and of each write, and forgets nothing. A data centre
//! that commits a write without its past, or answers a session without its past, violates causality.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Time;
use crate::id::{ClientId, ClientKey, HostId, OperationId, Version};
use crate::rpc::service::{Caller, Effect, Effects, Input, Service, Ticket, TimerKey};
use crate::seed::{Seed, Stream};
use crate::services::causal::message::{Answer, Ask, Reply};
use crate::services::causal::replica::Mode;
use crate::services::causal::server::CausalServer;
use crate::services::causal::session::Session;
use crate::services::causal::settings::Settings;
use crate::services::causal::write::Dependency;

const DATA_CENTRES: u16 = 4;
const SESSIONS: usize = 5;
const KEYS: u32 = 3;
const ROUNDS: u32 = 150;
/// In this time after the last fault everything has been said.
const SETTLE_MS: u64 = 200_000;

type Past = BTreeSet<Dependency>;
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Disk,
    Memory,
}

#[derive(Default)]
struct Client {
    session: Session,
    past: Past,
    at: u16,
    /// Where its call is under way.
    call: Option<u16>,
}

struct Cluster {
    settings: Settings,
    state: State,
    now: Time,
    chance: Stream,
    loss: u32,
    servers: Vec<Option<CausalServer>>,
    timers: Vec<Option<Time>>,
    records: Vec<Records>,
    mail: BTreeMap<(Time, u64), (u16, u16, Vec<u8>)>,
    sent: u64,
    clients: Vec<Client>,
    pasts: BTreeMap<Version, Past>,
    violations: Vec<String>,
    stalls: u32,
}

impl Cluster {
    fn new(seed: u64, mode: Mode, state: State) -> Self {
        let settings = Settings {
            data_centres: DATA_CENTRES,
            mode,
            replication_timeout: std::time::Duration::from_millis(300),
            ..Settings::default()
        };
        let client = |number: usize| Client {
            at: number as u16 % DATA_CENTRES,
            ..Client::default()
        };
        let places = || 0..DATA_CENTRES;
        Self {
            state,
            now: Time::ZERO,
            chance: Seed(seed).stream("cluster"),
            loss: 20,
            servers: places()
                .map(|place| Some(CausalServer::new(settings.clone(), place)))
                .collect(),
            timers: places().map(|_| None).collect(),
            records: places().map(|_| Records::new()).collect(),
            mail: BTreeMap::new(),
            sent: 0,
            clients: (0..SESSIONS).map(client).collect(),
            pasts: BTreeMap::new(),
            violations: Vec::new(),
            stalls: 0,
            settings,
        }
    }

    fn step(&mut self, place: u16, input: Input<'_>) {
        let mut effects = self.effects();
        if let Some(server) = &mut self.servers[usize::from(place)] {
            server.step(self.now, input, &mut effects);
        }
        self.carry_out(place, &effects);
    }

    fn effects(&self) -> Effects {
        match self.state {
            State::Disk => Effects::default().with_records(),
            State::Memory => Effects::default(),
        }
    }

    fn carry_out(&mut self, place: u16, effects: &Effects) {
        let index = usize::from(place);
        let mut commits = Vec::new();
        for effect in effects.iter() {
            match effect {
                Effect::Store { key, value } => {
                    match value {
                        Some(value) => self.records[index].insert(key.to_vec(), value.to_vec()),
                        None => self.records[index].remove(key),
                    };
                }
                Effect::Send { to, body, .. } => self.send(place, to, body),
                Effect::SetTimer(_, at) => self.timers[index] = Some(at),
                Effect::Commit(commit) => {
                    if let Some(OperationId { client, .. }) = commit.operation
                        && commit.version.replica == place
                    {
                        let past = self.clients[client.index()].past.clone();
                        self.pasts.insert(commit.version, past);
                    }
                    commits.push(commit.version);
                }
                Effect::Complete { ticket, reply } => self.hear(place, ticket, reply),
                Effect::Tell(..) => self.stalls += 1,
                Effect::Push { .. }
                | Effect::Lock(_)
                | Effect::Transaction(_)
                | Effect::Stop(_) => {
                    panic!("no client is told, no lock or part taken, and nobody stops")
                }
            }
        }
        for version in commits {
            let past = self.pasts.get(&version).cloned().unwrap_or_default();
            self.check(place, &past, &format!("commits {version}"));
        }
    }

    fn send(&mut self, from: u16, to: u16, body: &[u8]) {
        let copies = match self.chance.below(100) {
            percent if percent < self.loss => 0,
            percent if percent < self.loss + 10 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let delay = 1 + u64::from(self.chance.below(30) * self.chance.below(30));
            self.sent += 1;
            let due = (Time::from_ms(self.now.as_ms() + delay), self.sent);
            self.mail.insert(due, (from, to, body.to_vec()));
        }
    }

    fn hear(&mut self, place: u16, Ticket(number): Ticket, reply: &[u8]) {
        let reply = Reply::decode(reply).expect("servers reply in their own format");
        let index = number as usize % SESSIONS;
        let client = &mut self.clients[index];
        client.call = None;
        let past = client.past.clone();
        let mut read = Vec::new();
        match &reply.answer {
            Answer::Refused(_) => return,
            Answer::Found(entry) => read.push(entry.write.clone()),
            Answer::Put(write) => read.push(write.clone()),
            Answer::Listed { entries, .. } => {
                read.extend(entries.iter().map(|entry| entry.write.clone()));
            }
            Answer::Attached { to } => client.at = *to,
            Answer::Nothing => {}
        }
        for write in read {
            let before = self.pasts.get(&write.version).cloned().unwrap_or_default();
            client.past.extend(before);
            client.past.insert(write);
        }
        client.session.hear(reply).expect("the session has room");
        self.check(place, &past, &format!("answers session {index}"));
    }

    fn check(&mut self, place: u16, past: &Past, what: &str) {
        let Some(server) = &self.servers[usize::from(place)] else {
            return;
        };
        let is_here = |write: &&Dependency| {
            server
                .replica()
                .has_committed(write.origin(), write.sequence)
        };
        if let Some(missing) = past.iter().find(|write| !is_here(write)) {
            let (now, version) = (self.now, missing.version);
            let violation = format!("{now}: dc{place} {what} without {} {version}", missing.key);
            self.violations.push(violation);
        }
    }

    fn call(&mut self, number: usize, round: u32) {
        let key = format!("k{}", self.chance.below(KEYS));
        let client = &self.clients[number];
        let mut at = client.at;
        let ask = match self.chance.below(10) {
            0..4 => Ask::Put {
                key,
                value: format!("{number}-{round}"),
                author: format!("client-{number}"),
            },
            4..8 => Ask::Get { key },
            8 => Ask::List,
            _ => {
                at = self.chance.below(DATA_CENTRES.into()) as u16;
                Ask::Attach { to: at }
            }
        };
        if client.call.is_some() || self.servers[usize::from(at)].is_none() {
            return;
        }
        let body = client.session.request(ask).encode();
        self.clients[number].call = Some(at);
        let caller = Caller {
            client: ClientKey::Id(ClientId(number as u64)),
            address: ([10, 0, 0, 1], 1).into(),
            operation: OperationId {
                client: HostId(number as u16),
                number: round,
            },
        };
        let ticket = Ticket(u64::from(round) * SESSIONS as u64 + number as u64);
        let (caller, body) = (&caller, &body);
        let input = Input::Request {
            ticket,
            caller,
            body,
        };
        self.step(at, input);
    }

    fn crash(&mut self, place: u16) {
        self.servers[usize::from(place)] = None;
        self.timers[usize::from(place)] = None;
        for client in &mut self.clients {
            client.call = client.call.filter(|&at| at != place);
        }
    }

    fn restart(&mut self, place: u16) {
        let index = usize::from(place);
        let mut server =
            CausalServer::new(self.settings.clone(), place).with_life(self.chance.next_u32());
        let mut effects = self.effects();
        match self.state {
            State::Disk => {
                let mut records = self.records[index].clone().into_iter();
                server
                    .restore(self.now, &mut records, &mut effects)
                    .unwrap();
            }
            State::Memory => server.begin_again(self.now, &mut effects),
        }
        self.servers[index] = Some(server);
        self.carry_out(place, &effects);
    }

    /// Lets mail arrive and timers run out until then.
    fn run_until(&mut self, until: Time) {
        loop {
            let mail = self.mail.keys().next().map(|(due, _)| *due);
            let timers = self.timers.iter().copied().enumerate();
            let timer = timers
                .filter_map(|(place, at)| Some((at?, place as u16)))
                .min();
            let next = mail.into_iter().chain(timer.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|&next| next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            if mail == Some(next) {
                let (_, (from, to, body)) = self.mail.pop_first().expect("it was there");
                let body = &body;
                let about = None;
                self.step(to, Input::Peer { from, about, body });
            } else if let Some((_, place)) = timer {
                self.timers[usize::from(place)] = None;
                self.step(place, Input::Timer(TimerKey(0)));
            }
        }
        self.now = until;
    }

    fn advance(&mut self, span_ms: u64) {
        self.run_until(Time::from_ms(self.now.as_ms() + span_ms));
    }

    fn are_settled(&self) -> bool {
        self.servers.iter().flatten().all(Service::is_settled)
    }

    /// Calls, crashes and restarts on a bad network; then peace.
    fn live(&mut self, crashes: bool) {
        for round in 0..ROUNDS {
            let span = self.chance.below(40);
            self.advance(span.into());
            let number = self.chance.below(SESSIONS as u32) as usize;
            self.call(number, round);
            let place = self.chance.below(DATA_CENTRES.into()) as u16;
            let is_down = self.servers[usize::from(place)].is_none();
            let luck = self.chance.below(100);
            let may_crash = match self.state {
                State::Disk => true,
                State::Memory => self.servers.iter().all(Option::is_some) && self.are_whole(),
            };
            if is_down && luck < 20 {
                self.restart(place);
            } else if crashes && may_crash && !is_down && luck < 5 {
                self.crash(place);
            }
        }
        for place in 0..DATA_CENTRES {
            if self.servers[usize::from(place)].is_none() {
                self.restart(place);
            }
        }
        self.loss = 0;
        self.advance(SETTLE_MS);
    }

    fn are_whole(&self) -> bool {
        self.servers
            .iter()
            .flatten()
            .all(|server| !server.is_recovering)
    }

    /// What each data centre holds.
    fn states(&self) -> Vec<String> {
        let servers = self.servers.iter().flatten();
        let state =
            |server: &CausalServer| format!("{:?}", server.replica().keys().collect::<Vec<_>>());
        servers.map(state).collect()
    }
}

/// The violations of so many runs, which all settle and converge.
fn violations(seeds: u64, mode: Mode, state: State, crashes: bool) -> Vec<String> {
    let mut violations = Vec::new();
    let mut stalls = 0;
    for seed in 0..seeds {
        let mut cluster = Cluster::new(seed, mode, state);
        cluster.live(crashes);
        assert!(cluster.are_settled(), "seed {seed}, {mode:?}, {state:?}");
        let states = cluster.states();
        for state in &states {
            assert_eq!(state, &states[0], "seed {seed}, {mode:?}");
        }
        stalls += cluster.stalls;
        let found = cluster.violations.into_iter();
        violations.extend(found.map(|violation| format!("seed {seed}, {violation}")));
    }
    assert_eq!(
        stalls > 0,
        mode != Mode::Eventual,
        "writes stall on such a network"
    );
    violations
}

#[test]
fn causal_data_centres_never_show_an_effect_without_its_cause() {
    assert_eq!(violations(40, Mode::Causal, State::Disk, false), [""; 0]);
}

#[test]
fn nor_if_they_crash_and_have_disks() {
    assert_eq!(violations(60, Mode::Causal, State::Disk, true), [""; 0]);
}

#[test]
fn nor_if_they_lose_their_memory() {
    assert_eq!(violations(60, Mode::Causal, State::Memory, true), [""; 0]);
}

#[test]
fn each_other_mode_does_now_and_then() {
    for mode in [Mode::Eventual, Mode::NewerStandsIn, Mode::ForgetEarly] {
        let violations = violations(40, mode, State::Disk, false);
        assert!(!violations.is_empty(), "{mode:?}");
    }
}
