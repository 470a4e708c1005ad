//! One run told twice: all that a run tells, and where two tellings of it part.
//!
//! A run is a pure function of scenario, variant and seed. Whoever doubts it tells the run again, in
//! the same process, in another one or on the other simulator, and compares the tellings to the byte.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::history::json;
use crate::seed::Seed;
use crate::services::words::Words;
use crate::sim::report::Report;
use crate::sim::scenario::{Scenario, Variant};
use crate::trace::{Names, text};

/// All that a run tells.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Telling {
    /// The trace as text, with what the commands at the end said and with the verdicts.
    pub trace: String,
    /// The history as JSON lines.
    pub history: String,
}

/// Where two tellings part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// Where the line stands: in the `trace` or in the `history`.
    pub part: &'static str,
    /// The number of the first line that differs, from 1.
    pub line: usize,
    /// That line in each; empty where a text has ended.
    pub texts: [String; 2],
}

impl Telling {
    /// What a run tells that kept every event.
    #[must_use]
    pub fn of(scenario: &Scenario, variant: &Variant, seed: Seed, report: &Report) -> Self {
        let words = Words(variant.application.clone());
        let names = Names(&report.run.names);
        let records = json::records(&report.run.history.entries(), names, &words);
        Self {
            trace: text::write(&report.trace(scenario, variant, seed)),
            history: json::write(&records),
        }
    }

    /// What there is to tell of a run that has no trace: a line of words.
    #[must_use]
    pub fn untold(why: &str) -> Self {
        Self {
            trace: format!("{why}\n"),
            history: String::new(),
        }
    }

    /// How many lines it has.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.trace.lines().count() + self.history.lines().count()
    }

    /// Where two tellings part, the trace before the history; `None` if every byte is the same.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<Difference> {
        let parts = [
            ("trace", &self.trace, &other.trace),
            ("history", &self.history, &other.history),
        ];
        parts.into_iter().find_map(|(part, first, second)| {
            let (line, texts) = first_difference(first, second)?;
            Some(Difference { part, line, texts })
        })
    }
}

/// The number of the first line that differs, and that line in each.
fn first_difference(first: &str, second: &str) -> Option<(usize, [String; 2])> {
    // Not `lines`, which passes over `\r` and over a missing end of the last line.
    let (mut first, mut second) = (first.split('\n'), second.split('\n'));
    for line in 1.. {
        match (first.next(), second.next()) {
            (None, None) => return None,
            (own, other) if own == other => {}
            (own, other) => {
                let texts = [own, other].map(|text| text.unwrap_or_default().to_owned());
                return Some((line, texts));
            }
        }
    }
    None
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, line, texts } = self;
        let [first, second] = texts;
        write!(
            f,
            "the first line that differs is line {line} of the {part}:\n  {first}\n  {second}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telling(trace: &str, history: &str) -> Telling {
        Telling {
            trace: trace.to_owned(),
            history: history.to_owned(),
        }
    }

    fn parts(first: &Telling, second: &Telling) -> String {
        let difference = first.first_difference(second);
        difference.map_or("nowhere".to_owned(), |found| found.to_string())
    }

    #[test]
    fn tellings_part_at_the_first_line_that_differs() {
        let first = telling("a\nb\n", "{1}\n");
        assert_eq!(parts(&first, &first.clone()), "nowhere");
        assert_eq!(
            parts(&first, &telling("a\nc\n", "{2}\n")),
            "the first line that differs is line 2 of the trace:\n  b\n  c"
        );
        assert_eq!(
            parts(&first, &telling("a\nb\n", "{2}\n")),
            "the first line that differs is line 1 of the history:\n  {1}\n  {2}"
        );
    }

    #[test]
    fn tellings_part_where_one_ends() {
        let difference = telling("a\nb\n", "").first_difference(&telling("a\n", ""));
        let difference = difference.expect("one is longer");
        assert_eq!(difference.line, 2);
        assert_eq!(difference.texts, ["b".to_owned(), String::new()]);
    }

    #[test]
    fn every_byte_counts() {
        for other in ["a", "a\r\n", "a\n\n", "a \n"] {
            let differs = telling("a\n", "").first_difference(&telling(other, ""));
            assert!(differs.is_some(), "{other:?}");
        }
    }
}
