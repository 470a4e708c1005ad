//! One query under way at the main server: whom it asks, and what has come. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Time;
use crate::services::meeting::asked::Asked;
use crate::services::meeting::message::{Answer, Entry, Meeting, PIECES_AT_ONCE, Piece};
use crate::services::meeting::sends::{Attempts, Due};
use crate::services::meeting::settings::Settings;
use crate::services::meeting::times::{Interval, Times};

/// A query under way.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) asked: Asked,
    parts: BTreeMap<u16, Part>,
    unknown: BTreeSet<String>,
    missing: BTreeSet<String>,
    silent: BTreeSet<u16>,
    /// What was decided of its people before the query began, and may not have been taken where they are.
    decided: BTreeMap<String, Vec<Interval>>,
    found: BTreeMap<String, Times>,
}

/// What is asked of one data server.
#[derive(Debug)]
struct Part {
    names: Vec<String>,
    attempts: Attempts,
    /// Of which state of the data server the pieces are: its life, and how many times it had taken from these
    /// people.
    state: Option<(u64, u64)>,
    of: u32,
    pieces: BTreeMap<u32, Vec<Entry>>,
    /// The pieces that were asked for and have not come.
    under_way: BTreeSet<u32>,
}

/// A lookup that is to be sent.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Lookup {
    pub(super) to: u16,
    pub(super) names: Vec<String>,
    pub(super) pieces: Vec<u32>,
}

impl Query {
    /// A query about people of whom these are at these places, while `unknown` servers have not said whom
    /// they have. `decided` is what may not have been taken everywhere.
    pub(super) fn new<'a>(
        now: Time,
        asked: Asked,
        place_of: impl Fn(&str) -> Option<u16>,
        unknown: impl Iterator<Item = u16>,
        decided: impl Iterator<Item = &'a Meeting>,
    ) -> Self {
        let mut nowhere = BTreeSet::new();
        let mut names: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        for name in asked.request.names() {
            match place_of(name) {
                Some(place) => names.entry(place).or_default().push(name.clone()),
                None => {
                    nowhere.insert(name.clone());
                }
            }
        }
        let mut silent: BTreeSet<u16> = unknown.collect();
        let (unknown, missing) = match silent.is_empty() {
            true => (nowhere, BTreeSet::new()),
            false => (BTreeSet::new(), nowhere),
        };
        if missing.is_empty() {
            silent.clear();
        }
        let decided = decided_of(asked.request.names(), decided);
        let part = |names| Part {
            names,
            attempts: Attempts::at_once(now),
            state: None,
            of: 0,
            pieces: BTreeMap::new(),
            under_way: BTreeSet::new(),
        };
        Self {
            asked,
            parts: names
                .into_iter()
                .map(|(place, names)| (place, part(names)))
                .collect(),
            unknown,
            missing,
            silent,
            decided,
            found: BTreeMap::new(),
        }
    }

    /// Takes in a piece of what a data server in this state says.
    pub(super) fn hear(
        &mut self,
        (now, timeout): (Time, Duration),
        (from, state): (u16, (u64, u64)),
        piece: Piece,
        entries: Vec<Entry>,
    ) {
        let Some(part) = self.parts.get_mut(&from) else {
            return;
        };
        if !part.hear((now, timeout), state, piece, entries) {
            return;
        }
        let Some(part) = self.parts.remove(&from) else {
            return;
        };
        let mut found = part.assemble();
        for name in part.names {
            match found.remove(&name) {
                Some(times) => {
                    self.found.insert(name, times);
                }
                None => {
                    self.unknown.insert(name);
                }
            }
        }
    }

    /// The lookups that are to be sent now. Data servers that have been silent for too long are given up.
    pub(super) fn take_due(&mut self, now: Time, settings: &Settings) -> Vec<Lookup> {
        let (timeout, attempts) = (settings.lookup_timeout, settings.lookup_attempts);
        let mut lookups = Vec::new();
        let mut silent = Vec::new();
        for (&to, part) in &mut self.parts {
            match part.attempts.take_due(now, timeout, attempts) {
                Due::Nothing => {}
                Due::Send => lookups.push(Lookup {
                    to,
                    names: part.names.clone(),
                    pieces: part.ask(),
                }),
                Due::GiveUp => silent.push(to),
            }
        }
        for place in silent {
            if let Some(part) = self.parts.remove(&place) {
                self.missing.extend(part.names);
                self.silent.insert(place);
            }
        }
        lookups
    }

    /// When something is to be done next.
    pub(super) fn next(&self) -> Option<Time> {
        self.parts.values().map(|part| part.attempts.next()).min()
    }

    /// Whether nobody is waited for any more.
    pub(super) fn is_over(&self) -> bool {
        self.parts.is_empty()
    }

    /// The answer, from what has come.
    pub(super) fn answer(&self) -> Answer {
        let of = |set: &BTreeSet<String>| -> Vec<String> {
            let names = self.asked.request.names().iter();
            names.filter(|name| set.contains(*name)).cloned().collect()
        };
        let names = self.asked.request.names().iter();
        let found: Vec<(String, Times)> = names
            .filter_map(|name| Some((name.clone(), self.left(name)?)))
            .collect();
        let times: Vec<&Times> = found.iter().map(|(_, times)| times).collect();
        Answer {
            times: Times::common(&times).unwrap_or_default(),
            names: found.iter().map(|(name, _)| name.clone()).collect(),
            unknown: of(&self.unknown),
            missing: of(&self.missing),
            silent: self
                .silent
                .iter()
                .map(|&place| Settings::server_name(place))
                .collect(),
        }
    }

    /// What is left to somebody, when all that was decided is taken.
    fn left(&self, name: &str) -> Option<Times> {
        let decided = self.decided.get(name).into_iter().flatten();
        let found = self.found.get(name)?.clone();
        Some(decided.fold(found, |times, &stretch| times.without(stretch)))
    }
}

