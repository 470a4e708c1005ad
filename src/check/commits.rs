//! `causal`, as the trace shows it: does any replica make a write visible before its causes?
//!
//! Definition: for each commit of a replica, every write that it depends on has been committed at that
//! replica before: that very write, and not a newer one of the same key.
//!
//! ```text
//! dc0     found (2,0) --------------------------------->  dc2: too late
//! dc1          found (2,0), read by bob; glad (3,1) -->   dc2: commits glad without found: violated
//! ```
//!
//! It is the check of dependencies of Lloyd, Freedman, Kaminsky and Andersen, "Don't settle for
//! eventual: scalable causal consistency for wide-area storage with COPS", SOSP 2011, section 4, taken
//! as a property of what replicas did. What clients saw is for [`causal`](super::causal) to judge.
//!
//! A replica that keeps its state in memory has committed nothing when a new life of it begins. When it
//! takes over what another one knows, it has committed all that this one has, also what newer writes
//! have hidden there.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::check::{Verdict, cite};
use crate::id::{HostId, Version};
use crate::trace::{Commit, Detail, Event, Line, Names};

/// What is judged of a replica, in order.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// It made a write visible.
    Commit(&'a Commit),
    /// It forgot everything.
    Forget,
}

/// Judges the steps of all replicas, each with its host and its line (0 if the trace was not kept).
pub fn judge<'a>(
    steps: impl IntoIterator<Item = (HostId, u32, Step<'a>)>,
    names: Names<'_>,
) -> Verdict {
    let steps: Vec<_> = steps.into_iter().collect();
    // What each write says where it was committed first: at home.
    let mut texts: BTreeMap<Version, Rc<str>> = BTreeMap::new();
    for (_, _, step) in &steps {
        if let Step::Commit(commit) = step {
            texts
                .entry(commit.version)
                .or_insert_with(|| commit.text.clone());
        }
    }
    let mut committed: BTreeMap<HostId, BTreeSet<Version>> = BTreeMap::new();
    let mut violations = Vec::new();
    for (host, line, step) in steps {
        if let Step::Commit(Commit {
            taken_from: Some(from),
            ..
        }) = step
        {
            let known = committed.get(from).cloned().unwrap_or_default();
            committed.entry(host).or_default().extend(known);
        }
        let here = committed.entry(host).or_default();
        match step {
            Step::Forget => here.clear(),
            Step::Commit(commit) => {
                if let Some(missing) = commit.needs.iter().find(|need| !here.contains(need)) {
                    violations.push(cite::Violation {
                        line,
                        text: format!(
                            "{} committed {} before {}, which it depends on{}",
                            names.host(host),
                            commit.text,
                            texts
                                .get(missing)
                                .map_or_else(|| missing.to_string(), Rc::to_string),
                            cite::lines(&[line])
                        ),
                    });
                }
                here.insert(commit.version);
            }
        }
    }
    cite::verdict(violations)
}

/// What a recorder kept, for [`judge`]; `forgets` says whether a replica that crashes forgets.
pub fn from_lines(
    lines: &[Line],
    detail: Detail,
    forgets: bool,
) -> impl Iterator<Item = (HostId, u32, Step<'_>)> {
    cite::numbers(detail)
        .zip(lines)
        .filter_map(move |(number, line)| {
            let step = match &line.event {
                Event::Commit(commit) => Step::Commit(commit),
                Event::Crash { .. } if forgets => Step::Forget,
                _ => return None,
            };
            Some((line.host, number, step))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUND: Version = version(2, 0);
    const GLAD: Version = version(3, 1);

    const fn version(timestamp: u64, replica: u16) -> Version {
        Version {
            timestamp,
            replica,
            life: 0,
        }
    }

    fn commit(version: Version, needs: &[Version]) -> Commit {
        Commit {
            operation: None,
            version,
            needs: needs.into(),
            stalled: None,
            taken_from: None,
            text: format!("k {version}").into(),
        }
    }

    fn verdict(steps: &[(u16, Option<&Commit>)]) -> String {
        let steps = (1..).zip(steps).map(|(line, (host, commit))| {
            let step = commit.map_or(Step::Forget, Step::Commit);
            (HostId(*host), line, step)
        });
        let names = ["dc0".to_owned(), "dc1".to_owned()];
        judge(steps, Names(&names)).to_string()
    }

    #[test]
    fn a_cause_that_came_first_at_this_replica_is_enough() {
        let (found, glad) = (commit(FOUND, &[]), commit(GLAD, &[FOUND]));
        let steps = [
            (0, Some(&found)),
            (1, Some(&found)),
            (1, Some(&glad)),
            (0, Some(&glad)),
        ];
        assert_eq!(verdict(&steps), "valid");
    }

    #[test]
    fn a_cause_that_came_to_another_replica_only_is_not() {
        let (found, glad) = (commit(FOUND, &[]), commit(GLAD, &[FOUND]));
        assert_eq!(
            verdict(&[(0, Some(&found)), (1, Some(&glad)), (1, Some(&found))]),
            "violated  dc1 committed k (3,1) before k (2,0), which it depends on (line 2)"
        );
    }

    #[test]
    fn a_newer_write_does_not_stand_in() {
        let (newer, glad) = (commit(version(9, 0), &[]), commit(GLAD, &[FOUND]));
        assert!(verdict(&[(0, Some(&newer)), (0, Some(&glad))]).starts_with("violated"));
    }

    #[test]
    fn what_was_forgotten_is_not_there() {
        let (found, glad) = (commit(FOUND, &[]), commit(GLAD, &[FOUND]));
        let steps = [(0, Some(&found)), (0, None), (0, Some(&glad))];
        assert!(verdict(&steps).starts_with("violated"));
        assert_eq!(verdict(&[steps[0], (1, None), steps[2]]), "valid");
    }

    #[test]
    fn what_a_replica_takes_over_it_has_committed_with_all_that_was_hidden_there() {
        let (found, glad) = (commit(FOUND, &[]), commit(GLAD, &[FOUND]));
        let newer = commit(version(9, 0), &[]);
        let mut taken = newer.clone();
        taken.taken_from = Some(HostId(0));
        let steps = [
            (0, Some(&found)),
            (0, Some(&newer)),
            (1, None),
            (1, Some(&taken)),
            (1, Some(&glad)),
        ];
        assert_eq!(verdict(&steps), "valid");
        let without = [steps[1], steps[2], steps[3], steps[4]];
        assert!(verdict(&without).starts_with("violated"));
    }
}
