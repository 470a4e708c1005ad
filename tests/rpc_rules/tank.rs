//! A server and its clients in the event simulator.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use wavetank::clock::Time;
use wavetank::host::{Host, Task};
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::{Conditions, Delay, Fault, Link, Selector, Target};
use wavetank::net::event;
use wavetank::net::world::{Director, Main, Next, World};
use wavetank::rpc::called::Called;
use wavetank::rpc::client::{CallOptions, RpcClient, Wire};
use wavetank::rpc::message::Message;
use wavetank::rpc::reply_cache::Limits;
use wavetank::rpc::retransmit::Policy;
use wavetank::rpc::serve::serve;
use wavetank::rpc::server::RpcServer;
use wavetank::rpc::service::Service;
use wavetank::rpc::{CacheKind, Semantics};
use wavetank::seed::Seed;
use wavetank::trace::{Detail, Event, Filtered, Line, Recorder};

/// Each client sends up to three times, half a second apart.
pub(crate) const POLICY: Policy = Policy {
    timeout: Duration::from_millis(500),
    attempts: 3,
    patience: Duration::from_millis(1_000),
};

/// Every datagram is so long under way.
pub(crate) const DELAY_MS: u32 = 10;

/// When a run ends: long after everything.
const END: Time = Time::from_ms(2_000_000);

/// A client's script.
pub(crate) type Script = Box<dyn Fn(TestClient) -> Life>;

/// What one life of a host does.
pub(crate) type Life = Task<'static>;

/// A client host: it makes clients, and notes what its calls came to.
#[derive(Clone)]
pub(crate) struct TestClient {
    pub(crate) host: Host,
    options: CallOptions,
    calls: Rc<RefCell<Vec<Call>>>,
}

/// A call that is over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) operation: OperationId,
    pub(crate) called: Called,
    pub(crate) at_ms: u64,
}

impl TestClient {
    /// A client on this port: one life.
    pub(crate) fn rpc(&self, port: u16) -> RpcClient {
        let server = (self.host.lookup("server").expect("a server"), 1).into();
        let socket = self.host.bind(port).expect("a free port");
        RpcClient::new(self.host.clone(), socket, server, self.options)
    }

    /// Calls as the operation of this number, and notes what it came to.
    pub(crate) async fn call(&self, rpc: &mut RpcClient, number: u32, body: &[u8]) -> Called {
        let operation = self.operation(number);
        let called = rpc.call(operation, body).await;
        let at_ms = self.host.now().as_ms();
        let call = Call {
            operation,
            called: called.clone(),
            at_ms,
        };
        self.calls.borrow_mut().push(call);
        called
    }

    pub(crate) fn operation(&self, number: u32) -> OperationId {
        OperationId {
            client: self.host.id(),
            number,
        }
    }
}

/// What came out of a run.
pub(crate) struct Run {
    pub(crate) calls: Vec<Call>,
    pub(crate) lines: Vec<Line>,
}

impl Run {
    /// The replies to calls in the order in which they ended; anything else is `None`.
    pub(crate) fn replies(&self) -> Vec<Option<Vec<u8>>> {
        let reply = |call: &Call| match &call.called {
            Called::Reply { body, .. } => Some(body.to_vec()),
            _ => None,
        };
        self.calls.iter().map(reply).collect()
    }

    /// How often an operation was executed.
    pub(crate) fn executions(&self, asked: OperationId) -> usize {
        let runs = |line: &&Line| matches!(&line.event, Event::Execute { operation, .. } if *operation == asked);
        self.lines.iter().filter(runs).count()
    }

    /// What the server did with duplicates.
    pub(crate) fn filtered(&self) -> Vec<Filtered> {
        let filtered = |line: &Line| match line.event {
            Event::Filter { instead, .. } => Some(instead),
            _ => None,
        };
        self.lines.iter().filter_map(filtered).collect()
    }

    /// The requests that clients sent: when, as which operation, and the datagram.
    pub(crate) fn requests(&self) -> Vec<(u64, OperationId, &[u8])> {
        let request = |line: &'_ Line| line.host != SERVER;
        let sends = self.lines.iter().filter(|line| request(line));
        sends
            .filter_map(|line| match &line.event {
                Event::Send {
                    label: Some(label),
                    datagram,
                    ..
                } => Some((line.at.as_ms(), label.operation, &datagram[..])),
                _ => None,
            })
            .collect()
    }

    /// The words of the trace of one host.
    pub(crate) fn words(&self, host: HostId) -> Vec<&'static str> {
        let of_host = self.lines.iter().filter(|line| line.host == host);
        of_host.map(|line| line.event.word()).collect()
    }
}

pub(crate) const SERVER: HostId = HostId(0);
pub(crate) const ALICE: HostId = HostId(1);
pub(crate) const BOB: HostId = HostId(2);

