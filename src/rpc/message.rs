//! The envelope of format v2: what stands around the body of every message.
//!
//! A datagram begins with the bytes `WT`, the version 2 and the kind of message; `docs/wire.md`
//! describes the rest byte by byte. A datagram with any other first byte is of a service's format v1,
//! whose message types stay clear of `W`.
//!
//! The envelope names requests and nothing else; what a body means is the service's. Every message
//! between a client and a server carries a client id: a client drops what is not addressed to its own
//! life. One between servers carries the number of the server that sends it.

use std::fmt;

use crate::id::ClientId;
use crate::net::DATAGRAM_BYTES_MAX;
use crate::wire::{Limit, Reader, SharedBytes, WireError};

/// What a datagram of format v2 begins with: `WT`.
pub const MAGIC: [u8; 2] = *b"WT";

/// The version that follows the magic.
pub const VERSION: u8 = 2;

/// The longest body: with the longest envelope, that of a request, it fills a datagram.
pub const BODY: Limit = Limit::new("body", DATAGRAM_BYTES_MAX - REQUEST_BYTES);

/// The longest reply. It fits no datagram: to a client of lines it goes over a connection, where it takes about
/// three times that as text.
pub const REPLY_BODY: Limit = Limit::new("body", 2 * 1_024 * 1_024);

/// Magic, version, kind and client id: every message begins with them.
const HEADER_BYTES: usize = 12;
/// Header and sequence.
const NUMBERED_BYTES: usize = HEADER_BYTES + 4;
/// Header, session, sequence, awaited, body length.
const REQUEST_BYTES: usize = HEADER_BYTES + 8 + 4 + 4 + 4;

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const IN_PROGRESS: u8 = 3;
const REFUSED: u8 = 4;
const UPDATE: u8 = 5;
const ONE_WAY: u8 = 6;
const HELLO: u8 = 7;
const WELCOME: u8 = 8;
const PEER: u8 = 9;

/// A message of format v2.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Message<'a> {
    /// A client's request, or a retransmission of it: the same bytes.
    Request {
        /// The client's life.
        client: ClientId,
        /// The session that the server gave; [`NO_SESSION`] for none.
        session: u64,
        /// The request's number, from 1.
        sequence: u32,
        /// The lowest number that the client still waits for: from 1 to `sequence`.
        awaited: u32,
        /// The request, in the service's own encoding.
        body: &'a [u8],
    },
    /// The reply to a request.
    Reply {
        /// The client that asked.
        client: ClientId,
        /// The request that is answered.
        sequence: u32,
        /// The reply, in the service's own encoding.
        body: &'a [u8],
    },
    /// The request was received and is not complete yet: the client delays its next retransmission.
    InProgress {
        /// The client that asked.
        client: ClientId,
        /// The request in progress.
        sequence: u32,
    },
    /// The server did not take this copy of a request to its service.
    Refused {
        /// The client that asked.
        client: ClientId,
        /// The request refused.
        sequence: u32,
        /// Why.
        reason: Refused,
    },
    /// From a server, unasked. It is no call and carries numbers of its own, in its body.
    Update {
        /// The client that it is for.
        client: ClientId,
        /// The update, in the service's own encoding.
        body: &'a [u8],
    },
    /// From a client, asking for no reply.
    OneWay {
        /// The client's life.
        client: ClientId,
        /// The message, in the service's own encoding.
        body: &'a [u8],
    },
    /// From a client that has no session, before a request: it asks for one. The same answer comes to
    /// every copy, as long as the session lives.
    Hello {
        /// The client's life.
        client: ClientId,
        /// Its own number, of the same count as those of requests.
        sequence: u32,
    },
    /// The answer to a hello.
    Welcome {
        /// The client that asked.
        client: ClientId,
        /// The number in its hello.
        sequence: u32,
        /// The session; [`NO_SESSION`] from a server that has none.
        session: u64,
    },
    /// From one server of a service to another. It is no call; what becomes of it is the service's.
    Peer {
        /// Which server sends it: its place among the servers, from 0.
        from: u16,
        /// The message, in the service's own encoding.
        body: &'a [u8],
    },
}

/// What stands for a session where there is none.
pub const NO_SESSION: u64 = 0;

/// Why a server did not take a copy of a request to its service.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Refused {
    /// Another request was sent under this request id.
    DifferentBody = 1,
    /// The server has no room to remember another client or request.
    Full = 2,
    /// The server does not know the session: it has expired, or belongs to an earlier server life.
    SessionExpired = 3,
}

