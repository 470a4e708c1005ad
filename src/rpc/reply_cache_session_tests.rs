//! The rules of sessions, each with a test that fails without it.

use std::collections::BTreeMap;

use super::*;
use crate::disk::Record;

pub(super) const ALICE: ClientId = ClientId(1);
pub(super) const BOB: ClientId = ClientId(2);
pub(super) const KINDS: [CacheKind; 2] = [CacheKind::Epoch, CacheKind::Durable];

pub(super) fn request(client: ClientId, sequence: u32) -> RequestId {
    let client = ClientKey::Id(client);
    RequestId { client, sequence }
}

pub(super) fn v1(sequence: u32) -> RequestId {
    let client = ClientKey::Address(([10, 0, 0, 2], 9).into());
    RequestId { client, sequence }
}

pub(super) fn bytes(text: &str) -> SharedBytes {
    text.as_bytes().into()
}

pub(super) fn at(seconds: u64) -> Time {
    Time::from_ms(seconds * 1_000)
}

/// What a disk holds, and which cache a server makes of it.
#[derive(Default)]
pub(super) struct Disk(pub(super) BTreeMap<Vec<u8>, Vec<u8>>);

impl Disk {
    /// Commits what has changed.
    pub(super) fn commit(&mut self, cache: &mut ReplyCache) {
        for (key, value) in cache.changes().changes() {
            match value {
                Some(value) => self.0.insert(key.to_vec(), value.to_vec()),
                None => self.0.remove(key),
            };
        }
        cache.changes().clear();
    }

    pub(super) fn stored(&self) -> Stored {
        let of = |kind: u8| -> Vec<Record> {
            let kind = self.0.iter().filter(|(key, _)| key[0] == kind);
            kind.map(|(key, value)| (key[1..].to_vec(), value.clone()))
                .collect()
        };
        let (sessions, requests) = (of(b's'), of(b'c'));
        assert_eq!(sessions.len() + requests.len(), self.0.len());
        Stored { sessions, requests }
    }

    /// The cache of the next life.
    pub(super) fn restore(&self, now: Time, limits: Limits) -> ReplyCache {
        let mut cache = ReplyCache::new(CacheKind::Durable, limits);
        cache.restore(now, self.stored()).unwrap();
        assert!(cache.changes().is_empty(), "nothing has changed");
        cache
    }
}

/// An empty cache of this kind; a durable one on an empty disk.
pub(super) fn cache(kind: CacheKind, limits: Limits) -> ReplyCache {
    match kind {
        CacheKind::Durable => Disk::default().restore(at(0), limits),
        _ => ReplyCache::new(kind, limits),
    }
}

/// With both kinds that have sessions.
pub(super) fn of_each_kind(test: impl Fn(ReplyCache)) {
    for kind in KINDS {
        test(cache(kind, Limits::default()));
    }
}

pub(super) fn admit(cache: &mut ReplyCache, now: Time, id: RequestId, session: u64) -> Admission {
    cache.admit(now, id, session, id.sequence, &bytes("book"))
}

/// Executes a request at once, and replies with its number.
pub(super) fn execute(cache: &mut ReplyCache, now: Time, id: RequestId, session: u64) {
    assert_eq!(admit(cache, now, id, session), Admission::New);
    cache.complete(now, id, &reply_to(id));
}

pub(super) fn reply_to(id: RequestId) -> SharedBytes {
    bytes(&format!("done {}", id.sequence))
}

pub(super) fn answered(id: RequestId) -> Admission {
    Admission::Stored(reply_to(id))
}

/// All that a cache remembers of clients with sessions, however it has come to know it.
pub(super) fn remembered(cache: &ReplyCache) -> String {
    let mut told = format!("{} bytes", cache.bytes);
    for (client, record) in &cache.clients.by_id {
        let ClientRecord {
            session, awaited, ..
        } = record;
        told += &format!("\n{client:?}: session {session}, awaits {awaited}");
        for known in &record.requests {
            let reply = known.reply.as_ref().map(|reply| &reply.body);
            told += &format!("\n  {} {:?} {reply:?}", known.sequence, known.body);
        }
    }
    told
}

#[test]
fn a_hello_that_comes_again_gets_the_same_session_and_loses_nothing() {
    of_each_kind(|mut cache| {
        assert_eq!(cache.hello(at(0), ALICE, 77), Some(77));
        execute(&mut cache, at(1), request(ALICE, 1), 77);
        assert_eq!(cache.hello(at(2), ALICE, 78), Some(77));
        let again = admit(&mut cache, at(3), request(ALICE, 1), 77);
        assert_eq!(again, answered(request(ALICE, 1)));
    });
}

#[test]
fn no_session_has_the_number_that_stands_for_none() {
    of_each_kind(|mut cache| {
        let session = cache.hello(at(0), ALICE, NO_SESSION).unwrap();
        assert_ne!(session, NO_SESSION);
        assert_eq!(cache.hello(at(0), ALICE, 78), Some(session));
        execute(&mut cache, at(0), request(ALICE, 1), session);
    });
}

