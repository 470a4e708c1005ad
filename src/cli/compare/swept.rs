//! A scenario compared at each value of a key.

use std::ops::Range;

use serde::Serialize;

use crate::cli::choice::{Choice, Plan};
use crate::cli::compare::sweep::{Sweep, Value};
use crate::cli::exit::UsageError;
use crate::sim::compare::{Statistics, in_order};

/// How the variants of a scenario compare at each value of a key. Its JSON form is public.
#[derive(Debug, Serialize)]
pub(super) struct Swept {
    /// The scenario's name.
    pub(super) scenario: String,
    /// The half-open range of seeds, as texts because JSON readers may not keep large numbers.
    pub(super) seeds: [String; 2],
    /// What was swept.
    pub(super) sweep: Axis,
    /// What came out, in the order of the values.
    pub(super) points: Vec<Point>,
}

/// A key and its values.
#[derive(Debug, Serialize)]
pub(super) struct Axis {
    /// As `--set` understands it.
    pub(super) key: String,
    /// In the order of the command line.
    pub(super) values: Vec<Value>,
}

/// What came out at one value.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    /// The value.
    pub(super) value: Value,
    /// What each variant did, in the order of the file.
    #[serde(serialize_with = "in_order")]
    pub(super) variants: Vec<(String, Statistics)>,
}

impl Swept {
    /// What came out at each value of this key.
    pub(super) fn new(scenario: String, seeds: &Range<u64>, key: &str, points: Vec<Point>) -> Self {
        Self {
            scenario,
            seeds: [seeds.start.to_string(), seeds.end.to_string()],
            sweep: Axis {
                key: key.to_owned(),
                values: points.iter().map(|point| point.value.clone()).collect(),
            },
            points,
        }
    }

    /// What the variants did at all values.
    pub(super) fn statistics(&self) -> impl Iterator<Item = &Statistics> {
        let variants = self.points.iter().flat_map(|point| &point.variants);
        variants.map(|(_, statistics)| statistics)
    }

    /// How many runs each variant had at each value.
    pub(super) fn runs(&self) -> u64 {
        self.statistics().next().map_or(0, |first| first.runs)
    }
}

/// What is to be run at each value, and the choice that says so. `plan` reads the scenario.
///
/// # Errors
///
/// [`UsageError`], if the key is overridden too, or if the scenario refuses a value; it is named.
pub(super) fn plans(
    sweep: &Sweep,
    unswept: &Choice,
    plan: impl Fn(&Choice) -> anyhow::Result<Plan>,
) -> anyhow::Result<Vec<(Choice, Plan)>> {
    let Sweep { key, values } = sweep;
    if unswept.overrides_key(key) {
        let message =
            format!("`{key}` is both in --set and in --sweep; expected it in one of them");
        return Err(UsageError(message).into());
    }
    let planned = |value: &Value| {
        let choice = unswept.with_override(key, &value.text);
        let planned = plan(&choice).map_err(|error| match plan(unswept) {
            // It is no matter of the value.
            Err(without) if without.to_string() == error.to_string() => without,
            _ => refused(&value.text, key, error),
        })?;
        Ok((choice, planned))
    };
    values.iter().map(planned).collect()
}

/// A mistake that was found with a value, which it names. An error of another kind stays as it is.
pub(super) fn refused(value: &str, key: &str, error: anyhow::Error) -> anyhow::Error {
    let text = format!("{error:#}");
    if !error.is::<UsageError>() {
        return error;
    }
    let of_override = text.strip_prefix(&format!("--set {key}={value}: "));
    UsageError(of_override.map_or_else(
        || format!("--sweep {key}, value {value}: {text}"),
        |wrong| format!("--sweep {key}, value {value}: {wrong}"),
    ))
    .into()
}
