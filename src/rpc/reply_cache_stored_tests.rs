//! What a durable reply cache stores, and takes up again: each rule with a test that fails without it.

use std::collections::BTreeMap;

use super::session_tests::{
    ALICE, BOB, Disk, admit, answered, at, bytes, cache, execute, remembered, reply_to, request,
};
use super::*;
use crate::seed::{Seed, Stream};

#[test]
fn a_session_is_stored_once() {
    let mut cache = cache(CacheKind::Durable, Limits::default());
    let mut disk = Disk::default();
    cache.hello(at(0), ALICE, 77);
    disk.commit(&mut cache);
    cache.hello(at(1), ALICE, 78);
    assert!(cache.changes().is_empty());
    let mut restored = disk.restore(at(2), Limits::default());
    assert_eq!(restored.hello(at(2), ALICE, 79), Some(77));
}

#[test]
fn a_new_life_answers_as_the_old_one_would_have() {
    let mut cache = cache(CacheKind::Durable, Limits::default());
    let mut disk = Disk::default();
    cache.hello(at(0), ALICE, 77);
    for sequence in 1..=3 {
        execute(&mut cache, at(1), request(ALICE, sequence), 77);
    }
    let waits_for_two = cache.admit(at(1), request(ALICE, 4), 77, 3, &bytes("book"));
    assert_eq!(waits_for_two, Admission::New);
    cache.complete(at(1), request(ALICE, 4), &reply_to(request(ALICE, 4)));
    disk.commit(&mut cache);
    let restored = disk.restore(at(1_000), Limits::default());
    assert_eq!(remembered(&restored), remembered(&cache));
    for (mut cache, now) in [(cache, at(2)), (restored, at(1_000))] {
        let admissions = [1, 2, 3, 4, 5].map(|sequence| {
            let awaited = sequence.min(3);
            cache.admit(now, request(ALICE, sequence), 77, awaited, &bytes("book"))
        });
        let [three, four] = [3, 4].map(|sequence| answered(request(ALICE, sequence)));
        let ignored = Admission::Acknowledged;
        assert_eq!(
            admissions,
            [ignored.clone(), ignored, three, four, Admission::New]
        );
        let other = cache.admit(now, request(ALICE, 3), 77, 3, &bytes("cancel"));
        assert_eq!(other, Admission::DifferentBody);
        let stranger = admit(&mut cache, now, request(ALICE, 6), 78);
        assert_eq!(stranger, Admission::SessionExpired);
    }
}

#[test]
fn what_is_acknowledged_is_erased_with_the_request_that_says_so() {
    let mut cache = cache(CacheKind::Durable, Limits::default());
    let mut disk = Disk::default();
    cache.hello(at(0), ALICE, 77);
    for sequence in 1..=100 {
        execute(&mut cache, at(0), request(ALICE, sequence), 77);
        disk.commit(&mut cache);
        assert_eq!(disk.0.len(), 2, "the session and one reply");
    }
}

#[test]
fn a_session_that_expires_is_erased_with_its_replies() {
    for comes_again in [false, true] {
        let mut cache = cache(CacheKind::Durable, Limits::default());
        let mut disk = Disk::default();
        cache.hello(at(0), BOB, 78);
        cache.hello(at(15), ALICE, 77);
        execute(&mut cache, at(15), request(ALICE, 1), 77);
        cache.hello(at(300), BOB, 79);
        disk.commit(&mut cache);
        assert_eq!(disk.0.len(), 3);
        if comes_again {
            cache.hello(at(315), ALICE, 80);
        } else {
            cache.hello(at(330), BOB, 80);
        }
        disk.commit(&mut cache);
        assert_eq!(disk.0.len(), if comes_again { 2 } else { 1 });
        let restored = disk.restore(at(331), Limits::default());
        assert_eq!(remembered(&restored), remembered(&cache));
    }
}

