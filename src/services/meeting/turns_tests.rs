//! Requests about the same people are done in their order, and nothing grows with those who wait.

use proptest::prelude::*;

use super::*;
use crate::id::{HostId, OperationId};
use crate::services::meeting::command;

const PATIENCE: Duration = Duration::from_millis(600);

fn asked(number: u64, line: &str) -> Asked {
    Asked {
        ticket: Some(Ticket(number)),
        about: OperationId {
            client: HostId(3),
            number: 1,
        },
        since: Time::from_ms(number),
        request: command::request(line).unwrap().with_each_name_once(),
        reply_bytes_max: usize::MAX,
        turn: Turn::default(),
    }
}

/// Turns of these requests, numbered from 1.
fn turns(lines: &[&str]) -> Turns {
    let mut turns = Turns::default();
    for (number, line) in (1..).zip(lines) {
        turns.push(asked(number, line)).unwrap();
    }
    turns
}

/// All that begin now.
fn begin(turns: &mut Turns) -> Vec<Asked> {
    begin_those(turns, Time::ZERO, |_| true)
}

fn begin_those(turns: &mut Turns, now: Time, may_begin: impl Fn(&Asked) -> bool) -> Vec<Asked> {
    std::iter::from_fn(|| turns.next((now, PATIENCE), &may_begin)).collect()
}

fn numbers(asked: &[Asked]) -> Vec<u64> {
    let tickets = asked.iter().filter_map(|it| it.ticket);
    tickets.map(|Ticket(number)| number).collect()
}

#[test]
fn queries_are_under_way_together_and_a_registration_is_alone_with_its_people() {
    let mut turns = turns(&[
        "ann",
        "ann bob",
        "register 1 2 ann",
        "ann",
        "register 1 2 bob",
        "cat",
    ]);
    let first = begin(&mut turns);
    assert_eq!(numbers(&first), [1, 2, 6]);
    turns.end(&first[0]);
    assert_eq!(
        numbers(&begin(&mut turns)),
        [0; 0],
        "the second is under way"
    );
    turns.end(&first[1]);
    let second = begin(&mut turns);
    assert_eq!(numbers(&second), [3, 5]);
    turns.end(&second[0]);
    assert_eq!(numbers(&begin(&mut turns)), [4]);
}

#[test]
fn who_is_abandoned_holds_up_nobody() {
    let mut turns = turns(&["ann", "register 1 2 ann bob", "ann", "bob"]);
    assert_eq!(numbers(&begin(&mut turns)), [1]);
    turns.abandon(Ticket(2));
    assert_eq!(numbers(&begin(&mut turns)), [3, 4]);
    turns.abandon(Ticket(9));
    assert_eq!(numbers(&begin(&mut turns)), [0; 0]);
}

#[test]
fn who_waits_for_names_is_looked_at_when_names_come_or_it_is_late() {
    let mut turns = turns(&["ann", "bob"]);
    let mut looks = 0;
    let mut next = |turns: &mut Turns, ms: u64, known: &str| {
        let begun = turns.next((Time::from_ms(ms), PATIENCE), |asked| {
            looks += 1;
            asked.request.names()[0] == known || ms >= 600
        });
        (looks, begun.and_then(|asked| asked.ticket))
    };
    assert_eq!(next(&mut turns, 1, ""), (2, None));
    assert_eq!(next(&mut turns, 2, "bob"), (2, None), "nothing has come");
    turns.names_have_come();
    assert_eq!(next(&mut turns, 3, "bob"), (4, Some(Ticket(2))));
    assert_eq!(turns.nameless_since(), Some(Time::from_ms(1)));
    assert_eq!(next(&mut turns, 600, ""), (4, None));
    assert_eq!(next(&mut turns, 601, ""), (5, Some(Ticket(1))));
    assert_eq!(turns.nameless_since(), None);
}

#[test]
fn who_is_abandoned_is_no_longer_the_first_that_waits_for_names() {
    let mut turns = turns(&["ann", "bob"]);
    assert!(begin_those(&mut turns, Time::ZERO, |_| false).is_empty());
    assert_eq!(turns.nameless_since(), Some(Time::from_ms(1)));
    turns.abandon(Ticket(1));
    assert_eq!(turns.nameless_since(), Some(Time::from_ms(2)));
    turns.abandon(Ticket(2));
    assert_eq!(turns.nameless_since(), None);
}

