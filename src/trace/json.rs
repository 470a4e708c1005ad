//! A trace as JSON lines, for tools: versioned, and the source of every other format.
//!
//! First the header, then one object per event, then what was asked at the end, then one object per
//! verdict. `docs/trace.md` describes every field. What [`write()`] writes, [`read()`] reads: the text
//! printed from it is the text of the run.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::seed::Seed;
use crate::trace::{Event, Final, Header, Names, Row, TraceFile, VerdictRow};

/// The format's number. It rises with every change that an old reader would misunderstand.
pub const FORMAT: u32 = 1;

/// What the first line says that it is.
const MARK: &str = "trace";

/// JSON lines cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ReadError {
    /// In which line, from 1.
    pub line: usize,
    /// What was expected.
    pub message: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FirstLine {
    wavetank: String,
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    scenario: String,
    variant: String,
    /// A text, for numbers beyond 2^53.
    seed: String,
    story: String,
    #[serde(default)]
    command: String,
    #[serde(default)]
    hosts: Vec<String>,
}

/// Writes a trace.
#[must_use]
pub fn write(trace: &TraceFile) -> String {
    let mut out = String::new();
    push(&mut out, &first_line(&trace.header));
    trace.rows.iter().for_each(|row| push(&mut out, row));
    trace.finals.iter().for_each(|last| push(&mut out, last));
    trace.verdicts.iter().for_each(|row| push(&mut out, row));
    out
}

/// Reads a trace. Empty lines are skipped; hosts that the header does not name are taken from the
/// events, in order of appearance.
///
/// # Errors
///
/// Says which line is wrong and what was expected there.
pub fn read(text: &str) -> Result<TraceFile, ReadError> {
    let mut lines = numbered(text);
    let header = match lines.next() {
        Some((line, text)) => read_header(text).map_err(|message| ReadError { line, message })?,
        None => {
            return Err(ReadError {
                line: 1,
                message: "a trace begins with its header".to_owned(),
            });
        }
    };
    let mut trace = TraceFile {
        header,
        rows: Vec::new(),
        finals: Vec::new(),
        verdicts: Vec::new(),
    };
    let mut lines_of_rows = Vec::new();
    for (line, text) in lines {
        read_line(&mut trace, text).map_err(|message| ReadError { line, message })?;
        if lines_of_rows.len() < trace.rows.len() {
            lines_of_rows.push(line);
        }
    }
    if trace.header.hosts.is_empty() {
        trace.header.hosts = hosts_of(&trace.rows);
    }
    let names = Names(&trace.header.hosts);
    for (row, &line) in trace.rows.iter().zip(&lines_of_rows) {
        check_names(row, names).map_err(|message| ReadError { line, message })?;
    }
    Ok(trace)
}

/// The lines that are not empty, with their numbers from 1.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
}

/// Appends a value as one line.
pub(crate) fn push(out: &mut String, value: &impl Serialize) {
    let line = serde_json::to_string(value).expect("texts and numbers always have a JSON form");
    out.push_str(&line);
    out.push('\n');
}

fn first_line(header: &Header) -> FirstLine {
    FirstLine {
        wavetank: MARK.to_owned(),
        format: FORMAT,
        comment: header.comment.clone(),
        scenario: header.scenario.clone(),
        variant: header.variant.clone(),
        seed: header.seed.0.to_string(),
        story: header.story.clone(),
        command: header.command.clone(),
        hosts: header.hosts.clone(),
    }
}

