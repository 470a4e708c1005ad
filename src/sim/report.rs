//! What a run amounts to: verdicts, and the expectations that it broke.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::check::effects::{self, Spec};
use crate::check::{Verdict, cite, convergence, executions, liveness, sequential};
use crate::clock::Time;
use crate::history::{Outcome, OutcomeKind, Told};
use crate::id::OperationId;
use crate::seed::Seed;
use crate::services::Command;
use crate::services::words::Words;
use crate::sim::causal;
use crate::sim::replay::Replay;
use crate::sim::scenario::{Backend, Check, Expected, Scenario, Variant};
use crate::sim::simulation::{self, Run, SetupError};
use crate::sim::{atomicity, exclusion};
use crate::trace::{Detail, Event, Final, Header, Names, TraceFile, VerdictRow};
use crate::wire::SharedBytes;

/// A run, judged.
#[derive(Debug)]
pub struct Report {
    /// The run itself.
    pub run: Run,
    /// What each check of the variant says.
    pub verdicts: Vec<(Check, Verdict)>,
    /// The expectations that do not hold, in words.
    pub broken: Vec<String>,
}

/// Runs a variant under a seed, and judges the run.
///
/// # Errors
///
/// If a command of the setup does not succeed.
///
/// # Panics
///
/// If a server or client panics.
pub fn run(
    variant: &Arc<Variant>,
    seed: Seed,
    backend: Backend,
    detail: Detail,
) -> Result<Report, SetupError> {
    let needs_lines = |check: &Check| {
        matches!(
            check,
            Check::Effects | Check::Exclusion | Check::Atomicity | Check::Causal
        )
    };
    let needs_lines = variant.checks.iter().any(needs_lines) || variant.application.is_store();
    let detail = if detail == Detail::Checks && !needs_lines {
        Detail::Counts
    } else {
        detail
    };
    let run = simulation::run(variant, seed, backend, detail)?;
    let of_store = match run.unfinished {
        None => causal::judge(variant, &run, detail),
        Some(_) => Vec::new(),
    };
    let judge = |&check: &Check| {
        let judged = of_store.iter().find(|(judged, _)| *judged == check);
        let judged = judged.map(|(_, verdict)| verdict.clone());
        (
            check,
            judged.unwrap_or_else(|| judge(variant, &run, check, detail)),
        )
    };
    let verdicts: Vec<(Check, Verdict)> = variant.checks.iter().map(judge).collect();
    let broken = broken_expectations(variant, &run, &verdicts);
    Ok(Report {
        run,
        verdicts,
        broken,
    })
}

impl Report {
    /// The run as a trace in words. It is whole only if the run kept every event.
    #[must_use]
    pub fn trace(&self, scenario: &Scenario, variant: &Variant, seed: Seed) -> TraceFile {
        let header = Header {
            scenario: scenario.name.clone(),
            variant: variant.name.clone(),
            seed,
            story: scenario.story.clone(),
            command: Header::command(&scenario.file, &variant.name, seed),
            hosts: self.run.names.clone(),
            comment: None,
        };
        let words = Words(variant.application.clone());
        let mut trace = TraceFile::new(header, &self.run.lines, &words);
        let ms = self.run.lines.last().map_or(0, |line| line.at.as_ms());
        let finals = self.run.finals.iter().cloned();
        trace.finals = finals
            .map(|(command, told)| Final { command, told, ms })
            .collect();
        trace.verdicts = self.verdict_rows();
        trace
    }

    /// The verdicts, and a row for faults that struck nothing.
    fn verdict_rows(&self) -> Vec<VerdictRow> {
        let rows = self
            .verdicts
            .iter()
            .map(|(check, verdict)| verdict.row(check.name()));
        let idle = self.run.idle_faults.iter().map(|fault| VerdictRow {
            check: "faults".to_owned(),
            verdict: "idle".to_owned(),
            evidence: format!("fault {fault} struck nothing"),
        });
        rows.chain(idle).collect()
    }
}

