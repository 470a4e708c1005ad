//! The judge of `exclusion`: goes through the steps of a run, and keeps what the rules need.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::files::{self, Files, Seen, excerpt};
use super::grants::{Grant, Lock};
use super::{LockAccess, Step, Told, What};
use crate::check::Verdict;
use crate::check::cite::{self, Violation, lines};
use crate::clock::{Time, ms};
use crate::id::OperationId;
use crate::trace::Names;

/// Judges a run by its steps, in order.
///
/// The verdict is never unknown: what is not in the steps is not judged.
pub fn judge(steps: &[Step], names: Names<'_>) -> Verdict {
    let mut judge = Judge {
        names,
        locks: BTreeMap::new(),
        files: Files::default(),
        accepted: BTreeMap::new(),
        refused: BTreeMap::new(),
        told: BTreeSet::new(),
        runs_since: Some(Time::ZERO),
        place: 0,
        violations: Vec::new(),
    };
    for step in steps {
        judge.place += 1;
        judge.take(step);
    }
    judge.blame_refused_but_done();
    cite::verdict(judge.violations)
}

/// What an operation may have done once: staged a text for a file, or released a lock.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Done {
    Staged(u16),
    Released(u16),
}

/// When something happened: its place among the steps, and its line.
type Place = (u32, u32);

struct Judge<'a> {
    names: Names<'a>,
    locks: BTreeMap<u16, Lock>,
    files: Files,
    /// What each operation has done.
    accepted: BTreeMap<(OperationId, Done), Place>,
    /// The operations whose clients were told that they were refused.
    refused: BTreeMap<OperationId, Place>,
    /// The operations that have ended for their clients, or are waited for no longer.
    told: BTreeSet<OperationId>,
    /// Since when the server has run, if it does.
    runs_since: Option<Time>,
    /// Which step is judged.
    place: u32,
    violations: Vec<Violation>,
}

