//! The fate of each segment of a connection: never lost, but late.
//!
//! A segment is sent in attempts, as TCP does it: if the first is lost, by chance or in a partition, there is
//! another after 200 ms, then after 400 more, up to 3,200 ms from one to the next. The first that comes
//! through brings it. So it waits for the end of a partition, and loss makes connections slow.
//!
//! As with datagrams, a fate is a pure function: of the seed, the two hosts, the connection, and the segment's
//! number in its direction. Draws do not depend on the probabilities.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::{Time, ms};
use crate::id::{HostId, OperationId};
use crate::net::conditions::{Fault, Link, Selector, Target};
use crate::net::fate::{Cause, Fates};
use crate::net::segment::SegmentHead;
use crate::net::{Kind, Label};

/// How long after the first attempt the second comes: what Linux waits at least.
const RETRANSMIT_MS: u64 = 200;

/// The longest from one attempt to the next: stories are short, and Linux's 120 s would outlast them.
const RETRANSMIT_MS_MAX: u64 = 3_200;

/// Attempts after which a connection is given up: a minute and a half after the first.
const ATTEMPTS_MAX: u8 = 32;

/// Words of a stream that belong to one segment: where it is cut, then loss and delay of each attempt.
const WORDS: u64 = 1 + 2 * ATTEMPTS_MAX as u64;

/// A segment that is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    pub(super) head: SegmentHead,
    pub(super) from: HostId,
    pub(super) to: HostId,
    pub(super) number: u32,
    pub(super) label: Option<Label>,
    /// When the first attempt was made, in time of the trace.
    pub(super) since: Time,
}

/// How often segments of a label were sent from one host to another: of an operation, and of all.
pub(super) type SegmentCounts = BTreeMap<(HostId, HostId, Kind, Option<OperationId>), u32>;

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct SegmentFate {
    /// The attempt that brings it, from 0, and when it arrives; `None` if the connection is given up.
    pub(super) arrives: Option<(u8, Time)>,
    /// Why it was not the first attempt, or not in its usual time.
    pub(super) late: Option<Cause>,
    /// A draw that says where it is cut.
    pub(super) cut: u32,
}

/// When an attempt is made, counted from the first.
fn attempt_after(attempt: u8) -> Duration {
    let span = |nth: u8| (RETRANSMIT_MS << nth.min(20)).min(RETRANSMIT_MS_MAX);
    Duration::from_millis((0..attempt).map(span).sum())
}

/// When a connection is given up, counted from the first attempt at a segment.
pub(super) fn given_up_after() -> Duration {
    attempt_after(ATTEMPTS_MAX)
}

/// The first attempt that is made at this time or later.
pub(super) fn next_attempt(since: Time, at: Time) -> Option<(u8, Time)> {
    let attempts = (0..ATTEMPTS_MAX).map(|attempt| (attempt, since + attempt_after(attempt)));
    attempts.into_iter().find(|&(_, sent)| sent >= at)
}

impl Fates {
    /// The fate of a segment, whose attempts before this one have come to nothing.
    pub(super) fn decide_segment(&mut self, sending: &Sending, first: u8) -> SegmentFate {
        let mut chance = self.seed.stream(&self.segment_stream(sending));
        chance.seek(u64::from(sending.number) * WORDS);
        let mut fate = SegmentFate {
            cut: chance.next_u32(),
            ..SegmentFate::default()
        };
        let (from, to) = (sending.from, sending.to);
        let everywhere = &self.conditions.everywhere;
        let link: Link = *self.conditions.links.get(&(from, to)).unwrap_or(everywhere);
        let label = sending.label.filter(|_| first == 0);
        let nth = label.map(|label| self.count_segment(from, to, label));
        for attempt in 0..ATTEMPTS_MAX {
            let (loss, delay) = (chance.next_u32(), chance.next_u32());
            if attempt < first {
                continue;
            }
            let sent = sending.since + attempt_after(attempt);
            let mut due = sent + Duration::from_millis(link.delay.draw(delay).into());
            let mut lost = link.loss.hits(loss).then_some(Cause::Chance);
            if let (0, Some(nth)) = (attempt, nth) {
                self.strike_segment(sending, nth, &mut fate, &mut lost, &mut due);
            }
            lost = lost.or_else(|| self.cut_segment(from, to, sent, due));
            if lost.is_none() {
                fate.arrives = Some((attempt, due));
                return fate;
            }
            fate.late = fate.late.or(lost);
        }
        fate
    }

