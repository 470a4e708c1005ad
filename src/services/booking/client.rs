//! The booking client: one call per command, and for `monitor` a while of listening.

use std::time::Duration;

use crate::history::{Outcome, OutcomeKind, Told};
use crate::host::Task;
use crate::id::OperationId;
use crate::rpc::client::{Called, RpcClient};
use crate::seed::Stream;
use crate::services::booking::load::Load;
use crate::services::booking::message::{Refusal, Reply, Request};
use crate::services::booking::watch::Watch;
use crate::services::{Client, Command, CommandError, GRACE};

/// One life of a booking client.
#[derive(Debug)]
pub struct BookingClient {
    rpc: RpcClient,
    load: Load,
    /// The first byte of a reply that is an error.
    error_type: Option<u8>,
}

impl BookingClient {
    /// A client that speaks through `rpc`; generated load is on these facilities.
    #[must_use]
    pub fn new(rpc: RpcClient, facilities: Vec<String>) -> Self {
        Self {
            rpc,
            load: Load::new(facilities),
            error_type: error_type(),
        }
    }

    async fn call(&mut self, operation: OperationId, command: &Command) -> Outcome {
        let (body, reply_to) = match self.rpc.call(operation, &command.body).await {
            Called::Reply { body, reply_to } => (body, reply_to),
            Called::Refused(refused) => {
                return Outcome::text(OutcomeKind::Failed, refused.to_string());
            }
            Called::GaveUp { attempts } => {
                let sends = if attempts == 1 { "send" } else { "sends" };
                let text = format!("no reply to {attempts} {sends}");
                return Outcome::text(OutcomeKind::Unknown, text);
            }
        };
        let kind = match body.first() {
            first if first.copied() == self.error_type => OutcomeKind::Failed,
            _ => OutcomeKind::Ok,
        };
        if kind == OutcomeKind::Ok
            && command.verb == "book"
            && let Ok(Reply::Booked(confirmation)) = Reply::decode(&body)
        {
            self.load.booked(confirmation);
        }
        Outcome {
            kind,
            told: Told::Reply(body),
            reply_to,
        }
    }

    async fn monitor(&mut self, operation: OperationId, command: &Command) -> Outcome {
        let registered = self.call(operation, command).await;
        let Ok(Request::Monitor { facility, seconds }) = Request::decode(&command.body) else {
            return registered;
        };
        let Told::Reply(reply) = &registered.told else {
            return registered;
        };
        // Only what is understood as the reply to a registration says that updates will come.
        let Ok(Reply::Monitoring { revision, .. }) = Reply::decode(reply) else {
            return registered;
        };
        let watch = if self.rpc.speaks_v1() {
            Watch::without_revisions(facility)
        } else {
            Watch::after(facility, revision)
        };
        let span = Duration::from_secs(seconds.into());
        let summary = self.listen(operation, watch, span).await;
        Outcome {
            told: Told::Text(summary.into()),
            ..registered
        }
    }

    /// Takes updates in until the registration has ended, as the server says or by the clock.
    async fn listen(&mut self, operation: OperationId, mut watch: Watch, span: Duration) -> String {
        let until = self.rpc.host().now() + span + GRACE;
        while !watch.is_over() {
            let Some(pushed) = self.rpc.next_update(operation, until).await else {
                break;
            };
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
    fn perform<'a>(
        &'a mut self,
        operation: OperationId,
        command: &'a Command,
    ) -> Task<'a, Outcome> {
        Box::pin(async move {
            match command.verb {
                "monitor" => self.monitor(operation, command).await,
                _ => self.call(operation, command).await,
            }
        })
    }

    fn generate(&mut self, verb: &str, chance: &mut Stream) -> Result<Command, CommandError> {
        self.load.generate(verb, chance)
    }
}

/// The first byte of an error: a reply's first byte is its type, so that nobody need read on to know
/// whether it is one.
fn error_type() -> Option<u8> {
    Reply::Error(Refusal::InvalidRequest)
        .encode()
        .first()
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::booking::message::Availability;

    #[test]
    fn the_first_byte_of_a_reply_says_whether_it_is_an_error() {
        let is_error = |reply: Reply| reply.encode().first().copied() == error_type();
        let availability = Availability {
            facility: "Hall".to_owned(),
            days: Vec::new(),
        };
        let monitoring = Reply::Monitoring {
            revision: 1,
            seconds: 1,
        };
        for reply in [
            Reply::Availability(availability),
            Reply::Booked("CONF000001".to_owned()),
            Reply::Changed,
            Reply::Extended,
            Reply::Cancelled,
            monitoring,
        ] {
            assert!(!is_error(reply.clone()), "{reply:?}");
        }
        for refusal in [
            Refusal::NoSuchFacility,
            Refusal::NotAvailable,
            Refusal::NoSuchBooking,
            Refusal::BadTimeRange,
            Refusal::InvalidRequest,
            Refusal::BookingCancelled,
            Refusal::AlreadyCancelled,
        ] {
            assert!(is_error(Reply::Error(refusal)), "{refusal:?}");
        }
    }
}
