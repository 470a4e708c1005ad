//! `wavetank compare`: the variants of one scenario over the same range of seeds, in numbers.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use comfy_table::{LineStyle, TableStyle};

use crate::cli::choice::{Choice, Plan};
use crate::cli::coverage::coverage;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::out;
use crate::cli::proportion::Proportion;
use crate::cli::run::Format;
use crate::cli::table::{counted, paragraph, table, text};
use crate::cli::verdicts::ran;
use crate::seed::Seed;
use crate::sim::compare::{CompareError, Comparison, Statistics, over};
use crate::sim::report;
use crate::trace::Detail;

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  wavetank compare FILE --seeds 0..2000
  wavetank compare FILE --seeds 0..2000 --set network.loss=0.2 --format json

Only the clients' operations are counted, not their setup. Latency is the virtual time from the
invocation of an operation to its end, of those that ended ok or failed; percentiles are of the nearest
rank. After a percentage of runs stands its 95 % interval (Wilson 1927).";

/// How often progress is shown over all runs.
const PROGRESS_STEPS: u64 = 100;

/// Options of `wavetank compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A scenario file.
    file: PathBuf,
    /// The seeds from A to B, without B.
    #[arg(long, value_name = "A..B", value_parser = parse_seeds)]
    seeds: Range<u64>,
    #[command(flatten)]
    choice: Choice,
    /// How many threads work on it; all cores unless given. The result is the same.
    #[arg(long, value_name = "N", value_parser = parse_jobs)]
    jobs: Option<usize>,
    /// How to print the numbers.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

pub(crate) fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let seeds = text.split_once("..").and_then(|(from, to)| {
        let seeds = from.trim().parse().ok()?..to.trim().parse().ok()?;
        (seeds.start < seeds.end).then_some(seeds)
    });
    seeds.ok_or_else(|| "expected A..B, two numbers with A < B, as in 0..2000".to_owned())
}

pub(crate) fn parse_jobs(text: &str) -> Result<usize, String> {
    let jobs = text.parse().ok().filter(|&jobs| jobs > 0);
    jobs.ok_or_else(|| "expected a number of threads, at least 1".to_owned())
}

/// Runs every variant over the seeds, and prints what came out.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.file.is_dir() {
        let file = arguments.file.display();
        let message = format!("{file}: is a directory; compare takes one scenario file");
        return Err(UsageError(message).into());
    }
    let paths = std::slice::from_ref(&arguments.file);
    let plans = arguments.choice.plan(paths, None)?.plans;
    let plan = plans.first().context("one file is one plan")?;
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.jobs.unwrap_or_default())
        .build()
        .context("threads cannot be started")?;
    let comparison = threads.install(|| compare(plan, arguments))?;
    let text = match arguments.format {
        Format::Text => told(&comparison, plan, &arguments.choice),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&comparison)?),
    };
    out::print(&text)?;
    Ok(Exit::Held)
}

fn compare(plan: &Plan, arguments: &Arguments) -> anyhow::Result<Comparison> {
    let Range { start, end } = arguments.seeds;
    let progress = Progress::new((end - start).saturating_mul(plan.runs.len() as u64));
    let mut variants = Vec::new();
    for (variant, backend) in &plan.runs {
        let done = || progress.step();
        let statistics = over(variant, start..end, *backend, &done).map_err(|error| {
            let CompareError::Panicked { seed } = error;
            let replay = arguments.choice.replay(&plan.path, &variant.name, seed);
            anyhow::anyhow!("internal error: {error}; replay: {replay}")
        })?;
        if statistics.setup_failed == statistics.runs {
            let name = &variant.name;
            let error = report::run(variant, Seed(start), *backend, Detail::Checks).err();
            let error = error.map_or_else(String::new, |error| format!(": {error}"));
            let message = format!("{}: variant `{name}`, seed {start}{error}", plan.path);
            return Err(UsageError(message).into());
        }
        variants.push((variant.name.clone(), statistics));
    }
    progress.end();
    Ok(Comparison {
        scenario: plan.scenario.name.clone(),
        seeds: [start.to_string(), end.to_string()],
        variants,
    })
}

/// Progress on stderr, if somebody may be looking.
struct Progress {
    is_shown: bool,
    done: AtomicU64,
    all: u64,
}

impl Progress {
    fn new(all: u64) -> Self {
        Self {
            is_shown: std::io::stderr().is_terminal(),
            done: AtomicU64::new(0),
            all,
        }
    }

    fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.is_shown && done.is_multiple_of((self.all / PROGRESS_STEPS).max(1)) {
            // Nobody depends on progress: if it cannot be shown, it is not.
            let _ = write!(out::stderr(), "\r{done} of {} runs", self.all);
        }
    }

    /// Wipes the line.
    fn end(&self) {
        if self.is_shown {
            let _ = write!(out::stderr(), "\r\x1b[K");
        }
    }
}

