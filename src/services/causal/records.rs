//! What a data centre stores, where its host has a disk: a record for each thing that lasts.
//!
//! | record | key | value |
//! |---|---|---|
//! | the data centre | 1 | format `u16`, always 1; data centres `u16`; its own number `u16`; clock `u64`; number of its last write `u64` |
//! | a key | 2, the key | version; number `u64`; value and author, strings |
//! | an origin | 3, data centre `u16`, life `u32` | committed up to `u64`; everywhere up to `u64`; committed beyond, a list of `u64` |
//! | an own write that is not acknowledged by all | 4, number `u64` | the write, as in messages; operation: host `u16`, number `u32`; who has not acknowledged it, a list of `u16` |
//!
//! Integers are big-endian; a version is timestamp `u64`, data centre `u16` and life `u32`. A write that
//! stalls is not stored: it is not acknowledged, so its origin sends it again. Nor are requests that wait.
//!
//! What no data centre has stored is refused: records of another place, a key that holds what was never
//! committed, a number or a time beyond the last one.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{HostId, OperationId};
use crate::rpc::service::Effects;
use crate::services::causal::codec::{
    KEY, read_author, read_origin, read_value, read_version, read_write, unknown, write_origin,
    write_version, write_write,
};
use crate::services::causal::committed::Committed;
use crate::services::causal::outgoing::{Outgoing, Unacknowledged};
use crate::services::causal::replica::{Held, Replica};
use crate::services::causal::settings::DATA_CENTRES;
use crate::services::causal::write::{Origin, Write};
use crate::wire::{Limit, Reader, WireError, Writer};

/// The format of all records: another one is refused.
const FORMAT: u16 = 1;

const DATA_CENTRE: u8 = 1;
const HELD: u8 = 2;
const ORIGIN: u8 = 3;
const UNACKNOWLEDGED: u8 = 4;

/// What is committed beyond a gap: no more than any origin ever has under way.
const BEYOND: Limit = Limit::new("list of numbers", 1 << 20);
/// Who has not acknowledged a write.
const PLACES: Limit = Limit::new("list of data centres", DATA_CENTRES.1 as usize);

/// A record that has been read.
#[derive(Debug)]
pub(super) enum Stored {
    /// The data centre.
    DataCentre(Counts),
    /// What a key holds.
    Held(String, Held),
    /// What is committed of an origin.
    Origin(Origin, Committed),
    /// An own write, its operation, and who has not acknowledged it.
    Unacknowledged(Write, Option<OperationId>, Vec<u16>),
}

/// What a data centre counts, and which one it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Counts {
    /// How many data centres there are.
    pub(super) data_centres: u16,
    /// Which of them it is.
    pub(super) place: u16,
    /// Its Lamport clock.
    pub(super) clock: u64,
    /// The number of its last write.
    pub(super) last: u64,
}

impl Stored {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(super) fn read(key: &[u8], value: &[u8]) -> Result<Self, WireError> {
        let (mut key, mut value) = (Reader::new(key), Reader::new(value));
        let stored = match key.u8("kind of record")? {
            DATA_CENTRE => Self::DataCentre(read_counts(&mut value)?),
            HELD => {
                let name = key.str(KEY)?.to_owned();
                let held = Held {
                    version: read_version(&mut value)?,
                    sequence: value.u64("number of a write")?,
                    value: read_value(&mut value)?,
                    author: read_author(&mut value)?,
                };
                Self::Held(name, held)
            }
            ORIGIN => Self::Origin(read_origin(&mut key)?, read_committed(&mut value)?),
            UNACKNOWLEDGED => {
                let (at, number) = (key.position(), key.u64("number of a write")?);
                let write = read_write(&mut value)?;
                if write.sequence != number {
                    let found = u32::try_from(number).unwrap_or(u32::MAX);
                    return Err(out_of_range(
                        "number of a write",
                        at,
                        found,
                        "its own number",
                    ));
                }
                let about = read_operation(&mut value)?;
                let count = value.count(PLACES, size_of::<u16>())?;
                let waiting = (0..count).map(|_| value.u16("data centre"));
                Self::Unacknowledged(write, about, waiting.collect::<Result<_, _>>()?)
            }
            kind => return Err(unknown("kind of record", 0, kind)),
        };
        key.finish()?;
        value.finish()?;
        Ok(stored)
    }
}

