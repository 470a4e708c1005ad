//! A server that is restored from its records goes on as if it had never stopped.

use std::collections::BTreeMap;
use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::rpc::service::{Effect, Input, Service, Ticket, TimerKey};
use crate::services::booking::command;
use crate::services::booking::message::Ask;
use crate::services::booking::server::BookingServer;

#[path = "records_refused_tests.rs"]
mod refused;

const FACILITY_NAMES: [&str; 2] = ["Hall", "Room"];

/// A server on a disk.
struct Disk {
    server: BookingServer,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    timer: Option<Time>,
}

impl Disk {
    /// The first life.
    fn new() -> Self {
        Self::of(FACILITY_NAMES, 0, BTreeMap::new()).unwrap()
    }

    /// A life of a server of these facilities that begins with these records.
    fn of<const N: usize>(
        names: [&str; N],
        at_ms: u64,
        records: BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<Self, String> {
        let mut disk = Self {
            server: BookingServer::new(names),
            records: records.clone(),
            timer: None,
        };
        let mut effects = Effects::default().with_records();
        let now = Time::from_ms(at_ms);
        disk.server
            .restore(now, &mut records.into_iter(), &mut effects)
            .map_err(|error| error.to_string())?;
        disk.carry_out(&effects);
        Ok(disk)
    }

    /// The next life, after a crash.
    fn restarted(&self, at_ms: u64) -> Result<Self, String> {
        Self::of(FACILITY_NAMES, at_ms, self.records.clone())
    }

    fn step(&mut self, at_ms: u64, input: Input<'_>) -> Vec<String> {
        let mut effects = Effects::default().with_records();
        self.server.step(Time::from_ms(at_ms), input, &mut effects);
        self.carry_out(&effects)
    }

    /// Lets the timer run out, as often as it does up to this time.
    fn fire_timer(&mut self, at_ms: u64) -> Vec<String> {
        let mut fired = Vec::new();
        while let Some(due) = self.timer.take_if(|due| due.as_ms() <= at_ms) {
            fired.extend(self.step(due.as_ms(), Input::Timer(TimerKey(0))));
        }
        fired
    }

    fn request(&mut self, at_ms: u64, caller: &Caller, line: &str) -> Vec<String> {
        let body = &command::parse(line).unwrap().remove(0).body;
        let ticket = Ticket(1);
        let input = Input::Request {
            ticket,
            caller,
            body,
        };
        self.step(at_ms, input)
    }

    fn ask(&mut self, at_ms: u64, caller: &Caller, facility: &str, after: u32) -> Vec<String> {
        let facility = facility.to_owned();
        let body = &Ask { facility, after }.encode();
        self.step(at_ms, Input::OneWay { caller, body })
    }

    /// Stores, erases and sets timers, and puts all effects into words.
    fn carry_out(&mut self, effects: &Effects) -> Vec<String> {
        let carry_out = |effect: Effect<'_>| {
            match effect {
                Effect::SetTimer(_, at) => self.timer = Some(at),
                Effect::Store { key, value } => match value {
                    Some(value) => drop(self.records.insert(key.to_vec(), value.to_vec())),
                    None => drop(self.records.remove(key)),
                },
                _ => {}
            }
            format!("{effect:?}")
        };
        effects.iter().map(carry_out).collect()
    }

    /// Everything that the server knows.
    fn state(&self) -> String {
        format!("{:?}", self.server)
    }
}

fn caller(number: u16) -> Caller {
    let address = match number {
        2 => SocketAddrV6::new([7; 16].into(), 5002, 3, 4).into(),
        _ => SocketAddr::from(([10, 0, 0, 1], 5000 + number)),
    };
    Caller {
        client: match number {
            0..=2 => ClientKey::Id(ClientId(number.into())),
            _ => ClientKey::Address(address),
        },
        address,
        operation: OperationId {
            client: HostId(number),
            number: 1 + u32::from(number),
        },
    }
}

