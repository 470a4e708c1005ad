//! Real sockets: the same hosts on tokio's UDP and TCP sockets and timers, for demos and for use.
//!
//! A [`RealWorld`] is what the hosts of one process share; most processes have one host. Conditions
//! may be applied here too, so that a lossy network can be shown on loopback. Each datagram meets them
//! once for each host of this process that has to do with other processes: when it is sent, and when
//! it is received. Between two hosts of this process it meets them when it is sent, by its label as in
//! simulation; every other datagram counts as one without label, since what a stranger numbers his
//! requests by must not decide how much is remembered here.
//!
//! Time, order and chance come from outside here. Nothing that runs on this backend is reproducible.

mod connection;
mod opened;
mod socket;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket as StdUdpSocket};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::net::UdpSocket;
use tokio::task::spawn_local;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::Time;
use crate::disk::{Store, StoreError};
use crate::history::Outcome;
use crate::host::{Host, Machine, Task};
use crate::id::{ConnectionId, HostId, OperationId};
use crate::net::conditions::Conditions;
use crate::net::fate::{Fate, Fates};
use crate::net::streams::StreamNames;
use crate::net::{Connection, Datagrams, Label, Listener as NetListener, Network, Timer};
use crate::seed::{Seed, Stream, fnv1a};
use crate::trace::{Event, Line};
use crate::wire::SharedBytes;

use connection::{RealConnection, RealListener};
use opened::Opened;
use socket::RealSocket;

/// Peers that get a name of their own; all others share the last one. A server's log names its
/// clients, and this bounds what strangers can make it remember.
const PEERS_MAX: usize = 10_000;

/// Labelled datagrams that may be under way between hosts of this process; the labels of earlier ones
/// are forgotten. Only the trace would miss them.
const SENT_MAX: usize = 1_024;

/// Every address's host where nobody asks for names.
const UNNAMED: HostId = HostId(u16::MAX);

/// What is to be done with each event of the trace, as it happens; with the names of the hosts. It
/// must not act on the world.
pub type Listener = Box<dyn FnMut(&Line, &[String])>;

/// What the hosts of one process share. Clones are the same world.
#[derive(Clone)]
pub struct RealWorld(Rc<Shared>);

struct Shared {
    start: Instant,
    /// What the hosts' clock said at the start: the date in ms, so that it goes on over lives.
    began: Time,
    seed: Seed,
    peers: RefCell<Peers>,
    fates: Option<RefCell<Fates>>,
    streams: RefCell<StreamNames>,
    opened: RefCell<Opened>,
    sent: RefCell<VecDeque<Sent>>,
    listener: RefCell<Option<Listener>>,
}

/// A labelled datagram between two hosts of this process, on its way.
struct Sent {
    route: Route,
    body_hash: u64,
    label: Label,
}

/// From one address to another.
type Route = (SocketAddr, SocketAddr);

#[derive(Default)]
struct Peers {
    names: Vec<String>,
    by_address: BTreeMap<SocketAddr, HostId>,
    /// The addresses of this process.
    bound: BTreeSet<SocketAddr>,
}

impl std::fmt::Debug for RealWorld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RealWorld")
            .field("seed", &self.0.seed)
            .finish_non_exhaustive()
    }
}

impl RealWorld {
    /// A world with hosts of these names in this process. With `conditions`, datagrams meet them; a
    /// delay of 1 ms there means none here. The seed is random unless given.
    #[must_use]
    pub fn new(
        names: &[&str],
        conditions: Option<Conditions>,
        seed: Option<Seed>,
        listener: Option<Listener>,
    ) -> Self {
        let seed = seed.unwrap_or_else(random_seed);
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let fates = conditions.map(|met| RefCell::new(Fates::new(seed, names.clone(), met)));
        Self(Rc::new(Shared {
            start: Instant::now(),
            began: date(),
            seed,
            peers: RefCell::new(Peers {
                names,
                ..Peers::default()
            }),
            fates,
            streams: RefCell::default(),
            opened: RefCell::default(),
            sent: RefCell::default(),
            listener: RefCell::new(listener),
        }))
    }

    /// The host of this place among the names, its sockets bound to this address of the machine.
    #[must_use]
    pub fn host(&self, id: HostId, bind_to: IpAddr) -> Host {
        Host::new(RealHost {
            world: self.clone(),
            me: id,
            bind_to,
        })
    }

    /// From here on, this address is a host of this world.
    pub fn name_address(&self, address: SocketAddr, host: HostId) {
        self.0.peers.borrow_mut().by_address.insert(address, host);
    }

