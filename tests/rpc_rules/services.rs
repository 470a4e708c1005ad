//! Small services. None of them knows of retransmissions, duplicates or caches.

use std::collections::VecDeque;
use std::time::Duration;

use wavetank::clock::Time;
use wavetank::rpc::service::{Effects, Input, Service, Ticket, TimerKey};

/// Counts requests in one byte, and replies with the count. A one-way message is pushed back to its sender.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    count: u8,
}

impl Service for Counter {
    fn step(&mut self, _now: Time, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Request { ticket, .. } => {
                self.count = self.count.wrapping_add(1);
                effects.complete(ticket, &[self.count]);
            }
            Input::OneWay { caller, body } => effects.push(*caller, body),
            Input::Timer(_) => {}
        }
    }
}

/// Completes each request by a timer, some time after it came.
#[derive(Debug)]
pub(crate) struct Slow(pub(crate) Duration);

impl Service for Slow {
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Request { ticket, .. } => effects.set_timer(TimerKey(ticket.0), now + self.0),
            Input::Timer(key) => effects.complete(Ticket(key.0), b"at last"),
            Input::OneWay { .. } => {}
        }
    }
}

/// Never completes anything.
#[derive(Debug)]
pub(crate) struct Silent;

impl Service for Silent {
    fn step(&mut self, _now: Time, _input: Input<'_>, _effects: &mut Effects) {}
}

/// One lock: `acquire` waits for its turn, and `release` grants it to the next.
#[derive(Debug, Default)]
pub(crate) struct Lock {
    held: bool,
    waiting: VecDeque<Ticket>,
}

impl Service for Lock {
    fn step(&mut self, _now: Time, input: Input<'_>, effects: &mut Effects) {
        let Input::Request { ticket, body, .. } = input else {
            return;
        };
        match body {
            b"acquire" if self.held => self.waiting.push_back(ticket),
            b"acquire" => {
                self.held = true;
                effects.complete(ticket, b"granted");
            }
            _ => {
                effects.complete(ticket, b"released");
                match self.waiting.pop_front() {
                    Some(next) => effects.complete(next, b"granted"),
                    None => self.held = false,
                }
            }
        }
    }
}
