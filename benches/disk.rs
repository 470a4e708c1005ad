//! Durable commits: on a simulated disk, and in a file, each with its sync.
//!
//! `cargo bench --bench disk` commits one small record after the other, each a transaction of its own,
//! and prints what one takes: the median over many rounds, the two disks in turn. It also prints what
//! a new simulated disk costs, what opening a store on it costs, and opening one again after a crash.
//! The file is in a directory of its own among the temporary files: set `TMPDIR` to measure another
//! disk.

use std::time::Instant;
use std::{env, fs, process};

use wavetank::disk::{Batch, DiskFate, SimDisk, Store, real};
use wavetank::seed::Seed;

/// Commits of a round.
const COMMITS: u32 = 200;

/// Disks, and openings, of a round.
const DISKS: u32 = 200;

const ROUNDS: usize = 21;

/// Records of a store: commits change them in turn.
const RECORDS: u32 = 100;

/// What each of `times` calls takes, in microseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures the machine's time"
)]
fn each(times: u32, mut call: impl FnMut(u32)) -> f64 {
    let start = Instant::now();
    (0..times).for_each(&mut call);
    start.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

/// What a commit of one small record takes.
fn commit(store: &mut Store, batch: &mut Batch) -> f64 {
    each(COMMITS, |n| {
        batch.clear();
        batch.put(
            &(n % RECORDS).to_be_bytes(),
            b"a small record, as a reply is",
        );
        store.commit(batch).expect("the disk works");
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let directory = env::temp_dir().join(format!("wavetank-bench-{}", process::id()));
    let disk = SimDisk::formatted();
    let mut simulated = Store::open(disk.backend()).expect("a formatted disk");
    let mut file = real::open(&directory).expect("a directory for temporary files");
    let crashed = SimDisk::formatted();
    let mut batch = Batch::default();
    let mut chance = Seed(1).stream("crashes");
    let mut open_and_crash = |disk: &SimDisk| {
        let store = Store::open(disk.backend()).expect("an honest disk");
        disk.crash(DiskFate::Lose, &mut chance);
        drop(store);
    };
    let mut before = Store::open(crashed.backend()).expect("a formatted disk");
    commit(&mut before, &mut batch);

    let rounds: Vec<[f64; 5]> = (0..ROUNDS)
        .map(|_| {
            [
                commit(&mut simulated, &mut batch),
                commit(&mut file, &mut batch),
                each(DISKS, |_| drop(SimDisk::formatted())),
                each(DISKS, |_| open_and_crash(&SimDisk::formatted())),
                each(DISKS, |_| open_and_crash(&crashed)),
            ]
        })
        .collect();
    drop(file);
    fs::remove_dir_all(&directory).expect("the directory of this bench");

    let took = |place: usize| median(rounds.iter().map(|round| round[place]).collect());
    for (place, name) in ["simulated", "file, fsync"].into_iter().enumerate() {
        let took = took(place);
        println!(
            "{name:<12} {:8.0} commits/s  {took:7.1} us each",
            1e6 / took
        );
    }
    println!("a new simulated disk              {:7.2} us", took(2));
    println!("the same, opened and crashed      {:7.2} us", took(3));
    println!("a store opened again after a crash {:6.2} us", took(4));
}
