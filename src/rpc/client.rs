//! The client's side of calls.
//!
//! A [`RpcClient`] is one life of a client: it draws a random client id, numbers its calls upwards,
//! sends each again under the same id as its policy says, and takes only a reply that echoes the id.
//! In format v1 replies echo nothing, so it takes any reply of the right type: that is the format's
//! first weakness.
//!
//! A client that gives up reports that it does not know. It never says failed for what may have
//! happened.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::Time;
use crate::host::Host;
use crate::id::{ClientId, HostId, OperationId};
use crate::net::{Arrival, Datagrams, Kind, Label, RecvUntil, Timer, recv_until};
use crate::rpc::Semantics;
use crate::rpc::aside::Aside;
use crate::rpc::call::{Call, Idle, Sending};
use crate::rpc::message::{Message, NO_SESSION, Refused};
use crate::rpc::retransmit::Policy;
use crate::rpc::v1::{FormatV1, FromServer};
use crate::trace::{Event, Ignored};
use crate::wire::SharedBytes;

/// After which silence a client asks for its session again before it sends a request: a minute less than servers keep one, so
/// that a request which has to be sent again for a while still comes in time.
const SILENCE_MAX: Duration = Duration::from_secs(240);

/// Which format a client speaks.
#[derive(Clone, Copy)]
pub enum Wire {
    /// The service's own old format.
    V1(&'static dyn FormatV1),
    /// The envelope of [`crate::rpc::message`].
    V2,
}

/// How a client calls.
#[derive(Clone, Copy)]
pub struct CallOptions {
    /// Whether it sends again.
    pub semantics: Semantics,
    /// When it sends again.
    pub policy: Policy,
    /// The format that it speaks.
    pub wire: Wire,
    /// Whether it says hello before its first call, as it does once it has lost a session. If not, it
    /// learns from a refusal that the server wants it to. Format v1 has no sessions.
    pub sessions: bool,
}

/// An update that has arrived.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// From whom.
    pub from: HostId,
    /// In simulation, the sender's label.
    pub label: Option<Label>,
    /// The update, in the service's own encoding.
    pub body: SharedBytes,
}

/// One life of a client of a server.
pub struct RpcClient {
    pub(super) host: Host,
    pub(super) socket: Box<dyn Datagrams>,
    timer: Box<dyn Timer>,
    pub(super) server: SocketAddr,
    /// All servers of the service by their names, where there are several.
    servers: Vec<(String, SocketAddr)>,
    pub(super) options: CallOptions,
    pub(super) id: ClientId,
    /// `None` until the server has answered a hello.
    pub(super) session: Option<u64>,
    /// When it sent what the server has last answered.
    pub(super) heard_at: Time,
    /// The last number given: each call takes one, and a hello one of its own.
    numbered: u32,
    pub(super) updates: VecDeque<Pushed>,
    pub(super) sending: Sending,
}

/// What a datagram means to a client.
pub(super) enum Heard {
    Reply(SharedBytes),
    InProgress,
    Refused(Refused),
    Welcome(u64),
    Update(SharedBytes),
    Nothing(Ignored),
}

/// The call that a client waits for.
#[derive(Clone, Copy)]
pub(super) struct Open<'a> {
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
    /// Whether a session comes first.
    pub(super) says_hello: bool,
}

