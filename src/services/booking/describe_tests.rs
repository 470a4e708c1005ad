//! Messages in words, and that requests read back.

use proptest::prelude::*;

use super::*;
use crate::services::booking::codec::{CONFIRMATION, FACILITY};
use crate::services::booking::command;
use crate::services::booking::message::Refusal;
use crate::wire::Limit;

fn at(day: u8, hour: u8, minute: u8) -> WireTime {
    WireTime { day, hour, minute }
}

/// Hour and minute.
type Clock = (u8, u8);

fn on_day(day: u8, free: &[(Clock, Clock)]) -> DayAvailability {
    let interval =
        |&(start, end): &(Clock, Clock)| (at(day, start.0, start.1), at(day, end.0, end.1));
    DayAvailability {
        day,
        free: free.iter().map(interval).collect(),
    }
}

fn availability(days: Vec<DayAvailability>) -> Availability {
    Availability {
        facility: "Hall".to_owned(),
        days,
    }
}

fn changed(revision: u32, days: Vec<DayAvailability>) -> String {
    let update_message = Update::Changed {
        revision,
        oldest: revision,
        availability: availability(days),
    };
    update(&update_message.encode())
}

#[test]
fn availability_is_told_day_by_day() {
    let days = vec![
        on_day(0, &[((0, 0), (10, 0)), ((11, 0), (24, 0))]),
        on_day(2, &[]),
        on_day(1, &[((0, 0), (24, 0))]),
    ];
    assert_eq!(
        reply(&Reply::Availability(availability(days)).encode()),
        "mon 00:00-10:00, 11:00-24:00; wed fully booked; tue 00:00-24:00"
    );
    let nothing = Reply::Availability(availability(Vec::new()));
    assert_eq!(reply(&nothing.encode()), "no days");
}

#[test]
fn other_replies_are_told_in_a_word_or_two() {
    let monitoring = Reply::Monitoring {
        revision: 3,
        seconds: 1_200,
    };
    let monitoring_of_v1 = Reply::Monitoring {
        revision: 0,
        seconds: 0,
    };
    for (message, words) in [
        (Reply::Booked("CONF000001".to_owned()), "CONF000001"),
        (Reply::Changed, "changed"),
        (Reply::Extended, "extended"),
        (Reply::Cancelled, "cancelled"),
        (monitoring, "monitoring for 20m"),
        (monitoring_of_v1, "monitoring"),
    ] {
        assert_eq!(reply(&message.encode()), words);
    }
    let refused = Reply::Error(Refusal::NotAvailable);
    assert_eq!(reply(&refused.encode()), Refusal::NotAvailable.to_string());
}

#[test]
fn an_update_tells_what_is_taken_joined_across_midnight() {
    let mut days: Vec<_> = (0..7)
        .map(|day| on_day(day, &[((0, 0), (24, 0))]))
        .collect();
    assert_eq!(changed(1, days.clone()), "'Hall' revision 1: all free");
    days[0] = on_day(0, &[((0, 0), (10, 0)), ((11, 0), (22, 0))]);
    days[1] = on_day(1, &[]);
    days[2] = on_day(2, &[((2, 0), (24, 0))]);
    days[6] = on_day(6, &[((0, 0), (23, 0))]);
    assert_eq!(
        changed(3, days),
        "'Hall' revision 3: taken mon 10:00-11:00, mon 22:00-wed 02:00, sun 23:00-24:00"
    );
}

#[test]
fn an_update_of_format_v1_names_no_revision() {
    assert_eq!(changed(0, Vec::new()), "'Hall': all free");
}

#[test]
fn the_latest_revision_is_told_with_the_end() {
    let latest = |ended| Update::Latest {
        facility: "Hall".to_owned(),
        revision: 3,
        ended,
    };
    assert_eq!(update(&latest(false).encode()), "'Hall' is at revision 3");
    assert_eq!(
        update(&latest(true).encode()),
        "'Hall' is at revision 3, monitoring has ended"
    );
}

#[test]
fn times_that_are_none_have_words_too() {
    let book = Request::Book {
        facility: "Hall\n".to_owned().into(),
        start: at(9, 25, 0),
        end: at(0, 255, 99),
    };
    assert_eq!(
        request(&book.encode()),
        "book \"Hall\\u{a}\" day9 25:00-mon 255:99"
    );
    let garbage = DayAvailability {
        day: 200,
        free: vec![(at(9, 25, 0), at(0, 0, 0))],
    };
    let backwards = DayAvailability {
        day: 0,
        free: vec![(at(0, 9, 0), at(0, 8, 0)), (at(3, 0, 0), at(6, 24, 0))],
    };
    let words = changed(1, vec![garbage, backwards]);
    assert_eq!(words, "'Hall' revision 1: taken mon 00:00-24:00");
}

/// Any text that the format can carry.
fn text_within(limit: Limit) -> impl Strategy<Value = String> {
    any::<String>().prop_map(move |mut text| {
        text.truncate(text.floor_char_boundary(limit.max));
        text
    })
}

fn requests() -> impl Strategy<Value = Request<'static>> {
    let name = prop_oneof![text_within(FACILITY), "[A-Z][a-z' \"]{0,12}"];
    let time = || {
        let within = (0..7u8, 0..24u8, 0..60u8).prop_map(|(d, h, m)| at(d, h, m));
        prop_oneof![within, (0..7u8).prop_map(|day| at(day, 24, 0))]
    };
    let id = || prop_oneof![text_within(CONFIRMATION), "CONF[0-9]{6,8}"];
    prop_oneof![
        (name.clone(), prop::collection::vec(0..7u8, 1..12)).prop_map(|(facility, days)| {
            Request::Query {
                facility: facility.into(),
                days: days.into(),
            }
        }),
        (name.clone(), time(), time()).prop_map(|(facility, start, end)| Request::Book {
            facility: facility.into(),
            start,
            end
        }),
        (id(), any::<i32>()).prop_map(|(confirmation, offset_minutes)| Request::Change {
            confirmation: confirmation.into(),
            offset_minutes
        }),
        (id(), any::<u32>()).prop_map(|(confirmation, minutes)| Request::Extend {
            confirmation: confirmation.into(),
            minutes
        }),
        id().prop_map(|confirmation| Request::Cancel {
            confirmation: confirmation.into()
        }),
        (name, any::<u32>()).prop_map(|(facility, seconds)| Request::Monitor {
            facility: facility.into(),
            seconds
        }),
    ]
}

proptest! {
    #[test]
    fn a_described_request_is_the_command_that_makes_it(asked in requests()) {
        let body = asked.encode();
        let commands = command::parse(&request(&body)).unwrap();
        prop_assert_eq!(commands.len(), 1);
        prop_assert_eq!(&commands[0].body[..], &body[..]);
    }

    #[test]
    fn any_bytes_have_words(bytes: Vec<u8>) {
        for words in [request(&bytes), reply(&bytes), update(&bytes)] {
            prop_assert!(words.lines().count() <= 1);
        }
    }
}
