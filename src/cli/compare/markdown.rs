//! Comparisons as Markdown, to be pasted into an issue or a note: tables as GitHub reads them.

use crate::cli::compare::causality;
use crate::cli::compare::notes::Note;
use crate::cli::compare::swept::Swept;
use crate::cli::compare::told;
use crate::cli::coverage;
use crate::cli::table::counted;
use crate::sim::compare::Comparison;

/// The comparison as a document.
pub(super) fn comparison(comparison: &Comparison, story: &str, notes: &[Note]) -> String {
    let runs = format!("{} of each variant", counted(told::runs(comparison), "run"));
    let mut out = head(&comparison.scenario, &comparison.seeds, &runs, story);
    let variants = &comparison.variants;
    let columns = told::columns(comparison);
    let rows = variants.iter().map(|(name, each)| {
        let mut cells = told::row(name, each);
        cells.truncate(columns.len());
        cells
    });
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    out.push_str(&table(&headings, rows, Align::Left));
    if let Some(told::Rows { headings, rows }) = told::violations(comparison) {
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        out.push('\n');
        out.push_str(&table(&headings, rows.into_iter(), Align::NumbersRight(1)));
    }
    if let Some(told::Rows { headings, rows }) = causality::rows(comparison) {
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        out.push('\n');
        out.push_str(&table(&headings, rows.into_iter(), Align::NumbersRight(1)));
    }
    let counts: Vec<_> = variants
        .iter()
        .map(|(name, each)| (name.as_str(), &each.coverage))
        .collect();
    let rows = coverage::rows(&counts);
    if !rows.is_empty() {
        let names = counts.iter().map(|(name, _)| *name);
        let headings: Vec<&str> = std::iter::once(coverage::HEADING).chain(names).collect();
        out.push('\n');
        out.push_str(&table(&headings, rows.into_iter(), Align::NumbersRight(1)));
    }
    out.push_str(&noted(notes));
    out
}

/// The sweep as a document: a row for each value and variant.
pub(super) fn swept(swept: &Swept, story: &str, notes: &[Note]) -> String {
    let runs = counted(swept.runs(), "run");
    let runs = format!("{runs} of each variant at each value");
    let mut out = head(&swept.scenario, &swept.seeds, &runs, story);
    let told::Rows { headings, rows } = told::swept_rows(swept);
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    out.push_str(&table(&headings, rows.into_iter(), Align::NumbersRight(2)));
    out.push_str(&noted(notes));
    out
}

fn head(scenario: &str, [from, to]: &[String; 2], runs: &str, story: &str) -> String {
    let (scenario, story) = (escaped(scenario), escaped(story));
    format!("## {scenario}\n\nSeeds {from}..{to}, {runs}.\n\nThe story: {story}\n\n")
}

/// How the cells of a table stand.
#[derive(Clone, Copy)]
enum Align {
    Left,
    /// On the right, but for so many columns at the left.
    NumbersRight(usize),
}

fn table(headings: &[&str], rows: impl Iterator<Item = Vec<String>>, align: Align) -> String {
    let rule = (0..headings.len()).map(|column| match align {
        Align::NumbersRight(texts) if column >= texts => "---:".to_owned(),
        _ => "---".to_owned(),
    });
    let mut out = line(headings.iter().map(|heading| cell(heading)));
    out.push_str(&line(rule));
    for row in rows {
        out.push_str(&line(row.iter().map(|text| cell(text))));
    }
    out
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A cell, whose lines stand below each other.
fn cell(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| escaped(line.trim())).collect();
    lines.join("<br>")
}

/// The text as Markdown shows it as it is, within a line.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A name behind an `@` would be told of it.
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

/// Each note as a paragraph, with its command in a block of code.
fn noted(notes: &[Note]) -> String {
    let told = |Note { words, replay }: &Note| {
        let fence = fence(replay);
        let words = escaped(words);
        format!("\n{words}, for example:\n\n{fence}sh\n{replay}\n{fence}\n")
    };
    notes.iter().map(told).collect()
}

/// More backticks than stand in a row in the text, and three at least.
fn fence(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    "`".repeat(runs.max().unwrap_or_default().max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_shown_as_they_are() {
        assert_eq!(escaped(r"a|b \ *c* `d` _e_"), r"a\|b \\ \*c\* \`d\` \_e\_");
        assert_eq!(escaped("<b> & #1 @bob"), r"&lt;b&gt; &amp; \#1 &#64;bob");
        assert_eq!(escaped("0.0 % (0.0 .. 0.2)"), "0.0 % (0.0 .. 0.2)");
        assert_eq!(cell("a|b\n  (c)"), r"a\|b<br>(c)");
    }

    #[test]
    fn a_block_of_code_holds_its_backticks() {
        let note = Note {
            words: "maybe: x_y violated".to_owned(),
            replay: "run 'a```b'".to_owned(),
        };
        assert_eq!(
            noted(&[note]),
            "\nmaybe: x\\_y violated, for example:\n\n````sh\nrun 'a```b'\n````\n"
        );
        assert_eq!(fence("run x"), "```");
    }
}
