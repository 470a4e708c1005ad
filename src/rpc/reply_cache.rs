//! The reply cache: how a server recognizes duplicates and answers them without executing them again.
//!
//! Also known as the duplicate request cache (Juszczak, Improving the Performance and Correctness of
//! an NFS Server, 1989). This one lives in memory: what is not in it is new, so it does not survive
//! a crash, nor does it keep a reply beyond its age limit.
//!
//! What bounds it:
//! - a client of format v2 says with each request which is the lowest sequence number that it still
//!   waits for; replies below it are forgotten, and a late duplicate from below is ignored. So the
//!   cache costs memory per client, not per request;
//! - a reply is kept for [`Limits::age`] at most, and so is a client that is silent;
//! - a client may have [`Limits::replies_per_client`] requests in progress or not acknowledged, and
//!   there are at most [`Limits::clients`] and [`Limits::bytes`]: beyond that, new requests are
//!   refused. What is in progress or not acknowledged is never dropped to make room, and the reply to
//!   what is in progress always finds room;
//! - a client of format v1 cannot acknowledge, so its oldest stored reply makes room: one of the
//!   weaknesses of that format.
//!
//! Pure: the time comes in as an argument.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::Time;
use crate::id::{ClientId, ClientKey, RequestId};
use crate::wire::SharedBytes;

/// What a reply cache may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Clients, in all. The default is 100,000: about 30 MB of clients with one small reply each.
    pub clients: usize,
    /// Requests of one client that are in progress or not acknowledged. The default is 256: more than
    /// any client of this crate has under way, and little enough that one client cannot fill memory.
    pub replies_per_client: usize,
    /// Request bodies and replies that are kept, and [`REQUEST_BYTES`] for each request, in all. The
    /// default is 64 MiB: room for every client's small reply, and what a small machine can spare.
    /// Without it, clients with large bodies could fill memory long before they are too many.
    pub bytes: usize,
    /// How long a reply is kept, and a silent client. The default is 300 s, the seed's.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 100_000,
            replies_per_client: 256,
            bytes: 64 * 1024 * 1024,
            age: Duration::from_secs(300),
        }
    }
}

/// What a remembered request costs besides body and reply, in bytes: its place in the cache, and the
/// envelopes that are kept with both. So that empty requests count, too.
pub const REQUEST_BYTES: usize = 128;

/// What a server is to do with a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Admission {
    /// Execute it. The cache has it down as in progress until [`ReplyCache::complete`].
    New,
    /// Say that it is in progress.
    InProgress,
    /// Send this reply again.
    Stored(SharedBytes),
    /// Do nothing: the client has said that it waits for it no longer.
    Acknowledged,
    /// Refuse it: the same request id came with another body.
    DifferentBody,
    /// Refuse it: the cache is full.
    Full,
}

/// The reply cache.
#[derive(Debug)]
pub struct ReplyCache {
    limits: Limits,
    clients: Clients,
    /// What all remembered requests cost.
    bytes: usize,
    next_sweep: Time,
}

/// All clients: their keys are compared often, and those of one format among themselves quickly.
#[derive(Debug, Default)]
struct Clients {
    by_id: BTreeMap<ClientId, ClientRecord>,
    by_address: BTreeMap<SocketAddr, ClientRecord>,
}

#[derive(Debug)]
struct ClientRecord {
    /// The lowest sequence number that the client still waits for, as far as it has said.
    awaited: u32,
    last_heard: Time,
    /// In order of sequence numbers.
    requests: Vec<Remembered>,
}

#[derive(Debug)]
struct Remembered {
    sequence: u32,
    body: SharedBytes,
    reply: Option<StoredReply>,
}

#[derive(Debug)]
struct StoredReply {
    body: SharedBytes,
    since: Time,
}

impl ReplyCache {
    /// An empty cache.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            clients: Clients::default(),
            bytes: 0,
            next_sweep: Time::ZERO,
        }
    }

    /// Says what to do with a request that has just arrived. `awaited` is the lowest sequence number
    /// that its client still waits for; 0 where the format does not say.
    pub fn admit(
        &mut self,
        now: Time,
        request: RequestId,
        awaited: u32,
        body: &SharedBytes,
    ) -> Admission {
        self.sweep(now);
        let RequestId { client, sequence } = request;
        let limits = self.limits;
        let cost = REQUEST_BYTES + body.len();
        let room = self.clients.len() < limits.clients && self.bytes + cost <= limits.bytes;
        let Some(record) = self.clients.get_or_insert(client, now, room) else {
            return Admission::Full;
        };
        record.last_heard = now;
        record.awaited = record.awaited.max(awaited);
        if self.bytes + cost <= limits.bytes
            && let Some(freed) = record.succeed(sequence, body)
        {
            self.bytes = self.bytes + cost - freed;
            return Admission::New;
        }
        self.bytes -= record.forget(now, limits.age);
        if sequence < record.awaited {
            return Admission::Acknowledged;
        }
        match record.place(sequence) {
            Ok(place) => record.requests[place].duplicate(client, body),
            Err(_) if self.bytes + cost > limits.bytes => Admission::Full,
            Err(_) => {
                let Some(freed) = record.make_room(client, limits.replies_per_client) else {
                    return Admission::Full;
                };
                self.bytes = self.bytes + cost - freed;
                record.insert(Remembered {
                    sequence,
                    body: body.clone(),
                    reply: None,
                });
                Admission::New
            }
        }
    }

    /// Stores the reply to a request that was in progress.
    pub fn complete(&mut self, now: Time, request: RequestId, reply: &SharedBytes) {
        let Some(record) = self.clients.get_mut(request.client) else {
            return;
        };
        let Ok(place) = record.place(request.sequence) else {
            return;
        };
        let known = &mut record.requests[place];
        if request.sequence < record.awaited {
            self.bytes -= known.bytes();
            record.requests.remove(place);
        } else {
            let body = reply.clone();
            let before = known.reply.replace(StoredReply { body, since: now });
            self.bytes -= before.map_or(0, |before| before.body.len());
            self.bytes += reply.len();
        }
    }

    /// How many requests are remembered, in all.
    #[must_use]
    pub fn len(&self) -> usize {
        let records = self.clients.records();
        records.map(|record| record.requests.len()).sum()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets clients that have long been silent; a tenth of the age limit is often enough.
    fn sweep(&mut self, now: Time) {
        if now < self.next_sweep {
            return;
        }
        let age = self.limits.age;
        self.next_sweep = now + age / 10;
        let Self { clients, bytes, .. } = self;
        clients.retain(|record| {
            *bytes -= record.forget(now, age);
            !record.requests.is_empty() || now - record.last_heard < age
        });
    }
}

