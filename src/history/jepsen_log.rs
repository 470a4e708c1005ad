//! Jepsen's histories as its log has them: the lines of the logger `jepsen.util`.
//!
//! ```text
//! INFO  jepsen.util - 3   :invoke :cas    [1 4]
//! 2021-02-26 23:39:01,300{GMT} INFO [jepsen worker 1] jepsen.util: 1   :invoke :write  [0 2]
//! ```
//!
//! Behind the logger stand a process, a type, an operation and its value, with tabs or spaces between
//! them. All other lines are skipped, and so are those of a process that is no number.

use serde_json::Value;

use crate::history::jepsen_edn::kind_of;
use crate::history::recorded::Line;
use crate::history::scan::{Notation, Scanner, Wrong};

/// The logger.
const LOGGER: &str = "jepsen.util";

/// Whether a text has lines of this kind.
pub(crate) fn is_log(text: &str) -> bool {
    lines(text).any(|(at, line)| operation(at, line).is_some())
}

/// Reads the records of clients, in their order.
pub(crate) fn read(text: &str) -> Result<Vec<Line>, Wrong> {
    let mut read = Vec::new();
    for (at, line) in lines(text) {
        let Some(begin) = operation(at, line) else {
            continue;
        };
        // A scanner that sees no more than the line: a value does not go on in the next one.
        let text = &text[..at + line.len()];
        read.push(read_line(text, at, begin)?);
    }
    Ok(read)
}

/// Where, in bytes, the process stands, if the line tells of an operation of a client.
fn operation(at: usize, line: &str) -> Option<usize> {
    let logger = line.find(LOGGER)? + LOGGER.len();
    let said = line[logger..].trim_start_matches([' ', '\t', ':']);
    // A dash that stands alone; one before a digit makes a number that is no process.
    let said = match said.strip_prefix('-') {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start_matches([' ', '\t']),
        _ => said,
    };
    let rest = said.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_operation = rest.len() < said.len()
        && rest.starts_with([' ', '\t'])
        && rest.trim_start().starts_with(':');
    is_operation.then(|| at + line.len() - said.len())
}

fn read_line(text: &str, at: usize, begin: usize) -> Result<Line, Wrong> {
    let mut scanner = Scanner::new(text, begin, Notation::Edn);
    let process = scanner.value()?;
    let process = process.as_u64().ok_or_else(|| Wrong {
        at: begin,
        message: format!("a process is a number below 2^64, not {process}"),
    })?;
    let (kind_at, kind) = word(&mut scanner, "a type")?;
    let kind = kind_of(&kind).ok_or_else(|| Wrong {
        at: kind_at,
        message: format!("a type is :invoke, :ok, :fail or :info, not `{kind}`"),
    })?;
    let (_, f) = word(&mut scanner, "the name of an operation")?;
    scanner.skip_blank()?;
    let value = match scanner.peek() {
        None => Value::Null,
        Some(_) => scanner.value()?,
    };
    Ok(Line {
        at,
        process,
        kind,
        f,
        value,
        operation: None,
    })
}

/// A keyword, and its place.
fn word(scanner: &mut Scanner<'_>, expected: &str) -> Result<(usize, String), Wrong> {
    scanner.skip_blank()?;
    let at = scanner.at;
    if scanner.peek() != Some(':') {
        return Err(scanner.expected(expected));
    }
    match scanner.value()? {
        Value::String(word) => Ok((at, word)),
        _ => Err(scanner.expected(expected)),
    }
}

/// The lines of a text, with their places in bytes.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split('\n').map(move |line| {
        let begin = at;
        at += line.len() + 1;
        (begin, line.trim_end_matches('\r'))
    })
}
