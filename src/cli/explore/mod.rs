//! `wavetank explore`: scenarios over many seeds, and which of them break an expectation.

mod found;
pub(crate) mod kept;
mod shards;
mod told;
pub(crate) mod watch;

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;

use crate::cli::choice::{Choice, Plan, Plans};
use crate::cli::compare::{parse_jobs, parse_seeds};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::out;
use crate::clock::parse_span;
use crate::sim::explore::{self, Block, ExploreError, Nondeterminism};
use crate::sim::explored::{Header, RunLine};
use crate::sim::scenario::{Backend, Variant};
use crate::sim::shard::Shard;
use crate::sim::standing::Found;
use crate::trace::Coverage;

use kept::Kept;
use shards::Wanted;
use watch::{Progress, Watch};

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  wavetank explore FILE --seeds 0..10000
  wavetank explore sims --time 10m               as many seeds as there is time for
  wavetank explore FILE --seeds 0..1000000 --out FILE --resume
  wavetank explore FILE --seeds 0..1000000 --out part-1 --shard 1/8
  wavetank merge part-*                          the parts as one file

Over many seeds, `valid` binds every one, and `violated` means one at least. What a scenario expects of
outcomes and of commands at the end belongs to its own seed, and `wavetank run` judges it.

Exit codes: 0 all expectations held, 1 one was broken, 2 usage or a mistake in a scenario, 3 a run went
otherwise the second time, 4 I/O or internal error, 5 a verdict is unknown.";

/// Seeds of a block for each thread: little is lost at a kill, and threads seldom wait for each other.
const BLOCK_SEEDS_PER_THREAD: usize = 32;

/// Options of `wavetank explore`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Scenario files, or directories in which all *.toml files are scenarios.
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// The seeds from A to B, without B; with --time, those from A on.
    #[arg(long, value_name = "A..B", value_parser = parse_from_to)]
    seeds: Option<(u64, Option<u64>)>,
    /// Go on for that long, as in 10m, and end when all variants have had the same seeds.
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    time: Option<Duration>,
    #[command(flatten)]
    choice: Choice,
    /// How many threads work on it; all cores unless given. The result is the same.
    #[arg(long, value_name = "N", value_parser = parse_jobs)]
    jobs: Option<usize>,
    /// Only this part of the seeds, those with `seed mod N = I - 1`; or auto: the environment says.
    #[arg(long, value_name = "I/N", value_parser = shards::parse)]
    shard: Option<Wanted>,
    /// Keep a line of JSON for each run in this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Go on where the file of --out ends.
    #[arg(long, requires = "out", conflicts_with = "time")]
    resume: bool,
}

fn parse_from_to(text: &str) -> Result<(u64, Option<u64>), String> {
    let open = text.strip_suffix("..").map(str::trim);
    if let Some(from) = open.and_then(|from| from.parse().ok()) {
        return Ok((from, None));
    }
    let Range { start, end } = parse_seeds(text)?;
    Ok((start, Some(end)))
}

/// Which seeds are run.
#[derive(Clone, Copy, Debug)]
enum Extent {
    /// From the first to the second, without it.
    Seeds(u64, u64),
    /// From this one on, for that long.
    Time(u64, Duration),
}

/// One variant of one scenario, and what has been found of it.
struct Explored<'a> {
    plan: &'a Plan,
    variant: &'a Arc<Variant>,
    backend: Backend,
    found: Found,
    coverage: Coverage,
    /// Runs that were in the file already.
    resumed: u64,
    /// Of these, those that break an expectation.
    breaking: Vec<RunLine>,
}

/// How an exploration ended.
enum Ended {
    /// All seeds were run, or the time was over.
    Whole,
    /// Somebody stopped it.
    Stopped,
    /// A run went otherwise the second time.
    Nondeterminism(usize, Box<Nondeterminism>),
    /// A run panicked.
    Panicked(usize, u64),
    /// No setup of this variant succeeds.
    Setup(String),
}

