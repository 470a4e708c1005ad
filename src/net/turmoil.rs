//! The same hosts on turmoil, as an independent second opinion.
//!
//! turmoil runs at ticks of 1 ms with a latency beyond every run: a message waits on its link until
//! the millisecond in which it is due, and is hastened then. Step `k`, counted from 1, runs all host
//! code at `k - 1` ms. Every datagram crosses a `turmoil::net` socket: each host has one *carrier*
//! socket, and our ports are multiplexed above it, so that arrivals are sorted over all sockets of a
//! host. The head of a carried datagram says when it is due, for whom, and what its label is.
//!
//! The first task of each host, its *driver*, hands arrivals over and then fires timers, both in the
//! canonical order. It asserts that turmoil's clock is ours and that every datagram arrives in the
//! millisecond in which it is due.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::ops::Range;
use std::panic::resume_unwind;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use tokio::task::coop;
use tokio::time::{Instant, sleep_until};
use turmoil::net::UdpSocket;
use turmoil::{Protocol, Sim};

use crate::clock::{Time, ms};
use crate::host::Machine;
use crate::id::{ConnectionId, HostId, OperationId};
use crate::net::lives::LifeChange;
use crate::net::packet::{Carrier, Packet, host_at, ip};
use crate::net::segment::{SegmentHead, SegmentKind};
use crate::net::simulated::SimHost;
use crate::net::world::{Director, Main, Next, SharedWorld, World};
use crate::net::{Attempt, DATAGRAM_BYTES_MAX, Kind, Label};

/// The port of each host's carrier socket.
const CARRIER_PORT: u16 = 1;

/// Longer than every run: what turmoil takes a message to need unless it is hastened.
const AGES: Duration = Duration::from_secs(1 << 30);

/// Datagrams that one socket takes in one ms; turmoil drops more in silence. Its default is 64.
const ARRIVALS_PER_MS_MAX: usize = 1 << 16;

/// Bytes of a carried datagram before its body.
const HEAD_BYTES: usize = 30;

/// Bytes of a carried segment between that head and its body.
const SEGMENT_HEAD_BYTES: usize = 18;

/// Stands beside the copy in the head of a segment.
const SEGMENT_MARK: u8 = 0x80;

/// Runs the hosts until the director stops, and gives the world back.
///
/// # Panics
///
/// If a task of a host panics, with its panic; and if turmoil and this crate disagree on the time.
pub fn run(mut world: World, mains: &[Main], director: &mut dyn Director) -> World {
    world.split_timers();
    let world: SharedWorld = Rc::new(RefCell::new(world));
    let dues = Rc::new(Dues::default());
    let mut sim = turmoil::Builder::new()
        .rng_seed(0)
        .epoch(UNIX_EPOCH)
        .tick_duration(Duration::from_millis(1))
        .simulation_duration(AGES)
        .min_message_latency(AGES)
        .max_message_latency(AGES)
        .udp_capacity(ARRIVALS_PER_MS_MAX)
        .build();
    for (number, main) in (0_u16..).zip(mains) {
        let (world, dues, main) = (world.clone(), dues.clone(), main.clone());
        let me = HostId(number);
        sim.host(ip(me), move || {
            let (world, dues, main) = (world.clone(), dues.clone(), main.clone());
            async move {
                let socket = Rc::new(bind_carrier()?);
                let carrier = Rc::new(CarrierSocket {
                    socket: Rc::downgrade(&socket),
                    dues,
                });
                if let Some(host) = SimHost::new(world, carrier, me) {
                    host.spawn(main(host.clone()));
                    coop::unconstrained(drive(socket, host)).await;
                }
                pending().await
            }
        });
    }
    loop {
        let now = {
            let world = &mut *world.borrow_mut();
            director.before(world);
            world.play_script();
            world.now()
        };
        change_lives(&world, &mut sim);
        if dues.take(now) {
            hasten_due(&sim, &world);
        }
        sim.step().expect("hosts do not fail, they panic");
        let panic = world.borrow_mut().take_panic();
        if let Some(panic) = panic {
            world.borrow_mut().end_lives();
            drop(sim);
            resume_unwind(panic);
        }
        let world = &mut *world.borrow_mut();
        if director.after(world) == Next::Stop {
            break;
        }
        world.set_now(now + Duration::from_millis(1));
    }
    world.borrow_mut().end_lives();
    drop(sim);
    Rc::into_inner(world)
        .expect("every task that held the world was dropped")
        .into_inner()
}

