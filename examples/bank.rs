//! A service of one's own: a bank, its scenario, and a test of it.
//!
//! `cargo run --example bank` prints what happens to a deposit whose reply is lost, first with
//! at-least-once and then with at-most-once. `cargo test --example bank` judges the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use wavetank::clock::Time;
use wavetank::rpc::client::RpcClient;
use wavetank::rpc::service::{Effects, Input, Service};
use wavetank::services::{Application, Client, PlainClient, Usage};
use wavetank::sim::report;
use wavetank::sim::scenario::Scenario;
use wavetank::trace::{Detail, text};

/// The whole bank: balances by name.
#[derive(Default)]
struct Bank(BTreeMap<String, u64>);

impl Service for Bank {
    fn step(&mut self, _now: Time, input: Input<'_>, effects: &mut Effects) {
        let Input::Request { ticket, body, .. } = input else {
            return;
        };
        let words: Vec<&str> = str::from_utf8(body).unwrap_or("").split(' ').collect();
        let reply = match words[..] {
            ["deposit", name, amount] => self.deposit(name, amount),
            ["balance", name] => Some(self.0.get(name).copied().unwrap_or(0)),
            _ => None,
        };
        let reply = reply.map_or("refused".to_owned(), |balance| format!("balance {balance}"));
        effects.complete(ticket, reply.as_bytes());
    }
}

impl Bank {
    fn deposit(&mut self, name: &str, amount: &str) -> Option<u64> {
        let balance = self.0.entry(name.to_owned()).or_default();
        *balance = balance.checked_add(amount.parse().ok()?)?;
        Some(*balance)
    }
}

#[derive(Debug)]
struct BankApplication;

impl Application for BankApplication {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn usage(&self) -> &'static [Usage] {
        &[
            Usage {
                form: "deposit NAME AMOUNT",
                help: "Adds to a balance.",
            },
            Usage {
                form: "balance NAME",
                help: "Says a balance.",
            },
        ]
    }

    fn service(&self) -> Box<dyn Service> {
        Box::new(Bank::default())
    }

    fn client(&self, rpc: RpcClient) -> Box<dyn Client> {
        Box::new(PlainClient::new(rpc, |reply| reply == b"refused"))
    }
}

const LOST_REPLY: &str = r#"
story = "The reply to a deposit is lost. At-least-once pays it in twice."
service = "bank"
seed = 7

[variants]
at-least-once = { semantics = "at-least-once" }
at-most-once = { semantics = "at-most-once" }

[clients]
alice = ["deposit alice 10"]

[[fault]]
drop = { reply_to = "alice#1" }

[expect.at-least-once]
executions = "violated"
effects = "violated"
final = { "balance alice" = "balance 20" }

[expect.at-most-once]
executions = "valid"
effects = "valid"
final = { "balance alice" = "balance 10" }
"#;

/// Runs the scenario on every simulator; gives the traces, and what was not as expected.
fn play() -> (Vec<String>, Vec<String>) {
    let services: [Arc<dyn Application>; 1] = [Arc::new(BankApplication)];
    let scenario = Scenario::parse("bank/lost-reply.toml", LOST_REPLY, &services)
        .unwrap_or_else(|mistake| panic!("{mistake}"));
    let (mut traces, mut broken) = (Vec::new(), Vec::new());
    for variant in &scenario.variants {
        for &backend in &variant.backends {
            let report = report::run(variant, scenario.seed, backend, Detail::Trace)
                .unwrap_or_else(|mistake| panic!("{mistake}"));
            let trace = text::write(&report.trace(&scenario, variant, scenario.seed));
            if traces.last() != Some(&trace) {
                traces.push(trace); // both simulators tell the same story: one trace a variant
            }
            broken.extend(report.broken);
        }
    }
    (traces, broken)
}

fn main() {
    let (traces, broken) = play();
    print!("{}", traces.join("\n"));
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn a_lost_reply_pays_in_twice_only_if_nobody_filters_duplicates() {
    let (traces, broken) = play();
    assert_eq!(broken, Vec::<String>::new());
    assert_eq!(traces.len(), 2, "the simulators told different stories");
}
