//! Records by key over redb, on whatever disk.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{
    Builder, Database, ReadableDatabase, StorageBackend, StorageError, TableDefinition, TableError,
};

/// The one table: keys and values are bytes, keys in their order as bytes.
const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

/// How much redb may remember of what it has read and written: far more than the records of a host
/// in a scenario, and no burden on a machine.
const CACHE_BYTES: usize = 32 << 20;

/// Records by key that survive their host.
///
/// After the first operation that fails the store refuses all others: what the disk holds then is
/// known only to who opens it again.
pub struct Store {
    /// `None` after a failure.
    database: Option<Database>,
    /// Where it is, for messages.
    place: String,
    on_failure: Option<Box<dyn FnOnce()>>,
}

/// A record as it is read: the rest of its key, and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// Why a store was not opened, or why an operation failed.
///
/// Whether a commit that failed will be found when the store is opened again is unknown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory cannot be used: it cannot be made, is no directory, or permits nothing.
    #[error("cannot keep records in {place}: {source}: name a directory that this user may write")]
    Directory {
        /// The directory.
        place: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Somebody else has the store open.
    #[error("{place} is in use by another process: end that one first, or name another directory")]
    Locked {
        /// The directory.
        place: String,
    },
    /// No space is left.
    #[error(
        "no space is left in {place}: free some and start again; what was acknowledged is safe"
    )]
    Full {
        /// The directory, or the simulated disk.
        place: String,
    },
    /// The disk failed.
    #[error("the disk failed in {place}: {source}: start again when it works")]
    Disk {
        /// The directory, or the simulated disk.
        place: String,
        /// What the disk says.
        source: io::Error,
    },
    /// The disk does not hold what was written, or something else was written there.
    #[error(
        "the records in {place} are damaged or not wavetank's ({what}): restore a copy, or move \
         them away to begin with none"
    )]
    Damaged {
        /// The directory, or the simulated disk.
        place: String,
        /// What was found.
        what: String,
    },
    /// The host has no disk.
    #[error("no disk was configured: name a directory for the records")]
    NoDisk,
    /// An earlier operation failed.
    #[error("the store in {place} has failed before: open it again to find what is safe")]
    Failed {
        /// The directory, or the simulated disk.
        place: String,
    },
}

/// What one transaction changes: puts and erasures, in order, so that of two about one key the later
/// counts. Its bytes lie in one piece of memory, which is used again after [`clear`](Self::clear).
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    changes: Vec<Change>,
}

/// Places in the bytes of a batch.
#[derive(Clone, Debug)]
struct Change {
    key: Range<usize>,
    /// `None` to erase.
    value: Option<Range<usize>>,
}

impl Store {
    /// Opens what is on the disk, or makes an empty store of an empty disk. What a crash has left is
    /// repaired: at most the commit that was under way is gone. All pages are read and checked, so that
    /// damage is found now and not later.
    ///
    /// # Errors
    ///
    /// If the disk fails, or holds what no store has written.
    pub fn open(backend: impl StorageBackend) -> Result<Self, StoreError> {
        Self::open_at("the simulated disk", backend)
    }

    /// The same, for messages that name the place.
    pub(super) fn open_at(place: &str, backend: impl StorageBackend) -> Result<Self, StoreError> {
        match guarded(|| open(backend)) {
            Ok(database) => Ok(Self {
                database: Some(database),
                place: place.to_owned(),
                on_failure: None,
            }),
            Err(trouble) => Err(trouble.at(place)),
        }
    }

    /// Calls `hook` at the first operation that fails, before that operation returns: never for a
    /// refusal after it. Of several hooks the last counts.
    pub fn on_failure(&mut self, hook: impl FnOnce() + 'static) {
        self.on_failure = Some(Box::new(hook));
    }

    /// Changes all that the batch says, in one transaction, which is durable when this returns. An
    /// empty batch touches no disk.
    ///
    /// # Errors
    ///
    /// If the disk fails: then whether the batch is found later is unknown, but never half of it. If
    /// an operation has failed before.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() && self.database.is_some() {
            return Ok(());
        }
        self.with(|database| write(database, batch))
    }

    /// All records whose keys begin with `prefix`, in the order of their keys, each as its key
    /// **without the prefix** and its value.
    ///
    /// # Errors
    ///
    /// If the disk fails or is damaged, or an operation has failed before.
    pub fn records(&mut self, prefix: &[u8]) -> Result<Vec<Record>, StoreError> {
        self.with(|database| read(database, prefix))
    }

    /// Whether all that a batch changes is as it says: if nobody has changed it since, whether its
    /// commit took place.
    ///
    /// # Errors
    ///
    /// If the disk fails or is damaged, or an operation has failed before.
    pub fn holds(&mut self, batch: &Batch) -> Result<bool, StoreError> {
        self.with(|database| holds(database, batch))
    }

    /// Runs an operation; its failure is the end of this store.
    fn with<T>(
        &mut self,
        operation: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let Some(database) = &self.database else {
            let place = self.place.clone();
            return Err(StoreError::Failed { place });
        };
        guarded(|| operation(database)).map_err(|trouble| {
            self.close();
            if let Some(hook) = self.on_failure.take() {
                hook();
            }
            trouble.at(&self.place)
        })
    }

    /// Closes the database. That it may not be able to say goodbye to its disk is no trouble: the next
    /// to open it repairs.
    fn close(&mut self) {
        if let Some(database) = self.database.take() {
            let _closed = guarded(|| {
                drop(database);
                Ok(())
            });
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("place", &self.place)
            .field("failed", &self.database.is_none())
            .finish_non_exhaustive()
    }
}

