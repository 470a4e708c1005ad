//! `exclusion`: do the grants of a lock exclude each other, and do critical sections appear whole?

use std::rc::Rc;

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
