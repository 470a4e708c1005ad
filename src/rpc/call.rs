//! Calls under way, and idling: the two things that a client spends its time with.
//!
//! They are futures of their own with one place to go on, where an asynchronous function would look for
//! it whenever something arrives.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::clock::Time;
use crate::id::{HostId, OperationId};
use crate::net::{Arrival, Attempt, Kind, Label};
use crate::rpc::called::Called;
use crate::rpc::client::{Heard, Open, RpcClient};
use crate::rpc::message::{Refused, ReplyFound};
use crate::rpc::retransmit::{Policy, Retransmission, Step};
use crate::trace::{Event, Ignored};
use crate::wire::SharedBytes;

/// Updates that are kept while a call is under way; more are ignored, as if lost.
const UPDATES_QUEUED_MAX: usize = 1_024;

/// A call under way: the future of [`RpcClient::call`]. It is small, as it is moved; what it has sent stands in
/// the client.
pub struct Call<'a> {
    pub(super) client: &'a mut RpcClient,
    /// The request, in the service's own encoding.
    pub(super) body: &'a [u8],
}

/// What the latest call of a client has sent.
pub(super) struct Sending {
    operation: OperationId,
    sequence: u32,
    /// Whether it is the hello that comes before the request.
    says_hello: bool,
    /// `None` if the client's format cannot express the request.
    datagram: Option<SharedBytes>,
    attempt: Attempt,
    sends: u16,
    /// When it was first sent.
    since: Time,
    retransmission: Retransmission,
}

impl Sending {
    /// Nothing yet.
    pub(super) fn nothing(policy: &Policy) -> Self {
        Self {
            operation: OperationId {
                client: HostId(0),
                number: 0,
            },
            sequence: 0,
            says_hello: false,
            datagram: None,
            attempt: Attempt::default(),
            sends: 0,
            since: Time::ZERO,
            retransmission: Retransmission::first_send(Time::ZERO, policy),
        }
    }
}

/// The parts of a call. Whoever drives one by them can look at what comes of it where it stands; a future would
/// move it.
impl RpcClient {
    /// Makes the first send.
    #[inline]
    pub(crate) fn begin_call(&mut self, operation: OperationId, body: &[u8]) {
        let now = self.host.now();
        self.doubt_session(now);
        self.sending.operation = operation;
        self.begin_with(body, now, self.wants_session());
    }

    /// Goes on with the call that was begun with this body, until it has ended.
    #[inline]
    pub(crate) fn poll_call(&mut self, context: &mut Context<'_>, body: &[u8]) -> Poll<Called> {
        if self.sending.datagram.is_none() {
            return Poll::Ready(Called::NotExpressible);
        }
        loop {
            // As in `recv_until`; but what arrives is looked at where it stands.
            let ended = match &self.socket.poll_recv(context) {
                Poll::Ready(arrival) => {
                    if let Some(length) = self.find_reply(&arrival.body) {
                        let body = arrival.body.last(length);
                        return Poll::Ready(self.replied(arrival, body));
                    }
                    self.take_in(body, arrival)
                }
                Poll::Pending => {
                    let deadline = self.sending.retransmission.deadline();
                    ready!(self.poll_timer(context, deadline));
                    self.deadline_passed()
                }
            };
            if let Some(called) = ended {
                return Poll::Ready(called);
            }
        }
    }

    /// Begins with a message, or anew with another one: the hello, or the request. Its number is a new one, so
    /// that what may still come for the message before is not taken for its answer.
    fn begin_with(&mut self, body: &[u8], now: Time, says_hello: bool) {
        let sequence = self.next_number();
        let open = Open {
            sequence,
            body,
            says_hello,
        };
        let policy = &self.options.policy;
        self.sending.datagram = self.encode(open);
        self.sending.sequence = sequence;
        self.sending.says_hello = says_hello;
        self.sending.attempt = Attempt {
            number: 1,
            of: policy.attempts,
        };
        self.sending.sends = 0;
        self.sending.since = now;
        self.sending.retransmission = Retransmission::first_send(now, policy);
        self.send();
    }

