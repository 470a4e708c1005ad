//! The event-driven simulator: no runtime, no ticks; virtual time jumps to the next event.
//!
//! Each host's tasks live in a task set of their own, which this module's loop polls when one of them
//! was woken. Idle virtual time costs nothing.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};

use tokio::task::LocalSet;

use crate::clock::Time;
use crate::host::Machine;
use crate::id::HostId;
use crate::net::lives::LifeChange;
use crate::net::packet::{Carrier, Packet};
use crate::net::simulated::SimHost;
use crate::net::world::{Director, Main, Next, SharedWorld, World};

/// Runs the hosts until the director stops, and gives the world back.
///
/// # Panics
///
/// If a task of a host panics, with its panic.
pub fn run(world: World, mains: &[Main], director: &mut dyn Director) -> World {
    let world: SharedWorld = Rc::new(RefCell::new(world));
    let queue = Rc::new(ArrivalQueue::default());
    let ready = Ready::of_hosts(mains.len());
    let mut hosts: Vec<HostTasks> = (0..mains.len())
        .map(|host| HostTasks::of(ready.waker(host)))
        .collect();
    let mut begun: VecDeque<HostId> = (0..).map(HostId).take(mains.len()).collect();
    let (mut due, mut segments) = (Vec::new(), Vec::new());
    loop {
        {
            let mut borrowed = world.borrow_mut();
            director.before(&mut borrowed);
            if borrowed.has_script_to_play() {
                borrowed.play_script();
                drop(borrowed);
                change_lives(&world, &mut hosts, &mut begun);
                borrowed = world.borrow_mut();
            }
            let world = &mut *borrowed;
            queue.take_due(world.now(), &mut due);
            for packet in due.drain(..) {
                if packet.segment.is_some() {
                    segments.push(packet);
                } else if world.admit(&packet) {
                    world.hand_over(packet);
                }
            }
            if !segments.is_empty() {
                for packet in segments.drain(..) {
                    if world.admit_segment(&packet) {
                        world.take_segment_in(packet, &mut |packet| queue.carry(packet));
                    }
                }
            }
            if world.has_deeds() {
                world.do_due_deeds(None, &mut |packet| queue.carry(packet));
            }
            world.fire_due_timers(0);
        }
        while let Some(me) = begun.pop_front() {
            if let Some(host) = SimHost::new(world.clone(), queue.clone(), me) {
                hosts[me.index()].boot(&host, &mains[me.index()]);
            }
        }
        while let Some(host) = ready.take_first() {
            hosts[host].poll();
        }
        let panic = world.borrow_mut().take_panic();
        if let Some(panic) = panic {
            world.borrow_mut().end_lives();
            drop(hosts);
            resume_unwind(panic);
        }
        let world = &mut *world.borrow_mut();
        let Next::At(act) = director.after(world) else {
            break;
        };
        let events = queue.next_due().into_iter().chain(world.next_timer(0));
        let next = events.chain(world.next_act()).fold(act, Time::min);
        assert!(
            next < Time::NEVER,
            "nothing is left to do, and nobody ends the run"
        );
        world.set_now(next);
    }
    world.borrow_mut().end_lives();
    drop(hosts);
    Rc::into_inner(world)
        .expect("every task that held the world was dropped")
        .into_inner()
}

/// Packets under way, in the order in which they are due.
#[derive(Default)]
struct ArrivalQueue(RefCell<Arrivals>);

#[derive(Default)]
struct Arrivals {
    heap: BinaryHeap<Reverse<(Time, u32)>>,
    packets: Vec<Option<Packet>>,
    free: Vec<u32>,
}

impl ArrivalQueue {
    fn next_due(&self) -> Option<Time> {
        self.0.borrow().heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Moves what is due to `due`, in the canonical order.
    fn take_due(&self, now: Time, due: &mut Vec<Packet>) {
        let mut arrivals = self.0.borrow_mut();
        while let Some(&Reverse((at, place))) = arrivals.heap.peek() {
            if at > now {
                break;
            }
            arrivals.heap.pop();
            arrivals.free.push(place);
            due.extend(arrivals.packets[place as usize].take());
        }
        if due.len() > 1 {
            due.sort_by_key(Packet::order);
        }
    }
}

impl Carrier for ArrivalQueue {
    fn carry(&self, packet: Packet) {
        let mut arrivals = self.0.borrow_mut();
        let place = arrivals.free.pop().unwrap_or_else(|| {
            arrivals.packets.push(None);
            u32::try_from(arrivals.packets.len() - 1).expect("fewer packets than 2^32")
        });
        arrivals.heap.push(Reverse((packet.due, place)));
        arrivals.packets[place as usize] = Some(packet);
    }
}

/// Does what the script asks of a backend. The world is not borrowed while tasks are dropped: their
/// sockets and timers turn to it.
fn change_lives(world: &SharedWorld, hosts: &mut [HostTasks], begun: &mut VecDeque<HostId>) {
    let next = || world.borrow_mut().take_life_change();
    while let Some(change) = next() {
        match change {
            LifeChange::Ended(host) => hosts[host.index()].tasks = LocalSet::new(),
            LifeChange::Begun(host) => begun.push_back(host),
            LifeChange::Resumed(host) => world.borrow_mut().hand_over_held(host),
        }
    }
}

/// The tasks of the present life of a host.
struct HostTasks {
    tasks: LocalSet,
    waker: Waker,
}

impl HostTasks {
    fn of(waker: Waker) -> Self {
        Self {
            tasks: LocalSet::new(),
            waker,
        }
    }

    fn boot(&self, host: &SimHost, main: &Main) {
        let _inside = self.tasks.enter();
        host.spawn(main(host.clone()));
        self.waker.wake_by_ref();
    }

    fn poll(&mut self) {
        let _ = Pin::new(&mut self.tasks).poll(&mut Context::from_waker(&self.waker));
    }
}

/// Which hosts have something to do: a set of bits, cheap also for many hosts.
///
/// The atomics are there only because [`Wake`] asks for them; everything stays on one thread.
#[derive(Clone)]
struct Ready(Arc<[AtomicU64]>);

struct ReadyBit {
    ready: Ready,
    host: usize,
}

impl Ready {
    fn of_hosts(count: usize) -> Self {
        Self((0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    fn waker(&self, host: usize) -> Waker {
        Arc::new(ReadyBit {
            ready: self.clone(),
            host,
        })
        .into()
    }

    /// Takes the first host that is ready out of the set.
    fn take_first(&self) -> Option<usize> {
        self.0.iter().enumerate().find_map(|(place, word)| {
            let bits = word.load(Ordering::Relaxed);
            (bits != 0).then(|| {
                word.store(bits & (bits - 1), Ordering::Relaxed);
                place * 64 + bits.trailing_zeros() as usize
            })
        })
    }
}

impl Wake for ReadyBit {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.0[self.host / 64].fetch_or(1 << (self.host % 64), Ordering::Relaxed);
    }
}
