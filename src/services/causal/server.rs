//! A data centre as a service: requests in, replies out, and writes on their way between data centres.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::clock::Time;
use crate::id::{OperationId, Version};
use crate::rpc::service::{BadRecord, Effects, Input, Record, Service, Ticket, TimerKey};
use crate::services::causal::codec::entry_bytes;
use crate::services::causal::committed::Committed;
use crate::services::causal::describe;
use crate::services::causal::message::{
    Answer, Ask, Entry, ORIGINS_MAX, PAGE_BYTES_MAX, PeerBody, PeerMessage, Refusal, Reply, Request,
};
use crate::services::causal::outgoing::{Outgoing, SPAN_FACTOR_MAX};
use crate::services::causal::records;
use crate::services::causal::replica::{Arrived, Done, Held, Mode, Replica};
use crate::services::causal::restore::restore;
use crate::services::causal::settings::Settings;
use crate::services::causal::transfers::Transfers;
use crate::services::causal::write::{Dependency, Origin, Write};
use crate::trace::{Commit, Word};

/// How many keys a reply to `list` shows: with the longest keys that a page holds, a session that depended
/// on nothing has room for all of them.
const LISTED_MAX: usize = 250;

/// The server's only timer: the next moment at which something is due.
const DUE: TimerKey = TimerKey(0);

/// How many requests wait at most; one more is refused.
const WAITING_MAX: usize = 10_000;

/// A write that stalls is dropped when it has not been sent again for so many times the longest span
/// between two sends: its origin sends it again when it can, or has lost its memory and never will.
const SILENT_SPANS: u32 = 3;

/// The state machine behind a data centre.
#[derive(Debug)]
pub struct CausalServer {
    pub(super) settings: Settings,
    pub(super) replica: Replica,
    outgoing: Outgoing,
    waiting: BTreeMap<Ticket, Waiting>,
    /// How long a write that stalls is kept without having been sent again.
    silence: Duration,
    /// Messages that leave later, by time and by the order in which they were made.
    outbox: BTreeMap<(Time, u64), Posted>,
    posted: u64,
    /// State images under way.
    pub(super) transfers: Transfers,
    /// Whether it has lost its memory and knows too little to answer or to commit.
    pub(super) is_recovering: bool,
    /// The lives of other data centres that were heard of last in the matter of images.
    pub(super) lives: BTreeMap<u16, u32>,
    /// The life that it begins if it has forgotten the earlier ones.
    later_life: u32,
    /// The time that the timer is set to.
    timer: Option<Time>,
}

/// A request whose dependencies are not all here.
#[derive(Debug)]
struct Waiting {
    request: Request,
    operation: OperationId,
    deadline: Time,
}

/// A message that leaves later.
#[derive(Debug)]
struct Posted {
    to: u16,
    about: Option<OperationId>,
    body: Vec<u8>,
}

impl CausalServer {
    /// The data centre of this number, which holds nothing.
    #[must_use]
    pub fn new(settings: Settings, place: u16) -> Self {
        let own = Origin {
            replica: place,
            life: 0,
        };
        let timeouts = settings.timeouts(place);
        Self {
            replica: Replica::new(own, settings.mode),
            waiting: BTreeMap::new(),
            silence: timeouts.values().max().copied().unwrap_or_default()
                * SPAN_FACTOR_MAX
                * SILENT_SPANS,
            outbox: BTreeMap::new(),
            posted: 0,
            transfers: Transfers::new(timeouts.clone()),
            outgoing: Outgoing::new(timeouts),
            is_recovering: false,
            lives: BTreeMap::new(),
            later_life: 1,
            timer: None,
            settings,
        }
    }

    /// The same data centre; if it has forgotten its earlier lives, this number tells the new one from
    /// them. It is drawn by chance; 0 is the life of those that forget nothing, and counts as 1.
    #[must_use]
    pub const fn with_life(mut self, life: u32) -> Self {
        self.later_life = if life == 0 { 1 } else { life };
        self
    }