    /// The host behind an address. A stranger gets a name only where somebody reads names.
    fn host_of(&self, address: SocketAddr) -> HostId {
        if self.0.fates.is_none() && !self.is_heard() {
            return UNNAMED;
        }
        let mut peers = self.0.peers.borrow_mut();
        if let Some(&known) = peers.by_address.get(&address) {
            return known;
        }
        if peers.names.len() > PEERS_MAX {
            return last(&peers.names);
        }
        let is_last = peers.names.len() == PEERS_MAX;
        let name = if is_last {
            "others".to_owned()
        } else {
            address.to_string()
        };
        if let Some(fates) = &self.0.fates {
            fates.borrow_mut().add_host(name.clone());
        }
        peers.names.push(name);
        let id = last(&peers.names);
        if !is_last {
            peers.by_address.insert(address, id);
        }
        id
    }

    /// How long this process has been running.
    fn elapsed(&self) -> Time {
        Time::ZERO + self.0.start.elapsed()
    }

    /// Whether a host of this process is bound to an address.
    fn is_bound(&self, address: SocketAddr) -> bool {
        self.0.peers.borrow().bound.contains(&address)
    }

    /// What becomes of a datagram that a host of this process sends.
    fn fate_of_sent(&self, from: HostId, to: SocketAddr, label: Option<Label>) -> Fate {
        let Some(fates) = &self.0.fates else {
            return Fate::once(1);
        };
        let label = label.filter(|_| self.is_bound(to));
        let to = self.host_of(to);
        fates.borrow_mut().decide(self.elapsed(), from, to, label).0
    }

    /// What becomes of a datagram that has arrived; `None` if it has met all conditions.
    fn fate_of_received(&self, from: SocketAddr, to: HostId) -> Option<Fate> {
        let fates = self.0.fates.as_ref().filter(|_| !self.is_bound(from))?;
        let from = self.host_of(from);
        let (fate, _) = fates.borrow_mut().decide(self.elapsed(), from, to, None);
        if fate.lost.is_some() {
            let names = &self.0.peers.borrow().names;
            tracing::info!(target: "wavetank::trace", "a datagram from {} is lost on its way in", names[from.index()]);
        }
        Some(fate)
    }

    /// Keeps the label of a datagram to a host of this process: a real datagram carries none, and the
    /// trace of such a world is to read as in simulation.
    fn remember(&self, route: Route, body: &[u8], label: Option<Label>) {
        let Some(label) = label.filter(|_| self.is_heard() && self.is_bound(route.1)) else {
            return;
        };
        let mut sent = self.0.sent.borrow_mut();
        if sent.len() >= SENT_MAX {
            sent.pop_front();
        }
        sent.push_back(Sent {
            route,
            body_hash: fnv1a(body),
            label,
        });
    }

    /// The label of a datagram that has arrived, if it came from this process.
    fn label_of(&self, route: Route, body: &[u8]) -> Option<Label> {
        let mut sent = self.0.sent.borrow_mut();
        if sent.is_empty() {
            return None;
        }
        let body_hash = fnv1a(body);
        let is_it = |sent: &Sent| sent.route == route && sent.body_hash == body_hash;
        let at = sent.iter().position(is_it)?;
        sent.remove(at).map(|sent| sent.label)
    }

    /// The connection that comes from an address, and whether a host of this process has opened it.
    fn connection_from(&self, address: SocketAddr) -> (ConnectionId, bool) {
        let known = self.0.opened.borrow().find(address);
        if let Some(id) = known {
            self.name_address(address, id.opener);
        }
        let id = known.unwrap_or_else(|| {
            let opener = self.host_of(address);
            self.0.opened.borrow_mut().next(opener)
        });
        (id, known.is_some())
    }

    fn is_heard(&self) -> bool {
        self.0.listener.borrow().is_some()
    }

    fn record(&self, host: HostId, mut event: Event) {
        if let Some(listener) = &mut *self.0.listener.borrow_mut() {
            // A message that asks for no reply has no number on the wire, and there is no setup here.
            if let Event::Receive { label, .. } = &mut event {
                *label = label.filter(|label| label.operation.number > 0);
            }
            // Hosts count from the epoch, a trace from its beginning.
            if let Event::Patience { until, .. } = &mut event {
                *until = Time::ZERO + (*until - self.0.began);
            }
            let line = Line {
                at: self.elapsed(),
                host,
                event,
            };
            listener(&line, &self.0.peers.borrow().names);
        }
    }
}

