//! The lock client behind commands: one call per command, and heartbeats for what it holds.

use std::borrow::Cow;

use crate::clock::Time;
use crate::history::Outcome;
use crate::id::OperationId;
use crate::rpc::called::Called;
use crate::rpc::client::RpcClient;
use crate::seed::Stream;
use crate::services::lock::files::FileId;
use crate::services::lock::guard::{Guard, Standing};
use crate::services::lock::load::Load;
use crate::services::lock::message::{Lease, Refusal, Reply, Request};
use crate::services::{Client, Command, CommandError};

/// One life of a lock client.
///
/// It puts the token of the grant that it holds into each request. A grant that it was told to have lost
/// it remembers until it acquires again, so that the server can tell it so once more.
#[derive(Debug)]
pub struct LockClient {
    rpc: RpcClient,
    /// The present operation, and when it began.
    operation: OperationId,
    began: Time,
    guards: Vec<Guard>,
    load_files: u16,
    load: Option<Load>,
}

impl LockClient {
    /// A client that calls through `rpc`; generated load is on so many files.
    #[must_use]
    pub fn new(rpc: RpcClient, load_files: u16) -> Self {
        let host = rpc.host().id();
        Self {
            operation: OperationId {
                client: host,
                number: 0,
            },
            began: Time::ZERO,
            rpc,
            guards: Vec::new(),
            load_files,
            load: None,
        }
    }

    /// The token of its grant of a file's lock, or 0.
    fn token(&self, file: &str) -> u64 {
        let file = FileId::named(file);
        let guard = file.and_then(|file| self.guards.iter().find(|guard| guard.guards(file)));
        guard.map_or(0, Guard::token)
    }

    /// Renews no more what a request of this kind was to give back.
    fn let_go(&self, request: &Request<'_>) {
        let is_over = |guard: &&Guard| match request {
            Request::Close => true,
            Request::Release { file, .. } => {
                FileId::named(file).is_some_and(|file| guard.guards(file))
            }
            _ => false,
        };
        self.guards.iter().filter(is_over).for_each(Guard::let_go);
    }

    fn forget(&mut self, file: FileId) {
        self.guards.retain(|guard| !guard.guards(file));
    }

    /// Takes in what a reply says of the grant of a file's lock.
    fn learn(&mut self, request: &Request<'_>, reply: &Reply<'_>) {
        let named = |file: &str| FileId::named(file);
        match (request, reply) {
            (Request::Acquire { file, .. }, Reply::Granted(lease)) => {
                if let Some(file) = named(file) {
                    self.granted(file, *lease);
                }
            }
            (Request::Release { file, .. }, Reply::Released { .. }) => {
                if let Some(file) = named(file) {
                    self.forget(file);
                }
            }
            (Request::Close, Reply::Disconnected) => self.guards.clear(),
            (
                Request::Append { file, .. }
                | Request::Release { file, .. }
                | Request::Renew { file, .. },
                Reply::Refused(Refusal::LeaseLost),
            ) => {
                let file = named(file);
                let guard = |guard: &&Guard| file.is_some_and(|file| guard.guards(file));
                self.guards.iter().filter(guard).for_each(Guard::lose);
            }
            (Request::Renew { file, .. }, Reply::Renewed(lease)) => {
                let of_grant = |guard: &&Guard| guard.token() == lease.token;
                let file = named(file);
                let guard = self.guards.iter().filter(of_grant);
                let guards = guard.filter(|guard| file.is_some_and(|file| guard.guards(file)));
                guards.for_each(|guard| guard.renewed(self.began));
            }
            _ => {}
        }
    }

    fn granted(&mut self, file: FileId, lease: Lease) {
        self.forget(file);
        if lease.is_global {
            self.guards.clear();
        }
        let guard = Guard::keep(&self.rpc, self.operation, (file, lease));
        self.guards.push(guard);
    }
}

impl Client for LockClient {
    fn rpc(&mut self) -> &mut RpcClient {
        &mut self.rpc
    }

    fn prepare<'a>(&mut self, operation: OperationId, command: &'a Command) -> Cow<'a, Command> {
        (self.operation, self.began) = (operation, self.rpc.host().now());
        let Ok(mut request) = Request::decode(&command.body) else {
            return Cow::Borrowed(command);
        };
        let mine = match &request {
            Request::Acquire { file, .. }
            | Request::Renew { file, .. }
            | Request::Release { file, .. }
            | Request::Append { file, .. }
            | Request::Read { file, .. } => self.token(file),
            Request::Hello | Request::Close => 0,
        };
        match &mut request {
            Request::Acquire { token, .. }
            | Request::Renew { token, .. }
            | Request::Release { token, .. }
            | Request::Append { token, .. }
            | Request::Read { token, .. } => *token = mine,
            Request::Hello | Request::Close => {}
        }
        Cow::Owned(Command {
            verb: command.verb,
            body: request.encode(),
        })
    }

    /// It exits: what it holds is no longer renewed.
    fn leave(&mut self) {
        self.guards.clear();
    }

    fn conclude(&mut self, command: &Command, called: &Called) -> Outcome {
        if let Ok(request) = Request::decode(&command.body) {
            match &called {
                Called::Reply { body, .. } => {
                    if let Ok(reply) = Reply::decode(body) {
                        self.learn(&request, &reply);
                    }
                }
                // Whether it was done nobody knows; the client wants the lock no longer.
                _ => self.let_go(&request),
            }
        }
        called.outcome(Reply::is_refusal)
    }

    fn generate(
        &mut self,
        verb: &str,
        chance: &mut Stream,
        made_up: &mut Command,
    ) -> Result<(), CommandError> {
        let load = self.load.get_or_insert_with(|| {
            // Another one in each life, so that no text is made up twice.
            let (host, life) = (self.rpc.host().id().0, chance.next_u32());
            Load::new(self.load_files, format!("{host}-{life:08x}"))
        });
        let living = |guard: &&Guard| guard.standing() != Standing::Lost;
        let held = |file: &FileId| {
            self.guards
                .iter()
                .filter(living)
                .any(|guard| guard.guards(*file))
        };
        *made_up = load.generate(verb, &FileId::all().filter(held).collect(), chance)?;
        Ok(())
    }
}
