//! One of several equal parts of a range of seeds, for machines that share the work.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The most parts that a range can be cut into.
const SHARDS_MAX: u64 = 1_000_000;

/// Part I of N: the seeds with `seed mod N = I - 1`. The default is the whole, `1/1`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// Part `index` of `count`, counted from 1; `None` if there is no such part, or if there are more
    /// than a million.
    #[must_use]
    pub fn new(index: u64, count: u64) -> Option<Self> {
        let exists = (1..=count).contains(&index) && count <= SHARDS_MAX;
        exists.then_some(Self { index, count })
    }

    /// Into how many parts the range is cut.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.count
    }

    /// Its seeds within a range, in ascending order.
    pub fn seeds(self, range: Range<u64>) -> impl Iterator<Item = u64> + Clone {
        let Self { index, count } = self;
        let ahead = (index - 1 + count - range.start % count) % count;
        let first = range.start.checked_add(ahead);
        std::iter::successors(first, move |seed| seed.checked_add(count))
            .take_while(move |seed| *seed < range.end)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 1, count: 1 }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (index, count) = text.split_once('/')?;
            Self::new(index.parse().ok()?, count.parse().ok()?)
        };
        read().ok_or_else(|| {
            format!("expected I/N with 1 <= I <= N <= {SHARDS_MAX}, as in 2/8; or auto")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_range_are_the_range() {
        for count in 1..=5 {
            for range in [0..17, 3..4, 8..31, 5..5] {
                let parts = (1..=count).map(|index| Shard::new(index, count).unwrap());
                let mut seeds: Vec<u64> =
                    parts.flat_map(|part| part.seeds(range.clone())).collect();
                seeds.sort_unstable();
                assert_eq!(seeds, range.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_part_has_the_seeds_with_its_remainder() {
        let part: Shard = "2/3".parse().unwrap();
        assert_eq!(part.seeds(5..15).collect::<Vec<_>>(), [7, 10, 13]);
        let last = part.seeds(u64::MAX - 1..u64::MAX).collect::<Vec<_>>();
        assert!(last.iter().all(|seed| seed % 3 == 1), "{last:?}");
        assert_eq!(part.to_string(), "2/3");
    }

    #[test]
    fn there_is_no_part_zero_and_none_beyond_the_last() {
        for wrong in ["0/2", "3/2", "1/0", "1", "a/b", "-1/2", "1/1000001", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
