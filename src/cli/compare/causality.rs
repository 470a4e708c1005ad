//! The price and the gain of causality, in one table: what readers saw too early, and what had to wait.

use crate::cli::compare::figures::per_operation;
use crate::cli::compare::told::Rows;
use crate::sim::compare::{Comparison, Statistics};

/// The headings, from left to right.
const HEADINGS: [&str; 9] = [
    "variant",
    "reads",
    "anomalies\nper 1,000 reads",
    "commits",
    "stalled",
    "stall ms\np50",
    "p99",
    "max",
    "messages\nper op",
];

/// A row for each variant; `None` if the service is no store.
pub(super) fn rows(comparison: &Comparison) -> Option<Rows> {
    let variants = &comparison.variants;
    if variants.iter().all(|(_, each)| each.causality.is_none()) {
        return None;
    }
    Some(Rows {
        headings: HEADINGS.map(str::to_owned).to_vec(),
        rows: variants
            .iter()
            .map(|(name, each)| row(name, each))
            .collect(),
    })
}

fn row(name: &str, statistics: &Statistics) -> Vec<String> {
    let causality = &statistics.causality;
    let stalls = &causality.stalls_ms;
    let anomalies = causality.anomalies_per_1000_reads();
    let messages = per_operation(statistics.messages.sent, statistics);
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let ms = |value: Option<u64>| or_dash(value.map(|ms| ms.to_string()));
    vec![
        name.to_owned(),
        causality.reads.to_string(),
        or_dash(anomalies.map(|rate| format!("{rate:.2}"))),
        causality.commits.to_string(),
        stalls.count().to_string(),
        ms(stalls.percentile(50)),
        ms(stalls.percentile(99)),
        ms(stalls.max()),
        or_dash(messages.map(|per_operation| format!("{per_operation:.2}"))),
    ]
}
