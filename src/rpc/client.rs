//! The client's side of calls.
//!
//! A [`RpcClient`] is one life of a client: it draws a random client id, numbers its calls from 1,
//! sends each again under the same id as its policy says, and takes only a reply that echoes the id.
//! In format v1 replies echo nothing, so it takes any reply of the right type: that is the format's
//! first weakness.
//!
//! A client that gives up reports that it does not know. It never says failed for what may have
//! happened.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::clock::Time;
use crate::history::{Outcome, OutcomeKind, Told};
use crate::host::Host;
use crate::id::{ClientId, HostId, OperationId};
use crate::net::{Arrival, Attempt, Datagrams, Kind, Label, RecvUntil, Timer, recv_until};
use crate::rpc::Semantics;
use crate::rpc::message::{Message, Refused};
use crate::rpc::retransmit::{Policy, Retransmission, Step};
use crate::rpc::v1::{FormatV1, FromServer};
use crate::trace::{Event, Ignored};
use crate::wire::{SharedBytes, WireError, Writer};

/// Updates that are kept while a call is under way; more are ignored, as if lost.
const UPDATES_QUEUED_MAX: usize = 1_024;

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
}

/// How a call ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Called {
    /// With a reply of the service, in the service's own encoding.
    Reply {
        /// The reply.
        body: SharedBytes,
        /// The operation whose reply it is, where the network knows it.
        reply_to: Option<OperationId>,
    },
    /// The server refused the call before it reached the service.
    Refused(Refused),
    /// It was not sent: the client's format cannot express it.
    NotExpressible,
    /// No reply came: nobody knows whether the request was executed.
    GaveUp {
        /// How often it was sent.
        sends: u16,
    },
}

impl Called {
    /// What a client may conclude. `is_error` says of a reply whether the service refused.
    ///
    /// A session that the server does not know may have belonged to a server life in which an earlier
    /// attempt was executed, so that nobody knows either; nor does a server that is full remember
    /// whether it was, and another copy of the request may find room.
    #[must_use]
    pub fn into_outcome(self, is_error: impl FnOnce(&[u8]) -> bool) -> Outcome {
        match self {
            Self::Reply { body, reply_to } => {
                let failed = is_error(&body);
                let kind = if failed {
                    OutcomeKind::Failed
                } else {
                    OutcomeKind::Ok
                };
                Outcome {
                    kind,
                    told: Told::Reply(body),
                    reply_to,
                }
            }
            Self::Refused(reason @ (Refused::SessionExpired | Refused::Full)) => {
                Outcome::text(OutcomeKind::Unknown, reason.to_string())
            }
            Self::Refused(reason) => Outcome::text(OutcomeKind::Failed, reason.to_string()),
            Self::NotExpressible => {
                Outcome::text(OutcomeKind::Failed, "format v1 cannot express it")
            }
            Self::GaveUp { sends: 1 } => Outcome::text(OutcomeKind::Unknown, "no reply to 1 send"),
            Self::GaveUp { sends } => {
                Outcome::text(OutcomeKind::Unknown, format!("no reply to {sends} sends"))
            }
        }
    }
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
    host: Host,
    socket: Box<dyn Datagrams>,
    timer: Box<dyn Timer>,
    server: SocketAddr,
    options: CallOptions,
    id: ClientId,
    calls: u32,
    updates: VecDeque<Pushed>,
    writer: Writer,
}

/// What a datagram means to a client.
enum Heard {
    Reply(SharedBytes),
    InProgress,
    Refused(Refused),
    Update(SharedBytes),
    Nothing(Ignored),
}

