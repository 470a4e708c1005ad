//! Judging whether histories are linearizable: a register with compare-and-set, many calls.
//!
//! `cargo bench --bench linearizable` makes up histories of 5 clients and 100,000 operations, judges
//! each, and prints the median over some rounds, and the steps of the search. The judging alone is
//! measured.

use std::hint::black_box;
use std::time::Instant;

use wavetank::check::linearizable::{Timed, judge_counting};
use wavetank::check::register::{Register, RegisterCall};
use wavetank::seed::{Seed, Stream};

const CLIENTS: u32 = 5;

const OPERATIONS: usize = 100_000;

/// Clients write these and 0, as Jepsen's do.
const VALUES: u32 = 5;

const ROUNDS: usize = 11;

const STEPS_MAX: u64 = 20_000_000;

struct Kind {
    name: &'static str,
    values: u32,
    unknown_per_10000: u32,
    is_violated: bool,
}

fn main() {
    for kind in [
        Kind {
            name: "valid",
            values: 5,
            unknown_per_10000: 0,
            is_violated: false,
        },
        Kind {
            name: "valid, distinct",
            values: u32::MAX,
            unknown_per_10000: 0,
            is_violated: false,
        },
        Kind {
            name: "unknown",
            values: 5,
            unknown_per_10000: 100,
            is_violated: false,
        },
        Kind {
            name: "unknown, distinct",
            values: 100_000,
            unknown_per_10000: 100,
            is_violated: false,
        },
        Kind {
            name: "violated",
            values: 5,
            unknown_per_10000: 0,
            is_violated: true,
        },
        Kind {
            name: "violated unknown",
            values: 5,
            unknown_per_10000: 100,
            is_violated: true,
        },
    ] {
        for seed in 1..4 {
            let calls = history(&kind, seed);
            let parts = [calls];
            let start = Instant::now();
            let (verdict, steps) = judge_counting(&Register, &parts, STEPS_MAX);
            let took = start.elapsed();
            println!(
                "{} {} {steps} steps {took:?} {}",
                kind.name,
                verdict.name(),
                verdict.evidence()
            );
            black_box(verdict);
        }
    }
}

enum Doing {
    Nothing,
    Called(usize),
    Done(usize, bool),
}

fn history(kind: &Kind, seed: u64) -> Vec<Timed<RegisterCall>> {
    let mut chance = Seed(seed).stream("history");
    let mut calls: Vec<Timed<RegisterCall>> = Vec::new();
    let mut clients: Vec<Doing> = (0..CLIENTS).map(|_| Doing::Nothing).collect();
    let mut late: Vec<usize> = Vec::new();
    let mut failed = vec![];
    let mut value = 0;
    let mut now = 0;
    fn effect(call: &mut RegisterCall, value: &mut u32) -> bool {
        match call {
            RegisterCall::Read(told) => *told = *value,
            RegisterCall::Write(new) => *value = *new,
            RegisterCall::CompareAndSet(old, new) => {
                if old != value {
                    return false;
                }
                *value = *new;
            }
        }
        true
    }
    while calls.len() < OPERATIONS {
        now += 1;
        if !late.is_empty() && chance.below(50) == 0 {
            let at = chance.below(late.len() as u32) as usize;
            let call = late.swap_remove(at);
            effect(&mut calls[call].call, &mut value);
        }
        let client = chance.below(CLIENTS) as usize;
        let doing = &mut clients[client];
        match *doing {
            Doing::Nothing => {
                let mut draw = || 1 + chance.below(kind.values);
                let call = match draw() % 3 {
                    _ => [
                        RegisterCall::Read(0),
                        RegisterCall::Write(draw()),
                        RegisterCall::CompareAndSet(draw(), draw()),
                    ],
                };
                let which = chance.below(3) as usize;
                *doing = Doing::Called(calls.len());
                calls.push(Timed {
                    call: call[which],
                    began: now,
                    ended: None,
                    name: format!("call {}", calls.len()),
                });
            }
            Doing::Called(call) => {
                if chance.below(10_000) < kind.unknown_per_10000 {
                    if chance.below(2) == 0 {
                        late.push(call);
                    }
                    *doing = Doing::Nothing;
                } else {
                    *doing = Doing::Done(call, effect(&mut calls[call].call, &mut value));
                }
            }
            Doing::Done(call, ok) => {
                if ok {
                    calls[call].ended = Some(now);
                } else {
                    failed.push(call)
                }
                *doing = Doing::Nothing;
            }
        }
    }
    if kind.is_violated {
        let end = OPERATIONS - 100;
        let at = (end..OPERATIONS)
            .find(|&at| {
                matches!(calls[at].call, RegisterCall::Read(_)) && calls[at].ended.is_some()
            })
            .unwrap();
        if let RegisterCall::Read(told) = &mut calls[at].call {
            *told = 1 + (*told + 1) % 5;
        }
    }
    failed.sort();
    for at in failed.into_iter().rev() {
        calls.remove(at);
    }
    calls.retain(|call| !(call.ended.is_none() && matches!(call.call, RegisterCall::Read(_))));
    calls
}
