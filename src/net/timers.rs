//! The timers of simulated hosts.
//!
//! A timer is known by its host and its number within the host. Setting it anew or giving it up does
//! not search the queue: the old entry stays, and is skipped when its time comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;

use crate::clock::Time;
use crate::id::HostId;

/// Timers in the order in which they are due: (time, host, creation within the host).
#[derive(Debug)]
pub(crate) struct TimerQueues {
    slots: Vec<TimerSlot>,
    free: Vec<u32>,
    /// One queue in the event simulator, one for each host on turmoil.
    queues: Vec<BinaryHeap<Reverse<TimerEntry>>>,
    /// Those of hosts that pause.
    parked: Vec<TimerEntry>,
}

impl Default for TimerQueues {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            queues: vec![BinaryHeap::new()],
            parked: Vec::new(),
        }
    }
}

#[derive(Debug, Default)]
struct TimerSlot {
    host: HostId,
    /// The timer's number within its host; 0 if it is not set.
    number: u32,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct TimerEntry {
    at: Time,
    host: HostId,
    number: u32,
    slot: u32,
}

/// A timer that has been set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimerTicket {
    slot: u32,
    number: u32,
    pub(crate) at: Time,
}

impl TimerQueues {
    /// Gives each of so many hosts a queue of its own.
    pub(crate) fn split(&mut self, hosts: usize) {
        self.queues = (0..hosts).map(|_| BinaryHeap::new()).collect();
    }

    /// Sets the timer of this number, in the slot of an older one if there is one.
    pub(crate) fn set(
        &mut self,
        host: HostId,
        number: u32,
        at: Time,
        waker: &Waker,
        old: Option<TimerTicket>,
    ) -> TimerTicket {
        let slot = old
            .map(|old| old.slot)
            .or_else(|| self.free.pop())
            .unwrap_or_else(|| {
                self.slots.push(TimerSlot::default());
                u32::try_from(self.slots.len() - 1).expect("fewer timers than 2^32")
            });
        self.slots[slot as usize] = TimerSlot {
            host,
            number,
            waker: Some(waker.clone()),
        };
        let queue = self.queue_of(host);
        self.queues[queue].push(Reverse(TimerEntry {
            at,
            host,
            number,
            slot,
        }));
        TimerTicket { slot, number, at }
    }

    /// Whether this timer is set and has not fired; if so, it will wake `waker`.
    pub(crate) fn renew(&mut self, host: HostId, ticket: TimerTicket, waker: &Waker) -> bool {
        let slot = &mut self.slots[ticket.slot as usize];
        let set = slot.host == host && slot.number == ticket.number;
        if set && !slot.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            slot.waker = Some(waker.clone());
        }
        set
    }

    /// Gives a timer's slot back.
    pub(crate) fn cancel(&mut self, ticket: TimerTicket) {
        self.slots[ticket.slot as usize] = TimerSlot::default();
        self.free.push(ticket.slot);
    }

    /// No timer of a host fires any more: its life has ended.
    pub(crate) fn forget(&mut self, host: HostId) {
        for slot in self.slots.iter_mut().filter(|slot| slot.host == host) {
            slot.number = 0;
            slot.waker = None;
        }
    }

    /// Whoever waits for a timer of a host looks at its clock again: it goes at another rate now.
    pub(crate) fn rouse(&mut self, host: HostId) {
        for slot in self.slots.iter_mut().filter(|slot| slot.host == host) {
            slot.number = 0;
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    /// No timer of a host fires for now: it pauses.
    pub(crate) fn park(&mut self, host: HostId) {
        let queue = self.queue_of(host);
        let parked = &mut self.parked;
        self.queues[queue].retain(|Reverse(entry)| {
            if entry.host == host {
                parked.push(*entry);
            }
            entry.host != host
        });
    }

    /// The timers of a host fire again; those that have fallen due meanwhile come first.
    pub(crate) fn unpark(&mut self, host: HostId) {
        let queue = self.queue_of(host);
        for entry in self.parked.extract_if(.., |entry| entry.host == host) {
            self.queues[queue].push(Reverse(entry));
        }
    }

    /// The host whose timers are in this queue; `None` if those of all hosts are.
    pub(crate) fn host_of_queue(&self, queue: usize) -> Option<HostId> {
        let is_split = self.queues.len() > 1;
        u16::try_from(queue).ok().filter(|_| is_split).map(HostId)
    }

    fn queue_of(&self, host: HostId) -> usize {
        if self.queues.len() == 1 {
            0
        } else {
            host.index()
        }
    }

    /// When the next timer of a queue is due. Entries of timers that were set anew or given up are
    /// dropped on the way, so that nobody wakes for them.
    pub(crate) fn next(&mut self, queue: usize) -> Option<Time> {
        while let Some(&Reverse(entry)) = self.queues[queue].peek() {
            let slot = &self.slots[entry.slot as usize];
            if slot.host == entry.host && slot.number == entry.number {
                return Some(entry.at);
            }
            self.queues[queue].pop();
        }
        None
    }

    /// Wakes whoever waits for a timer of this queue that is due.
    pub(crate) fn fire_due(&mut self, queue: usize, now: Time) {
        while self.next(queue).is_some_and(|at| at <= now) {
            let Some(Reverse(entry)) = self.queues[queue].pop() else {
                return;
            };
            let slot = &mut self.slots[entry.slot as usize];
            slot.number = 0;
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }
}