fn judge(variant: &Variant, run: &Run, check: Check, detail: Detail) -> Verdict {
    if let Some(reason) = &run.unfinished {
        // A waiter that waits for ever is seen in a run that has no end.
        let judged = match check {
            Check::Exclusion => exclusion::judge(variant, run, detail),
            _ => Verdict::Valid,
        };
        return match judged {
            Verdict::Violated(evidence) => Verdict::Violated(evidence),
            _ => Verdict::Unknown(reason.clone()),
        };
    }
    let names = Names(&run.names);
    match check {
        Check::Executions if detail == Detail::Trace => {
            let (executions, told) = executions::from_lines(&run.lines, detail);
            executions::judge(&executions, &told, names)
        }
        Check::Executions => executions::judge_counts(&run.executed, &run.history, names),
        Check::Effects => {
            let words = Words(variant.application.clone());
            let (applied, told) = effects::from_lines(&run.lines, detail, &words);
            let at = run.lines.last().map_or(Time::ZERO, |line| line.at);
            let finals = variant.expect.finals.iter().zip(&run.finals);
            let mut asked: Vec<effects::Asked<'_, [u8]>> = finals
                .filter_map(|(asked, (command, told))| match &asked.commands[..] {
                    [only] => Some(effects::Asked {
                        at,
                        command,
                        request: &only.body[..],
                        told,
                    }),
                    _ => None, // several commands in one line: their texts were joined
                })
                .collect();
            let probed = probed(variant, &applied, at);
            asked.extend(probed.iter().map(|probe| effects::Asked {
                at,
                command: &probe.command,
                request: &probe.request[..],
                told: &probe.told,
            }));
            effects::judge(&applied, &told, &asked, &mut Replay::of(variant), names)
        }
        Check::Linearizable => linearizable(variant, run, detail),
        Check::Exclusion => exclusion::judge(variant, run, detail),
        Check::Atomicity => atomicity::judge(variant, run, detail),
        Check::Causal
        | Check::CausalMemory
        | Check::ReadYourWrites
        | Check::MonotonicReads
        | Check::MonotonicWrites
        | Check::WritesFollowReads => {
            unreachable!("{} is judged with the others of a store", check.name())
        }
        Check::Convergence => convergence::judge(&run.replicas),
        Check::Liveness => {
            let bound = variant
                .liveness
                .as_ref()
                .map_or(Duration::ZERO, |asked| asked.within);
            liveness::judge(&run.fresh_calls, bound)
        }
    }
}

/// Whether the history is one of the service's specification.
fn linearizable(variant: &Variant, run: &Run, detail: Detail) -> Verdict {
    let application = &variant.application;
    let spec = application.spec();
    let spec = spec.expect("a scenario asks for it only where there is one");
    let lines = lines_of_operations(run, detail);
    let name = |operation, request: &SharedBytes, outcome: Option<&Outcome>| {
        let name = Names(&run.names).operation(operation);
        let request = application.describe_request(request);
        let told = match outcome.map(|outcome| &outcome.told) {
            Some(Told::Reply(reply)) => format!(" -> {}", application.describe_reply(reply)),
            Some(Told::Text(text)) => format!(" -> {text}"),
            None => String::new(),
        };
        let lines = lines
            .get(&operation)
            .map_or(String::new(), |lines| cite::lines(lines));
        format!("{name} {request}{told}{lines}")
    };
    let setup = variant.setup_commands();
    let setup = setup.map(|(_, command)| SharedBytes::from(&command.body[..]));
    let calls = sequential::calls(setup, &run.history.entries(), name);
    spec.judge(&calls, sequential::STEPS_MAX)
}

/// In which lines of the trace each operation begins and ends; nothing if the trace was not kept.
pub(super) fn lines_of_operations(run: &Run, detail: Detail) -> BTreeMap<OperationId, Vec<u32>> {
    let mut lines: BTreeMap<OperationId, Vec<u32>> = BTreeMap::new();
    if detail == Detail::Trace {
        for (number, line) in (1..).zip(&run.lines) {
            match &line.event {
                Event::Outcome { operation, .. } => {
                    lines.entry(*operation).or_default().push(number)
                }
                event => {
                    let operation = event.operation();
                    let begins = operation.filter(|operation| operation.client == line.host);
                    if let Some(operation) = begins {
                        lines.entry(operation).or_insert_with(|| vec![number]);
                    }
                }
            }
        }
    }
    lines
}

/// What a server that has executed all this says of its state. Nobody asked it.
struct Probed {
    command: String,
    request: Vec<u8>,
    told: String,
}

