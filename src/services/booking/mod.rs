//! Facility booking: query, book, change, extend, cancel and monitor.
//!
//! The service of the first seed document. One idempotent operation ([extend](message::Request::Extend))
//! and one that is not ([cancel](message::Request::Cancel)) stand side by side, so that a run shows
//! which of them a retransmission may execute twice without harm; and those who
//! [monitor](message::Request::Monitor) a facility are sent updates, which the network may lose.
//!
//! - [`message`]: requests, replies and updates; `codec` carries them as bytes, [`v1`] as the seed did
//! - [`week`]: the fixed week in minutes
//! - [`state`]: facilities and bookings; [`facility`]: one of them, and its last changes
//! - [`monitor`]: who is told of changes, and until when
//! - `records`: all of that as a server with a disk stores it
//! - [`server`], [`client`]: the two sides
//! - `spec`: what all of it promises, one request after the other
//! - `command`, `describe`: the command grammar, and every message in words
//!
//! Deliberately absent: dates, owners of bookings, and anything that survives the week.

pub mod client;
pub mod codec;
pub mod confirmation;
pub mod facility;
pub mod message;
pub mod monitor;
pub mod server;
pub mod state;
pub mod v1;
pub mod week;

mod calendar;
mod command;
mod describe;
mod load;
mod records;
mod spec;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::check::sequential::Specification;
use crate::rpc::client::RpcClient;
use crate::rpc::service::Service;
use crate::rpc::v1::FormatV1;
use crate::services::quoting::quote;
use crate::services::{Application, Client, Command, CommandError, Setting, SettingError, Usage};

/// The facilities of the seed document, which a server has unless told otherwise.
pub const DEFAULT_FACILITIES: [&str; 4] = [
    "Meeting Room A",
    "Lecture Theatre 1",
    "Conference Hall",
    "Seminar Room B",
];

/// How many facilities a server has at most; each keeps its last changes.
pub const FACILITIES_MAX: usize = 1_000;

/// How long a facility's name is at most, in bytes: every message about a facility carries it.
pub const FACILITY_BYTES_MAX: usize = codec::FACILITY.max;

/// The booking service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Booking {
    facilities: Vec<String>,
}

impl Booking {
    /// The service with these facilities.
    ///
    /// # Errors
    ///
    /// If there are none or more than [`FACILITIES_MAX`], if a name is empty or longer than
    /// [`FACILITY_BYTES_MAX`], or if two are the same.
    pub fn new(facilities: Vec<String>) -> Result<Self, SettingError> {
        let wrong = |message: String| SettingError {
            name: "facilities".to_owned(),
            message,
        };
        if facilities.is_empty() || facilities.len() > FACILITIES_MAX {
            let found = facilities.len();
            return Err(wrong(format!(
                "{found} facilities; write 1 to {FACILITIES_MAX} names"
            )));
        }
        let mut seen = BTreeSet::new();
        for name in &facilities {
            if name.is_empty() || name.len() > FACILITY_BYTES_MAX {
                return Err(wrong(format!(
                    "a name of {} bytes; write 1 to {FACILITY_BYTES_MAX} bytes",
                    name.len()
                )));
            }
            if !seen.insert(name) {
                return Err(wrong(format!("{} stands twice", quote(name))));
            }
        }
        Ok(Self { facilities })
    }

    /// The facilities, in order.
    #[must_use]
    pub fn facilities(&self) -> &[String] {
        &self.facilities
    }
}

impl Default for Booking {
    fn default() -> Self {
        Self {
            facilities: DEFAULT_FACILITIES.map(str::to_owned).to_vec(),
        }
    }
}

