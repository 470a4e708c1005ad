//! Crashes: of an honest disk at every operation, of a lying one, and what is left.

use std::collections::BTreeSet;

use redb::StorageBackend;

use super::{Image, SECTOR, place};
use crate::disk::{Batch, Damage, DiskFate, SimDisk, Store, StoreError};
use crate::seed::{Seed, Stream};

/// Fates that an honest disk may meet.
const HONEST: [DiskFate; 3] = [DiskFate::Keep, DiskFate::Lose, DiskFate::Tear];

/// How many of its bulky records a story keeps.
const KEPT: u32 = 3;

/// The n-th batch of a story: two records that must always agree, one more of changing size, and one
/// less. Every batch rewrites and moves pages.
fn batch(n: u32) -> Batch {
    let mut batch = Batch::default();
    batch.put(b"first", &n.to_be_bytes());
    batch.put(&bulk_key(n), &bulk(n));
    if n > KEPT {
        batch.erase(&bulk_key(n - KEPT));
    }
    batch.put(b"last", &n.to_be_bytes());
    batch
}

fn bulk_key(n: u32) -> Vec<u8> {
    format!("bulk/{n:06}").into_bytes()
}

/// Up to 6 KB: within a page, and over several.
fn bulk(n: u32) -> Vec<u8> {
    let len = n.wrapping_mul(2_654_435_761) % 6_000;
    (0..len).map(|i| (n + i) as u8).collect()
}

/// Which batch the store is at; panics if it is at none, or between two.
fn stands_at(store: &mut Store) -> Result<u32, StoreError> {
    let records = store.records(b"")?;
    let Some((_, first)) = records.iter().find(|(key, _)| key == b"first") else {
        assert_eq!(records, [], "half of the first batch");
        return Ok(0);
    };
    let n = u32::from_be_bytes(first.as_slice().try_into().unwrap());
    let mut expected: Vec<_> = (n.saturating_sub(KEPT - 1).max(1)..=n)
        .map(|n| (bulk_key(n), bulk(n)))
        .collect();
    expected.push((b"first".to_vec(), n.to_be_bytes().to_vec()));
    expected.push((b"last".to_vec(), n.to_be_bytes().to_vec()));
    assert!(
        records == expected,
        "half of batch {n}: {:?}",
        keys(&records)
    );
    Ok(n)
}

fn keys(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
    let keys = records.iter().map(|(key, _)| key);
    keys.map(|key| key.escape_ascii().to_string()).collect()
}

/// A life: opens the disk and commits one batch after the other until the disk fails or `end` is
/// acknowledged. Gives where it began, and what it was told last.
fn live(disk: &SimDisk, end: u32) -> Result<(u32, u32), StoreError> {
    let mut store = Store::open(disk.backend())?;
    let start = stands_at(&mut store)?;
    let acknowledged = (start + 1..=end).take_while(|&n| store.commit(&batch(n)).is_ok());
    Ok((start, acknowledged.last().unwrap_or(start)))
}

/// Lives on after a crash of an honest disk that had acknowledged a batch; at most the one that was
/// under way may be there too. A life that could not even open its store has been told nothing.
fn live_on(disk: &SimDisk, acknowledged: u32, end: u32) -> u32 {
    match live(disk, end) {
        Ok((start, now)) => {
            let found = [acknowledged, acknowledged + 1].contains(&start);
            assert!(
                found,
                "batch {acknowledged} was acknowledged, {start} found"
            );
            now
        }
        Err(StoreError::Disk { .. }) if disk.has_failed() => acknowledged,
        Err(error) => panic!("an honest disk is always opened: {error}"),
    }
}

/// A disk without anything on it.
fn blank() -> SimDisk {
    SimDisk::over(Image::default())
}

/// All that is written.
fn content(disk: &SimDisk) -> Vec<u8> {
    let written = disk.state().written.clone();
    let mut content = vec![0; place(written.len)];
    assert!(written.read(0, &mut content));
    content
}

fn stream(name: &str) -> Stream {
    Seed(7).stream(name)
}

#[test]
fn a_crash_at_any_operation_loses_no_acknowledged_batch_and_leaves_none_half() {
    const END: u32 = 12;
    let whole = SimDisk::formatted();
    assert_eq!(live(&whole, END).unwrap(), (0, END));
    let mut chance = stream("crashes");
    for fate in HONEST {
        for operation in 0..whole.operations() {
            let disk = SimDisk::formatted();
            disk.fail_after(Some(operation));
            let acknowledged = live_on(&disk, 0, END);
            assert!(disk.has_failed(), "{fate:?} in operation {operation}");
            disk.crash(fate, &mut chance);
            assert_eq!(live_on(&disk, acknowledged, END), END);
        }
    }
}

