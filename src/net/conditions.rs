//! The conditions of a network: random ones for each link, and the scripted faults.
//!
//! What they make of a single datagram is decided in [`super::fate`].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Time;
use crate::id::{HostId, OperationId};
use crate::net::faults::{Crash, Pause, Skew};
use crate::net::{Kind, Label};
use crate::seed::scale;

/// A probability, as a threshold for a 32-bit draw.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Probability(u64);

impl Probability {
    /// It never happens.
    pub const NEVER: Self = Self(0);

    /// A probability from 0 to 1; `None` for anything else.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // exact: 0 <= p <= 1, times a power of two
    pub fn new(p: f64) -> Option<Self> {
        (0.0..=1.0)
            .contains(&p)
            .then_some(Self((p * 4_294_967_296.0) as u64))
    }

    /// Whether it happens for this draw.
    #[must_use]
    pub const fn hits(self, draw: u32) -> bool {
        (draw as u64) < self.0
    }
}

/// How long datagrams are under way, in whole milliseconds of at least 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delay {
    /// Always the same.
    Fixed(u32),
    /// Every whole number from `min` to `max`, equally likely.
    Uniform {
        /// The shortest, in ms.
        min: u32,
        /// The longest, in ms.
        max: u32,
    },
    /// Exponential above 1 ms: many short ones, few long ones.
    Exponential {
        /// The mean before rounding and cutting, in ms.
        mean: u32,
        /// The longest, in ms: what is drawn longer is cut to this.
        max: u32,
    },
}

impl Delay {
    /// The delay for a 32-bit draw, in ms.
    #[must_use]
    pub fn draw(self, word: u32) -> u32 {
        match self {
            Self::Fixed(delay_ms) => delay_ms.max(1),
            Self::Uniform { min, max } => {
                min.max(1) + scale(word, (max.max(1) + 1).saturating_sub(min.max(1)).max(1))
            }
            Self::Exponential { mean, max } => {
                let exact = (u128::from(mean) * u128::from(minus_ln(word))) >> 32;
                u32::try_from(exact)
                    .unwrap_or(u32::MAX)
                    .clamp(1, max.max(1))
            }
        }
    }
}

/// `-ln(u)` for the even draw `u = (word + 1) / 2^32`, in units of 2^-32: integers only, so that every
/// machine computes the same. The binary logarithm comes bit by bit from repeated squaring (Knuth,
/// The Art of Computer Programming, 1.2.2, exercise 25).
fn minus_ln(word: u32) -> u64 {
    const LN_2: u64 = 2_977_044_472; // ln(2) * 2^32, rounded
    let u = u64::from(word) + 1;
    let whole = u.ilog2();
    let mut mantissa = u << (63 - whole); // in [1, 2) as a fraction of 2^63
    let mut fraction = 0_u64;
    for _ in 0..32 {
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        let doubled = square >> 64 != 0;
        fraction = fraction << 1 | u64::from(doubled);
        mantissa = u64::try_from(if doubled { square >> 1 } else { square })
            .expect("a square of [1, 2) halved where it reaches 2 is below 2");
    }
    let log2 = u64::from(whole) << 32 | fraction; // of u, in units of 2^-32
    let missing = (32_u64 << 32) - log2;
    u64::try_from((u128::from(missing) * u128::from(LN_2)) >> 32).expect("at most 32 ln 2")
}

/// Random conditions of one direction of a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Link {
    /// How likely a datagram is lost, with all its copies.
    pub loss: Probability,
    /// How likely a datagram arrives twice.
    pub duplication: Probability,
    /// How long each copy is under way.
    pub delay: Delay,
}

impl Default for Link {
    /// No loss, no duplication, 1 to 5 ms.
    fn default() -> Self {
        Self {
            loss: Probability::NEVER,
            duplication: Probability::NEVER,
            delay: Delay::Uniform { min: 1, max: 5 },
        }
    }
}

/// Conditions of the whole network: random ones for each link, and the scripted faults.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// For every link that `links` does not name.
    pub everywhere: Link,
    /// For single directions, from the first host to the second.
    pub links: BTreeMap<(HostId, HostId), Link>,
    /// Faults 1, 2, .. in the order of the scenario file.
    pub faults: Vec<Fault>,
}

