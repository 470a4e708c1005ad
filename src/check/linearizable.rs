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
//! order, up to which everything has; a mask of those calls beyond it that were under way at that end,
//! never more than there are clients; and of the unknown calls, how many of each class have, where
//! calls that do the same are a class. Where the search has failed, it also fails with more of the
//! unknown calls spent: so it remembers the fewest, and looks no further from there.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::check::Verdict;

/// Calls with a known end that may be under way at once in one part: the bits of a mask.
const UNDER_WAY_MAX: usize = u128::BITS as usize;

/// Steps of each part's first turn; every round doubles them.
const TURN_STEPS: u64 = 1024;

/// What all parts together remember of places from which the search has failed. A full memory is
/// emptied: nothing but time is lost, and the budget ends that.
const REMEMBERED_MAX: usize = 2_000_000;

/// Calls that evidence names beside the one that fits nowhere.
const NAMED_MAX: usize = 8;

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

    /// Whether two calls do the same in every state. It need not find all that do: the search is exact
    /// without it, and much faster with it where many calls are unknown.
    fn alike(&self, _: &Self::Call, _: &Self::Call) -> bool {
        false
    }
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
    judge_counting(spec, parts, steps_max).0
}

/// The same, and how many steps it took.
#[must_use]
pub fn judge_counting<S: Sequential>(
    spec: &S,
    parts: &[Vec<Timed<S::Call>>],
    steps_max: u64,
) -> (Verdict, u64) {
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
        let remembered_max = REMEMBERED_MAX / searches.len();
        let mut open = Vec::new();
        for mut search in searches {
            search.failed.count_max = remembered_max;
            let granted = turn.min(left);
            let (found, used) = search.run(granted);
            left = left.saturating_sub(used);
            match found {
                Some(true) => {}
                Some(false) => {
                    let evidence = search.part.evidence(search.furthest);
                    return (Verdict::Violated(evidence), steps_max - left);
                }
                None if left == 0 => {
                    let reason = format!("not decided after {steps_max} steps of the search");
                    return (Verdict::Unknown(reason), steps_max);
                }
                None => open.push(search),
            }
        }
        searches = open;
        turn = turn.saturating_mul(2);
    }
    (otherwise, steps_max - left)
}

/// What has taken effect, and what came of it.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
struct Reached<State> {
    /// All calls before this one, in the order of ends, have taken effect.
    place: usize,
    /// Of those beyond, the slots of the ones that have.
    beyond: u128,
    state: State,
    /// Of each class of unknown calls, how many have: those that began first.
    spent: Rc<[u32]>,
}

/// A point of the path that is being tried.
struct Tried<State> {
    reached: Reached<State>,
    /// Whether an unknown call has brought the search here, from the point before.
    by_unknown: bool,
    /// Which of the calls that could come next is to be tried next.
    next: usize,
}

/// Unknown calls that do the same.
struct Class<'a, C> {
    call: &'a C,
    /// In their order.
    begins: Vec<u64>,
}

/// What comes of trying a call.
enum Next<State> {
    /// It can come next, and this is what it gives; and whether it is an unknown one.
    Fits(Reached<State>, bool),
    /// It cannot.
    DoesNot,
    /// There is no such call: all have been tried.
    NoMore,
}

/// The calls of one part.
struct Part<'a, S: Sequential> {
    spec: &'a S,
    /// Those whose end is known, in the order of ends.
    calls: Vec<&'a Timed<S::Call>>,
    /// A bit of each call's own while it is under way.
    slots: Vec<u8>,
    /// The calls under way at the end of each, itself the first, one list behind the other.
    under_way: Vec<usize>,
    /// Where each of the lists begins, and where the last one ends.
    starts: Vec<usize>,
    /// The class whose first call began first comes first.
    unknown: Vec<Class<'a, S::Call>>,
    /// How evidence names the unknown calls, with their begins, in that order.
    unknown_names: Vec<(u64, &'a str)>,
}

/// The search through one part.
struct Search<'a, S: Sequential> {
    part: Part<'a, S>,
    failed: Failed<S::State>,
    path: Vec<Tried<S::State>>,
    furthest: usize,
}

impl<'a, S: Sequential> Search<'a, S> {
    fn new(spec: &'a S, part: &'a [Timed<S::Call>]) -> Result<Self, String> {
        let part = Part::new(spec, part)?;
        let reached = Reached {
            place: 0,
            beyond: 0,
            state: spec.initial(),
            spent: vec![0; part.unknown.len()].into(),
        };
        Ok(Self {
            part,
            failed: Failed {
                reached: BTreeSet::new(),
                count_max: REMEMBERED_MAX,
            },
            path: vec![Tried {
                reached,
                by_unknown: false,
                next: 0,
            }],
            furthest: 0,
        })
    }

