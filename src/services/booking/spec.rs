//! What booking promises, done one request after the other: a list of bookings, and no more.
//!
//! It is written for being believed, not for speed: availability is computed from the list each time.
//! [`state`](super::state) is the other implementation of the same rules, with calendars and
//! changes; runs are judged by this one.

use std::rc::Rc;

use crate::check::sequential::SequentialSpec;
use crate::services::booking::confirmation::Confirmation;
use crate::services::booking::message::{
    Availability, DayAvailability, Refusal, Reply, Request, WireTime,
};
use crate::services::booking::week::{Interval, Minute, WEEK_DAYS};

/// The sequential specification of booking.
#[derive(Clone, Debug)]
pub(crate) struct BookingSpec {
    facilities: Vec<String>,
}

/// One booking: the nth of the list has the nth confirmation id.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Booked {
    /// Its facility's place in the configured order.
    facility: usize,
    taken: Interval,
    /// What an extension counts from: the end that book, or the last change, gave.
    base_end: Minute,
    is_cancelled: bool,
}

/// All bookings that were ever made, in the order in which they were.
type Bookings = Rc<Vec<Booked>>;

impl BookingSpec {
    pub(crate) const fn new(facilities: Vec<String>) -> Self {
        Self { facilities }
    }

    /// What a request gives: the bookings after it, if it changes them, and the reply; no reply where
    /// several are right, since when it was registered a client is told by a revision, and format v1 has
    /// none.
    fn apply(
        &self,
        bookings: &Bookings,
        request: &Request<'_>,
    ) -> Result<(Option<Bookings>, Option<Reply>), Refusal> {
        let facility = |name: &str| {
            let place = self.facilities.iter().position(|known| known == name);
            place.ok_or(Refusal::NoSuchFacility)
        };
        match request {
            Request::Query {
                facility: name,
                days,
            } => {
                let availability = self.availability(bookings, facility(name)?, days)?;
                Ok((None, Some(Reply::Availability(availability))))
            }
            Request::Monitor { facility: name, .. } => facility(name).map(|_| (None, None)),
            Request::Book {
                facility: name,
                start,
                end,
            } => {
                let facility = facility(name)?;
                let taken = Interval::try_from((*start, *end))?;
                let booked = Booked {
                    facility,
                    taken,
                    base_end: taken.end(),
                    is_cancelled: false,
                };
                let id = Confirmation::of_index(bookings.len()).ok_or(Refusal::NotAvailable)?;
                let after = with(bookings, bookings.len(), booked)?;
                Ok((Some(after), Some(Reply::Booked(id.to_string()))))
            }
            Request::Change {
                confirmation,
                offset_minutes,
            } => {
                let (index, mut booked) = living(bookings, confirmation)?;
                let moved = booked.taken.moved(*offset_minutes);
                booked.taken = moved.ok_or(Refusal::BadTimeRange)?;
                booked.base_end = booked.taken.end();
                Ok((Some(with(bookings, index, booked)?), Some(Reply::Changed)))
            }
            Request::Extend {
                confirmation,
                minutes,
            } => {
                let (index, mut booked) = living(bookings, confirmation)?;
                let end = i64::from(booked.base_end.minutes()) + i64::from(*minutes);
                let extended =
                    Minute::new(end).and_then(|end| Interval::new(booked.taken.start(), end));
                booked.taken = extended.ok_or(Refusal::BadTimeRange)?;
                Ok((Some(with(bookings, index, booked)?), Some(Reply::Extended)))
            }
            Request::Cancel { confirmation } => {
                let (index, mut booked) = find(bookings, confirmation)?;
                if booked.is_cancelled {
                    return Err(Refusal::AlreadyCancelled);
                }
                booked.is_cancelled = true;
                Ok((Some(with(bookings, index, booked)?), Some(Reply::Cancelled)))
            }
        }
    }

