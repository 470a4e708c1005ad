//! The meeting client behind commands: one call per command.

use crate::history::Outcome;
use crate::rpc::called::Called;
use crate::rpc::client::RpcClient;
use crate::seed::Stream;
use crate::services::meeting::load::Load;
use crate::services::meeting::message::Reply;
use crate::services::meeting::settings::Settings;
use crate::services::{Client, Command, CommandError};

/// One life of a meeting client.
#[derive(Debug)]
pub struct MeetingClient {
    rpc: RpcClient,
    load: Load,
}

impl MeetingClient {
    /// A client that calls the main server through `rpc`; generated load is about the people of these settings.
    #[must_use]
    pub fn new(rpc: RpcClient, settings: &Settings) -> Self {
        Self {
            rpc,
            load: Load::new(settings),
        }
    }
}

impl Client for MeetingClient {
    fn rpc(&mut self) -> &mut RpcClient {
        &mut self.rpc
    }

    fn conclude(&mut self, _command: &Command, called: &Called) -> Outcome {
        called.outcome(Reply::is_refusal)
    }

    fn generate(
        &mut self,
        verb: &str,
        chance: &mut Stream,
        made_up: &mut Command,
    ) -> Result<(), CommandError> {
        *made_up = self.load.generate(verb, chance)?;
        Ok(())
    }
}
