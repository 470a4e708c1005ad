//! The booking client: one call per command, and for `monitor` a while of listening.

use std::time::Duration;

use crate::clock::Time;
use crate::history::{Outcome, Told};
use crate::host::Task;
use crate::id::OperationId;
use crate::rpc::called::Called;
use crate::rpc::client::RpcClient;
use crate::seed::Stream;
use crate::services::booking::load::Load;
use crate::services::booking::message::{Reply, Request};
use crate::services::booking::watch::Watch;
use crate::services::{Client, Command, CommandError, GRACE};

/// One life of a booking client.
#[derive(Debug)]
pub struct BookingClient {
    rpc: RpcClient,
    load: Load,
}

impl BookingClient {
    /// A client that speaks through `rpc`; generated load is on these facilities.
    #[must_use]
    pub fn new(rpc: RpcClient, facilities: Vec<String>) -> Self {
        Self {
            rpc,
            load: Load::new(facilities),
        }
    }

    async fn monitor(&mut self, operation: OperationId, command: &Command) -> Outcome {
        let began = self.rpc.host().now();
        let called = self.rpc.call(operation, &command.body).await;
        let registered = self.conclude(command, &called);
        let Ok(Request::Monitor { facility, seconds }) = Request::decode(&command.body) else {
            return registered;
        };
        let Told::Reply(reply) = &registered.told else {
            return registered;
        };
        // Only what is understood as the reply to a registration says that updates will come.
        let Ok(Reply::Monitoring {
            revision,
            seconds: granted,
        }) = Reply::decode(reply)
        else {
            return registered;
        };
        let (watch, seconds) = if self.rpc.speaks_v1() {
            (Watch::without_revisions(facility.into_owned()), seconds)
        } else {
            // The server may grant less than it was asked for.
            let watch = Watch::after(facility.into_owned(), revision);
            (watch, seconds.min(granted))
        };
        let span = Duration::from_secs(seconds.into());
        let summary = self.listen(operation, watch, (began, span)).await;
        Outcome {
            told: Told::Text(summary.into()),
            ..registered
        }
    }

    /// Takes updates in until the registration has ended, as the server says or by the clock. What
    /// ends earlier than the span after the call began is an earlier registration of the facility.
    async fn listen(
        &mut self,
        operation: OperationId,
        mut watch: Watch,
        (began, span): (Time, Duration),
    ) -> String {
        let due = began + span;
        let mut heard_at = self.rpc.host().now();
        let until = heard_at + span + GRACE;
        while !watch.is_over() || self.rpc.host().now() < due {
            let Some(pushed) = self.rpc.next_update(until).await else {
                return watch.summary_without_end(heard_at + GRACE < due);
            };
            heard_at = self.rpc.host().now();
            match watch.take_in(&pushed.body) {
                Ok(()) => self.rpc.notified(&pushed, operation),
                Err(reason) => self.rpc.ignore(&pushed, reason),
            }
            if let Some(ask) = watch.ask() {
                self.rpc.tell(operation, &ask.encode());
            }
        }
        watch.summary()
    }
}

impl Client for BookingClient {
    fn rpc(&mut self) -> &mut RpcClient {
        &mut self.rpc
    }

    fn is_one_call(&self, command: &Command) -> bool {
        command.verb != "monitor"
    }

    fn conclude(&mut self, command: &Command, called: &Called) -> Outcome {
        let outcome = called.outcome(Reply::is_error);
        if command.verb == "book"
            && let Told::Reply(body) = &outcome.told
        {
            self.load.booked(body);
        }
        outcome
    }

    fn perform_series<'a>(
        &'a mut self,
        operation: OperationId,
        command: &'a Command,
    ) -> Task<'a, Outcome> {
        Box::pin(self.monitor(operation, command))
    }

    fn generate(
        &mut self,
        verb: &str,
        chance: &mut Stream,
        made_up: &mut Command,
    ) -> Result<(), CommandError> {
        self.load.generate(verb, chance, made_up)
    }
}
