//! `wavetank check`: whether a recorded history is what a service of some kind may do.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use anyhow::anyhow;
use clap::ValueEnum;
use serde::Serialize;

use crate::check::exclusion::{self, written::Written};
use crate::check::{Verdict, atomicity, causal, kv, register};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::out;
use crate::cli::run::Format;
use crate::cli::table::{counted, paragraph};
use crate::history::recorded::{Mistake, Recorded};
use crate::history::{OutcomeKind, sessions};
use crate::trace::Names;

/// What stands below the options.
const EXAMPLES: &str = "\
Models:
  register  one value: read, write, cas [old new]
  kv        values by key: read (get), write (put), cas, append, with values [key value]
  causal    reads and writes by key, every value of a key written once: causal consistency (CC), causal
            convergence (CCv), causal memory (CM: told, and nothing hangs on it), session guarantees
  exclusion the steps of a lock server, not a history of its clients: grants with leases and fencing
            tokens exclude each other, and what they guard appears whole
  atomicity transactions as they stand in the end, not a history either: each is taken by all of its
            participants or by none, as was decided once, and its client was told that

Examples:
  wavetank check register history.edn            Jepsen's history of one register
  wavetank check kv history.jsonl --format json  JSON lines, for programs
  lein run test | wavetank check register -      the log lines of jepsen.util, from stdin
  wavetank check causal history.plume            lines such as w(1,1,0,0), Plume's text format

A history is JSON lines, EDN maps or log lines of jepsen.util; for causal, Plume's lines as well; steps
and transactions are JSON lines: docs/checking.md shows each.

Exit codes: 0 valid, 1 violated, 2 usage or a history that cannot be understood, 4 I/O error,
5 unknown.";

/// Steps of a search that take some ten seconds, unless a machine is slow.
const STEPS_USUAL: u64 = 50_000_000;

/// What is told, and nothing hangs on it: no store of this crate promises it.
const ONLY_TOLD: &str = "CM";

/// What some editors put before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What to do with a trace.
const TRACE: &str = "this is a trace and no history; `wavetank run FILE --variant NAME --trace history` \
                     prints the history of a run";

/// Stands for stdin.
const STDIN: &str = "-";

/// Options of `wavetank check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// What the service promises to be.
    model: Model,
    /// The file of the history; `-` is stdin.
    history: String,
    /// How to print the verdict.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Give up after so many steps of the search: by default after some ten seconds.
    #[arg(long, value_name = "STEPS", default_value_t = STEPS_USUAL)]
    budget: u64,
}

/// What a history is judged by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Model {
    /// One value.
    Register,
    /// Values by key.
    Kv,
    /// Values by key, in several places.
    Causal,
    /// Locks, and files that they guard.
    Exclusion,
    /// Transactions, and those who take part in them.
    Atomicity,
}

/// A verdict in JSON.
#[derive(Serialize)]
struct VerdictJson<'a> {
    verdict: &'a str,
    evidence: &'a str,
}

/// Judges a history and prints the verdicts.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let (name, text) = arguments.read()?;
    if is_trace(&text) {
        return Err(UsageError(format!("{name}: {TRACE}")).into());
    }
    let (judged, verdicts) = judge(arguments.model, &text, arguments.budget)
        .map_err(|mistake| UsageError(format!("{name}:{mistake}")))?;
    let printed = match arguments.format {
        Format::Text => in_words(arguments.model, &name, &judged, &verdicts),
        Format::Json => in_json(&verdicts)?,
    };
    out::print(&printed)?;
    Ok(exit(&verdicts))
}

/// Whether this is what `wavetank run --trace` prints, as text or as JSON lines.
fn is_trace(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.starts_with("{\"wavetank\":\"trace\"")
        || first.starts_with("# ") && first.contains(" · seed ")
}

/// Who called, and how it ended, call by call.
type Calls = Vec<(u64, OutcomeKind)>;

