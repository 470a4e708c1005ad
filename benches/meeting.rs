//! Loading a data file of the meeting scheduler, and what its people have in common.
//!
//! `cargo bench --bench meeting` makes up a file of 100,000 people with 50 intervals each, reads it a
//! few times, and prints the medians: of reading it, of checking that its names stand in no other file, and of
//! the common time of ten people.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use wavetank::seed::Seed;
use wavetank::services::meeting::data_file::DataFile;
use wavetank::services::meeting::times::Times;

const PEOPLE: usize = 100_000;

/// Intervals of each.
const INTERVALS: usize = 50;

const ROUNDS: usize = 7;

/// People that are asked for together.
const ASKED: usize = 10;

fn made_up_file() -> String {
    let mut chance = Seed(1).stream("people");
    let mut text = String::new();
    for person in 0..PEOPLE {
        write!(text, "person{person};[").expect("a string takes all");
        let mut time = 1_000 + chance.below(100);
        for interval in 0..INTERVALS {
            let start = time + 1 + chance.below(900);
            time = start + 1 + chance.below(900);
            let comma = if interval == 0 { "" } else { "," };
            write!(text, "{comma}[{start},{time}]").expect("a string takes all");
        }
        text.push_str("]\n");
    }
    text
}

/// What a call takes, in milliseconds, and what it gives.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures the machine's time"
)]
fn timed<T>(call: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let given = black_box(call());
    (start.elapsed().as_secs_f64() * 1e3, given)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let text = made_up_file();
    let mut took = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let (reading, file) = timed(|| DataFile::parse("a.txt", black_box(text.as_bytes())));
        let files = [file.expect("what was made up is right")];
        let (checking, checked) = timed(|| DataFile::check_apart(&files));
        checked.expect("every name is made up once");
        let [file] = files;
        let people = file.into_people();
        let asked: Vec<&Times> = people.values().take(ASKED).collect();
        let (merging, _) = timed(|| Times::common(&asked));
        for (took, ms) in took.iter_mut().zip([reading, checking, merging]) {
            took.push(ms);
        }
    }
    let [reading, checking, merging] = took.map(median);
    let megabytes = text.len() as f64 / 1e6;
    println!("{PEOPLE} people, {INTERVALS} intervals each, {megabytes:.0} MB");
    println!("read             {reading:8.0} ms");
    println!("names checked    {checking:8.0} ms");
    println!("{ASKED} people merged {merging:8.3} ms");
}
