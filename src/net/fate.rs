//! The fate of each datagram: lost, doubled, delayed.
//!
//! The fate of a datagram is a pure function of the seed, its two hosts and its label: one datagram
//! more on a link does not reshuffle the others, and two variants of a scenario under one seed meet
//! the same storm. Draws do not depend on the probabilities either: a datagram that is lost at 10 %
//! loss is also lost at 20 %.
//!
//! Pure and synchronous: the hosts, the label and the time come in, a [`Fate`] goes out.

use std::time::Duration;

use crate::clock::{Time, ms};
use crate::id::HostId;
use crate::net::conditions::{Conditions, Fault, Selector, Target};
use crate::net::flow::Flow;
use crate::net::segment_fate::SegmentCounts;
use crate::net::{Kind, Label};
use crate::seed::Seed;

/// The most copies of one datagram: the first, the network's, and those of scripted duplications.
const COPIES_MAX: usize = 4;

/// Why a datagram was lost, doubled or delayed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// By the random conditions of its link.
    Chance,
    /// By the scripted fault of this number.
    Fault(u16),
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Fate {
    delays_ms: [u32; COPIES_MAX],
    copies: u8,
    /// Why no copy arrives, if none does.
    pub lost: Option<Cause>,
    /// Why more than one copy was sent on its way; `None` if none arrives.
    pub duplicated: Option<Cause>,
    /// Why the first copy is late, if a fault made it so.
    pub delayed: Option<Cause>,
}

impl Fate {
    /// It arrives once, after this delay: the fate of every datagram on a perfect network.
    #[must_use]
    pub fn once(delay_ms: u32) -> Self {
        let mut fate = Self::default();
        fate.push(delay_ms);
        fate
    }

    /// It does not arrive, for this reason.
    #[must_use]
    pub fn lost(cause: Cause) -> Self {
        Self {
            lost: Some(cause),
            ..Self::default()
        }
    }

    /// The delay of each copy that arrives, in ms.
    #[must_use]
    pub fn delays_ms(&self) -> &[u32] {
        &self.delays_ms[..usize::from(self.copies)]
    }

    /// Adds a copy, and says whether it fitted: there are [`COPIES_MAX`] at most.
    pub(super) fn push(&mut self, delay_ms: u32) -> bool {
        let fits = usize::from(self.copies) < COPIES_MAX;
        if fits {
            self.delays_ms[usize::from(self.copies)] = delay_ms;
            self.copies += 1;
        }
        fits
    }

    fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        let old = *self;
        self.copies = 0;
        for &delay_ms in old.delays_ms() {
            if keep(delay_ms) {
                self.push(delay_ms);
            }
        }
    }
}

/// Decides fates, and counts the sends of each label to do so.
#[derive(Debug)]
pub struct Fates {
    pub(super) seed: Seed,
    pub(super) names: Vec<String>,
    pub(super) conditions: Conditions,
    /// By sender, then by receiver; made when first needed.
    flows: Vec<Vec<Option<Box<Flow>>>>,
    pub(super) segments: SegmentCounts,
    /// How often each fault has struck.
    pub(super) struck: Vec<u32>,
}

impl Fates {
    /// Fates of the hosts of these names under these conditions.
    #[must_use]
    pub fn new(seed: Seed, names: Vec<String>, conditions: Conditions) -> Self {
        Self {
            seed,
            flows: names.iter().map(|_| Vec::new()).collect(),
            names,
            segments: SegmentCounts::default(),
            struck: vec![0; conditions.faults.len()],
            conditions,
        }
    }

