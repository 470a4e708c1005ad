//! The recorder: keeps the events of a run as they happen.
//!
//! It stands on the hot path of every simulation: an event is moved, never put into words here.

use std::fmt;

use crate::clock::Time;
use crate::history::{History, Outcome};
use crate::id::{HostId, OperationId};
use crate::trace::{Coverage, Event, Line};
use crate::wire::SharedBytes;

/// How much a recorder keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detail {
    /// Every event: a trace to read.
    Trace,
    /// What checkers need, and no more.
    Checks,
    /// Which operations were executed, and how they ended: no requests, no replies.
    Counts,
}

impl Detail {
    const fn is_trace(self) -> bool {
        matches!(self, Self::Trace)
    }
}

/// Lines of an operation's usual course: sent, received, executed, replied, outcome.
const LINES_PER_OPERATION: usize = 5;

/// For how many operations room is made at once: about 10 MB; a longer run makes more as it goes.
const RESERVED_MAX: usize = 10_000;

/// What is to be done with each line as it is recorded.
pub type Live = Box<dyn Fn(&Line)>;

/// Keeps the trace and the history of a run.
pub struct Recorder {
    detail: Detail,
    live: Option<Live>,
    muted: bool,
    /// Whether somebody looks at events as they are recorded, though they are not kept.
    watched: bool,
    wants_all: bool,
    zero: Time,
    coverage: Coverage,
    /// Whether the story has begun.
    has_begun: bool,
    /// What servers did in the setup, for checks.
    setup: Vec<Line>,
    lines: Vec<Line>,
    executed: Vec<OperationId>,
    /// Requests that wait and have stored nothing, each with its server.
    waiting: Vec<(HostId, OperationId)>,
    /// Those of them whose server has crashed: they count again if its disk shows that they were completed.
    cut_short: Vec<(HostId, OperationId)>,
    history: History,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("detail", &self.detail)
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// An empty recorder.
    #[must_use]
    pub fn new(detail: Detail) -> Self {
        Self {
            detail,
            live: None,
            muted: false,
            watched: false,
            wants_all: detail.is_trace(),
            zero: Time::ZERO,
            coverage: Coverage::default(),
            has_begun: false,
            setup: Vec::new(),
            lines: Vec::new(),
            executed: Vec::new(),
            waiting: Vec::new(),
            cut_short: Vec::new(),
            history: History::default(),
        }
    }

    /// The same recorder, which also hands each line on as it is recorded.
    #[must_use]
    pub fn with_live(mut self, live: Live) -> Self {
        self.live = Some(live);
        self
    }

    /// The same recorder, with room for the history of so many operations.
    #[must_use]
    pub fn with_room_for(mut self, operations: usize) -> Self {
        let operations = operations.min(RESERVED_MAX);
        self.history.reserve(operations);
        self.executed.reserve(operations);
        if self.detail == Detail::Trace {
            self.lines.reserve(LINES_PER_OPERATION * operations);
        }
        self
    }

    /// Stops recording: what follows is no part of the story.
    pub const fn mute(&mut self) {
        self.muted = true;
        self.wants_all = false;
    }

    /// Records from here on; `zero` is time zero of the trace.
    pub const fn unmute(&mut self, zero: Time) {
        self.muted = false;
        self.has_begun = true;
        self.zero = zero;
        self.watch(self.watched);
    }

    /// Says whether somebody looks at events as they are recorded: then all are wanted.
    pub const fn watch(&mut self, watched: bool) {
        self.watched = watched;
        self.wants_all = (self.detail.is_trace() || watched) && !self.muted;
    }

    /// What was counted so far.
    #[must_use]
    pub const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Whether events are recorded at present.
    #[must_use]
    pub const fn is_muted(&self) -> bool {
        self.muted
    }

    /// The time of the trace at this time of the run.
    #[must_use]
    pub fn trace_time(&self, now: Time) -> Time {
        Time::from_ms(now.as_ms().saturating_sub(self.zero.as_ms()))
    }

    /// Records an event.
    ///
    /// Times within the event are of the run, as `now` is; in the trace they count from its zero.
    pub fn record(&mut self, now: Time, host: HostId, mut event: Event) {
        if self.muted {
            self.record_setup(host, event);
            return;
        }
        match &event {
            Event::Execute {
                operation,
                reply,
                stored,
                recovered,
                ..
            } => {
                let left_nothing = reply.is_none() && !stored;
                // What an earlier life did not live to see it did not keep waiting either.
                if !(left_nothing && *recovered) {
                    self.executed.push(*operation);
                }
                if left_nothing && !recovered {
                    self.waiting.push((host, *operation));
                }
                self.coverage.count(&event);
            }
            Event::Send { .. } | Event::Receive { .. } | Event::Outcome { .. } => {}
            Event::Complete {
                operation,
                recovered,
                ..
            } => {
                self.waiting.retain(|(_, waiting)| waiting != operation);
                let of_host = (host, *operation);
                let place = self.cut_short.iter().position(|each| *each == of_host);
                if let Some(place) = place.filter(|_| *recovered) {
                    self.cut_short.remove(place);
                    self.executed.push(*operation);
                }
                self.coverage.count(&event);
            }
            other => {
                match other {
                    Event::Crash { .. } => self.forget_waiting(host),
                    Event::Abandon { operation } => {
                        self.waiting.retain(|(_, waiting)| waiting != operation);
                    }
                    _ => {}
                }
                self.coverage.count(other);
            }
        }
        let kept = match self.detail {
            Detail::Trace => true,
            Detail::Checks => event.is_for_checks(),
            Detail::Counts => false,
        };
        if kept {
            if let Event::Patience { until, .. } = &mut event {
                *until = self.trace_time(*until);
            }
            let at = self.trace_time(now);
            self.lines.push(Line { at, host, event });
            if let (Some(live), Some(line)) = (&self.live, self.lines.last()) {
                live(line);
            }
        }
    }

