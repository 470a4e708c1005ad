//! A register with compare-and-set, as [`linearizable`] wants it.
//!
//! Values are numbers that stand for what clients wrote; [`Register::NIL`] is the value in the
//! beginning. A compare-and-set that found another value has failed, and is no part of a history.
//!
//! [`linearizable`]: crate::check::linearizable

use crate::check::linearizable::Sequential;

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
}
