//! The client library: what a program calls that shares files with others.
//!
//! ```no_run
//! use wavetank::rpc::client::RpcClient;
//! use wavetank::services::lock::library::{Connection, LockError};
//!
//! async fn log(rpc: RpcClient) -> Result<(), LockError> {
//!     let mut connection = Connection::connect(rpc).await?;
//!     let guard = connection.acquire("file_0").await?; // waits for its turn
//!     connection.append(&guard, "one line\n").await?;
//!     connection.append(&guard, "another line\n").await?;
//!     connection.release(guard).await?; // both lines appear, or neither
//!     connection.close().await
//! }
//! ```
//!
//! `examples/shared_log.rs` is a whole program. A call waits until it is answered, or nobody has answered
//! for five sends of two seconds; each error says whether the call may have been done.

use std::collections::BTreeMap;

use crate::id::OperationId;
use crate::rpc::called::Called;
use crate::rpc::client::RpcClient;
use crate::rpc::message::Refused;
use crate::services::lock::files::FileId;
use crate::services::lock::guard::{Guard, Handle};
use crate::services::lock::message::{Refusal, Reply, Request, ResultCode};

pub use crate::services::lock::guard::Standing;

/// A client of a lock server.
#[derive(Debug)]
pub struct Connection {
    rpc: RpcClient,
    operations: u32,
    /// The guards that it has given away.
    guards: Vec<Handle>,
    /// The token of the last grant of each lock; that of a lock of all files has no file.
    tokens: BTreeMap<Option<FileId>, u64>,
}

/// A call was not done, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The server has refused it: it was not done.
    #[error("{0}")]
    Refused(Refusal),
    /// It was not done, and says why: the server gave no session, for example.
    #[error("not done: {0}")]
    NotDone(String),
    /// The server does not know the client's session, or no longer: nobody knows whether it was done.
    #[error("session expired: nobody knows whether it was done")]
    SessionExpired,
    /// Nobody knows whether it was done.
    #[error("nobody knows whether it was done: {0}")]
    Unknown(String),
}

impl LockError {
    /// The result code, where the call has one: not where no reply came.
    #[must_use]
    pub const fn code(&self) -> Option<ResultCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.code()),
            Self::SessionExpired => Some(ResultCode::SessionExpired),
            Self::NotDone(_) | Self::Unknown(_) => None,
        }
    }
}