    /// Keeps what a server did before the story, as far as a check of the story builds on it.
    fn record_setup(&mut self, host: HostId, event: Event) {
        let is_wanted = matches!(
            event,
            Event::Execute { .. } | Event::Complete { .. } | Event::Lock(_) | Event::Transaction(_)
        );
        if is_wanted && !self.has_begun && self.detail != Detail::Counts {
            let at = Time::ZERO;
            self.setup.push(Line { at, host, event });
        }
    }

    /// A host has crashed: of requests that waited there and had stored nothing, nothing is left, and it
    /// is as if they had never been executed.
    fn forget_waiting(&mut self, host: HostId) {
        let (executed, cut_short) = (&mut self.executed, &mut self.cut_short);
        self.waiting.retain(|&(at, operation)| {
            if at == host
                && let Some(place) = executed.iter().rposition(|run| *run == operation)
            {
                executed.remove(place);
                cut_short.push((at, operation));
            }
            at != host
        });
    }

    /// Whether every event is kept or looked at: if not, nobody need make those that checkers do not
    /// read.
    #[must_use]
    pub const fn wants_all(&self) -> bool {
        self.wants_all
    }

    /// Records that a host executed a request and completed it. No event is made of it where only counts are kept.
    #[inline]
    pub fn record_execution(
        &mut self,
        now: Time,
        host: HostId,
        operation: OperationId,
        request: &SharedBytes,
        reply: &SharedBytes,
    ) {
        if self.detail != Detail::Counts {
            let (request, reply) = (request.clone(), Some(reply.clone()));
            let event = Event::Execute {
                operation,
                request,
                reply,
                stored: false,
                recovered: false,
            };
            self.record(now, host, event);
        } else if !self.muted {
            self.executed.push(operation);
        }
    }

    /// Records that a client began an operation.
    #[inline]
    pub fn record_invocation(&mut self, now: Time, operation: OperationId, request: &[u8]) {
        if !self.muted {
            let at = self.trace_time(now);
            self.history.invoke(at, operation, request);
        }
    }

    /// Records how an operation ended. That its client was told so is also an event.
    #[inline]
    pub fn record_outcome(&mut self, now: Time, operation: OperationId, outcome: &Outcome) {
        if self.muted {
            return;
        }
        if self.detail != Detail::Counts {
            let outcome = outcome.clone();
            self.record(now, operation.client, Event::Outcome { operation, outcome });
        }
        let at = self.trace_time(now);
        self.history.complete(at, operation, outcome);
    }

    /// What was recorded, in canonical order.
    #[must_use]
    pub fn finish(mut self) -> Recorded {
        // Hosts run in their order, so it is sorted but for a few lines of the director and network.
        if !self.lines.is_sorted_by_key(|line| (line.at, line.host)) {
            self.lines.sort_by_key(|line| (line.at, line.host));
        }
        Recorded {
            setup: self.setup,
            lines: self.lines,
            executed: self.executed,
            history: self.history,
        }
    }
}

/// What a recorder has kept.
#[derive(Debug)]
pub struct Recorded {
    /// What servers did before the story: executions, completions and decisions about locks, in order and
    /// without their times.
    pub setup: Vec<Line>,
    /// The trace in its canonical order: by time, then host, then order within the host.
    pub lines: Vec<Line>,
    /// Whose requests were executed, once for each execution, whatever the detail. Not among them are
    /// those that waited when their server crashed and had stored nothing.
    pub executed: Vec<OperationId>,
    /// The history.
    pub history: History,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_a_client_waits_for_counts_from_time_zero_of_the_trace() {
        let operation = OperationId {
            client: HostId(0),
            number: 1,
        };
        let mut recorder = Recorder::new(Detail::Trace);
        recorder.unmute(Time::from_ms(70));
        let patience = Event::Patience {
            from: HostId(1),
            operation,
            until: Time::from_ms(9070),
        };
        recorder.record(Time::from_ms(80), HostId(0), patience);
        let lines = recorder.finish().lines;
        assert_eq!(lines[0].at, Time::from_ms(10));
        assert!(matches!(lines[0].event, Event::Patience { until, .. } if until.as_ms() == 9000));
    }
}
