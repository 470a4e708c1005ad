//! `atomicity`: once the faults have ended and all is quiet, has every transaction been taken by all of its
//! participants, or by none?
//!
//! Definition: a transaction commits if its coordinator ever decided so, and else aborts: that is what no
//! record means (presumed abort). Then (1) a decision is never reversed; (2) of one that commits, every
//! participant has taken its part; of one that aborts, none has, and none holds anything for it any more;
//! (3) a client that was told how it ended was told that.
//!
//! ```text
//! main    decides: commit t1                       valid, if a and b both have taken t1
//! a       yes      takes t1
//! b       yes               crash: hold lost       violated: a has taken t1, b has not
//! ```
//!
//! These are the properties AC1, AC2 and AC5 of Bernstein, Hadzilacos and Goodman, "Concurrency control and
//! recovery in database systems", 1987, section 7.3. Presumed abort is of Mohan, Lindsay and Obermarck,
//! "Transaction management in the R* distributed database management system", TODS 11(4), 1986.
//!
//! The caller waits for quiet: a participant that is still prepared has been forgotten, or asks in vain.

pub mod written;

use std::fmt;

use serde::Deserialize;

use crate::check::{Verdict, cite};

/// How a transaction ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Everybody takes their part.
    Commit,
    /// Nobody does.
    Abort,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit => "commit",
            Self::Abort => "abort",
        })
    }
}

/// What a participant has of a transaction in the end.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has taken its part.
    Taken,
    /// It has voted yes and waits for the decision.
    Prepared,
    /// Nothing: it was never asked, voted no, or has heard that it is over.
    Nothing,
}

/// A participant of a transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Participant {
    /// Which.
    pub name: String,
    /// What it has of the transaction in the end.
    pub standing: Standing,
}

/// A transaction, over the whole run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transaction {
    /// How evidence names it.
    pub name: String,
    /// The line of the trace in which it begins, or its own in a file, to be cited; 0 if there is none.
    pub line: u32,
    /// What its coordinator decided, each time that it did, or said that it had; nothing if it never came to that.
    pub decided: Vec<Decision>,
    /// How it ended as its client was told; `None` if the client was told nothing.
    pub told: Option<Decision>,
    /// All who were to take part.
    pub participants: Vec<Participant>,
}

impl Transaction {
    /// What is wrong with it.
    fn fault(&self) -> Option<String> {
        let name = &self.name;
        let is_decided = |decision| self.decided.contains(&decision);
        if is_decided(Decision::Commit) && is_decided(Decision::Abort) {
            return Some(format!("{name} was decided twice, to commit and to abort"));
        }
        let (end, right) = if is_decided(Decision::Commit) {
            (Decision::Commit, Standing::Taken)
        } else {
            (Decision::Abort, Standing::Nothing)
        };
        if self.participants.iter().any(|it| it.standing != right) {
            let all: Vec<String> = self.participants.iter().map(ToString::to_string).collect();
            let decision = match self.decided.first() {
                None => "was never decided".to_owned(),
                Some(_) => format!("was decided to {end}"),
            };
            return Some(format!("{name} {decision}, and {}", all.join(", ")));
        }
        let told = self.told.filter(|told| *told != end)?;
        Some(format!(
            "{name} ended with {end}, its client was told {told}"
        ))
    }
}

impl fmt::Display for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.standing {
            Standing::Taken => write!(f, "{name} has taken it"),
            Standing::Prepared => write!(f, "{name} is still prepared"),
            Standing::Nothing => write!(f, "{name} has nothing of it"),
        }
    }
}

