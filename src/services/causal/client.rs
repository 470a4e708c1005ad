//! A client of the causal store: one session, which goes where the client goes.

use std::time::Duration;

use crate::history::{Outcome, OutcomeKind};
use crate::host::Task;
use crate::id::OperationId;
use crate::rpc::called::Called;
use crate::rpc::client::RpcClient;
use crate::seed::Stream;
use crate::services::causal::command::{command, no_command};
use crate::services::causal::message::{Ask, Reply, Request};
use crate::services::causal::session::Session;
use crate::services::causal::settings::Settings;
use crate::services::{Client, Command, CommandError};

/// One life of a client.
#[derive(Debug)]
pub struct CausalClient {
    rpc: RpcClient,
    session: Session,
    data_centres: u16,
    load_keys: u32,
    /// Its name, which its writes carry; empty if it has none.
    author: String,
    /// How many writes it has made up, and what sets them apart from those of its other lives.
    written: u32,
    life: Option<u32>,
}

impl CausalClient {
    /// A client that speaks through `rpc`, with a session that depends on nothing.
    #[must_use]
    pub fn new(rpc: RpcClient, settings: &Settings) -> Self {
        Self {
            rpc,
            session: Session::default(),
            data_centres: settings.data_centres,
            load_keys: settings.load_keys,
            author: String::new(),
            written: 0,
            life: None,
        }
    }

    /// The same client with a name, of at most 64 bytes, which its writes carry.
    #[must_use]
    pub fn with_author(mut self, author: String) -> Self {
        self.author = author;
        self
    }

    async fn perform_one(&mut self, operation: OperationId, command: &Command) -> Outcome {
        match Request::decode(&command.body).map(|request| request.ask) {
            Ok(Ask::Wait { ms }) => self.wait(Duration::from_millis(ms)).await,
            Ok(Ask::Attach { to }) => self.move_to(operation, command, to).await,
            Ok(ask) => self.call(operation, command, ask).await,
            Err(error) => Outcome::text(OutcomeKind::Failed, format!("no request: {error}")),
        }
    }

    async fn call(&mut self, operation: OperationId, command: &Command, ask: Ask) -> Outcome {
        let mut ask = ask;
        if let Ask::Put { author, .. } = &mut ask {
            author.clone_from(&self.author);
        }
        let request = self.session.request(ask).encode();
        let called = self.rpc.call(operation, &request).await;
        self.conclude(command, &called)
    }

    /// Moves to another data centre, and stays where it was unless that one has all that the session
    /// depends on.
    async fn move_to(&mut self, operation: OperationId, command: &Command, to: u16) -> Outcome {
        let place = usize::from(to);
        if place >= self.rpc.servers().count() {
            let message =
                format!("this client does not know where dc{to} is; `--peer` names every server");
            return Outcome::text(OutcomeKind::Failed, message);
        }
        let home = self.rpc.place();
        self.rpc.move_to(place);
        let outcome = self.call(operation, command, Ask::Attach { to }).await;
        if outcome.kind != OutcomeKind::Ok
            && let Some(home) = home
        {
            self.rpc.move_to(home);
        }
        outcome
    }

    /// Waits, and lets the session's clock go on by the whole seconds.
    async fn wait(&mut self, span: Duration) -> Outcome {
        let until = self.rpc.host().now() + span;
        self.rpc.idle_until(until).await;
        self.session.advance(span.as_secs());
        let text = format!("the time is now {}", self.session.clock());
        Outcome::text(OutcomeKind::Ok, text)
    }

    fn key(&self, chance: &mut Stream) -> String {
        format!("k{}", 1 + chance.below(self.load_keys))
    }

    /// A value that no other write has.
    fn value(&mut self, chance: &mut Stream) -> String {
        let life = *self.life.get_or_insert_with(|| chance.next_u32());
        self.written += 1;
        let host = self.rpc.host().id().0;
        format!("{host}-{life:08x}-{}", self.written)
    }

    /// Another data centre than the one where it is.
    fn other(&self, chance: &mut Stream) -> u16 {
        let count = u32::from(self.data_centres);
        let here = self.rpc.place().unwrap_or_default() as u32;
        ((here + 1 + chance.below(count - 1)) % count) as u16
    }
}

impl Client for CausalClient {
    fn rpc(&mut self) -> &mut RpcClient {
        &mut self.rpc
    }

    /// Its request is the command with the session put in.
    fn is_one_call(&self, _command: &Command) -> bool {
        false
    }

    fn conclude(&mut self, _command: &Command, called: &Called) -> Outcome {
        if let Called::Reply { body, .. } = &called
            && let Ok(reply) = Reply::decode(body)
            && let Err(too_many) = self.session.hear(reply)
        {
            return Outcome::text(OutcomeKind::Failed, too_many.to_string());
        }
        called.outcome(Reply::is_refusal)
    }

    fn perform_series<'a>(
        &'a mut self,
        operation: OperationId,
        command: &'a Command,
    ) -> Task<'a, Outcome> {
        Box::pin(self.perform_one(operation, command))
    }

    fn generate(
        &mut self,
        verb: &str,
        chance: &mut Stream,
        made_up: &mut Command,
    ) -> Result<(), CommandError> {
        let ask = match verb {
            "put" => Ask::Put {
                key: self.key(chance),
                value: self.value(chance),
                author: String::new(),
            },
            "get" => Ask::Get {
                key: self.key(chance),
            },
            "move" => Ask::Attach {
                to: self.other(chance),
            },
            "list" | "wait" | "lost" | "found" | "glad" => {
                let message = format!("`{verb}` cannot be generated; write put, get or move");
                return Err(CommandError { message, at: 0 });
            }
            other => {
                let message = no_command(other);
                return Err(CommandError { message, at: 0 });
            }
        };
        *made_up = command(ask);
        Ok(())
    }
}
