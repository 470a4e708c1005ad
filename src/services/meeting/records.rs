//! What the servers store, where their hosts have disks: a record for each thing that lasts.
//!
//! | record | of | key | value |
//! |---|---|---|---|
//! | the server | all | 1 | format `u16`, always 1; its place `u16`; its life `u64` |
//! | a hold | data servers | 2, transaction | meeting; operation |
//! | a taken time | data servers | 3, transaction | meeting; operation |
//! | a decision that not all have acknowledged | main server | 4, transaction | meeting; operation; participants, a list of places `u16` |
//!
//! Integers are big-endian; a transaction is life `u64` and number `u64`, a meeting start `u64`, end `u64` and a
//! list of names; an operation is a flag and, if there is one, host `u16` and number `u32`. A decision to abort
//! is not stored: that there is no record means abort. The files that a data server begins with are never
//! changed: a taken time lies beside them.
//!
//! Lives count up from the one that is stored. The first one, on an empty disk, is drawn on real sockets: a server whose
//! directory was emptied, or that was given another one, is not to repeat numbers that the others still
//! have, for a transaction that has the number of an earlier one would be taken for that. In simulation, where disks are
//! not emptied, it is 1, for traces that read well.

use crate::id::{HostId, OperationId};
use crate::rpc::service::{BadRecord, Effects, Record};
use crate::services::meeting::codec::{
    read_meeting, read_task, unknown, write_meeting, write_task,
};
use crate::services::meeting::message::{Meeting, TaskId};
use crate::services::meeting::settings::{DATA_SERVERS_MAX, Settings};
use crate::wire::{Limit, Reader, WireError, Writer};

/// The format of all records: another one is refused.
const FORMAT: u16 = 1;

const SERVER: u8 = 1;
const HOLD: u8 = 2;
const TAKEN: u8 = 3;
const DECISION: u8 = 4;

/// Who takes part in a transaction.
const PLACES: Limit = Limit::new("list of places", DATA_SERVERS_MAX as usize);

/// A record that has been read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Stored {
    /// A server, in so many lives.
    Server {
        /// Which one.
        place: u16,
        /// The number of its last life.
        life: u64,
    },
    /// A time that is held.
    Hold(TaskId, Meeting, Option<OperationId>),
    /// A time that has been taken.
    Taken(TaskId, Meeting, Option<OperationId>),
    /// A decision, and who takes part.
    Decision(TaskId, Meeting, Option<OperationId>, Vec<u16>),
}

impl Stored {
    fn read(key: &[u8], value: &[u8]) -> Result<Self, WireError> {
        let (mut key, mut value) = (Reader::new(key), Reader::new(value));
        let stored = match key.u8("kind of record")? {
            SERVER => read_server(&mut value)?,
            HOLD => {
                let task = read_task(&mut key)?;
                let meeting = read_meeting(&mut value)?;
                Self::Hold(task, meeting, read_operation(&mut value)?)
            }
            TAKEN => {
                let task = read_task(&mut key)?;
                let meeting = read_meeting(&mut value)?;
                Self::Taken(task, meeting, read_operation(&mut value)?)
            }
            DECISION => {
                let task = read_task(&mut key)?;
                let meeting = read_meeting(&mut value)?;
                let about = read_operation(&mut value)?;
                let count = value.count(PLACES, size_of::<u16>())?;
                let places = (0..count).map(|_| value.u16("place"));
                Self::Decision(task, meeting, about, places.collect::<Result<_, _>>()?)
            }
            kind => return Err(unknown("kind of record", 0, kind)),
        };
        key.finish()?;
        value.finish()?;
        Ok(stored)
    }
}

/// Hands the records of the server at this place to `take`, which says what is wrong with one that it has no use
/// for. Gives the number of the life that now begins: the first one, if there was none before.
pub(super) fn restore(
    (place, first_life): (u16, u64),
    records: &mut dyn Iterator<Item = Record>,
    mut take: impl FnMut(Stored) -> Result<(), String>,
) -> Result<u64, BadRecord> {
    let mut last = None;
    for (key, value) in records {
        let taken = match Stored::read(&key, &value) {
            Err(error) => Err(error.to_string()),
            Ok(Stored::Server { place: of, life }) if of == place => {
                last = Some(life);
                Ok(())
            }
            Ok(Stored::Server { place: of, .. }) => {
                let (own, other) = (Settings::server_name(place), Settings::server_name(of));
                Err(format!("it is of server {other}, and this is {own}"))
            }
            Ok(stored) => take(stored),
        };
        taken.map_err(|reason| BadRecord { key, reason })?;
    }
    Ok(last.map_or(first_life, |last| last + 1))
}

/// Stores in which life a server is.
pub(super) fn store_server(place: u16, life: u64, effects: &mut Effects) {
    let value = written(|writer| {
        writer.u16(FORMAT);
        writer.u16(place);
        writer.u64(life);
    });
    effects.store(&[SERVER], &value);
}

/// Stores a hold.
pub(super) fn store_hold(
    task: TaskId,
    meeting: &Meeting,
    about: Option<OperationId>,
    effects: &mut Effects,
) {
    store_part(HOLD, task, (meeting, about), effects);
}

/// Erases a hold.
pub(super) fn erase_hold(task: TaskId, effects: &mut Effects) {
    effects.erase(&key(HOLD, task));
}

/// Stores a taken time.
pub(super) fn store_taken(
    task: TaskId,
    meeting: &Meeting,
    about: Option<OperationId>,
    effects: &mut Effects,
) {
    store_part(TAKEN, task, (meeting, about), effects);
}

fn store_part(
    kind: u8,
    task: TaskId,
    (meeting, about): (&Meeting, Option<OperationId>),
    effects: &mut Effects,
) {
    let value = written(|writer| {
        write_meeting(writer, meeting);
        write_operation(writer, about);
    });
    effects.store(&key(kind, task), &value);
}

/// Stores a decision.
pub(super) fn store_decision(
    task: TaskId,
    (meeting, about): (&Meeting, Option<OperationId>),
    participants: impl IntoIterator<Item = u16>,
    effects: &mut Effects,
) {
    let value = written(|writer| {
        write_meeting(writer, meeting);
        write_operation(writer, about);
        writer.list(participants, Writer::u16);
    });
    effects.store(&key(DECISION, task), &value);
}

/// Erases a decision.
pub(super) fn erase_decision(task: TaskId, effects: &mut Effects) {
    effects.erase(&key(DECISION, task));
}

fn key(kind: u8, task: TaskId) -> Vec<u8> {
    written(|writer| {
        writer.u8(kind);
        write_task(writer, task);
    })
}

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    write(&mut writer);
    writer.finish()
}

fn write_operation(writer: &mut Writer, about: Option<OperationId>) {
    writer.u8(about.is_some().into());
    if let Some(OperationId { client, number }) = about {
        writer.u16(client.0);
        writer.u32(number);
    }
}

fn read_server(reader: &mut Reader<'_>) -> Result<Stored, WireError> {
    let at = reader.position();
    let format = reader.u16("format of the records")?;
    if format != FORMAT {
        return Err(WireError::OutOfRange {
            what: "format of the records",
            at,
            value: format.into(),
            expected: "1",
        });
    }
    Ok(Stored::Server {
        place: reader.u16("place")?,
        life: reader.u64("life")?,
    })
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

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
