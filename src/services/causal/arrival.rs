//! What a data centre tells whoever watches it: a line for each write that it commits, and for each that
//! stalls. They say who wrote, from where it came and at which time, as the seed's servers do.
//!
//! The lines come from the events of the trace, whose words are those of `describe` and read like words of
//! commands: what is in quotes there can hold anything.

use std::time::Duration;

use crate::clock::ms;
use crate::id::{HostId, Version};
use crate::services::quoting::{Words, breaks_lines, quote_if_needed};
use crate::trace::{Commit, Event, Line, Word};

/// Who has written what carries no name.
const SOMEONE: &str = "someone";

/// What is told of an event of a data centre.
pub(super) fn arrival(line: &Line) -> Option<String> {
    match &line.event {
        Event::Commit(commit) => committed(line.host, commit),
        Event::Service {
            word: Word::Stall,
            text,
            ..
        } => stalled(text),
        _ => None,
    }
}

/// `alice: I have lost my wedding ring! (ring, received from data centre 0 at time 3)`. The time is the
/// write's own, in Lamport's sense. Nothing, if it came in an image and is hidden.
fn committed(host: HostId, commit: &Commit) -> Option<String> {
    let mut words = Words::of_line(&commit.text).ok()?;
    let key = words.next()?.text;
    words.next().filter(|word| word.text == "=")?;
    let value = words.next()?.text;
    let _version = words.next()?;
    let (mut author, mut newer) = (None, None);
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "by" => author = words.next(),
            "than" => newer = words.next(),
            _ => {}
        }
    }
    let author = author.map_or_else(|| SOMEONE.to_owned(), |word| in_a_line(&word.text));
    let (key, value) = (quote_if_needed(&key), in_a_line(&value));
    let Version {
        replica, timestamp, ..
    } = commit.version;
    let way = match commit.taken_from {
        Some(HostId(from)) => format!("fetched from data centre {from}"),
        None if replica == host.0 => "received directly from a client".to_owned(),
        None => format!("received from data centre {replica}"),
    };
    let hidden = newer.map_or_else(String::new, |newer| format!(", older than {}", newer.text));
    let stalled = commit.stalled.map_or_else(String::new, after);
    Some(format!(
        "{author}: {value} ({key}, {way} at time {timestamp}{hidden}{stalled})"
    ))
}

/// `answer (3,1) received before ring (2,0), stalling`
fn stalled(text: &str) -> Option<String> {
    let mut words = Words::of_line(text).ok()?;
    let mut write = || Some((quote_if_needed(&words.next()?.text), words.next()?.text));
    let (key, version) = write()?;
    let _waits_for = write()?;
    let (missing_key, missing) = write()?;
    Some(format!(
        "{key} {version} received before {missing_key} {missing}, stalling"
    ))
}

/// `, after 3 s`, exact to the ms.
fn after(span: Duration) -> String {
    let (whole, rest) = (span.as_secs(), ms(span) % 1_000);
    match (whole, rest) {
        (0, rest) => format!(", after {rest} ms"),
        (whole, 0) => format!(", after {whole} s"),
        (whole, rest) => format!(", after {whole}.{rest:03} s"),
    }
}

/// A text that cannot leave its line: `\n` for a line break.
fn in_a_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if breaks_lines(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Time;
    use crate::services::causal::describe;
    use crate::services::causal::message::Entry;
    use crate::services::causal::replica::{Done, Merged};
    use crate::services::causal::write::{Dependency, Write};

    const DC1: HostId = HostId(1);

    fn version(timestamp: u64, replica: u16) -> Version {
        Version {
            timestamp,
            replica,
            life: 0,
        }
    }

    /// The write (3,0) of this author.
    fn write(key: &str, value: &str, author: &str) -> Write {
        Write {
            key: key.to_owned(),
            value: value.to_owned(),
            author: author.to_owned(),
            version: version(3, 0),
            sequence: 1,
            needs: Vec::new(),
        }
    }

    fn line(host: HostId, event: Event) -> Line {
        let at = Time::ZERO;
        Line { at, host, event }
    }

    fn commit(host: HostId, done: &Done, now_ms: u64) -> Option<String> {
        let now = Time::from_ms(now_ms);
        arrival(&line(
            host,
            Event::Commit(Commit {
                operation: None,
                version: done.write.version,
                needs: [].into(),
                stalled: done.since.map(|since| now - since),
                taken_from: None,
                text: describe::commit(done, now).into(),
            }),
        ))
    }

    fn done(write: Write) -> Done {
        Done {
            write: write.into(),
            about: None,
            since: None,
            hidden_by: None,
        }
    }

    #[test]
    fn a_commit_says_who_wrote_and_where_it_came_from() {
        let lost = write("ring", "lost!", "alice");
        assert_eq!(
            commit(DC1, &done(lost.clone()), 0).unwrap(),
            "alice: lost! (ring, received from data centre 0 at time 3)"
        );
        assert_eq!(
            commit(HostId(0), &done(lost), 0).unwrap(),
            "alice: lost! (ring, received directly from a client at time 3)"
        );
        assert_eq!(
            commit(DC1, &done(write("the ring", "", "")), 0).unwrap(),
            "someone:  ('the ring', received from data centre 0 at time 3)"
        );
    }

    #[test]
    fn a_commit_after_a_stall_says_how_long_it_was() {
        for (ms, span) in [(390, "390 ms"), (3_000, "3 s"), (3_012, "3.012 s")] {
            let done = Done {
                since: Some(Time::ZERO),
                hidden_by: Some(version(4, 1)),
                ..done(write("ring", "lost!", ""))
            };
            let end = format!("at time 3, older than (4,1), after {span})");
            let told = commit(DC1, &done, ms).unwrap();
            assert!(told.ends_with(&end), "{told}");
        }
    }

    #[test]
    fn what_an_image_brings_was_fetched() {
        let Write {
            version, sequence, ..
        } = write("", "", "");
        let key = "ring".to_owned();
        let visible = Merged::Visible(Entry {
            write: Dependency {
                version,
                sequence,
                key,
            },
            value: "lost!".to_owned(),
            author: "alice".to_owned(),
        });
        let told = |merged: &Merged| {
            arrival(&line(
                DC1,
                Event::Commit(Commit {
                    operation: None,
                    version,
                    needs: [].into(),
                    stalled: None,
                    taken_from: Some(HostId(2)),
                    text: describe::merged(merged, 2).into(),
                }),
            ))
        };
        assert_eq!(
            told(&visible).unwrap(),
            "alice: lost! (ring, fetched from data centre 2 at time 3)"
        );
        assert_eq!(told(&Merged::Hidden(version)), None);
    }

    #[test]
    fn a_stall_names_both_writes() {
        let [waiting, missing] = ["an answer", "ring"].map(|key| write(key, "", ""));
        let text = describe::stall(&waiting.as_dependency(), &missing.as_dependency());
        let stall = Event::Service {
            word: Word::Stall,
            operation: None,
            text: text.into(),
        };
        assert_eq!(
            arrival(&line(DC1, stall)).unwrap(),
            "'an answer' (3,0) received before ring (3,0), stalling"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_told_in_one_line(key: String, value: String, author in ".+") {
            let told = commit(DC1, &done(write(&key, &value, &author)), 0).unwrap();
            prop_assert_eq!(told.lines().count(), 1);
            let expected = format!(
                "{}: {} ({}, received from data centre 0 at time 3)",
                in_a_line(&author),
                in_a_line(&value),
                quote_if_needed(&key)
            );
            prop_assert_eq!(told, expected);
        }
    }
}
