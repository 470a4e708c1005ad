//! One data centre's state: keys, what has been committed of whom, and the writes that stall. Pure.
//!
//! A write commits when all that it depends on has been committed here; each exact version, tracked per
//! origin (Ahamad, Neiger, Burns, Kohli and Hutto, "Causal memory", Distributed Computing 9, 1995; Lloyd,
//! Freedman, Kaminsky and Andersen, "Don't settle for eventual: scalable causal consistency for wide-area
//! storage with COPS", SOSP 2011, 4.3). COPS lets a newer version of the same key stand in for a
//! dependency, which is sound there because a newer one was committed after its own dependencies; it says
//! nothing of those of the one that it hides, if the two were written concurrently. Here it is the mistake
//! [`Mode::NewerStandsIn`].

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::clock::Time;
use crate::id::{OperationId, Version};
use crate::services::causal::committed::Committed;
use crate::services::causal::image::Image;
use crate::services::causal::message::Entry;
use crate::services::causal::write::{Dependency, Origin, Write};

/// How many writes stall at most: one that comes then is not taken in, and its origin sends it again.
pub const STALLED_MAX: usize = 10_000;

/// What is replicated how: the right way, a weaker one, and two mistakes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// Nothing is committed before what it depends on.
    #[default]
    Causal,
    /// Writes commit as they arrive, and requests wait for nothing.
    Eventual,
    /// A mistake: a newer version of the same key counts for the dependency.
    NewerStandsIn,
    /// A mistake: what the first other data centre has acknowledged counts as known everywhere.
    ForgetEarly,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [
        Self::Causal,
        Self::Eventual,
        Self::NewerStandsIn,
        Self::ForgetEarly,
    ];

    /// The name in scenarios and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Causal => "causal",
            Self::Eventual => "eventual",
            Self::NewerStandsIn => "newer-stands-in",
            Self::ForgetEarly => "forget-early",
        }
    }
}

/// What a key holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    /// The value.
    pub value: String,
    /// Who wrote it; empty if that client has no name.
    pub author: String,
    /// Which write it is of.
    pub version: Version,
    /// That write's number.
    pub sequence: u64,
}

impl Held {
    /// The write that it is of, as others depend on it.
    #[must_use]
    pub fn write(&self, key: &str) -> Dependency {
        Dependency {
            version: self.version,
            sequence: self.sequence,
            key: key.to_owned(),
        }
    }
}

/// A write that has been committed just now.
#[derive(Clone, Debug)]
pub struct Done {
    /// The write.
    pub write: Rc<Write>,
    /// The operation that it is of, where it is known.
    pub about: Option<OperationId>,
    /// Since when it had stalled.
    pub since: Option<Time>,
    /// The newer version that the key holds already, so that this one does not become visible.
    pub hidden_by: Option<Version>,
}

/// A write that a state image has brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Merged {
    /// Its key holds it now.
    Visible(Entry),
    /// Its key holds a newer one.
    Hidden(Version),
}

impl Merged {
    /// Which write it is.
    #[must_use]
    pub const fn version(&self) -> Version {
        match self {
            Self::Visible(entry) => entry.write.version,
            Self::Hidden(version) => *version,
        }
    }
}

/// A write that waits for others.
#[derive(Clone, Debug)]
struct Stalled {
    write: Rc<Write>,
    about: Option<OperationId>,
    since: Time,
    /// When its origin sent it last, as far as it arrived.
    heard: Time,
}

/// What becomes of a write that has arrived.
#[derive(Debug)]
pub enum Arrived {
    /// It had been committed before: once more there is nothing to do but to say so.
    Known,
    /// It is committed now, and with it what waited for it, in this order.
    Committed(Vec<Done>),
    /// It begins to wait, for this among others.
    Stalls(Dependency),
    /// It is waiting already, or there is no room for it.
    Waits,
}

/// What has changed since it was stored last.
#[derive(Debug, Default)]
pub struct Changed {
    /// The clock or the number of the last own write.
    pub counts: bool,
    /// Keys that hold something else.
    pub keys: BTreeSet<String>,
    /// Origins of which more is committed, or known to be everywhere.
    pub origins: BTreeSet<Origin>,
}

/// A data centre's state.
#[derive(Debug)]
pub struct Replica {
    mode: Mode,
    own: Origin,
    clock: u64,
    /// The number of the last own write.
    last: u64,
    keys: BTreeMap<String, Held>,
    committed: BTreeMap<Origin, Committed>,
    stalled: BTreeMap<Version, Stalled>,
    changed: Changed,
}