/// A [`Message::Request`] with which nothing is wrong.
///
/// Most datagrams to a server are one, and one look at their length is enough for the whole head. What is none may
/// be any message, or wrong: [`Message::decode`] tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RequestFound<'a> {
    pub(super) client: ClientId,
    pub(super) session: u64,
    pub(super) sequence: u32,
    pub(super) awaited: u32,
    pub(super) body: &'a [u8],
}

impl<'a> RequestFound<'a> {
    #[inline]
    pub(super) fn find(datagram: &'a [u8]) -> Option<Self> {
        let (kind, rest) = datagram.split_first_chunk()?;
        let (client, rest) = rest.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (awaited, rest) = rest.split_first_chunk()?;
        let sequence = u32::from_be_bytes(*sequence);
        let awaited = u32::from_be_bytes(*awaited);
        let is_right = *kind == kind_bytes(REQUEST) && (1..=sequence).contains(&awaited);
        let body = whole_body(rest, BODY).filter(|_| is_right)?;
        Some(Self {
            client: ClientId(u64::from_be_bytes(*client)),
            session: u64::from_be_bytes(*session),
            sequence,
            awaited,
            body,
        })
    }
}

/// A [`Message::Reply`] with which nothing is wrong: so are most datagrams to a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ReplyFound<'a> {
    pub(super) client: ClientId,
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

impl<'a> ReplyFound<'a> {
    #[inline]
    pub(super) fn find(datagram: &'a [u8]) -> Option<Self> {
        let (kind, rest) = datagram.split_first_chunk()?;
        let (client, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let sequence = u32::from_be_bytes(*sequence);
        let is_right = *kind == kind_bytes(REPLY) && sequence > 0;
        let body = whole_body(rest, REPLY_BODY).filter(|_| is_right)?;
        Some(Self {
            client: ClientId(u64::from_be_bytes(*client)),
            sequence,
            body,
        })
    }
}

/// Whether a datagram is of format v2, well-formed or not; if not, it is of a service's format v1.
#[must_use]
#[inline]
pub fn is_v2(datagram: &[u8]) -> bool {
    datagram.first() == Some(&MAGIC[0])
}

impl<'a> Message<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    ///
    /// If it is no message of format v2, or more than one.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(datagram);
        let message = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(message)
    }

    /// The datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.share().to_vec()
    }

    /// The datagram, to be shared.
    // Inlined, for whoever shares a message knows which kind it is.
    #[must_use]
    #[inline(always)]
    pub fn share(&self) -> SharedBytes {
        match *self {
            Self::Request {
                client,
                session,
                sequence,
                awaited,
                body,
            } => {
                let mut head = [0; REQUEST_BYTES - 4];
                head[..HEADER_BYTES].copy_from_slice(&header(REQUEST, client));
                head[12..20].copy_from_slice(&session.to_be_bytes());
                head[20..24].copy_from_slice(&sequence.to_be_bytes());
                head[24..28].copy_from_slice(&awaited.to_be_bytes());
                head_and_body(head, body)
            }
            Self::Reply {
                client,
                sequence,
                body,
            } => head_and_body(numbered(REPLY, client, sequence), body),
            Self::InProgress { client, sequence } => {
                (&numbered(IN_PROGRESS, client, sequence)).into()
            }
            Self::Refused {
                client,
                sequence,
                reason,
            } => {
                let mut bytes = [0; NUMBERED_BYTES + 1];
                bytes[..NUMBERED_BYTES].copy_from_slice(&numbered(REFUSED, client, sequence));
                bytes[NUMBERED_BYTES] = reason.code();
                (&bytes).into()
            }
            Self::Update { client, body } => head_and_body(header(UPDATE, client), body),
            Self::OneWay { client, body } => head_and_body(header(ONE_WAY, client), body),
            Self::Hello { client, sequence } => (&numbered(HELLO, client, sequence)).into(),
            Self::Welcome {
                client,
                sequence,
                session,
            } => {
                let mut bytes = [0; NUMBERED_BYTES + 8];
                bytes[..NUMBERED_BYTES].copy_from_slice(&numbered(WELCOME, client, sequence));
                bytes[NUMBERED_BYTES..].copy_from_slice(&session.to_be_bytes());
                (&bytes).into()
            }
            Self::Peer { from, body } => {
                let mut head = [0; 6];
                head[..4].copy_from_slice(&kind_bytes(PEER));
                head[4..].copy_from_slice(&from.to_be_bytes());
                head_and_body(head, body)
            }
        }
    }

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let found = reader.array("magic")?;
        if found != MAGIC {
            let found = u16::from_be_bytes(found);
            return Err(WireError::WrongMagic { found });
        }
        let found = reader.u8("version")?;
        if found != VERSION {
            return Err(WireError::BadVersion { found });
        }
        let at = reader.position();
        let kind = reader.u8("message kind")?;
        if !(REQUEST..=PEER).contains(&kind) {
            return Err(WireError::UnknownType {
                what: "message kind",
                at,
                value: kind,
            });
        }
        if kind == PEER {
            let from = reader.u16("server")?;
            let body = reader.bytes(BODY)?;
            return Ok(Self::Peer { from, body });
        }
        let client = ClientId(reader.u64("client id")?);
        Ok(match kind {
            REQUEST => {
                let session = reader.u64("session")?;
                let sequence = read_sequence(reader)?;
                Self::Request {
                    client,
                    session,
                    sequence,
                    awaited: read_awaited(reader, sequence)?,
                    body: reader.bytes(BODY)?,
                }
            }
            REPLY => Self::Reply {
                client,
                sequence: read_sequence(reader)?,
                body: reader.bytes(REPLY_BODY)?,
            },
            IN_PROGRESS => Self::InProgress {
                client,
                sequence: read_sequence(reader)?,
            },
            REFUSED => Self::Refused {
                client,
                sequence: read_sequence(reader)?,
                reason: Refused::read(reader)?,
            },
            UPDATE => Self::Update {
                client,
                body: reader.bytes(BODY)?,
            },
            ONE_WAY => Self::OneWay {
                client,
                body: reader.bytes(BODY)?,
            },
            HELLO => Self::Hello {
                client,
                sequence: read_sequence(reader)?,
            },
            _ => Self::Welcome {
                client,
                sequence: read_sequence(reader)?,
                session: reader.u64("session")?,
            },
        })
    }
}

