//! A register with compare-and-set, as [`linearizable`] wants it.
//!
//! Values are numbers that stand for what clients wrote; [`Register::NIL`] is the value in the
//! beginning. A compare-and-set that found another value has failed, and is no part of a history.
//!
//! [`linearizable`]: crate::check::linearizable

use crate::check::Verdict;
use crate::check::linearizable::{Sequential, Timed, judge_counting};
use crate::check::register_calls::{NIL, of_register};
use crate::history::recorded::{Mistake, Recorded};

/// One value that is written, read, and changed if it is what a client thinks.
#[derive(Clone, Copy, Debug)]
pub struct Register;

/// A call of the register.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RegisterCall {
    /// Sets the value.
    Write(u32),
    /// The client was told this value.
    Read(u32),
    /// Sets the second value where the first one was.
    CompareAndSet(u32, u32),
}

impl Register {
    /// The value in the beginning.
    pub const NIL: u32 = NIL;
}

impl Sequential for Register {
    type Call = RegisterCall;
    type State = u32;

    fn initial(&self) -> u32 {
        Self::NIL
    }

    fn step(&self, &value: &u32, call: &RegisterCall) -> Option<u32> {
        match *call {
            RegisterCall::Write(new) => Some(new),
            RegisterCall::Read(told) => (told == value).then_some(value),
            RegisterCall::CompareAndSet(old, new) => (old == value).then_some(new),
        }
    }

    fn alike(&self, one: &RegisterCall, other: &RegisterCall) -> bool {
        one == other
    }

    fn bucket(&self, call: &RegisterCall) -> u64 {
        match *call {
            RegisterCall::Write(value) | RegisterCall::Read(value) => value.into(),
            RegisterCall::CompareAndSet(old, new) => u64::from(old) << 32 | u64::from(new),
        }
    }

    fn only_reads(&self, call: &RegisterCall) -> bool {
        matches!(call, RegisterCall::Read(_))
    }
}

/// Judges the history of one register, within so many steps of the search; says how many it took.
///
/// # Errors
///
/// Says which call a register does not have, or cannot understand.
pub fn judge(recorded: &Recorded<'_>, steps_max: u64) -> Result<(Verdict, u64), Mistake> {
    let meaning = of_register(recorded)?;
    if let Some(violated) = meaning.out_of_thin_air {
        return Ok((violated, 0));
    }
    let calls = meaning.parts.into_iter().flatten().filter_map(|meant| {
        let call = match (meant.seen, meant.left) {
            (Some(told), None) => RegisterCall::Read(told),
            (None, Some(new)) => RegisterCall::Write(new),
            (Some(old), Some(new)) => RegisterCall::CompareAndSet(old, new),
            // A register has no append, and nothing else leaves and sees no value.
            (None, None) => return None,
        };
        Some(meant.timed(call))
    });
    let part: Vec<Timed<RegisterCall>> = calls.collect();
    Ok(judge_counting(&Register, &[part], steps_max))
}
