//! `wavetank run`: scenarios at their seeds, and whether their expectations hold.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::broken;
use crate::cli::choice::{Choice, Plan, Plans};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::judged::{self, Judged, RunJson, Standing};
use crate::cli::out;
use crate::cli::table::counted;
use crate::cli::verdicts;
use crate::history::{self, plume};
use crate::services::words::Words;
use crate::sim::causal;
use crate::sim::twice::{Difference, Telling};
use crate::trace::{Detail, Names, TraceFile, json, text};

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  wavetank run sims                              every scenario
  wavetank run sims/booking --variant maybe      one variant of each scenario of a directory
  wavetank run FILE --seed 8                     another storm
  wavetank run FILE --set network.loss=0.2       a rougher one
  wavetank run FILE --trace text                 traces on stdout, the table on stderr
  wavetank run FILE --variant NAME --trace history > FILE.jsonl
                                                 what `wavetank check` reads
  wavetank run sims --twice                      is each run the same the second time?

Exit codes: 0 all expectations held, 1 one was broken, 2 usage or a mistake in a scenario, 3 a run was
not the same the second time (--twice), 4 I/O or internal error, 5 a verdict is unknown.";

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
    /// Do each run a second time, and compare traces, verdicts and histories to the byte.
    #[arg(long)]
    twice: bool,
    /// Print the trace of each run on stdout, or only its history, and the table on stderr.
    #[arg(long, value_name = "FORMAT")]
    trace: Option<TraceFormat>,
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

/// What to print of a run, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum TraceFormat {
    /// The trace, for people.
    Text,
    /// The trace as JSON lines.
    Json,
    /// What clients invoked and were told, as JSON lines.
    History,
    /// The same of a store in the text format of Plume, a line for each read and write of a key.
    Plume,
}

/// Runs scenarios, prints what came out, and says whether it was expected.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let plans = arguments.choice.plan(&arguments.paths, arguments.seed)?;
    if arguments.trace == Some(TraceFormat::Plume) {
        only_stores(&plans)?;
    }
    run_all(arguments, &plans, &mut out::stdout(), &mut out::stderr())
}

/// Refuses services without reads and writes of keys.
fn only_stores(plans: &Plans) -> Result<(), UsageError> {
    let mut variants = plans.plans.iter().flat_map(|plan| &plan.runs);
    match variants.find(|(variant, _)| !variant.application.is_store()) {
        None => Ok(()),
        Some((variant, _)) => Err(UsageError(format!(
            "--trace plume: {} has no reads and writes of keys; write --trace history",
            variant.application.name()
        ))),
    }
}

fn run_all(
    arguments: &Arguments,
    plans: &Plans,
    stdout: &mut impl Write,
    stderr: &mut impl Write,
) -> anyhow::Result<Exit> {
    for skipped in &plans.skipped {
        writeln!(stderr, "skipped {skipped}")?;
    }
    let mut told = Told::default();
    for plan in &plans.plans {
        let runs = judge(plan)?;
        for run in &runs {
            if let (Some(format), Some(done)) = (arguments.trace, &run.told) {
                let mut trace = done.trace.clone();
                let overrides = arguments.choice.overrides_as_options();
                trace.header.command.push_str(&overrides);
                match format {
                    TraceFormat::Text => told.write_text(stdout, &trace)?,
                    TraceFormat::Json => stdout.write_all(json::write(&trace).as_bytes())?,
                    TraceFormat::History => stdout.write_all(history(run, done).as_bytes())?,
                    TraceFormat::Plume => {
                        let run = causal::sessions(&run.variant, &done.report.run, Detail::Trace);
                        stdout.write_all(plume::write(&run).as_bytes())?;
                    }
                }
            }
        }
        told.add(plan, &runs);
        if arguments.format == Format::Text {
            let block = format!("{}\n", verdicts::block(&plan.scenario, &runs));
            arguments
                .verdicts(stdout, stderr)
                .write_all(block.as_bytes())?;
        }
        stdout.flush()?;
        for run in &runs {
            if let Some(account) = broken::account(plan, run, &arguments.replay(plan, run)) {
                writeln!(stderr, "{account}")?;
            }
        }
        if arguments.twice {
            let again = judge(plan)?;
            for (run, again) in runs.iter().zip(&again) {
                if let Some(difference) = first_difference(plan, run, again) {
                    told.otherwise += 1;
                    let names = (plan.scenario.name.as_str(), run.variant.name.as_str());
                    let which = (names.0, names.1, plan.scenario.seed.0);
                    let head = broken::nondeterminism(which, "the second run was not the same");
                    let replay = arguments.replay(plan, run);
                    writeln!(stderr, "{head}{difference}\n  replay  {replay}\n")?;
                }
            }
        }
    }
    let last = match arguments.format {
        Format::Text => verdicts::summary(plans.plans.len(), &told.standings),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&told.json)?),
    };
    arguments
        .verdicts(stdout, stderr)
        .write_all(last.as_bytes())?;
    if arguments.twice {
        match arguments.format {
            Format::Text => arguments.verdicts(stdout, stderr),
            Format::Json => stderr,
        }
        .write_all(told.twice().as_bytes())?;
    }
    stdout.flush()?;
    if told.otherwise > 0 {
        return Ok(Exit::Nondeterminism);
    }
    let worst = told.standings.iter().map(|(standing, _)| *standing).max();
    Ok(worst.unwrap_or(Standing::Held).into())
}

