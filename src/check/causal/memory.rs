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

/// Judges the two patterns, within so many joins of clocks for all sessions together; a clock that is
/// copied counts as one that is joined.
pub(super) fn judge(history: &History, order: &Order, joins_max: u64) -> Verdict {
    let undecided = || Verdict::Unknown(format!("not decided after {joins_max} joins of clocks"));
    let mut joins_left = joins_max;
    for session in 0..history.sessions.len() {
        // A session's clocks begin as a copy of all.
        let Some(left) = joins_left.checked_sub(history.len() as u64) else {
            return undecided();
        };
        joins_left = left;
        let mut view = View::new(history, order, session);
        if !view.saturate(&mut joins_left) {
            return undecided();
        }
        if let Some(evidence) = view.write_before_initial_read().or_else(|| view.cycle()) {
            return Verdict::Violated(evidence);
        }
    }
    Verdict::Valid
}

/// What one session must take to have happened before what.
struct View<'a> {
    history: &'a History,
    session: usize,
    /// How much of each session is in the past of this one's last operation.
    past: &'a [u32],
    /// The place of each operation in the causal order, so that causes are looked at first.
    places: Vec<u32>,
    clocks: Clocks,
    /// Writes that come before others, and the reads that say so.
    edges: BTreeMap<(u32, u32), u32>,
}

impl<'a> View<'a> {
    fn new(history: &'a History, order: &'a Order, session: usize) -> Self {
        let mut places = vec![0; history.len()];
        for (place, &op) in (0..).zip(&order.sorted) {
            places[op as usize] = place;
        }
        let last = history.sessions[session].end - 1;
        Self {
            history,
            session,
            past: order.clocks.row(last),
            places,
            clocks: order.clocks.clone(),
            edges: BTreeMap::new(),
        }
    }

    /// Lets the clocks grow until they are `hb`: false if the joins were used up before.
    fn saturate(&mut self, joins_left: &mut u64) -> bool {
        let mut grown: BTreeSet<(u32, usize)> = self
            .own_reads()
            .map(|read| (self.places[read], read))
            .collect();
        while let Some((_, op)) = grown.pop_first() {
            let mut after = self.successors(op);
            if self.history.session(op) == self.session && self.history.is_read(op) {
                after.extend(self.older_than_what_is_read(op));
            }
            for (from, to) in after {
                let Some(left) = joins_left.checked_sub(1) else {
                    return false;
                };
                *joins_left = left;
                if self.clocks.join(to, from) {
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
            let end = history.end(session, self.clocks.row(read)[session]);
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
        a != b && self.clocks.row(b)[self.history.session(a)] as usize > self.history.index(a)
    }

    fn is_past(&self, op: usize) -> bool {
        self.past[self.history.session(op)] as usize > self.history.index(op)
    }
}
