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
use crate::rpc::retransmit::{Policy, Retransmission, Step};
use crate::trace::{Event, Ignored};
use crate::wire::SharedBytes;

/// Updates that are kept while a call is under way; more are ignored, as if lost.
const UPDATES_QUEUED_MAX: usize = 1_024;

/// A call under way: the future of [`RpcClient::call`]. It is small, as it is moved; what it has sent stands in
/// the client.
pub struct Call<'a> {
    client: &'a mut RpcClient,
    operation: OperationId,
    body: &'a [u8],
}

/// What the latest call of a client has sent.
pub(super) struct Sending {
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
    pub(super) fn nothing(policy: Policy) -> Self {
        Self {
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

impl<'a> Call<'a> {
    /// Makes the first send.
    pub(super) fn begin(client: &'a mut RpcClient, operation: OperationId, body: &'a [u8]) -> Self {
        let now = client.host.now();
        client.doubt_session(now);
        let says_hello = client.wants_session();
        let mut call = Self {
            client,
            operation,
            body,
        };
        call.begin_with(now, says_hello);
        call
    }

    /// Begins with a message, or anew with another one: the hello, or the request. Its number is a new one, so
    /// that what may still come for the message before is not taken for its answer.
    fn begin_with(&mut self, now: Time, says_hello: bool) {
        let client = &mut *self.client;
        let sequence = client.next_number();
        let open = Open {
            sequence,
            body: self.body,
            says_hello,
        };
        let datagram = client.encode(open).ok();
        let mut policy = client.options.policy;
        if !client.options.semantics.retransmits() {
            policy.attempts = 1;
        }
        let sending = &mut client.sending;
        sending.sequence = sequence;
        sending.says_hello = says_hello;
        sending.datagram = datagram;
        sending.attempt = Attempt {
            number: 1,
            of: policy.attempts,
        };
        sending.sends = 0;
        sending.since = now;
        sending.retransmission = Retransmission::first_send(now, policy);
        self.send();
    }

    fn send(&mut self) {
        let client = &mut *self.client;
        let sending = &mut client.sending;
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
            operation: self.operation,
            attempt: sending.attempt,
        };
        sending.sends += 1;
        (client.socket).send(client.server, datagram.clone(), Some(label));
    }

    fn open(&self) -> Open<'a> {
        let Sending {
            sequence,
            says_hello,
            ..
        } = self.client.sending;
        Open {
            sequence,
            body: self.body,
            says_hello,
        }
    }

    /// Nothing has come until the deadline.
    fn deadline_passed(&mut self) -> Option<Called> {
        let now = self.client.host.now();
        let sending = &mut self.client.sending;
        let sends = sending.sends;
        match sending.retransmission.deadline_passed(now) {
            Step::GiveUp if sending.says_hello => Some(Called::NoWelcome { sends }),
            Step::GiveUp => Some(Called::GaveUp { sends }),
            Step::Retransmit { attempt } => {
                sending.attempt.number = attempt;
                self.send();
                None
            }
        }
    }

    /// Takes in what has arrived and is not the reply, and says if that is the end.
    #[inline(never)]
    fn take_in(&mut self, arrival: &Arrival, heard: Heard) -> Option<Called> {
        match heard {
            Heard::Reply(body) => return Some(self.replied(arrival, body)),
            Heard::Refused(reason) => return self.refused(reason),
            Heard::Welcome(session) => {
                self.client.session = Some(session);
                self.client.heard_at = self.client.sending.since;
                self.begin_with(self.client.host.now(), false);
            }
            Heard::InProgress => {
                let now = self.client.host.now();
                let retransmission = &mut self.client.sending.retransmission;
                retransmission.in_progress(now);
                let (operation, until) = (self.operation, retransmission.deadline());
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

    fn replied(&mut self, arrival: &Arrival, body: SharedBytes) -> Called {
        self.client.heard_at = self.client.sending.since;
        let reply_to = arrival.label.map(|label| label.operation);
        Called::Reply { body, reply_to }
    }

    fn refused(&mut self, reason: Refused) -> Option<Called> {
        if self.client.sending.says_hello {
            return Some(Called::NoSession(reason));
        }
        if reason == Refused::SessionExpired {
            if self.client.session.is_none() {
                // No copy of a request outside sessions is executed by a server that has them.
                self.begin_with(self.client.host.now(), true);
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
        if call.client.sending.datagram.is_none() {
            return Poll::Ready(Called::NotExpressible);
        }
        loop {
            // As in `recv_until`; but what arrives is looked at where it stands, and not moved.
            let ended = match call.client.socket.poll_recv(context) {
                Poll::Ready(arrival) => match call.client.hear(&arrival, Some(call.open())) {
                    Heard::Reply(body) => return Poll::Ready(call.replied(&arrival, body)),
                    other => call.take_in(&arrival, other),
                },
                Poll::Pending => {
                    let deadline = call.client.sending.retransmission.deadline();
                    ready!(call.client.poll_timer(context, deadline));
                    call.deadline_passed()
                }
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
            let Poll::Ready(arrival) = client.socket.poll_recv(context) else {
                return client.poll_timer(context, *until);
            };
            client.idly_hear(&arrival);
        }
    }
}

impl fmt::Debug for Idle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Idle(until {})", self.until)
    }
}
