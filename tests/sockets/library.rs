//! Server and client in one process, through the library.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::task::LocalSet;

use wavetank::clock::Time;
use wavetank::history::{OutcomeKind, Told};
use wavetank::host::Host;
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::{Conditions, Delay, Link, Probability};
use wavetank::net::real::RealWorld;
use wavetank::rpc::Semantics;
use wavetank::rpc::client::{CallOptions, RpcClient, Wire};
use wavetank::rpc::serve::serve;
use wavetank::rpc::server::RpcServer;
use wavetank::rpc::service::{Effects, Input, Service};
use wavetank::seed::Seed;
use wavetank::services::booking::Booking;
use wavetank::services::{Application, Client};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, future);
}

fn start_server(world: &RealWorld, semantics: Semantics) -> SocketAddr {
    let booking = Booking::default();
    let host = world.host(HostId(0), LOOPBACK);
    let socket = host.bind(0).unwrap();
    let address = socket.local_address();
    let server = RpcServer::new(booking.service(), booking.format_v1(), semantics);
    host.spawn(serve(host.clone(), socket, server));
    address
}

struct Player {
    host: Host,
    client: Box<dyn Client>,
    operations: u32,
}

impl Player {
    fn new(world: &RealWorld, id: u16, server: SocketAddr, options: CallOptions) -> Self {
        let host = world.host(HostId(id), LOOPBACK);
        let rpc = RpcClient::new(host.clone(), host.bind(0).unwrap(), server, options);
        Self {
            client: Booking::default().client(rpc),
            host,
            operations: 0,
        }
    }

    /// Performs the one command of a line: how it ended, and what the client was told.
    async fn perform(&mut self, line: &str) -> (OutcomeKind, String) {
        let booking = Booking::default();
        let command = &booking.parse(line).unwrap()[0];
        self.operations += 1;
        let operation = OperationId {
            client: self.host.id(),
            number: self.operations,
        };
        let outcome = self.client.perform(operation, command).await;
        let told = match outcome.told {
            Told::Reply(reply) => booking.describe_reply(&reply),
            Told::Text(text) => text.into_owned(),
        };
        (outcome.kind, told)
    }
}

fn options(wire: Wire, semantics: Semantics) -> CallOptions {
    CallOptions {
        semantics,
        policy: Booking::default().policy(),
        wire,
        sessions: false,
    }
}

fn formats() -> [Wire; 2] {
    [Wire::V1(Booking::default().format_v1().unwrap()), Wire::V2]
}

#[test]
fn every_operation_works_in_both_formats_under_both_semantics() {
    use OutcomeKind::{Failed, Ok};
    for wire in formats() {
        for semantics in [Semantics::AtLeastOnce, Semantics::AtMostOnce] {
            block_on(async {
                let world = RealWorld::new(&["server", "alice"], None, None, None);
                let server = start_server(&world, semantics);
                let mut alice = Player::new(&world, 1, server, options(wire, semantics));
                for (line, kind, told) in [
                    ("book 'Conference Hall' mon 10:00-11:00", Ok, "CONF000001"),
                    ("extend CONF000001 1h", Ok, "extended"),
                    ("change CONF000001 -10h", Ok, "changed"),
                    (
                        "query 'Conference Hall' mon,sun",
                        Ok,
                        "mon 02:00-24:00; sun 00:00-24:00",
                    ),
                    (
                        "book 'Conference Hall' mon 01:00-03:00",
                        Failed,
                        "not available",
                    ),
                    ("monitor 'Conference Hall' --for 0s", Ok, "no updates"),
                    ("cancel CONF000001", Ok, "cancelled"),
                    ("cancel CONF000001", Failed, "already cancelled"),
                    ("query Cellar all", Failed, "no such facility"),
                ] {
                    let ended = alice.perform(line).await;
                    assert_eq!(ended, (kind, told.to_owned()), "{semantics}: {line}");
                }
            });
        }
    }
}

#[test]
fn a_lossy_network_on_loopback_executes_nothing_twice() {
    block_on(async {
        let conditions = Conditions {
            everywhere: Link {
                loss: Probability::new(0.3).unwrap(),
                duplication: Probability::new(0.3).unwrap(),
                delay: Delay::Uniform { min: 1, max: 8 },
            },
            ..Conditions::default()
        };
        // Both hosts are of this world, so that the storm is that of the seed, by label.
        let world = RealWorld::new(&["server", "alice"], Some(conditions), Some(Seed(3)), None);
        let server = start_server(&world, Semantics::AtMostOnce);
        let mut options = options(Wire::V2, Semantics::AtMostOnce);
        options.policy.timeout = Duration::from_millis(60);
        options.policy.attempts = 20;
        let mut alice = Player::new(&world, 1, server, options);
        for number in 1..=10 {
            let id = format!("CONF{number:06}");
            let booked = alice.perform("book 'Meeting Room A' tue 10:00-11:00").await;
            assert_eq!(booked, (OutcomeKind::Ok, id.clone()));
            let cancelled = alice.perform(&format!("cancel {id}")).await;
            assert_eq!(cancelled, (OutcomeKind::Ok, "cancelled".to_owned()));
        }
    });
}

#[test]
fn a_server_on_all_addresses_answers_both_formats() {
    block_on(async {
        let world = RealWorld::new(&["server", "alice", "bob"], None, None, None);
        let booking = Booking::default();
        let host = world.host(HostId(0), Ipv4Addr::UNSPECIFIED.into());
        let socket = host.bind(0).unwrap();
        let server = SocketAddr::new(LOOPBACK, socket.local_address().port());
        let semantics = Semantics::AtMostOnce;
        let rpc = RpcServer::new(booking.service(), booking.format_v1(), semantics);
        host.spawn(serve(host.clone(), socket, rpc));
        for (id, wire) in (1..).zip(formats()) {
            let mut client = Player::new(&world, id, server, options(wire, semantics));
            let (kind, _) = client.perform("query 'Seminar Room B' all").await;
            assert_eq!(kind, OutcomeKind::Ok);
        }
    });
}

/// Completes nothing, and pushes a message that asks for no reply back to where it came from.
struct Mirror;

impl Service for Mirror {
    fn step(&mut self, _now: Time, input: Input<'_>, effects: &mut Effects) {
        if let Input::OneWay { caller, body } = input {
            effects.push(*caller, body);
        }
    }
}

#[test]
fn a_client_speaks_and_hears_beside_its_call() {
    block_on(async {
        let world = RealWorld::new(&["server", "alice"], None, None, None);
        let host = world.host(HostId(0), LOOPBACK);
        let socket = host.bind(0).unwrap();
        let address = socket.local_address();
        let server = RpcServer::new(Box::new(Mirror), None, Semantics::Maybe);
        host.spawn(serve(host.clone(), socket, server));

        let host = world.host(HostId(1), LOOPBACK);
        let options = options(Wire::V2, Semantics::AtMostOnce);
        let mut client = RpcClient::new(host.clone(), host.bind(0).unwrap(), address, options);
        let mut aside = client.aside().unwrap();
        let operation = OperationId {
            client: host.id(),
            number: 1,
        };
        let heard = async {
            aside.tell(operation, b"still here");
            aside.next_update(Time::NEVER).await
        };
        tokio::select! { biased;
            called = client.call(operation, b"wait") => panic!("nobody replies: {called:?}"),
            update = heard => assert_eq!(&update.unwrap().body[..], b"still here"),
        }
    });
}
