//! `liveness`: once the faults have ended, does every call of a fresh client end in time?
//!
//! Definition: when the story is over, nothing fails any more and every host that was to come back is
//! back. From then on a client that has taken no part so far makes its calls, one after the other;
//! each must be answered, be it by a refusal, within a bound. A client that gave up was not answered,
//! whether it knows that nothing happened or not.
//!
//! ```text
//! story     ...crash  restart |           (no faults from here on)
//! observer                    |-- query --|  told in 8 ms: valid
//!
//! story     ...crash          |
//! observer                    |-- query -- -- -- -- -- -- --|  gave up after 15 s: violated
//! ```
//!
//! "Something good eventually happens" (Lamport, "Proving the correctness of multiprocess programs",
//! IEEE TSE 3(2), 1977) can be refuted by no finite run; with a bound it can: what is judged is
//! bounded liveness after the last fault, the second phase of a test that first asks for safety.

use std::time::Duration;

use crate::check::Verdict;
use crate::clock;

/// A call of the fresh client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FreshCall {
    /// The command, as it would be typed.
    pub command: String,
    /// Whether the service answered; otherwise the client gave up.
    pub is_answered: bool,
    /// What the client was told.
    pub told: String,
    /// How long it took.
    pub took: Duration,
}

/// Judges the calls of a fresh client: each must be answered within `bound`.
#[must_use]
pub fn judge(calls: &[FreshCall], bound: Duration) -> Verdict {
    if calls.is_empty() {
        return Verdict::Unknown("the fresh client made no call".to_owned());
    }
    let bound_ms = clock::ms(bound);
    let mut late = calls.iter().filter_map(|call| {
        let FreshCall {
            command,
            is_answered,
            told,
            took,
        } = call;
        let took_ms = clock::ms(*took);
        if !is_answered {
            Some(format!(
                "a fresh client's `{command}` was not answered: {told} (gave up after {took_ms} ms)"
            ))
        } else if took_ms > bound_ms {
            Some(format!(
                "a fresh client's `{command}` took {took_ms} ms; the bound is {bound_ms} ms"
            ))
        } else {
            None
        }
    });
    match (late.next(), late.count()) {
        (None, _) => Verdict::Valid,
        (Some(first), 0) => Verdict::Violated(first),
        (Some(first), more) => Verdict::Violated(format!("{first}; {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(command: &str, is_answered: bool, ms: u64) -> FreshCall {
        FreshCall {
            command: command.to_owned(),
            is_answered,
            told: "no reply".to_owned(),
            took: Duration::from_millis(ms),
        }
    }

    fn verdict(calls: &[FreshCall]) -> String {
        judge(calls, Duration::from_millis(100)).to_string()
    }

    #[test]
    fn calls_that_are_answered_in_time_are_live() {
        let calls = [call("query", true, 100), call("cancel", true, 3)];
        assert_eq!(verdict(&calls), "valid");
    }

    #[test]
    fn a_call_that_is_late_or_given_up_is_not() {
        let ok = call("query", true, 8);
        let late = call("acquire", true, 101);
        let lost = call("release", false, 50);
        assert_eq!(
            verdict(&[ok.clone(), late.clone()]),
            "violated  a fresh client's `acquire` took 101 ms; the bound is 100 ms"
        );
        assert_eq!(
            verdict(&[ok, lost, late]),
            "violated  a fresh client's `release` was not answered: no reply (gave up after 50 ms); \
             1 more"
        );
    }

    #[test]
    fn without_a_call_nothing_is_known() {
        assert_eq!(judge(&[], Duration::ZERO).name(), "unknown");
    }
}