#[test]
fn a_request_that_waited_is_never_executed_again_by_a_later_life() {
    let mut cache = cache(CacheKind::Durable, Limits::default());
    let mut disk = Disk::default();
    cache.hello(at(0), ALICE, 77);
    let waits = request(ALICE, 1);
    assert_eq!(admit(&mut cache, at(0), waits, 77), Admission::New);
    cache.wait(waits);
    disk.commit(&mut cache);
    let mut restored = disk.restore(at(1), Limits::default());
    let again = admit(&mut restored, at(2), waits, 77);
    assert_eq!(again, Admission::SessionExpired);
    let other = restored.admit(at(2), waits, 77, 1, &bytes("other"));
    assert_eq!(other, Admission::DifferentBody);
    // The session goes on, and what nobody completes keeps nothing.
    execute(&mut restored, at(3), request(ALICE, 2), 77);
    disk.commit(&mut restored);
    assert_eq!((restored.len(), disk.0.len()), (1, 2));
    let mut silent = disk.restore(at(4), Limits::default());
    silent.hello(at(304), BOB, 78);
    assert_eq!((silent.len(), silent.bytes), (0, 0));
}

#[test]
fn a_request_that_was_interrupted_keeps_no_session() {
    let mut cache = cache(CacheKind::Durable, Limits::default());
    let mut disk = Disk::default();
    cache.hello(at(0), ALICE, 77);
    assert_eq!(
        admit(&mut cache, at(0), request(ALICE, 1), 77),
        Admission::New
    );
    cache.wait(request(ALICE, 1));
    disk.commit(&mut cache);
    let mut restored = disk.restore(at(1), Limits::default());
    restored.hello(at(301), BOB, 78);
    disk.commit(&mut restored);
    assert_eq!(
        (restored.len(), disk.0.len()),
        (0, 1),
        "only bob's session is left"
    );
}

#[test]
fn a_request_that_waited_is_stored_with_its_reply_when_it_is_complete() {
    let mut cache = cache(CacheKind::Durable, Limits::default());
    let mut disk = Disk::default();
    cache.hello(at(0), ALICE, 77);
    let [first, second] = [1, 2].map(|sequence| request(ALICE, sequence));
    for id in [first, second] {
        let admission = cache.admit(at(0), id, 77, 1, &bytes("book"));
        assert_eq!(admission, Admission::New);
        cache.wait(id);
    }
    disk.commit(&mut cache);
    cache.complete(at(1), first, &reply_to(first));
    disk.commit(&mut cache);
    let mut restored = disk.restore(at(2), Limits::default());
    let answer = restored.admit(at(2), first, 77, 1, &bytes("book"));
    assert_eq!(answer, answered(first));
    // Nobody waits for the second one any more when it is complete.
    execute(&mut cache, at(3), request(ALICE, 3), 77);
    cache.complete(at(4), second, &reply_to(second));
    disk.commit(&mut cache);
    assert_eq!((cache.len(), disk.0.len()), (1, 2));
}

#[test]
fn a_request_that_is_abandoned_is_erased_together_with_the_word_that_nobody_waits_for_it() {
    let mut cache = cache(CacheKind::Durable, Limits::default());
    let mut disk = Disk::default();
    cache.hello(at(0), ALICE, 77);
    assert_eq!(
        admit(&mut cache, at(0), request(ALICE, 1), 77),
        Admission::New
    );
    cache.wait(request(ALICE, 1));
    disk.commit(&mut cache);
    assert_eq!(disk.0.len(), 2, "the session and what waits");
    let client = ClientKey::Id(ALICE);
    assert!(!cache.acknowledge(at(1), client, 78, 2), "another session");
    assert!(cache.acknowledge(at(1), client, 77, 2));
    cache.forget(request(ALICE, 1));
    assert_eq!((cache.len(), cache.bytes), (0, 0));
    disk.commit(&mut cache);
    assert_eq!(disk.0.len(), 1, "the session");
    let mut restored = disk.restore(at(2), Limits::default());
    for cache in [&mut cache, &mut restored] {
        let late = cache.admit(at(2), request(ALICE, 1), 77, 1, &bytes("book"));
        assert_eq!(late, Admission::Acknowledged);
    }
}