/// All that an exploration works with.
struct Exploration<'a> {
    choice: &'a Choice,
    variants: Vec<Explored<'a>>,
    shard: Shard,
    block_seeds: usize,
    stop: Arc<AtomicBool>,
    kept: Kept,
    progress: Progress,
}

/// Runs scenarios over seeds, prints what was found, and says whether it was expected.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let extent = arguments.extent()?;
    let shard = arguments.shard()?;
    let plans = arguments.choice.plan(&arguments.paths, None)?;
    for skipped in &plans.skipped {
        writeln!(out::stderr(), "skipped {skipped}")?;
    }
    let mut variants = explored(&plans)?;
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.jobs.unwrap_or_default())
        .build()
        .context("threads cannot be started")?;
    let kept = keep(arguments, extent, shard, &mut variants)?;
    let all = extent.runs(shard, variants.len());
    let mut exploration = Exploration {
        choice: &arguments.choice,
        variants,
        shard,
        block_seeds: BLOCK_SEEDS_PER_THREAD * threads.current_num_threads(),
        stop: watch::stop_on_signals()?,
        kept,
        progress: Progress::new(all),
    };
    let (ended, range) = threads.install(|| exploration.run(extent))?;
    exploration.progress.end();
    exploration.end(ended, &range)
}

impl Arguments {
    fn extent(&self) -> Result<Extent, UsageError> {
        let wrong = |told: &str| Err(UsageError(told.to_owned()));
        match (self.seeds, self.time) {
            (Some((from, Some(to))), None) => Ok(Extent::Seeds(from, to)),
            (Some((_, Some(_))), Some(_)) => {
                wrong("--time decides where the seeds end: write --seeds A.. with it")
            }
            (Some((_, None)), None) => {
                wrong("--seeds A.. goes on for ever: write A..B, or give --time")
            }
            (from, Some(time)) => Ok(Extent::Time(from.map_or(0, |(from, _)| from), time)),
            (None, None) => wrong("which seeds? write --seeds A..B, or --time 10m"),
        }
    }

    fn shard(&self) -> Result<Shard, UsageError> {
        match self.shard {
            None => Ok(Shard::default()),
            Some(Wanted::Part(shard)) => Ok(shard),
            Some(Wanted::Auto) => shards::auto(&|name| std::env::var(name).ok()),
        }
    }
}

impl Extent {
    /// How many runs there are; `None` if the time decides.
    fn runs(self, shard: Shard, variants: usize) -> Option<u64> {
        match self {
            Self::Seeds(from, to) => {
                let seeds = (to - from).div_ceil(shard.count());
                Some(seeds.saturating_mul(variants as u64))
            }
            Self::Time(..) => None,
        }
    }
}

/// What is to be run, in the order of the file: by scenario, then variant.
fn explored(plans: &Plans) -> Result<Vec<Explored<'_>>, UsageError> {
    let mut variants: Vec<Explored<'_>> = Vec::new();
    for plan in &plans.plans {
        for (variant, backend) in &plan.runs {
            variants.push(Explored {
                plan,
                variant,
                backend: *backend,
                found: Found::default(),
                coverage: Coverage::default(),
                resumed: 0,
                breaking: Vec::new(),
            });
        }
    }
    variants.sort_by(|one, other| one.name().cmp(&other.name()));
    let same = variants
        .windows(2)
        .find(|pair| pair[0].name() == pair[1].name());
    match same {
        None => Ok(variants),
        Some(pair) => Err(UsageError(format!(
            "{} and {}: two scenarios of the name {}; explore one of them",
            pair[0].plan.path, pair[1].plan.path, pair[0].plan.scenario.name
        ))),
    }
}

