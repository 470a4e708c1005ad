//! Who monitors which facility, and until when.
//!
//! Pure: it says to whom something is to be sent; the sending is [`server`](super::server)'s.
//!
//! ```text
//! registration, 12 s   +5 s      +10 s     +12 s
//! v2  ----------------- latest -- latest -- ended
//! v1  ------------------------------------- (nothing; it just expires)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Time;
use crate::id::ClientKey;
use crate::rpc::service::Caller;
use crate::services::booking::state::FacilityId;

/// How often a v2 client that monitors is told the latest revision, so that it sees within this time
/// that an update was lost.
pub const LATEST_EVERY: Duration = Duration::from_secs(5);

/// How long a registration lasts at most: as long as the week that can be booked. Who asks for longer
/// is told how long it will be. Without it, strangers could keep all registrations for 136 years.
pub const MONITOR_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many registrations a server keeps. Each change is sent to each, up to 30 kB: one change costs
/// thirty megabytes at most. Beyond, monitoring is refused as not available.
pub const REGISTRATIONS_MAX: usize = 1_000;

/// How often one v1 client can be registered for one facility at a time. Format v1 registers a
/// repeated request again (`docs/wire.md`, mistake 6), and this keeps one client from using up all
/// registrations by it: beyond, the earliest is replaced. Three sends of a few calls fit.
pub const REGISTRATIONS_V1_MAX: usize = 16;

/// A registration among those of its facility, in the order in which they were made.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key {
    pub(super) facility: FacilityId,
    /// From 1. Those that have ended leave gaps, and the last number may be given again.
    pub(super) number: u64,
}

/// A client's wish to be told of a facility's changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Registration {
    pub(super) caller: Caller,
    pub(super) since: Time,
    pub(super) expiry: Time,
    /// When something is to be done about it next. It follows from the rest and the time.
    due: Time,
}

/// A registration was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Registered {
    /// How long it lasts: [`MONITOR_MAX`] at most.
    pub(crate) span: Duration,
    /// The new registration.
    pub(super) key: Key,
    /// The one that it replaces.
    pub(super) replaced: Option<Key>,
}

/// Something is due for a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Due {
    /// For which registration.
    pub(super) key: Key,
    /// Who registered.
    pub(crate) caller: Caller,
    /// Whether it has ended; if not, the client is to be told the latest revision.
    pub(crate) ended: bool,
}

/// There are [`REGISTRATIONS_MAX`] already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Full;

/// All living registrations.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    all: BTreeMap<Key, Registration>,
    of_client: BTreeSet<(ClientKey, Key)>,
    due: BTreeSet<(Time, Key)>,
}

impl Registrations {
    /// Registers a caller. A v2 client's earlier registration for the facility is replaced, a v1
    /// client's stays beside the new one.
    pub(crate) fn register(
        &mut self,
        now: Time,
        caller: Caller,
        facility: FacilityId,
        span: Duration,
    ) -> Result<Registered, Full> {
        let span = span.min(MONITOR_MAX);
        let replaced = self.replaced_by(caller.client, facility);
        if let Some(replaced) = replaced {
            self.remove(replaced);
        }
        if self.all.len() >= REGISTRATIONS_MAX {
            return Err(Full);
        }
        let last = self.all.range(all_keys(facility)).next_back();
        let key = Key {
            facility,
            number: last
                .map_or(Some(1), |(last, _)| last.number.checked_add(1))
                .ok_or(Full)?,
        };
        self.insert(now, key, Registration::new(caller, now, now + span));
        Ok(Registered {
            span,
            key,
            replaced,
        })
    }

