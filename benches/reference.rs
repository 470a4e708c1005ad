//! The reference workload beside the bare event loop, in one run.
//!
//! One server, three clients of 100 requests of about 100 bytes, delay uniform 1 to 50 ms, loss 2 %,
//! timeout 5 s, think time 150 to 450 ms: about 60 virtual seconds. The *bare loop* has the same hosts,
//! datagrams and timers, and no RPC layer, codec, service, history or check.
//!
//! Two more lines show how cost grows: *many hosts* has 100 clients of 10 requests instead of 3 of 100,
//! *long pauses* a hundredfold think time: idle virtual time is to cost nothing. *Durable* is the
//! reference on a simulated disk with a durable reply cache: a commit for each request that changes
//! something, and for each client's session.
//!
//! `cargo bench --bench reference` prints the cost of each, and the ratios: the median over many
//! rounds, each of which runs every workload on the same seeds in turn, because machines are noisy.

use std::fs::read_to_string;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use wavetank::check::Verdict;
use wavetank::clock::Time;
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::{Conditions, Delay, Link, Probability};
use wavetank::net::simulated::SimHost;
use wavetank::net::world::{Director, Main, Next, Traffic, World};
use wavetank::net::{Attempt, Kind, Label, event, recv_until};
use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::trace::{Detail, Recorder};

const CLIENTS: u16 = 3;
const REQUESTS: u32 = 100;
const TIMEOUT: Duration = Duration::from_secs(5);
const PORT: u16 = 3000;

fn conditions() -> Conditions {
    let everywhere = Link {
        loss: Probability::new(0.02).expect("a probability"),
        delay: Delay::Uniform { min: 1, max: 50 },
        ..Link::default()
    };
    Conditions {
        everywhere,
        ..Conditions::default()
    }
}

struct UntilAllAreDone;

impl Director for UntilAllAreDone {
    fn before(&mut self, world: &mut World) {
        if world.now() == Time::ZERO {
            world.begin_story();
        }
    }

    fn after(&mut self, world: &mut World) -> Next {
        let done = (1..=CLIENTS).all(|client| world.waits_for(HostId(client), 1));
        if done {
            Next::Stop
        } else {
            Next::At(Time::NEVER)
        }
    }
}

fn bare_loop(seed: u64) -> Traffic {
    let names = ["server", "a", "b", "c"].map(str::to_owned).to_vec();
    let world = World::new(
        Seed(seed),
        names,
        conditions(),
        Recorder::new(Detail::Checks),
    );
    let server: Main = Rc::new(|machine| Box::pin(serve(machine)));
    let client: Main = Rc::new(|machine| Box::pin(call(machine)));
    let mains = [server, client.clone(), client.clone(), client];
    event::run(world, &mains, &mut UntilAllAreDone).traffic()
}

async fn serve(machine: SimHost) {
    let host = machine.host();
    let mut socket = host.bind(PORT).expect("a free port");
    let mut timer = host.timer();
    loop {
        let arrival = recv_until(&mut *socket, &mut *timer, Time::NEVER).await;
        let arrival = arrival.expect("no deadline");
        let label = arrival
            .label
            .map(|label| Label::new(Kind::Reply, label.operation));
        socket.send(arrival.from, &(&[8; 100]).into(), label);
    }
}

async fn call(machine: SimHost) {
    let host = machine.host();
    let server = (host.lookup("server").expect("a server"), PORT).into();
    let mut socket = host.bind(PORT).expect("a free port");
    let mut timer = host.timer();
    let mut think = host.stream("load");
    for number in 1..=REQUESTS {
        let pause = Duration::from_millis(u64::from(150 + think.below(301)));
        let until = host.now() + pause;
        while recv_until(&mut *socket, &mut *timer, until).await.is_some() {}
        let operation = OperationId {
            client: host.id(),
            number,
        };
        for attempt in 1..=3 {
            let attempt = Attempt {
                number: attempt,
                of: 3,
            };
            let label = Label {
                kind: Kind::Request,
                operation,
                attempt,
            };
            socket.send(server, &(&[7; 100]).into(), Some(label));
            let deadline = host.now() + TIMEOUT;
            if recv_until(&mut *socket, &mut *timer, deadline)
                .await
                .is_some()
            {
                break;
            }
        }
    }
    machine.stage(1).await;
}

/// Seeds of one round: enough that a round takes some tens of milliseconds.
const SEEDS: u64 = 100;

