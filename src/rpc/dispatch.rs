//! What becomes of the effects of a step: replies, updates, timers.

use std::net::SocketAddr;
use std::rc::Rc;

use crate::clock::Time;
use crate::id::{ClientId, ClientKey, HostId, OperationId, RequestId};
use crate::net::{Kind, Label};
use crate::rpc::message::{Message, NO_SESSION, Refused};
use crate::rpc::output::Output;
use crate::rpc::reply_cache::ReplyCache;
use crate::rpc::service::{Caller, Effect, Effects, Ticket};
use crate::rpc::timers::Timers;
use crate::rpc::v1::FormatV1;
use crate::rpc::waiting::Waiting;
use crate::trace::{Event, Filtered};
use crate::wire::SharedBytes;

/// Carries out what steps bring about.
pub(super) struct Dispatch {
    pub(super) format_v1: Option<&'static dyn FormatV1>,
    /// With at-most-once.
    pub(super) cache: Option<ReplyCache>,
    pub(super) waiting: Waiting,
    pub(super) timers: Timers,
    pub(super) peers: Peers,
    /// Why the service has stopped.
    pub(super) stopped: Option<Rc<str>>,
}

/// The servers of a service.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// This server's place among them, from 0.
    pub own: u16,
    /// Where each of them is; `None` for this one, and for those that are not known.
    pub addresses: Vec<Option<SocketAddr>>,
}

/// A request that is not complete.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) caller: Caller,
    pub(super) sequence: u32,
}

/// A request whose step is being carried out.
#[derive(Clone, Copy)]
pub(super) struct Executed<'a> {
    pub(super) ticket: Ticket,
    pub(super) pending: &'a Pending,
    pub(super) body: &'a SharedBytes,
}

/// A reply, written.
struct Answer {
    /// The reply in the service's own encoding.
    body: SharedBytes,
    /// The datagram that carries it; `None` if the client's format cannot express it.
    datagram: Option<SharedBytes>,
}

impl Pending {
    pub(super) const fn id(&self) -> RequestId {
        RequestId {
            client: self.caller.client,
            sequence: self.sequence,
        }
    }
}

impl Peers {
    /// Whether this is another server that can be reached.
    pub(super) fn knows(&self, server: u16) -> bool {
        matches!(self.addresses.get(usize::from(server)), Some(Some(_)))
    }
}

impl Dispatch {
    pub(super) fn new(format_v1: Option<&'static dyn FormatV1>, cache: Option<ReplyCache>) -> Self {
        Self {
            format_v1,
            cache,
            waiting: Waiting::default(),
            timers: Timers::default(),
            peers: Peers::default(),
            stopped: None,
        }
    }

    /// Carries out what the execution of a request has brought about.
    #[inline]
    pub(super) fn executed(
        &mut self,
        now: Time,
        executed: Executed<'_>,
        effects: &Effects,
        out: &mut dyn Output,
    ) {
        let Executed {
            ticket,
            pending,
            body,
        } = executed;
        let operation = pending.caller.operation;
        let Some(reply) = effects.reply_to(ticket) else {
            out.record(Event::Execute {
                operation,
                request: body.clone(),
                reply: None,
                stored: effects.has_begun(ticket),
                recovered: false,
            });
            self.waiting.insert(ticket, *pending);
            if let Some(cache) = self.cache.as_mut().filter(|_| effects.has_begun(ticket)) {
                cache.wait(pending.id());
            }
            return self.carry_out(now, effects, out);
        };
        let answer = self.complete(now, pending, (reply, effects.remembers(ticket)));
        out.record_execution(operation, body, &answer.body);
        if effects.len() == 1 {
            return answer.send(pending, out);
        }
        let mut own = Some(answer);
        for effect in effects.iter() {
            match effect {
                Effect::Complete { ticket: done, .. } if done == ticket => {
                    if let Some(answer) = own.take() {
                        answer.send(pending, out);
                    }
                }
                other => self.carry_out_one(now, effects, other, out),
            }
        }
    }

    /// Forgets what waits of a client below `awaited`, as a request of this session has just said that
    /// nobody waits for it any more. It will never be completed.
    pub(super) fn abandon(
        &mut self,
        now: Time,
        client: ClientKey,
        (session, awaited): (u64, u32),
        out: &mut dyn Output,
    ) -> Vec<Ticket> {
        let mut abandoned = self.waiting.below(client, awaited);
        if abandoned.is_empty() {
            return abandoned;
        }
        let is_believed = match &mut self.cache {
            Some(cache) => cache.acknowledge(now, client, session, awaited),
            None => session == NO_SESSION,
        };
        if !is_believed {
            abandoned.clear();
        }
        for &ticket in &abandoned {
            let Some(pending) = self.waiting.remove(ticket) else {
                continue;
            };
            out.record(Event::Abandon {
                operation: pending.caller.operation,
            });
            out.abandon(pending.id());
            if let Some(cache) = &mut self.cache {
                cache.forget(pending.id());
            }
        }
        abandoned
    }

    /// Carries out what a step has brought about that was no request.
    pub(super) fn carry_out(&mut self, now: Time, effects: &Effects, out: &mut dyn Output) {
        for effect in effects.iter() {
            self.carry_out_one(now, effects, effect, out);
        }
    }

