//! The server's side of calls: a wrapper around any service.
//!
//! [`RpcServer`] is synchronous and pure: a datagram or a timer comes in, [`Action`]s go out, in order.
//! [`serve`](super::serve) is the thin loop around it. One port understands both formats: a datagram whose first
//! byte is 57 (hex) is of format v2, any other of format v1.
//!
//! What it guarantees: with at-most-once, a request that the [`reply_cache`](super::reply_cache)
//! remembers is not executed again. What it deliberately does not: it never retransmits, and never
//! looks into a body.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use crate::clock::Time;
use crate::id::{ClientId, ClientKey, RequestId};
use crate::net::{Kind, Label};
use crate::rpc::Semantics;
use crate::rpc::malformed::MalformedCounts;
use crate::rpc::message::{Message, Refused, is_v2};
use crate::rpc::origin::Origin;
use crate::rpc::reply_cache::{Admission, Limits, ReplyCache};
use crate::rpc::service::{Caller, Effect, Effects, Input, Service, Ticket};
use crate::rpc::timers::Timers;
use crate::rpc::v1::FormatV1;
use crate::trace::{Event, Filtered};
use crate::wire::{SharedBytes, Writer};

/// What a server does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends a datagram.
    Send {
        /// To whom.
        to: SocketAddr,
        /// The datagram.
        datagram: SharedBytes,
        /// What it is, for its fate and for the trace.
        label: Option<Label>,
    },
    /// Records an event.
    Record(Event),
}

/// A server of one service.
pub struct RpcServer {
    service: Box<dyn Service>,
    format_v1: Option<&'static dyn FormatV1>,
    /// With at-most-once.
    cache: Option<ReplyCache>,
    tickets: u64,
    /// Requests that wait.
    waiting: BTreeMap<Ticket, Pending>,
    timers: Timers,
    effects: Effects,
    writer: Writer,
    /// Whether events are told that no checker needs.
    tells_all: bool,
    malformed: MalformedCounts,
}

/// A request that is not complete.
#[derive(Clone, Copy, Debug)]
struct Pending {
    id: RequestId,
    caller: Caller,
}

/// A reply, written.
struct Answer {
    /// The reply in the service's own encoding.
    body: SharedBytes,
    /// The datagram that carries it; `None` if the client's format cannot express it.
    datagram: Option<SharedBytes>,
}