/// Does what the script asks of a backend. The world is not borrowed while tasks are dropped: their
/// sockets and timers turn to it.
fn change_lives(world: &SharedWorld, sim: &mut Sim<'_>) {
    let next = || world.borrow_mut().take_life_change();
    while let Some(change) = next() {
        match change {
            LifeChange::Ended(host) => sim.crash(ip(host)),
            LifeChange::Begun(host) => sim.bounce(ip(host)),
            LifeChange::Resumed(host) => world.borrow_mut().wake_driver(host),
        }
    }
}

/// turmoil's `bind` is asynchronous in name only.
fn bind_carrier() -> io::Result<UdpSocket> {
    let bind = pin!(UdpSocket::bind(("0.0.0.0", CARRIER_PORT)));
    match bind.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(bound) => bound,
        Poll::Pending => unreachable!("turmoil binds at once"),
    }
}

/// The times at which some datagram is due, so that links are searched only then.
#[derive(Default)]
struct Dues(RefCell<BTreeSet<Time>>);

impl Dues {
    fn take(&self, now: Time) -> bool {
        self.0.borrow_mut().remove(&now)
    }
}

struct CarrierSocket {
    /// Held by the driver alone, so that it is closed with the life.
    socket: Weak<UdpSocket>,
    dues: Rc<Dues>,
}

impl Carrier for CarrierSocket {
    fn carry(&self, packet: Packet) {
        self.dues.0.borrow_mut().insert(packet.due);
        let mut bytes = head(&packet).to_vec();
        if let Some(segment) = packet.segment.as_deref() {
            bytes[18] |= SEGMENT_MARK;
            bytes.extend_from_slice(&segment_head(segment));
        }
        bytes.extend_from_slice(&packet.body);
        self.socket
            .upgrade()
            .expect("a life that goes on has a driver")
            .try_send_to(&bytes, (ip(packet.to), CARRIER_PORT))
            .expect("turmoil takes every datagram to a host of the run");
    }
}

/// Lets every message that is due now be delivered in the coming step. Those that nobody listens for
/// are lost here, in the canonical order; the driver drops them.
fn hasten_due(sim: &Sim<'_>, world: &SharedWorld) {
    let now = world.borrow().now();
    let mut due = Vec::new();
    sim.links(|links| {
        for message in links.flatten() {
            let to = host_at(message.pair().1.ip()).expect("every address is a host's");
            let Protocol::Udp(datagram) = message.protocol() else {
                continue;
            };
            let packet = parse(&datagram.0, to);
            if packet.due == now {
                due.push(packet);
                message.deliver();
            }
        }
    });
    due.sort_by_key(Packet::order);
    let (segments, datagrams) = due
        .into_iter()
        .partition::<Vec<_>, _>(|packet| packet.segment.is_some());
    for packet in datagrams {
        world.borrow_mut().admit(&packet);
    }
    for packet in segments {
        world.borrow_mut().admit_segment(&packet);
    }
}

/// Hands arrivals over and fires timers, for one life of a host.
async fn drive(socket: Rc<UdpSocket>, host: SimHost) {
    let me = host.id();
    let mut buffer = vec![0; HEAD_BYTES + DATAGRAM_BYTES_MAX];
    loop {
        wait_for_work(&socket, &host).await;
        if !host.is_alive() {
            return;
        }
        let mut arrived = Vec::new();
        while let Ok((len, _)) = socket.try_recv_from(&mut buffer) {
            arrived.push(parse(&buffer[..len], me));
        }
        arrived.sort_by_key(Packet::order);
        let world = &mut *host.world().borrow_mut();
        let elapsed = turmoil::sim_elapsed().expect("a driver runs inside a simulation");
        assert_eq!(ms(elapsed), world.now().as_ms(), "turmoil's clock is ours");
        world.hand_over_held(me);
        let mut segments = Vec::new();
        for packet in arrived {
            assert_eq!(
                packet.due,
                world.now(),
                "turmoil keeps the delay of every datagram"
            );
            if packet.segment.is_some() {
                segments.push(packet);
            } else {
                world.hand_over(packet);
            }
        }
        let mut carry = |packet| host.carrier().carry(packet);
        for packet in segments {
            world.take_segment_in(packet, &mut carry);
        }
        world.do_due_deeds(Some(me), &mut carry);
        world.fire_due_timers(me.index());
    }
}

