//! Bytes that several hold: a datagram on its way, in a reply cache, in a trace.

use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;

/// Bytes that several hold, or a part of them. Cloning and slicing copy nothing.
///
/// The `bytes` crate's `Bytes` would do; but its first clone allocates once more, and every datagram
/// is cloned once. Here a datagram is one allocation, however many hold it; and as all hosts of a run
/// live on one thread, counting the holders takes no atomic operations.
#[derive(Clone)]
pub struct SharedBytes {
    whole: Rc<[u8]>,
    part: Part,
}

/// Where a part starts, in the lower half, and where it ends, in the upper: one number, as most of them are moved
/// right after they were made, and what is written in two halves is not read as one without a delay.
#[derive(Clone, Copy)]
struct Part(u64);

impl Part {
    const fn new(start: u32, end: u32) -> Self {
        Self(start as u64 | (end as u64) << 32)
    }

    const fn start(self) -> usize {
        self.0 as u32 as usize
    }

    const fn end(self) -> usize {
        (self.0 >> 32) as usize
    }
}

/// Room for most datagrams: it is made for as many bytes whatever they are, which is done faster than for each
/// number of them.
const USUAL: usize = 128;

impl SharedBytes {
    /// So many bytes, which `write` writes where they stay; before, each is 0.
    ///
    /// # Panics
    ///
    /// If they are 2^32 bytes or more.
    #[must_use]
    #[inline]
    pub fn written(len: usize, write: impl FnOnce(&mut [u8])) -> Self {
        let mut whole: Rc<[u8]> = if len <= USUAL {
            Rc::new([0; USUAL])
        } else {
            vec![0; len].into()
        };
        let bytes = Rc::get_mut(&mut whole).expect("nobody else holds it yet");
        write(&mut bytes[..len]);
        Self::first(whole, len)
    }

    /// The last `len` of these bytes: the body of a message stands at its end.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[must_use]
    #[inline]
    pub fn last(&self, len: usize) -> Self {
        assert!(len <= self.len(), "a part is no longer than its whole");
        self.part(self.len() - len..self.len())
    }

    /// A part of these bytes.
    ///
    /// # Panics
    ///
    /// If it is no part of them.
    #[must_use]
    #[inline]
    pub fn part(&self, part: Range<usize>) -> Self {
        let is_part = part.start <= part.end && part.end <= self.len();
        assert!(is_part, "a part lies within its whole");
        let start = self.part.start() as u32;
        Self {
            whole: self.whole.clone(),
            part: Part::new(start + part.start as u32, start + part.end as u32),
        }
    }

    fn all(whole: Rc<[u8]>) -> Self {
        let len = whole.len();
        Self::first(whole, len)
    }

    fn first(whole: Rc<[u8]>, len: usize) -> Self {
        let end = u32::try_from(len).expect("a datagram takes less than 2^32 bytes");
        let part = Part::new(0, end);
        Self { whole, part }
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.whole[self.part.start()..self.part.end()]
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::all(bytes.into())
    }
}

impl From<&[u8]> for SharedBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::all(bytes.into())
    }
}

impl<const N: usize> From<&[u8; N]> for SharedBytes {
    fn from(bytes: &[u8; N]) -> Self {
        bytes[..].into()
    }
}

impl PartialEq for SharedBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SharedBytes {}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shared_whatever_the_length() {
        for len in [0, 1, USUAL, USUAL + 1, 100_000] {
            let shared = SharedBytes::written(len, |bytes| {
                assert!(bytes.iter().all(|byte| *byte == 0), "{len}");
                bytes.fill(7);
            });
            assert_eq!(*shared, vec![7; len]);
        }
    }

    #[test]
    fn the_end_of_an_end_is_an_end() {
        let whole = SharedBytes::from(b"0123456789".to_vec());
        let part = whole.last(6);
        assert_eq!(&*part, b"456789");
        assert_eq!(&*part.last(2), b"89");
        assert_eq!(&*part.last(0), b"");
    }

    #[test]
    #[should_panic(expected = "no longer than its whole")]
    fn a_part_is_no_longer_than_its_whole() {
        let _ = SharedBytes::from(vec![1; 4]).last(5);
    }
}
