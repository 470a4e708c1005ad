//! What both simulators share: hosts, ports, connections, timers, packets under way, and what is recorded.
//!
//! A run is a sequence of virtual milliseconds, each with the same phases on both simulators:
//!
//! ```text
//! 1. script      what the director does at this time, then crashes, restarts, pauses
//! 2. arrivals    datagrams, handed to their ports, sorted by (to, from, label, nth, copy); then segments,
//!                taken in by (to, from, connection, nth); then deeds, by (due, host, creation)
//! 3. timers      by (due, creation within the host)
//! 4. hosts       each until idle, in their order
//! 5. director    looks at what has happened, and says when it wants to act again
//! ```
//!
//! What lives of hosts come to is in `net/lives.rs`, ports and datagrams are in `net/ports.rs`,
//! connections in `net/connections.rs`.
//!
//! No delay is below 1 ms, so hosts do not influence each other within one; hence the order of hosts
//! is a matter of the trace's canonical order alone.
//!
//! Shared code is not checked by comparing the simulators: fates, the timer queue, admission and
//! ports are here. What turmoil checks independently is time keeping, transport, and the order and
//! life of hosts.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use crate::clock::Time;
use crate::history::Outcome;
use crate::host::Task;
use crate::id::{HostId, OperationId};
use crate::net::Label;
use crate::net::conditions::Conditions;
use crate::net::connections::Connections;
use crate::net::disks::HostDisk;
use crate::net::fate::{Fate, Fates};
use crate::net::lives::{DOWN, LifeChange};
use crate::net::packet::Packet;
use crate::net::ports::SharedPort;
use crate::net::script::Script;
use crate::net::simulated::SimHost;
use crate::net::skew::LocalClock;
use crate::net::streams::StreamNames;
use crate::net::timers::{TimerQueues, TimerTicket};
use crate::seed::{Seed, Stream};
use crate::trace::{Coverage, Event, Recorder};
use crate::wire::SharedBytes;

/// Polls of tasks in one virtual millisecond after which a run is given up: a task that wakes itself
/// for ever would otherwise hang it. A thousand hosts that are each woken a hundred times in one ms
/// need a tenth of that.
const POLLS_PER_MS_MAX: u32 = 1_000_000;

/// What a host runs: made anew for each of its lives.
pub type Main = Rc<dyn Fn(SimHost) -> Task<'static>>;

/// The world, as everything in one run shares it.
pub(crate) type SharedWorld = Rc<RefCell<World>>;

/// Stages the run: what happens by script, when the story begins and when all is over.
pub trait Director {
    /// Acts at the beginning of a millisecond.
    fn before(&mut self, world: &mut World);

    /// Looks at a millisecond that has passed.
    fn after(&mut self, world: &mut World) -> Next;
}

/// When a director wants to act again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// At this time, and whenever anything happens before.
    At(Time),
    /// The run is over.
    Stop,
}

/// How many datagrams were sent and what became of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Datagrams sent, each counted once.
    pub sent: u64,
    /// Of these, lost: no copy was to arrive.
    pub lost: u64,
    /// Of these, on their way more than once.
    pub duplicated: u64,
    /// Of these, second and later attempts of a request.
    pub retransmissions: u64,
}

/// The state of a simulated run.
#[derive(Debug)]
pub struct World {
    pub(super) seed: Seed,
    pub(super) now: Time,
    pub(super) hosts: Vec<HostState>,
    pub(super) fates: Fates,
    streams: StreamNames,
    pub(super) recorder: Recorder,
    pub(super) traffic: Traffic,
    /// Whether the network is perfect: before and after the story.
    pub(super) calm: bool,
    pub(super) calm_sends: u32,
    stage: u32,
    /// Datagrams under way that belong to calls, and others.
    pub(super) calls_in_flight: usize,
    pub(super) others_in_flight: usize,
    pub(super) timers: TimerQueues,
    pub(super) connections: Connections,
    pub(super) script: Script,
    /// Restarts and ends of pauses that are to come.
    pub(super) awaited: u32,
    pub(super) life_changes: VecDeque<LifeChange>,
    /// The clocks of hosts, if one of them is wrong.
    pub(super) clocks: Vec<LocalClock>,
    /// Whether events are looked at as they are recorded: for a trigger, or for a clock that is wrong.
    is_attentive: bool,
    polls: u32,
    panic: Option<Box<dyn Any + Send>>,
}

