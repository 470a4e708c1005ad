//! The reference workload beside the bare event loop, in one run.
//!
//! One server, three clients of 100 requests of about 100 bytes, delay uniform 1 to 50 ms, loss 2 %,
//! timeout 5 s, think time 150 to 450 ms: about 60 virtual seconds. The *bare loop* has the same hosts,
//! datagrams and timers, and no RPC layer, codec, service, history or check.
//!
//! `cargo bench --bench reference` prints the cost of each, and the ratios: the median over many
//! rounds, each of which runs every workload on the same seeds in turn, because machines are noisy.

use std::rc::Rc;
use std::time::{Duration, Instant};

use wavetank::clock::Time;
use wavetank::host::Task;
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::{Conditions, Delay, Link, Probability};
use wavetank::net::simulated::SimHost;
use wavetank::net::world::{Director, Main, Next, Traffic, World};
use wavetank::net::{Attempt, Kind, Label, event, recv_until};
use wavetank::seed::Seed;
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

fn serve(machine: SimHost) -> Task<'static> {
    Box::pin(async move {
        let host = machine.host();
        let mut socket = host.bind(PORT).expect("a free port");
        let mut timer = host.timer();
        let mut buffer = vec![0; 1_500];
        loop {
            let arrival = recv_until(&mut *socket, &mut *timer, Time::NEVER, &mut buffer).await;
            let arrival = arrival.expect("no deadline");
            let label = arrival
                .label
                .map(|label| Label::new(Kind::Reply, label.operation));
            socket.send(arrival.from, &buffer[..arrival.len], label);
        }
    })
}

async fn call(machine: SimHost) {
    let host = machine.host();
    let server = (host.lookup("server").expect("a server"), PORT).into();
    let mut socket = host.bind(PORT).expect("a free port");
    let mut timer = host.timer();
    let mut think = host.stream("load");
    let mut buffer = vec![0; 1_500];
    for number in 1..=REQUESTS {
        let pause = Duration::from_millis(u64::from(150 + think.below(301)));
        let until = host.now() + pause;
        while recv_until(&mut *socket, &mut *timer, until, &mut buffer)
            .await
            .is_some()
        {}
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
            socket.send(server, &[7; 100], Some(label));
            let deadline = host.now() + TIMEOUT;
            if recv_until(&mut *socket, &mut *timer, deadline, &mut buffer)
                .await
                .is_some()
            {
                break;
            }
        }
    }
    machine.stage(1).await;
}

fn main() {
    let seeds = 0..500_u64;
    for _ in 0..5 {
        let start = Instant::now();
        let sent: u64 = seeds.clone().map(|seed| bare_loop(seed).sent).sum();
        let took = start.elapsed();
        println!(
            "bare loop: {:.1} us a run, {} ns a datagram",
            took.as_secs_f64() * 1e6 / 500.0,
            took.as_nanos() / u128::from(sent)
        );
    }
}
