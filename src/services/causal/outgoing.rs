//! A data centre's own writes on their way to the others. Pure.
//!
//! A write is sent to each other data centre until that one has acknowledged it, which means that it has
//! committed it: after the timeout, doubled each time up to [`SPAN_FACTOR_MAX`] times that, for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use crate::clock::Time;
use crate::id::OperationId;
use crate::services::causal::write::Write;

/// A write is sent again after so many times the timeout at most.
pub const SPAN_FACTOR_MAX: u32 = 8;

/// A write that some data centre has not acknowledged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unacknowledged {
    /// The write.
    pub write: Rc<Write>,
    /// The operation that it is of, where it is known.
    pub about: Option<OperationId>,
    /// Who has not acknowledged it, and when it is sent to them next.
    waiting: BTreeMap<u16, Sends>,
    /// Whether anybody has.
    has_acknowledgement: bool,
}

/// When something is sent to one data centre, ever later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sends {
    next: Time,
    factor: u32,
}

impl Sends {
    /// For the first time at once.
    #[must_use]
    pub const fn at_once(now: Time) -> Self {
        Self {
            next: now,
            factor: 1,
        }
    }

    /// Whether it is sent now; then the next time is set, after the timeout or a multiple of it.
    pub fn take_due(&mut self, now: Time, timeout: Duration) -> bool {
        let is_due = self.next <= now;
        if is_due {
            self.next = now + timeout * self.factor;
            self.factor = (self.factor * 2).min(SPAN_FACTOR_MAX);
        }
        is_due
    }

    /// When it is sent next.
    #[must_use]
    pub const fn next(&self) -> Time {
        self.next
    }
}

/// The writes that some data centre has not acknowledged, by number.
#[derive(Debug)]
pub struct Outgoing {
    /// The other data centres, and after which time a write is sent to them again.
    timeouts: BTreeMap<u16, Duration>,
    writes: BTreeMap<u64, Unacknowledged>,
    /// Numbers of writes that are to be stored again, or erased.
    changed: BTreeSet<u64>,
}

/// A write that is to be sent.
#[derive(Debug)]
pub struct Due {
    /// To whom.
    pub to: u16,
    /// What.
    pub write: Rc<Write>,
    /// The operation that it is of.
    pub about: Option<OperationId>,
}

impl Unacknowledged {
    /// Who has not acknowledged it.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = u16> {
        self.waiting.keys().copied()
    }
}

impl Outgoing {
    /// Nothing on its way to these, each with its timeout.
    #[must_use]
    pub const fn new(timeouts: BTreeMap<u16, Duration>) -> Self {
        Self {
            timeouts,
            writes: BTreeMap::new(),
            changed: BTreeSet::new(),
        }
    }

    /// A write is to be sent to these, or to all. It is due at once.
    pub fn add(
        &mut self,
        now: Time,
        write: Rc<Write>,
        about: Option<OperationId>,
        to: Option<&[u16]>,
    ) {
        let is_waiting = |place: &&u16| to.is_none_or(|to| to.contains(place));
        let first = Sends::at_once(now);
        let waiting: BTreeMap<u16, Sends> = self
            .timeouts
            .keys()
            .filter(is_waiting)
            .map(|&place| (place, first))
            .collect();
        if !waiting.is_empty() {
            let unacknowledged = Unacknowledged {
                has_acknowledgement: waiting.len() < self.timeouts.len(),
                about,
                waiting,
                write,
            };
            self.changed.insert(unacknowledged.write.sequence);
            self.writes
                .insert(unacknowledged.write.sequence, unacknowledged);
        }
    }

    /// A data centre says that it has committed a write. Whether that is new.
    pub fn acknowledge(&mut self, from: u16, sequence: u64) -> bool {
        let Some(unacknowledged) = self.writes.get_mut(&sequence) else {
            return false;
        };
        let is_new = unacknowledged.waiting.remove(&from).is_some();
        if is_new {
            unacknowledged.has_acknowledgement = true;
            self.changed.insert(sequence);
        }
        if unacknowledged.waiting.is_empty() {
            self.writes.remove(&sequence);
        }
        is_new
    }

