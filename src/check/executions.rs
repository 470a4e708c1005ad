//! `executions`: how often did each request run?
//!
//! Definition: no request runs more than once, and a request whose outcome is ok ran at least once.
//! All attempts of one call are one request. Failed says nothing about runs (a refusal is a run, too),
//! and after unknown both none and one are right.
//!
//! ```text
//! alice   |-- cancel --x              |-- cancel again -----|   told: already cancelled
//! server       [cancel]  reply lost       [cancel]              ran 2 times: violated
//!
//! bob     |-- cancel --x              |-- cancel again -----|   told: cancelled
//! server       [cancel]  reply lost       stored reply          ran once: valid
//! ```
//!
//! It is the at-most-once semantics of Birrell and Nelson, "Implementing Remote Procedure Calls",
//! ACM TOCS 2(1), 1984: if the call returns, the procedure ran exactly once, and else at most once.
//! What ran here must have run under the call's own name: a client that takes the reply to another
//! call for its own is told ok for what never ran.
//!
//! A request that waited when its server crashed, and whose step had stored nothing, left nothing behind:
//! it was not executed. It was if its server's disk shows that a later step had completed it.
//!
//! It looks at operations, not at states: that a second run did no harm is for [`effects`] to say.
//! Operations of the setup are no part of it.
//!
//! [`effects`]: crate::check::effects

use std::collections::BTreeMap;

use crate::check::{Verdict, cite};
use crate::history::{History, OutcomeKind};
use crate::id::OperationId;
use crate::trace::{Detail, Event, Line, Names, TraceFile};

/// A request was executed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Execution {
    /// Whose request.
    pub operation: OperationId,
    /// In which line of the trace; 0 if the trace was not kept.
    pub line: u32,
}

/// A client's operation ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Told {
    /// Which operation.
    pub operation: OperationId,
    /// How.
    pub kind: OutcomeKind,
    /// In which line of the trace; 0 if the trace was not kept.
    pub line: u32,
}

/// Judges a run. Cheap where the property holds: no text is made, nothing is copied but identities.
#[must_use]
pub fn judge(executions: &[Execution], told: &[Told], names: Names<'_>) -> Verdict {
    let ran = executions.iter().map(|run| run.operation);
    let runs = Runs::of(ran.filter(|operation| operation.number > 0));
    let executions = || executions.iter().filter(|run| run.operation.number > 0);
    let told_ok = || {
        told.iter()
            .filter(|told| told.kind == OutcomeKind::Ok && told.operation.number > 0)
    };
    if runs.most <= 1 && told_ok().all(|told| runs.count(told.operation) > 0) {
        return Verdict::Valid;
    }

    let mut lines: BTreeMap<OperationId, Vec<u32>> = BTreeMap::new();
    for run in executions() {
        lines.entry(run.operation).or_default().push(run.line);
    }
    let mut violations: Vec<cite::Violation> = lines
        .iter()
        .filter(|(_, lines)| lines.len() > 1)
        .map(|(&operation, lines)| ran_again(operation, lines, names))
        .collect();
    violations.extend(
        told_ok()
            .filter(|told| runs.count(told.operation) == 0)
            .map(|told| never_ran(told, names)),
    );
    cite::verdict(violations)
}

/// Operations of a client for which room is made at once.
const ROOM_MIN: usize = 128;

/// How often each operation ran: operations are numbered densely, so that counting is cheap.
#[derive(Default)]
struct Runs {
    by_client: Vec<Vec<u32>>,
    most: u32,
}

impl Runs {
    fn of(executed: impl Iterator<Item = OperationId>) -> Self {
        let mut runs = Self::default();
        for operation in executed {
            let (client, number) = (operation.client.index(), operation.number as usize);
            if runs.by_client.len() <= client {
                runs.by_client.resize_with(client + 1, Vec::new);
            }
            let of_client = &mut runs.by_client[client];
            if of_client.len() <= number {
                let room = (number + 1).next_power_of_two(); // the next ones are soon to follow
                of_client.resize(room.max(ROOM_MIN), 0);
            }
            let count = &mut of_client[number];
            *count += 1;
            runs.most = runs.most.max(*count);
        }
        runs
    }

    fn count(&self, operation: OperationId) -> u32 {
        let of_client = self.by_client.get(operation.client.index());
        let count = of_client.and_then(|runs| runs.get(operation.number as usize));
        count.copied().unwrap_or(0)
    }
}

/// Executions as they happen: those that wait and have stored nothing end with their server's life.
#[derive(Default)]
struct Lasting<Host> {
    executions: Vec<Execution>,
    /// By server, those that may yet have been none.
    waiting: Vec<(Host, Execution)>,
    /// By server, those that were none as far as its crash goes.
    cut_short: Vec<(Host, Execution)>,
}

impl<Host: Copy + PartialEq> Lasting<Host> {
    fn execute(&mut self, execution: Execution, waits_at: Option<Host>) {
        self.executions.push(execution);
        self.waiting.extend(waits_at.map(|host| (host, execution)));
    }

