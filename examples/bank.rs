//! A service of one's own: a bank, the storms that it meets, and a test of it.
//!
//! `cargo run --example bank` prints what happens to deposits and withdrawals in one storm, and
//! `cargo run --example bank -- at-most-once 3` in another one, with another semantics.
//! `cargo test --example bank` judges hundreds of them. `docs/your-own-service.md` walks through it.

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;

use wavetank::check::sequential::{SequentialSpec, Specification};
use wavetank::clock::Time;
use wavetank::rpc::client::RpcClient;
use wavetank::rpc::service::{Effects, Input, Service};
use wavetank::seed::{Seed, Stream};
use wavetank::services::{Application, Client, Command, PlainClient, Usage};
use wavetank::sim::report;
use wavetank::sim::scenario::Scenario;
use wavetank::trace::{Detail, text};

/// The whole bank: balances by name.
#[derive(Clone, Default, Eq, Ord, PartialEq, PartialOrd)]
struct Bank(BTreeMap<String, u64>);

impl Bank {
    /// Does what a request says, and gives the reply.
    fn apply(&mut self, request: &[u8]) -> String {
        let words: Vec<&str> = str::from_utf8(request).unwrap_or("").split(' ').collect();
        let [verb, name, amount] = words[..] else {
            return "refused".to_owned();
        };
        let (balance, amount) = (
            self.0.entry(name.to_owned()).or_default(),
            amount.parse().ok(),
        );
        let after = amount.and_then(|amount: u64| match verb {
            "deposit" => balance.checked_add(amount),
            "withdraw" => balance.checked_sub(amount),
            _ => None,
        });
        let Some(after) = after else {
            return "refused".to_owned();
        };
        *balance = after;
        format!("balance {after}")
    }
}

impl Service for Bank {
    fn step(&mut self, _now: Time, input: Input<'_>, effects: &mut Effects) {
        if let Input::Request { ticket, body, .. } = input {
            effects.complete(ticket, self.apply(body).as_bytes());
        }
    }
}

/// What the bank promises, one request after the other: what it does when nothing fails.
impl SequentialSpec for Bank {
    type State = Self;

    fn initial(&self) -> Self {
        Self::default()
    }

    fn step(&self, bank: &Self, request: &[u8], told: Option<&[u8]>) -> Option<Self> {
        let mut after = bank.clone();
        let reply = after.apply(request);
        let is_right = told.is_none_or(|told| told == reply.as_bytes());
        is_right.then_some(after)
    }
}

const USAGE: [Usage; 2] = [
    Usage::new("deposit NAME AMOUNT", "Adds to a balance."),
    Usage::new("withdraw NAME AMOUNT", "Takes from a balance."),
];

#[derive(Debug)]
struct BankApplication;

impl Application for BankApplication {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn usage(&self) -> &'static [Usage] {
        &USAGE
    }

    fn service(&self) -> Box<dyn Service> {
        Box::new(Bank::default())
    }

    fn client(&self, rpc: RpcClient) -> Box<dyn Client> {
        Box::new(PlainClient::new(rpc, |reply| reply == b"refused").with_load(generate))
    }

    fn spec(&self) -> Option<Box<dyn Specification>> {
        Some(Box::new(Bank::default()))
    }
}

/// A made-up command, for load.
fn generate(verb: &str, chance: &mut Stream) -> Option<Command> {
    let verb = ["deposit", "withdraw"]
        .into_iter()
        .find(|known| *known == verb)?;
    let body = format!("{verb} ann {}", 1 + chance.below(9)).into_bytes();
    Some(Command { verb, body })
}

fn storm() -> Scenario {
    let services: [Arc<dyn Application>; 1] = [Arc::new(BankApplication)];
    Scenario::parse("examples/bank.toml", include_str!("bank.toml"), &services)
        .unwrap_or_else(|mistake| panic!("{mistake}"))
}

/// The command that shows what happens to a variant under a seed.
fn replay(variant: &str, seed: u64) -> String {
    format!("cargo run --example bank -- {variant} {seed}")
}

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let word = |place: usize, usual| words.get(place).map_or(usual, String::as_str);
    let (storm, seed) = (storm(), word(1, "7").parse().expect("a seed is a number"));
    let variant = storm
        .variant(word(0, "at-least-once"))
        .expect("one of the variants");
    let report = report::run(variant, Seed(seed), variant.backends[0], Detail::Trace);
    let report = report.expect("there is no setup that could fail");
    let mut trace = report.trace(&storm, variant, Seed(seed));
    trace.header.command = replay(&variant.name, seed);
    print!("{}", text::write(&trace));
}

#[test]
fn only_at_most_once_pays_nobody_twice() {
    let held = wavetank::sim::hold::hold(&storm(), 0..300, &replay);
    held.unwrap_or_else(|broken| panic!("{broken}"));
}
