//! The files of a lock server: `file_0` to `file_99`, a closed set.
//!
//! A file is known by its number. No path is ever made of what a client has sent.

/// How many files there are.
pub const FILES: u16 = 100;

/// How long a file is at most, in bytes: all together fit into 100 MB.
pub const FILE_BYTES_MAX: usize = 1_000_000;

/// How much text a grant may have staged at most, in bytes, with [`TEXT_BYTES`] for each append.
pub const STAGED_BYTES_MAX: usize = 64 * 1_024;

/// What a staged text takes besides its own bytes, so that empty ones are not without end.
pub const TEXT_BYTES: usize = 64;

/// What comes before a file's number in its name.
const PREFIX: &str = "file_";

/// One of the files.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct FileId(pub(super) u16);

impl FileId {
    /// Every file, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..FILES).map(Self)
    }

    /// The file of this number, if there is one.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Self> {
        (number < FILES).then_some(Self(number))
    }

    /// The file of this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let number = name.strip_prefix(PREFIX)?;
        let is_plain = number == "0" || !number.starts_with(['0', '+']);
        let file = Self::of_number(number.parse().ok()?);
        file.filter(|_| is_plain)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// Its number, from 0.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_one_name() {
        for file in FileId::all() {
            assert_eq!(FileId::named(&file.name()), Some(file));
        }
        assert_eq!(FileId::all().count(), 100);
        assert_eq!(FileId::of_number(99).unwrap().name(), "file_99");
        for name in [
            "",
            "file_",
            "file_100",
            "file_00",
            "file_+1",
            "file_-1",
            "file_1 ",
            "File_1",
            "file_01",
            "file_70000",
            "/etc/passwd",
            "file_0/../file_1",
        ] {
            assert_eq!(FileId::named(name), None, "{name}");
        }
    }
}