#[test]
fn a_long_line_costs_one_look_for_each_request() {
    let mut turns = Turns::default();
    let lines = ["register 1 2 ann bob", "ann", "register 1 2 ann"];
    for (number, line) in (0..10_000).zip(lines.iter().cycle()) {
        turns.push(asked(number, line)).unwrap();
    }
    let (mut looks, mut done) = (0, 0);
    while done < 10_000 {
        // So many steps of the server change nothing for those who wait.
        for _ in 0..10 {
            let begun = turns.next((Time::ZERO, PATIENCE), |_| {
                looks += 1;
                true
            });
            if let Some(begun) = begun {
                assert_eq!(begun.ticket, Some(Ticket(done)));
                done += 1;
                turns.end(&begun);
            }
        }
    }
    assert_eq!(looks, 10_000);
    assert!(turns.waiting.is_empty() && turns.lines.is_empty());
    assert_eq!((turns.count, turns.bytes), (0, 0));
}

#[test]
fn there_is_room_for_many_requests_or_some_large_ones() {
    let mut turns = Turns::default();
    let begun: Vec<Asked> = (0..REQUESTS_MAX as u64)
        .map(|number| {
            turns.push(asked(number, "ann")).unwrap();
            begin(&mut turns).pop().unwrap()
        })
        .collect();
    assert!(turns.push(asked(1, "bob")).is_err());
    turns.end(&begun[0]);
    assert!(turns.push(asked(1, "bob")).is_ok());
    assert!(turns.push(asked(1, "bob")).is_err());

    let mut turns = Turns::default();
    let names: Vec<String> = (0..1_000).map(|number| format!("p{number:027}")).collect();
    let large = format!("register 1 2 {}", names.join(" "));
    let fit = (1..).find(|&number| turns.push(asked(number, &large)).is_err());
    let fit = fit.unwrap() as usize - 1;
    assert_eq!(fit, REQUESTS_BYTES_MAX / (1_000 * (NAME_BYTES + 28)));
    turns.abandon(Ticket(2));
    assert!(turns.push(asked(1, &large)).is_ok());
}

/// What may begin, by the rule itself: nobody before it, done or not begun, wants one of its people for itself or
/// has one whom it wants for itself.
fn may_begin(before: &[&(u64, Request)], request: &Request) -> bool {
    let is_query = |request: &Request| matches!(request, Request::Free { .. });
    before.iter().all(|(_, other)| {
        let has = |name: &String| other.names().contains(name);
        let are_queries = is_query(other) && is_query(request);
        are_queries || !request.names().iter().any(has)
    })
}

proptest! {
    #[test]
    fn whoever_may_begin_does_and_nobody_else(
        lines in prop::collection::vec("(register 1 2|free)( [a-d]){1,3}", 1..20),
        // In each step the names may come that are known from then on; and one request ends.
        steps in prop::collection::vec(
            (prop::option::of("[a-d]{0,4}"), any::<prop::sample::Index>()),
            40,
        ),
    ) {
        let mut turns = Turns::default();
        let mut all: Vec<(u64, Request)> = Vec::new();
        for (number, line) in (0..).zip(&lines) {
            let asked = asked(number, line);
            all.push((number, asked.request.clone()));
            turns.push(asked).unwrap();
        }
        let mut under_way: BTreeMap<u64, Asked> = BTreeMap::new();
        let mut known = String::new();
        for (step, (come, end)) in (0..).zip(steps) {
            if let Some(come) = come {
                known = come;
                turns.names_have_come();
            }
            let now = Time::from_ms(60 * step); // some become late
            let has_names = |number: u64, request: &Request| {
                let is_late = Time::from_ms(number) + PATIENCE <= now;
                is_late || request.names().iter().all(|name| known.contains(name.as_str()))
            };
            let before: Vec<u64> = under_way.keys().copied().collect();
            let begun = begin_those(&mut turns, now, |it| has_names(it.since.as_ms(), &it.request));
            for asked in begun {
                let number = numbers(std::slice::from_ref(&asked))[0];
                prop_assert!(under_way.insert(number, asked).is_none());
            }
            let (expected, nameless): (Vec<_>, Vec<_>) = (0..all.len())
                .filter(|&place| may_begin(&all[..place].iter().collect::<Vec<_>>(), &all[place].1))
                .map(|place| &all[place])
                .partition(|(number, it)| before.contains(number) || has_names(*number, it));
            let expected: Vec<u64> = expected.iter().map(|(number, _)| *number).collect();
            prop_assert_eq!(under_way.keys().copied().collect::<Vec<_>>(), expected);
            let since = nameless.first().map(|(number, _)| Time::from_ms(*number));
            prop_assert_eq!(turns.nameless_since(), since);
            if all.is_empty() {
                break;
            }
            // One ends: mostly one that is under way, sometimes one that waits and is abandoned.
            let (number, _) = all.remove(end.index(all.len()));
            match under_way.remove(&number) {
                Some(asked) => turns.end(&asked),
                None => turns.abandon(Ticket(number)),
            }
        }
    }
}
