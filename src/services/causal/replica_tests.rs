//! One rule each, on two or three data centres whose messages the test carries by hand.

use super::*;
use crate::id::HostId;

fn replica(place: u16, mode: Mode) -> Replica {
    let own = Origin {
        replica: place,
        life: 0,
    };
    Replica::new(own, mode)
}

fn causal(place: u16) -> Replica {
    replica(place, Mode::Causal)
}

fn version(timestamp: u64, replica: u16) -> Version {
    Version {
        timestamp,
        replica,
        life: 0,
    }
}

/// Writes after having read these.
fn put(replica: &mut Replica, key: &str, value: &str, needs: &[&Write]) -> Write {
    let needs = needs.iter().map(|need| need.as_dependency()).collect();
    let done = replica.put((key, value, ""), needs, 0);
    assert!(
        done.hidden_by.is_none(),
        "a put is newer than what its home holds"
    );
    (*done.write).clone()
}

/// The versions that an arrival has committed, in order.
fn versions(arrived: &Arrived) -> Vec<Version> {
    match arrived {
        Arrived::Committed(done) => done.iter().map(|done| done.write.version).collect(),
        _ => Vec::new(),
    }
}

fn value<'a>(replica: &'a Replica, key: &str) -> Option<&'a str> {
    replica.held(key).map(|held| held.value.as_str())
}

/// Alice writes lost and found, Bob reads found and writes glad.
fn ring() -> (Write, Write, Write) {
    let (mut home, mut away) = (causal(0), causal(1));
    let lost = put(&mut home, "ring", "lost", &[]);
    let found = put(&mut home, "ring", "found", &[&lost]);
    away.arrive(Time::ZERO, lost.clone(), None);
    away.arrive(Time::ZERO, found.clone(), None);
    let glad = put(&mut away, "answer", "glad", &[&found]);
    (lost, found, glad)
}

#[test]
fn versions_are_those_of_the_seed() {
    let (lost, found, glad) = ring();
    assert_eq!(lost.version, version(1, 0));
    assert_eq!(found.version, version(2, 0));
    assert_eq!(glad.version, version(3, 1));
}

#[test]
fn the_clock_goes_beyond_the_clients_and_keeps_up_with_what_arrives() {
    let mut replica = causal(0);
    let done = replica.put(("x", "1", ""), Vec::new(), 5);
    assert_eq!(done.write.version, version(6, 0));
    let mut other = causal(1);
    other.arrive(Time::ZERO, (*done.write).clone(), None);
    assert_eq!(other.clock(), 6, "no further step");
    other.witness(3);
    assert_eq!(other.clock(), 6, "never back");
}

#[test]
fn a_write_stalls_until_what_it_depends_on_is_committed() {
    let (lost, found, glad) = ring();
    let mut far = causal(2);
    let arrived = far.arrive(Time::from_ms(10), glad.clone(), None);
    assert!(matches!(arrived, Arrived::Stalls(missing) if missing == found.as_dependency()));
    assert_eq!(value(&far, "answer"), None);
    let arrived = far.arrive(Time::from_ms(20), found.clone(), None);
    assert!(
        matches!(arrived, Arrived::Stalls(_)),
        "found waits for lost"
    );
    let Arrived::Committed(done) = far.arrive(Time::from_ms(45), lost.clone(), None) else {
        panic!("lost depends on nothing");
    };
    let order: Vec<_> = done
        .iter()
        .map(|done| (done.write.version, done.since))
        .collect();
    let since = |ms| Some(Time::from_ms(ms));
    let expected = [
        (lost.version, None),
        (found.version, since(20)),
        (glad.version, since(10)),
    ];
    assert_eq!(order, expected);
    assert_eq!(far.stalled(), 0);
}

#[test]
fn in_the_mode_eventual_nothing_waits() {
    let (.., glad) = ring();
    let mut far = replica(2, Mode::Eventual);
    assert_eq!(
        versions(&far.arrive(Time::ZERO, glad.clone(), None)),
        [glad.version]
    );
    assert!(far.missing(&glad.needs).is_none());
}