    fn complete(&mut self, operation: OperationId) {
        self.waiting
            .retain(|(_, waiting)| waiting.operation != operation);
    }

    /// The disk of a server shows that an earlier life of it completed a request that waited: so it was
    /// executed after all.
    fn recover(&mut self, host: &Host, operation: OperationId) {
        let is_it = |(at, each): &(Host, Execution)| at == host && each.operation == operation;
        if let Some(place) = self.cut_short.iter().position(is_it) {
            let (_, execution) = self.cut_short.remove(place);
            let later = |run: &Execution| run.line <= execution.line;
            let place = self.executions.partition_point(later);
            self.executions.insert(place, execution);
        }
    }

    fn crash(&mut self, host: &Host) {
        let (executions, cut_short) = (&mut self.executions, &mut self.cut_short);
        self.waiting.retain(|(at, waiting)| {
            if at == host
                && let Some(place) = executions.iter().rposition(|each| each == waiting)
            {
                executions.remove(place);
                cut_short.push((*at, *waiting));
            }
            at != host
        });
    }
}

/// What a recorder kept, for [`judge`].
#[must_use]
pub fn from_lines(lines: &[Line], detail: Detail) -> (Vec<Execution>, Vec<Told>) {
    let mut lasting = Lasting::default();
    let mut told = Vec::new();
    for (line, recorded) in cite::numbers(detail).zip(lines) {
        match &recorded.event {
            &Event::Execute {
                operation,
                ref reply,
                stored,
                recovered,
                ..
            } => {
                let waits = reply.is_none() && !stored;
                if waits && recovered {
                    continue; // the life in which it waited is over
                }
                lasting.execute(
                    Execution { operation, line },
                    waits.then_some(recorded.host),
                );
            }
            Event::Complete {
                operation,
                recovered,
                ..
            } => {
                lasting.complete(*operation);
                if *recovered {
                    lasting.recover(&recorded.host, *operation);
                }
            }
            Event::Crash { .. } => lasting.crash(&recorded.host),
            Event::Outcome { operation, outcome } => told.push(Told {
                operation: *operation,
                kind: outcome.kind,
                line,
            }),
            _ => {}
        }
    }
    (lasting.executions, told)
}

/// Judges a run whose trace was not kept.
#[must_use]
pub fn judge_counts(executed: &[OperationId], history: &History, names: Names<'_>) -> Verdict {
    let runs = Runs::of(
        executed
            .iter()
            .copied()
            .filter(|operation| operation.number > 0),
    );
    let mut outcomes = history.outcomes();
    let ran_or_not_ok = |(operation, kind): (OperationId, OutcomeKind)| {
        kind != OutcomeKind::Ok || runs.count(operation) > 0
    };
    if runs.most <= 1 && outcomes.all(ran_or_not_ok) {
        return Verdict::Valid;
    }
    let executions = executed
        .iter()
        .map(|&operation| Execution { operation, line: 0 });
    let told = |(operation, kind)| Told {
        operation,
        kind,
        line: 0,
    };
    let told: Vec<Told> = history.outcomes().map(told).collect();
    judge(&executions.collect::<Vec<_>>(), &told, names)
}

/// What a trace says in words, for [`judge`].
#[must_use]
pub fn from_trace(trace: &TraceFile) -> (Vec<Execution>, Vec<Told>) {
    let names = Names(&trace.header.hosts);
    let mut lasting = Lasting::default();
    let mut told = Vec::new();
    for row in &trace.rows {
        if row.event == "crash" {
            lasting.crash(&row.host.as_str());
        }
        let operation = row.operation.as_deref();
        let Some(operation) = operation.and_then(|name| names.find_operation(name)) else {
            continue;
        };
        let line = row.number;
        if row.event == "execute" {
            let waits = row.reply.is_none() && !row.stored;
            if waits && row.recovered {
                continue;
            }
            let waits_at = waits.then_some(row.host.as_str());
            lasting.execute(Execution { operation, line }, waits_at);
        } else if row.event == "complete" {
            lasting.complete(operation);
            if row.recovered {
                lasting.recover(&row.host.as_str(), operation);
            }
        } else if let Some(outcome) = &row.outcome {
            told.push(Told {
                operation,
                kind: outcome.kind,
                line,
            });
        }
    }
    (lasting.executions, told)
}

fn ran_again(operation: OperationId, lines: &[u32], names: Names<'_>) -> cite::Violation {
    let name = names.operation(operation);
    cite::Violation {
        // The second run is the one too many.
        line: lines[1],
        text: format!("{name} ran {} times{}", lines.len(), cite::lines(lines)),
    }
}