/// What the application's probes say after every execution, the second and later ones too. Where
/// nothing ran twice they would say what the first executions give, and are left out.
fn probed(variant: &Variant, applied: &[effects::Applied<'_, [u8]>], at: Time) -> Vec<Probed> {
    let mut seen = BTreeSet::new();
    let stories = || applied.iter().filter(|run| run.operation.number > 0);
    if stories().all(|run| seen.insert(run.operation)) {
        return Vec::new();
    }
    let mut server = Replay::of(variant);
    for run in stories() {
        server.apply(run.at, run.operation, run.request);
    }
    let probes = variant.application.probes().into_iter();
    probes
        .map(|Command { body: request, .. }| {
            let replies = server.apply(at, effects::FINAL, &request);
            Probed {
                command: variant.application.describe_request(&request),
                told: effects::final_reply(&replies).to_owned(),
                request,
            }
        })
        .collect()
}

fn broken_expectations(variant: &Variant, run: &Run, verdicts: &[(Check, Verdict)]) -> Vec<String> {
    let expect = &variant.expect;
    let checks = expect.checks.iter().filter_map(|&(check, expected)| {
        let (_, verdict) = verdicts.iter().find(|(judged, _)| *judged == check)?;
        (!agrees(expected, verdict)).then(|| {
            let (check, expected) = (check.name(), expected.name());
            format!("{check}: expected {expected}, found {verdict}")
        })
    });
    let outcomes = expect.outcomes.iter().filter_map(|&(operation, expected)| {
        let found = outcome(run, operation);
        (found != Some(expected)).then(|| {
            let operation = Names(&run.names).operation(operation);
            let found = found.map_or("no outcome", OutcomeKind::name);
            format!(
                "outcome of {operation}: expected {}, found {found}",
                expected.name()
            )
        })
    });
    let finals = expect.finals.iter().filter_map(|asked| {
        let found = run.finals.iter().find(|(line, _)| *line == asked.line);
        let found = found.map_or("nothing: the run was not finished", |(_, text)| text);
        (found != asked.expected).then(|| {
            format!(
                "final `{}`: expected \"{}\", found \"{found}\"",
                asked.line, asked.expected
            )
        })
    });
    checks.chain(outcomes).chain(finals).collect()
}

/// Whether a verdict is the expected one; unknown satisfies neither.
#[must_use]
pub const fn agrees(expected: Expected, verdict: &Verdict) -> bool {
    matches!(
        (expected, verdict),
        (Expected::Valid, Verdict::Valid) | (Expected::Violated, Verdict::Violated(_))
    )
}

/// How an operation ended.
#[must_use]
pub fn outcome(run: &Run, asked: OperationId) -> Option<OutcomeKind> {
    let mut outcomes = run.history.outcomes();
    outcomes
        .find(|(operation, _)| *operation == asked)
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::catalogue;

    /// The verdict of `effects` where all three replies to this command of alice's are lost.
    fn effects_without_replies(command: &str) -> Verdict {
        let file = format!(
            r#"
story = "No reply to alice arrives."
service = "booking"
seed = 7
semantics = "at-least-once"
checks = ["effects"]
[setup]
alice = ["book 'Meeting Room A' mon 10:00-11:00"]
[clients]
alice = ["{command}"]
[network]
loss = 0.0
"#
        );
        let drops = (1..=3)
            .map(|nth| format!("[[fault]]\ndrop = {{ reply_to = \"alice#1\", nth = {nth} }}\n"));
        let file: String = std::iter::once(file).chain(drops).collect();
        let scenario = Scenario::parse("unheard.toml", &file, &catalogue());
        let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
        let variant = &scenario.variants[0];
        let report = run(variant, Seed(7), Backend::Event, Detail::Checks);
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(times_executed(&report.run.executed), [3]);
        report.verdicts[0].1.clone()
    }

    fn times_executed(executed: &[OperationId]) -> Vec<u32> {
        crate::sim::compare::times_executed(executed)
            .into_values()
            .collect()
    }

    #[test]
    fn a_change_that_runs_three_times_breaks_effects_though_nobody_is_told_or_asks() {
        let verdict = effects_without_replies("change CONF000001 +1h");
        assert_eq!(
            verdict.evidence(),
            "query 'Meeting Room A' mon says \"mon 00:00-13:00, 14:00-24:00\", but the replay says \
             \"mon 00:00-11:00, 12:00-24:00\""
        );
    }

    #[test]
    fn an_extend_that_runs_three_times_leaves_what_one_leaves() {
        let verdict = effects_without_replies("extend CONF000001 1h");
        assert_eq!(verdict, Verdict::Valid);
    }
}
