//! Mistakes in scenario files, and where they are.

use std::fmt;
use std::ops::Range;

use super::field::At;

/// A mistake in a scenario file, in one line: where it is, what is wrong, what was expected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScenarioError {
    /// The file as it was named; or `--set key=value`, if the mistake is in an override.
    pub file: String,
    /// The line, from 1; 0 if the mistake is in no line of a file.
    pub line: usize,
    /// The column in characters, from 1; 0 if the mistake is in no line of a file.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        } else {
            write!(f, "{}: ", self.file)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ScenarioError {}

/// What positions refer to: the text of a file and, beyond its end, the overrides one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) overrides: &'a [(String, String)],
}

impl Source<'_> {
    /// The span of all that comes from an override.
    pub(super) fn override_span(&self, index: usize) -> Range<usize> {
        let at = self.text.len() + 1 + index;
        at..at
    }

    /// A mistake at this byte.
    pub(super) fn error(&self, at: usize, message: impl Into<String>) -> ScenarioError {
        let message = message.into();
        let beyond = at.checked_sub(self.text.len() + 1);
        if let Some((key, value)) = beyond.and_then(|index| self.overrides.get(index)) {
            return ScenarioError {
                file: format!("--set {key}={value}"),
                line: 0,
                column: 0,
                message,
            };
        }
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ScenarioError {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
        }
    }

    /// A mistake in a string, `offset` bytes into it. Where the file does not show the string as it
    /// is, with escapes or over several lines, the mistake is at the string as a whole.
    pub(super) fn error_inside(
        &self,
        string: &At<String>,
        offset: usize,
        message: impl Into<String>,
    ) -> ScenarioError {
        let shown = self.text.get(string.span.clone()).unwrap_or_default();
        let plain = ["\"", "'"].iter().any(|&quote| {
            let content = shown
                .strip_prefix(quote)
                .and_then(|s| s.strip_suffix(quote));
            content == Some(&string.value)
        });
        let offset = if plain {
            1 + offset.min(string.value.len())
        } else {
            0
        };
        self.error(string.span.start + offset, message)
    }
}
