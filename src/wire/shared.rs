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
    start: u32,
    end: u32,
}

/// Of so many bytes zeros are at hand: more than most datagrams have.
const ZEROS: usize = 1_024;

impl SharedBytes {
    /// So many bytes, which `write` writes where they stay; before, each is 0.
    #[must_use]
    #[inline]
    pub fn written(len: usize, write: impl FnOnce(&mut [u8])) -> Self {
        let mut whole: Rc<[u8]> = match const { &[0; ZEROS] }.get(..len) {
            Some(zeros) => zeros.into(),
            None => vec![0; len].into(),
        };
        write(Rc::get_mut(&mut whole).expect("nobody else holds it yet"));
        Self::all(whole)
    }

    /// The last `len` of these bytes: the body of a message stands at its end.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[must_use]
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
    pub fn part(&self, part: Range<usize>) -> Self {
        let is_part = part.start <= part.end && part.end <= self.len();
        assert!(is_part, "a part lies within its whole");
        Self {
            whole: self.whole.clone(),
            start: self.start + part.start as u32,
            end: self.start + part.end as u32,
        }
    }

    fn all(whole: Rc<[u8]>) -> Self {
        let end = u32::try_from(whole.len()).expect("a datagram takes less than 2^32 bytes");
        Self {
            whole,
            start: 0,
            end,
        }
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.whole[self.start as usize..self.end as usize]
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
        for len in [0, 1, ZEROS, ZEROS + 1, 100_000] {
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
