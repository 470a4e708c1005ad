//! Tokens, leases, and pieces of files.

use super::*;
use crate::id::HostId;

const ALICE: ClientId = ClientId(1);
const BOB: ClientId = ClientId(2);
const OPERATION: OperationId = OperationId {
    client: HostId(1),
    number: 1,
};

fn file(number: u16) -> FileId {
    FileId::of_number(number).unwrap()
}

#[test]
fn a_token_is_good_for_its_holder_and_as_long_as_its_grant_lives() {
    let mut lock = Lock::default();
    assert_eq!(lock.held(0, ALICE).unwrap_err(), Refusal::NotTheHolder);
    assert_eq!(lock.give(ALICE, OPERATION, Time::ZERO), 1);
    assert_eq!(lock.held(1, ALICE).unwrap().token, 1);
    assert_eq!(lock.held(1, BOB).unwrap_err(), Refusal::LeaseLost);
    assert_eq!(lock.held(2, ALICE).unwrap_err(), Refusal::LeaseLost);
    assert_eq!(lock.give(BOB, OPERATION, Time::ZERO), 2);
    assert_eq!(lock.held(1, ALICE).unwrap_err(), Refusal::LeaseLost);
    let mut state = LockState::new(Locks::PerFile);
    *state.lock(LockId(0)) = lock;
    assert!(state.give_back(LockId(0)).is_empty());
    let lock = state.lock(LockId(0));
    assert_eq!(lock.held(2, BOB).unwrap_err(), Refusal::NotTheHolder);
}

#[test]
fn a_lease_is_over_at_its_end_and_not_before() {
    let mut lock = Lock::default();
    assert!(!lock.is_over(Time::NEVER));
    lock.give(ALICE, OPERATION, Time::from_ms(2_000));
    assert!(!lock.is_over(Time::from_ms(1_999)));
    assert!(lock.is_over(Time::from_ms(2_000)));
}

#[test]
fn a_piece_is_cut_between_characters_wherever_it_falls() {
    let mut state = LockState::new(Locks::PerFile);
    state.append(file(0), "aé").unwrap();
    let id = LockId(0);
    state.lock(id).give(ALICE, OPERATION, Time::ZERO);
    state.stage(id, file(0), "ßb").unwrap();
    let read = |from, most, client| state.read((file(0), from, most), 1, client);
    let piece = |text: &str| Some((true, 6, text.to_owned()));
    assert_eq!(read(0, 9, ALICE), piece("aéßb"));
    assert_eq!(read(0, 2, ALICE), piece("a"));
    assert_eq!(read(0, 4, ALICE), piece("aé"));
    assert_eq!(read(1, 4, ALICE), piece("éß"));
    assert_eq!(read(3, 3, ALICE), piece("ßb"));
    assert_eq!(read(5, 3, ALICE), piece("b"));
    assert_eq!(read(6, 3, ALICE), piece(""));
    assert_eq!(read(99, 3, ALICE), piece(""));
    assert_eq!(read(2, 3, ALICE), None);
    assert_eq!(read(4, 3, ALICE), None);
    assert_eq!(read(0, 9, BOB), Some((false, 3, "aé".to_owned())));
}

#[test]
fn a_release_says_which_files_have_grown_and_by_how_much() {
    let mut state = LockState::new(Locks::Global);
    let id = LockId(0);
    assert_eq!(state.guarding(file(9)), id);
    state.lock(id).give(ALICE, OPERATION, Time::ZERO);
    for (number, text) in [(9, "ab"), (3, "c"), (9, "d")] {
        state.stage(id, file(number), text).unwrap();
    }
    let grown = state.give_back(id);
    assert_eq!(grown, [(file(3), 1), (file(9), 3)].into());
    assert_eq!(state.text(file(9)), "abd");
    assert_eq!(state.stage(id, file(9), "e"), Err(Refusal::NotTheHolder));
}
