//! The command grammar: one for the prompt, the one-shot command line, scenarios, and lines over TCP.
//!
//! ```text
//! NAME..                        as the seed's client has it: the same as `free NAME..`
//! free NAME..
//! register START END NAME..     START, END: whole numbers
//! ```
//!
//! Words are separated by spaces, and nothing is quoted: no name has a space in it. Whoever is called `free`
//! or `register` is asked for as `free free`.

use crate::services::meeting::codec::NAME;
use crate::services::meeting::message::{Meeting, NAMES_BYTES_MAX, NAMES_MAX, Request};
use crate::services::meeting::times::Interval;
use crate::services::{Command, CommandError, Usage};

/// The commands, for help texts.
pub(super) const USAGE: [Usage; 2] = [
    Usage::new(
        "free NAME..",
        "Ask when all of these people are free; the names alone do as well.",
    ),
    Usage::new(
        "register START END NAME..",
        "Take this time from all of these people, or from none of them.",
    ),
];

/// A word of a line, and where it stands.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    at: usize,
}

/// Reads a line.
pub(super) fn parse(line: &str) -> Result<Vec<Command>, CommandError> {
    request(line).map(|request| vec![command(&request)])
}

/// The command of a request.
pub(super) fn command(request: &Request) -> Command {
    Command {
        verb: verb(request),
        body: request.encode(),
    }
}

/// What a request is called: the first word of its command.
pub(super) const fn verb(request: &Request) -> &'static str {
    match request {
        Request::Free { .. } => "free",
        Request::Register(_) => "register",
    }
}

/// The request of a line.
///
/// # Errors
///
/// Says what was expected where the line is none.
pub fn request(line: &str) -> Result<Request, CommandError> {
    let words = words(line);
    let end = line.trim_end().len();
    match words.split_first() {
        Some((Word { text: "free", .. }, names)) => Ok(Request::Free {
            names: people(names, end)?,
        }),
        Some((
            Word {
                text: "register", ..
            },
            words,
        )) => {
            let expected = "a time and names, as in `register 1 2 lilith`";
            let [start, over, names @ ..] = words else {
                return Err(wrong(end, format!("the line ends; expected {expected}")));
            };
            let (from, to) = (number(*start)?, number(*over)?);
            let stretch = Interval::new(from, to).ok_or_else(|| {
                wrong(
                    over.at,
                    format!("the time ends at {to}; expected an end after its start at {from}"),
                )
            })?;
            let names = people(names, end)?;
            Ok(Request::Register(Meeting { stretch, names }))
        }
        _ => Ok(Request::Free {
            names: people(&words, end)?,
        }),
    }
}

fn words(line: &str) -> Vec<Word<'_>> {
    let at = |text: &str| text.as_ptr() as usize - line.as_ptr() as usize;
    line.split_whitespace()
        .map(|text| Word { text, at: at(text) })
        .collect()
}

fn people(words: &[Word<'_>], end: usize) -> Result<Vec<String>, CommandError> {
    if words.is_empty() {
        return Err(wrong(
            end,
            "the line ends; expected names, such as `lilith jameson`",
        ));
    }
    let mut bytes = size_of::<u32>();
    for (place, word) in words.iter().enumerate() {
        bytes += size_of::<u32>() + word.text.len();
        if word.text.len() > NAME.max {
            let length = word.text.len();
            return Err(wrong(
                word.at,
                format!("the name is too long: {length} bytes, at most {}", NAME.max),
            ));
        }
        if place == NAMES_MAX {
            let message = format!(
                "there are too many names, {}; expected {NAMES_MAX} at most",
                words.len()
            );
            return Err(wrong(word.at, message));
        }
        if bytes > NAMES_BYTES_MAX {
            let message = format!(
                "the names are too long for one request: those before this one take its {NAMES_BYTES_MAX} bytes, \
                 4 more for each name included"
            );
            return Err(wrong(word.at, message));
        }
    }
    Ok(words.iter().map(|word| word.text.to_owned()).collect())
}

fn number(word: Word<'_>) -> Result<u64, CommandError> {
    let is_plain = word.text.bytes().all(|byte| byte.is_ascii_digit());
    let number = word.text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| {
        wrong(
            word.at,
            format!(
                "`{}` is no time; write a whole number such as 14",
                word.text
            ),
        )
    })
}

fn wrong(at: usize, message: impl Into<String>) -> CommandError {
    CommandError {
        message: message.into(),
        at,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::services::meeting::describe;

    fn told(line: &str) -> String {
        let commands = parse(line).unwrap();
        assert_eq!(commands.len(), 1);
        let told = describe::request(&commands[0].body);
        assert!(told.starts_with(commands[0].verb), "{told}");
        told
    }

    #[test]
    fn what_is_told_of_a_command_is_a_command() {
        for line in [
            "free lilith",
            "free free register",
            "register 1 18446744073709551615 a b",
        ] {
            assert_eq!(told(line), line);
            assert_eq!(told(&format!("  {}\t", line.replace(' ', "  "))), line);
        }
    }

    #[test]
    fn names_alone_ask_when_people_are_free() {
        assert_eq!(told("lilith jameson"), "free lilith jameson");
        assert_eq!(told("o'neil"), "free o'neil");
    }

    #[test]
    fn a_mistake_is_named_where_it_stands() {
        for (line, at, expected) in [
            ("", 0, "expected names"),
            ("free ", 4, "expected names"),
            ("register 1", 10, "`register 1 2 lilith`"),
            ("register 1 2", 12, "expected names"),
            ("register one 2 a", 9, "`one` is no time"),
            ("register 1 +2 a", 11, "`+2` is no time"),
            ("register 1 18446744073709551616 a", 11, "is no time"),
            ("register 3 3 a", 11, "an end after its start at 3"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.at, at, "{line}");
            assert!(error.message.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn what_a_server_would_refuse_to_read_is_no_command() {
        let many = |count: usize| "a ".repeat(count);
        assert!(parse(&many(NAMES_MAX)).is_ok());
        assert_eq!(parse(&many(NAMES_MAX + 1)).unwrap_err().at, 2 * NAMES_MAX);
        assert!(parse(&"x".repeat(NAME.max)).is_ok());
        assert!(parse(&"x".repeat(NAME.max + 1)).is_err());
        let long = |count: usize| format!("{} ", "x".repeat(252)).repeat(count);
        assert!(Request::decode(&parse(&long(127)).unwrap()[0].body).is_ok());
        let error = parse(&long(128)).unwrap_err();
        assert!(
            error.message.contains("too long for one request"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn no_line_panics(line in any::<String>()) {
            if let Ok(commands) = parse(&line) {
                prop_assert!(Request::decode(&commands[0].body).is_ok());
            }
        }
    }
}
