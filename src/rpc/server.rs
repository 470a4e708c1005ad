//! The server's side of calls: a wrapper around any service.
//!
//! [`RpcServer`] is synchronous and pure: a datagram or a timer comes in, and what it does goes to an
//! [`Output`], in order. [`serve`](super::serve) is the thin loop around it. One port understands both formats: a datagram whose first
//! byte is 57 (hex) is of format v2, any other of format v1.
//!
//! What it guarantees: with at-most-once, a request that the [`reply_cache`](super::reply_cache)
//! remembers is not executed again. What it deliberately does not: it never retransmits, and never
//! looks into a body.

use std::collections::BTreeMap;
use std::fmt;

use crate::clock::Time;
use crate::id::ClientKey;
use crate::net::Kind;
use crate::rpc::Semantics;
use crate::rpc::dispatch::{Dispatch, Executed, Pending, send, tell};
use crate::rpc::malformed::MalformedCounts;
use crate::rpc::message::{Message, Refused, is_v2};
use crate::rpc::origin::Origin;
use crate::rpc::output::Output;
use crate::rpc::reply_cache::{Admission, Limits, ReplyCache};
use crate::rpc::service::{Effects, Input, Service, Ticket};
use crate::rpc::v1::FormatV1;
use crate::trace::{Event, Filtered};
use crate::wire::SharedBytes;

/// A server of one service.
pub struct RpcServer {
    service: Box<dyn Service>,
    effects: Effects,
    dispatch: Dispatch,
    tickets: u64,
    malformed: MalformedCounts,
}

impl fmt::Debug for RpcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcServer")
            .field("cache", &self.dispatch.cache)
            .finish_non_exhaustive()
    }
}

impl RpcServer {
    /// A server of this service, which also speaks its format v1 if it has one.
    #[must_use]
    pub fn new(
        service: Box<dyn Service>,
        format_v1: Option<&'static dyn FormatV1>,
        semantics: Semantics,
    ) -> Self {
        let cache = semantics
            .filters_duplicates()
            .then(|| ReplyCache::new(Limits::default()));
        Self {
            service,
            effects: Effects::default(),
            dispatch: Dispatch::new(format_v1, cache),
            tickets: 0,
            malformed: MalformedCounts::default(),
        }
    }

