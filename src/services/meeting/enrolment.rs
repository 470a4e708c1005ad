//! How a data server makes its people known to the main server. Pure.
//!
//! In a life that may not be its first one it says that it is there until it is asked. The names then go in numbered
//! pieces, some at a time, until the main server has acknowledged each. So it has heard of this life; if it has no
//! use for the answer any more, it asks again, and is told all again.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Time;
use crate::services::meeting::message::{PeerBody, Piece, Question};
use crate::services::meeting::sends::Sends;
use crate::services::meeting::settings::People;

/// How many pieces are under way at most.
const UNDER_WAY_MAX: usize = 32;

/// The names on their way to the main server.
#[derive(Debug)]
pub(super) struct Enrolment {
    /// The first name of each piece.
    firsts: Vec<String>,
    /// When it says that it is there: in a life that has begun, and has not been asked.
    announces: Option<Sends>,
    /// The last answer.
    answer: Option<Answer>,
}

/// All names, as the answer to a question.
#[derive(Debug)]
struct Answer {
    question: Question,
    /// The pieces that the main server has not acknowledged.
    missing: BTreeSet<u32>,
    under_way: BTreeSet<u32>,
    /// When those under way are sent.
    sends: Sends,
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
            announces: None,
            answer: None,
        }
    }

    /// A life has begun that may not be the first one.
    pub(super) fn begin(&mut self, now: Time) {
        self.announces = Some(Sends::at_once(now));
    }

    /// The main server asks. Who has asked this already, or something later, is being answered.
    pub(super) fn asked(&mut self, now: Time, question: Question) {
        self.announces = None;
        let is_later = |last: &Answer| {
            last.question.main != question.main || last.question.number < question.number
        };
        if self.answer.as_ref().is_none_or(is_later) {
            let mut answer = Answer {
                question,
                missing: (0..self.count()).collect(),
                under_way: BTreeSet::new(),
                sends: Sends::at_once(now),
            };
            answer.go_on(now);
            self.answer = Some(answer);
        }
    }

    /// The main server has a piece of the answer to this question.
    pub(super) fn acknowledge(&mut self, now: Time, question: Question, piece: u32) {
        if let Some(answer) = &mut self.answer
            && answer.question == question
        {
            answer.missing.remove(&piece);
            if answer.under_way.remove(&piece) && answer.under_way.is_empty() {
                answer.go_on(now);
            }
        }
    }

    /// What is to be sent now.
    pub(super) fn take_due(
        &mut self,
        now: Time,
        timeout: Duration,
        people: &People,
    ) -> Vec<PeerBody> {
        if let Some(sends) = &mut self.announces {
            let is_due = sends.take_due(now, timeout);
            return is_due.then_some(PeerBody::Here).into_iter().collect();
        }
        let Some(answer) = self.answer.as_mut().filter(|it| !it.is_over()) else {
            return Vec::new();
        };
        if !answer.sends.take_due(now, timeout) {
            return Vec::new();
        }
        let (question, due) = (answer.question, answer.under_way.clone());
        let pieces = due
            .into_iter()
            .map(|number| self.piece(question, number, people));
        pieces.collect()
    }

    /// When something is to be sent next.
    pub(super) fn next(&self) -> Option<Time> {
        let answer = self.answer.as_ref().filter(|it| !it.is_over());
        let sends = self.announces.or(answer.map(|it| it.sends));
        sends.map(|sends| sends.next())
    }

    /// Somebody who has nobody says so in one piece.
    fn count(&self) -> u32 {
        let count = u32::try_from(self.firsts.len()).unwrap_or(u32::MAX);
        count.max(1)
    }

    fn piece(&self, question: Question, number: u32, people: &People) -> PeerBody {
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
            question,
            piece: Piece { number, of },
            names,
        }
    }
}

impl Answer {
    fn is_over(&self) -> bool {
        self.under_way.is_empty()
    }

