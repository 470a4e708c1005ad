//! The rules of the reply cache, each with a test that fails without it.

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
    ReplyCache::new(CacheKind::Memory, Limits::default())
}

/// Executes a request at once.
fn execute(cache: &mut ReplyCache, now: Time, id: RequestId, awaited: u32, body: &str) {
    assert_eq!(
        cache.admit(now, id, NO_SESSION, awaited, &bytes(body)),
        Admission::New
    );
    cache.complete(now, id, &bytes("done"));
}

#[test]
fn a_duplicate_gets_the_stored_reply() {
    let mut cache = cache();
    execute(&mut cache, at(0), request(ALICE, 1), 1, "cancel");
    let again = cache.admit(at(5), request(ALICE, 1), NO_SESSION, 1, &bytes("cancel"));
    assert_eq!(again, Admission::Stored(bytes("done")));
}

#[test]
fn a_duplicate_of_a_request_in_progress_is_told_so() {
    let mut cache = cache();
    assert_eq!(
        cache.admit(at(0), request(ALICE, 1), NO_SESSION, 1, &bytes("x")),
        Admission::New
    );
    let again = cache.admit(at(5), request(ALICE, 1), NO_SESSION, 1, &bytes("x"));
    assert_eq!(again, Admission::InProgress);
}

#[test]
fn an_acknowledged_reply_is_forgotten_and_its_late_duplicate_ignored() {
    let mut cache = cache();
    execute(&mut cache, at(0), request(ALICE, 1), 1, "book");
    execute(&mut cache, at(1), request(ALICE, 2), 2, "cancel");
    assert_eq!(cache.len(), 1);
    let late = cache.admit(at(2), request(ALICE, 1), NO_SESSION, 1, &bytes("book"));
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
    let other = cache.admit(at(1), request(ALICE, 1), NO_SESSION, 1, &bytes("book tue"));
    assert_eq!(other, Admission::DifferentBody);
}

#[test]
fn format_v1_gets_the_wrong_reply_for_another_body() {
    let mut cache = cache();
    execute(&mut cache, at(0), request(v1(9), 1), 0, "book mon");
    let other = cache.admit(at(1), request(v1(9), 1), NO_SESSION, 0, &bytes("book tue"));
    assert_eq!(other, Admission::Stored(bytes("done")));
}

#[test]
fn a_reply_older_than_the_age_limit_is_forgotten_so_a_late_duplicate_runs_again() {
    let mut cache = cache();
    execute(&mut cache, at(0), request(ALICE, 1), 1, "cancel");
    let stored = cache.admit(at(299), request(ALICE, 1), NO_SESSION, 1, &bytes("cancel"));
    assert!(matches!(stored, Admission::Stored(_)));
    let late = cache.admit(at(300), request(ALICE, 1), NO_SESSION, 1, &bytes("cancel"));
    assert_eq!(late, Admission::New);
}

#[test]
fn requests_in_progress_outlive_the_age_limit_and_their_acknowledgement() {
    let mut cache = cache();
    assert_eq!(
        cache.admit(at(0), request(ALICE, 1), NO_SESSION, 1, &bytes("wait")),
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
    let mut cache = ReplyCache::new(CacheKind::Memory, limits);
    for sequence in 1..=3 {
        execute(&mut cache, at(0), request(ALICE, sequence), 1, "x");
    }
    assert_eq!(
        cache.admit(at(0), request(ALICE, 4), NO_SESSION, 1, &bytes("x")),
        Admission::Full
    );
    let first = cache.admit(at(0), request(ALICE, 1), NO_SESSION, 1, &bytes("x"));
    assert!(matches!(first, Admission::Stored(_)));
}

#[test]
fn a_v1_client_that_cannot_acknowledge_loses_its_oldest_reply() {
    let limits = Limits {
        replies_per_client: 3,
        ..Limits::default()
    };
    let mut cache = ReplyCache::new(CacheKind::Memory, limits);
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
        cache.admit(at(5), request(v1(9), 1), NO_SESSION, 0, &bytes("x")),
        Admission::New
    );
}

#[test]
fn the_number_of_clients_is_bounded_until_silent_ones_are_forgotten() {
    let limits = Limits {
        clients: 2,
        ..Limits::default()
    };
    let mut cache = ReplyCache::new(CacheKind::Memory, limits);
    execute(&mut cache, at(0), request(v1(1), 1), 0, "x");
    execute(&mut cache, at(0), request(v1(2), 1), 0, "x");
    let third = request(v1(3), 1);
    assert_eq!(
        cache.admit(at(1), third, NO_SESSION, 0, &bytes("x")),
        Admission::Full
    );
    assert_eq!(
        cache.admit(at(301), third, NO_SESSION, 0, &bytes("x")),
        Admission::New
    );
}

#[test]
fn bytes_are_bounded_and_nothing_is_dropped_for_them() {
    let limits = Limits {
        bytes: 2 * (REQUEST_BYTES + 100),
        ..Limits::default()
    };
    let mut cache = ReplyCache::new(CacheKind::Memory, limits);
    let body = "x".repeat(96); // with the reply, a hundred bytes
    execute(&mut cache, at(0), request(ALICE, 1), 1, &body);
    execute(&mut cache, at(0), request(v1(1), 1), 0, &body);
    for other in [request(ALICE, 2), request(v1(1), 2), request(v1(2), 1)] {
        let refused = cache.admit(at(1), other, NO_SESSION, 0, &bytes(""));
        assert_eq!(refused, Admission::Full, "{other:?}");
    }
    for known in [request(ALICE, 1), request(v1(1), 1)] {
        let stored = cache.admit(at(1), known, NO_SESSION, 0, &bytes(&body));
        assert_eq!(stored, Admission::Stored(bytes("done")), "{known:?}");
    }
    let acknowledging = cache.admit(at(1), request(ALICE, 2), NO_SESSION, 2, &bytes(""));
    assert_eq!(acknowledging, Admission::New);
}

#[test]
fn what_is_forgotten_in_any_way_is_no_longer_counted() {
    let limits = Limits {
        replies_per_client: 2,
        ..Limits::default()
    };
    let mut cache = ReplyCache::new(CacheKind::Memory, limits);
    execute(&mut cache, at(0), request(ALICE, 1), 1, "acknowledged");
    for sequence in 1..=3 {
        execute(&mut cache, at(0), request(v1(9), sequence), 0, "pushed out");
    }
    let late = cache.admit(
        at(0),
        request(ALICE, 2),
        NO_SESSION,
        2,
        &bytes("in progress"),
    );
    assert_eq!(late, Admission::New);
    execute(&mut cache, at(1), request(ALICE, 3), 3, "acknowledges 2");
    cache.complete(at(2), request(ALICE, 2), &bytes("too late"));
    let remembered = 2 * (REQUEST_BYTES + "pushed out done".len() - 1)
        + (REQUEST_BYTES + "acknowledges 2 done".len() - 1);
    assert_eq!((cache.len(), cache.bytes), (3, remembered));
    execute(&mut cache, at(1_000), request(v1(8), 1), 0, "");
    assert_eq!(cache.bytes, REQUEST_BYTES + "done".len());
}
