//! The settings of the lock service.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::services::lock::files::FILES;
use crate::services::{Setting, SettingError};

/// The longest span that a setting can say, in ms: an hour.
const SPAN_MS_MAX: u64 = 3_600_000;

/// A lease is renewed in thirds, of some ms each.
const LEASE_MS_MIN: u64 = 30;

/// What a lock server is like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How long a lease is; 2 s unless set, as both seeds have it.
    pub lease: Duration,
    /// What one lock guards; [`Locks::PerFile`] unless set.
    pub locks: Locks,
    /// When a lease that has run out ends its grant; [`Expire::Contended`] unless set.
    pub expire: Expire,
    /// After which silence a client that waits is skipped; 12 s unless set: a client that has just been told that it waits gives up
    /// after 11 s without another word.
    pub silence: Duration,
    /// The protections that are left out; none unless set.
    pub without: BTreeSet<Protection>,
    /// On how many files generated load is, `file_0` and so on; 3 unless set.
    pub load_files: u16,
}

/// What one lock guards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Locks {
    /// One file: there are as many locks as files.
    PerFile,
    /// All files: there is one lock.
    Global,
}

/// When a lease that has run out ends its grant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expire {
    /// As soon as somebody else wants the lock; until then the holder keeps it. So the first seed has it.
    Contended,
    /// At once. So the second seed has it.
    Always,
}

/// What keeps a lock service safe, each against another failure. A scenario can leave one out, to show
/// what it is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Protection {
    /// An append or a release is done for the newest grant only, as its token says. Without it, whoever
    /// asks is taken for the holder.
    Fencing,
    /// What is appended appears at the release. Without it, at once.
    Staging,
    /// A lease that has run out ends its grant. Without it, a grant lasts until its release.
    Leases,
    /// Only the newest living grant can be renewed. Without it, a renewal of any grant renews the newest.
    RenewalCheck,
    /// Tokens grow over crashes too. Without it, those of a lock that is free at a restart begin at 1 again.
    DurableTokens,
    /// A restarted server honours the grants that it finds on its disk. Without it, all locks are free.
    HonouredGrants,
}

impl Protection {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Fencing,
        Self::Staging,
        Self::Leases,
        Self::RenewalCheck,
        Self::DurableTokens,
        Self::HonouredGrants,
    ];

    /// The name in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fencing => "fencing",
            Self::Staging => "staging",
            Self::Leases => "leases",
            Self::RenewalCheck => "renewal-check",
            Self::DurableTokens => "durable-tokens",
            Self::HonouredGrants => "honoured-grants",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(2),
            locks: Locks::PerFile,
            expire: Expire::Contended,
            silence: Duration::from_secs(12),
            without: BTreeSet::new(),
            load_files: 3,
        }
    }
}

impl Settings {
    /// Whether this protection is there.
    #[must_use]
    pub fn has(&self, protection: Protection) -> bool {
        !self.without.contains(&protection)
    }

    /// Each setting with a sentence and its schema.
    pub(super) fn described() -> Vec<Setting> {
        let setting = |name, schema| Setting { name, schema };
        let span = |sentence: &str, least: u64, default: u64| {
            json!({
                "description": sentence,
                "type": "integer",
                "minimum": least,
                "maximum": SPAN_MS_MAX,
                "default": default,
            })
        };
        let names = Protection::ALL.map(Protection::name);
        vec![
            setting(
                "lease_ms",
                span("How long a lease is.", LEASE_MS_MIN, 2_000),
            ),
            setting(
                "locks",
                json!({
                    "description": "Whether each file has a lock of its own, or one lock guards all.",
                    "enum": ["per-file", "global"],
                    "default": "per-file",
                }),
            ),
            setting(
                "expire",
                json!({
                    "description": "When a lease that has run out ends its grant: as soon as somebody else \
                        wants the lock, or at once.",
                    "enum": ["contended", "always"],
                    "default": "contended",
                }),
            ),
            setting(
                "silence_ms",
                span(
                    "After which silence a client that waits is skipped.",
                    1,
                    12_000,
                ),
            ),
            setting(
                "without",
                json!({
                    "description": "Protections that are left out, to show what each is for: docs/lock.md \
                        says what follows.",
                    "type": "array",
                    "items": { "enum": names },
                    "uniqueItems": true,
                    "default": [],
                }),
            ),
            setting(
                "load_files",
                json!({
                    "description": "On how many files generated load is: file_0 and so on.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": FILES,
                    "default": 3,
                }),
            ),
        ]
    }

