//! Reads a datagram from front to back.

use super::WireError;

/// How long a string or a list may be: what a reader believes of a declared length.
///
/// Each limit is a constant whose comment says why it is as large as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit {
    /// What it limits, for errors.
    pub what: &'static str,
    /// The longest allowed: bytes of a string, elements of a list.
    pub max: usize,
}

impl Limit {
    /// A limit.
    #[must_use]
    pub const fn new(what: &'static str, max: usize) -> Self {
        Self { what, max }
    }
}

/// Reads a datagram from front to back; strings and bytes are borrowed from it.
///
/// After an error, what is left unread is not specified: give up.
///
/// ```
/// use wavetank::wire::{Limit, Reader};
///
/// const NAME: Limit = Limit::new("name", 255);
/// let mut reader = Reader::new(b"\x07\0\0\0\x05alice");
/// assert_eq!(reader.u8("type"), Ok(7));
/// assert_eq!(reader.str(NAME), Ok("alice"));
/// assert_eq!(reader.finish(), Ok(()));
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a datagram.
    #[must_use]
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            length: bytes.len(),
        }
    }

    /// Reads an array of bytes; `what` names it in errors.
    ///
    /// # Errors
    ///
    /// If fewer bytes are left.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WireError> {
        let Some((array, rest)) = self.rest.split_first_chunk() else {
            return Err(self.truncated(what, N));
        };
        self.rest = rest;
        Ok(*array)
    }

    /// Reads an integer of one byte.
    ///
    /// # Errors
    ///
    /// If nothing is left.
    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, WireError> {
        self.array(what).map(u8::from_be_bytes)
    }

    /// Reads an integer of two bytes.
    ///
    /// # Errors
    ///
    /// If fewer bytes are left.
    #[inline]
    pub fn u16(&mut self, what: &'static str) -> Result<u16, WireError> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// Reads an integer of four bytes.
    ///
    /// # Errors
    ///
    /// If fewer bytes are left.
    #[inline]
    pub fn u32(&mut self, what: &'static str) -> Result<u32, WireError> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// Reads an integer of eight bytes.
    ///
    /// # Errors
    ///
    /// If fewer bytes are left.
    #[inline]
    pub fn u64(&mut self, what: &'static str) -> Result<u64, WireError> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// Reads a signed integer of four bytes.
    ///
    /// # Errors
    ///
    /// If fewer bytes are left.
    #[inline]
    pub fn i32(&mut self, what: &'static str) -> Result<i32, WireError> {
        self.array(what).map(i32::from_be_bytes)
    }

    /// Reads one byte that is 0 for no or 1 for yes.
    ///
    /// # Errors
    ///
    /// If nothing is left, or the byte is neither.
    #[inline]
    pub fn flag(&mut self, what: &'static str) -> Result<bool, WireError> {
        let at = self.position();
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(WireError::OutOfRange {
                what,
                at,
                value: value.into(),
                expected: "0 or 1",
            }),
        }
    }

    /// Reads bytes behind their length.
    ///
    /// # Errors
    ///
    /// If the length is beyond its limit, or fewer bytes are left.
    #[inline]
    pub fn bytes(&mut self, limit: Limit) -> Result<&'a [u8], WireError> {
        let length = self.length(limit)?;
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.truncated(limit.what, length));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads a string behind its length.
    ///
    /// # Errors
    ///
    /// If the length is beyond its limit, fewer bytes are left, or they are not UTF-8.
    #[inline]
    pub fn str(&mut self, limit: Limit) -> Result<&'a str, WireError> {
        let bytes = self.bytes(limit)?;
        std::str::from_utf8(bytes).map_err(|error| WireError::NotUtf8 {
            what: limit.what,
            at: self.position() - bytes.len() + error.valid_up_to(),
        })
    }

    /// Reads the count of a list whose elements take at least `element_bytes_min` bytes each.
    ///
    /// The count is one that what is left of the datagram can hold, so a list may be allocated for it.
    ///
    /// # Errors
    ///
    /// If the count is beyond its limit, or fewer bytes are left than so many elements take.
    #[inline]
    pub fn count(&mut self, limit: Limit, element_bytes_min: usize) -> Result<usize, WireError> {
        let count = self.length(limit)?;
        let needed = count.saturating_mul(element_bytes_min);
        if needed > self.rest.len() {
            return Err(self.truncated(limit.what, needed));
        }
        Ok(count)
    }

    /// How many bytes have been read.
    #[must_use]
    #[inline]
    pub const fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Says that the message ends here.
    ///
    /// # Errors
    ///
    /// If bytes are left.
    #[inline]
    pub const fn finish(self) -> Result<(), WireError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(WireError::TrailingBytes {
            at: self.position(),
            left: self.rest.len(),
        })
    }

    #[inline]
    fn length(&mut self, limit: Limit) -> Result<usize, WireError> {
        let at = self.position();
        let length = self.u32(limit.what)? as usize;
        if length > limit.max {
            return Err(WireError::TooLong {
                what: limit.what,
                at,
                length,
                max: limit.max,
            });
        }
        Ok(length)
    }

    #[cold]
    const fn truncated(&self, what: &'static str, needed: usize) -> WireError {
        WireError::Truncated {
            what,
            at: self.position(),
            needed,
            left: self.rest.len(),
        }
    }
}
