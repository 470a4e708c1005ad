//! The reply cache: how a server recognizes duplicates and answers them without executing them again.
//!
//! Also known as the duplicate request cache (Juszczak, Improving the Performance and Correctness of
//! an NFS Server, 1989). This one lives in memory: what is not in it is new, so it does not survive
//! a crash, nor does it keep a reply beyond its age limit.
//!
//! What bounds it:
//! - a client of format v2 says with each request which is the lowest sequence number that it still
//!   waits for; replies below it are forgotten, and a late duplicate from below is ignored. So the
//!   cache costs memory per client, not per request. What still waits below it is abandoned by the
//!   server, and forgotten too;
//! - a reply is kept for [`Limits::age`] at most, and so is a client that is silent;
//! - a client may have [`Limits::replies_per_client`] requests in progress or not acknowledged, and
//!   there are at most [`Limits::clients`] and [`Limits::bytes`]: beyond that, new requests are
//!   refused. What is in progress or not acknowledged is never dropped to make room, and the reply to
//!   what is in progress always finds room;
//! - a client of format v1 cannot acknowledge, so its oldest stored reply makes room: one of the
//!   weaknesses of that format.
//!
//! So a cache of the kind `memory` executes again what it does not remember: after a crash, or after
//! the age limit. The other kinds know clients by *sessions*, which they give on a hello:
//! - a request is admitted in its client's living session only. What belongs to a session that is not
//!   known, of an earlier server life or expired, is refused and never executed;
//! - a session lives until its client has been silent for [`Limits::age`]; as long as it lives, the
//!   replies that the client still waits for are kept, however old;
//! - with the kind `durable`, sessions and replies are also records of the server's disk. What changes
//!   goes to a [`Batch`], which is to be committed together with the effects of the request;
//! - a request that waited when its server's life ended and whose step had stored something cannot be
//!   executed again, and nobody will ever complete it: its duplicates are refused, as if its session had
//!   expired. One whose step had stored nothing left nothing behind: its duplicate is new.
//!
//! Clients of format v1 have no sessions, and are remembered as by the kind `memory`.
//!
//! Pure: the time and the numbers of sessions come in as arguments.

use std::collections::btree_map::Entry;
use std::time::Duration;

use crate::clock::Time;
use crate::disk::Batch;
use crate::id::{ClientId, ClientKey, RequestId};
use crate::rpc::CacheKind;
use crate::rpc::message::NO_SESSION;
use crate::rpc::records::{self, Stored};
use crate::rpc::remembered::{ClientRecord, Clients, Remembered, StoredReply};
use crate::rpc::service::BadRecord;
use crate::wire::SharedBytes;

/// What a reply cache may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Clients, in all. The default is 100,000: about 70 MB of clients with one small reply each.
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

/// What a remembered request costs besides body and reply, in bytes: its place in the cache, the
/// envelopes that are kept with both, and the rest of the room that a short reply is written in. So that empty
/// requests count, too.
pub const REQUEST_BYTES: usize = 256;

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
    /// Refuse it: its session is not known, and so nobody knows whether an earlier copy was executed.
    SessionExpired,
}

/// The reply cache.
#[derive(Debug)]
pub struct ReplyCache {
    kind: CacheKind,
    limits: Limits,
    clients: Clients,
    /// What all remembered requests cost.
    bytes: usize,
    next_sweep: Time,
    /// Whether there is a disk for it: only with the kind `durable`.
    keeps_records: bool,
    /// What has changed and is not on the disk yet.
    changes: Batch,
}

impl ReplyCache {
    /// An empty cache.
    #[must_use]
    pub fn new(kind: CacheKind, limits: Limits) -> Self {
        Self {
            kind,
            limits,
            clients: Clients::default(),
            bytes: 0,
            next_sweep: Time::ZERO,
            keeps_records: false,
            changes: Batch::default(),
        }
    }

    /// Gives a client a session: the one that it has, or else a new one of the number `fresh`, drawn at random. `None`
    /// if the cache is full; [`NO_SESSION`] if it is of a kind without sessions.
    pub fn hello(&mut self, now: Time, client: ClientId, fresh: u64) -> Option<u64> {
        if !self.kind.has_sessions() {
            return Some(NO_SESSION);
        }
        self.sweep(now);
        self.expire(now, client);
        let room = self.clients.len() < self.limits.clients && self.bytes < self.limits.bytes;
        let key = ClientKey::Id(client);
        let record = self.clients.get_or_insert(key, now, room)?;
        if record.session == NO_SESSION {
            record.session = fresh.max(NO_SESSION + 1);
            if self.keeps_records {
                let (session, awaited) = (record.session, record.awaited);
                records::put_session(&mut self.changes, client, session, awaited);
            }
        }
        record.last_heard = now;
        Some(record.session)
    }

