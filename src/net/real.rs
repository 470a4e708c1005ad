//! Real sockets: the same hosts on tokio's UDP sockets and timers, for demos and for use.
//!
//! A [`RealWorld`] is what the hosts of one process share; most processes have one host. Conditions
//! may be applied here too: to what a host sends, by its label as in simulation, and to what it
//! receives, which has no label. So a lossy network can be shown on loopback.
//!
//! Time, order and chance come from outside here. Nothing that runs on this backend is reproducible.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket as StdUdpSocket};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::task::spawn_local;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::clock::Time;
use crate::history::HistoryEvent;
use crate::host::{Host, Machine, Task};
use crate::id::{HostId, OperationId};
use crate::net::conditions::Conditions;
use crate::net::fate::{Fate, Fates};
use crate::net::streams::StreamNames;
use crate::net::{Arrival, DATAGRAM_BYTES_MAX, Datagrams, Label, Network, Timer};
use crate::seed::{Seed, Stream};
use crate::trace::{Event, Line};
use crate::wire::SharedBytes;

/// Peers that get a name of their own; all others share the last one. A server's log names its
/// clients, and this bounds what strangers can make it remember.
const PEERS_MAX: usize = 10_000;

/// What is to be done with each event of the trace, as it happens; with the names of the hosts. It
/// must not act on the world.
pub type Listener = Box<dyn FnMut(&Line, &[String])>;

/// What the hosts of one process share. Clones are the same world.
#[derive(Clone)]
pub struct RealWorld(Rc<Shared>);

struct Shared {
    start: Instant,
    seed: Seed,
    peers: RefCell<Peers>,
    fates: Option<RefCell<Fates>>,
    streams: RefCell<StreamNames>,
    listener: RefCell<Option<Listener>>,
}

#[derive(Default)]
struct Peers {
    names: Vec<String>,
    by_address: BTreeMap<SocketAddr, HostId>,
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
            seed,
            peers: RefCell::new(Peers {
                names,
                by_address: BTreeMap::new(),
            }),
            fates,
            streams: RefCell::default(),
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

    fn host_of(&self, address: SocketAddr) -> HostId {
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

    fn now(&self) -> Time {
        Time::ZERO + self.0.start.elapsed()
    }

    fn decide(&self, from: HostId, to: HostId, label: Option<Label>) -> Fate {
        let now = self.now();
        match &self.0.fates {
            Some(fates) => fates.borrow_mut().decide(now, from, to, label).0,
            None => Fate::once(1),
        }
    }

    fn is_heard(&self) -> bool {
        self.0.listener.borrow().is_some()
    }

    fn record(&self, host: HostId, event: Event) {
        if let Some(listener) = &mut *self.0.listener.borrow_mut() {
            let line = Line {
                at: self.now(),
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

/// A seed from the operating system's randomness, which is what keys a `RandomState`.
#[expect(
    clippy::disallowed_types,
    reason = "real sockets are where chance comes from outside"
)]
fn random_seed() -> Seed {
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
        Ok(Box::new(RealSocket {
            world: self.world.clone(),
            me: self.me,
            socket,
            twin: Rc::new(twin),
            address,
            inbox: Rc::default(),
            buffer: vec![0; DATAGRAM_BYTES_MAX],
        }))
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
        self.world.now()
    }

    fn timer(&self) -> Box<dyn Timer> {
        let sleep = Box::pin(sleep(Duration::ZERO));
        Box::new(RealTimer {
            start: self.world.0.start,
            sleep,
            at: None,
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

    /// Histories of real runs are not kept.
    fn record_history(&self, _operation: OperationId, _event: HistoryEvent) {}

    fn wants_all_events(&self) -> bool {
        self.world.is_heard()
    }
}

struct RealSocket {
    world: RealWorld,
    me: HostId,
    socket: UdpSocket,
    /// The same socket for sending: sending on tokio's socket is refused until it has been polled.
    twin: Rc<StdUdpSocket>,
    address: SocketAddr,
    inbox: Rc<RefCell<Inbox>>,
    buffer: Vec<u8>,
}

/// Datagrams that the conditions held back, or doubled.
#[derive(Default)]
struct Inbox {
    queue: VecDeque<(SharedBytes, SocketAddr)>,
    waker: Option<Waker>,
}

impl Datagrams for RealSocket {
    fn send(&mut self, to: SocketAddr, body: SharedBytes, label: Option<Label>) {
        let to_host = self.world.host_of(to);
        let fate = self.world.decide(self.me, to_host, label);
        if self.world.is_heard() {
            let event = Event::Send {
                to: to_host,
                label,
                datagram: body.clone(),
                fate,
            };
            self.world.record(self.me, event);
        }
        for &delay_ms in fate.delays_ms() {
            if delay_ms <= 1 {
                send_now(&self.twin, to, &body);
            } else {
                let (twin, body) = (self.twin.clone(), body.clone());
                spawn_local(async move {
                    sleep(Duration::from_millis(u64::from(delay_ms) - 1)).await;
                    send_now(&twin, to, &body);
                });
            }
        }
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Arrival> {
        loop {
            let held_back = self.inbox.borrow_mut().queue.pop_front();
            if let Some((body, from)) = held_back {
                return Poll::Ready(Arrival {
                    body,
                    from,
                    label: None,
                });
            }
            self.inbox.borrow_mut().waker = Some(context.waker().clone());
            let mut unread = ReadBuf::new(&mut self.buffer);
            let from = match ready!(self.socket.poll_recv_from(context, &mut unread)) {
                Ok(from) => from,
                Err(error) => {
                    tracing::debug!("receiving failed, as if lost: {error}");
                    continue;
                }
            };
            let body = SharedBytes::from(unread.filled());
            if self.world.0.fates.is_none() {
                return Poll::Ready(Arrival {
                    body,
                    from,
                    label: None,
                });
            }
            let fate = self.world.decide(self.world.host_of(from), self.me, None);
            for &delay_ms in fate.delays_ms() {
                self.hold_back(body.clone(), from, delay_ms);
            }
        }
    }

    fn local_address(&self) -> SocketAddr {
        self.address
    }
}

impl RealSocket {
    fn hold_back(&self, body: SharedBytes, from: SocketAddr, delay_ms: u32) {
        if delay_ms <= 1 {
            self.inbox.borrow_mut().queue.push_back((body, from));
            return;
        }
        let inbox = self.inbox.clone();
        spawn_local(async move {
            sleep(Duration::from_millis(u64::from(delay_ms) - 1)).await;
            let mut inbox = inbox.borrow_mut();
            inbox.queue.push_back((body, from));
            if let Some(waker) = inbox.waker.take() {
                waker.wake();
            }
        });
    }
}

/// Sends, or logs why it could not: to a protocol, that is a lost datagram.
fn send_now(socket: &StdUdpSocket, to: SocketAddr, body: &[u8]) {
    if let Err(error) = socket.send_to(body, to) {
        tracing::debug!("sending to {to} failed, as if lost: {error}");
    }
}

struct RealTimer {
    start: Instant,
    sleep: Pin<Box<Sleep>>,
    at: Option<Time>,
}

impl Timer for RealTimer {
    fn poll_until(&mut self, context: &mut Context<'_>, at: Time) -> Poll<()> {
        if self.at != Some(at) {
            let instant = self.start + Duration::from_millis(at.as_ms());
            self.sleep.set(sleep_until(instant));
            self.at = Some(at);
        }
        self.sleep.as_mut().poll(context)
    }
}