    /// Changes one of them.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub(super) fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), SettingError> {
        let wrong = |message: String| SettingError {
            name: name.to_owned(),
            message,
        };
        match name {
            "lease_ms" => self.lease = span(value, LEASE_MS_MIN).map_err(wrong)?,
            "silence_ms" => self.silence = span(value, 1).map_err(wrong)?,
            "locks" => {
                let known = [("per-file", Locks::PerFile), ("global", Locks::Global)];
                self.locks = one_of(value, &known).map_err(wrong)?;
            }
            "expire" => {
                let known = [("contended", Expire::Contended), ("always", Expire::Always)];
                self.expire = one_of(value, &known).map_err(wrong)?;
            }
            "without" => self.without = protections(value).map_err(wrong)?,
            "load_files" => {
                let files = whole(value, 1, u64::from(FILES)).map_err(wrong)?;
                self.load_files = files as u16;
            }
            _ => {
                let known = Self::described();
                let known: Vec<_> = known.iter().map(|setting| setting.name).collect();
                return Err(wrong(format!("lock has the settings {}", known.join(", "))));
            }
        }
        Ok(())
    }
}

fn span(value: &toml::Value, least: u64) -> Result<Duration, String> {
    whole(value, least, SPAN_MS_MAX).map(Duration::from_millis)
}

fn whole(value: &toml::Value, least: u64, most: u64) -> Result<u64, String> {
    let number = value.as_integer().and_then(|it| u64::try_from(it).ok());
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            format!("{value} stands where a whole number from {least} to {most} was expected")
        })
}

fn one_of<T: Copy>(value: &toml::Value, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(name, _)| value.as_str() == Some(*name));
    found.map(|(_, meant)| *meant).ok_or_else(|| {
        let names: Vec<_> = known
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        format!("{value} stands where {} was expected", names.join(" or "))
    })
}

fn protections(value: &toml::Value) -> Result<BTreeSet<Protection>, String> {
    let known = Protection::ALL.map(|protection| (protection.name(), protection));
    let list = value.as_array().ok_or_else(|| {
        format!("{value} stands where a list of protections was expected, such as [\"fencing\"]")
    })?;
    list.iter().map(|name| one_of(name, &known)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Result<Settings, SettingError> {
        let mut settings = Settings::default();
        for (name, value) in &text.parse::<toml::Table>().unwrap() {
            settings.set(name, value)?;
        }
        Ok(settings)
    }

    #[test]
    fn every_setting_can_be_set() {
        let settings = set(
            "lease_ms = 500\nlocks = 'global'\nexpire = 'always'\nsilence_ms = 700\n\
             without = ['leases', 'fencing']\nload_files = 100",
        )
        .unwrap();
        let expected = Settings {
            lease: Duration::from_millis(500),
            locks: Locks::Global,
            expire: Expire::Always,
            silence: Duration::from_millis(700),
            without: [Protection::Fencing, Protection::Leases].into(),
            load_files: 100,
        };
        assert_eq!(settings, expected);
        assert_eq!(Settings::described().len(), 6);
        assert!(!settings.has(Protection::Fencing) && settings.has(Protection::Staging));
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_was_expected() {
        for (text, name, part) in [
            ("lease_ms = 29", "lease_ms", "from 30 to 3600000"),
            ("silence_ms = 'long'", "silence_ms", "from 1 to 3600000"),
            ("load_files = 101", "load_files", "from 1 to 100"),
            ("locks = 'one'", "locks", "\"per-file\" or \"global\""),
            ("expire = true", "expire", "\"contended\" or \"always\""),
            ("without = 'fencing'", "without", "a list of protections"),
            (
                "without = ['fences']",
                "without",
                "\"fencing\" or \"staging\"",
            ),
            ("leases = 1", "leases", "lease_ms, locks, expire"),
        ] {
            let error = set(text).unwrap_err();
            assert_eq!(error.name, name);
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }
}
