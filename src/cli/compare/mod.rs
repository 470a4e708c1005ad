//! `wavetank compare`: the variants of one scenario over the same range of seeds, in numbers.
//!
//! With `--sweep` it does so once for each value of a key, and `--plot` draws what came out.

mod causality;
mod decimal;
mod figures;
mod markdown;
mod measure;
mod notes;
mod plot;
mod plot_file;
mod scale;
mod svg;
mod sweep;
mod swept;
mod told;

use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;

use crate::cli::choice::{Choice, Plan};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::out;
use crate::sim::compare::Comparison;

use measure::{Progress, measure};
use plot_file::PlotFile;
use sweep::Sweep;
use swept::{Point, Swept};

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  wavetank compare FILE --seeds 0..2000
  wavetank compare FILE --seeds 0..2000 --set network.loss=0.2 --format json
  wavetank compare FILE --seeds 0..2000 --format markdown
  wavetank compare FILE --seeds 0..2000 --sweep loss=0,0.05..0.4 --plot loss.svg
  wavetank compare FILE --seeds 0..2000 --sweep semantics=maybe,at-most-once

Values of --sweep stand between commas. 0,0.05..0.4 goes from 0.05 to 0.4 in the step that leads from 0
to 0.05. KEY is one of --set; loss, duplication and delay_ms are short for network.loss,
network.duplication and network.delay_ms.fixed. Every value meets the same storms.

Only the clients' operations are counted, not their setup. Latency is the virtual time from the
invocation of an operation to its end, of those that ended ok or failed; percentiles are of the nearest
rank. After a percentage of runs stands its 95 % interval (Wilson 1927).";

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
    /// Compare at each of these values of a key, as in loss=0,0.05..0.4.
    #[arg(long, value_name = "KEY=VALUES", value_parser = sweep::parse)]
    sweep: Option<Sweep>,
    /// Draw what came out against the values of --sweep, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// How many threads work on it; all cores unless given. The result is the same.
    #[arg(long, value_name = "N", value_parser = parse_jobs)]
    jobs: Option<usize>,
    /// How to print the numbers.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// How to print numbers: as text for people, as a document for other people, or as JSON for programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Json,
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
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.jobs.unwrap_or_default())
        .build()
        .context("threads cannot be started")?;
    let text = match &arguments.sweep {
        Some(sweep) => swept(arguments, sweep, &threads)?,
        None => compared(arguments, &threads)?,
    };
    out::print(&text)?;
    Ok(Exit::Held)
}

/// The comparison as it is to be printed.
fn compared(arguments: &Arguments, threads: &rayon::ThreadPool) -> anyhow::Result<String> {
    if arguments.plot.is_some() {
        let message = "--plot draws against the values of a key; expected --sweep with it, as in \
                       --sweep loss=0,0.05..0.4";
        return Err(UsageError(message.to_owned()).into());
    }
    let plan = planned(arguments, &arguments.choice)?;
    let progress = Progress::new(runs(arguments, &plan));
    let seeds = &arguments.seeds;
    let measured = threads.install(|| measure(&plan, &arguments.choice, seeds, &progress))?;
    progress.end();
    let comparison = Comparison {
        scenario: plan.scenario.name.clone(),
        seeds: [seeds.start.to_string(), seeds.end.to_string()],
        variants: measured,
    };
    let notes = notes::of_comparison(&comparison, &plan, &arguments.choice);
    let story = &plan.scenario.story;
    Ok(match arguments.format {
        Format::Text => told::comparison(&comparison, story, &notes),
        Format::Markdown => markdown::comparison(&comparison, story, &notes),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&comparison)?),
    })
}

/// The comparison at each value as it is to be printed, drawn before that if it is to be.
fn swept(
    arguments: &Arguments,
    sweep: &Sweep,
    threads: &rayon::ThreadPool,
) -> anyhow::Result<String> {
    if arguments.plot.is_some() {
        plot::check(sweep)?;
    }
    let plans = swept::plans(sweep, &arguments.choice, |choice| {
        planned(arguments, choice)
    })?;
    // Before the work is done, so that it is not in vain.
    let plot = arguments.plot.as_deref().map(PlotFile::create);
    let plot = plot.transpose()?;
    let all = plans.iter().map(|(_, plan)| runs(arguments, plan));
    let progress = Progress::new(all.fold(0, u64::saturating_add));
    let seeds = &arguments.seeds;
    let mut points = Vec::new();
    for (value, (choice, plan)) in sweep.values.iter().zip(&plans) {
        let variants = threads
            .install(|| measure(plan, choice, seeds, &progress))
            .map_err(|error| swept::refused(&value.text, &sweep.key, error))?;
        points.push(Point {
            value: value.clone(),
            variants,
        });
    }
    progress.end();
    let (_, first) = plans.first().context("a sweep has at least one value")?;
    let swept = Swept::new(first.scenario.name.clone(), seeds, &sweep.key, points);
    if let Some(plot) = plot {
        plot.write(&plot::drawn(&swept))?;
    }
    let notes = notes::of_sweep(&swept, &plans);
    let story = &first.scenario.story;
    Ok(match arguments.format {
        Format::Text => told::swept(&swept, story, &notes),
        Format::Markdown => markdown::swept(&swept, story, &notes),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&swept)?),
    })
}

/// What is to be run of the scenario, under this choice.
fn planned(arguments: &Arguments, choice: &Choice) -> anyhow::Result<Plan> {
    let paths = std::slice::from_ref(&arguments.file);
    let plans = choice.plan(paths, None)?.plans;
    plans.into_iter().next().context("one file is one plan")
}

fn runs(arguments: &Arguments, plan: &Plan) -> u64 {
    let Range { start, end } = arguments.seeds;
    (end - start).saturating_mul(plan.runs.len() as u64)
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