impl Replica {
    /// A data centre that holds nothing.
    #[must_use]
    pub fn new(own: Origin, mode: Mode) -> Self {
        Self {
            mode,
            own,
            clock: 0,
            last: 0,
            keys: BTreeMap::new(),
            committed: BTreeMap::new(),
            stalled: BTreeMap::new(),
            changed: Changed::default(),
        }
    }

    /// Commits the write (key, value, author) of a client whose clock stands so and who depends on this. The data centre's
    /// clock goes beyond both clocks (Lamport, "Time, clocks, and the ordering of events in a distributed
    /// system", CACM 21(7), 1978), and the write's version is its time. What is known everywhere is left
    /// out of the write's list.
    pub fn put(
        &mut self,
        (key, value, author): (&str, &str, &str),
        needs: Vec<Dependency>,
        clock: u64,
    ) -> Done {
        self.clock = self.clock.max(clock).saturating_add(1);
        self.last = self.last.saturating_add(1);
        let mut needs = needs;
        needs.retain(|need| need.sequence > self.everywhere(need.origin()));
        let write = Rc::new(Write {
            key: key.to_owned(),
            value: value.to_owned(),
            author: author.to_owned(),
            version: Version {
                timestamp: self.clock,
                replica: self.own.replica,
                life: self.own.life,
            },
            sequence: self.last,
            needs,
        });
        self.changed.counts = true;
        self.commit(write, None, None)
    }

    /// Lets the clock not be behind this one: a client's, or the timestamp of a write.
    pub fn witness(&mut self, clock: u64) {
        if clock > self.clock {
            self.clock = clock;
            self.changed.counts = true;
        }
    }

    /// Takes in a write of another data centre.
    pub fn arrive(&mut self, now: Time, write: Write, about: Option<OperationId>) -> Arrived {
        if self.has_committed(write.origin(), write.sequence) {
            return Arrived::Known;
        }
        self.witness(write.version.timestamp);
        if let Some(waiting) = self.stalled.get_mut(&write.version) {
            waiting.heard = now;
            return Arrived::Waits;
        }
        if let Some(missing) = self.missing(&write.needs) {
            if self.stalled.len() == STALLED_MAX {
                return Arrived::Waits;
            }
            let missing = missing.clone();
            let stalled = Stalled {
                about,
                since: now,
                heard: now,
                write: Rc::new(write),
            };
            self.stalled.insert(stalled.write.version, stalled);
            return Arrived::Stalls(missing);
        }
        let mut done = vec![self.commit(Rc::new(write), about, None)];
        self.release(&mut done);
        Arrived::Committed(done)
    }

    /// Commits what waits no longer, in order of versions, until nothing is left that can be.
    pub fn release(&mut self, done: &mut Vec<Done>) {
        let is_free =
            |replica: &Self, stalled: &Stalled| replica.missing(&stalled.write.needs).is_none();
        while let Some((&version, _)) = self.stalled.iter().find(|(_, it)| is_free(self, it)) {
            if let Some(stalled) = self.stalled.remove(&version) {
                let Stalled {
                    write,
                    about,
                    since,
                    ..
                } = stalled;
                if !self.has_committed(write.origin(), write.sequence) {
                    done.push(self.commit(write, about, Some(since)));
                }
            }
        }
    }

    /// Begins a later life, whose writes are an origin of their own.
    pub const fn begin_life(&mut self, life: u32) {
        self.own.life = life;
    }

    /// Merges a state image, as a whole: what it holds that is newer, and what it has committed. Says what
    /// is new here, in order of versions, as far as the versions are known: those of writes that are
    /// everywhere and no longer visible are forgotten.
    pub fn merge(&mut self, image: &Image) -> Vec<Merged> {
        self.witness(image.clock);
        let mut merged = BTreeMap::new();
        for (&origin, theirs) in &image.committed {
            let mine = self.committed.entry(origin).or_default();
            for (&number, &timestamp) in theirs.timestamps() {
                let version = Version {
                    timestamp,
                    replica: origin.replica,
                    life: origin.life,
                };
                if timestamp > 0 && !mine.contains(number) {
                    merged.insert(version, Merged::Hidden(version));
                }
            }
            mine.merge(theirs);
            self.changed.origins.insert(origin);
        }
        for entry in &image.entries {
            let Entry {
                write,
                value,
                author,
            } = entry;
            let held = self.keys.get(&write.key).map(|held| held.version);
            if held.is_none_or(|held| held < write.version) {
                let held = Held {
                    value: value.clone(),
                    author: author.clone(),
                    version: write.version,
                    sequence: write.sequence,
                };
                self.keys.insert(write.key.clone(), held);
                self.changed.keys.insert(write.key.clone());
                merged.insert(write.version, Merged::Visible(entry.clone()));
            }
        }
        merged.into_values().collect()
    }

