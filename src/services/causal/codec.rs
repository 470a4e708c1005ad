//! The messages as bytes, big-endian; `docs/causal.md` describes them.

use crate::id::Version;
use crate::services::causal::message::{
    Answer, Ask, CLOCK_MAX, DEPENDENCIES_BYTES_MAX, DEPENDENCIES_MAX, Entry, ORIGINS_MAX,
    PAGE_BYTES_MAX, Page, PeerBody, PeerMessage, Refusal, Reply, Request,
};
use crate::services::causal::write::{Dependency, Origin, Write};
use crate::wire::{Limit, Reader, WireError, Writer, str_bytes};

/// A key: a name, and every message about it carries it.
pub const KEY: Limit = Limit::new("key", 255);
/// A value: with a full list of dependencies it fits a datagram.
pub const VALUE: Limit = Limit::new("value", 4_096);
/// The name of who wrote it, which may be empty: short, as every write carries it.
pub const AUTHOR: Limit = Limit::new("author", 64);
/// A list of dependencies: as long as a session's can be.
const NEEDS: Limit = Limit::new("list of dependencies", DEPENDENCIES_MAX);
/// A list of origins.
const ORIGINS: Limit = Limit::new("list of origins", ORIGINS_MAX);
/// A list of keys with their values: each takes [`ENTRY_BYTES_MIN`] or more.
const ENTRIES: Limit = Limit::new("list of keys", PAGE_BYTES_MAX / ENTRY_BYTES_MIN);

const VERSION_BYTES: usize = 8 + 2 + 4;
const DEPENDENCY_BYTES_MIN: usize = VERSION_BYTES + 8 + 4;
/// The items of a page: it is full when it holds [`PAGE_BYTES_MAX`], and one more item was short.
const ITEMS: Limit = Limit::new("page", PAGE_BYTES_MAX + 8 * 1_024);

const ENTRY_BYTES_MIN: usize = DEPENDENCY_BYTES_MIN + 4 + 4;
const ORIGIN_BYTES: usize = 2 + 4 + 8;

const GET: u8 = 1;
const PUT: u8 = 2;
const LIST: u8 = 3;
const ATTACH: u8 = 4;
const WAIT: u8 = 5;

const FOUND: u8 = 1;
const NOTHING: u8 = 2;
const WRITTEN: u8 = 3;
const LISTED: u8 = 4;
const ATTACHED: u8 = 5;
const REFUSED: u8 = 0xff;

const INVALID: u8 = 1;
const MISSING: u8 = 2;
const RECOVERING: u8 = 3;
const FULL: u8 = 4;

const WRITE: u8 = 1;
const ACKNOWLEDGE: u8 = 2;
const FETCH: u8 = 3;
const PAGE: u8 = 4;
const HAS_PAGE: u8 = 5;

/// How many bytes a dependency takes in a message.
#[must_use]
pub const fn dependency_bytes(dependency: &Dependency) -> usize {
    VERSION_BYTES + 8 + str_bytes(dependency.key.as_str())
}

/// How many bytes a key that holds such a value of such an author takes in a list.
#[must_use]
pub const fn entry_bytes(key: &str, value: &str, author: &str) -> usize {
    VERSION_BYTES + 8 + str_bytes(key) + str_bytes(value) + str_bytes(author)
}