    /// Says what to do with a request that has just arrived. `awaited` is the lowest sequence number
    /// that its client still waits for; 0 where the format does not say.
    pub fn admit(
        &mut self,
        now: Time,
        request: RequestId,
        session: u64,
        awaited: u32,
        body: &SharedBytes,
    ) -> Admission {
        let RequestId { client, sequence } = &request;
        self.admit_from(now, (client, *sequence), (session, awaited), body)
    }

    /// The same. Most requests come from a client with one call under way, and are the one after its last.
    #[inline]
    pub(super) fn admit_from(
        &mut self,
        now: Time,
        (client, sequence): (&ClientKey, u32),
        (session, awaited): (u64, u32),
        body: &SharedBytes,
    ) -> Admission {
        let cost = REQUEST_BYTES + body.len();
        if let ClientKey::Id(client) = client
            && now < self.next_sweep
            && self.bytes + cost <= self.limits.bytes
            && !self.keeps_records
            && let Some(record) = self.clients.by_id.get_mut(client)
            && record.session == session
            && now < record.last_heard + self.limits.age
            && let Some(freed) = record.succeed(sequence, awaited, body)
        {
            record.last_heard = now;
            self.bytes = self.bytes + cost - freed;
            return Admission::New;
        }
        let client = *client;
        let request = RequestId { client, sequence };
        self.admit_any(now, request, session, awaited, body)
    }