#[test]
fn only_a_durable_cache_with_a_disk_has_changes() {
    for kind in CacheKind::ALL {
        let mut cache = ReplyCache::new(kind, Limits::default());
        let session = cache.hello(at(0), ALICE, 77).unwrap();
        execute(&mut cache, at(0), request(ALICE, 1), session);
        assert_eq!(
            admit(&mut cache, at(1), request(ALICE, 2), session),
            Admission::New
        );
        cache.wait(request(ALICE, 2));
        cache.hello(at(1_000), BOB, 78);
        assert!(cache.changes().is_empty(), "{kind:?}");
        assert_eq!(cache.is_durable(), kind == CacheKind::Durable);
    }
}

#[test]
fn silence_is_counted_anew_after_a_restore() {
    let mut cache = cache(CacheKind::Durable, Limits::default());
    let mut disk = Disk::default();
    cache.hello(at(0), ALICE, 77);
    execute(&mut cache, at(0), request(ALICE, 1), 77);
    disk.commit(&mut cache);
    let mut restored = disk.restore(at(1_000), Limits::default());
    let known = admit(&mut restored, at(1_299), request(ALICE, 1), 77);
    assert_eq!(known, answered(request(ALICE, 1)));
    let mut restored = disk.restore(at(1_000), Limits::default());
    let expired = admit(&mut restored, at(1_300), request(ALICE, 1), 77);
    assert_eq!(expired, Admission::SessionExpired);
}

#[test]
fn limits_count_what_was_restored() {
    let mut cache = cache(CacheKind::Durable, Limits::default());
    let mut disk = Disk::default();
    cache.hello(at(0), ALICE, 77);
    for sequence in 1..=2 {
        let id = request(ALICE, sequence);
        let admission = cache.admit(at(0), id, 77, 1, &bytes("book"));
        assert_eq!(admission, Admission::New);
        cache.complete(at(0), id, &reply_to(id));
    }
    disk.commit(&mut cache);
    let bytes_now = cache.bytes;
    let all = Limits::default();
    for limits in [
        Limits { clients: 1, ..all },
        Limits {
            bytes: bytes_now,
            ..all
        },
        Limits { bytes: 1, ..all },
    ] {
        let mut restored = disk.restore(at(1), limits);
        assert_eq!(restored.hello(at(1), BOB, 78), None, "{limits:?}");
        let known = restored.admit(at(1), request(ALICE, 2), 77, 1, &bytes("book"));
        assert_eq!(known, answered(request(ALICE, 2)), "{limits:?}");
    }
    for limits in [
        Limits {
            replies_per_client: 2,
            ..all
        },
        Limits {
            bytes: bytes_now,
            ..all
        },
    ] {
        let mut restored = disk.restore(at(1), limits);
        let third = restored.admit(at(1), request(ALICE, 3), 77, 1, &bytes("book"));
        assert_eq!(third, Admission::Full, "{limits:?}");
        execute(&mut restored, at(1), request(ALICE, 3), 77);
    }
}

#[test]
fn records_that_no_reply_cache_has_stored_are_refused() {
    let session = |key: &[u8], value: &[u8]| Stored {
        sessions: vec![(key.to_vec(), value.to_vec())],
        requests: Vec::new(),
    };
    let request = |key: &[u8], value: &[u8]| Stored {
        requests: vec![(key.to_vec(), value.to_vec())],
        ..session(&[0, 0, 0, 0, 0, 0, 0, 1], &[7; 12])
    };
    let of_alice = [0, 0, 0, 0, 0, 0, 0, 1];
    let first = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    let reply = [1, 0, 0, 0, 1, b'q', 0, 0, 0, 1, b'r'];
    let good = [session(&of_alice, &[7; 12]), request(&first, &reply)];
    for stored in good {
        let mut cache = ReplyCache::new(CacheKind::Durable, Limits::default());
        cache.restore(at(0), stored).unwrap();
    }
    let mut stranger = first;
    stranger[7] = 2;
    for (stored, reason) in [
        (session(&of_alice[1..], &[7; 12]), "client id"),
        (session(&[1; 9], &[7; 12]), "1 trailing bytes"),
        (session(&of_alice, &[7; 11]), "awaited"),
        (session(&of_alice, &[7; 13]), "1 trailing bytes"),
        (session(&of_alice, &[0; 12]), "its session is none"),
        (session(&of_alice, &[]), "session"),
        (request(&first[1..], &reply), "sequence"),
        (request(&[1; 13], &reply), "1 trailing bytes"),
        (request(&first, &reply[..10]), "body"),
        (request(&first, &reply[..6]), "body"),
        (request(&first, &[]), "whether it has a reply"),
        (request(&first, &[2]), "whether it has a reply"),
        (
            request(&first, &[0, 0, 0, 0, 1, b'q', 0, 0, 0, 1, b'r']),
            "5 trailing bytes",
        ),
        (request(&stranger, &reply), "it belongs to no session"),
    ] {
        let mut cache = ReplyCache::new(CacheKind::Durable, Limits::default());
        let refused = cache.restore(at(0), stored).unwrap_err();
        let said = refused.to_string();
        assert!(
            said.contains("no record of a reply cache: ") && said.contains(reason),
            "{said}: {reason}"
        );
    }
}