impl Request {
    /// The request as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u64(self.clock);
        write_needs(&mut writer, &self.needs);
        match &self.ask {
            Ask::Get { key } => {
                writer.u8(GET);
                writer.str(key);
            }
            Ask::Put { key, value, author } => {
                writer.u8(PUT);
                writer.str(key);
                writer.str(value);
                writer.str(author);
            }
            Ask::List => writer.u8(LIST),
            Ask::Attach { to } => {
                writer.u8(ATTACH);
                writer.u16(*to);
            }
            Ask::Wait { ms } => {
                writer.u8(WAIT);
                writer.u64(*ms);
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
        let at = reader.position();
        let clock = reader.u64("clock")?;
        if clock > CLOCK_MAX {
            return Err(WireError::OutOfRange {
                what: "clock",
                at,
                value: u32::MAX,
                expected: "at most 2^62",
            });
        }
        let needs = read_needs(&mut reader)?;
        let at = reader.position();
        let ask = match reader.u8("kind of request")? {
            GET => Ask::Get {
                key: read_key(&mut reader)?,
            },
            PUT => Ask::Put {
                key: read_key(&mut reader)?,
                value: read_value(&mut reader)?,
                author: read_author(&mut reader)?,
            },
            LIST => Ask::List,
            ATTACH => Ask::Attach {
                to: reader.u16("data centre")?,
            },
            WAIT => Ask::Wait {
                ms: reader.u64("span")?,
            },
            value => return Err(unknown("kind of request", at, value)),
        };
        reader.finish()?;
        Ok(Self { clock, needs, ask })
    }
}

impl Reply {
    /// The reply as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let kind = match &self.answer {
            Answer::Found(_) => FOUND,
            Answer::Nothing => NOTHING,
            Answer::Put(_) => WRITTEN,
            Answer::Listed { .. } => LISTED,
            Answer::Attached { .. } => ATTACHED,
            Answer::Refused(_) => REFUSED,
        };
        writer.u8(kind);
        writer.u64(self.clock);
        writer.list(&self.everywhere, |writer, (origin, everywhere)| {
            write_origin(writer, *origin);
            writer.u64(*everywhere);
        });
        match &self.answer {
            Answer::Found(entry) => write_entry(&mut writer, entry),
            Answer::Nothing => {}
            Answer::Put(write) => write_dependency(&mut writer, write),
            Answer::Listed { entries, more } => {
                writer.list(entries, write_entry);
                writer.u32(*more);
            }
            Answer::Attached { to } => writer.u16(*to),
            Answer::Refused(Refusal::Missing(missing)) => {
                writer.u8(MISSING);
                write_dependency(&mut writer, missing);
            }
            Answer::Refused(Refusal::Invalid) => writer.u8(INVALID),
            Answer::Refused(Refusal::Recovering) => writer.u8(RECOVERING),
            Answer::Refused(Refusal::Full) => writer.u8(FULL),
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
        let kind = reader.u8("kind of reply")?;
        let clock = reader.u64("clock")?;
        let count = reader.count(ORIGINS, ORIGIN_BYTES)?;
        let everywhere = (0..count)
            .map(|_| Ok((read_origin(&mut reader)?, reader.u64("number of a write")?)))
            .collect::<Result<_, WireError>>()?;
        let answer = match kind {
            FOUND => Answer::Found(read_entry(&mut reader)?),
            NOTHING => Answer::Nothing,
            WRITTEN => Answer::Put(read_dependency(&mut reader)?),
            LISTED => {
                let count = reader.count(ENTRIES, ENTRY_BYTES_MIN)?;
                let entries = (0..count).map(|_| read_entry(&mut reader));
                Answer::Listed {
                    entries: entries.collect::<Result<_, _>>()?,
                    more: reader.u32("how many more")?,
                }
            }
            ATTACHED => Answer::Attached {
                to: reader.u16("data centre")?,
            },
            REFUSED => Answer::Refused(read_refusal(&mut reader)?),
            value => return Err(unknown("kind of reply", 0, value)),
        };
        reader.finish()?;
        Ok(Self {
            clock,
            everywhere,
            answer,
        })
    }

    /// Whether these are the bytes of a refusal, as far as their first tells.
    #[must_use]
    pub fn is_refusal(bytes: &[u8]) -> bool {
        bytes.first() == Some(&REFUSED)
    }
}

