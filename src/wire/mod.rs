//! Reading and writing bytes by hand.
//!
//! Integers are big-endian. A string is a `u32` byte length and UTF-8; a list is a `u32` count and its
//! elements. A [`Reader`] walks over a datagram and borrows from it; a [`Writer`] builds one.
//!
//! What a reader guarantees, whatever the bytes: no panic; no length is believed before it has been
//! held against its [`Limit`] and against what is left of the datagram, so that a hostile count
//! allocates nothing; and [`Reader::finish`] refuses trailing bytes, so that a message has one
//! encoding only.
//!
//! Deliberately absent: a serialization library. The bytes are a contract with programs that were
//! written elsewhere, so they are written down, here and in `docs/wire.md`, and not derived.

mod reader;
mod shared;
mod writer;

pub use reader::{Limit, Reader};
pub use shared::SharedBytes;
pub use writer::{Writer, str_bytes};

/// A datagram, or the body of a message, is malformed.
///
/// Positions are counted in bytes from the start of what was decoded: a position in a body does not
/// count the envelope around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WireError {
    /// It ends too early.
    #[error("truncated: {what} at byte {at} needs {needed} bytes, {left} left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it begins.
        at: usize,
        /// How many bytes it needs.
        needed: usize,
        /// How many bytes are left.
        left: usize,
    },
    /// A length or a count is beyond its limit.
    #[error("{what} at byte {at} too long: {length}, at most {max}")]
    TooLong {
        /// What was being read.
        what: &'static str,
        /// Where its length stands.
        at: usize,
        /// The length that it declares.
        length: usize,
        /// The longest allowed.
        max: usize,
    },
    /// A string is not UTF-8.
    #[error("{what} at byte {at} is not utf-8")]
    NotUtf8 {
        /// What was being read.
        what: &'static str,
        /// Where the first wrong byte stands.
        at: usize,
    },
    /// A byte that says what follows has no meaning.
    #[error("unknown {what} {value} at byte {at}")]
    UnknownType {
        /// Of what it would be the type.
        what: &'static str,
        /// Where it stands.
        at: usize,
        /// What stands there.
        value: u8,
    },
    /// The message is complete, and more bytes follow.
    #[error("{left} trailing bytes from byte {at}")]
    TrailingBytes {
        /// Where the message ends.
        at: usize,
        /// How many bytes follow.
        left: usize,
    },
    /// A datagram of format v2 must begin with the bytes `WT`.
    #[error("wrong magic {found:04x} at byte 0")]
    WrongMagic {
        /// Its first two bytes.
        found: u16,
    },
    /// The format has a version that is not spoken here.
    #[error("bad version {found} at byte 2")]
    BadVersion {
        /// The version that it declares.
        found: u8,
    },
    /// A number is none that may stand there.
    #[error("{what} at byte {at} out of range: {value}, expected {expected}")]
    OutOfRange {
        /// What was being read.
        what: &'static str,
        /// Where it begins.
        at: usize,
        /// What stands there.
        value: u32,
        /// What may stand there.
        expected: &'static str,
    },
}

impl WireError {
    /// The name of the kind of error, to count by: it never changes and carries no details.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::TooLong { .. } => "too-long",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::UnknownType { .. } => "unknown-type",
            Self::TrailingBytes { .. } => "trailing-bytes",
            Self::WrongMagic { .. } => "wrong-magic",
            Self::BadVersion { .. } => "bad-version",
            Self::OutOfRange { .. } => "out-of-range",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Limit = Limit::new("name", 5);

    #[test]
    fn what_was_written_is_read() {
        let mut writer = Writer::with_capacity(64);
        writer.u8(0x01);
        writer.u16(0x0203);
        writer.u32(0x0405_0607);
        writer.u64(0x0809_0a0b_0c0d_0e0f);
        writer.i32(-600);
        writer.str("Käse");
        writer.bytes(&[9, 9]);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8("a"), Ok(0x01));
        assert_eq!(reader.u16("b"), Ok(0x0203));
        assert_eq!(reader.u32("c"), Ok(0x0405_0607));
        assert_eq!(reader.u64("d"), Ok(0x0809_0a0b_0c0d_0e0f));
        assert_eq!(reader.i32("e"), Ok(-600));
        assert_eq!(reader.str(NAME), Ok("Käse"));
        assert_eq!(reader.bytes(NAME), Ok(&[9, 9][..]));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn integers_are_big_endian() {
        let mut writer = Writer::with_capacity(8);
        writer.u32(1);
        writer.i32(-600);
        assert_eq!(writer.finish(), [0, 0, 0, 1, 0xff, 0xff, 0xfd, 0xa8]);
    }

    #[test]
    fn a_length_is_held_against_its_limit_before_anything_else() {
        let error = Reader::new(&[0xff; 4]).str(NAME);
        let expected = WireError::TooLong {
            what: "name",
            at: 0,
            length: 0xffff_ffff,
            max: 5,
        };
        assert_eq!(error, Err(expected));
        assert_eq!(
            expected.to_string(),
            "name at byte 0 too long: 4294967295, at most 5"
        );
    }

    #[test]
    fn a_count_is_held_against_what_is_left() {
        let list = Limit::new("list", usize::MAX);
        let bytes = [0, 0, 0, 2, 1, 1, 1, 1];
        assert_eq!(Reader::new(&bytes).count(list, 2), Ok(2));
        let error = Reader::new(&bytes).count(list, 3);
        let expected = WireError::Truncated {
            what: "list",
            at: 4,
            needed: 6,
            left: 4,
        };
        assert_eq!(error, Err(expected));
        assert_eq!(
            expected.to_string(),
            "truncated: list at byte 4 needs 6 bytes, 4 left"
        );
    }

    #[test]
    fn a_string_must_be_utf8_and_the_error_points_to_the_byte() {
        let error = Reader::new(&[0, 0, 0, 2, b'a', 0xff]).str(NAME);
        assert_eq!(
            error,
            Err(WireError::NotUtf8 {
                what: "name",
                at: 5
            })
        );
    }

    #[test]
    fn a_flag_is_zero_or_one() {
        assert_eq!(Reader::new(&[1]).flag("ended"), Ok(true));
        assert_eq!(
            Reader::new(&[2]).flag("ended").map_err(|e| e.to_string()),
            Err("ended at byte 0 out of range: 2, expected 0 or 1".into())
        );
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u8("a"), Ok(1));
        assert_eq!(
            reader.finish(),
            Err(WireError::TrailingBytes { at: 1, left: 2 })
        );
    }
}
