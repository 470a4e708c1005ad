//! A hold keeps others away, a taking lasts, and times go in pieces.

use super::*;
use crate::services::meeting::times::Interval;

const fn task(number: u64) -> TaskId {
    TaskId { life: 1, number }
}

fn holds(people: &[(&str, &str)]) -> Holds {
    let one = |(name, times): &(&str, &str)| ((*name).to_owned(), times.parse().unwrap());
    Holds::new(Arc::new(people.iter().map(one).collect()))
}

fn hold(start: u64, end: u64, names: &[&str]) -> Hold {
    Hold {
        meeting: Meeting {
            stretch: Interval::new(start, end).unwrap(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
        },
        about: None,
        asks: Time::from_ms(start),
    }
}

fn free(holds: &Holds, name: &str) -> String {
    holds.times(name).unwrap().to_string()
}

#[test]
fn what_is_held_is_free_until_it_is_taken() {
    let mut holds = holds(&[("ann", "[1,5]"), ("bob", "[1,9]")]);
    assert_eq!(holds.wish(task(1), hold(1, 2, &["ann", "bob"])), Wish::Held);
    assert_eq!(free(&holds, "ann"), "[1,5]");
    assert!(holds.take(task(1)));
    assert_eq!(
        (free(&holds, "ann"), free(&holds, "bob")),
        ("[2,5]".into(), "[2,9]".into())
    );
    assert!(!holds.take(task(1)), "nothing is held any more");
    assert_eq!(holds.release(task(1)), None, "a late abort undoes nothing");
    assert_eq!(free(&holds, "ann"), "[2,5]");
    assert_eq!(holds.wish(task(1), hold(1, 2, &["ann", "bob"])), Wish::Over);
}

#[test]
fn two_transactions_never_hold_the_same_time_of_one_person() {
    let mut holds = holds(&[("ann", "[1,5]"), ("bob", "[1,9]")]);
    assert_eq!(holds.wish(task(1), hold(1, 3, &["ann"])), Wish::Held);
    assert_eq!(holds.wish(task(1), hold(1, 3, &["ann"])), Wish::Held);
    assert_eq!(
        holds.wish(task(2), hold(2, 4, &["bob", "ann"])),
        Wish::Waits(task(1))
    );
    assert_eq!(
        holds.wish(task(2), hold(3, 4, &["bob", "ann"])),
        Wish::Held,
        "it only touches"
    );
    assert_eq!(
        holds.wish(task(3), hold(1, 3, &["bob"])),
        Wish::Held,
        "somebody else"
    );
    assert!(holds.release(task(1)).is_some());
    assert_eq!(holds.wish(task(4), hold(2, 3, &["ann"])), Wish::Held);
}

#[test]
fn who_is_not_free_is_named() {
    let mut holds = holds(&[("ann", "[1,5]"), ("bob", "[4,9]")]);
    let refused = |names: &[&str]| Wish::Refused(names.iter().map(|it| (*it).to_owned()).collect());
    let wished = holds.wish(task(1), hold(3, 5, &["ann", "bob", "eve"]));
    assert_eq!(wished, refused(&["bob", "eve"]));
    assert_eq!(holds.wish(task(1), hold(5, 6, &["ann"])), refused(&["ann"]));
}

#[test]
fn those_that_are_due_ask_again_later() {
    let mut holds = holds(&[("ann", "[1,50]")]);
    holds.wish(task(1), hold(10, 11, &["ann"]));
    holds.wish(task(2), hold(20, 21, &["ann"]));
    assert_eq!(holds.next(), Some(Time::from_ms(10)));
    let due = holds.take_due(Time::from_ms(15), Time::from_ms(30));
    assert_eq!(due, [(task(1), None)]);
    assert_eq!(holds.next(), Some(Time::from_ms(20)));
}

#[test]
fn times_go_in_pieces_and_lose_nothing() {
    let holds = holds(&[
        ("ann", "[1,2], [3,4], [5,6], [7,8], [9,10]"),
        ("bob", "[]"),
        ("eve", "[1,100]"),
    ]);
    let names = ["eve", "nobody", "ann", "bob"].map(str::to_owned);
    for piece_bytes in [1, 32, 43, 44, 60, 1_000] {
        let pieces = holds.pieces(&names, piece_bytes);
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        assert_eq!(pieces.len() == 1, piece_bytes == 1_000);
        let all: Vec<Entry> = pieces.into_iter().flatten().collect();
        for name in ["ann", "bob", "eve"] {
            let of_name = all.iter().filter(|entry| entry.name == name);
            let joined: Vec<Interval> = of_name.clone().flat_map(|it| it.times.clone()).collect();
            assert_eq!(
                Times::new(joined).as_ref(),
                holds.times(name),
                "{piece_bytes}"
            );
            assert!(of_name.count() >= 1);
        }
    }
    assert_eq!(holds.pieces(&[], 100), [vec![]]);
}