/// Judges all transactions of a run.
#[must_use]
pub fn judge<'a>(transactions: impl IntoIterator<Item = &'a Transaction>) -> Verdict {
    let faults = transactions.into_iter().filter_map(|transaction| {
        let line = transaction.line;
        let text = transaction.fault()? + &cite::lines(&[line]);
        Some(cite::Violation { line, text })
    });
    cite::verdict(faults.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decision::{Abort, Commit};
    use Standing::{Nothing, Prepared, Taken};

    fn transaction(
        decided: &[Decision],
        told: Option<Decision>,
        (a, b): (Standing, Standing),
    ) -> Transaction {
        let participant = |(name, standing): (&str, Standing)| Participant {
            name: name.to_owned(),
            standing,
        };
        Transaction {
            name: "t1".to_owned(),
            line: 4,
            decided: decided.to_vec(),
            told,
            participants: [("a", a), ("b", b)].map(participant).to_vec(),
        }
    }

    fn verdict(
        decided: &[Decision],
        told: Option<Decision>,
        standings: (Standing, Standing),
    ) -> String {
        judge([&transaction(decided, told, standings)]).to_string()
    }

    #[test]
    fn all_have_taken_it_or_none_has() {
        assert_eq!(verdict(&[Commit], Some(Commit), (Taken, Taken)), "valid");
        assert_eq!(verdict(&[Abort], Some(Abort), (Nothing, Nothing)), "valid");
        assert_eq!(
            verdict(&[Commit], Some(Commit), (Taken, Nothing)),
            "violated  t1 was decided to commit, and a has taken it, b has nothing of it (line 4)"
        );
        assert_eq!(
            verdict(&[Abort], Some(Abort), (Nothing, Taken)),
            "violated  t1 was decided to abort, and a has nothing of it, b has taken it (line 4)"
        );
    }

    #[test]
    fn what_nobody_has_taken_was_not_decided_to_commit() {
        assert_eq!(
            verdict(&[Commit], None, (Nothing, Nothing)),
            "violated  t1 was decided to commit, and a has nothing of it, b has nothing of it (line 4)"
        );
    }

    #[test]
    fn no_decision_means_abort() {
        assert_eq!(verdict(&[], None, (Nothing, Nothing)), "valid");
        assert_eq!(verdict(&[], Some(Abort), (Nothing, Nothing)), "valid");
        assert_eq!(
            verdict(&[], None, (Taken, Taken)),
            "violated  t1 was never decided, and a has taken it, b has taken it (line 4)"
        );
    }

    #[test]
    fn nobody_waits_for_the_decision_in_the_end() {
        assert_eq!(
            verdict(&[Commit], Some(Commit), (Taken, Prepared)),
            "violated  t1 was decided to commit, and a has taken it, b is still prepared (line 4)"
        );
        assert!(verdict(&[], None, (Nothing, Prepared)).starts_with("violated"));
    }

    #[test]
    fn a_decision_is_made_once_however_often_it_is_told() {
        assert_eq!(verdict(&[Commit, Commit], None, (Taken, Taken)), "valid");
        assert_eq!(
            verdict(&[Abort, Commit], None, (Taken, Taken)),
            "violated  t1 was decided twice, to commit and to abort (line 4)"
        );
    }

    #[test]
    fn a_client_is_told_how_it_ended_or_nothing() {
        assert_eq!(verdict(&[Commit], None, (Taken, Taken)), "valid");
        assert_eq!(
            verdict(&[Commit], Some(Abort), (Taken, Taken)),
            "violated  t1 ended with commit, its client was told abort (line 4)"
        );
        assert_eq!(
            verdict(&[], Some(Commit), (Nothing, Nothing)),
            "violated  t1 ended with abort, its client was told commit (line 4)"
        );
    }

    #[test]
    fn the_first_of_several_is_shown() {
        let good = transaction(&[Commit], None, (Taken, Taken));
        let bad = transaction(&[], None, (Taken, Nothing));
        let mut later = bad.clone();
        later.line = 9;
        assert_eq!(
            judge([&later, &good, &bad]).to_string(),
            "violated  t1 was never decided, and a has taken it, b has nothing of it (line 4); 1 more"
        );
        assert_eq!(judge([]), Verdict::Valid);
    }
}
