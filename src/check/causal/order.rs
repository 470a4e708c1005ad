//! The causal order as clocks, and the graph of operations in which cycles are looked for.
//!
//! The clock of an operation says of each session how many of its operations are in the operation's
//! past, itself included. That is all there is to know: a past that contains an operation contains
//! those before it in its session.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use crate::check::causal::history::{History, Source, small};

/// Entries of all clocks together, of four bytes each: beyond it a history is not judged. Session
/// guarantees and CM take as much again, so this is one gigabyte.
pub(super) const ENTRIES_MAX: usize = 1 << 27;

/// Why one operation comes before another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Why {
    /// It is the one before in the session.
    Session,
    /// It is the write that the other reads.
    Reads,
    /// This read saw the other although the first is in its past.
    Seen(u32),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "po",
            Self::Reads => "rf",
            Self::Seen(_) => "before",
        })
    }
}

/// That one write comes before another since a read says so.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    /// The read that saw the second, with the first in its past.
    pub(super) by: u32,
}

/// A row of counts for each operation.
pub(super) struct Clocks {
    width: usize,
    entries: Vec<u32>,
}

impl Clocks {
    /// All zero.
    pub(super) fn new(rows: usize, width: usize) -> Self {
        Self {
            width,
            entries: vec![0; rows * width],
        }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.entries.len() / self.width
    }

    /// Puts copies of some rows of other clocks, as wide as these, behind the last.
    pub(super) fn extend(&mut self, other: &Self, rows: Range<usize>) {
        let copied = rows.start * self.width..rows.end * self.width;
        self.entries.extend_from_slice(&other.entries[copied]);
    }

    pub(super) fn row(&self, op: usize) -> &[u32] {
        &self.entries[op * self.width..][..self.width]
    }

    pub(super) fn row_mut(&mut self, op: usize) -> &mut [u32] {
        &mut self.entries[op * self.width..][..self.width]
    }

    /// Takes the past of `from` into that of `into`; says whether there was more in it.
    pub(super) fn join(&mut self, into: usize, from: usize) -> bool {
        let mut grew = false;
        for place in 0..self.width {
            let count = self.entries[from * self.width + place];
            let own = &mut self.entries[into * self.width + place];
            grew |= count > *own;
            *own = count.max(*own);
        }
        grew
    }
}

/// The causal order of a history in which it has no cycle.
pub(super) struct Order {
    pub(super) clocks: Clocks,
    /// All operations, causes before effects.
    pub(super) sorted: Vec<u32>,
}

impl Order {
    /// The smallest order that contains the sessions' own and has each write before its reads; or a
    /// cycle in it.
    pub(super) fn new(history: &History) -> Result<Self, String> {
        let graph = Graph::new(history, Vec::new());
        let sorted = graph.sorted().map_err(|cycle| graph.show(&cycle))?;
        let mut clocks = Clocks::new(history.len(), history.sessions.len());
        for &op in &sorted {
            let op = op as usize;
            if let Some(previous) = history.previous(op) {
                clocks.join(op, previous);
            }
            if let Source::Write(write) = history.sources[op] {
                clocks.join(op, write);
            }
            clocks.row_mut(op)[history.session(op)] = small(history.index(op) + 1);
        }
        Ok(Self { clocks, sorted })
    }

    /// Whether `a` is in the past of `b`, another operation.
    pub(super) fn is_before(&self, history: &History, a: usize, b: usize) -> bool {
        a != b && self.clocks.row(b)[history.session(a)] as usize > history.index(a)
    }
}

/// Operations, and which come before which: by session, by what was read, and by other edges.
pub(super) struct Graph<'a> {
    history: &'a History,
    /// Sorted, one for each pair.
    edges: Vec<Edge>,
    /// Where those of each operation begin.
    starts: Vec<u32>,
}

/// Operations of a cycle, each with the reason why it comes before the next one; the last comes before
/// the first.
pub(super) type Cycle = Vec<(usize, Why)>;