impl Judge<'_> {
    fn take(&mut self, step: &Step) {
        match (&step.what, step.operation) {
            (&What::Grant { lock, token, lease }, Some(operation)) => {
                self.grant(step, lock, operation, token, lease);
            }
            (&What::Renew { lock, token, lease }, of) => self.renew(step, of, (lock, token), lease),
            (&What::Withdraw { lock, token }, _) => self.withdraw(step, lock, token),
            (What::Accepted(access), operation) => self.access(step, operation, access),
            (What::Gone, Some(operation)) => {
                self.look_for_overdue(step.clock, Some(step.line), |lock| lock.awaits(operation));
                self.told.insert(operation);
                let mut locks = self.locks.values_mut();
                locks.by_ref().for_each(|lock| lock.forget(operation));
            }
            (&What::Told(told), Some(operation)) => self.told(step, operation, told),
            (What::Crash, _) => {
                self.runs_since = None;
                self.locks.values_mut().for_each(Lock::forget_all);
            }
            (What::Pause, _) => self.runs_since = None,
            (What::GoesOn, _) => self.runs_since = Some(step.clock),
            (What::End, _) => self.look_for_overdue(step.clock, None, |_| true),
            // Nobody's grant, and nobody's wait.
            (What::Grant { .. } | What::Gone | What::Told(_), None) => {}
        }
    }

    /// T1, T2, L1 and L2: a grant has the highest token, begins when the last one has ended, and is that of
    /// whoever has waited longest.
    fn grant(
        &mut self,
        step: &Step,
        number: u16,
        operation: OperationId,
        token: u64,
        lease: Duration,
    ) {
        self.look_for_overdue_of(number, step.clock, Some(step.line));
        let names = self.names;
        let Step { line, clock, .. } = *step;
        let lock = self.locks.entry(number).or_default();
        let mut wrong = Vec::new();
        let now = format!(
            "lock {number} was granted to {} with token {token}{}",
            names.operation(operation),
            lines(&[line])
        );
        if let Some(highest) = lock.highest().filter(|highest| highest.token >= token) {
            let (above, since) = (highest.token, lines(&[highest.line]));
            wrong.push(format!("T1: {now}, after token {above}{since}"));
        }
        if let Some(last) = lock.newest().filter(|last| last.is_alive()) {
            if clock < last.lease_end {
                let holder = names.operation(last.operation);
                let (token, since) = (last.token, lines(&[last.line]));
                let left = ms(last.lease_end - clock);
                wrong.push(format!(
                    "T2: {now}, while {holder} held it with token {token}{since} for {left} ms more"
                ));
            }
            last.end_at(clock, line);
        }
        if let Some(first) = lock.passed_over_by(operation) {
            let (who, since) = (names.operation(first.operation), lines(&[first.line]));
            wrong.push(format!(
                "L2: {now}, before {who}, which had waited for longer{since}"
            ));
        }
        lock.begin(Grant {
            operation,
            token,
            line,
            lease,
            lease_end: clock + lease,
            closed: None,
            is_done_with: false,
            ended: None,
        });
        self.blame(wrong);
    }

    /// T2 and L1: only the newest grant is renewed, while it lives, and for its own operation.
    fn renew(
        &mut self,
        step: &Step,
        of: Option<OperationId>,
        (number, token): (u16, u64),
        lease: Duration,
    ) {
        self.look_for_overdue_of(number, step.clock, Some(step.line));
        let lock = self.locks.entry(number).or_default();
        let now = format!("token {token} of lock {number}");
        let at = lines(&[step.line]);
        let wrong = match lock.with_token(token) {
            None => Some(format!(
                "T2: {now} was renewed{at}, but it was never granted"
            )),
            Some(Grant {
                ended: Some((_, end)),
                ..
            }) => Some(format!(
                "T2: {now} was renewed{at}, after it had ended{}",
                lines(&[*end])
            )),
            Some(grant) if of.is_some_and(|of| of != grant.operation) => {
                let (holder, since) = (grant.operation, lines(&[grant.line]));
                let [of, holder] =
                    [of.unwrap_or(holder), holder].map(|it| self.names.operation(it));
                Some(format!(
                    "T2: {now} was renewed{at} as that of {of}, but it was granted to {holder}{since}"
                ))
            }
            Some(grant) => {
                grant.renew(step.clock, lease);
                None
            }
        };
        self.blame(wrong);
    }

    /// T2: a grant is withdrawn when its lease has run out, or its holder has closed or acquired anew.
    fn withdraw(&mut self, step: &Step, number: u16, token: u64) {
        let lock = self.locks.entry(number).or_default();
        let now = format!("token {token} of lock {number}");
        let at = lines(&[step.line]);
        let wrong = match lock.with_token(token) {
            None => Some(format!(
                "T2: {now} was withdrawn{at}, but it was never granted"
            )),
            Some(Grant {
                ended: Some((_, end)),
                ..
            }) => Some(format!(
                "T2: {now} was withdrawn{at}, after it had ended{}",
                lines(&[*end])
            )),
            Some(grant) => {
                grant.end_at(step.clock, step.line);
                let left = ms(grant.lease_end - step.clock);
                (left > 0 && !grant.is_given_up()).then(|| {
                    let holder = self.names.operation(grant.operation);
                    let since = lines(&[grant.line]);
                    format!(
                        "T2: {now} was withdrawn{at}, while {holder} held it{since} for {left} ms more"
                    )
                })
            }
        };
        self.blame(wrong);
    }

    fn access(&mut self, step: &Step, operation: Option<OperationId>, access: &LockAccess) {
        match (access, operation) {
            (&LockAccess::Waits { lock }, Some(operation)) => {
                let is_owed = !self.told.contains(&operation);
                let lock = self.locks.entry(lock).or_default();
                lock.wait(operation, (step.clock, step.line), is_owed);
                if let Some(grant) = lock.living_of(operation.client) {
                    grant.acquired_anew(operation);
                }
            }
            (&LockAccess::Granted { lock, token }, Some(operation)) => {
                self.grant_again(step, lock, token, operation);
            }
            (
                LockAccess::Staged {
                    lock,
                    token,
                    file,
                    text,
                },
                Some(operation),
            ) => {
                let what = format!("staged {} in {}", excerpt(text, 0), files::name(*file));
                self.accept(step, operation, Done::Staged(*file));
                self.blame_fenced(step, operation, (*lock, *token), &what);
                self.files.stage(*lock, *token, *file, text);
            }
            (&LockAccess::Released { lock, token }, Some(operation)) => {
                let what = format!("released lock {lock}");
                self.accept(step, operation, Done::Released(lock));
                self.blame_fenced(step, operation, (lock, token), &what);
                self.files.release(lock, token, step.line);
                let lock = self.locks.entry(lock).or_default();
                if let Some(grant) = lock.with_token(token) {
                    grant.end_at(step.clock, step.line);
                }
            }
            (
                LockAccess::Read {
                    file,
                    token,
                    from,
                    total,
                    text,
                },
                _,
            ) => {
                let seen = Seen {
                    file: *file,
                    from: *from,
                    total: *total,
                    text: text.clone(),
                };
                self.read(step, operation, &seen, *token);
            }
            (LockAccess::Closed, Some(operation)) => {
                let locks = self.locks.values_mut();
                for grant in locks.filter_map(|lock| lock.living_of(operation.client)) {
                    grant.closed.get_or_insert((operation, step.line));
                }
            }
            // Nobody's request: those of the story all have an operation.
            (_, None) => {}
        }
    }

    /// A client was told that it has a lock, and waits no longer. If it acquired once more, and was told of the
    /// grant that it has, its lease runs anew; if of a grant to come, it is done with the one that it has.
    fn grant_again(&mut self, step: &Step, number: u16, token: u64, operation: OperationId) {
        self.look_for_overdue_of(number, step.clock, Some(step.line));
        let lock = self.locks.entry(number).or_default();
        lock.forget(operation);
        match lock.living_of(operation.client) {
            Some(grant) if grant.token == token => grant.renew(step.clock, grant.lease),
            Some(grant) if grant.token < token => grant.acquired_anew(operation),
            _ => {}
        }
    }

    /// T3: what is done with a token is done with the newest one, by its client, while its grant lives.
    fn blame_fenced(
        &mut self,
        step: &Step,
        operation: OperationId,
        (number, token): (u16, u64),
        what: &str,
    ) {
        let names = self.names;
        let lock = self.locks.entry(number).or_default();
        let why = match lock.with_token(token) {
            None => Some("which was never granted".to_owned()),
            Some(grant) if grant.operation.client != operation.client => {
                let holder = names.operation(grant.operation);
                Some(format!(
                    "which was granted to {holder}{}",
                    lines(&[grant.line])
                ))
            }
            Some(grant) => grant.over_for(operation),
        };
        let who = names.operation(operation);
        let at = lines(&[step.line]);
        self.blame(why.map(|why| format!("T3: {who} {what} with token {token}{at}, {why}")));
    }

    /// T5: an operation does a thing once. Those of a setup all have one name.
    fn accept(&mut self, step: &Step, operation: OperationId, done: Done) {
        if operation.number == 0 {
            return;
        }
        let place = (self.place, step.line);
        let first = self.accepted.get(&(operation, done)).copied();
        match first {
            None => {
                self.accepted.insert((operation, done), place);
            }
            Some((_, before)) => {
                let who = self.names.operation(operation);
                let both = lines(&[before, step.line]);
                self.blame([format!("T5: {who} was accepted twice{both}")]);
            }
        }
    }

    /// T4 and T5: what is read is what was released and, by its holder, staged.
    fn read(&mut self, step: &Step, operation: Option<OperationId>, seen: &Seen, token: u64) {
        let own = self.files.locks_of(seen.file, token).find(|lock| {
            let lock = self.locks.get_mut(lock);
            let grant = lock.and_then(|lock| lock.with_token(token));
            let its = grant.zip(operation).filter(|(grant, reader)| {
                grant.operation.client == reader.client && grant.over_for(*reader).is_none()
            });
            its.is_some()
        });
        if let Some((rule, why)) = self.files.wrong(seen, own.map(|lock| (lock, token))) {
            let (file, shown) = (files::name(seen.file), self.files.shown(seen));
            let words = match operation {
                Some(operation) => {
                    let (who, at) = (self.names.operation(operation), lines(&[step.line]));
                    format!("{rule}: {who} saw {shown} in {file}{at}, {why}")
                }
                None => format!("{rule}: in the end {shown} is in {file}, {why}"),
            };
            self.blame([words]);
        }
    }

    /// T3 and T5: what a client is told is so.
    fn told(&mut self, step: &Step, operation: OperationId, told: Told) {
        self.told.insert(operation);
        let who = self.names.operation(operation);
        let at = lines(&[step.line]);
        let wrong = match told {
            Told::Refused => {
                self.refused.insert(operation, (self.place, step.line));
                None
            }
            Told::Done => {
                let all = (operation, Done::Staged(0))..=(operation, Done::Released(u16::MAX));
                let was_done = self.accepted.range(all).next().is_some();
                (!was_done)
                    .then(|| format!("T5: {who} was told that it was done{at}, but it never was"))
            }
            Told::Granted {
                lock: number,
                token,
            } => {
                let lock = self.locks.entry(number).or_default();
                let client = lock.with_token(token).map(|grant| grant.operation.client);
                (client != Some(operation.client)).then(|| {
                    format!(
                        "T3: {who} was told that it has lock {number} with token {token}{at}, which \
                         was never granted to it"
                    )
                })
            }
        };
        self.blame(wrong);
    }

    /// T5: what a client was told to be refused was not done, neither before nor after.
    fn blame_refused_but_done(&mut self) {
        for (&(operation, _), &(done, line)) in &self.accepted {
            if let Some(&(refused, told)) = self.refused.get(&operation) {
                let who = self.names.operation(operation);
                let (told, at) = (lines(&[told]), lines(&[line]));
                self.violations.push(Violation {
                    line: refused.max(done),
                    text: format!("T5: {who} was told that it was refused{told}, but was done{at}"),
                });
            }
        }
    }

    /// L1, of the locks of which this holds.
    fn look_for_overdue(&mut self, now: Time, at: Option<u32>, of: impl Fn(&Lock) -> bool) {
        let locks = self.locks.iter().filter(|(_, lock)| of(lock));
        let numbers: Vec<u16> = locks.map(|(number, _)| *number).collect();
        for number in numbers {
            self.look_for_overdue_of(number, now, at);
        }
    }

    /// L1: whoever waits for this lock has it within a bound after it could be granted.
    fn look_for_overdue_of(&mut self, number: u16, now: Time, at: Option<u32>) {
        let Some(runs_since) = self.runs_since else {
            return;
        };
        let lock = self.locks.entry(number).or_default();
        if let Some((waiter, late)) = lock.overdue(now, runs_since) {
            let who = self.names.operation(waiter.operation);
            let (since, late) = (lines(&[waiter.line]), ms(late));
            let (when, at) = match at {
                Some(line) => (" ", lines(&[line])),
                None => (" in the end, ", String::new()),
            };
            self.blame([format!(
                "L1: {who} waited for lock {number}{since}, and did not have it{when}{late} ms after it \
                 could have been granted{at}"
            )]);
        }
    }

    fn blame(&mut self, wrong: impl IntoIterator<Item = String>) {
        let line = self.place;
        let violations = wrong.into_iter().map(|text| Violation { line, text });
        self.violations.extend(violations);
    }
}