impl Refused {
    /// Every reason, in the order of the codes.
    pub const ALL: [Self; 3] = [Self::DifferentBody, Self::Full, Self::SessionExpired];

    /// The reason's number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let at = reader.position();
        match reader.u8("refusal")? {
            1 => Ok(Self::DifferentBody),
            2 => Ok(Self::Full),
            3 => Ok(Self::SessionExpired),
            value => Err(WireError::UnknownType {
                what: "refusal",
                at,
                value,
            }),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::DifferentBody => "another request has this id",
            Self::Full => "the server is full",
            Self::SessionExpired => "session expired",
        })
    }
}

#[inline]
fn read_sequence(reader: &mut Reader<'_>) -> Result<u32, WireError> {
    let at = reader.position();
    match reader.u32("sequence")? {
        0 => Err(WireError::OutOfRange {
            what: "sequence",
            at,
            value: 0,
            expected: "at least 1",
        }),
        sequence => Ok(sequence),
    }
}

#[inline]
fn read_awaited(reader: &mut Reader<'_>, sequence: u32) -> Result<u32, WireError> {
    let at = reader.position();
    let awaited = reader.u32("awaited")?;
    if !(1..=sequence).contains(&awaited) {
        return Err(WireError::OutOfRange {
            what: "awaited",
            at,
            value: awaited,
            expected: "1 to the sequence number",
        });
    }
    Ok(awaited)
}

/// Magic, version and kind.
const fn kind_bytes(kind: u8) -> [u8; 4] {
    [MAGIC[0], MAGIC[1], VERSION, kind]
}

/// Magic, version, kind and client id.
fn header(kind: u8, client: ClientId) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&kind_bytes(kind));
    header[4..].copy_from_slice(&client.0.to_be_bytes());
    header
}

/// The header, and a sequence number.
fn numbered(kind: u8, client: ClientId, sequence: u32) -> [u8; NUMBERED_BYTES] {
    let mut head = [0; NUMBERED_BYTES];
    head[..HEADER_BYTES].copy_from_slice(&header(kind, client));
    head[HEADER_BYTES..].copy_from_slice(&sequence.to_be_bytes());
    head
}

/// A head, and a body behind its length, all written once.
#[inline]
fn head_and_body<const HEAD: usize>(head: [u8; HEAD], body: &[u8]) -> SharedBytes {
    let length = u32::try_from(body.len()).expect("a body takes less than 2^32 bytes");
    let length = length.to_be_bytes();
    SharedBytes::written(HEAD + length.len() + body.len(), |bytes| {
        let (to_head, rest) = bytes.split_at_mut(HEAD);
        to_head.copy_from_slice(&head);
        let (to_length, to_body) = rest.split_at_mut(length.len());
        to_length.copy_from_slice(&length);
        to_body.copy_from_slice(body);
    })
}

/// A body behind its length, if that is right and nothing follows.
#[inline]
fn whole_body(rest: &[u8], limit: Limit) -> Option<&[u8]> {
    let (length, body) = rest.split_first_chunk()?;
    let length = u32::from_be_bytes(*length) as usize;
    (length == body.len() && length <= limit.max).then_some(body)
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
