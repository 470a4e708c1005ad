//! Small services. None of them knows of retransmissions, duplicates or caches.

use std::collections::VecDeque;
use std::time::Duration;

use wavetank::clock::Time;
use wavetank::rpc::service::{BadRecord, Effects, Input, Record, Service, Ticket, TimerKey};
use wavetank::trace::Word;

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
            _ => {}
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
            _ => {}
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

/// Counts in one byte that it stores. `wait` waits until `wake` comes, and so does `queue`, which counts
/// nothing, and `wait afresh`, which counts and leaves nothing of its own; a one-way message counts too, and is
/// answered with the count; a second after it, a timer counts once more and tells so.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    count: u8,
    waiting: Vec<Ticket>,
}

impl Ledger {
    fn count(&mut self, effects: &mut Effects) {
        self.count = self.count.wrapping_add(1);
        effects.store(b"count", &[self.count]);
    }
}

impl Service for Ledger {
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        let counts = match input {
            Input::Request { body, .. } => body != b"queue",
            Input::Again(_) | Input::Abandoned(_) => false,
            _ => true,
        };
        if counts {
            self.count(effects);
        }
        match input {
            Input::Request { ticket, body, .. } => match body {
                b"wait" | b"queue" => self.waiting.push(ticket),
                b"wait afresh" => {
                    effects.waits_unstored(ticket);
                    self.waiting.push(ticket);
                }
                _ => {
                    effects.complete(ticket, &[self.count]);
                    if body == b"wake" {
                        for waiting in self.waiting.drain(..) {
                            effects.complete(waiting, &[self.count]);
                        }
                    }
                }
            },
            Input::OneWay { caller, .. } => {
                effects.set_timer(TimerKey(0), now + Duration::from_secs(1));
                effects.push(*caller, &[self.count]);
            }
            Input::Timer(_) => effects.tell(Word::Expire, None, "a second has passed"),
            Input::Abandoned(ticket) => self.waiting.retain(|waiting| *waiting != ticket),
            Input::Peer { .. } | Input::Again(_) => {}
        }
    }

    fn restore(
        &mut self,
        _now: Time,
        records: &mut dyn Iterator<Item = Record>,
        _effects: &mut Effects,
    ) -> Result<(), BadRecord> {
        for (key, value) in records {
            match (&key[..], &value[..]) {
                (b"count", &[count]) => self.count = count,
                _ => {
                    let reason = "no count".to_owned();
                    return Err(BadRecord { key, reason });
                }
            }
        }
        Ok(())
    }
}
