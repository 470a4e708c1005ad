//! Reasons: why a request was not executed, and why a datagram was ignored.

/// What a server did with a duplicate instead of executing it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Filtered {
    /// Sent the stored reply again.
    ReplyStored,
    /// Said that the request is in progress.
    InProgress,
    /// Nothing: its client has said that it waits for the reply no longer.
    Acknowledged,
    /// Refused it: the same request id came with another body.
    DifferentBody,
    /// Refused it: the reply cache is full of requests in progress.
    Full,
    /// Refused it: the client has no session here, or no longer.
    SessionExpired,
}

impl Filtered {
    /// Every one, in order.
    pub const ALL: [Self; 6] = [
        Self::ReplyStored,
        Self::InProgress,
        Self::Acknowledged,
        Self::DifferentBody,
        Self::Full,
        Self::SessionExpired,
    ];
}

/// Why a host made nothing of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ignored {
    /// A reply that nobody waits for any more.
    NotWaiting,
    /// An update that is known already.
    KnownUpdate,
    /// An update that came before an earlier one; the earlier one was asked for.
    EarlyUpdate,
    /// An update that nobody asked for, or no longer.
    NotMonitoring,
    /// No message of any format.
    Malformed,
}

impl Ignored {
    /// Every one, in order.
    pub const ALL: [Self; 5] = [
        Self::NotWaiting,
        Self::KnownUpdate,
        Self::EarlyUpdate,
        Self::NotMonitoring,
        Self::Malformed,
    ];
}
