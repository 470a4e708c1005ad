//! A simulated host: the network, clock and tasks of one life of a host, on either simulator.
//!
//! Every effect asks first whether this life still lasts; one that has ended has none.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::{coop, spawn_local};

use crate::clock::Time;
use crate::disk::{Batch, Store, StoreError};
use crate::history::Outcome;
use crate::host::{Host, Machine, Task};
use crate::id::{HostId, OperationId};
use crate::net::packet::{Carrier, host_at, ip};
use crate::net::ports::SharedPort;
use crate::net::simulated_connection::{SimConnection, SimListener};
use crate::net::timers::TimerTicket;
use crate::net::world::SharedWorld;
use crate::net::{Arrival, Connection, Datagrams, Label, Listener, Network, Timer};
use crate::seed::Stream;
use crate::trace::Event;
use crate::wire::SharedBytes;

/// One life of a simulated host. Clones are the same life.
#[derive(Clone)]
pub struct SimHost {
    world: SharedWorld,
    carrier: Rc<dyn Carrier>,
    me: HostId,
    life: u32,
}

impl std::fmt::Debug for SimHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimHost({})", self.me.0)
    }
}

impl SimHost {
    /// The present life of a host; `None` while it is down.
    pub(crate) fn new(world: SharedWorld, carrier: Rc<dyn Carrier>, me: HostId) -> Option<Self> {
        let life = world.borrow().life(me)?;
        Some(Self {
            world,
            carrier,
            me,
            life,
        })
    }

    /// This host, as servers and clients see it.
    #[must_use]
    pub fn host(&self) -> Host {
        Host::new(self.clone())
    }

