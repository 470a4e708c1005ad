//! The lock server: requests and heartbeats in, replies and grants out.

use std::borrow::Cow;

use crate::clock::Time;
use crate::id::{ClientId, ClientKey};
use crate::rpc::service::{BadRecord, Caller, Effects, Input, Record, Service, Ticket};
use crate::services::lock::files::FileId;
use crate::services::lock::message::{Lease, PIECE_BYTES_MAX, Refusal, Reply, Request, Update};
use crate::services::lock::records;
use crate::services::lock::settings::{Protection, Settings};
use crate::services::lock::state::{LockId, LockState, Waiter};
use crate::services::lock::turns::Ending;

/// The state machine behind a lock server.
///
/// An acquire of a lock that is held is not completed until it is its turn, and nothing is stored of it:
/// after a crash of the server its retransmission is a new request. All else that lasts is stored in the
/// step that brings it about; a server that is restored from its records goes on, and gives each living
/// grant a new full lease, for its holder could not renew it meanwhile.
#[derive(Debug)]
pub struct LockServer {
    pub(super) settings: Settings,
    pub(super) state: LockState,
    /// Grants that were found on the disk; the first step says so.
    pub(super) found: Vec<LockId>,
    /// The time that the timer is set to.
    pub(super) timer: Option<Time>,
    /// When all queues are next looked through for silent clients.
    pub(super) next_sweep: Time,
}

impl LockServer {
    /// A server of empty files and free locks.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let state = LockState::new(settings.locks);
        Self {
            settings,
            state,
            found: Vec::new(),
            timer: None,
            next_sweep: Time::ZERO,
        }
    }

    fn request(
        &mut self,
        now: Time,
        (ticket, caller, client): (Ticket, &Caller, ClientId),
        body: &[u8],
        effects: &mut Effects,
    ) {
        let replied = match Request::decode(body) {
            Ok(Request::Acquire { file, token }) => match FileId::named(&file) {
                Some(file) => {
                    self.acquire(now, (ticket, caller, client), (file, token), effects);
                    return;
                }
                None => Err(Refusal::FileNotFound),
            },
            Ok(request) => self.execute(now, client, &request, effects),
            Err(_) => Err(Refusal::Invalid),
        };
        let reply = replied.unwrap_or_else(Reply::Refused);
        effects.complete(ticket, &reply.encode());
    }

    fn execute(
        &mut self,
        now: Time,
        client: ClientId,
        request: &Request<'_>,
        effects: &mut Effects,
    ) -> Result<Reply<'static>, Refusal> {
        let named = |file: &str| FileId::named(file).ok_or(Refusal::FileNotFound);
        match request {
            Request::Hello => Ok(Reply::Connected),
            Request::Renew { file, token, .. } => {
                let file = named(file)?;
                let lease = self.renew(now, (file, *token), client, effects)?;
                Ok(Reply::Renewed(lease))
            }
            Request::Append { file, token, text } => {
                let file = named(file)?;
                self.append((file, *token), client, text, effects)
            }
            Request::Release { file, token } => {
                let file = named(file)?;
                self.release((file, *token), client, effects)
            }
            Request::Read { file, token, from } => {
                let file = named(file)?;
                self.read((file, *token), client, *from)
            }
            Request::Close => {
                self.close(now, client, effects);
                Ok(Reply::Disconnected)
            }
            Request::Acquire { .. } => Err(Refusal::Invalid), // it may wait, and goes another way
        }
    }

    /// Lets a request wait for its turn, which may be now. Whoever has the lock has the same grant again, as
    /// its request has come again; unless it is done with that grant, and begins anew.
    fn acquire(
        &mut self,
        now: Time,
        (ticket, caller, client): (Ticket, &Caller, ClientId),
        (file, done_with): (FileId, u64),
        effects: &mut Effects,
    ) {
        let id = self.state.guarding(file);
        let until = now + self.settings.lease;
        let grant = self.state.lock(id).grant.as_mut();
        match grant.filter(|grant| grant.holder == client) {
            Some(grant) if grant.token > done_with => {
                grant.until = until;
                let token = grant.token;
                self.tell(now, id, token, self.renewed(), effects);
                let lease = self.lease(token);
                effects.complete(ticket, &Reply::Granted(lease).encode());
                return;
            }
            Some(_) => self.withdraw(now, id, Ending::BegunAnew, effects),
            None => {}
        }
        let queue = &mut self.state.lock(id).queue;
        for waiter in queue.iter_mut().filter(|waiter| waiter.client == client) {
            waiter.heard = now;
        }
        effects.waits_unstored(ticket);
        queue.push_back(Waiter {
            ticket,
            client,
            operation: caller.operation,
            heard: now,
        });
    }

    fn renew(
        &mut self,
        now: Time,
        (file, token): (FileId, u64),
        client: ClientId,
        effects: &mut Effects,
    ) -> Result<Lease, Refusal> {
        let id = self.state.guarding(file);
        let until = now + self.settings.lease;
        let lock = self.state.lock(id);
        let renewed = lock.held(token, client).map(|grant| grant.until = until);
        if renewed.is_err() && !self.settings.has(Protection::RenewalCheck) {
            let grant = lock.grant.as_mut().ok_or(Refusal::LeaseLost)?;
            grant.until = until;
        } else {
            renewed?;
        }
        self.tell(now, id, token, self.renewed(), effects);
        Ok(self.lease(token))
    }

    fn append(
        &mut self,
        (file, token): (FileId, u64),
        client: ClientId,
        text: &str,
        effects: &mut Effects,
    ) -> Result<Reply<'static>, Refusal> {
        let id = self.state.guarding(file);
        let lock = self.state.lock(id);
        let token = match lock.held(token, client) {
            Ok(_) => token,
            Err(refusal) if self.settings.has(Protection::Fencing) => return Err(refusal),
            Err(_) => lock.grant.as_ref().map_or(0, |grant| grant.token),
        };
        if token == 0 || !self.settings.has(Protection::Staging) {
            self.state.append(file, text)?;
            records::store_text(&mut self.state, file, text.len(), effects);
        } else {
            self.state.stage(id, file, text)?;
            records::store_staged(&self.state, id, effects);
        }
        Ok(Reply::Staged { token })
    }

    fn release(
        &mut self,
        (file, token): (FileId, u64),
        client: ClientId,
        effects: &mut Effects,
    ) -> Result<Reply<'static>, Refusal> {
        let id = self.state.guarding(file);
        let lock = self.state.lock(id);
        let token = match lock.held(token, client) {
            Ok(_) => token,
            Err(refusal) if self.settings.has(Protection::Fencing) => return Err(refusal),
            Err(_) => lock.grant.as_ref().map_or(token, |grant| grant.token),
        };
        records::erase_staged(&self.state, id, effects);
        for (grown, added) in self.state.give_back(id) {
            records::store_text(&mut self.state, grown, added, effects);
        }
        records::store_lock(&self.state, id, effects);
        Ok(Reply::Released { token })
    }

    fn read(
        &self,
        (file, token): (FileId, u64),
        client: ClientId,
        from: u64,
    ) -> Result<Reply<'static>, Refusal> {
        let first = usize::try_from(from).map_err(|_| Refusal::Invalid)?;
        let read = self
            .state
            .read((file, first, PIECE_BYTES_MAX), token, client);
        let (own, total, text) = read.ok_or(Refusal::Invalid)?;
        Ok(Reply::Text {
            token: if own { token } else { 0 },
            from,
            total: total as u64,
            text: Cow::Owned(text),
        })
    }

    /// Ends all grants and waits of a client.
    fn close(&mut self, now: Time, client: ClientId, effects: &mut Effects) {
        for id in self.state.ids() {
            let lock = self.state.lock(id);
            let refused = Reply::Refused(Refusal::NotTheHolder).encode();
            lock.queue.retain(|waiter| {
                let is_over = waiter.client == client;
                if is_over {
                    effects.complete(waiter.ticket, &refused);
                }
                !is_over
            });
            if lock
                .grant
                .as_ref()
                .is_some_and(|grant| grant.holder == client)
            {
                self.withdraw(now, id, Ending::Closed, effects);
            }
        }
    }
}

