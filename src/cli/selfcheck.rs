//! `wavetank selfcheck`: every run in two processes and on both simulators, compared to the byte.
//!
//! The program starts itself twice, with `--tell`. Each of the two processes does every run on every
//! simulator and prints a line of JSON for each, with all that the run tells. Both are read side by
//! side, so that only one run of each has to be kept, and what differs is at hand.

use std::env::current_exe;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow, bail};
use comfy_table::presets;
use serde::{Deserialize, Serialize};

use crate::cli::broken;
use crate::cli::choice::{Choice, Plan};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::explore::watch::Watch;
use crate::cli::judged::Judged;
use crate::cli::out;
use crate::cli::table::{counted, table, text};
use crate::seed::fnv1a;
use crate::sim::explored::{hex, line};
use crate::sim::scenario::{Backend, Variant};
use crate::sim::twice::{Difference, Telling};

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  wavetank selfcheck                             every scenario of sims
  wavetank selfcheck FILE                        one scenario of your own

Each run is done four times, at the seed of its file: in two processes that are started for it, on
event and on turmoil in each. Traces, verdicts and histories must be the same, to the byte.

Exit codes: 0 all were the same, 2 usage or a mistake in a scenario, 3 two were not the same, 4 a process
or a run ended otherwise than it should.";

/// The directory that is checked unless another is named.
const USUAL: &str = "sims";

/// What the two processes are called.
const NAMES: [&str; 2] = ["process 1", "process 2"];

/// Options of `wavetank selfcheck`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Scenario files, or directories in which all *.toml files are scenarios; `sims` unless given.
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Be one of the processes: print what every run tells.
    #[arg(long, hide = true)]
    tell: bool,
}

/// A line of a process: what one run tells on one simulator.
#[derive(Deserialize, Serialize)]
struct Told {
    scenario: String,
    variant: String,
    backend: String,
    telling: Telling,
}

/// A scenario whose runs were all the same.
#[derive(Debug, Eq, PartialEq)]
struct Same {
    scenario: String,
    runs: usize,
    lines: usize,
    /// The simulators that every variant runs on.
    backends: Vec<Backend>,
    /// A hash of all that its runs tell.
    digest: String,
}

/// Two tellings of one run that are not the same, in words.
#[derive(Debug)]
struct Otherwise(String);

/// Checks scenarios, and prints what was compared.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let paths = arguments.paths()?;
    let plans = Choice::default().plan(&paths, None)?.plans;
    if arguments.tell {
        let mut stdout = out::stdout();
        tell(&plans, &mut stdout)?;
        stdout.flush()?;
        return Ok(Exit::Held);
    }
    for skipped in skipped(&plans) {
        out::note!("skipped {skipped}");
    }
    let watch = Watch::start();
    let program = current_exe().context("this program cannot find itself")?;
    let process = || {
        let mut command = Command::new(&program);
        command.args(["selfcheck", "--tell", "--"]).args(&paths);
        command
    };
    match compare(&plans, [process(), process()])? {
        Ok(same) => {
            out::print(&summary(&same))?;
            out::note!("done in {:.1} s", watch.passed().as_secs_f64());
            Ok(Exit::Held)
        }
        Err(Otherwise(told)) => {
            out::note!("{told}");
            Ok(Exit::Nondeterminism)
        }
    }
}

impl Arguments {
    fn paths(&self) -> Result<Vec<PathBuf>, UsageError> {
        if !self.paths.is_empty() {
            return Ok(self.paths.clone());
        }
        if Path::new(USUAL).is_dir() {
            return Ok(vec![USUAL.into()]);
        }
        Err(UsageError(format!(
            "selfcheck: there is no directory `{USUAL}` here; name the scenarios to check, as in \
             `wavetank selfcheck FILE`"
        )))
    }
}

/// A line for each variant and each simulator that it does not run on.
fn skipped(plans: &[Plan]) -> Vec<String> {
    let mut lines = Vec::new();
    for Plan { path, runs, .. } in plans {
        for (variant, _) in runs {
            let name = &variant.name;
            let others = Backend::ALL.into_iter();
            for other in others.filter(|other| !variant.backends.contains(other)) {
                let other = other.name();
                lines.push(format!("{path}: variant `{name}` does not run on {other}"));
            }
        }
    }
    lines
}

