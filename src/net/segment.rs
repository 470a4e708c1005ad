//! Segments: what travels between the two ends of a connection in simulation.

use crate::clock::Time;
use crate::id::ConnectionId;

/// What a segment is, beside what every packet is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SegmentHead {
    pub(crate) connection: ConnectionId,
    pub(crate) kind: SegmentKind,
    /// Whether it is for the end that has opened the connection.
    pub(crate) to_opener: bool,
    /// Whether it answers a segment of which its sender knows no connection. Answers have no place in the
    /// order of a connection; they are numbered as what they answer.
    pub(crate) is_answer: bool,
    /// Where the bytes are cut in two when they are read; 0 if they are not.
    pub(crate) cut: u16,
    /// When it was first sent.
    pub(crate) since: Time,
}

/// What a segment does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SegmentKind {
    /// Asks for a connection.
    Open,
    /// The connection is open.
    Opened,
    /// Nobody listens.
    Refused,
    /// Bytes.
    Data,
    /// So many bytes have been read: there is room for as many.
    Room,
    /// No more bytes come.
    End,
    /// The connection is no more.
    Reset,
}

impl SegmentKind {
    /// Every kind, in order.
    pub(crate) const ALL: [Self; 7] = [
        Self::Open,
        Self::Opened,
        Self::Refused,
        Self::Data,
        Self::Room,
        Self::End,
        Self::Reset,
    ];
}

impl SegmentHead {
    /// A number for each direction of a connection, and for answers in it; other than those of labels.
    pub(crate) const fn direction(self) -> u8 {
        0x80 | (self.to_opener as u8) << 1 | self.is_answer as u8
    }

    /// The end that sends it.
    pub(crate) const fn sender(self) -> EndId {
        EndId {
            connection: self.connection,
            is_opener: !self.to_opener,
        }
    }

    /// The end that it is for.
    pub(crate) const fn receiver(self) -> EndId {
        EndId {
            connection: self.connection,
            is_opener: self.to_opener,
        }
    }
}

/// One end of a connection. A host that connects to itself has both.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct EndId {
    pub(crate) connection: ConnectionId,
    /// Whether it is the end that has opened it.
    pub(crate) is_opener: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_place() {
        for (place, kind) in SegmentKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place);
        }
    }
}
