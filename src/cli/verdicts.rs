//! What `run` prints of a scenario: its story, a row for each variant, and why it came out so.

use std::collections::BTreeMap;

use comfy_table::presets;

use crate::check::Verdict;
use crate::cli::judged::{Judged, Standing, Told};
use crate::cli::table::{counted, paragraph, table, text};
use crate::history::OutcomeKind;
use crate::sim::scenario::{Check, Expected, Scenario};

/// How many operations that did not end ok are told in words, for each variant.
const OUTCOMES_TOLD_MAX: usize = 4;
/// How many checks have a column of their own; the verdicts of more stand below each other.
const CHECK_COLUMNS_MAX: usize = 2;
/// How long a line of counts may be before it is broken: `12 ok, 3 failed`.
const CELL_MAX: usize = 18;

/// A scenario's story, its table, and the notes below.
pub(crate) fn block(scenario: &Scenario, runs: &[Judged]) -> String {
    let mut out = format!("{}  (seed {})\n", scenario.name, scenario.seed.0);
    out.push_str(&paragraph("  ", &scenario.story));
    out.push('\n');
    out.push_str(&rows(runs));
    let width = runs.iter().map(|run| run.variant.name.chars().count());
    let width = width.max().unwrap_or_default();
    let notes: Vec<(&Judged, Vec<String>)> = runs.iter().map(|run| (run, notes(run))).collect();
    if notes.iter().any(|(_, notes)| !notes.is_empty()) {
        out.push('\n');
    }
    for (run, notes) in notes {
        let mut name = run.variant.name.as_str();
        for note in notes {
            out.push_str(&paragraph(&format!("  {name:width$}  "), &note));
            name = "";
        }
    }
    out
}

/// The last line: `14 scenarios, 39 runs: all expectations held`.
pub(crate) fn summary(scenarios: usize, runs: &[(Standing, usize)]) -> String {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let standing = |asked| number(runs.iter().filter(|(each, _)| *each == asked).count());
    let broken = number(runs.iter().map(|(_, broken)| broken).sum());
    let mut found = Vec::new();
    if broken > 0 {
        found.push(format!("{} broken", counted(broken, "expectation")));
    }
    match standing(Standing::Unknown) {
        0 => {}
        unknown => found.push(format!(
            "{} with an unknown verdict",
            counted(unknown, "run")
        )),
    }
    match standing(Standing::Panicked) {
        0 => {}
        panicked => found.push(counted(panicked, "internal error")),
    }
    if found.is_empty() {
        found.push("all expectations held".to_owned());
    }
    format!(
        "{}, {}: {}\n",
        counted(number(scenarios), "scenario"),
        counted(number(runs.len()), "run"),
        found.join(", ")
    )
}

fn rows(runs: &[Judged]) -> String {
    let is_judged = |check: &Check| runs.iter().any(|run| run.variant.checks.contains(check));
    let checks: Vec<Check> = Check::ALL.into_iter().filter(is_judged).collect();
    let names = runs.iter().map(|run| run.variant.name.chars().count() + 2);
    let longest = u16::try_from(names.max().unwrap_or(0)).unwrap_or(u16::MAX);
    let mut columns = vec![
        ("variant", longest.max(15)),
        ("outcomes", 11),
        ("requests", 13),
        ("lost", 6),
        ("resent", 8),
        ("filtered", 10),
    ];
    if checks.len() > CHECK_COLUMNS_MAX {
        columns.push(("verdicts", 21));
    } else {
        columns.extend(checks.iter().map(|check| (check.name(), 10)));
    }
    columns.push(("expectations", 13));
    let mut table = table(presets::NOTHING, &columns);
    for run in runs {
        table.add_row(row(run, &checks));
    }
    let lines = text(&table);
    lines.lines().map(|line| format!(" {line}\n")).collect()
}

fn row(run: &Judged, checks: &[Check]) -> Vec<String> {
    let mut cells = vec![run.variant.name.clone()];
    let as_lines = checks.len() > CHECK_COLUMNS_MAX;
    match &run.told {
        Some(told) => {
            let traffic = told.report.run.traffic;
            cells.push(outcomes(&told.outcomes()));
            cells.push(executions(&told.executions()));
            cells.push(traffic.lost.to_string());
            cells.push(traffic.retransmissions.to_string());
            cells.push(told.events("filter").to_string());
            let verdicts = checks.iter().map(|&check| (check, verdict(told, check)));
            if as_lines {
                let lines = verdicts.map(|(check, verdict)| format!("{} {verdict}", check.name()));
                cells.push(lines.collect::<Vec<_>>().join("\n"));
            } else {
                cells.extend(verdicts.map(|(_, verdict)| verdict.to_owned()));
            }
        }
        None => {
            let verdicts = if as_lines { 1 } else { checks.len() };
            cells.extend(std::iter::repeat_n("-".to_owned(), 5 + verdicts));
        }
    }
    cells.push(standing(run).to_owned());
    cells
}

/// `3 ok, 1 unknown`
fn outcomes(counts: &BTreeMap<OutcomeKind, u64>) -> String {
    let told = counts
        .iter()
        .map(|(kind, count)| format!("{count} {}", kind.name()));
    none_or(told.collect())
}

