//! What a line at the prompt, of the input or on the command line asks for.

use std::time::Duration;

use crate::cli::out::{note, say};
use crate::clock::parse_span;
use crate::services::{Application, Command, CommandError};

/// A line, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Line {
    /// An empty line, or a comment.
    Nothing,
    /// `help`, or `help COMMAND`.
    Help(Option<String>),
    /// `quit` or `exit`.
    Quit,
    /// `wait 3s`.
    Wait(Duration),
    /// Commands of the service.
    Perform(Vec<Command>),
}

impl Line {
    /// Reads a line.
    pub(super) fn of_text(application: &dyn Application, text: &str) -> Result<Self, CommandError> {
        match Self::own(application, text)? {
            Some(line) => Ok(line),
            None => application.parse(text).map(Self::Perform),
        }
    }

    /// Reads words that are split already.
    pub(super) fn of_words(
        application: &dyn Application,
        words: &[&str],
    ) -> Result<Self, CommandError> {
        match Self::own(application, &words.join(" "))? {
            Some(line) => Ok(line),
            None => application.parse_words(words).map(Self::Perform),
        }
    }

    /// The verb of the first command of the service, if there is one.
    pub(super) fn verb(&self) -> Option<&'static str> {
        match self {
            Self::Perform(commands) => commands.first().map(|command| command.verb),
            _ => None,
        }
    }

    /// The words that are the client's own, for every service that has no command of that name.
    fn own(application: &dyn Application, text: &str) -> Result<Option<Self>, CommandError> {
        let mut words = text.split_whitespace();
        let verb = words.next();
        if verb == Some(WAIT) && has_command(application, WAIT) {
            return Ok(None);
        }
        let rest: Vec<&str> = words.collect();
        let at_end = |message: &str| CommandError {
            message: message.to_owned(),
            at: text.trim_end().len(),
        };
        let one_too_many = |word: &str| CommandError {
            message: format!("`{word}` is one word too many"),
            at: text.rfind(word).unwrap_or_default(),
        };
        Ok(Some(match (verb, rest.as_slice()) {
            (None, _) => Self::Nothing,
            (Some(verb), _) if verb.starts_with('#') => Self::Nothing,
            (Some("help"), []) => Self::Help(None),
            (Some("help"), [verb]) => Self::Help(Some((*verb).to_owned())),
            (Some("quit" | "exit"), []) => Self::Quit,
            (Some("wait"), []) => {
                return Err(at_end(
                    "the line ends where a span, such as `3s`, was expected",
                ));
            }
            (Some("wait"), [span]) => {
                let at = text.rfind(span).unwrap_or_default();
                let span = parse_span(span);
                Self::Wait(span.map_err(|message| CommandError { message, at })?)
            }
            (Some("help" | "wait"), [_, word, ..]) | (Some("quit" | "exit"), [word, ..]) => {
                return Err(one_too_many(word));
            }
            _ => return Ok(None),
        }))
    }
}

/// The client's own command that a service may have, too.
const WAIT: &str = "wait";

fn has_command(application: &dyn Application, verb: &str) -> bool {
    let mut usage = application.usage().iter();
    usage.any(|usage| usage.form.split(' ').next() == Some(verb))
}

/// Prints what is wrong with a line, and where.
pub(super) fn complain(line: &str, error: &CommandError) {
    let shown: String = line.trim_end().chars().map(one_column).collect();
    let before = line.get(..error.at).unwrap_or(line).chars().count();
    let before = before.min(shown.chars().count() + 1);
    note!("wavetank: {error}\n  {shown}\n  {:before$}^", "");
}

/// What would break the columns of a line is shown as a space.
fn one_column(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// Prints the commands, or what one of them does.
pub(super) fn help(application: &dyn Application, verb: Option<&str>) -> bool {
    const OWN: [(&str, &str); 3] = [
        ("wait SPAN", "Wait for a SPAN of time: 500ms, 3s or 2m."),
        ("help [COMMAND]", "Show the commands, or one of them."),
        ("quit", "End; so do `exit` and Ctrl-D."),
    ];
    let of_service = application.usage().iter();
    let own = OWN.into_iter().filter(|(form, _)| {
        let verb = form.split(' ').next().unwrap_or_default();
        !has_command(application, verb)
    });
    let all = of_service.map(|usage| (usage.form, usage.help)).chain(own);
    let chosen: Vec<_> = all
        .filter(|(form, _)| verb.is_none_or(|verb| form.split(' ').next() == Some(verb)))
        .collect();
    for (form, help) in &chosen {
        say!("{form}\n    {help}");
    }
    !chosen.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::booking::Booking;

    fn read(text: &str) -> Result<Line, CommandError> {
        Line::of_text(&Booking::default(), text)
    }

    #[test]
    fn the_clients_own_words_are_known_everywhere() {
        for (text, line) in [
            ("  ", Line::Nothing),
            ("# a comment", Line::Nothing),
            ("help", Line::Help(None)),
            ("help book", Line::Help(Some("book".to_owned()))),
            ("exit", Line::Quit),
            ("wait 3s", Line::Wait(Duration::from_secs(3))),
        ] {
            assert_eq!(read(text), Ok(line), "{text}");
        }
        let words = Line::of_words(&Booking::default(), &["wait", "3s"]);
        assert_eq!(words, read("wait 3s"));
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, at) in [
            ("wait", 4),
            ("wait 3", 5),
            ("wait 3s 4s", 8),
            ("quit now", 5),
        ] {
            assert_eq!(read(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn every_other_line_is_the_services() {
        let Ok(Line::Perform(commands)) = read("auto-book mon..wed") else {
            panic!("a command of the service");
        };
        assert_eq!(commands.len(), 3);
    }
}
