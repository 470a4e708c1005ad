//! Which writes of one origin have been committed here.

use std::collections::{BTreeMap, BTreeSet};

/// Which writes of one origin have been committed at a data centre: a contiguous beginning, and the few
/// beyond it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Committed {
    /// All numbers up to this one are committed.
    prefix: u64,
    /// Committed beyond the prefix.
    beyond: BTreeSet<u64>,
    /// Up to this number, the origin has said, every data centre has committed all.
    everywhere: u64,
    /// The Lamport timestamps of what is committed here and not known to be everywhere, by number.
    timestamps: BTreeMap<u64, u64>,
}

impl Committed {
    /// What records or an image say; `None` if it contradicts itself.
    #[must_use]
    pub fn of(
        prefix: u64,
        everywhere: u64,
        timestamps: BTreeMap<u64, u64>,
        beyond: BTreeSet<u64>,
    ) -> Option<Self> {
        let is_beyond = beyond
            .iter()
            .all(|&number| number > prefix.saturating_add(1));
        let committed = Self {
            prefix,
            beyond,
            everywhere,
            timestamps,
        };
        let is_told = |&number: &u64| number > everywhere && committed.contains(number);
        let is_consistent = is_beyond && committed.timestamps.keys().all(is_told);
        is_consistent.then_some(committed)
    }

    /// All up to these are committed, and known to be everywhere.
    #[must_use]
    pub fn up_to(prefix: u64, everywhere: u64) -> Self {
        Self {
            prefix,
            everywhere,
            ..Self::default()
        }
    }

    /// Notes that the write of this number has been committed.
    pub fn insert(&mut self, number: u64, timestamp: u64) {
        if number > self.everywhere {
            self.timestamps.insert(number, timestamp);
        }
        if number > self.prefix {
            self.beyond.insert(number);
        }
        self.close_up();
    }

    /// Notes that every data centre has all up to this number. Whether anything changed.
    pub fn forget(&mut self, everywhere: u64) -> bool {
        let is_news = everywhere > self.everywhere;
        if is_news {
            self.everywhere = everywhere;
            self.timestamps = self.timestamps.split_off(&everywhere.saturating_add(1));
        }
        is_news
    }

    /// Takes over what another data centre has committed.
    pub fn merge(&mut self, other: &Self) {
        self.prefix = self.prefix.max(other.prefix);
        self.beyond.extend(&other.beyond);
        self.beyond = self.beyond.split_off(&self.prefix.saturating_add(1));
        self.timestamps.extend(&other.timestamps);
        let everywhere = self.everywhere.max(other.everywhere);
        self.everywhere = everywhere;
        self.timestamps = self.timestamps.split_off(&everywhere.saturating_add(1));
        self.close_up();
    }

    /// Whether the write of this number has been committed here.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        number <= self.prefix || self.beyond.contains(&number)
    }

    /// Up to this number all are committed here.
    #[must_use]
    pub const fn prefix(&self) -> u64 {
        self.prefix
    }

    /// What is committed beyond the prefix.
    #[must_use]
    pub const fn beyond(&self) -> &BTreeSet<u64> {
        &self.beyond
    }

    /// Up to this number every data centre has committed all.
    #[must_use]
    pub const fn everywhere(&self) -> u64 {
        self.everywhere
    }

    /// The timestamps of what is committed here and not known to be everywhere.
    #[must_use]
    pub const fn timestamps(&self) -> &BTreeMap<u64, u64> {
        &self.timestamps
    }

    fn close_up(&mut self) {
        while let Some(next) = self.prefix.checked_add(1)
            && self.beyond.remove(&next)
        {
            self.prefix = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_order_of_commits_ends_in_a_prefix() {
        let mut committed = Committed::default();
        for number in [3, 1, 5, 2] {
            assert!(!committed.contains(number));
            committed.insert(number, number * 10);
            assert!(committed.contains(number));
        }
        assert_eq!(committed.prefix(), 3);
        assert_eq!(committed.beyond(), &BTreeSet::from([5]));
        assert!(!committed.contains(4));
    }

    #[test]
    fn what_is_everywhere_is_not_tracked_one_by_one() {
        let mut committed = Committed::default();
        (1..=4).for_each(|number| committed.insert(number, number));
        assert!(committed.forget(3));
        assert!(!committed.forget(2), "nothing new");
        assert_eq!(committed.timestamps(), &BTreeMap::from([(4, 4)]));
        assert_eq!(committed.everywhere(), 3);
    }

    #[test]
    fn merging_takes_both_and_closes_gaps() {
        let (mut mine, mut theirs) = (Committed::default(), Committed::default());
        [1, 4]
            .into_iter()
            .for_each(|number| mine.insert(number, number));
        (1..=3)
            .chain([6])
            .for_each(|number| theirs.insert(number, number));
        theirs.forget(2);
        mine.merge(&theirs);
        assert_eq!((mine.prefix(), mine.everywhere()), (4, 2));
        assert_eq!(mine.beyond(), &BTreeSet::from([6]));
        assert_eq!(mine.timestamps(), &BTreeMap::from([(3, 3), (4, 4), (6, 6)]));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let timestamps = BTreeMap::from([(7, 7)]);
        assert_eq!(Committed::of(3, 0, timestamps, BTreeSet::new()), None);
        assert_eq!(
            Committed::of(3, 0, BTreeMap::new(), BTreeSet::from([4])),
            None
        );
    }
}