/// Returns when a datagram has arrived, or the host's first timer is due.
async fn wait_for_work(socket: &UdpSocket, host: &SimHost) {
    let queue = host.id().index();
    loop {
        let (now, next) = {
            let world = &mut *host.world().borrow_mut();
            (world.now(), world.next_timer(queue))
        };
        if next.is_some_and(|at| at <= now) {
            return; // fell due while the host paused
        }
        let wake_at = next.map(|at| Instant::now() + (at - now));
        let mut readable = pin!(socket.readable());
        let mut sleep = pin!(sleep_until(wake_at.unwrap_or_else(Instant::now)));
        let work = poll_fn(|context| {
            let world = &mut *host.world().borrow_mut();
            world.watch_timers(host.life(), context.waker());
            if readable.as_mut().poll(context).is_ready() || world.has_held(host.id()) {
                return Poll::Ready(true);
            }
            if wake_at.is_some() && sleep.as_mut().poll(context).is_ready() {
                return Poll::Ready(true);
            }
            if world.next_timer(queue) == next {
                Poll::Pending
            } else {
                Poll::Ready(false)
            }
        });
        if work.await {
            return;
        }
    }
}

/// What goes before the body: due, nth, from, ports, copy, and the label.
fn head(packet: &Packet) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&packet.due.as_ms().to_le_bytes());
    head[8..12].copy_from_slice(&packet.nth.to_le_bytes());
    head[12..14].copy_from_slice(&packet.from.0.to_le_bytes());
    head[14..16].copy_from_slice(&packet.from_port.to_le_bytes());
    head[16..18].copy_from_slice(&packet.to_port.to_le_bytes());
    head[18] = packet.copy;
    head[19] = u8::MAX;
    if let Some(Label {
        kind,
        operation,
        attempt,
    }) = packet.label
    {
        head[19] = kind as u8;
        head[20..22].copy_from_slice(&operation.client.0.to_le_bytes());
        head[22..26].copy_from_slice(&operation.number.to_le_bytes());
        head[26..28].copy_from_slice(&attempt.number.to_le_bytes());
        head[28..30].copy_from_slice(&attempt.of.to_le_bytes());
    }
    head
}

/// What goes before the body of a segment: connection, kind, direction, cut, and when it was first sent.
fn segment_head(segment: &SegmentHead) -> [u8; SEGMENT_HEAD_BYTES] {
    let mut head = [0; SEGMENT_HEAD_BYTES];
    head[..2].copy_from_slice(&segment.connection.opener.0.to_le_bytes());
    head[2..6].copy_from_slice(&segment.connection.number.to_le_bytes());
    head[6] = segment.kind as u8;
    head[7] = u8::from(segment.to_opener) | u8::from(segment.is_answer) << 1;
    head[8..10].copy_from_slice(&segment.cut.to_le_bytes());
    head[10..].copy_from_slice(&segment.since.as_ms().to_le_bytes());
    head
}

fn parse_segment(head: &[u8]) -> SegmentHead {
    let number = |range: Range<usize>| {
        let bytes = head[range].iter().rev();
        bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let short = "as many bytes as it has";
    SegmentHead {
        connection: ConnectionId {
            opener: HostId(u16::try_from(number(0..2)).expect(short)),
            number: u32::try_from(number(2..6)).expect(short),
        },
        kind: SegmentKind::ALL[usize::from(head[6])],
        to_opener: head[7] & 1 != 0,
        is_answer: head[7] & 2 != 0,
        cut: u16::try_from(number(8..10)).expect(short),
        since: Time::from_ms(number(10..18)),
    }
}

fn parse(bytes: &[u8], to: HostId) -> Packet {
    let (head, rest) = bytes.split_at(HEAD_BYTES);
    let is_segment = head[18] & SEGMENT_MARK != 0;
    let (segment, body) = rest.split_at(if is_segment { SEGMENT_HEAD_BYTES } else { 0 });
    let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
    let label = Kind::ALL.get(usize::from(head[19])).map(|&kind| Label {
        kind,
        operation: OperationId {
            client: HostId(u16_at(20)),
            number: u32_at(22),
        },
        attempt: Attempt {
            number: u16_at(26),
            of: u16_at(28),
        },
    });
    Packet {
        due: Time::from_ms(u64::from(u32_at(0)) | u64::from(u32_at(4)) << 32),
        from: HostId(u16_at(12)),
        to,
        from_port: u16_at(14),
        to_port: u16_at(16),
        label,
        nth: u32_at(8),
        copy: head[18] & !SEGMENT_MARK,
        segment: is_segment.then(|| Box::new(parse_segment(segment))),
        body: body.into(),
    }
}
