//! The history that is judged: reads and writes as small numbers, and who read from whom.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::history::sessions::{AccessKind, SessionHistory};

/// One operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Op {
    kind: AccessKind,
    /// The number of its key, in the order of appearance.
    pub(super) key: u32,
    /// The number of its value, from 1 in the order of appearance, or [`INITIAL`].
    value: u32,
}

/// The number of the value that keys have in the beginning.
const INITIAL: u32 = 0;

/// What a read goes back to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    /// The value that was there in the beginning.
    Initial,
    /// This write.
    Write(usize),
    /// Nobody wrote the value. (Writes have no source either.)
    Nobody,
}

/// Reads and writes of sessions. Operations are numbered session by session, so that those of one
/// session follow each other.
#[derive(Clone, Debug)]
pub struct History {
    pub(super) ops: Vec<Op>,
    pub(super) sessions: Vec<Range<usize>>,
    pub(super) session_of: Vec<u32>,
    pub(super) sources: Vec<Source>,
    /// The reads of each write.
    pub(super) readers: Vec<Vec<u32>>,
    pub(super) writes: ByKey,
    pub(super) reads: ByKey,
    /// Why values do not tell who read from whom, if so.
    pub(super) repeated: Option<String>,
    keys: Vec<String>,
    values: Vec<String>,
    places: Vec<String>,
}

impl History {
    /// What is certain of a history: see [`SessionHistory::settled`].
    #[must_use]
    pub fn new(history: &SessionHistory) -> Self {
        let settled = history.settled();
        let mut keys = Interned::default();
        let mut values = Interned::default();
        let mut ops = Vec::new();
        let mut places = Vec::new();
        let mut sessions = Vec::new();
        let mut session_of = Vec::new();
        for (session, accesses) in (0..).zip(settled) {
            let start = ops.len();
            for access in accesses {
                let value = access.value.as_deref();
                ops.push(Op {
                    kind: access.kind,
                    key: keys.number(&access.key),
                    value: value.map_or(INITIAL, |value| values.number(value) + 1),
                });
                places.push(access.place.clone());
                session_of.push(session);
            }
            sessions.push(start..ops.len());
        }
        let of_kind = |kind| ByKey::new(&ops, &session_of, kind, keys.0.len());
        let mut history = Self {
            writes: of_kind(AccessKind::Write),
            reads: of_kind(AccessKind::Read),
            sources: vec![Source::Nobody; ops.len()],
            readers: vec![Vec::new(); ops.len()],
            keys: keys.words(),
            values: values.words(),
            repeated: None,
            ops,
            sessions,
            session_of,
            places,
        };
        history.find_sources();
        history
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Finds the write of each read's value; or that two writes of a key have one value, or that one
    /// writes the initial value, so that reads do not tell which write they saw.
    fn find_sources(&mut self) {
        let mut writers = BTreeMap::new();
        for (place, op) in self.ops.iter().enumerate() {
            if op.kind == AccessKind::Read || self.repeated.is_some() {
                continue;
            }
            if op.value == INITIAL {
                let name = self.name(place);
                self.repeated = Some(format!(
                    "{name} writes the value that keys have before any write"
                ));
            } else if let Some(first) = writers.insert((op.key, op.value), place) {
                let (first, second) = (self.name(first), self.name(place));
                self.repeated = Some(format!(
                    "{first} and {second} write the same value: which of them a read saw cannot be told"
                ));
            }
        }
        for (place, op) in self.ops.iter().enumerate() {
            if op.kind == AccessKind::Write {
                continue;
            }
            self.sources[place] = match writers.get(&(op.key, op.value)) {
                _ if op.value == INITIAL => Source::Initial,
                None => Source::Nobody,
                Some(&write) => {
                    self.readers[write].push(small(place));
                    Source::Write(write)
                }
            };
        }
    }

    pub(super) fn is_read(&self, op: usize) -> bool {
        self.ops[op].kind == AccessKind::Read
    }

    /// The session of an operation.
    pub(super) fn session(&self, op: usize) -> usize {
        self.session_of[op] as usize
    }

    /// How many operations of its session come before an operation.
    pub(super) fn index(&self, op: usize) -> usize {
        op - self.sessions[self.session(op)].start
    }

    /// The operation where so many of a session's are over.
    pub(super) fn end(&self, session: usize, count: u32) -> usize {
        self.sessions[session].start + count as usize
    }

    /// The next operation of the same session.
    pub(super) fn next(&self, op: usize) -> Option<usize> {
        (op + 1 < self.sessions[self.session(op)].end).then_some(op + 1)
    }

    /// The operation before it in the same session.
    pub(super) fn previous(&self, op: usize) -> Option<usize> {
        (op > self.sessions[self.session(op)].start).then(|| op - 1)
    }

    /// An operation as evidence names it: `w(x,1) (line 3)`.
    pub(super) fn name(&self, op: usize) -> String {
        let Op { kind, key, value } = self.ops[op];
        let word = match kind {
            AccessKind::Read => 'r',
            AccessKind::Write => 'w',
        };
        let value = match value.checked_sub(1) {
            None => "initial",
            Some(value) => &self.values[value as usize],
        };
        let (key, place) = (&self.keys[key as usize], &self.places[op]);
        format!("{word}({key},{value}) ({place})")
    }
}

/// Words by the number of their first appearance.
#[derive(Default)]
struct Interned<'a>(BTreeMap<&'a str, u32>);

