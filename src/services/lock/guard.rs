//! Guards: what a client knows of the grants that it holds, and the heartbeats that keep them.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::clock::Time;
use crate::host::Host;
use crate::id::OperationId;
use crate::rpc::aside::Aside;
use crate::rpc::client::RpcClient;
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
    waiting: RefCell<Option<Waker>>,
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
    /// A guard of a grant that the client was just told of in answer to this operation.
    ///
    /// # Errors
    ///
    /// If there is no second socket to send heartbeats from.
    pub(super) fn keep(
        client: &RpcClient,
        operation: OperationId,
        (file, lease): (FileId, Lease),
    ) -> io::Result<Self> {
        let (host, aside) = (client.host().clone(), client.aside()?);
        let shared = Rc::new(Shared {
            until: Cell::new(host.now() + span(lease)),
            host,
            operation,
            file,
            lease,
            is_lost: Cell::default(),
            is_over: Cell::default(),
            waiting: RefCell::default(),
        });
        client.host().spawn(keep_up(shared.clone(), aside));
        Ok(Self { shared })
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
            *self.shared.waiting.borrow_mut() = Some(context.waker().clone());
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

    /// Sends no more heartbeats.
    pub(super) fn let_go(&self) {
        self.shared.is_over.set(true);
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
        self.is_over.set(true);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    /// Takes in what the server says to the heartbeat that was sent at this time.
    fn hear(&self, update: &[u8], asked: Time) -> Result<(), Ignored> {
        match Update::decode(update) {
            Ok(Update::Renewed(lease)) if lease.token == self.lease.token => {
                let until = asked + span(lease);
                self.until.set(until.max(self.until.get()));
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

/// Sends heartbeats until the guard is dropped or the grant lost.
async fn keep_up(shared: Rc<Shared>, mut aside: Aside) {
    let heartbeat = Request::Renew {
        file: shared.file.name().into(),
        token: shared.lease.token,
    };
    let heartbeat = heartbeat.encode();
    let step = (span(shared.lease) / HEARTBEATS_PER_LEASE).max(Duration::from_millis(1));
    let mut asked = shared.host.now();
    loop {
        while let Some(pushed) = aside.next_update(asked + step).await {
            match shared.hear(&pushed.body, asked) {
                Ok(()) => aside.notified(&pushed, shared.operation),
                Err(reason) => aside.ignore(&pushed, reason),
            }
            if shared.is_over.get() {
                return;
            }
        }
        if shared.is_over.get() {
            return;
        }
        asked = shared.host.now();
        aside.tell(shared.operation, &heartbeat);
    }
}

fn span(lease: Lease) -> Duration {
    Duration::from_millis(lease.lease_ms.into())
}
