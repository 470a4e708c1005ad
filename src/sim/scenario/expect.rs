//! What a variant expects.

use super::clients::commands;
use super::error::{ScenarioError, Source};
use super::field::At;
use super::file::{Expect, OutcomeWord};
use super::hosts::Hosts;
use super::{Check, Expectations, FinalCommand};
use crate::history::OutcomeKind;
use crate::services::Application;

/// The expectations of a variant that runs these checks.
pub(super) fn expectations(
    source: &Source,
    application: &dyn Application,
    hosts: &Hosts,
    checks: &[Check],
    expect: &Expect,
) -> Result<Expectations, ScenarioError> {
    let mut expectations = Expectations::default();
    for (check, verdict) in expect.verdicts() {
        if !checks.contains(&check) {
            let name = check.name();
            let message = format!("`{name}` is not judged; expected it among the `checks`");
            return Err(source.error(verdict.span.start, message));
        }
        expectations.checks.push((check, verdict.value.0));
    }
    for (operation, outcome) in &expect.outcome.0 {
        let outcome = OutcomeKind::from(outcome.0);
        expectations
            .outcomes
            .push((hosts.operation(operation)?, outcome));
    }
    for (line, expected) in &expect.finals.0 {
        expectations.finals.push(FinalCommand {
            line: line.value.clone(),
            commands: final_commands(source, application, line)?,
            expected: expected.clone(),
        });
    }
    Ok(expectations)
}

fn final_commands(
    source: &Source,
    application: &dyn Application,
    line: &At<String>,
) -> Result<Vec<crate::services::Command>, ScenarioError> {
    says_something(source, line)?;
    commands(source, application, line)
}

/// Refuses what a script may do besides the commands of its service.
pub(super) fn says_something(source: &Source, line: &At<String>) -> Result<(), ScenarioError> {
    match line.value.split(' ').next() {
        Some(word @ ("wait" | "pause")) => {
            let message = format!("`{word}` says nothing; expected a command of the service");
            Err(source.error_inside(line, 0, message))
        }
        _ => Ok(()),
    }
}

impl From<OutcomeWord> for OutcomeKind {
    fn from(word: OutcomeWord) -> Self {
        match word {
            OutcomeWord::Ok => Self::Ok,
            OutcomeWord::Failed => Self::Failed,
            OutcomeWord::Unknown => Self::Unknown,
        }
    }
}