    /// The numbers of writes that are to be stored again, or erased, since this was asked last.
    pub fn take_changed(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.changed)
    }

    /// What is to be sent now, in order of numbers.
    pub fn take_due(&mut self, now: Time) -> Vec<Due> {
        let mut due = Vec::new();
        for unacknowledged in self.writes.values_mut() {
            let (write, about) = (&unacknowledged.write, unacknowledged.about);
            for (&to, sends) in &mut unacknowledged.waiting {
                if sends.take_due(now, self.timeouts[&to]) {
                    let write = write.clone();
                    due.push(Due { to, write, about });
                }
            }
        }
        due
    }

    /// When something is to be sent next.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        let writes = self.writes.values();
        let sends = writes.flat_map(|unacknowledged| unacknowledged.waiting.values());
        sends.map(|sends| sends.next).min()
    }

    /// Up to this number, of `last` writes in all, every other data centre has acknowledged all.
    #[must_use]
    pub fn everywhere(&self, last: u64) -> u64 {
        self.writes.keys().next().map_or(last, |first| first - 1)
    }

    /// Up to this number, some other data centre has acknowledged each: what the mistake `forget-early`
    /// takes for [`Self::everywhere`].
    #[must_use]
    pub fn somewhere(&self, last: u64) -> u64 {
        let mut lone = self.writes.iter().filter(|(_, it)| !it.has_acknowledgement);
        lone.next().map_or(last, |(first, _)| first - 1)
    }

    /// The write of this number, if somebody has not acknowledged it.
    #[must_use]
    pub fn get(&self, sequence: u64) -> Option<&Unacknowledged> {
        self.writes.get(&sequence)
    }

    /// Whether every write has been acknowledged by all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Version;

    fn write(sequence: u64) -> Rc<Write> {
        Rc::new(Write {
            key: "ring".to_owned(),
            value: String::new(),
            author: String::new(),
            version: Version::default(),
            sequence,
            needs: Vec::new(),
        })
    }

    fn outgoing() -> Outgoing {
        let timeout = Duration::from_millis(100);
        Outgoing::new([(1, timeout), (2, timeout * 2)].into())
    }

    fn sent_at(outgoing: &mut Outgoing, until_ms: u64) -> Vec<(u64, u16)> {
        let mut sent = Vec::new();
        while let Some(next) = outgoing.next().filter(|next| next.as_ms() <= until_ms) {
            let due = outgoing.take_due(next);
            sent.extend(due.iter().map(|due| (next.as_ms(), due.to)));
        }
        sent
    }

    #[test]
    fn a_write_is_sent_again_ever_later_until_acknowledged() {
        let mut outgoing = outgoing();
        outgoing.add(Time::ZERO, write(1), None, None);
        assert_eq!(sent_at(&mut outgoing, 0), [(0, 1), (0, 2)]);
        assert!(outgoing.acknowledge(2, 1));
        assert!(!outgoing.acknowledge(2, 1), "nothing new");
        let expected = [100, 300, 700, 1_500, 2_300, 3_100].map(|ms| (ms, 1));
        assert_eq!(sent_at(&mut outgoing, 3_100), expected);
        assert!(outgoing.acknowledge(1, 1));
        assert!(outgoing.is_empty() && outgoing.next().is_none());
    }

    #[test]
    fn a_write_is_everywhere_once_all_have_it_and_all_before_it() {
        let mut outgoing = outgoing();
        (1..=3).for_each(|number| outgoing.add(Time::ZERO, write(number), None, None));
        assert_eq!((outgoing.everywhere(3), outgoing.somewhere(3)), (0, 0));
        outgoing.acknowledge(1, 1);
        outgoing.acknowledge(1, 2);
        assert_eq!((outgoing.everywhere(3), outgoing.somewhere(3)), (0, 2));
        outgoing.acknowledge(2, 2);
        assert_eq!(outgoing.everywhere(3), 0, "1 is missing at data centre 2");
        outgoing.acknowledge(2, 1);
        assert_eq!(outgoing.everywhere(3), 2);
    }
}