    /// Goes on for so many steps: whether there is an order, if that is known by then, and how many
    /// steps it took.
    fn run(&mut self, steps: u64) -> (Option<bool>, u64) {
        if self.part.calls.is_empty() {
            return (Some(true), 0);
        }
        let mut used = 0;
        while used < steps {
            let Some((tried, before)) = self.path.split_last_mut() else {
                return (Some(false), used);
            };
            used += 1;
            let next = tried.next;
            tried.next += 1;
            let skipped = before.last().filter(|_| tried.by_unknown);
            let skipped = skipped.map(|before| &before.reached.state);
            match self.part.after(&tried.reached, skipped, next) {
                Next::DoesNot => {}
                Next::NoMore => {
                    let failed = self.path.pop().expect("it is the last one");
                    self.failed.insert(failed.reached);
                }
                Next::Fits(reached, by_unknown) => {
                    self.furthest = self.furthest.max(reached.place);
                    if reached.place == self.part.calls.len() {
                        return (Some(true), used);
                    }
                    let (has_failed, compared) = self.failed.contains(&reached);
                    used += compared;
                    if !has_failed {
                        self.path.push(Tried {
                            reached,
                            by_unknown,
                            next: 0,
                        });
                    }
                }
            }
        }
        (None, used)
    }
}

impl<'a, S: Sequential> Part<'a, S> {
    fn new(spec: &'a S, part: &'a [Timed<S::Call>]) -> Result<Self, String> {
        let mut calls: Vec<&Timed<S::Call>> = part.iter().collect();
        calls.sort_by_key(|call| (call.ended.unwrap_or(u64::MAX), call.began));
        let unknown = calls.split_off(calls.partition_point(|call| call.ended.is_some()));
        let names = unknown.iter().map(|call| (call.began, call.name.as_str()));
        let mut part = Self {
            spec,
            slots: vec![0; calls.len()],
            calls,
            under_way: Vec::new(),
            starts: vec![0],
            unknown_names: names.collect(),
            unknown: classes(spec, &unknown),
        };
        part.note_under_way()?;
        Ok(part)
    }

    /// Finds out what is under way at each end, and gives each call a bit.
    fn note_under_way(&mut self) -> Result<(), String> {
        let calls = &self.calls;
        let mut begins: Vec<usize> = (0..calls.len()).collect();
        begins.sort_by_key(|&call| calls[call].began);
        let mut begins = begins.into_iter().peekable();
        let mut now: Vec<usize> = Vec::new();
        let mut taken = 0_u128;
        for (place, call) in calls.iter().enumerate() {
            while let Some(begun) = begins.next_if(|&begun| Some(calls[begun].began) < call.ended) {
                let slot = taken.trailing_ones();
                if slot as usize == UNDER_WAY_MAX {
                    return Err(format!(
                        "more than {UNDER_WAY_MAX} calls are under way at once, at {}",
                        calls[begun].name
                    ));
                }
                taken |= 1 << slot;
                self.slots[begun] = u8::try_from(slot).expect("a mask has 128 bits");
                now.push(begun);
            }
            now.retain(|&other| other != place);
            self.under_way.push(place);
            self.under_way.extend(&now);
            self.starts.push(self.under_way.len());
            taken &= !(1 << self.slots[place]);
        }
        Ok(())
    }

    /// The calls under way at an end, itself the first.
    fn under_way(&self, place: usize) -> &[usize] {
        &self.under_way[self.starts[place]..self.starts[place + 1]]
    }

    /// What comes of trying one of the calls that could come next. Unknown ones are the last resort.
    ///
    /// `skipped` is the state before the last call, if that was an unknown one. A call that gives the
    /// same from there need not be tried here: the search tries it there, with one more unknown call
    /// left to spend.
    fn after(
        &self,
        reached: &Reached<S::State>,
        skipped: Option<&S::State>,
        next: usize,
    ) -> Next<S::State> {
        let step = |call: &S::Call| {
            let state = self.spec.step(&reached.state, call)?;
            let same = |skipped| self.spec.step(skipped, call).as_ref() == Some(&state);
            (!skipped.is_some_and(same)).then_some(state)
        };
        let known = self.under_way(reached.place);
        if let Some(&call) = known.get(next) {
            let after = self.after_known(reached, call, step);
            return after.map_or(Next::DoesNot, |after| Next::Fits(after, false));
        }
        let class = next - known.len();
        let ended = self.calls[reached.place].ended;
        match self.unknown.get(class) {
            Some(unknown) if Some(unknown.begins[0]) < ended => {
                let after = self.after_unknown(reached, class, step);
                after.map_or(Next::DoesNot, |after| Next::Fits(after, true))
            }
            _ => Next::NoMore,
        }
    }

