//! The main server: clients ask it, and it asks the data servers.
//!
//! It keeps no times. A query is split among the data servers of the people that it names; a registration is
//! a transaction of two-phase commit with presumed abort, of which it is the coordinator: a decision to commit is
//! durable before anybody is told, and is forgotten when every participant has acknowledged it; of a
//! transaction without a record it says that it is aborted, unless votes are being collected.
//!
//! Requests are done in the order in which they came, as far as they are about the same people: a registration
//! waits for queries that are under way, and all wait for it until it is decided. What is decided is left out of
//! later answers, whether or not the data servers have taken it.

use std::collections::BTreeMap;

use crate::clock::Time;
use crate::id::OperationId;
use crate::rpc::service::{BadRecord, Caller, Effects, Input, Record, Service, Ticket, TimerKey};
use crate::services::meeting::asked::Asked;
use crate::services::meeting::describe::step;
use crate::services::meeting::directory::Directory;
use crate::services::meeting::message::{
    LINE_REPLY_BYTES_MAX, Meeting, PeerBody, PeerMessage, REPLY_BYTES_MAX, Refusal, Reply, Request,
    TaskId,
};
use crate::services::meeting::queries::Query;
use crate::services::meeting::records::{self, Stored};
use crate::services::meeting::registrations::{Decision, Verdict, Voting};
use crate::services::meeting::settings::{Protection, Settings};
use crate::services::meeting::turns::{Turn, Turns};
use crate::trace::{Part, TransactionStep};

/// The place of the main server.
pub const MAIN: u16 = 0;

/// The server's only timer: the next moment at which something is due.
const DUE: TimerKey = TimerKey(0);

/// The state machine behind a main server.
#[derive(Debug)]
pub struct MainServer {
    settings: Settings,
    life: u64,
    /// The life that it begins on an empty disk.
    first_life: u64,
    /// The life that it begins if it has forgotten the earlier ones.
    later_life: u64,
    /// How many lookups and transactions there were in this life.
    tasks: u64,
    directory: Directory,
    turns: Turns,
    queries: BTreeMap<TaskId, Query>,
    votings: BTreeMap<TaskId, Voting>,
    decisions: BTreeMap<TaskId, Decision>,
    /// What it has found on its disk, and not yet told.
    found: Vec<TransactionStep>,
    /// The time that the timer is set to.
    timer: Option<Time>,
}

impl MainServer {
    /// A main server that knows nobody.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            life: 1,
            first_life: 1,
            later_life: 2,
            tasks: 0,
            directory: Directory::new(1, settings.data_places()),
            turns: Turns::default(),
            queries: BTreeMap::new(),
            votings: BTreeMap::new(),
            decisions: BTreeMap::new(),
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

    fn request(
        &mut self,
        now: Time,
        (ticket, caller): (Ticket, &Caller),
        body: &[u8],
        effects: &mut Effects,
    ) {
        let request = Request::decode(body).ok();
        let Some(request) = request.filter(|request| !request.names().is_empty()) else {
            return effects.complete(ticket, &Reply::Refused(Refusal::Invalid).encode());
        };
        let asked = Asked {
            ticket: Some(ticket),
            about: caller.operation,
            since: now,
            request: request.with_each_name_once(),
            reply_bytes_max: match caller.is_connected() {
                true => LINE_REPLY_BYTES_MAX,
                false => REPLY_BYTES_MAX,
            },
            turn: Turn::default(),
        };
        if let Err(asked) = self.turns.push(asked) {
            asked.complete(&Reply::Refused(Refusal::Full), effects);
        }
    }

