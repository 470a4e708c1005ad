//! The check `atomicity`, on a run of a service with transactions.
//!
//! What a server has of a transaction is what it has said last; what a later life of it does not say again is
//! lost. That is how a hold is found out that was not durable when its server voted yes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::check::atomicity::{self, Decision, Participant, Standing, Transaction};
use crate::check::{Verdict, cite};
use crate::history::{HistoryEvent, OutcomeKind, Told};
use crate::id::{HostId, OperationId};
use crate::sim::scenario::Variant;
use crate::sim::simulation::Run;
use crate::trace::{Detail, Event, Line, Names, Part, TransactionStep, Word};
use crate::wire::SharedBytes;

/// The verdict of a run: unknown if nothing is violated and a participant is down in the end, for nobody sees what
/// it has; or the coordinator is, for who is prepared waits for it, as two-phase commit must.
pub(super) fn judge(variant: &Variant, run: &Run, detail: Detail) -> Verdict {
    let mut seen = Seen::default();
    for line in &run.setup {
        seen.take(0, line);
    }
    for (number, line) in cite::numbers(detail).zip(&run.lines) {
        seen.take(number, line);
    }
    let coordinator = variant.application.coordinator().map(HostId);
    let hidden = seen.hide_what_is_not_known(coordinator);
    let names = Names(&run.names);
    let transactions = seen.transactions(names, &told(variant, run));
    match (atomicity::judge(&transactions), hidden) {
        (Verdict::Valid, Some((host, transaction))) => {
            let host = names.host(host);
            let text =
                format!("{host} is down in the end: what has become of {transaction} is not known");
            Verdict::Unknown(text)
        }
        (verdict, _) => verdict,
    }
}

/// How the transactions of each operation ended, as its client was told. Of a request that was executed more than
/// once, a refusal says nothing: it may be of an execution that began no transaction.
fn told(variant: &Variant, run: &Run) -> BTreeMap<OperationId, Decision> {
    let mut asked: BTreeMap<OperationId, SharedBytes> = BTreeMap::new();
    let mut told = BTreeMap::new();
    let (mut run_once, mut run_twice) = (BTreeSet::new(), BTreeSet::new());
    for &operation in &run.executed {
        if !run_once.insert(operation) {
            run_twice.insert(operation);
        }
    }
    for entry in run.history.entries() {
        match entry.event {
            HistoryEvent::Invoke(request) => {
                asked.insert(entry.operation, request);
            }
            HistoryEvent::Complete(outcome) if outcome.kind != OutcomeKind::Unknown => {
                let request = asked.get(&entry.operation);
                if let (Some(request), Told::Reply(reply)) = (request, &outcome.told)
                    && let Some(decision) = variant.application.transaction_told(request, reply)
                    && (decision == Decision::Commit || !run_twice.contains(&entry.operation))
                {
                    told.insert(entry.operation, decision);
                }
            }
            HistoryEvent::Complete(_) => {}
        }
    }
    told
}

/// What the servers have said of their transactions.
#[derive(Default)]
struct Seen {
    by_name: BTreeMap<Rc<str>, Steps>,
    down: BTreeSet<HostId>,
}

/// What they have said of one.
#[derive(Default)]
struct Steps {
    /// The line of the decision, or else of the first.
    line: u32,
    operation: Option<OperationId>,
    decided: Vec<Decision>,
    /// Those whom the coordinator named, and those who have held or taken a part.
    participants: BTreeMap<HostId, Standing>,
}

impl Seen {
    fn take(&mut self, number: u32, line: &Line) {
        let host = line.host;
        match &line.event {
            Event::Transaction(step) => self.take_step(number, host, step),
            Event::Crash { .. }
            | Event::Service {
                word: Word::Halt, ..
            } => {
                self.down.insert(host);
            }
            Event::Restart { .. } => {
                self.down.remove(&host);
                let standings = self.by_name.values_mut();
                for standing in standings.filter_map(|it| it.participants.get_mut(&host)) {
                    *standing = Standing::Nothing; // it says again what it finds
                }
            }
            _ => {}
        }
    }