    /// Takes a stored registration up, after those with lower keys. One that was made later than now, as
    /// the date was set back since, begins now and lasts as long as it was to last.
    pub(super) fn restore(
        &mut self,
        now: Time,
        key: Key,
        registration: Registration,
    ) -> Result<(), &'static str> {
        if self
            .all
            .last_key_value()
            .is_some_and(|(&last, _)| last >= key)
        {
            return Err("it does not follow on the registration before it");
        }
        let client = registration.caller.client;
        if self.all.len() >= REGISTRATIONS_MAX || self.replaced_by(client, key.facility).is_some() {
            return Err("there are too many registrations");
        }
        self.insert(now, key, registration.begun_by(now));
        Ok(())
    }

    /// The next registration for which something is due, if there is one now.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<Due> {
        let &(due, key) = self.due.first()?;
        if due > now {
            return None;
        }
        self.due.remove(&(due, key));
        let registration = self.all.get_mut(&key)?;
        let taken = Due {
            key,
            caller: registration.caller,
            ended: registration.expiry <= now,
        };
        if taken.ended {
            self.remove(key);
        } else {
            registration.due = registration.next_due(now);
            self.due.insert((registration.due, key));
        }
        Some(taken)
    }

    /// Whether nobody monitors anything.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Option<Time> {
        self.due.first().map(|&(due, _)| due)
    }

    /// The registration of this key, if it has not ended.
    pub(super) fn registration(&self, key: Key) -> Option<&Registration> {
        self.all.get(&key)
    }

    /// Who is to be told of a facility's change, in the order of registration.
    pub(crate) fn living(&self, now: Time, facility: FacilityId) -> impl Iterator<Item = Caller> {
        self.all
            .range(all_keys(facility))
            .filter(move |(_, registration)| now < registration.expiry)
            .map(|(_, registration)| registration.caller)
    }

    /// The registration that the next of this client for this facility replaces, if it does one.
    fn replaced_by(&self, client: ClientKey, facility: FacilityId) -> Option<Key> {
        let own = self.of_client(client, facility);
        let first = own.first().copied();
        first.filter(|_| own.len() >= registrations_max(client))
    }

    fn of_client(&self, client: ClientKey, facility: FacilityId) -> Vec<Key> {
        let keys = all_keys(facility);
        self.of_client
            .range((client, *keys.start())..=(client, *keys.end()))
            .map(|&(_, key)| key)
            .collect()
    }

    fn insert(&mut self, now: Time, key: Key, mut registration: Registration) {
        registration.due = registration.next_due(now);
        self.of_client.insert((registration.caller.client, key));
        self.due.insert((registration.due, key));
        self.all.insert(key, registration);
    }

    fn remove(&mut self, key: Key) {
        if let Some(registration) = self.all.remove(&key) {
            self.of_client.remove(&(registration.caller.client, key));
            self.due.remove(&(registration.due, key));
        }
    }
}

impl Registration {
    /// A registration, for which something is due at its end at the latest.
    pub(super) const fn new(caller: Caller, since: Time, expiry: Time) -> Self {
        Self {
            caller,
            since,
            expiry,
            due: expiry,
        }
    }

    fn begun_by(self, now: Time) -> Self {
        if self.since <= now {
            return self;
        }
        Self::new(self.caller, now, now + (self.expiry - self.since))
    }

    /// The first moment after `now` at which something is due. What was due while the server did not
    /// run is not made up for.
    fn next_due(&self, now: Time) -> Time {
        match self.caller.client {
            ClientKey::Address(_) => self.expiry,
            ClientKey::Id(_) => {
                let told = (now - self.since).as_secs() / LATEST_EVERY.as_secs();
                let next = Duration::from_secs((told + 1) * LATEST_EVERY.as_secs());
                (self.since + next).min(self.expiry)
            }
        }
    }
}

/// How often a client can be registered for one facility at a time.
const fn registrations_max(client: ClientKey) -> usize {
    match client {
        ClientKey::Address(_) => REGISTRATIONS_V1_MAX,
        ClientKey::Id(_) => 1,
    }
}

