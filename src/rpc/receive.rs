//! What comes to a server, and what it is: a request, a message of another kind, or none.

use std::fmt;

use crate::clock::Time;
use crate::disk::StoreError;
use crate::id::ClientKey;
use crate::rpc::dispatch::{Pending, refuse, tell};
use crate::rpc::line_front::{Ask, Said};
use crate::rpc::message::{Message, NO_SESSION, Refused, RequestFound, is_v2};
use crate::rpc::origin::Origin;
use crate::rpc::output::Output;
use crate::rpc::server::RpcServer;
use crate::rpc::service::Input;
use crate::trace::{Event, Filtered};
use crate::wire::SharedBytes;

impl RpcServer {
    /// Takes a datagram in.
    ///
    /// # Errors
    ///
    /// If the disk fails: then nothing of the step is seen, and the server is to be started again, for
    /// what it holds in memory is ahead of its disk.
    #[inline]
    pub fn receive(
        &mut self,
        now: Time,
        origin: &Origin,
        datagram: &SharedBytes,
        out: &mut dyn Output,
    ) -> Result<(), StoreError> {
        if let Some(found) = RequestFound::find(datagram) {
            return self.receive_request(now, origin, datagram, &found, out);
        }
        self.receive_any(now, origin, datagram, out)
    }

    #[inline(always)]
    fn receive_request(
        &mut self,
        now: Time,
        origin: &Origin,
        datagram: &SharedBytes,
        found: &RequestFound<'_>,
        out: &mut dyn Output,
    ) -> Result<(), StoreError> {
        let &RequestFound {
            client,
            session,
            sequence,
            awaited,
            body,
        } = found;
        let caller = origin.caller(ClientKey::Id(client), sequence);
        let pending = Pending { caller, sequence };
        tell(out, || origin.received(pending.caller.operation));
        let body = datagram.last(body.len());
        self.request(now, &pending, (session, awaited), &body, out)
    }

    /// Takes in a datagram that is no request of format v2, or a wrong one.
    #[inline(never)]
    fn receive_any(
        &mut self,
        now: Time,
        origin: &Origin,
        datagram: &SharedBytes,
        out: &mut dyn Output,
    ) -> Result<(), StoreError> {
        if !is_v2(datagram) {
            return self.receive_v1(now, origin, datagram, out);
        }
        match Message::decode(datagram) {
            Ok(message) => self.receive_v2(now, origin, datagram, message, out),
            Err(error) => {
                self.count_malformed(origin, error.kind(), &error, out);
                Ok(())
            }
        }
    }

    /// Takes in a line that is a request. Says whether it is answered, now or later: not if its client has
    /// said that it waits for it no longer.
    ///
    /// # Errors
    ///
    /// If the disk fails, as in [`Self::receive`].
    pub fn receive_line(
        &mut self,
        now: Time,
        said: &Said,
        out: &mut dyn Output,
    ) -> Result<bool, StoreError> {
        let (client, sequence) = (said.client, said.sequence);
        let caller = said.origin.caller(ClientKey::Id(client), sequence);
        let pending = Pending { caller, sequence };
        tell(out, || said.origin.received(caller.operation));
        match &said.ask {
            Ask::Hello => self.hello(now, client, &pending, out)?,
            Ask::Once(body) => self.execute(now, &pending, body, out)?,
            Ask::Under(session, body) => {
                let session = match *session {
                    NO_SESSION => self.session_of(now, client),
                    named => Some(named),
                };
                match session {
                    Some(session) => {
                        self.request(now, &pending, (session, sequence), body, out)?;
                    }
                    None => {
                        self.commit()?;
                        refuse(out, &pending, Filtered::Full, Refused::Full);
                    }
                }
            }
        }
        Ok(self.dispatch.waiting.ticket_of(pending.id()).is_some())
    }

    fn receive_v2(
        &mut self,
        now: Time,
        origin: &Origin,
        datagram: &SharedBytes,
        message: Message<'_>,
        out: &mut dyn Output,
    ) -> Result<(), StoreError> {
        match message {
            Message::OneWay { client, body } => {
                if let Some(cache) = &mut self.dispatch.cache {
                    cache.hear(now, client);
                }
                let caller = &origin.caller(ClientKey::Id(client), 0);
                tell(out, || origin.received(caller.operation));
                self.step(now, Input::OneWay { caller, body }, out)
            }
            Message::Peer { from, body } => {
                let is_known = self.dispatch.peers.knows(from);
                if !is_known {
                    let detail = format!("server {from} is none of this one's peers");
                    self.count_malformed(origin, "unknown-peer", &detail, out);
                    return Ok(());
                }
                let about = origin.label.map(|label| label.operation);
                let about = about.filter(|operation| operation.client != origin.host);
                tell(out, || Event::Receive {
                    from: origin.host,
                    label: origin.label,
                });
                self.step(now, Input::Peer { from, about, body }, out)
            }
            Message::Hello { client, sequence } => {
                let caller = origin.caller(ClientKey::Id(client), sequence);
                let pending = Pending { caller, sequence };
                tell(out, || origin.received(pending.caller.operation));
                self.hello(now, client, &pending, out)
            }
            // Found before, at one look; but a request is a request, however it is read.
            Message::Request {
                client,
                session,
                sequence,
                awaited,
                body,
            } => {
                let found = RequestFound {
                    client,
                    session,
                    sequence,
                    awaited,
                    body,
                };
                self.receive_request(now, origin, datagram, &found, out)
            }
            Message::Reply { .. }
            | Message::InProgress { .. }
            | Message::Refused { .. }
            | Message::Update { .. }
            | Message::Welcome { .. } => {
                self.count_malformed(origin, "not-for-servers", &"a message to clients", out);
                Ok(())
            }
        }
    }

    fn receive_v1(
        &mut self,
        now: Time,
        origin: &Origin,
        datagram: &[u8],
        out: &mut dyn Output,
    ) -> Result<(), StoreError> {
        let Some(format) = self.dispatch.format_v1 else {
            self.count_malformed(origin, "no-format-v1", &"not of format v2", out);
            return Ok(());
        };
        match format.decode_request(datagram) {
            Ok((sequence, body)) => {
                let caller = origin.caller(ClientKey::Address(origin.address), sequence);
                let pending = Pending { caller, sequence };
                tell(out, || origin.received(pending.caller.operation));
                self.request(now, &pending, (NO_SESSION, 0), &body.into(), out)
            }
            Err(malformed) => {
                let error = malformed.error;
                self.count_malformed(origin, error.kind(), &error, out);
                if let Some(datagram) = malformed.reply {
                    out.send(origin.address, &datagram.into(), None);
                }
                Ok(())
            }
        }
    }

    fn count_malformed(
        &mut self,
        origin: &Origin,
        kind: &'static str,
        detail: &dyn fmt::Display,
        out: &mut dyn Output,
    ) {
        if let Some(event) = self.malformed.count(origin, kind, detail) {
            out.record(event);
        }
    }
}
