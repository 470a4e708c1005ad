//! The settings of the meeting scheduler.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::services::meeting::data_file::DataFile;
use crate::services::meeting::times::Times;
use crate::services::{Setting, SettingError};

/// The longest span that a setting can say, in ms: an hour.
const SPAN_MS_MAX: u64 = 3_600_000;

/// How many data servers there are at most: they are named by the letters from `a` on.
pub const DATA_SERVERS_MAX: u16 = 26;

/// How many bytes of times a piece of a reply to a lookup holds, at least and at most.
pub const PIECE_BYTES: (u16, u16) = (32, 48 * 1_024);

/// When people are free, by name: what a data server begins with.
pub type People = BTreeMap<String, Times>;

/// What a meeting scheduler is like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How many data servers there are; 2 unless set.
    pub data_servers: u16,
    /// Whom each of them has, in their order; one that is not there has nobody.
    pub people: Vec<Arc<People>>,
    /// After which time the main server asks a data server again; 200 ms unless set.
    pub lookup_timeout: Duration,
    /// How often it asks before it goes on without; 3 times unless set.
    pub lookup_attempts: u16,
    /// After which time a data server that has voted yes asks what was decided, and the main server tells one
    /// again that has not acknowledged a decision; 500 ms unless set.
    pub decision_timeout: Duration,
    /// How many bytes of names or times a piece holds; 1200 unless set, so that a datagram is not split on its
    /// way.
    pub piece_bytes: u16,
    /// What clients reach the main server over; TCP unless set.
    pub front: Front,
    /// After which time the main server closes a connection on which nothing happens; 5 minutes unless set.
    pub idle: Duration,
    /// The protections that are left out; none unless set.
    pub without: BTreeSet<Protection>,
}

/// What clients reach the main server over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Front {
    /// Lines of text over connections.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

/// What makes a registration all or nothing, each against another failure. A scenario can leave one out, to
/// show what it is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Protection {
    /// The main server's decision is durable before anybody is told. Without it, it is stored when the first
    /// data server has acknowledged it.
    LoggedDecisions,
    /// A data server's hold is durable before it votes yes. Without it, it is never stored.
    DurableHolds,
    /// A hold lasts until its data server knows what was decided. Without it, it expires.
    LastingHolds,
    /// Votes are kept for each data server. Without it, they are counted.
    VotesByName,
}

impl Protection {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::LoggedDecisions,
        Self::DurableHolds,
        Self::LastingHolds,
        Self::VotesByName,
    ];

    /// The name in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoggedDecisions => "logged-decisions",
            Self::DurableHolds => "durable-holds",
            Self::LastingHolds => "lasting-holds",
            Self::VotesByName => "votes-by-name",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_servers: 2,
            people: Vec::new(),
            lookup_timeout: Duration::from_millis(200),
            lookup_attempts: 3,
            decision_timeout: Duration::from_millis(500),
            piece_bytes: 1_200,
            front: Front::Tcp,
            idle: Duration::from_secs(300),
            without: BTreeSet::new(),
        }
    }
}

impl Settings {
    /// Whether this protection is there.
    #[must_use]
    pub fn has(&self, protection: Protection) -> bool {
        !self.without.contains(&protection)
    }

    /// The name of a server by its place: 0 is the main server.
    #[must_use]
    pub fn server_name(place: u16) -> String {
        match place.checked_sub(1) {
            None => "main".to_owned(),
            Some(letter) => char::from(b'a' + letter.min(DATA_SERVERS_MAX - 1) as u8).to_string(),
        }
    }

    /// The places of the data servers.
    pub(super) fn data_places(&self) -> impl Iterator<Item = u16> + use<> {
        1..=self.data_servers
    }

    /// Whom the data server at this place has.
    pub(super) fn people_of(&self, place: u16) -> Arc<People> {
        let index = usize::from(place).checked_sub(1);
        let people = index.and_then(|index| self.people.get(index));
        people.cloned().unwrap_or_default()
    }

    /// How long the main server waits in all for a data server.
    pub(super) fn patience(&self) -> Duration {
        self.lookup_timeout * u32::from(self.lookup_attempts)
    }

    /// Each setting with a sentence and its schema.
    pub(super) fn described() -> Vec<Setting> {
        let setting = |name, schema| Setting { name, schema };
        let whole = |sentence: &str, (least, most): (u64, u64), default: u64| {
            json!({
                "description": sentence,
                "type": "integer",
                "minimum": least,
                "maximum": most,
                "default": default,
            })
        };
        let span = |sentence: &str, default| whole(sentence, (1, SPAN_MS_MAX), default);
        let names = Protection::ALL.map(Protection::name);
        let (least, most) = PIECE_BYTES;
        vec![
            setting(
                "data_servers",
                whole(
                    "How many data servers there are: a, b and so on.",
                    (1, DATA_SERVERS_MAX.into()),
                    2,
                ),
            ),
            setting(
                "people",
                json!({
                    "description": "Whom each data server has: the lines of its data file, such as \
                        \"lilith;[[1,3],[4,6]]\".",
                    "type": "object",
                    "propertyNames": { "pattern": "^[a-z]$" },
                    "additionalProperties": { "type": "array", "items": { "type": "string" } },
                    "default": {},
                }),
            ),
            setting(
                "lookup_timeout_ms",
                span(
                    "After which time the main server asks a data server again.",
                    200,
                ),
            ),
            setting(
                "lookup_attempts",
                whole(
                    "How often the main server asks before it goes on without.",
                    (1, 100),
                    3,
                ),
            ),
            setting(
                "decision_timeout_ms",
                span(
                    "After which time a data server that has voted yes asks what was decided.",
                    500,
                ),
            ),
            setting(
                "piece_bytes",
                whole(
                    "How many bytes of names or times a piece holds.",
                    (least.into(), most.into()),
                    1_200,
                ),
            ),
            setting(
                "front",
                json!({
                    "description": "What clients reach the main server over.",
                    "enum": ["tcp", "udp"],
                    "default": "tcp",
                }),
            ),
            setting(
                "idle_ms",
                span(
                    "After which time the main server closes a connection on which nothing happens.",
                    300_000,
                ),
            ),
            setting(
                "without",
                json!({
                    "description": "Protections that are left out, to show what each is for: docs/meeting.md \
                        says what follows.",
                    "type": "array",
                    "items": { "enum": names },
                    "uniqueItems": true,
                    "default": [],
                }),
            ),
        ]
    }

