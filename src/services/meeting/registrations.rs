//! Registrations under way at the main server: those on which data servers vote, and those that are decided and
//! that not all of them have acknowledged. Pure.

use std::collections::BTreeMap;

use crate::clock::Time;
use crate::id::OperationId;
use crate::services::meeting::asked::Asked;
use crate::services::meeting::message::Meeting;
use crate::services::meeting::sends::{Attempts, Due, Sends};
use crate::services::meeting::settings::{Protection, Settings};

/// A registration on which data servers vote.
#[derive(Debug)]
pub(super) struct Voting {
    pub(super) asked: Asked,
    pub(super) meeting: Meeting,
    ballots: BTreeMap<u16, Ballot>,
    /// How many votes for it have come, copies of votes included.
    votes: usize,
}

/// What is asked of one data server.
#[derive(Debug)]
struct Ballot {
    meeting: Meeting,
    is_for: bool,
    attempts: Attempts,
}

/// How a vote ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// All have voted yes.
    Commit,
    /// A data server has voted no, as these people are not free.
    Against(Vec<String>),
    /// A data server has not voted in time.
    Silent(u16),
}

/// A registration that will be: it is decided.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) meeting: Meeting,
    pub(super) about: Option<OperationId>,
    pub(super) participants: Vec<u16>,
    /// Whether it is stored, which it is from the start, unless that protection is left out.
    pub(super) is_stored: bool,
    waiting: BTreeMap<u16, Sends>,
}

impl Voting {
    /// All of these people are at these places, and nobody has voted.
    pub(super) fn new(
        now: Time,
        (asked, meeting): (Asked, Meeting),
        names: BTreeMap<u16, Vec<String>>,
    ) -> Self {
        let stretch = meeting.stretch;
        let ballot = |names| Ballot {
            meeting: Meeting { stretch, names },
            is_for: false,
            attempts: Attempts::at_once(now),
        };
        let ballots = names.into_iter();
        Self {
            asked,
            meeting,
            ballots: ballots
                .map(|(place, names)| (place, ballot(names)))
                .collect(),
            votes: 0,
        }
    }

    /// Takes a vote in. Whether it decides.
    pub(super) fn vote(
        &mut self,
        from: u16,
        against: Vec<String>,
        settings: &Settings,
    ) -> Option<Verdict> {
        let ballot = self.ballots.get_mut(&from)?;
        if !against.is_empty() {
            return Some(Verdict::Against(against));
        }
        ballot.is_for = true;
        self.votes += 1;
        let is_decided = if settings.has(Protection::VotesByName) {
            self.ballots.values().all(|ballot| ballot.is_for)
        } else {
            self.votes >= self.ballots.len()
        };
        is_decided.then_some(Verdict::Commit)
    }

    /// Whom to ask for a vote now; or that somebody has been silent for too long.
    pub(super) fn take_due(
        &mut self,
        now: Time,
        settings: &Settings,
    ) -> Result<Vec<(u16, Meeting)>, Verdict> {
        let (timeout, attempts) = (settings.lookup_timeout, settings.lookup_attempts);
        let mut due = Vec::new();
        for (&place, ballot) in self.ballots.iter_mut().filter(|(_, it)| !it.is_for) {
            match ballot.attempts.take_due(now, timeout, attempts) {
                Due::Nothing => {}
                Due::Send => due.push((place, ballot.meeting.clone())),
                Due::GiveUp => return Err(Verdict::Silent(place)),
            }
        }
        Ok(due)
    }

    /// When something is to be done next.
    pub(super) fn next(&self) -> Option<Time> {
        let open = self.ballots.values().filter(|it| !it.is_for);
        open.map(|it| it.attempts.next()).min()
    }

    /// Who takes part.
    pub(super) fn participants(&self) -> Vec<u16> {
        self.ballots.keys().copied().collect()
    }
}

impl Decision {
    /// All participants are to be told.
    pub(super) fn new(
        now: Time,
        (meeting, about): (Meeting, Option<OperationId>),
        participants: Vec<u16>,
    ) -> Self {
        let sends = |&place| (place, Sends::at_once(now));
        Self {
            meeting,
            about,
            waiting: participants.iter().map(sends).collect(),
            participants,
            is_stored: true,
        }
    }

    /// A participant has acknowledged it.
    pub(super) fn acknowledge(&mut self, from: u16) {
        self.waiting.remove(&from);
    }

    /// Whether all have acknowledged it.
    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whom to tell now.
    pub(super) fn take_due(&mut self, now: Time, settings: &Settings) -> Vec<u16> {
        let timeout = settings.decision_timeout;
        let waiting = self.waiting.iter_mut();
        let due = waiting.filter_map(|(&place, it)| it.take_due(now, timeout).then_some(place));
        due.collect()
    }

    /// When somebody is to be told next.
    pub(super) fn next(&self) -> Option<Time> {
        self.waiting.values().map(|sends| sends.next()).min()
    }
}
