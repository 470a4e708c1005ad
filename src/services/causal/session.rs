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

/// A session depends on more than a request can carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "this session depends on {0} writes, more than a request can carry; write something, and the write \
     stands for them all"
)]
pub struct TooMany(pub usize);

impl Session {
    /// What it asks, as a request.
    ///
    /// # Errors
    ///
    /// If the session depends on too much.
    pub fn request(&self, ask: Ask) -> Result<Request, TooMany> {
        let bytes: usize = self.needs.iter().map(dependency_bytes).sum();
        if self.needs.len() > DEPENDENCIES_MAX || bytes > DEPENDENCIES_BYTES_MAX {
            return Err(TooMany(self.needs.len()));
        }
        Ok(Request {
            clock: self.clock,
            needs: self.needs.iter().cloned().collect(),
            ask,
        })
    }

    /// Takes a reply in.
    pub fn hear(&mut self, reply: Reply) {
        self.clock = self.clock.max(reply.clock).min(CLOCK_MAX);
        match reply.answer {
            Answer::Found(entry) => {
                self.needs.insert(entry.write);
            }
            Answer::Put(write) => self.needs = BTreeSet::from([write]),
            Answer::Listed { entries, .. } => {
                self.needs
                    .extend(entries.into_iter().map(|entry| entry.write));
            }
            Answer::Nothing | Answer::Attached { .. } | Answer::Refused(_) => {}
        }
        for (origin, everywhere) in reply.everywhere {
            self.forget(origin, everywhere);
        }
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
        session.hear(Reply {
            clock: 0,
            everywhere: vec![(DC0, everywhere)],
            answer,
        });
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
            session.hear(Reply {
                clock,
                everywhere: Vec::new(),
                answer: Answer::Nothing,
            });
        }
        assert_eq!(session.clock(), 4);
        session.advance(3);
        assert_eq!(session.request(Ask::List).unwrap().clock, 7);
    }

    #[test]
    fn a_session_that_depends_on_too_much_says_so() {
        let mut session = Session::default();
        for timestamp in 1..=DEPENDENCIES_MAX as u64 {
            told(&mut session, Answer::Found(entry(timestamp, "x")), 0);
        }
        assert!(session.request(Ask::List).is_ok());
        told(&mut session, Answer::Found(entry(5_000, "x")), 0);
        assert_eq!(session.request(Ask::List), Err(TooMany(1_001)));
        let mut session = Session::default();
        let key = "k".repeat(255);
        for timestamp in 1..=200 {
            told(&mut session, Answer::Found(entry(timestamp, &key)), 0);
        }
        assert_eq!(session.request(Ask::List), Err(TooMany(200)));
    }
}
