//! The bytes of booking's messages: the bodies that format v2 carries.
//!
//! The first byte of a body is its type. Requests and the availability of a facility look as they do
//! in format v1, without its header, so [`super::v1`] shares the reading and writing of fields.
//!
//! An encoder knows no limits; a decoder knows them all.

use std::borrow::Cow;

use super::message::{
    Ask, Availability, DayAvailability, Refusal, Reply, Request, Update, WireTime,
};
use crate::net::DATAGRAM_BYTES_MAX;
use crate::wire::{Limit, Reader, WireError, Writer, str_bytes};

/// A facility's name: room for any name that a person would type. An empty name can be asked for,
/// it just does not exist.
pub const FACILITY: Limit = Limit::new("facility name", 255);

/// A confirmation id: `CONF000001` takes ten bytes; the rest is for servers that number otherwise.
pub const CONFIRMATION: Limit = Limit::new("confirmation id", 64);

/// The days of a query: as many as one byte can tell apart, so that a list without repetitions
/// always fits.
pub const QUERY_DAYS: Limit = Limit::new("list of days", 256);

/// The days of an availability: a week has seven.
pub const AVAILABLE_DAYS: Limit = Limit::new("list of available days", 7);

/// The free intervals of a day: between two of them at least one minute is booked, so the 1,440
/// minutes of a day hold 720 at most.
pub const FREE_INTERVALS: Limit = Limit::new("list of free intervals", 720);

pub(super) const QUERY: u8 = 1;
pub(super) const BOOK: u8 = 2;
pub(super) const CHANGE: u8 = 3;
pub(super) const MONITOR: u8 = 4;
pub(super) const EXTEND: u8 = 5;
pub(super) const CANCEL: u8 = 6;
const ASK: u8 = 7;
/// The type of a reply is the type of its request and this.
pub(super) const REPLY_OFFSET: u8 = 100;
pub(super) const AVAILABILITY: u8 = REPLY_OFFSET + QUERY;
pub(super) const BOOKED: u8 = REPLY_OFFSET + BOOK;
pub(super) const CHANGED: u8 = REPLY_OFFSET + CHANGE;
pub(super) const MONITORING: u8 = REPLY_OFFSET + MONITOR;
pub(super) const EXTENDED: u8 = REPLY_OFFSET + EXTEND;
pub(super) const CANCELLED: u8 = REPLY_OFFSET + CANCEL;
pub(super) const UPDATE_CHANGED: u8 = 200;
const UPDATE_LATEST: u8 = 201;
pub(super) const ERROR: u8 = 255;

/// A start and an end of three bytes each.
const INTERVAL_BYTES: usize = 6;
/// A day and the count of its free intervals.
const DAY_BYTES_MIN: usize = 1 + 4;

/// The longest body of all: an update with a full week. 30,547 bytes; with an envelope it takes
/// less than half of a datagram.
pub const UPDATE_BYTES_MAX: usize = 1
    + 4
    + 4
    + (4 + FACILITY.max)
    + 4
    + AVAILABLE_DAYS.max * (DAY_BYTES_MIN + FREE_INTERVALS.max * INTERVAL_BYTES);
const _: () = assert!(UPDATE_BYTES_MAX == 30_547 && UPDATE_BYTES_MAX < DATAGRAM_BYTES_MAX / 2);

impl<'a, F> Request<'a, F> {
    /// Reads the body of a request, in which `read_facility` reads the name of a facility.
    #[inline]
    pub(super) fn decode_with(
        body: &'a [u8],
        read_facility: impl FnOnce(&mut Reader<'a>) -> Result<F, WireError>,
    ) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let code = reader.u8("request type")?;
        let read_days = |reader: &mut Reader<'a>| reader.bytes(QUERY_DAYS).map(Cow::Borrowed);
        let request = Self::read_fields(code, &mut reader, read_facility, read_days)?;
        reader.finish()?;
        Ok(request)
    }

