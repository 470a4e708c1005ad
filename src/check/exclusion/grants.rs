//! The grants of one lock, who waits for it, and by when somebody is to have it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::BOUND;
use crate::check::cite;
use crate::clock::Time;
use crate::id::{HostId, OperationId};

/// One lock.
#[derive(Debug, Default)]
pub(super) struct Lock {
    /// Every grant that it ever had, in order.
    grants: Vec<Grant>,
    /// The place of the last grant with each token.
    by_token: BTreeMap<u64, usize>,
    /// Who waits and is owed the lock, in order.
    waiting: Vec<Waiter>,
    /// Which of those that began to wait since the last crash, and had no grant yet, each was: the first is 0.
    /// Here are those too whose clients are no longer there to be owed anything: a server need not know.
    arrived: BTreeMap<OperationId, usize>,
    /// How many began to wait.
    arrivals: usize,
}

/// A grant of a lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    /// The operation that acquired the lock.
    pub(super) operation: OperationId,
    /// The fencing token.
    pub(super) token: u64,
    /// The line in which it began.
    pub(super) line: u32,
    /// How long its lease was when it last began.
    pub(super) lease: Duration,
    /// When its lease runs out, by the server's clock.
    pub(super) lease_end: Time,
    /// The first operation by which its client has closed, and in which line.
    pub(super) closed: Option<(OperationId, u32)>,
    /// Whether its client has acquired the lock anew.
    pub(super) is_done_with: bool,
    /// When it ended, and in which line.
    pub(super) ended: Option<(Time, u32)>,
}

/// Somebody who waits for a lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) operation: OperationId,
    pub(super) since: Time,
    pub(super) line: u32,
    /// Which it was of those that began to wait.
    place: usize,
    /// Whether it was told already that it waits too long.
    is_overdue: bool,
}

impl Lock {
    /// A grant begins, and its operation waits no longer.
    pub(super) fn begin(&mut self, grant: Grant) {
        self.forget(grant.operation);
        self.arrived.remove(&grant.operation);
        self.by_token.insert(grant.token, self.grants.len());
        self.grants.push(grant);
    }

    /// An operation begins to wait, unless it does already. It is owed nothing if its client is no longer
    /// there to be given it.
    pub(super) fn wait(
        &mut self,
        operation: OperationId,
        (since, line): (Time, u32),
        is_owed: bool,
    ) {
        if self.arrived.contains_key(&operation) {
            return;
        }
        let place = self.arrivals;
        self.arrivals += 1;
        self.arrived.insert(operation, place);
        if is_owed {
            self.waiting.push(Waiter {
                operation,
                since,
                line,
                place,
                is_overdue: false,
            });
        }
    }

    /// Who has waited for longer than this operation; if it did not wait at all, anybody who waits.
    pub(super) fn passed_over_by(&self, operation: OperationId) -> Option<&Waiter> {
        let first = self.waiting.first()?;
        let place = self.arrived.get(&operation);
        let is_later = place.is_none_or(|&place| first.place < place);
        is_later.then_some(first)
    }

    /// This operation waits no longer.
    pub(super) fn forget(&mut self, operation: OperationId) {
        self.waiting.retain(|it| it.operation != operation);
    }

    /// Nobody waits any longer.
    pub(super) fn forget_all(&mut self) {
        self.waiting.clear();
        self.arrived.clear();
    }

    /// Whether this operation waits.
    pub(super) fn awaits(&self, operation: OperationId) -> bool {
        self.waiting.iter().any(|it| it.operation == operation)
    }

    /// The last grant with this token.
    pub(super) fn with_token(&mut self, token: u64) -> Option<&mut Grant> {
        let place = self.by_token.get(&token)?;
        self.grants.get_mut(*place)
    }

    pub(super) fn newest(&mut self) -> Option<&mut Grant> {
        self.grants.last_mut()
    }

    /// The living grant, if it is this client's. Only the newest can live.
    pub(super) fn living_of(&mut self, client: HostId) -> Option<&mut Grant> {
        let is_its = |grant: &&mut Grant| grant.is_alive() && grant.operation.client == client;
        self.newest().filter(is_its)
    }

    /// The grant with the highest token.
    pub(super) fn highest(&self) -> Option<&Grant> {
        let (_, place) = self.by_token.last_key_value()?;
        self.grants.get(*place)
    }

    /// Who has waited for too long at this time, if the server has run since `runs_since`, and for how
    /// long after the lock could have been granted. Each waiter is told of once.
    pub(super) fn overdue(&mut self, now: Time, runs_since: Time) -> Option<(Waiter, Duration)> {
        let free = self.grants.last().map_or(Time::ZERO, Grant::end);
        let from = free.max(runs_since);
        let late = |it: &Waiter| now - it.since.max(from);
        let first = self
            .waiting
            .iter_mut()
            .find(|it| !it.is_overdue && late(it) > BOUND)?;
        first.is_overdue = true;
        Some((*first, late(first)))
    }
}

impl Grant {
    pub(super) const fn is_alive(&self) -> bool {
        self.ended.is_none()
    }

    /// Why this operation of its client can no longer make use of it, in words.
    ///
    /// Requests of one client are numbered in the order in which it makes them. One from before the close may
    /// be of an earlier life, whose grants the close of a later life does not end.
    pub(super) fn over_for(&self, operation: OperationId) -> Option<String> {
        let closed = self.closed.filter(|(by, _)| operation.number > by.number);
        match (self.ended, closed) {
            (Some((_, end)), _) => Some(format!("which had ended{}", cite::lines(&[end]))),
            (None, Some((_, line))) => {
                let at = cite::lines(&[line]);
                Some(format!("which its client had closed{at}"))
            }
            (None, None) => None,
        }
    }

    /// Its client has acquired the lock anew, with this operation: it may be withdrawn. That it comes again,
    /// or an earlier request, says nothing.
    pub(super) const fn acquired_anew(&mut self, operation: OperationId) {
        self.is_done_with |= operation.number > self.operation.number;
    }

    /// Whether it may be withdrawn before its lease has run out.
    pub(super) const fn is_given_up(&self) -> bool {
        self.closed.is_some() || self.is_done_with
    }

    /// From when on the lock may be another's.
    fn end(&self) -> Time {
        self.ended
            .map_or(self.lease_end, |(ended, _)| ended.min(self.lease_end))
    }

    /// Lets the lease run anew from here.
    pub(super) fn renew(&mut self, now: Time, lease: Duration) {
        self.lease = lease;
        self.lease_end = now + lease;
    }

    pub(super) fn end_at(&mut self, now: Time, line: u32) {
        self.ended.get_or_insert((now, line));
    }
}