    fn send(&mut self) {
        let sending = &mut self.sending;
        let Some(datagram) = &sending.datagram else {
            return;
        };
        let kind = if sending.says_hello {
            Kind::Hello
        } else {
            Kind::Request
        };
        let label = Label {
            kind,
            operation: sending.operation,
            attempt: sending.attempt,
        };
        sending.sends += 1;
        self.socket.send(self.server, datagram, Some(label));
    }

    fn open<'a>(&self, body: &'a [u8]) -> Open<'a> {
        let Sending {
            sequence,
            says_hello,
            ..
        } = self.sending;
        Open {
            sequence,
            body,
            says_hello,
        }
    }

    /// Nothing has come until the deadline.
    fn deadline_passed(&mut self) -> Option<Called> {
        let now = self.host.now();
        let sending = &mut self.sending;
        let sends = sending.sends;
        match sending
            .retransmission
            .deadline_passed(now, &self.options.policy)
        {
            Step::GiveUp if sending.says_hello => Some(Called::NoWelcome { sends }),
            Step::GiveUp => Some(Called::GaveUp { sends }),
            Step::Retransmit { attempt } => {
                sending.attempt.number = attempt;
                self.send();
                None
            }
        }
    }

    /// The length of the reply in a datagram of format v2, if it is the one that is waited for.
    #[inline]
    fn find_reply(&self, datagram: &[u8]) -> Option<usize> {
        let is_waited_for = |found: &ReplyFound<'_>| {
            found.client == self.id && found.sequence == self.sending.sequence
        };
        if self.sending.says_hello || self.speaks_v1() {
            return None;
        }
        let found = ReplyFound::find(datagram).filter(is_waited_for);
        found.map(|found| found.body.len())
    }

    /// Takes in whatever has arrived, and says if that is the end.
    #[inline(never)]
    fn take_in(&mut self, body: &[u8], arrival: &Arrival) -> Option<Called> {
        match self.hear(arrival, Some(self.open(body))) {
            Heard::Reply(body) => return Some(self.replied(arrival, body)),
            Heard::Refused(reason) => return self.refused(body, reason),
            Heard::Welcome(session) => {
                self.session = Some(session);
                self.heard_at = self.sending.since;
                self.begin_with(body, self.host.now(), false);
            }
            Heard::InProgress => {
                let now = self.host.now();
                let retransmission = &mut self.sending.retransmission;
                retransmission.in_progress(now, &self.options.policy);
                let (operation, until) = (
                    self.sending.operation,
                    self.sending.retransmission.deadline(),
                );
                let from = self.host.host_of(arrival.from);
                self.host.record_with(|| Event::Patience {
                    from,
                    operation,
                    until,
                });
            }
            Heard::Update(body) if self.updates.len() < UPDATES_QUEUED_MAX => {
                let pushed = self.pushed(arrival, body);
                self.updates.push_back(pushed);
            }
            Heard::Update(_) => self.ignore_arrival(arrival, Ignored::NotMonitoring),
            Heard::Nothing(reason) => self.ignore_arrival(arrival, reason),
        }
        None
    }

    fn replied(&mut self, arrival: &Arrival, body: SharedBytes) -> Called {
        self.heard_at = self.sending.since;
        let reply_to = arrival.label.map(|label| label.operation);
        Called::Reply { body, reply_to }
    }

    fn refused(&mut self, body: &[u8], reason: Refused) -> Option<Called> {
        if self.sending.says_hello {
            return Some(Called::NoSession(reason));
        }
        if reason == Refused::SessionExpired {
            if self.session.is_none() {
                // No copy of a request outside sessions is executed by a server that has them.
                self.begin_with(body, self.host.now(), true);
                return None;
            }
            self.session = None;
            self.options.sessions = true;
        }
        Some(Called::Refused(reason))
    }
}

impl Future for Call<'_> {
    type Output = Called;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Called> {
        let Self { client, body } = &mut *self;
        client.poll_call(context, body)
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("operation", &self.client.sending.operation)
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
            match &client.socket.poll_recv(context) {
                Poll::Ready(arrival) => client.idly_hear(arrival),
                Poll::Pending => return client.poll_timer(context, *until),
            }
        }
    }
}

impl fmt::Debug for Idle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Idle(until {})", self.until)
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
