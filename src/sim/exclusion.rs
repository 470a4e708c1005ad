//! The check `exclusion`, on a run of a service of locks.

use std::collections::BTreeMap;

use crate::check::exclusion::{self, LockAccess, Step, Told, What};
use crate::check::{Verdict, cite};
use crate::clock::{Time, ms};
use crate::history::{self, HistoryEvent, Outcome, OutcomeKind};
use crate::id::{HostId, OperationId};
use crate::services::Application;
use crate::sim::scenario::Variant;
use crate::sim::simulation::Run;
use crate::trace::{Decision, Detail, Event, Line, LockStep, Names, Word};
use crate::wire::SharedBytes;

/// The server of a service of locks: the first host.
const SERVER: HostId = HostId(0);

/// A clock that is right gains so many millionths of a ms in each ms.
const RIGHT_PPM: u32 = 1_000_000;

/// Why a run is not judged that began with other locks and files than a fresh server has.
const SETUP: &str = "the setup is in no trace, and may have used locks; let the clients do it in their \
                     scripts";

/// The verdict of a run.
pub(super) fn judge(variant: &Variant, run: &Run, detail: Detail) -> Verdict {
    if variant.setup_commands().next().is_some() {
        return Verdict::Unknown(SETUP.to_owned());
    }
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
    let mut reader = Reader {
        application: &*variant.application,
        requests: asked(run),
        steps: Vec::new(),
    };
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

/// Makes steps of lines.
struct Reader<'a> {
    application: &'a dyn Application,
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
                let access = self.application.lock_access(request, reply.as_deref());
                self.requests.insert(*operation, request.clone());
                self.accept(number, clock, *operation, (access, *recovered));
            }
            Event::Complete {
                operation,
                reply,
                recovered,
            } => {
                let request = self.requests.get(operation);
                let access =
                    request.and_then(|request| self.application.lock_access(request, Some(reply)));
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
        match (
            outcome.kind,
            self.application.lock_access(request, Some(reply)),
        ) {
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
