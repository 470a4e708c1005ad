//! The check `exclusion`, on a run of a service of locks.

use std::collections::BTreeMap;

use crate::check::exclusion::{self, LockAccess, Step, Told, What};
use crate::check::{Verdict, cite};
use crate::clock::{Time, ms};
use crate::history::{self, HistoryEvent, Outcome, OutcomeKind};
use crate::id::{HostId, OperationId};
use crate::sim::scenario::Variant;
use crate::sim::simulation::Run;
use crate::trace::{Decision, Detail, Event, Line, LockStep, Names, Word};
use crate::wire::SharedBytes;

/// The server of a service of locks: the first host.
const SERVER: HostId = HostId(0);

/// A clock that is right gains so many millionths of a ms in each ms.
const RIGHT_PPM: u32 = 1_000_000;

/// The verdict of a run.
pub(super) fn judge(variant: &Variant, run: &Run, detail: Detail) -> Verdict {
    let verdict = exclusion::judge(&steps(variant, run, detail), Names(&run.names));
    let unread = run.files.iter().find_map(|file| file.as_ref().err());
    match (verdict, unread) {
        (Verdict::Valid, Some(why)) => Verdict::Unknown(why.clone()),
        (verdict, _) => verdict,
    }
}

/// The steps of a run: the server's, what clients were told, and what was read in the end.
#[must_use]
pub fn steps(variant: &Variant, run: &Run, detail: Detail) -> Vec<Step> {
    let clock = ServerClock::of(&run.lines);
    let access =
        |request: &[u8], reply: Option<&[u8]>| variant.application.lock_access(request, reply);
    let mut reader = Reader {
        access: &access,
        requests: asked(run),
        steps: Vec::new(),
    };
    for line in &run.setup {
        reader.take(0, Time::ZERO, line);
    }
    for (number, line) in cite::numbers(detail).zip(&run.lines) {
        reader.take(number, clock.at(line.at), line);
    }
    let over = clock.at(Time::ZERO + run.story_took);
    reader.push(0, over, None, What::End);
    for file in run.files.iter().flatten() {
        reader.push(0, over, None, What::Accepted(file.clone()));
    }
    reader.steps
}

/// What each operation asked of its client: the request is the first that is sent for it.
fn asked(run: &Run) -> BTreeMap<OperationId, SharedBytes> {
    let mut asked = BTreeMap::new();
    for entry in run.history.entries() {
        if let HistoryEvent::Invoke(request) = entry.event {
            asked.insert(entry.operation, request);
        }
    }
    asked
}

/// The clock of the server: what it showed at each time of the trace.
#[derive(Clone, Copy, Debug)]
struct ServerClock {
    zero_ms: u64,
    rate_ppm: u32,
}

impl ServerClock {
    /// The clock by which these lines came about.
    ///
    /// Decisions about locks say what it showed. Those that are recorded later than they were made, as they
    /// were found on the disk, show less than the clock did then: the others tell.
    fn of(lines: &[Line]) -> Self {
        let own = || lines.iter().filter(|line| line.host == SERVER);
        let rate_ppm = own().rev().find_map(|line| match line.event {
            Event::Skew { rate_ppm, .. } => Some(rate_ppm),
            _ => None,
        });
        let from_zero = Self {
            zero_ms: 0,
            rate_ppm: rate_ppm.unwrap_or(RIGHT_PPM),
        };
        let shown = own().filter_map(|line| match &line.event {
            Event::Lock(step) => Some(ms(step.clock - from_zero.at(line.at))),
            _ => None,
        });
        Self {
            zero_ms: shown.max().unwrap_or_default(),
            ..from_zero
        }
    }

    fn at(self, at: Time) -> Time {
        let gone = u128::from(at.as_ms()) * u128::from(self.rate_ppm) / u128::from(RIGHT_PPM);
        let gone = u64::try_from(gone).unwrap_or(u64::MAX);
        Time::from_ms(self.zero_ms.saturating_add(gone))
    }
}

/// What a request was about, given its reply unless there was none yet.
type AccessOf<'a> = dyn Fn(&[u8], Option<&[u8]>) -> Option<LockAccess> + 'a;

/// Makes steps of lines.
struct Reader<'a> {
    access: &'a AccessOf<'a>,
    /// The request of each operation.
    requests: BTreeMap<OperationId, SharedBytes>,
    steps: Vec<Step>,
}