/// Rounds: the median of so many ratios is steady to a percent or two.
const ROUNDS: usize = 41;

/// A workload under test.
struct Workload {
    name: &'static str,
    run: Box<dyn Fn(u64) -> Traffic>,
}

/// The reference workload, with these words of its file exchanged for others.
fn reference(detail: Detail, exchanged: &[(&str, &str)]) -> Box<dyn Fn(u64) -> Traffic> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/reference.toml");
    let mut text = read_to_string(path).expect("the reference workload is a file");
    for (old, new) in exchanged {
        assert!(text.contains(old), "the reference workload says `{old}`");
        text = text.replace(old, new);
    }
    let scenario = Scenario::parse("reference.toml", &text, &catalogue());
    let variant = scenario.expect("it is a scenario").variants[0].clone();
    Box::new(move |seed| {
        let report = report::run(&variant, Seed(seed), Backend::Event, detail);
        let report = report.expect("the reference workload has no setup");
        let mut verdicts = report.verdicts.iter();
        assert!(verdicts.all(|(_, verdict)| *verdict == Verdict::Valid));
        report.run.traffic
    })
}

fn workloads() -> Vec<Workload> {
    let many_hosts = [
        ("count = 3", "count = 100"),
        ("requests = 100", "requests = 10"),
    ];
    let long_pauses = [
        ("[150, 450]", "[15000, 45000]"),
        ("seed = 1", "seed = 1\nmax_virtual_s = 7200"),
    ];
    let durable = [(
        "semantics = \"at-most-once\"",
        "semantics = \"at-most-once\"\nstate = \"disk\"\nreply_cache = \"durable\"",
    )];
    vec![
        Workload {
            name: "bare loop",
            run: Box::new(bare_loop),
        },
        Workload {
            name: "reference",
            run: reference(Detail::Checks, &[]),
        },
        Workload {
            name: "reference, trace kept",
            run: reference(Detail::Trace, &[]),
        },
        Workload {
            name: "many hosts",
            run: reference(Detail::Checks, &many_hosts),
        },
        Workload {
            name: "long pauses",
            run: reference(Detail::Checks, &long_pauses),
        },
        Workload {
            name: "durable",
            run: reference(Detail::Checks, &durable),
        },
    ]
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures the machine's time"
)]
fn seconds(workload: &Workload) -> f64 {
    let start = Instant::now();
    for seed in 0..SEEDS {
        (workload.run)(seed);
    }
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// With the name of a workload as argument, only that one runs, for a profiler: one round, or as many as
/// a second argument says.
fn profile(workloads: &[Workload]) -> bool {
    let asked = std::env::args().nth(1).filter(|name| name != "--bench");
    let Some(workload) = workloads
        .iter()
        .find(|workload| Some(workload.name) == asked.as_deref())
    else {
        return false;
    };
    let rounds = std::env::args().nth(2);
    let rounds: usize = rounds.map_or(1, |rounds| rounds.parse().expect("how many rounds"));
    for _ in 0..rounds {
        seconds(workload);
    }
    true
}

fn main() {
    let workloads = workloads();
    if profile(&workloads) {
        return;
    }
    let rounds: Vec<Vec<f64>> = (0..ROUNDS)
        .map(|_| workloads.iter().map(seconds).collect())
        .collect();
    println!("{ROUNDS} rounds of {SEEDS} seeds each; medians");
    for (place, workload) in workloads.iter().enumerate() {
        let sent: u64 = (0..SEEDS).map(|seed| (workload.run)(seed).sent).sum();
        let took = median(rounds.iter().map(|round| round[place]).collect());
        let seeds = SEEDS as f64;
        println!(
            "{:<22} {:6.1} us a run  {:6.0} runs/s  {:4.0} ns a datagram  {:5.1} datagrams a run",
            workload.name,
            took / seeds * 1e6,
            seeds / took,
            took / sent as f64 * 1e9,
            sent as f64 / seeds,
        );
    }
    let ratio =
        |a: usize, b: usize| median(rounds.iter().map(|round| round[a] / round[b]).collect());
    println!("reference / bare loop        {:.2}", ratio(1, 0));
    println!("trace kept / reference       {:.2}", ratio(2, 1));
    println!("long pauses / reference      {:.2}", ratio(4, 1));
    println!("durable / reference          {:.2}", ratio(5, 1));
}