impl<'a> Interned<'a> {
    fn number(&mut self, word: &'a str) -> u32 {
        let next = small(self.0.len());
        *self.0.entry(word).or_insert(next)
    }

    fn words(self) -> Vec<String> {
        let mut words: Vec<(&str, u32)> = self.0.into_iter().collect();
        words.sort_by_key(|(_, number)| *number);
        words.into_iter().map(|(word, _)| word.to_owned()).collect()
    }
}

/// The reads or the writes of each key, session by session.
#[derive(Clone, Debug)]
pub(super) struct ByKey {
    ops: Vec<usize>,
    /// Sessions with what they have of the key, as a range of `ops`.
    groups: Vec<(u32, Range<usize>)>,
    /// For each key a range of `groups`.
    keys: Vec<Range<usize>>,
}

impl ByKey {
    fn new(all: &[Op], session_of: &[u32], kind: AccessKind, keys: usize) -> Self {
        let of_kind = |&op: &usize| all[op].kind == kind;
        let mut ops: Vec<usize> = (0..all.len()).filter(of_kind).collect();
        ops.sort_by_key(|&op| (all[op].key, op));
        let mut by_key = Self {
            groups: Vec::new(),
            keys: vec![0..0; keys],
            ops: Vec::new(),
        };
        let together =
            |a: &usize, b: &usize| all[*a].key == all[*b].key && session_of[*a] == session_of[*b];
        let mut start = 0;
        for group in ops.chunk_by(together) {
            let key = &mut by_key.keys[all[group[0]].key as usize];
            if key.start == key.end {
                *key = by_key.groups.len()..by_key.groups.len();
            }
            key.end += 1;
            let range = start..start + group.len();
            start = range.end;
            by_key.groups.push((session_of[group[0]], range));
        }
        by_key.ops = ops;
        by_key
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> u32 {
        small(self.keys.len())
    }

    /// The sessions that have some of this key, each with them in its order.
    pub(super) fn of(&self, key: u32) -> impl Iterator<Item = (usize, &[usize])> {
        let groups = &self.groups[self.keys[key as usize].clone()];
        groups
            .iter()
            .map(|(session, range)| (*session as usize, &self.ops[range.clone()]))
    }
}

/// The last of these operations of one session that comes before `end`.
pub(super) fn last_before(ops: &[usize], end: usize) -> Option<usize> {
    let before = ops.partition_point(|&op| op < end);
    before.checked_sub(1).map(|last| ops[last])
}

/// A place or a count in four bytes.
pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).expect("a history that fits into memory has less than 2^32 operations")
}
