//! The command grammar: one for the prompt, the one-shot command line and scenarios.
//!
//! ```text
//! put KEY VALUE
//! get KEY
//! list
//! move dc2
//! wait SPAN            SPAN: 500ms | 3s | 2m, or 3 for 3s
//! lost | found | glad  the seed's names for three puts
//! ```
//!
//! Keys and values with spaces stand in quotes (see `services::quoting`).

use std::time::Duration;

use crate::clock::{ms, parse_span};
use crate::services::causal::codec::{KEY, VALUE};
use crate::services::causal::message::{Ask, Request};
use crate::services::quoting::{Word, Words};
use crate::services::{Command, CommandError, Usage};
use crate::wire::Limit;

/// The commands, for help texts.
pub(super) const USAGE: [Usage; 8] = [
    Usage {
        form: "put KEY VALUE",
        help: "Write a key.",
    },
    Usage {
        form: "get KEY",
        help: "Read a key.",
    },
    Usage {
        form: "list",
        help: "Read every key of the data centre.",
    },
    Usage {
        form: "move DATA-CENTRE",
        help: "Go on at another data centre: dc2.",
    },
    Usage {
        form: "wait SPAN",
        help: "Wait for a SPAN of time (3s, or 3); the Lamport clock goes on by its seconds.",
    },
    Usage {
        form: "lost",
        help: "put ring 'I have lost my wedding ring!'",
    },
    Usage {
        form: "found",
        help: "put ring 'I have found my wedding ring!'",
    },
    Usage {
        form: "glad",
        help: "put answer 'I am glad to hear that!'",
    },
];

/// The seed's writes.
const LOST: (&str, &str) = ("ring", "I have lost my wedding ring!");
const FOUND: (&str, &str) = ("ring", "I have found my wedding ring!");
const GLAD: (&str, &str) = ("answer", "I am glad to hear that!");

/// Reads a line; there are so many data centres.
pub(super) fn parse(line: &str, data_centres: u16) -> Result<Vec<Command>, CommandError> {
    command_of(Words::of_line(line)?, data_centres)
}

/// Reads words that are split already. A single word is read as a line: a command of one word needs no
/// quotes.
pub(super) fn parse_words(words: &[&str], data_centres: u16) -> Result<Vec<Command>, CommandError> {
    match words {
        [line] => parse(line, data_centres),
        _ => command_of(Words::of_words(words), data_centres),
    }
}

/// A command: what is asked, of no session and no author yet. The client puts its own in.
pub(super) fn command(ask: Ask) -> Command {
    let verb = match ask {
        Ask::Get { .. } => "get",
        Ask::Put { .. } => "put",
        Ask::List => "list",
        Ask::Attach { .. } => "move",
        Ask::Wait { .. } => "wait",
    };
    let request = Request {
        clock: 0,
        needs: Vec::new(),
        ask,
    };
    Command {
        verb,
        body: request.encode(),
    }
}

/// The error that a word is none of the verbs.
pub(super) fn no_command(word: &str) -> String {
    let first_word = |usage: &Usage| usage.form.split(' ').next();
    let verbs: Vec<_> = USAGE.iter().filter_map(first_word).collect();
    format!("`{word}` is no command; write {}", verbs.join(", "))
}

fn command_of(mut words: Words, data_centres: u16) -> Result<Vec<Command>, CommandError> {
    let verb = words.expect("a command, such as `put` or `get`,")?;
    let ask = match verb.text.as_str() {
        "put" => Ask::Put {
            key: key(&mut words)?,
            value: within(VALUE, words.expect("a value, such as `1` or 'two words',")?)?,
            author: String::new(),
        },
        "get" => Ask::Get {
            key: key(&mut words)?,
        },
        "list" => Ask::List,
        "move" => Ask::Attach {
            to: data_centre(
                &words.expect("a data centre, such as `dc1`,")?,
                data_centres,
            )?,
        },
        "wait" => {
            let word = words.expect("a span, such as `3s`,")?;
            Ask::Wait {
                ms: ms(span(&word)?),
            }
        }
        "lost" => put(LOST),
        "found" => put(FOUND),
        "glad" => put(GLAD),
        other => return Err(verb.error(no_command(other))),
    };
    match words.next() {
        Some(word) => Err(word.error(format!("`{}` is one word too many", word.text))),
        None => Ok(vec![command(ask)]),
    }
}