/// Does every run on every simulator, and prints what it tells.
fn tell(plans: &[Plan], to: &mut impl Write) -> anyhow::Result<()> {
    for Plan {
        path,
        scenario,
        runs,
    } in plans
    {
        for (variant, _) in runs {
            let name = &variant.name;
            for &backend in &variant.backends {
                let run = Judged::run(scenario, variant, backend);
                let run = run.map_err(|error| {
                    let seed = scenario.seed.0;
                    UsageError(format!("{path}: variant `{name}`, seed {seed}: {error}"))
                })?;
                let Some(told) = run.told else {
                    let (seed, backend) = (scenario.seed.0, backend.name());
                    bail!("{path}: variant `{name}`, seed {seed}, on {backend}: the run panicked");
                };
                let told = Told {
                    scenario: scenario.name.clone(),
                    variant: name.clone(),
                    backend: backend.name().to_owned(),
                    telling: Telling::of(scenario, variant, scenario.seed, &told.report),
                };
                to.write_all(line(&told).as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Compares all that two processes tell, up to the first difference.
fn compare(plans: &[Plan], commands: [Command; 2]) -> anyhow::Result<Result<Vec<Same>, Otherwise>> {
    let [first, second] = commands;
    let mut first = Process::start(NAMES[0], first)?;
    let mut second = Process::start(NAMES[1], second)?;
    let mut all = Vec::new();
    let progress = Progress::default();
    for plan in plans {
        progress.show(all.len(), plans.len(), &plan.scenario.name);
        match compare_scenario(plan, &mut first, &mut second)? {
            Ok(same) => all.push(same),
            Err(otherwise) => return Ok(Err(otherwise)),
        }
    }
    first.end()?;
    second.end()?;
    Ok(Ok(all))
}

fn compare_scenario(
    plan: &Plan,
    first: &mut Process,
    second: &mut Process,
) -> anyhow::Result<Result<Same, Otherwise>> {
    let mut same = Same {
        scenario: plan.scenario.name.clone(),
        runs: plan.runs.len(),
        lines: 0,
        backends: Backend::ALL.to_vec(),
        digest: String::new(),
    };
    let mut bytes = Vec::new();
    for (variant, _) in &plan.runs {
        same.backends.retain(|each| variant.backends.contains(each));
        let mut reference: Option<(Telling, Backend)> = None;
        for &backend in &variant.backends {
            let own = first.next(plan, variant, backend)?;
            let other = second.next(plan, variant, backend)?;
            let processes = own.first_difference(&other);
            let processes =
                processes.map(|found| (found, (NAMES[1], backend), (NAMES[0], backend)));
            let simulators = reference.as_ref().and_then(|(telling, on)| {
                let found = telling.first_difference(&own)?;
                Some((found, (NAMES[0], backend), (NAMES[0], *on)))
            });
            if let Some((difference, later, earlier)) = processes.or(simulators) {
                let who = [earlier, later];
                return Ok(Err(otherwise(plan, variant, who, &difference)));
            }
            if reference.is_none() {
                same.lines += own.lines();
                // The command names the file as this user wrote it: no part of the run.
                let lines = own
                    .trace
                    .lines()
                    .filter(|line| !line.starts_with("# wavetank "));
                lines.for_each(|line| bytes.extend([line.as_bytes(), b"\n"].concat()));
                bytes.extend(own.history.as_bytes());
                reference = Some((own, backend));
            }
        }
    }
    same.digest = hex(fnv1a(&bytes));
    Ok(Ok(same))
}

/// One of the two processes, under way.
struct Process {
    name: &'static str,
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Reads what it says on stderr, so that it never waits for a reader.
    stderr: Option<JoinHandle<String>>,
}

impl Process {
    fn start(name: &'static str, mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn();
        let mut child = child.with_context(|| format!("{name} cannot be started"))?;
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        let read = move || {
            let mut said = Vec::new();
            // What cannot be read is not told: the exit code is.
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).trim().to_owned()
        };
        Ok(Self {
            name,
            child,
            stdout: BufReader::new(stdout),
            stderr: Some(thread::spawn(read)),
        })
    }

    /// What the next run tells, which must be this one.
    fn next(
        &mut self,
        plan: &Plan,
        variant: &Variant,
        backend: Backend,
    ) -> anyhow::Result<Telling> {
        let line = self.line()?;
        let expected = (&plan.scenario.name, &variant.name, backend.name());
        match serde_json::from_str::<Told>(&line) {
            Ok(told) if (&told.scenario, &told.variant, told.backend.as_str()) == expected => {
                Ok(told.telling)
            }
            _ => {
                let (scenario, variant, backend) = expected;
                let run = format!("{scenario}, variant {variant}, on {backend}");
                Err(self.failed(&line, &run))
            }
        }
    }

    /// The end: nothing more is told, and the process says that all is well.
    fn end(mut self) -> anyhow::Result<()> {
        let line = self.line()?;
        if line.is_empty() && self.child.wait()?.success() {
            return Ok(());
        }
        Err(self.failed(&line, "its end"))
    }

    /// The next line, empty at the end.
    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = Vec::new();
        let read = self.stdout.read_until(b'\n', &mut line);
        read.with_context(|| format!("{} cannot be read", self.name))?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Why a process did not tell what it should have told.
    fn failed(&mut self, line: &str, awaited: &str) -> anyhow::Error {
        let name = self.name;
        if !line.is_empty() {
            let line = line.trim_end();
            return anyhow!("{name} told something else where {awaited} was awaited: {line}");
        }
        let status = match self.child.wait() {
            Ok(status) => status,
            Err(error) => return anyhow!("{name} cannot be waited for: {error}"),
        };
        let said = self.stderr.take().and_then(|said| said.join().ok());
        let said = said.unwrap_or_default();
        if status.code() == Some(Exit::Usage as i32) {
            let said = said.strip_prefix("wavetank: ").unwrap_or(&said);
            return UsageError(said.to_owned()).into();
        }
        anyhow!("{name} ended before {awaited} ({status}): {said}")
    }
}

impl Drop for Process {
    /// Nobody reads it any more. One that has ended cannot be killed, and that is no harm.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Shows on stderr where the check is, if somebody may be looking; what it shows is wiped at its end.
struct Progress {
    is_shown: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            is_shown: std::io::stderr().is_terminal(),
        }
    }
}

impl Progress {
    fn show(&self, done: usize, all: usize, scenario: &str) {
        self.write(&format!("{done} of {all} scenarios, {scenario}"));
    }

    fn write(&self, text: &str) {
        if self.is_shown {
            // Nobody depends on progress: if it cannot be shown, it is not.
            let _ = write!(out::stderr(), "\r\x1b[K{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.write("");
    }
}

/// What is said of two tellings that are not the same, and how to see them.
fn otherwise(
    plan: &Plan,
    variant: &Variant,
    who: [(&str, Backend); 2],
    difference: &Difference,
) -> Otherwise {
    let Plan { path, scenario, .. } = plan;
    let (name, seed) = (variant.name.as_str(), scenario.seed.0);
    let [first, second] = who.map(|(process, backend)| {
        let backend = backend.name();
        format!("{process} on {backend}")
    });
    let told = format!("{first} and {second} did not tell the same");
    let mut out = broken::nondeterminism((&scenario.name, name, seed), &told);
    out.push_str(&difference.to_string());
    let mut backends = who.map(|(_, backend)| backend).to_vec();
    backends.dedup();
    for backend in backends {
        let replay = Choice::on(backend).replay(path, name, seed);
        out.push_str(&format!("\n  replay  {replay}"));
    }
    Otherwise(out)
}

/// A row for each scenario, and a last line.
fn summary(all: &[Same]) -> String {
    let columns = [
        ("scenario", 12),
        ("runs", 6),
        ("lines", 7),
        ("simulators", 14),
        ("digest", 16),
    ];
    let mut table = table(presets::NOTHING, &columns);
    for same in all {
        let backends = same.backends.iter().map(|each| each.name());
        table.add_row([
            same.scenario.clone(),
            same.runs.to_string(),
            same.lines.to_string(),
            backends.collect::<Vec<_>>().join(", "),
            same.digest.clone(),
        ]);
    }
    let on_one = all.iter().filter(|same| same.backends.len() == 1).count();
    let simulators = match on_one {
        0 => "on 2 simulators".to_owned(),
        some if some == all.len() => "on 1 simulator".to_owned(),
        some => format!("on 2 simulators ({some} of them on 1)"),
    };
    let sum = |of: fn(&Same) -> usize| all.iter().map(of).sum::<usize>() as u64;
    format!(
        "{}\n{}, {}, {}: the same in 2 processes and {simulators}\n",
        text(&table),
        counted(all.len() as u64, "scenario"),
        counted(sum(|same| same.runs), "run"),
        counted(sum(|same| same.lines), "line"),
    )
}

#[cfg(test)]
#[path = "selfcheck_tests.rs"]
mod tests;
