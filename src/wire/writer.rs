//! Writes a datagram from front to back.

/// How many bytes [`Writer::str`] takes for a string.
#[must_use]
pub const fn str_bytes(text: &str) -> usize {
    size_of::<u32>() + text.len()
}

/// Writes a datagram from front to back.
///
/// A writer knows no limits: what is too long is refused by whoever reads it.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A writer of a datagram that will take so many bytes: an exact number makes one allocation.
    #[must_use]
    #[inline]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// The same in the room of what was written before, if that is enough.
    #[must_use]
    #[inline]
    pub fn in_room(mut room: Vec<u8>, bytes: usize) -> Self {
        room.clear();
        room.reserve_exact(bytes);
        Self(room)
    }

    /// Writes bytes as they are, without their length.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes an integer of one byte.
    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Writes an integer of two bytes.
    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    /// Writes an integer of four bytes.
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    /// Writes an integer of eight bytes.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    /// Writes a signed integer of four bytes.
    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    /// Writes bytes behind their length.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.reserve(size_of::<u32>() + bytes.len());
        self.count(bytes.len());
        self.raw(bytes);
    }

    /// Writes a string behind its length in bytes.
    #[inline]
    pub fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes the length or count of what follows.
    ///
    /// A number beyond `u32` fits no datagram; it is written as the largest `u32`, which every
    /// reader refuses.
    #[inline]
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Writes the count of a list, and the list: elements, in order, each by `write`.
    #[inline]
    pub fn list<T>(
        &mut self,
        elements: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let count_at = self.0.len();
        let mut count: u32 = 0;
        self.u32(count);
        for element in elements {
            count = count.saturating_add(1);
            write(self, element);
        }
        self.0[count_at..count_at + size_of::<u32>()].copy_from_slice(&count.to_be_bytes());
    }

    /// What was written so far.
    #[must_use]
    #[inline]
    pub fn written(&self) -> &[u8] {
        &self.0
    }

    /// Begins anew, and keeps the room.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The datagram.
    #[must_use]
    #[inline]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}
