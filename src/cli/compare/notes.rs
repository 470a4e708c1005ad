//! What stands below a table: for each violation, and for each verdict that is unknown, a run to look
//! at.

use std::collections::BTreeMap;

use crate::cli::choice::{Choice, Plan};
use crate::cli::compare::swept::Swept;
use crate::cli::table::counted;
use crate::sim::compare::{Comparison, Runs, Statistics};

/// What was found, and the command that shows an example of it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Note {
    /// What was found.
    pub(super) words: String,
    /// The command.
    pub(super) replay: String,
}

/// The notes of a comparison, in the order of its rows.
pub(super) fn of_comparison(comparison: &Comparison, plan: &Plan, choice: &Choice) -> Vec<Note> {
    let mut notes = Vec::new();
    for (name, statistics) in &comparison.variants {
        let violated = examples(&statistics.violated);
        notes.extend(violated.map(|(check, _, seed)| Note {
            words: format!("{name}: {check} violated"),
            replay: choice.replay(&plan.path, name, seed),
        }));
        let unknown = examples(&statistics.unknown);
        notes.extend(unknown.map(|(check, runs, seed)| {
            let count = counted(runs.count, "run");
            Note {
                words: format!("{name}: {check} could not be judged in {count}"),
                replay: choice.replay(&plan.path, name, seed),
            }
        }));
    }
    notes
}

/// The runs of each check that something is noted of.
type RunsOf = fn(&Statistics) -> &BTreeMap<&'static str, Runs>;

/// What may be noted of a check.
const KINDS: [(&str, RunsOf); 2] = [
    ("violated", |statistics| &statistics.violated),
    ("could not be judged", |statistics| &statistics.unknown),
];

/// The notes of a sweep: one for each variant and check, of the first value where there is something
/// to note.
pub(super) fn of_sweep(swept: &Swept, plans: &[(Choice, Plan)]) -> Vec<Note> {
    let key = &swept.sweep.key;
    let names = swept.points.first().into_iter().flat_map(|point| {
        let names = point.variants.iter();
        names.map(|(name, _)| name)
    });
    let mut notes = Vec::new();
    for name in names {
        for (kind, runs_of) in KINDS {
            let mut noted = Vec::new();
            for (point, (choice, plan)) in swept.points.iter().zip(plans) {
                let of_name = point.variants.iter().find(|(of, _)| of == name);
                let found = of_name
                    .into_iter()
                    .flat_map(|(_, all)| examples(runs_of(all)));
                for (check, runs, seed) in found {
                    if noted.contains(&check) {
                        continue;
                    }
                    noted.push(check);
                    let (value, count) = (&point.value.text, counted(runs.count, "run"));
                    notes.push(Note {
                        words: format!("{name}: {check} {kind} at {key} = {value} in {count}"),
                        replay: choice.replay(&plan.path, name, seed),
                    });
                }
            }
        }
    }
    notes
}

/// Each check with its runs and one of their seeds, if there are any.
fn examples<'a>(
    runs: &'a BTreeMap<&'static str, Runs>,
) -> impl Iterator<Item = (&'static str, &'a Runs, u64)> {
    let example = |(&check, runs): (&&'static str, &'a Runs)| {
        let seed = runs.example?;
        Some((check, runs, seed))
    };
    runs.iter().filter_map(example)
}