    fn hear(
        &mut self,
        now: Time,
        (from, about): (u16, Option<OperationId>),
        message: PeerMessage,
        effects: &mut Effects,
    ) {
        let life = message.life;
        self.directory.hear(now, from, life);
        match message.body {
            PeerBody::Names {
                question,
                piece,
                names,
            } => {
                if self.directory.hear_names(from, question, (piece, names)) {
                    self.turns.names_have_come();
                }
                let of = life;
                let piece = piece.number;
                let told = match self.directory.refused(from).map(<[_]>::to_vec) {
                    None => PeerBody::HasNames {
                        question,
                        of,
                        piece,
                    },
                    Some(names) => PeerBody::NamesTaken { of, names },
                };
                self.send((from, None), told, effects);
            }
            PeerBody::Times {
                task,
                taken,
                piece,
                entries,
            } => {
                if let Some(query) = self.queries.get_mut(&task) {
                    let clock = (now, self.settings.lookup_timeout);
                    query.hear(clock, (from, (life, taken)), piece, entries);
                }
            }
            PeerBody::Vote { task, against } => {
                self.vote(now, (from, about), (task, against), effects);
            }
            PeerBody::Done { task } => self.done(from, task, effects),
            PeerBody::Inquire { task } => self.tell_decision((from, about), task, effects),
            _ => {} // it has been heard, or is not for main servers
        }
    }

    fn vote(
        &mut self,
        now: Time,
        (from, about): (u16, Option<OperationId>),
        (task, against): (TaskId, Vec<String>),
        effects: &mut Effects,
    ) {
        let Some(voting) = self.votings.get_mut(&task) else {
            if against.is_empty() {
                self.tell_decision((from, about), task, effects); // its hold is not to last
            }
            return;
        };
        if let Some(verdict) = voting.vote(from, against, &self.settings) {
            self.decide(now, task, verdict, effects);
        }
    }

    /// Ends a vote. What is committed is stored; of what is aborted, there is no record.
    fn decide(&mut self, now: Time, task: TaskId, verdict: Verdict, effects: &mut Effects) {
        let Some(voting) = self.votings.remove(&task) else {
            return;
        };
        self.turns.end(&voting.asked);
        let about = voting.asked.about;
        let participants = voting.participants();
        let decided = Part::Decide {
            commit: verdict == Verdict::Commit,
            participants: participants[..].into(),
        };
        effects.transaction(step((task, Some(about)), decided, &voting.meeting));
        let refusal = match verdict {
            Verdict::Commit => {
                let meeting = voting.meeting;
                let of = (meeting.clone(), Some(about));
                let mut decision = Decision::new(now, of, participants);
                decision.is_stored = self.settings.has(Protection::LoggedDecisions);
                if decision.is_stored {
                    store(task, &decision, effects);
                }
                self.decisions.insert(task, decision);
                return voting.asked.complete(&Reply::Registered(meeting), effects);
            }
            Verdict::Against(names) => Refusal::NotFree(names),
            Verdict::Silent(place) => Refusal::Unavailable(vec![Settings::server_name(place)]),
        };
        let abort = PeerBody::Decide {
            task,
            commit: false,
        };
        for place in participants {
            self.send((place, Some(about)), abort.clone(), effects);
        }
        voting.asked.complete(&Reply::Refused(refusal), effects);
    }

    fn done(&mut self, from: u16, task: TaskId, effects: &mut Effects) {
        let Some(decision) = self.decisions.get_mut(&task) else {
            return;
        };
        decision.acknowledge(from);
        if decision.is_over() {
            self.decisions.remove(&task);
            records::erase_decision(task, effects);
        } else if !decision.is_stored {
            decision.is_stored = true;
            store(task, decision, effects);
        }
    }

    /// Tells a data server what was decided, unless it is not decided yet: then it asks again.
    fn tell_decision(&self, to: (u16, Option<OperationId>), task: TaskId, effects: &mut Effects) {
        if !self.votings.contains_key(&task) {
            let commit = self.decisions.contains_key(&task);
            self.send(to, PeerBody::Decide { task, commit }, effects);
        }
    }

    fn send(&self, (to, about): (u16, Option<OperationId>), body: PeerBody, effects: &mut Effects) {
        let life = self.life;
        effects.send(to, about, &PeerMessage { life, body }.encode());
    }

