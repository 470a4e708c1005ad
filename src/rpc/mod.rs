//! Requests and replies over datagrams.
//!
//! What happens to a request when a message is lost? Three answers, the invocation [`Semantics`]: send
//! it once; send it again until a reply comes; send it again, and let the server filter duplicates.
//! Retransmission is the client's part ([`retransmit`], [`client`]), filtering the server's
//! ([`reply_cache`]). Filtering is a wrapper around any [`service::Service`], not part of one.
//!
//! Where a service has words for it, requests and replies also travel as lines of text over connections
//! ([`line`](mod@line)): [`line_socket`] at the client, [`line_front`] at the server. All else stays the same.

pub mod aside;
pub mod call;
pub mod called;
pub mod client;
mod dispatch;
mod effects;
pub mod line;
mod line_connection;
pub mod line_front;
pub mod line_socket;
mod malformed;
pub mod message;
pub mod origin;
pub mod output;
mod receive;
mod records;
mod remembered;
pub mod reply_cache;
pub mod retransmit;
pub mod serve;
pub mod server;
pub mod service;
mod step_disk;
pub mod timers;
pub mod v1;
mod waiting;

use std::fmt;

pub use dispatch::Peers;

/// What becomes of a request whose message is lost (Coulouris, Dollimore, Kindberg and Blair,
/// Distributed Systems, 5th edition, 5.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Semantics {
    /// Sent once; the client may never know.
    Maybe,
    /// Retransmitted until a reply comes; may be executed more than once.
    AtLeastOnce,
    /// Retransmitted; duplicates are answered from the reply cache.
    AtMostOnce,
}

impl Semantics {
    /// Every semantics, weakest first.
    pub const ALL: [Self; 3] = [Self::Maybe, Self::AtLeastOnce, Self::AtMostOnce];

    /// The name in scenarios and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Maybe => "maybe",
            Self::AtLeastOnce => "at-least-once",
            Self::AtMostOnce => "at-most-once",
        }
    }

    /// Whether clients send again when no reply comes.
    #[must_use]
    pub const fn retransmits(self) -> bool {
        !matches!(self, Self::Maybe)
    }

    /// Whether the server filters duplicates.
    #[must_use]
    pub const fn filters_duplicates(self) -> bool {
        matches!(self, Self::AtMostOnce)
    }
}

impl fmt::Display for Semantics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a reply cache survives.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CacheKind {
    /// No crash of its server: what it does not remember is new and is executed.
    #[default]
    Memory,
    /// No crash either, but clients have sessions of a server life: what belongs to another life is
    /// refused and not executed again.
    Epoch,
    /// Sessions and replies are on the disk, written together with the effects of the request.
    Durable,
}

impl CacheKind {
    /// Every kind, weakest first.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Epoch, Self::Durable];

    /// The name in scenarios and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Epoch => "epoch",
            Self::Durable => "durable",
        }
    }

    /// Whether clients need a session.
    #[must_use]
    pub const fn has_sessions(self) -> bool {
        !matches!(self, Self::Memory)
    }
}

/// Where a server keeps its service's state.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum StateKind {
    /// In memory: a crash loses it.
    #[default]
    Memory,
    /// On its disk: each step is durable before anything of it is seen.
    Disk,
}

impl StateKind {
    /// Every kind, weakest first.
    pub const ALL: [Self; 2] = [Self::Memory, Self::Disk];

    /// The name in scenarios and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}
