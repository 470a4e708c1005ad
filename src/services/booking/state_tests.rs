//! What the state machine of booking does, operation by operation.

use super::*;
use crate::services::booking::message::{Availability, Reply};
use crate::services::booking::week::WireInterval;

const ROOM: &str = "Meeting Room A";

fn state() -> BookingState {
    BookingState::new([ROOM, "Hall"])
}

fn at(day: u8, hour: u8) -> WireTime {
    WireTime {
        day,
        hour,
        minute: 0,
    }
}

/// Books whole hours and gives the confirmation id.
fn book(state: &mut BookingState, start: (u8, u8), end: (u8, u8)) -> Result<String, Refusal> {
    let times = (at(start.0, start.1), at(end.0, end.1));
    let booked = state.book(state.facility(ROOM)?, times)?;
    Ok(booked.confirmation.to_string())
}

fn query(state: &BookingState, facility: &str, days: &[u8]) -> Result<Availability, Refusal> {
    let mut writer = Writer::default();
    let free = state.query(state.facility(facility)?, days)?;
    free.write(&mut writer);
    match Reply::decode(&writer.finish()) {
        Ok(Reply::Availability(availability)) => Ok(availability),
        other => panic!("no availability: {other:?}"),
    }
}

fn free(state: &BookingState, day: u8) -> String {
    let availability = query(state, ROOM, &[day]).unwrap();
    let words = |&(start, end): &_| WireInterval(start, end).to_string();
    let words: Vec<_> = availability.days[0].free.iter().map(words).collect();
    words.join(", ")
}

#[test]
fn one_counter_numbers_the_bookings_of_all_facilities() {
    let mut state = state();
    assert_eq!(book(&mut state, (0, 10), (0, 11)).unwrap(), "CONF000001");
    let hall = state.facility("Hall").unwrap();
    let in_hall = state.book(hall, (at(0, 10), at(0, 11))).unwrap();
    assert_eq!(in_hall.confirmation.to_string(), "CONF000002");
    assert_eq!(book(&mut state, (0, 12), (0, 13)).unwrap(), "CONF000003");
}

#[test]
fn a_refused_booking_uses_no_number_and_makes_no_revision() {
    let mut state = state();
    book(&mut state, (0, 10), (0, 11)).unwrap();
    let refused = book(&mut state, (0, 10), (0, 11));
    assert_eq!(refused, Err(Refusal::NotAvailable));
    assert_eq!(state.revision(FacilityId(0)), 1);
    assert_eq!(book(&mut state, (0, 11), (0, 12)).unwrap(), "CONF000002");
}

#[test]
fn booking_asks_first_for_the_range_then_for_the_time() {
    let mut state = state();
    book(&mut state, (0, 0), (6, 24)).unwrap();
    let backwards = (at(0, 11), at(0, 10));
    assert_eq!(state.facility("Nowhere"), Err(Refusal::NoSuchFacility));
    let room = state.facility(ROOM).unwrap();
    assert_eq!(state.book(room, backwards), Err(Refusal::BadTimeRange));
    let forwards = (at(0, 10), at(0, 11));
    assert_eq!(state.book(room, forwards), Err(Refusal::NotAvailable));
}

#[test]
fn neighbours_overnight_and_the_end_of_the_week_can_be_booked() {
    let mut state = state();
    book(&mut state, (0, 22), (1, 2)).unwrap();
    book(&mut state, (1, 2), (1, 3)).unwrap();
    book(&mut state, (6, 23), (6, 24)).unwrap();
    assert_eq!(free(&state, 0), "mon 00:00-22:00");
    assert_eq!(free(&state, 1), "tue 03:00-24:00");
    assert_eq!(free(&state, 6), "sun 00:00-23:00");
    let overlap = book(&mut state, (1, 1), (1, 4));
    assert_eq!(overlap, Err(Refusal::NotAvailable));
}

#[test]
fn change_and_extend_ask_existence_then_cancellation_then_range_then_time() {
    let mut state = state();
    let id = book(&mut state, (0, 10), (0, 11)).unwrap();
    book(&mut state, (0, 12), (0, 13)).unwrap();
    assert_eq!(
        state.change("CONF000099", i32::MIN),
        Err(Refusal::NoSuchBooking)
    );
    assert_eq!(
        state.extend("nonsense", u32::MAX),
        Err(Refusal::NoSuchBooking)
    );
    assert_eq!(state.change(&id, i32::MIN), Err(Refusal::BadTimeRange));
    assert_eq!(state.change(&id, i32::MAX), Err(Refusal::BadTimeRange));
    assert_eq!(state.extend(&id, u32::MAX), Err(Refusal::BadTimeRange));
    assert_eq!(state.change(&id, 90), Err(Refusal::NotAvailable));
    assert_eq!(state.extend(&id, 90), Err(Refusal::NotAvailable));
    state.cancel(&id).unwrap();
    assert_eq!(state.change(&id, i32::MIN), Err(Refusal::BookingCancelled));
    assert_eq!(state.extend(&id, u32::MAX), Err(Refusal::BookingCancelled));
}