impl<'a> Graph<'a> {
    pub(super) fn new(history: &'a History, mut edges: Vec<Edge>) -> Self {
        edges.sort_unstable();
        edges.dedup_by_key(|edge| (edge.from, edge.to));
        let mut starts = vec![0; history.len() + 1];
        for edge in &edges {
            starts[edge.from as usize + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Self {
            history,
            edges,
            starts,
        }
    }

    fn successors(&self, op: usize) -> impl Iterator<Item = (usize, Why)> {
        let readers = self.history.readers[op].iter();
        let edges = &self.edges[self.starts[op] as usize..self.starts[op + 1] as usize];
        let next = self.history.next(op).map(|next| (next, Why::Session));
        next.into_iter()
            .chain(readers.map(|&read| (read as usize, Why::Reads)))
            .chain(
                edges
                    .iter()
                    .map(|edge| (edge.to as usize, Why::Seen(edge.by))),
            )
    }

    /// The operations, each after all that come before it, or a cycle (Kahn 1962).
    pub(super) fn sorted(&self) -> Result<Vec<u32>, Cycle> {
        let count = self.history.len();
        let mut waiting_for = vec![0_u32; count];
        for op in 0..count {
            for (after, _) in self.successors(op) {
                waiting_for[after] += 1;
            }
        }
        let mut sorted: Vec<u32> = Vec::with_capacity(count);
        sorted.extend((0..count).filter(|&op| waiting_for[op] == 0).map(small));
        let mut done = 0;
        while let Some(&op) = sorted.get(done) {
            done += 1;
            for (after, _) in self.successors(op as usize) {
                waiting_for[after] -= 1;
                if waiting_for[after] == 0 {
                    sorted.push(small(after));
                }
            }
        }
        if sorted.len() == count {
            return Ok(sorted);
        }
        Err(self.cycle_among(&waiting_for))
    }

    /// Each operation that waits for others has one before it that waits too: who goes back long
    /// enough, comes round.
    fn cycle_among(&self, waiting_for: &[u32]) -> Cycle {
        let waits = |op: &usize| waiting_for[*op] > 0;
        let mut before = vec![usize::MAX; waiting_for.len()];
        for op in (0..waiting_for.len()).filter(waits) {
            for (after, _) in self.successors(op) {
                before[after] = op;
            }
        }
        let mut op = (0..waiting_for.len()).find(waits).unwrap_or_default();
        for _ in 0..waiting_for.len() {
            op = before[op];
        }
        self.cycle_through(op)
    }

    /// The shortest cycle through an operation that is on one.
    pub(super) fn cycle_through(&self, start: usize) -> Cycle {
        let mut reached = vec![None; self.history.len()];
        let mut open = VecDeque::from([start]);
        while let Some(op) = open.pop_front()
            && reached[start].is_none()
        {
            for (after, why) in self.successors(op) {
                if reached[after].is_none() {
                    reached[after] = Some((op, why));
                    open.push_back(after);
                }
            }
        }
        let mut cycle = Vec::new();
        let mut last = start;
        while let Some((op, why)) = reached[last].take() {
            cycle.push((op, why));
            last = op;
        }
        cycle.reverse();
        cycle
    }

    /// A cycle in one line. Of what is done in a session one after the other, first and last are named.
    pub(super) fn show(&self, cycle: &Cycle) -> String {
        let count = cycle.len();
        let enters = |place: usize| cycle[(place + count - 1) % count].1 != Why::Session;
        let leaves = |place: usize| cycle[place].1 != Why::Session;
        let first = (0..count).find(|&place| enters(place)).unwrap_or_default();
        let mut text = String::new();
        for place in (first..first + count).map(|place| place % count) {
            if !enters(place) && !leaves(place) {
                continue;
            }
            let (op, why) = cycle[place];
            let name = self.history.name(op);
            match why {
                Why::Seen(by) => {
                    let by = self.history.name(by as usize);
                    text += &format!("{name} -{why}, says {by}-> ");
                }
                Why::Session | Why::Reads => text += &format!("{name} -{why}-> "),
            }
        }
        text + &self.history.name(cycle[first].0)
    }
}
