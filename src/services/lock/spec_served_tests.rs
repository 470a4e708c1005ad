//! The spec against the server: what clients of it are told is right, whatever happens, and is not where a
//! protection is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::Duration;

use super::*;
use crate::check::Verdict;
use crate::check::linearizable::Timed;
use crate::check::sequential::{Call, STEPS_MAX, Specification};
use crate::clock::Time;
use crate::id::{ClientId, ClientKey, HostId, OperationId};
use crate::rpc::service::{Caller, Effect, Effects, Input, Record, Service, Ticket, TimerKey};
use crate::seed::{Seed, Stream};
use crate::services::lock::load::Load;
use crate::services::lock::server::LockServer;
use crate::services::lock::settings::{Protection, Settings};

const CLIENTS: u16 = 4;
const FILES: u16 = 2;
const ACTS: u32 = 400;

/// A server, its disk, and its clients, none of which has a second call under way.
struct World {
    settings: Settings,
    server: LockServer,
    disk: BTreeMap<Vec<u8>, Vec<u8>>,
    now: Time,
    timer: Option<(TimerKey, Time)>,
    tickets: u64,
    clients: Vec<Player>,
    calls: Vec<Timed<Call>>,
    /// The place of the next begin or end.
    place: u64,
    /// What the server has replied, and no client has taken in yet.
    replies: Vec<(Ticket, Vec<u8>)>,
    /// The kinds of replies that clients were told.
    seen: BTreeSet<String>,
}

struct Player {
    load: Load,
    tokens: BTreeMap<FileId, u64>,
    /// Its call, and the ticket of its last copy.
    waits: Option<(usize, Ticket)>,
}

impl World {
    fn new(settings: Settings) -> Self {
        let player = |number| Player {
            load: Load::new(FILES, format!("c{number}")),
            tokens: BTreeMap::new(),
            waits: None,
        };
        let mut world = Self {
            server: LockServer::new(settings.clone()),
            settings,
            disk: BTreeMap::new(),
            now: Time::from_ms(0),
            timer: None,
            tickets: 0,
            clients: (0..CLIENTS).map(player).collect(),
            calls: Vec::new(),
            place: 0,
            replies: Vec::new(),
            seen: BTreeSet::new(),
        };
        world.restart();
        world
    }

    /// One client begins a call, or gives its call up; time passes; now and then the server crashes.
    fn act(&mut self, chance: &mut Stream) {
        let client = chance.below(CLIENTS.into()) as usize;
        match (chance.below(100), self.clients[client].waits) {
            (0..2, _) => self.restart(),
            (2..30, _) => self.pass(Duration::from_millis(chance.below(900).into())),
            (30..34, Some(_)) => self.clients[client].waits = None,
            (_, Some(_)) => {}
            (kind, None) => self.begin(client, kind, chance),
        }
    }

    fn begin(&mut self, client: usize, kind: u32, chance: &mut Stream) {
        let verb = match kind {
            30..45 => "acquire",
            45..70 => "append",
            70..83 => "release",
            83..94 => "read",
            94..98 => "renew",
            _ => "close",
        };
        let Player { load, tokens, .. } = &mut self.clients[client];
        let held = tokens.keys().copied().collect();
        let body = load.generate(verb, &held, chance).unwrap().body;
        let request = with_token(Request::decode(&body).unwrap(), tokens);
        self.calls.push(Timed {
            call: Call {
                request: request.encode().into(),
                told: None,
            },
            began: self.place,
            ended: None,
            name: format!("call {}", self.calls.len()),
        });
        self.place += 1;
        self.send(client, self.calls.len() - 1);
        // Its reply is lost, and it gives up.
        if chance.below(20) == 0 {
            self.clients[client].waits = None;
        }
        self.hear_all();
    }

    fn send(&mut self, client: usize, call: usize) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.clients[client].waits = Some((call, ticket));
        let number = client as u16;
        let caller = Caller {
            client: ClientKey::Id(ClientId(number.into())),
            address: ([10, 0, 0, 1], number).into(),
            operation: OperationId {
                client: HostId(number),
                number: 1,
            },
        };
        let body = self.calls[call].call.request.clone();
        self.step(Input::Request {
            ticket,
            caller: &caller,
            body: &body,
        });
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some((key, due)) = self.timer.filter(|(_, due)| *due <= until) {
            self.timer = None;
            self.now = self.now.max(due);
            self.step(Input::Timer(key));
        }
        self.now = until;
        self.hear_all();
    }

    /// A new life of the server, which gets a copy of each request that waits.
    fn restart(&mut self) {
        self.server = LockServer::new(self.settings.clone());
        self.timer = None;
        let mut effects = Effects::default().with_records();
        let records: Vec<Record> = self.disk.clone().into_iter().collect();
        let mut records = records.into_iter();
        let restored = self.server.restore(self.now, &mut records, &mut effects);
        restored.unwrap();
        self.carry_out(&effects);
        for client in 0..self.clients.len() {
            if let Some((call, _)) = self.clients[client].waits {
                self.send(client, call);
            }
        }
        self.hear_all();
    }

    fn step(&mut self, input: Input<'_>) {
        let mut effects = Effects::default().with_records();
        self.server.step(self.now, input, &mut effects);
        self.carry_out(&effects);
    }

    fn carry_out(&mut self, effects: &Effects) {
        for effect in effects.iter() {
            match effect {
                Effect::Complete { ticket, reply } => self.replies.push((ticket, reply.to_vec())),
                Effect::SetTimer(key, due) => self.timer = Some((key, due)),
                Effect::Store { key, value } => {
                    match value {
                        Some(value) => self.disk.insert(key.to_vec(), value.to_vec()),
                        None => self.disk.remove(key),
                    };
                }
                _ => {}
            }
        }
    }
}

