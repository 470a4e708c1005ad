//! The meeting scheduler: the common free time of any set of people, and meetings taken out of it.
//!
//! The service of the fourth seed document. A main server keeps no times; data servers keep those of
//! some people each. Clients ask the main server, and it asks the data servers: at least once for a query,
//! which is idempotent, and by two-phase commit for a registration, which is all or nothing.
//!
//! - [`times`]: when somebody is free
//! - [`data_file`]: the people of a data server, as their file has them
//! - [`message`], [`codec`]: what clients and servers say to each other, and as bytes
//! - [`settings`]: what a scheduler is like, and which protections can be left out
//! - [`main_server`]: the server that clients ask; `directory`: who is where; `asked`, `turns`: what waits;
//!   `queries`, `registrations`: what is under way
//! - [`data_server`]: a server with people; [`holds`]: their times, and what is held and taken of them;
//!   `enrolment`: how it makes them known
//! - `sends`: when something is sent again; `records`: all that as servers with disks store it
//! - [`spec`]: what all of it promises, one request after the other; `promise`: the same of bytes
//! - [`client`]: the other side; [`command`], `describe`, `load`: the command grammar, every message in words, and
//!   generated load; `lines`: requests and replies as lines, and read back
//!
//! Deliberately absent: giving a time back, people who move to another data server, and a second main server.

pub mod client;
pub mod codec;
pub mod command;
pub mod data_file;
pub mod data_server;
pub mod holds;
pub mod main_server;
pub mod message;
pub mod settings;
pub mod spec;
pub mod times;

mod asked;
mod describe;
mod directory;
mod enrolment;
mod lines;
mod load;
mod promise;
mod queries;
mod records;
mod registrations;
mod sends;
mod turns;

#[cfg(test)]
mod cluster_storm_tests;
#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod enrolment_tests;
#[cfg(test)]
mod exchange_tests;

use std::sync::Arc;
use std::time::Duration;

use crate::check::Check;
use crate::check::atomicity::Decision;
use crate::check::sequential::Specification;
use crate::rpc::client::RpcClient;
use crate::rpc::line::Lines;
use crate::rpc::retransmit::Policy;
use crate::rpc::service::Service;
use crate::seed::Stream;
use crate::services::meeting::data_server::DataServer;
use crate::services::meeting::main_server::{MAIN, MainServer};
use crate::services::meeting::message::{Reply, Request};
use crate::services::meeting::settings::{Front, People, Settings};
use crate::services::{Application, Client, Command, CommandError, Setting, SettingError, Usage};

/// The meeting scheduler.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MeetingScheduler {
    settings: Settings,
    draws_first_lives: bool,
}

impl MeetingScheduler {
    /// The scheduler with these settings.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            draws_first_lives: false,
        }
    }

    /// The same scheduler, for servers whose disks may be emptied: the number of a life on an empty disk is drawn, so
    /// that it is none of before. Unless this is said, it is 1.
    #[must_use]
    pub const fn with_drawn_first_lives(mut self) -> Self {
        self.draws_first_lives = true;
        self
    }

    /// The same scheduler with these settings.
    ///
    /// # Errors
    ///
    /// Says which setting is wrong and what was expected.
    pub fn configured(mut self, settings: &toml::Table) -> Result<Self, SettingError> {
        self.settings.set_all(settings)?;
        Ok(self)
    }

    /// The same scheduler, with these people at the data server at this place, from 1.
    #[must_use]
    pub fn with_people(mut self, place: u16, people: People) -> Self {
        let all = &mut self.settings.people;
        if all.len() < usize::from(place) {
            all.resize(place.into(), Arc::default());
        }
        if let Some(of) = usize::from(place).checked_sub(1) {
            all[of] = Arc::new(people);
        }
        self
    }
}

impl Application for MeetingScheduler {
    fn name(&self) -> &'static str {
        "meeting"
    }

    fn configure(&self, settings: &toml::Table) -> Result<Arc<dyn Application>, SettingError> {
        Ok(Arc::new(self.clone().configured(settings)?))
    }

    fn settings(&self) -> Vec<Setting> {
        Settings::described()
    }

    fn usage(&self) -> &'static [Usage] {
        &command::USAGE
    }

    /// Sends every 2 s, five of them without a sign of the server; and 1 s more after a notice of progress.
    fn policy(&self) -> Policy {
        Policy {
            timeout: Duration::from_secs(2),
            attempts: 5,
            patience: Duration::from_secs(1),
        }
    }

    /// The main server.
    fn service(&self) -> Box<dyn Service> {
        Box::new(MainServer::new(self.settings.clone()))
    }

    /// The main server, and then the data servers.
    fn servers(&self) -> Vec<String> {
        let places = 0..=self.settings.data_servers;
        places.map(Settings::server_name).collect()
    }

    /// The main server alone.
    fn entrances(&self) -> usize {
        1
    }

    fn replica(&self, place: u16, mut chance: Stream) -> Box<dyn Service> {
        let later = chance.next_u64();
        let first = match self.draws_first_lives {
            true => 1 + u64::from(chance.next_u32()), // they stay short in traces
            false => 1,
        };
        let settings = self.settings.clone();
        match place {
            MAIN => Box::new(MainServer::new(settings).with_lives(first, later)),
            place => Box::new(DataServer::new(settings, place).with_lives(first, later)),
        }
    }

    fn checks(&self) -> Vec<Check> {
        vec![Check::Executions, Check::Linearizable, Check::Atomicity]
    }

    fn stores_state(&self) -> bool {
        true
    }

    fn client(&self, rpc: RpcClient) -> Box<dyn Client> {
        Box::new(client::MeetingClient::new(rpc, &self.settings))
    }

    fn lines(&self) -> Option<Lines> {
        (self.settings.front == Front::Tcp).then_some(Lines {
            port: lines::PORT,
            format: &lines::Words,
            idle: self.settings.idle,
        })
    }

    fn prompt(&self) -> &'static str {
        "Enter names: "
    }

    fn parse(&self, line: &str) -> Result<Vec<Command>, CommandError> {
        command::parse(line)
    }

    fn spec(&self) -> Option<Box<dyn Specification>> {
        Some(Box::new(promise::Promise::new(&self.settings)))
    }

    /// The main server.
    fn coordinator(&self) -> Option<u16> {
        Some(MAIN)
    }

    /// A registration is one.
    fn transaction_told(&self, request: &[u8], reply: &[u8]) -> Option<Decision> {
        let Ok(Request::Register(_)) = Request::decode(request) else {
            return None;
        };
        match Reply::decode(reply) {
            Ok(Reply::Registered(_)) => Some(Decision::Commit),
            Ok(Reply::Refused(_)) => Some(Decision::Abort),
            Ok(Reply::Free(_)) | Err(_) => None,
        }
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
}