    /// Changes some of them.
    ///
    /// # Errors
    ///
    /// Says what is wrong with one.
    pub(super) fn set_all(&mut self, settings: &toml::Table) -> Result<(), SettingError> {
        for (name, value) in settings {
            self.set(name, value).map_err(|message| SettingError {
                name: name.clone(),
                message,
            })?;
        }
        self.check_people().map_err(|message| SettingError {
            name: "people".to_owned(),
            message,
        })
    }

    fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), String> {
        match name {
            "data_servers" => {
                self.data_servers = whole(value, (1, DATA_SERVERS_MAX.into()))? as u16;
            }
            "people" => self.people = people(value)?,
            "lookup_timeout_ms" => self.lookup_timeout = span(value)?,
            "lookup_attempts" => self.lookup_attempts = whole(value, (1, 100))? as u16,
            "decision_timeout_ms" => self.decision_timeout = span(value)?,
            "piece_bytes" => {
                let (least, most) = PIECE_BYTES;
                self.piece_bytes = whole(value, (least.into(), most.into()))? as u16;
            }
            "front" => {
                self.front = match value.as_str() {
                    Some("tcp") => Front::Tcp,
                    Some("udp") => Front::Udp,
                    _ => {
                        return Err(format!(
                            "{value} stands where \"tcp\" or \"udp\" was expected"
                        ));
                    }
                }
            }
            "idle_ms" => self.idle = span(value)?,
            "without" => self.without = protections(value)?,
            _ => {
                let known = Self::described();
                let known: Vec<_> = known.iter().map(|setting| setting.name).collect();
                return Err(format!("meeting has the settings {}", known.join(", ")));
            }
        }
        Ok(())
    }

    /// Everybody's data server is there.
    fn check_people(&self) -> Result<(), String> {
        let servers = usize::from(self.data_servers);
        if self.people.len() > servers {
            let last = Self::server_name(self.data_servers);
            return Err(format!(
                "there are people of server {}; expected none beyond server {last}, as `data_servers` is {servers}",
                Self::server_name(self.people.len() as u16), // at most 26
            ));
        }
        Ok(())
    }
}

fn people(value: &toml::Value) -> Result<Vec<Arc<People>>, String> {
    let expected = || {
        format!(
            "{value} stands where lists of lines were expected, such as {{ a = [\"lilith;[[1,3]]\"] }}"
        )
    };
    let table = value.as_table().ok_or_else(expected)?;
    let (mut places, mut files) = (Vec::new(), Vec::new());
    for (server, lines) in table {
        let place = match server.as_bytes() {
            [letter @ b'a'..=b'z'] => usize::from(letter - b'a'),
            _ => {
                return Err(format!(
                    "`{server}` is no data server; expected a letter from `a` on"
                ));
            }
        };
        let lines = lines.as_array().ok_or_else(expected)?;
        let lines: Vec<&str> = lines
            .iter()
            .map(|line| line.as_str().ok_or_else(expected))
            .collect::<Result<_, _>>()?;
        let text = lines.join("\n");
        let file = DataFile::parse(server, text.as_bytes()).map_err(|error| error.to_string())?;
        places.push(place);
        files.push(file);
    }
    DataFile::check_apart(&files).map_err(|error| error.to_string())?;
    let count = places.iter().max().map_or(0, |last| last + 1);
    let mut all = vec![Arc::default(); count];
    for (place, file) in places.into_iter().zip(files) {
        all[place] = Arc::new(file.into_people());
    }
    Ok(all)
}

fn span(value: &toml::Value) -> Result<Duration, String> {
    whole(value, (1, SPAN_MS_MAX)).map(Duration::from_millis)
}

fn whole(value: &toml::Value, (least, most): (u64, u64)) -> Result<u64, String> {
    let number = value.as_integer().and_then(|it| u64::try_from(it).ok());
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            format!("{value} stands where a whole number from {least} to {most} was expected")
        })
}

fn protections(value: &toml::Value) -> Result<BTreeSet<Protection>, String> {
    let names = Protection::ALL.map(|it| format!("\"{}\"", it.name()));
    let one = |value: &toml::Value| {
        let mut all = Protection::ALL.into_iter();
        all.find(|it| value.as_str() == Some(it.name()))
            .ok_or_else(|| format!("{value} stands where {} was expected", names.join(" or ")))
    };
    let list = value.as_array().ok_or_else(|| {
        format!(
            "{value} stands where a list of protections was expected, such as [\"lasting-holds\"]"
        )
    })?;
    list.iter().map(one).collect()
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
