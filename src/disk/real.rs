//! Records in a file of a directory.

use std::fs::{self, File, OpenOptions};
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
    let file = make(directory).and_then(|made| {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(FILE))?;
        sync_names(directory, made)?;
        Ok(file)
    });
    let backend = file.and_then(|file| FileBackend::new(file).map_err(io::Error::other));
    match backend {
        Ok(backend) => Store::open_at(&place, backend),
        Err(source) => Err(StoreError::Directory { place, source }),
    }
}

/// Makes the directory, unless it is there. Says how many directories it has made.
fn make(directory: &Path) -> io::Result<usize> {
    if directory.exists() && !directory.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into()); // the system would say that it exists
    }
    let missing = |ancestor: &&Path| !ancestor.as_os_str().is_empty() && !ancestor.exists();
    let made = directory.ancestors().take_while(missing).count();
    fs::create_dir_all(directory)?;
    Ok(made)
}

/// Makes the file's name durable, and those of the directories that were made for it: syncing a file
/// says nothing of the directory that it is found by.
fn sync_names(directory: &Path, made: usize) -> io::Result<()> {
    if cfg!(unix) {
        for holder in directory.ancestors().take(1 + made) {
            let here = holder.as_os_str().is_empty();
            let holder = if here { Path::new(".") } else { holder };
            File::open(holder)?.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "real_tests.rs"]
mod tests;