    /// How many datagrams were no message, by kind of mistake.
    #[must_use]
    pub const fn malformed(&self) -> &BTreeMap<&'static str, u64> {
        self.malformed.by_kind()
    }

    /// When a timer of the service runs out.
    #[must_use]
    pub fn next_timer(&self) -> Time {
        self.dispatch.timers.next()
    }

    /// Takes a datagram in.
    pub fn receive(
        &mut self,
        now: Time,
        origin: &Origin,
        datagram: &SharedBytes,
        out: &mut dyn Output,
    ) {
        if is_v2(datagram) {
            match Message::decode(datagram) {
                Ok(message) => self.receive_v2(now, origin, datagram, message, out),
                Err(error) => self.count_malformed(origin, error.kind(), &error, out),
            }
        } else {
            self.receive_v1(now, origin, datagram, out);
        }
    }

    /// Lets the timers that are due run out.
    pub fn fire_timers(&mut self, now: Time, out: &mut dyn Output) {
        while let Some(key) = self.dispatch.timers.take_due(now) {
            self.step(now, Input::Timer(key), out);
        }
    }

    fn receive_v2(
        &mut self,
        now: Time,
        origin: &Origin,
        datagram: &SharedBytes,
        message: Message<'_>,
        out: &mut dyn Output,
    ) {
        match message {
            Message::Request {
                client,
                session,
                sequence,
                awaited,
                body,
            } => {
                let caller = origin.caller(ClientKey::Id(client), sequence);
                let pending = Pending { caller, sequence };
                tell(out, || origin.received(pending.caller.operation));
                if session == 0 {
                    self.request(now, &pending, awaited, datagram.last(body.len()), out);
                } else {
                    send(out, &pending, Kind::Reply, |client| Message::Refused {
                        client,
                        sequence,
                        reason: Refused::SessionExpired,
                    });
                }
            }
            Message::OneWay { client, body } => {
                let caller = &origin.caller(ClientKey::Id(client), 0);
                tell(out, || origin.received(caller.operation));
                self.step(now, Input::OneWay { caller, body }, out);
            }
            Message::Reply { .. }
            | Message::InProgress { .. }
            | Message::Refused { .. }
            | Message::Update { .. } => {
                self.count_malformed(origin, "not-for-servers", &"a message to clients", out);
            }
        }
    }

    fn receive_v1(&mut self, now: Time, origin: &Origin, datagram: &[u8], out: &mut dyn Output) {
        let Some(format) = self.dispatch.format_v1 else {
            return self.count_malformed(origin, "no-format-v1", &"not of format v2", out);
        };
        match format.decode_request(datagram) {
            Ok((sequence, body)) => {
                let caller = origin.caller(ClientKey::Address(origin.address), sequence);
                let pending = Pending { caller, sequence };
                tell(out, || origin.received(pending.caller.operation));
                self.request(now, &pending, 0, body.into(), out);
            }
            Err(malformed) => {
                let error = malformed.error;
                self.count_malformed(origin, error.kind(), &error, out);
                if let Some(datagram) = malformed.reply {
                    out.send(origin.address, datagram.into(), None);
                }
            }
        }
    }

    /// Filters a request, and executes it if it is new.
    fn request(
        &mut self,
        now: Time,
        pending: &Pending,
        awaited: u32,
        body: SharedBytes,
        out: &mut dyn Output,
    ) {
        let admission = match &mut self.dispatch.cache {
            Some(cache) => cache.admit(now, pending.id(), awaited, &body),
            None => Admission::New,
        };
        if matches!(admission, Admission::New) {
            return self.execute(now, pending, &body, out);
        }
        let sequence = pending.sequence;
        let refuse = |out: &mut dyn Output, reason| {
            send(out, pending, Kind::Reply, |client| Message::Refused {
                client,
                sequence,
                reason,
            });
        };
        let operation = pending.caller.operation;
        if let Some(instead) = admission.filtered() {
            tell(out, || Event::Filter { operation, instead });
        }
        match admission {
            Admission::New | Admission::Acknowledged => {}
            Admission::Stored(reply) => self.dispatch.send_again(pending, &reply, out),
            Admission::InProgress => {
                send(out, pending, Kind::InProgress, |client| {
                    Message::InProgress { client, sequence }
                });
            }
            Admission::DifferentBody => refuse(out, Refused::DifferentBody),
            Admission::Full => refuse(out, Refused::Full),
        }
    }

    fn execute(&mut self, now: Time, pending: &Pending, body: &SharedBytes, out: &mut dyn Output) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let input = Input::Request {
            ticket,
            caller: &pending.caller,
            body,
        };
        self.service.step(now, input, &mut self.effects);
        let executed = Executed {
            ticket,
            pending,
            body,
        };
        self.dispatch.executed(now, executed, &self.effects, out);
        self.effects.clear();
    }

    /// Lets the service take a step that is no request, and carries its effects out.
    fn step(&mut self, now: Time, input: Input<'_>, out: &mut dyn Output) {
        self.service.step(now, input, &mut self.effects);
        self.dispatch.carry_out(now, &self.effects, out);
        self.effects.clear();
    }

    fn count_malformed(
        &mut self,
        origin: &Origin,
        kind: &'static str,
        detail: &dyn fmt::Display,
        out: &mut dyn Output,
    ) {
        if let Some(event) = self.malformed.count(origin, kind, detail) {
            out.record(event);
        }
    }
}

impl Admission {
    /// What is done instead of executing the request, if so.
    const fn filtered(&self) -> Option<Filtered> {
        match self {
            Self::New => None,
            Self::InProgress => Some(Filtered::InProgress),
            Self::Stored(_) => Some(Filtered::ReplyStored),
            Self::Acknowledged => Some(Filtered::Acknowledged),
            Self::DifferentBody => Some(Filtered::DifferentBody),
            Self::Full => Some(Filtered::Full),
        }
    }
}
