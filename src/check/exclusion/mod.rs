//! `exclusion`: do the grants of a lock exclude each other, and do critical sections appear whole?
//!
//! **Definition.** A grant lives from the step that gave it until it is released, withdrawn, or, once its
//! lease has run out by the server's clock, taken over by the next.
//!
//! - **T1** The tokens of a lock strictly increase, over crashes too.
//! - **T2** The lives of a lock's grants are disjoint. Only the newest grant, while it lives, is renewed; it
//!   is withdrawn only when its lease has run out, or its holder has closed or acquired anew; a crash ends
//!   none.
//! - **T3** A text is staged, and a grant released, only with the newest token, by its client, while the
//!   grant lives and before its client closes. Whoever is told of a grant was given it.
//! - **T4** What appears at a release is what was staged under that grant, in order and at once. A reader
//!   sees what has been released and, if it holds the lock, what it has staged itself; nothing else.
//! - **T5** An append or a release is accepted at most once; whoever is told that it was done, finds it done,
//!   for ever; whoever is told that it was refused, finds it not done.
//! - **L1** Whoever waits is granted the lock within one lease of its last grant or renewal, and
//!   [`BOUND`]. What a server leaves undone while it is down or paused is not held against it.
//! - **L2** Locks are granted in the order of arrival: whoever is granted one has waited for longer than any
//!   other that still waits. Whoever was refused, has given up or was told how its request ended waits no
//!   longer, and a crash ends all waits: then the order is that of the retransmissions.
//!
//! ```text
//! c1      granted token 1 ... pauses ............... append with token 1: must be refused
//! server  grant 1        lease runs out: withdraw 1, grant 2
//! c2            waits ................. granted token 2, appends, releases
//! ```
//!
//! That the beliefs of clients do not overlap is not asked: a paused client may believe what is no
//! longer so, and that is what tokens are for (Gray and Cheriton, "Leases: an efficient fault-tolerant
//! mechanism for distributed file cache consistency", SOSP 1989; Kleppmann, "How to do distributed
//! locking", 2016, on fencing tokens).
//!
//! A grant is its host's: the client's next life may still be told what the last one was granted. A close
//! lets the living grants of its client be withdrawn, and no later request of the client makes use of them.
//! One that is older than the close may: if the close is that of a new life, it does not end the grants of
//! the last one.

mod files;
mod grants;
mod judge;
pub mod written;

use std::rc::Rc;
use std::time::Duration;

use crate::clock::Time;
use crate::id::OperationId;

pub use judge::judge;

/// How long after the end of a lease whoever waits is granted the lock at the latest, by the server's
/// clock: far more than a server that runs takes to see that a timer has fallen due.
pub const BOUND: Duration = Duration::from_millis(100);

/// A step of a run, as far as locks are concerned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Its line in the trace or file, to be cited; 0 if there is none.
    pub line: u32,
    /// When, by the server's clock.
    pub clock: Time,
    /// Whose operation: of a grant, a renewal and a withdrawal the one that acquired the lock. The steps of
    /// the server, and the reads at the end, are nobody's.
    pub operation: Option<OperationId>,
    /// What.
    pub what: What,
}

/// What a step is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// The server granted a lock, for this long.
    Grant {
        /// Which.
        lock: u16,
        /// The grant's fencing token.
        token: u64,
        /// How long.
        lease: Duration,
    },
    /// The server let the lease of a grant run anew, for this long.
    Renew {
        /// Of which lock.
        lock: u16,
        /// The grant's fencing token.
        token: u64,
        /// How long.
        lease: Duration,
    },
    /// The server ended a grant without a release.
    Withdraw {
        /// Of which lock.
        lock: u16,
        /// The grant's fencing token.
        token: u64,
    },
    /// The server executed a request, and accepted it.
    Accepted(LockAccess),
    /// The operation waits no longer: it was refused, or its client has given up.
    Gone,
    /// Its client was told this by a reply.
    Told(Told),
    /// The server crashed: nobody waits there any more.
    Crash,
    /// The server stopped running.
    Pause,
    /// The server goes on, after a crash or a pause.
    GoesOn,
    /// The story is over.
    End,
}

/// What a client was told by a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// That it has a lock.
    Granted {
        /// Which.
        lock: u16,
        /// The grant's fencing token.
        token: u64,
    },
    /// That its append or release was done.
    Done,
    /// That its request was refused.
    Refused,
}

/// What a request to a service of locks did, or asks for. Locks and files are known by their numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LockAccess {
    /// It waits for a lock.
    Waits {
        /// Which.
        lock: u16,
    },
    /// It was told that it has a lock.
    Granted {
        /// Which.
        lock: u16,
        /// The grant's fencing token.
        token: u64,
    },
    /// A text was staged, to appear in a file at the release of the grant.
    Staged {
        /// The lock that guards the file.
        lock: u16,
        /// The grant's fencing token.
        token: u64,
        /// Which file.
        file: u16,
        /// The text.
        text: Rc<str>,
    },
    /// A grant was released, and what was staged under it appears.
    Released {
        /// Which lock.
        lock: u16,
        /// The grant's fencing token.
        token: u64,
    },
    /// A part of a file was read.
    Read {
        /// Which file.
        file: u16,
        /// The token of the grant whose own staged text was seen too; 0 if it was that of no grant.
        token: u64,
        /// The first byte that was read.
        from: u64,
        /// How long the file is, with the reader's own staged text.
        total: u64,
        /// What was read.
        text: Rc<str>,
    },
    /// The client has closed: its grants end, and what was staged under them vanishes.
    Closed,
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