fn never_ran(told: &Told, names: Names<'_>) -> cite::Violation {
    let name = names.operation(told.operation);
    cite::Violation {
        line: told.line,
        text: format!(
            "{name} was told ok{} but never ran",
            cite::lines(&[told.line])
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::sample::{alice, hosts, line, lost_cancel_reply};

    fn run(number: u32, line: u32) -> Execution {
        Execution {
            operation: alice(number),
            line,
        }
    }

    fn ok(number: u32, line: u32) -> Told {
        Told {
            operation: alice(number),
            kind: OutcomeKind::Ok,
            line,
        }
    }

    fn verdict(executions: &[Execution], told: &[Told]) -> String {
        judge(executions, told, Names(&hosts())).to_string()
    }

    #[test]
    fn the_first_violation_is_named_and_the_others_are_counted() {
        let runs = [run(3, 2), run(2, 3), run(2, 8), run(3, 9), run(3, 11)];
        assert_eq!(
            verdict(&runs, &[ok(3, 10), ok(1, 12)]),
            "violated  alice#2 ran 2 times (lines 3, 8); 2 more"
        );
        assert_eq!(
            verdict(&runs, &[ok(1, 1)]),
            "violated  alice#1 was told ok (line 1) but never ran; 2 more"
        );
    }

    #[test]
    fn without_a_trace_no_line_is_cited() {
        assert_eq!(
            verdict(&[run(1, 0), run(1, 0)], &[]),
            "violated  alice#1 ran 2 times"
        );
        assert_eq!(
            verdict(&[], &[ok(1, 0)]),
            "violated  alice#1 was told ok but never ran"
        );
    }

    #[test]
    fn what_waited_and_stored_nothing_was_not_executed_if_its_server_crashed() {
        let crash = || Event::Crash {
            fault: 1,
            in_disk_operation: false,
            disk: crate::disk::Damage::default(),
        };
        let wait = |stored| Event::Execute {
            operation: alice(1),
            request: b"acquire"[..].into(),
            reply: None,
            stored,
            recovered: false,
        };
        let complete = || Event::Complete {
            operation: alice(1),
            reply: b"granted"[..].into(),
            recovered: false,
        };
        let judged = |events: [Event; 3]| {
            let lines: Vec<Line> = (0..)
                .zip(events)
                .map(|(at, event)| line(at, event))
                .collect();
            [Detail::Trace, Detail::Checks].map(|detail| from_lines(&lines, detail).0.len())
        };
        assert_eq!(judged([wait(false), crash(), wait(false)]), [1, 1]);
        assert_eq!(judged([wait(true), crash(), wait(false)]), [2, 2]);
        assert_eq!(judged([wait(false), complete(), crash()]), [1, 1]);
        let mut found = wait(false);
        if let Event::Execute { recovered, .. } = &mut found {
            *recovered = true;
        }
        assert_eq!(judged([crash(), found, wait(false)]), [1, 1]);
    }

    #[test]
    fn what_waited_was_executed_if_the_disk_shows_that_it_was_completed_before_the_crash() {
        let crash = || Event::Crash {
            fault: 1,
            in_disk_operation: false,
            disk: crate::disk::Damage::default(),
        };
        let wait = |number| Event::Execute {
            operation: alice(number),
            request: b"acquire"[..].into(),
            reply: None,
            stored: false,
            recovered: false,
        };
        let complete = |recovered| Event::Complete {
            operation: alice(1),
            reply: b"granted"[..].into(),
            recovered,
        };
        let judged = |events: Vec<Event>| {
            let lines = (0..)
                .zip(events)
                .map(|(at, event)| line(at, event))
                .collect::<Vec<Line>>();
            let runs = from_lines(&lines, Detail::Trace).0.into_iter();
            runs.map(|run| (run.operation.number, run.line))
                .collect::<Vec<_>>()
        };
        let [other, mine] = [2, 1].map(wait);
        let cut_short = vec![mine.clone(), other, crash(), complete(true)];
        assert_eq!(judged(cut_short), [(1, 1)]);
        assert_eq!(judged(vec![mine.clone(), crash()]), []);
        let again = vec![mine.clone(), crash(), complete(true), mine.clone()];
        assert_eq!(judged(again), [(1, 1), (1, 4)], "it ran twice");
        let served = vec![mine.clone(), crash(), mine, complete(false)];
        assert_eq!(judged(served), [(1, 3)]);
    }

    #[test]
    fn the_setup_is_no_part() {
        assert_eq!(verdict(&[run(0, 1), run(0, 2)], &[ok(0, 3)]), "valid");
    }

    #[test]
    fn a_recorder_s_lines_are_judged_with_their_numbers_only_if_all_were_kept() {
        let lines = lost_cancel_reply();
        for (detail, expected) in [
            (Detail::Trace, "violated  alice#1 ran 2 times (lines 3, 7)"),
            (Detail::Checks, "violated  alice#1 ran 2 times"),
        ] {
            let (executions, told) = from_lines(&lines, detail);
            assert_eq!(verdict(&executions, &told), expected);
        }
    }
}
