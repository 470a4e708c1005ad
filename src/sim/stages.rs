//! The stages of a run: setups, story, end.

use std::time::Duration;

use crate::clock::Time;
use crate::id::HostId;
use crate::net::world::{Director, Next, World};
use crate::sim::scenario::Variant;
use crate::sim::simulation::{SharedOutcomes, u16_of};

/// Directs a run through its stages: one for each client with a setup, the story, and the end.
pub(super) struct Stages {
    /// The clients that have a setup, in order; the nth has stage n.
    setups: Vec<HostId>,
    pub(super) story: u32,
    clients: Vec<HostId>,
    pub(super) observer: Option<HostId>,
    max_virtual: Duration,
    /// A stage to be entered at the next millisecond.
    next_stage: Option<u32>,
    /// When the stage that is played is given up.
    over_at: Time,
    /// When the story began.
    zero: Time,
    /// When it was over, counted from there.
    pub(super) story_took: Duration,
    pub(super) outcomes: SharedOutcomes,
    pub(super) unfinished: Option<String>,
}

impl Stages {
    pub(super) fn new(variant: &Variant) -> Self {
        let clients: Vec<HostId> = variant.client_ids().collect();
        let servers = variant.servers.len();
        let has_setup = |host: &&HostId| !variant.clients[host.index() - servers].setup.is_empty();
        let setups: Vec<HostId> = clients.iter().filter(has_setup).copied().collect();
        Self {
            story: u32::from(u16_of(setups.len())),
            setups,
            clients,
            observer: None,
            max_virtual: variant.max_virtual,
            next_stage: Some(0),
            over_at: Time::NEVER,
            zero: Time::ZERO,
            story_took: Duration::ZERO,
            outcomes: SharedOutcomes::default(),
            unfinished: None,
        }
    }

    /// The stage of each client's setup; that of the story for a client without one.
    pub(super) fn setup_stages(&self, variant: &Variant) -> Vec<u32> {
        let mut next = 0..;
        let stage = |has_none: bool| {
            if has_none {
                Some(self.story)
            } else {
                next.next()
            }
        };
        variant
            .clients
            .iter()
            .map(|client| client.setup.is_empty())
            .filter_map(stage)
            .collect()
    }

    fn enter(&mut self, stage: u32, world: &World) -> Next {
        self.next_stage = Some(stage);
        Next::At(world.now() + Duration::from_millis(1))
    }

    /// Whether every client has done its part, or is down for good, and no host is to come back.
    fn is_story_over(&self, world: &World) -> bool {
        let is_done = |&client| world.waits_for(client, self.story + 1) || !world.is_up(client);
        // The clients come first: as long as the story lasts, one of them has something to do.
        !world.calls_in_flight()
            && self.clients.iter().all(is_done)
            && world.is_settled()
            && !world.is_busy()
    }

    fn give_up(&mut self, what_was: &str) {
        let span = self.max_virtual.as_secs();
        self.unfinished = Some(format!("{what_was}not over after {span} virtual seconds"));
    }

    fn after_story(&mut self, world: &mut World) -> Next {
        if !self.is_story_over(world) {
            if world.now() < self.over_at {
                return Next::At(self.over_at);
            }
            self.give_up("");
        }
        self.story_took = world.now() - self.zero;
        world.end_story();
        match self.observer {
            Some(_) if self.unfinished.is_none() => self.enter(self.story + 1, world),
            _ => Next::Stop,
        }
    }
}

impl Director for Stages {
    fn before(&mut self, world: &mut World) {
        if let Some(stage) = self.next_stage {
            self.next_stage = None;
            self.over_at = world.now() + self.max_virtual;
            if stage == self.story {
                self.zero = world.now();
                world.begin_story();
            }
            world.enter_stage(stage);
        }
    }

    fn after(&mut self, world: &mut World) -> Next {
        if world.calls_in_flight() && world.now() < self.over_at {
            return Next::At(self.over_at);
        }
        let stage = world.stage();
        if stage == self.story {
            return self.after_story(world);
        }
        if self.outcomes.borrow().setup_error.is_some() {
            return Next::Stop;
        }
        let playing = self.setups.get(stage as usize).copied().or(self.observer);
        let done = playing.is_none_or(|host| world.waits_for(host, stage + 1));
        if done && stage > self.story {
            return Next::Stop;
        }
        if done && !world.datagrams_in_flight() && !world.is_busy() {
            return self.enter(stage + 1, world);
        }
        if world.now() < self.over_at {
            return Next::At(self.over_at);
        }
        self.give_up(if stage < self.story {
            "the setup was "
        } else {
            "the commands at the end were "
        });
        Next::Stop
    }
}