    /// Reads what follows the type; `read_days` reads the days of a query.
    #[inline]
    pub(super) fn read_fields(
        code: u8,
        reader: &mut Reader<'a>,
        read_facility: impl FnOnce(&mut Reader<'a>) -> Result<F, WireError>,
        read_days: impl FnOnce(&mut Reader<'a>) -> Result<Cow<'a, [u8]>, WireError>,
    ) -> Result<Self, WireError> {
        Ok(match code {
            QUERY => Self::Query {
                facility: read_facility(reader)?,
                days: read_days(reader)?,
            },
            BOOK => Self::Book {
                facility: read_facility(reader)?,
                start: read_time(reader)?,
                end: read_time(reader)?,
            },
            CHANGE => Self::Change {
                confirmation: reader.str(CONFIRMATION)?.into(),
                offset_minutes: reader.i32("offset")?,
            },
            MONITOR => Self::Monitor {
                facility: read_facility(reader)?,
                seconds: reader.u32("seconds")?,
            },
            EXTEND => Self::Extend {
                confirmation: reader.str(CONFIRMATION)?.into(),
                minutes: reader.u32("minutes")?,
            },
            CANCEL => Self::Cancel {
                confirmation: reader.str(CONFIRMATION)?.into(),
            },
            code => return Err(unknown("request type", code)),
        })
    }
}

impl<'a> Request<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn decode(body: &'a [u8]) -> Result<Self, WireError> {
        Self::decode_with(body, read_name)
    }

    /// The body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.encode_in(&mut body);
        body
    }

    /// The body, in the place and room of another one.
    #[inline]
    pub(super) fn encode_in(&self, body: &mut Vec<u8>) {
        let mut writer = Writer::in_room(std::mem::take(body), 1 + self.field_bytes());
        self.write(&mut writer);
        *body = writer.finish();
    }

    /// Writes the body.
    #[inline]
    pub fn write(&self, writer: &mut Writer) {
        writer.u8(self.code());
        self.write_fields(writer);
    }

    pub(super) fn write_fields(&self, writer: &mut Writer) {
        // Each is a name and a few bytes, and is written in one place whatever it is.
        let number: [u8; 4];
        let interval;
        let mut days_asked: &[u8] = &[];
        let (name, rest): (&str, &[u8]) = match self {
            Self::Query { facility, days } => {
                number = u32::try_from(days.len()).unwrap_or(u32::MAX).to_be_bytes();
                days_asked = days;
                (facility, &number)
            }
            Self::Book {
                facility,
                start,
                end,
            } => {
                interval = interval_bytes(*start, *end);
                (facility, &interval)
            }
            Self::Change {
                confirmation,
                offset_minutes,
            } => {
                number = offset_minutes.to_be_bytes();
                (confirmation, &number)
            }
            Self::Extend {
                confirmation,
                minutes,
            } => {
                number = minutes.to_be_bytes();
                (confirmation, &number)
            }
            Self::Cancel { confirmation } => (confirmation, &[]),
            Self::Monitor { facility, seconds } => {
                number = seconds.to_be_bytes();
                (facility, &number)
            }
        };
        writer.str(name);
        writer.raw(rest);
        writer.raw(days_asked);
    }

    pub(super) fn field_bytes(&self) -> usize {
        match self {
            Self::Query { facility, days } => str_bytes(facility) + 4 + days.len(),
            Self::Book { facility, .. } => str_bytes(facility) + INTERVAL_BYTES,
            Self::Monitor { facility, .. } => str_bytes(facility) + 4,
            Self::Change { confirmation, .. } | Self::Extend { confirmation, .. } => {
                str_bytes(confirmation) + 4
            }
            Self::Cancel { confirmation } => str_bytes(confirmation),
        }
    }

    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::Query { .. } => QUERY,
            Self::Book { .. } => BOOK,
            Self::Change { .. } => CHANGE,
            Self::Monitor { .. } => MONITOR,
            Self::Extend { .. } => EXTEND,
            Self::Cancel { .. } => CANCEL,
        }
    }
}

