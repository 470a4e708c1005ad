//! The lives of simulated hosts: how they end and begin again, and when they stand still.
//!
//! A life that has ended has no effect from that moment on, though its tasks are dropped only after
//! the millisecond: whatever a host does says in which life it does so.

use std::time::Duration;

use crate::clock::{Time, ms};
use crate::disk::{Damage, DiskFate};
use crate::history::{Outcome, OutcomeKind};
use crate::id::{HostId, OperationId};
use crate::net::conditions::{Fault, Streams};
use crate::net::faults::{Chosen, Crash, Pause, When};
use crate::net::script::Act;
use crate::net::world::{HostState, World};
use crate::trace::Event;

/// The number of no life.
pub(super) const DOWN: u32 = 0;

/// What becomes of the operation that a client waits for when it crashes.
const CLIENT_CRASHED: &str = "the client crashed";

/// What the backend has to do about a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LifeChange {
    /// Drop its tasks.
    Ended(HostId),
    /// Start its main, after the arrivals of this ms.
    Begun(HostId),
    /// Hand over what came while it paused, before the arrivals of this ms.
    Resumed(HostId),
}

impl World {
    /// Whether a life of a host goes on.
    pub(crate) fn is_alive(&self, (host, life): (HostId, u32)) -> bool {
        self.hosts[host.index()].life == life
    }

    /// Whether a host is up.
    #[must_use]
    pub fn is_up(&self, host: HostId) -> bool {
        self.hosts[host.index()].life != DOWN
    }

