//! Evidence: how checkers cite the lines of a trace.

use crate::check::Verdict;
use crate::trace::Detail;

/// One violation.
pub(crate) struct Violation {
    /// The line in which it shows.
    pub(crate) line: u32,
    /// What it is.
    pub(crate) text: String,
}

/// Violated by the first of these in the order of lines, or valid if there is none.
pub(crate) fn verdict(mut violations: Vec<Violation>) -> Verdict {
    let more = violations.len().saturating_sub(1);
    violations.sort_by_key(|violation| violation.line);
    match violations.into_iter().next() {
        None => Verdict::Valid,
        Some(first) if more == 0 => Verdict::Violated(first.text),
        Some(first) => Verdict::Violated(format!("{}; {more} more", first.text)),
    }
}

/// ` (line 9)`, ` (lines 3, 7)`, or nothing where the trace was not kept and lines have no numbers.
pub(crate) fn lines(numbers: &[u32]) -> String {
    if numbers.contains(&0) {
        return String::new();
    }
    let word = if numbers.len() == 1 { "line" } else { "lines" };
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    format!(" ({word} {})", numbers.join(", "))
}

/// The numbers of a recorder's lines: from 1 if it kept the whole trace, else 0 for each.
pub(crate) fn numbers(detail: Detail) -> impl Iterator<Item = u32> {
    let step = u32::from(detail == Detail::Trace);
    std::iter::successors(Some(step), move |number| Some(number + step))
}
