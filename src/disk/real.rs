//! Records in a file of a directory.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use redb::backends::FileBackend;

use crate::disk::store::{Store, StoreError};

/// The file in the directory that holds the records.
pub const FILE: &str = "wavetank.redb";

/// Opens the records in the directory, and makes it and them if they are not there. While they are
/// open, the file is locked: nobody else opens them.
///
/// # Errors
///
/// If the directory or the file cannot be made, opened or written, is in use by another process, or
/// is no file of records or a damaged one. The message names the directory and says what to do.
pub fn open(directory: &Path) -> Result<Store, StoreError> {
    let place = directory.display().to_string();
    let file = make(directory).and_then(|()| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(FILE))
    });
    let backend = file.and_then(|file| FileBackend::new(file).map_err(io::Error::other));
    match backend {
        Ok(backend) => Store::open_at(&place, backend),
        Err(source) => Err(StoreError::Directory { place, source }),
    }
}

/// Makes the directory, unless it is there.
fn make(directory: &Path) -> io::Result<()> {
    if directory.exists() && !directory.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into()); // the system would say that it exists
    }
    fs::create_dir_all(directory)
}

#[cfg(test)]
#[path = "real_tests.rs"]
mod tests;
