//! What a booking server stores, where its host has a disk: a record for each thing that lasts.
//!
//! | record | key | value |
//! |---|---|---|
//! | the facilities | 1 | format `u16`, always 1; names, a list of strings in their order |
//! | a booking | 2, number `u32`: 7 is `CONF000007` | facility `u16`; start, end, base end `u16`; cancelled `u8` |
//! | a change of a facility | 3, facility `u16`, number `u64` | what it did `u8`; start and end `u16` of what was freed, of what was taken |
//! | a registration | 4, facility `u16`, number `u64` | client; address; operation: host `u16`, number `u32`; since, expiry `u64` |
//!
//! Integers are big-endian, so that the order of keys is the order of numbers; numbers count from 1.
//! A facility is its place in the order of the configuration, from 0. A start or end counts minutes of
//! the week, a time the milliseconds of the host's clock. What a change did is 1 for freed, 2 for
//! taken, 3 for both. A client is 1 and its id `u64`, or, of format v1, 2 and its address. An address
//! is 4, four bytes and a port `u16`; or 6, sixteen bytes, a port, flow and scope `u32`.
//!
//! A facility's revision is the number of its last change. As many of its last changes are stored as
//! are [kept](super::facility::KEPT_REVISIONS), to be told again. Calendars follow from the bookings,
//! and when a client is told the latest revision next from its registration and the time: neither is
//! stored.
//!
//! A server with other facilities than were stored is refused, unless those stored come first in the
//! same order: what was added stands behind them. So is whatever no server has stored: bookings that
//! overlap, a gap between numbers, changes that do not lead to the bookings.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use crate::clock::Time;
use crate::id::{ClientId, ClientKey, HostId, OperationId};
use crate::rpc::service::{Caller, Effects};
use crate::services::booking::FACILITIES_MAX;
use crate::services::booking::codec::FACILITY;
use crate::services::booking::facility::{Change, KEPT_REVISIONS};
use crate::services::booking::monitor::{
    Key, MONITOR_MAX, Registered, Registration, Registrations,
};
use crate::services::booking::state::{Booking, BookingState, Changed, FacilityId};
use crate::services::booking::week::{Interval, Minute};
use crate::services::quoting::quote;
use crate::wire::{Limit, Reader, WireError, Writer};

/// The format of all records: another one is refused.
const FORMAT: u16 = 1;

const FACILITIES: u8 = 1;
const BOOKING: u8 = 2;
const CHANGE: u8 = 3;
const REGISTRATION: u8 = 4;

const FREED: u8 = 1;
const TAKEN: u8 = 2;
const FREED_AND_TAKEN: u8 = 3;

const CLIENT_ID: u8 = 1;
const CLIENT_ADDRESS: u8 = 2;

const IP_V4: u8 = 4;
const IP_V6: u8 = 6;

/// The facilities of a server: no more than can be configured.
const NAMES: Limit = Limit::new("list of facilities", FACILITIES_MAX);

/// A record that has been read.
#[derive(Debug)]
pub(super) enum Stored<'a> {
    /// The facilities' names, in order.
    Facilities(Vec<&'a str>),
    /// The booking of this number.
    Booking(u32, Booking),
    /// The change of a facility that has this number.
    Change(FacilityId, u64, Change),
    /// A registration.
    Registration(Key, Registration),
}

impl<'a> Stored<'a> {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(super) fn read(key: &[u8], value: &'a [u8]) -> Result<Self, WireError> {
        let (mut key, mut value) = (Reader::new(key), Reader::new(value));
        let stored = match key.u8("kind of record")? {
            FACILITIES => Self::Facilities(read_facilities(&mut value)?),
            BOOKING => Self::Booking(key.u32("booking number")?, read_booking(&mut value)?),
            CHANGE => {
                let (facility, number) = (read_facility(&mut key)?, key.u64("change number")?);
                Self::Change(facility, number, read_change(&mut value)?)
            }
            REGISTRATION => {
                let facility = read_facility(&mut key)?;
                let number = key.u64("registration number")?;
                Self::Registration(Key { facility, number }, read_registration(&mut value)?)
            }
            kind => return Err(unknown("kind of record", 0, kind)),
        };
        key.finish()?;
        value.finish()?;
        Ok(stored)
    }

    /// Whether it is of one of the first facilities, so many.
    pub(super) fn is_of_first(&self, facilities: usize) -> bool {
        let facility = match self {
            Self::Facilities(_) => return true,
            Self::Booking(_, booking) => booking.facility,
            Self::Change(facility, ..) => *facility,
            Self::Registration(key, _) => key.facility,
        };
        usize::from(facility.0) < facilities
    }
}

