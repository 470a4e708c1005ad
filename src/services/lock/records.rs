//! What a lock server stores, where its host has a disk: a record for each thing that lasts.
//!
//! | record | key | value |
//! |---|---|---|
//! | the kind of locks | 1 | format `u16`, always 1; 0 for a lock per file, 1 for one of all, `u8` |
//! | a lock | 2, number `u16` | newest token and last token given back, `u64`; whether there is a grant, `u8`, and if so its token `u64`, client id `u64`, operation: host `u16`, number `u32` |
//! | a staged text | 3, lock `u16`, number `u32` | file `u16`; the text, a string |
//! | a piece of a file | 4, file `u16`, number `u32` | the text, a string |
//!
//! Integers are big-endian, so that the order of keys is the order of numbers; numbers count from 0. What
//! appears in a file is added to its last piece as long as that is shorter than 4 KiB, so that many short
//! texts do not make as many records.
//!
//! When a lease runs out is not stored: a restarted server gives a new one. Nor is what waits. What no
//! server has stored is refused: locks of the other kind, a grant with a token that is newer than the
//! newest, text without a grant, a gap between numbers.

use crate::clock::Time;
use crate::id::{ClientId, HostId, OperationId};
use crate::rpc::service::{BadRecord, Effects, Record};
use crate::services::lock::files::{FileId, STAGED_BYTES_MAX};
use crate::services::lock::settings::Locks;
use crate::services::lock::state::{Grant, Lock, LockId, LockState, Pieces};
use crate::wire::{Limit, Reader, WireError, Writer};

/// The format of all records: another one is refused.
const FORMAT: u16 = 1;

const KIND: u8 = 1;
const LOCK: u8 = 2;
const STAGED: u8 = 3;
const PIECE: u8 = 4;

/// A piece that is as long as this is full.
const PIECE_BYTES: usize = 4 * 1_024;

/// The text of a piece: a release may add all that a grant may stage.
const TEXT: Limit = Limit::new("piece of a file", PIECE_BYTES + STAGED_BYTES_MAX);

/// Stores which kind of locks there are.
pub(super) fn store_kind(state: &LockState, effects: &mut Effects) {
    let mut value = Writer::default();
    value.u16(FORMAT);
    value.u8(match state.kind() {
        Locks::PerFile => 0,
        Locks::Global => 1,
    });
    effects.store(&[KIND], value.written());
}

/// Stores a lock.
pub(super) fn store_lock(state: &LockState, id: LockId, effects: &mut Effects) {
    if !effects.keeps_records() {
        return;
    }
    let lock = &state.locks[id.index()];
    let mut value = Writer::default();
    value.u64(lock.newest);
    value.u64(lock.given_back);
    value.u8(lock.grant.is_some().into());
    if let Some(grant) = &lock.grant {
        value.u64(grant.token);
        value.u64(grant.holder.0);
        value.u16(grant.operation.client.0);
        value.u32(grant.operation.number);
    }
    effects.store(&lock_key(id), value.written());
}

/// Stores the text that was staged last under the living grant of a lock.
pub(super) fn store_staged(state: &LockState, id: LockId, effects: &mut Effects) {
    if !effects.keeps_records() {
        return;
    }
    let grant = state.locks[id.index()].grant.as_ref();
    let staged = grant.map_or(&[][..], |grant| &grant.staged[..]);
    if let Some(((file, text), before)) = staged.split_last() {
        let mut value = Writer::default();
        value.u16(file.number());
        value.str(text);
        effects.store(&staged_key(id, before.len()), value.written());
    }
}

/// Erases what is staged under the living grant of a lock.
pub(super) fn erase_staged(state: &LockState, id: LockId, effects: &mut Effects) {
    let grant = state.locks[id.index()].grant.as_ref();
    for number in 0..grant.map_or(0, |grant| grant.staged.len()) {
        effects.erase(&staged_key(id, number));
    }
}

/// Stores the last bytes of a file, so many, which have just appeared.
pub(super) fn store_text(state: &mut LockState, file: FileId, added: usize, effects: &mut Effects) {
    if !effects.keeps_records() || added == 0 {
        return;
    }
    let end = state.text(file).len();
    let pieces = state.pieces(file);
    let (number, start) = match *pieces {
        Pieces { count: 0, .. } => (0, 0),
        Pieces { count, last } if end - added - last < PIECE_BYTES => (count - 1, last),
        Pieces { count, .. } => (count, end - added),
    };
    *pieces = Pieces {
        count: number + 1,
        last: start,
    };
    let mut value = Writer::default();
    value.str(&state.text(file)[start..]);
    effects.store(&piece_key(file, number), value.written());
}

/// Takes records up, in the order of their keys, and says whether there were none.
///
/// # Errors
///
/// If one of them is none that a server of such locks has stored.
pub(super) fn restore(
    state: &mut LockState,
    records: &mut dyn Iterator<Item = Record>,
) -> Result<bool, BadRecord> {
    let mut is_fresh = true;
    for (key, value) in records {
        let taken_up = take_up(state, is_fresh, &key, &value);
        taken_up.map_err(|reason| BadRecord { key, reason })?;
        is_fresh = false;
    }
    Ok(is_fresh)
}

