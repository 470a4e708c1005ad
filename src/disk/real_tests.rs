//! Records in a file: found again, locked, and errors that say what to do.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use super::{FILE, open};
use crate::disk::{Batch, StoreError};

/// A directory of a test of this process, empty and removed at its end.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let place = env::temp_dir().join(format!("wavetank-{}-{test}", process::id()));
        let _left_by_an_earlier_one = fs::remove_dir_all(&place);
        fs::create_dir(&place).unwrap();
        Self(place)
    }

    /// What the error of opening a directory says, with `HERE` for this place.
    fn complaint(&self, directory: &Path) -> (StoreError, String) {
        let error = open(directory).unwrap_err();
        let text = error.to_string();
        let text = text.replace(self.0.to_str().unwrap(), "HERE");
        (error, text)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn records_are_found_again_in_a_directory_that_was_made() {
    let place = Place::new("again");
    let directory = place.0.join("made/now");
    let mut batch = Batch::default();
    batch.put(b"key", b"value");
    open(&directory).unwrap().commit(&batch).unwrap();
    let records = open(&directory).unwrap().records(b"k").unwrap();
    assert_eq!(records, [(b"ey".to_vec(), b"value".to_vec())]);
}

#[test]
fn a_directory_in_use_is_refused_until_it_is_closed() {
    let place = Place::new("in-use");
    let first = open(&place.0).unwrap();
    let (error, text) = place.complaint(&place.0);
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    assert_eq!(
        text,
        "HERE is in use by another process: end that one first, or name another directory"
    );
    drop(first);
    open(&place.0).unwrap();
}

#[test]
fn a_directory_that_cannot_be_is_refused() {
    let place = Place::new("no-directory");
    fs::write(place.0.join("file"), "").unwrap();
    for directory in ["file", "file/below"] {
        let (error, text) = place.complaint(&place.0.join(directory));
        assert!(matches!(error, StoreError::Directory { .. }), "{error:?}");
        let start = format!("cannot keep records in HERE/{directory}: ");
        let end = ": name a directory that this user may write";
        assert!(text.starts_with(&start) && text.ends_with(end), "{text}");
    }
}

#[test]
fn a_place_that_permits_nothing_is_refused() {
    // Nobody may open a directory as a file, the superuser neither.
    let place = Place::new("no-permission");
    fs::create_dir(place.0.join(FILE)).unwrap();
    let (error, text) = place.complaint(&place.0);
    assert!(matches!(error, StoreError::Directory { .. }), "{error:?}");
    assert!(text.starts_with("cannot keep records in HERE: "), "{text}");
}

#[test]
fn a_foreign_file_is_left_alone() {
    let place = Place::new("foreign");
    let file = place.0.join(FILE);
    fs::write(&file, "somebody's letters").unwrap();
    let (error, text) = place.complaint(&place.0);
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    let start = "the records in HERE are damaged or not wavetank's (";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(fs::read(&file).unwrap(), b"somebody's letters");
}

#[test]
fn a_file_that_was_cut_is_damaged() {
    let place = Place::new("cut");
    drop(open(&place.0).unwrap());
    let file = fs::OpenOptions::new().write(true).open(place.0.join(FILE));
    file.unwrap().set_len(10_000).unwrap();
    let (error, _) = place.complaint(&place.0);
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}