    /// The fate of the next datagram of this label from one host to another, sent at `now`, with its
    /// number among the sends of that label from 1.
    ///
    /// # Panics
    ///
    /// If a host is not among those named at the start.
    pub fn decide(
        &mut self,
        now: Time,
        from: HostId,
        to: HostId,
        label: Option<Label>,
    ) -> (Fate, u32) {
        let row = &mut self.flows[from.index()];
        if row.len() <= to.index() {
            row.resize_with(to.index() + 1, || None);
        }
        let flow = row[to.index()].get_or_insert_with(|| {
            let route = format!("{}>{}", self.names[from.index()], self.names[to.index()]);
            let link = self.conditions.links.get(&(from, to));
            Box::new(Flow::new(
                route,
                *link.unwrap_or(&self.conditions.everywhere),
            ))
        });
        let nth = flow.count(label);
        let mut fate = flow.chance(self.seed, &self.names, label, nth);
        if !self.conditions.faults.is_empty() {
            self.apply_faults(&mut fate, now, from, to, label, nth);
        }
        (fate, nth)
    }

    /// The scripted faults, in their order: the first is fault 1.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.conditions.faults
    }

    /// Each scripted fault, with how often it has struck.
    pub fn struck(&self) -> impl Iterator<Item = (&Fault, u32)> + '_ {
        self.faults().iter().zip(self.struck.iter().copied())
    }

    /// The fault of this number has struck.
    pub(super) fn strike(&mut self, fault: u16) {
        self.struck[usize::from(fault) - 1] += 1;
    }

    /// One host more, at the end.
    pub fn add_host(&mut self, name: String) {
        self.names.push(name);
        self.flows.push(Vec::new());
    }

    /// The numbers of the faults that have struck nothing.
    pub fn idle_faults(&self) -> impl Iterator<Item = u16> + '_ {
        (1..)
            .zip(&self.struck)
            .filter(|(_, struck)| **struck == 0)
            .map(|(number, _)| number)
    }

    fn apply_faults(
        &mut self,
        fate: &mut Fate,
        now: Time,
        from: HostId,
        to: HostId,
        label: Option<Label>,
        nth: u32,
    ) {
        let nth_to_client = match label {
            Some(label) if label.kind == Kind::Update => self.flows[from.index()][to.index()]
                .as_ref()
                .map_or(0, |flow| flow.updates),
            _ => nth,
        };
        let strikes = |target: &Target| {
            let counted = match target.label {
                Selector::UpdateToClient(_) => nth_to_client,
                _ => nth,
            };
            counted == target.nth && label.is_some_and(|label| target.label.matches(label, to))
        };
        // Partitions last: the others say when a datagram is due.
        let is_cut = |(_, fault): &(u16, &Fault)| matches!(fault, Fault::Partition(_));
        let faults = || (1_u16..).zip(&self.conditions.faults);
        let others = faults().filter(|fault| !is_cut(fault));
        for (number, fault) in others.chain(faults().filter(is_cut)) {
            let cause = Some(Cause::Fault(number));
            let arrives = fate.copies > 0;
            let strikes = match fault {
                Fault::Drop(target) if strikes(target) => {
                    fate.copies = 0;
                    true
                }
                Fault::Duplicate(target, after) if strikes(target) && arrives => {
                    let fits = fate.push(fate.delays_ms[0].saturating_add(ms_u32(*after)));
                    if fits {
                        fate.duplicated = cause;
                    }
                    fits
                }
                Fault::Delay(target, by) if strikes(target) && arrives => {
                    fate.delays_ms[0] = ms_u32(*by).max(1);
                    fate.delayed = cause;
                    true
                }
                Fault::Partition(cut) => {
                    let before = fate.copies;
                    fate.retain(|delay_ms| {
                        let due = now + Duration::from_millis(delay_ms.into());
                        !cut.cuts(from, to, now) && !cut.cuts(from, to, due)
                    });
                    fate.copies < before
                }
                _ => false,
            };
            if strikes {
                self.struck[usize::from(number) - 1] += 1;
                if fate.copies == 0 && fate.lost.is_none() {
                    *fate = Fate {
                        lost: cause,
                        ..Fate::default()
                    };
                }
            }
        }
    }
}