    /// The state: keys, and what has been committed.
    #[must_use]
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    fn request(
        &mut self,
        now: Time,
        (ticket, operation): (Ticket, OperationId),
        body: &[u8],
        effects: &mut Effects,
    ) {
        let refusal = match Request::decode(body) {
            Err(_) => Refusal::Invalid,
            Ok(request) if self.hindrance(&request.needs).is_none() => {
                return self.answer(now, (ticket, operation), request, effects);
            }
            Ok(_) if self.waiting.len() == WAITING_MAX => Refusal::Full,
            Ok(request) => {
                let waiting = Waiting {
                    request,
                    operation,
                    deadline: now + self.settings.dependency_wait,
                };
                self.waiting.insert(ticket, waiting);
                return;
            }
        };
        self.reply(ticket, Answer::Refused(refusal), effects);
    }

    /// Why a request with these dependencies cannot be answered yet.
    fn hindrance(&self, needs: &[Dependency]) -> Option<Refusal> {
        if self.is_recovering {
            return Some(Refusal::Recovering);
        }
        let missing = self.replica.missing(needs);
        missing.map(|missing| Refusal::Missing(missing.clone()))
    }

    /// Answers a request. All that it depends on is here.
    fn answer(
        &mut self,
        now: Time,
        (ticket, operation): (Ticket, OperationId),
        request: Request,
        effects: &mut Effects,
    ) {
        let answer = match request.ask {
            Ask::Put { key, value, author } => {
                let put = (key.as_str(), value.as_str(), author.as_str());
                let mut done = self.replica.put(put, request.needs, request.clock);
                done.about = Some(operation);
                let write = done.write.clone();
                self.outgoing.add(now, write.clone(), done.about, None);
                self.tell_commit(now, &done, effects);
                Answer::Put(write.as_dependency())
            }
            ask => {
                self.replica.witness(request.clock);
                match ask {
                    Ask::Get { key } => self.found(key),
                    Ask::List => self.list(),
                    Ask::Attach { to } => Answer::Attached { to },
                    Ask::Put { .. } | Ask::Wait { .. } => Answer::Refused(Refusal::Invalid),
                }
            }
        };
        self.reply(ticket, answer, effects);
    }

    fn found(&self, key: String) -> Answer {
        match self.replica.held(&key) {
            Some(held) => Answer::Found(entry(&key, held)),
            None => Answer::Nothing,
        }
    }

    /// As many keys as a reply holds.
    fn list(&self) -> Answer {
        let keys = self.replica.keys();
        let count = keys.len();
        let mut bytes = 0;
        let entries: Vec<Entry> = keys
            .take(LISTED_MAX)
            .take_while(|(key, held)| {
                bytes += entry_bytes(key, &held.value, &held.author);
                bytes <= PAGE_BYTES_MAX
            })
            .map(|(key, held)| entry(key, held))
            .collect();
        let more = u32::try_from(count - entries.len()).unwrap_or(u32::MAX);
        Answer::Listed { entries, more }
    }

    fn reply(&self, ticket: Ticket, answer: Answer, effects: &mut Effects) {
        let origins = self.replica.committed().iter();
        let everywhere = origins
            .map(|(origin, committed)| (*origin, Committed::everywhere(committed)))
            .filter(|(_, everywhere)| *everywhere > 0)
            .take(ORIGINS_MAX)
            .collect();
        let reply = Reply {
            clock: self.replica.clock(),
            everywhere,
            answer,
        };
        effects.complete(ticket, &reply.encode());
    }

