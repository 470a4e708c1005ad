//! Linearizability: each call seems to take effect at one instant between its begin and its end.
//!
//! **Definition.** A history is linearizable if its calls can be put in one order such that (1) a call
//! that ended before another began stands before it, and (2) done one after the other in that order,
//! every call gives what its client was told. A call whose outcome is unknown may stand anywhere after
//! its begin, or nowhere; a call that failed is no part of the history.
//!
//! ```text
//! alice   |-- write 1 --|
//! bob                      |-- read: 0 --|      violated: the write is over, and its value not there
//!
//! alice   |-- write 1 ------------|
//! bob          |-- read: 0 --|                  valid: the read came first
//! ```
//!
//! Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", TOPLAS 12(3),
//! 1990. The search is that of Wing and Gong, "Testing and verifying concurrent objects", JPDC 17,
//! 1993, with the memo of Lowe, "Testing for linearizability", Concurrency and Computation 29(4),
//! 2017. Independent parts, such as the keys of a store, are judged one by one: Horn and Kroening,
//! "Faster linearizability checking via P-compositionality", FORTE 2015.
//!
//! Calls are taken in the order in which they ended. What has taken effect is then a place in that
//! order, up to which everything has, and a mask of those calls beyond it that were under way at that
//! end: never more than there are clients, and unknown calls.

use std::collections::BTreeSet;

use crate::check::Verdict;

/// Calls that may be under way at once in one part, unknown ones included: the bits of a mask.
const UNDER_WAY_MAX: usize = u128::BITS as usize;

/// Steps of each part's first turn; every round doubles them.
const TURN_STEPS: u64 = 1024;

/// What a service promises, done one call after the other.
pub trait Sequential {
    /// A call together with what its client was told.
    type Call;
    /// All that later calls depend on. It is copied often, so it should be small.
    type State: Clone + Ord;

    /// The state in the beginning.
    fn initial(&self) -> Self::State;

    /// The state after a call, or `None` if it cannot give here what the client was told.
    fn step(&self, state: &Self::State, call: &Self::Call) -> Option<Self::State>;
}

/// One call of a history.
#[derive(Clone, Debug)]
pub struct Timed<C> {
    /// What was called, and what came of it.
    pub call: C,
    /// The place of its begin in the history. No two begins or ends of a history have the same place.
    pub began: u64,
    /// The place of its end; `None` if its outcome is unknown.
    pub ended: Option<u64>,
    /// How evidence names it.
    pub name: String,
}

/// Judges parts that are independent of each other, in turns that grow, within so many steps of the
/// search for all of them together.
///
/// # Determinism
///
/// The verdict and its evidence are a function of the arguments.
#[must_use]
pub fn judge<S: Sequential>(spec: &S, parts: &[Vec<Timed<S::Call>>], steps_max: u64) -> Verdict {
    let mut searches = Vec::new();
    let mut otherwise = Verdict::Valid;
    for part in parts {
        match Search::new(spec, part) {
            Ok(search) => searches.push(search),
            Err(reason) => otherwise = Verdict::Unknown(reason),
        }
    }
    let mut left = steps_max;
    let mut turn = TURN_STEPS;
    while !searches.is_empty() {
        let mut open = Vec::new();
        for mut search in searches {
            let granted = turn.min(left);
            let (found, used) = search.run(granted);
            left -= used;
            match found {
                Some(true) => {}
                Some(false) => return Verdict::Violated(search.evidence()),
                None if left == 0 => {
                    let reason = format!("not decided after {steps_max} steps of the search");
                    return Verdict::Unknown(reason);
                }
                None => open.push(search),
            }
        }
        searches = open;
        turn = turn.saturating_mul(2);
    }
    otherwise
}

/// What has taken effect, and what came of it.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
struct Reached<State> {
    /// All calls before this one, in the order of ends, have taken effect.
    place: usize,
    /// Of those beyond, the slots of the ones that have.
    beyond: u128,
    state: State,
}