fn header(variants: &[Explored<'_>], seeds: &Range<u64>, shard: Shard) -> Header {
    let each = variants.iter();
    let each = each.map(|each| (each.plan.scenario.name.as_str(), &**each.variant));
    Header::new(each, seeds, shard)
}

/// Begins the file of `--out`, or reads what is in it.
fn keep(
    arguments: &Arguments,
    extent: Extent,
    shard: Shard,
    variants: &mut [Explored<'_>],
) -> anyhow::Result<Kept> {
    let Some(path) = &arguments.out else {
        return Ok(Kept::Nowhere);
    };
    let path = path.display().to_string();
    let Extent::Seeds(from, to) = extent else {
        return Kept::create_unsorted(&path, variants.len());
    };
    let header = header(variants, &(from..to), shard);
    if !arguments.resume {
        return Kept::create(&path, &header);
    }
    let (mut place, mut seeds) = (0, shard.seeds(from..to));
    Kept::resume(&path, &header, |run, at| {
        let mut seed = seeds.next();
        if seed.is_none() {
            (place, seeds) = (place + 1, shard.seeds(from..to));
            seed = seeds.next();
        }
        let next = variants.get_mut(place).zip(seed);
        let next = next.filter(|(next, seed)| {
            next.name() == (&run.scenario, &run.variant) && *seed == run.seed
        });
        let (next, _) = next.ok_or_else(|| {
            UsageError(format!(
                "{at}: cannot be resumed: this run is out of its order"
            ))
        })?;
        next.resume(run);
        Ok(())
    })
}

impl Explored<'_> {
    /// Scenario and variant.
    fn name(&self) -> (&str, &str) {
        (&self.plan.scenario.name, &self.variant.name)
    }

    fn resume(&mut self, run: RunLine) {
        self.resumed += 1;
        let runs = std::slice::from_ref(&run);
        if self.found.add(self.variant, runs) > 0 {
            self.breaking.push(run);
        }
    }

    fn confirm(&self, runs: &[RunLine]) -> Result<(), Box<Nondeterminism>> {
        explore::confirm_all(&self.plan.scenario, self.variant, self.backend, runs)
    }
}

impl Exploration<'_> {
    /// Runs it all, and gives the range of seeds that were to be run.
    fn run(&mut self, extent: Extent) -> anyhow::Result<(Ended, Range<u64>)> {
        match extent {
            Extent::Seeds(from, to) => {
                let ended = self.over_seeds(from..to)?;
                Ok((ended.unwrap_or(Ended::Whole), from..to))
            }
            Extent::Time(from, time) => self.for_time(from, time),
        }
    }

    /// Variant by variant, as the lines of the file are sorted.
    fn over_seeds(&mut self, range: Range<u64>) -> anyhow::Result<Option<Ended>> {
        for place in 0..self.variants.len() {
            let variant = &mut self.variants[place];
            self.progress
                .resume(variant.resumed, variant.breaking.len() as u64);
            let breaking = std::mem::take(&mut variant.breaking);
            for runs in breaking.chunks(self.block_seeds) {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(Some(Ended::Stopped));
                }
                if let Err(differs) = variant.confirm(runs) {
                    return Ok(Some(Ended::Nondeterminism(place, differs)));
                }
            }
            let resumed = usize::try_from(variant.resumed).unwrap_or(usize::MAX);
            let mut seeds = self.shard.seeds(range.clone()).skip(resumed);
            loop {
                let block: Vec<u64> = seeds.by_ref().take(self.block_seeds).collect();
                if block.is_empty() {
                    break;
                }
                match self.block(place, &block) {
                    Ok(block) => self.take(place, &block)?,
                    Err(ended) => return Ok(Some(ended)),
                }
            }
        }
        Ok(None)
    }

    /// Block by block, each with all variants; a block that is not finished does not count.
    fn for_time(&mut self, from: u64, time: Duration) -> anyhow::Result<(Ended, Range<u64>)> {
        let watch = Watch::start();
        let mut to = from;
        loop {
            let seeds = (self.block_seeds as u64).saturating_mul(self.shard.count());
            let next = to.saturating_add(seeds);
            let seeds: Vec<u64> = self.shard.seeds(to..next).collect();
            let mut blocks = Vec::new();
            for place in 0..self.variants.len() {
                match self.block(place, &seeds) {
                    Ok(block) => blocks.push(block),
                    Err(ended) => return Ok((ended, from..to)),
                }
            }
            for (place, block) in blocks.iter().enumerate() {
                self.take(place, block)?;
            }
            to = next;
            if watch.passed() >= time || to == u64::MAX {
                return Ok((Ended::Whole, from..to));
            }
        }
    }

    /// Runs a block of seeds, and again those that break an expectation.
    fn block(&self, place: usize, seeds: &[u64]) -> Result<Block, Ended> {
        let explored = &self.variants[place];
        let Explored { plan, variant, .. } = explored;
        let block = explore::block(&plan.scenario, variant, explored.backend, seeds, &self.stop);
        let block = block.map_err(|error| match error {
            ExploreError::Stopped => Ended::Stopped,
            ExploreError::Panicked { seed } => Ended::Panicked(place, seed),
        })?;
        if let (Some(error), 0) = (&block.setup_error, explored.found.runs) {
            let (path, name) = (&plan.path, &variant.name);
            let seed = seeds.first().copied().unwrap_or_default();
            let told = format!("{path}: variant `{name}`, seed {seed}: {error}");
            return Err(Ended::Setup(told));
        }
        match explored.confirm(&block.runs) {
            Ok(()) => Ok(block),
            Err(differs) => Err(Ended::Nondeterminism(place, differs)),
        }
    }

    /// Takes a finished block into account, and keeps it.
    fn take(&mut self, place: usize, block: &Block) -> anyhow::Result<()> {
        let explored = &mut self.variants[place];
        let breaking = explored.found.add(explored.variant, &block.runs);
        explored.coverage.merge(&block.coverage);
        self.kept.write(place, &block.runs)?;
        self.progress.add(block.runs.len() as u64, breaking);
        Ok(())
    }

    /// Ends the file, prints what was found, and says how the program ends.
    fn end(self, ended: Ended, range: &Range<u64>) -> anyhow::Result<Exit> {
        self.kept
            .finish(&header(&self.variants, range, self.shard))?;
        if let Ended::Setup(told) = ended {
            return Err(UsageError(told).into());
        }
        let is_whole = matches!(ended, Ended::Whole);
        let extent = told::Extent {
            range: range.clone(),
            shard: self.shard,
            is_whole,
        };
        let (text, worst) = told::told(&self.variants, self.choice, &extent);
        out::print(&text)?;
        match ended {
            Ended::Whole | Ended::Setup(_) => Ok(worst.into()),
            Ended::Stopped => {
                out::note!("stopped; the seeds in the table are complete");
                Ok(worst.into())
            }
            Ended::Panicked(place, seed) => {
                let explored = &self.variants[place];
                let replay = found::replay(self.choice, explored.plan, &explored.variant.name);
                let replay = replay(seed);
                anyhow::bail!("internal error: the run with seed {seed} panicked; replay: {replay}")
            }
            Ended::Nondeterminism(place, differs) => {
                let explored = &self.variants[place];
                let replay = found::replay(self.choice, explored.plan, &explored.variant.name);
                let replay = replay(differs.seed);
                out::note!("{}", told::nondeterminism(explored, &differs, &replay));
                Ok(Exit::Nondeterminism)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_may_have_no_end() {
        assert_eq!(parse_from_to("0..2000"), Ok((0, Some(2000))));
        assert_eq!(parse_from_to("7.."), Ok((7, None)));
        for wrong in ["", "..", "..5", "5", "6..5", "x.."] {
            assert!(parse_from_to(wrong).is_err(), "{wrong}");
        }
    }
}