    fn hear(
        &mut self,
        now: Time,
        (from, about): (u16, Option<OperationId>),
        message: PeerMessage,
        effects: &mut Effects,
    ) {
        let sender = Origin {
            replica: from,
            life: message.life,
        };
        self.replica.forget(sender, message.everywhere);
        match message.body {
            PeerBody::Write(write) if write.origin() == sender => {
                self.arrive(now, write, about, effects);
            }
            PeerBody::Acknowledge { version, sequence } => {
                let own = self.replica.own();
                let is_own = (version.replica, version.life) == (own.replica, own.life);
                if is_own && self.outgoing.acknowledge(from, sequence) {
                    self.forget();
                }
            }
            PeerBody::Write(_) => {} // only its origin replicates a write
            PeerBody::Fetch => {
                self.lives.insert(from, message.life);
                if !self.transfers.is_answering(from, message.life) {
                    self.send_image(now, from, message.life);
                }
            }
            PeerBody::Page(page) => {
                self.lives.insert(from, message.life);
                self.receive_page(now, sender, &page, effects);
            }
            PeerBody::HasPage { life, number, page } => {
                if life == self.replica.own().life {
                    self.transfers.acknowledge(now, from, (number, page));
                }
            }
        }
    }

    /// Notes which own writes every data centre has.
    fn forget(&mut self) {
        let last = self.replica.last();
        let everywhere = match self.settings.mode {
            Mode::ForgetEarly => self.outgoing.somewhere(last),
            _ => self.outgoing.everywhere(last),
        };
        self.replica.forget(self.replica.own(), everywhere);
    }

    fn arrive(
        &mut self,
        now: Time,
        write: Write,
        about: Option<OperationId>,
        effects: &mut Effects,
    ) {
        if self.is_recovering {
            return; // it comes again
        }
        let waiting = write.as_dependency();
        match self.replica.arrive(now, write, about) {
            Arrived::Known => self.acknowledge(now, &waiting, about, effects),
            Arrived::Waits => {}
            Arrived::Stalls(missing) => {
                let text = describe::stall(&waiting, &missing);
                effects.tell(Word::Stall, about, &text);
            }
            Arrived::Committed(done) => self.tell_arrived(now, &done, effects),
        }
    }

    /// Tells of writes of others that have been committed, and acknowledges them. One of a life that may
    /// have ended goes back to where it came from, in an image, so that somebody spreads it.
    pub(super) fn tell_arrived(&mut self, now: Time, done: &[Done], effects: &mut Effects) {
        for done in done {
            self.tell_commit(now, done, effects);
            self.acknowledge(now, &done.write.as_dependency(), done.about, effects);
            let Origin { replica, life } = done.write.origin();
            if self.lives.get(&replica).is_some_and(|&known| known != life) {
                self.send_image(now, replica, 0);
            }
        }
    }

    fn tell_commit(&self, now: Time, done: &Done, effects: &mut Effects) {
        let needs = done.write.needs.iter().map(|need| need.version);
        effects.commit(Commit {
            operation: done.about,
            version: done.write.version,
            needs: needs.collect::<Rc<[Version]>>(),
            taken_from: None,
            stalled: done.since.map(|since| now - since),
            text: describe::commit(done, now).into(),
        });
    }

    fn acknowledge(
        &mut self,
        now: Time,
        write: &Dependency,
        about: Option<OperationId>,
        effects: &mut Effects,
    ) {
        let body = PeerBody::Acknowledge {
            version: write.version,
            sequence: write.sequence,
        };
        self.post(now, (write.version.replica, about), body, effects);
    }

    /// Sends a message to another data centre, or lets it wait for as long as the way there takes.
    pub(super) fn post(
        &mut self,
        now: Time,
        (to, about): (u16, Option<OperationId>),
        body: PeerBody,
        effects: &mut Effects,
    ) {
        let own = self.replica.own();
        let message = PeerMessage {
            life: own.life,
            everywhere: self.replica.everywhere(own),
            body,
        };
        let body = message.encode();
        let delay = self.settings.delay(own.replica, to);
        if delay.is_zero() {
            return effects.send(to, about, &body);
        }
        self.posted += 1;
        let leaves = (now + delay, self.posted);
        self.outbox.insert(leaves, Posted { to, about, body });
    }