impl Reply {
    /// Whether an encoded reply says that nothing happened. Its first byte tells; nobody need read on.
    #[must_use]
    pub fn is_error(body: &[u8]) -> bool {
        body.first() == Some(&ERROR)
    }

    /// The confirmation id, borrowed from the body of a reply that is [`Reply::Booked`].
    #[must_use]
    pub fn confirmation(body: &[u8]) -> Option<&str> {
        let confirmation = confirmation_bytes(body)?;
        str::from_utf8(confirmation).ok()
    }

    /// Reads the body of a reply.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let reply = match reader.u8("reply type")? {
            AVAILABILITY => Self::Availability(read_availability(&mut reader)?),
            BOOKED => Self::Booked(reader.str(CONFIRMATION)?.into()),
            CHANGED => Self::Changed,
            EXTENDED => Self::Extended,
            CANCELLED => Self::Cancelled,
            MONITORING => Self::Monitoring {
                revision: reader.u32("revision")?,
                seconds: reader.u32("seconds")?,
            },
            ERROR => Self::Error(read_refusal(&mut reader)?),
            code => return Err(unknown("reply type", code)),
        };
        reader.finish()?;
        Ok(reply)
    }

    /// The body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.finish()
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        match self {
            Self::Availability(availability) => {
                writer.u8(AVAILABILITY);
                write_availability(writer, availability);
            }
            Self::Booked(confirmation) => write_booked(writer, confirmation.as_bytes()),
            Self::Changed => writer.u8(CHANGED),
            Self::Extended => writer.u8(EXTENDED),
            Self::Cancelled => writer.u8(CANCELLED),
            Self::Monitoring { revision, seconds } => {
                writer.u8(MONITORING);
                writer.u32(*revision);
                writer.u32(*seconds);
            }
            Self::Error(refusal) => writer.raw(&[ERROR, refusal.code()]),
        }
    }
}

impl Update {
    /// Reads the body of an update.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let update = match reader.u8("update type")? {
            UPDATE_CHANGED => Self::Changed {
                revision: reader.u32("revision")?,
                oldest: reader.u32("oldest revision")?,
                availability: read_availability(&mut reader)?,
            },
            UPDATE_LATEST => Self::Latest {
                facility: reader.str(FACILITY)?.into(),
                revision: reader.u32("revision")?,
                ended: reader.flag("ended")?,
            },
            code => return Err(unknown("update type", code)),
        };
        reader.finish()?;
        Ok(update)
    }

    /// The body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Changed {
                revision,
                oldest,
                availability,
            } => {
                let mut writer = begin(UPDATE_CHANGED, 8 + availability_bytes(availability));
                writer.u32(*revision);
                writer.u32(*oldest);
                write_availability(&mut writer, availability);
                writer.finish()
            }
            Self::Latest {
                facility,
                revision,
                ended,
            } => {
                let mut writer = begin(UPDATE_LATEST, str_bytes(facility) + 5);
                writer.str(facility);
                writer.u32(*revision);
                writer.u8(u8::from(*ended));
                writer.finish()
            }
        }
    }
}

impl Ask {
    /// Reads the body of a question for updates.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let code = reader.u8("one-way type")?;
        if code != ASK {
            return Err(unknown("one-way type", code));
        }
        let ask = Self {
            facility: reader.str(FACILITY)?.into(),
            after: reader.u32("revision")?,
        };
        reader.finish()?;
        Ok(ask)
    }

    /// The body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = begin(ASK, str_bytes(&self.facility) + 4);
        writer.str(&self.facility);
        writer.u32(self.after);
        writer.finish()
    }
}

/// Begins a body of this type with so many bytes of fields.
pub(super) fn begin(code: u8, field_bytes: usize) -> Writer {
    let mut writer = Writer::with_capacity(1 + field_bytes);
    writer.u8(code);
    writer
}