impl Clients {
    fn len(&self) -> usize {
        self.by_id.len() + self.by_address.len()
    }

    fn records(&self) -> impl Iterator<Item = &ClientRecord> {
        self.by_id.values().chain(self.by_address.values())
    }

    fn get_mut(&mut self, client: ClientKey) -> Option<&mut ClientRecord> {
        match client {
            ClientKey::Id(id) => self.by_id.get_mut(&id),
            ClientKey::Address(address) => self.by_address.get_mut(&address),
        }
    }

    /// The record of a client; a new one if it has none and there is room.
    fn get_or_insert(
        &mut self,
        client: ClientKey,
        now: Time,
        room: bool,
    ) -> Option<&mut ClientRecord> {
        match client {
            ClientKey::Id(id) => get_or_insert(&mut self.by_id, id, now, room),
            ClientKey::Address(address) => get_or_insert(&mut self.by_address, address, now, room),
        }
    }

    fn retain(&mut self, mut keeps: impl FnMut(&mut ClientRecord) -> bool) {
        self.by_id.retain(|_, record| keeps(record));
        self.by_address.retain(|_, record| keeps(record));
    }
}

fn get_or_insert<K: Ord>(
    records: &mut BTreeMap<K, ClientRecord>,
    key: K,
    now: Time,
    room: bool,
) -> Option<&mut ClientRecord> {
    match records.entry(key) {
        Entry::Occupied(known) => Some(known.into_mut()),
        Entry::Vacant(new) if room => Some(new.insert(ClientRecord::new(now))),
        Entry::Vacant(_) => None,
    }
}

impl ClientRecord {
    const fn new(now: Time) -> Self {
        Self {
            awaited: 0,
            last_heard: now,
            requests: Vec::new(),
        }
    }

    /// The place of a request, or where it would be.
    fn place(&self, sequence: u32) -> Result<usize, usize> {
        match &self.requests[..] {
            [known] if known.sequence == sequence => Ok(0),
            requests => requests.binary_search_by_key(&sequence, |known| known.sequence),
        }
    }

    /// Lets a new request take the place of the only one, if that is complete and no longer waited for:
    /// so it is with clients that have one call under way, and nothing need be looked through. Says how
    /// many bytes that frees.
    fn succeed(&mut self, sequence: u32, body: &SharedBytes) -> Option<usize> {
        let [known] = &mut self.requests[..] else {
            return None;
        };
        let is_over = known.reply.is_some() && known.sequence < self.awaited;
        if !is_over || sequence < self.awaited {
            return None;
        }
        let freed = known.bytes();
        known.sequence = sequence;
        known.body = body.clone();
        known.reply = None;
        Some(freed)
    }

    /// Forgets replies that the client no longer waits for, and old ones; what is in progress stays
    /// until it is complete. Says how many bytes that frees.
    fn forget(&mut self, now: Time, age: Duration) -> usize {
        let awaited = self.awaited;
        let is_over = |known: &Remembered| match &known.reply {
            Some(reply) => known.sequence < awaited || now - reply.since >= age,
            None => false,
        };
        let mut freed = 0;
        self.requests.retain(|known| {
            let is_over = is_over(known);
            if is_over {
                freed += known.bytes();
            }
            !is_over
        });
        freed
    }

    /// Makes room for one more request, if need be in the place of a stored reply of format v1. Says
    /// how many bytes that frees; `None` if there is no room.
    fn make_room(&mut self, client: ClientKey, limit: usize) -> Option<usize> {
        if self.requests.len() < limit {
            return Some(0);
        }
        if let ClientKey::Id(_) = client {
            return None;
        }
        let oldest = (0..self.requests.len())
            .filter_map(|place| Some((self.requests[place].reply.as_ref()?.since, place)))
            .min();
        oldest.map(|(_, place)| self.requests.remove(place).bytes())
    }

    fn insert(&mut self, request: Remembered) {
        let place = self
            .requests
            .partition_point(|known| known.sequence < request.sequence);
        self.requests.insert(place, request);
    }
}

impl Remembered {
    /// What it costs.
    fn bytes(&self) -> usize {
        let reply = self.reply.as_ref().map_or(0, |reply| reply.body.len());
        REQUEST_BYTES + self.body.len() + reply
    }

    /// What to do with a request of the same id. Format v1 does not compare bodies: the seed's
    /// servers do not, and its stories show what follows.
    fn duplicate(&self, client: ClientKey, body: &SharedBytes) -> Admission {
        let compares = matches!(client, ClientKey::Id(_));
        match &self.reply {
            _ if compares && self.body != *body => Admission::DifferentBody,
            None => Admission::InProgress,
            Some(reply) => Admission::Stored(reply.body.clone()),
        }
    }
}

#[cfg(test)]
#[path = "reply_cache_tests.rs"]
mod tests;
