//! A server that is asked directly, in several lives on one disk.

use std::net::SocketAddr;

use wavetank::clock::Time;
use wavetank::disk::{Batch, DiskFate, SimDisk, Store, StoreError};
use wavetank::id::{ClientId, HostId};
use wavetank::net::Label;
use wavetank::rpc::message::{Message, Refused};
use wavetank::rpc::origin::Origin;
use wavetank::rpc::output::{Action, Output};
use wavetank::rpc::reply_cache::Limits;
use wavetank::rpc::server::{RestoreError, RpcServer};
use wavetank::rpc::{CacheKind, Semantics};
use wavetank::seed::{Seed, Stream};
use wavetank::trace::Event;
use wavetank::wire::SharedBytes;

use crate::services::Ledger;

pub(crate) const ALICE: ClientId = ClientId(1);
pub(crate) const BOB: ClientId = ClientId(2);

/// A ledger on a disk, and how to make its next life.
pub(crate) struct Lives {
    pub(crate) disk: SimDisk,
    pub(crate) server: RpcServer,
    pub(crate) limits: Limits,
    doubt: Option<Doubt>,
    chance: Stream,
    lives: u32,
    pub(crate) now: Time,
}

/// A commit in which the disk failed, and the events that are true if it took place.
type Doubt = (Batch, Vec<Event>);

/// Keeps what a server does, and what is in doubt.
#[derive(Default)]
struct Kept {
    actions: Vec<Action>,
    doubt: Option<Doubt>,
}

impl Output for Kept {
    fn send(&mut self, to: SocketAddr, datagram: &SharedBytes, label: Option<Label>) {
        self.actions.send(to, datagram, label);
    }

    fn record(&mut self, event: Event) {
        self.actions.record(event);
    }

    fn wants_all_events(&self) -> bool {
        true
    }

    fn doubt(&mut self, batch: &Batch, events: Vec<Event>) {
        self.doubt = Some((batch.clone(), events));
    }
}

/// What a server did with a datagram.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Done {
    pub(crate) sent: Vec<Vec<u8>>,
    /// Words of events, receiving left out.
    pub(crate) words: Vec<&'static str>,
}

impl Lives {
    /// The first life, on an empty disk.
    pub(crate) fn new(kind: CacheKind, limits: Limits) -> Self {
        let disk = SimDisk::formatted();
        let server = server(kind, limits, 1, &disk).expect("an empty disk");
        let chance = Seed(7).stream("torn sectors");
        Self {
            disk,
            server,
            limits,
            doubt: None,
            chance,
            lives: 1,
            now: Time::ZERO,
        }
    }

    /// The life ends, and another with a cache of this kind begins. Says what the trace had missed.
    pub(crate) fn restart(&mut self, kind: CacheKind, fate: DiskFate) -> Vec<Event> {
        self.disk.crash(fate, &mut self.chance);
        self.lives += 1;
        let mut store = Store::open(self.disk.backend()).expect("a disk in order");
        let found = self.doubt.take().filter(|(batch, _)| {
            let held = store.holds(batch);
            held.expect("a disk in order")
        });
        drop(store);
        let next = server(kind, self.limits, self.lives, &self.disk);
        self.server = next.expect("records of an earlier life");
        found.map_or_else(Vec::new, |(_, events)| events)
    }

    /// What comes of a datagram.
    pub(crate) fn receive(&mut self, datagram: &[u8]) -> Done {
        let (done, failure) = self.try_to_receive(datagram);
        failure.expect("the disk works");
        done
    }

    /// The same with a disk that may fail.
    pub(crate) fn try_to_receive(&mut self, datagram: &[u8]) -> (Done, Result<(), StoreError>) {
        let origin = Origin {
            address: ([10, 0, 0, 2], 1).into(),
            host: HostId(1),
            label: None,
        };
        let mut kept = Kept::default();
        let datagram = SharedBytes::from(datagram);
        let result = (self.server).receive(self.now, &origin, &datagram, &mut kept);
        self.doubt = kept.doubt;
        (done(kept.actions), result)
    }

    /// What comes of the timers that are due.
    pub(crate) fn fire_timers(&mut self) -> (Done, Result<(), StoreError>) {
        let mut actions = Vec::new();
        let result = self.server.fire_timers(self.now, &mut actions);
        (done(actions), result)
    }

    /// The session that a client gets.
    pub(crate) fn hello(&mut self, client: ClientId) -> u64 {
        let done = self.receive(&hello(client));
        match Message::decode(&done.sent[0]) {
            Ok(Message::Welcome { session, .. }) => session,
            other => panic!("no welcome: {other:?}"),
        }
    }
}

fn server(
    kind: CacheKind,
    limits: Limits,
    life: u32,
    disk: &SimDisk,
) -> Result<RpcServer, RestoreError> {
    let numbers = Seed(7).stream(&format!("sessions of life {life}"));
    let server = RpcServer::new(Box::<Ledger>::default(), None, Semantics::AtMostOnce);
    let server = server.with_reply_cache(kind, limits, numbers);
    let store = Store::open(disk.backend())?;
    server.with_store(Time::ZERO, store)
}

fn done(actions: Vec<Action>) -> Done {
    let mut done = Done::default();
    for action in actions {
        match action {
            Action::Send { datagram, .. } => done.sent.push(datagram.to_vec()),
            Action::Record(Event::Receive { .. }) => {}
            Action::Record(event) => done.words.push(event.word()),
        }
    }
    done
}

pub(crate) fn hello(client: ClientId) -> Vec<u8> {
    let sequence = 1;
    Message::Hello { client, sequence }.encode()
}

/// A request that waits for no other.
pub(crate) fn request(client: ClientId, session: u64, sequence: u32, body: &[u8]) -> Vec<u8> {
    request_that_awaits(client, session, sequence, sequence, body)
}

pub(crate) fn request_that_awaits(
    client: ClientId,
    session: u64,
    sequence: u32,
    awaited: u32,
    body: &[u8],
) -> Vec<u8> {
    Message::Request {
        client,
        session,
        sequence,
        awaited,
        body,
    }
    .encode()
}

/// It was executed, and replied to with this count.
pub(crate) fn executed(client: ClientId, sequence: u32, count: u8) -> Done {
    Done {
        sent: vec![reply(client, sequence, count)],
        words: vec!["execute"],
    }
}

/// It was a duplicate, and the stored reply with this count was sent.
pub(crate) fn stored(client: ClientId, sequence: u32, count: u8) -> Done {
    Done {
        sent: vec![reply(client, sequence, count)],
        words: vec!["filter"],
    }
}

pub(crate) fn reply(client: ClientId, sequence: u32, count: u8) -> Vec<u8> {
    let body = &[count];
    Message::Reply {
        client,
        sequence,
        body,
    }
    .encode()
}

/// It was refused, and not executed.
pub(crate) fn refused(client: ClientId, sequence: u32, reason: Refused) -> Done {
    let refusal = Message::Refused {
        client,
        sequence,
        reason,
    };
    Done {
        sent: vec![refusal.encode()],
        words: vec!["filter"],
    }
}
