//! The host: all that a server or client may touch.
//!
//! Network, clock, tasks, streams of chance and the trace come from here and from nowhere else. So
//! the same server runs on real sockets and in either simulator, and a run in a simulator has no
//! other source of order, time or chance.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;

use crate::clock::Time;
use crate::disk::{Batch, Store, StoreError};
use crate::history::Outcome;
use crate::id::{HostId, OperationId};
use crate::net::{Broken, Connection, Datagrams, Listener, Network, Timer};
use crate::seed::Stream;
use crate::trace::Event;
use crate::wire::SharedBytes;

/// A future of one host: never sent to another thread.
pub type Task<'a, T = ()> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What a backend supplies to each of its hosts.
pub trait Machine: Network {
    /// Which host this is.
    fn id(&self) -> HostId;
    /// The host's clock.
    fn now(&self) -> Time;
    /// A new timer on that clock.
    fn timer(&self) -> Box<dyn Timer>;
    /// Starts a task.
    fn spawn(&self, task: Task<'static>);
    /// A stream of chance of this name: another one each time that the host asks for the name.
    fn stream(&self, name: &str) -> Stream;
    /// The host behind an address, for the trace.
    fn host_of(&self, address: SocketAddr) -> HostId;
    /// Records an event in the trace.
    fn record(&self, event: Event);
    /// Records that a server executed a request and completed it.
    fn record_execution(&self, operation: OperationId, request: &SharedBytes, reply: &SharedBytes);
    /// Records that a client began an operation, given in the service's own encoding.
    fn record_invocation(&self, operation: OperationId, request: &[u8]);
    /// Records how it ended: in the history, and in the trace.
    fn record_outcome(&self, operation: OperationId, outcome: &Outcome);
    /// Whether events that checkers do not need are wanted too.
    fn wants_all_events(&self) -> bool;
    /// Opens the records that survive the host's lives.
    ///
    /// # Errors
    ///
    /// If the host has no disk, or the disk fails.
    fn open_store(&self) -> Result<Store, StoreError>;
    /// Whether the server on this host has nothing left to do that others wait for: a simulated story
    /// goes on until then.
    fn settle(&self, _is_settled: bool) {}
    /// Whether the host's life goes on: in simulation it may end in any call that records something.
    fn is_alive(&self) -> bool {
        true
    }
    /// The host does not live to record these events, which belong to the commit of this batch. In
    /// simulation they are recorded when the disk is opened again, if the commit is found there.
    fn doubt(&self, _batch: &Batch, _events: Vec<Event>) {}
}

/// A host, as its servers and clients see it. Clones are the same host.
#[derive(Clone)]
pub struct Host(Rc<dyn Machine>);

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.id().0)
    }
}

impl Host {
    /// The host that this machine is.
    pub fn new(machine: impl Machine + 'static) -> Self {
        Self(Rc::new(machine))
    }

    /// Which host this is.
    #[must_use]
    pub fn id(&self) -> HostId {
        self.0.id()
    }

    /// The host's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.0.now()
    }

    /// A new timer on that clock.
    #[must_use]
    pub fn timer(&self) -> Box<dyn Timer> {
        self.0.timer()
    }

    /// Waits until the host's clock has reached `at`.
    pub async fn sleep_until(&self, at: Time) {
        crate::net::sleep_until(&mut *self.timer(), at).await;
    }

    /// Binds a datagram socket; port 0 asks for any free port.
    ///
    /// # Errors
    ///
    /// If the port is taken or may not be used.
    pub fn bind(&self, port: u16) -> io::Result<Box<dyn Datagrams>> {
        self.0.bind(port)
    }

    /// Listens for connections; port 0 asks for any free port.
    ///
    /// # Errors
    ///
    /// If the port is taken or may not be used.
    pub fn listen(&self, port: u16) -> io::Result<Box<dyn Listener>> {
        self.0.listen(port)
    }

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// If it is refused, or nobody answers in time: in simulation in 3 s.
    pub async fn connect(&self, to: SocketAddr) -> Result<Box<dyn Connection>, Broken> {
        let mut connection = self.begin_connection(to);
        poll_fn(|context| connection.poll_open(context)).await?;
        Ok(connection)
    }

    /// Begins a connection; [`Connection::poll_open`] says how that ends.
    #[must_use]
    pub fn begin_connection(&self, to: SocketAddr) -> Box<dyn Connection> {
        self.0.connect(to)
    }

    /// The address of a host, by name.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Option<IpAddr> {
        self.0.lookup(name)
    }

    /// Starts a task on this host. It ends with the host's life.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawn(Box::pin(task));
    }

    /// A stream of chance of this name, the host's own.
    ///
    /// A host that asks for the same name again, in this life or a later one, is given another
    /// stream.
    #[must_use]
    pub fn stream(&self, name: &str) -> Stream {
        self.0.stream(name)
    }

    /// The host behind an address, for the trace. A protocol must not act on it.
    #[must_use]
    pub fn host_of(&self, address: SocketAddr) -> HostId {
        self.0.host_of(address)
    }

    /// Records an event in the trace.
    pub fn record(&self, event: Event) {
        self.0.record(event);
    }

    /// Records an event that no checker needs; it is made only if the trace is kept.
    pub fn record_with(&self, event: impl FnOnce() -> Event) {
        if self.wants_all_events() {
            self.0.record(event());
        }
    }

    /// Whether events that no checker needs are wanted too.
    #[must_use]
    pub fn wants_all_events(&self) -> bool {
        self.0.wants_all_events()
    }

    /// Opens the records that survive the host's lives: what an earlier life has committed is there.
    ///
    /// # Errors
    ///
    /// If the host has no disk, or the disk fails or holds what no store has written.
    pub fn open_store(&self) -> Result<Store, StoreError> {
        self.0.open_store()
    }

    /// Says whether the server on this host has nothing left to do that others wait for.
    pub fn settle(&self, is_settled: bool) {
        self.0.settle(is_settled);
    }

    /// Whether this life of the host goes on. It may end in any call that records something; in that of
    /// real hosts, nobody is left to ask.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.0.is_alive()
    }

    /// The host does not live to record these events, which belong to the commit of this batch: its disk
    /// failed in it, or the host died of an event before. In simulation they are recorded when the disk is
    /// opened again, if the commit is found there; on real hosts nobody records them.
    pub fn doubt(&self, batch: &Batch, events: Vec<Event>) {
        self.0.doubt(batch, events);
    }

    /// Records that a server executed a request and completed it, both given in the service's own
    /// encoding.
    pub fn record_execution(
        &self,
        operation: OperationId,
        request: &SharedBytes,
        reply: &SharedBytes,
    ) {
        self.0.record_execution(operation, request, reply);
    }

    /// Records that a client began an operation, given in the service's own encoding.
    pub fn record_invocation(&self, operation: OperationId, request: &[u8]) {
        self.0.record_invocation(operation, request);
    }

    /// Records how an operation ended: in the history, and in the trace.
    pub fn record_outcome(&self, operation: OperationId, outcome: &Outcome) {
        self.0.record_outcome(operation, outcome);
    }
}