/// Two concurrent writes of one key, and one that depends on the older one.
fn concurrent() -> (Write, Write, Write) {
    let (mut home, mut away) = (causal(0), causal(1));
    let older = put(&mut home, "x", "older", &[]);
    let after = put(&mut home, "y", "after", &[&older]);
    away.witness(7);
    let newer = put(&mut away, "x", "newer", &[]);
    assert!(newer.version > older.version);
    (older, newer, after)
}

#[test]
fn a_newer_version_does_not_stand_in_for_the_one_that_is_missing() {
    let (older, newer, after) = concurrent();
    let mut far = causal(2);
    far.arrive(Time::ZERO, newer.clone(), None);
    let arrived = far.arrive(Time::ZERO, after.clone(), None);
    assert!(matches!(arrived, Arrived::Stalls(missing) if missing == older.as_dependency()));
    let mut mistaken = replica(2, Mode::NewerStandsIn);
    mistaken.arrive(Time::ZERO, newer, None);
    let arrived = mistaken.arrive(Time::ZERO, after.clone(), None);
    assert_eq!(versions(&arrived), [after.version], "the mistake is one");
}

#[test]
fn the_last_writer_wins_whatever_comes_last() {
    let (older, newer, _) = concurrent();
    let mut far = causal(2);
    far.arrive(Time::ZERO, newer.clone(), None);
    let Arrived::Committed(done) = far.arrive(Time::ZERO, older.clone(), None) else {
        panic!("it depends on nothing");
    };
    assert_eq!(done[0].hidden_by, Some(newer.version));
    assert_eq!(value(&far, "x"), Some("newer"));
    assert!(
        far.has_committed(older.origin(), 1),
        "others may depend on it"
    );
}

#[test]
fn a_write_takes_effect_once() {
    let (lost, found, _) = ring();
    let mut far = causal(2);
    far.arrive(Time::ZERO, lost.clone(), None);
    far.arrive(Time::ZERO, found, None);
    assert!(matches!(far.arrive(Time::ZERO, lost, None), Arrived::Known));
    assert_eq!(value(&far, "ring"), Some("found"));
}

#[test]
fn a_write_that_waits_already_waits_once() {
    let (lost, found, glad) = ring();
    let mut far = causal(2);
    far.arrive(Time::from_ms(1), glad.clone(), None);
    assert!(matches!(
        far.arrive(Time::from_ms(9), glad, None),
        Arrived::Waits
    ));
    far.arrive(Time::ZERO, lost, None);
    let Arrived::Committed(done) = far.arrive(Time::ZERO, found, None) else {
        panic!("nothing is missing");
    };
    assert_eq!(done.len(), 2);
    assert_eq!(done[1].since, Some(Time::from_ms(1)));
}

#[test]
fn what_is_not_sent_again_is_dropped_and_may_come_again() {
    let (lost, found, glad) = ring();
    let mut far = causal(2);
    far.arrive(Time::from_ms(10), glad.clone(), None);
    far.drop_stalled(Time::from_ms(9));
    assert_eq!(
        (far.stalled(), far.first_heard()),
        (1, Some(Time::from_ms(10)))
    );
    far.drop_stalled(Time::from_ms(10));
    assert_eq!((far.stalled(), far.first_heard()), (0, None));
    far.arrive(Time::ZERO, lost, None);
    far.arrive(Time::ZERO, found, None);
    let arrived = far.arrive(Time::ZERO, glad.clone(), None);
    assert_eq!(versions(&arrived), [glad.version]);
}

#[test]
fn what_is_known_everywhere_is_left_out_of_lists_and_nothing_else() {
    let mut home = causal(0);
    let lost = put(&mut home, "ring", "lost", &[]);
    let found = put(&mut home, "ring", "found", &[&lost]);
    home.forget(lost.origin(), 1);
    home.forget(lost.origin(), 0);
    let next = put(&mut home, "x", "1", &[&lost, &found]);
    assert_eq!(next.needs, [found.as_dependency()]);
}

#[test]
fn the_operation_of_a_write_that_waits_is_kept() {
    let (lost, found, glad) = ring();
    let about = OperationId {
        client: HostId(4),
        number: 2,
    };
    let mut far = causal(2);
    far.arrive(Time::ZERO, glad, Some(about));
    far.arrive(Time::ZERO, lost, None);
    let Arrived::Committed(done) = far.arrive(Time::ZERO, found, None) else {
        panic!("nothing is missing");
    };
    assert_eq!(done[1].about, Some(about));
}