impl Batch {
    /// Stores a record, in the place of an earlier one of this key.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        let key = self.keep(key);
        let value = Some(self.keep(value));
        self.changes.push(Change { key, value });
    }

    /// Erases the record of this key, if there is one.
    pub fn erase(&mut self, key: &[u8]) {
        let key = self.keep(key);
        self.changes.push(Change { key, value: None });
    }

    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.changes.clear();
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes in order: keys, each with its value or, to erase it, without.
    pub fn changes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.changes.iter().map(|change| {
            let value = change.value.clone().map(|value| &self.bytes[value]);
            (&self.bytes[change.key.clone()], value)
        })
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}

/// What went wrong in redb.
enum Trouble {
    Said(redb::Error),
    Panicked(String),
}

impl Trouble {
    fn at(self, place: &str) -> StoreError {
        let place = place.to_owned();
        match self {
            Self::Said(redb::Error::Io(source)) if is_full(source.kind()) => {
                StoreError::Full { place }
            }
            Self::Said(redb::Error::Io(source)) if is_damage(source.kind()) => {
                let what = source.to_string();
                StoreError::Damaged { place, what }
            }
            Self::Said(redb::Error::Io(source)) => StoreError::Disk { place, source },
            Self::Said(redb::Error::DatabaseAlreadyOpen) => StoreError::Locked { place },
            Self::Said(other) => {
                let what = other.to_string();
                StoreError::Damaged { place, what }
            }
            Self::Panicked(what) => StoreError::Damaged { place, what },
        }
    }
}

/// A quota and a limit on the size of files leave no more space than a full disk.
fn is_full(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// redb says so that the first bytes are not its own, and a disk that it is shorter than it was.
fn is_damage(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

/// Runs what may panic: redb trusts pages that a disk has acknowledged, and panics over those of a
/// disk that has lied. What panicked is not used again.
fn guarded<T>(operation: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(result) => result.map_err(Trouble::Said),
        Err(panic) => Err(Trouble::Panicked(words(panic.as_ref()))),
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("redb gave up").to_owned()
}

fn open(backend: impl StorageBackend) -> Result<Database, redb::Error> {
    let database = Builder::new()
        .set_cache_size(CACHE_BYTES)
        // Else it trusts what was closed in order, and a disk that lied makes it panic, or worse.
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)?;
    let known = match database.begin_read()?.open_table(TABLE) {
        Ok(_) => true,
        Err(TableError::TableDoesNotExist(_)) => false,
        Err(other) => return Err(other.into()),
    };
    if !known {
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?;
        transaction.commit()?;
    }
    Ok(database)
}

fn write(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let mut table = transaction.open_table(TABLE)?;
    for (key, value) in batch.changes() {
        match value {
            Some(value) => table.insert(key, value)?,
            None => table.remove(key)?,
        };
    }
    drop(table);
    transaction.commit()?;
    Ok(())
}

fn holds(database: &Database, batch: &Batch) -> Result<bool, redb::Error> {
    let table = database.begin_read()?.open_table(TABLE)?;
    // Of two changes of one key the later counts.
    let last: BTreeMap<&[u8], Option<&[u8]>> = batch.changes().collect();
    for (key, value) in last {
        let found = table.get(key)?;
        if found.as_ref().map(|found| found.value()) != value {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read(database: &Database, prefix: &[u8]) -> Result<Vec<Record>, redb::Error> {
    let table = database.begin_read()?.open_table(TABLE)?;
    let mut records = Vec::new();
    for entry in table.range(prefix..)? {
        let (key, value) = entry.map_err(|error: StorageError| redb::Error::from(error))?;
        let Some(key) = key.value().strip_prefix(prefix) else {
            break; // keys are in order: no later one has the prefix
        };
        records.push((key.to_vec(), value.value().to_vec()));
    }
    Ok(records)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
