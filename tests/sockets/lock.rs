//! The lock server on real sockets: clients that share files, and servers that are killed under them.

use std::cell::RefCell;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

use wavetank::id::HostId;
use wavetank::net::real::RealWorld;
use wavetank::rpc::Semantics;
use wavetank::rpc::client::{CallOptions, RpcClient, Wire};
use wavetank::rpc::retransmit::Policy;
use wavetank::services::lock::library::{Connection, LockError, Standing};
use wavetank::services::lock::message::{Refusal, ResultCode};
use wavetank::trace::Event;

use crate::directory::Directory;
use crate::process::{Server, wavetank};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Of clients that are to notice soon that a server is back, and wait long enough for it.
const PATIENT: Policy = Policy {
    timeout: Duration::from_millis(50),
    attempts: 400,
    patience: Duration::from_millis(50),
};

pub(crate) fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, future);
}

/// A server process without a disk.
pub(crate) fn serve(options: &str) -> Server {
    Server::listening(&mut wavetank(
        format!("serve lock --listen 127.0.0.1:0 {options}").trim_end(),
    ))
}

/// A server process with this data directory.
pub(crate) fn serve_from(directory: &Directory, address: SocketAddr, options: &str) -> Server {
    let arguments = format!("serve lock --listen {address} {options}");
    let mut command = wavetank(arguments.trim_end());
    Server::listening(command.arg("--data").arg(directory.path()))
}

/// Any port of the loopback network.
pub(crate) fn any_port() -> SocketAddr {
    (LOOPBACK, 0).into()
}

/// Clients in this process, and what happens to them.
pub(crate) struct Clients {
    world: RealWorld,
    seen: Rc<Seen>,
}

#[derive(Default)]
struct Seen {
    events: RefCell<Vec<(HostId, Event)>>,
    news: Notify,
}

impl Clients {
    pub(crate) fn new(names: &[&str]) -> Self {
        let seen = Rc::new(Seen::default());
        let told = seen.clone();
        let listener = Box::new(move |line: &wavetank::trace::Line, _: &[String]| {
            told.events
                .borrow_mut()
                .push((line.host, line.event.clone()));
            told.news.notify_waiters();
        });
        let world = RealWorld::new(names, None, None, Some(listener));
        Self { world, seen }
    }

    /// The client in this place among the names, which has said hello.
    pub(crate) async fn connect(&self, place: u16, server: SocketAddr) -> Connection {
        let host = self.world.host(HostId(place), LOOPBACK);
        let options = CallOptions {
            semantics: Semantics::AtMostOnce,
            policy: PATIENT,
            wire: Wire::V2,
            sessions: false,
        };
        let rpc = RpcClient::new(host.clone(), host.bind(0).unwrap(), server, options);
        Connection::connect(rpc).await.unwrap()
    }

    fn count(&self, is_it: impl Fn(HostId, &Event) -> bool) -> usize {
        let events = self.seen.events.borrow();
        events
            .iter()
            .filter(|(host, event)| is_it(*host, event))
            .count()
    }

    /// Waits until so many more events have happened.
    pub(crate) async fn until_more(&self, count: usize) {
        let until = self.seen.events.borrow().len() + count;
        while self.seen.events.borrow().len() < until {
            self.seen.news.notified().await;
        }
    }

    /// Waits until so many events have been such.
    async fn until(&self, count: usize, is_it: impl Fn(HostId, &Event) -> bool) {
        while self.count(&is_it) < count {
            self.seen.news.notified().await;
        }
    }

    /// Waits until this client knows that a call of its waits at the server.
    async fn until_waiting(&self, place: u16) {
        let before = self.count(|host, event| is_patience(host, event, place));
        self.until(before + 1, |host, event| is_patience(host, event, place))
            .await;
    }
}

fn is_patience(host: HostId, event: &Event, place: u16) -> bool {
    host == HostId(place) && matches!(event, Event::Patience { .. })
}

/// A lease that does not run out during a test.
pub(crate) const LONG: &str = "--set lease_ms=60000";

#[test]
fn a_server_is_killed_inside_a_critical_section_and_both_clients_finish() {
    let directory = Directory::new("lock-section");
    let server = serve_from(&directory, any_port(), LONG);
    let address = server.address;
    block_on(async {
        let clients = Clients::new(&["c1", "c2"]);
        let mut c1 = clients.connect(0, address).await;
        let mut c2 = clients.connect(1, address).await;
        let guard = c1.acquire("file_0").await.unwrap();
        c1.append(&guard, "1\n").await.unwrap();
        let waiting = spawn_local(async move {
            let guard = c2.acquire("file_0").await.unwrap();
            c2.append(&guard, "3\n").await.unwrap();
            c2.release(guard).await.unwrap();
            c2.read("file_0", None).await.unwrap()
        });
        clients.until_waiting(1).await;
        server.kill();
        let server = serve_from(&directory, address, LONG);
        clients.until_waiting(1).await; // anew, in a server that knows nothing of it
        assert_eq!(c1.read("file_0", Some(&guard)).await.unwrap(), "1\n");
        c1.append(&guard, "2\n").await.unwrap();
        c1.release(guard).await.unwrap();
        assert_eq!(waiting.await.unwrap(), "1\n2\n3\n");
        assert_eq!(c1.read("file_0", None).await.unwrap(), "1\n2\n3\n");
        drop(server);
    });
}