/// Stores which facilities the server has.
pub(super) fn store_facilities(state: &BookingState, effects: &mut Effects) {
    let mut value = Writer::default();
    value.u16(FORMAT);
    value.list(state.names(), Writer::str);
    effects.store(&[FACILITIES], value.written());
}

/// Stores a booking, with the change that it saw last.
// Out of line: where nothing is stored, a step has one branch more and no more code.
#[inline(never)]
pub(super) fn store_change(state: &BookingState, changed: Changed, effects: &mut Effects) {
    let Changed {
        facility,
        confirmation,
    } = changed;
    if let Some(booking) = state.booking_of(confirmation) {
        let mut key = Writer::default();
        key.u8(BOOKING);
        key.u32(confirmation.number());
        effects.store(
            key.written(),
            &written(|writer| write_booking(writer, booking)),
        );
    }
    if let Some((number, change)) = state.last_change(facility) {
        let value = written(|writer| write_change(writer, change));
        effects.store(&change_key(facility, number), &value);
        if let Some(dropped @ 1..) = number.checked_sub(KEPT_REVISIONS as u64) {
            effects.erase(&change_key(facility, dropped));
        }
    }
}

/// Stores a registration that was made, and erases the one that it replaces.
pub(super) fn store_registration(
    registrations: &Registrations,
    registered: Registered,
    effects: &mut Effects,
) {
    if let Some(replaced) = registered.replaced {
        erase_registration(replaced, effects);
    }
    if let Some(registration) = registrations.registration(registered.key) {
        let value = written(|writer| write_registration(writer, registration));
        effects.store(&registration_key(registered.key), &value);
    }
}

/// Erases a registration that has ended.
pub(super) fn erase_registration(key: Key, effects: &mut Effects) {
    effects.erase(&registration_key(key));
}

/// The key of a facility's change.
pub(super) fn change_key(facility: FacilityId, number: u64) -> Vec<u8> {
    numbered(CHANGE, facility, number)
}

/// Says why a server of these facilities cannot take up records of those.
pub(super) fn check_facilities(stored: &[&str], state: &BookingState) -> Result<(), String> {
    let configured = state.names().len();
    if stored.is_empty() {
        return Err("it names no facility".to_owned());
    }
    for (number, (stored, configured)) in (1..).zip(stored.iter().zip(state.names())) {
        if *stored != configured {
            return Err(format!(
                "facility {number} is {} in the records and {} in the configuration; \
                 facilities can only be added at the end",
                quote(stored),
                quote(configured)
            ));
        }
    }
    match stored.get(configured) {
        None => Ok(()),
        Some(missing) => Err(format!(
            "facility {} is {} in the records, and the configuration has {configured}; \
             facilities can only be added",
            configured + 1,
            quote(missing)
        )),
    }
}

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    write(&mut writer);
    writer.finish()
}

fn registration_key(key: Key) -> Vec<u8> {
    numbered(REGISTRATION, key.facility, key.number)
}

fn numbered(kind: u8, facility: FacilityId, number: u64) -> Vec<u8> {
    written(|writer| {
        writer.u8(kind);
        writer.u16(facility.0);
        writer.u64(number);
    })
}

fn write_booking(writer: &mut Writer, booking: &Booking) {
    writer.u16(booking.facility.0);
    write_interval(writer, booking.interval);
    writer.u16(booking.base_end.minutes());
    writer.u8(booking.cancelled.into());
}

fn write_change(writer: &mut Writer, change: Change) {
    let freed = u8::from(change.freed.is_some()) * FREED;
    let taken = u8::from(change.taken.is_some()) * TAKEN;
    writer.u8(freed + taken);
    for interval in [change.freed, change.taken].into_iter().flatten() {
        write_interval(writer, interval);
    }
}

fn write_registration(writer: &mut Writer, registration: &Registration) {
    let Caller {
        client,
        address,
        operation,
    } = registration.caller;
    match client {
        ClientKey::Id(id) => {
            writer.u8(CLIENT_ID);
            writer.u64(id.0);
        }
        ClientKey::Address(address) => {
            writer.u8(CLIENT_ADDRESS);
            write_address(writer, address);
        }
    }
    write_address(writer, address);
    writer.u16(operation.client.0);
    writer.u32(operation.number);
    writer.u64(registration.since.as_ms());
    writer.u64(registration.expiry.as_ms());
}

fn write_interval(writer: &mut Writer, interval: Interval) {
    writer.u16(interval.start().minutes());
    writer.u16(interval.end().minutes());
}