/// A type, the first byte of what is decoded, that has no meaning.
pub(super) const fn unknown(what: &'static str, value: u8) -> WireError {
    WireError::UnknownType { what, at: 0, value }
}

fn confirmation_bytes(body: &[u8]) -> Option<&[u8]> {
    let (&BOOKED, fields) = body.split_first()? else {
        return None;
    };
    let mut reader = Reader::new(fields);
    let confirmation = reader.bytes(CONFIRMATION).ok()?;
    reader.finish().ok()?;
    Some(confirmation)
}

/// The name of a facility, as it stands in a request.
pub(super) fn read_name<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, WireError> {
    reader.str(FACILITY).map(Cow::Borrowed)
}

pub(super) fn read_availability(reader: &mut Reader<'_>) -> Result<Availability, WireError> {
    let facility = reader.str(FACILITY)?.into();
    let count = reader.count(AVAILABLE_DAYS, DAY_BYTES_MIN)?;
    let mut days = Vec::with_capacity(count);
    for _ in 0..count {
        days.push(read_day(reader)?);
    }
    Ok(Availability { facility, days })
}

fn read_day(reader: &mut Reader<'_>) -> Result<DayAvailability, WireError> {
    let day = reader.u8("day")?;
    let count = reader.count(FREE_INTERVALS, INTERVAL_BYTES)?;
    let mut free = Vec::with_capacity(count);
    for _ in 0..count {
        free.push((read_time(reader)?, read_time(reader)?));
    }
    Ok(DayAvailability { day, free })
}

pub(super) fn availability_bytes(availability: &Availability) -> usize {
    let days = availability.days.iter();
    let day_bytes = days.map(|day| DAY_BYTES_MIN + day.free.len() * INTERVAL_BYTES);
    str_bytes(&availability.facility) + 4 + day_bytes.sum::<usize>()
}

pub(super) fn write_availability(writer: &mut Writer, availability: &Availability) {
    let days = availability.days.iter();
    let days = days.map(|day| (day.day, day.free.iter().copied()));
    write_free(writer, &availability.facility, days);
}

/// Writes the reply to a query, straight from a calendar: for each day when the facility is free.
pub(super) fn write_query_reply(
    writer: &mut Writer,
    facility: &str,
    days: impl Iterator<Item = (u8, impl Iterator<Item = (WireTime, WireTime)>)>,
) {
    writer.u8(AVAILABILITY);
    write_free(writer, facility, days);
}

/// Writes the reply to a booking that was made.
pub(super) fn write_booked(writer: &mut Writer, confirmation: &[u8]) {
    writer.u8(BOOKED);
    writer.bytes(confirmation);
}

fn write_free(
    writer: &mut Writer,
    facility: &str,
    days: impl Iterator<Item = (u8, impl Iterator<Item = (WireTime, WireTime)>)>,
) {
    writer.str(facility);
    writer.list(days, |writer, (day, free)| {
        writer.u8(day);
        writer.list(free, write_interval);
    });
}

#[inline]
fn read_time(reader: &mut Reader<'_>) -> Result<WireTime, WireError> {
    let [day, hour, minute] = reader.array("time")?;
    Ok(WireTime { day, hour, minute })
}

/// Both times at once, which is one look at the writer's room.
#[inline]
fn write_interval(writer: &mut Writer, (start, end): (WireTime, WireTime)) {
    writer.raw(&interval_bytes(start, end));
}

const fn interval_bytes(start: WireTime, end: WireTime) -> [u8; INTERVAL_BYTES] {
    [
        start.day,
        start.hour,
        start.minute,
        end.day,
        end.hour,
        end.minute,
    ]
}

fn read_refusal(reader: &mut Reader<'_>) -> Result<Refusal, WireError> {
    let at = reader.position();
    let value = reader.u8("error code")?;
    Refusal::from_code(value).ok_or(WireError::UnknownType {
        what: "error code",
        at,
        value,
    })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
