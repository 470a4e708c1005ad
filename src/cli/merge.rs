//! `wavetank merge`: the files of several explorations as one.
//!
//! The files are sorted, and read side by side, twice: first to judge them, then to print their lines.
//! So nothing is printed of what does not belong together, and no file has to fit into memory.

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::anyhow;

use crate::cli::exit::{Exit, UsageError};
use crate::cli::explore::kept::Lines;
use crate::cli::out;
use crate::cli::table::counted;
use crate::sim::explored::{FORMAT, Header, RunLine, line};

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  wavetank merge part-1 part-2 > whole
  wavetank merge part-* > whole && wavetank explore FILE --seeds A..B --out whole --resume

The second one judges the whole: nothing is left to run, and each expectation is told.

Exit codes: 0 every run is there, 2 the files do not belong together, 3 one run has two results, 4 I/O
error, 5 some runs are missing; they are named on stderr, and what is there is printed.";

/// How many gaps of one variant are named.
const GAPS_MAX: usize = 20;

/// Options of `wavetank merge`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Files that `wavetank explore --out` has written.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// A file, up to a line.
struct Input {
    lines: Lines,
    header: Header,
    range: Range<u64>,
    next: Option<(RunLine, String)>,
}

/// One run with two results, in words.
struct TwoResults(String);

/// Joins files and prints them.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let paths: Vec<String> = arguments
        .files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut inputs = open(&paths)?;
    let mut header = joined(&inputs)?;
    let range = header.range().unwrap_or_default();
    let mut missing = Missing::new(&header, range);
    let see = |run: &RunLine, _: &str| {
        missing.see(run);
        Ok(())
    };
    if let Some(TwoResults(told)) = walk(&mut inputs, see)? {
        out::note!("{told}");
        return Ok(Exit::Nondeterminism);
    }
    for input in inputs.iter().filter(|input| input.lines.is_torn) {
        let place = input.lines.place();
        out::note!("{place}: the line after it is torn, and left out");
    }
    let missing = missing.told();
    if missing.is_empty() {
        "1/1".clone_into(&mut header.shard);
    }
    let mut stdout = out::stdout();
    stdout.write_all(line(&header).as_bytes())?;
    let print = |_: &RunLine, text: &str| Ok(stdout.write_all(text.as_bytes())?);
    walk(&mut open(&paths)?, print)?;
    stdout.flush()?;
    for told in &missing {
        out::note!("{told}");
    }
    Ok(if missing.is_empty() {
        Exit::Held
    } else {
        Exit::Unknown
    })
}

/// Opens files and reads their headers, which must be of one configuration and one version.
fn open(paths: &[String]) -> anyhow::Result<Vec<Input>> {
    let mut inputs: Vec<Input> = Vec::new();
    for path in paths {
        // Of a file that this program has written, that it is gone is no mistake of the command's.
        let mut lines = Lines::open(path).map_err(|error| anyhow!("{error}"))?;
        let header = lines.header()?;
        let header = header.ok_or_else(|| UsageError(format!("{path}: has no whole line")))?;
        if header.format != FORMAT {
            let format = header.format;
            let told = format!("{path}: has format {format}; this program knows {FORMAT}");
            return Err(UsageError(told).into());
        }
        if let Some(first) = inputs.first()
            && let Some(difference) = first.header.first_difference(&header)
        {
            let told = format!(
                "{path}: cannot be merged with {}: its {difference}; only parts of one exploration \
                 can be merged",
                paths[0]
            );
            return Err(UsageError(told).into());
        }
        let range = header.range();
        let range = range.ok_or_else(|| {
            let seeds = header.seeds.join("..");
            UsageError(format!("{path}: its seeds, {seeds}, are no range"))
        })?;
        inputs.push(Input {
            lines,
            header,
            range,
            next: None,
        });
    }
    for input in &mut inputs {
        input.advance()?;
    }
    Ok(inputs)
}

