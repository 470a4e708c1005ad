//! Segments of a simulated world: what ends of connections send each other, and what becomes of it.
//!
//! Within one direction of a connection nothing overtakes: a segment is due no earlier than the one before
//! it. So the order in which segments arrive is the order in which they were sent, and nobody sorts them.

use std::time::Duration;

use crate::id::HostId;
use crate::net::connections::{BACKLOG_MAX, End, nothing, pieces};
use crate::net::deeds::Deed;
use crate::net::fate::Fate;
use crate::net::packet::Packet;
use crate::net::segment::{EndId, SegmentHead, SegmentKind};
use crate::net::segment_fate::{SegmentFate, Sending, delay_ms, given_up_after, next_attempt};
use crate::net::world::World;
use crate::net::{Broken, Label};
use crate::seed::scale;
use crate::trace::{Event, SegmentEvent, SegmentWord};
use crate::wire::SharedBytes;

/// From one virtual time to the next.
const MILLISECOND: Duration = Duration::from_millis(1);

impl World {
    /// Sends the next segment of an end.
    pub(super) fn send_segment(
        &mut self,
        host: HostId,
        id: EndId,
        kind: SegmentKind,
        (body, label): (SharedBytes, Option<Label>),
        carry: &mut dyn FnMut(Packet),
    ) {
        let now = self.now;
        let Some(end) = self.connections.of(host).ends.get_mut(&id) else {
            return;
        };
        let head = SegmentHead {
            connection: id.connection,
            kind,
            to_opener: !id.is_opener,
            is_answer: false,
            cut: 0,
            since: now,
        };
        let mut packet = Packet {
            due: end.last_due,
            from: host,
            to: end.peer,
            from_port: end.own_port,
            to_port: end.peer_port,
            label,
            nth: end.sent,
            copy: 0,
            segment: Some(Box::new(head)),
            body,
        };
        end.sent += 1;
        let stuck = end.stuck;
        let decided = self.decide_segment(&mut packet, 0);
        let fate = stuck.map_or(decided, Fate::lost);
        if let Some(end) = self.connections.of(host).ends.get_mut(&id) {
            end.last_due = packet.due;
            end.stuck = fate.lost;
        }
        if fate.lost.is_some() && stuck.is_none() {
            self.plan_deed(host, now + given_up_after(), Deed::GiveUp(id));
        }
        self.record_segment(&packet, kind, fate);
        if fate.lost.is_none() {
            self.carry_segment(packet, carry);
        }
    }

    /// Answers a segment of a connection that its host does not know, or wants no more of.
    fn answer(&mut self, asked: &Packet, kind: SegmentKind, carry: &mut dyn FnMut(Packet)) {
        let Some(head) = asked.segment.as_deref() else {
            return;
        };
        let head = SegmentHead {
            kind,
            to_opener: !head.to_opener,
            is_answer: true,
            since: self.now,
            ..*head
        };
        let mut packet = Packet {
            due: self.now,
            from: asked.to,
            to: asked.from,
            from_port: asked.to_port,
            to_port: asked.from_port,
            label: None,
            nth: asked.nth,
            copy: 0,
            segment: Some(Box::new(head)),
            body: SharedBytes::from(&[]),
        };
        let fate = self.decide_segment(&mut packet, 0);
        self.record_segment(&packet, kind, fate);
        if fate.lost.is_none() {
            self.carry_segment(packet, carry);
        }
    }

    /// Decides when a segment arrives whose attempts before this one have come to nothing: not before it is
    /// due already.
    fn decide_segment(&mut self, packet: &mut Packet, first: u8) -> Fate {
        let now = self.now;
        let Some(head) = packet.segment.as_deref_mut() else {
            return Fate::default();
        };
        let fate = if self.calm {
            SegmentFate {
                arrives: Some((0, self.recorder.trace_time(now) + MILLISECOND)),
                ..SegmentFate::default()
            }
        } else {
            let sending = Sending {
                head: *head,
                from: packet.from,
                to: packet.to,
                number: packet.nth,
                label: packet.label,
                since: self.recorder.trace_time(head.since),
            };
            self.fates.decide_segment(&sending, first)
        };
        self.connections.late += u64::from(fate.late.is_some());
        let Some((attempt, arrives)) = fate.arrives else {
            return Fate::lost(fate.late.expect("what never arrives was lost by something"));
        };
        let short = "a segment is short";
        let len = u32::try_from(packet.body.len()).expect(short);
        head.cut = u16::try_from(scale(fate.cut, len.max(1))).expect(short);
        packet.copy = attempt;
        let usual = now + (arrives - self.recorder.trace_time(now));
        packet.due = packet.due.max(usual).max(now + MILLISECOND);
        let mut told = Fate::once(delay_ms(now, packet.due));
        told.delayed = fate.late;
        told
    }

    fn carry_segment(&mut self, packet: Packet, carry: &mut dyn FnMut(Packet)) {
        *self.in_flight(packet.label) += 1;
        carry(packet);
    }

    fn record_segment(&mut self, packet: &Packet, kind: SegmentKind, fate: Fate) {
        let word = match kind {
            SegmentKind::Open => SegmentWord::Connect,
            SegmentKind::Opened => SegmentWord::Accept,
            SegmentKind::Refused => SegmentWord::Refuse,
            SegmentKind::Data => SegmentWord::Segment,
            SegmentKind::End => SegmentWord::End,
            SegmentKind::Reset => SegmentWord::Reset,
            SegmentKind::Room => return, // an acknowledgement: nothing that anybody has said
        };
        let Some(head) = packet
            .segment
            .as_deref()
            .filter(|_| self.recorder.wants_all())
        else {
            return;
        };
        let event = SegmentEvent {
            to: packet.to,
            connection: head.connection,
            word,
            label: packet.label,
            bytes: packet.body.clone(),
            fate,
        };
        self.record(packet.from, Event::Segment(Box::new(event)));
    }

