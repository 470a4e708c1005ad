//! What a service promises, done one request after the other: its sequential specification, and the
//! check `linearizable` of a run by it.
//!
//! A [`SequentialSpec`] is a naive model of a service: simple enough to be believed by reading it. It
//! knows neither network nor time nor retransmissions; what clients were told must be what it tells in
//! some order that keeps to real time (see [`linearizable`]).
//!
//! - A call whose client was given no reply is under way for ever after: it may have had its effect,
//!   or may yet have it. If it only reads it says nothing, and is left out.
//! - A call that certainly did not happen is no part of the history. A refusal is a reply like others:
//!   the spec says whether it was right to refuse.
//! - The setup of a scenario came before everything else, one command after the other.
//!
//! [`linearizable`]: crate::check::linearizable

use std::collections::BTreeMap;

use crate::check::Verdict;
use crate::check::linearizable::{self, Sequential, Timed};
use crate::history::{Entry, HistoryEvent, Outcome, OutcomeKind, Told};
use crate::id::OperationId;
use crate::seed::fnv1a;
use crate::wire::SharedBytes;

/// Steps of the search after which a run is not decided: seconds, and some hundred MB. Histories of
/// thousands of calls need as many steps as they have calls, unless dozens of them ended unknown.
pub const STEPS_MAX: u64 = 1_000_000;

/// A naive model of a service.
///
/// ```
/// use wavetank::check::sequential::SequentialSpec;
///
/// /// A counter: `add` gives the number of adds so far.
/// struct Counter;
///
/// impl SequentialSpec for Counter {
///     type State = u32;
///
///     fn initial(&self) -> u32 {
///         0
///     }
///
///     fn step(&self, count: &u32, request: &[u8], told: Option<&[u8]>) -> Option<u32> {
///         assert_eq!(request, b"add");
///         let gives = (count + 1).to_string();
///         told.is_none_or(|told| told == gives.as_bytes()).then_some(count + 1)
///     }
/// }
/// ```
pub trait SequentialSpec {
    /// All that later requests depend on.
    type State: Clone + Ord;

    /// The state of a fresh service.
    fn initial(&self) -> Self::State;

    /// The state after a request, or `None` if the service cannot tell its client here what it told.
    /// If the client was given no reply, any reply is right.
    fn step(&self, state: &Self::State, request: &[u8], told: Option<&[u8]>)
    -> Option<Self::State>;

    /// Whether a request never changes anything. Unless a spec says otherwise, none is known not to.
    fn only_reads(&self, _request: &[u8]) -> bool {
        false
    }

    /// The bytes of a request that name the part of the service that it is about: parts that never
    /// touch each other, such as the keys of a store, are searched one by one, each from
    /// [`Self::initial`], which takes far less. Unless a spec says otherwise, there is one part.
    fn part<'a>(&self, _request: &'a [u8]) -> &'a [u8] {
        &[]
    }
}

/// A [`SequentialSpec`] of whatever state.
pub trait Specification {
    /// Judges the calls of a history, within so many steps of the search.
    fn judge(&self, calls: &[Timed<Call>], steps_max: u64) -> Verdict;
}

/// A call, as its client saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// The request.
    pub request: SharedBytes,
    /// The reply that its client was given, if it was.
    pub told: Option<SharedBytes>,
}

impl<S: SequentialSpec> Specification for S {
    fn judge(&self, calls: &[Timed<Call>], steps_max: u64) -> Verdict {
        let mut parts: BTreeMap<&[u8], Vec<Timed<Call>>> = BTreeMap::new();
        for timed in calls {
            let request = &timed.call.request[..];
            if timed.ended.is_some() || !self.only_reads(request) {
                parts
                    .entry(self.part(request))
                    .or_default()
                    .push(timed.clone());
            }
        }
        let parts: Vec<_> = parts.into_values().collect();
        linearizable::judge(&OfBytes(self), &parts, steps_max)
    }
}

struct OfBytes<'a, S>(&'a S);

impl<S: SequentialSpec> Sequential for OfBytes<'_, S> {
    type Call = Call;
    type State = S::State;

    fn initial(&self) -> S::State {
        self.0.initial()
    }

    fn step(&self, state: &S::State, call: &Call) -> Option<S::State> {
        self.0.step(state, &call.request, call.told.as_deref())
    }

    fn alike(&self, one: &Call, other: &Call) -> bool {
        one == other
    }

    fn bucket(&self, call: &Call) -> u64 {
        fnv1a(&call.request)
    }

    fn only_reads(&self, call: &Call) -> bool {
        self.0.only_reads(&call.request)
    }
}

/// The calls of a run: first the requests of the setup, then those of the history's entries. `name`
/// says how evidence names an operation, given its request and how it ended.
#[must_use]
pub fn calls(
    setup: impl IntoIterator<Item = SharedBytes>,
    entries: &[Entry],
    name: impl Fn(OperationId, &SharedBytes, Option<&Outcome>) -> String,
) -> Vec<Timed<Call>> {
    let ends: BTreeMap<OperationId, (u64, &Outcome)> = (0..)
        .zip(entries)
        .filter_map(|(place, entry)| match &entry.event {
            HistoryEvent::Complete(outcome) => Some((entry.operation, (place, outcome))),
            HistoryEvent::Invoke(_) => None,
        })
        .collect();
    let before = |(place, request): (u64, SharedBytes)| Timed {
        call: Call {
            request,
            told: None,
        },
        began: 2 * place,
        ended: Some(2 * place + 1),
        name: "a command of the setup".to_owned(),
    };
    let mut calls: Vec<Timed<Call>> = (0..).zip(setup).map(before).collect();
    let first = 2 * calls.len() as u64;
    for (place, entry) in (0..).zip(entries) {
        let HistoryEvent::Invoke(request) = &entry.event else {
            continue;
        };
        let end = ends.get(&entry.operation);
        let (ended, told) = match end {
            Some((_, outcome)) if did_not_happen(outcome) => continue,
            Some((end, outcome)) if outcome.kind != OutcomeKind::Unknown => {
                (Some(first + end), reply(outcome))
            }
            _ => (None, None),
        };
        calls.push(Timed {
            call: Call {
                request: request.clone(),
                told,
            },
            began: first + place,
            ended,
            name: name(entry.operation, request, end.map(|(_, outcome)| *outcome)),
        });
    }
    calls
}

/// Whether the client knows, without a reply, that nothing happened.
fn did_not_happen(outcome: &Outcome) -> bool {
    outcome.kind == OutcomeKind::Failed && matches!(outcome.told, Told::Text(_))
}

fn reply(outcome: &Outcome) -> Option<SharedBytes> {
    match &outcome.told {
        Told::Reply(reply) => Some(reply.clone()),
        Told::Text(_) => None,
    }
}

#[cfg(test)]
#[path = "sequential_tests.rs"]
mod tests;