#[test]
fn a_refused_change_leaves_everything_as_it_was() {
    let mut state = state();
    let id = book(&mut state, (0, 10), (0, 11)).unwrap();
    book(&mut state, (0, 12), (0, 13)).unwrap();
    state.change(&id, 90).unwrap_err();
    state.extend(&id, 10_080).unwrap_err();
    assert_eq!(
        free(&state, 0),
        "mon 00:00-10:00, mon 11:00-12:00, mon 13:00-24:00"
    );
    assert_eq!(state.revision(FacilityId(0)), 2);
}

#[test]
fn a_booking_may_move_into_its_own_old_place_and_to_the_ends_of_the_week() {
    let mut state = state();
    let id = book(&mut state, (0, 10), (0, 12)).unwrap();
    state.change(&id, 60).unwrap();
    assert_eq!(free(&state, 0), "mon 00:00-11:00, mon 13:00-24:00");
    state.change(&id, -11 * 60).unwrap();
    assert_eq!(free(&state, 0), "mon 02:00-24:00");
    assert_eq!(state.change(&id, -1), Err(Refusal::BadTimeRange));
    state.change(&id, 10_080 - 120).unwrap();
    assert_eq!(free(&state, 6), "sun 00:00-22:00");
    assert_eq!(state.change(&id, 1), Err(Refusal::BadTimeRange));
}

#[test]
fn extending_twice_has_the_effect_of_once_and_by_zero_takes_it_back() {
    let mut state = state();
    let id = book(&mut state, (0, 10), (0, 11)).unwrap();
    for _ in 0..2 {
        state.extend(&id, 60).unwrap();
        assert_eq!(free(&state, 0), "mon 00:00-10:00, mon 12:00-24:00");
    }
    state.extend(&id, 0).unwrap();
    assert_eq!(free(&state, 0), "mon 00:00-10:00, mon 11:00-24:00");
}

#[test]
fn after_a_change_an_extension_counts_from_the_end_that_the_change_gave() {
    let mut state = state();
    let id = book(&mut state, (0, 10), (0, 11)).unwrap();
    state.extend(&id, 60).unwrap();
    state.change(&id, 120).unwrap();
    assert_eq!(free(&state, 0), "mon 00:00-12:00, mon 14:00-24:00");
    for _ in 0..2 {
        state.extend(&id, 60).unwrap();
        assert_eq!(free(&state, 0), "mon 00:00-12:00, mon 15:00-24:00");
    }
}

#[test]
fn an_extension_may_end_with_the_week_and_not_a_minute_later() {
    let mut state = state();
    let id = book(&mut state, (6, 22), (6, 23)).unwrap();
    assert_eq!(state.extend(&id, 61), Err(Refusal::BadTimeRange));
    state.extend(&id, 60).unwrap();
    assert_eq!(free(&state, 6), "sun 00:00-22:00");
}

#[test]
fn a_booking_is_cancelled_once_and_its_time_is_free_again() {
    let mut state = state();
    let id = book(&mut state, (0, 10), (0, 11)).unwrap();
    state.cancel(&id).unwrap();
    assert_eq!(state.cancel(&id), Err(Refusal::AlreadyCancelled));
    assert_eq!(state.cancel("CONF000002"), Err(Refusal::NoSuchBooking));
    assert_eq!(free(&state, 0), "mon 00:00-24:00");
    assert_eq!(book(&mut state, (0, 10), (0, 11)).unwrap(), "CONF000002");
}

#[test]
fn every_change_of_a_facility_makes_one_revision_of_it_alone() {
    let mut state = state();
    let id = book(&mut state, (0, 10), (0, 11)).unwrap();
    state.change(&id, 0).unwrap();
    state.extend(&id, 0).unwrap();
    state.cancel(&id).unwrap();
    state.cancel(&id).unwrap_err();
    assert_eq!(state.revision(FacilityId(0)), 4);
    assert_eq!(state.revision(FacilityId(1)), 0);
}

#[test]
fn a_query_answers_each_day_once_in_first_seen_order() {
    let state = state();
    let answered = query(&state, ROOM, &[3, 0, 3, 0, 6]).unwrap();
    let days: Vec<_> = answered.days.iter().map(|day| day.day).collect();
    assert_eq!(days, [3, 0, 6]);
    assert_eq!(query(&state, ROOM, &[]).unwrap().days, []);
}

#[test]
fn a_query_asks_first_for_the_facility_then_for_the_days() {
    let state = state();
    assert_eq!(query(&state, "Nowhere", &[7]), Err(Refusal::NoSuchFacility));
    assert_eq!(query(&state, ROOM, &[0, 7]), Err(Refusal::BadTimeRange));
}

#[test]
fn among_few_or_many_facilities_each_is_found_by_its_name() {
    for count in [COMPARED_MAX, COMPARED_MAX + 1] {
        let names: Vec<_> = (0..count).map(|number| format!("Room {number}")).collect();
        let state = BookingState::new(names.iter().map(String::as_str));
        for (place, name) in (0..).zip(&names) {
            assert_eq!(state.facility(name), Ok(FacilityId(place)));
        }
        assert_eq!(state.facility("Room"), Err(Refusal::NoSuchFacility));
    }
}
