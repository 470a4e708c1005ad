//! Coverage: how often each kind of fault has struck in a run, and each rare case has occurred.
//!
//! It is counted whatever the recorder keeps, so that many seeds can be compared by it.

use serde::{Serialize, Serializer};

use crate::net::Broken;
use crate::net::conditions::Fault;
use crate::trace::{Decision, Event, Filtered, Ignored, Part, Word};

/// How often each kind of fault has struck, and each rare case has occurred.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Coverage {
    kinds: [u64; KINDS.len()],
    filtered: [u64; Filtered::ALL.len()],
    ignored: [u64; Ignored::ALL.len()],
}

/// What is counted, apart from what servers filter and hosts ignore.
#[derive(Clone, Copy)]
enum Kind {
    Lost,
    Duplicated,
    Drop,
    Duplicate,
    Delay,
    Partition,
    HostDown,
    NobodyListens,
    Crash,
    CrashInDisk,
    Restart,
    Pause,
    Skew,
    SectorsLost,
    SectorsTorn,
    Stalled,
    LateSegment,
    Refused,
    Reset,
    TimedOut,
    ScriptedReset,
    Granted,
    Renewed,
    Withdrawn,
    Abandoned,
    Expired,
    Recovered,
    Held,
    Committed,
    Aborted,
}

/// The names of the kinds, in their order.
const KINDS: [&str; 30] = [
    "datagram lost",
    "datagram duplicated",
    "scripted drop",
    "scripted duplicate",
    "scripted delay",
    "partition",
    "host down",
    "nobody listens",
    "crash",
    "crash inside a disk operation",
    "restart",
    "pause",
    "skew",
    "sectors lost",
    "sectors torn",
    "write stalled",
    "segment late",
    "connection refused",
    "connection reset",
    "connection timed out",
    "scripted reset",
    "lock granted",
    "lease renewed",
    "grant withdrawn",
    "wait abandoned",
    "ended by its time",
    "found after a crash",
    "part held",
    "transaction committed",
    "transaction aborted",
];

impl Coverage {
    /// Every name with its count, always the same names in the same order:
    ///
    /// - `datagram lost`, `datagram duplicated`: for whatever reason, each datagram once;
    /// - `scripted drop`, `scripted duplicate`, `scripted delay`, `partition`: datagrams that a fault
    ///   has struck;
    /// - `host down`, `nobody listens`: arrivals that were lost;
    /// - `crash`, `restart`, `pause`, `skew`: how often; crashes inside a disk operation are among the
    ///   crashes;
    /// - `sectors lost`, `sectors torn`: crashes that lost all that was not synced, or some of it;
    /// - `write stalled`: how often a write waited at a replica for others that it depends on;
    /// - `segment late`: segments of connections whose first attempt did not arrive, or that a fault delayed;
    /// - `connection refused`, `connection reset`, `connection timed out`: ends of connections that learned of
    ///   it;
    /// - `scripted reset`: ends of connections that a fault has reset;
    /// - `lock granted`, `lease renewed`, `grant withdrawn`: what a lock server decided; withdrawn are grants
    ///   that ended without a release;
    /// - `wait abandoned`: requests that waited until nobody waited for them any more;
    /// - `ended by its time`: registrations to monitor, and turns of waiters that were silent for too long;
    /// - `found after a crash`: executions and completions that a crash had cut off, and that the disk showed, and parts
    ///   in transactions that it showed;
    /// - `part held`: participants of transactions that voted yes;
    /// - `transaction committed`, `transaction aborted`: what their coordinators decided;
    /// - `filter: ` and `ignore: ` with the reason, in the words of a trace.
    #[must_use]
    pub fn counts(&self) -> Vec<(String, u64)> {
        let kinds = KINDS.iter().map(|name| (*name).to_owned());
        let filtered = Filtered::ALL.iter();
        let filtered = filtered.map(|reason| format!("filter: {}", reason.text()));
        let ignored = Ignored::ALL.iter();
        let ignored = ignored.map(|reason| format!("ignore: {}", reason.text()));
        let counts = self.kinds.iter().chain(&self.filtered).chain(&self.ignored);
        kinds
            .chain(filtered)
            .chain(ignored)
            .zip(counts.copied())
            .collect()
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        let own = self.kinds.iter_mut().chain(&mut self.filtered);
        let own = own.chain(&mut self.ignored);
        let others = other.kinds.iter().chain(&other.filtered);
        for (own, other) in own.zip(others.chain(&other.ignored)) {
            *own += other;
        }
    }

