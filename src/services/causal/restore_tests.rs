//! Records that a data centre has stored, and others.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::id::{HostId, OperationId, Version};
use crate::rpc::service::{Effect, Effects};
use crate::services::causal::records;
use crate::services::causal::replica::Mode;
use crate::services::causal::write::{Origin, Write};

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

fn fresh(place: u16) -> (Replica, Outgoing) {
    let own = Origin {
        replica: place,
        life: 0,
    };
    let timeouts = (0..3).filter(|&other| other != place);
    let timeouts = timeouts
        .map(|other| (other, Duration::from_secs(1)))
        .collect();
    (Replica::new(own, Mode::Causal), Outgoing::new(timeouts))
}

fn store(records: &mut Records, (replica, outgoing): (&mut Replica, &mut Outgoing)) {
    let mut effects = Effects::default().with_records();
    records::store(3, replica, outgoing, &mut effects);
    for effect in effects.iter() {
        if let Effect::Store { key, value } = effect {
            match value {
                Some(value) => records.insert(key.to_owned(), value.to_owned()),
                None => records.remove(key),
            };
        }
    }
}

/// Of data centre 0: two writes of its own, the first acknowledged by 1 and the second by nobody; and
/// the second of data centre 1, whose first has not come.
fn records() -> Records {
    let mut records = Records::new();
    let (mut replica, mut outgoing) = fresh(0);
    for value in ["lost", "found"] {
        let done = replica.put(("ring", value, "alice"), Vec::new(), 0);
        let about = Some(OperationId {
            client: HostId(3),
            number: 1,
        });
        outgoing.add(Time::ZERO, done.write, about, None);
        store(&mut records, (&mut replica, &mut outgoing));
    }
    let write = Write {
        key: "answer".to_owned(),
        value: "glad".to_owned(),
        author: "bob".to_owned(),
        version: Version {
            timestamp: 7,
            replica: 1,
            life: 0,
        },
        sequence: 2,
        needs: Vec::new(),
    };
    replica.arrive(Time::ZERO, write, None);
    outgoing.acknowledge(1, 1);
    store(&mut records, (&mut replica, &mut outgoing));
    records
}

fn restored(records: Records, place: u16) -> Result<(Replica, Outgoing), BadRecord> {
    let (mut replica, mut outgoing) = fresh(place);
    let mut records = records.into_iter();
    let state = (&mut replica, &mut outgoing);
    restore(Time::ZERO, 3, &mut records, state)?;
    Ok((replica, outgoing))
}

#[test]
fn a_data_centre_goes_on_where_it_was() {
    let (mut replica, mut outgoing) = restored(records(), 0).unwrap();
    assert_eq!((replica.clock(), replica.last()), (7, 2));
    let held = replica.held("ring").unwrap();
    assert_eq!((&*held.value, &*held.author), ("found", "alice"));
    let dc1 = Origin {
        replica: 1,
        life: 0,
    };
    assert!(replica.has_committed(dc1, 2) && !replica.has_committed(dc1, 1));
    let due = outgoing.take_due(Time::ZERO);
    assert!(due.iter().all(|due| due.write.author == "alice"));
    let due: Vec<_> = due.iter().map(|due| (due.write.sequence, due.to)).collect();
    assert_eq!(due, [(1, 2), (2, 1), (2, 2)]);
    let done = replica.put(("x", "1", ""), Vec::new(), 0);
    assert_eq!((done.write.version.timestamp, done.write.sequence), (8, 3));
}

#[test]
fn what_all_have_acknowledged_is_no_longer_stored() {
    let mut records = records();
    let before = records.len();
    let (mut replica, mut outgoing) = restored(records.clone(), 0).unwrap();
    outgoing.acknowledge(2, 1);
    store(&mut records, (&mut replica, &mut outgoing));
    assert_eq!(records.len(), before - 1);
}

#[test]
fn nothing_stored_is_a_first_start() {
    let (replica, outgoing) = restored(Records::new(), 0).unwrap();
    assert!(replica.last() == 0 && outgoing.is_empty());
}

#[test]
fn records_of_another_data_centre_are_refused() {
    let error = restored(records(), 2).unwrap_err();
    assert!(error.reason.contains("those of dc0 of 3"), "{error}");
}

/// Damages one record, and tells why all of them are refused then.
fn refused(damage: impl FnOnce(&mut Records)) -> String {
    let mut records = records();
    damage(&mut records);
    restored(records, 0).unwrap_err().reason
}

fn first_of(records: &mut Records, kind: u8) -> &mut Vec<u8> {
    let mut kinds = records.iter_mut();
    kinds
        .find(|(key, _)| key[0] == kind)
        .expect("one is stored")
        .1
}

#[test]
fn what_no_data_centre_has_stored_is_refused() {
    let without_counts = refused(|records| drop(records.remove(&vec![1])));
    assert!(without_counts.contains("is missing"), "{without_counts}");
    let format = refused(|records| first_of(records, 1)[1] = 2);
    assert!(format.contains("format"), "{format}");
    let uncommitted = refused(|records| {
        records.retain(|key, _| !(key[0] == 3 && key[2] == 1));
    });
    assert!(
        uncommitted.contains("answer (7,1) was never committed"),
        "{uncommitted}"
    );
    let beyond_clock = refused(|records| first_of(records, 2)[7] = 9);
    assert!(
        beyond_clock.contains("beyond the data centre's clock"),
        "{beyond_clock}"
    );
    let more_written = refused(|records| *first_of(records, 1).last_mut().unwrap() = 5);
    assert!(
        more_written.contains("has written 5 times"),
        "{more_written}"
    );
    let to_itself = refused(|records| *first_of(records, 4).last_mut().unwrap() = 0);
    assert!(to_itself.contains("no other data centre"), "{to_itself}");
    let truncated = refused(|records| first_of(records, 4).truncate(3));
    assert!(truncated.contains("truncated"), "{truncated}");
    let another_kind = refused(|records| drop(records.insert(vec![9], vec![])));
    assert!(another_kind.contains("kind of record"), "{another_kind}");
    let nobody = refused(|records| drop(records.insert(vec![3, 0, 9, 0, 0, 0, 0], vec![0; 20])));
    assert!(nobody.contains("there is no dc9"), "{nobody}");
}

#[test]
fn every_cut_of_a_record_is_refused() {
    let records = records();
    for (key, value) in &records {
        for length in 0..value.len() {
            let mut cut = records.clone();
            cut.insert(key.clone(), value[..length].to_vec());
            assert!(restored(cut, 0).is_err(), "{key:?} cut to {length}");
        }
    }
}

#[test]
fn whatever_byte_is_changed_gives_a_data_centre_or_an_error() {
    let records = records();
    let mut taken = 0;
    for (key, value) in &records {
        for at in 0..value.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut changed = records.clone();
                let mut value = value.clone();
                value[at] = byte;
                changed.insert(key.clone(), value);
                if let Ok((mut replica, outgoing)) = restored(changed, 0) {
                    taken += 1;
                    let done = replica.put(("ring", "again", ""), Vec::new(), 0);
                    assert!(done.hidden_by.is_none(), "{key:?}, {at}: it goes on");
                    assert!(outgoing.everywhere(replica.last()) <= replica.last());
                }
            }
        }
    }
    assert!(taken > 0, "values may be any");
}