impl PeerMessage {
    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u32(self.life);
        writer.u64(self.everywhere);
        match &self.body {
            PeerBody::Write(write) => {
                writer.u8(WRITE);
                write_write(&mut writer, write);
            }
            PeerBody::Acknowledge { version, sequence } => {
                writer.u8(ACKNOWLEDGE);
                write_version(&mut writer, *version);
                writer.u64(*sequence);
            }
            PeerBody::Fetch => writer.u8(FETCH),
            PeerBody::Page(page) => {
                writer.u8(PAGE);
                writer.u32(page.number);
                writer.u32(page.answers);
                writer.u32(page.page);
                writer.u32(page.of);
                writer.bytes(&page.body);
            }
            PeerBody::HasPage { life, number, page } => {
                writer.u8(HAS_PAGE);
                writer.u32(*life);
                writer.u32(*number);
                writer.u32(*page);
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
        let life = reader.u32("life")?;
        let everywhere = reader.u64("number of a write")?;
        let at = reader.position();
        let body = match reader.u8("kind of message")? {
            WRITE => PeerBody::Write(read_write(&mut reader)?),
            ACKNOWLEDGE => PeerBody::Acknowledge {
                version: read_version(&mut reader)?,
                sequence: reader.u64("number of a write")?,
            },
            FETCH => PeerBody::Fetch,
            PAGE => PeerBody::Page(Page {
                number: reader.u32("number of an image")?,
                answers: reader.u32("life")?,
                page: reader.u32("page")?,
                of: reader.u32("number of pages")?,
                body: reader.bytes(ITEMS)?.to_vec(),
            }),
            HAS_PAGE => PeerBody::HasPage {
                life: reader.u32("life")?,
                number: reader.u32("number of an image")?,
                page: reader.u32("page")?,
            },
            value => return Err(unknown("kind of message", at, value)),
        };
        reader.finish()?;
        Ok(Self {
            life,
            everywhere,
            body,
        })
    }
}

pub(super) fn write_write(writer: &mut Writer, write: &Write) {
    write_version(writer, write.version);
    writer.u64(write.sequence);
    writer.str(&write.key);
    writer.str(&write.value);
    writer.str(&write.author);
    write_needs(writer, &write.needs);
}

pub(super) fn write_version(writer: &mut Writer, version: Version) {
    writer.u64(version.timestamp);
    writer.u16(version.replica);
    writer.u32(version.life);
}

pub(super) fn write_origin(writer: &mut Writer, origin: Origin) {
    writer.u16(origin.replica);
    writer.u32(origin.life);
}

fn write_needs(writer: &mut Writer, needs: &[Dependency]) {
    writer.list(needs, write_dependency);
}

fn write_dependency(writer: &mut Writer, dependency: &Dependency) {
    write_version(writer, dependency.version);
    writer.u64(dependency.sequence);
    writer.str(&dependency.key);
}

pub(super) fn write_entry(writer: &mut Writer, entry: &Entry) {
    write_dependency(writer, &entry.write);
    writer.str(&entry.value);
    writer.str(&entry.author);
}

pub(super) fn read_write(reader: &mut Reader<'_>) -> Result<Write, WireError> {
    Ok(Write {
        version: read_version(reader)?,
        sequence: reader.u64("number of a write")?,
        key: read_key(reader)?,
        value: read_value(reader)?,
        author: read_author(reader)?,
        needs: read_needs(reader)?,
    })
}

/// Beyond what any clock comes to, which clients advance to 2^62 at most: so no peer drives it to its end.
const TIMESTAMP_MAX: u64 = 1 << 63;

pub(super) fn read_version(reader: &mut Reader<'_>) -> Result<Version, WireError> {
    let at = reader.position();
    let timestamp = reader.u64("timestamp")?;
    if timestamp > TIMESTAMP_MAX {
        return Err(WireError::OutOfRange {
            what: "timestamp",
            at,
            value: u32::MAX,
            expected: "at most 2^63",
        });
    }
    Ok(Version {
        timestamp,
        replica: reader.u16("data centre")?,
        life: reader.u32("life")?,
    })
}

pub(super) fn read_origin(reader: &mut Reader<'_>) -> Result<Origin, WireError> {
    Ok(Origin {
        replica: reader.u16("data centre")?,
        life: reader.u32("life")?,
    })
}

pub(super) fn read_value(reader: &mut Reader<'_>) -> Result<String, WireError> {
    reader.str(VALUE).map(str::to_owned)
}

pub(super) fn read_author(reader: &mut Reader<'_>) -> Result<String, WireError> {
    reader.str(AUTHOR).map(str::to_owned)
}

fn read_key(reader: &mut Reader<'_>) -> Result<String, WireError> {
    reader.str(KEY).map(str::to_owned)
}

fn read_needs(reader: &mut Reader<'_>) -> Result<Vec<Dependency>, WireError> {
    let at = reader.position();
    let count = reader.count(NEEDS, DEPENDENCY_BYTES_MIN)?;
    let needs: Vec<Dependency> = (0..count)
        .map(|_| read_dependency(reader))
        .collect::<Result<_, _>>()?;
    let bytes: usize = needs.iter().map(dependency_bytes).sum();
    if bytes > DEPENDENCIES_BYTES_MAX {
        return Err(WireError::OutOfRange {
            what: "bytes of dependencies",
            at,
            value: u32::try_from(bytes).unwrap_or(u32::MAX),
            expected: "at most 49152",
        });
    }
    Ok(needs)
}

fn read_dependency(reader: &mut Reader<'_>) -> Result<Dependency, WireError> {
    Ok(Dependency {
        version: read_version(reader)?,
        sequence: reader.u64("number of a write")?,
        key: read_key(reader)?,
    })
}

pub(super) fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, WireError> {
    Ok(Entry {
        write: read_dependency(reader)?,
        value: read_value(reader)?,
        author: read_author(reader)?,
    })
}

fn read_refusal(reader: &mut Reader<'_>) -> Result<Refusal, WireError> {
    let at = reader.position();
    Ok(match reader.u8("kind of refusal")? {
        INVALID => Refusal::Invalid,
        MISSING => Refusal::Missing(read_dependency(reader)?),
        RECOVERING => Refusal::Recovering,
        FULL => Refusal::Full,
        value => return Err(unknown("kind of refusal", at, value)),
    })
}

pub(super) const fn unknown(what: &'static str, at: usize, value: u8) -> WireError {
    WireError::UnknownType { what, at, value }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
