//! Generated load under storms: whole runs, compared.

use std::collections::BTreeSet;

use rayon::prelude::*;
use wavetank::net::world::Traffic;
use wavetank::rpc::Semantics;
use wavetank::services::catalogue;
use wavetank::sim::scenario::{Scenario, Wire};

use crate::told::{Told, tell_on_both};

const SEEDS: u64 = 200;

/// A scenario whose datagrams often share a millisecond and are often sent again; each seed has its
/// semantics and its format. Every fourth one monitors, in one virtual second more.
pub(crate) fn storm(seed: u64) -> String {
    let semantics = Semantics::ALL[seed as usize % 3].name();
    let wire = [Wire::V1, Wire::V2][seed as usize / 3 % 2].name();
    let (wanda, max_virtual_s) = match seed % 4 {
        0 => ("monitor 'Meeting Room A' --for 1s", 2),
        _ => ("query 'Meeting Room A' all", 1),
    };
    format!(
        r#"
story = "Bookings in a storm."
service = "booking"
seed = "{seed}"
semantics = "{semantics}"
wire = "{wire}"
timeout_ms = 40
attempts = 3
max_virtual_s = {max_virtual_s}
[setup]
wanda = ["book 'Meeting Room A' mon 10:00-11:00"]
[clients]
wanda = ["{wanda}", "wait 20ms", "cancel CONF000001"]
[load.user]
count = 4
requests = 10
think_ms = {{ uniform = [0, 10] }}
mix = {{ query = 2, book = 6, change = 2, extend = 1, cancel = 3 }}
[network]
delay_ms = {{ uniform = [1, 5] }}
loss = 0.15
duplication = 0.2
[[fault]]
partition = {{ between = ["user1", "server"], at_ms = 30, for_ms = 60 }}
[[fault]]
partition = {{ between = ["server", "wanda"], at_ms = 100, for_ms = 90, one_way = true }}
[expect.default]
final = {{ "query 'Meeting Room A' all" = "?" }}
"#
    )
}

fn story(seed: u64) -> Result<Told, String> {
    let scenario = Scenario::parse("storm.toml", &storm(seed), &catalogue())
        .unwrap_or_else(|error| panic!("{error}"));
    tell_on_both(&scenario, &scenario.variants[0], seed)
}

#[test]
fn both_simulators_tell_the_same_story_under_every_storm() {
    let told: Result<Vec<Told>, String> = (0..SEEDS).into_par_iter().map(story).collect();
    let told = told.unwrap_or_else(|difference| panic!("the simulators differ at {difference}"));
    the_storms_had_teeth(&told);
}

/// That two silent runs agree would prove nothing.
fn the_storms_had_teeth(told: &[Told]) {
    let words: BTreeSet<&str> = told
        .iter()
        .flat_map(|told| told.trace.lines())
        .filter_map(|line| line.split_whitespace().nth(3))
        .collect();
    for word in [
        "send",
        "retransmit",
        "reply",
        "update",
        "tell",
        "receive",
        "execute",
        "filter",
        "ignore",
        "notified",
        "outcome",
        "partition",
        "heal",
        "expire",
    ] {
        assert!(words.contains(word), "no storm has `{word}`: {words:?}");
    }
    let sum =
        |count: fn(&Traffic) -> u64| told.iter().map(|told| count(&told.traffic)).sum::<u64>();
    let seeds = told.len() as u64;
    assert!(sum(|t| t.sent) > 100 * seeds, "{}", sum(|t| t.sent));
    assert!(sum(|t| t.lost) > 15 * seeds, "{}", sum(|t| t.lost));
    assert!(
        sum(|t| t.duplicated) > 15 * seeds,
        "{}",
        sum(|t| t.duplicated)
    );
    assert!(
        sum(|t| t.retransmissions) > 5 * seeds,
        "{}",
        sum(|t| t.retransmissions)
    );
    let finished = told.iter().filter(|told| told.unfinished.is_none()).count();
    assert!(
        finished * 2 > told.len(),
        "only {finished} storms came to an end"
    );
}
