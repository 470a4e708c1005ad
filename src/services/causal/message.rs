//! Messages of the causal store: requests, replies, and what data centres send each other.
//!
//! Every request carries its session: the clock, and what the session depends on. Every reply carries
//! the data centre's clock, and what is known everywhere. `docs/causal.md` says it byte by byte.

use crate::id::Version;
use crate::services::causal::write::{Dependency, Origin, Write};

/// How far the clock of a session can stand. So many seconds of `wait` pass in no life, and a data
/// centre's clock cannot be driven over its end.
pub const CLOCK_MAX: u64 = 1 << 62;

/// How many dependencies a session, a request or a write has at most.
pub const DEPENDENCIES_MAX: usize = 1_000;

/// How many bytes they take in a message at most, so that a datagram holds them and a value.
pub const DEPENDENCIES_BYTES_MAX: usize = 48 * 1_024;

/// How many bytes of keys and values a reply to `list`, or a page of an image, holds at most.
pub const PAGE_BYTES_MAX: usize = 40 * 1_024;

/// How many origins a reply names at most: the data centres, and some of their lives that have ended.
pub const ORIGINS_MAX: usize = 256;

/// A request of a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The session's Lamport clock, at most [`CLOCK_MAX`].
    pub clock: u64,
    /// What the session depends on.
    pub needs: Vec<Dependency>,
    /// What is asked.
    pub ask: Ask,
}

/// What a client asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// The value of a key.
    Get {
        /// The key.
        key: String,
    },
    /// That a key holds this value from now on.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// The name of the client, at most 64 bytes; empty if it has none.
        author: String,
    },
    /// Every key with its value.
    List,
    /// Whether all that the session depends on is here: it wants to move to this data centre.
    Attach {
        /// Its number. Clients go by it; a data centre answers whoever asks it.
        to: u16,
    },
    /// Nothing: the session itself waits, and its clock goes on. It is never sent.
    Wait {
        /// For so many ms.
        ms: u64,
    },
}

/// A reply of a data centre.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The data centre's Lamport clock.
    pub clock: u64,
    /// Up to which number the writes of an origin are known to be everywhere.
    pub everywhere: Vec<(Origin, u64)>,
    /// What was asked for.
    pub answer: Answer,
}

/// The answer to what a client asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The key holds this.
    Found(Entry),
    /// Nobody has written the key, as far as is known here.
    Nothing,
    /// The write is committed here.
    Put(Dependency),
    /// What the first keys hold.
    Listed {
        /// Each with its key, in order.
        entries: Vec<Entry>,
        /// How many more keys there are.
        more: u32,
    },
    /// All that the session depends on is here.
    Attached {
        /// The number that was asked for.
        to: u16,
    },
    /// It was not done.
    Refused(Refusal),
}

/// A key, its value, and the write that it is of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The write.
    pub write: Dependency,
    /// The value.
    pub value: String,
    /// Who wrote it; empty if that client has no name.
    pub author: String,
}

/// Why a request was not done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The body is no request.
    Invalid,
    /// What the session depends on has not come in time: this first.
    Missing(Dependency),
    /// The data centre lost its memory in a crash, and has not fetched what the others hold in time.
    Recovering,
    /// Too many requests wait here.
    Full,
}

/// A message of one data centre to another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerMessage {
    /// The life of the sender, as in [`Version::life`].
    pub life: u32,
    /// Up to this number the sender's writes are known to be everywhere.
    pub everywhere: u64,
    /// What it says.
    pub body: PeerBody,
}

/// What a data centre says to another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeerBody {
    /// A write of the sender.
    Write(Write),
    /// A write of the receiver is committed at the sender.
    Acknowledge {
        /// Which write.
        version: Version,
        /// Its number.
        sequence: u64,
    },
    /// The sender has lost its memory and asks for all that the receiver holds.
    Fetch,
    /// A page of the sender's state image.
    Page(Page),
    /// The receiver's page has come.
    HasPage {
        /// The life of the receiver that sent it.
        life: u32,
        /// Which image.
        number: u32,
        /// Which page.
        page: u32,
    },
}

/// A page of a state image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// The image's number among those of the sender's life.
    pub number: u32,
    /// The life of the receiver that asked for it; 0 if none did.
    pub answers: u32,
    /// The page's number, from 0.
    pub page: u32,
    /// How many pages there are.
    pub of: u32,
    /// The items on it.
    pub body: Vec<u8>,
}