impl World {
    /// Clients take in the replies to the calls that they wait for.
    fn hear_all(&mut self) {
        for (ticket, reply) in mem::take(&mut self.replies) {
            let waits = |client: &&mut Player| client.waits.is_some_and(|(_, it)| it == ticket);
            let Some(client) = self.clients.iter_mut().find(waits) else {
                continue;
            };
            let Some((call, _)) = client.waits.take() else {
                continue;
            };
            let Timed { call, ended, .. } = &mut self.calls[call];
            let request = Request::decode(&call.request).unwrap();
            let told = Reply::decode(&reply).unwrap();
            client.learn(&request, &told);
            self.seen.insert(kind(&told));
            call.told = Some(reply.as_slice().into());
            *ended = Some(self.place);
            self.place += 1;
        }
    }

    fn verdict(&self) -> Verdict {
        LockSpec::new(self.settings.locks).judge(&self.calls, STEPS_MAX)
    }
}

impl Player {
    /// Keeps tokens as a client does that does not forget soon: it comes with stale ones, too.
    fn learn(&mut self, request: &Request<'_>, told: &Reply<'_>) {
        let file = about(request).and_then(|(name, _)| FileId::named(name));
        match (told, file) {
            (Reply::Granted(lease), Some(_)) if lease.is_global => {
                let all = FileId::all().take(FILES.into());
                self.tokens = all.map(|file| (file, lease.token)).collect();
            }
            (Reply::Granted(lease), Some(file)) => {
                self.tokens.insert(file, lease.token);
            }
            (Reply::Released { token }, _) => self.tokens.retain(|_, held| held != token),
            (Reply::Refused(_), Some(file)) => {
                self.tokens.remove(&file);
            }
            _ => {}
        }
    }
}

fn with_token<'a>(request: Request<'a>, tokens: &BTreeMap<FileId, u64>) -> Request<'a> {
    let mine = |file: &str| {
        let file = FileId::named(file).expect("load is on files");
        tokens.get(&file).copied().unwrap_or_default()
    };
    match request {
        Request::Renew { file, number, .. } => Request::Renew {
            token: mine(&file),
            file,
            number,
        },
        Request::Release { file, .. } => Request::Release {
            token: mine(&file),
            file,
        },
        Request::Append { file, text, .. } => Request::Append {
            token: mine(&file),
            file,
            text,
        },
        Request::Read { file, from, .. } => Request::Read {
            token: mine(&file),
            file,
            from,
        },
        other => other,
    }
}

/// The first word of a reply, or the refusal.
fn kind(told: &Reply<'_>) -> String {
    match told {
        Reply::Refused(refusal) => refusal.to_string(),
        Reply::Text { token: 0, .. } => "Text of others".to_owned(),
        other => format!("{other:?}")
            .split([' ', '('])
            .next()
            .unwrap()
            .to_owned(),
    }
}

/// What clients are told in a run of this seed.
fn run(seed: u64, settings: Settings) -> World {
    let mut chance = Seed(seed).stream("world");
    let mut world = World::new(settings);
    for _ in 0..ACTS {
        world.act(&mut chance);
    }
    world
}

#[test]
fn whatever_a_server_tells_is_right() {
    let mut seen = BTreeSet::new();
    for seed in 0..30 {
        for locks in [Locks::PerFile, Locks::Global] {
            let settings = Settings {
                locks,
                silence: Duration::from_secs(3),
                ..Settings::default()
            };
            let world = run(seed, settings);
            assert_eq!(world.verdict(), Verdict::Valid, "seed {seed}, {locks:?}");
            seen.extend(world.seen);
        }
    }
    let expected = [
        "Disconnected",
        "Granted",
        "Released",
        "Renewed",
        "Staged",
        "Text",
        "Text of others",
        "lease lost: acquire again",
        "not the holder",
        "skipped: silent for too long",
    ];
    assert!(seen.iter().map(String::as_str).eq(expected), "{seen:?}");
}

#[test]
fn what_a_server_tells_without_a_protection_is_wrong() {
    for without in [
        Protection::Fencing,
        Protection::Staging,
        Protection::RenewalCheck,
        Protection::DurableTokens,
    ] {
        let settings = || Settings {
            without: [without].into(),
            ..Settings::default()
        };
        let is_caught =
            |seed: &u64| matches!(run(*seed, settings()).verdict(), Verdict::Violated(_));
        let caught = (0..10).filter(is_caught).count();
        assert!(caught >= 5, "{without:?}: caught at {caught} of 10 seeds");
    }
}