impl Service for LockServer {
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        self.tell_found(now, effects);
        let has_stood_still = self.catch_up(now);
        match input {
            Input::Again(ticket) => self.hear_again(now, ticket),
            Input::Abandoned(ticket) => self.forget_waiter(ticket),
            Input::Request {
                ticket,
                caller,
                body,
            } => match caller.client {
                ClientKey::Id(client) => {
                    self.request(now, (ticket, caller, client), body, effects);
                }
                // It has no format v1.
                ClientKey::Address(_) => {
                    let refused = Reply::Refused(Refusal::Invalid).encode();
                    effects.complete(ticket, &refused);
                }
            },
            Input::OneWay { caller, body } => self.heartbeat(now, caller, body, effects),
            Input::Peer { .. } => {} // it has none
            Input::Timer(_) => self.timer = None,
        }
        if has_stood_still {
            self.tell_living(now, effects); // after what the step is about, which may have ended one
        }
        self.attend(now, effects);
    }

    fn restore(
        &mut self,
        now: Time,
        records: &mut dyn Iterator<Item = Record>,
        effects: &mut Effects,
    ) -> Result<(), BadRecord> {
        let is_fresh = records::restore(&mut self.state, records)?;
        if is_fresh {
            records::store_kind(&self.state, effects);
        }
        for id in self.state.ids() {
            if !self.settings.has(Protection::HonouredGrants) {
                records::erase_staged(&self.state, id, effects);
                self.state.lock(id).grant = None;
            }
            let until = now + self.settings.lease;
            let lock = self.state.lock(id);
            if !self.settings.has(Protection::DurableTokens) && lock.grant.is_none() {
                (lock.newest, lock.given_back) = (0, 0);
            }
            if let Some(grant) = &mut lock.grant {
                grant.until = until;
                self.found.push(id);
            }
        }
        self.set_timer(now, effects);
        Ok(())
    }
}

impl LockServer {
    /// Renews a lease, and tells whoever asked; what is no heartbeat is nothing.
    fn heartbeat(&mut self, now: Time, caller: &Caller, body: &[u8], effects: &mut Effects) {
        let ClientKey::Id(client) = caller.client else {
            return;
        };
        let Ok(Request::Renew {
            file,
            token,
            number,
        }) = Request::decode(body)
        else {
            return;
        };
        let Some(file) = FileId::named(&file) else {
            return;
        };
        let update = match self.renew(now, (file, token), client, effects) {
            Ok(lease) => Update::Renewed { lease, number },
            Err(_) => Update::Lost { token },
        };
        effects.push(*caller, &update.encode());
    }

    fn forget_waiter(&mut self, ticket: Ticket) {
        for lock in &mut self.state.locks {
            lock.queue.retain(|waiter| waiter.ticket != ticket);
        }
    }

    fn hear_again(&mut self, now: Time, ticket: Ticket) {
        let waiters = self.state.locks.iter_mut().flat_map(|lock| &mut lock.queue);
        for waiter in waiters.filter(|waiter| waiter.ticket == ticket) {
            waiter.heard = now;
        }
    }
}

#[cfg(test)]
#[path = "server_fixture.rs"]
mod fixture;

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "server_lives_tests.rs"]
mod lives_tests;
