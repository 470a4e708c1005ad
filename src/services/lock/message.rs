//! The messages of the lock service.
//!
//! These are the bodies that [`crate::rpc`] carries in format v2. [`super::codec`] reads and writes them,
//! `docs/wire.md` describes them byte by byte.

use std::borrow::Cow;
use std::fmt;

/// How long the text of one append is at most, in bytes.
pub const APPEND_BYTES_MAX: usize = 4_096;

/// How much text of a file a reply to a read carries at most, in bytes.
pub const PIECE_BYTES_MAX: usize = 32 * 1_024;

/// A request of a client.
///
/// A file is named as the client typed it. `token` is the fencing token of the client's grant of the
/// file's lock, or 0 if it has none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request<'a> {
    /// Asks for a greeting: the seed's init.
    Hello,
    /// Asks for the lock of a file, and waits for it.
    Acquire {
        /// The file.
        file: Cow<'a, str>,
        /// The token of the last grant of the lock that the client is done with, or 0: so that a holder that
        /// begins anew is told from one whose request comes again.
        token: u64,
    },
    /// Asks that the lease runs anew. It is also the body of a heartbeat, which asks for no reply.
    Renew {
        /// The file.
        file: Cow<'a, str>,
        /// The grant's token.
        token: u64,
        /// Which heartbeat of the grant it is, from 1; 0 of a request.
        number: u32,
    },
    /// Gives the lock back; what was staged appears.
    Release {
        /// The file.
        file: Cow<'a, str>,
        /// The grant's token.
        token: u64,
    },
    /// Stages a text for the end of a file.
    Append {
        /// The file.
        file: Cow<'a, str>,
        /// The grant's token.
        token: u64,
        /// The text, at most [`APPEND_BYTES_MAX`] bytes.
        text: Cow<'a, str>,
    },
    /// Asks for the text of a file: what has been released and, of a holder, its own staged text.
    Read {
        /// The file.
        file: Cow<'a, str>,
        /// The token of the reader's grant, or 0.
        token: u64,
        /// The first byte that is asked for.
        from: u64,
    },
    /// Ends all grants and waits of the client.
    Close,
}

/// A reply of the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply<'a> {
    /// To hello: `Connected!`
    Connected,
    /// To an acquire.
    Granted(Lease),
    /// To a renewal.
    Renewed(Lease),
    /// To a release of the grant with this token.
    Released {
        /// The token.
        token: u64,
    },
    /// To an append.
    Staged {
        /// The token of the grant under which the text was staged; 0 if it has appeared at once, which is
        /// only where locks are not asked for.
        token: u64,
    },
    /// To a read.
    Text {
        /// The token of the grant whose staged text is seen too; 0 if it is that of no grant.
        token: u64,
        /// The first byte that is there.
        from: u64,
        /// How long the file is, in bytes.
        total: u64,
        /// At most [`PIECE_BYTES_MAX`] bytes of it.
        text: Cow<'a, str>,
    },
    /// To close: `Disconnected!`
    Disconnected,
    /// It was not done.
    Refused(Refusal),
}

/// A grant, as its holder is told of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The fencing token: it grows with each grant of a lock.
    pub token: u64,
    /// How long the lease is, in ms, from when the server gave it.
    pub lease_ms: u32,
    /// Whether the lock is that of all files.
    pub is_global: bool,
}

/// What a server tells a holder in answer to a heartbeat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Update {
    /// The lease runs anew.
    Renewed {
        /// The lease.
        lease: Lease,
        /// The number of the heartbeat that this answers.
        number: u32,
    },
    /// The grant with this token has ended.
    Lost {
        /// The token.
        token: u64,
    },
}

/// Why a request was not done.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Refusal {
    /// There is no such file.
    FileNotFound,
    /// The client has no grant of the lock: it never asked for it, or has given it back.
    NotTheHolder,
    /// The client's grant has ended, as its lease had run out: it must acquire again.
    LeaseLost,
    /// The file, or what a grant may stage, is full.
    Full,
    /// The client had not been heard of for so long that its turn was given to the next.
    Skipped,
    /// The body is no request.
    Invalid,
}

/// How a request ended, as a number: the seed's 0 and 1, and the others that it left out.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum ResultCode {
    /// Done.
    Success = 0,
    /// [`Refusal::FileNotFound`].
    FileNotFound = 1,
    /// [`Refusal::NotTheHolder`].
    NotTheHolder = 2,
    /// [`Refusal::LeaseLost`].
    LeaseLost = 3,
    /// The request waits. No reply of the service says so, but the notice that answers a duplicate:
    /// [`crate::rpc::message::Message::InProgress`].
    InProgress = 4,
    /// The server does not know the client's session, as [`crate::rpc::message::Refused`] says: nobody knows
    /// whether the request was executed.
    SessionExpired = 5,
    /// [`Refusal::Full`].
    Full = 6,
    /// [`Refusal::Skipped`].
    Skipped = 7,
    /// [`Refusal::Invalid`].
    Invalid = 8,
}

impl Refusal {
    /// Every one, in the order of their codes.
    pub const ALL: [Self; 6] = [
        Self::FileNotFound,
        Self::NotTheHolder,
        Self::LeaseLost,
        Self::Full,
        Self::Skipped,
        Self::Invalid,
    ];

    /// Its number.
    #[must_use]
    pub const fn code(self) -> ResultCode {
        match self {
            Self::FileNotFound => ResultCode::FileNotFound,
            Self::NotTheHolder => ResultCode::NotTheHolder,
            Self::LeaseLost => ResultCode::LeaseLost,
            Self::Full => ResultCode::Full,
            Self::Skipped => ResultCode::Skipped,
            Self::Invalid => ResultCode::Invalid,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FileNotFound => "file not found",
            Self::NotTheHolder => "not the holder",
            Self::LeaseLost => "lease lost: acquire again",
            Self::Full => "the file is full",
            Self::Skipped => "skipped: silent for too long",
            Self::Invalid => "invalid request",
        })
    }
}

impl Reply<'_> {
    /// How the request ended, as a number.
    #[must_use]
    pub const fn code(&self) -> ResultCode {
        match self {
            Self::Refused(refusal) => refusal.code(),
            _ => ResultCode::Success,
        }
    }
}