    /// Counts an event that is recorded.
    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::Filter { instead, .. } => self.filtered[*instead as usize] += 1,
            Event::Ignore { reason, .. } => self.ignored[*reason as usize] += 1,
            Event::Lost { down: true, .. } => self.add(Kind::HostDown, 1),
            Event::Lost { .. } => self.add(Kind::NobodyListens, 1),
            Event::Crash {
                in_disk_operation,
                disk,
                ..
            } => {
                self.add(Kind::Crash, 1);
                self.add(Kind::CrashInDisk, (*in_disk_operation).into());
                if disk.lost > 0 {
                    let is_torn = disk.lost < disk.unsynced;
                    self.add(Kind::SectorsTorn, is_torn.into());
                    self.add(Kind::SectorsLost, (!is_torn).into());
                }
            }
            Event::Restart { .. } => self.add(Kind::Restart, 1),
            Event::Pause { .. } => self.add(Kind::Pause, 1),
            Event::Skew { .. } => self.add(Kind::Skew, 1),
            Event::Service {
                word: Word::Stall, ..
            } => self.add(Kind::Stalled, 1),
            Event::Broken { why, .. } => self.add(
                match why {
                    Broken::Refused => Kind::Refused,
                    Broken::Reset => Kind::Reset,
                    Broken::TimedOut => Kind::TimedOut,
                },
                1,
            ),
            Event::Service {
                word: Word::Expire, ..
            } => self.add(Kind::Expired, 1),
            Event::Lock(step) => self.add(
                match step.decision {
                    Decision::Grant(_) => Kind::Granted,
                    Decision::Renew(_) => Kind::Renewed,
                    Decision::Withdraw => Kind::Withdrawn,
                },
                1,
            ),
            Event::Transaction(step) if step.found => self.add(Kind::Recovered, 1),
            Event::Transaction(step) => match step.part {
                Part::Decide { commit: true, .. } => self.add(Kind::Committed, 1),
                Part::Decide { .. } => self.add(Kind::Aborted, 1),
                Part::Hold => self.add(Kind::Held, 1),
                Part::Take | Part::Release => {}
            },
            Event::Abandon { .. } => self.add(Kind::Abandoned, 1),
            Event::Execute { recovered, .. } | Event::Complete { recovered, .. } => {
                self.add(Kind::Recovered, (*recovered).into());
            }
            _ => {}
        }
    }

    /// Counts datagrams that were lost and duplicated.
    pub(crate) fn add_traffic(&mut self, lost: u64, duplicated: u64) {
        self.add(Kind::Lost, lost);
        self.add(Kind::Duplicated, duplicated);
    }

    /// Counts segments that came late.
    pub(crate) fn add_late_segments(&mut self, late: u64) {
        self.add(Kind::LateSegment, late);
    }

    /// Counts how often a scripted fault has struck, if no event has said so.
    pub(crate) fn add_fault(&mut self, fault: &Fault, struck: u32) {
        let kind = match fault {
            Fault::Drop(_) => Kind::Drop,
            Fault::Duplicate(..) => Kind::Duplicate,
            Fault::Delay(..) => Kind::Delay,
            Fault::Partition(_) => Kind::Partition,
            Fault::Reset(_) => Kind::ScriptedReset,
            Fault::Crash(_) | Fault::Pause(_) | Fault::Skew(_) => return,
        };
        self.add(kind, struck.into());
    }

    const fn add(&mut self, kind: Kind, count: u64) {
        self.kinds[kind as usize] += count;
    }
}

impl Serialize for Coverage {
    /// Every name with its count.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::sample::{alice, every_event};

    #[test]
    fn each_count_has_a_name_of_its_own() {
        let mut coverage = Coverage::default();
        for event in every_event() {
            coverage.count(&event);
        }
        coverage.count(&Event::Complete {
            operation: alice(1),
            reply: b"granted"[..].into(),
            recovered: true,
        });
        coverage.add_traffic(3, 2);
        let counts = coverage.counts();
        let mut names: Vec<&str> = counts.iter().map(|(name, _)| name.as_str()).collect();
        let total = 30 + Filtered::ALL.len() + Ignored::ALL.len();
        assert_eq!(names.len(), total);
        let found: Vec<String> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        assert_eq!(
            found,
            [
                "datagram lost 3",
                "datagram duplicated 2",
                "host down 2",
                "nobody listens 1",
                "crash 3",
                "crash inside a disk operation 1",
                "restart 1",
                "pause 2",
                "skew 1",
                "sectors lost 1",
                "sectors torn 1",
                "write stalled 1",
                "connection refused 1",
                "connection reset 1",
                "connection timed out 1",
                "lock granted 1",
                "lease renewed 1",
                "grant withdrawn 1",
                "wait abandoned 1",
                "ended by its time 2",
                "found after a crash 2",
                "part held 1",
                "transaction committed 1",
                "filter: duplicate: stored reply sent 1",
                "ignore: not waiting for it 1",
                "ignore: malformed 1",
            ]
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), total);
    }

    #[test]
    fn every_reason_has_its_place() {
        for (place, reason) in Filtered::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
        }
        for (place, reason) in Ignored::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
        }
    }
}
