//! Causal consistency, judged from what the clients of a store read and wrote.
//!
//! **Definition.** For histories in which each write of a key writes a value of its own, so that every
//! read tells which write it saw: *po* is the order of each session, *rf* leads from a write to the
//! reads of its value, and the causal order *co* is the transitive closure of both. A history is
//!
//! - **CC**, causally consistent, if each read can be explained by some order of its causal past;
//! - **CCv**, causally convergent, if moreover one order of all writes explains every read;
//! - **CM**, causal memory, if moreover for each session one order explains all its reads, from first to
//!   last.
//!
//! CCv and CM do not imply each other. A history is each of these if it has none of these bad patterns,
//! of which the first that is found in this order is reported:
//!
//! ```text
//! CyclicCO         alice  r(y,1) w(x,1)          each read what the other wrote later
//!                  bob    r(x,1) w(y,1)
//! ThinAirRead      alice  r(x,1)                 nobody wrote it
//! WriteCOInitRead  alice  w(x,1) w(y,1)          bob knows of y, so of x,
//!                  bob    r(y,1) r(x,initial)    and does not see it
//! WriteCORead      alice  w(x,1) w(x,2) w(y,1)   the same with an older value of x
//!                  bob    r(y,1) r(x,1)
//!                                                ── up to here: not CC ──
//! CyclicCF         alice  w(x,1) r(x,2)          each saw the other's write come second:
//!                  bob    w(x,2) r(x,1)          not CCv
//! WriteHBInitRead  alice  w(z,1) w(x,1) w(y,1)   bob reads x,2 with x,1 in his past:
//!                  bob    w(x,2) r(z,initial) r(y,1) r(x,2)   x,1 was first, so z,1 was: not CM
//! CyclicHB         alice  w(y,1) w(x,1) w(z,1)   carol reads x,2 with x,1 in her past,
//!                  bob    w(y,5) w(x,2)          so all of alice's came first:
//!                  carol  r(x,2) r(y,5) r(z,1) r(x,2) r(y,1)  but y,1 came last: not CM
//! ```
//!
//! Bouajjani, Enea, Guerraoui and Hamza, "On verifying causal consistency", POPL 2017, which
//! proves that the patterns are exactly the definitions. *cf* and *hb* are described where they are
//! computed. `tests/causal_checks.rs` compares patterns and definitions on every history of up to five
//! operations.
//!
//! [`judge_all`] also judges the four session guarantees, each by its name. CC, CCv and the guarantees
//! take time in proportion to operations times sessions, but for a logarithm; CM has a budget, beyond which it is unknown.

mod guarantees;
mod history;
mod memory;
mod order;

use crate::check::Verdict;

pub use history::History;

use history::{Source, last_before, small};
use order::{ENTRIES_MAX, Edge, Graph, Order};

/// Judges all properties, in this order: `CC`, `CCv`, `CM`, `read-your-writes`, `monotonic-reads`,
/// `monotonic-writes`, `writes-follow-reads`; `CM` within so many joins of clocks, where one
/// of more than 128 sessions counts as several. It takes one per operation and session at least.
///
/// # Determinism
///
/// Verdicts and evidence are a function of the arguments.
#[must_use]
pub fn judge_all(history: &History, joins_max: u64) -> Vec<(&'static str, Verdict)> {
    let judge = Judge::new(history);
    let mut verdicts = vec![
        ("CC", judge.causal_consistency()),
        ("CCv", judge.causal_convergence()),
        ("CM", judge.causal_memory(joins_max)),
    ];
    verdicts.extend(judge.session_guarantees());
    verdicts
}

/// A history with its causal order, ready to be judged.
pub struct Judge<'a> {
    history: &'a History,
    ordered: Ordered,
}

enum Ordered {
    /// It cannot be judged, for this reason.
    Not(String),
    /// The causal order has this cycle.
    Cyclic(String),
    /// It has none; and the first of the other base patterns, if there is one.
    By(Order, Option<String>),
}

impl<'a> Judge<'a> {
    /// Finds the causal order, and the patterns that break CC.
    #[must_use]
    pub fn new(history: &'a History) -> Self {
        let entries = history.len().saturating_mul(history.sessions.len());
        let ordered = if let Some(reason) = &history.repeated {
            Ordered::Not(reason.clone())
        } else if entries > ENTRIES_MAX {
            Ordered::Not(format!(
                "{} operations in {} sessions are too many: their product may be {ENTRIES_MAX}",
                history.len(),
                history.sessions.len()
            ))
        } else {
            match Order::new(history) {
                Err(cycle) => Ordered::Cyclic(cycle),
                Ok(order) => {
                    let found = base_pattern(history, &order);
                    Ordered::By(order, found)
                }
            }
        };
        Self { history, ordered }
    }

    /// CC: none of CyclicCO, ThinAirRead, WriteCOInitRead and WriteCORead.
    #[must_use]
    pub fn causal_consistency(&self) -> Verdict {
        match self.consistent() {
            Ok(_) => Verdict::Valid,
            Err(verdict) => verdict,
        }
    }

    /// CCv: CC and no CyclicCF.
    #[must_use]
    pub fn causal_convergence(&self) -> Verdict {
        match self.consistent() {
            Ok(order) => match cyclic_conflicts(self.history, order) {
                None => Verdict::Valid,
                Some(evidence) => Verdict::Violated(evidence),
            },
            Err(verdict) => verdict,
        }
    }

    /// CM: CC and neither WriteHBInitRead nor CyclicHB; unknown if that takes more joins of clocks than
    /// these.
    #[must_use]
    pub fn causal_memory(&self, joins_max: u64) -> Verdict {
        match self.consistent() {
            Ok(order) => memory::judge(self.history, order, joins_max),
            Err(verdict) => verdict,
        }
    }