#[test]
fn a_disk_that_crashes_again_and_again_keeps_what_it_has_acknowledged() {
    let mut chance = stream("crashes");
    let disk = SimDisk::formatted();
    let mut acknowledged = 0;
    let mut seen = Damage::default();
    for _ in 0..3_000 {
        // An opening takes some ten operations, a commit some seven: many lives end in repair.
        disk.fail_after(Some(u64::from(chance.below(40))));
        acknowledged = live_on(&disk, acknowledged, u32::MAX);
        let fate = HONEST[chance.below(3) as usize];
        let damage = disk.crash(fate, &mut chance);
        seen.unsynced += damage.unsynced;
        seen.lost += damage.lost;
    }
    assert!(acknowledged > 2_000, "{acknowledged}");
    assert!(seen.lost > 3_000 && seen.unsynced > seen.lost, "{seen:?}");
}

#[test]
fn a_disk_that_lies_loses_what_it_has_acknowledged_and_every_trouble_is_an_error() {
    let (mut lost, mut damaged) = (0, 0);
    let mut chance = stream("lies");
    for _ in 0..200 {
        let disk = SimDisk::formatted();
        let (_, mut acknowledged) = live(&disk, chance.below(12)).unwrap();
        disk.lie(true);
        for _ in 0..4 {
            disk.fail_after(Some(u64::from(chance.below(80))));
            match live(&disk, u32::MAX) {
                Ok((start, now)) => {
                    lost += u32::from(start < acknowledged);
                    acknowledged = now;
                }
                Err(StoreError::Damaged { .. }) => damaged += 1,
                Err(StoreError::Disk { .. }) if disk.has_failed() => {}
                Err(error) => panic!("{error}"),
            }
            let fate = [DiskFate::Tear, DiskFate::Lie][chance.below(2) as usize];
            disk.crash(fate, &mut chance);
        }
    }
    assert!(lost > 20 && damaged > 20, "{lost} {damaged}");
}

#[test]
fn a_lie_is_no_lie_any_more_once_the_disk_has_synced() {
    let told_the_truth_in_the_end = |honest: u32| {
        let disk = SimDisk::formatted();
        let mut store = Store::open(disk.backend()).unwrap();
        disk.lie(true);
        (1..=3).for_each(|n| store.commit(&batch(n)).unwrap());
        disk.lie(false);
        (4..4 + honest).for_each(|n| store.commit(&batch(n)).unwrap());
        disk.crash(DiskFate::Lie, &mut stream("unused"));
        stands_at(&mut Store::open(disk.backend()).unwrap()).unwrap()
    };
    assert_eq!(told_the_truth_in_the_end(0), 0);
    assert_eq!(told_the_truth_in_the_end(1), 4);
}

#[test]
fn same_seed_same_disk() {
    let story = || {
        let mut chance = stream("crashes");
        let disk = SimDisk::formatted();
        let mut damages = Vec::new();
        for _ in 0..60 {
            disk.fail_after(Some(u64::from(chance.below(60))));
            let _whether_it_opened = live(&disk, u32::MAX);
            damages.push(disk.crash(DiskFate::Tear, &mut chance));
        }
        (damages, disk.operations(), content(&disk))
    };
    let (damages, operations, content) = story();
    assert!(damages.iter().any(|damage| damage.lost > 0));
    let again = story();
    assert_eq!((damages, operations), (again.0, again.1));
    assert!(content == again.2, "the pages differ");
}

#[test]
fn a_formatted_disk_is_what_opening_a_store_on_a_blank_one_leaves() {
    let disk = blank();
    drop(Store::open(disk.backend()).unwrap());
    assert!(content(&SimDisk::formatted()) == content(&disk));
    assert_eq!(SimDisk::formatted().operations(), 0);
    // And it is nobody else's.
    live(&SimDisk::formatted(), 5).unwrap();
    assert!(content(&SimDisk::formatted()) == content(&disk));
}

#[test]
fn what_an_ended_life_still_calls_has_no_effect() {
    let disk = SimDisk::formatted();
    let mut store = Store::open(disk.backend()).unwrap();
    store.commit(&batch(1)).unwrap();
    let backend = disk.backend();
    disk.crash(DiskFate::Keep, &mut stream("unused"));
    let before = (disk.operations(), content(&disk));
    backend.write(0, b"late").unwrap_err();
    backend.set_len(0).unwrap_err();
    backend.sync_data().unwrap_err();
    backend.read(0, &mut [0]).unwrap_err();
    backend.len().unwrap_err();
    store.commit(&batch(2)).unwrap_err();
    drop(store);
    assert!(before == (disk.operations(), content(&disk)));
    assert!(!disk.has_failed());
    assert_eq!(live(&disk, 2).unwrap(), (1, 2));
}

