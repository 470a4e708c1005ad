//! The times of the people of one data server: what its file says, less what has been taken, and what is
//! held for transactions that are not decided. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Time;
use crate::id::OperationId;
use crate::services::meeting::message::{Entry, INTERVAL_BYTES, Meeting, TaskId};
use crate::services::meeting::settings::People;
use crate::services::meeting::times::Times;

/// When people are free, and what is held.
#[derive(Debug)]
pub struct Holds {
    people: Arc<People>,
    /// Those of whom something has been taken.
    changed: BTreeMap<String, Changed>,
    held: BTreeMap<TaskId, Hold>,
    taken: BTreeMap<TaskId, Meeting>,
}

/// What is left of somebody's time.
#[derive(Debug, Default)]
struct Changed {
    times: Times,
    /// How often something was taken of it.
    takings: u64,
}

/// A time that is held: its data server has voted yes, and does not know what was decided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hold {
    /// What for.
    pub meeting: Meeting,
    /// The operation that it is of, where that is known.
    pub about: Option<OperationId>,
    /// When the data server asks what was decided.
    pub asks: Time,
}

/// What becomes of a wish for a hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wish {
    /// The time is held, from now on or as it was before.
    Held,
    /// These people are not free, or not here.
    Refused(Vec<String>),
    /// The time is held for this other transaction: before that is decided, nothing can be said.
    Waits(TaskId),
    /// It has been taken long ago: the wish is a late copy.
    Over,
    /// Another meeting is held under the same number: the main server has forgotten its earlier lives. The hold
    /// is that of the transaction of before, and says nothing of this one.
    OfAnother,
}

impl Holds {
    /// Nothing held of these people, and nothing taken.
    #[must_use]
    pub const fn new(people: Arc<People>) -> Self {
        Self {
            people,
            changed: BTreeMap::new(),
            held: BTreeMap::new(),
            taken: BTreeMap::new(),
        }
    }

    /// Holds a time for a transaction, if all are free.
    pub fn wish(&mut self, task: TaskId, hold: Hold) -> Wish {
        if self.taken.contains_key(&task) {
            return Wish::Over;
        }
        if let Some(held) = self.held.get(&task) {
            return match held.meeting == hold.meeting {
                true => Wish::Held,
                false => Wish::OfAnother,
            };
        }
        let meeting = &hold.meeting;
        let is_free = |name: &&String| {
            let times = self.times(name);
            times.is_some_and(|times| times.contains(meeting.stretch))
        };
        let against: Vec<String> = (meeting.names.iter())
            .filter(|name| !is_free(name))
            .cloned()
            .collect();
        if !against.is_empty() {
            return Wish::Refused(against);
        }
        let in_the_way = |other: &&Hold| collide(meeting, &other.meeting);
        if let Some((&other, _)) = self.held.iter().find(|(_, it)| in_the_way(it)) {
            return Wish::Waits(other);
        }
        self.held.insert(task, hold);
        Wish::Held
    }

    /// Takes what is held for a transaction. Whether there was a hold.
    pub fn take(&mut self, task: TaskId) -> bool {
        let Some(hold) = self.held.remove(&task) else {
            return false;
        };
        self.taken(task, hold.meeting);
        true
    }

    /// Gives what is held for a transaction free: the hold, if there was one.
    pub fn release(&mut self, task: TaskId) -> Option<Hold> {
        self.held.remove(&task)
    }

    /// Takes up a hold that was stored.
    pub fn hold(&mut self, task: TaskId, hold: Hold) {
        self.held.insert(task, hold);
    }

    /// A time has been taken. Its people are here: a data server does not begin without them.
    pub fn taken(&mut self, task: TaskId, meeting: Meeting) {
        for name in &meeting.names {
            if let Some(times) = self.times(name) {
                let times = times.without(meeting.stretch);
                let changed = self.changed.entry(name.clone()).or_default();
                changed.times = times;
                changed.takings += 1;
            }
        }
        self.taken.insert(task, meeting);
    }

    /// When this person is free; `None` if there is no such person here.
    #[must_use]
    pub fn times(&self, name: &str) -> Option<&Times> {
        let changed = self.changed.get(name);
        let times = changed.map(|changed| &changed.times);
        times.or_else(|| self.people.get(name))
    }

    /// How often something was taken from these people, counted for each of them: their state, as far as lookups
    /// of the same names go.
    #[must_use]
    pub fn takings_of(&self, names: &[String]) -> u64 {
        let changed = names.iter().filter_map(|name| self.changed.get(name));
        changed.map(|changed| changed.takings).sum()
    }

    /// What is held, by transaction.
    #[must_use]
    pub const fn held(&self) -> &BTreeMap<TaskId, Hold> {
        &self.held
    }

    /// What has been taken, by transaction.
    #[must_use]
    pub const fn taken_so_far(&self) -> &BTreeMap<TaskId, Meeting> {
        &self.taken
    }

    /// The transactions whose moment to ask has come; the next one is set.
    pub fn take_due(&mut self, now: Time, next: Time) -> Vec<(TaskId, Option<OperationId>)> {
        let mut due = Vec::new();
        for (&task, hold) in self.held.iter_mut().filter(|(_, hold)| hold.asks <= now) {
            hold.asks = next;
            due.push((task, hold.about));
        }
        due
    }

    /// When the data server asks next what was decided.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.held.values().map(|hold| hold.asks).min()
    }

    /// The times of those of these people who are here, in pieces of about so many bytes; at least one piece.
    #[must_use]
    pub fn pieces(&self, names: &[String], piece_bytes: usize) -> Vec<Vec<Entry>> {
        const ENTRY_BYTES: usize = 8;
        let mut pieces = vec![Vec::new()];
        let mut room = piece_bytes;
        for name in names {
            let Some(times) = self.times(name) else {
                continue;
            };
            let mut left = times.as_slice();
            loop {
                let head = ENTRY_BYTES + name.len();
                let fitting = room.saturating_sub(head) / INTERVAL_BYTES;
                let is_new = pieces.last().is_none_or(Vec::is_empty);
                if fitting == 0 && !is_new {
                    pieces.push(Vec::new());
                    room = piece_bytes;
                    continue;
                }
                let (now, later) = left.split_at(left.len().min(fitting.max(1)));
                room = room.saturating_sub(head + now.len() * INTERVAL_BYTES);
                if let Some(piece) = pieces.last_mut() {
                    let (name, times) = (name.clone(), now.to_vec());
                    piece.push(Entry { name, times });
                }
                left = later;
                if left.is_empty() {
                    break;
                }
            }
        }
        pieces
    }
}

/// Whether two meetings want the same time of the same person.
fn collide(one: &Meeting, other: &Meeting) -> bool {
    one.stretch.start() < other.stretch.end()
        && other.stretch.start() < one.stretch.end()
        && one.names.iter().any(|name| other.takes_from(name))
}

#[cfg(test)]
#[path = "holds_tests.rs"]
mod tests;