    fn go_on(&mut self, now: Time) {
        self.under_way = self.missing.iter().copied().take(UNDER_WAY_MAX).collect();
        self.sends = Sends::at_once(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::meeting::times::Times;

    const TIMEOUT: Duration = Duration::from_millis(100);
    const FIRST: Question = Question { main: 7, number: 1 };

    fn people(count: u32) -> People {
        let name = |number| (format!("p{number:04}"), Times::default());
        (0..count).map(name).collect()
    }

    fn due(enrolment: &mut Enrolment, ms: u64, people: &People) -> Vec<(u32, usize)> {
        let due = enrolment.take_due(Time::from_ms(ms), TIMEOUT, people);
        due.iter()
            .map(|body| match body {
                PeerBody::Names { piece, names, .. } => (piece.number, names.len()),
                _ => panic!("names only"),
            })
            .collect()
    }

    #[test]
    fn all_names_go_in_pieces_until_each_is_acknowledged() {
        let people = people(5);
        let mut enrolment = Enrolment::new(&people, 18); // two names of 9 bytes
        assert_eq!(enrolment.next(), None);
        enrolment.asked(Time::ZERO, FIRST);
        assert_eq!(due(&mut enrolment, 0, &people), [(0, 2), (1, 2), (2, 1)]);
        enrolment.acknowledge(Time::ZERO, FIRST, 1);
        assert_eq!(due(&mut enrolment, 99, &people), []);
        assert_eq!(due(&mut enrolment, 100, &people), [(0, 2), (2, 1)]);
        enrolment.acknowledge(Time::ZERO, FIRST, 0);
        enrolment.acknowledge(Time::ZERO, FIRST, 2);
        assert_eq!(enrolment.next(), None);
    }

    #[test]
    fn no_more_than_some_are_under_way() {
        let people = people(100);
        let mut enrolment = Enrolment::new(&people, 9);
        enrolment.asked(Time::ZERO, FIRST);
        assert_eq!(due(&mut enrolment, 0, &people).len(), UNDER_WAY_MAX);
        (0..32).for_each(|piece| enrolment.acknowledge(Time::from_ms(3), FIRST, piece));
        let sent = due(&mut enrolment, 3, &people);
        assert_eq!(
            sent.iter().map(|it| it.0).collect::<Vec<_>>(),
            (32..64).collect::<Vec<_>>()
        );
    }

    #[test]
    fn another_question_is_answered_with_all_and_a_late_copy_is_not() {
        let people = people(1);
        let mut enrolment = Enrolment::new(&people, 100);
        enrolment.asked(Time::ZERO, FIRST);
        assert_eq!(due(&mut enrolment, 0, &people), [(0, 1)], "it has asked");
        enrolment.acknowledge(Time::ZERO, FIRST, 0);
        enrolment.asked(Time::ZERO, FIRST);
        assert_eq!(enrolment.next(), None);
        let second = Question { number: 2, ..FIRST };
        enrolment.asked(Time::from_ms(9), second);
        assert_eq!(due(&mut enrolment, 9, &people), [(0, 1)]);
        enrolment.asked(Time::from_ms(10), FIRST);
        enrolment.acknowledge(Time::from_ms(10), FIRST, 0);
        assert_eq!(enrolment.next(), Some(Time::from_ms(109)), "of the first");
        enrolment.acknowledge(Time::from_ms(10), second, 0);
        assert_eq!(enrolment.next(), None);
        let restarted = Question { main: 3, number: 1 };
        enrolment.asked(Time::from_ms(20), restarted);
        assert_eq!(due(&mut enrolment, 20, &people), [(0, 1)]);
    }

    #[test]
    fn who_has_begun_says_so_until_it_is_asked() {
        let people = people(1);
        let mut enrolment = Enrolment::new(&people, 100);
        enrolment.begin(Time::ZERO);
        for ms in [0, 100] {
            let sent = enrolment.take_due(Time::from_ms(ms), TIMEOUT, &people);
            assert_eq!(sent, [PeerBody::Here]);
        }
        enrolment.asked(Time::from_ms(150), FIRST);
        assert_eq!(due(&mut enrolment, 150, &people), [(0, 1)]);
        enrolment.acknowledge(Time::from_ms(150), FIRST, 0);
        assert_eq!(enrolment.next(), None);
    }

    #[test]
    fn who_has_nobody_says_so() {
        let mut enrolment = Enrolment::new(&People::new(), 100);
        enrolment.asked(Time::ZERO, FIRST);
        assert_eq!(due(&mut enrolment, 0, &People::new()), [(0, 0)]);
    }
}