#[test]
fn files_are_read_whole_and_waiting_clients_are_served_in_order() {
    let server = serve(LONG);
    block_on(async {
        let names: Vec<String> = (0..20).map(|place| format!("c{place}")).collect();
        let clients = Clients::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut first = clients.connect(0, server.address).await;
        let guard = first.acquire("file_99").await.unwrap();
        assert_eq!((guard.token(), guard.standing()), (1, Standing::Held));
        let mut waiting = Vec::new();
        for (place, name) in (1..20).zip(&names[1..]) {
            let (mut client, name) = (clients.connect(place, server.address).await, name.clone());
            waiting.push(spawn_local(async move {
                let guard = client.acquire("file_99").await.unwrap();
                client.append(&guard, &format!("{name} ")).await.unwrap();
                client.release(guard).await.unwrap();
                client.close().await.unwrap();
            }));
            clients.until_waiting(place).await;
        }
        let line = "x".repeat(4_095) + "\n";
        for _ in 0..12 {
            first.append(&guard, &line).await.unwrap();
        }
        let own = first.read("file_99", Some(&guard)).await.unwrap();
        assert_eq!(own, line.repeat(12)); // more than the 32 KiB that a reply carries
        assert_eq!(first.read("file_99", None).await.unwrap(), "");
        first.release(guard).await.unwrap();
        for client in waiting {
            client.await.unwrap();
        }
        let text = first.read("file_99", None).await.unwrap();
        let (lines, order) = text.split_at(12 * 4_096);
        assert_eq!(lines, own);
        assert_eq!(order.trim_end(), names[1..].join(" "));
        first.close().await.unwrap();
    });
}

#[test]
fn what_is_refused_is_an_error_with_a_code() {
    let server = serve(LONG);
    block_on(async {
        let clients = Clients::new(&["c1"]);
        let mut c1 = clients.connect(0, server.address).await;
        let unknown = c1.acquire("file_100").await.unwrap_err();
        assert!(matches!(unknown, LockError::Refused(Refusal::FileNotFound)));
        assert_eq!(unknown.code(), Some(ResultCode::FileNotFound));
        let unknown = c1.read("../file_0", None).await.unwrap_err();
        assert_eq!(unknown.code(), Some(ResultCode::FileNotFound));
        let guard = c1.acquire("file_0").await.unwrap();
        let text = "x".repeat(4_096);
        let full = loop {
            if let Err(error) = c1.append(&guard, &text).await {
                break error; // before the test ends: what may be staged is bounded
            }
        };
        assert_eq!(full.code(), Some(ResultCode::Full));
        assert_eq!(full.to_string(), "the file is full");
        c1.release(guard).await.unwrap();
        // Who acquires what it holds begins anew: the guard that it had is good for nothing.
        let early = c1.acquire("file_0").await.unwrap();
        let again = c1.acquire("file_0").await.unwrap();
        assert!(early.token() < again.token());
        let late = c1.append(&early, "late").await.unwrap_err();
        assert_eq!(late.code(), Some(ResultCode::LeaseLost));
        assert_eq!(early.standing(), Standing::Lost);
        c1.release(again).await.unwrap();
    });
}

/// How many files, sockets among them, this process has open.
#[cfg(target_os = "linux")]
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
#[cfg(target_os = "linux")]
fn a_guard_that_is_given_back_leaves_no_socket_behind() {
    let server = serve("--set lease_ms=60000");
    block_on(async {
        let clients = Clients::new(&["c1"]);
        let mut c1 = clients.connect(0, server.address).await;
        let before = open_files();
        for _ in 0..300 {
            let guard = c1.acquire("file_0").await.unwrap();
            c1.release(guard).await.unwrap();
        }
        // Other tests of this process open files too, but not as many.
        let more = open_files().saturating_sub(before);
        assert!(more < 200, "{more} more than before");
    });
}

#[test]
fn a_client_that_stands_still_loses_its_lease_and_its_guard_says_so() {
    let server = serve("--set lease_ms=150");
    block_on(async {
        let clients = Clients::new(&["c1", "c2"]);
        // Nobody runs the tasks of c1 unless it is asked for something.
        let apart = LocalSet::new();
        let mut c1 = apart.run_until(clients.connect(0, server.address)).await;
        let mut lost = apart.run_until(c1.acquire("file_0")).await.unwrap();
        apart.run_until(c1.append(&lost, "A")).await.unwrap();
        let mut c2 = clients.connect(1, server.address).await;
        let guard = c2.acquire("file_0").await.unwrap(); // after the lease of c1
        assert_eq!((lost.token(), guard.token()), (1, 2));
        assert_eq!(lost.standing(), Standing::Overdue);
        apart.run_until(lost.lost()).await; // as the answer to a heartbeat says
        assert_eq!(lost.standing(), Standing::Lost);
        let refused = apart.run_until(c1.append(&lost, "A")).await.unwrap_err();
        assert_eq!(refused.code(), Some(ResultCode::LeaseLost));
        assert_eq!(refused.to_string(), "lease lost: acquire again");
        let refused = apart.run_until(c1.release(lost)).await.unwrap_err();
        assert_eq!(refused.code(), Some(ResultCode::LeaseLost));
        c2.append(&guard, "B").await.unwrap();
        c2.release(guard).await.unwrap();
        assert_eq!(c2.read("file_0", None).await.unwrap(), "B");
    });
}
