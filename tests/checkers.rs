//! The checkers against histories on file: every `ok-` history is valid, every `bad-` one is violated
//! by the evidence that its first line names. And the documents against the code.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wavetank::check::{Verdict, effects, executions};
use wavetank::clock::Time;
use wavetank::id::OperationId;
use wavetank::trace::{Event, Names, TraceFile, json, text};

#[test]
fn executions_tells_the_twins_apart() {
    judge_twins("executions", judge_executions);
}

#[test]
fn effects_tells_the_twins_apart() {
    judge_twins("effects", judge_effects);
}

#[test]
fn the_twins_are_read_and_written_alike() {
    for path in histories("executions")
        .into_iter()
        .chain(histories("effects"))
    {
        let file = fs::read_to_string(&path).unwrap();
        let trace = read(&path);
        assert_eq!(json::write(&trace), file, "{}", path.display());
        let names = Names(&trace.header.hosts);
        for row in &trace.rows {
            let operation = row.operation.as_deref().unwrap();
            assert!(names.find_operation(operation).is_some());
            assert!(row.details.starts_with(operation), "{}", path.display());
        }
    }
}

#[test]
fn a_retransmitted_extend_breaks_executions_but_not_effects_and_a_cancel_breaks_both() {
    let extend = read(&root(
        "tests/histories/effects/ok-retransmitted-extend.jsonl",
    ));
    assert_eq!(judge_executions(&extend).name(), "violated");
    assert_eq!(judge_effects(&extend).name(), "valid");
    let cancel = read(&root(
        "tests/histories/effects/bad-retransmitted-cancel.jsonl",
    ));
    assert_eq!(judge_executions(&cancel).name(), "violated");
    assert_eq!(judge_effects(&cancel).name(), "violated");
}

#[test]
fn every_word_of_a_trace_is_documented() {
    let document = document();
    for (word, meaning) in Event::WORDS {
        let row = format!("| `{word}` | {meaning}");
        assert!(document.contains(&row), "docs/trace.md lacks: {row}");
    }
    let table = document.split("## Words").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(
        rows.count(),
        Event::WORDS.len(),
        "docs/trace.md has a word too many"
    );
}

#[test]
fn the_worked_example_is_what_is_printed() {
    let trace = read(&root(
        "tests/histories/effects/bad-retransmitted-cancel.jsonl",
    ));
    let shown: String = text::write(&trace)
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    assert!(
        document().contains(&shown),
        "docs/trace.md shows another example than:\n{shown}"
    );
}

fn judge_twins(property: &str, judge: impl Fn(&TraceFile) -> Verdict) {
    let (mut ok, mut bad) = (0, 0);
    for path in histories(property) {
        let trace = read(&path);
        let verdict = judge(&trace);
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("ok-") {
            ok += 1;
            assert_eq!(verdict, Verdict::Valid, "{name}");
        } else {
            bad += 1;
            assert!(name.starts_with("bad-"), "{name}");
            let evidence = trace.header.comment.expect("a bad history has a comment");
            assert_eq!(verdict, Verdict::Violated(evidence), "{name}");
        }
    }
    assert!(ok >= 3 && bad >= 3, "{property}: {ok} ok, {bad} bad");
}

fn judge_executions(trace: &TraceFile) -> Verdict {
    let (runs, told) = executions::from_trace(trace);
    executions::judge(&runs, &told, Names(&trace.header.hosts))
}

fn judge_effects(trace: &TraceFile) -> Verdict {
    let (applied, told, asked) = effects::from_trace(trace);
    let mut desk = Desk::after_setup();
    let mut spec = |_: Time, operation: OperationId, request: &str| {
        let reply = desk.serve(request);
        vec![(operation, reply)]
    };
    let names = Names(&trace.header.hosts);
    effects::judge(&applied, &told, &asked, &mut spec, names)
}

/// A naive booking desk for one room.
#[derive(Default)]
struct Desk {
    bookings: BTreeMap<String, Booking>,
    confirmations: u32,
}

struct Booking {
    minutes: u32,
    extension: u32,
    is_cancelled: bool,
}

impl Desk {
    /// With the booking CONF000001 of one hour.
    fn after_setup() -> Self {
        let mut desk = Self::default();
        desk.serve("book A 60");
        desk
    }

    fn serve(&mut self, request: &str) -> String {
        let words: Vec<&str> = request.split(' ').collect();
        match words[..] {
            ["book", _, minutes] => self.book(minutes.parse().unwrap()),
            ["extend", id, minutes] => self.extend(id, minutes.parse().unwrap()).to_owned(),
            ["cancel", id] => self.cancel(id).to_owned(),
            ["query", _] => self.query(),
            _ => panic!("`{request}` is no command of this desk"),
        }
    }

    fn book(&mut self, minutes: u32) -> String {
        self.confirmations += 1;
        let id = format!("CONF{:06}", self.confirmations);
        let booking = Booking {
            minutes,
            extension: 0,
            is_cancelled: false,
        };
        self.bookings.insert(id.clone(), booking);
        id
    }

    /// Sets the extension and does not add to it: idempotent.
    fn extend(&mut self, id: &str, minutes: u32) -> &'static str {
        match self.bookings.get_mut(id) {
            None => "no such booking",
            Some(booking) if booking.is_cancelled => "booking is cancelled",
            Some(booking) => {
                booking.extension = minutes;
                "extended"
            }
        }
    }

    fn cancel(&mut self, id: &str) -> &'static str {
        match self.bookings.get_mut(id) {
            None => "no such booking",
            Some(booking) if booking.is_cancelled => "already cancelled",
            Some(booking) => {
                booking.is_cancelled = true;
                "cancelled"
            }
        }
    }

    fn query(&self) -> String {
        let living: Vec<&Booking> = self
            .bookings
            .values()
            .filter(|booking| !booking.is_cancelled)
            .collect();
        let minutes: u32 = living.iter().map(|b| b.minutes + b.extension).sum();
        let word = if living.len() == 1 {
            "booking"
        } else {
            "bookings"
        };
        format!("{} {word}, {minutes} minutes", living.len())
    }
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn histories(property: &str) -> Vec<PathBuf> {
    let folder = root("tests/histories").join(property);
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> TraceFile {
    let text = fs::read_to_string(path).unwrap();
    json::read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn document() -> String {
    fs::read_to_string(root("docs/trace.md")).unwrap()
}
