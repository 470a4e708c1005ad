//! The four session guarantees, as far as a history shows them.
//!
//! **Definition.** `src` is the write that a read saw, and a write is *older* than another of its key if
//! it is in the other's causal past; the initial value is older than any write.
//!
//! ```text
//! read-your-writes      alice  w(x,1) w(x,2) r(x,1)         an older value than her own
//! monotonic-reads       alice  w(x,1) w(x,2)
//!                       bob    r(x,2) r(x,1)                an older value than he has seen
//! monotonic-writes      alice  w(x,1) w(y,1)
//!                       bob    r(y,1) r(x,initial)          the second write, but not the first
//! writes-follow-reads   alice  w(x,1)
//!                       bob    r(x,1) w(y,1)
//!                       carol  r(y,1) r(x,initial)          the write, but not what its writer had read
//! ```
//!
//! Terry, Demers, Petersen, Spreitzer, Theimer and Welch, "Session guarantees for weakly consistent
//! replicated data", PDIS 1994, which defines them by what servers hold. CC implies all four; all four
//! together do not imply CC.
//!
//! Each is judged read by read with clocks. Of writes by one session, only the last that counts is
//! looked at: what an earlier one is newer than, it is newer than too. Of several reads of one key by
//! one session no single one will do, since what they saw may be concurrent; so the pasts of all that
//! was seen are joined.

use crate::check::Verdict;
use crate::check::causal::history::{History, Source, last_before, small};
use crate::check::causal::order::{Clocks, Order};

/// The names, in order.
pub(super) const NAMES: [&str; 4] = [
    "read-your-writes",
    "monotonic-reads",
    "monotonic-writes",
    "writes-follow-reads",
];

