//! The messages as bytes, big-endian; `docs/meeting.md` describes them.

use crate::services::meeting::data_file::NAME_BYTES_MAX;
use crate::services::meeting::message::{
    Answer, Entry, INTERVAL_BYTES, LINE_REPLY_BYTES_MAX, Meeting, NAMES_BYTES_MAX, NAMES_MAX,
    PeerBody, PeerMessage, Piece, Question, Refusal, Reply, Request, TaskId,
};
use crate::services::meeting::times::{Interval, Times};
use crate::wire::{Limit, Reader, WireError, Writer};

/// The name of a person or of a server.
pub const NAME: Limit = Limit::new("name", NAME_BYTES_MAX);
/// The names of a request.
pub const NAMES: Limit = Limit::new("list of names", NAMES_MAX);
/// The names of a piece: each takes 4 bytes at least, and they fit a datagram.
const NAMES_OF_PIECE: Limit = Limit::new("list of names", 16 * 1_024);
/// The intervals of a piece: each takes 16 bytes, and they fit a datagram.
const INTERVALS: Limit = Limit::new("list of times", 4 * 1_024);
/// The intervals of a reply, which may be longer over a connection.
const INTERVALS_OF_REPLY: Limit =
    Limit::new("list of times", LINE_REPLY_BYTES_MAX / INTERVAL_BYTES);
/// The pieces that are asked for.
const PIECES: Limit = Limit::new("list of pieces", 1_024);

// The kinds of requests, and of the replies of success to them.
const FREE: u8 = 1;
const REGISTER: u8 = 2;

// How a request ended: done, or the kind of refusal.
const DONE: u8 = 0;
const INVALID: u8 = 1;
const UNKNOWN: u8 = 2;
const NOT_FREE: u8 = 3;
const UNAVAILABLE: u8 = 4;
const TOO_LONG: u8 = 5;
const FULL: u8 = 6;
const NOT_MAIN: u8 = 7;

// The kinds of messages between servers.
const WHO: u8 = 1;
const NAMES_ARE: u8 = 2;
const HAS_NAMES: u8 = 3;
const NAMES_TAKEN: u8 = 4;
const LOOKUP: u8 = 5;
const TIMES: u8 = 6;
const PREPARE: u8 = 7;
const VOTE: u8 = 8;
const DECIDE: u8 = 9;
const HAS_TAKEN: u8 = 10;
const INQUIRE: u8 = 11;
const HERE: u8 = 12;

impl Request {
    /// The request as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            Self::Free { names } => {
                writer.u8(FREE);
                write_names(&mut writer, names);
            }
            Self::Register(meeting) => {
                writer.u8(REGISTER);
                write_meeting(&mut writer, meeting);
            }
        }
        writer.finish()
    }

    /// Reads a request.
    ///
    /// # Errors
    ///
    /// If the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let request = match reader.u8("kind of request")? {
            FREE => Self::Free {
                names: read_request_names(&mut reader)?,
            },
            REGISTER => Self::Register(read_meeting(&mut reader)?),
            value => return Err(unknown("kind of request", 0, value)),
        };
        reader.finish()?;
        Ok(request)
    }
}

impl Reply {
    /// The reply as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            Self::Free(answer) => {
                writer.u8(DONE);
                writer.u8(FREE);
                write_names(&mut writer, &answer.names);
                write_intervals(&mut writer, answer.times.as_slice());
                write_names(&mut writer, &answer.unknown);
                write_names(&mut writer, &answer.missing);
                write_names(&mut writer, &answer.silent);
            }
            Self::Registered(meeting) => {
                writer.u8(DONE);
                writer.u8(REGISTER);
                write_meeting(&mut writer, meeting);
            }
            Self::Refused(refusal) => write_refusal(&mut writer, refusal),
        }
        writer.finish()
    }

    /// Reads a reply.
    ///
    /// # Errors
    ///
    /// If the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let reply = match reader.u8("result code")? {
            DONE => read_success(&mut reader)?,
            code => Self::Refused(read_refusal(&mut reader, code)?),
        };
        reader.finish()?;
        Ok(reply)
    }

    /// Whether these are the bytes of a refusal, as far as their first tells.
    #[must_use]
    pub fn is_refusal(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|&code| code != DONE)
    }
}

