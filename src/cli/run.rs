//! `wavetank run`: scenarios at their seeds, and whether their expectations hold.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::broken;
use crate::cli::choice::{Choice, Plan};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::judged::{Judged, RunJson, Standing};
use crate::cli::out;
use crate::cli::verdicts;
use crate::trace::{TraceFile, json, text};

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  wavetank run sims                              every scenario
  wavetank run sims/booking --variant maybe      one variant of each scenario of a directory
  wavetank run FILE --seed 8                     another storm
  wavetank run FILE --set network.loss=0.2       a rougher one
  wavetank run FILE --trace text                 traces on stdout, the table on stderr

Exit codes: 0 all expectations held, 1 one was broken, 2 usage or a mistake in a scenario,
4 I/O or internal error, 5 a verdict is unknown.";

/// Options of `wavetank run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Scenario files, or directories in which all *.toml files are scenarios.
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Run at this seed and not at those of the files.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    choice: Choice,
    /// Print the trace of each run on stdout, and the table on stderr.
    #[arg(long, value_name = "FORMAT")]
    trace: Option<Format>,
    /// How to print the verdicts.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// How to print something: as text for people, or as JSON for programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Runs scenarios, prints what came out, and says whether it was expected.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let plans = arguments.choice.plan(&arguments.paths, arguments.seed)?;
    let mut stdout = out::stdout();
    for skipped in &plans.skipped {
        writeln!(out::stderr(), "skipped {skipped}")?;
    }
    let mut told = Told::default();
    for plan in &plans.plans {
        let runs = judge(plan)?;
        for run in &runs {
            if let (Some(format), Some(done)) = (arguments.trace, &run.told) {
                let mut trace = done.trace.clone();
                let overrides = arguments.choice.overrides_as_options();
                trace.header.command.push_str(&overrides);
                told.write_trace(&mut stdout, &trace, format)?;
            }
        }
        told.add(plan, &runs);
        if arguments.format == Format::Text {
            let block = format!("{}\n", verdicts::block(&plan.scenario, &runs));
            arguments.write_verdicts(&mut stdout, &block)?;
        }
        stdout.flush()?;
        for run in &runs {
            let variant = &run.variant.name;
            let seed = plan.scenario.seed.0;
            let replay = arguments.choice.replay(&plan.path, variant, seed);
            if let Some(account) = broken::account(plan, run, &replay) {
                writeln!(out::stderr(), "{account}")?;
            }
        }
    }
    let last = match arguments.format {
        Format::Text => verdicts::summary(plans.plans.len(), &told.standings),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&told.json)?),
    };
    arguments.write_verdicts(&mut stdout, &last)?;
    stdout.flush()?;
    let worst = told.standings.iter().map(|(standing, _)| *standing).max();
    Ok(worst.unwrap_or(Standing::Held).into())
}

/// Runs all that is planned of a scenario.
fn judge(plan: &Plan) -> Result<Vec<Judged>, UsageError> {
    plan.runs
        .iter()
        .map(|(variant, backend)| {
            Judged::run(&plan.scenario, variant, *backend).map_err(|error| {
                let (path, name, seed) = (&plan.path, &variant.name, plan.scenario.seed.0);
                UsageError(format!("{path}: variant `{name}`, seed {seed}: {error}"))
            })
        })
        .collect()
}

impl Arguments {
    /// Writes verdicts: to stdout, unless traces stand there.
    fn write_verdicts(&self, stdout: &mut impl Write, text: &str) -> std::io::Result<()> {
        match self.trace {
            Some(_) => out::stderr().write_all(text.as_bytes()),
            None => stdout.write_all(text.as_bytes()),
        }
    }
}

/// What has been told so far.
#[derive(Debug, Default)]
struct Told {
    traces: usize,
    standings: Vec<(Standing, usize)>,
    json: Vec<RunJson>,
}

impl Told {
    fn add(&mut self, plan: &Plan, runs: &[Judged]) {
        for run in runs {
            self.standings.push((run.standing(), run.broken_count()));
            self.json.push(run.to_json(&plan.scenario));
        }
    }

    /// Writes a trace; an empty line stands between two texts.
    fn write_trace(
        &mut self,
        stdout: &mut impl Write,
        trace: &TraceFile,
        format: Format,
    ) -> std::io::Result<()> {
        self.traces += 1;
        match format {
            Format::Text => {
                let before = if self.traces > 1 { "\n" } else { "" };
                write!(stdout, "{before}{}", text::write(trace))
            }
            Format::Json => stdout.write_all(json::write(trace).as_bytes()),
        }
    }
}