/// Stores what has changed in a step, or, where no records are kept, takes note that it need not be.
pub(super) fn store(
    data_centres: u16,
    replica: &mut Replica,
    outgoing: &mut Outgoing,
    effects: &mut Effects,
) {
    let (changed, sent) = (replica.take_changed(), outgoing.take_changed());
    if !effects.keeps_records() {
        return;
    }
    if changed.counts {
        store_counts(data_centres, replica, effects);
    }
    for key in changed.keys {
        if let Some(held) = replica.held(&key) {
            let value = written(|writer| {
                write_version(writer, held.version);
                writer.u64(held.sequence);
                writer.str(&held.value);
                writer.str(&held.author);
            });
            effects.store(&held_key(&key), &value);
        }
    }
    for origin in changed.origins {
        if let Some(committed) = replica.committed().get(&origin) {
            effects.store(&origin_key(origin), &committed_value(committed));
        }
    }
    for number in sent {
        let key = unacknowledged_key(number);
        match outgoing.get(number) {
            Some(unacknowledged) => effects.store(&key, &unacknowledged_value(unacknowledged)),
            None => effects.erase(&key),
        }
    }
}

/// The key of what a key holds.
pub(super) fn held_key(key: &str) -> Vec<u8> {
    written(|writer| {
        writer.u8(HELD);
        writer.str(key);
    })
}

/// The key of an origin.
pub(super) fn origin_key(origin: Origin) -> Vec<u8> {
    written(|writer| {
        writer.u8(ORIGIN);
        write_origin(writer, origin);
    })
}

fn unacknowledged_key(number: u64) -> Vec<u8> {
    written(|writer| {
        writer.u8(UNACKNOWLEDGED);
        writer.u64(number);
    })
}

fn store_counts(data_centres: u16, replica: &Replica, effects: &mut Effects) {
    let value = written(|writer| {
        writer.u16(FORMAT);
        writer.u16(data_centres);
        writer.u16(replica.own().replica);
        writer.u64(replica.clock());
        writer.u64(replica.last());
    });
    effects.store(&[DATA_CENTRE], &value);
}

fn committed_value(committed: &Committed) -> Vec<u8> {
    written(|writer| {
        writer.u64(committed.prefix());
        writer.u64(committed.everywhere());
        writer.list(committed.beyond(), |writer, &number| writer.u64(number));
    })
}

fn unacknowledged_value(unacknowledged: &Unacknowledged) -> Vec<u8> {
    written(|writer| {
        write_write(writer, &unacknowledged.write);
        writer.u8(unacknowledged.about.is_some().into());
        if let Some(OperationId { client, number }) = unacknowledged.about {
            writer.u16(client.0);
            writer.u32(number);
        }
        writer.list(unacknowledged.waiting(), Writer::u16);
    })
}

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    write(&mut writer);
    writer.finish()
}

fn read_counts(reader: &mut Reader<'_>) -> Result<Counts, WireError> {
    let at = reader.position();
    let format = reader.u16("format of the records")?;
    if format != FORMAT {
        return Err(out_of_range(
            "format of the records",
            at,
            format.into(),
            "1",
        ));
    }
    Ok(Counts {
        data_centres: reader.u16("data centres")?,
        place: reader.u16("data centre")?,
        clock: reader.u64("clock")?,
        last: reader.u64("number of a write")?,
    })
}

fn read_committed(reader: &mut Reader<'_>) -> Result<Committed, WireError> {
    let prefix = reader.u64("number of a write")?;
    let everywhere = reader.u64("number of a write")?;
    let at = reader.position();
    let count = reader.count(BEYOND, size_of::<u64>())?;
    let beyond: BTreeSet<u64> = (0..count)
        .map(|_| reader.u64("number of a write"))
        .collect::<Result<_, _>>()?;
    let found = u32::try_from(count).unwrap_or(u32::MAX);
    Committed::of(prefix, everywhere, BTreeMap::new(), beyond)
        .ok_or_else(|| out_of_range("list of numbers", at, found, "numbers beyond a gap"))
}

fn read_operation(reader: &mut Reader<'_>) -> Result<Option<OperationId>, WireError> {
    if !reader.flag("whether an operation follows")? {
        return Ok(None);
    }
    Ok(Some(OperationId {
        client: HostId(reader.u16("host")?),
        number: reader.u32("operation number")?,
    }))
}

const fn out_of_range(
    what: &'static str,
    at: usize,
    value: u32,
    expected: &'static str,
) -> WireError {
    WireError::OutOfRange {
        what,
        at,
        value,
        expected,
    }
}