/// Clients that come and go, ask and are silent: after each step, what a new life would take up from the
/// disk is what the cache remembers.
#[test]
fn whatever_happens_the_disk_holds_what_is_remembered() {
    let limits = Limits {
        clients: 3,
        replies_per_client: 3,
        bytes: 4 * (REQUEST_BYTES + 8),
        age: Duration::from_secs(20),
    };
    let mut seen = BTreeMap::new();
    for seed in 0..60 {
        let mut chance = Seed(seed).stream("steps");
        let mut cache = cache(CacheKind::Durable, limits);
        let mut disk = Disk::default();
        let mut now = at(0);
        let mut clients = [(0, 0); 4];
        let mut waiting = Vec::new();
        for step in 0..300 {
            now = now + Duration::from_secs(chance.pick(&[6, 6, 6, 1]).unwrap_or(0) as u64 * 3);
            let done = act(&mut chance, &mut cache, now, &mut clients, &mut waiting);
            *seen.entry(done).or_insert(0) += 1;
            disk.commit(&mut cache);
            let restored = disk.restore(now, limits);
            assert_eq!(
                remembered(&restored),
                remembered(&cache),
                "seed {seed}, step {step}: {done}"
            );
        }
    }
    for what in [
        "welcome",
        "no room",
        "done",
        "waits",
        "complete",
        "Full",
        "Acknowledged",
        "Stored",
        "InProgress",
        "SessionExpired",
    ] {
        assert!(
            seen.get(what).is_some_and(|&count| count > 50),
            "{what}: {seen:?}"
        );
    }
}

/// One step of one of the clients, each with its session and its last number; says what came of it.
fn act(
    chance: &mut Stream,
    cache: &mut ReplyCache,
    now: Time,
    clients: &mut [(u64, u32); 4],
    waiting: &mut Vec<RequestId>,
) -> &'static str {
    let place = chance.below(4) as usize;
    let (session, last) = &mut clients[place];
    let client = ClientId(place as u64);
    match chance.below(8) {
        0 => match cache.hello(now, client, chance.next_u64()) {
            Some(given) => {
                *session = given;
                "welcome"
            }
            None => "no room",
        },
        1 if !waiting.is_empty() => {
            let id = waiting.remove(chance.below(waiting.len() as u32) as usize);
            cache.complete(now, id, &reply_to(id));
            "complete"
        }
        action => {
            let sequence = if action < 4 {
                last.saturating_sub(chance.below(3)).max(1)
            } else {
                *last + 1
            };
            *last = sequence.max(*last);
            let awaited = sequence - chance.below(sequence.min(3));
            let id = request(client, sequence);
            match cache.admit(now, id, *session, awaited, &bytes("book")) {
                Admission::New if chance.below(4) == 0 => {
                    cache.wait(id);
                    waiting.push(id);
                    "waits"
                }
                Admission::New => {
                    cache.complete(now, id, &reply_to(id));
                    "done"
                }
                Admission::InProgress => "InProgress",
                Admission::Stored(_) => "Stored",
                Admission::Acknowledged => "Acknowledged",
                Admission::DifferentBody => "DifferentBody",
                Admission::Full => "Full",
                Admission::SessionExpired => "SessionExpired",
            }
        }
    }
}