impl Application for Booking {
    fn name(&self) -> &'static str {
        "booking"
    }

    fn configure(&self, settings: &toml::Table) -> Result<Arc<dyn Application>, SettingError> {
        let mut configured = self.clone();
        for (name, value) in settings {
            match name.as_str() {
                "facilities" => configured = Self::new(facility_names(value)?)?,
                _ => {
                    return Err(SettingError {
                        name: name.clone(),
                        message: "booking has one setting, facilities".to_owned(),
                    });
                }
            }
        }
        Ok(Arc::new(configured))
    }

    fn settings(&self) -> Vec<Setting> {
        vec![Setting {
            name: "facilities",
            schema: json!({
                "description": "The names of the facilities that can be booked.",
                "type": "array",
                "items": { "type": "string", "minLength": 1, "maxLength": FACILITY_BYTES_MAX },
                "minItems": 1,
                "maxItems": FACILITIES_MAX,
                "uniqueItems": true,
                "default": DEFAULT_FACILITIES,
            }),
        }]
    }

    fn usage(&self) -> &'static [Usage] {
        &command::USAGE
    }

    fn service(&self) -> Box<dyn Service> {
        let names = self.facilities.iter().map(String::as_str);
        Box::new(server::BookingServer::new(names))
    }

    fn stores_state(&self) -> bool {
        true
    }

    fn client(&self, rpc: RpcClient) -> Box<dyn Client> {
        Box::new(client::BookingClient::new(rpc, self.facilities.clone()))
    }

    fn parse(&self, line: &str) -> Result<Vec<Command>, CommandError> {
        command::parse(line)
    }

    fn parse_words(&self, words: &[&str]) -> Result<Vec<Command>, CommandError> {
        command::parse_words(words)
    }

    /// A day at a time, so that what is different is said in few words.
    fn probes(&self) -> Vec<Command> {
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let names = self.facilities.iter().map(|name| quote(name));
        names
            .flat_map(|name| days.map(|day| format!("query {name} {day}")))
            .flat_map(|line| command::parse(&line).expect("a quoted name and a day"))
            .collect()
    }

    fn spec(&self) -> Option<Box<dyn Specification>> {
        Some(Box::new(spec::BookingSpec::new(self.facilities.clone())))
    }

    fn describe_request(&self, body: &[u8]) -> String {
        describe::request(body)
    }

    fn describe_reply(&self, body: &[u8]) -> String {
        describe::reply(body)
    }

    fn describe_update(&self, body: &[u8]) -> String {
        describe::update(body)
    }

    fn describe_one_way(&self, body: &[u8]) -> String {
        describe::ask(body)
    }

    fn format_v1(&self) -> Option<&'static dyn FormatV1> {
        Some(&v1::BookingV1)
    }
}

fn facility_names(value: &toml::Value) -> Result<Vec<String>, SettingError> {
    let names = value.as_array().and_then(|values| {
        let name = |value: &toml::Value| value.as_str().map(str::to_owned);
        values.iter().map(name).collect()
    });
    names.ok_or_else(|| SettingError {
        name: "facilities".to_owned(),
        message: format!(
            "a {} stands where a list of names was expected",
            value.type_str()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(text: &str) -> Result<Arc<dyn Application>, SettingError> {
        Booking::default().configure(&text.parse().unwrap())
    }

    #[test]
    fn facilities_are_those_of_the_seed_unless_others_are_configured() {
        assert_eq!(Booking::default().facilities(), DEFAULT_FACILITIES);
        let unchanged = configured("").unwrap();
        assert!(format!("{unchanged:?}").contains("Lecture Theatre 1"));
        let changed = configured("facilities = ['Hall', \"Bob's\"]").unwrap();
        let expected = Booking::new(vec!["Hall".to_owned(), "Bob's".to_owned()]).unwrap();
        assert_eq!(format!("{changed:?}"), format!("{expected:?}"));
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_was_expected() {
        let too_long = format!("facilities = ['{}']", "x".repeat(256));
        for (text, part) in [
            ("facilities = []", "1 to 1000"),
            ("facilities = ['']", "1 to 255"),
            (too_long.as_str(), "256 bytes"),
            (
                "facilities = ['Hall', 'Room', 'Hall']",
                "'Hall' stands twice",
            ),
            ("facilities = 'Hall'", "list of names"),
            ("facilities = [1]", "list of names"),
        ] {
            let error = configured(text).unwrap_err();
            assert_eq!(error.name, "facilities");
            assert!(error.message.contains(part), "{text}: {error}");
        }
        assert_eq!(configured("locks = 1").unwrap_err().name, "locks");
        let too_many = (0..=FACILITIES_MAX).map(|n| n.to_string()).collect();
        assert!(Booking::new(too_many).is_err());
    }
}