fn put((key, value): (&str, &str)) -> Ask {
    Ask::Put {
        key: key.to_owned(),
        value: value.to_owned(),
        author: String::new(),
    }
}

/// A span of time; a number alone is one of seconds, as the seed has it.
fn span(word: &Word) -> Result<Duration, CommandError> {
    let is_number = word.text.bytes().all(|byte| byte.is_ascii_digit());
    let unit = if is_number { "s" } else { "" };
    parse_span(&format!("{}{unit}", word.text)).map_err(|message| word.error(message))
}

fn key(words: &mut Words) -> Result<String, CommandError> {
    within(KEY, words.expect("a key, such as `ring`,")?)
}

/// The text of a word, if a data centre will read that much.
fn within(limit: Limit, word: Word) -> Result<String, CommandError> {
    let Limit { what, max } = limit;
    match word.text.len() {
        bytes if bytes > max => Err(word.error(format!(
            "the {what} is too long: {bytes} bytes, at most {max}"
        ))),
        _ => Ok(word.text),
    }
}

fn data_centre(word: &Word, data_centres: u16) -> Result<u16, CommandError> {
    let number = word.text.strip_prefix("dc").and_then(|it| it.parse().ok());
    number
        .filter(|&number| number < data_centres)
        .ok_or_else(|| {
            word.error(format!(
                "`{}` is no data centre; write dc0 to dc{}",
                word.text,
                data_centres - 1
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::causal::describe;

    /// The commands of a line, told again.
    fn told(line: &str) -> String {
        let commands = parse(line, 3).unwrap();
        let bodies = commands
            .iter()
            .map(|command| describe::request(&command.body));
        bodies.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_is_told_of_a_command_is_a_command() {
        for line in [
            "put ring 'I have lost my wedding ring!'",
            "put 'the ring' \"it's\"",
            "get ring",
            "list",
            "move dc2",
            "wait 500ms",
        ] {
            assert_eq!(told(line), line);
        }
        assert_eq!(told("wait 3s"), "wait 3000ms");
        assert_eq!(told("wait 3"), told("wait 3s"));
    }

    #[test]
    fn the_seeds_names_are_puts() {
        assert_eq!(told("lost"), "put ring 'I have lost my wedding ring!'");
        assert_eq!(told("found"), "put ring 'I have found my wedding ring!'");
        assert_eq!(told("glad"), "put answer 'I am glad to hear that!'");
        assert_eq!(parse("glad", 3).unwrap()[0].verb, "put");
    }

    #[test]
    fn words_of_a_shell_need_no_quotes() {
        let split = parse_words(&["put", "ring", "in the sea"], 3).unwrap();
        assert_eq!(split, parse("put ring 'in the sea'", 3).unwrap());
        assert_eq!(parse_words(&["list"], 3), parse("list", 3));
    }

    #[test]
    fn what_is_no_command_is_refused_where_it_is_wrong() {
        let long = format!("put ring {}", "x".repeat(4_097));
        for (line, at, part) in [
            ("", 0, "expected a command"),
            ("set ring 1", 0, "write put, get, list"),
            ("put ring", 8, "expected a value"),
            ("get ring now", 9, "one word too many"),
            ("move dc3", 5, "write dc0 to dc2"),
            ("move 2", 5, "write dc0 to dc2"),
            ("wait soon", 5, "not a span"),
            ("wait -3", 5, "not a span"),
            (long.as_str(), 9, "4097 bytes, at most 4096"),
        ] {
            let error = parse(line, 3).unwrap_err();
            assert_eq!(error.at, at, "{line}: {error}");
            assert!(error.message.contains(part), "{line}: {error}");
        }
    }
}