    /// Counts a segment among those of its label, and among all of its kind.
    fn count_segment(&mut self, from: HostId, to: HostId, label: Label) -> [u32; 2] {
        [Some(label.operation), None].map(|operation| {
            let sent = self.segments.entry((from, to, label.kind, operation));
            let count = sent.or_default();
            *count += 1;
            *count
        })
    }

    /// The scripted faults that name the segment's label: of one that is dropped the first attempt is lost,
    /// and twice is as good as once.
    fn strike_segment(
        &mut self,
        sending: &Sending,
        [nth, nth_to_client]: [u32; 2],
        fate: &mut SegmentFate,
        lost: &mut Option<Cause>,
        due: &mut Time,
    ) {
        for (fault, number) in self.conditions.faults.iter().zip(1_u16..) {
            let (Fault::Drop(target) | Fault::Delay(target, _)) = fault else {
                continue;
            };
            let Target { label: named, .. } = target;
            let counted = match named {
                Selector::UpdateToClient(_) => nth_to_client,
                _ => nth,
            };
            let is_meant = |label| named.matches(label, sending.to) && target.nth == counted;
            if lost.is_some() || !sending.label.is_some_and(is_meant) {
                continue;
            }
            self.struck[usize::from(number) - 1] += 1;
            let cause = Some(Cause::Fault(number));
            match fault {
                Fault::Delay(_, by) => {
                    *due = sending.since + (*by).max(Duration::from_millis(1));
                    fate.late = cause;
                }
                _ => *lost = cause,
            }
        }
    }

    /// The partition in which an attempt is lost, if there is one.
    fn cut_segment(&mut self, from: HostId, to: HostId, sent: Time, due: Time) -> Option<Cause> {
        let faults = self.conditions.faults.iter().zip(1_u16..);
        let cut = faults.into_iter().find_map(|(fault, number)| {
            let Fault::Partition(cut) = fault else {
                return None;
            };
            (cut.cuts(from, to, sent) || cut.cuts(from, to, due)).then_some(number)
        })?;
        self.struck[usize::from(cut) - 1] += 1;
        Some(Cause::Fault(cut))
    }

    fn segment_stream(&self, sending: &Sending) -> String {
        let name = |host: HostId| &self.names[host.index()];
        let SegmentHead {
            connection,
            to_opener,
            is_answer,
            ..
        } = sending.head;
        let (from, to) = (name(sending.from), name(sending.to));
        let opener = name(connection.opener);
        let number = connection.number;
        let back = if to_opener { " back" } else { "" };
        let answer = if is_answer { " answer" } else { "" };
        format!("fate {from}>{to} connection {number} of {opener}{back}{answer}")
    }
}