    fn take_step(&mut self, number: u32, host: HostId, step: &TransactionStep) {
        let seen = self.by_name.entry(step.transaction.clone());
        let seen = seen.or_insert_with(|| Steps {
            line: number,
            ..Steps::default()
        });
        seen.operation = seen.operation.or(step.operation);
        let standing = match &step.part {
            Part::Decide {
                commit,
                participants,
            } => {
                if seen.decided.is_empty() {
                    seen.line = number;
                }
                seen.decided.push(if *commit {
                    Decision::Commit
                } else {
                    Decision::Abort
                });
                for &place in participants.iter() {
                    let standing = seen.participants.entry(HostId(place));
                    standing.or_insert(Standing::Nothing);
                }
                return;
            }
            Part::Hold => Standing::Prepared,
            Part::Take => Standing::Taken,
            Part::Release => Standing::Nothing,
        };
        seen.participants.insert(host, standing);
    }

    /// Leaves out the participants of which nobody knows what they will have: those that are down, and those that wait
    /// for a coordinator that is. Gives the first host that is down, and a transaction for which that matters.
    fn hide_what_is_not_known(&mut self, coordinator: Option<HostId>) -> Option<(HostId, Rc<str>)> {
        let coordinator = coordinator.filter(|host| self.down.contains(host));
        let mut hidden = None;
        for (name, seen) in &mut self.by_name {
            seen.participants.retain(|&host, standing| {
                let waits_for = coordinator.filter(|_| *standing == Standing::Prepared);
                let is_down = self.down.contains(&host).then_some(host);
                match is_down.or(waits_for) {
                    Some(down) => {
                        hidden.get_or_insert_with(|| (down, name.clone()));
                        false
                    }
                    None => true,
                }
            });
        }
        hidden
    }