impl fmt::Debug for RpcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcServer")
            .field("cache", &self.cache)
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
        Self {
            service,
            format_v1,
            cache: semantics
                .filters_duplicates()
                .then(|| ReplyCache::new(Limits::default())),
            tickets: 0,
            waiting: BTreeMap::new(),
            timers: Timers::default(),
            effects: Effects::default(),
            writer: Writer::default(),
            tells_all: true,
            malformed: MalformedCounts::default(),
        }
    }

    /// Whether it tells events that no checker needs: that it received or filtered a request. At
    /// first it does.
    pub const fn tell_all(&mut self, tells_all: bool) {
        self.tells_all = tells_all;
    }

    /// How many datagrams were no message, by kind of mistake.
    #[must_use]
    pub const fn malformed(&self) -> &BTreeMap<&'static str, u64> {
        self.malformed.by_kind()
    }

    /// When a timer of the service runs out.
    #[must_use]
    pub fn next_timer(&self) -> Time {
        self.timers.next()
    }

    /// Takes a datagram in.
    pub fn receive(
        &mut self,
        now: Time,
        origin: Origin,
        datagram: &SharedBytes,
        out: &mut Vec<Action>,
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
    pub fn fire_timers(&mut self, now: Time, out: &mut Vec<Action>) {
        while let Some(key) = self.timers.take_due(now) {
            self.step(now, Input::Timer(key), out);
        }
    }

    fn receive_v2(
        &mut self,
        now: Time,
        origin: Origin,
        datagram: &SharedBytes,
        message: Message<'_>,
        out: &mut Vec<Action>,
    ) {
        match message {
            Message::Request {
                client,
                session,
                sequence,
                awaited,
                body,
            } => {
                let client = ClientKey::Id(client);
                let id = RequestId { client, sequence };
                let pending = Pending {
                    id,
                    caller: origin.caller(client, sequence),
                };
                self.tell(out, || origin.received(pending.caller.operation));
                if session == 0 {
                    self.request(now, &pending, awaited, datagram.last(body.len()), out);
                } else {
                    Self::send(out, &pending, Kind::Reply, |client| Message::Refused {
                        client,
                        sequence,
                        reason: Refused::SessionExpired,
                    });
                }
            }
            Message::OneWay { client, body } => {
                let caller = origin.caller(ClientKey::Id(client), 0);
                self.tell(out, || origin.received(caller.operation));
                self.step(
                    now,
                    Input::OneWay {
                        caller: &caller,
                        body,
                    },
                    out,
                );
            }
            Message::Reply { .. }
            | Message::InProgress { .. }
            | Message::Refused { .. }
            | Message::Update { .. } => {
                self.count_malformed(origin, "not-for-servers", &"a message to clients", out);
            }
        }
    }

    fn receive_v1(&mut self, now: Time, origin: Origin, datagram: &[u8], out: &mut Vec<Action>) {
        let Some(format) = self.format_v1 else {
            return self.count_malformed(origin, "no-format-v1", &"not of format v2", out);
        };
        match format.decode_request(datagram) {
            Ok((number, body)) => {
                let client = ClientKey::Address(origin.address);
                let id = RequestId {
                    client,
                    sequence: number,
                };
                let pending = Pending {
                    id,
                    caller: origin.caller(client, number),
                };
                self.tell(out, || origin.received(pending.caller.operation));
                self.request(now, &pending, 0, body.into(), out);
            }
            Err(malformed) => {
                let error = malformed.error;
                self.count_malformed(origin, error.kind(), &error, out);
                if let Some(datagram) = malformed.reply {
                    out.push(Action::Send {
                        to: origin.address,
                        datagram: datagram.into(),
                        label: None,
                    });
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
        out: &mut Vec<Action>,
    ) {
        let admission = match &mut self.cache {
            Some(cache) => cache.admit(now, pending.id, awaited, &body),
            None => Admission::New,
        };
        let sequence = pending.id.sequence;
        let refuse = |out: &mut Vec<Action>, reason| {
            Self::send(out, pending, Kind::Reply, |client| Message::Refused {
                client,
                sequence,
                reason,
            });
        };
        let operation = pending.caller.operation;
        if let Some(instead) = admission.filtered() {
            self.tell(out, || Event::Filter { operation, instead });
        }
        match admission {
            Admission::New => self.execute(now, pending, body, out),
            Admission::Stored(reply) => {
                let datagram = self.encode_reply(pending, &reply).datagram;
                Self::send_reply(pending, datagram, out);
            }
            Admission::InProgress => {
                Self::send(out, pending, Kind::InProgress, |client| {
                    Message::InProgress { client, sequence }
                });
            }
            Admission::Acknowledged => {}
            Admission::DifferentBody => refuse(out, Refused::DifferentBody),
            Admission::Full => refuse(out, Refused::Full),
        }
    }

    fn tell(&self, out: &mut Vec<Action>, event: impl FnOnce() -> Event) {
        if self.tells_all {
            out.push(Action::Record(event()));
        }
    }

    fn execute(&mut self, now: Time, pending: &Pending, body: SharedBytes, out: &mut Vec<Action>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let caller = &pending.caller;
        let mut effects = std::mem::take(&mut self.effects);
        self.service.step(
            now,
            Input::Request {
                ticket,
                caller,
                body: &body,
            },
            &mut effects,
        );
        let mut answer = effects
            .reply_to(ticket)
            .map(|reply| self.answer(now, pending, reply));
        out.push(Action::Record(Event::Execute {
            operation: caller.operation,
            request: body,
            reply: answer.as_ref().map(|answer| answer.body.clone()),
        }));
        if answer.is_none() {
            self.waiting.insert(ticket, *pending);
        }
        for effect in effects.iter() {
            match effect {
                Effect::Complete { ticket: done, .. } if done == ticket => {
                    let datagram = answer.take().and_then(|answer| answer.datagram);
                    Self::send_reply(pending, datagram, out);
                }
                other => self.carry_out(now, other, out),
            }
        }
        effects.clear();
        self.effects = effects;
    }

    /// Lets the service take a step that is no request, and carries its effects out.
    fn step(&mut self, now: Time, input: Input<'_>, out: &mut Vec<Action>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.service.step(now, input, &mut effects);
        for effect in effects.iter() {
            self.carry_out(now, effect, out);
        }
        effects.clear();
        self.effects = effects;
    }

    fn carry_out(&mut self, now: Time, effect: Effect<'_>, out: &mut Vec<Action>) {
        match effect {
            Effect::Complete { ticket, reply } => {
                if let Some(pending) = self.waiting.remove(&ticket) {
                    let Answer {
                        body: reply,
                        datagram,
                    } = self.answer(now, &pending, reply);
                    let operation = pending.caller.operation;
                    out.push(Action::Record(Event::Complete { operation, reply }));
                    Self::send_reply(&pending, datagram, out);
                }
            }
            Effect::Push { to, update } => self.push_update(&to, update, out),
            Effect::SetTimer(key, at) => self.timers.set(key, at),
            Effect::Tell(word, operation, text) => {
                out.push(Action::Record(Event::Service {
                    word,
                    operation,
                    text,
                }));
            }
            Effect::Store { .. } => {}
        }
    }

    /// Writes the reply to a request, and lets the reply cache keep it.
    fn answer(&mut self, now: Time, pending: &Pending, reply: &[u8]) -> Answer {
        let answer = self.encode_reply(pending, reply);
        if let Some(cache) = &mut self.cache {
            cache.complete(now, pending.id, &answer.body);
        }
        answer
    }

    fn encode_reply(&mut self, pending: &Pending, reply: &[u8]) -> Answer {
        let RequestId { client, sequence } = pending.id;
        match client {
            ClientKey::Id(client) => {
                Message::Reply {
                    client,
                    sequence,
                    body: reply,
                }
                .write(&mut self.writer);
                let datagram = self.writer.share();
                Answer {
                    body: datagram.last(reply.len()),
                    datagram: Some(datagram),
                }
            }
            ClientKey::Address(_) => {
                let datagram = self.format_v1.and_then(|v1| v1.encode_reply(reply).ok());
                Answer {
                    body: reply.into(),
                    datagram: datagram.map(SharedBytes::from),
                }
            }
        }
    }

    fn send_reply(pending: &Pending, datagram: Option<SharedBytes>, out: &mut Vec<Action>) {
        if let Some(datagram) = datagram {
            let label = Some(Label::new(Kind::Reply, pending.caller.operation));
            out.push(Action::Send {
                to: pending.caller.address,
                datagram,
                label,
            });
        }
    }

    fn push_update(&mut self, to: &Caller, update: &[u8], out: &mut Vec<Action>) {
        let datagram = match to.client {
            ClientKey::Id(client) => {
                Message::Update {
                    client,
                    body: update,
                }
                .write(&mut self.writer);
                self.writer.share()
            }
            ClientKey::Address(_) => match self.format_v1.map(|v1| v1.encode_update(update)) {
                Some(Ok(Some(datagram))) => datagram.into(),
                _ => return, // format v1 has no such update
            },
        };
        let label = Some(Label::new(Kind::Update, to.operation));
        out.push(Action::Send {
            to: to.address,
            datagram,
            label,
        });
    }

    /// Sends a message that only format v2 has.
    fn send(
        out: &mut Vec<Action>,
        pending: &Pending,
        kind: Kind,
        message: impl FnOnce(ClientId) -> Message<'static>,
    ) {
        if let ClientKey::Id(client) = pending.id.client {
            let label = Some(Label::new(kind, pending.caller.operation));
            let datagram = message(client).encode();
            out.push(Action::Send {
                to: pending.caller.address,
                datagram: datagram.into(),
                label,
            });
        }
    }

    fn count_malformed(
        &mut self,
        origin: Origin,
        kind: &'static str,
        detail: &dyn fmt::Display,
        out: &mut Vec<Action>,
    ) {
        out.extend(
            self.malformed
                .count(origin, kind, detail)
                .map(Action::Record),
        );
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