#[derive(Debug)]
pub(super) struct HostState {
    pub(super) name: String,
    /// The number of the present life, from 1; 0 while the host is down.
    pub(super) life: u32,
    pub(super) lives: u32,
    pub(super) up_since: Time,
    /// While it pauses: when it goes on.
    pub(super) paused_until: Option<Time>,
    /// What has come while it paused.
    pub(super) held: Vec<Packet>,
    pub(super) ports: Vec<(u16, SharedPort)>,
    timers_made: u32,
    /// On turmoil: the host's driver, woken when the host's timers have changed.
    pub(super) driver: Option<Waker>,
    pub(super) waits_for_stage: u32,
    pub(super) stage_waker: Option<Waker>,
    /// Whether its server has work left that others wait for.
    pub(super) is_busy: bool,
    /// The operation that a client waits for.
    pub(super) open: Option<OperationId>,
    pub(super) disk: Option<Box<HostDisk>>,
}

impl World {
    /// A world with hosts of these names, all up, its network calm and its recorder muted.
    #[must_use]
    pub fn new(
        seed: Seed,
        names: Vec<String>,
        conditions: Conditions,
        mut recorder: Recorder,
    ) -> Self {
        recorder.mute();
        let hosts = names.iter().cloned().map(HostState::new).collect();
        let clocks = LocalClock::of_hosts(names.len(), &conditions.faults);
        Self {
            seed,
            now: Time::ZERO,
            hosts,
            fates: Fates::new(seed, names, conditions),
            streams: StreamNames::default(),
            recorder,
            traffic: Traffic::default(),
            calm: true,
            calm_sends: 0,
            stage: 0,
            calls_in_flight: 0,
            others_in_flight: 0,
            timers: TimerQueues::default(),
            connections: Connections::default(),
            script: Script::default(),
            awaited: 0,
            life_changes: VecDeque::new(),
            is_attentive: !clocks.is_empty(),
            clocks,
            polls: 0,
            panic: None,
        }
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Begins the story: from here on the network has its conditions, hosts have their faults, and
    /// what happens is recorded. Now is time zero of the trace.
    pub fn begin_story(&mut self) {
        self.calm = false;
        self.recorder.unmute(self.now);
        self.plan_faults();
    }

    /// Ends the story: the network is perfect again, no host fails any more, and nothing more is
    /// recorded.
    pub fn end_story(&mut self) {
        self.calm = true;
        self.recorder.mute();
        self.end_faults();
    }

    /// Lets every host go on that waits for this stage or an earlier one.
    pub fn enter_stage(&mut self, stage: u32) {
        self.stage = stage;
        for host in &mut self.hosts {
            if let Some(waker) = host.stage_waker.take() {
                waker.wake();
            }
        }
    }

    /// The stage that is played.
    #[must_use]
    pub const fn stage(&self) -> u32 {
        self.stage
    }

    /// Whether this host has done its part of every stage before this one.
    #[must_use]
    pub fn waits_for(&self, host: HostId, stage: u32) -> bool {
        self.hosts[host.index()].waits_for_stage >= stage
    }

    /// Whether a request or a reply is under way.
    #[must_use]
    pub const fn calls_in_flight(&self) -> bool {
        self.calls_in_flight > 0
    }

    /// Whether any datagram is under way.
    #[must_use]
    pub const fn datagrams_in_flight(&self) -> bool {
        self.calls_in_flight + self.others_in_flight > 0
    }

    /// Records an event of a host.
    pub fn record(&mut self, host: HostId, event: Event) {
        if self.is_attentive {
            self.record_attentively(host, event);
        } else {
            self.recorder.record(self.now, host, event);
        }
    }

    /// Records that a host executed a request.
    #[inline]
    pub(crate) fn record_execution(
        &mut self,
        host: HostId,
        operation: OperationId,
        request: &SharedBytes,
        reply: &SharedBytes,
    ) {
        self.recorder
            .record_execution(self.now, host, operation, request, reply);
        if self.is_attentive {
            self.notice(host, Event::EXECUTE, operation);
        }
    }

    /// Records that a client began an operation.
    #[inline]
    pub(crate) fn record_invocation(&mut self, operation: OperationId, request: &[u8]) {
        self.hosts[operation.client.index()].open = Some(operation);
        self.recorder
            .record_invocation(self.now, operation, request);
    }

    /// Records how it ended.
    #[inline]
    pub(crate) fn record_outcome(&mut self, operation: OperationId, outcome: &Outcome) {
        self.hosts[operation.client.index()].open = None;
        self.recorder.record_outcome(self.now, operation, outcome);
        if self.is_attentive {
            self.notice(operation.client, Event::OUTCOME, operation);
        }
    }

    /// Whether events that checkers do not need are wanted too.
    pub(crate) const fn wants_all_events(&self) -> bool {
        self.recorder.wants_all()
    }

    /// Times within an event become times of the run, and the event may be a trigger.
    fn record_attentively(&mut self, host: HostId, mut event: Event) {
        if let Event::Patience { until, .. } = &mut event {
            *until = self.virtual_time(host, *until);
        }
        let about = event.operation().map(|operation| (event.word(), operation));
        self.recorder.record(self.now, host, event);
        if let Some((word, operation)) = about {
            self.notice(host, word, operation);
        }
    }

    /// Pays attention to events if somebody waits for one, or some clock is wrong.
    pub(super) fn watch_events(&mut self) {
        let is_watching = self.script.is_watching();
        self.recorder.watch(is_watching);
        self.is_attentive = is_watching || !self.clocks.is_empty();
    }

    /// What was sent during the story.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The numbers of the faults that struck nothing.
    pub fn idle_faults(&self) -> impl Iterator<Item = u16> + '_ {
        self.fates.idle_faults()
    }

