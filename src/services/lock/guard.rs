//! Guards: what a client knows of the grants that it holds, and the heartbeats that keep them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::clock::Time;
use crate::host::Host;
use crate::id::OperationId;
use crate::rpc::aside::Aside;
use crate::rpc::client::{Pushed, RpcClient};
use crate::services::lock::files::FileId;
use crate::services::lock::message::{Lease, Request, Update};
use crate::trace::Ignored;

/// So many heartbeats are sent in the time of a lease.
const HEARTBEATS_PER_LEASE: u32 = 3;

/// How it stands with a grant, as far as its client knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// The lease runs.
    Held,
    /// The lease should have run out: nothing was heard of the server for that long. It may have been
    /// renewed all the same, or ended.
    Overdue,
    /// The server has said that the grant has ended.
    Lost,
}

/// A grant that a client holds, and renews until it is dropped.
///
/// A third of the lease after the grant, and from then on in such steps, a task of the client's host
/// sends a heartbeat. So a host that pauses renews nothing.
///
/// What a guard says is what its client *believes*: a client that has paused may believe what is no
/// longer so. That is what the token is for, which the server asks for with each append.
pub struct Guard {
    shared: Rc<Shared>,
}

struct Shared {
    host: Host,
    operation: OperationId,
    file: FileId,
    lease: Lease,
    /// Until when the lease runs, as far as is known.
    until: Cell<Time>,
    is_lost: Cell<bool>,
    /// Whether nobody wants it kept any more.
    is_over: Cell<bool>,
    /// Who waits to hear that it is lost.
    loss: RefCell<Option<Waker>>,
    /// The task that sends heartbeats.
    task: RefCell<Option<Waker>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("file", &self.shared.file)
            .field("token", &self.token())
            .field("standing", &self.standing())
            .finish()
    }
}

impl Guard {
    /// A guard of a grant that the client was just told of in answer to this operation. Where there is no
    /// second socket to send heartbeats from, a warning is logged, and the lease runs out by itself.
    pub(super) fn keep(
        client: &RpcClient,
        operation: OperationId,
        (file, lease): (FileId, Lease),
    ) -> Self {
        let host = client.host().clone();
        let shared = Rc::new(Shared {
            until: Cell::new(host.now() + span(lease)),
            host,
            operation,
            file,
            lease,
            is_lost: Cell::default(),
            is_over: Cell::default(),
            loss: RefCell::default(),
            task: RefCell::default(),
        });
        match client.aside() {
            Ok(aside) => client.host().spawn(keep_up(shared.clone(), aside)),
            Err(error) => {
                let file = file.name();
                tracing::warn!("no socket to renew the lease of {file} from: {error}");
            }
        }
        Self { shared }
    }

    /// The file that was asked for.
    #[must_use]
    pub fn file(&self) -> FileId {
        self.shared.file
    }

    /// The fencing token.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.shared.lease.token
    }

    /// How it stands with the grant.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match () {
            () if self.shared.is_lost.get() => Standing::Lost,
            () if self.shared.until.get() <= self.shared.host.now() => Standing::Overdue,
            () => Standing::Held,
        }
    }

    /// Waits until the server says that the grant has ended.
    pub fn lost(&mut self) -> impl Future<Output = ()> + '_ {
        poll_fn(|context| {
            if self.shared.is_lost.get() {
                return Poll::Ready(());
            }
            *self.shared.loss.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
    }

    /// Whether the grant guards this file.
    pub(super) fn guards(&self, file: FileId) -> bool {
        self.shared.lease.is_global || self.shared.file == file
    }

    /// The server has said that the grant has ended.
    pub(super) fn lose(&self) {
        self.shared.lose();
    }

    /// The server has renewed the lease in answer to a request that was sent at this time.
    pub(super) fn renewed(&self, asked: Time) {
        self.shared.renew(self.shared.lease, asked);
    }

    /// Sends no more heartbeats.
    pub(super) fn let_go(&self) {
        self.shared.let_go();
    }

    /// For whoever is to let it go if the guard still exists then.
    pub(super) fn handle(&self) -> Handle {
        Handle(Rc::downgrade(&self.shared))
    }
}

/// A guard that may be gone.
#[derive(Debug)]
pub(super) struct Handle(Weak<Shared>);