fn ms_u32(span: Duration) -> u32 {
    u32::try_from(ms(span)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::OperationId;
    use crate::net::conditions::{Delay, Link, Partition, Probability, Streams};

    const SERVER: HostId = HostId(0);
    const ALICE: HostId = HostId(1);

    fn fates(seed: u64, conditions: Conditions) -> Fates {
        Fates::new(
            Seed(seed),
            vec!["server".into(), "alice".into()],
            conditions,
        )
    }

    fn stormy(loss: f64) -> Conditions {
        Conditions {
            everywhere: Link {
                loss: Probability::new(loss).unwrap(),
                duplication: Probability::new(0.2).unwrap(),
                delay: Delay::Uniform { min: 1, max: 50 },
            },
            ..Conditions::default()
        }
    }

    fn request(number: u32) -> Option<Label> {
        Some(Label::new(
            Kind::Request,
            OperationId {
                client: ALICE,
                number,
            },
        ))
    }

    fn fate(fates: &mut Fates, number: u32) -> Fate {
        fates.decide(Time::ZERO, ALICE, SERVER, request(number)).0
    }

    #[test]
    fn a_fate_depends_on_the_label_and_not_on_what_else_was_sent() {
        let mut all = fates(5, stormy(0.2));
        let one_by_one: Vec<Fate> = (1..=50).map(|number| fate(&mut all, number)).collect();
        let mut backwards = fates(5, stormy(0.2));
        for number in (1..=50).rev() {
            backwards.decide(Time::ZERO, SERVER, ALICE, None);
            assert_eq!(
                fate(&mut backwards, number),
                one_by_one[number as usize - 1],
                "{number}"
            );
        }
    }

    #[test]
    fn each_send_of_a_label_has_its_own_fate() {
        let mut all = fates(5, stormy(0.5));
        let (first, nth) = all.decide(Time::ZERO, ALICE, SERVER, request(1));
        assert_eq!(nth, 1);
        let again: Vec<(Fate, u32)> = (0..20)
            .map(|_| all.decide(Time::ZERO, ALICE, SERVER, request(1)))
            .collect();
        assert_eq!(again[19].1, 21);
        assert!(
            again
                .iter()
                .any(|(fate, _)| fate.delays_ms() != first.delays_ms())
        );
    }

    #[test]
    fn more_loss_loses_the_same_datagrams_and_others() {
        let (mut light, mut heavy) = (fates(9, stormy(0.1)), fates(9, stormy(0.3)));
        let mut lost = (0, 0);
        for number in 1..=2_000 {
            let (few, many) = (fate(&mut light, number), fate(&mut heavy, number));
            assert!(few.lost.is_none() || many.lost.is_some(), "{number}");
            lost.0 += u32::from(few.lost.is_some());
            lost.1 += u32::from(many.lost.is_some());
        }
        assert!(
            (150..250).contains(&lost.0) && (520..680).contains(&lost.1),
            "{lost:?}"
        );
    }

    #[test]
    fn scripted_faults_strike_the_nth_send_of_their_label_only() {
        let alice_1 = OperationId {
            client: ALICE,
            number: 1,
        };
        let target = |nth| Target {
            label: Selector::RequestFrom(alice_1),
            nth,
        };
        let faults = vec![
            Fault::Drop(target(1)),
            Fault::Duplicate(target(2), Duration::from_millis(30)),
            Fault::Delay(target(3), Duration::from_secs(4)),
        ];
        let mut all = fates(
            1,
            Conditions {
                faults,
                ..Conditions::default()
            },
        );
        assert_eq!(fate(&mut all, 2).lost, None);
        assert_eq!(fate(&mut all, 1).lost, Some(Cause::Fault(1)));
        let twice = fate(&mut all, 1);
        assert_eq!(twice.duplicated, Some(Cause::Fault(2)));
        assert_eq!(twice.delays_ms()[1], twice.delays_ms()[0] + 30);
        assert_eq!(all.idle_faults().collect::<Vec<_>>(), [3]);
        assert_eq!(fate(&mut all, 1).delays_ms(), [4_000]);
        assert_eq!(all.idle_faults().count(), 0);
    }

    #[test]
    fn updates_are_counted_per_registration_and_per_client() {
        let update = |number| {
            Some(Label::new(
                Kind::Update,
                OperationId {
                    client: ALICE,
                    number,
                },
            ))
        };
        let target = Target {
            label: Selector::UpdateToClient(ALICE),
            nth: 2,
        };
        let faults = vec![Fault::Drop(target)];
        let mut all = fates(
            1,
            Conditions {
                faults,
                ..Conditions::default()
            },
        );
        let mut lost = |number| {
            all.decide(Time::ZERO, SERVER, ALICE, update(number))
                .0
                .lost
                .is_some()
        };
        assert_eq!(
            [lost(1), lost(2), lost(1), lost(2)],
            [false, true, false, false]
        );
    }

    #[test]
    fn a_partition_loses_what_is_sent_or_due_in_its_window() {
        let cut = Partition {
            between: (ALICE, SERVER),
            from: Time::from_ms(100),
            until: Time::from_ms(200),
            one_way: true,
            streams: Streams::Wait,
        };
        let conditions = Conditions {
            everywhere: Link {
                delay: Delay::Fixed(10),
                ..Link::default()
            },
            faults: vec![Fault::Partition(cut)],
            ..Conditions::default()
        };
        let mut all = fates(1, conditions);
        let mut lost = |at, from, to| {
            all.decide(Time::from_ms(at), from, to, None)
                .0
                .lost
                .is_some()
        };
        assert!(!lost(89, ALICE, SERVER));
        assert!(lost(90, ALICE, SERVER) && lost(199, ALICE, SERVER));
        assert!(!lost(200, ALICE, SERVER));
        assert!(!lost(150, SERVER, ALICE));
    }

    #[test]
    fn a_partition_also_loses_what_a_later_fault_delays_into_its_window() {
        let cut = Partition {
            between: (ALICE, SERVER),
            from: Time::from_ms(100),
            until: Time::from_ms(200),
            one_way: false,
            streams: Streams::Wait,
        };
        let target = Target {
            label: Selector::RequestFrom(request(1).unwrap().operation),
            nth: 1,
        };
        let delay = Fault::Delay(target, Duration::from_millis(150));
        let conditions = Conditions {
            faults: vec![Fault::Partition(cut), delay],
            ..Conditions::default()
        };
        let fate = fate(&mut fates(1, conditions), 1);
        assert_eq!(fate.lost, Some(Cause::Fault(1)));
    }

    /// The fate of alice's first request under these faults, and the numbers of the idle ones.
    fn fate_under(faults: Vec<Fault>) -> (Fate, Vec<u16>) {
        let conditions = Conditions {
            faults,
            ..Conditions::default()
        };
        let mut all = fates(1, conditions);
        let fate = fate(&mut all, 1);
        (fate, all.idle_faults().collect())
    }

    fn first_request() -> Target {
        Target {
            label: Selector::RequestFrom(request(1).unwrap().operation),
            nth: 1,
        }
    }

    #[test]
    fn a_copy_too_many_does_not_count_as_struck() {
        let duplicate = Fault::Duplicate(first_request(), Duration::from_millis(5));
        let (fate, idle) = fate_under(vec![duplicate; COPIES_MAX]);
        assert_eq!(fate.delays_ms().len(), COPIES_MAX);
        assert_eq!(fate.duplicated, Some(Cause::Fault(3)));
        assert_eq!(idle, [4]);
    }

    #[test]
    fn what_is_lost_is_neither_doubled_nor_late() {
        let faults = vec![
            Fault::Duplicate(first_request(), Duration::from_millis(5)),
            Fault::Delay(first_request(), Duration::from_millis(9)),
            Fault::Drop(first_request()),
        ];
        let (fate, idle) = fate_under(faults);
        assert_eq!(fate, Fate::lost(Cause::Fault(3)));
        assert_eq!(idle, [0; 0]);
    }
}
