//! The causal store: keys and values, kept by several data centres.
//!
//! The service of the fourth seed document, made general. A client speaks to the data centre next to it, at
//! once; the data centres tell each other later; and nobody sees an effect without its cause. A session
//! knows what it has read and written; its writes carry that along as dependencies; and a data centre
//! that lacks one of them keeps a write back until it has come.
//!
//! - [`write`](mod@write): writes, and what they depend on
//! - [`committed`]: what has been committed of one origin; [`replica`]: a data centre's whole state
//! - [`outgoing`]: own writes, until every other data centre has acknowledged them
//! - [`image`], [`transfers`]: a whole state, and how it comes to a data centre that has lost its own
//! - `recovery`: when that happens, and what it waits for
//! - [`server`]: a data centre as a service; [`session`], [`client`]: the other side
//! - [`message`], [`codec`]: what they say to each other, and as bytes
//! - `records`, `restore`: all of that as a data centre with a disk stores it and takes it up
//! - `command`, `describe`: the command grammar, and every message in words
//! - `arrival`: what a data centre tells whoever watches it
//!
//! Deliberately absent: deleting keys, transactions over several keys, data centres that come or go, and
//! merging of concurrent values: the last writer wins.

pub mod client;
pub mod codec;
pub mod committed;
pub mod image;
pub mod message;
pub mod outgoing;
pub mod replica;
pub mod server;
pub mod session;
pub mod settings;
pub mod transfers;
pub mod write;

mod arrival;
mod command;
mod describe;
mod records;
mod recovery;
mod restore;

#[cfg(test)]
mod cluster_tests;

use std::sync::Arc;

use crate::check::Check;
use crate::history::sessions::AccessKind;
use crate::rpc::client::RpcClient;
use crate::rpc::service::Service;
use crate::seed::Stream;
use crate::services::causal::message::{Answer, Ask, Reply, Request};
use crate::services::causal::settings::Settings;
use crate::services::{Application, Client, Command, CommandError, Setting, SettingError, Usage};
use crate::trace::Line;
use crate::wire::Limit;

/// The causal store.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Causal {
    settings: Settings,
    /// The name of its clients, if they have one.
    author: String,
}

impl Causal {
    /// The store with these settings.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            author: String::new(),
        }
    }

    /// What a call says of one key, for checkers of histories: a read with the value that it found, if it
    /// found one, or a write with its value. Nothing of a call on no key or many.
    #[must_use]
    pub fn access(
        &self,
        request: &[u8],
        reply: Option<&[u8]>,
    ) -> Option<(AccessKind, String, Option<String>)> {
        match Request::decode(request).ok()?.ask {
            Ask::Put { key, value, .. } => Some((AccessKind::Write, key, Some(value))),
            Ask::Get { key } => {
                let answer = reply.and_then(|reply| Reply::decode(reply).ok());
                let value = answer.and_then(|reply| match reply.answer {
                    Answer::Found(entry) => Some(entry.value),
                    _ => None,
                });
                Some((AccessKind::Read, key, value))
            }
            Ask::List | Ask::Attach { .. } | Ask::Wait { .. } => None,
        }
    }
}

impl Application for Causal {
    fn name(&self) -> &'static str {
        "causal"
    }

    fn configure(&self, settings: &toml::Table) -> Result<Arc<dyn Application>, SettingError> {
        let mut configured = self.clone();
        for (name, value) in settings {
            configured.settings.set(name, value)?;
        }
        Ok(Arc::new(configured))
    }

    fn settings(&self) -> Vec<Setting> {
        Settings::described()
    }

    fn usage(&self) -> &'static [Usage] {
        &command::USAGE
    }

    /// The first data centre.
    fn service(&self) -> Box<dyn Service> {
        Box::new(server::CausalServer::new(self.settings.clone(), 0))
    }

    fn servers(&self) -> Vec<String> {
        let places = 0..self.settings.data_centres;
        places.map(|place| format!("dc{place}")).collect()
    }

    fn replica(&self, place: u16, mut chance: Stream) -> Box<dyn Service> {
        let server = server::CausalServer::new(self.settings.clone(), place);
        Box::new(server.with_life(chance.next_u32()))
    }

    fn checks(&self) -> Vec<Check> {
        let of_stores = Check::OF_SESSIONS.into_iter();
        let of_stores = of_stores.chain([Check::Causal, Check::Convergence]);
        std::iter::once(Check::Executions)
            .chain(of_stores)
            .collect()
    }

    fn is_store(&self) -> bool {
        true
    }

    fn access(
        &self,
        request: &[u8],
        reply: Option<&[u8]>,
    ) -> Option<(AccessKind, String, Option<String>)> {
        Self::access(self, request, reply)
    }

    fn stores_state(&self) -> bool {
        true
    }

    fn client(&self, rpc: RpcClient) -> Box<dyn Client> {
        let client = client::CausalClient::new(rpc, &self.settings);
        Box::new(client.with_author(self.author.clone()))
    }

    fn with_client_name(&self, name: &str) -> Result<Arc<dyn Application>, String> {
        let Limit { max, .. } = codec::AUTHOR;
        if name.len() > max {
            let bytes = name.len();
            return Err(format!("it is too long: {bytes} bytes, at most {max}"));
        }
        Ok(Arc::new(Self {
            author: name.to_owned(),
            ..self.clone()
        }))
    }

    fn parse(&self, line: &str) -> Result<Vec<Command>, CommandError> {
        command::parse(line, self.settings.data_centres)
    }

    fn parse_words(&self, words: &[&str]) -> Result<Vec<Command>, CommandError> {
        command::parse_words(words, self.settings.data_centres)
    }

    fn probes(&self) -> Vec<Command> {
        vec![command::command(Ask::List)]
    }

    fn describe_request(&self, body: &[u8]) -> String {
        describe::request(body)
    }

    fn describe_reply(&self, body: &[u8]) -> String {
        describe::reply(body)
    }

    fn describe_peer(&self, body: &[u8]) -> String {
        describe::peer(body)
    }

    fn tells_arrivals(&self) -> bool {
        true
    }

    fn arrival(&self, line: &Line) -> Option<String> {
        arrival::arrival(line)
    }
}