/// The comparison as text.
fn told(comparison: &Comparison, plan: &Plan, choice: &Choice) -> String {
    let [from, to] = &comparison.seeds;
    let runs = comparison
        .variants
        .first()
        .map_or(0, |(_, first)| first.runs);
    let runs = counted(runs, "run");
    let mut out = format!(
        "{}  (seeds {from}..{to}, {runs} of each variant)\n",
        comparison.scenario
    );
    out.push_str(&paragraph("  ", &plan.scenario.story));
    out.push('\n');
    out.push_str(&rows(comparison));
    let coverages = comparison.variants.iter();
    let coverages: Vec<_> = coverages
        .map(|(name, statistics)| (name.as_str(), &statistics.coverage))
        .collect();
    let coverages = coverage(&coverages);
    if !coverages.is_empty() {
        out.push('\n');
        out.push_str(&coverages);
    }
    for (name, statistics) in &comparison.variants {
        for (check, runs) in &statistics.violated {
            if let Some(seed) = runs.example {
                let replay = choice.replay(&plan.path, name, seed);
                out.push_str(&format!(
                    "\n{name}: {check} violated, for example:\n  {replay}\n"
                ));
            }
        }
        for (check, runs) in &statistics.unknown {
            let count = counted(runs.count, "run");
            out.push_str(&format!("\n{name}: {check} could not be judged in {count}"));
            if let Some(seed) = runs.example {
                let replay = choice.replay(&plan.path, name, seed);
                out.push_str(&format!(", for example:\n  {replay}"));
            }
            out.push('\n');
        }
    }
    out
}

fn rows(comparison: &Comparison) -> String {
    let columns = [
        ("variant", 15),
        ("outcomes", 20),
        ("requests", 16),
        ("messages", 16),
        ("latency ms", 12),
        ("violated", 19),
    ];
    let line = |fill| LineStyle::none().fill(fill).junction(fill);
    let style = TableStyle::new()
        .header_separator(line('-'))
        .row_separator(line('-'));
    let mut table = table(style, &columns);
    for (name, statistics) in &comparison.variants {
        table.add_row(row(name, statistics));
    }
    text(&table)
}

fn row(name: &str, statistics: &Statistics) -> Vec<String> {
    let messages = &statistics.messages;
    let latency = &statistics.latency_ms;
    let ms = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
    vec![
        name.to_owned(),
        operations(statistics),
        lines(
            statistics
                .executions
                .iter()
                .map(|(&times, count)| format!("{count} {}", ran(times))),
        ),
        lines([
            format!("{} sent", messages.sent),
            format!("{} lost", messages.lost),
            format!("{} duplicated", messages.duplicated),
            format!("{} resent", statistics.retransmissions),
        ]),
        lines([
            format!("p50 {}", ms(latency.percentile(50))),
            format!("p99 {}", ms(latency.percentile(99))),
            format!("max {}", ms(latency.max())),
        ]),
        violated(statistics),
    ]
}

/// A line for each verb, and one for each way in which its operations ended.
fn operations(statistics: &Statistics) -> String {
    lines(statistics.operations.iter().flat_map(|(label, outcomes)| {
        let kinds = [
            (outcomes.ok, "ok"),
            (outcomes.failed, "failed"),
            (outcomes.unknown, "unknown"),
        ];
        let told = kinds.into_iter().filter(|(count, _)| *count > 0);
        told.map(move |(count, kind)| format!("{label} {count} {kind}"))
    }))
}

/// A line for each check: in how many runs it was violated, with the interval in the next line.
fn violated(statistics: &Statistics) -> String {
    lines(statistics.violated.iter().flat_map(|(check, runs)| {
        let part = Proportion::of(runs.count, statistics.runs);
        let [observed, low, high] = [part.observed, part.low, part.high].map(|part| 100.0 * part);
        [
            format!("{check} {observed:.1} %"),
            format!("  ({low:.1} .. {high:.1})"),
        ]
    }))
}

fn lines(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().collect();
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_half_open_range() {
        assert_eq!(parse_seeds("0..2000"), Ok(0..2000));
        let last = format!("{}..{}", u64::MAX - 1, u64::MAX);
        assert_eq!(parse_seeds(&last), Ok(u64::MAX - 1..u64::MAX));
        for wrong in ["", "5", "5..5", "6..5", "-1..5", "0..", "0..=5", "a..b"] {
            assert!(parse_seeds(wrong).is_err(), "{wrong}");
        }
        assert!(parse_jobs("0").is_err());
    }
}
