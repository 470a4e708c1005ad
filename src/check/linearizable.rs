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
use crate::check::linearizable_part::{Next, Part, Reached};

/// Steps of each part's first turn; every round doubles them.
const TURN_STEPS: u64 = 1024;

/// How many bytes all parts together take to remember from where the search has failed, a state being
/// no larger than it looks. A full memory is emptied: nothing but time is lost, and the budget ends
/// that.
const REMEMBERED_BYTES_MAX: usize = 512 << 20;

/// How many bytes the paths of all parts may take for what they have spent of unknown calls. A path
/// cannot be forgotten: beyond that, a part is not decided.
const PATH_BYTES_MAX: usize = 256 << 20;

/// Classes of unknown calls of which it is noted how many are spent, in the time of a step.
const CLASSES_PER_STEP: usize = 64;

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

    /// A number that calls which are alike have in common, and few others have. Without it each unknown
    /// call is compared with all others.
    fn bucket(&self, _: &Self::Call) -> u64 {
        0
    }

    /// Whether a call changes no state in which it fits. Such a call may as well come as soon as it
    /// fits; again, the search is exact without this, and faster with it.
    fn only_reads(&self, _: &Self::Call) -> bool {
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
    judge_within(spec, parts, steps_max, PATH_BYTES_MAX)
}

fn judge_within<S: Sequential>(
    spec: &S,
    parts: &[Vec<Timed<S::Call>>],
    steps_max: u64,
    path_bytes_max: usize,
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
    // Of all paths that are being tried.
    let mut path_bytes = 0;
    while !searches.is_empty() {
        let bytes_max = REMEMBERED_BYTES_MAX / searches.len();
        let mut open = Vec::new();
        for mut search in searches {
            search.failed.count_max = bytes_max / search.bytes_each();
            let granted = turn.min(left);
            path_bytes -= search.path_bytes();
            let (found, used) = search.run(granted, path_bytes_max - path_bytes);
            left = left.saturating_sub(used);
            match found {
                Found::Order => {}
                Found::NoOrder => {
                    let evidence = search.part.evidence(search.furthest);
                    return (Verdict::Violated(evidence), steps_max - left);
                }
                Found::TooLong => {
                    let reason = "not decided: there are too many different unknown calls";
                    otherwise = Verdict::Unknown(reason.to_owned());
                }
                Found::NothingYet if left == 0 => {
                    let reason = format!("not decided after {steps_max} steps of the search");
                    return (Verdict::Unknown(reason), steps_max);
                }
                Found::NothingYet => {
                    path_bytes += search.path_bytes();
                    open.push(search);
                }
            }
        }
        searches = open;
        turn = turn.saturating_mul(2);
    }
    (otherwise, steps_max - left)
}

/// A point of the path that is being tried.
struct Tried<State> {
    reached: Reached<State>,
    /// Whether an unknown call that explains nothing by itself led here from the point before.
    by_unknown: bool,
    /// Which of the calls that could come next is to be tried next.
    next: usize,
}

/// How far a search has come.
enum Found {
    /// There is an order.
    Order,
    /// There is none.
    NoOrder,
    /// Nobody knows: the steps were used up.
    NothingYet,
    /// The path takes too many bytes.
    TooLong,
}

/// The search through one part.
struct Search<'a, S: Sequential> {
    part: Part<'a, S>,
    failed: Failed<S::State>,
    path: Vec<Tried<S::State>>,
    /// How many points of the path have spent an unknown call.
    spending: usize,
    furthest: usize,
}

impl<'a, S: Sequential> Search<'a, S> {
    fn new(spec: &'a S, part: &'a [Timed<S::Call>]) -> Result<Self, String> {
        let part = Part::new(spec, part)?;
        let mut reached = Reached {
            place: 0,
            beyond: 0,
            state: spec.initial(),
            spent: vec![0; part.unknown.len()].into(),
        };
        part.settle(&mut reached);
        let reached_place = reached.place;
        Ok(Self {
            part,
            failed: Failed {
                reached: BTreeSet::new(),
                count_max: 0,
            },
            path: vec![Tried {
                reached,
                by_unknown: false,
                next: 0,
            }],
            spending: 0,
            furthest: reached_place,
        })
    }

    /// What the path takes to note what it has spent of unknown calls.
    fn path_bytes(&self) -> usize {
        self.spending * self.spent_bytes()
    }

    fn spent_bytes(&self) -> usize {
        size_of::<u32>() * self.part.unknown.len()
    }

    /// What it takes to remember one place, with room that a tree leaves.
    fn bytes_each(&self) -> usize {
        2 * size_of::<Reached<S::State>>() + self.spent_bytes()
    }

    /// Goes on for so many steps, with so many bytes for the path: what is known by then, and how many
    /// steps it took.
    fn run(&mut self, steps: u64, path_bytes_max: usize) -> (Found, u64) {
        if self.furthest == self.part.calls.len() {
            return (Found::Order, 0);
        }
        let spent_steps = (self.part.unknown.len() / CLASSES_PER_STEP) as u64;
        let mut used = 0;
        while used < steps {
            let Some((tried, before)) = self.path.split_last_mut() else {
                return (Found::NoOrder, used);
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
                    let before = self.path.last();
                    let has_spent = before.is_some_and(|before| failed.has_spent_since(before));
                    self.spending -= usize::from(has_spent);
                    self.failed.insert(failed.reached);
                }
                Next::Fits(reached, by_unknown) => {
                    self.furthest = self.furthest.max(reached.place);
                    let after = Tried {
                        reached,
                        by_unknown,
                        next: 0,
                    };
                    let has_spent = after.has_spent_since(tried);
                    used += u64::from(has_spent) * spent_steps;
                    if after.reached.place == self.part.calls.len() {
                        return (Found::Order, used);
                    }
                    let (has_failed, compared) = self.failed.contains(&after.reached);
                    used += compared * (1 + spent_steps);
                    if !has_failed {
                        self.spending += usize::from(has_spent);
                        self.path.push(after);
                    }
                    if self.path_bytes() > path_bytes_max {
                        return (Found::TooLong, used);
                    }
                }
            }
        }
        (Found::NothingYet, used)
    }
}

impl<State> Tried<State> {
    /// Whether an unknown call led here from the point before.
    fn has_spent_since(&self, before: &Self) -> bool {
        !Rc::ptr_eq(&self.reached.spent, &before.reached.spent)
    }
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
