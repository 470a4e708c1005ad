//! Records that a server cannot take up are refused with a reason, and none makes it panic.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::rpc::service::Record;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_changed_in_the_records_gives_a_server_or_an_error(
        changes in prop::collection::vec((any::<Index>(), any::<Index>(), any::<u8>()), 1..4),
        lost in prop::collection::vec(any::<Index>(), 0..2),
    ) {
        let mut records: Vec<Record> = busy().records.into_iter().collect();
        for index in lost {
            records.remove(index.index(records.len()));
        }
        for (record, at, byte) in changes {
            let (key, value) = record.get_mut(&mut records);
            let at = at.index(key.len() + value.len());
            match key.get_mut(at) {
                Some(place) => *place = byte,
                None => value[at - key.len()] = byte,
            }
        }
        use_if_restored(records);
    }

    #[test]
    fn whatever_a_record_is_it_gives_a_server_or_an_error(
        kind in 0_u8..6,
        key in prop::collection::vec(0_u8..3, 0..12),
        value in prop::collection::vec(any::<u8>(), 0..48),
    ) {
        let mut records: Vec<Record> = Disk::new().records.into_iter().collect();
        records.push(([&[kind], &key[..]].concat(), value));
        use_if_restored(records);
    }
}

/// Restores a server from these records; if it takes them, it does everything without a panic.
fn use_if_restored(records: Vec<Record>) {
    let Ok(mut disk) = Disk::of(FACILITY_NAMES, 3_000, records.into_iter().collect()) else {
        return;
    };
    for facility in FACILITY_NAMES {
        for after in [0, 1, 60, 80, u32::MAX - 1] {
            disk.ask(3_000, &caller(1), facility, after);
        }
        for line in [
            "query {} mon",
            "book {} thu 10:00-11:00",
            "monitor {} --for 9s",
        ] {
            disk.request(3_000, &caller(3), &line.replace("{}", facility));
        }
    }
    for verb in ["change {} +1m", "extend {} 1m", "cancel {}"] {
        for number in 1..5 {
            let line = verb.replace("{}", &format!("CONF{number:06}"));
            disk.request(3_000, &caller(1), &line);
        }
    }
    disk.timer = disk.timer.map(|_| Time::from_ms(u64::MAX / 2));
    disk.fire_timer(u64::MAX / 2);
}

#[test]
fn facilities_can_be_added_at_the_end_and_in_no_other_way() {
    let disk = busy();
    let mut added = Disk::of(["Hall", "Room", "Yard"], 2_000, disk.records.clone()).unwrap();
    let booked = added.request(2_000, &caller(0), "book Yard mon 10:00-11:00");
    assert!(
        booked
            .last()
            .is_some_and(|effect| effect.starts_with("Complete"))
    );
    assert!(Disk::of(["Hall", "Room", "Yard"], 2_000, added.records.clone()).is_ok());
    let refused = |names: Result<Disk, String>| names.err().unwrap();
    assert_eq!(
        refused(Disk::of(["Hall", "Room"], 2_000, added.records)),
        "the record with key \"\\x01\" cannot be taken up: facility 3 is 'Yard' in the records, and \
         the configuration has 2; facilities can only be added"
    );
    assert_eq!(
        refused(Disk::of(["Room", "Hall"], 2_000, disk.records)),
        "the record with key \"\\x01\" cannot be taken up: facility 1 is 'Hall' in the records and \
         'Room' in the configuration; facilities can only be added at the end"
    );
}

#[test]
fn a_key_or_value_cut_short_or_with_a_byte_more_is_refused() {
    let Disk { records, .. } = busy();
    let refused = |old: &[u8], key: &[u8], value: &[u8]| {
        let mut records = records.clone();
        records.remove(old);
        records.insert(key.to_vec(), value.to_vec());
        let restored = Disk::of(FACILITY_NAMES, 2_000, records);
        assert!(restored.is_err(), "{key:?} {value:?}");
    };
    for (key, value) in &records {
        (0..key.len()).for_each(|end| refused(key, &key[..end], value));
        (0..value.len()).for_each(|end| refused(key, key, &value[..end]));
        refused(key, &[&key[..], &[0]].concat(), value);
        refused(key, key, &[&value[..], &[0]].concat());
    }
}

