//! Rows: a trace in words, before it is printed.
//!
//! A [`Row`] is made from an event and is all that the printers know, so a trace that was read back
//! from JSON prints the same text as the run that made it.

use serde::{Deserialize, Serialize};

use crate::history::OutcomeKind;
use crate::seed::Seed;
use crate::trace::{Describe, Line, Names};

/// A whole trace in words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TraceFile {
    /// What it is a trace of.
    pub header: Header,
    /// The events, in order.
    pub rows: Vec<Row>,
    /// What was asked at the end, on a perfect network.
    pub finals: Vec<Final>,
    /// The last block.
    pub verdicts: Vec<VerdictRow>,
}

impl TraceFile {
    /// The trace of these lines, which are in canonical order; they are numbered from 1.
    #[must_use]
    pub fn new(header: Header, lines: &[Line], describe: &dyn Describe) -> Self {
        let names = Names(&header.hosts);
        let rows = (1..)
            .zip(lines)
            .map(|(number, line)| Row::new(number, line, names, describe))
            .collect();
        Self {
            header,
            rows,
            finals: Vec::new(),
            verdicts: Vec::new(),
        }
    }
}

/// What a trace is a trace of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// The scenario's name: `booking/lost-cancel-reply`.
    pub scenario: String,
    /// Which variant of it.
    pub variant: String,
    /// The seed that fixed the run.
    pub seed: Seed,
    /// The scenario's story, in a sentence or two.
    pub story: String,
    /// The command that gives the same trace again.
    pub command: String,
    /// The names of the hosts, in the order of hosts.
    pub hosts: Vec<String>,
    /// A remark of whoever keeps the trace as a file. No part of the text.
    pub comment: Option<String>,
}

impl Header {
    /// The command that runs a variant of this scenario file again.
    #[must_use]
    pub fn command(file: &str, variant: &str, seed: Seed) -> String {
        format!("wavetank run {file} --variant {variant} --seed {}", seed.0)
    }
}

/// One event in words.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The line's number, from 1.
    pub number: u32,
    /// When, in ms from time zero of the trace.
    pub ms: u64,
    /// Where.
    pub host: String,
    /// The event's word, one of [`crate::trace::Event::WORDS`].
    pub event: String,
    /// The other host, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The operation that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Of a segment of a connection, and of the end of one: which connection, `alice/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// For datagrams and segments: what they carry, by [`crate::net::Kind::name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// For requests: which attempt of how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptRow>,
    /// The text of the details column.
    #[serde(default)]
    pub details: String,
    /// The text of the notes column.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The request that was executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The reply that an execution or a completion gave; absent where the request waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// For an execution that waits: whether its step has stored anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stored: bool,
    /// For an execution, a completion or a part in a transaction: whether an earlier life did it, and its disk
    /// shows it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
    /// For a commit: the version that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// For a commit: the versions that it depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// For a grant, a renewal and a withdrawal: which lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<u16>,
    /// For these: the grant's fencing token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// For these: when, in ms of the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ms: Option<u64>,
    /// For a grant and a renewal: how long the lease is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// For a part in a transaction: which transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// For a decision: whether all are to take their parts. If not, nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<bool>,
    /// For a decision: who takes part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<String>,
    /// How an operation ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeRow>,
    /// Why a datagram was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<CauseRow>,
    /// Why a datagram was doubled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicated: Option<CauseRow>,
    /// Why a datagram is late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delayed: Option<CauseRow>,
    /// The scripted fault that did it, from 1: where hosts and links fail, not datagrams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<u16>,
    /// When each copy of a datagram arrives, in ms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arrives_ms: Vec<u64>,
}

/// Which attempt of how many.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AttemptRow {
    /// Counted from 1.
    pub number: u16,
    /// How many the client's policy allows.
    pub of: u16,
}

/// How an operation ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeRow {
    /// Whether it happened, as far as the client can know.
    pub kind: OutcomeKind,
    /// What the client was told.
    pub text: String,
    /// Whether a reply of the service said so; if not, these are the client's own words.
    pub by_reply: bool,
    /// The operation whose reply it was, where the network knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// Why a datagram was lost, doubled or delayed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CauseRow {
    /// By the random conditions of its link.
    Chance,
    /// By the scripted fault of this number.
    Fault(u16),
}

/// A command run at the end, and what it said.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Final {
    /// The command, as a client would type it.
    #[serde(rename = "final")]
    pub command: String,
    /// The reply to it.
    pub told: String,
    /// When it ran, in ms from time zero of the trace.
    pub ms: u64,
}

/// One line of the last block.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictRow {
    /// The property: `executions`.
    pub check: String,
    /// `valid`, `violated` or `unknown`.
    pub verdict: String,
    /// What shows it; empty for `valid`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
}