    /// The four session guarantees, in the order of [`judge_all`]: unknown where the causal order has a
    /// cycle.
    #[must_use]
    pub fn session_guarantees(&self) -> [(&'static str, Verdict); 4] {
        let reason = match &self.ordered {
            Ordered::By(order, _) => return guarantees::judge(self.history, order),
            Ordered::Not(reason) => reason.clone(),
            Ordered::Cyclic(cycle) => format!("the causal order has a cycle: {cycle}"),
        };
        guarantees::NAMES.map(|name| (name, Verdict::Unknown(reason.clone())))
    }

    /// How many reads there are, and how many of them saw something older than what is in their causal
    /// past: what patterns WriteCOInitRead and WriteCORead say of one. None, where the order has a cycle.
    #[must_use]
    pub fn anomalous_reads(&self) -> (u64, u64) {
        let reads = || (0..self.history.len()).filter(|&op| self.history.is_read(op));
        let anomalous = match &self.ordered {
            Ordered::By(order, _) => reads()
                .filter(|&read| newer_in_past(self.history, order, read).is_some())
                .count(),
            Ordered::Not(_) | Ordered::Cyclic(_) => 0,
        };
        (reads().count() as u64, anomalous as u64)
    }

    /// The causal order of a history that is CC; else what CC says, and so all that imply it.
    fn consistent(&self) -> Result<&Order, Verdict> {
        match &self.ordered {
            Ordered::Not(reason) => Err(Verdict::Unknown(reason.clone())),
            Ordered::Cyclic(cycle) => Err(Verdict::Violated(format!("CyclicCO: {cycle}"))),
            Ordered::By(_, Some(evidence)) => Err(Verdict::Violated(evidence.clone())),
            Ordered::By(order, None) => Ok(order),
        }
    }
}

/// ThinAirRead, WriteCOInitRead or WriteCORead.
fn base_pattern(history: &History, order: &Order) -> Option<String> {
    thin_air_read(history)
        .or_else(|| write_before_initial_read(history, order))
        .or_else(|| write_before_read(history, order))
}

fn thin_air_read(history: &History) -> Option<String> {
    let read = (0..history.len())
        .find(|&op| history.is_read(op) && history.sources[op] == Source::Nobody)?;
    let read = history.name(read);
    Some(format!("ThinAirRead: nobody wrote what {read} saw"))
}

fn write_before_initial_read(history: &History, order: &Order) -> Option<String> {
    let initial = |read: &usize| history.sources[*read] == Source::Initial;
    let (write, read) = (0..history.len())
        .filter(initial)
        .find_map(|read| Some((newer_in_past(history, order, read)?, read)))?;
    let (write, read) = (history.name(write), history.name(read));
    Some(format!("WriteCOInitRead: {write} is in the past of {read}"))
}

fn write_before_read(history: &History, order: &Order) -> Option<String> {
    let (seen, newer, read) = (0..history.len()).find_map(|read| {
        let Source::Write(seen) = history.sources[read] else {
            return None;
        };
        Some((seen, newer_in_past(history, order, read)?, read))
    })?;
    let [seen, newer, read] = [seen, newer, read].map(|op| history.name(op));
    Some(format!(
        "WriteCORead: {newer}, in the past of {read}, comes after {seen}, which was read"
    ))
}

/// A write of a read's key that is in the past of the read, and newer than what it saw.
fn newer_in_past(history: &History, order: &Order, read: usize) -> Option<usize> {
    match history.sources[read] {
        Source::Initial => {
            // If any write of a session is in the past, so is its first.
            let mut writes = history.writes.of(history.ops[read].key);
            writes
                .find(|(_, writes)| order.is_before(history, writes[0], read))
                .map(|(_, writes)| writes[0])
        }
        // A write between the two has the last one of its session after it, and that one is between
        // them as well: it cannot be what was seen, or the order had a cycle.
        Source::Write(seen) => last_writes_before(history, order, read)
            .find(|&newer| order.is_before(history, seen, newer)),
        _ => None,
    }
}

/// CyclicCF: by what was read, the writes have no order.
///
/// cf leads from w1 to w2, two writes of a key, if some read of w2 has w1 in its past. For each read and
/// each session only the last such w1 is taken, and only if it is not before w2 anyway. Nothing is lost:
/// any other w1 of the session is po-before the last one, and that one is w2 itself, or before w2 in co,
/// or has an edge of its own to w2. So each edge of cf that is left out has a path of co and cf in its
/// place, and the graph has a cycle if and only if cf and co together have one.
fn cyclic_conflicts(history: &History, order: &Order) -> Option<String> {
    let mut edges = Vec::new();
    for read in 0..history.len() {
        let Source::Write(seen) = history.sources[read] else {
            continue;
        };
        for write in last_writes_before(history, order, read) {
            if write != seen && !order.is_before(history, write, seen) {
                let [from, to, by] = [write, seen, read].map(small);
                edges.push(Edge { from, to, by });
            }
        }
    }
    let graph = Graph::new(history, edges);
    let cycle = graph.sorted().err()?;
    Some(format!("CyclicCF: {}", graph.show(&cycle)))
}

/// Of each session the last write of a read's key in the past of the read.
fn last_writes_before(
    history: &History,
    order: &Order,
    read: usize,
) -> impl Iterator<Item = usize> {
    let past = order.clocks.row(read);
    let writes = history.writes.of(history.ops[read].key);
    writes.filter_map(|(session, writes)| last_before(writes, history.end(session, past[session])))
}