/// `3 ran once`
fn executions(counts: &BTreeMap<u32, u64>) -> String {
    let told = counts
        .iter()
        .map(|(&times, count)| format!("{count} {}", ran(times)));
    none_or(told.collect())
}

/// The parts side by side if they are short, else one below the other.
fn none_or(parts: Vec<String>) -> String {
    let line = parts.join(", ");
    match line.len() {
        0 => "none".to_owned(),
        1..=CELL_MAX => line,
        _ => parts.join("\n"),
    }
}

/// `ran twice`
pub(crate) fn ran(times: u32) -> String {
    match times {
        0 => "never ran".to_owned(),
        1 => "ran once".to_owned(),
        2 => "ran twice".to_owned(),
        _ => format!("ran {times} times"),
    }
}

fn verdict(told: &Told, check: Check) -> &'static str {
    let mut verdicts = told.report.verdicts.iter();
    verdicts
        .find(|(judged, _)| *judged == check)
        .map_or("-", |(_, verdict)| verdict.name())
}

fn standing(run: &Judged) -> &'static str {
    let expect = &run.variant.expect;
    let has_none =
        expect.checks.is_empty() && expect.outcomes.is_empty() && expect.finals.is_empty();
    match run.standing() {
        Standing::Held if has_none => "none",
        Standing::Held => "as expected",
        Standing::Unknown => "UNKNOWN",
        Standing::Broken => "BROKEN",
        Standing::Panicked => "PANICKED",
    }
}

/// Why it came out so.
fn notes(run: &Judged) -> Vec<String> {
    let Some(told) = &run.told else {
        return vec!["internal error: the run panicked".to_owned()];
    };
    let mut notes = outcomes_told(told);
    notes.extend(evidence(told, run));
    let idle = told.report.run.idle_faults.iter();
    notes.extend(idle.map(|fault| format!("fault {fault} struck nothing")));
    let word = match run.standing() {
        Standing::Unknown => "UNKNOWN",
        _ => "BROKEN",
    };
    let broken = told.report.broken.iter();
    notes.extend(broken.map(|broken| format!("{word} {}", readable(broken))));
    notes
}

/// What is broken, as a sentence: evidence stands in a column of its own in a trace, not here.
pub(crate) fn readable(broken: &str) -> String {
    ["violated", "unknown"]
        .iter()
        .fold(broken.to_owned(), |text, verdict| {
            text.replacen(
                &format!("found {verdict}  "),
                &format!("found {verdict}: "),
                1,
            )
        })
}

/// What clients were told that is not ok.
fn outcomes_told(told: &Told) -> Vec<String> {
    let rows = told.trace.rows.iter().filter(|row| {
        let outcome = row.outcome.as_ref();
        outcome.is_some_and(|outcome| outcome.kind != OutcomeKind::Ok)
    });
    let all: Vec<String> = rows
        .map(|row| format!("{} (line {})", row.details, row.number))
        .collect();
    match all.len().checked_sub(OUTCOMES_TOLD_MAX) {
        Some(more @ 1..) => {
            let mut some = all[..OUTCOMES_TOLD_MAX].to_vec();
            some.push(format!("and {more} more that did not end ok"));
            some
        }
        _ => all,
    }
}

/// What shows that a check is violated. An expectation that does not hold says it itself.
fn evidence(told: &Told, run: &Judged) -> Vec<String> {
    let verdicts = told.report.verdicts.iter();
    verdicts
        .filter_map(|(check, verdict)| {
            let name = check.name();
            let evidence = verdict.evidence();
            match (verdict, run.expected(*check)) {
                (Verdict::Valid, _) => None,
                (Verdict::Violated(_), Some(Expected::Violated)) => {
                    Some(format!("{name} violated, as expected: {evidence}"))
                }
                (_, Some(_)) => None,
                (_, None) => Some(format!("{name} {}: {evidence}", verdict.name())),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_what_matters() {
        let held = (Standing::Held, 0);
        assert_eq!(
            summary(14, &[held; 39]),
            "14 scenarios, 39 runs: all expectations held\n"
        );
        let broken = (Standing::Broken, 2);
        assert_eq!(
            summary(1, &[held, broken]),
            "1 scenario, 2 runs: 2 expectations broken\n"
        );
        let worst = [broken, (Standing::Unknown, 0), (Standing::Panicked, 0)];
        assert_eq!(
            summary(1, &worst),
            "1 scenario, 3 runs: 2 expectations broken, 1 run with an unknown verdict, \
             1 internal error\n"
        );
    }

    #[test]
    fn counts_read_as_words() {
        let counts = BTreeMap::from([(0, 1), (1, 7), (2, 1), (3, 1)]);
        assert_eq!(
            executions(&counts),
            "1 never ran\n7 ran once\n1 ran twice\n1 ran 3 times"
        );
        assert_eq!(executions(&BTreeMap::new()), "none");
        let counts = BTreeMap::from([(OutcomeKind::Ok, 12), (OutcomeKind::Failed, 3)]);
        assert_eq!(outcomes(&counts), "12 ok, 3 failed");
    }
}