    /// What a call that is under way at this place gives, if it fits.
    fn after_known(
        &self,
        reached: &Reached<S::State>,
        call: usize,
        step: impl Fn(&S::Call) -> Option<S::State>,
    ) -> Option<Reached<S::State>> {
        let bit = 1 << self.slots[call];
        if reached.beyond & bit != 0 {
            return None;
        }
        let mut after = Reached {
            state: step(&self.calls[call].call)?,
            spent: reached.spent.clone(),
            ..*reached
        };
        if call > reached.place {
            after.beyond |= bit;
            return Some(after);
        }
        after.place += 1;
        while let Some(&slot) = self.slots.get(after.place)
            && after.beyond & (1 << slot) != 0
        {
            after.beyond &= !(1 << slot);
            after.place += 1;
        }
        Some(after)
    }

    /// What the next call of a class gives, if one is left, if it fits, and if it changes anything:
    /// one that does not may as well never take effect.
    fn after_unknown(
        &self,
        reached: &Reached<S::State>,
        class: usize,
        step: impl Fn(&S::Call) -> Option<S::State>,
    ) -> Option<Reached<S::State>> {
        let Class { call, begins } = &self.unknown[class];
        let spent = reached.spent[class] as usize;
        let began = begins.get(spent).copied()?;
        if Some(began) > self.calls[reached.place].ended {
            return None;
        }
        let state = step(call).filter(|state| *state != reached.state)?;
        let mut spent: Vec<u32> = reached.spent.to_vec();
        spent[class] += 1;
        Some(Reached {
            state,
            spent: spent.into(),
            ..*reached
        })
    }

    /// No order has got past one end: the history up to it is the shortest that has none.
    fn evidence(&self, place: usize) -> String {
        let name = |call: usize| self.calls[call].name.as_str();
        let last = name(place);
        let ended = self.calls[place].ended;
        let begun = self.unknown_names.iter();
        let begun = begun.take_while(|(began, _)| Some(*began) < ended);
        let known = self.under_way(place).iter().skip(1);
        let others = known.map(|&call| name(call));
        let others: Vec<&str> = others.chain(begun.map(|(_, name)| *name)).collect();
        let others = match others.len() {
            0 => "nothing else was under way".to_owned(),
            1..=NAMED_MAX => format!("under way at its end: {}", others.join(", ")),
            count => {
                let named = others[..NAMED_MAX].join(", ");
                let more = count - NAMED_MAX;
                format!("under way at its end: {named}, and {more} more")
            }
        };
        let before = match place.checked_sub(1) {
            None => String::new(),
            Some(before) => format!("; the last to end before it: {}", name(before)),
        };
        format!(
            "{last} fits nowhere: up to its end, no order of the calls explains what clients were told ({others}{before})"
        )
    }
}

/// The classes of unknown calls that come in the order of their begins.
fn classes<'a, S: Sequential>(spec: &S, unknown: &[&'a Timed<S::Call>]) -> Vec<Class<'a, S::Call>> {
    let mut classes: Vec<Class<'a, S::Call>> = Vec::new();
    for Timed { call, began, .. } in unknown {
        let mut known = classes.iter_mut();
        match known.find(|class| spec.alike(class.call, call)) {
            Some(class) => class.begins.push(*began),
            None => classes.push(Class {
                call,
                begins: vec![*began],
            }),
        }
    }
    classes
}

/// From where the search has failed.
struct Failed<State> {
    reached: BTreeSet<Reached<State>>,
    count_max: usize,
}

impl<State: Ord> Failed<State> {
    /// Whether the search has failed from here with the same or fewer unknown calls spent, and how many
    /// comparisons it took to know.
    fn contains(&self, reached: &Reached<State>) -> (bool, u64) {
        let mut compared = 0;
        // Fewer in every class is before in the order, too.
        for failed in self.reached.range(..=reached).rev() {
            let is_here = failed.place == reached.place
                && failed.beyond == reached.beyond
                && failed.state == reached.state;
            if !is_here {
                break;
            }
            let mut spent = failed.spent.iter().zip(&reached.spent[..]);
            if spent.all(|(failed, spent)| failed <= spent) {
                return (true, compared);
            }
            compared += 1;
        }
        (false, compared)
    }

    fn insert(&mut self, reached: Reached<State>) {
        if self.reached.len() >= self.count_max {
            self.reached.clear();
        }
        self.reached.insert(reached);
    }
}

#[cfg(test)]
#[path = "linearizable_tests.rs"]
mod tests;
