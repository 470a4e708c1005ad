//! Datagrams that are no message: counted, and logged once for each kind of mistake.
//!
//! Anybody can send a server anything. What is not understood costs it a count; the log and the trace
//! hear of the first of each kind only.

use std::collections::BTreeMap;
use std::fmt;

use crate::rpc::origin::Origin;
use crate::trace::{Event, Ignored};

/// How many datagrams were no message, by kind of mistake.
#[derive(Debug, Default)]
pub(super) struct MalformedCounts(BTreeMap<&'static str, u64>);

impl MalformedCounts {
    /// Counts one; the first of its kind is logged, and an event.
    pub(super) fn count(
        &mut self,
        origin: &Origin,
        kind: &'static str,
        detail: &dyn fmt::Display,
    ) -> Option<Event> {
        let count = self.0.entry(kind).or_insert(0);
        *count += 1;
        if *count > 1 {
            return None;
        }
        let Origin {
            address,
            host: from,
            label,
        } = *origin;
        tracing::warn!(
            "ignored a datagram from {address}: {detail}; more {kind} ones are only counted"
        );
        Some(Event::Ignore {
            from,
            label,
            reason: Ignored::Malformed,
        })
    }

    /// The counts.
    pub(super) const fn by_kind(&self) -> &BTreeMap<&'static str, u64> {
        &self.0
    }
}
