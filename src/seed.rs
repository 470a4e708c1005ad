//! One seed, many named streams.
//!
//! A [`Seed`] is the only source of chance of a run. From it, streams of ChaCha8 are derived **by
//! name**: a stream depends on the seed and its name and on nothing else, so that one stream more,
//! or one draw more from another, changes nothing. Integer arithmetic only, so that every machine
//! draws the same.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The number that fixes a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of this name.
    ///
    /// # Determinism
    ///
    /// A pure function of the seed and the name: ChaCha8 keyed with the seed, its stream number the
    /// FNV-1a hash of the name.
    #[must_use]
    pub fn stream(self, name: &str) -> Stream {
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        rng.set_stream(fnv1a(name.as_bytes()));
        Stream { rng }
    }
}

/// A named generator of numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    /// Goes to the given place, counted in 32-bit words from the stream's beginning.
    pub fn seek(&mut self, word: u64) {
        self.rng.set_word_pos(u128::from(word));
    }

    /// The next 32 bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A number below `bound`, from one 32-bit word.
    ///
    /// # Panics
    ///
    /// If `bound` is zero: there is no such number.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "no number is below zero");
        scale(self.next_u32(), bound)
    }

    /// The index of one of `weights`, drawn in proportion to them; `None` if all are zero.
    pub fn pick(&mut self, weights: &[u32]) -> Option<usize> {
        self.pick_of(weights, weights.iter().sum())
    }

    /// The same of weights whose sum is known.
    #[inline]
    pub(crate) fn pick_of(&mut self, weights: &[u32], sum: u32) -> Option<usize> {
        if sum == 0 {
            return None;
        }
        let mut left = self.below(sum);
        weights.iter().position(|&weight| {
            let here = left < weight;
            left = left.saturating_sub(weight);
            here
        })
    }
}

/// Maps a 32-bit word evenly onto `0..bound`, by multiplication (Lemire 2019, without rejection: the
/// error is below 2^-32 times the bound).
#[must_use]
pub const fn scale(word: u32, bound: u32) -> u32 {
    ((word as u64 * bound as u64) >> 32) as u32
}

/// The 64-bit FNV-1a hash (Fowler, Noll and Vo): short, and the same everywhere for ever.
#[must_use]
pub const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_and_name_alone() {
        let first = |seed, name| Seed(seed).stream(name).next_u64();
        assert_eq!(first(7, "alice"), first(7, "alice"));
        assert_ne!(first(7, "alice"), first(8, "alice"));
        assert_ne!(first(7, "alice"), first(7, "bob"));
    }

    #[test]
    fn streams_are_the_same_on_every_machine_and_in_every_release() {
        // A change here changes every trace that anybody has kept.
        assert_eq!(
            Seed(7).stream("alice").next_u64(),
            8_024_762_325_002_097_760
        );
    }

    #[test]
    fn seeking_reads_what_reading_on_would_have_read() {
        let mut read_on = Seed(1).stream("x");
        for _ in 0..40 {
            read_on.next_u32();
        }
        let mut sought = Seed(1).stream("x");
        sought.seek(40);
        assert_eq!(sought.next_u32(), read_on.next_u32());
    }

    #[test]
    fn picks_follow_the_weights() {
        let mut stream = Seed(3).stream("weights");
        let mut count = [0; 3];
        for _ in 0..3_000 {
            count[stream.pick(&[1, 0, 2]).unwrap()] += 1;
        }
        assert_eq!(count[1], 0);
        assert!((900..1_100).contains(&count[0]), "{count:?}");
        assert_eq!(stream.pick(&[0, 0]), None);
    }
}
