//! What a session must take to have happened before what: the patterns of causal memory.
//!
//! **Definition.** For an operation o, `hb` is the smallest transitive relation that contains the causal
//! order of o's past, o included, and has w1 before w2, two writes of one key, whenever a read r of w2
//! is o or before o in its session, and w1 is `hb`-before r. So a session that saw w2 after w1 has taken
//! w1 to be the older one, for ever. Only the last operation of each session need be tried: the `hb` of
//! an earlier one is part of its.
//!
//! Clocks of `hb` start as those of the causal order and grow until all reads of the session are
//! satisfied. For each read and each session, only the last write of the key in the read's past is put
//! before what it saw: earlier ones are before that one already, or, if that one is what was seen,
//! before it.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Verdict;
use crate::check::causal::history::{History, Source, last_before, small};
use crate::check::causal::order::{Clocks, Edge, Graph, Order};

/// Sessions whose entries in a clock are joined, or copied, in the time that anything else of a join
/// takes.
const SESSIONS_PER_JOIN: usize = 128;

/// Sessions of which a write can be looked for in the time of a join.
const LOOKS_PER_JOIN: usize = 8;

/// Judges the two patterns, within so many joins of clocks for all sessions together. Each session takes
/// one per operation of the history; and where there are more than 128 sessions, a join counts as several,
/// and so does a clock that is copied.
pub(super) fn judge(history: &History, order: &Order, joins_max: u64) -> Verdict {
    let undecided = || Verdict::Unknown(format!("not decided after {joins_max} joins of clocks"));
    let mut places = vec![0; history.len()];
    for (place, &op) in (0..).zip(&order.sorted) {
        places[op as usize] = place;
    }
    let mut joins = Joins {
        left: joins_max,
        each: history.sessions.len().div_ceil(SESSIONS_PER_JOIN) as u64,
    };
    for session in 0..history.sessions.len() {
        if !joins.take_short(history.len() as u64) {
            return undecided();
        }
        // A session's clocks begin as a copy of those in its past.
        let last = history.sessions[session].end - 1;
        let copied: u64 = order.clocks.row(last).iter().copied().map(u64::from).sum();
        if !joins.take_short(copied.saturating_mul(joins.each - 1)) {
            return undecided();
        }
        let mut view = View::new(history, order, &places, session);
        if !view.saturate(&mut joins) {
            return undecided();
        }
        if let Some(evidence) = view.write_before_initial_read().or_else(|| view.cycle()) {
            return Verdict::Violated(evidence);
        }
    }
    Verdict::Valid
}

/// What may still be done.
struct Joins {
    left: u64,
    /// What one costs.
    each: u64,
}

impl Joins {
    /// Uses some up: false if there are not so many.
    fn take(&mut self, count: u64) -> bool {
        self.take_short(count.saturating_mul(self.each))
    }

    /// The same with joins of few sessions.
    fn take_short(&mut self, count: u64) -> bool {
        let left = self.left.checked_sub(count);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

/// What one session must take to have happened before what.
struct View<'a> {
    history: &'a History,
    session: usize,
    /// How much of each session is in the past of this one's last operation.
    past: &'a [u32],
    /// The place of each operation in the causal order, so that causes are looked at first.
    places: &'a [u32],
    /// Those of the operations in that past, and of no others.
    clocks: Clocks,
    /// Where the clocks of each session begin.
    starts: Vec<usize>,
    /// Writes that come before others, and the reads that say so.
    edges: BTreeMap<(u32, u32), u32>,
}

impl<'a> View<'a> {
    fn new(history: &'a History, order: &'a Order, places: &'a [u32], session: usize) -> Self {
        let last = history.sessions[session].end - 1;
        let past = order.clocks.row(last);
        let mut starts = Vec::with_capacity(past.len());
        let mut clocks = Clocks::new(0, past.len());
        for (session, &count) in past.iter().enumerate() {
            starts.push(clocks.rows());
            let all = history.sessions[session].start;
            clocks.extend(&order.clocks, all..all + count as usize);
        }
        Self {
            history,
            session,
            past,
            places,
            clocks,
            starts,
            edges: BTreeMap::new(),
        }
    }

    /// Where the clock of an operation is, which is in the past that counts.
    fn row(&self, op: usize) -> usize {
        self.starts[self.history.session(op)] + self.history.index(op)
    }

    /// Lets the clocks grow until they are `hb`: false if the joins were used up before.
    fn saturate(&mut self, joins: &mut Joins) -> bool {
        let history = self.history;
        let mut grown: BTreeSet<(u32, usize)> = self
            .own_reads()
            .map(|read| (self.places[read], read))
            .collect();
        while let Some((_, op)) = grown.pop_first() {
            let mut after = self.successors(op);
            if history.session(op) == self.session && history.is_read(op) {
                let looks = history.writes.of(history.ops[op].key).count();
                if !joins.take_short((looks / LOOKS_PER_JOIN) as u64) {
                    return false;
                }
                after.extend(self.older_than_what_is_read(op));
            }
            for (from, to) in after {
                if !joins.take(1) {
                    return false;
                }
                let (into, from) = (self.row(to), self.row(from));
                if self.clocks.join(into, from) {
                    grown.insert((self.places[to], to));
                }
            }
        }
        true
    }

