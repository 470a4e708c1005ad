//! Calls under way, and idling: the two things that a client spends its time with.
//!
//! They are futures of their own with one place to go on, where an asynchronous function would look for
//! it whenever something arrives.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::clock::Time;
use crate::id::OperationId;
use crate::net::{Arrival, Attempt, Kind, Label};
use crate::rpc::called::Called;
use crate::rpc::client::{Heard, Open, RpcClient};
use crate::rpc::message::Refused;
use crate::rpc::retransmit::{Retransmission, Step};
use crate::trace::{Event, Ignored};
use crate::wire::SharedBytes;

/// Updates that are kept while a call is under way; more are ignored, as if lost.
const UPDATES_QUEUED_MAX: usize = 1_024;

/// A call under way: the future of [`RpcClient::call`].
pub struct Call<'a> {
    client: &'a mut RpcClient,
    operation: OperationId,
    open: Open<'a>,
    /// `None` if the client's format cannot express the request.
    datagram: Option<SharedBytes>,
    attempt: Attempt,
    sends: u16,
    /// When it, or the hello before it, was first sent.
    since: Time,
    retransmission: Retransmission,
}

impl<'a> Call<'a> {
    /// Makes the first send.
    pub(super) fn begin(client: &'a mut RpcClient, operation: OperationId, body: &'a [u8]) -> Self {
        client.doubt_session();
        let open = Open {
            sequence: client.next_number(),
            body,
            says_hello: client.wants_session(),
        };
        let mut policy = client.options.policy;
        if !client.options.semantics.retransmits() {
            policy.attempts = 1;
        }
        let attempt = Attempt {
            number: 1,
            of: policy.attempts,
        };
        let datagram = client.encode(open).ok();
        let since = client.host.now();
        let retransmission = Retransmission::first_send(since, policy);
        let mut call = Self {
            client,
            operation,
            open,
            datagram,
            attempt,
            sends: 0,
            since,
            retransmission,
        };
        call.send();
        call
    }

    /// Begins anew with another message of format v2: the hello, or the request after it. Its number is
    /// a new one, so that what may still come for the message before is not taken for its answer.
    fn begin_with(&mut self, says_hello: bool) {
        self.open.says_hello = says_hello;
        self.open.sequence = self.client.next_number();
        self.datagram = Some(self.client.encode_v2(self.open));
        self.attempt.number = 1;
        self.sends = 0;
        self.since = self.client.host.now();
        self.retransmission.restart(self.since);
        self.send();
    }

    fn send(&mut self) {
        let Some(datagram) = &self.datagram else {
            return;
        };
        let kind = if self.open.says_hello {
            Kind::Hello
        } else {
            Kind::Request
        };
        let label = Label {
            kind,
            operation: self.operation,
            attempt: self.attempt,
        };
        self.sends += 1;
        let client = &mut *self.client;
        (client.socket).send(client.server, datagram.clone(), Some(label));
    }

    /// Nothing has come until the deadline.
    fn deadline_passed(&mut self) -> Option<Called> {
        let sends = self.sends;
        match self.retransmission.deadline_passed(self.client.host.now()) {
            Step::GiveUp if self.open.says_hello => Some(Called::NoWelcome { sends }),
            Step::GiveUp => Some(Called::GaveUp { sends }),
            Step::Retransmit { attempt } => {
                self.attempt.number = attempt;
                self.send();
                None
            }
        }
    }

    /// Takes in what has arrived, and says if that is the end.
    fn take_in(&mut self, arrival: &Arrival) -> Option<Called> {
        match self.client.hear(arrival, Some(self.open)) {
            Heard::Reply(body) => {
                let reply_to = arrival.label.map(|label| label.operation);
                self.client.heard_at = self.since;
                return Some(Called::Reply { body, reply_to });
            }
            Heard::Refused(reason) => return self.refused(reason),
            Heard::Welcome(session) => {
                self.client.session = Some(session);
                self.client.heard_at = self.since;
                self.begin_with(false);
            }
            Heard::InProgress => {
                self.retransmission.in_progress(self.client.host.now());
                let (operation, until) = (self.operation, self.retransmission.deadline());
                let from = self.client.host.host_of(arrival.from);
                self.client.host.record_with(|| Event::Patience {
                    from,
                    operation,
                    until,
                });
            }
            Heard::Update(body) if self.client.updates.len() < UPDATES_QUEUED_MAX => {
                let pushed = self.client.pushed(arrival, body);
                self.client.updates.push_back(pushed);
            }
            Heard::Update(_) => self.client.ignore_arrival(arrival, Ignored::NotMonitoring),
            Heard::Nothing(reason) => self.client.ignore_arrival(arrival, reason),
        }
        None
    }

    fn refused(&mut self, reason: Refused) -> Option<Called> {
        if self.open.says_hello {
            return Some(Called::NoSession(reason));
        }
        if reason == Refused::SessionExpired {
            if self.client.session.is_none() {
                // No copy of a request outside sessions is executed by a server that has them.
                self.begin_with(true);
                return None;
            }
            self.client.session = None;
            self.client.options.sessions = true;
        }
        Some(Called::Refused(reason))
    }
}

impl Future for Call<'_> {
    type Output = Called;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Called> {
        let call = &mut *self;
        if call.datagram.is_none() {
            return Poll::Ready(Called::NotExpressible);
        }
        loop {
            let deadline = call.retransmission.deadline();
            let mut next = call.client.receive(deadline);
            let ended = match ready!(Pin::new(&mut next).poll(context)) {
                Some(arrival) => call.take_in(&arrival),
                None => call.deadline_passed(),
            };
            if let Some(called) = ended {
                return Poll::Ready(called);
            }
        }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// Idling until a time: the future of [`RpcClient::idle_until`].
pub struct Idle<'a> {
    pub(super) client: &'a mut RpcClient,
    pub(super) until: Time,
}

impl Future for Idle<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { client, until } = &mut *self;
        while let Some(update) = client.updates.pop_front() {
            client.ignore(&update, Ignored::NotMonitoring);
        }
        loop {
            let mut next = client.receive(*until);
            let Some(arrival) = ready!(Pin::new(&mut next).poll(context)) else {
                return Poll::Ready(());
            };
            let reason = match client.hear(&arrival, None) {
                Heard::Update(_) => Ignored::NotMonitoring,
                Heard::Nothing(reason) => reason,
                _ => Ignored::NotWaiting,
            };
            client.ignore_arrival(&arrival, reason);
        }
    }
}

impl fmt::Debug for Idle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Idle(until {})", self.until)
    }
}