/// The properties that a model stands for, each with its verdict.
type Verdicts = Vec<(&'static str, Verdict)>;

/// What is in a history, and what is to be said of it; or what is wrong with its text, and where.
fn judge(model: Model, text: &str, budget: u64) -> Result<(String, Verdicts), Mistake> {
    if model == Model::Exclusion {
        let Written { names, steps } = Written::read(text)?;
        let judged = format!(
            "{} by {}",
            counted(steps.len() as u64, "step"),
            counted(names.len() as u64, "client")
        );
        let verdict = exclusion::judge(&steps, Names(&names));
        return Ok((judged, vec![("exclusion", verdict)]));
    }
    if model == Model::Atomicity {
        let transactions = atomicity::written::read(text)?;
        let participants = transactions.iter().flat_map(|it| &it.participants);
        let names: BTreeSet<&str> = participants.map(|it| it.name.as_str()).collect();
        let judged = format!(
            "{} of {}",
            counted(transactions.len() as u64, "transaction"),
            counted(names.len() as u64, "participant")
        );
        let verdict = atomicity::judge(&transactions);
        return Ok((judged, vec![("atomicity", verdict)]));
    }
    if model == Model::Causal {
        let history = sessions::read(text)?;
        let verdicts = causal::judge_all(&causal::History::new(&history), budget);
        let calls = (0..)
            .zip(&history.sessions)
            .flat_map(|(session, accesses)| {
                accesses.iter().map(move |access| (session, access.outcome))
            });
        return Ok((calls_in_words(&calls.collect()), verdicts));
    }
    let recorded = Recorded::read(text)?;
    let (verdict, _) = match model {
        Model::Register => register::judge(&recorded, budget)?,
        _ => kv::judge(&recorded, budget)?,
    };
    let calls = recorded
        .calls
        .iter()
        .map(|call| (call.process, call.outcome));
    let calls = calls_in_words(&calls.collect());
    Ok((calls, vec![("linearizable", verdict)]))
}

/// A violation decides; without one, what could not be judged.
fn exit(verdicts: &[(&str, Verdict)]) -> Exit {
    let judged = verdicts.iter().filter(|(check, _)| *check != ONLY_TOLD);
    let exits = judged.map(|(_, verdict)| match verdict {
        Verdict::Valid => (0, Exit::Held),
        Verdict::Unknown(_) => (1, Exit::Unknown),
        Verdict::Violated(_) => (2, Exit::Broken),
    });
    exits.max().map_or(Exit::Held, |(_, exit)| exit)
}

/// How many calls there are, and how they ended.
fn calls_in_words(calls: &Calls) -> String {
    let mut counts: BTreeMap<OutcomeKind, u64> = BTreeMap::new();
    let mut processes: Vec<u64> = Vec::new();
    for &(process, outcome) in calls {
        *counts.entry(outcome).or_default() += 1;
        processes.push(process);
    }
    processes.sort_unstable();
    processes.dedup();
    let outcomes: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{count} {}", kind.name()))
        .collect();
    format!(
        "{} by {}: {}",
        counted(calls.len() as u64, "call"),
        match processes.len() {
            1 => "1 process".to_owned(),
            count => format!("{count} processes"),
        },
        outcomes.join(", ")
    )
}

fn in_words(model: Model, name: &str, judged: &str, verdicts: &[(&str, Verdict)]) -> String {
    let model = model.to_possible_value().expect("no model is hidden");
    let mut text = format!("{name}  ({})\n  {judged}\n\n", model.get_name());
    let width = verdicts.iter().map(|(check, _)| check.len()).max();
    let width = width.unwrap_or_default();
    for (check, verdict) in verdicts {
        let first = format!("  {check:width$}  {}", verdict.name());
        match verdict.evidence() {
            "" => text.push_str(&format!("{first}\n")),
            evidence => text.push_str(&paragraph(&format!("{first}: "), evidence)),
        }
    }
    text
}

fn in_json(verdicts: &[(&str, Verdict)]) -> serde_json::Result<String> {
    let verdicts: BTreeMap<&str, VerdictJson<'_>> = verdicts
        .iter()
        .map(|(check, verdict)| {
            let (verdict, evidence) = (verdict.name(), verdict.evidence());
            (*check, VerdictJson { verdict, evidence })
        })
        .collect();
    Ok(format!("{}\n", serde_json::to_string_pretty(&verdicts)?))
}

impl Arguments {
    /// The history's name and text.
    fn read(&self) -> anyhow::Result<(String, String)> {
        let (name, read) = if self.history == STDIN {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            ("stdin".to_owned(), read.map(|_| bytes))
        } else {
            (self.history.clone(), std::fs::read(&self.history))
        };
        let bytes = read.map_err(|error| anyhow!("{name}: cannot be read: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let before = &error.as_bytes()[..valid];
            let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
            UsageError(format!("{name}:{line}: not UTF-8 here"))
        })?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
        Ok((name, text.to_owned()))
    }
}
