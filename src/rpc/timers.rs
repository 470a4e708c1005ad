//! The timers that a service has set.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Time;
use crate::rpc::service::TimerKey;

/// The timers of a service.
#[derive(Debug, Default)]
pub struct Timers {
    at: BTreeMap<TimerKey, Time>,
    queue: BTreeSet<(Time, TimerKey)>,
}

impl Timers {
    /// When the first of them runs out.
    #[must_use]
    pub fn next(&self) -> Time {
        self.queue.first().map_or(Time::NEVER, |(at, _)| *at)
    }

    /// Sets a timer, or sets it anew.
    pub fn set(&mut self, key: TimerKey, at: Time) {
        if let Some(old) = self.at.insert(key, at) {
            self.queue.remove(&(old, key));
        }
        self.queue.insert((at, key));
    }

    /// Takes out one that has run out, the earliest first.
    pub fn take_due(&mut self, now: Time) -> Option<TimerKey> {
        let &(at, key) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        self.at.remove(&key);
        Some(key)
    }
}
