//! Booking's messages in words.
//!
//! A request is described as the command that makes it, so that a line of a trace can be typed. What
//! came over the network may be any bytes; all of them have words.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use crate::clock::show_span;
use crate::services::booking::message::{
    Ask, Availability, DayAvailability, Reply, Request, Update, WireTime,
};
use crate::services::booking::week::{
    Interval, Minute, TimeOfDay, WEEK_DAYS, WireDay, WireInterval,
};
use crate::services::quoting::{quote, quote_if_needed};

/// A request, as its client would type it.
pub(crate) fn request(body: &[u8]) -> String {
    match Request::decode(body) {
        Ok(Request::Query { facility, days }) => {
            format!("query {} {}", quote(&facility), day_list(&days))
        }
        Ok(Request::Book {
            facility,
            start,
            end,
        }) => format!("book {} {}", quote(&facility), WireInterval(start, end)),
        Ok(Request::Change {
            confirmation,
            offset_minutes,
        }) => {
            let sign = if offset_minutes < 0 { '-' } else { '+' };
            let units = [('d', 24 * 60), ('h', 60)];
            let offset = in_largest_unit(offset_minutes.unsigned_abs(), &units);
            format!("change {} {sign}{offset}", quote_if_needed(&confirmation))
        }
        Ok(Request::Extend {
            confirmation,
            minutes,
        }) => {
            let span = in_largest_unit(minutes, &[('h', 60)]);
            format!("extend {} {span}", quote_if_needed(&confirmation))
        }
        Ok(Request::Cancel { confirmation }) => {
            format!("cancel {}", quote_if_needed(&confirmation))
        }
        Ok(Request::Monitor { facility, seconds }) => {
            format!("monitor {} --for {}", quote(&facility), span(seconds))
        }
        Err(error) => format!("malformed request: {error}"),
    }
}

/// The question of a client that has missed updates.
pub(crate) fn ask(body: &[u8]) -> String {
    match Ask::decode(body) {
        Ok(Ask { facility, after }) => {
            format!(
                "what happened to {} after revision {after}?",
                quote(&facility)
            )
        }
        Err(error) => format!("malformed question: {error}"),
    }
}

/// A reply, as a client reads it.
pub(crate) fn reply(body: &[u8]) -> String {
    match Reply::decode(body) {
        Ok(Reply::Availability(availability)) if availability.days.is_empty() => {
            "no days".to_owned()
        }
        Ok(Reply::Availability(availability)) => joined(availability.days.iter().map(day), "; "),
        Ok(Reply::Booked(confirmation)) => quote_if_needed(&confirmation),
        Ok(Reply::Changed) => "changed".to_owned(),
        Ok(Reply::Extended) => "extended".to_owned(),
        Ok(Reply::Cancelled) => "cancelled".to_owned(),
        // A reply of format v1 does not say for how long; there it is 0 and left out.
        Ok(Reply::Monitoring { seconds: 0, .. }) => "monitoring".to_owned(),
        Ok(Reply::Monitoring { seconds, .. }) => format!("monitoring for {}", span(seconds)),
        Ok(Reply::Error(refusal)) => refusal.to_string(),
        Err(error) => format!("malformed reply: {error}"),
    }
}

/// An update, as a client reads it. Format v1 has no revisions; there they are 0 and left out.
pub(crate) fn update(body: &[u8]) -> String {
    match Update::decode(body) {
        Ok(Update::Changed {
            revision,
            availability,
            ..
        }) => {
            let facility = quote(&availability.facility);
            let revision = match revision {
                0 => String::new(),
                _ => format!(" revision {revision}"),
            };
            format!("{facility}{revision}: {}", taken(&availability))
        }
        Ok(Update::Latest {
            facility,
            revision,
            ended,
        }) => {
            let ended = if ended { ", monitoring has ended" } else { "" };
            format!("{} is at revision {revision}{ended}", quote(&facility))
        }
        Err(error) => format!("malformed update: {error}"),
    }
}

fn joined(parts: impl IntoIterator<Item = impl Display>, between: &str) -> String {
    let parts: Vec<String> = parts.into_iter().map(|part| part.to_string()).collect();
    parts.join(between)
}

fn span(seconds: u32) -> String {
    show_span(Duration::from_secs(seconds.into()))
}

/// `all` for the seven days in order, else the days one by one.
fn day_list(days: &[u8]) -> String {
    if days.iter().copied().eq(0..WEEK_DAYS) {
        return "all".to_owned();
    }
    joined(days.iter().map(|&day| WireDay(day)), ",")
}

/// A number of minutes in the first of these units in which it is whole, else in minutes.
fn in_largest_unit(minutes: u32, units: &[(char, u32)]) -> String {
    let is_whole = |&&(_, unit_minutes): &&(char, u32)| minutes.is_multiple_of(unit_minutes);
    match units.iter().find(is_whole) {
        Some((unit, unit_minutes)) if minutes > 0 => format!("{}{unit}", minutes / unit_minutes),
        _ => format!("{minutes}m"),
    }
}

/// `mon 00:00-10:00, 11:00-24:00`, `mon fully booked`.
fn day(availability: &DayAvailability) -> String {
    let day = availability.day;
    if availability.free.is_empty() {
        return format!("{} fully booked", WireDay(day));
    }
    let interval = |&(start, end): &(WireTime, WireTime)| {
        if start.day == day && end.day == day {
            format!("{}-{}", TimeOfDay(start), TimeOfDay(end))
        } else {
            WireInterval(start, end).to_string()
        }
    };
    let free = joined(availability.free.iter().map(interval), ", ");
    format!("{} {free}", WireDay(day))
}

/// The taken intervals: what the free ones leave over on the days of the update.
fn taken(availability: &Availability) -> Cow<'static, str> {
    let mut taken: Vec<Interval> = Vec::new();
    for day in &availability.days {
        for interval in taken_on(day) {
            match taken.last_mut() {
                Some(last) if last.end() == interval.start() => {
                    *last = Interval::new(last.start(), interval.end()).unwrap_or(*last);
                }
                _ => taken.push(interval),
            }
        }
    }
    if taken.is_empty() {
        return "all free".into();
    }
    format!("taken {}", joined(taken, ", ")).into()
}

/// The taken intervals of one day; free ones that are no interval of the week leave nothing free.
fn taken_on(day: &DayAvailability) -> Vec<Interval> {
    let bounds = (day.day < WEEK_DAYS).then(|| {
        (
            Minute::start_of_day(day.day),
            Minute::start_of_day(day.day + 1),
        )
    });
    let Some((Some(day_start), Some(day_end))) = bounds else {
        return Vec::new();
    };
    let mut taken = Vec::new();
    let mut taken_from = day_start;
    let free = day.free.iter();
    for free in free.filter_map(|&times| Interval::try_from(times).ok()) {
        taken.extend(Interval::new(taken_from, free.start().min(day_end)));
        taken_from = taken_from.max(free.end());
    }
    taken.extend(Interval::new(taken_from, day_end));
    taken
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
