//! Requests and replies as lines of text, for people with netcat and for clients that want a connection.
//!
//! ```text
//! lilith jameson                                      Available time slots: [2,3], [5,7]
//! #9f3c/1 register 5 6 lilith                         #9f3c/1 Registered [5,6] for lilith
//! #9f3c/2 hello                                       #9f3c/2 session 51d0aa17c3b8e9f4
//! #9f3c/51d0aa17c3b8e9f4/3 register 7 9 lilith        #9f3c/51d0aa17c3b8e9f4/3 Registered [7,9] for lilith
//! ```
//!
//! A request is a line, and so is its reply. A line may begin with a request id, [`LineId`], and then its reply
//! begins with the same: so a client may send it again over another connection, and the server knows it again.
//! Without one, a line is executed whenever it comes. What the words mean is the service's: [`LineFormat`].
//!
//! The lines of one connection are answered in their order; the next is begun when the one before is answered.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::id::ClientId;
use crate::rpc::message::{Message, NO_SESSION, REPLY_BODY, Refused};

/// The longest line of a request, in bytes: longer than any that a service of this crate understands.
pub const LINE_BYTES_MAX: usize = 40 * 1_024;

/// The longest line of a reply, in bytes: as text a reply takes about three times what its body does, and a server
/// that sends more than this is no server of these lines.
pub const REPLY_LINE_BYTES_MAX: usize = 4 * REPLY_BODY.max;

/// The words of a service: what its requests and replies are called in lines.
pub trait LineFormat: Sync {
    /// Reads a request: its body in the service's own encoding.
    ///
    /// # Errors
    ///
    /// Says what was expected where the line is none.
    fn read_request(&self, line: &str) -> Result<Vec<u8>, String>;

    /// Writes a request, given in the service's own encoding: a text without a line end.
    fn write_request(&self, body: &[u8]) -> String;

    /// Writes a reply, given in the service's own encoding; each line end becomes a space.
    fn write_reply(&self, body: &[u8]) -> String;

    /// Reads the reply to a request, both in the service's own encoding; `None` if it is none.
    fn read_reply(&self, request: &[u8], text: &str) -> Option<Vec<u8>>;

    /// The forms of all requests.
    fn forms(&self) -> Vec<&'static str>;
}

/// How clients of a service reach it by lines.
#[derive(Clone, Copy)]
pub struct Lines {
    /// Where its servers listen for connections, unless told otherwise.
    pub port: u16,
    /// The words of the service.
    pub format: &'static dyn LineFormat,
    /// After which time a server closes a connection on which nothing happens; not while it owes an answer.
    pub idle: Duration,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// A request id in a line: `#CLIENT/NUMBER` or `#CLIENT/SESSION/NUMBER`, client and session in up to 16
/// hexadecimal digits, the number from 1 on, in up to 10 digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LineId {
    /// The client's life.
    pub client: ClientId,
    /// The session that the server gave; [`NO_SESSION`] if the line names none, and then it is the one that the
    /// client has.
    pub session: u64,
    /// The request's number. A client that sends it waits for no lower one any more.
    pub sequence: u32,
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}/", self.client)?;
        if self.session != NO_SESSION {
            write!(f, "{:016x}/", self.session)?;
        }
        write!(f, "{}", self.sequence)
    }
}

impl FromStr for LineId {
    type Err = NoLineId;

    fn from_str(word: &str) -> Result<Self, NoLineId> {
        let read = || {
            let mut parts = word.strip_prefix('#')?.split('/');
            let (client, second) = (hexadecimal(parts.next()?)?, parts.next()?);
            let (session, number) = match parts.next() {
                Some(number) => (hexadecimal(second)?, number),
                None => (NO_SESSION, second),
            };
            let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
            let is_number = is_plain && number.len() <= NUMBER_DIGITS_MAX;
            let sequence = number.parse().ok().filter(|&it| is_number && it > 0)?;
            parts.next().is_none().then_some(Self {
                client: ClientId(client),
                session,
                sequence,
            })
        };
        read().ok_or_else(|| NoLineId(word.to_owned()))
    }
}

/// Digits of the highest number, 4294967295. A reply begins with the id as it was typed, and so it is to be short.
const NUMBER_DIGITS_MAX: usize = 10;

fn hexadecimal(digits: &str) -> Option<u64> {
    let is_plain = digits.len() <= 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| is_plain)
}

/// A word with `#` is no request id.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{}` is no request id; write up to 16 hexadecimal digits and a number from 1 in up to 10 digits, as in #9f3c/1",
    shown(.0)
)]
pub struct NoLineId(String);

/// As much of a word as a message has room for: more than any request id has.
fn shown(word: &str) -> String {
    let start: String = word.chars().take(60).collect();
    if start.len() < word.len() {
        format!("{start}..")
    } else {
        start
    }
}

/// What a line asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked<'a> {
    Nothing,
    Help,
    Quit,
    /// A session for the client of this id.
    Hello(LineId),
    /// Something of the service.
    Request(Option<LineId>, &'a str),
}

