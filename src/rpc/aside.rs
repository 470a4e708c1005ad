//! A second socket of a client: for what a task does beside the client's calls.
//!
//! While a client waits for the reply to a call it can say nothing else. An [`Aside`] can: it sends in
//! the client's name messages that ask for no reply, such as heartbeats, and hears the updates that
//! answer them, as a server sends these to where a message came from. It lives in a task of its own:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use wavetank::id::OperationId;
//! # use wavetank::rpc::client::RpcClient;
//! # fn renew(client: &RpcClient, operation: OperationId) -> std::io::Result<()> {
//! let (host, mut aside) = (client.host().clone(), client.aside()?);
//! client.host().spawn(async move {
//!     loop {
//!         aside.tell(operation, b"still here");
//!         let next = host.now() + Duration::from_millis(500);
//!         while let Some(update) = aside.next_update(next).await {
//!             aside.notified(&update, operation);
//!         }
//!     }
//! });
//! # Ok(())
//! # }
//! ```
//!
//! Like all tasks of a host, it stands still while the host pauses, and ends with the host's life.
//! What it deliberately has not: calls. Those are numbered in order, by the client alone.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::clock::Time;
use crate::host::Host;
use crate::id::{ClientId, OperationId};
use crate::net::{Datagrams, Timer, recv_until};
use crate::rpc::client::{Heard, Pushed, hear_v2, tell};
use crate::trace::Ignored;

/// A second socket of a client, under the same client id: [`RpcClient::aside`] makes one.
///
/// [`RpcClient::aside`]: crate::rpc::client::RpcClient::aside
pub struct Aside {
    host: Host,
    socket: Box<dyn Datagrams>,
    timer: Box<dyn Timer>,
    id: ClientId,
    /// The server that the client called when this was made; `None` if that is in format v1.
    server: Option<SocketAddr>,
}

impl fmt::Debug for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aside")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Aside {
    pub(super) fn new(host: Host, id: ClientId, server: Option<SocketAddr>) -> io::Result<Self> {
        let socket = host.bind(0)?;
        let timer = host.timer();
        Ok(Self {
            host,
            socket,
            timer,
            id,
            server,
        })
    }

    /// Sends a message that asks for no reply to the server that the client called when this was made.
    /// In simulation the messages of one operation are counted from 1, together with those of the client
    /// itself. Format v1 has no such messages: it does nothing there.
    pub fn tell(&mut self, operation: OperationId, body: &[u8]) {
        if let Some(server) = self.server {
            tell(&mut *self.socket, (self.id, server), operation, body);
        }
    }

    /// The next update that comes to this socket, or `None` at `until`.
    pub async fn next_update(&mut self, until: Time) -> Option<Pushed> {
        loop {
            let arrival = recv_until(&mut *self.socket, &mut *self.timer, until).await?;
            let pushed = |body| Pushed::of(&self.host, &arrival, body);
            let reason = match hear_v2(self.id, &arrival.body, None) {
                Heard::Update(body) => return Some(pushed(body)),
                Heard::Nothing(reason) => reason,
                _ => Ignored::NotWaiting,
            };
            self.ignore(&pushed(arrival.body.clone()), reason);
        }
    }

    /// Records that the client made nothing of an update.
    pub fn ignore(&self, pushed: &Pushed, reason: Ignored) {
        pushed.ignore(&self.host, reason);
    }

    /// Records that the client took an update in, on behalf of this operation.
    pub fn notified(&self, pushed: &Pushed, operation: OperationId) {
        pushed.notified(&self.host, operation);
    }
}
