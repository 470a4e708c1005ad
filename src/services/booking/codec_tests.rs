//! The bytes of booking's messages: their sizes and limits.

use super::*;

/// Every other minute of every day is free: no week has more intervals.
fn fullest_week(facility: String) -> Availability {
    let time = |day, minute: u16| WireTime {
        day,
        hour: (minute / 60) as u8,
        minute: (minute % 60) as u8,
    };
    let free = |day| {
        let starts = (0..1_440).step_by(2);
        starts.map(move |minute| (time(day, minute), time(day, minute + 1)))
    };
    let days = (0..7).map(|day| DayAvailability {
        day,
        free: free(day).collect(),
    });
    Availability {
        facility,
        days: days.collect(),
    }
}

#[test]
fn the_fullest_week_fits_and_reaches_the_bound() {
    let update = Update::Changed {
        revision: u32::MAX,
        oldest: 1,
        availability: fullest_week("x".repeat(FACILITY.max)),
    };
    let body = update.encode();
    assert_eq!(body.len(), UPDATE_BYTES_MAX);
    assert_eq!(body.capacity(), body.len());
    assert_eq!(Update::decode(&body), Ok(update));
}

#[test]
fn a_body_takes_one_allocation_of_its_size() {
    let query = Request::Query {
        facility: "Gym".into(),
        days: vec![0, 0, 6].into(),
    };
    let body = query.encode();
    assert_eq!(body, b"\x01\0\0\0\x03Gym\0\0\0\x03\0\0\x06");
    assert_eq!(body.capacity(), body.len());
}

#[test]
fn a_name_may_be_empty_but_not_too_long() {
    let cancel = |bytes| Request::Cancel {
        confirmation: "C".repeat(bytes).into(),
    };
    for bytes in [0, CONFIRMATION.max] {
        assert_eq!(Request::decode(&cancel(bytes).encode()), Ok(cancel(bytes)));
    }
    let error = Request::decode(&cancel(CONFIRMATION.max + 1).encode()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "confirmation id at byte 1 too long: 65, at most 64"
    );
}

#[test]
fn the_first_byte_of_a_reply_says_whether_it_is_an_error() {
    let done = [
        Reply::Booked("CONF000001".into()),
        Reply::Changed,
        Reply::Extended,
    ];
    assert!(done.iter().all(|reply| !Reply::is_error(&reply.encode())));
    let is_error = |&refusal: &Refusal| Reply::is_error(&Reply::Error(refusal).encode());
    assert!(Refusal::ALL.iter().all(is_error));
}
