//! Records over a disk that works, and what a failure means to who holds the store.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use redb::StorageBackend;

use crate::disk::{Batch, SimDisk, Store, StoreError};

fn put(store: &mut Store, key: &str, value: &str) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    batch.put(key.as_bytes(), value.as_bytes());
    store.commit(&batch)
}

fn all(store: &mut Store, prefix: &str) -> Vec<(String, String)> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let records = store.records(prefix.as_bytes()).unwrap();
    let records = records.into_iter();
    records
        .map(|(key, value)| (text(key), text(value)))
        .collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// A disk that fails at once, in one way.
#[derive(Debug)]
struct Broken(io::ErrorKind);

impl StorageBackend for Broken {
    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }
    fn read(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(self.0.into())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(self.0.into())
    }
    fn sync_data(&self) -> io::Result<()> {
        Err(self.0.into())
    }
    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(self.0.into())
    }
}

#[test]
fn records_come_in_the_order_of_their_keys_without_the_prefix() {
    let mut store = Store::open(SimDisk::formatted().backend()).unwrap();
    for (key, value) in [("s/b", "2"), ("t/", "4"), ("s/a", "1"), ("r/c", "3")] {
        put(&mut store, key, value).unwrap();
    }
    assert_eq!(all(&mut store, "s/"), pairs([("a", "1"), ("b", "2")]));
    assert_eq!(all(&mut store, "t/"), pairs([("", "4")]));
    assert_eq!(all(&mut store, "u"), []);
    assert_eq!(all(&mut store, "").len(), 4);
}

#[test]
fn of_two_changes_of_one_key_the_later_counts() {
    let mut store = Store::open(SimDisk::formatted().backend()).unwrap();
    let mut batch = Batch::default();
    batch.put(b"a", b"1");
    batch.erase(b"a");
    batch.put(b"b", b"1");
    batch.put(b"b", b"22");
    batch.erase(b"c");
    batch.put(b"c", b"");
    store.commit(&batch).unwrap();
    assert_eq!(all(&mut store, ""), pairs([("b", "22"), ("c", "")]));
}

#[test]
fn a_batch_is_used_again() {
    let mut store = Store::open(SimDisk::formatted().backend()).unwrap();
    let mut batch = Batch::default();
    batch.put(b"a", b"1");
    store.commit(&batch).unwrap();
    batch.clear();
    assert!(batch.is_empty());
    batch.erase(b"a");
    batch.put(b"b", b"2");
    store.commit(&batch).unwrap();
    assert_eq!(all(&mut store, ""), pairs([("b", "2")]));
}

#[test]
fn an_empty_batch_touches_no_disk() {
    let disk = SimDisk::formatted();
    let mut store = Store::open(disk.backend()).unwrap();
    let before = disk.operations();
    store.commit(&Batch::default()).unwrap();
    assert_eq!(disk.operations(), before);
    put(&mut store, "a", "1").unwrap();
    assert!(disk.operations() > before);
}

#[test]
fn after_a_failure_everything_is_refused_and_the_hook_was_called_once() {
    let disk = SimDisk::formatted();
    let mut store = Store::open(disk.backend()).unwrap();
    let calls = Rc::new(Cell::new(0));
    let (counter, seen) = (calls.clone(), disk.clone());
    store.on_failure(move || {
        assert!(seen.has_failed());
        counter.set(counter.get() + 1);
    });
    put(&mut store, "a", "1").unwrap();
    disk.fail_after(Some(2));
    let error = put(&mut store, "a", "2").unwrap_err();
    assert!(matches!(error, StoreError::Disk { .. }), "{error}");
    assert_eq!(calls.get(), 1);
    let refusals = [
        put(&mut store, "a", "3").unwrap_err(),
        store.commit(&Batch::default()).unwrap_err(),
        store.records(b"").unwrap_err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, StoreError::Failed { .. }), "{refusal}");
    }
    assert_eq!(calls.get(), 1);
}

#[test]
fn what_the_disk_says_is_told_apart() {
    let error = |kind| Store::open(Broken(kind)).unwrap_err();
    for kind in [
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::FileTooLarge,
    ] {
        let full = error(kind);
        assert!(matches!(full, StoreError::Full { .. }), "{full}");
    }
    let other = error(io::ErrorKind::TimedOut);
    assert!(matches!(other, StoreError::Disk { .. }), "{other}");
    let short = error(io::ErrorKind::UnexpectedEof);
    assert!(matches!(short, StoreError::Damaged { .. }), "{short}");
}

#[test]
fn a_panic_inside_is_an_error() {
    #[derive(Debug)]
    struct Panics;
    impl StorageBackend for Panics {
        fn len(&self) -> io::Result<u64> {
            // Raised as a panic is that has been reported already: no words on stderr.
            std::panic::resume_unwind(Box::new("a page that is none"))
        }
        fn read(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
            Ok(())
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync_data(&self) -> io::Result<()> {
            Ok(())
        }
        fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
    }
    let error = Store::open(Panics).unwrap_err();
    let StoreError::Damaged { what, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(what, "a page that is none");
}

#[test]
fn damage_is_found_when_the_store_is_opened() {
    let disk = SimDisk::formatted();
    let mut store = Store::open(disk.backend()).unwrap();
    put(&mut store, "key", "a value to be found again").unwrap();
    drop(store);
    // One bit of every copy of the value.
    let mut bytes = vec![0; usize::try_from(disk.backend().len().unwrap()).unwrap()];
    disk.backend().read(0, &mut bytes).unwrap();
    let needle = b"a value to be found again";
    let places = bytes.windows(needle.len()).enumerate();
    let places: Vec<_> = places.filter(|(_, seen)| seen == needle).collect();
    assert!(!places.is_empty());
    for (place, _) in places {
        disk.backend().write(place as u64, b"A").unwrap();
    }
    let error = Store::open(disk.backend()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}