    /// Forgets what stalls and has not been sent again since then: whoever sent it is gone, or will send
    /// it again when it is back.
    pub fn drop_stalled(&mut self, since: Time) {
        self.stalled.retain(|_, stalled| stalled.heard > since);
    }

    /// When the first of what stalls was last heard of.
    #[must_use]
    pub fn first_heard(&self) -> Option<Time> {
        self.stalled.values().map(|stalled| stalled.heard).min()
    }

    /// An origin says that all its writes up to this one have been committed by every data centre.
    pub fn forget(&mut self, origin: Origin, everywhere: u64) {
        if everywhere > self.everywhere(origin)
            && self.committed.entry(origin).or_default().forget(everywhere)
        {
            self.changed.origins.insert(origin);
        }
    }

    /// Takes up the clock and the number of the last own write, from a record.
    pub const fn restore_counts(&mut self, clock: u64, last: u64) {
        (self.clock, self.last) = (clock, last);
    }

    /// Takes up what a key holds, from a record.
    pub fn restore_held(&mut self, key: String, held: Held) {
        self.keys.insert(key, held);
    }

    /// Takes up what is committed of an origin, from a record.
    pub fn restore_committed(&mut self, origin: Origin, committed: Committed) {
        self.committed.insert(origin, committed);
    }

    /// The first of these that has not been committed here, if the mode asks for it.
    #[must_use]
    pub fn missing<'a>(&self, needs: &'a [Dependency]) -> Option<&'a Dependency> {
        let is_here = |need: &Dependency| {
            self.has_committed(need.origin(), need.sequence)
                || self.mode == Mode::NewerStandsIn
                    && self
                        .held(&need.key)
                        .is_some_and(|held| held.version > need.version)
        };
        match self.mode {
            Mode::Eventual => None,
            _ => needs.iter().find(|need| !is_here(need)),
        }
    }

    /// Whether this write has been committed here.
    #[must_use]
    pub fn has_committed(&self, origin: Origin, sequence: u64) -> bool {
        let committed = self.committed.get(&origin);
        committed.is_some_and(|committed| committed.contains(sequence))
    }

    /// Up to this one, all writes of the origin are known to be everywhere.
    #[must_use]
    pub fn everywhere(&self, origin: Origin) -> u64 {
        self.committed.get(&origin).map_or(0, Committed::everywhere)
    }

    /// What a key holds.
    #[must_use]
    pub fn held(&self, key: &str) -> Option<&Held> {
        self.keys.get(key)
    }

    /// Every key and what it holds, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = (&String, &Held)> {
        self.keys.iter()
    }

    /// What has been committed, by origin.
    #[must_use]
    pub const fn committed(&self) -> &BTreeMap<Origin, Committed> {
        &self.committed
    }

    /// The Lamport clock.
    #[must_use]
    pub const fn clock(&self) -> u64 {
        self.clock
    }

    /// The number of the last own write; 0 before the first.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Whose writes are its own.
    #[must_use]
    pub const fn own(&self) -> Origin {
        self.own
    }

    /// How many writes stall.
    #[must_use]
    pub fn stalled(&self) -> usize {
        self.stalled.len()
    }

    /// What has changed since this was asked last.
    pub fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    fn commit(
        &mut self,
        write: Rc<Write>,
        about: Option<OperationId>,
        since: Option<Time>,
    ) -> Done {
        let origin = write.origin();
        let committed = self.committed.entry(origin).or_default();
        committed.insert(write.sequence, write.version.timestamp);
        self.changed.origins.insert(origin);
        let held = self.keys.get(&write.key).map(|held| held.version);
        let hidden_by = held.filter(|&held| held > write.version);
        if hidden_by.is_none() {
            let held = Held {
                value: write.value.clone(),
                author: write.author.clone(),
                version: write.version,
                sequence: write.sequence,
            };
            self.keys.insert(write.key.clone(), held);
            self.changed.keys.insert(write.key.clone());
        }
        Done {
            write,
            about,
            since,
            hidden_by,
        }
    }
}

#[cfg(test)]
#[path = "replica_tests.rs"]
mod tests;
