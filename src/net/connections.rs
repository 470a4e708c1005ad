//! Connections of a simulated world: what hosts do with their ends of them.
//!
//! What the ends send each other is in `net/segments.rs`, what they do later by themselves in
//! `net/deeds.rs`. An end belongs to a life of its host, and is gone with it. It lives in the host and not
//! in its tasks: a host that pauses takes segments in, and only its tasks stand still.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use crate::clock::Time;
use crate::id::{ConnectionId, HostId};
use crate::net::deeds::{Deed, Deeds};
use crate::net::fate::Cause;
use crate::net::packet::{Packet, host_at, ip};
use crate::net::ports::EPHEMERAL_PORT;
use crate::net::segment::{EndId, SegmentKind};
use crate::net::world::World;
use crate::net::{Broken, Label, Piece, UNREAD_BYTES_MAX};
use crate::wire::SharedBytes;

/// Bytes of one segment: more are written in several. A message of a service is mostly one.
const SEGMENT_BYTES_MAX: usize = 16_384;

/// Connections of one port that nobody has accepted: more are refused. As in Linux, where they wait instead.
pub(super) const BACKLOG_MAX: usize = 1_024;

/// The connections of all hosts.
#[derive(Debug, Default)]
pub(super) struct Connections {
    pub(super) hosts: Vec<HostConnections>,
    pub(super) deeds: Deeds,
    /// Segments that came late.
    pub(super) late: u64,
}

/// The connections of one host.
#[derive(Debug, Default)]
pub(super) struct HostConnections {
    pub(super) ends: BTreeMap<EndId, End>,
    pub(super) listening: Vec<Listening>,
    /// How many it has opened, in all of its lives.
    opened: u32,
    /// Whoever was to be woken while the host paused.
    pub(super) held_wakes: Vec<Waker>,
}

/// A port at which a host listens.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) port: u16,
    pub(super) waiting: VecDeque<EndId>,
    pub(super) waker: Option<Waker>,
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct End {
    pub(super) peer: HostId,
    pub(super) peer_port: u16,
    pub(super) own_port: u16,
    pub(super) is_open: bool,
    pub(super) broken: Option<Broken>,
    /// Whether nobody holds it any more: it waits for what the other end has yet to say.
    pub(super) is_closed: bool,
    /// Segments sent.
    pub(super) sent: u32,
    /// When the last of them arrives: later ones do not come before it.
    pub(super) last_due: Time,
    /// Why one of them never arrives, and none after it.
    pub(super) stuck: Option<Cause>,
    /// How many bytes may be written.
    pub(super) room: usize,
    pub(super) has_finished: bool,
    /// Whoever waits until it is open, or for room.
    pub(super) writer: Option<Waker>,
    /// Segments received.
    pub(super) received: u32,
    pub(super) arrived: VecDeque<Piece>,
    pub(super) peer_has_finished: bool,
    /// Bytes that were read since the other end was told.
    pub(super) read: usize,
    pub(super) reader: Option<Waker>,
}

impl End {
    pub(super) const fn new(peer: HostId, peer_port: u16, own_port: u16) -> Self {
        Self {
            peer,
            peer_port,
            own_port,
            is_open: false,
            broken: None,
            is_closed: false,
            sent: 0,
            last_due: Time::ZERO,
            stuck: None,
            room: UNREAD_BYTES_MAX,
            has_finished: false,
            writer: None,
            received: 0,
            arrived: VecDeque::new(),
            peer_has_finished: false,
            read: 0,
            reader: None,
        }
    }
}

impl World {
    /// Listens on a port, or any free one for 0; `None` if it is taken. What a life that has ended listens
    /// on hears nothing.
    pub(super) fn listen(&mut self, me: (HostId, u32), port: u16) -> Option<u16> {
        if !self.is_alive(me) {
            return Some(port);
        }
        let listening = &mut self.connections.of(me.0).listening;
        let is_free = |port: u16| listening.iter().all(|taken| taken.port != port);
        let port = match port {
            0 => (EPHEMERAL_PORT..=u16::MAX).find(|&port| is_free(port))?,
            port if is_free(port) => port,
            _ => return None,
        };
        listening.push(Listening {
            port,
            waiting: VecDeque::new(),
            waker: None,
        });
        Some(port)
    }

