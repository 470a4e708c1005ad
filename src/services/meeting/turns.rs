//! Whose turn it is: requests about the same people are done in the order in which they came. Pure.
//!
//! Queries about somebody are under way together; a registration is alone with all of its people. Nobody
//! overtakes a registration that waits:
//!
//! ```text
//! free ann · free ann bob · register ann · free ann · register bob
//! `------ together -----'   `- alone --'   `- after it: ann's -'
//! ```
//!
//! Everybody has a line of those who wait for them, so a request is looked at when it is its turn with one of
//! its people, and not before: nothing here grows with all who wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Time;
use crate::rpc::service::Ticket;
use crate::services::meeting::asked::Asked;
use crate::services::meeting::message::Request;

/// How many requests there may be at once; one more is refused.
const REQUESTS_MAX: usize = 10_000;

/// How many bytes they may take, with [`NAME_BYTES`] for each of their names: what a small machine can spare.
const REQUESTS_BYTES_MAX: usize = 32 * 1_024 * 1_024;

/// What a name takes besides its own bytes: its places in lists and lines.
const NAME_BYTES: usize = 96;

/// A request's place in the order in which they came, from 1.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Turn(u64);

/// The requests that wait, and the people of those that are under way.
#[derive(Debug, Default)]
pub(super) struct Turns {
    last: u64,
    /// How many requests there are, under way or not, and how many bytes they take.
    count: usize,
    bytes: usize,
    waiting: BTreeMap<Turn, Waits>,
    lines: BTreeMap<String, Line>,
    /// Those that wait for nobody before them, and have not been looked at since.
    fresh: BTreeSet<Turn>,
    /// Those that wait for nobody before them, but for servers to say whom they have.
    nameless: BTreeSet<Turn>,
}

#[derive(Debug)]
struct Waits {
    asked: Asked,
    /// With how many of its people it is not its turn.
    lacks: usize,
}

/// Those who are about one person.
#[derive(Debug, Default)]
struct Line {
    /// Whose turn it is: so many, and whether they are queries, which there may be several of.
    admitted: usize,
    are_queries: bool,
    /// The others in their order, and whether each is a query.
    waiting: BTreeMap<Turn, bool>,
}

impl Line {
    /// The next whose turn it is now.
    fn admit(&mut self) -> Option<Turn> {
        let (&turn, &is_query) = self.waiting.first_key_value()?;
        if self.admitted > 0 && !(self.are_queries && is_query) {
            return None;
        }
        self.waiting.remove(&turn);
        self.admitted += 1;
        self.are_queries = is_query;
        Some(turn)
    }
}

impl Turns {
    /// Puts a request behind all others about its people; gives it back if there are too many.
    pub(super) fn push(&mut self, mut asked: Asked) -> Result<(), Asked> {
        let bytes = bytes(&asked);
        if self.count == REQUESTS_MAX || self.bytes + bytes > REQUESTS_BYTES_MAX {
            return Err(asked);
        }
        self.count += 1;
        self.bytes += bytes;
        self.last += 1;
        let turn = Turn(self.last);
        asked.turn = turn;
        let is_query = matches!(asked.request, Request::Free { .. });
        let names = asked.request.names().to_vec();
        let lacks = names.len();
        self.waiting.insert(turn, Waits { asked, lacks });
        for name in names {
            let line = self.lines.entry(name).or_default();
            line.waiting.insert(turn, is_query);
            while let Some(turn) = line.admit() {
                admit(&mut self.waiting, &mut self.fresh, turn);
            }
        }
        Ok(())
    }

    /// The next request that waits for nobody before it, and of which this is true; others of them are looked at
    /// again when [`names_have_come`](Self::names_have_come), or when they have waited for so long.
    pub(super) fn next(
        &mut self,
        (now, patience): (Time, Duration),
        mut may_begin: impl FnMut(&Asked) -> bool,
    ) -> Option<Asked> {
        let is_late = |since: Time| since + patience <= now;
        if self.nameless_since().is_some_and(is_late) {
            self.fresh.extend(self.nameless.pop_first());
        }
        while let Some(turn) = self.fresh.pop_first() {
            match self.waiting.remove(&turn) {
                Some(waits) if may_begin(&waits.asked) => return Some(waits.asked),
                Some(waits) => {
                    self.waiting.insert(turn, waits);
                    self.nameless.insert(turn);
                }
                None => {}
            }
        }
        None
    }

    /// A server has said whom it has, all of them: what waits for that is to be looked at.
    pub(super) fn names_have_come(&mut self) {
        self.fresh.append(&mut self.nameless);
    }

    /// Since when the first of those waits that wait for names only.
    pub(super) fn nameless_since(&self) -> Option<Time> {
        let first = self.waiting.get(self.nameless.first()?);
        first.map(|waits| waits.asked.since)
    }

    /// A request is done: it is the turn of those behind it.
    pub(super) fn end(&mut self, asked: &Asked) {
        self.count -= 1;
        self.bytes -= bytes(asked);
        self.fresh.remove(&asked.turn);
        self.nameless.remove(&asked.turn);
        for name in asked.request.names() {
            let Some(line) = self.lines.get_mut(name) else {
                continue;
            };
            if line.waiting.remove(&asked.turn).is_none() {
                line.admitted -= 1;
            }
            while let Some(turn) = line.admit() {
                admit(&mut self.waiting, &mut self.fresh, turn);
            }
            if line.admitted == 0 {
                self.lines.remove(name);
            }
        }
    }

    /// Nobody waits for this request any more, if it is one that waits.
    pub(super) fn abandon(&mut self, ticket: Ticket) {
        let is_it = |waits: &Waits| waits.asked.ticket == Some(ticket);
        let found = self.waiting.iter().find(|(_, waits)| is_it(waits));
        if let Some((&turn, _)) = found
            && let Some(waits) = self.waiting.remove(&turn)
        {
            self.end(&waits.asked);
        }
    }
}

/// It is the turn of this request with one more of its people.
fn admit(waiting: &mut BTreeMap<Turn, Waits>, fresh: &mut BTreeSet<Turn>, turn: Turn) {
    if let Some(waits) = waiting.get_mut(&turn) {
        waits.lacks -= 1;
        if waits.lacks == 0 {
            fresh.insert(turn);
        }
    }
}

fn bytes(asked: &Asked) -> usize {
    let names = asked.request.names().iter();
    names.map(|name| NAME_BYTES + name.len()).sum()
}
#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
