//! The messages of booking.
//!
//! These are the bodies that [`crate::rpc`] carries in format v2. [`super::codec`] reads and writes
//! them, `docs/wire.md` describes them byte by byte. Times are carried as they were typed: whether
//! they lie in the week is the state machine's to say, after it has looked whether the facility
//! exists.

use std::borrow::Cow;
use std::fmt;

/// A point in the week as the wire carries it; not yet checked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct WireTime {
    /// 0 Monday .. 6 Sunday.
    pub day: u8,
    /// 0 .. 24; hour 24 only with minute 0, for the end of a day.
    pub hour: u8,
    /// 0 .. 59.
    pub minute: u8,
}

/// A request. What was decoded borrows from its datagram.
///
/// `F` is what stands for a facility: its name, unless whoever decodes looks it up at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request<'a, F = Cow<'a, str>> {
    /// When is a facility free on these days?
    Query {
        /// The facility.
        facility: F,
        /// Days, 0 Monday .. 6 Sunday; repeated days are answered once, in first-seen order.
        days: Cow<'a, [u8]>,
    },
    /// Book a facility.
    Book {
        /// The facility.
        facility: F,
        /// The first minute.
        start: WireTime,
        /// The minute after the last.
        end: WireTime,
    },
    /// Move a booking.
    Change {
        /// The booking's confirmation id.
        confirmation: Cow<'a, str>,
        /// By how many minutes; negative is earlier.
        offset_minutes: i32,
    },
    /// Let a booking end later than the last book or change said.
    Extend {
        /// The booking's confirmation id.
        confirmation: Cow<'a, str>,
        /// By how many minutes.
        minutes: u32,
    },
    /// Cancel a booking.
    Cancel {
        /// The booking's confirmation id.
        confirmation: Cow<'a, str>,
    },
    /// Send updates of a facility for a span.
    Monitor {
        /// The facility.
        facility: F,
        /// For how long.
        seconds: u32,
    },
}

/// A reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// To a query.
    Availability(Availability),
    /// To a book: the confirmation id.
    Booked(String),
    /// To a change.
    Changed,
    /// To an extend.
    Extended,
    /// To a cancel.
    Cancelled,
    /// To a monitor: updates after this revision will be sent.
    Monitoring {
        /// The facility's revision at registration.
        revision: u32,
        /// For how long.
        seconds: u32,
    },
    /// Nothing happened, for this reason.
    Error(Refusal),
}

/// When a facility is free.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Availability {
    /// The facility's name.
    pub facility: String,
    /// The days asked for.
    pub days: Vec<DayAvailability>,
}

/// When a facility is free on one day.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DayAvailability {
    /// 0 Monday .. 6 Sunday.
    pub day: u8,
    /// Free intervals, half-open, in order.
    pub free: Vec<(WireTime, WireTime)>,
}

/// Why nothing happened. The numbers are the error codes of format v1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// 1: no such facility.
    NoSuchFacility,
    /// 2: the time is not available.
    NotAvailable,
    /// 3: no booking has this confirmation id.
    NoSuchBooking,
    /// 4: the times are no interval of the week.
    BadTimeRange,
    /// 5: the request cannot be understood.
    InvalidRequest,
    /// 6: a change or extension of a cancelled booking.
    BookingCancelled,
    /// 7: a cancellation of a cancelled booking.
    AlreadyCancelled,
}

/// What a server pushes to a client that monitors.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Update {
    /// The facility changed; the availability of all seven days.
    Changed {
        /// The facility's revision after the change: 1 for its first change.
        revision: u32,
        /// The earliest revision that the server can still send again.
        oldest: u32,
        /// All seven days after the change.
        availability: Availability,
    },
    /// Nothing new: the latest revision, so that a client sees what it missed.
    Latest {
        /// The facility's name.
        facility: String,
        /// Its revision.
        revision: u32,
        /// Whether the registration has ended.
        ended: bool,
    },
}

/// A client asks for updates that it missed. Not a call: the server sends them, or it does not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ask {
    /// The facility's name.
    pub facility: String,
    /// The last revision that the client has.
    pub after: u32,
}

impl Refusal {
    /// Every refusal, in the order of the codes.
    pub const ALL: [Self; 7] = [
        Self::NoSuchFacility,
        Self::NotAvailable,
        Self::NoSuchBooking,
        Self::BadTimeRange,
        Self::InvalidRequest,
        Self::BookingCancelled,
        Self::AlreadyCancelled,
    ];

    /// The error code on the wire, from 1.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8 + 1
    }

    /// The refusal with this error code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        let index = usize::from(code).checked_sub(1)?;
        Self::ALL.get(index).copied()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoSuchFacility => "no such facility",
            Self::NotAvailable => "not available",
            Self::NoSuchBooking => "no such booking",
            Self::BadTimeRange => "bad time range",
            Self::InvalidRequest => "invalid request",
            Self::BookingCancelled => "booking was cancelled",
            Self::AlreadyCancelled => "already cancelled",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_count_from_1_and_have_their_texts() {
        for (code, refusal) in (1..).zip(Refusal::ALL) {
            assert_eq!(refusal.code(), code);
            assert_eq!(Refusal::from_code(code), Some(refusal));
        }
        assert_eq!(Refusal::from_code(0), None);
        assert_eq!(Refusal::from_code(8), None);
        assert_eq!(
            Refusal::BookingCancelled.to_string(),
            "booking was cancelled"
        );
    }
}