    /// Whether every host that is to restart or to go on after a pause has done so.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.awaited == 0
    }

    /// The number of the host's present life; `None` while it is down.
    pub(crate) fn life(&self, host: HostId) -> Option<u32> {
        Some(self.hosts[host.index()].life).filter(|life| *life != DOWN)
    }

    /// What the backend has to do.
    pub(crate) fn take_life_change(&mut self) -> Option<LifeChange> {
        self.life_changes.pop_front()
    }

    /// Ends every life, so that what hosts do while they are dropped has no effect.
    pub(crate) fn end_lives(&mut self) {
        for host in &mut self.hosts {
            host.life = DOWN;
        }
    }

    /// Whether something is to happen by script, or a backend has something to do about a host.
    pub(crate) fn has_script_to_play(&self) -> bool {
        !self.life_changes.is_empty() || self.script.next().is_some_and(|at| at <= self.now)
    }

    /// What happens by script at this time.
    pub(crate) fn play_script(&mut self) {
        while let Some(act) = self.script.take_due(self.now) {
            match act {
                Act::Tell(host, event) => self.record(host, event),
                Act::Strike(fault) => self.strike(fault),
                Act::Reset(between, fault) => self.plan_reset(between, fault),
                Act::Restart { host, fault } => self.restart(host, fault),
                Act::Pause { host, span, fault } => self.pause(host, span, fault),
                Act::Resume { host, life, fault } => {
                    // Not if a later pause has put it off.
                    let ends = self.hosts[host.index()].paused_until == Some(self.now);
                    if ends && self.is_alive((host, life)) {
                        self.resume(host, fault);
                    }
                }
            }
        }
    }

    /// When something happens by script.
    pub(crate) fn next_act(&self) -> Option<Time> {
        self.script.next()
    }

    /// A host stops running at the next ms, for this long and at least 1 ms, if it still lives then.
    /// A later life is not struck: none begins before the next ms, nor then before this pause.
    pub(crate) fn pause_soon(&mut self, host: HostId, span: Duration) {
        let fault = None;
        let act = Act::Pause { host, span, fault };
        self.script.plan(self.next_ms(), act);
    }

    /// Plans what the scripted faults do, from time zero of the trace.
    pub(super) fn plan_faults(&mut self) {
        let faults = self.fates.faults().to_vec();
        for (number, fault) in (1..).zip(&faults) {
            match fault {
                Fault::Partition(cut) => {
                    let ((host, from), one_way, fault) = (cut.between, cut.one_way, number);
                    let begins = Event::Partition {
                        from,
                        one_way,
                        fault,
                    };
                    self.plan_at(cut.from, Act::Tell(host, begins));
                    if cut.streams == Streams::Reset {
                        self.plan_at(cut.from, Act::Reset(cut.between, number));
                    }
                    self.plan_at(cut.until, Act::Tell(host, Event::Heal { from, fault }));
                }
                Fault::Reset(reset) => {
                    let at = Time::from_ms(self.chosen(number, 0, reset.at));
                    self.plan_at(at, Act::Reset(reset.between, number));
                }
                Fault::Crash(crash) => self.plan_crash(number, crash),
                Fault::Pause(Pause { host, at, span }) => {
                    let act = Act::Pause {
                        host: *host,
                        span: *span,
                        fault: Some(number),
                    };
                    let at = Time::from_ms(self.chosen(number, 0, *at));
                    self.plan_at(at, act);
                }
                Fault::Skew(skew) => {
                    self.fates.strike(number);
                    self.clocks[skew.host.index()].begin(self.now);
                    self.timers.rouse(skew.host);
                    let event = Event::Skew {
                        offset_ms: skew.offset_ms,
                        rate_ppm: skew.rate_ppm,
                        fault: number,
                    };
                    self.record(skew.host, event);
                }
                Fault::Drop(_) | Fault::Duplicate(..) | Fault::Delay(..) => {}
            }
        }
        self.watch_events();
    }

    /// What has not happened when the story ends does not happen, and who pauses goes on.
    pub(super) fn end_faults(&mut self) {
        self.script.clear();
        self.watch_events();
        for host in (0..).map(HostId).take(self.hosts.len()) {
            if self.hosts[host.index()].paused_until.is_some() {
                self.resume(host, None);
            }
            if let Some(disk) = &mut self.hosts[host.index()].disk {
                disk.disarm();
            }
        }
    }

    fn plan_crash(&mut self, number: u16, crash: &Crash) {
        if crash.disk == DiskFate::Lie {
            self.disk(crash.host).lie();
        }
        match crash.when {
            When::At(at) => {
                let at = Time::from_ms(self.chosen(number, 0, at));
                self.plan_at(at, Act::Strike(number));
            }
            When::After(trigger) => self.script.watch(number, trigger),
        }
    }

    /// Plans an act for a time of the trace that is about to begin.
    fn plan_at(&mut self, at: Time, act: Act) {
        self.script.plan(self.now + (at - Time::ZERO), act);
    }

    /// A number that a fault names; those that are drawn have a place each in the fault's stream.
    fn chosen(&self, fault: u16, place: u64, chosen: Chosen) -> u64 {
        if let Chosen::Fixed(number) = chosen {
            return number;
        }
        let mut chance = self.seed.stream(&format!("fault {fault}"));
        chance.seek(place);
        chosen.draw(chance.next_u32())
    }

    /// Looks at an event that was recorded on a host: it may be what a crash waits for. A crash of the
    /// host itself is now, one of another host in the next ms, so that the order of hosts within one
    /// does not matter.
    pub(super) fn notice(&mut self, on: HostId, word: &str, operation: OperationId) {
        if !self.script.is_watching() {
            return;
        }
        let struck = self.script.notice(word, operation);
        if !struck.is_empty() {
            self.watch_events();
        }
        for fault in struck {
            if self.crash_of(fault).host == on {
                self.strike(fault);
            } else {
                self.script.plan(self.next_ms(), Act::Strike(fault));
            }
        }
    }

    /// The moment of a crash has come.
    fn strike(&mut self, fault: u16) {
        let crash = self.crash_of(fault);
        match crash.disk_operation {
            Some(nth) => {
                let nth = self.chosen(fault, 1, nth);
                self.disk(crash.host).arm(fault, nth);
            }
            None => self.kill(fault, false),
        }
    }

    fn crash_of(&self, fault: u16) -> Crash {
        match &self.fates.faults()[usize::from(fault) - 1] {
            Fault::Crash(crash) => crash.clone(),
            other => unreachable!("only crashes are struck: {other:?}"),
        }
    }

    /// Ends the life of a host. From here on it has no effect at all; the backend drops its tasks when
    /// it can. What it has sent stays under way.
    pub(super) fn kill(&mut self, fault: u16, in_disk_operation: bool) {
        let crash = self.crash_of(fault);
        let host = crash.host;
        if !self.is_up(host) {
            return;
        }
        self.fates.strike(fault);
        let disk = self.hosts[host.index()].disk.as_mut();
        let disk = disk.map_or_else(Damage::default, |disk| disk.crash(crash.disk));
        let event = Event::Crash {
            fault,
            in_disk_operation,
            disk,
        };
        self.record(host, event);
        let state = &mut self.hosts[host.index()];
        if state.paused_until.is_some() {
            self.awaited -= 1;
        }
        let open = state.end();
        self.timers.forget(host);
        self.connections.end_life(host);
        self.life_changes.push_back(LifeChange::Ended(host));
        if let Some(span) = crash.restart_after {
            self.awaited += 1;
            let at = self.now + span.max(Duration::from_millis(1));
            self.script.plan(at, Act::Restart { host, fault });
        }
        if let Some(operation) = open {
            let outcome = Outcome::text(OutcomeKind::Unknown, CLIENT_CRASHED);
            self.record_outcome(operation, &outcome);
        }
    }

    fn restart(&mut self, host: HostId, fault: u16) {
        self.awaited -= 1;
        let now = self.now;
        let state = &mut self.hosts[host.index()];
        state.lives += 1;
        state.life = state.lives;
        state.up_since = now;
        self.life_changes.push_back(LifeChange::Begun(host));
        self.record(host, Event::Restart { fault });
    }

    /// A pause begins. One that begins during another is told as well, and the host goes on when the
    /// last of them ends.
    fn pause(&mut self, host: HostId, span: Duration, fault: Option<u16>) {
        let Some(life) = self.life(host) else {
            return;
        };
        if let Some(fault) = fault {
            self.fates.strike(fault);
        }
        let span = span.max(Duration::from_millis(1));
        let span_ms = ms(span);
        self.record(host, Event::Pause { span_ms, fault });
        let until = self.now + span;
        let state = &mut self.hosts[host.index()];
        let others_until = state.paused_until;
        if others_until.is_some_and(|others| until <= others) {
            return;
        }
        state.paused_until = Some(until);
        if others_until.is_none() {
            self.awaited += 1;
            self.timers.park(host);
        }
        self.script.plan(until, Act::Resume { host, life, fault });
    }

    fn resume(&mut self, host: HostId, fault: Option<u16>) {
        let state = &mut self.hosts[host.index()];
        state.paused_until = None;
        self.awaited -= 1;
        self.timers.unpark(host);
        self.life_changes.push_back(LifeChange::Resumed(host));
        self.record(host, Event::Resume { fault });
    }

    fn next_ms(&self) -> Time {
        self.now + Duration::from_millis(1)
    }
}

impl HostState {
    /// Whether nobody hears what arrives now: a host hears from the ms after its restart on.
    pub(super) fn is_down(&self, now: Time) -> bool {
        self.life == DOWN || self.up_since == now
    }

    /// Ends the life, and gives the operation that a client was waiting for.
    fn end(&mut self) -> Option<OperationId> {
        self.life = DOWN;
        for (_, port) in self.ports.drain(..) {
            let mut port = port.borrow_mut();
            port.queue.clear();
            port.waker = None;
        }
        self.held.clear();
        self.paused_until = None;
        self.driver = None;
        self.stage_waker = None;
        self.waits_for_stage = 0;
        self.is_busy = false;
        self.open.take()
    }
}
