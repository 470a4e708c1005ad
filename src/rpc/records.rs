//! What a server keeps on its disk: the service's records, and those of a durable reply cache.
//!
//! | record | key | value |
//! |---|---|---|
//! | of the service | `r`, then its own key | its own |
//! | a session | `s`, client id `u64` | session `u64`, awaited `u32` |
//! | a request | `c`, client id `u64`, sequence `u32` | whether it has a reply `flag`, request `bytes`, then reply `bytes` if it has |
//!
//! Types are those of `docs/wire.md`.

use crate::disk::{Batch, Record, Store, StoreError};
use crate::id::ClientId;
use crate::rpc::message::{BODY, NO_SESSION, REPLY_BODY};
use crate::rpc::service::BadRecord;
use crate::wire::{Reader, WireError, Writer};

/// A server cannot begin: what its disk holds is no use to it.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record is not understood.
    #[error("{0}: name another directory, or serve what was served from it")]
    Record(#[from] BadRecord),
}

/// Before the keys of the service's own records.
pub(super) const SERVICE: u8 = b'r';
const SESSION: u8 = b's';
const REQUEST: u8 = b'c';

/// The records of a durable reply cache, their keys without the first byte.
pub(super) struct Stored {
    pub(super) sessions: Vec<Record>,
    pub(super) requests: Vec<Record>,
}

impl Stored {
    /// Reads them.
    pub(super) fn of(store: &mut Store) -> Result<Self, StoreError> {
        Ok(Self {
            sessions: store.records(&[SESSION])?,
            requests: store.records(&[REQUEST])?,
        })
    }
}

pub(super) fn put_session(batch: &mut Batch, client: ClientId, session: u64, awaited: u32) {
    let mut value = [0; 12];
    value[..8].copy_from_slice(&session.to_be_bytes());
    value[8..].copy_from_slice(&awaited.to_be_bytes());
    batch.put(&session_key(client), &value);
}

pub(super) fn erase_session(batch: &mut Batch, client: ClientId) {
    batch.erase(&session_key(client));
}

/// Stores a request with its reply; without, if it was executed and waits.
pub(super) fn put_request(
    batch: &mut Batch,
    client: ClientId,
    sequence: u32,
    request: &[u8],
    reply: Option<&[u8]>,
) {
    let mut value = Writer::with_capacity(9 + request.len() + reply.map_or(0, <[u8]>::len));
    value.u8(reply.is_some().into());
    value.bytes(request);
    if let Some(reply) = reply {
        value.bytes(reply);
    }
    batch.put(&request_key(client, sequence), value.written());
}

pub(super) fn erase_request(batch: &mut Batch, client: ClientId, sequence: u32) {
    batch.erase(&request_key(client, sequence));
}

/// Client, session, and the lowest sequence number that the client waits for.
pub(super) fn session(key: &[u8], value: &[u8]) -> Result<(ClientId, u64, u32), BadRecord> {
    let read = || -> Result<_, WireError> {
        let (mut key, mut value) = (Reader::new(key), Reader::new(value));
        let client = ClientId(key.u64("client id")?);
        let (session, awaited) = (value.u64("session")?, value.u32("awaited")?);
        key.finish()?;
        value.finish()?;
        Ok((client, session, awaited))
    };
    match read() {
        Ok((_, NO_SESSION, _)) => Err(bad(key, "its session is none")),
        Ok(session) => Ok(session),
        Err(error) => Err(bad(key, &error.to_string())),
    }
}

/// A stored request.
pub(super) struct StoredRequest<'a> {
    pub(super) client: ClientId,
    pub(super) sequence: u32,
    pub(super) request: &'a [u8],
    /// `None` if it waited.
    pub(super) reply: Option<&'a [u8]>,
}

/// Reads a stored request.
pub(super) fn request<'a>(key: &[u8], value: &'a [u8]) -> Result<StoredRequest<'a>, BadRecord> {
    let read = || -> Result<_, WireError> {
        let (mut key, mut value) = (Reader::new(key), Reader::new(value));
        let has_reply = value.flag("whether it has a reply")?;
        let stored = StoredRequest {
            client: ClientId(key.u64("client id")?),
            sequence: key.u32("sequence")?,
            request: value.bytes(BODY)?,
            reply: has_reply.then(|| value.bytes(REPLY_BODY)).transpose()?,
        };
        key.finish()?;
        value.finish()?;
        Ok(stored)
    };
    read().map_err(|error| bad(key, &error.to_string()))
}

/// A record of the reply cache is not understood.
pub(super) fn bad(key: &[u8], reason: &str) -> BadRecord {
    BadRecord {
        key: key.to_vec(),
        reason: format!("no record of a reply cache: {reason}"),
    }
}

fn session_key(client: ClientId) -> [u8; 9] {
    let mut key = [SESSION; 9];
    key[1..].copy_from_slice(&client.0.to_be_bytes());
    key
}

fn request_key(client: ClientId, sequence: u32) -> [u8; 13] {
    let mut key = [REQUEST; 13];
    key[1..9].copy_from_slice(&client.0.to_be_bytes());
    key[9..].copy_from_slice(&sequence.to_be_bytes());
    key
}
