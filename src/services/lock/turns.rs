//! Whose turn it is: grants, and what ends them without a release.

use std::borrow::Cow;
use std::time::Duration;

use crate::clock::{Time, ms};
use crate::rpc::service::{Effects, TimerKey};
use crate::services::lock::files::FileId;
use crate::services::lock::message::{Lease, Refusal, Reply};
use crate::services::lock::records;
use crate::services::lock::server::LockServer;
use crate::services::lock::settings::{Expire, Locks, Protection};
use crate::services::lock::state::{Lock, LockId, Waiter};
use crate::trace::{Decision, LockStep, Word};

/// The server's only timer: the next moment at which a lease that has run out ends a grant.
pub(super) const DUE: TimerKey = TimerKey(0);

/// A server whose timer runs out so much later than it was set to has stood still: paused, or stopped by
/// its machine.
const STOOD_STILL: Duration = Duration::from_millis(100);

/// So often in the time of a tolerated silence, all who wait are looked through for silent ones.
const SWEEPS_PER_SILENCE: u32 = 4;

/// Why a grant ends without a release.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    LeaseRanOut,
    Closed,
    BegunAnew,
}

impl LockServer {
    /// Ends a grant without its release: what was staged vanishes.
    pub(super) fn withdraw(
        &mut self,
        now: Time,
        id: LockId,
        ending: Ending,
        effects: &mut Effects,
    ) {
        records::erase_staged(&self.state, id, effects);
        let lock = self.state.lock(id);
        let Some(grant) = lock.grant.take() else {
            return;
        };
        let why = match ending {
            Ending::LeaseRanOut => "its lease has run out",
            Ending::Closed => {
                lock.given_back = grant.token;
                "its holder has closed"
            }
            Ending::BegunAnew => "its holder acquires anew",
        };
        let vanishes = match grant.staged.len() {
            0 => String::new(),
            1 => ", 1 append vanishes".to_owned(),
            count => format!(", {count} appends vanish"),
        };
        let token = grant.token;
        effects.lock(LockStep {
            operation: grant.operation,
            lock: id.0,
            token,
            clock: now,
            decision: Decision::Withdraw,
            text: format!("{} token {token}: {why}{vanishes}", self.name(id)).into(),
        });
        records::store_lock(&self.state, id, effects);
    }

    /// Ends what is over, and grants what is free to the next who waits.
    pub(super) fn attend(&mut self, now: Time, effects: &mut Effects) {
        for id in self.state.ids() {
            self.skip_silent(now, id, effects);
            let ends = self.settings.has(Protection::Leases);
            let lock = self.state.lock(id);
            let is_wanted = self.settings.expire == Expire::Always || !lock.queue.is_empty();
            if ends && is_wanted && lock.is_over(now) {
                self.withdraw(now, id, Ending::LeaseRanOut, effects);
            }
            let lock = self.state.lock(id);
            if lock.grant.is_none()
                && let Some(next) = lock.queue.pop_front()
            {
                self.grant(now, id, next, effects);
            }
        }
        if self.next_sweep <= now {
            self.next_sweep = now + self.settings.silence / SWEEPS_PER_SILENCE;
        }
        self.set_timer(now, effects);
    }

    /// Drops those whose clients have been silent for too long: at the front of a queue always, behind it
    /// now and then.
    fn skip_silent(&mut self, now: Time, id: LockId, effects: &mut Effects) {
        let (silence, sweeps) = (self.settings.silence, self.next_sweep <= now);
        let is_silent = |waiter: &Waiter| waiter.heard + silence <= now;
        let queue = &mut self.state.lock(id).queue;
        if !(sweeps || queue.front().is_some_and(is_silent)) {
            return;
        }
        let mut at_front = true;
        let mut skipped = Vec::new();
        queue.retain(|waiter| {
            at_front &= is_silent(waiter);
            let is_over = at_front || (sweeps && is_silent(waiter));
            if is_over {
                skipped.push(*waiter);
            }
            !is_over
        });
        let text = format!("turn for {}: silent for {} ms", self.name(id), ms(silence));
        for waiter in skipped {
            effects.tell(Word::Expire, Some(waiter.operation), &text);
            let refused = Reply::Refused(Refusal::Skipped).encode();
            effects.complete(waiter.ticket, &refused);
        }
    }