impl Handle {
    /// Sends no more heartbeats for it.
    pub(super) fn let_go(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.let_go();
        }
    }

    /// Whether the guard exists.
    pub(super) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Shared {
    fn lose(&self) {
        self.is_lost.set(true);
        self.let_go();
        if let Some(waiting) = self.loss.take() {
            waiting.wake();
        }
    }

    fn let_go(&self) {
        self.is_over.set(true);
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    fn renew(&self, lease: Lease, asked: Time) {
        let until = asked + span(lease);
        self.until.set(until.max(self.until.get()));
    }

    /// Takes in what the server says to one of the last heartbeats. What answers an older one says nothing of
    /// the present.
    fn hear(&self, update: &[u8], sent: &Sent) -> Result<(), Ignored> {
        match Update::decode(update) {
            Ok(Update::Renewed { lease, number }) if lease.token == self.lease.token => {
                let asked = sent.at(number).ok_or(Ignored::KnownUpdate)?;
                self.renew(lease, asked);
                Ok(())
            }
            Ok(Update::Lost { token }) if token == self.lease.token => {
                self.lose();
                Ok(())
            }
            Ok(_) => Err(Ignored::NotWaiting),
            Err(_) => Err(Ignored::Malformed),
        }
    }
}

/// When the last heartbeats were sent: as many as there are in a lease.
#[derive(Debug, Default)]
struct Sent {
    times: VecDeque<Time>,
    count: u32,
}

impl Sent {
    /// Gives the next heartbeat its number.
    fn next(&mut self, now: Time) -> u32 {
        self.times.push_back(now);
        if self.times.len() > HEARTBEATS_PER_LEASE as usize {
            self.times.pop_front();
        }
        self.count += 1;
        self.count
    }

    /// When the heartbeat of this number was sent.
    fn at(&self, number: u32) -> Option<Time> {
        let back = self.count.checked_sub(number)? as usize;
        let place = self.times.len().checked_sub(1 + back)?;
        self.times.get(place).copied()
    }
}

/// Sends heartbeats until the guard is dropped or the grant lost.
async fn keep_up(shared: Rc<Shared>, mut aside: Aside) {
    let step = span(shared.lease) / HEARTBEATS_PER_LEASE;
    let mut sent = Sent::default();
    let mut next = shared.host.now() + step;
    while !shared.is_over.get() {
        let Some(update) = wait(&shared, &mut aside, next).await else {
            return;
        };
        if let Some(pushed) = update {
            match shared.hear(&pushed.body, &sent) {
                Ok(()) => aside.notified(&pushed, shared.operation),
                Err(reason) => aside.ignore(&pushed, reason),
            }
        } else {
            let now = shared.host.now();
            let heartbeat = Request::Renew {
                file: shared.file.name().into(),
                token: shared.lease.token,
                number: sent.next(now),
            };
            aside.tell(shared.operation, &heartbeat.encode());
            next = now + step;
        }
    }
}

/// The next update, or `Some(None)` when it is time for the next heartbeat; `None` when no more are wanted.
async fn wait(shared: &Shared, aside: &mut Aside, until: Time) -> Option<Option<Pushed>> {
    let mut update = pin!(aside.next_update(until));
    poll_fn(|context| {
        if shared.is_over.get() {
            return Poll::Ready(None);
        }
        *shared.task.borrow_mut() = Some(context.waker().clone());
        update.as_mut().poll(context).map(Some)
    })
    .await
}

fn span(lease: Lease) -> Duration {
    Duration::from_millis(lease.lease_ms.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_from_when_its_own_heartbeat_was_sent() {
        let mut sent = Sent::default();
        assert_eq!(sent.at(1), None);
        for (number, ms) in (1..).zip([200, 400, 600, 800, 1_000]) {
            assert_eq!(sent.next(Time::from_ms(ms)), number);
        }
        let at = |number| sent.at(number).map(Time::as_ms);
        assert_eq!([at(5), at(4), at(3)], [Some(1_000), Some(800), Some(600)]);
        for unknown in [0, 1, 2, 6, u32::MAX] {
            assert_eq!(at(unknown), None, "{unknown}: too old, or never sent");
        }
    }
}