    /// The reads of the session.
    fn own_reads(&self) -> impl Iterator<Item = usize> {
        let all = self.history.sessions[self.session].clone();
        all.filter(|&op| self.history.is_read(op))
    }

    /// What is known to come right after an operation, and is in the past that counts.
    fn successors(&self, op: usize) -> Vec<(usize, usize)> {
        let readers = self.history.readers[op].iter().map(|&read| read as usize);
        let from = small(op);
        let edges = self.edges.range((from, 0)..=(from, u32::MAX));
        let edges = edges.map(|(&(_, to), _)| to as usize);
        let all = self
            .history
            .next(op)
            .into_iter()
            .chain(readers)
            .chain(edges);
        all.filter(|&after| self.is_past(after))
            .map(|after| (op, after))
            .collect()
    }

    /// New edges: the writes that a read of the session shows to be older than the one it saw.
    fn older_than_what_is_read(&mut self, read: usize) -> Vec<(usize, usize)> {
        let Source::Write(seen) = self.history.sources[read] else {
            return Vec::new();
        };
        let history = self.history;
        let mut older = Vec::new();
        for (session, writes) in history.writes.of(history.ops[read].key) {
            let end = history.end(session, self.clocks.row(self.row(read))[session]);
            let Some(write) = last_before(writes, end).filter(|&write| write != seen) else {
                continue;
            };
            if !self.is_before(write, seen) {
                self.edges.insert((small(write), small(seen)), small(read));
                older.push((write, seen));
            }
        }
        older
    }

    /// WriteHBInitRead.
    fn write_before_initial_read(&self) -> Option<String> {
        let history = self.history;
        let initial = |read: &usize| history.sources[*read] == Source::Initial;
        let found = self.own_reads().filter(initial).find_map(|read| {
            let mut writes = history.writes.of(history.ops[read].key);
            let first = writes.find(|(_, writes)| self.is_before(writes[0], read));
            first.map(|(_, writes)| (writes[0], read))
        });
        found.map(|(write, read)| {
            let (write, read) = (history.name(write), history.name(read));
            format!("WriteHBInitRead: by what its session has read, {write} comes before {read}")
        })
    }

    /// CyclicHB. A cycle has an edge that is not of the causal order, which has none.
    fn cycle(&self) -> Option<String> {
        let mut edges = self.edges.keys().copied();
        let (from, _) = edges.find(|&(from, to)| self.is_before(to as usize, from as usize))?;
        let edges = self
            .edges
            .iter()
            .map(|(&(from, to), &by)| Edge { from, to, by });
        let graph = Graph::new(self.history, edges.collect());
        let cycle = graph.cycle_through(from as usize);
        Some(format!("CyclicHB: {}", graph.show(&cycle)))
    }

    fn is_before(&self, a: usize, b: usize) -> bool {
        a != b
            && self.clocks.row(self.row(b))[self.history.session(a)] as usize
                > self.history.index(a)
    }

    fn is_past(&self, op: usize) -> bool {
        self.past[self.history.session(op)] as usize > self.history.index(op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sessions;

    /// Whether causal memory is decided within so many joins, where so many sessions write once.
    fn is_decided(sessions: u64, joins_max: u64) -> bool {
        let text: String = (0..sessions)
            .map(|op| format!("w(1,{},{op},{op})\n", op + 1))
            .collect();
        let history = History::new(&sessions::read(&text).unwrap());
        let order = Order::new(&history).unwrap();
        judge(&history, &order, joins_max) == Verdict::Valid
    }

    #[test]
    fn clocks_of_many_sessions_cost_more_and_only_those_of_the_past_are_copied() {
        let sessions = 2 * SESSIONS_PER_JOIN as u64 + 1;
        let one_copy_each_of_three_joins = sessions * sessions + 2 * sessions;
        assert!(is_decided(sessions, one_copy_each_of_three_joins));
        assert!(!is_decided(sessions, one_copy_each_of_three_joins - 1));
    }

    #[test]
    fn writes_that_are_looked_for_in_many_sessions_cost_joins() {
        // The last session reads what the first of 80 wrote: 10 joins for 80 looks.
        let mut text: String = (0..80)
            .map(|op| format!("w(1,{},{op},{op})\n", op + 1))
            .collect();
        let count = |text: &str| {
            let history = History::new(&sessions::read(text).unwrap());
            let order = Order::new(&history).unwrap();
            let decided = |joins| judge(&history, &order, joins) == Verdict::Valid;
            (0..10_000).find(|&joins| decided(joins)).unwrap()
        };
        let without = count(&format!("{text}r(2,0,80,80)\n"));
        text.push_str("r(1,1,80,80)\n");
        assert_eq!(count(&text), without + 10);
    }
}
