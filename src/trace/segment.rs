//! Segments of connections, as traces tell of them.

use crate::id::{ConnectionId, HostId};
use crate::net::Label;
use crate::net::fate::Fate;
use crate::wire::SharedBytes;

/// A segment of a connection.
#[derive(Clone, Debug)]
pub struct SegmentEvent {
    /// To whom.
    pub to: HostId,
    /// Which connection.
    pub connection: ConnectionId,
    /// What it does.
    pub word: SegmentWord,
    /// Which operation the bytes belong to.
    pub label: Option<Label>,
    /// The bytes.
    pub bytes: SharedBytes,
    /// What becomes of it: it comes late, or never if its connection is given up.
    pub fate: Fate,
}

/// What a segment of a connection does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SegmentWord {
    /// It asks for a connection.
    Connect,
    /// The connection is open.
    Accept,
    /// It carries bytes.
    Segment,
    /// No more bytes come after it.
    End,
    /// The connection is no more, or is not known here.
    Reset,
    /// Nobody listens here.
    Refuse,
}

impl SegmentWord {
    /// The word of a trace.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Accept => "accept",
            Self::Segment => "segment",
            Self::End => "end",
            Self::Reset => "reset",
            Self::Refuse => "refuse",
        }
    }
}

/// The text of bytes that are a text, and else how many they are.
#[must_use]
pub fn segment_text(bytes: &[u8]) -> String {
    let is_plain = |text: &&str| !text.contains(|c: char| c.is_control() && !"\r\n".contains(c));
    match std::str::from_utf8(bytes).ok().filter(is_plain) {
        Some(text) => text.replace('\r', ""),
        None => format!("{} bytes", bytes.len()),
    }
}
