//! The booking server: requests in, replies and updates out.

use std::time::Duration;

use crate::clock::Time;
use crate::id::ClientKey;
use crate::rpc::service::{BadRecord, Caller, Effects, Input, Record, Service, Ticket, TimerKey};
use crate::services::booking::codec::{FACILITY, write_booked};
use crate::services::booking::confirmation::LEN_MAX;
use crate::services::booking::facility::BYTES_PER_ASK;
use crate::services::booking::message::{Ask, Refusal, Reply, Request, Update};
use crate::services::booking::monitor::Registrations;
use crate::services::booking::records::{self, Stored};
use crate::services::booking::state::{BookingState, Changed, FacilityId};
use crate::services::quoting::quote;
use crate::trace::Word;
use crate::wire::{Reader, WireError};

/// The server's only timer: the next moment at which something is due for a registration.
const DUE: TimerKey = TimerKey(0);

/// The facility that a request names, if there is one.
type Facility = Result<FacilityId, Refusal>;

/// The state machine behind a booking server.
///
/// Every change of a facility is pushed to all who monitor it, before the reply to the request that
/// caused it. Updates carry the caller that registered, so that they count as its operation's.
///
/// What a step changes it stores, where records are kept; a server that is restored from its records
/// goes on as if it had never stopped.
#[derive(Debug)]
pub struct BookingServer {
    state: BookingState,
    registrations: Registrations,
    /// The time that the timer is set to.
    timer: Option<Time>,
}

impl BookingServer {
    /// A server of these facilities, without bookings.
    #[must_use]
    pub fn new<'a>(facilities: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            state: BookingState::new(facilities),
            registrations: Registrations::default(),
            timer: None,
        }
    }

    /// Executes a request, and completes it unless it is refused.
    fn execute(
        &mut self,
        now: Time,
        (ticket, caller): (Ticket, &Caller),
        request: Request<'_, Facility>,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let (changed, reply) = match request {
            Request::Query { facility, days } => {
                let free = self.state.query(facility?, &days)?;
                effects.complete_with(ticket, |writer| free.write(writer));
                return Ok(());
            }
            Request::Monitor { facility, seconds } => {
                let reply = self.monitor(now, caller, facility?, seconds, effects)?;
                effects.complete_with(ticket, |writer| reply.write(writer));
                return Ok(());
            }
            Request::Book {
                facility,
                start,
                end,
            } => {
                let facility = facility?;
                let booked = self.state.book(facility, (start, end))?;
                self.publish(now, booked, effects);
                effects.complete_with(ticket, |writer| {
                    write_booked(writer, booked.confirmation.write(&mut [0; LEN_MAX]));
                });
                return Ok(());
            }
            Request::Change {
                confirmation,
                offset_minutes,
            } => (
                self.state.change(&confirmation, offset_minutes)?,
                Reply::Changed,
            ),
            Request::Extend {
                confirmation,
                minutes,
            } => (self.state.extend(&confirmation, minutes)?, Reply::Extended),
            Request::Cancel { confirmation } => {
                (self.state.cancel(&confirmation)?, Reply::Cancelled)
            }
        };
        self.publish(now, changed, effects);
        effects.complete_with(ticket, |writer| reply.write(writer));
        Ok(())
    }

    /// Reads the name of a facility and looks it up. A name that is known need not be looked through
    /// for what is not UTF-8.
    fn read_facility(&self, reader: &mut Reader<'_>) -> Result<Facility, WireError> {
        let mut ahead = reader.clone();
        if let Some(facility) = self.state.find(ahead.bytes(FACILITY)?) {
            *reader = ahead;
            return Ok(Ok(facility));
        }
        reader.str(FACILITY)?;
        Ok(Err(Refusal::NoSuchFacility))
    }

    /// Registers a caller; where there is no room, monitoring is not available.
    fn monitor(
        &mut self,
        now: Time,
        caller: &Caller,
        facility: FacilityId,
        seconds: u32,
        effects: &mut Effects,
    ) -> Result<Reply, Refusal> {
        let span = Duration::from_secs(seconds.into());
        let registered = self
            .registrations
            .register(now, *caller, facility, span)
            .map_err(|_full| Refusal::NotAvailable)?;
        if effects.keeps_records() {
            records::store_registration(&self.registrations, registered, effects);
        }
        Ok(Reply::Monitoring {
            revision: self.state.revision(facility),
            seconds: registered.span.as_secs() as u32,
        })
    }

    /// Stores a facility's last change, and pushes it to all who monitor it.
    fn publish(&self, now: Time, changed: Changed, effects: &mut Effects) {
        if effects.keeps_records() {
            records::store_change(&self.state, changed, effects);
        }
        let facility = changed.facility;
        if self.registrations.is_empty() {
            return;
        }
        let mut living = self.registrations.living(now, facility).peekable();
        if living.peek().is_none() {
            return;
        }
        let update = self.state.update(facility).encode();
        effects.push_to_all(living, &update);
    }

    /// Sends updates again, [`BYTES_PER_ASK`] or one at most; if there is more, the latest revision
    /// after them, so that the client asks for the rest. Whoever asks is answered: a client's registration may have ended while it
    /// still misses updates.
    fn tell_again(&self, caller: &Caller, ask: &Ask, effects: &mut Effects) {
        let Ok(facility) = self.state.facility(&ask.facility) else {
            return;
        };
        let mut bytes = 0;
        for update in self.state.updates_after(facility, ask.after) {
            let update = update.encode();
            if bytes > 0 && bytes + update.len() > BYTES_PER_ASK {
                let rest = Update::Latest {
                    facility: ask.facility.clone(),
                    revision: self.state.revision(facility),
                    ended: false,
                };
                return effects.push(*caller, &rest.encode());
            }
            bytes += update.len();
            effects.push(*caller, &update);
        }
    }

    /// Does what is due, and sets the timer for what will be.
    fn attend(&mut self, now: Time, effects: &mut Effects) {
        while let Some(due) = self.registrations.take_due(now) {
            let facility = self.state.name(due.key.facility).to_owned();
            if due.ended {
                if effects.keeps_records() {
                    records::erase_registration(due.key, effects);
                }
                let about = Some(due.caller.operation);
                effects.tell(
                    Word::Expire,
                    about,
                    &format!("monitoring of {}", quote(&facility)),
                );
            }
            let latest = Update::Latest {
                facility,
                revision: self.state.revision(due.key.facility),
                ended: due.ended,
            };
            if matches!(due.caller.client, ClientKey::Id(_)) {
                effects.push(due.caller, &latest.encode());
            }
        }
        self.set_timer(effects);
    }

    /// Sets the timer to what is due next, unless it is set so.
    fn set_timer(&mut self, effects: &mut Effects) {
        let next = self.registrations.next_due();
        if let Some(next) = next
            && self.timer != Some(next)
        {
            effects.set_timer(DUE, next);
        }
        self.timer = next;
    }

    /// Takes one record up. How many facilities were stored is known from the first one; until then it
    /// is 0.
    fn take_up(
        &mut self,
        now: Time,
        (key, value): (&[u8], &[u8]),
        facilities: &mut usize,
    ) -> Result<(), String> {
        let stored = Stored::read(key, value).map_err(|error| error.to_string())?;
        match stored {
            Stored::Facilities(names) => {
                *facilities = names.len();
                return records::check_facilities(&names, &self.state);
            }
            _ if *facilities == 0 => Err("the record of the facilities is missing"),
            _ if !stored.is_of_first(*facilities) => Err("there is no such facility"),
            Stored::Booking(number, booking) => self.state.restore_booking(number, booking),
            Stored::Change(facility, number, change) => {
                self.state.restore_change(facility, number, change)
            }
            Stored::Registration(key, registration) => {
                self.registrations.restore(now, key, registration)
            }
        }
        .map_err(str::to_owned)
    }
}