    /// Does what is due, begins what need not wait any more, and sets the timer for what will be.
    fn attend(&mut self, now: Time, effects: &mut Effects) {
        for step in self.found.drain(..) {
            effects.transaction(step);
        }
        for (place, question) in self.directory.take_due(now, self.settings.lookup_timeout) {
            self.send((place, None), PeerBody::Who { question }, effects);
        }
        // A decision leaves before the next vote on the same people is asked for: that waits for it.
        self.go_on_with_decisions(now, effects);
        loop {
            self.go_on_with_votes(now, effects);
            self.go_on_with_queries(now, effects);
            if !self.begin_waiting(now, effects) {
                break; // what has begun may be over at once, and others wait for it
            }
        }
        self.set_timer(effects);
    }

    fn go_on_with_queries(&mut self, now: Time, effects: &mut Effects) {
        let mut due = Vec::new();
        for (&task, query) in &mut self.queries {
            let lookups = query.take_due(now, &self.settings);
            due.extend(lookups.into_iter().map(|it| (task, query.asked.about, it)));
        }
        for (task, about, lookup) in due {
            let body = PeerBody::Lookup {
                task,
                names: lookup.names,
                pieces: lookup.pieces,
            };
            self.send((lookup.to, Some(about)), body, effects);
        }
        for (_, query) in self.queries.extract_if(.., |_, query| query.is_over()) {
            self.turns.end(&query.asked);
            query.asked.complete(&Reply::Free(query.answer()), effects);
        }
    }

    fn go_on_with_votes(&mut self, now: Time, effects: &mut Effects) {
        let tasks: Vec<TaskId> = self.votings.keys().copied().collect();
        for task in tasks {
            let Some(voting) = self.votings.get_mut(&task) else {
                continue;
            };
            let about = Some(voting.asked.about);
            match voting.take_due(now, &self.settings) {
                Ok(due) => {
                    for (place, meeting) in due {
                        self.send((place, about), PeerBody::Prepare { task, meeting }, effects);
                    }
                }
                Err(verdict) => self.decide(now, task, verdict, effects),
            }
        }
    }

    fn go_on_with_decisions(&mut self, now: Time, effects: &mut Effects) {
        let mut due = Vec::new();
        for (&task, decision) in &mut self.decisions {
            let places = decision.take_due(now, &self.settings);
            due.extend(
                places
                    .into_iter()
                    .map(|place| (task, place, decision.about)),
            );
        }
        for (task, place, about) in due {
            let commit = PeerBody::Decide { task, commit: true };
            self.send((place, about), commit, effects);
        }
    }

    /// Begins the requests that wait for nobody before them. Whether there was one.
    fn begin_waiting(&mut self, now: Time, effects: &mut Effects) -> bool {
        let patience = self.settings.patience();
        let mut has_begun = false;
        loop {
            let directory = &self.directory;
            // Whether all names are known, or can be said not to be.
            let has_names = |asked: &Asked| {
                let mut names = asked.request.names().iter();
                names.all(|name| directory.place_of(name).is_some())
                    || asked.since + patience <= now
                    || directory.unknown().next().is_none()
            };
            let Some(asked) = self.turns.next((now, patience), has_names) else {
                return has_begun;
            };
            has_begun = true;
            self.begin(now, asked, effects);
        }
    }

    fn begin(&mut self, now: Time, asked: Asked, effects: &mut Effects) {
        self.tasks += 1;
        let task = TaskId {
            life: self.life,
            number: self.tasks,
        };
        if let Request::Register(meeting) = &asked.request {
            let meeting = meeting.clone();
            return match self.places(&meeting) {
                Ok(names) => {
                    let voting = Voting::new(now, (asked, meeting), names);
                    self.votings.insert(task, voting);
                }
                Err(refusal) => {
                    self.turns.end(&asked);
                    asked.complete(&Reply::Refused(refusal), effects);
                }
            };
        }
        let directory = &self.directory;
        let decided = self.decisions.values().map(|it| &it.meeting);
        let query = Query::new(
            now,
            asked,
            |name| directory.place_of(name),
            directory.unknown(),
            decided,
        );
        self.queries.insert(task, query);
    }