/// Where two runs of one variant part; a panic is told as one line.
fn first_difference(plan: &Plan, first: &Judged, second: &Judged) -> Option<Difference> {
    let telling = |run: &Judged| match &run.told {
        Some(told) => {
            let scenario = &plan.scenario;
            Telling::of(scenario, &run.variant, scenario.seed, &told.report)
        }
        None => Telling::untold("the run panicked"),
    };
    telling(first).first_difference(&telling(second))
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
    /// Where verdicts go: to stdout, unless traces stand there.
    fn verdicts<'a>(
        &self,
        stdout: &'a mut dyn Write,
        stderr: &'a mut dyn Write,
    ) -> &'a mut dyn Write {
        match self.trace {
            Some(_) => stderr,
            None => stdout,
        }
    }

    /// The command that repeats this run.
    fn replay(&self, plan: &Plan, run: &Judged) -> String {
        let seed = plan.scenario.seed.0;
        self.choice.replay(&plan.path, &run.variant.name, seed)
    }
}

/// What has been told so far.
#[derive(Debug, Default)]
struct Told {
    traces: usize,
    standings: Vec<(Standing, usize)>,
    json: Vec<RunJson>,
    /// Runs that were not the same the second time.
    otherwise: u64,
}

impl Told {
    fn add(&mut self, plan: &Plan, runs: &[Judged]) {
        for run in runs {
            self.standings.push((run.standing(), run.broken_count()));
            self.json.push(run.to_json(&plan.scenario));
        }
    }

    /// What doing each run twice has shown.
    fn twice(&self) -> String {
        let runs = counted(self.standings.len() as u64, "run");
        match self.otherwise {
            0 => format!("{runs} done twice: all were the same, to the byte\n"),
            some => format!("{runs} done twice: {some} not the same\n"),
        }
    }

    /// Writes a trace; an empty line stands between two.
    fn write_text(&mut self, stdout: &mut impl Write, trace: &TraceFile) -> std::io::Result<()> {
        self.traces += 1;
        let before = if self.traces > 1 { "\n" } else { "" };
        write!(stdout, "{before}{}", text::write(trace))
    }
}

/// The history of a run as JSON lines; that of a store as the checks of causality read it.
fn history(run: &Judged, done: &judged::Told) -> String {
    let application = &run.variant.application;
    let words = Words(application.clone());
    let entries = done.report.run.history.entries();
    let names = Names(&done.report.run.names);
    let records = if application.is_store() {
        let access = |request: &[u8], reply: Option<&[u8]>| application.access(request, reply);
        history::json::records_of_store(&entries, names, &words, &access)
    } else {
        history::json::records(&entries, names, &words)
    };
    history::json::write(&records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::moody;
    use crate::sim::scenario::Backend;

    /// How a scenario ends that is run twice, and what is printed of it.
    fn twice(service: &str, rest: &str) -> (Exit, String, String) {
        let arguments = Arguments {
            paths: Vec::new(),
            seed: None,
            choice: Choice::default(),
            twice: true,
            trace: None,
            format: Format::Text,
        };
        let scenario = moody::scenario(service, rest);
        let variants = scenario.variants.iter();
        let runs = variants.map(|variant| (variant.clone(), Backend::Event));
        let plan = Plan {
            path: "x.toml".to_owned(),
            runs: runs.collect(),
            scenario,
        };
        let plans = Plans {
            plans: vec![plan],
            skipped: Vec::new(),
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let exit = run_all(&arguments, &plans, &mut stdout, &mut stderr).expect("it runs");
        let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).expect("UTF-8"));
        (exit, stdout, stderr)
    }

    #[test]
    fn a_run_that_is_not_the_same_the_second_time_ends_with_3() {
        let (exit, stdout, stderr) = twice("moody", "[clients]\nalice = [\"ask\"]\n");
        assert_eq!(exit, Exit::Nondeterminism);
        assert!(
            stdout.ends_with("1 run done twice: 1 not the same\n"),
            "{stdout}"
        );
        let lines: Vec<&str> = stderr.lines().collect();
        let [head, which, first, second, replay, ""] = lines[..] else {
            panic!("{stderr}");
        };
        assert_eq!(
            head,
            "NONDETERMINISM: x, variant default, seed 7: the second run was not the same"
        );
        assert_eq!(which, "the first line that differs is line 6 of the trace:");
        assert!(
            first.contains("server  execute") && first != second,
            "{stderr}"
        );
        assert_eq!(
            replay,
            "  replay  wavetank run x.toml --variant default --seed 7 --trace text"
        );
    }

    #[test]
    fn a_run_that_is_the_same_the_second_time_is_told_so() {
        let query = "[clients]\nalice = [\"query 'Meeting Room A' mon\"]\n";
        let (exit, stdout, stderr) = twice("booking", query);
        assert_eq!((exit, stderr.as_str()), (Exit::Held, ""));
        assert!(
            stdout.ends_with("1 run done twice: all were the same, to the byte\n"),
            "{stdout}"
        );
    }
}
