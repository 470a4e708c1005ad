//! A data server: it has the times of some people, tells them, and holds and takes them.
//!
//! It is a participant of two-phase commit with presumed abort (Mohan, Lindsay and Obermarck, 1986). Its hold is
//! durable before it votes yes, and lasts until it knows what was decided; it asks if it is not told. It votes
//! no at once if somebody is not free; while the time is held for another transaction it does not vote, but asks
//! what became of that one, and votes as soon as it is told. What it has taken it never gives back.

use std::collections::BTreeMap;

use crate::clock::Time;
use crate::id::OperationId;
use crate::rpc::service::{BadRecord, Effects, Input, Record, Service, TimerKey};
use crate::services::meeting::describe::step;
use crate::services::meeting::enrolment::Enrolment;
use crate::services::meeting::holds::{Hold, Holds, Wish};
use crate::services::meeting::main_server::MAIN;
use crate::services::meeting::message::{
    Meeting, PIECES_AT_ONCE, PeerBody, PeerMessage, Piece, Refusal, Reply, TaskId,
};
use crate::services::meeting::records::{self, Stored};
use crate::services::meeting::settings::{Protection, Settings};
use crate::trace::{Part, TransactionStep};

/// The server's only timer: the next moment at which something is due.
const DUE: TimerKey = TimerKey(0);

/// How many votes wait for other transactions at most: those beyond are cast when they are asked for again. Each
/// keeps its meeting, about 100 KiB at worst.
const PARKED_MAX: usize = 128;

/// A vote that waits until another transaction is decided.
#[derive(Debug)]
struct Parked {
    other: TaskId,
    about: Option<OperationId>,
    meeting: Meeting,
}

/// The state machine behind a data server.
#[derive(Debug)]
pub struct DataServer {
    settings: Settings,
    place: u16,
    life: u64,
    /// The life that it begins on an empty disk.
    first_life: u64,
    /// The life that it begins if it has forgotten the earlier ones.
    later_life: u64,
    holds: Holds,
    parked: BTreeMap<TaskId, Parked>,
    enrolment: Enrolment,
    /// What it has found on its disk, and not yet told.
    found: Vec<TransactionStep>,
    /// The time that the timer is set to.
    timer: Option<Time>,
}

impl DataServer {
    /// The data server at this place, from 1, with its people of the settings.
    #[must_use]
    pub fn new(settings: Settings, place: u16) -> Self {
        let people = settings.people_of(place);
        Self {
            place,
            life: 1,
            first_life: 1,
            later_life: 2,
            enrolment: Enrolment::new(&people, settings.piece_bytes.into()),
            holds: Holds::new(people),
            parked: BTreeMap::new(),
            found: Vec::new(),
            timer: None,
            settings,
        }
    }

    /// The same server, with numbers for its lives: the first one on an empty disk, 1 unless said otherwise; and one that
    /// has forgotten the earlier ones, to tell it from them.
    #[must_use]
    pub const fn with_lives(mut self, first: u64, later: u64) -> Self {
        (self.first_life, self.later_life) = (first, later);
        self
    }

    /// The times of its people, and what is held and taken of them.
    #[must_use]
    pub const fn holds(&self) -> &Holds {
        &self.holds
    }

    fn hear(
        &mut self,
        now: Time,
        about: Option<OperationId>,
        message: PeerMessage,
        effects: &mut Effects,
    ) {
        match message.body {
            PeerBody::Who { question } => self.enrolment.asked(now, question),
            PeerBody::HasNames {
                question,
                of,
                piece,
            } if of == self.life => self.enrolment.acknowledge(now, question, piece),
            PeerBody::NamesTaken { of, names } if of == self.life => {
                let names = names.join(", ");
                effects.stop(&format!(
                    "another data server has people of these names already: {names}: take each out of one of the two \
                     files, or name it anew there, and start this server again"
                ));
            }
            PeerBody::Lookup {
                task,
                names,
                pieces,
            } => self.tell_times((task, about), &names, &pieces, effects),
            PeerBody::Prepare { task, meeting } => {
                self.prepare(now, (task, about), meeting, effects);
            }
            PeerBody::Decide { task, commit } => {
                self.parked.remove(&task);
                self.decided(now, (task, about), commit, effects);
            }
            _ => {} // of an earlier life, or not for data servers
        }
    }

