//! Messages of the meeting scheduler: requests, replies, and what its servers send each other.
//!
//! [`super::codec`] carries them as bytes; `docs/meeting.md` describes them byte by byte.

use std::collections::BTreeSet;
use std::fmt;

use crate::services::meeting::times::{Interval, Times};

/// How many names a request has at most.
pub const NAMES_MAX: usize = 1_000;

/// How many bytes they take at most, each with the 4 of its length: what a server sends on of them is to
/// fit a datagram.
pub const NAMES_BYTES_MAX: usize = 32 * 1_024;

/// How many bytes a reply takes at most for a client of datagrams, so that it fits one.
pub const REPLY_BYTES_MAX: usize = 60 * 1_024;

/// How many bytes a reply takes at most for a client of lines.
pub const LINE_REPLY_BYTES_MAX: usize = crate::rpc::message::REPLY_BODY.max;

/// How many bytes an interval takes in a reply.
pub(super) const INTERVAL_BYTES: usize = 16;

/// How many pieces of a reply to a lookup are asked for at once; so many are sent unasked.
pub const PIECES_AT_ONCE: usize = 32;

/// A request of a client to the main server. Names are case-sensitive; one that stands there twice counts once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// When all of these people are free.
    Free {
        /// Their names.
        names: Vec<String>,
    },
    /// That this time is taken from all of these people, or from none of them.
    Register(Meeting),
}

/// A time, and from whom it is taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Meeting {
    /// When.
    pub stretch: Interval,
    /// Whose time.
    pub names: Vec<String>,
}

/// A reply of the main server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// When people are free.
    Free(Answer),
    /// The time has been taken from all.
    Registered(Meeting),
    /// It was not done.
    Refused(Refusal),
}

/// When people are free, as far as is known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// Whose times these are.
    pub names: Vec<String>,
    /// When all of them are free; it says nothing if there are none of them.
    pub times: Times,
    /// Who does not exist.
    pub unknown: Vec<String>,
    /// Of whom nothing is known at present, as their server does not answer: the answer is incomplete.
    pub missing: Vec<String>,
    /// The servers that do not answer.
    pub silent: Vec<String>,
}

/// Why a request was not done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The body is no request.
    Invalid,
    /// These people do not exist.
    Unknown(Vec<String>),
    /// These people, and maybe others, are not free then.
    NotFree(Vec<String>),
    /// These servers do not answer: nothing is registered.
    Unavailable(Vec<String>),
    /// The reply would be longer than one may be on the way that the request came.
    TooLong,
    /// Too many requests wait.
    Full,
    /// A data server was asked; clients ask the main server.
    NotMain,
}

/// A lookup or a transaction of the main server: the number of its life, and a count within that. It never
/// repeats.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TaskId {
    /// The life of the main server.
    pub life: u64,
    /// The number within the life, from 1.
    pub number: u64,
}

/// A question of the main server to a data server, whom it has: the number of the main server's life, and a count
/// within that for each data server. It never repeats.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Question {
    /// The life of the main server.
    pub main: u64,
    /// The number within the life, from 1.
    pub number: u64,
}

/// A message from one server to another. It may be lost, doubled, delayed or overtaken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerMessage {
    /// The life of the sender.
    pub life: u64,
    /// What it says.
    pub body: PeerBody,
}

