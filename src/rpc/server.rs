//! The server's side of calls: a wrapper around any service.
//!
//! [`RpcServer`] is synchronous and pure: a datagram or a timer comes in, and what it does goes to an
//! [`Output`], in order. [`serve`](super::serve) is the thin loop around it. One port understands both formats: a datagram whose first
//! byte is 57 (hex) is of format v2, any other of format v1.
//!
//! What it guarantees: with at-most-once, a request that the [`reply_cache`](super::reply_cache)
//! remembers is not executed again. What it deliberately does not: it never retransmits, and never
//! looks into a body.

use std::collections::BTreeMap;
use std::fmt;

use crate::clock::Time;
use crate::disk::{Store, StoreError};
use crate::id::ClientId;
use crate::net::Kind;
use crate::rpc::dispatch::{Dispatch, Executed, Peers, Pending, filtered, refuse, send};
use crate::rpc::malformed::MalformedCounts;
use crate::rpc::message::{Message, NO_SESSION, Refused};
use crate::rpc::output::{Held, Output};
pub use crate::rpc::records::RestoreError;
use crate::rpc::records::{self, Stored};
use crate::rpc::reply_cache::{Admission, Limits, ReplyCache};
use crate::rpc::service::{Effects, Input, Service, Ticket};
use crate::rpc::step_disk::StepDisk;
use crate::rpc::v1::FormatV1;
use crate::rpc::{CacheKind, Semantics};
use crate::seed::Stream;
use crate::trace::Filtered;
use crate::wire::SharedBytes;

/// A server of one service.
pub struct RpcServer {
    service: Box<dyn Service>,
    effects: Effects,
    pub(super) dispatch: Dispatch,
    tickets: u64,
    pub(super) malformed: MalformedCounts,
    /// Numbers for sessions, where the reply cache has them.
    sessions: Option<Stream>,
    /// With state on a disk.
    disk: Option<StepDisk>,
    /// What the service has last said of it; of a server that has just begun, nothing is known.
    is_settled: bool,
}

impl fmt::Debug for RpcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcServer")
            .field("cache", &self.dispatch.cache)
            .finish_non_exhaustive()
    }
}

impl RpcServer {
    /// A server of this service, which also speaks its format v1 if it has one.
    #[must_use]
    pub fn new(
        service: Box<dyn Service>,
        format_v1: Option<&'static dyn FormatV1>,
        semantics: Semantics,
    ) -> Self {
        let cache = semantics
            .filters_duplicates()
            .then(|| ReplyCache::new(CacheKind::Memory, Limits::default()));
        Self {
            service,
            effects: Effects::default(),
            dispatch: Dispatch::new(format_v1, cache),
            tickets: 0,
            malformed: MalformedCounts::default(),
            sessions: None,
            disk: None,
            is_settled: true,
        }
    }

    /// The same server, with a reply cache of this kind if it filters duplicates at all. Sessions are
    /// numbered from `numbers`, which repeats in no life of the server.
    ///
    /// # Panics
    ///
    /// If the server has its disk already: it has taken up there what another cache is to know.
    #[must_use]
    pub fn with_reply_cache(mut self, kind: CacheKind, limits: Limits, numbers: Stream) -> Self {
        assert!(self.disk.is_none(), "a reply cache comes before the disk");
        if let Some(cache) = &mut self.dispatch.cache {
            *cache = ReplyCache::new(kind, limits);
            self.sessions = kind.has_sessions().then_some(numbers);
        }
        self
    }

    /// The same server, as one of several. What it receives in the name of a peer it believes.
    #[must_use]
    pub fn with_peers(mut self, peers: Peers) -> Self {
        self.dispatch.peers = peers;
        self
    }

    /// The same server on a disk: it takes up what earlier lives have stored there, and all that a step
    /// brings about is durable before anything of it is seen. A durable reply cache needs a disk; without
    /// one, it remembers as little as one of the kind `epoch`.
    ///
    /// # Errors
    ///
    /// If the disk fails, or holds what this server cannot use.
    pub fn with_store(mut self, now: Time, mut store: Store) -> Result<Self, RestoreError> {
        self.effects = Effects::default().with_records();
        let records = store.records(&[records::SERVICE])?;
        let mut records = records.into_iter();
        self.service.restore(now, &mut records, &mut self.effects)?;
        if let Some(cache) = &mut self.dispatch.cache
            && cache.is_durable()
        {
            cache.restore(now, Stored::of(&mut store)?)?;
        }
        let mut disk = StepDisk::new(store);
        disk.begin(&self.effects, |effects, out| {
            self.dispatch.carry_out(now, effects, out);
        })?;
        self.effects.clear();
        self.disk = Some(disk);
        Ok(self)
    }

    /// The same server in a later life, whose earlier ones left nothing behind.
    #[must_use]
    pub fn begin_again(mut self, now: Time) -> Self {
        self.service.begin_again(now, &mut self.effects);
        let mut held = Held::default();
        self.dispatch.carry_out(now, &self.effects, &mut held);
        self.effects.clear();
        self
    }

