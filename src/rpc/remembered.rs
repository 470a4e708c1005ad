//! What a reply cache remembers of each client.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::Time;
use crate::disk::Batch;
use crate::id::{ClientId, ClientKey};
use crate::rpc::message::NO_SESSION;
use crate::rpc::records;
use crate::rpc::reply_cache::{Admission, REQUEST_BYTES};
use crate::wire::SharedBytes;

/// All clients: their keys are compared often, and those of one format among themselves quickly.
#[derive(Debug, Default)]
pub(super) struct Clients {
    pub(super) by_id: BTreeMap<ClientId, ClientRecord>,
    pub(super) by_address: BTreeMap<SocketAddr, ClientRecord>,
}

#[derive(Debug)]
pub(super) struct ClientRecord {
    /// [`NO_SESSION`] where there are none.
    pub(super) session: u64,
    /// The lowest sequence number that the client still waits for, as far as it has said.
    pub(super) awaited: u32,
    pub(super) last_heard: Time,
    /// In order of sequence numbers.
    pub(super) requests: Vec<Remembered>,
}

#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) sequence: u32,
    pub(super) body: SharedBytes,
    pub(super) reply: Option<StoredReply>,
    /// Whether it was in progress when an earlier life of the server ended: it will have no reply.
    pub(super) interrupted: bool,
}

#[derive(Debug)]
pub(super) struct StoredReply {
    pub(super) body: SharedBytes,
    pub(super) since: Time,
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.by_id.len() + self.by_address.len()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &ClientRecord> {
        self.by_id.values().chain(self.by_address.values())
    }

    pub(super) fn get_mut(&mut self, client: ClientKey) -> Option<&mut ClientRecord> {
        match client {
            ClientKey::Id(id) => self.by_id.get_mut(&id),
            ClientKey::Address(address) => self.by_address.get_mut(&address),
        }
    }

    /// The record of a client; a new one if it has none and there is room.
    pub(super) fn get_or_insert(
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
    pub(super) const fn new(now: Time) -> Self {
        Self {
            session: NO_SESSION,
            awaited: 0,
            last_heard: now,
            requests: Vec::new(),
        }
    }

    /// The place of a request, or where it would be.
    pub(super) fn place(&self, sequence: u32) -> Result<usize, usize> {
        match &self.requests[..] {
            [known] if known.sequence == sequence => Ok(0),
            requests => requests.binary_search_by_key(&sequence, |known| known.sequence),
        }
    }

    /// Lets a new request take the place of the only one, if that is complete and no longer waited for, as the
    /// new one says or an earlier one has said: nothing need be looked through then. Says how many bytes that frees.
    #[inline]
    pub(super) fn succeed(
        &mut self,
        sequence: u32,
        awaited: u32,
        body: &SharedBytes,
    ) -> Option<usize> {
        let [known] = &mut self.requests[..] else {
            return None;
        };
        let awaited = awaited.max(self.awaited);
        let is_over = known.reply.is_some() && known.sequence < awaited;
        if !is_over || sequence < awaited {
            return None;
        }
        let freed = known.bytes();
        known.sequence = sequence;
        known.body = body.clone();
        known.reply = None;
        self.awaited = awaited;
        Some(freed)
    }

    /// Whether it has been silent so long that it is forgotten. A client with requests in progress is not.
    pub(super) fn is_silent(&self, now: Time, age: Duration) -> bool {
        now - self.last_heard >= age && !self.requests.iter().any(Remembered::is_in_progress)
    }

    /// Takes in that the client waits for nothing below `awaited` any more. With records, what changes
    /// goes there.
    pub(super) fn acknowledge(
        &mut self,
        client: ClientKey,
        awaited: u32,
        (now, age): (Time, Option<Duration>),
        changes: Option<&mut Batch>,
    ) {
        if self.awaited >= awaited {
            return;
        }
        self.awaited = awaited;
        if let (Some(changes), ClientKey::Id(client)) = (changes, client) {
            records::put_session(changes, client, self.session, awaited);
            for over in self.over(now, age) {
                records::erase_request(changes, client, over.sequence);
            }
        }
    }

    /// What its requests cost.
    pub(super) fn bytes(&self) -> usize {
        self.requests.iter().map(Remembered::bytes).sum()
    }

    /// Replies that the client no longer waits for and, where there is an age limit, old ones; what is in
    /// progress is never over.
    pub(super) fn over(
        &self,
        now: Time,
        age: Option<Duration>,
    ) -> impl Iterator<Item = &Remembered> {
        let awaited = self.awaited;
        let is_over = move |known: &&Remembered| known.is_over(now, awaited, age);
        self.requests.iter().filter(is_over)
    }

    /// Forgets them. Says how many bytes that frees.
    pub(super) fn forget(&mut self, now: Time, age: Option<Duration>) -> usize {
        let awaited = self.awaited;
        let mut freed = 0;
        self.requests.retain(|known| {
            let is_over = known.is_over(now, awaited, age);
            if is_over {
                freed += known.bytes();
            }
            !is_over
        });
        freed
    }

    /// Makes room for one more request, if need be in the place of a stored reply of format v1. Says
    /// how many bytes that frees; `None` if there is no room.
    pub(super) fn make_room(&mut self, client: ClientKey, limit: usize) -> Option<usize> {
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

    pub(super) fn insert(&mut self, request: Remembered) {
        let place = self
            .requests
            .partition_point(|known| known.sequence < request.sequence);
        self.requests.insert(place, request);
    }
}

impl Remembered {
    pub(super) fn is_over(&self, now: Time, awaited: u32, age: Option<Duration>) -> bool {
        let is_old = |reply: &StoredReply| age.is_some_and(|age| now - reply.since >= age);
        !self.is_in_progress()
            && (self.sequence < awaited || self.reply.as_ref().is_some_and(is_old))
    }

    const fn is_in_progress(&self) -> bool {
        self.reply.is_none() && !self.interrupted
    }

    /// What it costs.
    pub(super) fn bytes(&self) -> usize {
        let reply = self.reply.as_ref().map_or(0, |reply| reply.body.len());
        REQUEST_BYTES + self.body.len() + reply
    }

    /// What to do with a request of the same id. Format v1 does not compare bodies: the seed's
    /// servers do not, and its stories show what follows.
    pub(super) fn duplicate(&self, client: ClientKey, body: &SharedBytes) -> Admission {
        let compares = matches!(client, ClientKey::Id(_));
        match &self.reply {
            _ if compares && self.body != *body => Admission::DifferentBody,
            None if self.interrupted => Admission::SessionExpired,
            None => Admission::InProgress,
            Some(reply) => Admission::Stored(reply.body.clone()),
        }
    }
}