fn last(names: &[String]) -> HostId {
    HostId(u16::try_from(names.len() - 1).expect("PEERS_MAX is below 2^16"))
}

/// A seed that no other process has, as far as chance can tell: from the operating system's randomness,
/// which is what keys a `RandomState`.
#[must_use]
#[expect(
    clippy::disallowed_types,
    reason = "real sockets are where chance comes from outside"
)]
pub fn random_seed() -> Seed {
    Seed(std::hash::RandomState::new().hash_one("wavetank"))
}

/// A host on real sockets.
struct RealHost {
    world: RealWorld,
    me: HostId,
    bind_to: IpAddr,
}

impl Network for RealHost {
    fn bind(&self, port: u16) -> io::Result<Box<dyn Datagrams>> {
        let twin = StdUdpSocket::bind((self.bind_to, port))?;
        twin.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(twin.try_clone()?)?;
        let address = socket.local_addr()?;
        self.world.name_address(address, self.me);
        self.world.0.peers.borrow_mut().bound.insert(address);
        let world = self.world.clone();
        Ok(Box::new(RealSocket::new(world, self.me, socket, twin)?))
    }

    fn listen(&self, port: u16) -> io::Result<Box<dyn NetListener>> {
        let (world, address) = (self.world.clone(), (self.bind_to, port).into());
        let listener = RealListener::bind(world, self.me, address)?;
        self.world.name_address(listener.local_address(), self.me);
        Ok(Box::new(listener))
    }

    fn connect(&self, to: SocketAddr) -> Box<dyn Connection> {
        let from = (self.bind_to, 0).into();
        Box::new(RealConnection::open(self.world.clone(), self.me, from, to))
    }

    fn lookup(&self, name: &str) -> Option<IpAddr> {
        (name, 0)
            .to_socket_addrs()
            .ok()?
            .next()
            .map(|address| address.ip())
    }
}

impl Machine for RealHost {
    fn id(&self) -> HostId {
        self.me
    }

    fn now(&self) -> Time {
        self.world.0.began + self.world.0.start.elapsed()
    }

    fn timer(&self) -> Box<dyn Timer> {
        let (start, began) = (self.world.0.start, self.world.0.began);
        Box::new(RealTimer {
            start,
            began,
            sleep: Box::pin(sleep_until(start)),
        })
    }

    fn spawn(&self, task: Task<'static>) {
        spawn_local(task);
    }

    fn stream(&self, name: &str) -> Stream {
        let of = &self.world.0.peers.borrow().names[self.me.index()];
        let name = self.world.0.streams.borrow_mut().next(self.me, of, name);
        self.world.0.seed.stream(&name)
    }

    fn host_of(&self, address: SocketAddr) -> HostId {
        self.world.host_of(address)
    }

    fn record(&self, event: Event) {
        self.world.record(self.me, event);
    }

    fn record_execution(&self, operation: OperationId, request: &SharedBytes, reply: &SharedBytes) {
        if self.world.is_heard() {
            let (request, reply) = (request.clone(), Some(reply.clone()));
            self.world.record(
                self.me,
                Event::Execute {
                    operation,
                    request,
                    reply,
                    stored: false,
                    recovered: false,
                },
            );
        }
    }

    /// Histories of real runs are not kept.
    fn record_invocation(&self, _operation: OperationId, _request: &[u8]) {}

    fn record_outcome(&self, operation: OperationId, outcome: &Outcome) {
        if self.world.is_heard() {
            let outcome = outcome.clone();
            self.world
                .record(self.me, Event::Outcome { operation, outcome });
        }
    }

    fn wants_all_events(&self) -> bool {
        self.world.is_heard()
    }

    fn open_store(&self) -> Result<Store, StoreError> {
        Err(StoreError::NoDisk)
    }
}

/// The date, in ms since 1970: what a host stores must make sense to its next life.
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "real hosts have a date"
)]
fn date() -> Time {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time::ZERO + since_1970.unwrap_or_default()
}

struct RealTimer {
    start: Instant,
    began: Time,
    sleep: Pin<Box<Sleep>>,
}

impl Timer for RealTimer {
    fn poll_until(&mut self, context: &mut Context<'_>, at: Time) -> Poll<()> {
        let Some(deadline) = self.start.checked_add(at - self.began) else {
            return Poll::Pending; // later than any clock can show
        };
        // The clock is asked first: a flood of datagrams uses up the task's budget, after which tokio's
        // timer says nothing, and the task's timers would starve.
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(context)
    }
}
