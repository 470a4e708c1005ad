//! The people of a data server, as their file has them: one person a line, `name;[[start,end],...]`.
//!
//! ```text
//! lilith;[[1,3],[4,9]]
//! zein ; [[1, 4], [6, 1 0]]        the same as zein;[[1,4],[6,10]]
//! otto;[]                          never free
//! ```
//!
//! Spaces and tabs may stand anywhere, even inside a name or a number: they count for nothing. An interval
//! starts before it ends, and each starts after the one before has ended. Empty lines are skipped; lines
//! may end as on Windows; the last one need not end at all; a byte order mark in the beginning is skipped.
//! Anything else is an error, with its place in the file as it was written.
//!
//! A name stands once, and in one file only ([`DataFile::check_apart`]).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::services::meeting::times::{self, Times, TimesError};

/// The longest name, in bytes: so that one fits into a datagram beside everything else.
pub const NAME_BYTES_MAX: usize = 255;

/// A file of people and when they are free.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataFile {
    file: String,
    people: BTreeMap<String, Person>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Person {
    times: Times,
    place: Place,
}

/// A line and a column of a file, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    line: usize,
    column: usize,
}

impl DataFile {
    /// Reads the bytes of a file; `file` is its name in errors.
    ///
    /// # Errors
    ///
    /// Says where the first line is that is no person, and what was expected there.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, DataFileError> {
        let mut people = BTreeMap::new();
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        for (line, bytes) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            let error = |place, message| DataFileError::new(file, place, message);
            let text = str::from_utf8(bytes).map_err(|wrong| {
                let before = String::from_utf8_lossy(&bytes[..wrong.valid_up_to()]);
                let place = Place::in_line(line, &before, before.len());
                error(place, "expected text in utf-8".to_owned())
            })?;
            let place_of = |at| Place::in_line(line, text, at);
            let Some(at) = text.find(|c| !is_space(c)) else {
                continue;
            };
            let (name, times) =
                person(text).map_err(|wrong| error(place_of(wrong.at), wrong.message))?;
            let place = place_of(at);
            match people.entry(name) {
                Entry::Vacant(free) => {
                    free.insert(Person { times, place });
                }
                Entry::Occupied(first) => {
                    let line = first.get().place.line;
                    let message = format!("{} stands in line {line} already", first.key());
                    return Err(error(place, message));
                }
            }
        }
        let file = file.to_owned();
        Ok(Self { file, people })
    }

    /// Checks that no name stands in two of these files.
    ///
    /// # Errors
    ///
    /// Says where the first name stands that an earlier file has too, and where it stands there.
    pub fn check_apart(files: &[Self]) -> Result<(), DataFileError> {
        let mut known: BTreeMap<&str, (&Self, Place)> = BTreeMap::new();
        for file in files {
            // In the order of lines: the error is the first one that a reader of the file comes to.
            let mut people: Vec<(&String, &Person)> = file.people.iter().collect();
            people.sort_by_key(|(_, person)| person.place.line);
            for (name, Person { place, .. }) in people {
                if let Some((other, at)) = known.insert(name, (file, *place)) {
                    let first = format!("{}:{}", other.file, at.line);
                    let message = format!("{name} stands in {first} already, one file has a name");
                    return Err(DataFileError::new(&file.file, *place, message));
                }
            }
        }
        Ok(())
    }

    /// Its name, as errors have it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file
    }

    /// Everybody, by name.
    #[must_use]
    pub fn into_people(self) -> BTreeMap<String, Times> {
        let people = self.people.into_iter();
        people.map(|(name, it)| (name, it.times)).collect()
    }
}

impl Place {
    /// The place of the byte `at` of a line.
    fn in_line(line: usize, text: &str, at: usize) -> Self {
        let column = 1 + text[..at].chars().count();
        Self { line, column }
    }
}

/// A data file is wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct DataFileError {
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1, as the file was written.
    pub column: usize,
    /// What was expected.
    pub message: String,
}

impl DataFileError {
    fn new(file: &str, Place { line, column }: Place, message: String) -> Self {
        Self {
            file: file.to_owned(),
            line,
            column,
            message,
        }
    }
}

/// The person of a line that is not empty.
fn person(line: &str) -> Result<(String, Times), TimesError> {
    let Some((name, times)) = line.split_once(';') else {
        let at = line.find('[').unwrap_or(line.len());
        return Err(times::expected("`;` after the name", line, at));
    };
    let name = name_of(name, line)?;
    let from = line.len() - times.len();
    let times = times::parse_list(times).map_err(|wrong| TimesError {
        at: wrong.at + from,
        ..wrong
    })?;
    Ok((name, times))
}

/// The name in the part of a line before its `;`.
fn name_of(part: &str, line: &str) -> Result<String, TimesError> {
    if let Some(at) = part.find(|c| !is_space(c) && !may_be_in_a_name(c)) {
        return Err(times::expected("a name and `;`", line, at));
    }
    let name: String = part.chars().filter(|&c| !is_space(c)).collect();
    match name.len() {
        0 => Err(times::expected("a name", line, part.len())),
        1..=NAME_BYTES_MAX => Ok(name),
        length => Err(TimesError {
            message: format!("this name has {length} bytes, at most {NAME_BYTES_MAX}"),
            at: 0,
        }),
    }
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Names are parted by spaces where people write them, and stand beside times in replies.
fn may_be_in_a_name(c: char) -> bool {
    !c.is_control() && !c.is_whitespace() && !matches!(c, '[' | ']' | ',' | ';')
}

#[cfg(test)]
#[path = "data_file_tests.rs"]
mod tests;