    /// Whether the host of a segment is up, before the hosts run; if not, its sender will send it again.
    /// Either way it is no longer under way.
    pub(super) fn admit_segment(&mut self, packet: &Packet) -> bool {
        *self.in_flight(packet.label) -= 1;
        let Some(head) = packet.segment.as_deref() else {
            return false;
        };
        let is_down = self.hosts[packet.to.index()].is_down(self.now);
        if is_down {
            if head.kind != SegmentKind::Room {
                let event = Event::Lost {
                    from: packet.from,
                    connection: Some(head.connection),
                    label: packet.label,
                    down: true,
                };
                self.record(packet.to, event);
            }
            self.plan_to_send_again(packet, *head);
        }
        !is_down
    }

    /// The sender of a segment that has reached a host that was down sends it again, if it then still has its
    /// end of the connection. Who has answered has none, and what was answered is sent again.
    fn plan_to_send_again(&mut self, packet: &Packet, head: SegmentHead) {
        match next_attempt(head.since, self.now + MILLISECOND) {
            Some((attempt, at)) => {
                let again = Deed::SendAgain(packet.clone(), attempt);
                self.plan_deed(packet.from, at, again);
            }
            None => {
                let at = self.now + MILLISECOND;
                self.plan_deed(packet.from, at, Deed::GiveUp(head.sender()));
            }
        }
    }

    /// Sends a segment again, if its connection is still there. Segments that are sent again need not keep their
    /// order: a host that was down knows the connection of none of them, and of one that opens it none follow.
    pub(super) fn send_again(
        &mut self,
        mut packet: Packet,
        attempt: u8,
        carry: &mut dyn FnMut(Packet),
    ) {
        let Some(head) = packet.segment.as_deref().copied() else {
            return;
        };
        let (host, id) = (packet.from, head.sender());
        let ends = &self.connections.of(host).ends;
        if ends.get(&id).is_none_or(|end| end.broken.is_some()) {
            return;
        }
        let fate = self.decide_segment(&mut packet, attempt);
        if fate.lost.is_some() {
            return self.lose_end(host, id, Broken::TimedOut, None);
        }
        self.carry_segment(packet, carry);
    }

    /// A host takes in a segment that was admitted, also while it pauses.
    pub(super) fn take_segment_in(&mut self, packet: Packet, carry: &mut dyn FnMut(Packet)) {
        let Some(head) = packet.segment.as_deref().copied() else {
            return;
        };
        let (host, id) = (packet.to, head.receiver());
        if head.kind == SegmentKind::Open {
            return self.take_open_in(&packet, id, carry);
        }
        let ends = &mut self.connections.of(host).ends;
        let Some(end) = ends.get_mut(&id).filter(|end| end.broken.is_none()) else {
            // Room is for an end that has read to the end; resets must not answer each other.
            if matches!(
                head.kind,
                SegmentKind::Opened | SegmentKind::Data | SegmentKind::End
            ) {
                self.answer(&packet, SegmentKind::Reset, carry);
            }
            return;
        };
        if !head.is_answer {
            assert_eq!(packet.nth, end.received, "segments arrive in their order");
            end.received += 1;
        }
        match head.kind {
            SegmentKind::Refused => self.lose_end(host, id, Broken::Refused, None),
            SegmentKind::Reset => self.lose_end(host, id, Broken::Reset, None),
            SegmentKind::Data if end.is_closed => self.abort(host, id, carry),
            SegmentKind::Data => {
                let pieces = pieces(&packet.body, head.cut, packet.label);
                end.arrived.extend(pieces.into_iter().flatten());
                self.wake_reader(host, id);
            }
            SegmentKind::End => {
                end.peer_has_finished = true;
                if end.is_closed {
                    ends.remove(&id);
                } else {
                    self.wake_reader(host, id);
                }
            }
            SegmentKind::Opened => {
                end.is_open = true;
                self.wake_writer(host, id);
            }
            SegmentKind::Room => {
                let bytes: [u8; 4] = packet.body[..].try_into().expect("a number of 32 bits");
                end.room += u32::from_le_bytes(bytes) as usize;
                self.wake_writer(host, id);
            }
            SegmentKind::Open => unreachable!("taken in above"),
        }
    }

    /// A host is asked for a connection.
    fn take_open_in(&mut self, packet: &Packet, id: EndId, carry: &mut dyn FnMut(Packet)) {
        let host = packet.to;
        let connections = self.connections.of(host);
        let mut at_port = connections.listening.iter_mut();
        let listening = at_port.find(|listening| listening.port == packet.to_port);
        let Some(listening) = listening.filter(|port| port.waiting.len() < BACKLOG_MAX) else {
            return self.answer(packet, SegmentKind::Refused, carry);
        };
        let end = End {
            is_open: true,
            received: 1,
            ..End::new(packet.from, packet.from_port, packet.to_port)
        };
        listening.waiting.push_back(id);
        let waker = listening.waker.take();
        connections.ends.insert(id, end);
        if let Some(waker) = waker {
            self.wake(host, waker);
        }
        self.send_segment(host, id, SegmentKind::Opened, nothing(), carry);
    }

    fn wake_reader(&mut self, host: HostId, id: EndId) {
        let end = self.connections.of(host).ends.get_mut(&id);
        if let Some(waker) = end.and_then(|end| end.reader.take()) {
            self.wake(host, waker);
        }
    }

    fn wake_writer(&mut self, host: HostId, id: EndId) {
        let end = self.connections.of(host).ends.get_mut(&id);
        if let Some(waker) = end.and_then(|end| end.writer.take()) {
            self.wake(host, waker);
        }
    }
}