    /// Waits until the director has entered this stage; until then the host has done its part.
    pub fn stage(&self, stage: u32) -> impl Future<Output = ()> + use<> {
        let (world, me) = (self.world.clone(), self.life());
        poll_fn(move |context| {
            if world
                .borrow_mut()
                .wait_for_stage(me, stage, context.waker())
            {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }

    /// From the next ms on the host runs nothing for this long, and at least for 1 ms.
    pub fn pause(&self, span: Duration) {
        let mut world = self.world.borrow_mut();
        if world.is_alive(self.life()) {
            world.pause_soon(self.me, span);
        }
    }

    /// Whether this life has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.world.borrow().is_alive(self.life())
    }

    pub(crate) const fn id(&self) -> HostId {
        self.me
    }

    /// The host, and which of its lives.
    pub(crate) const fn life(&self) -> (HostId, u32) {
        (self.me, self.life)
    }

    pub(super) fn carrier(&self) -> &dyn Carrier {
        &*self.carrier
    }

    pub(crate) const fn world(&self) -> &SharedWorld {
        &self.world
    }
}

impl SimHost {
    /// Records what an earlier life did not live to see, if its commit is found on the disk.
    fn settle_doubt(&self, store: &mut Store) -> Result<(), StoreError> {
        let doubt = self.world.borrow_mut().take_doubt(self.me);
        let Some((batch, events)) = doubt else {
            return Ok(());
        };
        match store.holds(&batch) {
            Ok(true) => {
                let mut events = events.into_iter();
                while let Some(mut event) = events.next() {
                    if let Event::Execute { recovered, .. } | Event::Complete { recovered, .. } =
                        &mut event
                    {
                        *recovered = true;
                    }
                    self.record(event);
                    if !self.is_alive() {
                        self.doubt(&batch, events.collect()); // it has died of this event
                        break;
                    }
                }
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(failure) => {
                self.doubt(&batch, events); // still
                Err(failure)
            }
        }
    }
}

impl Network for SimHost {
    fn bind(&self, port: u16) -> io::Result<Box<dyn Datagrams>> {
        let bound = self.world.borrow_mut().bind(self.life(), port);
        let (number, port) = bound.ok_or(io::ErrorKind::AddrInUse)?;
        Ok(Box::new(SimSocket {
            host: self.clone(),
            number,
            port,
        }))
    }

    fn listen(&self, port: u16) -> io::Result<Box<dyn Listener>> {
        let bound = self.world.borrow_mut().listen(self.life(), port);
        let port = bound.ok_or(io::ErrorKind::AddrInUse)?;
        Ok(Box::new(SimListener::new(self.clone(), port)))
    }

    fn connect(&self, to: SocketAddr) -> Box<dyn Connection> {
        Box::new(SimConnection::open(self.clone(), to))
    }

    fn lookup(&self, name: &str) -> Option<IpAddr> {
        self.world.borrow().host_named(name).map(ip)
    }
}

impl Machine for SimHost {
    fn id(&self) -> HostId {
        self.me
    }

    fn now(&self) -> Time {
        self.world.borrow().local_now(self.me)
    }

    fn timer(&self) -> Box<dyn Timer> {
        Box::new(SimTimer {
            host: self.clone(),
            set: None,
        })
    }

    /// The only way in which a task starts: without tokio's cooperative budget, which differs between
    /// the simulators, and with its panic carried out of the run, which a task set would swallow.
    fn spawn(&self, mut task: Task<'static>) {
        let (world, me) = (self.world.clone(), self.life());
        spawn_local(coop::unconstrained(poll_fn(move |context| {
            let polled = catch_unwind(AssertUnwindSafe(|| {
                world.borrow_mut().count_poll();
                task.as_mut().poll(context)
            }));
            polled.unwrap_or_else(|panic| {
                world.borrow_mut().keep_panic(me, panic);
                Poll::Ready(())
            })
        })));
    }

    fn stream(&self, name: &str) -> Stream {
        self.world.borrow_mut().stream(self.life(), name)
    }

    fn host_of(&self, address: SocketAddr) -> HostId {
        host_at(address.ip()).unwrap_or_default()
    }

    fn record(&self, event: Event) {
        let mut world = self.world.borrow_mut();
        if world.is_alive(self.life()) {
            world.record(self.me, event);
        }
    }

    fn record_execution(&self, operation: OperationId, request: &SharedBytes, reply: &SharedBytes) {
        let mut world = self.world.borrow_mut();
        if world.is_alive(self.life()) {
            world.record_execution(self.me, operation, request, reply);
        }
    }

    fn record_invocation(&self, operation: OperationId, request: &[u8]) {
        let mut world = self.world.borrow_mut();
        if world.is_alive(self.life()) {
            world.record_invocation(operation, request);
        }
    }

    fn record_outcome(&self, operation: OperationId, outcome: &Outcome) {
        let mut world = self.world.borrow_mut();
        if world.is_alive(self.life()) {
            world.record_outcome(operation, outcome);
        }
    }

    fn wants_all_events(&self) -> bool {
        self.world.borrow().wants_all_events()
    }

    fn open_store(&self) -> Result<Store, StoreError> {
        let (world, me) = (self.world.clone(), self.life());
        let disk = world.borrow_mut().disk_of(me);
        let disk = disk.ok_or_else(|| StoreError::Failed {
            place: "the disk of a host that is down".to_owned(),
        })?;
        let failed = move || world.borrow_mut().disk_failed(me);
        match Store::open(disk.backend()) {
            Ok(mut store) => {
                store.on_failure(failed);
                self.settle_doubt(&mut store)?;
                Ok(store)
            }
            Err(error) => {
                failed();
                Err(error)
            }
        }
    }

    fn is_alive(&self) -> bool {
        self.world.borrow().is_alive(self.life())
    }

    fn settle(&self, is_settled: bool) {
        self.world.borrow_mut().settle(self.life(), is_settled);
    }

    fn doubt(&self, batch: &Batch, events: Vec<Event>) {
        self.world
            .borrow_mut()
            .doubt(self.me, batch.clone(), events);
    }
}

struct SimSocket {
    host: SimHost,
    number: u16,
    port: SharedPort,
}

impl Datagrams for SimSocket {
    fn send(&mut self, to: SocketAddr, body: &SharedBytes, label: Option<Label>) {
        let host = &self.host;
        let mut world = host.world.borrow_mut();
        if world.is_alive(host.life()) {
            world.send((host.me, self.number), to, body, label, |packet| {
                host.carrier.carry(packet);
            });
        }
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Arrival> {
        // The end of a life has emptied its ports, and nothing comes to them after it.
        let mut port = self.port.borrow_mut();
        if let Some(arrival) = port.queue.pop_front() {
            return Poll::Ready(arrival);
        }
        if !port
            .waker
            .as_ref()
            .is_some_and(|old| old.will_wake(context.waker()))
        {
            port.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    fn local_address(&self) -> SocketAddr {
        SocketAddr::new(ip(self.host.me), self.number)
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.host
            .world
            .borrow_mut()
            .unbind(self.host.life(), self.number);
    }
}

struct SimTimer {
    host: SimHost,
    set: Option<TimerTicket>,
}

impl Timer for SimTimer {
    fn poll_until(&mut self, context: &mut Context<'_>, at: Time) -> Poll<()> {
        let mut world = self.host.world.borrow_mut();
        let me = self.host.me;
        if !world.is_alive(self.host.life()) {
            return Poll::Pending;
        }
        let at = world.virtual_time(me, at);
        if world.now() >= at {
            if let Some(ticket) = self.set.take() {
                world.timers().cancel(ticket);
            }
            return Poll::Ready(());
        }
        let is_set = self.set.is_some_and(|ticket| {
            ticket.at == at && world.timers().renew(me, ticket, context.waker())
        });
        if !is_set {
            self.set = Some(world.set_timer(me, at, context.waker(), self.set));
        }
        Poll::Pending
    }
}

impl Drop for SimTimer {
    fn drop(&mut self) {
        if let Some(ticket) = self.set.take() {
            self.host.world.borrow_mut().timers().cancel(ticket);
        }
    }
}
