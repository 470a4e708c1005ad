//! Replies, updates and outcomes, laid out for people.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::history::{Outcome, OutcomeKind, Told};
use crate::services::booking::message::{
    Availability, DayAvailability, Reply, Request, Update, WireTime,
};
use crate::services::booking::week::{TimeOfDay, WireDay};
use crate::services::{Application, Command};

/// The days' names in full.
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// Columns of a day, its colon included: those of the longest, and two spaces.
const DAY_WIDTH: usize = 12;

/// How an operation ended.
pub(super) fn outcome(
    application: &dyn Application,
    command: &Command,
    outcome: &Outcome,
    (server, complaint): (SocketAddr, Option<String>),
) -> String {
    let complaint = complaint.map_or(String::new(), |said| format!(" (it said: {said})"));
    let text = match &outcome.told {
        Told::Reply(reply) => application.describe_reply(reply),
        Told::Text(text) => text.clone().into_owned(),
    };
    match outcome.kind {
        OutcomeKind::Failed if is_silence(&outcome.told) => {
            format!("failed: {text}; the server at {server} may be unreachable{complaint}")
        }
        OutcomeKind::Failed => format!("failed: {text}"),
        OutcomeKind::Unknown if is_silence(&outcome.told) => format!(
            "unknown: {text}; the server at {server} may be unreachable{complaint}, and the request \
             may have been executed"
        ),
        OutcomeKind::Unknown => format!("unknown: {text}; the request may have been executed"),
        OutcomeKind::Ok => match &outcome.told {
            Told::Reply(reply) => of_booking(application, &command.body, reply).unwrap_or(text),
            Told::Text(_) => text,
        },
    }
}

/// Whether the client heard nothing of its request.
fn is_silence(told: &Told) -> bool {
    let Told::Text(text) = told else { return false };
    text.starts_with("no reply") || text.starts_with("no session: no answer")
}

/// An update with its number, if it tells of a change.
pub(super) fn update(application: &dyn Application, number: u32, body: &[u8]) -> Option<String> {
    let text = application.describe_update(body);
    if application.name() != "booking" {
        return Some(format!("update {number}: {text}"));
    }
    let Ok(Update::Changed { availability, .. }) = Update::decode(body) else {
        return None;
    };
    let mut text = format!("update {number}: {}", without_revision(&text));
    let touched = |day: &&DayAvailability| !is_free(day);
    let days: Vec<_> = availability.days.iter().filter(touched).collect();
    table(&mut text, &days);
    if !days.is_empty() && days.len() < availability.days.len() {
        text.push_str("\n  every other day is free");
    }
    Some(text)
}

/// A client counts the updates that it shows; a second number beside that would only confuse.
fn without_revision(text: &str) -> String {
    match text
        .split_once(" revision ")
        .and_then(|(name, rest)| Some((name, rest.split_once(':')?.1)))
    {
        Some((name, what)) => format!("{name}:{what}"),
        None => text.to_owned(),
    }
}

/// For how long a request asks for updates.
pub(super) fn monitored(request: &[u8]) -> Option<Duration> {
    match Request::decode(request) {
        Ok(Request::Monitor { seconds, .. }) => Some(Duration::from_secs(seconds.into())),
        _ => None,
    }
}

/// A reply of the booking service.
fn of_booking(application: &dyn Application, request: &[u8], reply: &[u8]) -> Option<String> {
    if application.name() != "booking" {
        return None;
    }
    let confirmation = match Request::decode(request) {
        Ok(
            Request::Change { confirmation, .. }
            | Request::Extend { confirmation, .. }
            | Request::Cancel { confirmation },
        ) => confirmation.into_owned(),
        _ => String::new(),
    };
    Some(match Reply::decode(reply).ok()? {
        Reply::Availability(availability) => free_times(&availability),
        Reply::Booked(_) => format!("booked: {}", application.describe_reply(reply)),
        Reply::Changed => format!("changed: {confirmation}"),
        Reply::Extended => format!("extended: {confirmation}"),
        Reply::Cancelled => format!("cancelled: {confirmation}"),
        Reply::Monitoring { .. } | Reply::Error(_) => return None,
    })
}

