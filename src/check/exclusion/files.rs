//! What files hold as far as releases tell, and what a reader has seen of them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::check::cite;

/// What a file is called in evidence.
pub(super) fn name(file: u16) -> String {
    format!("file_{file}")
}

/// How much of a text evidence shows, in characters.
const SHOWN_MAX: usize = 40;

/// Of what two texts have in common, how much evidence shows before they differ, in bytes.
const COMMON_SHOWN_MAX: usize = 16;

/// All files.
#[derive(Debug, Default)]
pub(super) struct Files {
    released: BTreeMap<u16, File>,
    /// What was staged, by file, token and lock.
    staged: BTreeMap<(u16, u64, u16), String>,
    /// The files for which something was staged, by lock and token.
    awaiting: BTreeMap<(u16, u64), BTreeSet<u16>>,
}

/// What was released of a file.
#[derive(Debug, Default)]
struct File {
    text: String,
    sections: Vec<Section>,
}

/// What one release has put there.
#[derive(Debug)]
struct Section {
    /// Its place in the text, in bytes.
    from: usize,
    to: usize,
    line: u32,
}

/// What somebody has read of a file.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) file: u16,
    /// The first byte that was read, and how long the file is.
    pub(super) from: u64,
    pub(super) total: u64,
    pub(super) text: Rc<str>,
}

impl Files {
    pub(super) fn stage(&mut self, lock: u16, token: u64, file: u16, text: &str) {
        let staged = self.staged.entry((file, token, lock)).or_default();
        staged.push_str(text);
        self.awaiting.entry((lock, token)).or_default().insert(file);
    }

    /// What was staged under a grant appears.
    pub(super) fn release(&mut self, lock: u16, token: u64, line: u32) {
        for number in self.awaiting.remove(&(lock, token)).unwrap_or_default() {
            let staged = self.staged.remove(&(number, token, lock));
            let file = self.released.entry(number).or_default();
            let from = file.text.len();
            file.text.push_str(&staged.unwrap_or_default());
            let to = file.text.len();
            file.sections.push(Section { from, to, line });
        }
    }

    /// The locks under which something was staged for this file with this token.
    pub(super) fn locks_of(&self, file: u16, token: u64) -> impl Iterator<Item = u16> {
        let staged = self
            .staged
            .range((file, token, 0)..=(file, token, u16::MAX));
        staged.map(|(&(_, _, lock), _)| lock)
    }

    /// What is wrong with what was seen: the rule, and the words that follow `saw '..' in file_0 (line 9)`.
    /// `own` is the lock and the token of the reader's own living grant.
    pub(super) fn wrong(
        &self,
        seen: &Seen,
        own: Option<(u16, u64)>,
    ) -> Option<(&'static str, String)> {
        let none = File::default();
        let file = self.released.get(&seen.file).unwrap_or(&none);
        let own = own.and_then(|(lock, token)| self.staged.get(&(seen.file, token, lock)));
        let own = own.map_or("", String::as_str);
        let expected = format!("{}{own}", file.text);
        let bytes = seen.text.as_bytes();
        let from = usize::try_from(seen.from).unwrap_or(usize::MAX);
        let from = from.min(expected.len()); // beyond the end there is nothing to read
        let part = expected
            .as_bytes()
            .get(from..from.saturating_add(bytes.len()));
        let total = expected.len() as u64;
        if part == Some(bytes) && seen.total == total {
            return None;
        }
        let is_whole = seen.from == 0 && seen.total == bytes.len() as u64;
        if is_whole && let Some(missing) = file.missing(&seen.text) {
            let text = &file.text[missing.from..missing.to];
            let lines = cite::lines(&[missing.line]);
            let shown = excerpt(text, 0);
            let is_part = missing.is_seen_in_part(file, &seen.text);
            let (rule, how) = if is_part {
                ("T4", "a part of")
            } else {
                ("T5", "without")
            };
            return Some((rule, format!("{how} {shown}, which was released{lines}")));
        }
        let is_short = seen.total < file.text.len() as u64;
        let rule = if is_short { "T5" } else { "T4" };
        let shown = match expected.as_str() {
            "" => "nothing".to_owned(),
            _ => excerpt(&expected, common(&expected, &seen.text)),
        };
        let own = if own.is_empty() {
            ""
        } else {
            ", with what it has staged itself"
        };
        let places = if is_whole {
            String::new()
        } else {
            format!(
                " ({} bytes from byte {} of {}, where there are {total})",
                bytes.len(),
                seen.from,
                seen.total
            )
        };
        Some((rule, format!("where {shown} was released{own}{places}")))
    }

    /// What was seen, as far as it differs from what was released.
    pub(super) fn shown(&self, seen: &Seen) -> String {
        let released = self.released.get(&seen.file);
        let released = released.map_or("", |file| &file.text);
        excerpt(&seen.text, common(released, &seen.text))
    }
}

impl File {
    /// If this text is what was released but for some releases, or but for the end of one, the first that
    /// is not whole.
    fn missing(&self, text: &str) -> Option<&Section> {
        let mut rest = text;
        let mut missing = None;
        for section in &self.sections {
            let part = &self.text[section.from..section.to];
            match rest.strip_prefix(part) {
                Some(after) => rest = after,
                None => {
                    missing = missing.or(Some(section));
                    if part.starts_with(rest) {
                        rest = "";
                    }
                }
            }
        }
        missing.filter(|_| rest.is_empty())
    }
}

impl Section {
    /// Whether the text ends inside of this release.
    fn is_seen_in_part(&self, file: &File, text: &str) -> bool {
        text.len() > self.from && text.len() < self.to && file.text.starts_with(text)
    }
}

/// Where to begin to show two texts that have a long part in common.
fn common(one: &str, other: &str) -> usize {
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b);
    let from = same.count().saturating_sub(COMMON_SHOWN_MAX);
    let is_boundary = |at: &usize| one.is_char_boundary(*at) && other.is_char_boundary(*at);
    (0..=from).rev().find(is_boundary).unwrap_or_default()
}

/// A text from this byte on in quotes, cut off where it is long.
pub(super) fn excerpt(text: &str, from: usize) -> String {
    let before = if from == 0 { "" } else { ".." };
    let text = &text[from..];
    match text.char_indices().nth(SHOWN_MAX) {
        None => format!("'{before}{text}'"),
        Some((end, _)) => format!("'{before}{}..'", &text[..end]),
    }
}