/// A scripted fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The nth datagram of a label is lost.
    Drop(Target),
    /// The nth datagram of a label arrives once more, `after` the first copy.
    Duplicate(Target, Duration),
    /// The nth datagram of a label arrives exactly this long after it was sent.
    Delay(Target, Duration),
    /// Two hosts are cut off from each other: what is sent or due in the window is lost.
    Partition(Partition),
    /// A host crashes, and may come back.
    Crash(Crash),
    /// A host runs nothing for a while.
    Pause(Pause),
    /// A host's clock is wrong.
    Skew(Skew),
}

/// The datagram that a fault strikes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target {
    /// The label.
    pub label: Selector,
    /// Which send of that label, from 1.
    pub nth: u32,
}

/// A label, as faults name it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Selector {
    /// `request_from = "alice#1"`: that operation's request, in any attempt.
    RequestFrom(OperationId),
    /// `reply_to = "alice#1"`: a reply to that operation.
    ReplyTo(OperationId),
    /// `update_to = "alice#1"`: an update that operation asked for.
    UpdateTo(OperationId),
    /// `update_to = "alice"`: any update to that client.
    UpdateToClient(HostId),
    /// `tell_from = "alice#1"`: a message of that operation that asks for no reply.
    TellFrom(OperationId),
    /// `peer_about = "alice#1", to = "dc2"`: a message between servers about that operation.
    PeerAbout {
        /// The operation.
        operation: OperationId,
        /// The server that it is for.
        to: HostId,
    },
}

impl Selector {
    /// Whether a datagram of this label to this host is meant.
    #[must_use]
    pub fn matches(self, label: Label, receiver: HostId) -> bool {
        match self {
            Self::RequestFrom(operation) => {
                label.kind == Kind::Request && label.operation == operation
            }
            Self::ReplyTo(operation) => label.kind == Kind::Reply && label.operation == operation,
            Self::UpdateTo(operation) => label.kind == Kind::Update && label.operation == operation,
            Self::UpdateToClient(client) => {
                label.kind == Kind::Update && label.operation.client == client
            }
            Self::TellFrom(operation) => label.kind == Kind::OneWay && label.operation == operation,
            Self::PeerAbout { operation, to } => {
                label.kind == Kind::Peer && label.operation == operation && receiver == to
            }
        }
    }
}

/// A window in which two hosts cannot reach each other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partition {
    /// The two hosts.
    pub between: (HostId, HostId),
    /// When it begins, in time of the trace.
    pub from: Time,
    /// When it has healed.
    pub until: Time,
    /// Whether only datagrams from the first host to the second are lost.
    pub one_way: bool,
}

impl Partition {
    /// Whether a datagram from one host to another is lost if it is sent or due at this time.
    #[must_use]
    pub fn cuts(&self, from: HostId, to: HostId, at: Time) -> bool {
        let direction = (from, to) == self.between || (!self.one_way && (to, from) == self.between);
        direction && self.from <= at && at < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn delays_keep_their_bounds_and_their_mean() {
        let mut stream = Seed(1).stream("delays");
        let mut mean = |delay: Delay, min: u32, max: u32| {
            let draws: Vec<u32> = (0..20_000).map(|_| delay.draw(stream.next_u32())).collect();
            assert!(
                draws.iter().all(|draw| (min..=max).contains(draw)),
                "{delay:?}"
            );
            draws.iter().sum::<u32>() / 200 // in hundredths of a ms
        };
        assert_eq!(mean(Delay::Fixed(3), 3, 3), 300);
        assert_eq!(mean(Delay::Fixed(0), 1, 1), 100);
        assert!((2_500..2_600).contains(&mean(Delay::Uniform { min: 1, max: 50 }, 1, 50)));
        // Rounded down to whole ms, never below 1: a little under the mean, and cut at the top.
        let exponential = mean(Delay::Exponential { mean: 8, max: 50 }, 1, 50);
        assert!((740..800).contains(&exponential), "{exponential}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the exact value to compare with")]
    fn the_logarithm_is_right_to_a_millionth() {
        for word in [
            0,
            1,
            2,
            1_000,
            1 << 31,
            u32::MAX / 3,
            u32::MAX - 1,
            u32::MAX,
        ] {
            let exact = -((f64::from(word) + 1.0) / 4_294_967_296.0).ln();
            #[allow(clippy::cast_precision_loss)] // a comparison to six digits
            let ours = minus_ln(word) as f64 / 4_294_967_296.0;
            assert!((ours - exact).abs() < 1e-6, "{word}: {ours} {exact}");
        }
    }
}
