//! The lock server and its append-only files.
//!
//! The service of the second and third seed documents: clients that share files lock them, append to
//! them, and give the lock back. What is appended appears at the release, all or nothing; a lease ends
//! the grant of a client that is silent, and a fencing token refuses it when it comes back.
//!
//! - [`message`]: requests, replies and updates; [`codec`] carries them as bytes
//! - [`files`]: which files there are
//! - [`settings`]: what a server is like, and which protections can be left out
//! - `state`: locks and files; `records`: all of that as a server with a disk stores it
//! - [`server`], [`client`]: the two sides; `turns`: whose turn it is; [`guard`]: what a client holds and keeps up
//! - [`library`]: what a program calls
//! - `spec`: what all of it promises, one request after the other
//! - `command`, `describe`, `load`: the command grammar, every message in words, and generated load
//!
//! Deliberately absent: files other than these, locks for readers, and a second server.

pub mod client;
pub mod codec;
pub mod files;
pub mod guard;
pub mod library;
pub mod message;
pub mod server;
pub mod settings;

mod command;
mod describe;
mod load;
mod records;
mod spec;
mod state;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use crate::check::Check;
use crate::check::exclusion::LockAccess;
use crate::check::sequential::Specification;
use crate::rpc::client::RpcClient;
use crate::rpc::retransmit::Policy;
use crate::rpc::service::Service;
use crate::services::lock::files::FileId;
use crate::services::lock::message::{Reply, Request};
use crate::services::lock::settings::{Locks, Settings};
use crate::services::{Application, Client, Command, CommandError, Setting, SettingError, Usage};

/// The lock service.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LockService {
    settings: Settings,
}

impl LockService {
    /// The service with these settings.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn lock_of(&self, file: FileId) -> u16 {
        match self.settings.locks {
            Locks::PerFile => file.number(),
            Locks::Global => 0,
        }
    }
}

impl Application for LockService {
    fn name(&self) -> &'static str {
        "lock"
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

    /// The seed's: sends every 2 s, five of them without a sign of the server; and 1 s more after a notice
    /// of progress.
    fn policy(&self) -> Policy {
        Policy {
            timeout: Duration::from_secs(2),
            attempts: 5,
            patience: Duration::from_secs(1),
        }
    }

    fn service(&self) -> Box<dyn Service> {
        Box::new(server::LockServer::new(self.settings.clone()))
    }

    fn checks(&self) -> Vec<Check> {
        vec![Check::Executions, Check::Linearizable, Check::Exclusion]
    }

    fn stores_state(&self) -> bool {
        true
    }

    fn client(&self, rpc: RpcClient) -> Box<dyn Client> {
        Box::new(client::LockClient::new(rpc, self.settings.load_files))
    }

    fn parse(&self, line: &str) -> Result<Vec<Command>, CommandError> {
        command::parse(line)
    }

    fn parse_words(&self, words: &[&str]) -> Result<Vec<Command>, CommandError> {
        command::parse_words(words)
    }

    /// What is in each file.
    fn probes(&self) -> Vec<Command> {
        let read = |file: FileId| {
            command::command(Request::Read {
                file: file.name().into(),
                token: 0,
                from: 0,
            })
        };
        FileId::all().map(read).collect()
    }

    fn spec(&self) -> Option<Box<dyn Specification>> {
        Some(Box::new(spec::LockSpec::new(self.settings.locks)))
    }

    fn has_locks(&self) -> bool {
        true
    }

    fn lock_access(&self, request: &[u8], reply: Option<&[u8]>) -> Option<LockAccess> {
        let request = Request::decode(request).ok()?;
        let reply = match reply {
            Some(reply) => Some(Reply::decode(reply).ok()?),
            None => None,
        };
        let named = |file: &str| FileId::named(file);
        match (request, reply) {
            (Request::Acquire { file, .. }, None) => {
                let lock = self.lock_of(named(&file)?);
                Some(LockAccess::Waits { lock })
            }
            (Request::Acquire { file, .. }, Some(Reply::Granted(lease))) => {
                Some(LockAccess::Granted {
                    lock: self.lock_of(named(&file)?),
                    token: lease.token,
                })
            }
            (Request::Append { file, text, .. }, Some(Reply::Staged { token })) => {
                let file = named(&file)?;
                Some(LockAccess::Staged {
                    lock: self.lock_of(file),
                    token,
                    file: file.number(),
                    text: (*text).into(),
                })
            }
            (Request::Release { file, .. }, Some(Reply::Released { token })) => {
                let lock = self.lock_of(named(&file)?);
                Some(LockAccess::Released { lock, token })
            }
            (
                Request::Read { file, .. },
                Some(Reply::Text {
                    token,
                    from,
                    total,
                    text,
                }),
            ) => Some(LockAccess::Read {
                file: named(&file)?.number(),
                token,
                from,
                total,
                text: (*text).into(),
            }),
            (Request::Close, Some(Reply::Disconnected)) => Some(LockAccess::Closed),
            _ => None,
        }
    }

    fn describe_request(&self, body: &[u8]) -> String {
        describe::request(body)
    }

    fn describe_reply(&self, body: &[u8]) -> String {
        describe::reply(body)
    }

    fn describe_update(&self, body: &[u8]) -> String {
        describe::update(body)
    }

    fn describe_one_way(&self, body: &[u8]) -> String {
        describe::request(body)
    }
}