#[test]
fn a_request_is_admitted_in_the_session_of_its_own_client_alone() {
    of_each_kind(|mut cache| {
        cache.hello(at(0), ALICE, 77);
        cache.hello(at(0), BOB, 78);
        for (client, session) in [
            (ALICE, 78),
            (ALICE, NO_SESSION),
            (BOB, 77),
            (ClientId(3), 77),
            (ClientId(3), NO_SESSION),
        ] {
            let refused = admit(&mut cache, at(0), request(client, 1), session);
            assert_eq!(
                refused,
                Admission::SessionExpired,
                "{client:?} in {session}"
            );
        }
        assert_eq!((cache.len(), cache.bytes, cache.clients.len()), (0, 0, 2));
        execute(&mut cache, at(0), request(ALICE, 1), 77);
        execute(&mut cache, at(0), request(BOB, 1), 78);
    });
}

#[test]
fn a_session_expires_when_its_client_has_been_silent_for_the_age() {
    of_each_kind(|mut cache| {
        cache.hello(at(0), ALICE, 77);
        execute(&mut cache, at(299), request(ALICE, 1), 77);
        // Duplicates and hellos are signs of life, too.
        let duplicate = admit(&mut cache, at(598), request(ALICE, 1), 77);
        assert_eq!(duplicate, answered(request(ALICE, 1)));
        assert_eq!(cache.hello(at(897), ALICE, 78), Some(77));
        execute(&mut cache, at(1_196), request(ALICE, 2), 77);
        let late = admit(&mut cache, at(1_496), request(ALICE, 2), 77);
        assert_eq!(late, Admission::SessionExpired);
        assert!(cache.is_empty(), "{}", remembered(&cache));
    });
}

#[test]
fn a_session_has_expired_even_before_it_is_swept_out() {
    of_each_kind(|mut cache| {
        cache.hello(at(0), BOB, 78);
        cache.hello(at(15), ALICE, 77);
        cache.hello(at(300), BOB, 79); // sweeps, 15 s too early for alice and for the next time
        assert_eq!(cache.clients.len(), 2);
        let late = admit(&mut cache, at(315), request(ALICE, 1), 77);
        assert_eq!(late, Admission::SessionExpired);
    });
}

#[test]
fn a_session_that_has_expired_does_not_come_back() {
    of_each_kind(|mut cache| {
        cache.hello(at(0), BOB, 78);
        cache.hello(at(15), ALICE, 77);
        execute(&mut cache, at(15), request(ALICE, 1), 77);
        cache.hello(at(300), BOB, 79);
        assert_eq!(cache.len(), 1, "alice is not swept out yet");
        assert_eq!(cache.hello(at(315), ALICE, 80), Some(80));
        assert_eq!((cache.len(), cache.bytes), (0, 0));
        for sequence in [1, 2] {
            let old = admit(&mut cache, at(316), request(ALICE, sequence), 77);
            assert_eq!(old, Admission::SessionExpired);
        }
        // Numbers go on where they were.
        execute(&mut cache, at(317), request(ALICE, 3), 80);
    });
}

#[test]
fn a_late_copy_of_a_hello_gives_a_session_that_the_client_gets_when_it_asks() {
    of_each_kind(|mut cache| {
        cache.hello(at(0), ALICE, 77);
        assert_eq!(cache.hello(at(400), ALICE, 78), Some(78), "a late copy");
        let in_the_old = admit(&mut cache, at(401), request(ALICE, 1), 77);
        assert_eq!(in_the_old, Admission::SessionExpired);
        assert_eq!(cache.hello(at(402), ALICE, 79), Some(78));
    });
}

#[test]
fn a_reply_that_is_waited_for_is_kept_as_long_as_its_session() {
    of_each_kind(|mut cache| {
        cache.hello(at(0), ALICE, 77);
        execute(&mut cache, at(0), request(ALICE, 1), 77);
        for minute in 1..=60 {
            cache.hello(at(60 * minute), ALICE, 78);
        }
        let late = admit(&mut cache, at(3_601), request(ALICE, 1), 77);
        assert_eq!(late, answered(request(ALICE, 1)));
    });
}

#[test]
fn a_request_in_progress_keeps_its_session() {
    of_each_kind(|mut cache| {
        cache.hello(at(0), ALICE, 77);
        assert_eq!(
            admit(&mut cache, at(0), request(ALICE, 1), 77),
            Admission::New
        );
        cache.hello(at(1_000), BOB, 78); // sweeps
        let late = admit(&mut cache, at(2_000), request(ALICE, 1), 77);
        assert_eq!(late, Admission::InProgress);
        cache.complete(at(2_000), request(ALICE, 1), &reply_to(request(ALICE, 1)));
        let done = admit(&mut cache, at(2_001), request(ALICE, 1), 77);
        assert_eq!(done, answered(request(ALICE, 1)));
    });
}

