//! What was stored is taken up, and what no server has stored is refused.

use super::*;
use crate::rpc::service::Effect;
use crate::services::meeting::times::Interval;

const TASK: TaskId = TaskId { life: 2, number: 7 };

fn meeting() -> Meeting {
    Meeting {
        stretch: Interval::new(1, 2).unwrap(),
        names: vec!["ann".to_owned(), "bob".to_owned()],
    }
}

const fn about() -> Option<OperationId> {
    Some(OperationId {
        client: HostId(4),
        number: 1,
    })
}

/// The records that effects leave behind.
fn records(store: impl FnOnce(&mut Effects)) -> Vec<Record> {
    let mut effects = Effects::default().with_records();
    store(&mut effects);
    let stored = effects.iter().filter_map(|effect| match effect {
        Effect::Store {
            key,
            value: Some(value),
        } => Some((key.to_vec(), value.to_vec())),
        _ => None,
    });
    stored.collect()
}

fn restored(place: u16, records: Vec<Record>) -> Result<(u64, Vec<Stored>), BadRecord> {
    let mut found = Vec::new();
    let life = restore((place, 7), &mut records.into_iter(), |stored| {
        found.push(stored);
        Ok(())
    })?;
    Ok((life, found))
}

#[test]
fn what_was_stored_is_taken_up_in_the_next_life() {
    let stored = records(|effects| {
        store_server(1, 3, effects);
        store_hold(TASK, &meeting(), about(), effects);
        store_taken(TASK, &meeting(), about(), effects);
        store_decision(TASK, (&meeting(), None), [1, 2], effects);
    });
    let expected = vec![
        Stored::Hold(TASK, meeting(), about()),
        Stored::Taken(TASK, meeting(), about()),
        Stored::Decision(TASK, meeting(), None, vec![1, 2]),
    ];
    assert_eq!(restored(1, stored), Ok((4, expected)));
    assert_eq!(restored(1, Vec::new()), Ok((7, Vec::new())));
}

#[test]
fn records_of_another_server_are_refused() {
    let stored = records(|effects| store_server(1, 3, effects));
    let error = restored(2, stored).unwrap_err();
    assert_eq!(error.reason, "it is of server a, and this is b");
}

#[test]
fn what_is_no_record_is_refused() {
    let mut stored = records(|effects| store_taken(TASK, &meeting(), about(), effects));
    stored[0].1.push(0);
    let error = restored(1, stored).unwrap_err();
    assert!(error.reason.contains("trailing"), "{error}");
    let error = restored(1, vec![(vec![9], Vec::new())]).unwrap_err();
    assert!(error.reason.contains("unknown kind of record"), "{error}");
    let other_format = vec![(vec![1], vec![0, 2])];
    let error = restored(1, other_format).unwrap_err();
    assert!(error.reason.contains("format of the records"), "{error}");
}
