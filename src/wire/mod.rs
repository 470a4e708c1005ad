//! Reading and writing bytes by hand.

/// A datagram is malformed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WireError {
    /// It ends too early.
    #[error("truncated")]
    Truncated,
}