    /// Does what is due, and sets the timer for what will be.
    fn attend(&mut self, now: Time, effects: &mut Effects) {
        self.answer_waiting(now, effects);
        for due in self.outgoing.take_due(now) {
            let body = PeerBody::Write((*due.write).clone());
            self.post(now, (due.to, due.about), body, effects);
        }
        for (to, body) in self.transfers.take_due(now) {
            self.post(now, (to, None), body, effects);
        }
        while let Some(first) = self.outbox.first_entry()
            && first.key().0 <= now
        {
            let Posted { to, about, body } = first.remove();
            effects.send(to, about, &body);
        }
        if let Some(silent) = now.as_ms().checked_sub(self.silence.as_millis() as u64) {
            self.replica.drop_stalled(Time::from_ms(silent));
        }
        self.set_timer(effects);
    }

    /// Answers the requests whose dependencies are here, and refuses those that have waited too long.
    fn answer_waiting(&mut self, now: Time, effects: &mut Effects) {
        let tickets: Vec<Ticket> = self.waiting.keys().copied().collect();
        for ticket in tickets {
            let Some(waiting) = self.waiting.get(&ticket) else {
                continue;
            };
            let hindrance = self.hindrance(&waiting.request.needs);
            if hindrance.is_some() && waiting.deadline > now {
                continue;
            }
            let Some(waiting) = self.waiting.remove(&ticket) else {
                continue;
            };
            match hindrance {
                None => {
                    let who = (ticket, waiting.operation);
                    self.answer(now, who, waiting.request, effects);
                }
                Some(refusal) => self.reply(ticket, Answer::Refused(refusal), effects),
            }
        }
    }

    fn set_timer(&mut self, effects: &mut Effects) {
        let heard = self.replica.first_heard();
        let moments = [
            self.outgoing.next(),
            self.transfers.next(),
            self.outbox.keys().next().map(|(leaves, _)| *leaves),
            self.waiting.values().map(|waiting| waiting.deadline).min(),
            heard.map(|heard| heard + self.silence),
        ];
        let next = moments.into_iter().flatten().min();
        if let Some(next) = next
            && self.timer != Some(next)
        {
            effects.set_timer(DUE, next);
        }
        self.timer = next;
    }
}

impl Service for CausalServer {
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Request {
                ticket,
                caller,
                body,
            } => self.request(now, (ticket, caller.operation), body, effects),
            Input::Peer { from, about, body } => {
                let is_other =
                    from < self.settings.data_centres && from != self.replica.own().replica;
                if let Some(message) = PeerMessage::decode(body).ok().filter(|_| is_other) {
                    self.hear(now, (from, about), message, effects);
                }
            }
            Input::OneWay { .. } | Input::Again(_) => {} // clients send none; what waits has its time
            Input::Abandoned(ticket) => {
                self.waiting.remove(&ticket);
            }
            Input::Timer(_) => self.timer = None,
        }
        self.attend(now, effects);
        let data_centres = self.settings.data_centres;
        records::store(data_centres, &mut self.replica, &mut self.outgoing, effects);
    }

    fn restore(
        &mut self,
        now: Time,
        records: &mut dyn Iterator<Item = Record>,
        effects: &mut Effects,
    ) -> Result<(), BadRecord> {
        let state = (&mut self.replica, &mut self.outgoing);
        restore(now, self.settings.data_centres, records, state)?;
        self.set_timer(effects);
        Ok(())
    }

    fn begin_again(&mut self, now: Time, effects: &mut Effects) {
        self.replica.begin_life(self.later_life);
        self.transfers.ask_all(now);
        self.is_recovering = true;
        self.set_timer(effects);
    }

    fn is_settled(&self) -> bool {
        self.outgoing.is_empty()
            && self.transfers.is_empty()
            && self.outbox.is_empty()
            && self.replica.stalled() == 0
    }
}

fn entry(key: &str, held: &Held) -> Entry {
    Entry {
        write: held.write(key),
        value: held.value.clone(),
        author: held.author.clone(),
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
