//! What is judged of a variant.

use std::time::Duration;

use super::clients::commands;
use super::error::{ScenarioError, Source};
use super::expect::says_something;
use super::file::{Expect, Keys, LivenessTable};
use super::resolve::once_each;
use super::{Check, Liveness};
use crate::rpc::retransmit::Policy;
use crate::services::Application;

/// The checks of a variant, each with the place in the file that asks for it: those that the file
/// lists, or else the usual ones and what it expects or describes besides.
pub(super) fn checks(
    source: &Source,
    application: &dyn Application,
    keys: &Keys,
    expect: Option<&Expect>,
) -> Result<Vec<(Check, usize)>, ScenarioError> {
    let mut asked_at: Vec<(Check, usize)> = Vec::new();
    match &keys.checks {
        Some(list) => {
            let checks = once_each(source, Some(&list.value), &[], Check::name)?;
            let places = list.value.iter().map(|word| word.span.start);
            asked_at.extend(checks.into_iter().zip(places));
        }
        None => {
            asked_at.extend(application.checks().into_iter().map(|check| (check, 0)));
            let expected = expect.into_iter().flat_map(Expect::verdicts);
            let expected = expected.map(|(check, verdict)| (check, verdict.span.start));
            let described = keys.liveness.iter();
            let described = described.map(|table| (Check::Liveness, table.span.start));
            asked_at.extend(expected.chain(described));
        }
    }
    asked_at.sort();
    asked_at.dedup_by_key(|(check, _)| *check);
    let place = |asked: Check| {
        let found = asked_at.iter().find(|(check, _)| *check == asked);
        found.map(|&(_, at)| at)
    };
    if let (Some(table), None) = (&keys.liveness, place(Check::Liveness)) {
        let message = "`liveness` is not judged; expected it among the `checks`";
        return Err(source.error(table.span.start, message));
    }
    for &(check, at) in &asked_at {
        if let Some(why) = cannot_judge(check, application) {
            let message = format!(
                "{} {why}, which `{}` needs",
                application.name(),
                check.name()
            );
            return Err(source.error(at, message));
        }
    }
    Ok(asked_at)
}

/// What a service does not have that a check needs.
fn cannot_judge(check: Check, application: &dyn Application) -> Option<&'static str> {
    let servers = application.servers().len();
    match check {
        Check::Executions | Check::Liveness => None,
        Check::Effects => (servers > 1).then_some("has several servers, and not one state"),
        Check::Linearizable => {
            (application.spec().is_none()).then_some("has no sequential specification")
        }
        Check::Exclusion => (!application.has_locks()).then_some("has no locks"),
        Check::Atomicity => (application.coordinator().is_none()).then_some("has no transactions"),
        Check::Causal
        | Check::CausalMemory
        | Check::ReadYourWrites
        | Check::MonotonicReads
        | Check::MonotonicWrites
        | Check::WritesFollowReads => {
            (!application.is_store()).then_some("has no reads and writes of keys")
        }
        Check::Convergence => (servers == 1).then_some("has no second server"),
    }
}

/// The calls of a fresh client, and how long each may take. `at` is where the file asks for the check.
pub(super) fn liveness(
    source: &Source,
    application: &dyn Application,
    policy: Policy,
    (at, table): (usize, Option<&LivenessTable>),
) -> Result<Liveness, ScenarioError> {
    let calls = match table.and_then(|table| table.calls.as_ref()) {
        Some(lines) => {
            let mut calls = Vec::new();
            for line in &lines.value {
                says_something(source, line)?;
                calls.push((line.value.clone(), commands(source, application, line)?));
            }
            if calls.is_empty() {
                let message = "no call; expected a command of the service";
                return Err(source.error(lines.span.start, message));
            }
            calls
        }
        None => {
            let Some(probe) = application.probes().into_iter().next() else {
                let name = application.name();
                let message = format!(
                    "{name} has no command that is known to change nothing; expected `calls` in \
                     [liveness]"
                );
                return Err(source.error(at, message));
            };
            vec![(application.describe_request(&probe.body), vec![probe])]
        }
    };
    let patience = policy.timeout * u32::from(policy.attempts);
    let within = table.and_then(|table| table.within_ms.as_ref());
    Ok(Liveness {
        calls,
        within: within.map_or(patience, |ms| Duration::from_millis(u64::from(ms.0))),
    })
}
