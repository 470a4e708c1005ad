//! Exit codes.

use std::process::ExitCode;

/// How the program ends. Scripts rely on the numbers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Exit {
    /// All expectations held.
    Held = 0,
    /// An expectation was broken, or an operation failed.
    Broken = 1,
    /// The command line or a scenario file is wrong.
    Usage = 2,
    /// Two runs that must be equal were not.
    Nondeterminism = 3,
    /// A file, a socket or the program itself failed.
    Failure = 4,
    /// Nobody knows: a call was given up, or a run came to no end.
    Unknown = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A mistake of the user's: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);
