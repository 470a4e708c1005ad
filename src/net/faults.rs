//! Scripted faults of hosts: crashes, pauses, clocks that go wrong.

use std::time::Duration;

use crate::clock::Time;
use crate::id::{HostId, OperationId};

pub use crate::disk::DiskFate;

/// A number that a fault names: a given one, or one that the seed chooses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Chosen {
    /// This one.
    Fixed(u64),
    /// One of `min ..= max`, equally likely, drawn from the stream of the fault's number.
    Uniform {
        /// The lowest.
        min: u32,
        /// The highest.
        max: u32,
    },
}

/// A host crashes: its life ends at once, and what it held in memory is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Crash {
    /// Which host.
    pub host: HostId,
    /// When, or counted from when.
    pub when: When,
    /// Not at once, but inside the nth operation on its disk from then on: inside a commit.
    pub disk_operation: Option<Chosen>,
    /// How long it stays down, at least 1 ms; `None` if it never comes back.
    pub restart_after: Option<Duration>,
    /// What becomes of what its disk has not synced.
    pub disk: DiskFate,
}

/// When a crash happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// At this time of the trace, in ms.
    At(Chosen),
    /// With an event of the trace: inside the call that records it if it is the host's own, and else
    /// at the next millisecond.
    After(Trigger),
}

/// An event of the trace, as a fault names it: `execute alice#2`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Trigger {
    /// The event's word, one of [`crate::trace::Event::WORDS`].
    pub word: &'static str,
    /// The operation that it is about.
    pub operation: OperationId,
    /// Which event of this word and operation, from 1.
    pub nth: u32,
}

/// A host runs nothing for a while, and then goes on where it was. Its clock does not stop: what it
/// waited for is late, and what has arrived meanwhile is waiting. A host that is down is not struck; one
/// that pauses already goes on when the last of its pauses ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pause {
    /// Which host.
    pub host: HostId,
    /// When, in ms of the trace.
    pub at: Chosen,
    /// For how long.
    pub span: Duration,
}

/// A host's clock is wrong, from the beginning of the run on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Skew {
    /// Which host.
    pub host: HostId,
    /// How far ahead the clock is at time zero of the trace, in ms; negative: behind.
    pub offset_ms: i64,
    /// How fast it goes from time zero of the trace on, in millionths: 1,000,000 is right, 1,010,000
    /// gains one percent.
    pub rate_ppm: u32,
}

impl Chosen {
    /// The number, for a 32-bit draw.
    #[must_use]
    pub fn draw(self, word: u32) -> u64 {
        match self {
            Self::Fixed(number) => number,
            Self::Uniform { min, max } => {
                let span = u64::from(max.saturating_sub(min)) + 1;
                u64::from(min) + ((u64::from(word) * span) >> 32)
            }
        }
    }
}

/// The time of the trace that a fault without any chance names.
impl From<Time> for Chosen {
    fn from(at: Time) -> Self {
        Self::Fixed(at.as_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_number_keeps_its_bounds() {
        let chosen = Chosen::Uniform { min: 3, max: 5 };
        assert_eq!(
            [0, 1 << 31, u32::MAX].map(|word| chosen.draw(word)),
            [3, 4, 5]
        );
        let all = Chosen::Uniform {
            min: 0,
            max: u32::MAX,
        };
        assert_eq!(all.draw(u32::MAX), u64::from(u32::MAX));
        let wrong = Chosen::Uniform { min: 5, max: 3 };
        assert_eq!(wrong.draw(u32::MAX), 5);
        assert_eq!(Chosen::Fixed(9).draw(7), 9);
    }
}
