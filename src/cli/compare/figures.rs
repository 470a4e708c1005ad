//! What is told of a variant at each value of a sweep. One line in [`figures`] is one column of the
//! table and, if it has a heading there, one panel of the plot.

use std::collections::BTreeSet;

use crate::cli::compare::swept::Swept;
use crate::cli::proportion::Proportion;
use crate::sim::compare::{Latencies, Statistics};

/// One number that is told of a variant.
pub(super) struct Figure {
    /// The heading of its column, with the unit, in two lines.
    pub(super) column: String,
    /// The heading of its panel, with the unit; `None` if it is not drawn.
    pub(super) panel: Option<String>,
    /// Decimals in the table.
    decimals: usize,
    /// The least that the axis of its panel reaches to: less would make much of nothing.
    pub(super) axis_min: f64,
    read: Read,
}

/// Takes a number from what a variant did.
type Read = Box<dyn Fn(&Statistics) -> Option<Reading>>;

/// A number, in the unit of its figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    /// The number.
    pub(super) value: f64,
    /// The ends of its 95 % interval, if it is a share of runs.
    pub(super) interval: Option<[f64; 2]>,
}

impl Figure {
    /// The number; `None` if there was nothing to count.
    pub(super) fn of(&self, statistics: &Statistics) -> Option<Reading> {
        (self.read)(statistics)
    }

    /// The number in words, or a dash.
    pub(super) fn told(&self, statistics: &Statistics) -> String {
        let decimals = self.decimals;
        match self.of(statistics) {
            None => "-".to_owned(),
            Some(Reading { value, interval }) => match interval {
                None => format!("{value:.decimals$}"),
                Some([low, high]) => {
                    format!("{value:.decimals$} ({low:.decimals$} .. {high:.decimals$})")
                }
            },
        }
    }
}

/// The figures of a sweep, from left to right.
pub(super) fn figures(swept: &Swept) -> Vec<Figure> {
    let checks = swept.statistics().flat_map(|each| each.violated.keys());
    let checks: BTreeSet<&'static str> = checks.copied().collect();
    let mut figures: Vec<Figure> = checks.into_iter().map(violations).collect();
    let mut add = |column: &str, panel: Option<&str>, decimals, axis_min, read| {
        figures.push(Figure {
            column: column.to_owned(),
            panel: panel.map(str::to_owned),
            decimals,
            axis_min,
            read,
        });
    };
    let panel = Some("operations that ended unknown (%)");
    add("unknown\n%", panel, 1, 5.0, plain(unknown_percent));
    let panel = Some("retransmissions per operation");
    let resent = plain(|all| per_operation(all.retransmissions, all));
    add("resent\nper op", panel, 2, 0.1, resent);
    let sent = plain(|all| per_operation(all.messages.sent, all));
    add("sent\nper op", None, 2, 0.0, sent);
    if swept.statistics().any(|each| !each.causality.is_none()) {
        let panel = Some("anomalies per 1,000 reads");
        let anomalies = plain(|all| all.causality.anomalies_per_1000_reads());
        add("anomalies\nper 1,000 reads", panel, 2, 1.0, anomalies);
    }
    let panel = Some("latency, median (ms)");
    add(
        "p50\nms",
        panel,
        0,
        1.0,
        plain(|all| percentile(&all.latency_ms, 50)),
    );
    let panel = Some("latency, 99th percentile (ms)");
    add(
        "p99\nms",
        panel,
        0,
        1.0,
        plain(|all| percentile(&all.latency_ms, 99)),
    );
    figures
}

/// In how many runs a check was violated.
fn violations(check: &'static str) -> Figure {
    Figure {
        column: format!("{check}\nviolated %"),
        panel: Some(format!("runs that violate {check} (%)")),
        decimals: 1,
        axis_min: 5.0,
        read: Box::new(move |statistics| {
            let runs = statistics.violated.get(check)?;
            let part = Proportion::of(runs.count, statistics.runs);
            Some(Reading {
                value: 100.0 * part.observed,
                interval: Some([part.low, part.high].map(|end| 100.0 * end)),
            })
        }),
    }
}

fn plain(read: impl Fn(&Statistics) -> Option<f64> + 'static) -> Read {
    Box::new(move |statistics| {
        let interval = None;
        read(statistics).map(|value| Reading { value, interval })
    })
}

fn unknown_percent(statistics: &Statistics) -> Option<f64> {
    let unknown = statistics.operations.values().map(|ended| ended.unknown);
    per_operation(100 * unknown.sum::<u64>(), statistics)
}

/// So many of all runs, divided by their operations.
pub(super) fn per_operation(count: u64, statistics: &Statistics) -> Option<f64> {
    let ended = statistics.operations.values();
    let operations: u64 = ended
        .map(|ended| ended.ok + ended.failed + ended.unknown)
        .sum();
    (operations > 0).then(|| float(count) / float(operations))
}

fn percentile(latencies: &Latencies, percent: u64) -> Option<f64> {
    latencies.percentile(percent).map(float)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "more than 2^53 are none of ours"
)]
const fn float(count: u64) -> f64 {
    count as f64
}