/// What a client does: after so many ms, which client, what.
#[derive(Clone, Debug)]
enum Action {
    Request(u64, u16, String),
    Ask(u64, u16, &'static str, u32),
    Garbage(u64, u16),
}

fn actions(count: Range<usize>) -> impl Strategy<Value = Vec<Action>> {
    let facility = || select(vec!["Hall", "Room", "Hall", "Nowhere"]);
    let booking = || (1..30_u32).prop_map(|number| format!("CONF{number:06}"));
    let day = || select(vec!["mon", "wed", "sun"]);
    let line = prop_oneof![
        6 => (facility(), day(), 0..23_u8, 1..3_u8).prop_map(|(facility, day, hour, hours)| {
            format!("book {facility} {day} {hour:02}:00-{:02}:00", (hour + hours).min(24))
        }),
        4 => (booking(), select(vec!["+1h", "-1h", "+30m", "-24h"]))
            .prop_map(|(booking, by)| format!("change {booking} {by}")),
        4 => (booking(), select(vec!["0m", "30m", "2h"]))
            .prop_map(|(booking, by)| format!("extend {booking} {by}")),
        2 => booking().prop_map(|booking| format!("cancel {booking}")),
        1 => (facility(), day()).prop_map(|(facility, day)| format!("query {facility} {day}")),
        2 => (facility(), 0..40_u32)
            .prop_map(|(facility, seconds)| format!("monitor {facility} --for {seconds}s")),
    ];
    let wait = || prop_oneof![3 => 0..50_u64, 1 => 0..7_000_u64];
    let action = prop_oneof![
        20 => (wait(), 0..5_u16, line).prop_map(|(wait, who, line)| Action::Request(wait, who, line)),
        2 => (wait(), 0..3_u16, facility(), 0..200_u32)
            .prop_map(|(wait, who, facility, after)| Action::Ask(wait, who, facility, after)),
        1 => (wait(), 0..5_u16).prop_map(|(wait, who)| Action::Garbage(wait, who)),
    ];
    prop::collection::vec(action, count)
}

impl Action {
    fn wait_ms(&self) -> u64 {
        let (Self::Request(wait, ..) | Self::Ask(wait, ..) | Self::Garbage(wait, _)) = self;
        *wait
    }