impl Connection {
    /// Greets the server.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub async fn connect(rpc: RpcClient) -> Result<Self, LockError> {
        let mut connection = Self {
            rpc,
            operations: 0,
            guards: Vec::new(),
            tokens: BTreeMap::new(),
        };
        connection.call(&Request::Hello).await?;
        Ok(connection)
    }

    /// Acquires the lock of a file, and waits as long as others hold it. Dropping the guard, unlike
    /// [`Self::release`], leaves it to the lease to end the grant, and what was appended vanishes: then, or when
    /// this client acquires the lock again, which begins anew.
    ///
    /// Clients that hold one lock and wait for another can wait for each other for ever, as the locks that
    /// they hold are renewed: acquire locks in one order.
    ///
    /// # Errors
    ///
    /// If there is no such file, the server has not heard of this client for so long that it was skipped,
    /// or nobody answers.
    pub async fn acquire(&mut self, file: &str) -> Result<Guard, LockError> {
        let done_with = self.done_with(file);
        let request = Request::Acquire {
            file: file.into(),
            token: done_with,
        };
        let reply = self.call(&request).await?;
        match (Reply::decode(&reply), FileId::named(file)) {
            (Ok(Reply::Granted(lease)), Some(file)) => {
                let operation = self.operation();
                let guard = Guard::keep(&self.rpc, operation, (file, lease));
                self.guards.retain(Handle::is_alive);
                self.guards.push(guard.handle());
                let known = if lease.is_global { None } else { Some(file) };
                self.tokens.insert(known, lease.token);
                Ok(guard)
            }
            _ => Err(unintelligible()),
        }
    }

    /// Stages a text for the end of the guarded file: it appears at the release.
    ///
    /// # Errors
    ///
    /// If the grant has ended, [`Refusal::LeaseLost`]: acquire again, as all that was appended under it
    /// has vanished. If there is no room. If nobody answers.
    pub async fn append(&mut self, guard: &Guard, text: &str) -> Result<(), LockError> {
        let request = Request::Append {
            file: guard.file().name().into(),
            token: guard.token(),
            text: text.into(),
        };
        self.call_for(guard, &request).await
    }

    /// Gives the lock back: what was appended appears, all of it, in order.
    ///
    /// # Errors
    ///
    /// If the grant has ended, and so nothing appears; or nobody answers, and so nobody knows.
    pub async fn release(&mut self, guard: Guard) -> Result<(), LockError> {
        let request = Request::Release {
            file: guard.file().name().into(),
            token: guard.token(),
        };
        self.call_for(&guard, &request).await
    }

    /// The released text of a file; with a guard, what was appended under it too. Nobody need hold a
    /// lock to read.
    ///
    /// # Errors
    ///
    /// If there is no such file, nobody answers, or the guard's grant has ended while the file was read.
    pub async fn read(&mut self, file: &str, guard: Option<&Guard>) -> Result<String, LockError> {
        let mut whole = String::new();
        // A file only grows, so that the whole as it was at the first piece can be read piece by piece.
        let mut first = None;
        loop {
            let request = Request::Read {
                file: file.into(),
                token: guard.map_or(0, Guard::token),
                from: whole.len() as u64,
            };
            let reply = self.call(&request).await?;
            let Ok(Reply::Text {
                token, total, text, ..
            }) = Reply::decode(&reply)
            else {
                return Err(unintelligible());
            };
            let (own, wanted) = *first.get_or_insert((token, total));
            if token != own {
                return Err(LockError::Refused(Refusal::LeaseLost));
            }
            whole.push_str(&text);
            if whole.len() as u64 >= wanted {
                whole.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
                return Ok(whole);
            }
            if text.is_empty() {
                return Err(unintelligible());
            }
        }
    }

    /// Ends all grants of this client, and what was appended under them vanishes.
    ///
    /// # Errors
    ///
    /// If nobody answers.
    pub async fn close(mut self) -> Result<(), LockError> {
        let closed = self.call(&Request::Close).await.map(|_| ());
        // Whether it was done or not: the client wants no lock any more.
        self.guards.iter().for_each(Handle::let_go);
        closed
    }

    /// The token of the last grant of a file's lock, which whoever acquires it anew is done with.
    fn done_with(&self, file: &str) -> u64 {
        let of = |known| self.tokens.get(&known).copied();
        let own = FileId::named(file).and_then(|file| of(Some(file)));
        own.or(of(None)).unwrap_or_default()
    }

    async fn call_for(&mut self, guard: &Guard, request: &Request<'_>) -> Result<(), LockError> {
        let called = self.call(request).await;
        if let Err(LockError::Refused(Refusal::LeaseLost)) = &called {
            guard.lose();
        }
        called.map(|_| ())
    }

    async fn call(&mut self, request: &Request<'_>) -> Result<Vec<u8>, LockError> {
        self.operations += 1;
        let operation = self.operation();
        let body = request.encode();
        match self.rpc.call(operation, &body).await {
            Called::Reply { body, .. } => match Reply::decode(&body) {
                Ok(Reply::Refused(refusal)) => Err(LockError::Refused(refusal)),
                Ok(_) => Ok(body.to_vec()),
                Err(_) => Err(unintelligible()),
            },
            Called::Refused(Refused::SessionExpired) => Err(LockError::SessionExpired),
            Called::Refused(reason @ Refused::Full) => Err(LockError::Unknown(reason.to_string())),
            Called::GaveUp { sends } => {
                Err(LockError::Unknown(format!("no reply to {sends} sends")))
            }
            Called::NoWelcome { sends } => {
                let message = format!("no session: no answer to {sends} hellos");
                Err(LockError::NotDone(message))
            }
            Called::Refused(reason) | Called::NoSession(reason) => {
                Err(LockError::NotDone(reason.to_string()))
            }
            Called::NotExpressible => Err(LockError::NotDone("format v1 has no locks".to_owned())),
        }
    }

    fn operation(&self) -> OperationId {
        OperationId {
            client: self.rpc.host().id(),
            number: self.operations,
        }
    }
}

fn unintelligible() -> LockError {
    LockError::Unknown("the reply is none of a lock server".to_owned())
}