    /// If this step comes much later than the timer was set to, the server has stood still, and what clients have sent
    /// meanwhile has not been read: each living grant has a new full lease, as after a restart, and whoever
    /// waits has just been heard of. Says whether it is so.
    pub(super) fn catch_up(&mut self, now: Time) -> bool {
        let has_stood_still = self.timer.is_some_and(|due| due + STOOD_STILL <= now);
        if has_stood_still {
            let until = now + self.settings.lease;
            for lock in &mut self.state.locks {
                lock.queue.iter_mut().for_each(|waiter| waiter.heard = now);
                lock.grant.iter_mut().for_each(|grant| grant.until = until);
            }
        }
        has_stood_still
    }

    /// Tells of each living grant that its lease runs anew.
    pub(super) fn tell_living(&self, now: Time, effects: &mut Effects) {
        for id in self.state.ids() {
            if let Some(grant) = &self.state.locks[id.index()].grant {
                self.tell(now, id, grant.token, self.renewed(), effects);
            }
        }
    }

    /// Grants a lock to a waiter, and answers whatever else its client asks for it.
    pub(super) fn grant(&mut self, now: Time, id: LockId, next: Waiter, effects: &mut Effects) {
        let until = now + self.settings.lease;
        let lock = self.state.lock(id);
        let token = lock.give(next.client, next.operation, until);
        self.tell(
            now,
            id,
            token,
            Decision::Grant(self.settings.lease),
            effects,
        );
        let granted = Reply::Granted(self.lease(token)).encode();
        effects.complete(next.ticket, &granted);
        self.state.lock(id).queue.retain(|waiter| {
            let is_same = waiter.client == next.client;
            if is_same {
                effects.complete(waiter.ticket, &granted);
            }
            !is_same
        });
        records::store_lock(&self.state, id, effects);
    }

    /// Sets the timer to when a lease next ends a grant, unless it is set so.
    pub(super) fn set_timer(&mut self, now: Time, effects: &mut Effects) {
        let is_watched =
            |lock: &&Lock| self.settings.expire == Expire::Always || !lock.queue.is_empty();
        let watched = self.state.locks.iter().filter(is_watched);
        let ends = watched.filter_map(|lock| Some(lock.grant.as_ref()?.until));
        let next = match self.found.is_empty() {
            true if self.settings.has(Protection::Leases) => ends.min(),
            true => None,
            false => Some(now),
        };
        if let Some(next) = next
            && self.timer != Some(next)
        {
            effects.set_timer(DUE, next);
        }
        self.timer = next;
    }

    /// Tells the trace of the living grant of a lock; `token` is what whoever asked came with.
    pub(super) fn tell(
        &self,
        now: Time,
        id: LockId,
        token: u64,
        decision: Decision,
        effects: &mut Effects,
    ) {
        let Some(grant) = &self.state.locks[id.index()].grant else {
            return;
        };
        let lease = ms(self.settings.lease);
        effects.lock(LockStep {
            operation: grant.operation,
            lock: id.0,
            token,
            clock: now,
            decision,
            text: format!("{} token {token} for {lease} ms", self.name(id)).into(),
        });
    }

    pub(super) const fn renewed(&self) -> Decision {
        Decision::Renew(self.settings.lease)
    }

    pub(super) fn lease(&self, token: u64) -> Lease {
        Lease {
            token,
            lease_ms: ms(self.settings.lease) as u32, // an hour at most
            is_global: self.settings.locks == Locks::Global,
        }
    }

    /// What a lock guards, in words.
    pub(super) fn name(&self, id: LockId) -> Cow<'static, str> {
        match (self.settings.locks, FileId::of_number(id.0)) {
            (Locks::PerFile, Some(file)) => file.name().into(),
            _ => "all files".into(),
        }
    }

    /// Says, in the first step of a life, which grants it has found.
    pub(super) fn tell_found(&mut self, now: Time, effects: &mut Effects) {
        for id in std::mem::take(&mut self.found) {
            if let Some(grant) = &self.state.locks[id.index()].grant {
                self.tell(now, id, grant.token, self.renewed(), effects);
            }
        }
    }
}
