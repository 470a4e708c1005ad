//! The checks of causal consistency, on a run of a store.

use std::collections::BTreeMap;

use crate::check::causal::{History, Judge};
use crate::check::{Check, Verdict, cite, commits};
use crate::history::sessions::{Access, SessionHistory};
use crate::history::{Entry, HistoryEvent, Outcome, OutcomeKind, Told};
use crate::id::{HostId, OperationId};
use crate::rpc::StateKind;
use crate::sim::report::lines_of_operations;
use crate::sim::scenario::Variant;
use crate::sim::simulation::Run;
use crate::trace::{Detail, Names};
use crate::wire::SharedBytes;

/// Joins of clocks after which causal memory is not decided: some seconds.
const JOINS_MAX: u64 = 1_000_000;

/// `causal`: what replicas committed, and what clients saw, by causal consistency and convergence.
pub(super) fn judge(variant: &Variant, run: &Run, detail: Detail) -> Verdict {
    let forgets = variant.state == StateKind::Memory;
    let steps = commits::from_lines(&run.lines, detail, forgets);
    let by_trace = commits::judge(steps, Names(&run.names));
    if let Verdict::Violated(_) = by_trace {
        return by_trace;
    }
    let history = History::new(&sessions(variant, run, detail));
    let judge = Judge::new(&history);
    match judge.causal_consistency() {
        Verdict::Valid => judge.causal_convergence(),
        other => other,
    }
}

/// The session guarantees, and causal memory.
pub(super) fn judge_sessions(
    variant: &Variant,
    run: &Run,
    detail: Detail,
    check: Check,
) -> Verdict {
    let history = History::new(&sessions(variant, run, detail));
    let judge = Judge::new(&history);
    if check == Check::CausalMemory {
        return judge.causal_memory(JOINS_MAX);
    }
    let guarantees = judge.session_guarantees();
    let mut of_check = guarantees
        .into_iter()
        .filter(|(name, _)| *name == check.name());
    of_check
        .next()
        .expect("each guarantee is judged by its name")
        .1
}

/// What each client read and wrote, in its order.
pub(super) fn sessions(variant: &Variant, run: &Run, detail: Detail) -> SessionHistory {
    let lines = lines_of_operations(run, detail);
    let names = Names(&run.names);
    let mut asked: BTreeMap<OperationId, SharedBytes> = BTreeMap::new();
    let mut sessions: BTreeMap<HostId, Vec<Access>> = BTreeMap::new();
    for Entry {
        operation, event, ..
    } in run.history.entries()
    {
        match event {
            HistoryEvent::Invoke(request) => {
                asked.insert(operation, request);
            }
            HistoryEvent::Complete(outcome) => {
                let place = || {
                    let lines = lines
                        .get(&operation)
                        .map_or(String::new(), |l| cite::lines(l));
                    format!("{}{lines}", names.operation(operation))
                };
                let request = asked.remove(&operation);
                let access = request.and_then(|request| access(variant, &request, &outcome, place));
                sessions.entry(operation.client).or_default().extend(access);
            }
        }
    }
    // What never ended may have happened: the run was stopped.
    for (operation, request) in asked {
        let outcome = Outcome::text(OutcomeKind::Unknown, "");
        let access = access(variant, &request, &outcome, || names.operation(operation));
        sessions.entry(operation.client).or_default().extend(access);
    }
    SessionHistory {
        sessions: sessions.into_values().collect(),
    }
}

fn access(
    variant: &Variant,
    request: &[u8],
    outcome: &Outcome,
    place: impl FnOnce() -> String,
) -> Option<Access> {
    let reply = match &outcome.told {
        Told::Reply(reply) => Some(&reply[..]),
        Told::Text(_) => None,
    };
    let (kind, key, value) = variant.application.access(request, reply)?;
    Some(Access {
        kind,
        key,
        value,
        outcome: outcome.kind,
        place: place(),
    })
}