fn free_times(availability: &Availability) -> String {
    let is_printable = |c: &char| !c.is_control();
    let facility: String = availability.facility.chars().filter(is_printable).collect();
    let mut text = format!("{facility} is free on");
    table(&mut text, &availability.days.iter().collect::<Vec<_>>());
    text
}

fn table(text: &mut String, days: &[&DayAvailability]) {
    for day in days {
        let name = match DAYS.get(usize::from(day.day)) {
            Some(name) => format!("{name}:"),
            None => format!("{}:", WireDay(day.day)),
        };
        let free: Vec<String> = day
            .free
            .iter()
            .map(|times| interval(day.day, times))
            .collect();
        let free = if free.is_empty() {
            "fully booked".to_owned()
        } else {
            free.join(", ")
        };
        let _infallible = write!(text, "\n  {name:DAY_WIDTH$}{free}");
    }
}

/// `10:00 - 11:00`, with a day where it is not the row's own.
fn interval(day: u8, &(start, end): &(WireTime, WireTime)) -> String {
    let time = |time: WireTime| {
        if time.day == day {
            TimeOfDay(time).to_string()
        } else {
            format!("{} {}", WireDay(time.day), TimeOfDay(time))
        }
    };
    format!("{} - {}", time(start), time(end))
}

fn is_free(day: &DayAvailability) -> bool {
    let midnight = |hour| WireTime {
        day: day.day,
        hour,
        minute: 0,
    };
    day.free == [(midnight(0), midnight(24))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::booking::Booking;

    fn at(day: u8, hour: u8) -> WireTime {
        WireTime {
            day,
            hour,
            minute: 0,
        }
    }

    fn availability() -> Availability {
        let day = |day, free| DayAvailability { day, free };
        Availability {
            facility: "Meeting Room A".to_owned(),
            days: vec![
                day(0, vec![(at(0, 0), at(0, 10)), (at(0, 11), at(0, 24))]),
                day(1, vec![(at(1, 0), at(1, 24))]),
                day(2, Vec::new()),
            ],
        }
    }

    fn told(line: &str, reply: &Reply) -> String {
        let booking = Booking::default();
        let command = &booking.parse(line).unwrap()[0];
        let reply = reply.encode();
        let kind = match Reply::is_error(&reply) {
            true => OutcomeKind::Failed,
            false => OutcomeKind::Ok,
        };
        let ended = Outcome {
            kind,
            told: Told::Reply(reply.into()),
            reply_to: None,
        };
        outcome(
            &booking,
            command,
            &ended,
            (([127, 0, 0, 1], 9).into(), None),
        )
    }

    #[test]
    fn a_query_is_a_table_by_day() {
        let reply = Reply::Availability(availability());
        assert_eq!(
            told("query 'Meeting Room A' mon..wed", &reply),
            "Meeting Room A is free on
  Monday:     00:00 - 10:00, 11:00 - 24:00
  Tuesday:    00:00 - 24:00
  Wednesday:  fully booked"
        );
    }

    #[test]
    fn other_replies_are_a_line() {
        use crate::services::booking::message::Refusal;
        let booked = Reply::Booked("CONF000001".to_owned());
        let book = "book 'Meeting Room A' mon 10:00-11:00";
        assert_eq!(told(book, &booked), "booked: CONF000001");
        let refused = Reply::Error(Refusal::NotAvailable);
        assert_eq!(told(book, &refused), "failed: not available");
        let cancelled = told("cancel CONF000001", &Reply::Cancelled);
        assert_eq!(cancelled, "cancelled: CONF000001");
    }

    #[test]
    fn an_update_shows_the_days_that_are_not_free() {
        let changed = Update::Changed {
            revision: 3,
            oldest: 1,
            availability: availability(),
        };
        assert_eq!(
            update(&Booking::default(), 1, &changed.encode()).unwrap(),
            "update 1: 'Meeting Room A': taken mon 10:00-11:00, wed 00:00-24:00
  Monday:     00:00 - 10:00, 11:00 - 24:00
  Wednesday:  fully booked
  every other day is free"
        );
        let latest = Update::Latest {
            facility: "Meeting Room A".to_owned(),
            revision: 3,
            ended: false,
        };
        assert_eq!(update(&Booking::default(), 2, &latest.encode()), None);
    }
}
