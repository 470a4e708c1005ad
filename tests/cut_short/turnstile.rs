//! A service with one lock, which it stores.

use std::collections::VecDeque;
use std::time::Duration;

use wavetank::check::sequential::{SequentialSpec, Specification};
use wavetank::clock::Time;
use wavetank::id::OperationId;
use wavetank::rpc::client::RpcClient;
use wavetank::rpc::service::{BadRecord, Effects, Input, Record, Service, Ticket};
use wavetank::services::{Application, Client, PlainClient, Usage};
use wavetank::trace::{Decision, LockStep};

const LEASE: Duration = Duration::from_secs(2);

/// The lock: `acquire` waits until it is free, `release` gives it to whoever has waited longest, and
/// `touch` stores again what is stored. `sleep` waits until somebody says `wake`; that stores nothing.
#[derive(Debug, Default)]
struct Turnstile {
    token: u64,
    is_held: bool,
    waiting: VecDeque<(Ticket, OperationId)>,
    asleep: Vec<Ticket>,
}

impl Turnstile {
    fn grant(
        &mut self,
        now: Time,
        (ticket, operation): (Ticket, OperationId),
        effects: &mut Effects,
    ) {
        self.is_held = true;
        self.token += 1;
        effects.lock(LockStep {
            operation,
            lock: 0,
            token: self.token,
            clock: now,
            decision: Decision::Grant(LEASE),
            text: "the lock".into(),
        });
        effects.complete(ticket, b"granted");
    }
}

impl Service for Turnstile {
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        let Input::Request {
            ticket,
            caller,
            body,
        } = input
        else {
            return;
        };
        let asked = (ticket, caller.operation);
        match body {
            b"sleep" => return self.asleep.push(ticket),
            b"wake" => {
                effects.complete(ticket, b"woken");
                for sleeper in self.asleep.drain(..) {
                    effects.complete(sleeper, b"awake");
                }
                return;
            }
            b"touch" => effects.complete(ticket, b"touched"),
            b"acquire" if self.is_held => return self.waiting.push_back(asked),
            b"acquire" => self.grant(now, asked, effects),
            _ => {
                self.is_held = false;
                effects.complete(ticket, b"released");
                if let Some(next) = self.waiting.pop_front() {
                    self.grant(now, next, effects);
                }
            }
        }
        effects.store(b"token", &self.token.to_be_bytes());
        effects.store(b"held", &[self.is_held.into()]);
    }

    fn restore(
        &mut self,
        _now: Time,
        records: &mut dyn Iterator<Item = Record>,
        _effects: &mut Effects,
    ) -> Result<(), BadRecord> {
        for (key, value) in records {
            match <[u8; 8]>::try_from(&value[..]) {
                Ok(token) => self.token = u64::from_be_bytes(token),
                Err(_) => self.is_held = (&key[..], &value[..]) == (b"held", &[1]),
            }
        }
        Ok(())
    }
}

/// Whether the lock is held.
struct Spec;

impl SequentialSpec for Spec {
    type State = bool;

    fn initial(&self) -> bool {
        false
    }

    fn step(&self, is_held: &bool, request: &[u8], _told: Option<&[u8]>) -> Option<bool> {
        let acquires = request == b"acquire";
        (acquires != *is_held).then_some(acquires)
    }
}

const USAGE: [Usage; 5] = [
    Usage::new("acquire", "Acquires the lock."),
    Usage::new("release", "Releases it."),
    Usage::new("sleep", "Waits for a wake."),
    Usage::new("touch", "Stores what is stored."),
    Usage::new("wake", "Wakes all sleepers."),
];

#[derive(Debug)]
pub(crate) struct TurnstileApplication;

impl Application for TurnstileApplication {
    fn name(&self) -> &'static str {
        "turnstile"
    }

    fn usage(&self) -> &'static [Usage] {
        &USAGE
    }

    fn service(&self) -> Box<dyn Service> {
        Box::<Turnstile>::default()
    }

    fn stores_state(&self) -> bool {
        true
    }

    fn client(&self, rpc: RpcClient) -> Box<dyn Client> {
        Box::new(PlainClient::new(rpc, |_| false))
    }

    fn spec(&self) -> Option<Box<dyn Specification>> {
        Some(Box::new(Spec))
    }
}