    fn carry_out_one(
        &mut self,
        now: Time,
        all: &Effects,
        effect: Effect<'_>,
        out: &mut dyn Output,
    ) {
        match effect {
            Effect::Complete { ticket, reply } => {
                if let Some(pending) = self.waiting.remove(ticket) {
                    let answer = self.complete(now, &pending, (reply, all.remembers(ticket)));
                    let (operation, reply) = (pending.caller.operation, answer.body.clone());
                    out.record(Event::Complete {
                        operation,
                        reply,
                        recovered: false,
                    });
                    answer.send(&pending, out);
                }
            }
            Effect::Push { to, update } => self.push_update(&to, update, out),
            Effect::Send { to, about, body } => self.send_to_peer(to, about, body, out),
            Effect::Commit(commit) => out.record(Event::Commit(commit.clone())),
            Effect::Lock(step) => out.record(Event::Lock(step.clone())),
            Effect::Transaction(step) => out.record(Event::Transaction(step.clone())),
            Effect::SetTimer(key, at) => self.timers.set(key, at),
            Effect::Tell(word, operation, text) => {
                out.record(Event::Service {
                    word,
                    operation,
                    text,
                });
            }
            Effect::Stop(why) => self.stopped = Some(why),
            Effect::Store { .. } => {}
        }
    }

    /// Sends the stored reply to a request again.
    pub(super) fn send_again(&mut self, pending: &Pending, reply: &[u8], out: &mut dyn Output) {
        self.write_reply(pending, reply).send(pending, out);
    }

    /// Writes the reply to a request, and lets the reply cache keep it, or forget the request.
    #[inline]
    fn complete(
        &mut self,
        now: Time,
        pending: &Pending,
        (reply, is_remembered): (&[u8], bool),
    ) -> Answer {
        let answer = self.write_reply(pending, reply);
        match &mut self.cache {
            Some(cache) if is_remembered => {
                let request = (&pending.caller.client, pending.sequence);
                cache.complete_for(now, request, &answer.body);
            }
            Some(cache) => cache.forget(pending.id()),
            None => {}
        }
        answer
    }

    #[inline(always)]
    fn write_reply(&mut self, pending: &Pending, reply: &[u8]) -> Answer {
        match pending.caller.client {
            ClientKey::Id(client) => {
                let sequence = pending.sequence;
                let message = Message::Reply {
                    client,
                    sequence,
                    body: reply,
                };
                let datagram = message.share();
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

    /// Sends a message to another server, if it is known where that is.
    fn send_to_peer(
        &mut self,
        to: u16,
        about: Option<OperationId>,
        body: &[u8],
        out: &mut dyn Output,
    ) {
        let Some(&Some(address)) = self.peers.addresses.get(usize::from(to)) else {
            return;
        };
        let from = self.peers.own;
        let datagram = Message::Peer { from, body }.share();
        // What is about no operation is the server's own: servers are the first hosts of a run.
        let own = OperationId {
            client: HostId(from),
            number: 0,
        };
        let label = Label::new(Kind::Peer, about.unwrap_or(own));
        out.send(address, &datagram, Some(label));
    }

    fn push_update(&mut self, to: &Caller, update: &[u8], out: &mut dyn Output) {
        let datagram = match to.client {
            ClientKey::Id(client) => {
                let body = update;
                Message::Update { client, body }.share()
            }
            ClientKey::Address(_) => match self.format_v1.map(|v1| v1.encode_update(update)) {
                Some(Ok(Some(datagram))) => datagram.into(),
                _ => return, // format v1 has no such update
            },
        };
        let label = Label::new(Kind::Update, to.operation);
        out.send(to.address, &datagram, Some(label));
    }
}

impl Answer {
    #[inline]
    fn send(&self, pending: &Pending, out: &mut dyn Output) {
        if let Some(datagram) = &self.datagram {
            let label = Label::new(Kind::Reply, pending.caller.operation);
            out.send(pending.caller.address, datagram, Some(label));
        }
    }
}

/// Sends a message that only format v2 has.
pub(super) fn send(
    out: &mut dyn Output,
    pending: &Pending,
    kind: Kind,
    message: impl FnOnce(ClientId) -> Message<'static>,
) {
    if let ClientKey::Id(client) = pending.caller.client {
        let label = Label::new(kind, pending.caller.operation);
        let datagram = message(client).share();
        out.send(pending.caller.address, &datagram, Some(label));
    }
}

/// Records what is done with a request instead of executing it.
pub(super) fn filtered(out: &mut dyn Output, pending: &Pending, instead: Filtered) {
    let operation = pending.caller.operation;
    out.record(Event::Filter { operation, instead });
}

/// Refuses a request, and records that.
pub(super) fn refuse(out: &mut dyn Output, pending: &Pending, instead: Filtered, reason: Refused) {
    filtered(out, pending, instead);
    let sequence = pending.sequence;
    send(out, pending, Kind::Reply, |client| Message::Refused {
        client,
        sequence,
        reason,
    });
}

/// Records an event that no checker needs.
pub(super) fn tell(out: &mut dyn Output, event: impl FnOnce() -> Event) {
    if out.wants_all_events() {
        out.record(event());
    }
}
