//! What both simulators share: hosts, ports, timers, datagrams under way, and what is recorded.
//!
//! A run is a sequence of virtual milliseconds, each with the same phases on both simulators:
//!
//! ```text
//! 1. script      what the director does at this time
//! 2. arrivals    handed to their ports, sorted by (to, from, label, nth, copy)
//! 3. timers      by (due, creation within the host)
//! 4. hosts       each until idle, in their order
//! 5. director    looks at what has happened, and says when it wants to act again
//! ```
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
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use crate::clock::Time;
use crate::host::Task;
use crate::id::HostId;
use crate::net::conditions::Conditions;
use crate::net::fate::{Fate, Fates};
use crate::net::packet::{Packet, host_at, ip};
use crate::net::simulated::SimHost;
use crate::net::streams::StreamNames;
use crate::net::timers::{TimerQueues, TimerTicket};
use crate::net::{Arrival, DATAGRAM_BYTES_MAX, Kind, Label};
use crate::seed::{Seed, Stream};
use crate::trace::{Event, Recorder};
use crate::wire::SharedBytes;

/// Polls of tasks in one virtual millisecond after which a run is given up: a task that wakes itself
/// for ever would otherwise hang it. A thousand hosts that are each woken a hundred times in one ms
/// need a tenth of that.
const POLLS_PER_MS_MAX: u32 = 1_000_000;

/// The first port that is given to sockets that ask for any.
const EPHEMERAL_PORT: u16 = 49_152;

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
    seed: Seed,
    now: Time,
    hosts: Vec<HostState>,
    fates: Fates,
    streams: StreamNames,
    recorder: Recorder,
    traffic: Traffic,
    /// Whether the network is perfect: before and after the story.
    calm: bool,
    calm_sends: u32,
    stage: u32,
    /// Datagrams under way that belong to calls, and others.
    calls_in_flight: usize,
    others_in_flight: usize,
    timers: TimerQueues,
    polls: u32,
    panic: Option<Box<dyn Any + Send>>,
}

#[derive(Debug)]
struct HostState {
    name: String,
    up: bool,
    ports: Vec<(u16, SharedPort)>,
    timers_made: u32,
    /// On turmoil: the host's driver, woken when the host's timers have changed.
    driver: Option<Waker>,
    waits_for_stage: u32,
    stage_waker: Option<Waker>,
}

pub(crate) type SharedPort = Rc<RefCell<Port>>;

/// A bound port: datagrams that have arrived and are not yet received.
#[derive(Debug, Default)]
pub(crate) struct Port {
    pub(crate) queue: VecDeque<Arrival>,
    pub(crate) waker: Option<Waker>,
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
        let hosts = names
            .iter()
            .map(|name| HostState::new(name.clone()))
            .collect();
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
            polls: 0,
            panic: None,
        }
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Begins the story: from here on the network has its conditions, and what happens is recorded.
    /// Now is time zero of the trace.
    pub const fn begin_story(&mut self) {
        self.calm = false;
        self.recorder.unmute(self.now);
    }

    /// Ends the story: the network is perfect again, and nothing more is recorded.
    pub const fn end_story(&mut self) {
        self.calm = true;
        self.recorder.mute();
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
        self.recorder.record(self.now, host, event);
    }

    /// The recorder of this run.
    pub const fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
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

    /// Ends the world, and gives up what was recorded.
    #[must_use]
    pub fn into_recorder(self) -> Recorder {
        self.recorder
    }

    pub(crate) fn stream(&mut self, host: HostId, name: &str) -> Stream {
        let host_name = &self.hosts[host.index()].name;
        self.seed.stream(&self.streams.next(host, host_name, name))
    }

    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        let place = self.hosts.iter().position(|host| host.name == name)?;
        u16::try_from(place).ok().map(HostId)
    }

    pub(crate) fn is_up(&self, host: HostId) -> bool {
        self.hosts[host.index()].up
    }

    /// Ends every life, so that what hosts do while they are dropped has no effect.
    pub(crate) fn end_lives(&mut self) {
        for host in &mut self.hosts {
            host.up = false;
        }
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

    pub(crate) fn keep_panic(&mut self, panic: Box<dyn Any + Send>) {
        self.panic.get_or_insert(panic);
    }

    pub(crate) fn take_panic(&mut self) -> Option<Box<dyn Any + Send>> {
        self.panic.take()
    }

    pub(crate) fn wait_for_stage(&mut self, host: HostId, stage: u32, waker: &Waker) -> bool {
        let state = &mut self.hosts[host.index()];
        state.waits_for_stage = stage;
        if self.stage >= stage {
            return true;
        }
        state.stage_waker = Some(waker.clone());
        false
    }

    // ---- timers

    /// Gives each host a queue of timers of its own.
    pub(crate) fn split_timers(&mut self) {
        self.timers.split(self.hosts.len());
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

    /// When the next timer of a queue is due.
    pub(crate) fn next_timer(&mut self, queue: usize) -> Option<Time> {
        self.timers.next(queue)
    }

    /// Wakes whoever waits for a timer of this queue that is due.
    pub(crate) fn fire_due_timers(&mut self, queue: usize) {
        self.timers.fire_due(queue, self.now);
    }

    /// On turmoil: whom to wake when the host's timers change.
    pub(crate) fn watch_timers(&mut self, host: HostId, driver: &Waker) {
        self.hosts[host.index()].driver = Some(driver.clone());
    }
}

impl HostState {
    const fn new(name: String) -> Self {
        Self {
            name,
            up: true,
            ports: Vec::new(),
            timers_made: 0,
            driver: None,
            waits_for_stage: 0,
            stage_waker: None,
        }
    }
}

impl Traffic {
    fn count(&mut self, label: Option<Label>, fate: &Fate) {
        self.sent += 1;
        self.lost += u64::from(fate.delays_ms().is_empty());
        self.duplicated += u64::from(fate.delays_ms().len() > 1);
        self.retransmissions += u64::from(label.is_some_and(|label| label.attempt.number > 1));
    }
}
