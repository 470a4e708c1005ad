//! Comparisons as text.

use std::collections::BTreeSet;

use comfy_table::{LineStyle, TableStyle};

use crate::cli::compare::causality;
use crate::cli::compare::figures::figures;
use crate::cli::compare::notes::Note;
use crate::cli::compare::swept::Swept;
use crate::cli::coverage::coverage;
use crate::cli::proportion::Proportion;
use crate::cli::table::{counted, paragraph, table, text};
use crate::cli::verdicts::ran;
use crate::sim::compare::{Comparison, Statistics};

/// How many checks have their violations in a cell of the main table.
const CHECKS_IN_A_CELL_MAX: usize = 3;

/// The columns of a comparison, with the least width of each.
pub(super) const COLUMNS: [(&str, u16); 6] = [
    ("variant", 15),
    ("outcomes", 20),
    ("requests", 16),
    ("messages", 16),
    ("latency ms", 12),
    ("violated", 19),
];

/// The comparison as text.
pub(super) fn comparison(comparison: &Comparison, story: &str, notes: &[Note]) -> String {
    let [from, to] = &comparison.seeds;
    let mut out = format!(
        "{}  (seeds {from}..{to}, {} of each variant)\n",
        comparison.scenario,
        counted(runs(comparison), "run")
    );
    out.push_str(&paragraph("  ", story));
    out.push('\n');
    out.push_str(&rows(comparison));
    if let Some(rows) = violations(comparison) {
        out.push('\n');
        out.push_str(&plain(rows));
    }
    if let Some(rows) = causality::rows(comparison) {
        out.push('\n');
        out.push_str(&plain(rows));
    }
    let coverages = comparison.variants.iter();
    let coverages: Vec<_> = coverages
        .map(|(name, statistics)| (name.as_str(), &statistics.coverage))
        .collect();
    let coverages = coverage(&coverages);
    if !coverages.is_empty() {
        out.push('\n');
        out.push_str(&coverages);
    }
    out.push_str(&noted(notes));
    out
}

/// The sweep as text: a row for each value and variant.
pub(super) fn swept(swept: &Swept, story: &str, notes: &[Note]) -> String {
    let [from, to] = &swept.seeds;
    let mut out = format!(
        "{}  (seeds {from}..{to}, {} of each variant at each value)\n",
        swept.scenario,
        counted(swept.runs(), "run")
    );
    out.push_str(&paragraph("  ", story));
    out.push('\n');
    out.push_str(&plain(swept_rows(swept)));
    out.push_str(&noted(notes));
    out
}

/// A table as text.
fn plain(rows: Rows) -> String {
    let headings = rows.headings.iter();
    let columns: Vec<(&str, u16)> = headings.map(|each| (each.as_str(), 1)).collect();
    let mut table = table(TableStyle::new(), &columns);
    for row in rows.rows {
        table.add_row(row);
    }
    text(&table)
}

/// A table, not yet laid out.
pub(super) struct Rows {
    pub(super) headings: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A row for each value and variant of a sweep.
pub(super) fn swept_rows(swept: &Swept) -> Rows {
    let figures = figures(swept);
    let headings = [swept.sweep.key.as_str(), "variant"].map(str::to_owned);
    let columns = figures.iter().map(|figure| figure.column.clone());
    let row = |value: &str, (name, statistics): &(String, Statistics)| {
        let cells = figures.iter().map(|figure| figure.told(statistics));
        let start = [value.to_owned(), name.clone()];
        start.into_iter().chain(cells).collect()
    };
    let rows = swept.points.iter().flat_map(|point| {
        let variants = point.variants.iter();
        variants.map(|variant| row(&point.value.text, variant))
    });
    Rows {
        rows: rows.collect(),
        headings: headings.into_iter().chain(columns).collect(),
    }
}

/// What stands below the table, each after an empty line.
fn noted(notes: &[Note]) -> String {
    let told = |Note { words, replay }: &Note| format!("\n{words}, for example:\n  {replay}\n");
    notes.iter().map(told).collect()
}

/// How many runs each variant had.
pub(super) fn runs(comparison: &Comparison) -> u64 {
    let first = comparison.variants.first();
    first.map_or(0, |(_, statistics)| statistics.runs)
}

fn rows(comparison: &Comparison) -> String {
    let line = |fill| LineStyle::none().fill(fill).junction(fill);
    let style = TableStyle::new()
        .header_separator(line('-'))
        .row_separator(line('-'));
    let mut table = table(style, columns(comparison));
    for (name, statistics) in &comparison.variants {
        let mut cells = row(name, statistics);
        cells.truncate(columns(comparison).len());
        table.add_row(cells);
    }
    text(&table)
}

/// The columns of the main table: the violations of more than a few checks have a table of their own.
pub(super) fn columns(comparison: &Comparison) -> &'static [(&'static str, u16)] {
    let mut variants = comparison.variants.iter();
    if variants.any(|(_, each)| each.violated.len() > CHECKS_IN_A_CELL_MAX) {
        &COLUMNS[..COLUMNS.len() - 1]
    } else {
        &COLUMNS
    }
}

/// A row for each check, a column for each variant: in how many runs it was violated, with its interval;
/// `None` if they stand in the main table.
pub(super) fn violations(comparison: &Comparison) -> Option<Rows> {
    if columns(comparison).len() == COLUMNS.len() {
        return None;
    }
    let variants = &comparison.variants;
    let checks = variants
        .iter()
        .flat_map(|(_, each)| each.violated.keys().copied());
    let checks: BTreeSet<&str> = checks.collect();
    let cell = |check: &str, statistics: &Statistics| match statistics.violated.get(check) {
        Some(runs) => {
            let [observed, low, high] = percent(runs.count, statistics.runs);
            format!("{observed:.1} ({low:.1} .. {high:.1})")
        }
        None => "-".to_owned(),
    };
    let row = |check: &str| {
        let cells = variants.iter().map(|(_, each)| cell(check, each));
        std::iter::once(check.to_owned()).chain(cells).collect()
    };
    let names = variants.iter().map(|(name, _)| name.clone());
    let headings = std::iter::once("violated in % of runs".to_owned()).chain(names);
    Some(Rows {
        headings: headings.collect(),
        rows: checks.into_iter().map(row).collect(),
    })
}

fn percent(count: u64, runs: u64) -> [f64; 3] {
    let part = Proportion::of(count, runs);
    [part.observed, part.low, part.high].map(|part| 100.0 * part)
}

/// The cells of a variant, some of several lines.
pub(super) fn row(name: &str, statistics: &Statistics) -> Vec<String> {
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
        let [observed, low, high] = percent(runs.count, statistics.runs);
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