/// Reads a line of a client.
pub(super) fn read(line: &str) -> Result<Asked<'_>, NoLineId> {
    let line = line.trim();
    let (id, rest) = match line.split_once(char::is_whitespace) {
        Some((word, rest)) if word.starts_with('#') => (Some(word.parse()?), rest.trim_start()),
        None if line.starts_with('#') => (Some(line.parse()?), ""),
        _ => (None, line),
    };
    Ok(match (id, rest) {
        (None, "") => Asked::Nothing,
        (_, "help") => Asked::Help,
        (_, "quit") => Asked::Quit,
        (Some(id), "hello") => Asked::Hello(id),
        (id, request) => Asked::Request(id, request),
    })
}

/// Writes what a client sends, without the line end; `None` if lines have nothing like it.
pub(super) fn write(message: &Message<'_>, format: &dyn LineFormat) -> Option<String> {
    let id = |client, session, sequence| LineId {
        client,
        session,
        sequence,
    };
    match *message {
        Message::Request {
            client,
            session,
            sequence,
            body,
            ..
        } => {
            let words = format.write_request(body);
            Some(format!("{} {words}", id(client, session, sequence)))
        }
        Message::Hello { client, sequence } => {
            Some(format!("{} hello", id(client, NO_SESSION, sequence)))
        }
        _ => None,
    }
}

/// Writes what a server answers, without id and line end; `None` if it is for no line.
pub(super) fn write_answer(message: &Message<'_>, format: &dyn LineFormat) -> Option<String> {
    Some(match message {
        Message::Reply { body, .. } => format.write_reply(body).replace(['\r', '\n'], " "),
        Message::InProgress { .. } => IN_PROGRESS.to_owned(),
        Message::Refused { reason, .. } => format!("{REFUSED}{reason}"),
        Message::Welcome {
            session: NO_SESSION,
            ..
        } => NO_SESSIONS.to_owned(),
        Message::Welcome { session, .. } => format!("{SESSION}{session:x}"),
        _ => return None,
    })
}

const IN_PROGRESS: &str = "in progress";
const REFUSED: &str = "refused: ";
const SESSION: &str = "session ";
const NO_SESSIONS: &str = "error: this server has no sessions; one that is started with --data or --reply-cache epoch has";

/// Reads the answer to the request of this id and body, or to a hello, which has none: the datagram that says the
/// same.
pub(super) fn read_answer(
    text: &str,
    (client, sequence): (ClientId, u32),
    request: Option<&[u8]>,
    format: &dyn LineFormat,
) -> Option<Vec<u8>> {
    let reasons = [
        Refused::DifferentBody,
        Refused::Full,
        Refused::SessionExpired,
    ];
    if text == IN_PROGRESS {
        return Some(Message::InProgress { client, sequence }.encode());
    }
    if let Some(reason) = text.strip_prefix(REFUSED)
        && let Some(reason) = reasons.into_iter().find(|it| it.to_string() == reason)
    {
        let refused = Message::Refused {
            client,
            sequence,
            reason,
        };
        return Some(refused.encode());
    }
    let Some(request) = request else {
        let session = match text.strip_prefix(SESSION) {
            Some(session) => hexadecimal(session)?,
            None if text == NO_SESSIONS => NO_SESSION,
            None => return None,
        };
        let welcome = Message::Welcome {
            client,
            sequence,
            session,
        };
        return Some(welcome.encode());
    };
    let body = format.read_reply(request, text)?;
    let reply = Message::Reply {
        client,
        sequence,
        body: &body,
    };
    Some(reply.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(client: u64, session: u64, sequence: u32) -> LineId {
        LineId {
            client: ClientId(client),
            session,
            sequence,
        }
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for (id, text) in [
            (id(0x9f, 0, 1), "#000000000000009f/1"),
            (
                id(u64::MAX, 0xa, u32::MAX),
                "#ffffffffffffffff/000000000000000a/4294967295",
            ),
        ] {
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
        }
        assert_eq!("#9F/1".parse(), Ok(id(0x9f, 0, 1)));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for word in [
            "#",
            "#9f",
            "#9f/",
            "#/1",
            "#9f/0",
            "#9f/+1",
            "#+9/1",
            "#9g/1",
            "#9f/1/2/3",
            "#9f/4294967296",
            "#00000000000000001/1",
            "#9f/00000000001",
        ] {
            assert_eq!(read(word), Err(NoLineId(word.to_owned())), "{word}");
            let line = format!("{word} lilith");
            assert_eq!(read(&line), Err(NoLineId(word.to_owned())), "{line}");
        }
    }

    #[test]
    fn a_word_that_is_far_too_long_is_shown_in_part() {
        let number = "0".repeat(30_000);
        let error = format!("#9f/{number}1").parse::<LineId>().unwrap_err();
        let expected = format!("`#9f/{}..` is no request id", &number[..56]);
        let error = error.to_string();
        assert!(error.starts_with(&expected) && error.len() < 200, "{error}");
    }

    #[test]
    fn a_line_may_have_an_id() {
        let known = id(0x9f, 0, 1);
        for (line, asked) in [
            ("", Asked::Nothing),
            (" \t", Asked::Nothing),
            (" help ", Asked::Help),
            ("#9f/1 quit", Asked::Quit),
            ("#9f/1 hello", Asked::Hello(known)),
            ("hello", Asked::Request(None, "hello")),
            ("help me", Asked::Request(None, "help me")),
            ("#9f/1", Asked::Request(Some(known), "")),
            (
                " #9f/1 \tregister 5 6 é",
                Asked::Request(Some(known), "register 5 6 é"),
            ),
        ] {
            assert_eq!(read(line), Ok(asked), "{line}");
        }
    }
}