    /// All transactions. What a client was told is held against those of its operation: one must have ended like
    /// that.
    fn transactions(
        &self,
        names: Names<'_>,
        told: &BTreeMap<OperationId, Decision>,
    ) -> Vec<Transaction> {
        let mut ends: BTreeMap<OperationId, BTreeSet<bool>> = BTreeMap::new();
        for seen in self.by_name.values() {
            if let Some(operation) = seen.operation {
                let is_committed = seen.decided.contains(&Decision::Commit);
                ends.entry(operation).or_default().insert(is_committed);
            }
        }
        let is_false = |(operation, &told): (&OperationId, &Decision)| {
            let asked = told == Decision::Commit;
            match ends.get(operation) {
                Some(ends) => !ends.contains(&asked),
                None => asked, // what was refused at once is no transaction
            }
        };
        let one = |(name, seen): (&Rc<str>, &Steps)| {
            let operation = seen.operation.map(|it| names.operation(it) + " ");
            let told = (seen.operation)
                .and_then(|operation| told.get_key_value(&operation))
                .filter(|&told| is_false(told));
            let participant = |(&host, &standing): (&HostId, &Standing)| Participant {
                name: names.host(host).into_owned(),
                standing,
            };
            Transaction {
                name: operation.unwrap_or_default() + name,
                line: seen.line,
                decided: seen.decided.clone(),
                told: told.map(|(_, &told)| told),
                participants: seen.participants.iter().map(participant).collect(),
            }
        };
        let never_decided = told.iter().filter(|told| !ends.contains_key(told.0));
        let never_decided = never_decided.filter(|&told| is_false(told));
        let untold = never_decided.map(|(&operation, &told)| Transaction {
            name: names.operation(operation),
            line: 0,
            decided: Vec::new(),
            told: Some(told),
            participants: Vec::new(),
        });
        self.by_name.iter().map(one).chain(untold).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use Decision::{Abort, Commit};

    const ANN: OperationId = OperationId {
        client: HostId(3),
        number: 1,
    };

    fn line(host: u16, event: Event) -> Line {
        Line {
            at: Time::ZERO,
            host: HostId(host),
            event,
        }
    }

    fn step(host: u16, name: &str, part: Part) -> Line {
        let step = TransactionStep {
            operation: Some(ANN),
            transaction: name.into(),
            part,
            found: false,
            text: "".into(),
        };
        line(host, Event::Transaction(step))
    }

    fn decide(name: &str, commit: bool) -> Line {
        let participants = [1, 2].into();
        let part = Part::Decide {
            commit,
            participants,
        };
        step(0, name, part)
    }

    /// What is said of these lines, and of what ann was told.
    fn verdict(lines: &[Line], told: Option<Decision>) -> String {
        let mut seen = Seen::default();
        for (number, line) in (1..).zip(lines) {
            seen.take(number, line);
        }
        let hidden = seen.hide_what_is_not_known(Some(HostId(0)));
        let names = ["main", "a", "b", "ann"].map(str::to_owned);
        let told = told.into_iter().map(|told| (ANN, told)).collect();
        let verdict = atomicity::judge(&seen.transactions(Names(&names), &told));
        match hidden {
            Some((host, name)) => {
                format!("{verdict}, without {} of {name}", Names(&names).host(host))
            }
            None => verdict.to_string(),
        }
    }

    fn committed() -> Vec<Line> {
        vec![
            step(1, "t", Part::Hold),
            step(2, "t", Part::Hold),
            decide("t", true),
            step(1, "t", Part::Take),
            step(2, "t", Part::Take),
        ]
    }

    fn restart(host: u16) -> [Line; 2] {
        let crash = Event::Crash {
            fault: 1,
            in_disk_operation: false,
            disk: crate::disk::Damage::default(),
        };
        [line(host, crash), line(host, Event::Restart { fault: 1 })]
    }

    #[test]
    fn what_was_said_last_counts() {
        assert_eq!(verdict(&committed(), Some(Commit)), "valid");
        let mut released = committed();
        released.push(step(2, "t", Part::Release));
        assert_eq!(
            verdict(&released, None),
            "violated  ann#1 t was decided to commit, and a has taken it, b has nothing of it (line 3)"
        );
        assert!(verdict(&committed()[..4], None).contains("b is still prepared"));
    }

    #[test]
    fn what_a_restarted_server_does_not_find_is_lost() {
        let mut lines = committed();
        lines.extend(restart(2));
        assert!(verdict(&lines, None).contains("b has nothing of it"));
        lines.push(step(2, "t", Part::Take));
        assert_eq!(verdict(&lines, None), "valid");
    }

    #[test]
    fn nobody_knows_what_a_server_has_that_is_down() {
        let mut lines = committed();
        let [crash, restart] = restart(2);
        lines.push(crash);
        assert_eq!(verdict(&lines, None), "valid, without b of t");
        lines.push(restart);
        assert!(verdict(&lines, None).contains("b has nothing of it"));
    }

    #[test]
    fn who_is_prepared_waits_for_a_coordinator_that_is_down() {
        let mut lines = vec![step(1, "t", Part::Hold), step(2, "t", Part::Hold)];
        assert!(verdict(&lines, None).starts_with("violated"));
        let [crash, _] = restart(0);
        lines.push(crash);
        assert_eq!(verdict(&lines, None), "valid, without main of t");
        let mut halted = committed();
        halted.truncate(4);
        halted.push(halt(0));
        assert_eq!(verdict(&halted, None), "valid, without main of t");
        halted.push(step(2, "t", Part::Release));
        assert!(verdict(&halted, None).contains("b has nothing of it"));
    }

    #[test]
    fn a_server_that_has_stopped_is_down() {
        let mut lines = committed();
        lines.truncate(4);
        lines.push(halt(2));
        assert_eq!(verdict(&lines, None), "valid, without b of t");
    }

    fn halt(host: u16) -> Line {
        let event = Event::Service {
            word: Word::Halt,
            operation: None,
            text: "the disk is full".into(),
        };
        line(host, event)
    }

    #[test]
    fn a_client_is_told_how_one_of_its_transactions_ended() {
        assert!(verdict(&committed(), Some(Abort)).contains("its client was told abort"));
        let mut twice = committed();
        twice.push(decide("u", false));
        assert_eq!(verdict(&twice, Some(Abort)), "valid");
        assert_eq!(verdict(&twice, Some(Commit)), "valid");
        assert_eq!(verdict(&[], Some(Abort)), "valid");
        assert_eq!(
            verdict(&[], Some(Commit)),
            "violated  ann#1 ended with abort, its client was told commit"
        );
    }
}