    fn tell_times(
        &self,
        (task, about): (TaskId, Option<OperationId>),
        names: &[String],
        asked: &[u32],
        effects: &mut Effects,
    ) {
        let pieces = self.holds.pieces(names, self.settings.piece_bytes.into());
        let of = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        let is_asked = |number: &u32| match asked {
            [] => true,
            asked => asked.contains(number),
        };
        let due = (0..of).zip(pieces).filter(|(number, _)| is_asked(number));
        for (number, entries) in due.take(PIECES_AT_ONCE) {
            let body = PeerBody::Times {
                task,
                taken: self.holds.takings_of(names),
                piece: Piece { number, of },
                entries,
            };
            self.send(about, body, effects);
        }
    }

    /// Votes, unless the time is held for another transaction: then it asks what became of that one, and
    /// votes when it knows.
    fn prepare(
        &mut self,
        now: Time,
        (task, about): (TaskId, Option<OperationId>),
        meeting: Meeting,
        effects: &mut Effects,
    ) {
        let is_new = !self.holds.held().contains_key(&task);
        let hold = Hold {
            meeting: meeting.clone(),
            about,
            asks: now + self.settings.decision_timeout,
        };
        let against = match self.holds.wish(task, hold) {
            Wish::Held => {
                if is_new && self.settings.has(Protection::DurableHolds) {
                    records::store_hold(task, &meeting, about, effects);
                }
                if is_new {
                    effects.transaction(step((task, about), Part::Hold, &meeting));
                }
                Vec::new()
            }
            Wish::Refused(names) => names,
            Wish::Waits(other) => {
                if self.parked.len() < PARKED_MAX || self.parked.contains_key(&task) {
                    let parked = Parked {
                        other,
                        about,
                        meeting,
                    };
                    self.parked.insert(task, parked);
                }
                return self.send(about, PeerBody::Inquire { task: other }, effects);
            }
            Wish::Over | Wish::OfAnother => return,
        };
        self.send(about, PeerBody::Vote { task, against }, effects);
    }

    /// Casts the votes that have waited for this transaction.
    fn vote_on_parked(&mut self, now: Time, other: TaskId, effects: &mut Effects) {
        let waits = |parked: &Parked| parked.other == other;
        let parked = self.parked.extract_if(.., |_, parked| waits(parked));
        let parked: Vec<(TaskId, Parked)> = parked.collect();
        for (task, parked) in parked {
            self.prepare(now, (task, parked.about), parked.meeting, effects);
        }
    }

    fn decided(
        &mut self,
        now: Time,
        (task, about): (TaskId, Option<OperationId>),
        commit: bool,
        effects: &mut Effects,
    ) {
        // Whoever is told may have asked for another operation's sake.
        let held = self.holds.held().get(&task);
        let of = held.map_or(about, |hold| hold.about);
        if !commit {
            return self.release(now, (task, of), effects);
        }
        let is_news = self.holds.take(task);
        if is_news && let Some(meeting) = self.holds.taken_so_far().get(&task) {
            records::erase_hold(task, effects);
            records::store_taken(task, meeting, of, effects);
            effects.transaction(step((task, of), Part::Take, meeting));
        }
        self.send(about, PeerBody::Done { task }, effects);
        if is_news {
            self.vote_on_parked(now, task, effects);
        }
    }

    fn release(
        &mut self,
        now: Time,
        (task, about): (TaskId, Option<OperationId>),
        effects: &mut Effects,
    ) {
        if let Some(hold) = self.holds.release(task) {
            records::erase_hold(task, effects);
            effects.transaction(step((task, about), Part::Release, &hold.meeting));
            self.vote_on_parked(now, task, effects);
        }
    }

