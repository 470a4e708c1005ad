//! The grants of one lock, who waits for it, and by when somebody is to have it.

use std::time::Duration;

use super::BOUND;
use crate::clock::Time;
use crate::id::OperationId;

/// One lock.
#[derive(Debug, Default)]
pub(super) struct Lock {
    /// Every grant that it ever had, in order.
    grants: Vec<Grant>,
    /// Who waits, in order.
    waiting: Vec<Waiter>,
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
    /// Whether its holder has closed, and the grant may be withdrawn.
    pub(super) is_closing: bool,
    /// When it ended, and in which line.
    pub(super) ended: Option<(Time, u32)>,
}

/// Somebody who waits for a lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) operation: OperationId,
    pub(super) since: Time,
    pub(super) line: u32,
    /// Whether it was told already that it waits too long.
    is_overdue: bool,
}

impl Lock {
    pub(super) fn begin(&mut self, grant: Grant) {
        self.grants.push(grant);
    }

    pub(super) fn wait(&mut self, operation: OperationId, since: Time, line: u32) {
        if self.waiting.iter().all(|it| it.operation != operation) {
            self.waiting.push(Waiter {
                operation,
                since,
                line,
                is_overdue: false,
            });
        }
    }

    /// This operation waits no longer.
    pub(super) fn forget(&mut self, operation: OperationId) {
        self.waiting.retain(|it| it.operation != operation);
    }

    /// Nobody waits any longer.
    pub(super) fn forget_all(&mut self) {
        self.waiting.clear();
    }

    /// Whether this operation waits.
    pub(super) fn awaits(&self, operation: OperationId) -> bool {
        self.waiting.iter().any(|it| it.operation == operation)
    }

    /// The last grant with this token.
    pub(super) fn with_token(&mut self, token: u64) -> Option<&mut Grant> {
        self.grants.iter_mut().rev().find(|it| it.token == token)
    }

    pub(super) fn newest(&mut self) -> Option<&mut Grant> {
        self.grants.last_mut()
    }

    /// Every grant, in order.
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Grant> {
        self.grants.iter_mut()
    }

    /// The grant with the highest token.
    pub(super) fn highest(&self) -> Option<&Grant> {
        self.grants.iter().max_by_key(|grant| grant.token)
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