fn read_header(text: &str) -> Result<Header, String> {
    let value: Value = parse(text)?;
    if value.get("wavetank").and_then(Value::as_str) != Some(MARK) {
        return Err(r#"a trace begins with {"wavetank":"trace","format":1,..}"#.to_owned());
    }
    // The format comes before the other fields: those of another format are not ours to judge.
    match value.get("format").and_then(Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => return Err(format!("format {format} is not known here, only {FORMAT}")),
        None => return Err("the format's number is missing".to_owned()),
    }
    let first: FirstLine = convert(value)?;
    let seed = first.seed.parse().map_err(|_| {
        let wrong = &first.seed;
        format!("the seed `{wrong}` is not a number of 64 bits, written as text")
    })?;
    Ok(Header {
        scenario: first.scenario,
        variant: first.variant,
        seed: Seed(seed),
        story: first.story,
        command: first.command,
        hosts: first.hosts,
        comment: first.comment,
    })
}

fn read_line(trace: &mut TraceFile, text: &str) -> Result<(), String> {
    let value: Value = parse(text)?;
    if value.get("check").is_some() {
        trace.verdicts.push(convert::<VerdictRow>(value)?);
        return Ok(());
    }
    if !trace.verdicts.is_empty() {
        return Err("only verdicts come after a verdict".to_owned());
    }
    if value.get("final").is_some() {
        trace.finals.push(convert::<Final>(value)?);
        return Ok(());
    }
    if !trace.finals.is_empty() {
        return Err("no event comes after what was asked at the end".to_owned());
    }
    let row: Row = convert(value)?;
    if Event::WORDS.iter().all(|(word, _)| *word != row.event) {
        return Err(format!("`{}` is no word of a trace", row.event));
    }
    let expected = trace.rows.last().map_or(1, |row| row.number + 1);
    if row.number != expected {
        return Err(format!(
            "event {} stands where event {expected} belongs",
            row.number
        ));
    }
    trace.rows.push(row);
    Ok(())
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

fn convert<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Clients of operations among them.
fn hosts_of(rows: &[Row]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut hosts = Vec::new();
    for row in rows {
        for name in names_in(row).map(|(host, _)| host) {
            if seen.insert(name) {
                hosts.push(name.to_owned());
            }
        }
    }
    hosts
}

/// The hosts and operations that a row names: each host, with the operation if it is one's client.
fn names_in(row: &Row) -> impl Iterator<Item = (&str, Option<&str>)> {
    let reply_to = row.outcome.as_ref().and_then(|row| row.reply_to.as_deref());
    let operations = [row.operation.as_deref(), reply_to];
    [Some(row.host.as_str()), row.peer.as_deref()]
        .into_iter()
        .flatten()
        .map(|host| (host, None))
        .chain(operations.into_iter().flatten().map(|operation| {
            let client = operation
                .split_once('#')
                .map_or(operation, |(host, _)| host);
            (client, Some(operation))
        }))
}

fn check_names(row: &Row, names: Names<'_>) -> Result<(), String> {
    for (host, operation) in names_in(row) {
        if names.find_host(host).is_none() {
            return Err(format!("`{host}` is not among the hosts"));
        }
        if let Some(operation) = operation.filter(|name| names.find_operation(name).is_none()) {
            return Err(format!("`{operation}` is no operation; write alice#1"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::sample::{self, Plain};
    use crate::trace::text;

    fn whole() -> TraceFile {
        let mut lines = sample::lost_cancel_reply();
        let all = sample::every_event();
        lines.extend(all.into_iter().map(|event| sample::line(6000, event)));
        let mut trace = TraceFile::new(sample::header(), &lines, &Plain);
        trace.verdicts = sample::verdicts();
        trace.finals.push(Final {
            command: "query A".to_owned(),
            told: "free".to_owned(),
            ms: 7000,
        });
        trace
    }

    #[test]
    fn text_printed_from_what_was_read_back_is_the_text_printed_directly() {
        let trace = whole();
        let back = read(&write(&trace)).unwrap();
        assert_eq!(back, trace);
        assert_eq!(text::write(&back), text::write(&trace));
    }

    #[test]
    fn the_fields_come_in_their_order() {
        let json = write(&whole());
        let lines: Vec<&str> = json.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"wavetank":"trace","format":1,"scenario":"booking/lost-cancel-reply","variant":"at-least-once","seed":"7","story":"The reply to a cancel is lost; the retransmission runs the cancel again.","command":"wavetank run sims/booking/lost-cancel-reply.toml --variant at-least-once --seed 7","hosts":["alice","server"]}"#
        );
        assert_eq!(
            lines[4],
            r#"{"number":4,"ms":3,"host":"server","event":"reply","peer":"alice","operation":"alice#1","kind":"reply","details":"alice#1 cancelled","note":"lost: fault 1","lost":{"fault":1}}"#
        );
        assert_eq!(
            lines[9],
            r#"{"number":9,"ms":5005,"host":"alice","event":"outcome","operation":"alice#1","details":"alice#1 failed: already cancelled","outcome":{"kind":"failed","text":"already cancelled","by_reply":true,"reply_to":"alice#1"}}"#
        );
    }

    #[test]
    fn a_mistake_is_reported_with_its_line() {
        let good = write(&whole());
        let cases = [
            ("\"format\":1", "\"format\":2", 1, "format 2"),
            ("\"seed\":\"7\"", "\"seed\":\"-7\"", 1, "-7"),
            ("\"receive\"", "\"recieve\"", 3, "recieve"),
            ("\"number\":4,", "\"number\":5,", 5, "event 4 belongs"),
            ("\"ms\":5000,", "\"ms\":-1,", 6, "-1"),
            ("\"peer\":\"alice\"", "\"peer\":\"carol\"", 3, "carol"),
            (
                "\"operation\":\"alice#1\"",
                "\"operation\":\"alice\"",
                2,
                "alice#1",
            ),
        ];
        for (from, to, line, told) in cases {
            let error = read(&good.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.message.contains(told), "{error}");
        }
        assert_eq!(read("").unwrap_err().line, 1);
        assert_eq!(read("not json").unwrap_err().line, 1);
    }
}