    fn send(&self, about: Option<OperationId>, body: PeerBody, effects: &mut Effects) {
        let life = self.life;
        effects.send(MAIN, about, &PeerMessage { life, body }.encode());
    }

    /// Does what is due, and sets the timer for what will be.
    fn attend(&mut self, now: Time, effects: &mut Effects) {
        for step in self.found.drain(..) {
            effects.transaction(step);
        }
        let next = now + self.settings.decision_timeout;
        for (task, about) in self.holds.take_due(now, next) {
            if self.settings.has(Protection::LastingHolds) {
                self.send(about, PeerBody::Inquire { task }, effects);
            } else {
                self.release(now, (task, about), effects);
            }
        }
        let timeout = self.settings.lookup_timeout;
        let people = self.settings.people_of(self.place);
        for body in self.enrolment.take_due(now, timeout, &people) {
            self.send(None, body, effects);
        }
        self.set_timer(effects);
    }

    fn set_timer(&mut self, effects: &mut Effects) {
        let moments = [self.holds.next(), self.enrolment.next()];
        let next = moments.into_iter().flatten().min();
        if let Some(next) = next
            && self.timer != Some(next)
        {
            effects.set_timer(DUE, next);
        }
        self.timer = next;
    }
}

/// Whether everybody is here of whom a time is held or has been taken. Somebody else who has his line now would give it
/// again.
fn check_here(holds: &Holds, meeting: &Meeting) -> Result<(), String> {
    let names = meeting.names.iter().map(String::as_str);
    let gone: Vec<&str> = names.filter(|name| holds.times(name).is_none()).collect();
    let [first, ..] = gone[..] else {
        return Ok(());
    };
    let (stretch, gone) = (meeting.stretch, gone.join(", "));
    Err(format!(
        "{stretch} is taken or held of people who are not in the file of this server: {gone}: put their lines back, or \
         `{first};[]` for somebody who has left; nobody can move to another data server"
    ))
}

impl Service for DataServer {
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Request { ticket, .. } => {
                let refused = Reply::Refused(Refusal::NotMain);
                effects.complete(ticket, &refused.encode());
            }
            Input::Peer {
                from: MAIN,
                about,
                body,
            } => {
                if let Ok(message) = PeerMessage::decode(body) {
                    self.hear(now, about, message, effects);
                }
            }
            Input::Timer(_) => self.timer = None,
            Input::Peer { .. } | Input::OneWay { .. } | Input::Again(_) | Input::Abandoned(_) => {}
        }
        self.attend(now, effects);
    }

    fn is_settled(&self) -> bool {
        self.holds.held().is_empty()
    }

    fn begin_again(&mut self, now: Time, effects: &mut Effects) {
        self.life = self.later_life;
        self.enrolment.begin(now);
        self.set_timer(effects);
    }

    fn restore(
        &mut self,
        now: Time,
        records: &mut dyn Iterator<Item = Record>,
        effects: &mut Effects,
    ) -> Result<(), BadRecord> {
        let (holds, found) = (&mut self.holds, &mut self.found);
        let begun = (self.place, self.first_life);
        self.life = records::restore(begun, records, |stored| {
            if let Stored::Hold(_, meeting, _) | Stored::Taken(_, meeting, _) = &stored {
                check_here(holds, meeting)?;
            }
            match stored {
                Stored::Hold(task, meeting, about) => {
                    let asks = now;
                    found.push(step((task, about), Part::Hold, &meeting).found());
                    holds.hold(
                        task,
                        Hold {
                            meeting,
                            about,
                            asks,
                        },
                    );
                }
                Stored::Taken(task, meeting, about) => {
                    found.push(step((task, about), Part::Take, &meeting).found());
                    holds.taken(task, meeting);
                }
                _ => return Err("it is of a main server, and this is none".to_owned()),
            }
            Ok(())
        })?;
        records::store_server(self.place, self.life, effects);
        self.enrolment.begin(now);
        self.set_timer(effects);
        Ok(())
    }
}

#[cfg(test)]
#[path = "data_server_tests.rs"]
mod tests;