    /// The people of a meeting by their data servers.
    fn places(&self, meeting: &Meeting) -> Result<BTreeMap<u16, Vec<String>>, Refusal> {
        let mut places: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for name in &meeting.names {
            match self.directory.place_of(name) {
                Some(place) => places.entry(place).or_default().push(name.clone()),
                None => unknown.push(name.clone()),
            }
        }
        let silent: Vec<String> = self
            .directory
            .unknown()
            .map(Settings::server_name)
            .collect();
        match (unknown.is_empty(), silent.is_empty()) {
            (true, _) => Ok(places),
            (false, true) => Err(Refusal::Unknown(unknown)),
            (false, false) => Err(Refusal::Unavailable(silent)),
        }
    }

    fn abandon(&mut self, ticket: Ticket) {
        self.turns.abandon(ticket);
        let is_it = |query: &Query| query.asked.ticket == Some(ticket);
        for (_, query) in self.queries.extract_if(.., |_, query| is_it(query)) {
            self.turns.end(&query.asked);
        }
        for voting in self.votings.values_mut() {
            if voting.asked.ticket == Some(ticket) {
                voting.asked.ticket = None; // it may be prepared, and goes on
            }
        }
    }

    fn set_timer(&mut self, effects: &mut Effects) {
        let patience = self.settings.patience();
        let nameless = self.turns.nameless_since();
        let moments = [
            self.directory.next(),
            self.queries.values().filter_map(Query::next).min(),
            self.votings.values().filter_map(Voting::next).min(),
            self.decisions.values().filter_map(Decision::next).min(),
            nameless.map(|since| since + patience),
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

fn store(task: TaskId, decision: &Decision, effects: &mut Effects) {
    let of = (&decision.meeting, decision.about);
    let participants = decision.participants.iter().copied();
    records::store_decision(task, of, participants, effects);
}

impl Service for MainServer {
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Request {
                ticket,
                caller,
                body,
            } => self.request(now, (ticket, caller), body, effects),
            Input::Peer { from, about, body } => {
                let is_data = (1..=self.settings.data_servers).contains(&from);
                if let Some(message) = PeerMessage::decode(body).ok().filter(|_| is_data) {
                    self.hear(now, (from, about), message, effects);
                }
            }
            Input::Timer(_) => self.timer = None,
            Input::Abandoned(ticket) => self.abandon(ticket),
            Input::OneWay { .. } | Input::Again(_) => {} // clients send none; what waits has its time
        }
        self.attend(now, effects);
    }

    fn is_settled(&self) -> bool {
        self.votings.is_empty() && self.decisions.is_empty()
    }

    fn begin_again(&mut self, _now: Time, effects: &mut Effects) {
        self.life = self.later_life;
        self.directory = Directory::new(self.life, self.settings.data_places());
        self.set_timer(effects);
    }

    fn restore(
        &mut self,
        now: Time,
        records: &mut dyn Iterator<Item = Record>,
        effects: &mut Effects,
    ) -> Result<(), BadRecord> {
        let (decisions, found) = (&mut self.decisions, &mut self.found);
        self.life = records::restore((MAIN, self.first_life), records, |stored| match stored {
            Stored::Decision(task, meeting, about, places) => {
                let decided = Part::Decide {
                    commit: true,
                    participants: places[..].into(),
                };
                found.push(step((task, about), decided, &meeting).found());
                decisions.insert(task, Decision::new(now, (meeting, about), places));
                Ok(())
            }
            _ => Err("it is of a data server, and this is none".to_owned()),
        })?;
        self.directory = Directory::new(self.life, self.settings.data_places());
        records::store_server(MAIN, self.life, effects);
        self.set_timer(effects);
        Ok(())
    }
}

#[cfg(test)]
#[path = "main_server_tests.rs"]
mod tests;
