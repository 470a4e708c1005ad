//! Facilities and bookings: the state of a booking server, without network, time or chance.
//!
//! Every operation checks in the same order: does it exist, is it cancelled, is the time in the
//! week, is it available. An error means that nothing happened.
//!
//! ```text
//!             book            extend 60m       extend 60m again   change +2h       extend 60m
//! mon 10:00-11:00   ->   10:00-12:00   ->   10:00-12:00   ->   12:00-14:00  ->  12:00-15:00
//! base end   11:00              11:00              11:00            14:00            14:00
//! ```
//!
//! To *extend* is idempotent: the new end is the end that book, or the last change, gave, plus the
//! minutes. So an extension that runs twice has the effect of one, a second one replaces the first,
//! and one by 0 minutes takes the first back. To *change* and to *cancel* are not idempotent.

use std::collections::BTreeMap;

use crate::services::booking::codec::write_query_reply;
use crate::services::booking::confirmation::Confirmation;
use crate::services::booking::facility::{Change, Facility};
use crate::services::booking::message::{Refusal, Update, WireTime};
use crate::services::booking::week::{Interval, Minute, WEEK_DAYS};
use crate::wire::Writer;

/// How many bookings are made at most, cancelled ones included: they are kept to be recognized, and
/// ten million of them fit into about 100 MB. Further ones are refused as not available.
pub const BOOKINGS_MAX: usize = 10_000_000;

/// Among so many facilities a name is compared with one after the other: most names differ in length,
/// which tells at once.
const COMPARED_MAX: usize = 16;

/// A facility of a [`BookingState`]: its place in the configured order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct FacilityId(pub(super) u16);

impl FacilityId {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A booking, be it cancelled or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Booking {
    pub(super) facility: FacilityId,
    pub(super) interval: Interval,
    /// The end that book, or the last change, gave: what an extension counts from.
    pub(super) base_end: Minute,
    pub(super) cancelled: bool,
}

/// A booking was made, changed, extended or cancelled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Changed {
    /// Of which facility.
    pub facility: FacilityId,
    /// Which booking.
    pub confirmation: Confirmation,
}

/// When a facility is free on some days.
#[derive(Debug)]
pub struct Free<'a> {
    facility: &'a Facility,
    days: &'a [u8],
}

/// All facilities and bookings.
#[derive(Debug)]
pub struct BookingState {
    facilities: Vec<Facility>,
    /// Where names are looked up, unless there are few.
    by_name: BTreeMap<Vec<u8>, FacilityId>,
    bookings: Vec<Booking>,
}