impl PeerMessage {
    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let begin = |writer: &mut Writer, kind: u8| {
            writer.u8(kind);
            writer.u64(self.life);
        };
        match &self.body {
            PeerBody::Here => begin(&mut writer, HERE),
            PeerBody::Who { question } => {
                begin(&mut writer, WHO);
                write_question(&mut writer, *question);
            }
            PeerBody::Names {
                question,
                piece,
                names,
            } => {
                begin(&mut writer, NAMES_ARE);
                write_question(&mut writer, *question);
                write_piece(&mut writer, *piece);
                write_names(&mut writer, names);
            }
            PeerBody::HasNames {
                question,
                of,
                piece,
            } => {
                begin(&mut writer, HAS_NAMES);
                write_question(&mut writer, *question);
                writer.u64(*of);
                writer.u32(*piece);
            }
            PeerBody::NamesTaken { of, names } => {
                begin(&mut writer, NAMES_TAKEN);
                writer.u64(*of);
                write_names(&mut writer, names);
            }
            PeerBody::Lookup {
                task,
                names,
                pieces,
            } => {
                begin(&mut writer, LOOKUP);
                write_task(&mut writer, *task);
                write_names(&mut writer, names);
                writer.list(pieces, |writer, &piece| writer.u32(piece));
            }
            PeerBody::Times {
                task,
                taken,
                piece,
                entries,
            } => {
                begin(&mut writer, TIMES);
                write_task(&mut writer, *task);
                writer.u64(*taken);
                write_piece(&mut writer, *piece);
                writer.list(entries, |writer, entry| {
                    writer.str(&entry.name);
                    write_intervals(writer, &entry.times);
                });
            }
            PeerBody::Prepare { task, meeting } => {
                begin(&mut writer, PREPARE);
                write_task(&mut writer, *task);
                write_meeting(&mut writer, meeting);
            }
            PeerBody::Vote { task, against } => {
                begin(&mut writer, VOTE);
                write_task(&mut writer, *task);
                write_names(&mut writer, against);
            }
            PeerBody::Decide { task, commit } => {
                begin(&mut writer, DECIDE);
                write_task(&mut writer, *task);
                writer.u8((*commit).into());
            }
            PeerBody::Done { task } => {
                begin(&mut writer, HAS_TAKEN);
                write_task(&mut writer, *task);
            }
            PeerBody::Inquire { task } => {
                begin(&mut writer, INQUIRE);
                write_task(&mut writer, *task);
            }
        }
        writer.finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// If the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let kind = reader.u8("kind of message")?;
        let life = reader.u64("life")?;
        let body = match kind {
            HERE => PeerBody::Here,
            WHO => PeerBody::Who {
                question: read_question(&mut reader)?,
            },
            NAMES_ARE => PeerBody::Names {
                question: read_question(&mut reader)?,
                piece: read_piece(&mut reader)?,
                names: read_names(&mut reader, NAMES_OF_PIECE)?,
            },
            HAS_NAMES => PeerBody::HasNames {
                question: read_question(&mut reader)?,
                of: reader.u64("life")?,
                piece: reader.u32("number of a piece")?,
            },
            NAMES_TAKEN => PeerBody::NamesTaken {
                of: reader.u64("life")?,
                names: read_names(&mut reader, NAMES)?,
            },
            LOOKUP => PeerBody::Lookup {
                task: read_task(&mut reader)?,
                names: read_request_names(&mut reader)?,
                pieces: read_list(&mut reader, (PIECES, 4), |reader| {
                    reader.u32("number of a piece")
                })?,
            },
            TIMES => PeerBody::Times {
                task: read_task(&mut reader)?,
                taken: reader.u64("count of taken times")?,
                piece: read_piece(&mut reader)?,
                entries: read_list(&mut reader, (NAMES, 8), |reader| {
                    Ok(Entry {
                        name: reader.str(NAME)?.to_owned(),
                        times: read_intervals(reader, INTERVALS)?,
                    })
                })?,
            },
            PREPARE => PeerBody::Prepare {
                task: read_task(&mut reader)?,
                meeting: read_meeting(&mut reader)?,
            },
            VOTE => PeerBody::Vote {
                task: read_task(&mut reader)?,
                against: read_names(&mut reader, NAMES)?,
            },
            DECIDE => PeerBody::Decide {
                task: read_task(&mut reader)?,
                commit: reader.flag("whether it is a commit")?,
            },
            HAS_TAKEN => PeerBody::Done {
                task: read_task(&mut reader)?,
            },
            INQUIRE => PeerBody::Inquire {
                task: read_task(&mut reader)?,
            },
            value => return Err(unknown("kind of message", 0, value)),
        };
        reader.finish()?;
        Ok(Self { life, body })
    }
}

pub(super) fn write_names<'a>(writer: &mut Writer, names: impl IntoIterator<Item = &'a String>) {
    writer.list(names, |writer, name| writer.str(name));
}

pub(super) fn write_meeting(writer: &mut Writer, meeting: &Meeting) {
    write_interval(writer, meeting.stretch);
    write_names(writer, &meeting.names);
}

pub(super) fn write_task(writer: &mut Writer, task: TaskId) {
    writer.u64(task.life);
    writer.u64(task.number);
}

fn write_question(writer: &mut Writer, question: Question) {
    writer.u64(question.main);
    writer.u64(question.number);
}

fn write_intervals(writer: &mut Writer, intervals: &[Interval]) {
    writer.list(intervals, |writer, &it| write_interval(writer, it));
}

fn write_interval(writer: &mut Writer, interval: Interval) {
    writer.u64(interval.start());
    writer.u64(interval.end());
}

fn write_piece(writer: &mut Writer, piece: Piece) {
    writer.u32(piece.number);
    writer.u32(piece.of);
}

