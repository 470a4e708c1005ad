//! What a step of a service brings about, as it is told and as it is kept.

use std::iter::from_fn;
use std::rc::Rc;

use crate::clock::Time;
use crate::id::OperationId;
use crate::rpc::service::{Caller, Ticket, TimerKey};
use crate::trace::{Commit, LockStep, TransactionStep, Word};
use crate::wire::Writer;

/// One thing that a step brings about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect<'a> {
    /// A request is complete.
    Complete {
        /// Which one.
        ticket: Ticket,
        /// The reply, in the service's own encoding.
        reply: &'a [u8],
    },
    /// A message goes to a client unasked.
    Push {
        /// To whom.
        to: Caller,
        /// The message, in the service's own encoding.
        update: &'a [u8],
    },
    /// A message goes to another server of the service. It may be lost, doubled, delayed or overtaken.
    Send {
        /// To which one: its place among the servers, from 0.
        to: u16,
        /// The operation that it is about, if one: for its fate and for the trace.
        about: Option<OperationId>,
        /// The message, in the service's own encoding.
        body: &'a [u8],
    },
    /// A replica has made the write of an operation visible to its clients.
    Commit(&'a Commit),
    /// A lock server has decided about one of its locks.
    Lock(&'a LockStep),
    /// A server has done its part in a transaction.
    Transaction(&'a TransactionStep),
    /// The timer of this key runs out at this time; an earlier setting of it is replaced.
    SetTimer(TimerKey, Time),
    /// Something for the trace, about an operation or none.
    Tell(Word, Option<OperationId>, Rc<str>),
    /// The server stops: this was its last step.
    Stop(Rc<str>),
    /// A record is stored or, without a value, erased. It becomes durable together with all else that
    /// the step brings about, and before any of it is seen; with `state = "memory"` it is dropped.
    Store {
        /// Names the record; the service chooses it.
        key: &'a [u8],
        /// The record's value.
        value: Option<&'a [u8]>,
    },
}

/// What a step brings about, in order: messages are sent in the order of their effects.
#[derive(Debug, Default)]
pub struct Effects {
    kept: Vec<Kept>,
    completed: Vec<Completed>,
    /// Replies and updates, one behind the other: the room is used again by the next step.
    bytes: Writer,
    /// Clients to which messages are pushed.
    callers: Vec<Caller>,
    keeps_records: bool,
    /// Requests that wait, and of which nothing is stored.
    unstored: Vec<Ticket>,
    /// Requests whose replies are not remembered.
    unremembered: Vec<Ticket>,
}

/// An effect as it is kept: small, as every step moves some.
#[derive(Debug)]
enum Kept {
    /// To the client of this place among the callers.
    Push(u32, Part),
    Send(u16, Option<OperationId>, Part),
    Commit(Box<Commit>),
    Lock(Box<LockStep>),
    Transaction(Box<TransactionStep>),
    SetTimer(TimerKey, Time),
    Tell(Word, Option<OperationId>, Rc<str>),
    Stop(Rc<str>),
    Store(Part, Option<Part>),
}

/// A request that is complete: kept apart from other effects, as most steps have this one only.
#[derive(Clone, Copy, Debug)]
struct Completed {
    ticket: Ticket,
    reply: Part,
    /// How many other effects come before it.
    after: u32,
}

/// A part of the bytes.
#[derive(Clone, Copy, Debug)]
struct Part {
    start: u32,
    end: u32,
}

impl Effects {
    /// Completes a request.
    pub fn complete(&mut self, ticket: Ticket, reply: &[u8]) {
        self.complete_with(ticket, |writer| writer.raw(reply));
    }

    /// Completes a request with the reply that `write` writes, straight to where it stays until the step is carried
    /// out.
    pub fn complete_with(&mut self, ticket: Ticket, write: impl FnOnce(&mut Writer)) {
        let start = self.end();
        write(&mut self.bytes);
        let end = self.end();
        let reply = Part { start, end };
        let after = place(self.kept.len());
        self.completed.push(Completed {
            ticket,
            reply,
            after,
        });
    }

    /// Completes a request that has changed nothing, with a reply that is not worth the room to remember it: a
    /// duplicate of it is a new request, and is executed again.
    pub fn complete_unremembered(&mut self, ticket: Ticket, reply: &[u8]) {
        self.complete(ticket, reply);
        self.unremembered.push(ticket);
    }

    /// Whether the reply to this request is remembered.
    pub(crate) fn remembers(&self, ticket: Ticket) -> bool {
        !self.unremembered.contains(&ticket)
    }

    /// Pushes a message to a client.
    pub fn push(&mut self, to: Caller, update: &[u8]) {
        self.push_to_all([to], update);
    }

    /// Pushes a message to each of these clients. Its bytes are kept once.
    pub fn push_to_all(&mut self, to: impl IntoIterator<Item = Caller>, update: &[u8]) {
        let part = self.keep(update);
        let first = place(self.callers.len());
        self.callers.extend(to);
        let pushes = (first..place(self.callers.len())).map(|to| Kept::Push(to, part));
        self.kept.extend(pushes);
    }

    /// Sends a message to another server of the service.
    pub fn send(&mut self, to: u16, about: Option<OperationId>, body: &[u8]) {
        let part = self.keep(body);
        self.kept.push(Kept::Send(to, about, part));
    }

    /// Says that a write has become visible here.
    pub fn commit(&mut self, commit: Commit) {
        self.kept.push(Kept::Commit(Box::new(commit)));
    }

    /// Says what has become of a lock.
    pub fn lock(&mut self, step: LockStep) {
        self.kept.push(Kept::Lock(Box::new(step)));
    }

    /// Says what this server does in a transaction. A server that finds on its disk what it holds, has taken or has
    /// decided says so again in the first step of its life, for what it does not find is lost.
    pub fn transaction(&mut self, step: TransactionStep) {
        self.kept.push(Kept::Transaction(Box::new(step)));
    }

    /// Says that a request waits and that nothing of it is stored, whatever else the step stores: if the server crashes,
    /// its duplicate is a new request. Unless this is said, a request that waits and whose step stores
    /// something has begun, and is not executed again.
    pub fn waits_unstored(&mut self, ticket: Ticket) {
        self.unstored.push(ticket);
    }

    /// Whether a request that waits has left something on the disk.
    pub(crate) fn has_begun(&self, ticket: Ticket) -> bool {
        self.stores() && !self.unstored.contains(&ticket)
    }

    /// Sets a timer, or sets it anew.
    pub fn set_timer(&mut self, key: TimerKey, at: Time) {
        self.kept.push(Kept::SetTimer(key, at));
    }

    /// Tells the trace something, about an operation or none.
    pub fn tell(&mut self, word: Word, about: Option<OperationId>, text: &str) {
        self.kept.push(Kept::Tell(word, about, text.into()));
    }

    /// Says that the server stops, and why: what somebody has to do before it can be of use again. The step is carried
    /// out, whatever else it brings about; then the server takes nothing in any more, and answers nobody. In
    /// simulation it records `halt` with this text, and its host is silent until it is restarted; on real
    /// sockets the program ends with the text as its error.
    pub fn stop(&mut self, why: &str) {
        self.kept.push(Kept::Stop(why.into()));
    }

    /// The same effects, of a server with a disk: records are kept. By default they are not.
    #[must_use]
    pub fn with_records(mut self) -> Self {
        self.keeps_records = true;
        self
    }

    /// Whether records are kept: if not, a service need not put its records into bytes.
    #[must_use]
    pub const fn keeps_records(&self) -> bool {
        self.keeps_records
    }

    /// Stores a record, in the place of an earlier one of this key.
    pub fn store(&mut self, key: &[u8], value: &[u8]) {
        if !self.keeps_records {
            return;
        }
        let (key, value) = (self.keep(key), self.keep(value));
        self.kept.push(Kept::Store(key, Some(value)));
    }

    /// Erases the record of this key, if there is one.
    pub fn erase(&mut self, key: &[u8]) {
        if !self.keeps_records {
            return;
        }
        let key = self.keep(key);
        self.kept.push(Kept::Store(key, None));
    }

    /// The effects, in order.
    pub fn iter(&self) -> impl Iterator<Item = Effect<'_>> {
        let (mut completed, mut kept) = (self.completed.iter().peekable(), (0..).zip(&self.kept));
        let mut next = kept.next();
        from_fn(move || {
            let is_next = |it: &&Completed| next.is_none_or(|(place, _)| it.after <= place);
            if let Some(Completed { ticket, reply, .. }) = completed.next_if(is_next) {
                return Some(Effect::Complete {
                    ticket: *ticket,
                    reply: self.part(*reply),
                });
            }
            let (_, effect) = std::mem::replace(&mut next, kept.next())?;
            Some(self.effect(effect))
        })
    }

    fn effect<'a>(&'a self, kept: &'a Kept) -> Effect<'a> {
        match kept {
            Kept::Push(to, part) => Effect::Push {
                to: self.callers[*to as usize],
                update: self.part(*part),
            },
            Kept::Send(to, about, part) => Effect::Send {
                to: *to,
                about: *about,
                body: self.part(*part),
            },
            Kept::Commit(commit) => Effect::Commit(commit),
            Kept::Lock(step) => Effect::Lock(step),
            Kept::Transaction(step) => Effect::Transaction(step),
            Kept::SetTimer(key, at) => Effect::SetTimer(*key, *at),
            Kept::Tell(word, about, text) => Effect::Tell(*word, *about, text.clone()),
            Kept::Stop(why) => Effect::Stop(why.clone()),
            Kept::Store(key, value) => Effect::Store {
                key: self.part(*key),
                value: value.map(|value| self.part(value)),
            },
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.kept.len() + self.completed.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.completed.is_empty()
    }

    /// Whether any record is stored or erased.
    #[must_use]
    pub fn stores(&self) -> bool {
        let is_record = |kept: &Kept| matches!(kept, Kept::Store(..));
        self.kept.iter().any(is_record)
    }

    /// Forgets all effects: they have been carried out.
    pub fn clear(&mut self) {
        self.completed.clear();
        self.bytes.clear();
        self.unremembered.clear();
        if !self.kept.is_empty() {
            self.kept.clear();
            self.callers.clear();
        }
        self.unstored.clear();
    }

    /// The reply that completes this request, if one does.
    pub(crate) fn reply_to(&self, asked: Ticket) -> Option<&[u8]> {
        let completed = self.completed.iter().find(|it| it.ticket == asked);
        completed.map(|it| self.part(it.reply))
    }

    fn keep(&mut self, bytes: &[u8]) -> Part {
        let start = self.end();
        self.bytes.raw(bytes);
        let end = self.end();
        Part { start, end }
    }

    fn end(&self) -> u32 {
        place(self.bytes.written().len())
    }

    fn part(&self, part: Part) -> &[u8] {
        &self.bytes.written()[part.start as usize..part.end as usize]
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).expect("a step brings about less than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ClientId, ClientKey, HostId};

    fn caller(client: u16) -> Caller {
        Caller {
            client: ClientKey::Id(ClientId(client.into())),
            address: ([10, 0, 0, 1], client).into(),
            operation: OperationId {
                client: HostId(client),
                number: 1,
            },
        }
    }

    #[test]
    fn completions_stand_among_other_effects_in_the_order_in_which_they_came() {
        let mut effects = Effects::default();
        let done = |ticket, reply| Effect::Complete {
            ticket: Ticket(ticket),
            reply,
        };
        effects.complete(Ticket(1), b"first");
        effects.set_timer(TimerKey(7), Time::ZERO);
        effects.complete(Ticket(2), b"");
        effects.complete_with(Ticket(3), |writer| writer.raw(b"third"));
        effects.set_timer(TimerKey(8), Time::ZERO);
        let timer = |key| Effect::SetTimer(TimerKey(key), Time::ZERO);
        let expected = [
            done(1, b"first"),
            timer(7),
            done(2, b""),
            done(3, b"third"),
            timer(8),
        ];
        assert_eq!(effects.iter().collect::<Vec<_>>(), expected);
        assert_eq!(effects.len(), expected.len());
        assert_eq!(effects.reply_to(Ticket(3)), Some(&b"third"[..]));
        effects.clear();
        assert!(effects.is_empty() && effects.iter().next().is_none());
    }

    #[test]
    fn a_message_to_all_reaches_each_and_is_kept_once() {
        let mut effects = Effects::default();
        effects.push(caller(9), b"other");
        effects.push_to_all((1..=3).map(caller), b"update");
        let pushes: Vec<_> = effects.iter().skip(1).collect();
        let expected = [1, 2, 3].map(|client| Effect::Push {
            to: caller(client),
            update: b"update",
        });
        assert_eq!(pushes, expected);
        assert_eq!(effects.bytes.written(), b"otherupdate");
    }
}
