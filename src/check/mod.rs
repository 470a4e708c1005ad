//! Checkers: one property each, judged from what hosts did and what clients were told.
//!
//! - [`executions`]: no request runs more than once, and what ended ok ran.
//! - [`effects`]: clients were told what the first execution of each request gives.
//! - [`linearizable`]: each call seems to take effect at one instant. [`register`] and [`kv`] are specs for
//!   it, and a [`sequential`] spec is what a service brings for its own runs.
//! - [`liveness`]: once the faults have ended, calls end in time.
//! - [`convergence`]: once everything has arrived, all replicas say the same.
//! - [`commits`]: no replica makes a write visible before those that it depends on.
//! - [`exclusion`]: grants of a lock exclude each other, and critical sections appear whole.
//! - [`atomicity`]: every transaction is taken by all of its participants, or by none.
//! - [`causal`]: effects are never seen without their causes; and the session guarantees.
//!
//! A checker is a pure function from records to a [`Verdict`]. It does not know the services: what a
//! service does with a request comes in as a [`effects::Spec`]. The definitions are those of the
//! literature, cited in each file; `tests/histories/` holds twins, an `ok-` and a `bad-` history that
//! differ in little, for [`executions`], [`effects`], [`linearizable`], [`exclusion`], [`atomicity`] and
//! [`causal`]. The others have their tests in their files.

pub mod atomicity;
pub mod causal;
pub(crate) mod cite;
pub mod commits;
pub mod convergence;
pub mod effects;
pub mod exclusion;
pub mod executions;
mod json_lines;
pub mod kv;
pub mod linearizable;
mod linearizable_part;
pub mod liveness;
pub mod register;
mod register_calls;
pub mod sequential;

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::trace::VerdictRow;

/// A property that runs are judged by.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// How often each request ran, against what the semantics promise.
    Executions,
    /// Whether what clients were told agrees with what their operations did.
    Effects,
    /// Whether each operation seems to take effect at one instant between its begin and its end.
    Linearizable,
    /// Whether the grants of each lock exclude each other, and critical sections appear whole.
    Exclusion,
    /// Whether every transaction is taken by all of its participants, or by none.
    Atomicity,
    /// Whether no replica, and no client, sees an effect before its cause, and all agree in the end on the
    /// order of the writes of a key.
    Causal,
    /// Causal memory, which is told of a run and promised by no service here.
    CausalMemory,
    /// Whether a session sees what it has written.
    ReadYourWrites,
    /// Whether a session never sees something older than it has seen.
    MonotonicReads,
    /// Whether whoever sees a write of a session sees its earlier ones.
    MonotonicWrites,
    /// Whether whoever sees a write sees what its session had read before.
    WritesFollowReads,
    /// Whether all servers say the same in the end.
    Convergence,
    /// Whether every call of a fresh client ends in time once the faults have ended.
    Liveness,
}

impl Check {
    /// Every check, in the order of reports.
    pub const ALL: [Self; 13] = [
        Self::Executions,
        Self::Effects,
        Self::Linearizable,
        Self::Exclusion,
        Self::Atomicity,
        Self::Causal,
        Self::CausalMemory,
        Self::ReadYourWrites,
        Self::MonotonicReads,
        Self::MonotonicWrites,
        Self::WritesFollowReads,
        Self::Convergence,
        Self::Liveness,
    ];

    /// Those that are made unless a service or a scenario says otherwise.
    pub const USUAL: [Self; 2] = [Self::Executions, Self::Effects];

    /// The session guarantees.
    pub const OF_SESSIONS: [Self; 4] = [
        Self::ReadYourWrites,
        Self::MonotonicReads,
        Self::MonotonicWrites,
        Self::WritesFollowReads,
    ];

    /// The name in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Executions => "executions",
            Self::Effects => "effects",
            Self::Linearizable => "linearizable",
            Self::Exclusion => "exclusion",
            Self::Atomicity => "atomicity",
            Self::Causal => "causal",
            Self::CausalMemory => "causal-memory",
            Self::ReadYourWrites => "read-your-writes",
            Self::MonotonicReads => "monotonic-reads",
            Self::MonotonicWrites => "monotonic-writes",
            Self::WritesFollowReads => "writes-follow-reads",
            Self::Convergence => "convergence",
            Self::Liveness => "liveness",
        }
    }
}

/// What a checker says of a run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The property holds.
    Valid,
    /// It does not, and this shows it.
    Violated(String),
    /// It could not be judged, for this reason.
    Unknown(String),
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Violated(_) => "violated",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What shows it, or the reason; empty if the property holds.
    #[must_use]
    pub fn evidence(&self) -> &str {
        match self {
            Self::Valid => "",
            Self::Violated(text) | Self::Unknown(text) => text,
        }
    }

    /// The line of a trace's last block for this property.
    #[must_use]
    pub fn row(&self, check: &str) -> VerdictRow {
        VerdictRow {
            check: check.to_owned(),
            verdict: self.name().to_owned(),
            evidence: self.evidence().to_owned(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.evidence() {
            "" => f.write_str(self.name()),
            evidence => write!(f, "{}  {evidence}", self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_shows_its_evidence() {
        let violated = Verdict::Violated("alice#1 ran 2 times (lines 3, 7)".to_owned());
        assert_eq!(
            violated.to_string(),
            "violated  alice#1 ran 2 times (lines 3, 7)"
        );
        assert_eq!(Verdict::Valid.to_string(), "valid");
        assert_eq!(violated.row("executions").verdict, "violated");
    }
}
