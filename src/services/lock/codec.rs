//! The messages as bytes, big-endian; `docs/wire.md` describes them.
//!
//! Whatever is read borrows its texts from the bytes.

use std::borrow::Cow;

use crate::services::lock::message::{
    APPEND_BYTES_MAX, Lease, PIECE_BYTES_MAX, Refusal, Reply, Request, ResultCode, Update,
};
use crate::wire::{Limit, Reader, WireError, Writer};

/// The name of a file: as there is a closed set of them, long enough for any, and for most mistakes.
pub const FILE: Limit = Limit::new("file name", 64);
/// The text of an append.
pub const TEXT: Limit = Limit::new("text", APPEND_BYTES_MAX);
/// A part of a file: it fits a datagram.
const PIECE: Limit = Limit::new("part of a file", PIECE_BYTES_MAX);

// The kinds of requests, and of the replies of success to them.
const HELLO: u8 = 1;
const ACQUIRE: u8 = 2;
const RENEW: u8 = 3;
const RELEASE: u8 = 4;
const APPEND: u8 = 5;
const READ: u8 = 6;
const CLOSE: u8 = 7;

const RENEWED: u8 = 1;
const LOST: u8 = 2;

impl<'a> Request<'a> {
    /// The request as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            Self::Hello => writer.u8(HELLO),
            Self::Acquire { file, token } => write_held(&mut writer, ACQUIRE, file, *token),
            Self::Renew {
                file,
                token,
                number,
            } => {
                write_held(&mut writer, RENEW, file, *token);
                writer.u32(*number);
            }
            Self::Release { file, token } => write_held(&mut writer, RELEASE, file, *token),
            Self::Append { file, token, text } => {
                write_held(&mut writer, APPEND, file, *token);
                writer.str(text);
            }
            Self::Read { file, token, from } => {
                write_held(&mut writer, READ, file, *token);
                writer.u64(*from);
            }
            Self::Close => writer.u8(CLOSE),
        }
        writer.finish()
    }

    /// Reads a request, or the body of a heartbeat.
    ///
    /// # Errors
    ///
    /// If the bytes are none.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let request = match reader.u8("kind of request")? {
            HELLO => Self::Hello,
            ACQUIRE => Self::Acquire {
                file: read_str(&mut reader, FILE)?,
                token: read_token(&mut reader)?,
            },
            RENEW => Self::Renew {
                file: read_str(&mut reader, FILE)?,
                token: read_token(&mut reader)?,
                number: reader.u32("number of a heartbeat")?,
            },
            RELEASE => Self::Release {
                file: read_str(&mut reader, FILE)?,
                token: read_token(&mut reader)?,
            },
            APPEND => Self::Append {
                file: read_str(&mut reader, FILE)?,
                token: read_token(&mut reader)?,
                text: read_str(&mut reader, TEXT)?,
            },
            READ => Self::Read {
                file: read_str(&mut reader, FILE)?,
                token: read_token(&mut reader)?,
                from: reader.u64("offset")?,
            },
            CLOSE => Self::Close,
            value => return Err(unknown("kind of request", 0, value)),
        };
        reader.finish()?;
        Ok(request)
    }
}

impl<'a> Reply<'a> {
    /// The reply as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u8(self.code() as u8);
        match self {
            Self::Connected => writer.u8(HELLO),
            Self::Granted(lease) => {
                writer.u8(ACQUIRE);
                write_lease(&mut writer, lease);
            }
            Self::Renewed(lease) => {
                writer.u8(RENEW);
                write_lease(&mut writer, lease);
            }
            Self::Released { token } => {
                writer.u8(RELEASE);
                writer.u64(*token);
            }
            Self::Staged { token } => {
                writer.u8(APPEND);
                writer.u64(*token);
            }
            Self::Text {
                token,
                from,
                total,
                text,
            } => {
                writer.u8(READ);
                writer.u64(*token);
                writer.u64(*from);
                writer.u64(*total);
                writer.str(text);
            }
            Self::Disconnected => writer.u8(CLOSE),
            // The result code says it all.
            Self::Refused(_) => {}
        }
        writer.finish()
    }

    /// Reads a reply.
    ///
    /// # Errors
    ///
    /// If the bytes are none.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let code = reader.u8("result code")?;
        let reply = if code == ResultCode::Success as u8 {
            read_success(&mut reader)?
        } else {
            let refusal = Refusal::ALL.into_iter().find(|it| it.code() as u8 == code);
            Self::Refused(refusal.ok_or_else(|| unknown("result code", 0, code))?)
        };
        reader.finish()?;
        Ok(reply)
    }

    /// Whether these are the bytes of a refusal, as far as their first tells.
    #[must_use]
    pub fn is_refusal(bytes: &[u8]) -> bool {
        bytes
            .first()
            .is_some_and(|&code| code != ResultCode::Success as u8)
    }
}

impl Update {
    /// The update as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            Self::Renewed { lease, number } => {
                writer.u8(RENEWED);
                write_lease(&mut writer, lease);
                writer.u32(*number);
            }
            Self::Lost { token } => {
                writer.u8(LOST);
                writer.u64(*token);
            }
        }
        writer.finish()
    }

    /// Reads an update.
    ///
    /// # Errors
    ///
    /// If the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let update = match reader.u8("kind of update")? {
            RENEWED => Self::Renewed {
                lease: read_lease(&mut reader)?,
                number: reader.u32("number of a heartbeat")?,
            },
            LOST => Self::Lost {
                token: read_token(&mut reader)?,
            },
            value => return Err(unknown("kind of update", 0, value)),
        };
        reader.finish()?;
        Ok(update)
    }
}

/// What every request begins with that carries the token of a grant.
fn write_held(writer: &mut Writer, kind: u8, file: &str, token: u64) {
    writer.u8(kind);
    writer.str(file);
    writer.u64(token);
}

fn write_lease(writer: &mut Writer, lease: &Lease) {
    writer.u64(lease.token);
    writer.u32(lease.lease_ms);
    writer.u8(lease.is_global.into());
}

fn read_success<'a>(reader: &mut Reader<'a>) -> Result<Reply<'a>, WireError> {
    let at = reader.position();
    Ok(match reader.u8("kind of reply")? {
        HELLO => Reply::Connected,
        ACQUIRE => Reply::Granted(read_lease(reader)?),
        RENEW => Reply::Renewed(read_lease(reader)?),
        RELEASE => Reply::Released {
            token: read_token(reader)?,
        },
        APPEND => Reply::Staged {
            token: read_token(reader)?,
        },
        READ => Reply::Text {
            token: read_token(reader)?,
            from: reader.u64("offset")?,
            total: reader.u64("length of the file")?,
            text: read_str(reader, PIECE)?,
        },
        CLOSE => Reply::Disconnected,
        value => return Err(unknown("kind of reply", at, value)),
    })
}

fn read_lease(reader: &mut Reader<'_>) -> Result<Lease, WireError> {
    Ok(Lease {
        token: read_token(reader)?,
        lease_ms: reader.u32("lease")?,
        is_global: reader.flag("whether the lock is global")?,
    })
}

fn read_token(reader: &mut Reader<'_>) -> Result<u64, WireError> {
    reader.u64("token")
}

fn read_str<'a>(reader: &mut Reader<'a>, limit: Limit) -> Result<Cow<'a, str>, WireError> {
    reader.str(limit).map(Cow::Borrowed)
}

const fn unknown(what: &'static str, at: usize, value: u8) -> WireError {
    WireError::UnknownType { what, at, value }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
pub(super) mod tests;
