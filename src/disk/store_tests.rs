//! Records over a disk that works.

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
