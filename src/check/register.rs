//! A register with compare-and-set, as [`linearizable`] wants it.
//!
//! Values are numbers that stand for what clients wrote; [`Register::NIL`] is the value in the
//! beginning. A compare-and-set that found another value has failed, and is no part of a history.
//!
//! [`linearizable`]: crate::check::linearizable

use std::collections::BTreeMap;

use serde_json::Value;

use crate::check::Verdict;
use crate::check::linearizable::{Sequential, Timed, judge_counting};
use crate::check::register_calls::{Asked, of_register, out_of_thin_air};
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
    pub const NIL: u32 = 0;
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

    fn only_reads(&self, call: &RegisterCall) -> bool {
        matches!(call, RegisterCall::Read(_))
    }
}

/// The numbers of values, by their JSON text; nil has [`Register::NIL`].
#[derive(Default)]
pub(crate) struct Numbers(BTreeMap<String, u32>);

impl Numbers {
    pub(crate) fn of(&mut self, value: &Value) -> u32 {
        if value.is_null() {
            return Register::NIL;
        }
        let next = u32::try_from(self.0.len() + 1).expect("a history has fewer than 2^32 values");
        *self.0.entry(value.to_string()).or_insert(next)
    }
}

/// Judges the history of one register, within so many steps of the search; says how many it took.
///
/// # Errors
///
/// Says which call a register does not have, or cannot understand.
pub fn judge(recorded: &Recorded<'_>, steps_max: u64) -> Result<(Verdict, u64), Mistake> {
    let meanings = of_register(recorded)?;
    if let Some(violated) = out_of_thin_air([&meanings].into_iter()) {
        return Ok((violated, 0));
    }
    let mut numbers = Numbers::default();
    let calls = meanings.into_iter().map(|meant| {
        let call = match meant.asked {
            Asked::Read(told) => RegisterCall::Read(numbers.of(told)),
            Asked::Write(new) => RegisterCall::Write(numbers.of(new)),
            Asked::CompareAndSet(old, new) => {
                RegisterCall::CompareAndSet(numbers.of(old), numbers.of(new))
            }
            Asked::Append(_) => unreachable!("a register has no append"),
        };
        meant.timed(call)
    });
    let part: Vec<Timed<RegisterCall>> = calls.collect();
    Ok(judge_counting(&Register, &[part], steps_max))
}
