//! Percentiles, and sums that do not depend on an order.

use super::*;

fn latencies(values: impl IntoIterator<Item = u64>) -> Latencies {
    let mut latencies = Latencies::default();
    values.into_iter().for_each(|ms| latencies.add(ms));
    latencies
}

#[test]
fn percentiles_are_of_the_nearest_rank() {
    let hundred = latencies(1..=100);
    assert_eq!(hundred.percentile(50), Some(50));
    assert_eq!(hundred.percentile(99), Some(99));
    assert_eq!(hundred.max(), Some(100));
    let few = latencies([15, 20, 35, 40, 50]);
    assert_eq!(few.percentile(30), Some(20));
    assert_eq!(few.percentile(40), Some(20));
    assert_eq!(few.percentile(50), Some(35));
    assert_eq!(few.percentile(99), Some(50));
    assert_eq!(latencies([]).percentile(50), None);
    assert_eq!(latencies([]).max(), None);
}

#[test]
fn statistics_add_up_in_any_order() {
    let one = |seed, label: &str, times, ms| {
        let mut statistics = Statistics {
            runs: 1,
            latency_ms: latencies([ms]),
            ..Statistics::default()
        };
        let outcomes = statistics.operations.entry(label.to_owned()).or_default();
        outcomes.add(OutcomeKind::Ok);
        statistics.executions.insert(times, 1);
        statistics.violated.entry("effects").or_default().add(seed);
        statistics
    };
    let (first, second) = (one(9, "cancel", 1, 7), one(4, "book", 3, 9));
    let sum = first.clone().merged(second.clone());
    assert_eq!(sum, second.merged(first));
    assert_eq!(sum.violated["effects"].example, Some(4));
    let json = serde_json::to_string(&sum).expect("numbers and texts");
    let (json, coverage) = json.split_once(r#","coverage":{"#).expect("it has one");
    assert!(coverage.starts_with(r#""datagram lost":0,"#), "{coverage}");
    assert_eq!(
        json,
        concat!(
            r#"{"runs":2,"operations":{"book":{"ok":1,"failed":0,"unknown":0},"#,
            r#""cancel":{"ok":1,"failed":0,"unknown":0}},"#,
            r#""executions":{"0":0,"1":1,"2":0,"3":1},"violated":{"effects":2},"#,
            r#""messages":{"sent":0,"lost":0,"duplicated":0},"retransmissions":0,"#,
            r#""latency_ms":{"p50":7,"p99":9,"max":9}"#
        )
    );
}

#[test]
fn of_several_panics_the_lowest_seed_is_named_whatever_the_threads_do() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build();
    let run = |statistics, seed| {
        assert!(seed < 400, "seed {seed} panics");
        statistics
    };
    let named = pool.unwrap().install(|| add_up(0..1_000, run));
    assert_eq!(named, Err(CompareError::Panicked { seed: 400 }));
}

#[test]
fn a_comparison_keeps_the_order_of_its_variants() {
    let comparison = Comparison {
        scenario: "s".to_owned(),
        seeds: ["0".to_owned(), "2".to_owned()],
        variants: vec![
            ("z".to_owned(), Statistics::default()),
            ("a".to_owned(), Statistics::default()),
        ],
    };
    let json = serde_json::to_string(&comparison).expect("numbers and texts");
    let start = r#"{"scenario":"s","seeds":["0","2"],"variants":{"z":{"runs":0,"#;
    assert!(json.starts_with(start), "{json}");
    assert!(json.contains(r#""latency_ms":{"p50":null,"p99":null,"max":null}"#));
}