#[test]
fn a_hello_that_finds_no_room_is_refused_and_leaves_nothing_behind() {
    let limits = Limits {
        clients: 2,
        ..Limits::default()
    };
    for kind in KINDS {
        let mut cache = cache(kind, limits);
        cache.hello(at(0), ALICE, 77);
        cache.hello(at(200), BOB, 78);
        cache.changes().clear();
        assert_eq!(cache.hello(at(299), ClientId(3), 79), None);
        assert_eq!((cache.clients.len(), cache.len()), (2, 0));
        assert!(cache.changes().is_empty());
        let refused = admit(&mut cache, at(299), request(ClientId(3), 1), 79);
        assert_eq!(refused, Admission::SessionExpired);
        assert_eq!(
            cache.hello(at(299), BOB, 80),
            Some(78),
            "who has one keeps it"
        );
        assert_eq!(
            cache.hello(at(330), ClientId(3), 79),
            Some(79),
            "alice is gone"
        );
    }
}

#[test]
fn a_hello_is_refused_when_there_is_no_room_for_a_request() {
    let limits = Limits {
        bytes: REQUEST_BYTES + 10,
        ..Limits::default()
    };
    for kind in KINDS {
        let mut cache = cache(kind, limits);
        cache.hello(at(0), ALICE, 77);
        execute(&mut cache, at(0), request(ALICE, 1), 77);
        assert_eq!(cache.hello(at(1), BOB, 78), None);
        let too_much = cache.admit(at(2), request(ALICE, 2), 77, 1, &bytes("book"));
        assert_eq!(too_much, Admission::Full);
        execute(&mut cache, at(3), request(ALICE, 2), 77);
    }
}

#[test]
fn a_client_with_a_session_has_room_for_so_many_replies() {
    let limits = Limits {
        replies_per_client: 2,
        ..Limits::default()
    };
    for kind in KINDS {
        let mut cache = cache(kind, limits);
        cache.hello(at(0), ALICE, 77);
        for (sequence, expected) in [
            (1, Admission::New),
            (2, Admission::New),
            (3, Admission::Full),
        ] {
            let id = request(ALICE, sequence);
            let admission = cache.admit(at(0), id, 77, 1, &bytes("book"));
            assert_eq!(admission, expected);
            cache.complete(at(0), id, &reply_to(id));
        }
        let known = cache.admit(at(1), request(ALICE, 1), 77, 1, &bytes("book"));
        assert_eq!(known, answered(request(ALICE, 1)));
    }
}

#[test]
fn clients_of_format_v1_are_remembered_as_without_sessions() {
    of_each_kind(|mut cache| {
        let sent = |cache: &mut ReplyCache, now| cache.admit(now, v1(1), NO_SESSION, 0, &bytes(""));
        assert_eq!(sent(&mut cache, at(0)), Admission::New);
        cache.wait(v1(1));
        cache.complete(at(0), v1(1), &bytes("done"));
        assert_eq!(sent(&mut cache, at(299)), Admission::Stored(bytes("done")));
        assert_eq!(sent(&mut cache, at(300)), Admission::New);
        assert!(cache.changes().is_empty(), "and never stored");
    });
}

#[test]
fn a_cache_without_sessions_gives_none_and_remembers_no_hello() {
    let mut cache = cache(CacheKind::Memory, Limits::default());
    assert_eq!(cache.hello(at(0), ALICE, 77), Some(NO_SESSION));
    assert_eq!(cache.clients.len(), 0);
    execute(&mut cache, at(0), request(ALICE, 1), NO_SESSION);
    let foreign = admit(&mut cache, at(0), request(ALICE, 2), 77);
    assert_eq!(foreign, Admission::SessionExpired);
}

#[test]
fn a_reply_that_came_late_is_forgotten_with_its_client_and_its_bytes() {
    for (kind, id) in [
        (CacheKind::Memory, v1(1)),
        (CacheKind::Memory, request(ALICE, 1)),
        (CacheKind::Durable, v1(1)),
        (CacheKind::Durable, request(ALICE, 1)),
    ] {
        let mut cache = cache(kind, Limits::default());
        let session = cache.hello(at(0), ALICE, 77).unwrap();
        let session = match id.client {
            ClientKey::Id(_) => session,
            ClientKey::Address(_) => NO_SESSION,
        };
        assert_eq!(admit(&mut cache, at(0), id, session), Admission::New);
        cache.complete(at(250), id, &bytes("done"));
        cache.hello(at(400), BOB, 78);
        cache.admit(at(400), request(ClientId(3), 1), 0, 1, &bytes(""));
        assert_eq!(
            cache.bytes,
            cache.len() * REQUEST_BYTES,
            "{kind:?} {id:?}: {}",
            remembered(&cache)
        );
    }
}