/// The call that a client waits for.
#[derive(Clone, Copy)]
struct Open<'a> {
    sequence: u32,
    body: &'a [u8],
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
        options: CallOptions,
    ) -> Self {
        let id = ClientId(host.stream("client id").next_u64());
        let timer = host.timer();
        let updates = VecDeque::new();
        Self {
            host,
            socket,
            timer,
            server,
            options,
            id,
            calls: 0,
            updates,
            writer: Writer::default(),
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

    /// Calls the service, and waits for the reply or until the policy says to give up.
    pub async fn call(&mut self, operation: OperationId, body: &[u8]) -> Called {
        self.calls += 1;
        let open = Open {
            sequence: self.calls,
            body,
        };
        let Ok(datagram) = self.encode(open) else {
            return Called::NotExpressible;
        };
        let mut policy = self.options.policy;
        if !self.options.semantics.retransmits() {
            policy.attempts = 1;
        }
        let mut attempt = Attempt {
            number: 1,
            of: policy.attempts,
        };
        let mut sends = 1;
        let mut retransmission = Retransmission::first_send(self.host.now(), policy);
        self.send(operation, attempt, &datagram);
        loop {
            let deadline = retransmission.deadline();
            let Some(arrival) = self.receive(deadline).await else {
                match retransmission.deadline_passed(self.host.now()) {
                    Step::GiveUp => return Called::GaveUp { sends },
                    Step::Retransmit { attempt: number } => {
                        attempt.number = number;
                        sends += 1;
                        self.send(operation, attempt, &datagram);
                        continue;
                    }
                }
            };
            match self.hear(&arrival, Some(open)) {
                Heard::Reply(body) => {
                    let reply_to = arrival.label.map(|label| label.operation);
                    return Called::Reply { body, reply_to };
                }
                Heard::Refused(reason) => return Called::Refused(reason),
                Heard::InProgress => {
                    retransmission.in_progress(self.host.now());
                    let until = retransmission.deadline();
                    let from = self.host.host_of(arrival.from);
                    self.host.record_with(|| Event::Patience {
                        from,
                        operation,
                        until,
                    });
                }
                Heard::Update(body) if self.updates.len() < UPDATES_QUEUED_MAX => {
                    let pushed = self.pushed(&arrival, body);
                    self.updates.push_back(pushed);
                }
                Heard::Update(_) => self.ignore_arrival(&arrival, Ignored::NotMonitoring),
                Heard::Nothing(reason) => self.ignore_arrival(&arrival, reason),
            }
        }
    }

    /// Sends a message that asks for no reply. Format v1 has none: it does nothing there.
    pub fn tell(&mut self, operation: OperationId, body: &[u8]) {
        if !self.speaks_v1() {
            let datagram = Message::OneWay {
                client: self.id,
                body,
            }
            .encode();
            let label = Some(Label::new(Kind::OneWay, operation));
            self.socket.send(self.server, datagram.into(), label);
        }
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
    pub async fn idle_until(&mut self, until: Time) {
        while let Some(update) = self.updates.pop_front() {
            self.ignore(&update, Ignored::NotMonitoring);
        }
        while let Some(arrival) = self.receive(until).await {
            let reason = match self.hear(&arrival, None) {
                Heard::Update(_) => Ignored::NotMonitoring,
                Heard::Nothing(reason) => reason,
                _ => Ignored::NotWaiting,
            };
            self.ignore_arrival(&arrival, reason);
        }
    }

    /// Records that the client made nothing of an update.
    pub fn ignore(&self, pushed: &Pushed, reason: Ignored) {
        let (from, label) = (pushed.from, pushed.label);
        self.host.record_with(|| Event::Ignore {
            from,
            label,
            reason,
        });
    }

    /// Records that the client took an update in, on behalf of this operation.
    pub fn notified(&self, pushed: &Pushed, operation: OperationId) {
        let (from, update) = (pushed.from, pushed.body.clone());
        self.host.record_with(|| Event::Notified {
            from,
            operation,
            update,
        });
    }

    fn encode(&mut self, open: Open<'_>) -> Result<SharedBytes, WireError> {
        let Open { sequence, body } = open;
        match self.options.wire {
            Wire::V1(format) => format.encode_request(sequence, body).map(SharedBytes::from),
            Wire::V2 => {
                // One call at a time: the lowest number that it waits for is that of this call.
                let (client, session, awaited) = (self.id, 0, sequence);
                let request = Message::Request {
                    client,
                    session,
                    sequence,
                    awaited,
                    body,
                };
                request.write(&mut self.writer);
                Ok(self.writer.share())
            }
        }
    }

    fn send(&mut self, operation: OperationId, attempt: Attempt, datagram: &SharedBytes) {
        let label = Label {
            kind: Kind::Request,
            operation,
            attempt,
        };
        self.socket.send(self.server, datagram.clone(), Some(label));
    }

    fn receive(&mut self, until: Time) -> RecvUntil<'_> {
        recv_until(&mut *self.socket, &mut *self.timer, until)
    }

    /// What a datagram in the buffer means while this call is open.
    fn hear(&self, arrival: &Arrival, open: Option<Open<'_>>) -> Heard {
        let datagram = &arrival.body;
        match self.options.wire {
            Wire::V2 => self.hear_v2(datagram, open),
            Wire::V1(_) if arrival.from != self.server => Heard::Nothing(Ignored::NotWaiting),
            Wire::V1(format) => Self::hear_v1(format, datagram, open),
        }
    }

    fn hear_v2(&self, datagram: &SharedBytes, open: Option<Open<'_>>) -> Heard {
        let is_open = |client, sequence| {
            client == self.id && open.is_some_and(|open| open.sequence == sequence)
        };
        match Message::decode(datagram) {
            Ok(Message::Reply {
                client,
                sequence,
                body,
            }) if is_open(client, sequence) => Heard::Reply(datagram.last(body.len())),
            Ok(Message::InProgress { client, sequence }) if is_open(client, sequence) => {
                Heard::InProgress
            }
            Ok(Message::Refused {
                client,
                sequence,
                reason,
            }) if is_open(client, sequence) => Heard::Refused(reason),
            Ok(Message::Update { client, body }) if client == self.id => {
                Heard::Update(datagram.last(body.len()))
            }
            Ok(Message::Update { .. }) => Heard::Nothing(Ignored::NotMonitoring),
            Ok(_) => Heard::Nothing(Ignored::NotWaiting),
            Err(_) => Heard::Nothing(Ignored::Malformed),
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

    fn pushed(&self, arrival: &Arrival, body: SharedBytes) -> Pushed {
        Pushed {
            from: self.host.host_of(arrival.from),
            label: arrival.label,
            body,
        }
    }

    fn ignore_arrival(&self, arrival: &Arrival, reason: Ignored) {
        let (from, label) = (self.host.host_of(arrival.from), arrival.label);
        self.host.record_with(|| Event::Ignore {
            from,
            label,
            reason,
        });
    }
}
