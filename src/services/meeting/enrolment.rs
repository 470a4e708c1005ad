//! How a data server makes its people known to the main server. Pure.
//!
//! The names go in numbered pieces, some at a time, until the main server has acknowledged each. A main server
//! that is in another life than the last one heard of has forgotten them all, so it is told all again.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Time;
use crate::services::meeting::message::{PeerBody, Piece};
use crate::services::meeting::sends::Sends;
use crate::services::meeting::settings::People;

/// How many pieces are under way at most.
const UNDER_WAY_MAX: usize = 32;

/// The names on their way to the main server.
#[derive(Debug)]
pub(super) struct Enrolment {
    /// The first name of each piece.
    firsts: Vec<String>,
    /// The life of the main server that was heard of last.
    main: Option<u64>,
    /// The pieces that it has not acknowledged.
    missing: BTreeSet<u32>,
    under_way: BTreeSet<u32>,
    /// When those under way are sent; nothing before the main server is known, or this one has begun again.
    sends: Option<Sends>,
}

impl Enrolment {
    /// Of these people, in pieces of about so many bytes.
    pub(super) fn new(people: &People, piece_bytes: usize) -> Self {
        let mut firsts = Vec::new();
        let mut room = 0;
        for name in people.keys() {
            let bytes = size_of::<u32>() + name.len();
            if firsts.is_empty() || room < bytes {
                firsts.push(name.clone());
                room = piece_bytes;
            }
            room = room.saturating_sub(bytes);
        }
        Self {
            firsts,
            main: None,
            missing: BTreeSet::new(),
            under_way: BTreeSet::new(),
            sends: None,
        }
    }

    /// All is to be sent.
    pub(super) fn begin(&mut self, now: Time) {
        self.missing = (0..self.count()).collect();
        self.go_on(now);
    }

    /// The main server of this life has been heard of.
    pub(super) fn hear_main(&mut self, now: Time, life: u64) {
        let known = self.main.replace(life);
        if known != Some(life) && (known.is_some() || self.sends.is_none()) {
            self.begin(now);
        }
    }

    /// The main server has a piece.
    pub(super) fn acknowledge(&mut self, now: Time, piece: u32) {
        self.missing.remove(&piece);
        if self.under_way.remove(&piece) && self.under_way.is_empty() {
            self.go_on(now);
        }
    }

    /// The main server refuses all of them: it is of no use to go on.
    pub(super) fn give_up(&mut self) {
        self.missing.clear();
        self.under_way.clear();
    }

    /// The pieces that are to be sent now.
    pub(super) fn take_due(
        &mut self,
        now: Time,
        timeout: Duration,
        people: &People,
    ) -> Vec<PeerBody> {
        let is_due = match &mut self.sends {
            Some(sends) if !self.under_way.is_empty() => sends.take_due(now, timeout),
            _ => false,
        };
        let due = self.under_way.iter().filter(|_| is_due);
        due.map(|&number| self.piece(number, people)).collect()
    }

    /// When something is to be sent next.
    pub(super) fn next(&self) -> Option<Time> {
        let sends = self.sends.filter(|_| !self.under_way.is_empty());
        sends.map(|sends| sends.next())
    }

    fn go_on(&mut self, now: Time) {
        self.under_way = self.missing.iter().copied().take(UNDER_WAY_MAX).collect();
        self.sends = Some(Sends::at_once(now));
    }

    /// Somebody who has nobody says so in one piece.
    fn count(&self) -> u32 {
        let count = u32::try_from(self.firsts.len()).unwrap_or(u32::MAX);
        count.max(1)
    }

    fn piece(&self, number: u32, people: &People) -> PeerBody {
        let index = number as usize;
        let names = match (self.firsts.get(index), self.firsts.get(index + 1)) {
            (None, _) => Vec::new(),
            (Some(first), Some(next)) => {
                let names = people.range(first.clone()..next.clone());
                names.map(|(name, _)| name.clone()).collect()
            }
            (Some(first), None) => {
                let names = people.range(first.clone()..);
                names.map(|(name, _)| name.clone()).collect()
            }
        };
        let of = self.count();
        PeerBody::Names {
            piece: Piece { number, of },
            names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::meeting::times::Times;

    const TIMEOUT: Duration = Duration::from_millis(100);

    fn people(count: u32) -> People {
        let name = |number| (format!("p{number:04}"), Times::default());
        (0..count).map(name).collect()
    }

    fn due(enrolment: &mut Enrolment, ms: u64, people: &People) -> Vec<(u32, usize)> {
        let due = enrolment.take_due(Time::from_ms(ms), TIMEOUT, people);
        due.iter()
            .map(|body| match body {
                PeerBody::Names { piece, names } => (piece.number, names.len()),
                _ => panic!("names only"),
            })
            .collect()
    }

    #[test]
    fn all_names_go_in_pieces_until_each_is_acknowledged() {
        let people = people(5);
        let mut enrolment = Enrolment::new(&people, 18); // two names of 9 bytes
        assert_eq!(enrolment.next(), None);
        enrolment.begin(Time::ZERO);
        assert_eq!(due(&mut enrolment, 0, &people), [(0, 2), (1, 2), (2, 1)]);
        enrolment.acknowledge(Time::ZERO, 1);
        assert_eq!(due(&mut enrolment, 99, &people), []);
        assert_eq!(due(&mut enrolment, 100, &people), [(0, 2), (2, 1)]);
        enrolment.acknowledge(Time::ZERO, 0);
        enrolment.acknowledge(Time::ZERO, 2);
        assert_eq!(enrolment.next(), None);
    }

    #[test]
    fn no_more_than_some_are_under_way() {
        let people = people(100);
        let mut enrolment = Enrolment::new(&people, 9);
        enrolment.begin(Time::ZERO);
        assert_eq!(due(&mut enrolment, 0, &people).len(), UNDER_WAY_MAX);
        (0..32).for_each(|piece| enrolment.acknowledge(Time::from_ms(3), piece));
        let sent = due(&mut enrolment, 3, &people);
        assert_eq!(
            sent.iter().map(|it| it.0).collect::<Vec<_>>(),
            (32..64).collect::<Vec<_>>()
        );
    }

    #[test]
    fn another_life_of_the_main_server_is_told_all_again() {
        let people = people(1);
        let mut enrolment = Enrolment::new(&people, 100);
        enrolment.hear_main(Time::ZERO, 7);
        assert_eq!(due(&mut enrolment, 0, &people), [(0, 1)], "it has asked");
        enrolment.acknowledge(Time::ZERO, 0);
        enrolment.hear_main(Time::ZERO, 7);
        assert_eq!(enrolment.next(), None);
        enrolment.hear_main(Time::from_ms(9), 8);
        assert_eq!(due(&mut enrolment, 9, &people), [(0, 1)]);
        enrolment.give_up();
        assert_eq!(enrolment.next(), None);
    }

    #[test]
    fn the_first_answer_to_a_server_that_has_begun_is_no_news_of_another_life() {
        let people = people(1);
        let mut enrolment = Enrolment::new(&people, 100);
        enrolment.begin(Time::ZERO);
        assert_eq!(due(&mut enrolment, 0, &people), [(0, 1)]);
        enrolment.hear_main(Time::from_ms(5), 8);
        assert_eq!(due(&mut enrolment, 5, &people), []);
    }

    #[test]
    fn who_has_nobody_says_so() {
        let mut enrolment = Enrolment::new(&People::new(), 100);
        enrolment.begin(Time::ZERO);
        assert_eq!(due(&mut enrolment, 0, &People::new()), [(0, 0)]);
    }
}
