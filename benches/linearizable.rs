//! Judging whether a history is linearizable: a register with compare-and-set, and many calls.
//!
//! `cargo bench --bench linearizable` makes up histories of 5 clients and 100,000 operations as EDN,
//! reads each, judges it, and prints the medians of both, and the steps that the search took. Of the
//! unknown calls, half take effect, some of them late.

use std::hint::black_box;
use std::time::Instant;

use wavetank::check::register;
use wavetank::history::recorded::Recorded;
use wavetank::seed::{Seed, Stream};

const CLIENTS: u64 = 5;

const OPERATIONS: u32 = 100_000;

/// The first value of all, which is overwritten at once.
const OLD: u32 = 1_000_000;

/// Rounds for each history: the medians are printed.
const ROUNDS: usize = 11;

/// More than any of the histories needs.
const STEPS_MAX: u64 = 50_000_000;

/// A kind of history, and what it must be judged.
struct Kind {
    name: &'static str,
    /// Clients write 1 and so on up to this.
    values: u32,
    unknown_percent: u32,
    verdict: &'static str,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "5 values",
        values: 5,
        unknown_percent: 0,
        verdict: "valid",
    },
    Kind {
        name: "5 values, 1 % unknown",
        values: 5,
        unknown_percent: 1,
        verdict: "valid",
    },
    Kind {
        name: "100,000 values",
        values: 100_000,
        unknown_percent: 0,
        verdict: "valid",
    },
    Kind {
        name: "100,000 values, 1 % unknown",
        values: 100_000,
        unknown_percent: 1,
        verdict: "valid",
    },
    Kind {
        name: "5 values, wrong near the end",
        values: 5,
        unknown_percent: 0,
        verdict: "violated",
    },
];

/// A call while its client makes it.
struct Calling {
    process: u64,
    f: &'static str,
    /// Of a compare-and-set, the value that must be there.
    old: u32,
    new: u32,
    /// Whether the client never learns how it ends.
    is_unknown: bool,
    /// Whether it has taken effect, and if so, whether it did what it should.
    effect: Option<bool>,
}

impl Calling {
    fn draw(process: u64, kind: &Kind, chance: &mut Stream) -> Self {
        Self {
            process,
            f: ["read", "write", "cas"][chance.below(3) as usize],
            old: 1 + chance.below(kind.values),
            new: 1 + chance.below(kind.values),
            is_unknown: chance.below(100) < kind.unknown_percent,
            effect: None,
        }
    }

    fn take_effect(&mut self, value: &mut u32) {
        let fits = self.f != "cas" || self.old == *value;
        match self.f {
            "read" => self.new = *value,
            _ if fits => *value = self.new,
            _ => {}
        }
        self.effect = Some(fits);
    }

    fn line(&self, kind: &str) -> String {
        let value = match (self.f, kind) {
            ("read", "invoke") => "nil".to_owned(),
            ("cas", ..) => format!("[{} {}]", self.old, self.new),
            _ => self.new.to_string(),
        };
        let (process, f) = (self.process, self.f);
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
    }
}

/// Makes a history up: calls begin, take effect and end in an order of chance.
fn history(kind: &Kind) -> String {
    let mut chance = Seed(7).stream("history");
    let mut text = String::new();
    for new in [OLD, 1] {
        let write = Calling {
            process: CLIENTS,
            f: "write",
            old: 0,
            new,
            is_unknown: false,
            effect: None,
        };
        text.push_str(&(write.line("invoke") + &write.line("ok")));
    }
    let mut clients: Vec<Option<Calling>> = (0..CLIENTS).map(|_| None).collect();
    let mut processes: Vec<u64> = (0..CLIENTS).collect();
    let mut late: Vec<Calling> = Vec::new();
    let mut value = 1;
    let mut begun = 0;
    let mut wrong_left = u32::from(kind.verdict == "violated");
    while begun < OPERATIONS {
        if chance.below(50) == 0 && !late.is_empty() {
            let place = chance.below(late.len() as u32) as usize;
            late.swap_remove(place).take_effect(&mut value);
        }
        let client = chance.below(CLIENTS as u32) as usize;
        let Some(calling) = &mut clients[client] else {
            let calling = Calling::draw(processes[client], kind, &mut chance);
            text.push_str(&calling.line("invoke"));
            clients[client] = Some(calling);
            begun += 1;
            continue;
        };
        if calling.is_unknown {
            text.push_str(&calling.line("info"));
            processes[client] += CLIENTS + 1;
            let ended = clients[client].take().expect("it is calling");
            if chance.below(2) == 0 {
                late.push(ended);
            }
            continue;
        }
        let Some(fits) = calling.effect else {
            calling.take_effect(&mut value);
            continue;
        };
        if calling.f == "read" && wrong_left > 0 && begun + 1_000 > OPERATIONS {
            // It was written, but long ago.
            calling.new = OLD;
            wrong_left -= 1;
        }
        text.push_str(&calling.line(if fits { "ok" } else { "fail" }));
        clients[client] = None;
    }
    text
}

/// What a call gives, and what it takes in milliseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures the machine's time"
)]
fn timed<T>(call: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let value = call();
    (value, start.elapsed().as_secs_f64() * 1e3)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    println!("{OPERATIONS} operations of {CLIENTS} clients; medians of {ROUNDS} rounds");
    for kind in &KINDS {
        let text = history(kind);
        let mut steps = 0;
        let mut reading = Vec::new();
        let mut judging = Vec::new();
        for _ in 0..ROUNDS {
            let (recorded, took) = timed(|| Recorded::read(black_box(&text)).expect("it is EDN"));
            reading.push(took);
            let (judged, took) = timed(|| register::judge(&recorded, STEPS_MAX).expect("known"));
            judging.push(took);
            let (verdict, used) = judged;
            assert_eq!(verdict.name(), kind.verdict, "{}: {verdict}", kind.name);
            steps = used;
        }
        println!(
            "{:<29} {:<9} reading {:6.1} ms   judging {:6.1} ms   {steps:>8} steps",
            kind.name,
            kind.verdict,
            median(reading),
            median(judging)
        );
    }
}