/// The header of all files together, with the parts that there are.
fn joined(inputs: &[Input]) -> Result<Header, UsageError> {
    let first = inputs.first();
    let mut header = first
        .map(|input| input.header.clone())
        .ok_or_else(|| UsageError("merge which files?".to_owned()))?;
    let from = inputs.iter().map(|input| input.range.start).min();
    let to = inputs.iter().map(|input| input.range.end).max();
    header.seeds = [from, to].map(|seed| seed.unwrap_or_default().to_string());
    let shards = inputs
        .iter()
        .flat_map(|input| input.header.shard.split('+'));
    let shards: BTreeSet<&str> = shards.collect();
    header.shard = shards.into_iter().collect::<Vec<_>>().join("+");
    Ok(header)
}

/// Hands every run once to `each`, with its line, in the order of the file; ends at one that has two
/// results.
fn walk(
    inputs: &mut [Input],
    mut each: impl FnMut(&RunLine, &str) -> anyhow::Result<()>,
) -> anyhow::Result<Option<TwoResults>> {
    while let Some(at) = least(inputs) {
        let place = inputs[at].lines.place();
        let Some((run, text)) = inputs[at].advance()? else {
            break;
        };
        for other in inputs.iter_mut() {
            while let Some((second, _)) = other
                .next
                .as_ref()
                .filter(|(next, _)| key(next) == key(&run))
            {
                if *second != run {
                    let places = [place, other.lines.place()];
                    return Ok(Some(two_results([&run, second], &places)));
                }
                other.advance()?;
            }
        }
        each(&run, &text)?;
    }
    Ok(None)
}

/// The file whose next run is the first of all.
fn least(inputs: &[Input]) -> Option<usize> {
    let heads = inputs.iter().enumerate();
    let heads = heads.filter_map(|(at, input)| Some((key(&input.next.as_ref()?.0), at)));
    heads.min().map(|(_, at)| at)
}

fn key(run: &RunLine) -> (&str, &str, u64) {
    (&run.scenario, &run.variant, run.seed)
}

fn two_results(runs: [&RunLine; 2], places: &[String; 2]) -> TwoResults {
    let [first, second] = runs;
    let RunLine {
        scenario,
        variant,
        seed,
        ..
    } = first;
    TwoResults(format!(
        "NONDETERMINISM: {scenario}, variant {variant}, seed {seed} has two results:\n  {}: {}  {}: {}  \
         repeat it with `wavetank run FILE --variant {variant} --seed {seed} --trace text` where each \
         of them was run, and compare",
        places[0],
        line(first),
        places[1],
        line(second)
    ))
}

impl Input {
    /// Takes the next run, and reads the one after it.
    fn advance(&mut self) -> anyhow::Result<Option<(RunLine, String)>> {
        let read = self.lines.next_run()?;
        if let Some((run, _)) = &read {
            let before = self.next.as_ref().map(|(before, _)| key(before));
            let (scenario, variant, seed) = key(run);
            let variants = self.header.variants.get(scenario);
            let is_known = variants.is_some_and(|names| names.iter().any(|name| name == variant));
            let told = match () {
                () if before >= Some(key(run)) => "this run is out of its order",
                () if !is_known => "the header knows no such variant",
                () if !self.range.contains(&seed) => "the seed is not in the range of the header",
                () => "",
            };
            if !told.is_empty() {
                return Err(UsageError(format!("{}: {told}", self.lines.place())).into());
            }
        }
        Ok(std::mem::replace(&mut self.next, read))
    }
}

/// The runs that are in no file.
struct Missing {
    range: Range<u64>,
    /// Each variant with the next seed that is expected of it, and what it lacks.
    variants: Vec<(String, String, u64, Gaps)>,
    /// The variant that runs are seen of.
    place: usize,
}

impl Missing {
    fn new(header: &Header, range: Range<u64>) -> Self {
        let variants = header.variants.iter().flat_map(|(scenario, names)| {
            let each = names.iter();
            each.map(|name| (scenario.clone(), name.clone(), range.start, Gaps::default()))
        });
        Self {
            variants: variants.collect(),
            place: 0,
            range,
        }
    }