/// What a server tells another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeerBody {
    /// A data server has begun a life, and is to be asked whom it has.
    Here,
    /// The main server asks a data server whom it has.
    Who {
        /// Names the question.
        question: Question,
    },
    /// A data server has these people, among others.
    Names {
        /// The question that it answers.
        question: Question,
        /// Which piece of its names this is.
        piece: Piece,
        /// The names.
        names: Vec<String>,
    },
    /// The main server has this piece of the answer of this life of a data server.
    HasNames {
        /// The question that was answered.
        question: Question,
        /// The life.
        of: u64,
        /// The piece, from 0.
        piece: u32,
    },
    /// The main server has people of these names from another data server already: this one is to stop.
    NamesTaken {
        /// The life of the data server that is refused.
        of: u64,
        /// Some of the names.
        names: Vec<String>,
    },
    /// The main server asks when people are free.
    Lookup {
        /// Names the lookup.
        task: TaskId,
        /// Who.
        names: Vec<String>,
        /// Which pieces of the reply are missing; none before anything is known of it.
        pieces: Vec<u32>,
    },
    /// When people are free.
    Times {
        /// The lookup.
        task: TaskId,
        /// How many times have been taken from these people, counted for each of them: pieces with different
        /// counts are of different replies.
        taken: u64,
        /// Which piece of the reply this is.
        piece: Piece,
        /// Parts of the times of some of the people.
        entries: Vec<Entry>,
    },
    /// The main server asks whether a time can be taken from all of these people.
    Prepare {
        /// Names the transaction.
        task: TaskId,
        /// When, and who: those of them that the data server has.
        meeting: Meeting,
    },
    /// A data server has voted.
    Vote {
        /// The transaction.
        task: TaskId,
        /// Who is not free then: if nobody, it is a yes.
        against: Vec<String>,
    },
    /// The main server has decided.
    Decide {
        /// The transaction.
        task: TaskId,
        /// Whether the time is taken.
        commit: bool,
    },
    /// A data server has taken the time.
    Done {
        /// The transaction.
        task: TaskId,
    },
    /// A data server that has voted yes asks what was decided.
    Inquire {
        /// The transaction.
        task: TaskId,
    },
}

/// Which piece of something large a message carries.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Piece {
    /// Its number, from 0.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// A part of the times of somebody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Whose.
    pub name: String,
    /// They follow those of earlier pieces.
    pub times: Vec<Interval>,
}

impl Request {
    /// Whom it is about.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Free { names } | Self::Register(Meeting { names, .. }) => names,
        }
    }

    /// The same request, without copies of names.
    #[must_use]
    pub(super) fn with_each_name_once(mut self) -> Self {
        let mut seen = BTreeSet::new();
        let (Self::Free { names } | Self::Register(Meeting { names, .. })) = &mut self;
        names.retain(|name| seen.insert(name.clone()));
        self
    }
}

impl Answer {
    /// Whether every server that was to be asked has answered.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

impl Meeting {
    /// Whether it takes time of this person.
    #[must_use]
    pub fn takes_from(&self, name: &str) -> bool {
        self.names.iter().any(|it| it == name)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.life, self.number)
    }
}

impl fmt::Display for Answer {
    /// As in the seed's session: a line for each that does not exist, then the times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        let unknown = self.unknown.iter();
        lines.extend(unknown.map(|name| format!("{name} does not exist.")));
        if !self.is_complete() {
            let (servers, people) = (self.silent.join(", "), self.missing.join(", "));
            lines.push(format!(
                "No answer from server {servers}: incomplete, without {people}."
            ));
        }
        if !self.names.is_empty() {
            let of = match lines.is_empty() {
                true => String::new(),
                false => format!(" for {}", self.names.join(", ")),
            };
            lines.push(format!("Available time slots{of}: {}", self.times));
        }
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("invalid request"),
            Self::Unknown(names) => {
                let do_not = if names.len() == 1 { "does" } else { "do" };
                write!(
                    f,
                    "{} {do_not} not exist: nothing is registered",
                    names.join(", ")
                )
            }
            Self::NotFree(names) => write!(f, "not free: {}", names.join(", ")),
            Self::Unavailable(servers) => {
                let servers = servers.join(", ");
                write!(f, "no answer from server {servers}: nothing is registered")
            }
            Self::TooLong => {
                let [datagram, line] =
                    [REPLY_BYTES_MAX, LINE_REPLY_BYTES_MAX].map(|bytes| bytes / INTERVAL_BYTES);
                write!(
                    f,
                    "the answer has too many times: at most {datagram} fit a datagram, and {line} a line over TCP"
                )
            }
            Self::Full => f.write_str("too many requests wait"),
            Self::NotMain => f.write_str("this is a data server: ask the main server"),
        }
    }
}
