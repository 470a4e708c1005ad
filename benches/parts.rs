//! Single parts of a run, each by itself: what one costs, in nanoseconds, as a median.
//!
//! `cargo bench --bench parts` prints a line for each. Machines are noisy: compare lines of one run,
//! or the same line before and after a change, and not with figures of other machines.

use std::hint::black_box;
use std::time::Instant;

use wavetank::check::executions::{Execution, Told, judge};
use wavetank::clock::Time;
use wavetank::history::OutcomeKind;
use wavetank::id::{ClientId, ClientKey, HostId, OperationId, RequestId};
use wavetank::rpc::CacheKind;
use wavetank::rpc::message::NO_SESSION;
use wavetank::rpc::reply_cache::{Limits, ReplyCache};
use wavetank::seed::Seed;
use wavetank::services::booking::message::{Request, WireTime};
use wavetank::trace::Names;
use wavetank::wire::SharedBytes;

/// Repetitions of one measurement: enough that reading the clock does not matter.
const REPETITIONS: u32 = 1_000;

/// Measurements: their median is printed.
const ROUNDS: usize = 101;

/// Operations of a history to judge: those of one run of the reference workload.
const OPERATIONS: u32 = 300;

/// One run of a part under test.
type Part = Box<dyn FnMut()>;

fn request() -> Request<'static> {
    let at = |hour| WireTime {
        day: 2,
        hour,
        minute: 0,
    };
    Request::Book {
        facility: "The Large Conference Hall on the Second Floor".into(),
        start: at(10),
        end: at(11),
    }
}

fn encode_a_request() -> impl FnMut() {
    let request = request();
    move || {
        black_box(black_box(&request).encode());
    }
}

fn decode_a_request() -> impl FnMut() {
    let body = request().encode();
    move || {
        black_box(Request::decode(black_box(&body))).expect("what was encoded");
    }
}

/// A new request, as its client numbers them on: the reply before it is forgotten.
fn admit_and_complete() -> impl FnMut() {
    let mut cache = ReplyCache::new(CacheKind::Memory, Limits::default());
    let body = SharedBytes::from(request().encode());
    let client = ClientKey::Id(ClientId(7));
    let mut sequence = 0;
    move || {
        sequence += 1;
        let id = RequestId { client, sequence };
        black_box(cache.admit(Time::ZERO, id, NO_SESSION, sequence, &body));
        cache.complete(Time::ZERO, id, &body);
    }
}

fn read_a_stream() -> impl FnMut() {
    let mut stream = Seed(1).stream("load");
    move || {
        black_box(stream.next_u32());
    }
}

fn judge_executions() -> impl FnMut() {
    let operation = |number| OperationId {
        client: HostId(1),
        number,
    };
    let ran = |number| Execution {
        operation: operation(number),
        line: 0,
    };
    let told = |number| Told {
        operation: operation(number),
        kind: OutcomeKind::Ok,
        line: 0,
    };
    let executions: Vec<_> = (1..=OPERATIONS).map(ran).collect();
    let outcomes: Vec<_> = (1..=OPERATIONS).map(told).collect();
    move || {
        black_box(judge(&executions, &outcomes, Names(&[])));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures the machine's time"
)]
fn nanoseconds(part: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..REPETITIONS {
        part();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(REPETITIONS)
}

fn median(part: &mut dyn FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| nanoseconds(part)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let parts: [(&str, Part); 5] = [
        ("encode a booking request", Box::new(encode_a_request())),
        ("decode a booking request", Box::new(decode_a_request())),
        (
            "reply cache: admit and complete",
            Box::new(admit_and_complete()),
        ),
        ("read a word of a stream", Box::new(read_a_stream())),
        (
            "judge the executions of 300 operations",
            Box::new(judge_executions()),
        ),
    ];
    for (name, mut part) in parts {
        println!("{name:<40} {:8.1} ns", median(&mut part));
    }
}
