//! What is said on stderr of a run whose expectations do not hold, or that went otherwise the second
//! time: all that its reader needs.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::cli::choice::Plan;
use crate::cli::judged::{Judged, Standing, Told};
use crate::cli::table::paragraph;
use crate::cli::verdicts::readable;
use crate::trace::{Row, TraceFile, text};

/// Lines of the trace that are shown before and after each line that evidence cites.
const LINES_AROUND: u32 = 3;
/// Lines of the trace that are shown where nothing cites a line, and at most in any case.
const LINES_MAX: usize = 40;

/// The story, what was expected and found, the lines of the trace that show it, and the command that
/// repeats the run; `None` if nothing is wrong.
pub(crate) fn account(plan: &Plan, run: &Judged, replay: &str) -> Option<String> {
    let word = match run.standing() {
        Standing::Held => return None,
        Standing::Unknown => "UNKNOWN",
        Standing::Broken => "BROKEN",
        Standing::Panicked => "INTERNAL ERROR",
    };
    let (scenario, variant) = (&plan.scenario, &run.variant.name);
    let seed = scenario.seed.0;
    let mut out = format!(
        "{word}: {}, variant {variant}, seed {seed}\n",
        scenario.name
    );
    out.push_str(&paragraph("  story   ", &scenario.story));
    match &run.told {
        Some(told) => push_findings(&mut out, told),
        None => out.push_str("  found   the run panicked\n"),
    }
    let _ = writeln!(out, "  replay  {replay}");
    Some(out)
}

/// The head of what is said of a run that told two things: which run, and who told them.
pub(crate) fn nondeterminism(run: (&str, &str, u64), who: &str) -> String {
    let (scenario, variant, seed) = run;
    format!("NONDETERMINISM: {scenario}, variant {variant}, seed {seed}: {who}\n")
}

fn push_findings(out: &mut String, told: &Told) {
    let mut findings: Vec<String> = told.report.broken.clone();
    if findings.is_empty() {
        let verdicts = told.report.verdicts.iter();
        findings.extend(verdicts.map(|(check, verdict)| format!("{}: {verdict}", check.name())));
    }
    for finding in &findings {
        out.push_str(&paragraph("  found   ", &readable(finding)));
    }
    let cited = concerned(&told.trace, &findings);
    out.push_str("  trace\n");
    for line in excerpt(&told.trace, &cited).lines() {
        let _ = writeln!(out, "    {line}");
    }
}

/// The numbers of the lines that these findings cite, and of the outcomes that they name.
fn concerned(trace: &TraceFile, findings: &[String]) -> BTreeSet<u32> {
    let mut lines: BTreeSet<u32> = findings.iter().flat_map(|text| cited(text)).collect();
    let outcomes = trace.rows.iter().filter(|row| row.outcome.is_some());
    lines.extend(outcomes.filter_map(|row| {
        let operation = format!("outcome of {}:", row.operation.as_ref()?);
        let is_named = findings.iter().any(|text| text.starts_with(&operation));
        is_named.then_some(row.number)
    }));
    lines
}

/// The numbers in `(line 9)` and `(lines 3, 7)`.
fn cited(text: &str) -> Vec<u32> {
    text.split("(line")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .flat_map(|(numbers, _)| numbers.trim_start_matches('s').split(','))
        .filter_map(|number| number.trim().parse().ok())
        .collect()
}

/// The lines around these numbers, as the trace has them; where there are none, its last lines.
fn excerpt(trace: &TraceFile, cited: &BTreeSet<u32>) -> String {
    let is_near = |row: &&Row| {
        let near = |line: &u32| line.abs_diff(row.number) <= LINES_AROUND;
        cited.is_empty() || cited.iter().any(near)
    };
    let rows: Vec<Row> = trace.rows.iter().filter(is_near).cloned().collect();
    let more = rows.len().saturating_sub(LINES_MAX);
    let before = if cited.is_empty() { more } else { 0 };
    let part = TraceFile {
        header: trace.header.clone(),
        rows: rows.into_iter().skip(before).take(LINES_MAX).collect(),
        finals: Vec::new(),
        verdicts: Vec::new(),
    };
    let whole = text::write(&part);
    let out: String = whole
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    match more {
        0 => out,
        _ if before > 0 => format!("   ... after {more} lines before these\n{out}"),
        _ => out + &format!("   ... and {more} more lines\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_found() {
        let text =
            "alice#1 was told \"x (y)\" (line 9), but its first execution (lines 3, 12) gave";
        assert_eq!(cited(text), [9, 3, 12]);
        assert!(cited("nothing (here)").is_empty());
    }
}