impl BookingState {
    /// These facilities, and no bookings. Of names that are given twice, the first counts.
    ///
    /// # Panics
    ///
    /// If there are more than 65,536 facilities; [`super::FACILITIES_MAX`] is far below.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut state = Self {
            facilities: Vec::new(),
            by_name: BTreeMap::new(),
            bookings: Vec::new(),
        };
        for name in names {
            let place = u16::try_from(state.facilities.len()).expect("facilities are limited");
            let name_bytes = name.as_bytes();
            if !state.by_name.contains_key(name_bytes) {
                state.by_name.insert(name_bytes.to_vec(), FacilityId(place));
                state.facilities.push(Facility::new(name.to_owned()));
            }
        }
        state
    }

    /// Books an interval.
    ///
    /// # Errors
    ///
    /// If the times are no interval of the week, or not all of it is available.
    pub fn book(
        &mut self,
        facility: FacilityId,
        (start, end): (WireTime, WireTime),
    ) -> Result<Changed, Refusal> {
        let interval = Interval::try_from((start, end))?;
        if self.bookings.len() >= BOOKINGS_MAX {
            return Err(Refusal::NotAvailable);
        }
        let confirmation =
            Confirmation::of_index(self.bookings.len()).ok_or(Refusal::NotAvailable)?;
        self.replace(facility, None, interval)?;
        self.bookings.push(Booking {
            facility,
            interval,
            base_end: interval.end(),
            cancelled: false,
        });
        Ok(Changed {
            facility,
            confirmation,
        })
    }

    /// Moves a booking as a whole; it may overlap its own old place.
    ///
    /// # Errors
    ///
    /// If there is no such booking, it is cancelled, it would leave the week, or its new place is not
    /// available.
    pub fn change(&mut self, confirmation: &str, offset_minutes: i32) -> Result<Changed, Refusal> {
        let (confirmation, booking) = self.live_booking(confirmation)?;
        let interval = booking
            .interval
            .moved(offset_minutes)
            .ok_or(Refusal::BadTimeRange)?;
        self.replace(booking.facility, Some(booking.interval), interval)?;
        let changed = &mut self.bookings[confirmation.index()];
        changed.interval = interval;
        changed.base_end = interval.end();
        Ok(booking.changed(confirmation))
    }

    /// Lets a booking end this much later than book, or the last change, said.
    ///
    /// # Errors
    ///
    /// If there is no such booking, it is cancelled, it would end after the week, or the time is not
    /// available.
    pub fn extend(&mut self, confirmation: &str, minutes: u32) -> Result<Changed, Refusal> {
        let (confirmation, booking) = self.live_booking(confirmation)?;
        let interval = Minute::new(i64::from(booking.base_end.minutes()) + i64::from(minutes))
            .and_then(|end| Interval::new(booking.interval.start(), end))
            .ok_or(Refusal::BadTimeRange)?;
        self.replace(booking.facility, Some(booking.interval), interval)?;
        self.bookings[confirmation.index()].interval = interval;
        Ok(booking.changed(confirmation))
    }

    /// Cancels a booking, which it can do once.
    ///
    /// # Errors
    ///
    /// If there is no such booking, or it is cancelled already.
    pub fn cancel(&mut self, confirmation: &str) -> Result<Changed, Refusal> {
        let (confirmation, booking) = self.booking(confirmation)?;
        if booking.cancelled {
            return Err(Refusal::AlreadyCancelled);
        }
        self.bookings[confirmation.index()].cancelled = true;
        self.facilities[booking.facility.index()].make(Change {
            freed: Some(booking.interval),
            taken: None,
        });
        Ok(booking.changed(confirmation))
    }

    /// Takes a stored booking up: the one of this number, from 1, after all before it.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub(super) fn restore_booking(
        &mut self,
        number: u32,
        booking: Booking,
    ) -> Result<(), &'static str> {
        let next = Confirmation::of_index(self.bookings.len()).map(Confirmation::number);
        if next != Some(number) {
            return Err("it does not follow on the booking before it");
        }
        let facility = &mut self.facilities[booking.facility.index()];
        if !booking.cancelled && !facility.restore_booking(booking.interval) {
            return Err("its time is taken by another booking");
        }
        self.bookings.push(booking);
        Ok(())
    }

    /// Takes a stored change of a facility up: the one of this number, after all bookings, and after
    /// the changes before it.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub(super) fn restore_change(
        &mut self,
        facility: FacilityId,
        number: u64,
        change: Change,
    ) -> Result<(), &'static str> {
        if !self.facilities[facility.index()].restore_change(number, change) {
            return Err("it does not follow on the change before it");
        }
        Ok(())
    }

    /// The first facility whose bookings are not what its changes made, when all have been taken up.
    pub(super) fn first_broken(&self) -> Option<FacilityId> {
        let place = self.facilities.iter().position(|f| !f.is_whole())?;
        Some(FacilityId(place as u16))
    }

    /// When a facility is free on these days: the reply to a query.
    ///
    /// # Errors
    ///
    /// If one of the days is none.
    pub fn query<'a>(&'a self, facility: FacilityId, days: &'a [u8]) -> Result<Free<'a>, Refusal> {
        if days.iter().any(|day| *day >= WEEK_DAYS) {
            return Err(Refusal::BadTimeRange);
        }
        let facility = &self.facilities[facility.index()];
        Ok(Free { facility, days })
    }

    /// The facility of this name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn facility(&self, name: &str) -> Result<FacilityId, Refusal> {
        self.find(name.as_bytes()).ok_or(Refusal::NoSuchFacility)
    }

    /// The facility with these bytes as its name.
    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<FacilityId> {
        if self.facilities.len() > COMPARED_MAX {
            return self.by_name.get(name).copied();
        }
        let is_it = |facility: &Facility| facility.name().as_bytes() == name;
        let place = self.facilities.iter().position(is_it)?;
        Some(FacilityId(place as u16))
    }

    /// All facilities' names, in the configured order.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.facilities.iter().map(Facility::name)
    }

    /// The booking of this confirmation id, if there is one.
    pub(super) fn booking_of(&self, confirmation: Confirmation) -> Option<&Booking> {
        self.bookings.get(confirmation.index())
    }

    /// The number of a facility's last change, from 1, and what it did.
    pub(super) fn last_change(&self, facility: FacilityId) -> Option<(u64, Change)> {
        self.facilities[facility.index()].last_change()
    }

    /// A facility's name.
    #[must_use]
    pub fn name(&self, facility: FacilityId) -> &str {
        self.facilities[facility.index()].name()
    }

    /// A facility's revision: how often a booking of it was made, changed, extended or cancelled.
    #[must_use]
    pub fn revision(&self, facility: FacilityId) -> u32 {
        self.facilities[facility.index()].revision()
    }

    /// The update that tells a facility's last change.
    #[must_use]
    pub fn update(&self, facility: FacilityId) -> Update {
        self.facilities[facility.index()].update()
    }

    /// The updates of a facility after this revision, in order, as far as they are kept, and no more
    /// than [`UPDATES_PER_ASK`](super::facility::UPDATES_PER_ASK).
    #[must_use]
    pub fn updates_after(&self, facility: FacilityId, revision: u32) -> Vec<Update> {
        self.facilities[facility.index()].updates_after(revision)
    }

    fn booking(&self, confirmation: &str) -> Result<(Confirmation, Booking), Refusal> {
        let confirmation = Confirmation::parse(confirmation).ok_or(Refusal::NoSuchBooking)?;
        let booking = self
            .booking_of(confirmation)
            .ok_or(Refusal::NoSuchBooking)?;
        Ok((confirmation, *booking))
    }

    fn live_booking(&self, confirmation: &str) -> Result<(Confirmation, Booking), Refusal> {
        let (confirmation, booking) = self.booking(confirmation)?;
        if booking.cancelled {
            return Err(Refusal::BookingCancelled);
        }
        Ok((confirmation, booking))
    }

    /// Takes an interval instead of an old one, if it is available then.
    fn replace(
        &mut self,
        facility: FacilityId,
        freed: Option<Interval>,
        taken: Interval,
    ) -> Result<(), Refusal> {
        let facility = &mut self.facilities[facility.index()];
        if !facility.calendar().is_free(taken, freed) {
            return Err(Refusal::NotAvailable);
        }
        facility.make(Change {
            freed,
            taken: Some(taken),
        });
        Ok(())
    }
}

impl Free<'_> {
    /// Writes the reply: each day once, in first-seen order.
    pub fn write(&self, writer: &mut Writer) {
        let calendar = self.facility.calendar();
        let mut seen = 0_u8; // a bit for each day of the week
        let is_new = |day: &&u8| {
            let bit = 1 << **day;
            let is_new = seen & bit == 0;
            seen |= bit;
            is_new
        };
        let free = self.days.iter().filter(is_new);
        let free = free.map(|&day| (day, calendar.free_on(day)));
        write_query_reply(writer, self.facility.name(), free);
    }
}

impl Booking {
    const fn changed(self, confirmation: Confirmation) -> Changed {
        Changed {
            facility: self.facility,
            confirmation,
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