    #[inline(never)]
    fn admit_any(
        &mut self,
        now: Time,
        request: RequestId,
        session: u64,
        awaited: u32,
        body: &SharedBytes,
    ) -> Admission {
        self.sweep(now);
        let RequestId { client, sequence } = request;
        let limits = self.limits;
        let cost = REQUEST_BYTES + body.len();
        let has_sessions = self.has_sessions(client);
        let room = self.clients.len() < limits.clients && self.bytes + cost <= limits.bytes;
        let Some(record) = (self.clients).get_or_insert(client, now, room && !has_sessions) else {
            return if has_sessions {
                Admission::SessionExpired
            } else {
                Admission::Full
            };
        };
        let age = (!has_sessions).then_some(limits.age);
        if record.session != session || (has_sessions && record.is_silent(now, limits.age)) {
            return Admission::SessionExpired;
        }
        record.last_heard = now;
        let changes = self.keeps_records.then_some(&mut self.changes);
        record.acknowledge(client, awaited, (now, age), changes);
        self.bytes -= record.forget(now, age);
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
                    interrupted: false,
                });
                Admission::New
            }
        }
    }

    /// Takes in ahead of a request what it says: that its client waits for nothing below `awaited` any
    /// more. Says whether that is to be believed: not if the session is not the client's.
    pub(super) fn acknowledge(
        &mut self,
        now: Time,
        client: ClientKey,
        session: u64,
        awaited: u32,
    ) -> bool {
        let age = (!self.has_sessions(client)).then_some(self.limits.age);
        let record = self.clients.get_mut(client);
        let Some(record) = record.filter(|record| record.session == session) else {
            return false;
        };
        let changes = self.keeps_records.then_some(&mut self.changes);
        record.acknowledge(client, awaited, (now, age), changes);
        true
    }

    /// Forgets a request in progress: its client no longer waits for it, or its reply is not worth the room.
    pub(super) fn forget(&mut self, request: RequestId) {
        let Some(record) = self.clients.get_mut(request.client) else {
            return;
        };
        if let Ok(place) = record.place(request.sequence) {
            self.bytes -= record.requests.remove(place).bytes();
            if let (true, ClientKey::Id(client)) = (self.keeps_records, request.client) {
                records::erase_request(&mut self.changes, client, request.sequence);
            }
        }
    }

    /// A client has sent something else than a request: a heartbeat. It is there, and keeps its session.
    pub(super) fn hear(&mut self, now: Time, client: ClientId) {
        let age = self.limits.age;
        if let Some(record) = self.clients.by_id.get_mut(&client)
            && !record.is_silent(now, age)
        {
            record.last_heard = now;
        }
    }

    /// A request that was admitted waits, and its step has stored something: a later life is to know.
    pub(super) fn wait(&mut self, request: RequestId) {
        let (true, ClientKey::Id(client)) = (self.keeps_records, request.client) else {
            return;
        };
        if let Some(record) = self.clients.by_id.get(&client)
            && let Ok(place) = record.place(request.sequence)
        {
            let body = &record.requests[place].body;
            records::put_request(&mut self.changes, client, request.sequence, body, None);
        }
    }

    /// Stores the reply to a request that was in progress.
    pub fn complete(&mut self, now: Time, request: RequestId, reply: &SharedBytes) {
        let RequestId { client, sequence } = &request;
        self.complete_for(now, (client, *sequence), reply);
    }

    /// The same. Most requests are the only ones of their clients.
    #[inline]
    pub(super) fn complete_for(
        &mut self,
        now: Time,
        (client, sequence): (&ClientKey, u32),
        reply: &SharedBytes,
    ) {
        if let ClientKey::Id(client) = client
            && !self.keeps_records
            && let Some(record) = self.clients.by_id.get_mut(client)
            && record.awaited <= sequence
            && let [known] = &mut record.requests[..]
            && known.sequence == sequence
            && known.reply.is_none()
        {
            let body = reply.clone();
            known.reply = Some(StoredReply { body, since: now });
            self.bytes += reply.len();
            return;
        }
        let client = *client;
        self.complete_any(now, RequestId { client, sequence }, reply);
    }

    #[inline(never)]
    fn complete_any(&mut self, now: Time, request: RequestId, reply: &SharedBytes) {
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
            if let (true, ClientKey::Id(client)) = (self.keeps_records, request.client) {
                records::erase_request(&mut self.changes, client, request.sequence);
            }
            return;
        }
        if let (true, ClientKey::Id(client)) = (self.keeps_records, request.client) {
            let (changes, sequence) = (&mut self.changes, request.sequence);
            records::put_request(changes, client, sequence, &known.body, Some(reply));
        }
        let body = reply.clone();
        let before = known.reply.replace(StoredReply { body, since: now });
        self.bytes -= before.map_or(0, |before| before.body.len());
        self.bytes += reply.len();
    }

    /// What has changed since this was asked last, to be committed with the effects of a step; nothing
    /// unless the cache is durable.
    pub(super) fn changes(&mut self) -> &mut Batch {
        &mut self.changes
    }

    /// Whether it belongs on a disk.
    pub(super) const fn is_durable(&self) -> bool {
        matches!(self.kind, CacheKind::Durable)
    }

    /// Takes up what earlier lives of the server have stored on its disk, and keeps records there from
    /// now on. Silence is counted anew.
    pub(super) fn restore(&mut self, now: Time, stored: Stored) -> Result<(), BadRecord> {
        self.keeps_records = true;
        for (key, value) in stored.sessions {
            let (client, session, awaited) = records::session(&key, &value)?;
            let mut record = ClientRecord::new(now);
            (record.session, record.awaited) = (session, awaited);
            self.clients.by_id.insert(client, record);
        }
        for (key, value) in stored.requests {
            let found = records::request(&key, &value)?;
            let Some(record) = self.clients.by_id.get_mut(&found.client) else {
                return Err(records::bad(&key, "it belongs to no session"));
            };
            let request = Remembered {
                sequence: found.sequence,
                body: found.request.into(),
                interrupted: found.reply.is_none(),
                reply: found.reply.map(|reply| StoredReply {
                    body: reply.into(),
                    since: now,
                }),
            };
            self.bytes += request.bytes();
            record.insert(request);
        }
        Ok(())
    }

    fn has_sessions(&self, client: ClientKey) -> bool {
        self.kind.has_sessions() && matches!(client, ClientKey::Id(_))
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
        let reply_age = (!self.kind.has_sessions()).then_some(age);
        let (bytes, changes) = (&mut self.bytes, &mut self.changes);
        let keeps_records = self.keeps_records;
        self.clients.by_id.retain(|&client, record| {
            *bytes -= record.forget(now, reply_age);
            let is_silent = record.is_silent(now, age);
            if is_silent {
                *bytes -= record.bytes();
            }
            if is_silent && keeps_records {
                erase(changes, client, record);
            }
            !is_silent
        });
        self.clients.by_address.retain(|_, record| {
            *bytes -= record.forget(now, Some(age));
            let is_silent = record.is_silent(now, age);
            if is_silent {
                *bytes -= record.bytes();
            }
            !is_silent
        });
    }

    /// Forgets a client if it has long been silent: what has expired does not come back.
    fn expire(&mut self, now: Time, client: ClientId) {
        let Entry::Occupied(known) = self.clients.by_id.entry(client) else {
            return;
        };
        if known.get().is_silent(now, self.limits.age) {
            let record = known.remove();
            self.bytes -= record.bytes();
            if self.keeps_records {
                erase(&mut self.changes, client, &record);
            }
        }
    }
}

/// Erases all that is stored of a client.
fn erase(changes: &mut Batch, client: ClientId, record: &ClientRecord) {
    records::erase_session(changes, client);
    for known in &record.requests {
        records::erase_request(changes, client, known.sequence);
    }
}

#[cfg(test)]
#[path = "reply_cache_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "reply_cache_session_tests.rs"]
mod session_tests;

#[cfg(test)]
#[path = "reply_cache_stored_tests.rs"]
mod stored_tests;

#[cfg(test)]
#[path = "reply_cache_usual_tests.rs"]
mod usual_tests;
