//! What servers have decided, as checkers need it: a write that became visible, a lock that was granted, a
//! transaction that was committed.

use std::rc::Rc;
use std::time::Duration;

use crate::clock::Time;
use crate::id::{HostId, OperationId, Version};

/// A write that a replica has made visible to its clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Commit {
    /// Whose write, where it is known.
    pub operation: Option<OperationId>,
    /// Which write.
    pub version: Version,
    /// The writes that it depends on.
    pub needs: Rc<[Version]>,
    /// How long it had waited for them; `None` if it had not.
    pub stalled: Option<Duration>,
    /// The replica from which this one took it, as part of all that is known there: it had lost its memory.
    pub taken_from: Option<HostId>,
    /// What was written, and which version it is.
    pub text: Rc<str>,
}

/// What a lock server has decided about one of its locks. That a grant was released is the execution of
/// a request, and not told here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LockStep {
    /// Whose grant: the operation that acquired it.
    pub operation: OperationId,
    /// Which lock of the server.
    pub lock: u16,
    /// The grant's fencing token.
    pub token: u64,
    /// When, by the server's clock.
    pub clock: Time,
    /// What it decided.
    pub decision: Decision,
    /// What it says of it.
    pub text: Rc<str>,
}

/// What a lock server decides about a grant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// The lock is granted, for this long.
    Grant(Duration),
    /// The grant's lease runs anew, for this long: its holder has asked for it, or a restarted server has
    /// found the grant on its disk.
    Renew(Duration),
    /// The grant has ended without a release: its lease has run out, or its holder has closed.
    Withdraw,
}

/// What a server does in a transaction that several servers take part in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TransactionStep {
    /// The operation that it is of, where that is known.
    pub operation: Option<OperationId>,
    /// Names the transaction, on all servers alike.
    pub transaction: Rc<str>,
    /// What the server does.
    pub part: Part,
    /// Whether an earlier life of the server did it, and this one has found that on its disk.
    pub found: bool,
    /// What it says of it.
    pub text: Rc<str>,
}

impl TransactionStep {
    /// The same step, of an earlier life of the server.
    #[must_use]
    pub fn found(mut self) -> Self {
        self.found = true;
        self
    }
}

/// What a server does in a transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// The coordinator decides.
    Decide {
        /// Whether all are to take their parts: if not, nobody is.
        commit: bool,
        /// The places of those who take part, among the servers.
        participants: Rc<[u16]>,
    },
    /// A participant holds its part: it has voted yes, and waits for the decision.
    Hold,
    /// A participant takes its part.
    Take,
    /// A participant gives its part free.
    Release,
}