/// The operation of alice's of this number.
pub(crate) const fn alice(number: u32) -> OperationId {
    OperationId {
        client: ALICE,
        number,
    }
}

/// What a request datagram names: client id, sequence, awaited.
pub(crate) fn named(datagram: &[u8]) -> (u64, u32, u32) {
    match Message::decode(datagram) {
        Ok(Message::Request {
            client,
            sequence,
            awaited,
            ..
        }) => (client.0, sequence, awaited),
        other => panic!("no request: {other:?}"),
    }
}

/// A client's script, from an async function.
pub(crate) fn script<F: Future<Output = ()> + 'static>(
    script: impl Fn(TestClient) -> F + 'static,
) -> Script {
    Box::new(move |client| Box::pin(script(client)))
}

/// What a run is made of.
pub(crate) struct Tank {
    pub(crate) service: fn() -> Box<dyn Service>,
    pub(crate) semantics: Semantics,
    /// A durable one has a disk.
    pub(crate) reply_cache: CacheKind,
    pub(crate) limits: Limits,
    /// Whether clients say hello without being asked to.
    pub(crate) sessions: bool,
    pub(crate) everywhere: Link,
    pub(crate) faults: Vec<Fault>,
    pub(crate) seed: Seed,
}

impl Tank {
    /// With at-most-once, and a cache in memory.
    pub(crate) fn of(service: fn() -> Box<dyn Service>) -> Self {
        Self {
            service,
            semantics: Semantics::AtMostOnce,
            reply_cache: CacheKind::Memory,
            limits: Limits::default(),
            sessions: false,
            everywhere: Link {
                delay: Delay::Fixed(DELAY_MS),
                ..Link::default()
            },
            faults: Vec::new(),
            seed: Seed(7),
        }
    }

    /// One life of the server.
    fn server(&self) -> Main {
        let (service, semantics) = (self.service, self.semantics);
        let (reply_cache, limits) = (self.reply_cache, self.limits);
        Rc::new(move |machine| {
            let host = machine.host();
            let socket = host.bind(1).expect("a free port");
            let numbers = host.stream("sessions");
            let mut server = RpcServer::new(service(), None, semantics).with_reply_cache(
                reply_cache,
                limits,
                numbers,
            );
            if reply_cache == CacheKind::Durable {
                let store = host.open_store().expect("a disk");
                server = server.with_store(host.now(), store).expect("records");
            }
            Box::pin(serve(host, socket, server))
        })
    }

    /// Runs it with the scripts of alice and bob.
    pub(crate) fn run(&self, scripts: Vec<Script>) -> Run {
        let calls: Rc<RefCell<Vec<Call>>> = Rc::default();
        let server = self.server();
        let (semantics, sessions) = (self.semantics, self.sessions);
        let names = ["server", "alice", "bob"].iter().take(1 + scripts.len());
        let names = names.map(|&name| name.to_owned()).collect();
        let mut mains = vec![server];
        for script in scripts {
            let calls = calls.clone();
            mains.push(Rc::new(move |machine| {
                let options = CallOptions {
                    semantics,
                    policy: POLICY,
                    wire: Wire::V2,
                    sessions,
                };
                script(TestClient {
                    host: machine.host(),
                    options,
                    calls: calls.clone(),
                })
            }));
        }
        let conditions = Conditions {
            everywhere: self.everywhere,
            faults: self.faults.clone(),
            ..Conditions::default()
        };
        let world = World::new(self.seed, names, conditions, Recorder::new(Detail::Trace));
        let recorder = event::run(world, &mains, &mut UntilTheEnd).into_recorder();
        let lines = recorder.finish().lines;
        drop(mains);
        let calls = calls.take();
        Run { calls, lines }
    }
}

/// Runs a service under a semantics, with the scripts of alice and bob.
pub(crate) fn run(
    service: fn() -> Box<dyn Service>,
    semantics: Semantics,
    faults: Vec<Fault>,
    scripts: Vec<Script>,
) -> Run {
    let tank = Tank {
        semantics,
        faults,
        ..Tank::of(service)
    };
    tank.run(scripts)
}

struct UntilTheEnd;

impl Director for UntilTheEnd {
    fn before(&mut self, world: &mut World) {
        if world.now() == Time::ZERO {
            world.begin_story();
        }
    }

    fn after(&mut self, world: &mut World) -> Next {
        if world.now() < END {
            Next::At(END)
        } else {
            Next::Stop
        }
    }
}

/// The nth request of this number of alice's.
pub(crate) const fn request(number: u32, nth: u32) -> Target {
    Target {
        label: Selector::RequestFrom(alice(number)),
        nth,
    }
}

/// The nth reply to this operation of alice's.
pub(crate) const fn reply(number: u32, nth: u32) -> Target {
    Target {
        label: Selector::ReplyTo(alice(number)),
        nth,
    }
}