/// What was decided of each of these people; nothing of others.
fn decided_of<'a>(
    names: &[String],
    decided: impl Iterator<Item = &'a Meeting>,
) -> BTreeMap<String, Vec<Interval>> {
    let names: BTreeSet<&String> = names.iter().collect();
    let mut of: BTreeMap<String, Vec<Interval>> = BTreeMap::new();
    for meeting in decided {
        for name in meeting.names.iter().filter(|name| names.contains(name)) {
            of.entry(name.clone()).or_default().push(meeting.stretch);
        }
    }
    of
}

impl Part {
    /// Takes a piece in. Whether all are there.
    fn hear(
        &mut self,
        (now, timeout): (Time, Duration),
        state: (u64, u64),
        piece: Piece,
        entries: Vec<Entry>,
    ) -> bool {
        if let Some((life, taken)) = self.state
            && life == state.0
            && taken > state.1
        {
            return false; // it has been overtaken by pieces of a later state
        }
        if (self.state, self.of) != (Some(state), piece.of) {
            self.state = Some(state);
            self.of = piece.of;
            self.pieces.clear();
            self.under_way = (0..piece.of).take(PIECES_AT_ONCE).collect();
        }
        if self.pieces.insert(piece.number, entries).is_some() {
            return false;
        }
        self.under_way.remove(&piece.number);
        self.attempts.hear(now, timeout);
        if self.under_way.is_empty() {
            self.attempts = Attempts::at_once(now);
        }
        self.pieces.len() == self.of as usize
    }

    /// The pieces to ask for: none, if it is not known how many there are.
    fn ask(&mut self) -> Vec<u32> {
        let missing = (0..self.of).filter(|number| !self.pieces.contains_key(number));
        let pieces: Vec<u32> = missing.take(PIECES_AT_ONCE).collect();
        self.under_way = pieces.iter().copied().collect();
        pieces
    }

    /// The times of all people in the pieces.
    fn assemble(&self) -> BTreeMap<String, Times> {
        let mut joined: BTreeMap<&str, Vec<Interval>> = BTreeMap::new();
        for entry in self.pieces.values().flatten() {
            let times = joined.entry(&entry.name).or_default();
            times.extend(&entry.times);
        }
        let ordered = joined
            .into_iter()
            .filter_map(|(name, times)| Some((name.to_owned(), Times::new(times)?)));
        ordered.collect()
    }
}

#[cfg(test)]
#[path = "queries_tests.rs"]
mod tests;
