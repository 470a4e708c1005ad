//! Histories: what clients invoked and what they were told.
//!
//! A history knows nothing of datagrams, attempts or servers; it is what an outside observer of the
//! clients could write down, and all that checkers such as linearizability may look at.

mod jepsen_edn;
mod jepsen_log;
pub mod json;
mod kept;
pub mod plume;
pub mod recorded;
mod scan;
pub mod sessions;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::id::OperationId;
use crate::wire::SharedBytes;

pub use kept::History;

/// How a call ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeKind {
    /// It was executed and the client was told so.
    Ok,
    /// It certainly did not happen, or was refused.
    Failed,
    /// It may have happened, and may yet happen.
    Unknown,
}

impl OutcomeKind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What a client was told in the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// Whether the operation happened, as far as the client can know.
    pub kind: OutcomeKind,
    /// The words or the reply that say more.
    pub told: Told,
    /// The operation whose reply was taken for the answer, where the network knows it. It differs
    /// from the operation itself only where a protocol confuses two calls.
    pub reply_to: Option<OperationId>,
}

/// What the client goes by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    /// A reply of the service, in the service's own encoding.
    Reply(SharedBytes),
    /// Words of the client's own.
    Text(Cow<'static, str>),
}

impl Outcome {
    /// An outcome in the client's own words.
    pub fn text(kind: OutcomeKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            told: Told::Text(text.into()),
            reply_to: None,
        }
    }
}

/// One entry of a history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// When, on the clock of the run.
    pub at: Time,
    /// Which operation.
    pub operation: OperationId,
    /// What happened.
    pub event: HistoryEvent,
}

/// What a client did or was told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HistoryEvent {
    /// It began an operation, given in the service's own encoding.
    Invoke(SharedBytes),
    /// The operation ended.
    Complete(Outcome),
}