    /// Nobody listens there any more; who waits is reset.
    pub(super) fn stop_listening(
        &mut self,
        me: (HostId, u32),
        port: u16,
        carry: &mut dyn FnMut(Packet),
    ) {
        if !self.is_alive(me) {
            return;
        }
        let listening = &mut self.connections.of(me.0).listening;
        let mut stopped = listening.extract_if(.., |listening| listening.port == port);
        let waiting = stopped.next().map(|stopped| stopped.waiting);
        drop(stopped);
        for end in waiting.unwrap_or_default() {
            self.abort(me.0, end, carry);
        }
    }

    /// The next connection that waits at a port, and the address of its other end.
    pub(super) fn poll_accept(
        &mut self,
        me: (HostId, u32),
        port: u16,
        context: &Context<'_>,
    ) -> Poll<(EndId, SocketAddr)> {
        if !self.is_alive(me) {
            return Poll::Pending;
        }
        let host = self.connections.of(me.0);
        let mut at_port = host.listening.iter_mut();
        let Some(listening) = at_port.find(|listening| listening.port == port) else {
            return Poll::Pending;
        };
        let Some(id) = listening.waiting.pop_front() else {
            listening.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        let end = &host.ends[&id];
        Poll::Ready((id, SocketAddr::new(ip(end.peer), end.peer_port)))
    }

    /// Begins a connection; `None` if there is no such host, or this life has ended.
    pub(super) fn connect(
        &mut self,
        me: (HostId, u32),
        to: SocketAddr,
        carry: &mut dyn FnMut(Packet),
    ) -> Option<EndId> {
        let peer = host_at(to.ip()).filter(|host| host.index() < self.hosts.len())?;
        if !self.is_alive(me) {
            return None;
        }
        let host = self.connections.of(me.0);
        host.opened += 1;
        let id = EndId {
            connection: ConnectionId {
                opener: me.0,
                number: host.opened,
            },
            is_opener: true,
        };
        let own_port = EPHEMERAL_PORT + u16::try_from(host.opened % 16_384).expect("below 2^14");
        host.ends.insert(id, End::new(peer, to.port(), own_port));
        self.plan_deed(me.0, self.now + Deed::OPENED_WITHIN, Deed::Open(id));
        self.send_segment(me.0, id, SegmentKind::Open, nothing(), carry);
        Some(id)
    }

    pub(super) fn poll_open(
        &mut self,
        me: (HostId, u32),
        id: EndId,
        context: &Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let Some(end) = self.end(me, id) else {
            return Poll::Pending;
        };
        if let Some(broken) = end.broken {
            return Poll::Ready(Err(broken));
        }
        if end.is_open {
            return Poll::Ready(Ok(()));
        }
        end.writer = Some(context.waker().clone());
        Poll::Pending
    }

    pub(super) fn poll_read(
        &mut self,
        me: (HostId, u32),
        id: EndId,
        context: &Context<'_>,
        carry: &mut dyn FnMut(Packet),
    ) -> Poll<Result<Option<Piece>, Broken>> {
        let Some(end) = self.end(me, id) else {
            return Poll::Pending;
        };
        if let Some(piece) = end.arrived.pop_front() {
            end.read += piece.body.len();
            if end.read >= UNREAD_BYTES_MAX / 2 && end.broken.is_none() {
                let read = u32::try_from(std::mem::take(&mut end.read)).expect("less than 2^32");
                let body = SharedBytes::from(&read.to_le_bytes());
                self.send_segment(me.0, id, SegmentKind::Room, (body, None), carry);
            }
            return Poll::Ready(Ok(Some(piece)));
        }
        if end.peer_has_finished {
            return Poll::Ready(Ok(None));
        }
        if let Some(broken) = end.broken {
            return Poll::Ready(Err(broken));
        }
        end.reader = Some(context.waker().clone());
        Poll::Pending
    }

    pub(super) fn poll_write(
        &mut self,
        me: (HostId, u32),
        id: EndId,
        context: &Context<'_>,
        (bytes, label): (&[u8], Option<Label>),
        carry: &mut dyn FnMut(Packet),
    ) -> Poll<Result<usize, Broken>> {
        let Some(end) = self.end(me, id) else {
            return Poll::Pending;
        };
        if end.has_finished || end.broken.is_some() {
            return Poll::Ready(Err(end.broken.unwrap_or(Broken::Reset)));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if !end.is_open || end.room == 0 {
            end.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let written = bytes.len().min(end.room).min(SEGMENT_BYTES_MAX);
        end.room -= written;
        let body = SharedBytes::from(&bytes[..written]);
        self.send_segment(me.0, id, SegmentKind::Data, (body, label), carry);
        Poll::Ready(Ok(written))
    }

    /// Ends what an end sends.
    pub(super) fn finish(&mut self, me: (HostId, u32), id: EndId, carry: &mut dyn FnMut(Packet)) {
        let Some(end) = self.end(me, id) else {
            return;
        };
        if !std::mem::replace(&mut end.has_finished, true) && end.broken.is_none() {
            self.send_segment(me.0, id, SegmentKind::End, nothing(), carry);
        }
    }

    /// Nobody holds this end any more.
    pub(super) fn close(&mut self, me: (HostId, u32), id: EndId, carry: &mut dyn FnMut(Packet)) {
        let Some(end) = self.end(me, id) else {
            return;
        };
        if !end.is_open || end.broken.is_some() {
            self.connections.of(me.0).ends.remove(&id);
        } else if !end.arrived.is_empty() {
            self.abort(me.0, id, carry);
        } else {
            end.is_closed = true;
            let is_over = end.peer_has_finished;
            self.finish(me, id, carry);
            if is_over {
                self.connections.of(me.0).ends.remove(&id);
            }
        }
    }

    /// Ends a connection at once, and tells the other end.
    pub(super) fn abort(&mut self, host: HostId, id: EndId, carry: &mut dyn FnMut(Packet)) {
        let ends = &self.connections.of(host).ends;
        if ends.get(&id).is_some_and(|end| end.broken.is_none()) {
            self.send_segment(host, id, SegmentKind::Reset, nothing(), carry);
        }
        self.connections.of(host).ends.remove(&id);
    }

    /// An end is no more; whoever holds it will be told.
    pub(super) fn break_end(&mut self, host: HostId, id: EndId, broken: Broken) {
        let Some(end) = self.connections.of(host).ends.get_mut(&id) else {
            return;
        };
        end.broken = Some(broken);
        let wakers = [end.writer.take(), end.reader.take()];
        if end.is_closed {
            self.connections.of(host).ends.remove(&id);
        }
        for waker in wakers.into_iter().flatten() {
            self.wake(host, waker);
        }
    }

    /// Wakes a task of a host, once it runs.
    pub(super) fn wake(&mut self, host: HostId, waker: Waker) {
        if self.hosts[host.index()].paused_until.is_some() {
            self.connections.of(host).held_wakes.push(waker);
        } else {
            waker.wake();
        }
    }

    fn end(&mut self, me: (HostId, u32), id: EndId) -> Option<&mut End> {
        if !self.is_alive(me) {
            return None;
        }
        self.connections.of(me.0).ends.get_mut(&id)
    }
}

impl Connections {
    pub(super) fn of(&mut self, host: HostId) -> &mut HostConnections {
        if self.hosts.len() <= host.index() {
            self.hosts
                .resize_with(host.index() + 1, HostConnections::default);
        }
        &mut self.hosts[host.index()]
    }

    /// Whether somebody is to be woken who could not be while the host paused.
    pub(super) fn has_held_wakes(&self, host: HostId) -> bool {
        let of_host = self.hosts.get(host.index());
        of_host.is_some_and(|of_host| !of_host.held_wakes.is_empty())
    }

    /// The life of a host has ended, and its ends of connections with it.
    pub(super) fn end_life(&mut self, host: HostId) {
        let of_host = self.of(host);
        *of_host = HostConnections {
            opened: of_host.opened,
            ..HostConnections::default()
        };
    }
}

/// What a segment says that says nothing.
pub(super) fn nothing() -> (SharedBytes, Option<Label>) {
    (SharedBytes::from(&[]), None)
}

/// The bytes of a segment as they will be read: in two pieces, unless the cut is 0.
pub(super) fn pieces(body: &SharedBytes, cut: u16, label: Option<Label>) -> [Option<Piece>; 2] {
    let cut = usize::from(cut);
    let piece = |from, to| {
        (from < to).then(|| Piece {
            body: body.part(from..to),
            label,
        })
    };
    [piece(0, cut), piece(cut, body.len())]
}