    fn availability(
        &self,
        bookings: &Bookings,
        facility: usize,
        days: &[u8],
    ) -> Result<Availability, Refusal> {
        let mut asked: Vec<u8> = Vec::new();
        for &day in days {
            if day >= WEEK_DAYS {
                return Err(Refusal::BadTimeRange);
            }
            if !asked.contains(&day) {
                asked.push(day);
            }
        }
        let days = asked.into_iter().map(|day| DayAvailability {
            day,
            free: free(bookings, facility, day),
        });
        Ok(Availability {
            facility: self.facilities[facility].clone(),
            days: days.collect(),
        })
    }
}

impl SequentialSpec for BookingSpec {
    type State = Bookings;

    fn initial(&self) -> Bookings {
        Bookings::default()
    }

    fn step(&self, bookings: &Bookings, request: &[u8], told: Option<&[u8]>) -> Option<Bookings> {
        let given = match Request::decode(request) {
            Ok(request) => self.apply(bookings, &request),
            Err(_) => Err(Refusal::InvalidRequest),
        };
        let (after, reply) = match given {
            Ok((after, reply)) => (after, reply),
            Err(refusal) => (None, Some(Reply::Error(refusal))),
        };
        let is_right = match (told, reply) {
            (None, _) => true,
            (Some(told), Some(reply)) => Reply::decode(told) == Ok(reply),
            (Some(told), None) => matches!(Reply::decode(told), Ok(Reply::Monitoring { .. })),
        };
        is_right.then(|| after.unwrap_or_else(|| bookings.clone()))
    }

    fn only_reads(&self, request: &[u8]) -> bool {
        matches!(
            Request::decode(request),
            Ok(Request::Query { .. } | Request::Monitor { .. }) | Err(_)
        )
    }
}

/// The bookings with this one in this place, if its time is available.
fn with(bookings: &Bookings, index: usize, booked: Booked) -> Result<Bookings, Refusal> {
    let others = (0..)
        .zip(bookings.iter())
        .filter(|(other, _)| *other != index);
    let overlaps = |(_, other): (usize, &Booked)| {
        other.facility == booked.facility
            && !other.is_cancelled
            && other.taken.start() < booked.taken.end()
            && booked.taken.start() < other.taken.end()
    };
    if !booked.is_cancelled && others.into_iter().any(overlaps) {
        return Err(Refusal::NotAvailable);
    }
    let mut after = bookings.to_vec();
    if index == after.len() {
        after.push(booked);
    } else {
        after[index] = booked;
    }
    Ok(Rc::new(after))
}

fn find(bookings: &Bookings, confirmation: &str) -> Result<(usize, Booked), Refusal> {
    let id = Confirmation::parse(confirmation).ok_or(Refusal::NoSuchBooking)?;
    let booked = bookings.get(id.index()).ok_or(Refusal::NoSuchBooking)?;
    Ok((id.index(), booked.clone()))
}

fn living(bookings: &Bookings, confirmation: &str) -> Result<(usize, Booked), Refusal> {
    let (index, booked) = find(bookings, confirmation)?;
    if booked.is_cancelled {
        return Err(Refusal::BookingCancelled);
    }
    Ok((index, booked))
}

/// What nobody has taken of a day.
fn free(bookings: &Bookings, facility: usize, day: u8) -> Vec<(WireTime, WireTime)> {
    let border = |day| Minute::start_of_day(day).expect("a day of the week, or the end of it");
    let (mut from, until) = (border(day), border(day + 1));
    let of_facility = bookings
        .iter()
        .filter(|booked| booked.facility == facility && !booked.is_cancelled);
    let mut taken: Vec<Interval> = of_facility.map(|booked| booked.taken).collect();
    taken.sort();
    let mut free = Vec::new();
    for interval in taken {
        if interval.end() <= from || interval.start() >= until {
            continue;
        }
        if from < interval.start() {
            free.push((from.on_day(day), interval.start().on_day(day)));
        }
        from = interval.end().min(until);
    }
    if from < until {
        free.push((from.on_day(day), until.on_day(day)));
    }
    free
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
