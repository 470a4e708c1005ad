//! Every datagram of a run on turmoil crosses a turmoil socket: turmoil's own log says the same as the
//! trace, datagram by datagram.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex};

use tracing::Dispatch;
use tracing::field::{Field, Visit};
use tracing::subscriber::with_default;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;
use wavetank::id::HostId;
use wavetank::net::packet::host_at;
use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::trace::{Detail, Event, Line};

use crate::storms::storm;

/// Bytes that our backend puts before the body of a datagram.
const HEAD_BYTES: usize = 30;

/// From whom, to whom.
type Route = (HostId, HostId);

/// Something that turmoil logs: a message, and the datagram that it is about.
#[derive(Debug, Default)]
struct Logged {
    message: String,
    route: [Option<HostId>; 2],
    body: Vec<u8>,
}

impl Visit for Logged {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        let host = || host_at(text.parse::<std::net::SocketAddr>().ok()?.ip());
        match field.name() {
            "message" => self.message = text,
            "src" => self.route[0] = host(),
            "dst" => self.route[1] = host(),
            "protocol" => self.body = body(&text),
            _ => {}
        }
    }
}

/// The bytes of `UDP [0x57, 0x54, ..]` after our head.
fn body(text: &str) -> Vec<u8> {
    let bytes = text
        .strip_prefix("UDP [")
        .and_then(|text| text.strip_suffix(']'));
    let byte = |hex: &str| u8::from_str_radix(hex.trim_start_matches("0x"), 16).ok();
    let bytes = bytes.into_iter().flat_map(|bytes| bytes.split(", "));
    bytes.filter_map(byte).skip(HEAD_BYTES).collect()
}

/// A second subscriber, which collects nothing. As long as there is only one, tracing asks the thread that first
/// comes to a place that logs whether anybody listens, and remembers its no for all threads; and other tests of this
/// process listen to nothing.
static OTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(registry()));

/// Collects what turmoil logs.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Logged>>>);

impl<S: tracing::Subscriber> Layer<S> for Collector {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() == "turmoil" {
            let mut logged = Logged::default();
            event.record(&mut logged);
            self.0.lock().unwrap().push(logged);
        }
    }
}

/// The datagrams of a run, in order, by route.
type Datagrams = BTreeMap<Route, Vec<Vec<u8>>>;

/// What turmoil logged with this message.
fn logged(log: &[Logged], message: &str) -> Datagrams {
    let mut datagrams = Datagrams::new();
    for logged in log.iter().filter(|logged| logged.message == message) {
        let [Some(from), Some(to)] = logged.route else {
            panic!("a datagram without hosts: {logged:?}");
        };
        datagrams
            .entry((from, to))
            .or_default()
            .push(logged.body.clone());
    }
    datagrams
}

/// The copies of the trace that were due at this time at the latest, in the order of sending.
fn copies(lines: &[Line], due_ms: u64) -> Datagrams {
    let mut datagrams = Datagrams::new();
    for line in lines {
        if let Event::Send {
            to, datagram, fate, ..
        } = &line.event
        {
            let due = |delay_ms: &&u32| line.at.as_ms() + u64::from(**delay_ms) <= due_ms;
            for _ in fate.delays_ms().iter().filter(due) {
                datagrams
                    .entry((line.host, *to))
                    .or_default()
                    .push(datagram.to_vec());
            }
        }
    }
    datagrams
}

fn sorted(mut datagrams: Datagrams) -> Datagrams {
    datagrams.values_mut().for_each(|of_route| of_route.sort());
    datagrams
}

/// Runs a storm without setup and observer, whose datagrams no trace holds.
fn run(seed: u64, backend: Backend) -> (Vec<Line>, Vec<Logged>) {
    let storm = storm(seed);
    let (storm, _) = storm.split_once("[expect").unwrap();
    let storm = storm.replace("wanda = [\"book 'Meeting Room A' mon 10:00-11:00\"]\n", "");
    let scenario = Scenario::parse("storm.toml", &storm, &catalogue())
        .unwrap_or_else(|error| panic!("{error}"));
    LazyLock::force(&OTHER);
    let collector = Collector::default();
    let lines = with_default(registry().with(collector.clone()), || {
        let run = report::run(&scenario.variants[0], Seed(seed), backend, Detail::Trace);
        run.expect("there is no setup").run.lines
    });
    let log = std::mem::take(&mut *collector.0.lock().unwrap());
    (lines, log)
}

#[test]
fn every_datagram_crosses_a_socket_of_turmoil() {
    for seed in 0..8 {
        let (lines, log) = run(seed, Backend::Turmoil);
        let (all, last_ms) = (copies(&lines, u64::MAX), lines.last().unwrap().at.as_ms());
        assert!(all.values().map(Vec::len).sum::<usize>() > 50);
        assert_eq!(
            logged(&log, "Send"),
            all,
            "seed {seed}: what was sent, in its order"
        );
        // Every arrival is in the trace, so that what was due later than its last line never came.
        let arrived = sorted(copies(&lines, last_ms));
        assert_eq!(
            sorted(logged(&log, "Delivered")),
            arrived,
            "seed {seed}: what arrived"
        );
        let dropped = log.iter().find(|logged| logged.message.starts_with("Drop"));
        assert!(
            dropped.is_none(),
            "turmoil loses nothing by itself: {dropped:?}"
        );
    }
}

#[test]
fn the_event_simulator_has_nothing_to_do_with_turmoil() {
    let (lines, log) = run(0, Backend::Event);
    assert!(!lines.is_empty() && log.is_empty(), "{:?}", log.first());
}
