//! A fresh service that requests are applied to, one after another: the spec of `effects`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::check::effects::Spec;
use crate::clock::Time;
use crate::id::{ClientId, ClientKey, OperationId};
use crate::net::packet::ip;
use crate::rpc::service::{Caller, Effect, Effects, Input, Service, Ticket};
use crate::rpc::timers::Timers;
use crate::services::Application;
use crate::sim::scenario::{Variant, Wire};

/// A service without network, faults or duplicates.
pub struct Replay {
    application: Arc<dyn Application>,
    speaks_v1: bool,
    service: Box<dyn Service>,
    timers: Timers,
    effects: Effects,
    tickets: u64,
    waiting: BTreeMap<Ticket, OperationId>,
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay")
            .field("application", &self.application)
            .finish_non_exhaustive()
    }
}

impl Replay {
    /// A fresh service; its clients speak format v1 or v2.
    #[must_use]
    pub fn fresh(application: Arc<dyn Application>, speaks_v1: bool) -> Self {
        Self {
            service: application.service(),
            application,
            speaks_v1,
            timers: Timers::default(),
            effects: Effects::default(),
            tickets: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// A fresh service to which the variant's setup has been applied.
    #[must_use]
    pub fn of(variant: &Variant) -> Self {
        let speaks_v1 = variant.wire == Wire::V1;
        let mut replay = Self::fresh(variant.application.clone(), speaks_v1);
        for (client, command) in variant.setup_commands() {
            replay.apply(Time::ZERO, OperationId { client, number: 0 }, &command.body);
        }
        replay
    }

    fn step(&mut self, now: Time, input: Input<'_>) -> Vec<(OperationId, String)> {
        self.service.step(now, input, &mut self.effects);
        let mut replies = Vec::new();
        for effect in self.effects.iter() {
            match effect {
                Effect::Complete { ticket, reply } => {
                    if let Some(operation) = self.waiting.remove(&ticket) {
                        replies.push((operation, self.application.describe_reply(reply)));
                    }
                }
                Effect::SetTimer(key, at) => self.timers.set(key, at),
                Effect::Push { .. }
                | Effect::Send { .. }
                | Effect::Commit(_)
                | Effect::Lock(_)
                | Effect::Transaction(_)
                | Effect::Tell(..)
                | Effect::Stop(_)
                | Effect::Store { .. } => {}
            }
        }
        self.effects.clear();
        replies
    }
}

impl Spec<[u8]> for Replay {
    fn apply(
        &mut self,
        at: Time,
        operation: OperationId,
        request: &[u8],
    ) -> Vec<(OperationId, String)> {
        let mut replies = Vec::new();
        loop {
            let due = self.timers.next();
            let Some(key) = self.timers.take_due(at) else {
                break;
            };
            replies.extend(self.step(due, Input::Timer(key)));
        }
        let address = (ip(operation.client), 1).into();
        let client = if self.speaks_v1 {
            ClientKey::Address(address)
        } else {
            ClientKey::Id(ClientId(operation.client.0.into()))
        };
        let caller = Caller {
            client,
            address,
            operation,
        };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket, operation);
        replies.extend(self.step(
            at,
            Input::Request {
                ticket,
                caller: &caller,
                body: request,
            },
        ));
        replies
    }
}
