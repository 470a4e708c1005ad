//! Servers named on the command line: `--peer 1=127.0.0.1:3001`, or by a letter where servers have letters.

use crate::cli::exit::UsageError;

/// What `--peer` says: which server, and where it listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Peer {
    which: Which,
    pub(crate) address: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Which {
    Number(u16),
    /// The place of the letter, from 1.
    Letter(u16),
}

impl Peer {
    /// Reads `1=ADDR` or `a=ADDR`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let which = |word: &str| {
            let number = word.parse().map(Which::Number);
            number.or_else(|_| parse_letter(word).map(Which::Letter))
        };
        let parsed = text.split_once('=').and_then(|(word, address)| {
            let (which, address) = (which(word).ok()?, address.to_owned());
            Some(Self { which, address })
        });
        parsed.ok_or_else(|| {
            "write N=ADDR, as in 1=127.0.0.1:3001, or of meeting a=127.0.0.1:21849".to_owned()
        })
    }

    /// Its number, where servers have numbers.
    pub(crate) fn number(&self) -> Result<u16, UsageError> {
        match self.which {
            Which::Number(number) => Ok(number),
            Which::Letter(_) => Err(UsageError(format!(
                "--peer {self}: write the number of the server, as in 1=127.0.0.1:3001"
            ))),
        }
    }

    /// The place of its letter, from 1, where servers have letters.
    pub(crate) fn letter(&self) -> Result<u16, UsageError> {
        match self.which {
            Which::Letter(place) => Ok(place),
            Which::Number(_) => Err(UsageError(format!(
                "--peer {self}: write the letter of the data server, as in a=127.0.0.1:21849"
            ))),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = &self.address;
        match self.which {
            Which::Number(number) => write!(f, "{number}={address}"),
            Which::Letter(place) => write!(f, "{}={address}", letter(place)),
        }
    }
}

/// The letter of the data server at this place, from 1.
pub(crate) fn letter(place: u16) -> char {
    let place = u8::try_from(place).unwrap_or(u8::MAX);
    char::from(b'a'.saturating_add(place).saturating_sub(1))
}

/// The place of the data server with this letter, from 1.
pub(crate) fn parse_letter(text: &str) -> Result<u16, String> {
    match text.as_bytes() {
        [letter @ b'a'..=b'z'] => Ok(u16::from(letter - b'a') + 1),
        _ => Err("write a letter from a to z".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_numbers_or_letters() {
        let peer = |text: &str| Peer::parse(text).unwrap();
        assert_eq!(peer("2=:3002").number().ok(), Some(2));
        assert_eq!(peer("c=:3002").letter().ok(), Some(3));
        assert_eq!(peer("c=:3002").to_string(), "c=:3002");
        assert!(peer("2=:3002").letter().is_err());
        assert!(peer("c=:3002").number().is_err());
        for text in ["", "=:1", "3001", "C=:1", "ab=:1", "65536=:1", "-1=:1"] {
            assert!(Peer::parse(text).is_err(), "{text}");
        }
    }
}
