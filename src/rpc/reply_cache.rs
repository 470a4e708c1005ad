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
use std::time::Duration;

use crate::clock::Time;
use crate::id::{ClientKey, RequestId};
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
    clients: BTreeMap<ClientKey, ClientRecord>,
    /// What all remembered requests cost.
    bytes: usize,
    next_sweep: Time,
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
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            clients: BTreeMap::new(),
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
        let record = match self.clients.entry(client) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if !room => return Admission::Full,
            Entry::Vacant(new) => new.insert(ClientRecord::new(now)),
        };
        record.last_heard = now;
        record.awaited = record.awaited.max(awaited);
        self.bytes -= record.forget(now, limits.age);
        if sequence < record.awaited {
            return Admission::Acknowledged;
        }
        match record
            .requests
            .binary_search_by_key(&sequence, |known| known.sequence)
        {
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
        let Some(record) = self.clients.get_mut(&request.client) else {
            return;
        };
        let sequence = request.sequence;
        if let Ok(place) = record
            .requests
            .binary_search_by_key(&sequence, |known| known.sequence)
        {
            self.bytes -= record.requests[place].bytes();
            if sequence < record.awaited {
                record.requests.remove(place);
            } else {
                let body = reply.clone();
                record.requests[place].reply = Some(StoredReply { body, since: now });
                self.bytes += record.requests[place].bytes();
            }
        }
    }

    /// How many requests are remembered, in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients
            .values()
            .map(|record| record.requests.len())
            .sum()
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
        self.next_sweep = now + self.limits.age / 10;
        let age = self.limits.age;
        self.clients.retain(|_, record| {
            self.bytes -= record.forget(now, age);
            !record.requests.is_empty() || now - record.last_heard < age
        });
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

    /// Forgets replies that the client no longer waits for, and old ones; what is in progress stays
    /// until it is complete. Says how many bytes that frees.
    fn forget(&mut self, now: Time, age: Duration) -> usize {
        let awaited = self.awaited;
        let mut freed = 0;
        self.requests.retain(|known| {
            let keeps = match &known.reply {
                Some(reply) => known.sequence >= awaited && now - reply.since < age,
                None => true,
            };
            if !keeps {
                freed += known.bytes();
            }
            keeps
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
mod tests {
    use super::*;
    use crate::id::ClientId;

    const ALICE: ClientKey = ClientKey::Id(ClientId(1));

    fn request(client: ClientKey, sequence: u32) -> RequestId {
        RequestId { client, sequence }
    }

    fn v1(port: u16) -> ClientKey {
        ClientKey::Address(([10, 0, 0, 2], port).into())
    }

    fn bytes(text: &str) -> SharedBytes {
        text.as_bytes().into()
    }

    fn at(seconds: u64) -> Time {
        Time::from_ms(seconds * 1_000)
    }

    fn cache() -> ReplyCache {
        ReplyCache::new(Limits::default())
    }

    /// Executes a request at once.
    fn execute(cache: &mut ReplyCache, now: Time, id: RequestId, awaited: u32, body: &str) {
        assert_eq!(cache.admit(now, id, awaited, &bytes(body)), Admission::New);
        cache.complete(now, id, &bytes("done"));
    }

    #[test]
    fn a_duplicate_gets_the_stored_reply() {
        let mut cache = cache();
        execute(&mut cache, at(0), request(ALICE, 1), 1, "cancel");
        let again = cache.admit(at(5), request(ALICE, 1), 1, &bytes("cancel"));
        assert_eq!(again, Admission::Stored(bytes("done")));
    }

    #[test]
    fn a_duplicate_of_a_request_in_progress_is_told_so() {
        let mut cache = cache();
        assert_eq!(
            cache.admit(at(0), request(ALICE, 1), 1, &bytes("x")),
            Admission::New
        );
        let again = cache.admit(at(5), request(ALICE, 1), 1, &bytes("x"));
        assert_eq!(again, Admission::InProgress);
    }

    #[test]
    fn an_acknowledged_reply_is_forgotten_and_its_late_duplicate_ignored() {
        let mut cache = cache();
        execute(&mut cache, at(0), request(ALICE, 1), 1, "book");
        execute(&mut cache, at(1), request(ALICE, 2), 2, "cancel");
        assert_eq!(cache.len(), 1);
        let late = cache.admit(at(2), request(ALICE, 1), 1, &bytes("book"));
        assert_eq!(late, Admission::Acknowledged);
    }

    #[test]
    fn memory_is_per_client_and_not_per_request() {
        let mut cache = cache();
        for sequence in 1..=10_000 {
            execute(
                &mut cache,
                at(0),
                request(ALICE, sequence),
                sequence,
                "book",
            );
        }
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn the_same_id_with_another_body_is_refused() {
        let mut cache = cache();
        execute(&mut cache, at(0), request(ALICE, 1), 1, "book mon");
        let other = cache.admit(at(1), request(ALICE, 1), 1, &bytes("book tue"));
        assert_eq!(other, Admission::DifferentBody);
    }

    #[test]
    fn format_v1_gets_the_wrong_reply_for_another_body() {
        let mut cache = cache();
        execute(&mut cache, at(0), request(v1(9), 1), 0, "book mon");
        let other = cache.admit(at(1), request(v1(9), 1), 0, &bytes("book tue"));
        assert_eq!(other, Admission::Stored(bytes("done")));
    }

    #[test]
    fn a_reply_older_than_the_age_limit_is_forgotten_so_a_late_duplicate_runs_again() {
        let mut cache = cache();
        execute(&mut cache, at(0), request(ALICE, 1), 1, "cancel");
        let stored = cache.admit(at(299), request(ALICE, 1), 1, &bytes("cancel"));
        assert!(matches!(stored, Admission::Stored(_)));
        let late = cache.admit(at(300), request(ALICE, 1), 1, &bytes("cancel"));
        assert_eq!(late, Admission::New);
    }

    #[test]
    fn requests_in_progress_outlive_the_age_limit_and_their_acknowledgement() {
        let mut cache = cache();
        assert_eq!(
            cache.admit(at(0), request(ALICE, 1), 1, &bytes("wait")),
            Admission::New
        );
        execute(&mut cache, at(1_000), request(ALICE, 2), 2, "x");
        assert_eq!(cache.len(), 2);
        cache.complete(at(1_001), request(ALICE, 1), &bytes("late"));
        assert_eq!(cache.len(), 1, "nobody waits for the first one any more");
    }

    #[test]
    fn a_client_with_too_many_open_requests_is_refused_and_loses_nothing() {
        let limits = Limits {
            replies_per_client: 3,
            ..Limits::default()
        };
        let mut cache = ReplyCache::new(limits);
        for sequence in 1..=3 {
            execute(&mut cache, at(0), request(ALICE, sequence), 1, "x");
        }
        assert_eq!(
            cache.admit(at(0), request(ALICE, 4), 1, &bytes("x")),
            Admission::Full
        );
        let first = cache.admit(at(0), request(ALICE, 1), 1, &bytes("x"));
        assert!(matches!(first, Admission::Stored(_)));
    }

    #[test]
    fn a_v1_client_that_cannot_acknowledge_loses_its_oldest_reply() {
        let limits = Limits {
            replies_per_client: 3,
            ..Limits::default()
        };
        let mut cache = ReplyCache::new(limits);
        for sequence in 1..=4 {
            execute(
                &mut cache,
                at(sequence.into()),
                request(v1(9), sequence),
                0,
                "x",
            );
        }
        assert_eq!(cache.len(), 3);
        assert_eq!(
            cache.admit(at(5), request(v1(9), 1), 0, &bytes("x")),
            Admission::New
        );
    }

    #[test]
    fn the_number_of_clients_is_bounded_until_silent_ones_are_forgotten() {
        let limits = Limits {
            clients: 2,
            ..Limits::default()
        };
        let mut cache = ReplyCache::new(limits);
        execute(&mut cache, at(0), request(v1(1), 1), 0, "x");
        execute(&mut cache, at(0), request(v1(2), 1), 0, "x");
        let third = request(v1(3), 1);
        assert_eq!(cache.admit(at(1), third, 0, &bytes("x")), Admission::Full);
        assert_eq!(cache.admit(at(301), third, 0, &bytes("x")), Admission::New);
    }

    #[test]
    fn bytes_are_bounded_and_nothing_is_dropped_for_them() {
        let limits = Limits {
            bytes: 2 * (REQUEST_BYTES + 100),
            ..Limits::default()
        };
        let mut cache = ReplyCache::new(limits);
        let body = "x".repeat(96); // with the reply, a hundred bytes
        execute(&mut cache, at(0), request(ALICE, 1), 1, &body);
        execute(&mut cache, at(0), request(v1(1), 1), 0, &body);
        for other in [request(ALICE, 2), request(v1(1), 2), request(v1(2), 1)] {
            let refused = cache.admit(at(1), other, 0, &bytes(""));
            assert_eq!(refused, Admission::Full, "{other:?}");
        }
        for known in [request(ALICE, 1), request(v1(1), 1)] {
            let stored = cache.admit(at(1), known, 0, &bytes(&body));
            assert_eq!(stored, Admission::Stored(bytes("done")), "{known:?}");
        }
        let acknowledging = cache.admit(at(1), request(ALICE, 2), 2, &bytes(""));
        assert_eq!(acknowledging, Admission::New);
    }

    #[test]
    fn what_is_forgotten_in_any_way_is_no_longer_counted() {
        let limits = Limits {
            replies_per_client: 2,
            ..Limits::default()
        };
        let mut cache = ReplyCache::new(limits);
        execute(&mut cache, at(0), request(ALICE, 1), 1, "acknowledged");
        for sequence in 1..=3 {
            execute(&mut cache, at(0), request(v1(9), sequence), 0, "pushed out");
        }
        let late = cache.admit(at(0), request(ALICE, 2), 2, &bytes("in progress"));
        assert_eq!(late, Admission::New);
        execute(&mut cache, at(1), request(ALICE, 3), 3, "acknowledges 2");
        cache.complete(at(2), request(ALICE, 2), &bytes("too late"));
        let remembered = 2 * (REQUEST_BYTES + "pushed out done".len() - 1)
            + (REQUEST_BYTES + "acknowledges 2 done".len() - 1);
        assert_eq!((cache.len(), cache.bytes), (3, remembered));
        execute(&mut cache, at(1_000), request(v1(8), 1), 0, "");
        assert_eq!(cache.bytes, REQUEST_BYTES + "done".len());
    }
}
