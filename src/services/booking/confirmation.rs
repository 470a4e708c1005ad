//! Confirmation ids: `CONF000001` and up, one counter for all facilities.

use std::fmt;

/// How every confirmation id begins.
const PREFIX: &str = "CONF";

/// How many digits a confirmation id has at least; from a million on it has more.
const DIGITS_MIN: usize = 6;

/// The longest id: ten digits.
pub const LEN_MAX: usize = PREFIX.len() + 10;

/// The number of a booking, from 1.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Confirmation(u32);

impl Confirmation {
    /// The id of the booking at this index, counted from zero.
    #[must_use]
    pub fn of_index(index: usize) -> Option<Self> {
        u32::try_from(index).ok()?.checked_add(1).map(Self)
    }

    /// Reads an id exactly as it is written: `CONF7` is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_written_so = match digits.len() {
            0..DIGITS_MIN => false,
            DIGITS_MIN => true,
            _ => !digits.starts_with('0'),
        };
        if !is_written_so || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: u32 = digits.parse().ok()?;
        (number > 0).then_some(Self(number))
    }

    /// The id as text, in the given room: every booking makes one, and `format!` costs as much as all
    /// the rest of it.
    pub fn write(self, room: &mut [u8; LEN_MAX]) -> &[u8] {
        let mut at = LEN_MAX;
        let mut number = self.0;
        while number > 0 || at > LEN_MAX - DIGITS_MIN {
            at -= 1;
            room[at] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        at -= PREFIX.len();
        room[at..at + PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
        &room[at..]
    }

    /// The number of its booking, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The index of its booking, counted from zero.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }
}

impl fmt::Display for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = [0; LEN_MAX];
        f.write_str(str::from_utf8(self.write(&mut room)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_and_read_alike_also_beyond_six_digits() {
        for (index, text) in [
            (0, "CONF000001"),
            (122, "CONF000123"),
            (999_998, "CONF999999"),
            (999_999, "CONF1000000"),
        ] {
            let confirmation = Confirmation::of_index(index).unwrap();
            assert_eq!(confirmation.to_string(), text);
            assert_eq!(Confirmation::parse(text), Some(confirmation));
            assert_eq!(confirmation.index(), index);
        }
    }

    #[test]
    fn what_is_not_written_as_an_id_is_none() {
        for text in [
            "",
            "CONF",
            "CONF000000",
            "CONF00001",
            "CONF0000001",
            "CONF+00001",
            "conf000001",
            "CONF000001 ",
            "CONF99999999999",
            "CONF00000é",
        ] {
            assert_eq!(Confirmation::parse(text), None, "{text}");
        }
    }
}
