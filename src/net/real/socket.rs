//! A UDP socket, with the conditions that its datagrams meet.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket as StdUdpSocket};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::task::coop::poll_proceed;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::id::HostId;
use crate::net::fate::Fate;
use crate::net::real::RealWorld;
use crate::net::{Arrival, DATAGRAM_BYTES_MAX, Datagrams, Label};
use crate::trace::Event;
use crate::wire::SharedBytes;

/// Datagrams of one socket that conditions hold back at a time; more are lost, as in a full queue of a
/// router. It bounds what a flood costs under a long delay.
const HELD_BACK_MAX: usize = 65_536;

/// A UDP socket of a host.
pub(super) struct RealSocket {
    world: RealWorld,
    me: HostId,
    socket: UdpSocket,
    /// The same socket for sending: sending on tokio's socket is refused until it has been polled.
    twin: Rc<StdUdpSocket>,
    address: SocketAddr,
    inbox: Rc<RefCell<Inbox>>,
    /// How many datagrams are held back, in both directions.
    held_back: Rc<Cell<usize>>,
    buffer: Vec<u8>,
}

/// Datagrams that have met the conditions and wait to be received.
#[derive(Default)]
struct Inbox {
    queue: VecDeque<(SharedBytes, SocketAddr)>,
    waker: Option<Waker>,
}

impl RealSocket {
    /// A socket of the host `me`; `twin` is the same socket, and never blocks.
    pub(super) fn new(
        world: RealWorld,
        me: HostId,
        socket: UdpSocket,
        twin: StdUdpSocket,
    ) -> io::Result<Self> {
        Ok(Self {
            world,
            me,
            address: socket.local_addr()?,
            socket,
            twin: Rc::new(twin),
            inbox: Rc::default(),
            held_back: Rc::default(),
            buffer: vec![0; DATAGRAM_BYTES_MAX],
        })
    }

    /// The next datagram that was held back; if there is none, the task is woken for the next one.
    /// Like those from the socket, each costs the task some of tokio's budget.
    fn poll_inbox(&self, context: &mut Context<'_>) -> Poll<Option<Arrival>> {
        if self.world.0.fates.is_none() {
            return Poll::Ready(None); // without conditions nothing is ever held back
        }
        let inbox = &mut *self.inbox.borrow_mut();
        if !inbox.queue.is_empty() {
            ready!(poll_proceed(context)).made_progress();
        }
        if let Some((body, from)) = inbox.queue.pop_front() {
            return Poll::Ready(Some(self.arrival(body, from)));
        }
        match &mut inbox.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Ready(None)
    }

    fn arrival(&self, body: SharedBytes, from: SocketAddr) -> Arrival {
        let label = self.world.label_of((from, self.address), &body);
        Arrival { body, from, label }
    }

    fn receive_later(&self, delay_ms: u32, body: SharedBytes, from: SocketAddr) {
        let inbox = self.inbox.clone();
        let receive = move || {
            let inbox = &mut *inbox.borrow_mut();
            inbox.queue.push_back((body, from));
            if let Some(waker) = inbox.waker.take() {
                waker.wake();
            }
        };
        if delay_ms <= 1 {
            receive();
        } else {
            self.hold_back(delay_ms, receive);
        }
    }

    /// Does something with a datagram after its delay, unless too many are held back already.
    fn hold_back(&self, delay_ms: u32, then: impl FnOnce() + 'static) {
        if self.held_back.get() >= HELD_BACK_MAX {
            tracing::debug!("{HELD_BACK_MAX} datagrams are held back; one more is lost");
            return;
        }
        self.held_back.update(|count| count + 1);
        let held_back = self.held_back.clone();
        spawn_local(async move {
            sleep(Duration::from_millis(u64::from(delay_ms) - 1)).await;
            held_back.update(|count| count - 1);
            then();
        });
    }
}

impl Datagrams for RealSocket {
    fn send(&mut self, to: SocketAddr, body: &SharedBytes, label: Option<Label>) {
        let fate = self.world.fate_of_sent(self.me, to, label);
        if self.world.is_heard() {
            let event = Event::Send {
                to: self.world.host_of(to),
                label,
                datagram: body.clone(),
                fate,
            };
            self.world.record(self.me, event);
        }
        for &delay_ms in fate.delays_ms() {
            if delay_ms <= 1 {
                send_now(&self.twin, to, body);
            } else {
                let (twin, body) = (self.twin.clone(), body.clone());
                self.hold_back(delay_ms, move || send_now(&twin, to, &body));
            }
            self.world.remember((self.address, to), body, label);
        }
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Arrival> {
        loop {
            if let Some(arrival) = ready!(self.poll_inbox(context)) {
                return Poll::Ready(arrival);
            }
            let mut unread = ReadBuf::new(&mut self.buffer);
            // An error is word of an earlier datagram that did not arrive (ICMP). Each turn of this
            // loop costs the task some of tokio's budget, so that it ends whatever comes.
            let from = match ready!(self.socket.poll_recv_from(context, &mut unread)) {
                Ok(from) => from,
                Err(error) => {
                    tracing::debug!("receiving failed, as if lost: {error}");
                    continue;
                }
            };
            let body = SharedBytes::from(unread.filled());
            let fate = self.world.fate_of_received(from, self.me);
            if fate.is_none_or(|fate| fate.delays_ms() == [1]) {
                return Poll::Ready(self.arrival(body, from));
            }
            for &delay_ms in fate.iter().flat_map(Fate::delays_ms) {
                self.receive_later(delay_ms, body.clone(), from);
            }
        }
    }

    fn local_address(&self) -> SocketAddr {
        self.address
    }
}

/// Sends, or logs why it could not: to a protocol, that is a lost datagram.
fn send_now(socket: &StdUdpSocket, to: SocketAddr, body: &[u8]) {
    if let Err(error) = socket.send_to(body, to) {
        tracing::debug!("sending to {to} failed, as if lost: {error}");
    }
}
