//! What a service is: a state machine that takes a step at a time.
//!
//! A [`Service`] reads no clock, draws no number and sends nothing: the time and the input come in,
//! [`Effects`] go out. It knows nothing of retransmissions, duplicates or reply caches; those wrap
//! around it.
//!
//! A whole bank:
//!
//! ```
//! use wavetank::clock::Time;
//! use wavetank::rpc::service::{Effects, Input, Service};
//!
//! struct Bank { balance: u32 }
//!
//! impl Service for Bank {
//!     fn step(&mut self, _now: Time, input: Input<'_>, effects: &mut Effects) {
//!         let Input::Request { ticket, body, .. } = input else { return };
//!         let Ok(amount) = <[u8; 4]>::try_from(body) else {
//!             return effects.complete(ticket, b"bad amount");
//!         };
//!         self.balance += u32::from_be_bytes(amount);
//!         effects.complete(ticket, &self.balance.to_be_bytes());
//!     }
//! }
//! ```

use std::net::SocketAddr;

use crate::clock::Time;
use crate::id::{ClientKey, OperationId};
pub use crate::rpc::effects::{Effect, Effects};
use crate::rpc::line_front::LineFront;

/// A deterministic state machine behind a server.
///
/// All of one step, state and completions, becomes durable together.
pub trait Service {
    /// Takes one step. A request may be completed in this step or, if it waits, in a later one.
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects);

    /// Whether nothing is left to do that others wait for without having asked here: a replica whose
    /// writes the others do not all have is not settled. A simulated story goes on until every server is.
    fn is_settled(&self) -> bool {
        true
    }

    /// Begins a life whose earlier ones left nothing behind, as their state was in memory. It comes before
    /// the first step. The effects may set timers, and do nothing else. In the first life of a server it is
    /// not called.
    fn begin_again(&mut self, _now: Time, _effects: &mut Effects) {}

    /// Takes up what earlier lives of the server have stored, in order of keys, before the first step.
    /// The effects may set timers and store; they complete and push nothing. A service that stores
    /// nothing is given nothing.
    ///
    /// # Errors
    ///
    /// If a record is none that this service has stored.
    fn restore(
        &mut self,
        _now: Time,
        records: &mut dyn Iterator<Item = Record>,
        _effects: &mut Effects,
    ) -> Result<(), BadRecord> {
        match records.next() {
            None => Ok(()),
            Some((key, _)) => Err(BadRecord {
                key,
                reason: "this service stores nothing".to_owned(),
            }),
        }
    }
}

/// A record that a service has stored: its key and its value, both in the service's own encoding.
pub use crate::disk::Record;

/// A stored record cannot be taken up.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the record with key \"{}\" cannot be taken up: {reason}", .key.escape_ascii())]
pub struct BadRecord {
    /// The record's key.
    pub key: Vec<u8>,
    /// Why not.
    pub reason: String,
}

/// What a service is given.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A request, to be completed under this ticket.
    Request {
        /// Names this execution.
        ticket: Ticket,
        /// Who asks.
        caller: &'a Caller,
        /// The request, in the service's own encoding.
        body: &'a [u8],
    },
    /// A message that asks for no reply.
    OneWay {
        /// Who sends it.
        caller: &'a Caller,
        /// The message, in the service's own encoding.
        body: &'a [u8],
    },
    /// A message from another server of the service.
    Peer {
        /// Which one: its place among the servers, from 0.
        from: u16,
        /// The operation that it is about, if one: a name for traces, without meaning to a protocol.
        about: Option<OperationId>,
        /// The message, in the service's own encoding.
        body: &'a [u8],
    },
    /// A request that waits has come again: its client is still there. Unless duplicates are filtered
    /// nobody knows that, and it is another request.
    Again(Ticket),
    /// Nobody waits for this request any more: its client has said so, or has been silent for too long.
    /// It is not to be completed.
    Abandoned(Ticket),
    /// A timer that the service set has run out.
    Timer(TimerKey),
}

/// Names one execution of a request, for its completion.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// Names a timer of a service; the service chooses it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TimerKey(pub u64);

/// A client, as a service sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Caller {
    /// Which client; [`ClientKey::Address`] means that it speaks format v1.
    pub client: ClientKey,
    /// Where it can be reached; port 0 stands for its connection.
    pub address: SocketAddr,
    /// The operation behind the message: a name for traces, without meaning to a protocol.
    pub operation: OperationId,
}

impl Caller {
    /// Whether it asks over a connection: then its reply need not fit a datagram, but only
    /// [`REPLY_BODY`](super::message::REPLY_BODY).
    #[must_use]
    pub fn is_connected(&self) -> bool {
        LineFront::is_at(self.address)
    }
}