impl Service for BookingServer {
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Request {
                ticket,
                caller,
                body,
            } => {
                let request = Request::decode_with(body, |reader| self.read_facility(reader));
                let executed = match request {
                    Ok(request) => self.execute(now, (ticket, caller), request, effects),
                    Err(_) => Err(Refusal::InvalidRequest),
                };
                if let Err(refusal) = executed {
                    effects.complete_with(ticket, |writer| Reply::Error(refusal).write(writer));
                }
            }
            Input::Peer { .. } => {} // it has none
            Input::OneWay { caller, body } => {
                if let Ok(ask) = Ask::decode(body) {
                    self.tell_again(caller, &ask, effects);
                }
            }
            Input::Again(_) | Input::Abandoned(_) => {} // nobody waits
            Input::Timer(_) => {}
        }
        if !self.registrations.is_empty() {
            self.attend(now, effects);
        }
    }

    fn restore(
        &mut self,
        now: Time,
        records: &mut dyn Iterator<Item = Record>,
        effects: &mut Effects,
    ) -> Result<(), BadRecord> {
        let mut facilities = 0;
        for (key, value) in records {
            self.take_up(now, (&key, &value), &mut facilities)
                .map_err(|reason| BadRecord { key, reason })?;
        }
        if let Some(broken) = self.state.first_broken() {
            let (last, _) = self.state.last_change(broken).unzip();
            return Err(BadRecord {
                key: records::change_key(broken, last.unwrap_or_default()),
                reason: format!(
                    "up to it, the changes of {} do not lead to its bookings",
                    quote(self.state.name(broken))
                ),
            });
        }
        if effects.keeps_records() && facilities < self.state.names().len() {
            records::store_facilities(&self.state, effects);
        }
        self.set_timer(effects);
        Ok(())
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