impl Reader<'_> {
    fn push(&mut self, line: u32, clock: Time, operation: Option<OperationId>, what: What) {
        self.steps.push(Step {
            line,
            clock,
            operation,
            what,
        });
    }

    fn take(&mut self, number: u32, clock: Time, line: &Line) {
        match &line.event {
            Event::Execute {
                operation,
                request,
                reply,
                recovered,
                ..
            } => {
                let access = (self.access)(request, reply.as_deref());
                self.requests.insert(*operation, request.clone());
                self.accept(number, clock, *operation, (access, *recovered));
            }
            Event::Complete {
                operation,
                reply,
                recovered,
            } => {
                let request = self.requests.get(operation);
                let access = request.and_then(|request| (self.access)(request, Some(reply)));
                let is_granted = matches!(access, Some(LockAccess::Granted { .. }));
                self.accept(number, clock, *operation, (access, *recovered));
                if !is_granted {
                    self.push(number, clock, Some(*operation), What::Gone);
                }
            }
            Event::Lock(step) => {
                let &LockStep { lock, token, .. } = step;
                let what = match step.decision {
                    Decision::Grant(lease) => What::Grant { lock, token, lease },
                    Decision::Renew(lease) => What::Renew { lock, token, lease },
                    Decision::Withdraw => What::Withdraw { lock, token },
                };
                self.push(number, step.clock, Some(step.operation), what);
            }
            Event::Abandon { operation } => self.push(number, clock, Some(*operation), What::Gone),
            Event::Outcome { operation, outcome } => {
                self.push(number, clock, Some(*operation), What::Gone);
                if let Some(told) = self.told(*operation, outcome) {
                    self.push(number, clock, Some(*operation), What::Told(told));
                }
            }
            event if line.host == SERVER => {
                let what = match event {
                    Event::Crash { .. } => What::Crash,
                    Event::Service {
                        word: Word::Halt, ..
                    } => What::Crash,
                    Event::Pause { .. } => What::Pause,
                    Event::Restart { .. } | Event::Resume { .. } => What::GoesOn,
                    _ => return,
                };
                self.push(number, clock, None, what);
            }
            _ => {}
        }
    }

    /// A request was accepted, if this was. What is recorded once it was found on the disk began no wait,
    /// since the crash has ended it, and no lease from now on.
    fn accept(
        &mut self,
        number: u32,
        clock: Time,
        operation: OperationId,
        (access, recovered): (Option<LockAccess>, bool),
    ) {
        let is_over = |access: &LockAccess| {
            recovered
                && matches!(
                    access,
                    LockAccess::Waits { .. } | LockAccess::Granted { .. }
                )
        };
        if let Some(access) = access.filter(|access| !is_over(access)) {
            self.push(number, clock, Some(operation), What::Accepted(access));
        }
    }

    /// What a reply said to a client, as far as it matters.
    fn told(&self, operation: OperationId, outcome: &Outcome) -> Option<Told> {
        let history::Told::Reply(reply) = &outcome.told else {
            return None;
        };
        let request = self.requests.get(&operation)?;
        match (outcome.kind, (self.access)(request, Some(reply))) {
            (OutcomeKind::Failed, _) => Some(Told::Refused),
            (OutcomeKind::Unknown, _) => None,
            (OutcomeKind::Ok, Some(LockAccess::Granted { lock, token })) => {
                Some(Told::Granted { lock, token })
            }
            (OutcomeKind::Ok, Some(LockAccess::Staged { .. } | LockAccess::Released { .. })) => {
                Some(Told::Done)
            }
            (OutcomeKind::Ok, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::disk::Damage;

    const ALICE: OperationId = OperationId {
        client: HostId(1),
        number: 1,
    };

    fn line(at_ms: u64, event: Event) -> Line {
        Line {
            at: Time::from_ms(at_ms),
            host: SERVER,
            event,
        }
    }

    fn grant(at_ms: u64, clock_ms: u64) -> Line {
        let step = LockStep {
            operation: ALICE,
            lock: 0,
            token: 1,
            clock: Time::from_ms(clock_ms),
            decision: Decision::Grant(Duration::from_secs(2)),
            text: "".into(),
        };
        line(at_ms, Event::Lock(step))
    }

    fn skew(rate_ppm: u32) -> Line {
        line(
            0,
            Event::Skew {
                offset_ms: 5,
                rate_ppm,
                fault: 1,
            },
        )
    }

    #[test]
    fn the_clock_of_the_server_is_told_by_its_decisions_but_not_by_one_that_was_recorded_late() {
        // The first grant was made before a crash, at 100 ms, and recorded when its disk was opened.
        let lines = [
            skew(1_500_000),
            grant(900, 150 + 70),
            grant(1_000, 1_500 + 70),
        ];
        let clock = ServerClock::of(&lines);
        assert_eq!(clock.at(Time::from_ms(1_001)), Time::from_ms(1_501 + 70));
        let right = ServerClock::of(&lines[1..]);
        assert_eq!(right.at(Time::from_ms(1_001)), Time::from_ms(1_571));
        assert_eq!(ServerClock::of(&[]).at(Time::from_ms(3)), Time::from_ms(3));
    }

    /// Requests and replies that are words: `acquire`, `append`; `granted`, `staged`, `refused`.
    fn access(_request: &[u8], reply: Option<&[u8]>) -> Option<LockAccess> {
        let (lock, token, file) = (0, 1, 0);
        match reply {
            None => Some(LockAccess::Waits { lock }),
            Some(b"granted") => Some(LockAccess::Granted { lock, token }),
            Some(b"staged") => Some(LockAccess::Staged {
                lock,
                token,
                file,
                text: "A".into(),
            }),
            _ => None,
        }
    }

    fn steps_of(events: &[Event]) -> Vec<What> {
        let mut reader = Reader {
            access: &access,
            requests: BTreeMap::new(),
            steps: Vec::new(),
        };
        for event in events {
            reader.take(1, Time::ZERO, &line(0, event.clone()));
        }
        reader.steps.into_iter().map(|step| step.what).collect()
    }

    fn execute(request: &str, reply: Option<&str>, recovered: bool) -> Event {
        Event::Execute {
            operation: ALICE,
            request: request.as_bytes().into(),
            reply: reply.map(|reply| reply.as_bytes().into()),
            stored: true,
            recovered,
        }
    }

    fn complete(reply: &str) -> Event {
        Event::Complete {
            operation: ALICE,
            reply: reply.as_bytes().into(),
            recovered: false,
        }
    }

    fn outcome(kind: OutcomeKind, told: history::Told) -> Event {
        Event::Outcome {
            operation: ALICE,
            outcome: Outcome {
                kind,
                told,
                reply_to: Some(ALICE),
            },
        }
    }

    #[test]
    fn what_was_found_on_the_disk_was_done_but_nobody_waits_for_it_and_no_lease_begins_with_it() {
        let what = |reply, recovered| steps_of(&[execute("x", reply, recovered)]);
        let accepted = |reply| vec![What::Accepted(access(b"x", reply).unwrap())];
        for recovered in [false, true] {
            assert_eq!(what(Some("staged"), recovered), accepted(Some(b"staged")));
            assert_eq!(what(Some("refused"), recovered), []);
        }
        assert_eq!(what(None, false), accepted(None));
        assert_eq!(what(Some("granted"), false), accepted(Some(b"granted")));
        assert_eq!(what(None, true), []);
        assert_eq!(what(Some("granted"), true), []);
    }

    #[test]
    fn a_wait_ends_with_a_refusal_and_with_its_client() {
        let waits = execute("acquire", None, false);
        let after = |event: Event| steps_of(&[waits.clone(), event])[1..].to_vec();
        assert_eq!(after(complete("refused")), [What::Gone]);
        let granted = LockAccess::Granted { lock: 0, token: 1 };
        assert_eq!(after(complete("granted")), [What::Accepted(granted)]);
        let reply = |text: &str| history::Told::Reply(text.as_bytes().into());
        let words = history::Told::Text("no reply".into());
        use OutcomeKind::{Failed, Ok, Unknown};
        for (kind, told, expected) in [
            (Unknown, words.clone(), None),
            (Failed, words, None),
            (Failed, reply("refused"), Some(Told::Refused)),
            (
                Ok,
                reply("granted"),
                Some(Told::Granted { lock: 0, token: 1 }),
            ),
            (Ok, reply("staged"), Some(Told::Done)),
            (Ok, reply("connected"), None),
        ] {
            let expected = expected.into_iter().map(What::Told);
            let expected: Vec<What> = [What::Gone].into_iter().chain(expected).collect();
            assert_eq!(after(outcome(kind, told)), expected);
        }
    }

    #[test]
    fn a_server_is_down_after_a_crash_and_after_a_halt() {
        let halt = Event::Service {
            word: Word::Halt,
            operation: None,
            text: "the disk is full".into(),
        };
        let crash = Event::Crash {
            fault: 1,
            in_disk_operation: false,
            disk: Damage::default(),
        };
        let pause = Event::Pause {
            span_ms: 3,
            fault: None,
        };
        let events = [
            halt,
            crash,
            Event::Restart { fault: 1 },
            pause,
            Event::Resume { fault: None },
        ];
        assert_eq!(
            steps_of(&events),
            [
                What::Crash,
                What::Crash,
                What::GoesOn,
                What::Pause,
                What::GoesOn
            ]
        );
    }
}