fn write_refusal(writer: &mut Writer, refusal: &Refusal) {
    let (code, names) = match refusal {
        Refusal::Invalid => (INVALID, None),
        Refusal::Unknown(names) => (UNKNOWN, Some(names)),
        Refusal::NotFree(names) => (NOT_FREE, Some(names)),
        Refusal::Unavailable(servers) => (UNAVAILABLE, Some(servers)),
        Refusal::TooLong => (TOO_LONG, None),
        Refusal::Full => (FULL, None),
        Refusal::NotMain => (NOT_MAIN, None),
    };
    writer.u8(code);
    if let Some(names) = names {
        write_names(writer, names);
    }
}

fn read_success(reader: &mut Reader<'_>) -> Result<Reply, WireError> {
    let at = reader.position();
    Ok(match reader.u8("kind of reply")? {
        FREE => Reply::Free(Answer {
            names: read_names(reader, NAMES)?,
            times: read_times(reader)?,
            unknown: read_names(reader, NAMES)?,
            missing: read_names(reader, NAMES)?,
            silent: read_names(reader, NAMES)?,
        }),
        REGISTER => Reply::Registered(read_meeting(reader)?),
        value => return Err(unknown("kind of reply", at, value)),
    })
}

fn read_refusal(reader: &mut Reader<'_>, code: u8) -> Result<Refusal, WireError> {
    Ok(match code {
        INVALID => Refusal::Invalid,
        UNKNOWN => Refusal::Unknown(read_names(reader, NAMES)?),
        NOT_FREE => Refusal::NotFree(read_names(reader, NAMES)?),
        UNAVAILABLE => Refusal::Unavailable(read_names(reader, NAMES)?),
        TOO_LONG => Refusal::TooLong,
        FULL => Refusal::Full,
        NOT_MAIN => Refusal::NotMain,
        value => return Err(unknown("result code", 0, value)),
    })
}

/// The names of a request: as many as a server sends on in a datagram.
fn read_request_names(reader: &mut Reader<'_>) -> Result<Vec<String>, WireError> {
    let at = reader.position();
    let names = read_names(reader, NAMES)?;
    let length = reader.position() - at;
    if length > NAMES_BYTES_MAX {
        return Err(WireError::TooLong {
            what: NAMES.what,
            at,
            length,
            max: NAMES_BYTES_MAX,
        });
    }
    Ok(names)
}

pub(super) fn read_meeting(reader: &mut Reader<'_>) -> Result<Meeting, WireError> {
    Ok(Meeting {
        stretch: read_interval(reader)?,
        names: read_request_names(reader)?,
    })
}

pub(super) fn read_task(reader: &mut Reader<'_>) -> Result<TaskId, WireError> {
    Ok(TaskId {
        life: reader.u64("life")?,
        number: reader.u64("number of a task")?,
    })
}

fn read_question(reader: &mut Reader<'_>) -> Result<Question, WireError> {
    Ok(Question {
        main: reader.u64("life of the main server")?,
        number: reader.u64("number of a question")?,
    })
}

fn read_times(reader: &mut Reader<'_>) -> Result<Times, WireError> {
    let at = reader.position();
    let intervals = read_intervals(reader, INTERVALS_OF_REPLY)?;
    Times::new(intervals).ok_or(WireError::OutOfRange {
        what: INTERVALS.what,
        at,
        value: 0,
        expected: "each to begin after the one before has ended",
    })
}

fn read_intervals(reader: &mut Reader<'_>, limit: Limit) -> Result<Vec<Interval>, WireError> {
    read_list(reader, (limit, INTERVAL_BYTES), read_interval)
}

fn read_interval(reader: &mut Reader<'_>) -> Result<Interval, WireError> {
    let start = reader.u64("start")?;
    let at = reader.position();
    let end = reader.u64("end")?;
    Interval::new(start, end).ok_or(WireError::OutOfRange {
        what: "end",
        at,
        value: u32::try_from(end).unwrap_or(u32::MAX),
        expected: "a time after the start",
    })
}

fn read_piece(reader: &mut Reader<'_>) -> Result<Piece, WireError> {
    let at = reader.position();
    let number = reader.u32("number of a piece")?;
    let of = reader.u32("count of pieces")?;
    if number >= of {
        return Err(WireError::OutOfRange {
            what: "number of a piece",
            at,
            value: number,
            expected: "a number below the count of pieces",
        });
    }
    Ok(Piece { number, of })
}

fn read_names(reader: &mut Reader<'_>, limit: Limit) -> Result<Vec<String>, WireError> {
    read_list(reader, (limit, 4), |reader| {
        reader.str(NAME).map(ToOwned::to_owned)
    })
}

/// A list whose elements take at least so many bytes each.
fn read_list<T>(
    reader: &mut Reader<'_>,
    (limit, element_bytes_min): (Limit, usize),
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let count = reader.count(limit, element_bytes_min)?;
    (0..count).map(|_| read(reader)).collect()
}

pub(super) const fn unknown(what: &'static str, at: usize, value: u8) -> WireError {
    WireError::UnknownType { what, at, value }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
pub(super) mod tests;
