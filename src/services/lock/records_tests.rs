//! Records written and read back, and those that no server has written.

use super::*;
use crate::services::lock::files::FILES;

const HOLDER: ClientId = ClientId(7);
const OPERATION: OperationId = OperationId {
    client: HostId(3),
    number: 9,
};

fn file(number: u16) -> FileId {
    FileId::of_number(number).unwrap()
}

/// What effects store, in the order of keys.
fn stored(effects: &Effects, into: &mut std::collections::BTreeMap<Vec<u8>, Vec<u8>>) {
    for effect in effects.iter() {
        if let crate::rpc::service::Effect::Store { key, value } = effect {
            match value {
                Some(value) => into.insert(key.to_vec(), value.to_vec()),
                None => into.remove(key),
            };
        }
    }
}

fn effects() -> Effects {
    Effects::default().with_records()
}

fn taken_up(records: &[(Vec<u8>, Vec<u8>)]) -> Result<LockState, BadRecord> {
    let mut state = LockState::new(Locks::PerFile);
    restore(&mut state, &mut records.iter().cloned())?;
    Ok(state)
}

#[test]
fn files_that_grow_by_little_take_few_records() {
    let mut state = LockState::new(Locks::PerFile);
    let mut disk = std::collections::BTreeMap::new();
    let mut first = effects();
    store_kind(&state, &mut first);
    stored(&first, &mut disk);
    for length in 1..300_usize {
        let mut step = effects();
        state.append(file(4), &"é".repeat(length)).unwrap();
        store_text(&mut state, file(4), 2 * length, &mut step);
        assert_eq!(step.len(), 1);
        stored(&step, &mut disk);
    }
    let bytes = state.text(file(4)).len();
    assert_eq!(bytes, 300 * 299);
    assert!(
        disk.len() <= 2 + bytes / PIECE_BYTES,
        "{} records",
        disk.len()
    );
    let again = taken_up(&disk.into_iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(again.text(file(4)), state.text(file(4)));
    assert_eq!(format!("{again:?}"), format!("{state:?}"));
}

#[test]
fn what_no_server_has_stored_is_refused() {
    let mut state = LockState::new(Locks::PerFile);
    let mut step = effects();
    store_kind(&state, &mut step);
    let id = LockId(2);
    state.lock(id).give(HOLDER, OPERATION, Time::ZERO);
    store_lock(&state, id, &mut step);
    state.stage(id, file(2), "A").unwrap();
    store_staged(&state, id, &mut step);
    state.append(file(5), "B").unwrap();
    store_text(&mut state, file(5), 1, &mut step);
    let mut disk = std::collections::BTreeMap::new();
    stored(&step, &mut disk);
    let good: Vec<_> = disk.into_iter().collect();
    assert_eq!(
        format!("{:?}", taken_up(&good).unwrap()),
        format!("{state:?}")
    );

    let with = |place: usize, change: &dyn Fn(&mut Vec<u8>, &mut Vec<u8>)| {
        let mut records = good.clone();
        let (key, value) = &mut records[place];
        change(key, value);
        taken_up(&records).unwrap_err().to_string()
    };
    let without = |place: usize| {
        let mut records = good.clone();
        records.remove(place);
        taken_up(&records).unwrap_err().to_string()
    };
    for (found, part) in [
        (with(0, &|_, value| value[1] = 2), "format 2"),
        (with(0, &|_, value| value[2] = 1), "one lock in the records"),
        (without(0), "the kind of locks is missing"),
        (with(1, &|key, _| key[2] = FILES as u8), "no lock 100"),
        (with(1, &|_, value| value[7] = 0), "newer than the newest"),
        (
            with(1, &|_, value| value[16] = 2),
            "whether there is a grant",
        ),
        (without(1), "what was staged before it"),
        (with(2, &|key, _| key[6] = 1), "what was staged before it"),
        (
            with(2, &|_, value| value[1] = 3),
            "what was staged before it",
        ),
        (with(2, &|_, value| value.push(0)), "trailing bytes"),
        (with(3, &|key, _| key[6] = 1), "the piece before it"),
        (with(3, &|key, _| key[2] = 200), "no file 200"),
        (with(3, &|key, _| key[0] = 9), "no kind 9"),
        (with(3, &|key, _| key.push(0)), "trailing bytes"),
    ] {
        assert!(found.contains(part), "{found}, not {part}");
    }
    let mut other = LockState::new(Locks::Global);
    let refused = restore(&mut other, &mut good.into_iter()).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("a lock per file in the records")
    );
}
