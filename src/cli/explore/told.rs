//! What `explore` prints in the end.

use std::ops::Range;

use comfy_table::presets;

use crate::cli::broken;
use crate::cli::choice::Choice;
use crate::cli::coverage::coverage;
use crate::cli::explore::Explored;
use crate::cli::explore::found;
use crate::cli::table::{counted, paragraph, table, text};
use crate::sim::explore::Nondeterminism;
use crate::sim::shard::Shard;
use crate::sim::standing::Standing;
use crate::trace::Coverage;

/// Which seeds were run.
pub(crate) struct Extent {
    /// The range.
    pub(crate) range: Range<u64>,
    /// Which part of it.
    pub(crate) shard: Shard,
    /// Whether all of them were.
    pub(crate) is_whole: bool,
}

impl Extent {
    /// Whether these are all the seeds that there are, so that `violated` can be judged.
    fn is_all(&self) -> bool {
        self.is_whole && self.shard.count() == 1
    }
}

/// What was found, and the worst that an expectation has come to.
pub(crate) fn told(
    variants: &[Explored<'_>],
    choice: &Choice,
    extent: &Extent,
) -> (String, Standing) {
    let mut out = String::new();
    let scenarios: Vec<&[Explored<'_>]> = variants
        .chunk_by(|one, other| one.plan.scenario.name == other.plan.scenario.name)
        .collect();
    for scenario in &scenarios {
        out.push_str(&block(scenario, choice, extent));
        out.push('\n');
    }
    let standings: Vec<Standing> = variants
        .iter()
        .flat_map(|each| each.found.standings(each.variant, extent.is_all()))
        .map(|(.., standing)| standing)
        .collect();
    let runs = variants.iter().map(|each| each.found.runs).sum();
    let what = match runs {
        0 => "no seed of the range is in this part, and nothing was judged".to_owned(),
        _ => summary(&standings),
    };
    out.push_str(&format!(
        "{}, {}, {}: {}\n",
        counted(scenarios.len() as u64, "scenario"),
        counted(variants.len() as u64, "variant"),
        counted(runs, "run"),
        what
    ));
    let worst = standings.into_iter().max();
    (out, worst.unwrap_or(Standing::Unasked))
}

fn summary(standings: &[Standing]) -> String {
    let count = |asked| standings.iter().filter(|each| **each == asked).count() as u64;
    let mut found = Vec::new();
    for (standing, word) in [
        (Standing::Broken, "broken"),
        (Standing::Unknown, "unknown"),
        (Standing::Open, "open"),
    ] {
        match count(standing) {
            0 => {}
            some => found.push(format!("{} {word}", counted(some, "expectation"))),
        }
    }
    match found.is_empty() {
        true => "all expectations held".to_owned(),
        false => found.join(", "),
    }
}

/// One scenario: its story, its table, its coverage, and what to look at.
fn block(variants: &[Explored<'_>], choice: &Choice, extent: &Extent) -> String {
    let Some(first) = variants.first() else {
        return String::new();
    };
    let Range { start, end } = extent.range;
    let shard = match extent.shard.count() {
        1 => String::new(),
        _ => format!(", shard {}", extent.shard),
    };
    let scenario = &first.plan.scenario;
    let mut out = format!("{}  (seeds {start}..{end}{shard})\n", scenario.name);
    out.push_str(&paragraph("  ", &scenario.story));
    out.push('\n');
    out.push_str(&rows(variants, extent));
    let counts: Vec<(&str, &Coverage)> = variants
        .iter()
        .map(|each| (each.variant.name.as_str(), &each.coverage))
        .collect();
    let resumed = variants.iter().map(|each| each.resumed).sum();
    if resumed > 0 {
        let runs = counted(resumed, "run");
        out.push_str(&format!(
            "\n {runs} came from the file; what follows was counted in the others.\n"
        ));
    }
    let coverage = coverage(&counts);
    if !coverage.is_empty() {
        out.push_str(&format!("\n{coverage}"));
    }
    for each in variants {
        let name = &each.variant.name;
        let replay = found::replay(choice, each.plan, name);
        let all = extent.is_all();
        for (check, expected, counts, _) in each.found.standings(each.variant, all) {
            out.push_str(&found::told(counts, (check, expected), all, name, &replay));
        }
    }
    out
}

fn rows(variants: &[Explored<'_>], extent: &Extent) -> String {
    let columns = [
        ("variant", 15),
        ("seeds", 10),
        ("runs", 6),
        ("check", 12),
        ("violated", 9),
        ("unknown", 9),
        ("expected", 10),
        ("found", 12),
    ];
    let mut table = table(presets::NOTHING, &columns);
    for each in variants {
        let start = extent.range.start;
        let seeds = match each.found.last {
            _ if extent.is_whole => format!("{start}..{}", extent.range.end),
            Some(last) => format!("{start}..{}", last + 1),
            None => "none".to_owned(),
        };
        let mut head = [
            each.variant.name.clone(),
            seeds,
            each.found.runs.to_string(),
        ];
        let standings = each.found.standings(each.variant, extent.is_all());
        if standings.is_empty() {
            table.add_row(head.clone());
        }
        for (check, expected, counts, standing) in standings {
            let cells = [
                check.name().to_owned(),
                counts.violated.to_string(),
                counts.unknown.to_string(),
                expected.map_or("-", |expected| expected.name()).to_owned(),
                standing.word().to_owned(),
            ];
            table.add_row(head.iter().cloned().chain(cells));
            head = Default::default();
        }
    }
    let lines = text(&table);
    lines.lines().map(|line| format!(" {line}\n")).collect()
}

/// That a run went otherwise the second time.
pub(crate) fn nondeterminism(
    explored: &Explored<'_>,
    differs: &Nondeterminism,
    replay: &str,
) -> String {
    let (scenario, variant) = explored.name();
    let [first, second] = &differs.digests;
    let seed = differs.seed;
    let who = format!("the first run amounted to {first}, the second to {second}");
    let mut out = broken::nondeterminism((scenario, variant, seed), &who);
    match &differs.difference {
        Some(difference) => out.push_str(&format!("{difference}\n")),
        None => out.push_str(
            "the trace was the same each time that it was kept; did another program write the first \
             result?\n",
        ),
    }
    out.push_str(&format!("  {replay}"));
    out
}
