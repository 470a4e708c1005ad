//! `convergence`: once everything has arrived, do all replicas say the same?
//!
//! Definition: when no more writes are made and the faults have ended, every replica is asked for the
//! same keys; all must give the same answers. Which answers is for other checks to say.
//!
//! ```text
//! east    write x = 1 ----\ /---->  x = 2      both ended with the write of west: valid
//! west    write x = 2 ----/ \---->  x = 2
//!
//! east    write x = 1 ----\ /---->  x = 2      each took what came last for the newest: violated
//! west    write x = 2 ----/ \---->  x = 1
//! ```
//!
//! It is the "eventual" in eventual consistency: Terry, Theimer, Petersen, Demers, Spreitzer and
//! Hauser, "Managing update conflicts in Bayou", SOSP 1995; judged at one moment after heal, as
//! convergence in Shapiro, Preguiça, Baquero and Zawirski, "Conflict-free replicated data types", SSS
//! 2011.

use crate::check::Verdict;

/// What a replica says in the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replica {
    /// Its name.
    pub name: String,
    /// What it says of each key, in an order of keys that is the same for all; or why it says nothing.
    pub state: Result<Vec<(String, String)>, String>,
}

/// Judges what all replicas say. The first is compared with each of the others.
#[must_use]
pub fn judge(replicas: &[Replica]) -> Verdict {
    let mut states = Vec::new();
    let mut silent = Vec::new();
    for Replica { name, state } in replicas {
        match state {
            Ok(state) => states.push((name, state)),
            Err(why) => silent.push(format!("{name} does not say what it holds: {why}")),
        }
    }
    let Some(((first, expected), others)) = states.split_first() else {
        return Verdict::Unknown("no replica says what it holds".to_owned());
    };
    let mut differences = others
        .iter()
        .flat_map(|(other, state)| differences((first, expected), (other, state)));
    if let Some(difference) = differences.next() {
        return Verdict::Violated(match differences.count() {
            0 => difference,
            more => format!("{difference}; {more} more"),
        });
    }
    match silent.into_iter().next() {
        Some(why) => Verdict::Unknown(why),
        None if others.is_empty() => {
            Verdict::Unknown("one replica alone has nobody to agree with".to_owned())
        }
        None => Verdict::Valid,
    }
}

type Named<'a> = (&'a str, &'a [(String, String)]);

/// Where two replicas differ, in the order of the keys; keys that one alone holds come last.
fn differences((one, of_one): Named<'_>, (other, of_other): Named<'_>) -> Vec<String> {
    let value = |state: &'_ [(String, String)], asked: &str| {
        let found = state.iter().find(|(key, _)| key == asked);
        found.map_or_else(|| "nothing".to_owned(), |(_, value)| format!("\"{value}\""))
    };
    let only_other = of_other
        .iter()
        .filter(|(key, _)| !of_one.iter().any(|(known, _)| known == key));
    let keys = of_one.iter().chain(only_other).map(|(key, _)| key);
    keys.filter_map(|key| {
        let (in_one, in_other) = (value(of_one, key), value(of_other, key));
        (in_one != in_other).then(|| format!("{key}: {one} says {in_one}, {other} says {in_other}"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(name: &str, state: &[(&str, &str)]) -> Replica {
        let pair = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        Replica {
            name: name.to_owned(),
            state: Ok(state.iter().map(pair).collect()),
        }
    }

    fn silent(name: &str) -> Replica {
        Replica {
            name: name.to_owned(),
            state: Err("no reply".to_owned()),
        }
    }

    fn verdict(replicas: &[Replica]) -> String {
        judge(replicas).to_string()
    }

    #[test]
    fn replicas_that_say_the_same_have_converged() {
        let state = [("x", "2"), ("y", "5")];
        let replicas = ["east", "west", "north"].map(|name| replica(name, &state));
        assert_eq!(verdict(&replicas), "valid");
    }

    #[test]
    fn the_first_difference_is_named_and_the_others_are_counted() {
        let east = replica("east", &[("x", "2"), ("y", "5")]);
        let west = replica("west", &[("x", "1"), ("y", "5")]);
        let north = replica("north", &[("x", "2"), ("y", "4"), ("z", "1")]);
        assert_eq!(
            verdict(&[east.clone(), west.clone()]),
            "violated  x: east says \"2\", west says \"1\""
        );
        assert_eq!(
            verdict(&[east, west, north]),
            "violated  x: east says \"2\", west says \"1\"; 2 more"
        );
    }

    #[test]
    fn a_replica_that_says_nothing_leaves_it_open_unless_others_differ() {
        let (east, west) = (
            replica("east", &[("x", "2")]),
            replica("west", &[("x", "1")]),
        );
        assert_eq!(
            verdict(&[east.clone(), silent("north"), east.clone()]),
            "unknown  north does not say what it holds: no reply"
        );
        assert_eq!(
            judge(&[east.clone(), silent("north"), west]).name(),
            "violated"
        );
        assert_eq!(judge(&[east]).name(), "unknown");
        assert_eq!(judge(&[silent("north")]).name(), "unknown");
    }
}
