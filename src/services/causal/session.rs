//! A client's session: its clock, and what its next write will depend on. Pure.

use std::collections::BTreeSet;

use crate::services::causal::codec::dependency_bytes;
use crate::services::causal::message::Ask;
use crate::services::causal::message::{
    Answer, CLOCK_MAX, DEPENDENCIES_BYTES_MAX, DEPENDENCIES_MAX, Reply, Request,
};
use crate::services::causal::write::{Dependency, Origin};

/// A client's session. It goes where the client goes.
///
/// A read adds what it found; a write that was acknowledged takes the place of all before it, which it
/// depends on itself. A write whose end is unknown changes nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Session {
    clock: u64,
    needs: BTreeSet<Dependency>,
}

/// With what a session has been shown it would depend on more than a request can carry. It has not seen it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "with this the session would depend on {0} writes, more than a request can carry; write something, \
     which stands for all before it, and read again"
)]
pub struct TooMany(pub usize);

impl Session {
    /// What it asks, as a request. What it depends on always fits.
    #[must_use]
    pub fn request(&self, ask: Ask) -> Request {
        Request {
            clock: self.clock,
            needs: self.needs.iter().cloned().collect(),
            ask,
        }
    }

    /// Takes a reply in.
    ///
    /// # Errors
    ///
    /// If the session would depend on too much. Then its client must not show what was read.
    pub fn hear(&mut self, reply: Reply) -> Result<(), TooMany> {
        self.clock = self.clock.max(reply.clock).min(CLOCK_MAX);
        for (origin, everywhere) in &reply.everywhere {
            self.forget(*origin, *everywhere);
        }
        let read = match reply.answer {
            Answer::Found(entry) => vec![entry.write],
            Answer::Put(write) => {
                self.needs = BTreeSet::from([write]);
                Vec::new()
            }
            Answer::Listed { entries, .. } => {
                entries.into_iter().map(|entry| entry.write).collect()
            }
            Answer::Nothing | Answer::Attached { .. } | Answer::Refused(_) => Vec::new(),
        };
        let mut needs = self.needs.clone();
        needs.extend(read);
        for (origin, everywhere) in reply.everywhere {
            needs.retain(|need| need.origin() != origin || need.sequence > everywhere);
        }
        let bytes: usize = needs.iter().map(dependency_bytes).sum();
        if needs.len() > DEPENDENCIES_MAX || bytes > DEPENDENCIES_BYTES_MAX {
            return Err(TooMany(needs.len()));
        }
        self.needs = needs;
        Ok(())
    }

    /// Lets the clock go on by so much, as `wait` does.
    pub fn advance(&mut self, seconds: u64) {
        self.clock = self.clock.saturating_add(seconds).min(CLOCK_MAX);
    }

    /// Its Lamport clock.
    #[must_use]
    pub const fn clock(&self) -> u64 {
        self.clock
    }

    /// What it depends on, in order of versions.
    pub fn needs(&self) -> impl Iterator<Item = &Dependency> {
        self.needs.iter()
    }

    fn forget(&mut self, origin: Origin, everywhere: u64) {
        let is_known = |need: &Dependency| need.origin() == origin && need.sequence <= everywhere;
        self.needs.retain(|need| !is_known(need));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Version;
    use crate::services::causal::message::{Entry, Refusal};

    const DC0: Origin = Origin {
        replica: 0,
        life: 0,
    };

    fn write(timestamp: u64, key: &str) -> Dependency {
        Dependency {
            version: Version {
                timestamp,
                ..Version::default()
            },
            sequence: timestamp,
            key: key.to_owned(),
        }
    }

    fn entry(timestamp: u64, key: &str) -> Entry {
        Entry {
            write: write(timestamp, key),
            value: String::new(),
            author: String::new(),
        }
    }

    fn told(session: &mut Session, answer: Answer, everywhere: u64) {
        hear(session, answer, everywhere).expect("the session has room");
    }

    fn hear(session: &mut Session, answer: Answer, everywhere: u64) -> Result<(), TooMany> {
        session.hear(Reply {
            clock: 0,
            everywhere: vec![(DC0, everywhere)],
            answer,
        })
    }

    fn timestamps(session: &Session) -> Vec<u64> {
        session.needs().map(|need| need.version.timestamp).collect()
    }

    #[test]
    fn reads_add_and_a_write_stands_for_all_before_it() {
        let mut session = Session::default();
        told(&mut session, Answer::Found(entry(5, "x")), 0);
        told(&mut session, Answer::Found(entry(7, "x")), 0);
        told(&mut session, Answer::Nothing, 0);
        let entries = vec![entry(2, "a"), entry(5, "x")];
        told(&mut session, Answer::Listed { entries, more: 0 }, 0);
        assert_eq!(timestamps(&session), [2, 5, 7]);
        told(&mut session, Answer::Refused(Refusal::Invalid), 0);
        assert_eq!(timestamps(&session), [2, 5, 7]);
        told(&mut session, Answer::Put(write(8, "y")), 0);
        assert_eq!(timestamps(&session), [8]);
    }

    #[test]
    fn what_is_known_everywhere_is_forgotten_and_nothing_else() {
        let mut session = Session::default();
        let entries = vec![entry(1, "a"), entry(2, "b"), entry(3, "c")];
        told(&mut session, Answer::Listed { entries, more: 0 }, 2);
        assert_eq!(timestamps(&session), [3]);
    }

    #[test]
    fn the_clock_is_the_latest_that_it_heard_of_and_waiting_advances_it() {
        let mut session = Session::default();
        for clock in [4, 2] {
            let heard = session.hear(Reply {
                clock,
                everywhere: Vec::new(),
                answer: Answer::Nothing,
            });
            assert_eq!(heard, Ok(()));
        }
        assert_eq!(session.clock(), 4);
        session.advance(3);
        assert_eq!(session.request(Ask::List).clock, 7);
    }

    #[test]
    fn a_session_is_not_shown_what_it_could_not_depend_on_and_a_write_makes_room() {
        let mut session = Session::default();
        for timestamp in 1..=DEPENDENCIES_MAX as u64 {
            told(&mut session, Answer::Found(entry(timestamp, "x")), 0);
        }
        let more = || Answer::Found(entry(5_000, "x"));
        assert_eq!(hear(&mut session, more(), 0), Err(TooMany(1_001)));
        assert_eq!(session.request(Ask::List).needs.len(), DEPENDENCIES_MAX);
        assert_eq!(
            hear(&mut session, more(), 1),
            Ok(()),
            "one of them is known everywhere"
        );
        told(&mut session, Answer::Put(write(6_000, "y")), 0);
        assert_eq!(session.request(Ask::List).needs.len(), 1);

        let mut session = Session::default();
        let key = "k".repeat(255);
        let fits = (1..=200_u64)
            .take_while(|&timestamp| {
                hear(&mut session, Answer::Found(entry(timestamp, &key)), 0).is_ok()
            })
            .count();
        let bytes: usize = session.needs().map(dependency_bytes).sum();
        assert!(
            fits < 200 && bytes <= DEPENDENCIES_BYTES_MAX,
            "{fits} fit, {bytes} bytes"
        );
    }
}