    /// How often each kind of fault has struck, and each rare case has occurred.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let mut coverage = self.recorder.coverage().clone();
        coverage.add_traffic(self.traffic.lost, self.traffic.duplicated);
        coverage.add_late_segments(self.connections.late);
        for (fault, struck) in self.fates.struck() {
            coverage.add_fault(fault, struck);
        }
        coverage
    }

    /// Ends the world, and gives up what was recorded.
    #[must_use]
    pub fn into_recorder(self) -> Recorder {
        self.recorder
    }

    /// A stream of chance of a host. A life that has ended is given one that counts for nothing.
    pub(crate) fn stream(&mut self, me: (HostId, u32), name: &str) -> Stream {
        if !self.is_alive(me) {
            return self.seed.stream("");
        }
        let host = me.0;
        let host_name = &self.hosts[host.index()].name;
        self.seed.stream(&self.streams.next(host, host_name, name))
    }

    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        let place = self.hosts.iter().position(|host| host.name == name)?;
        u16::try_from(place).ok().map(HostId)
    }

    /// Goes to a millisecond.
    pub(crate) const fn set_now(&mut self, now: Time) {
        self.now = now;
        self.polls = 0;
    }

    /// Counts a poll of a task, to notice one that never comes to rest.
    pub(crate) fn count_poll(&mut self) {
        self.polls += 1;
        assert!(
            self.polls < POLLS_PER_MS_MAX,
            "a task wakes itself for ever at {} ms: it was polled {POLLS_PER_MS_MAX} times",
            self.now
        );
    }

    /// Keeps a panic, to carry it out of the run. That of a life that has ended is no effect either.
    pub(crate) fn keep_panic(&mut self, me: (HostId, u32), panic: Box<dyn Any + Send>) {
        if self.is_alive(me) {
            self.panic.get_or_insert(panic);
        }
    }

    pub(crate) fn take_panic(&mut self) -> Option<Box<dyn Any + Send>> {
        self.panic.take()
    }

    /// Whether the stage has come; if not, `waker` is woken when it has.
    pub(crate) fn wait_for_stage(&mut self, me: (HostId, u32), stage: u32, waker: &Waker) -> bool {
        if !self.is_alive(me) {
            return false;
        }
        let state = &mut self.hosts[me.0.index()];
        state.waits_for_stage = stage;
        if self.stage >= stage {
            return true;
        }
        state.stage_waker = Some(waker.clone());
        false
    }

    /// Whether a server has work left that others wait for. With a host down for good, some of it may
    /// never be done, and nothing is said to be.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let is_down = |host: &HostState| host.life == DOWN;
        !self.hosts.iter().any(is_down) && self.hosts.iter().any(|host| host.is_busy)
    }

    pub(crate) fn settle(&mut self, me: (HostId, u32), is_settled: bool) {
        if self.is_alive(me) {
            self.hosts[me.0.index()].is_busy = !is_settled;
        }
    }

    // ---- timers

    /// Gives each host a queue of timers of its own.
    pub(crate) fn split_timers(&mut self) {
        self.timers.split(self.hosts.len());
    }

    /// The time on the clock of a host.
    pub(crate) fn local_now(&self, host: HostId) -> Time {
        match self.clocks.get(host.index()) {
            None => self.now,
            Some(clock) => clock.local(self.now),
        }
    }

    /// The first virtual ms in which the clock of a host shows this time or a later one.
    pub(crate) fn virtual_time(&self, host: HostId, local: Time) -> Time {
        match self.clocks.get(host.index()) {
            None => local,
            Some(clock) => clock.virtual_time(local),
        }
    }

    /// Sets a timer, in the place of an older one if there is one.
    pub(crate) fn set_timer(
        &mut self,
        host: HostId,
        at: Time,
        waker: &Waker,
        old: Option<TimerTicket>,
    ) -> TimerTicket {
        let state = &mut self.hosts[host.index()];
        state.timers_made += 1;
        if let Some(driver) = state.driver.take() {
            driver.wake();
        }
        self.timers.set(host, state.timers_made, at, waker, old)
    }

    /// The timers of all hosts.
    pub(crate) const fn timers(&mut self) -> &mut TimerQueues {
        &mut self.timers
    }

    /// Wakes whoever waits for a timer of this queue that is due.
    pub(crate) fn fire_due_timers(&mut self, queue: usize) {
        self.timers.fire_due(queue, self.now);
    }

    /// On turmoil: whom to wake when the host's timers change.
    pub(crate) fn watch_timers(&mut self, me: (HostId, u32), driver: &Waker) {
        if self.is_alive(me) {
            self.hosts[me.0.index()].driver = Some(driver.clone());
        }
    }

    /// On turmoil: the host's driver has work.
    pub(crate) fn wake_driver(&mut self, host: HostId) {
        if let Some(driver) = self.hosts[host.index()].driver.take() {
            driver.wake();
        }
    }
}

impl HostState {
    const fn new(name: String) -> Self {
        Self {
            name,
            life: 1,
            lives: 1,
            up_since: Time::ZERO,
            paused_until: None,
            held: Vec::new(),
            ports: Vec::new(),
            timers_made: 0,
            driver: None,
            waits_for_stage: 0,
            stage_waker: None,
            is_busy: false,
            open: None,
            disk: None,
        }
    }
}

impl Traffic {
    pub(super) fn count(&mut self, label: Option<Label>, fate: &Fate) {
        self.sent += 1;
        self.lost += u64::from(fate.delays_ms().is_empty());
        self.duplicated += u64::from(fate.delays_ms().len() > 1);
        self.retransmissions += u64::from(label.is_some_and(|label| label.attempt.number > 1));
    }
}