/// How long after `now` it arrives, for the trace.
pub(super) fn delay_ms(now: Time, due: Time) -> u32 {
    u32::try_from(ms(due - now)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ConnectionId;
    use crate::net::conditions::{Conditions, Delay, Partition, Probability, Streams};
    use crate::net::segment::SegmentKind;
    use crate::seed::Seed;

    const SERVER: HostId = HostId(0);
    const ALICE: HostId = HostId(1);

    fn fates(loss: f64, faults: Vec<Fault>) -> Fates {
        let conditions = Conditions {
            everywhere: Link {
                loss: Probability::new(loss).unwrap(),
                duplication: Probability::new(1.0).unwrap(),
                delay: Delay::Uniform { min: 1, max: 50 },
            },
            faults,
            ..Conditions::default()
        };
        Fates::new(Seed(3), vec!["server".into(), "alice".into()], conditions)
    }

    fn sending(connection: u32, number: u32) -> Sending {
        Sending {
            head: SegmentHead {
                connection: ConnectionId {
                    opener: ALICE,
                    number: connection,
                },
                kind: SegmentKind::Data,
                to_opener: false,
                is_answer: false,
                cut: 0,
                since: Time::ZERO,
            },
            from: ALICE,
            to: SERVER,
            number,
            label: None,
            since: Time::from_ms(1_000),
        }
    }

    fn all(fates: &mut Fates, numbers: impl Iterator<Item = u32>) -> Vec<SegmentFate> {
        numbers
            .map(|number| fates.decide_segment(&sending(1, number), 0))
            .collect()
    }

    #[test]
    fn a_fate_depends_on_its_place_and_not_on_what_else_was_sent() {
        let forwards = all(&mut fates(0.3, Vec::new()), 0..50);
        let mut backwards = fates(0.3, Vec::new());
        let mut again = all(&mut backwards, (0..50).rev());
        again.reverse();
        assert_eq!(again, forwards);
        let others: Vec<SegmentFate> = (0..50)
            .map(|number| backwards.decide_segment(&sending(2, number), 0))
            .collect();
        assert_ne!(others, forwards, "another connection has other fates");
        let back = Sending {
            head: SegmentHead {
                to_opener: true,
                ..sending(1, 0).head
            },
            ..sending(1, 0)
        };
        assert_ne!(backwards.decide_segment(&back, 0), forwards[0]);
    }

    #[test]
    fn more_loss_makes_the_same_segments_late_and_others() {
        let light = all(&mut fates(0.1, Vec::new()), 0..2_000);
        let heavy = all(&mut fates(0.3, Vec::new()), 0..2_000);
        let mut late = (0, 0);
        for (few, many) in light.iter().zip(&heavy) {
            assert!(few.late.is_none() || many.late.is_some());
            assert!(few.arrives <= many.arrives, "no attempt comes earlier");
            late.0 += u32::from(few.late.is_some());
            late.1 += u32::from(many.late.is_some());
        }
        assert!((150..250).contains(&late.0) && (520..680).contains(&late.1));
    }

    #[test]
    fn attempts_come_at_the_times_of_tcp_up_to_a_longest_wait() {
        let at: Vec<u128> = (0..8).map(|nth| attempt_after(nth).as_millis()).collect();
        assert_eq!(at, [0, 200, 600, 1_400, 3_000, 6_200, 9_400, 12_600]);
        let found = next_attempt(Time::from_ms(1_000), Time::from_ms(1_601));
        assert_eq!(found, Some((3, Time::from_ms(2_400))));
        assert_eq!(
            next_attempt(Time::ZERO, Time::ZERO + given_up_after()),
            None
        );
        for fate in all(&mut fates(0.5, Vec::new()), 0..200) {
            let (attempt, arrives) = fate.arrives.expect("not lost 32 times");
            let delay = ms(arrives - Time::from_ms(1_000)) - ms(attempt_after(attempt));
            assert!((1..=50).contains(&delay), "{fate:?}");
            assert_eq!(fate.late.is_some(), attempt > 0);
        }
    }

    #[test]
    fn updates_are_counted_per_registration_and_per_client() {
        let target = Target {
            label: Selector::UpdateToClient(SERVER),
            nth: 2,
        };
        let mut all = fates(0.0, vec![Fault::Drop(target)]);
        let late = [1, 2, 1].map(|number| {
            let operation = OperationId {
                client: SERVER,
                number,
            };
            let update = Sending {
                label: Some(Label::new(Kind::Update, operation)),
                ..sending(1, 0)
            };
            all.decide_segment(&update, 0).late
        });
        assert_eq!(late, [None, Some(Cause::Fault(1)), None]);
    }

    #[test]
    fn the_first_attempt_that_no_partition_cuts_brings_it() {
        let cut = Fault::Partition(Partition {
            between: (ALICE, SERVER),
            from: Time::from_ms(900),
            until: Time::from_ms(1_601),
            one_way: true,
            streams: Streams::Wait,
        });
        let mut cut_off = fates(0.0, vec![cut]);
        let fate = cut_off.decide_segment(&sending(1, 0), 0);
        assert_eq!(fate.late, Some(Cause::Fault(1)));
        assert_eq!(fate.arrives.map(|(attempt, _)| attempt), Some(3));
        assert_eq!(cut_off.struck, [3]);
        let back = Sending {
            from: SERVER,
            to: ALICE,
            ..sending(1, 0)
        };
        assert_eq!(cut_off.decide_segment(&back, 0).late, None);
    }

    #[test]
    fn what_every_attempt_loses_is_given_up_and_later_attempts_come_no_earlier() {
        let fate = fates(1.0, Vec::new()).decide_segment(&sending(1, 0), 0);
        assert_eq!((fate.arrives, fate.late), (None, Some(Cause::Chance)));
        let mut perfect = fates(0.0, Vec::new());
        let again = perfect.decide_segment(&sending(1, 0), 5).arrives;
        assert_eq!(again.map(|(attempt, _)| attempt), Some(5));
    }
}
