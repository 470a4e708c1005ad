//! What the meeting scheduler promises, done one request after the other: everybody's time, and no more.
//!
//! It knows neither servers nor transactions: a registration takes its stretch from everybody or from nobody.
//!
//! ```text
//! register 1 2 ann bob: registered   free ann: [2,5]   free bob: [1,5]        violated: half taken
//! register 1 2 ann bob: registered   register 1 2 ann: registered             violated: taken twice
//! register 1 2 ann bob: no reply     free ann bob: [1,5]   free bob: [2,5]    valid: it came between
//! ```
//!
//! - An answer that lacks some names, as their server was down, promises what it says of the others: their
//!   common time. Whether a name exists that has no answer is not said either.
//! - A refusal has a reason, which must be true. Only that the servers could not agree in time is always
//!   possible, and promises that nothing was taken.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::services::meeting::times::{Interval, Times};

/// Names of people; neither their order nor that one stands twice matters.
pub type Names = BTreeSet<String>;

/// What a client asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asked {
    /// The common free time.
    Free(Names),
    /// To take this stretch from all of them.
    Register(Interval, Names),
}

/// What a client is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    /// When people are free.
    Free {
        /// The common time of all others; `None` if there are no others.
        times: Option<Times>,
        /// Those who do not exist.
        unknown: Names,
        /// Those whose server did not answer.
        unanswered: Names,
    },
    /// Everybody's time was taken.
    Registered,
    /// Nothing was taken.
    Refused(Refusal),
}

/// Why nothing was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// These do not exist.
    Unknown(Names),
    /// These are not free all the time.
    Busy(Names),
    /// The servers could not agree in time.
    NotAgreed,
}

/// What is left of the time of those from whom something was taken. Others have what their file says.
pub type Left = Rc<BTreeMap<String, Times>>;

/// The sequential specification of the meeting scheduler.
#[derive(Clone, Debug)]
pub struct MeetingSpec {
    people: BTreeMap<String, Times>,
}

impl MeetingSpec {
    /// The specification of servers whose files have these people, all files together.
    #[must_use]
    pub const fn new(people: BTreeMap<String, Times>) -> Self {
        Self { people }
    }

    /// The state of fresh servers: nothing was taken.
    #[must_use]
    pub fn initial(&self) -> Left {
        Left::default()
    }

    /// The state after a request, or `None` if its client cannot be told here what it was told. Without a
    /// reply, whatever can be done is done.
    #[must_use]
    pub fn step(&self, left: &Left, asked: &Asked, told: Option<&Told>) -> Option<Left> {
        let unchanged_if = |is_right: bool| is_right.then(|| left.clone());
        match (asked, told) {
            (Asked::Free(_), None) => unchanged_if(true),
            (
                Asked::Free(names),
                Some(Told::Free {
                    times,
                    unknown,
                    unanswered,
                }),
            ) => {
                let answered: Names = names - unanswered;
                let known = self.all_times(left, &(&answered - unknown));
                unchanged_if(
                    unanswered.is_subset(names)
                        && unknown.is_subset(&answered)
                        && unknown.iter().all(|name| !self.exists(name))
                        && known.is_some_and(|known| Times::common(&known) == *times),
                )
            }
            (Asked::Register(stretch, names), None) => {
                let after = self.register(left, *stretch, names);
                after.or_else(|| unchanged_if(true))
            }
            (Asked::Register(stretch, names), Some(Told::Registered)) => {
                self.register(left, *stretch, names)
            }
            (Asked::Register(stretch, names), Some(Told::Refused(refusal))) => {
                unchanged_if(self.may_refuse(left, *stretch, names, refusal))
            }
            (Asked::Free(_), Some(Told::Registered | Told::Refused(_)))
            | (Asked::Register(..), Some(Told::Free { .. })) => None,
        }
    }

    fn exists(&self, name: &str) -> bool {
        self.people.contains_key(name)
    }

    /// When somebody is free, if there is such a person.
    fn times<'a>(&'a self, left: &'a Left, name: &str) -> Option<&'a Times> {
        left.get(name).or_else(|| self.people.get(name))
    }

    /// When each of these is free, if all of them exist.
    fn all_times<'a>(&'a self, left: &'a Left, names: &Names) -> Option<Vec<&'a Times>> {
        names.iter().map(|name| self.times(left, name)).collect()
    }

    /// What is left after taking this stretch from all of these, if all are free.
    fn register(&self, left: &Left, stretch: Interval, names: &Names) -> Option<Left> {
        let mut after = BTreeMap::clone(left);
        for name in names {
            let times = self.times(left, name)?;
            if !times.contains(stretch) {
                return None;
            }
            after.insert(name.clone(), times.without(stretch));
        }
        Some(Rc::new(after))
    }

    fn may_refuse(&self, left: &Left, stretch: Interval, names: &Names, why: &Refusal) -> bool {
        let is_reason = |named: &Names, is_true: &dyn Fn(&str) -> bool| {
            !named.is_empty() && named.is_subset(names) && named.iter().all(|name| is_true(name))
        };
        match why {
            Refusal::Unknown(unknown) => is_reason(unknown, &|name| !self.exists(name)),
            Refusal::Busy(busy) => is_reason(busy, &|name| {
                let times = self.times(left, name);
                times.is_some_and(|times| !times.contains(stretch))
            }),
            Refusal::NotAgreed => true,
        }
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