fn take_up(state: &mut LockState, is_first: bool, key: &[u8], value: &[u8]) -> Result<(), String> {
    let (mut key, mut value) = (Reader::new(key), Reader::new(value));
    let wire = |error: WireError| error.to_string();
    match key.u8("kind of record").map_err(wire)? {
        KIND => {
            let (format, kind) = read_kind(&mut value).map_err(wire)?;
            if format != FORMAT {
                return Err(format!(
                    "it is of format {format}, and this is format {FORMAT}"
                ));
            }
            if kind != state.kind() {
                return Err(format!(
                    "it has {} in the records and {} in the configuration",
                    in_words(kind),
                    in_words(state.kind())
                ));
            }
        }
        _ if is_first => return Err("the record of the kind of locks is missing".to_owned()),
        LOCK => {
            let id = read_lock(&mut key, state)?;
            *state.lock(id) = read_lock_value(&mut value).map_err(wire)?;
            let lock = state.lock(id);
            let tokens = lock.grant.iter().map(|grant| grant.token);
            if tokens
                .chain([lock.given_back])
                .any(|token| token > lock.newest)
            {
                return Err("it has a token that is newer than the newest".to_owned());
            }
        }
        STAGED => {
            let id = read_lock(&mut key, state)?;
            let number = key.u32("number of a staged text").map_err(wire)?;
            let file = read_file(&mut value)?;
            let text = value.str(TEXT).map_err(wire)?;
            let staged = state
                .lock(id)
                .grant
                .as_ref()
                .map(|grant| grant.staged.len());
            if staged != Some(number as usize) || state.guarding(file) != id {
                return Err("it does not follow on what was staged before it".to_owned());
            }
            let staged = state.stage(id, file, text);
            staged.map_err(|refusal| refusal.to_string())?;
        }
        PIECE => {
            let file = read_file(&mut key)?;
            let number = key.u32("number of a piece").map_err(wire)?;
            let text = value.str(TEXT).map_err(wire)?;
            let last = state.text(file).len();
            let pieces = state.pieces(file);
            if number != pieces.count {
                return Err("it does not follow on the piece before it".to_owned());
            }
            *pieces = Pieces {
                count: number + 1,
                last,
            };
            let appended = state.append(file, text);
            appended.map_err(|refusal| refusal.to_string())?;
        }
        kind => return Err(format!("there is no kind {kind} of records")),
    }
    key.finish().map_err(wire)?;
    value.finish().map_err(wire)
}

fn read_kind(value: &mut Reader<'_>) -> Result<(u16, Locks), WireError> {
    let format = value.u16("format of the records")?;
    let is_global = value.flag("kind of locks")?;
    let kind = if is_global {
        Locks::Global
    } else {
        Locks::PerFile
    };
    Ok((format, kind))
}

const fn in_words(kind: Locks) -> &'static str {
    match kind {
        Locks::PerFile => "a lock per file",
        Locks::Global => "one lock",
    }
}

fn read_lock(key: &mut Reader<'_>, state: &LockState) -> Result<LockId, String> {
    let number = key.u16("lock").map_err(|error| error.to_string())?;
    let is_known = usize::from(number) < state.locks.len();
    is_known
        .then_some(LockId(number))
        .ok_or_else(|| format!("there is no lock {number}"))
}

fn read_file(reader: &mut Reader<'_>) -> Result<FileId, String> {
    let number = reader.u16("file").map_err(|error| error.to_string())?;
    FileId::of_number(number).ok_or_else(|| format!("there is no file {number}"))
}

/// A lock; a grant has no lease until the server gives it one.
fn read_lock_value(value: &mut Reader<'_>) -> Result<Lock, WireError> {
    let mut lock = Lock {
        newest: value.u64("newest token")?,
        given_back: value.u64("token given back")?,
        ..Lock::default()
    };
    if value.flag("whether there is a grant")? {
        lock.grant = Some(Grant {
            token: value.u64("token")?,
            holder: ClientId(value.u64("client id")?),
            operation: OperationId {
                client: HostId(value.u16("host")?),
                number: value.u32("operation number")?,
            },
            until: Time::ZERO,
            staged: Vec::new(),
            staged_bytes: 0,
        });
    }
    Ok(lock)
}

fn lock_key(id: LockId) -> Vec<u8> {
    let mut key = Writer::default();
    key.u8(LOCK);
    key.u16(id.0);
    key.finish()
}

fn staged_key(id: LockId, number: usize) -> Vec<u8> {
    numbered(STAGED, id.0, number as u32)
}

fn piece_key(file: FileId, number: u32) -> Vec<u8> {
    numbered(PIECE, file.number(), number)
}

fn numbered(kind: u8, of: u16, number: u32) -> Vec<u8> {
    let mut key = Writer::default();
    key.u8(kind);
    key.u16(of);
    key.u32(number);
    key.finish()
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