#[test]
fn no_kind_of_record_can_be_left_out() {
    let disk = busy();
    for kind in [FACILITIES, BOOKING, CHANGE, REGISTRATION] {
        let mut records = disk.records.clone();
        records.retain(|key, _| key[0] != kind);
        assert!(records.len() < disk.records.len());
        match Disk::of(FACILITY_NAMES, 2_000, records) {
            Ok(restored) if kind == REGISTRATION => assert_ne!(restored.state(), disk.state()),
            Ok(_) => panic!("nothing is missed without {kind}"),
            Err(_) => {}
        }
    }
}

/// Why a server refuses its records after one was stored in the place of another, or erased.
fn reason(key: &[u8], value: Option<&[u8]>) -> String {
    let mut records = busy().records;
    match value {
        Some(value) => drop(records.insert(key.to_vec(), value.to_vec())),
        None => drop(records.remove(key).unwrap()),
    }
    let error = Disk::of(FACILITY_NAMES, 2_000, records).err();
    let error = error.unwrap_or_else(|| panic!("{key:?} {value:?} was taken up"));
    error.split_once("taken up: ").unwrap().1.to_owned()
}

#[test]
fn what_no_server_has_stored_is_refused_with_its_reason() {
    let hall = FacilityId(0);
    let booking = |number: u8| [BOOKING, 0, 0, 0, number];
    let registration = |number| {
        registration_key(Key {
            facility: hall,
            number,
        })
    };
    let last_change = change_key(hall, 83);
    let follows = |what| format!("it does not follow on the {what} before it");
    let overlapping = [0, 0, 2, 88, 3, 12, 3, 12, 0];
    let freed_what_is_taken = [3, 10, 200, 11, 184, 2, 88, 3, 12];
    let in_no_facility = [0, 2, 0, 0, 0, 9, 0, 9, 0];
    let broken_room = "up to it, the changes of 'Room' do not lead to its bookings";
    let broken = "up to it, the changes of 'Hall' do not lead to its bookings";
    let registrations: Vec<_> = {
        let records = busy().records;
        (1..=2)
            .map(|number| records[&registration(number)].clone())
            .collect()
    };
    for (key, value, expected) in [
        (
            &[FACILITIES][..],
            None,
            "the record of the facilities is missing",
        ),
        (
            &[FACILITIES],
            Some(&[0, 1, 0, 0, 0, 0][..]),
            "it names no facility",
        ),
        (
            &[FACILITIES],
            Some(&[0, 2, 0, 0, 0, 0]),
            "format of the records at byte 0 out of range: 2, expected 1",
        ),
        (&[5], Some(&[]), "unknown kind of record 5 at byte 0"),
        (&booking(2), None, &follows("booking")),
        (
            &booking(4),
            Some(&overlapping),
            "its time is taken by another booking",
        ),
        (
            &booking(4),
            Some(&in_no_facility),
            "there is no such facility",
        ),
        (
            &booking(4),
            Some(&[0, 1, 0, 9, 0, 9, 0, 9, 0]),
            "end at byte 4 out of range: 9, expected a minute of the week after the start",
        ),
        (
            &booking(4),
            Some(&[0, 1, 0, 0, 0, 9, 0, 10, 0]),
            "base end at byte 6 out of range: 10, expected a minute of the booking",
        ),
        (&booking(4), Some(&[0, 1, 0, 0, 0, 9, 0, 9, 0]), broken_room),
        (&last_change, None, broken),
        (&last_change, Some(&freed_what_is_taken), broken),
        (&change_key(hall, 50), None, &follows("change")),
        (&change_key(hall, 20), None, broken),
        (&change_key(FacilityId(1), 1), None, broken_room),
        (
            &change_key(FacilityId(2), 1),
            Some(&[1, 0, 0, 0, 9]),
            "there is no such facility",
        ),
        (
            &registration_key(Key {
                facility: FacilityId(2),
                number: 1,
            }),
            Some(&registrations[0]),
            "there is no such facility",
        ),
        (
            &last_change,
            Some(&[4]),
            "unknown kind of change 4 at byte 0",
        ),
        (
            &registration(9),
            Some(&registrations[0]),
            "there are too many registrations",
        ),
    ] {
        assert_eq!(reason(key, value), expected, "{key:?}");
    }
    for expiry in [0, u64::MAX] {
        let mut value = registrations[1].clone();
        let at = value.len() - 8;
        value[at..].copy_from_slice(&expiry.to_be_bytes());
        assert!(reason(&registration(2), Some(&value)).starts_with("expiry at byte"));
    }
}
