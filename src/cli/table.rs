//! Tables and paragraphs of plain text.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, TableStyle, Width};

use crate::trace::text::wrap;

/// Columns of a terminal that paragraphs keep within, where words allow it.
const WIDTH: usize = 100;
/// Columns that a table may take; it takes them only if its cells are so long.
const TABLE_WIDTH: u16 = 118;

/// A table in this style. Each column is given with the least width that it takes, so that tables
/// below each other are easily compared.
pub(crate) fn table(style: TableStyle, columns: &[(&str, u16)]) -> Table {
    let mut table = Table::new();
    table
        .load_style(style)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(TABLE_WIDTH)
        .set_header(Row::from(columns.iter().map(|(name, _)| *name)));
    let least = |&(_, width): &(&str, u16)| ColumnConstraint::LowerBoundary(Width::Fixed(width));
    table.set_constraints(columns.iter().map(least));
    table
}

/// The table's lines, without spaces at their ends.
pub(crate) fn text(table: &Table) -> String {
    let lines: Vec<String> = table.lines().collect();
    lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// A paragraph with this text before its first line and spaces before the others.
pub(crate) fn paragraph(first: &str, text: &str) -> String {
    let indent = first.chars().count();
    let room = WIDTH.saturating_sub(indent);
    let mut out = String::new();
    for (number, line) in wrap(text, room).iter().enumerate() {
        match number {
            0 => out.push_str(first),
            _ => out.push_str(&" ".repeat(indent)),
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// `1 run`, `2 runs`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_hangs_below_its_first_words() {
        let text = paragraph("  why  ", &"word ".repeat(30));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("  why  word"));
        assert!(lines[1].starts_with("       word"));
        assert!(lines.iter().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn counts_have_their_nouns() {
        assert_eq!(counted(1, "run"), "1 run");
        assert_eq!(counted(39, "run"), "39 runs");
    }
}
