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
use std::rc::Rc;

use crate::clock::Time;
use crate::id::{ClientKey, OperationId};
use crate::trace::Word;
use crate::wire::SharedBytes;

/// A deterministic state machine behind a server.
///
/// All of one step, state and completions, becomes durable together.
pub trait Service {
    /// Takes one step. A request may be completed in this step or, if it waits, in a later one.
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects);
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
    /// Where it can be reached.
    pub address: SocketAddr,
    /// The operation behind the message: a name for traces, without meaning to a protocol.
    pub operation: OperationId,
}

/// One thing that a step brings about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// A request is complete.
    Complete {
        /// Which one.
        ticket: Ticket,
        /// The reply, in the service's own encoding.
        reply: SharedBytes,
    },
    /// A message goes to a client unasked.
    Push {
        /// To whom.
        to: Caller,
        /// The message, in the service's own encoding.
        update: Vec<u8>,
    },
    /// The timer of this key runs out at this time; an earlier setting of it is replaced.
    SetTimer(TimerKey, Time),
    /// Something for the trace.
    Tell(Word, Option<OperationId>, Rc<str>),
}

/// What a step brings about, in order: messages are sent in the order of their effects.
#[derive(Debug, Default)]
pub struct Effects(Vec<Effect>);

impl Effects {
    /// Completes a request.
    pub fn complete(&mut self, ticket: Ticket, reply: impl Into<SharedBytes>) {
        self.0.push(Effect::Complete {
            ticket,
            reply: reply.into(),
        });
    }

    /// Pushes a message to a client.
    pub fn push(&mut self, to: Caller, update: Vec<u8>) {
        self.0.push(Effect::Push { to, update });
    }

    /// Sets a timer, or sets it anew.
    pub fn set_timer(&mut self, key: TimerKey, at: Time) {
        self.0.push(Effect::SetTimer(key, at));
    }

    /// Tells the trace something, about an operation or none.
    pub fn tell(&mut self, word: Word, about: Option<OperationId>, text: &str) {
        self.0.push(Effect::Tell(word, about, text.into()));
    }

    /// The reply that completes this request, if one does.
    pub(crate) fn reply_to(&self, asked: Ticket) -> Option<SharedBytes> {
        self.0.iter().find_map(|effect| match effect {
            Effect::Complete { ticket, reply } if *ticket == asked => Some(reply.clone()),
            _ => None,
        })
    }

    /// Takes the effects out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Effect> + '_ {
        self.0.drain(..)
    }
}
