//! Records as JSON lines: what checkers read that judge more than calls of clients.

use serde::de::DeserializeOwned;

use crate::history::recorded::Mistake;

/// The records of a text, one object a line, each with the number of its line from 1. Empty lines are
/// skipped. An object that is no record is a mistake, told as `no NOUN: ..`.
pub(crate) fn read<T: DeserializeOwned>(
    text: &str,
    noun: &str,
) -> impl Iterator<Item = Result<(u32, T), Mistake>> {
    let lines = (1_u32..).zip(text.lines());
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines.map(move |(number, line)| {
        let record = serde_json::from_str(line).map_err(|error| not_json(number, noun, &error))?;
        Ok((number, record))
    })
}

/// What is wrong with a line as a whole.
pub(crate) fn mistake(line: u32, message: String) -> Mistake {
    Mistake {
        line: line as usize,
        column: 1,
        message,
    }
}

/// What is wrong with a line that has not the form of a record.
fn not_json(line: u32, noun: &str, error: &serde_json::Error) -> Mistake {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    Mistake {
        column: error.column(),
        ..mistake(line, format!("no {noun}: {message}"))
    }
}
