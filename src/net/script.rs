//! What happens by script: what is due when, and which events of the trace are waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Time;
use crate::id::{HostId, OperationId};
use crate::net::faults::Trigger;
use crate::trace::Event;

/// Something that happens to a host at a time.
#[derive(Debug)]
pub(super) enum Act {
    /// The trace says so, and that is all.
    Tell(HostId, Event),
    /// The moment of the crash of this number has come.
    Strike(u16),
    /// The fault of this number resets all connections between two hosts.
    Reset((HostId, HostId), u16),
    /// A host comes back.
    Restart { host: HostId, fault: u16 },
    /// A host stops running, if it is up.
    Pause {
        host: HostId,
        span: Duration,
        fault: Option<u16>,
    },
    /// It goes on, if this life has not ended.
    Resume {
        host: HostId,
        life: u32,
        fault: Option<u16>,
    },
}

/// The acts to come, in the order of time and then of planning, and the triggers.
#[derive(Debug, Default)]
pub(super) struct Script {
    acts: BTreeMap<(Time, u32), Act>,
    planned: u32,
    watches: Vec<Watch>,
}

/// A trigger that has not gone off, with the number of its fault.
#[derive(Debug)]
struct Watch {
    fault: u16,
    trigger: Trigger,
    seen: u32,
}

impl Script {
    pub(super) fn plan(&mut self, at: Time, act: Act) {
        self.planned += 1;
        self.acts.insert((at, self.planned), act);
    }

    /// When the next act is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.acts.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next act, if it is due.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Act> {
        let first = self.acts.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub(super) fn watch(&mut self, fault: u16, trigger: Trigger) {
        let seen = 0;
        self.watches.push(Watch {
            fault,
            trigger,
            seen,
        });
    }

    /// Whether any event is waited for.
    pub(super) const fn is_watching(&self) -> bool {
        !self.watches.is_empty()
    }

    /// Looks at an event, and gives the faults whose triggers it is.
    pub(super) fn notice(&mut self, word: &str, operation: OperationId) -> Vec<u16> {
        let mut struck = Vec::new();
        self.watches.retain_mut(|watch| {
            let Trigger {
                word: awaited,
                operation: of,
                nth,
            } = watch.trigger;
            if awaited == word && of == operation {
                watch.seen += 1;
            }
            let goes_off = watch.seen >= nth.max(1);
            if goes_off {
                struck.push(watch.fault);
            }
            !goes_off
        });
        struck
    }

    /// Nothing more happens.
    pub(super) fn clear(&mut self) {
        self.acts.clear();
        self.watches.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_come_in_the_order_of_time_and_then_of_planning() {
        let mut script = Script::default();
        for (at, fault) in [(5, 1), (3, 2), (5, 3)] {
            script.plan(Time::from_ms(at), Act::Strike(fault));
        }
        assert_eq!(script.next(), Some(Time::from_ms(3)));
        assert!(script.take_due(Time::from_ms(2)).is_none());
        let mut order = Vec::new();
        while let Some(Act::Strike(fault)) = script.take_due(Time::from_ms(5)) {
            order.push(fault);
        }
        assert_eq!(order, [2, 1, 3]);
        assert_eq!(script.next(), None);
    }

    #[test]
    fn a_trigger_goes_off_once_at_its_nth_event() {
        let operation = |number| OperationId {
            client: HostId(1),
            number,
        };
        let mut script = Script::default();
        let trigger = |nth| Trigger {
            word: "execute",
            operation: operation(2),
            nth,
        };
        script.watch(7, trigger(2));
        script.watch(8, trigger(1));
        assert_eq!(script.notice("execute", operation(1)), [0; 0]);
        assert_eq!(script.notice("receive", operation(2)), [0; 0]);
        assert_eq!(script.notice("execute", operation(2)), [8]);
        assert!(script.is_watching());
        assert_eq!(script.notice("execute", operation(2)), [7]);
        assert!(!script.is_watching());
    }
}