#[test]
fn a_disk_fails_after_as_many_operations_as_it_was_told() {
    let disk = blank();
    let backend = disk.backend();
    disk.fail_after(Some(3));
    backend.set_len(10).unwrap();
    backend.write(0, b"safe").unwrap();
    backend.sync_data().unwrap();
    assert!(!disk.has_failed());
    backend.write(0, b"lost").unwrap_err();
    assert!(disk.has_failed());
    backend.sync_data().unwrap_err();
    backend.read(0, &mut [0]).unwrap_err();
    assert_eq!(disk.operations(), 3);
    disk.crash(DiskFate::Keep, &mut stream("unused"));
    assert!(!disk.has_failed());
    assert_eq!(content(&disk), b"safe\0\0\0\0\0\0");
    disk.backend().write(0, b"more").unwrap();
}

/// A disk of 16 sectors of ones, all safe, of which the first eight are written with twos.
fn half_written() -> SimDisk {
    let disk = blank();
    let backend = disk.backend();
    backend.write(0, &[1; 16 * SECTOR]).unwrap();
    backend.sync_data().unwrap();
    backend.write(0, &[2; 8 * SECTOR]).unwrap();
    disk
}

#[test]
fn what_is_not_synced_is_kept_or_lost_or_torn_into_whole_sectors() {
    let crash = |fate| {
        let disk = half_written();
        let damage = disk.crash(fate, &mut stream("sectors"));
        (damage, content(&disk))
    };
    let (unsynced, sixteen) = (8, 16 * SECTOR);
    let (damage, found) = crash(DiskFate::Keep);
    assert_eq!(damage, Damage { unsynced, lost: 0 });
    assert!(found == [[2; 8 * SECTOR], [1; 8 * SECTOR]].concat());
    for fate in [DiskFate::Lose, DiskFate::Lie] {
        let (damage, found) = crash(fate);
        assert_eq!(damage, Damage { unsynced, lost: 8 });
        assert!(found == vec![1; sixteen]);
    }
    let (damage, found) = crash(DiskFate::Tear);
    assert_eq!(damage.unsynced, unsynced);
    let (torn, rest) = found.split_at(8 * SECTOR);
    let old = torn.chunks(SECTOR).filter(|sector| **sector == [1; SECTOR]);
    let new = torn.chunks(SECTOR).filter(|sector| **sector == [2; SECTOR]);
    let (old, new) = (old.count() as u32, new.count() as u32);
    assert_eq!((old, old + new), (damage.lost, 8));
    assert!(old > 0 && new > 0, "this seed tears");
    assert!(rest == [1; 8 * SECTOR]);
}

#[test]
fn a_crash_that_tears_may_find_parts_of_the_write_in_which_the_disk_failed() {
    let crash = |fate| {
        let disk = half_written();
        disk.fail_after(Some(0));
        disk.backend().write(0, &[3; 8 * SECTOR]).unwrap_err();
        disk.crash(fate, &mut stream("sectors"));
        content(&disk).contains(&3)
    };
    assert!(crash(DiskFate::Tear));
    assert!(!crash(DiskFate::Keep));
}

#[test]
fn a_length_that_is_not_synced_is_the_old_one_or_the_new() {
    for (len, filled) in [(24, true), (24, false), (4, false)] {
        let found = |fate, seed| {
            let disk = blank();
            let backend = disk.backend();
            backend.write(0, &[1; 16 * SECTOR]).unwrap();
            backend.sync_data().unwrap();
            backend.set_len(len * SECTOR as u64).unwrap();
            if filled {
                backend.write(16 * SECTOR as u64, &[2; 8 * SECTOR]).unwrap();
            }
            disk.crash(fate, &mut Seed(seed).stream("length"));
            content(&disk)
        };
        let old = vec![1; 16 * SECTOR];
        let mut new = old.clone();
        new.resize(len as usize * SECTOR, if filled { 2 } else { 0 });
        assert!(found(DiskFate::Lose, 0) == old);
        assert!(found(DiskFate::Keep, 0) == new);
        let torn: Vec<_> = (0..20).map(|seed| found(DiskFate::Tear, seed)).collect();
        let lens: BTreeSet<_> = torn.iter().map(Vec::len).collect();
        assert_eq!(lens, BTreeSet::from([old.len(), new.len()]));
        let olds = torn.iter().filter(|found| found.len() == old.len());
        assert!(olds.into_iter().all(|found| *found == old));
    }
}
