//! The settings of the causal store.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::services::causal::replica::Mode;
use crate::services::{Setting, SettingError};

/// How many data centres there are at least and at most: one alone has nobody to replicate to, and each
/// sends every write to each.
pub const DATA_CENTRES: (u16, u16) = (2, 16);

/// The longest span that a setting can say, in ms: an hour.
const SPAN_MS_MAX: u64 = 3_600_000;

/// How many keys generated load has at most.
const LOAD_KEYS_MAX: u64 = 10_000;

/// What a causal store is like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How many data centres there are; 3 unless set.
    pub data_centres: u16,
    /// How they replicate; [`Mode::Causal`] unless set.
    pub mode: Mode,
    /// How long a request waits for what its session depends on; 5 s unless set.
    pub dependency_wait: Duration,
    /// After which time an unacknowledged write is sent again first; 1 s unless set.
    pub replication_timeout: Duration,
    /// How much later a message between data centres leaves, for each step between their numbers; 0 unless
    /// set. The seed has 2 s.
    pub distance: Duration,
    /// On how many keys generated load is, k1, k2 and so on; 5 unless set.
    pub load_keys: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_centres: 3,
            mode: Mode::Causal,
            dependency_wait: Duration::from_secs(5),
            replication_timeout: Duration::from_secs(1),
            distance: Duration::ZERO,
            load_keys: 5,
        }
    }
}

impl Settings {
    /// Each setting with a sentence and its schema.
    pub(super) fn described() -> Vec<Setting> {
        let modes = Mode::ALL.map(Mode::name);
        let span = |sentence: &str, least: u64, default: u64| {
            json!({
                "description": sentence,
                "type": "integer",
                "minimum": least,
                "maximum": SPAN_MS_MAX,
                "default": default,
            })
        };
        let setting = |name, schema| Setting { name, schema };
        vec![
            setting(
                "data_centres",
                json!({
                    "description": "How many data centres there are: dc0, dc1 and so on.",
                    "type": "integer",
                    "minimum": DATA_CENTRES.0,
                    "maximum": DATA_CENTRES.1,
                    "default": 3,
                }),
            ),
            setting(
                "mode",
                json!({
                    "description": "How data centres replicate. The last two are mistakes: a newer version \
                        counts for the one that is missing; what one other data centre has counts as known \
                        everywhere.",
                    "enum": modes,
                    "default": "causal",
                }),
            ),
            setting(
                "dependency_wait_ms",
                span(
                    "How long a request waits for what its session depends on, before it is refused.",
                    0,
                    5_000,
                ),
            ),
            setting(
                "replication_timeout_ms",
                span(
                    "After which time an unacknowledged write is sent again first; then twice that, up \
                        to eight times that.",
                    1,
                    1_000,
                ),
            ),
            setting(
                "distance_ms",
                span(
                    "How much later a message between data centres leaves, for each step between their \
                        numbers.",
                    0,
                    0,
                ),
            ),
            setting(
                "load_keys",
                json!({
                    "description": "On how many keys generated load is.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": LOAD_KEYS_MAX,
                    "default": 5,
                }),
            ),
        ]
    }

    /// These settings, with one of them changed.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub(super) fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), SettingError> {
        let span = |least| whole(name, value, least, SPAN_MS_MAX).map(Duration::from_millis);
        match name {
            "data_centres" => {
                let (least, most) = DATA_CENTRES;
                self.data_centres = whole(name, value, least.into(), most.into())? as u16;
            }
            "mode" => self.mode = mode(value)?,
            "dependency_wait_ms" => self.dependency_wait = span(0)?,
            "replication_timeout_ms" => self.replication_timeout = span(1)?,
            "distance_ms" => self.distance = span(0)?,
            "load_keys" => self.load_keys = whole(name, value, 1, LOAD_KEYS_MAX)? as u32,
            _ => {
                let known: Vec<&str> = Self::described().iter().map(|it| it.name).collect();
                return Err(wrong(name, format!("causal has {}", known.join(", "))));
            }
        }
        Ok(())
    }

    /// How long a message from one data centre to another waits before it leaves.
    #[must_use]
    pub fn delay(&self, from: u16, to: u16) -> Duration {
        self.distance * u32::from(from.abs_diff(to))
    }

    /// The other data centres, and after which time a write is sent to each again: there and back, a
    /// message and its acknowledgement wait as well.
    #[must_use]
    pub fn timeouts(&self, place: u16) -> BTreeMap<u16, Duration> {
        let others = (0..self.data_centres).filter(|&other| other != place);
        others
            .map(|other| {
                (
                    other,
                    self.replication_timeout + self.delay(place, other) * 2,
                )
            })
            .collect()
    }
}

fn whole(name: &str, value: &toml::Value, least: u64, most: u64) -> Result<u64, SettingError> {
    value
        .as_integer()
        .and_then(|number| u64::try_from(number).ok())
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            let message =
                format!("{value} stands where a whole number from {least} to {most} was expected");
            wrong(name, message)
        })
}

fn mode(value: &toml::Value) -> Result<Mode, SettingError> {
    let named = |mode: &Mode| value.as_str() == Some(mode.name());
    Mode::ALL.into_iter().find(named).ok_or_else(|| {
        let known = Mode::ALL.map(Mode::name).join(", ");
        wrong("mode", format!("{value} is no mode; write {known}"))
    })
}

fn wrong(name: &str, message: String) -> SettingError {
    SettingError {
        name: name.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(line: &str) -> Result<Settings, SettingError> {
        let table: toml::Table = line.parse().unwrap();
        let mut settings = Settings::default();
        for (name, value) in &table {
            settings.set(name, value)?;
        }
        Ok(settings)
    }

    #[test]
    fn every_setting_described_can_be_set_and_its_default_changes_nothing() {
        for setting in Settings::described() {
            let line = format!("{} = {}", setting.name, setting.schema["default"]);
            assert_eq!(set(&line).unwrap(), Settings::default(), "{line}");
        }
        assert_eq!(set("distance_ms = 7").unwrap().distance.as_millis(), 7);
        assert_eq!(set("mode = 'eventual'").unwrap().mode, Mode::Eventual);
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_was_expected() {
        for (line, part) in [
            ("data_centres = 1", "2 to 16"),
            ("data_centres = 17", "2 to 16"),
            ("mode = 'strong'", "newer-stands-in"),
            ("replication_timeout_ms = 0", "1 to 3600000"),
            ("distance_ms = -1", "0 to 3600000"),
            ("load_keys = 'five'", "whole number"),
            ("keys = 5", "causal has data_centres, mode"),
        ] {
            let error = set(line).unwrap_err();
            assert!(line.starts_with(&error.name), "{line}: {}", error.name);
            assert!(error.message.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn the_timeout_grows_with_the_way_there_and_back() {
        let settings = set("distance_ms = 2000").unwrap();
        let timeouts: Vec<_> = settings.timeouts(0).into_iter().collect();
        let expected = [(1, Duration::from_secs(5)), (2, Duration::from_secs(9))];
        assert_eq!(timeouts, expected);
    }
}