/// The search through one part.
struct Search<'a, S: Sequential> {
    spec: &'a S,
    /// In the order of ends; the unknown ones last.
    calls: Vec<&'a Timed<S::Call>>,
    /// A bit of each call's own while it is under way.
    slots: Vec<usize>,
    /// For each call that ended, those under way at its end, itself the last.
    under_way: Vec<Vec<usize>>,
    seen: BTreeSet<Reached<S::State>>,
    open: Vec<Reached<S::State>>,
    furthest: usize,
}

impl<'a, S: Sequential> Search<'a, S> {
    fn new(spec: &'a S, part: &'a [Timed<S::Call>]) -> Result<Self, String> {
        let mut calls: Vec<&Timed<S::Call>> = part.iter().collect();
        calls.sort_by_key(|call| (call.ended.unwrap_or(u64::MAX), call.began));
        let mut begins: Vec<usize> = (0..calls.len()).collect();
        begins.sort_by_key(|&call| calls[call].began);

        let mut slots = vec![0; calls.len()];
        let mut under_way = Vec::new();
        let mut now: Vec<usize> = Vec::new();
        let mut taken = 0_u128;
        let mut begins = begins.into_iter().peekable();
        for (place, call) in calls.iter().enumerate() {
            let Some(ended) = call.ended else { break };
            while let Some(begun) = begins.next_if(|&begun| calls[begun].began < ended) {
                let slot = taken.trailing_ones() as usize;
                if slot == UNDER_WAY_MAX {
                    return Err(format!(
                        "more than {UNDER_WAY_MAX} calls are under way at once, at {}",
                        calls[begun].name
                    ));
                }
                taken |= 1 << slot;
                slots[begun] = slot;
                now.push(begun);
            }
            now.retain(|&other| other != place);
            under_way.push(now.iter().copied().chain([place]).collect());
            taken &= !(1 << slots[place]);
        }
        let start = Reached {
            place: 0,
            beyond: 0,
            state: spec.initial(),
        };
        Ok(Self {
            spec,
            calls,
            slots,
            under_way,
            seen: BTreeSet::new(),
            open: vec![start],
            furthest: 0,
        })
    }

    /// Goes on for so many steps: whether there is an order, if that is known by then, and how many
    /// steps it took.
    fn run(&mut self, steps: u64) -> (Option<bool>, u64) {
        for used in 0..steps {
            let Some(mut reached) = self.open.pop() else {
                return (Some(false), used);
            };
            while let Some(&slot) = self.slots.get(reached.place)
                && reached.place < self.under_way.len()
                && reached.beyond & (1 << slot) != 0
            {
                reached.beyond &= !(1 << slot);
                reached.place += 1;
            }
            self.furthest = self.furthest.max(reached.place);
            let Some(under_way) = self.under_way.get(reached.place) else {
                return (Some(true), used);
            };
            if !self.seen.insert(reached.clone()) {
                continue;
            }
            for &call in under_way {
                let bit = 1 << self.slots[call];
                if reached.beyond & bit != 0 {
                    continue;
                }
                if let Some(state) = self.spec.step(&reached.state, &self.calls[call].call) {
                    self.open.push(Reached {
                        place: reached.place,
                        beyond: reached.beyond | bit,
                        state,
                    });
                }
            }
        }
        (None, steps)
    }

    /// No order has got past one end: the history up to it is the shortest that has none.
    fn evidence(&self) -> String {
        let name = |&call: &usize| self.calls[call].name.as_str();
        let last = &self.calls[self.furthest].name;
        let others = &self.under_way[self.furthest];
        let others: Vec<&str> = others[..others.len() - 1].iter().map(name).collect();
        let others = match others[..] {
            [] => "nothing else was under way".to_owned(),
            _ => format!("under way at its end: {}", others.join(", ")),
        };
        let before = match self.furthest.checked_sub(1) {
            None => String::new(),
            Some(before) => format!("; the last to end before it: {}", name(&before)),
        };
        format!(
            "{last} fits nowhere: up to its end, no order of the calls explains what clients were told ({others}{before})"
        )
    }
}

#[cfg(test)]
#[path = "linearizable_tests.rs"]
mod tests;