fn write_address(writer: &mut Writer, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            writer.u8(IP_V4);
            writer.raw(&ip.octets());
        }
        IpAddr::V6(ip) => {
            writer.u8(IP_V6);
            writer.raw(&ip.octets());
        }
    }
    writer.u16(address.port());
    if let SocketAddr::V6(address) = address {
        writer.u32(address.flowinfo());
        writer.u32(address.scope_id());
    }
}

fn read_facilities<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a str>, WireError> {
    let at = reader.position();
    let format = reader.u16("format of the records")?;
    if format != FORMAT {
        return Err(out_of_range("format of the records", at, format, "1"));
    }
    let count = reader.count(NAMES, size_of::<u32>())?;
    (0..count).map(|_| reader.str(FACILITY)).collect()
}

fn read_booking(reader: &mut Reader<'_>) -> Result<Booking, WireError> {
    let facility = read_facility(reader)?;
    let interval = read_interval(reader)?;
    let at = reader.position();
    let base_end = reader.u16("base end")?;
    let is_base_end = |&end: &Minute| interval.start() < end && end <= interval.end();
    let base_end = Minute::new(base_end.into())
        .filter(is_base_end)
        .ok_or_else(|| out_of_range("base end", at, base_end, "a minute of the booking"))?;
    Ok(Booking {
        facility,
        interval,
        base_end,
        cancelled: reader.flag("cancelled")?,
    })
}

fn read_change(reader: &mut Reader<'_>) -> Result<Change, WireError> {
    let at = reader.position();
    let (freed, taken) = match reader.u8("kind of change")? {
        FREED => (Some(read_interval(reader)?), None),
        TAKEN => (None, Some(read_interval(reader)?)),
        FREED_AND_TAKEN => (Some(read_interval(reader)?), Some(read_interval(reader)?)),
        kind => return Err(unknown("kind of change", at, kind)),
    };
    Ok(Change { freed, taken })
}

fn read_registration(reader: &mut Reader<'_>) -> Result<Registration, WireError> {
    let at = reader.position();
    let client = match reader.u8("kind of client")? {
        CLIENT_ID => ClientKey::Id(ClientId(reader.u64("client id")?)),
        CLIENT_ADDRESS => ClientKey::Address(read_address(reader)?),
        kind => return Err(unknown("kind of client", at, kind)),
    };
    let caller = Caller {
        client,
        address: read_address(reader)?,
        operation: OperationId {
            client: HostId(reader.u16("host")?),
            number: reader.u32("operation number")?,
        },
    };
    let since = Time::from_ms(reader.u64("since")?);
    let at = reader.position();
    let expiry = Time::from_ms(reader.u64("expiry")?);
    if expiry < since || expiry - since > MONITOR_MAX {
        let ms = u32::try_from(expiry.as_ms()).unwrap_or(u32::MAX);
        return Err(WireError::OutOfRange {
            what: "expiry",
            at,
            value: ms,
            expected: "a week at most after the start",
        });
    }
    Ok(Registration::new(caller, since, expiry))
}

fn read_facility(reader: &mut Reader<'_>) -> Result<FacilityId, WireError> {
    reader.u16("facility").map(FacilityId)
}

fn read_interval(reader: &mut Reader<'_>) -> Result<Interval, WireError> {
    let (start, at) = (reader.u16("start")?, reader.position());
    let end = reader.u16("end")?;
    let minute = |minutes: u16| Minute::new(minutes.into());
    let interval = minute(start).zip(minute(end));
    interval
        .and_then(|(start, end)| Interval::new(start, end))
        .ok_or_else(|| out_of_range("end", at, end, "a minute of the week after the start"))
}

fn read_address(reader: &mut Reader<'_>) -> Result<SocketAddr, WireError> {
    let at = reader.position();
    Ok(match reader.u8("kind of address")? {
        IP_V4 => {
            let ip = reader.array::<4>("address")?;
            SocketAddr::from((ip, reader.u16("port")?))
        }
        IP_V6 => {
            let ip = reader.array::<16>("address")?.into();
            let port = reader.u16("port")?;
            let (flow, scope) = (reader.u32("flow")?, reader.u32("scope")?);
            SocketAddrV6::new(ip, port, flow, scope).into()
        }
        kind => return Err(unknown("kind of address", at, kind)),
    })
}

fn unknown(what: &'static str, at: usize, value: u8) -> WireError {
    WireError::UnknownType { what, at, value }
}

fn out_of_range(what: &'static str, at: usize, value: u16, expected: &'static str) -> WireError {
    WireError::OutOfRange {
        what,
        at,
        value: value.into(),
        expected,
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
