//! A table of what has struck and what has acted: whether a storm was one.

use comfy_table::TableStyle;

use crate::cli::table::{table, text};
use crate::trace::Coverage;

/// The heading of the first column.
pub(crate) const HEADING: &str = "how often";

/// A line for each kind, a column for each variant. What was counted in no variant is left out; the
/// table is empty if nothing was.
pub(crate) fn coverage(variants: &[(&str, &Coverage)]) -> String {
    let rows = rows(variants);
    if rows.is_empty() {
        return String::new();
    }
    let names = variants.iter().map(|(name, _)| (*name, 15));
    let columns: Vec<(&str, u16)> = std::iter::once((HEADING, 40)).chain(names).collect();
    let mut table = table(TableStyle::new(), &columns);
    for row in rows {
        table.add_row(row);
    }
    text(&table)
}

/// The rows of the table: a kind, and its counts in the order of the variants.
pub(crate) fn rows(variants: &[(&str, &Coverage)]) -> Vec<Vec<String>> {
    let counts: Vec<_> = variants.iter().map(|(_, each)| each.counts()).collect();
    let names = counts.first().into_iter().flatten().enumerate();
    names
        .filter(|(place, _)| counts.iter().any(|counts| counts[*place].1 > 0))
        .map(|(place, (name, _))| {
            let counts = counts.iter().map(|counts| counts[place].1.to_string());
            std::iter::once(name.clone()).chain(counts).collect()
        })
        .collect()
}