fn all_keys(facility: FacilityId) -> std::ops::RangeInclusive<Key> {
    let key = |number| Key { facility, number };
    key(0)..=key(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::id::{ClientId, HostId, OperationId};
    use crate::services::booking::state::BookingState;

    fn facility() -> FacilityId {
        BookingState::new(["Hall"]).facility("Hall").unwrap()
    }

    fn caller(client: ClientKey) -> Caller {
        Caller {
            client,
            address: SocketAddr::from(([10, 0, 0, 1], 5000)),
            operation: OperationId {
                client: HostId(1),
                number: 1,
            },
        }
    }

    fn v1(port: u16) -> Caller {
        caller(ClientKey::Address(SocketAddr::from(([10, 0, 0, 1], port))))
    }

    fn v2(id: u64) -> Caller {
        caller(ClientKey::Id(ClientId(id)))
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    impl Registrations {
        /// Registers, and says for how long.
        fn register_for(
            &mut self,
            now: Time,
            caller: Caller,
            facility: FacilityId,
            span: Duration,
        ) -> Result<Duration, Full> {
            let registered = self.register(now, caller, facility, span);
            registered.map(|registered| registered.span)
        }
    }

    /// What becomes due, and when, up to the end.
    fn dues(registrations: &mut Registrations) -> Vec<(u64, bool)> {
        let mut dues = Vec::new();
        while let Some(now) = registrations.next_due() {
            while let Some(due) = registrations.take_due(now) {
                dues.push((now.as_ms(), due.ended));
            }
        }
        dues
    }

    #[test]
    fn a_v2_client_is_told_the_latest_every_five_seconds_and_the_end() {
        let mut registrations = Registrations::default();
        let start = Time::from_ms(100);
        let registered = registrations.register_for(start, v2(1), facility(), seconds(12));
        assert_eq!(registered, Ok(seconds(12)));
        assert_eq!(
            dues(&mut registrations),
            [(5_100, false), (10_100, false), (12_100, true)]
        );
    }

    #[test]
    fn an_end_after_a_multiple_of_five_seconds_is_told_once() {
        let mut registrations = Registrations::default();
        let registered = registrations.register_for(Time::ZERO, v2(1), facility(), seconds(10));
        assert_eq!(registered, Ok(seconds(10)));
        assert_eq!(dues(&mut registrations), [(5_000, false), (10_000, true)]);
    }

    #[test]
    fn a_v1_client_just_expires() {
        let mut registrations = Registrations::default();
        let registered = registrations.register_for(Time::ZERO, v1(1), facility(), seconds(12));
        assert_eq!(registered, Ok(seconds(12)));
        assert_eq!(dues(&mut registrations), [(12_000, true)]);
    }

    #[test]
    fn what_was_due_while_the_server_stood_still_comes_once() {
        let mut registrations = Registrations::default();
        let registered = registrations.register_for(Time::ZERO, v2(1), facility(), seconds(60));
        assert_eq!(registered, Ok(seconds(60)));
        let late = Time::from_ms(21_000);
        assert!(registrations.take_due(late).is_some_and(|due| !due.ended));
        assert_eq!(registrations.take_due(late), None);
        assert_eq!(registrations.next_due(), Some(Time::from_ms(25_000)));
    }

    #[test]
    fn a_repeated_v2_registration_replaces_the_first_and_a_v1_one_stays_beside_it() {
        let mut registrations = Registrations::default();
        for caller in [v1(1), v2(1), v1(1), v2(1), v2(2)] {
            let registered =
                registrations.register_for(Time::ZERO, caller, facility(), seconds(60));
            assert_eq!(registered, Ok(seconds(60)));
        }
        let living: Vec<_> = registrations.living(Time::ZERO, facility()).collect();
        assert_eq!(living, [v1(1), v1(1), v2(1), v2(2)]);
    }

    #[test]
    fn nobody_is_told_of_a_change_in_the_millisecond_of_expiry() {
        let mut registrations = Registrations::default();
        let registered = registrations.register_for(Time::ZERO, v2(1), facility(), seconds(1));
        assert_eq!(registered, Ok(seconds(1)));
        let living = |at| registrations.living(Time::from_ms(at), facility()).count();
        assert_eq!((living(999), living(1_000)), (1, 0));
    }

    #[test]
    fn a_registration_lasts_a_week_at_most() {
        let mut registrations = Registrations::default();
        let centuries = seconds(u32::MAX.into());
        let registered = registrations.register_for(Time::ZERO, v1(1), facility(), centuries);
        assert_eq!(registered, Ok(MONITOR_MAX));
        assert_eq!(dues(&mut registrations), [(7 * 24 * 60 * 60 * 1_000, true)]);
    }

    #[test]
    fn registrations_are_limited_for_each_v1_client_and_in_all() {
        let mut registrations = Registrations::default();
        let mut register =
            |caller| registrations.register_for(Time::ZERO, caller, facility(), seconds(60));
        for _ in 0..=REGISTRATIONS_V1_MAX {
            assert_eq!(register(v1(1)), Ok(seconds(60)));
        }
        for id in 0..(REGISTRATIONS_MAX - REGISTRATIONS_V1_MAX) as u64 {
            assert_eq!(register(v2(id)), Ok(seconds(60)));
        }
        assert_eq!(register(v2(u64::MAX)), Err(Full));
        assert_eq!(
            register(v2(0)),
            Ok(seconds(60)),
            "a replacement needs no room"
        );
        assert_eq!(registrations.all.len(), REGISTRATIONS_MAX);
        assert_eq!(registrations.due.len(), REGISTRATIONS_MAX);
        assert_eq!(registrations.of_client.len(), REGISTRATIONS_MAX);
    }

    #[test]
    fn stored_registrations_are_taken_up_in_order_and_within_the_limits() {
        let mut registrations = Registrations::default();
        let mut restore = |number, caller| {
            let facility = facility();
            let week = Registration::new(caller, Time::ZERO, Time::ZERO + MONITOR_MAX);
            registrations.restore(Time::ZERO, Key { facility, number }, week)
        };
        assert_eq!(restore(2, v2(0)), Ok(()));
        for number in [1, 2] {
            assert!(restore(number, v2(1)).is_err_and(|reason| reason.contains("follow")));
        }
        assert!(restore(3, v2(0)).is_err_and(|reason| reason.contains("too many")));
        for number in 3..=REGISTRATIONS_MAX as u64 {
            assert_eq!(restore(number, v2(number)), Ok(()));
        }
        assert_eq!(restore(u64::MAX - 1, v2(1)), Ok(()));
        assert!(restore(u64::MAX, v2(2)).is_err_and(|reason| reason.contains("too many")));
        assert_eq!(registrations.all.len(), REGISTRATIONS_MAX);
    }

    #[test]
    fn a_registration_of_a_time_to_come_begins_when_it_is_taken_up() {
        let year = seconds(365 * 24 * 60 * 60);
        for (since, dues_expected) in [
            (
                Time::ZERO + year,
                [(6_000, false), (11_000, false), (13_000, true)],
            ),
            (
                Time::from_ms(1_001),
                [(6_000, false), (11_000, false), (13_000, true)],
            ),
            (
                Time::from_ms(999),
                [(5_999, false), (10_999, false), (12_999, true)],
            ),
        ] {
            let mut registrations = Registrations::default();
            let key = Key {
                facility: facility(),
                number: 1,
            };
            let stored = Registration::new(v2(1), since, since + seconds(12));
            let now = Time::from_ms(1_000);
            assert_eq!(registrations.restore(now, key, stored), Ok(()));
            assert_eq!(dues(&mut registrations), dues_expected, "since {since} ms");
        }
    }

    #[test]
    fn after_the_last_number_there_is_no_room() {
        let mut registrations = Registrations::default();
        let last = Key {
            facility: facility(),
            number: u64::MAX,
        };
        let week = Registration::new(v2(1), Time::ZERO, Time::ZERO + MONITOR_MAX);
        assert_eq!(registrations.restore(Time::ZERO, last, week), Ok(()));
        let registered = registrations.register(Time::ZERO, v2(2), facility(), seconds(1));
        assert_eq!(registered, Err(Full));
    }
}