impl std::fmt::Debug for RpcClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcClient")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl RpcClient {
    /// A client of the server at this address. It draws its client id from a stream `client id` of
    /// the host, another one for each client that the host makes.
    #[must_use]
    pub fn new(
        host: Host,
        socket: Box<dyn Datagrams>,
        server: SocketAddr,
        mut options: CallOptions,
    ) -> Self {
        if !options.semantics.retransmits() {
            // All that the semantics decide here: from now on the policy says everything.
            options.policy.attempts = 1;
        }
        let id = ClientId(host.stream("client id").next_u64());
        let timer = host.timer();
        let updates = VecDeque::new();
        Self {
            host,
            socket,
            timer,
            server,
            servers: Vec::new(),
            options,
            id,
            session: None,
            heard_at: Time::ZERO,
            numbered: 0,
            updates,
            sending: Sending::nothing(&options.policy),
        }
    }

    /// The same client, which knows all servers of the service by their names.
    #[must_use]
    pub fn with_servers(mut self, servers: Vec<(String, SocketAddr)>) -> Self {
        self.servers = servers;
        self
    }

    /// The names of the servers that it knows.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().map(|(name, _)| name.as_str())
    }

    /// The place of the server that it calls among those that it knows, from 0.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        let mut addresses = self.servers.iter().map(|(_, address)| *address);
        addresses.position(|address| address == self.server)
    }

    /// Calls another server from now on: its place among those that the client knows. A session is one
    /// of a server, and stays behind. Nothing happens if there is no such server.
    pub fn move_to(&mut self, place: usize) {
        if let Some(&(_, server)) = self.servers.get(place)
            && self.server != server
        {
            self.server = server;
            self.session = None;
        }
    }

    /// The host that the client runs on.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Whether it speaks format v1.
    #[must_use]
    pub const fn speaks_v1(&self) -> bool {
        matches!(self.options.wire, Wire::V1(_))
    }

    /// Calls the service, and waits for the reply or until the policy says to give up. A client that
    /// needs a session and has none says hello first; that takes as many attempts of its own.
    pub fn call<'a>(&'a mut self, operation: OperationId, body: &'a [u8]) -> Call<'a> {
        self.begin_call(operation, body);
        Call { client: self, body }
    }

    /// Asks for its session again if the server may have forgotten it meanwhile: a request that is refused for that
    /// might have been executed, as far as the client can tell.
    pub(super) fn doubt_session(&mut self, now: Time) {
        let is_doubtful = now >= self.heard_at + SILENCE_MAX;
        if is_doubtful && self.session.is_some_and(|it| it != NO_SESSION) {
            self.session = None;
            self.options.sessions = true;
        }
    }

    /// Whether it says hello before its next request.
    pub(super) const fn wants_session(&self) -> bool {
        self.options.sessions && self.session.is_none() && !self.speaks_v1()
    }

    pub(super) const fn next_number(&mut self) -> u32 {
        self.numbered += 1;
        self.numbered
    }

    /// Sends a message that asks for no reply. Format v1 has none: it does nothing there.
    pub fn tell(&mut self, operation: OperationId, body: &[u8]) {
        if !self.speaks_v1() {
            tell(&mut *self.socket, (self.id, self.server), operation, body);
        }
    }

    /// A second socket of this client, for a task beside its calls: see [`Aside`].
    ///
    /// # Errors
    ///
    /// If the host gives no port.
    pub fn aside(&self) -> io::Result<Aside> {
        let server = (!self.speaks_v1()).then_some(self.server);
        Aside::new(self.host.clone(), self.id, server)
    }

    /// The next update, or `None` at `until`. Updates that came during a call come first.
    pub async fn next_update(&mut self, until: Time) -> Option<Pushed> {
        if let Some(update) = self.updates.pop_front() {
            return Some(update);
        }
        loop {
            let arrival = self.receive(until).await?;
            match self.hear(&arrival, None) {
                Heard::Update(body) => return Some(self.pushed(&arrival, body)),
                Heard::Nothing(reason) => self.ignore_arrival(&arrival, reason),
                _ => self.ignore_arrival(&arrival, Ignored::NotWaiting),
            }
        }
    }

    /// Takes in whatever arrives until `until`, and makes nothing of it.
    pub fn idle_until(&mut self, until: Time) -> Idle<'_> {
        Idle {
            client: self,
            until,
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

    /// The datagram of a call; `None` if the client's format cannot express it.
    pub(super) fn encode(&self, open: Open<'_>) -> Option<SharedBytes> {
        match self.options.wire {
            Wire::V1(format) => {
                let datagram = format.encode_request(open.sequence, open.body);
                datagram.ok().map(SharedBytes::from)
            }
            Wire::V2 => Some(self.encode_v2(open)),
        }
    }

    fn encode_v2(&self, open: Open<'_>) -> SharedBytes {
        let (client, sequence) = (self.id, open.sequence);
        let message = if open.says_hello {
            Message::Hello { client, sequence }
        } else {
            Message::Request {
                client,
                session: self.session.unwrap_or(NO_SESSION),
                sequence,
                awaited: sequence, // one call at a time: it waits for no other
                body: open.body,
            }
        };
        message.share()
    }

    fn receive(&mut self, until: Time) -> RecvUntil<'_> {
        recv_until(&mut *self.socket, &mut *self.timer, until)
    }

    pub(super) fn poll_timer(&mut self, context: &mut Context<'_>, until: Time) -> Poll<()> {
        if until == Time::NEVER {
            return Poll::Pending;
        }
        self.timer.poll_until(context, until)
    }

    /// What a datagram in the buffer means while this call is open. In format v2 it may come from another
    /// address than the server was asked at, which a server of many addresses may reply from: who does
    /// not know the client id cannot forge it. In v1 the address is all that there is to go by.
    pub(super) fn hear(&self, arrival: &Arrival, open: Option<Open<'_>>) -> Heard {
        let datagram = &arrival.body;
        match self.options.wire {
            Wire::V2 => hear_v2(self.id, datagram, open),
            Wire::V1(_) if arrival.from != self.server => Heard::Nothing(Ignored::NotWaiting),
            Wire::V1(format) => Self::hear_v1(format, datagram, open),
        }
    }

    fn hear_v1(format: &dyn FormatV1, datagram: &SharedBytes, open: Option<Open<'_>>) -> Heard {
        let request = open.map(|open| open.body);
        match format.decode_from_server(request, datagram) {
            Ok(FromServer::Update(body)) => Heard::Update(body.into()),
            Ok(FromServer::Reply(body)) if open.is_some() => Heard::Reply(body.into()),
            Ok(_) => Heard::Nothing(Ignored::NotWaiting),
            Err(_) => Heard::Nothing(Ignored::Malformed),
        }
    }

    /// Makes nothing of a datagram, as no call is open.
    #[inline(never)]
    pub(super) fn idly_hear(&self, arrival: &Arrival) {
        let reason = match self.hear(arrival, None) {
            Heard::Update(_) => Ignored::NotMonitoring,
            Heard::Nothing(reason) => reason,
            _ => Ignored::NotWaiting,
        };
        self.ignore_arrival(arrival, reason);
    }

    pub(super) fn pushed(&self, arrival: &Arrival, body: SharedBytes) -> Pushed {
        Pushed::of(&self.host, arrival, body)
    }

    pub(super) fn ignore_arrival(&self, arrival: &Arrival, reason: Ignored) {
        let ignored = self.pushed(arrival, arrival.body.clone());
        self.ignore(&ignored, reason);
    }
}