    /// Takes note of a run; they come in order.
    fn see(&mut self, run: &RunLine) {
        let is_of = |(scenario, variant, ..): &(String, String, u64, Gaps)| {
            (scenario, variant) == (&run.scenario, &run.variant)
        };
        while self
            .variants
            .get(self.place)
            .is_some_and(|each| !is_of(each))
        {
            self.place += 1;
        }
        if let Some((_, _, next, gaps)) = self.variants.get_mut(self.place) {
            gaps.add(*next..run.seed);
            *next = run.seed + 1;
        }
    }

    /// A line for each variant that lacks something.
    fn told(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for (scenario, variant, next, gaps) in &mut self.variants {
            gaps.add(*next..self.range.end);
            if !gaps.0.is_empty() {
                let count = counted(gaps.0.iter().map(|gap| gap.count).sum(), "seed");
                let seeds = gaps.told();
                lines.push(format!(
                    "missing: {scenario}, variant {variant}, {count}: {seeds}"
                ));
            }
        }
        lines
    }
}

/// Seeds in ascending order, as arithmetic progressions: a part that is missing is one.
#[derive(Debug, Default)]
struct Gaps(Vec<Gap>);

#[derive(Clone, Copy, Debug)]
struct Gap {
    first: u64,
    last: u64,
    count: u64,
}

impl Gap {
    const fn of(seeds: &Range<u64>) -> Self {
        Self {
            first: seeds.start,
            last: seeds.end - 1,
            count: seeds.end - seeds.start,
        }
    }

    const fn step(&self) -> u64 {
        match self.count {
            1 => 0,
            count => (self.last - self.first) / (count - 1),
        }
    }

    fn told(&self) -> String {
        let Self { first, last, count } = self;
        match (count, self.step()) {
            (1, _) => first.to_string(),
            (_, 1) => format!("{first}..{}", last + 1),
            (2, _) => format!("{first}, {last}"),
            (_, step) => format!("{first}..{} in steps of {step}", last + 1),
        }
    }
}

impl Gaps {
    /// Adds seeds that lie above all others and do not follow them without a space.
    fn add(&mut self, seeds: Range<u64>) {
        if seeds.is_empty() {
            return;
        }
        let gap = Gap::of(&seeds);
        if let (Some(last), 1) = (self.0.last_mut(), gap.count) {
            let goes_on = match last.count {
                1 => true,
                _ => last.step() > 1 && gap.first - last.last == last.step(),
            };
            if goes_on {
                last.last = gap.first;
                last.count += 1;
                return;
            }
        }
        self.0.push(gap);
    }

    fn told(&self) -> String {
        let named = self.0.iter().take(GAPS_MAX).map(Gap::told);
        let mut told = named.collect::<Vec<_>>().join(", ");
        if let Some(more @ 1..) = self.0.len().checked_sub(GAPS_MAX) {
            told.push_str(&format!(", and {}", counted(more as u64, "more gap")));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(ranges: &[Range<u64>]) -> String {
        let mut gaps = Gaps::default();
        for range in ranges {
            gaps.add(range.clone());
        }
        gaps.told()
    }

    #[test]
    fn missing_seeds_are_told_as_ranges() {
        assert_eq!(gaps(&[0..0, 3..4]), "3");
        assert_eq!(gaps(&[3..9, 20..22]), "3..9, 20..22");
        assert_eq!(gaps(&[1..2, 3..4, 5..6, 7..8]), "1..8 in steps of 2");
        assert_eq!(gaps(&[1..2, 3..4, 10..20]), "1, 3, 10..20");
        assert_eq!(gaps(&[1..2, 4..5, 7..8, 9..10]), "1..8 in steps of 3, 9");
        let many: Vec<_> = (0..25).map(|n| n * 10..n * 10 + 2).collect();
        assert!(
            gaps(&many).ends_with("190..192, and 5 more gaps"),
            "{}",
            gaps(&many)
        );
    }
}