    /// How many datagrams were no message, by kind of mistake.
    #[must_use]
    pub const fn malformed(&self) -> &BTreeMap<&'static str, u64> {
        self.malformed.by_kind()
    }

    /// Whether the service has nothing left to do that others wait for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.service.is_settled()
    }

    /// Why the service has stopped, once it has said so: then nothing is to be taken in any more.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        self.dispatch.stopped.as_deref()
    }

    /// When a timer of the service runs out.
    #[must_use]
    pub fn next_timer(&self) -> Time {
        self.dispatch.timers.next()
    }

    /// Lets the timers that are due run out.
    ///
    /// # Errors
    ///
    /// If the disk fails, as in [`Self::receive`].
    pub fn fire_timers(&mut self, now: Time, out: &mut dyn Output) -> Result<(), StoreError> {
        while self.stopped().is_none()
            && let Some(key) = self.dispatch.timers.take_due(now)
        {
            self.step(now, Input::Timer(key), out)?;
        }
        Ok(())
    }

    /// Gives a client a session, if there are any.
    pub(super) fn hello(
        &mut self,
        now: Time,
        client: ClientId,
        pending: &Pending,
        out: &mut dyn Output,
    ) -> Result<(), StoreError> {
        let session = self.session_of(now, client);
        self.commit()?;
        let sequence = pending.sequence;
        match session {
            Some(session) => send(out, pending, Kind::Welcome, |client| Message::Welcome {
                client,
                sequence,
                session,
            }),
            None => refuse(out, pending, Filtered::Full, Refused::Full),
        }
        Ok(())
    }

    /// The session of a client, a new one if it has none; `None` if there is no room for another one.
    pub(super) fn session_of(&mut self, now: Time, client: ClientId) -> Option<u64> {
        match (&mut self.dispatch.cache, &mut self.sessions) {
            (Some(cache), Some(numbers)) => cache.hello(now, client, numbers.next_u64()),
            _ => Some(NO_SESSION),
        }
    }

    /// Filters a request, and executes it if it is new. What it says that nobody waits for any more is
    /// abandoned before.
    #[inline]
    pub(super) fn request(
        &mut self,
        now: Time,
        pending: &Pending,
        (session, awaited): (u64, u32),
        body: &SharedBytes,
        out: &mut dyn Output,
    ) -> Result<(), StoreError> {
        let client = pending.caller.client;
        if !self.dispatch.waiting.is_empty() {
            for ticket in self.dispatch.abandon(now, client, (session, awaited), out) {
                self.step(now, Input::Abandoned(ticket), out)?;
            }
        }
        let admission = match &mut self.dispatch.cache {
            Some(cache) => {
                let request = (&pending.caller.client, pending.sequence);
                cache.admit_from(now, request, (session, awaited), body)
            }
            None if session == NO_SESSION => Admission::New,
            None => Admission::SessionExpired,
        };
        match admission {
            Admission::New => self.execute(now, pending, body, out),
            other => self.answer_instead(now, pending, other, out),
        }
    }

    /// Does with a request what is to be done instead of executing it.
    #[inline(never)]
    fn answer_instead(
        &mut self,
        now: Time,
        pending: &Pending,
        admission: Admission,
        out: &mut dyn Output,
    ) -> Result<(), StoreError> {
        self.commit()?; // so that what changes without a step does not pile up
        let sequence = pending.sequence;
        match admission {
            Admission::New => unreachable!("a new request is executed"),
            Admission::Stored(reply) => {
                filtered(out, pending, Filtered::ReplyStored);
                self.dispatch.send_again(pending, &reply, out);
            }
            Admission::InProgress => {
                filtered(out, pending, Filtered::InProgress);
                send(out, pending, Kind::InProgress, |client| {
                    Message::InProgress { client, sequence }
                });
                if let Some(ticket) = self.dispatch.waiting.ticket_of(pending.id()) {
                    return self.step(now, Input::Again(ticket), out);
                }
            }
            Admission::Acknowledged => filtered(out, pending, Filtered::Acknowledged),
            Admission::DifferentBody => {
                refuse(
                    out,
                    pending,
                    Filtered::DifferentBody,
                    Refused::DifferentBody,
                );
            }
            Admission::Full => refuse(out, pending, Filtered::Full, Refused::Full),
            Admission::SessionExpired => {
                let (instead, reason) = (Filtered::SessionExpired, Refused::SessionExpired);
                refuse(out, pending, instead, reason);
            }
        }
        Ok(())
    }

    #[inline]
    pub(super) fn execute(
        &mut self,
        now: Time,
        pending: &Pending,
        body: &SharedBytes,
        out: &mut dyn Output,
    ) -> Result<(), StoreError> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let input = Input::Request {
            ticket,
            caller: &pending.caller,
            body,
        };
        self.service.step(now, input, &mut self.effects);
        let executed = Executed {
            ticket,
            pending,
            body,
        };
        self.show(out, |dispatch, effects, out| {
            dispatch.executed(now, executed, effects, out);
        })
    }

    /// Lets the service take a step that is no request, and carries its effects out.
    pub(super) fn step(
        &mut self,
        now: Time,
        input: Input<'_>,
        out: &mut dyn Output,
    ) -> Result<(), StoreError> {
        self.service.step(now, input, &mut self.effects);
        self.show(out, |dispatch, effects, out| {
            dispatch.carry_out(now, effects, out)
        })
    }

    /// Carries the effects of a step out: where there is a disk, when all of them are durable.
    #[inline]
    fn show(
        &mut self,
        out: &mut dyn Output,
        carry_out: impl FnOnce(&mut Dispatch, &Effects, &mut dyn Output),
    ) -> Result<(), StoreError> {
        match &mut self.disk {
            None => carry_out(&mut self.dispatch, &self.effects, out),
            Some(disk) => disk.show(&mut self.dispatch, &self.effects, out, carry_out)?,
        }
        self.effects.clear();
        let is_settled = self.service.is_settled();
        if is_settled != self.is_settled {
            self.is_settled = is_settled;
            out.settle(is_settled);
        }
        Ok(())
    }

    /// Makes durable what has changed in the reply cache alone.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        match &mut self.disk {
            Some(disk) => disk.commit(&self.effects, self.dispatch.cache.as_mut()),
            None => Ok(()),
        }
    }
}