impl Pushed {
    pub(super) fn of(host: &Host, arrival: &Arrival, body: SharedBytes) -> Self {
        Self {
            from: host.host_of(arrival.from),
            label: arrival.label,
            body,
        }
    }

    pub(super) fn ignore(&self, host: &Host, reason: Ignored) {
        let (from, label) = (self.from, self.label);
        host.record(Event::Ignore {
            from,
            label,
            reason,
        });
    }

    pub(super) fn notified(&self, host: &Host, operation: OperationId) {
        let (from, update) = (self.from, self.body.clone());
        host.record_with(|| Event::Notified {
            from,
            operation,
            update,
        });
    }
}

/// What a datagram of format v2 means to the client of this id while this call is open.
pub(super) fn hear_v2(id: ClientId, datagram: &SharedBytes, open: Option<Open<'_>>) -> Heard {
    let is_open =
        |client, sequence| client == id && open.is_some_and(|open| open.sequence == sequence);
    let says_hello = open.is_some_and(|open| open.says_hello);
    match Message::decode(datagram) {
        Ok(Message::Reply {
            client,
            sequence,
            body,
        }) if is_open(client, sequence) && !says_hello => Heard::Reply(datagram.last(body.len())),
        Ok(Message::Welcome {
            client,
            sequence,
            session,
        }) if is_open(client, sequence) && says_hello => Heard::Welcome(session),
        Ok(Message::InProgress { client, sequence }) if is_open(client, sequence) => {
            Heard::InProgress
        }
        Ok(Message::Refused {
            client,
            sequence,
            reason,
        }) if is_open(client, sequence) => Heard::Refused(reason),
        Ok(Message::Update { client, body }) if client == id => {
            Heard::Update(datagram.last(body.len()))
        }
        Ok(Message::Update { .. }) => Heard::Nothing(Ignored::NotMonitoring),
        Ok(_) => Heard::Nothing(Ignored::NotWaiting),
        Err(_) => Heard::Nothing(Ignored::Malformed),
    }
}

/// Sends a server a message of this client that asks for no reply.
pub(super) fn tell(
    socket: &mut dyn Datagrams,
    (client, server): (ClientId, SocketAddr),
    operation: OperationId,
    body: &[u8],
) {
    let datagram = Message::OneWay { client, body }.share();
    let label = Some(Label::new(Kind::OneWay, operation));
    socket.send(server, &datagram, label);
}