    /// Does it to a server, after its timer has run out.
    fn apply(&self, at_ms: u64, disk: &mut Disk) -> Vec<String> {
        let mut effects = disk.fire_timer(at_ms);
        effects.extend(match self {
            Self::Request(_, who, line) => disk.request(at_ms, &caller(*who), line),
            Self::Ask(_, who, facility, after) => disk.ask(at_ms, &caller(*who), facility, *after),
            Self::Garbage(_, who) => {
                let (ticket, caller, body) = (Ticket(1), &caller(*who), b"garbage");
                let input = Input::Request {
                    ticket,
                    caller,
                    body,
                };
                disk.step(at_ms, input)
            }
        });
        effects
    }
}

/// A server that has seen all kinds of records: bookings, more changes than are kept, registrations.
fn busy() -> Disk {
    let mut disk = Disk::new();
    for (number, line) in [
        (0, "book Hall mon 10:00-11:00"),
        (0, "book Room mon 10:00-11:00"),
        (0, "book Hall tue 22:00-wed 02:00"),
        (0, "extend CONF000001 2h"),
        (0, "cancel CONF000002"),
        (1, "monitor Hall --for 60s"),
        (2, "monitor Hall --for 12s"),
        (3, "monitor Room --for 60s"),
        (3, "monitor Hall --for 60s"),
        (3, "monitor Hall --for 60s"),
    ] {
        disk.request(1_000, &caller(number), line);
    }
    for _ in 0..40 {
        for line in ["change CONF000001 +1h", "change CONF000001 -1h"] {
            disk.request(2_000, &caller(0), line);
        }
    }
    disk
}

/// What a record is, by the first byte of its key, and its numbers that are not 0.
fn named(key: &[u8]) -> String {
    let kinds = ["facilities", "booking", "change", "registration"];
    let numbers = key[1..].iter().filter(|&&byte| byte > 0);
    let kind = kinds[usize::from(key[0]) - 1].to_owned();
    numbers.fold(kind, |name, byte| format!("{name} {byte}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_server_that_restarts_again_and_again_does_what_one_does_that_never_stops(
        actions in actions(1..260),
        every in 1_usize..6,
        start in select(vec![Disk::new as fn() -> Disk, busy]),
    ) {
        let (mut steady, mut restarting) = (start(), start());
        let mut now = 2_000;
        for (number, action) in actions.iter().enumerate() {
            now += action.wait_ms();
            let expected = action.apply(now, &mut steady);
            prop_assert_eq!(action.apply(now, &mut restarting), expected);
            prop_assert_eq!(&restarting.records, &steady.records);
            if number % every == 0 {
                restarting = restarting.restarted(now).unwrap();
                prop_assert_eq!(restarting.state(), steady.state());
                prop_assert_eq!(&restarting.records, &steady.records);
            }
        }
    }
}

#[test]
fn a_step_stores_exactly_what_it_changed() {
    let mut disk = Disk::new();
    assert_eq!(
        disk.records
            .keys()
            .map(|key| named(key))
            .collect::<Vec<_>>(),
        ["facilities"]
    );
    let mut touched = |at_ms, number, line: &str| -> Vec<String> {
        let before = disk.records.clone();
        disk.fire_timer(at_ms);
        if !line.is_empty() {
            disk.request(at_ms, &caller(number), line);
        }
        let after = &disk.records;
        let keys = before
            .keys()
            .chain(after.keys().filter(|key| !before.contains_key(*key)));
        keys.filter(|key| before.get(*key) != after.get(*key))
            .map(|key| match after.get(key) {
                Some(_) => named(key),
                None => format!("no {}", named(key)),
            })
            .collect()
    };
    let nothing: [&str; 0] = [];
    assert_eq!(
        touched(0, 0, "book Room mon 10:00-11:00"),
        ["booking 1", "change 1 1"]
    );
    assert_eq!(
        touched(0, 0, "change CONF000001 +1h"),
        ["booking 1", "change 1 2"]
    );
    assert_eq!(
        touched(0, 0, "extend CONF000001 1h"),
        ["booking 1", "change 1 3"]
    );
    assert_eq!(
        touched(0, 0, "book Hall mon 10:00-11:00"),
        ["booking 2", "change 1"]
    );
    assert_eq!(
        touched(0, 0, "cancel CONF000002"),
        ["booking 2", "change 2"]
    );
    for line in [
        "query Hall mon",
        "cancel CONF000002",
        "book Room mon 11:00-12:00",
    ] {
        assert_eq!(touched(0, 0, line), nothing, "{line}");
    }
    assert_eq!(touched(0, 1, "monitor Hall --for 12s"), ["registration 1"]);
    assert_eq!(touched(0, 3, "monitor Hall --for 60s"), ["registration 2"]);
    assert_eq!(
        touched(1, 1, "monitor Hall --for 12s"),
        ["no registration 1", "registration 3"]
    );
    assert_eq!(
        touched(5_001, 0, ""),
        nothing,
        "being told the latest changes nothing"
    );
    assert_eq!(touched(12_001, 0, ""), ["no registration 3"]);
    for number in 4..=KEPT_REVISIONS {
        let change = format!("change 1 {number}");
        assert_eq!(touched(13_000, 0, "extend CONF000001 1h"), [change]);
    }
    let dropped = touched(13_000, 0, "extend CONF000001 1h");
    assert_eq!(dropped, ["no change 1 1", "change 1 65"]);
}

#[test]
fn as_many_changes_are_stored_as_are_kept() {
    let disk = busy();
    let changes: Vec<_> = disk
        .records
        .range(vec![CHANGE]..vec![CHANGE, 0, 1])
        .collect();
    assert_eq!(changes.len(), KEPT_REVISIONS);
    assert_eq!(
        changes[0].0,
        &change_key(FacilityId(0), 83 - KEPT_REVISIONS as u64 + 1)
    );
}

#[test]
fn what_was_due_while_the_server_was_down_is_not_made_up_for() {
    let mut disk = Disk::new();
    disk.request(100, &caller(1), "monitor Hall --for 60s");
    let mut disk = disk.restarted(21_000).unwrap();
    assert_eq!(disk.fire_timer(25_099), Vec::<String>::new());
    let told = disk.fire_timer(25_100);
    assert!(told[0].starts_with("Push"), "{told:?}");
    assert_eq!(disk.timer, Some(Time::from_ms(30_100)));
}

#[test]
fn a_registration_that_ended_while_the_server_was_down_ends_as_soon_as_it_is_up() {
    let mut disk = Disk::new();
    disk.request(100, &caller(1), "monitor Hall --for 3s");
    let mut disk = disk.restarted(21_000).unwrap();
    let told = disk.request(21_000, &caller(0), "book Hall mon 10:00-11:00");
    assert!(
        told.iter().any(|effect| effect.starts_with("Tell(Expire")),
        "{told:?}"
    );
    assert!(!disk.records.contains_key(&registration_key(Key {
        facility: FacilityId(0),
        number: 1
    })));
}
