//! A query asks whom it concerns, until all pieces of one state are there, or it gives up.

use super::*;
use crate::id::{HostId, OperationId};
use crate::rpc::service::Ticket;
use crate::services::meeting::message::Request;
use crate::services::meeting::turns::Turn;

const TIMEOUT: Duration = Duration::from_millis(200);

fn settings() -> Settings {
    Settings {
        lookup_timeout: TIMEOUT,
        lookup_attempts: 2,
        ..Settings::default()
    }
}

fn asked(names: &[&str]) -> Asked {
    Asked {
        ticket: Some(Ticket(1)),
        about: OperationId {
            client: HostId(3),
            number: 1,
        },
        since: Time::ZERO,
        request: Request::Free {
            names: names.iter().map(|&name| name.to_owned()).collect(),
        },
        reply_bytes_max: usize::MAX,
        turn: Turn::default(),
    }
}

/// A query about these people: ann is at 1, bob and cat are at 2.
fn query(names: &[&str], unknown: &[u16], decided: Vec<Meeting>) -> Query {
    let place_of = |name: &str| match name {
        "ann" => Some(1),
        "bob" | "cat" => Some(2),
        _ => None,
    };
    let unknown = unknown.iter().copied();
    let decided = decided.iter();
    Query::new(Time::ZERO, asked(names), place_of, unknown, decided)
}

fn due(query: &mut Query, ms: u64) -> Vec<(u16, Vec<u32>)> {
    let lookups = query.take_due(Time::from_ms(ms), &settings());
    lookups.into_iter().map(|it| (it.to, it.pieces)).collect()
}

fn entries(text: &[(&str, &str)]) -> Vec<Entry> {
    let one = |(name, times): &(&str, &str)| Entry {
        name: (*name).to_owned(),
        times: times.parse::<Times>().unwrap().as_slice().to_vec(),
    };
    text.iter().map(one).collect()
}

/// A piece comes from a place, of a state with so many taken times.
fn hear(
    query: &mut Query,
    (from, taken): (u16, u64),
    (number, of): (u32, u32),
    said: &[(&str, &str)],
) {
    let clock = (Time::from_ms(10), TIMEOUT);
    query.hear(
        clock,
        (from, (1, taken)),
        Piece { number, of },
        entries(said),
    );
}

#[test]
fn all_who_are_concerned_are_asked_once_and_what_they_say_is_intersected() {
    let mut query = query(&["ann", "eve", "bob"], &[], Vec::new());
    assert_eq!(due(&mut query, 0), [(1, vec![]), (2, vec![])]);
    assert_eq!(due(&mut query, 199), []);
    hear(&mut query, (2, 0), (0, 1), &[("bob", "[2,8]")]);
    hear(&mut query, (2, 0), (0, 1), &[("bob", "[2,8]")]);
    assert!(!query.is_over());
    hear(&mut query, (1, 0), (0, 1), &[("ann", "[1,3], [5,9]")]);
    assert!(query.is_over());
    let told = query.answer().to_string();
    assert_eq!(
        told,
        "eve does not exist.\nAvailable time slots for ann, bob: [2,3], [5,8]"
    );
}

#[test]
fn who_does_not_answer_is_named_and_the_rest_is_told() {
    let mut query = query(&["cat", "ann", "bob"], &[], Vec::new());
    due(&mut query, 0);
    hear(&mut query, (1, 0), (0, 1), &[("ann", "[1,3]")]);
    assert_eq!(due(&mut query, 200), [(2, vec![])]);
    assert_eq!(query.next(), Some(Time::from_ms(400)));
    assert_eq!(due(&mut query, 400), []);
    assert!(query.is_over() && !query.answer().is_complete());
    let told = query.answer().to_string();
    assert_eq!(
        told,
        "No answer from server b: incomplete, without cat, bob.\nAvailable time slots for ann: [1,3]"
    );
}

#[test]
fn nobody_is_said_not_to_exist_while_a_server_has_not_said_whom_it_has() {
    let query = query(&["eve"], &[2], Vec::new());
    assert!(query.is_over());
    assert_eq!(
        query.answer().to_string(),
        "No answer from server b: incomplete, without eve."
    );
}

#[test]
fn a_piece_that_is_missing_is_asked_for_again_alone() {
    let mut query = query(&["ann"], &[], Vec::new());
    due(&mut query, 0);
    hear(&mut query, (1, 0), (2, 3), &[("ann", "[8,9]")]);
    hear(&mut query, (1, 0), (0, 3), &[("ann", "[1,2]")]);
    assert_eq!(due(&mut query, 209), []);
    assert_eq!(due(&mut query, 210), [(1, vec![1])]);
    hear(&mut query, (1, 0), (1, 3), &[("ann", "[4,6]")]);
    assert_eq!(query.answer().times.to_string(), "[1,2], [4,6], [8,9]");
}

#[test]
fn pieces_of_different_states_are_never_joined() {
    let mut query = query(&["ann"], &[], Vec::new());
    due(&mut query, 0);
    hear(&mut query, (1, 0), (0, 2), &[("ann", "[1,9]")]);
    hear(&mut query, (1, 1), (1, 2), &[("ann", "[7,9]")]);
    hear(&mut query, (1, 0), (1, 2), &[("ann", "[10,11]")]);
    assert!(!query.is_over(), "the first piece is of an earlier state");
    hear(&mut query, (1, 1), (0, 2), &[("ann", "[1,5]")]);
    assert_eq!(query.answer().times.to_string(), "[1,5], [7,9]");
}

#[test]
fn many_pieces_are_asked_for_some_at_a_time() {
    let mut query = query(&["ann"], &[], Vec::new());
    due(&mut query, 0);
    for number in 0..32 {
        let start = u64::from(number) * 2;
        let said = format!("[{start},{}]", start + 1);
        hear(&mut query, (1, 0), (number, 40), &[("ann", &said)]);
    }
    assert_eq!(due(&mut query, 10), [(1, (32..40).collect())]);
}

#[test]
fn what_was_decided_before_is_left_out_wherever_it_is_not_taken_yet() {
    let decided = Meeting {
        stretch: Interval::new(1, 2).unwrap(),
        names: vec!["ann".to_owned()],
    };
    let mut query = query(&["ann", "bob"], &[], vec![decided]);
    due(&mut query, 0);
    hear(&mut query, (1, 0), (0, 1), &[("ann", "[1,9]")]);
    hear(&mut query, (2, 0), (0, 1), &[("bob", "[1,9]")]);
    assert_eq!(query.answer().times.to_string(), "[2,9]");
}
