//! Where a server puts what it does.

use std::net::SocketAddr;

use crate::disk::Batch;
use crate::host::Host;
use crate::id::{ClientKey, OperationId, RequestId};
use crate::net::{Datagrams, Label};
use crate::rpc::line_front::LineFront;
use crate::trace::Event;
use crate::wire::SharedBytes;

/// Takes what a server does, in order.
pub trait Output {
    /// Sends a datagram; the label is for its fate and for the trace.
    fn send(&mut self, to: SocketAddr, datagram: &SharedBytes, label: Option<Label>);

    /// Records an event.
    fn record(&mut self, event: Event);

    /// Records that a request was executed and completed.
    fn record_execution(
        &mut self,
        operation: OperationId,
        request: &SharedBytes,
        reply: &SharedBytes,
    ) {
        self.record(Event::Execute {
            operation,
            request: request.clone(),
            reply: Some(reply.clone()),
            stored: false,
            recovered: false,
        });
    }

    /// Whether events are wanted that no checker needs.
    fn wants_all_events(&self) -> bool;

    /// Whether what is recorded counts: not from the moment on in which a simulated host dies, and it may
    /// die of an event that it records.
    fn is_alive(&self) -> bool {
        true
    }

    /// Says that nobody will answer this request any more: its client waits for later ones only.
    fn abandon(&mut self, _request: RequestId) {}

    /// Says whether the service is settled, when that has changed.
    fn settle(&mut self, _is_settled: bool) {}

    /// These events belong to the commit of this batch, and the server does not live to record them: the
    /// disk failed in it, or the host died of an event before. Whether the disk has kept it is found out
    /// when the disk is opened again. Nobody but a simulator can tell.
    fn doubt(&mut self, _batch: &Batch, _events: Vec<Event>) {}
}

/// What a server does, as a value.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends a datagram.
    Send {
        /// To whom.
        to: SocketAddr,
        /// The datagram.
        datagram: SharedBytes,
        /// What it is, for its fate and for the trace.
        label: Option<Label>,
    },
    /// Records an event.
    Record(Event),
}

/// Keeps all, events that no checker needs too.
impl Output for Vec<Action> {
    fn send(&mut self, to: SocketAddr, datagram: &SharedBytes, label: Option<Label>) {
        self.push(Action::Send {
            to,
            datagram: datagram.clone(),
            label,
        });
    }

    fn record(&mut self, event: Event) {
        self.push(Action::Record(event));
    }

    fn wants_all_events(&self) -> bool {
        true
    }
}

/// Holds back what a server does until it is durable.
#[derive(Debug, Default)]
pub(super) struct Held {
    actions: Vec<Action>,
    pub(super) wants_all_events: bool,
}

impl Held {
    /// Takes out the events that the disk is asked for.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        self.actions.drain(..).filter_map(durable).collect()
    }

    /// Forgets it.
    pub(super) fn clear(&mut self) {
        self.actions.clear();
    }

    /// Lets it go, as far as the host lives. Gives the events that the disk is asked for instead.
    pub(super) fn release(&mut self, out: &mut dyn Output) -> Vec<Event> {
        let mut unseen = Vec::new();
        for action in self.actions.drain(..) {
            if !out.is_alive() {
                unseen.extend(durable(action));
                continue;
            }
            match action {
                Action::Send {
                    to,
                    datagram,
                    label,
                } => out.send(to, &datagram, label),
                Action::Record(event) => out.record(event),
            }
        }
        unseen
    }
}

/// The event of an action, if what it says is found on the disk.
fn durable(action: Action) -> Option<Event> {
    match action {
        Action::Record(
            event @ (Event::Execute { .. }
            | Event::Complete { .. }
            | Event::Commit(_)
            | Event::Lock(_)),
        ) => Some(event),
        _ => None,
    }
}

impl Output for Held {
    fn send(&mut self, to: SocketAddr, datagram: &SharedBytes, label: Option<Label>) {
        self.actions.send(to, datagram, label);
    }

    fn record(&mut self, event: Event) {
        self.actions.record(event);
    }

    fn wants_all_events(&self) -> bool {
        self.wants_all_events
    }
}

/// A host, the socket that a server serves on, and its front if it has one.
pub(super) struct Outlet<'a> {
    pub(super) host: &'a Host,
    pub(super) socket: &'a mut dyn Datagrams,
    pub(super) front: Option<&'a mut LineFront>,
    pub(super) wants_all_events: bool,
}

impl Output for Outlet<'_> {
    fn send(&mut self, to: SocketAddr, datagram: &SharedBytes, label: Option<Label>) {
        match &mut self.front {
            Some(front) if LineFront::is_at(to) => return front.answer(to, datagram, label),
            Some(front) => front.overhear(datagram, label),
            None => {}
        }
        self.socket.send(to, datagram, label);
    }

    fn abandon(&mut self, request: RequestId) {
        if let (Some(front), ClientKey::Id(client)) = (&mut self.front, request.client) {
            front.give_up(client, request.sequence);
        }
    }

    fn record(&mut self, event: Event) {
        self.host.record(event);
    }

    fn record_execution(
        &mut self,
        operation: OperationId,
        request: &SharedBytes,
        reply: &SharedBytes,
    ) {
        self.host.record_execution(operation, request, reply);
    }

    fn wants_all_events(&self) -> bool {
        self.wants_all_events
    }

    fn is_alive(&self) -> bool {
        self.host.is_alive()
    }

    fn settle(&mut self, is_settled: bool) {
        self.host.settle(is_settled);
    }

    fn doubt(&mut self, batch: &Batch, events: Vec<Event>) {
        self.host.doubt(batch, events);
    }
}