/// What a guarantee says against a read, whose session knows so much of each session's operations.
type Check = fn(&Sessions<'_>, usize, &[u32]) -> Option<String>;

/// The guarantees, in the order of their names.
const CHECKS: [Check; 4] = [
    |sessions, read, _| sessions.read_your_writes(read),
    |sessions, read, _| sessions.monotonic_reads(read),
    |sessions, read, known| sessions.monotonic_writes(read, known),
    |sessions, read, known| sessions.writes_follow_reads(read, known),
];

/// Judges all four.
pub(super) fn judge(history: &History, order: &Order) -> [(&'static str, Verdict); 4] {
    let sessions = Sessions::new(history, order);
    let mut found = [const { None }; 4];
    for session in &history.sessions {
        // Of each session, how many operations come before the last of its writes that was read so far.
        let mut known = vec![0; history.sessions.len()];
        for op in session.clone().filter(|&op| history.is_read(op)) {
            for (found, check) in found.iter_mut().zip(CHECKS) {
                if found.is_none() {
                    *found = check(&sessions, op, &known);
                }
            }
            if let Source::Write(write) = history.sources[op] {
                let known = &mut known[history.session(write)];
                *known = small(history.index(write)).max(*known);
            }
        }
    }
    let verdict = |found| match found {
        None => Verdict::Valid,
        Some(evidence) => Verdict::Violated(evidence),
    };
    let mut verdicts = found.map(verdict).into_iter();
    NAMES.map(|name| (name, verdicts.next().unwrap_or(Verdict::Valid)))
}

/// A history, and what each session has seen of each key.
struct Sessions<'a> {
    history: &'a History,
    order: &'a Order,
    /// For each read: of each session, how many operations are in the past of a write that the read's
    /// session has seen of the read's key by then, the write itself not included.
    seen: Clocks,
    /// For each read, whether its session has seen a write of its key by then.
    has_seen: Vec<bool>,
}

impl<'a> Sessions<'a> {
    fn new(history: &'a History, order: &'a Order) -> Self {
        let mut sessions = Self {
            history,
            order,
            seen: Clocks::new(history.len(), history.sessions.len()),
            has_seen: vec![false; history.len()],
        };
        let keys = 0..history.reads.keys();
        for (_, reads) in keys.flat_map(|key| history.reads.of(key)) {
            let mut previous = None;
            for &read in reads {
                sessions.see(read, previous);
                previous = Some(read);
            }
        }
        sessions
    }

    /// Adds what a read saw to what was seen before it.
    fn see(&mut self, read: usize, previous: Option<usize>) {
        if let Some(previous) = previous {
            self.seen.join(read, previous);
            self.has_seen[read] = self.has_seen[previous];
        }
        if let Source::Write(write) = self.history.sources[read] {
            self.has_seen[read] = true;
            let own = self.history.session(write);
            let past = self.order.clocks.row(write);
            for (session, (seen, count)) in self.seen.row_mut(read).iter_mut().zip(past).enumerate()
            {
                *seen = (count - u32::from(session == own)).max(*seen);
            }
        }
    }

    fn read_your_writes(&self, read: usize) -> Option<String> {
        let history = self.history;
        let mut writes = history.writes.of(history.ops[read].key);
        let (_, own) = writes.find(|(session, _)| *session == history.session(read))?;
        let write = last_before(own, read)?;
        self.is_older(read, write).then(|| {
            let (read, write) = (history.name(read), history.name(write));
            format!("{read} saw an older value than {write}, which its session had written before")
        })
    }

    fn monotonic_reads(&self, read: usize) -> Option<String> {
        let history = self.history;
        let mut reads = history.reads.of(history.ops[read].key);
        let (_, own) = reads.find(|(session, _)| *session == history.session(read))?;
        let before = self.newer_read(read, own, read)?;
        let (read, before) = (history.name(read), history.name(before));
        Some(format!(
            "{read} saw an older value than {before} before it in its session"
        ))
    }

    fn monotonic_writes(&self, read: usize, known: &[u32]) -> Option<String> {
        let history = self.history;
        let mut writes = history.writes.of(history.ops[read].key);
        let write = writes.find_map(|(session, writes)| {
            let write = last_before(writes, history.end(session, known[session]))?;
            self.is_older(read, write).then_some(write)
        })?;
        let after = self.known_by(read, write);
        let (read, write) = (history.name(read), history.name(write));
        Some(format!(
            "{read} saw an older value than {write}, although its session had seen {after}, which was written later in one session"
        ))
    }

    fn writes_follow_reads(&self, read: usize, known: &[u32]) -> Option<String> {
        let history = self.history;
        let mut reads = history.reads.of(history.ops[read].key);
        let first = reads.find_map(|(session, reads)| {
            self.newer_read(read, reads, history.end(session, known[session]))
        })?;
        let after = self.known_by(read, first);
        let (read, first) = (history.name(read), history.name(first));
        Some(format!(
            "{read} saw an older value than {first}, although its session had seen {after}, which was written after that read"
        ))
    }

    /// Of these reads of one session before `end`, one that saw a newer value than `read`.
    fn newer_read(&self, read: usize, reads: &[usize], end: usize) -> Option<usize> {
        let history = self.history;
        let last = last_before(reads, end)?;
        let newer = match history.sources[read] {
            Source::Nobody => false,
            Source::Initial => self.has_seen[last],
            Source::Write(seen) => {
                self.seen.row(last)[history.session(seen)] as usize > history.index(seen)
            }
        };
        let saw_newer = |&before: &usize| match history.sources[before] {
            Source::Write(write) => self.is_older(read, write),
            Source::Initial | Source::Nobody => false,
        };
        newer
            .then(|| reads.iter().copied().find(saw_newer))
            .flatten()
    }

    /// Whether a read saw an older value than this write.
    fn is_older(&self, read: usize, write: usize) -> bool {
        match self.history.sources[read] {
            Source::Nobody => false,
            Source::Initial => true,
            Source::Write(seen) => self.order.is_before(self.history, seen, write),
        }
    }

    /// The name of a write after `first` in its session that was read before `read` in its own.
    fn known_by(&self, read: usize, first: usize) -> String {
        let history = self.history;
        let mut before = history.sessions[history.session(read)].start..read;
        let write = before.find_map(|op| match history.sources[op] {
            Source::Write(write) => {
                (history.session(write) == history.session(first) && write > first).then_some(write)
            }
            Source::Initial | Source::Nobody => None,
        });
        write.map_or_else(String::new, |write| history.name(write))
    }
}
