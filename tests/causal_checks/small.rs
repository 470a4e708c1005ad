//! Small histories, and all of them up to a number of operations.
//!
//! Left out are histories that differ from another one only in names. Sessions: only shapes whose
//! sessions get no longer, since a verdict does not depend on their order. Keys: the first operation
//! has key 0. Values: each write writes its own, and a read says which write it saw, the initial value,
//! or one that nobody wrote; what the values are called does not matter, and neither does which of the
//! unwritten ones was seen.

use wavetank::check::causal::History;
use wavetank::history::OutcomeKind;
use wavetank::history::sessions::{Access, AccessKind, SessionHistory};

/// The most sessions.
const SESSIONS: usize = 3;

/// The most keys.
const KEYS: usize = 2;

/// What an operation is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Saw {
    /// A write, of a value of its own.
    Write,
    /// A read of the initial value.
    Initial,
    /// A read of what this operation wrote.
    Op(usize),
    /// A read of what nobody wrote.
    Nobody,
}

/// A history: how long its sessions are, and key and kind of the operations, session by session.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    pub(crate) shape: Vec<usize>,
    pub(crate) ops: Vec<(usize, Saw)>,
}

impl Plain {
    /// What the checkers take.
    pub(crate) fn history(&self) -> History {
        let mut ops = self.ops.iter().enumerate();
        let sessions = self.shape.iter().map(|&length| {
            let session = ops.by_ref().take(length);
            session
                .map(|(op, &(key, saw))| access(op, key, saw))
                .collect()
        });
        History::new(&SessionHistory {
            sessions: sessions.collect(),
        })
    }

    /// The session of each operation.
    pub(crate) fn sessions(&self) -> Vec<usize> {
        sessions(&self.shape)
    }

    pub(crate) fn key(&self, op: usize) -> usize {
        self.ops[op].0
    }

    pub(crate) fn is_write(&self, op: usize) -> bool {
        self.ops[op].1 == Saw::Write
    }
}

/// The session of each operation of a shape.
pub(crate) fn sessions(shape: &[usize]) -> Vec<usize> {
    let sessions = shape.iter().enumerate();
    sessions
        .flat_map(|(session, &length)| vec![session; length])
        .collect()
}

fn access(op: usize, key: usize, saw: Saw) -> Access {
    let (kind, value) = match saw {
        Saw::Write => (AccessKind::Write, Some(op.to_string())),
        Saw::Initial => (AccessKind::Read, None),
        Saw::Op(write) => (AccessKind::Read, Some(write.to_string())),
        Saw::Nobody => (AccessKind::Read, Some("never written".to_owned())),
    };
    Access {
        kind,
        key: key.to_string(),
        value,
        outcome: OutcomeKind::Ok,
        place: format!("operation {op}"),
    }
}

/// The lengths of sessions, none longer than the one before it, with up to so many operations in all.
pub(crate) fn shapes(ops_max: usize) -> Vec<Vec<usize>> {
    let mut shapes = Vec::new();
    let mut open: Vec<Vec<usize>> = vec![Vec::new()];
    while let Some(shape) = open.pop() {
        let left = ops_max - shape.iter().sum::<usize>();
        let longest = shape.last().map_or(left, |&last| left.min(last));
        if shape.len() < SESSIONS {
            open.extend((1..=longest).map(|length| [&shape[..], &[length]].concat()));
        }
        if !shape.is_empty() {
            shapes.push(shape);
        }
    }
    shapes
}

/// Every history of a shape.
pub(crate) fn each_history(shape: &[usize], mut call: impl FnMut(&Plain)) {
    let count: usize = shape.iter().sum();
    for kinds in 0..1_u32 << count {
        for keys in 0..KEYS.pow(u32::try_from(count - 1).unwrap()) {
            let key = |op: usize| match op {
                0 => 0,
                _ => keys / KEYS.pow(u32::try_from(op - 1).unwrap()) % KEYS,
            };
            let ops = (0..count).map(|op| {
                let is_write = kinds >> op & 1 == 1;
                (key(op), if is_write { Saw::Write } else { Saw::Initial })
            });
            let mut plain = Plain {
                shape: shape.to_vec(),
                ops: ops.collect(),
            };
            choose_from(0, &mut plain, &mut call);
        }
    }
}

/// Lets each read from this operation on see all that it might.
fn choose_from(op: usize, plain: &mut Plain, call: &mut impl FnMut(&Plain)) {
    let Some(&(key, saw)) = plain.ops.get(op) else {
        call(plain);
        return;
    };
    if saw == Saw::Write {
        choose_from(op + 1, plain, call);
        return;
    }
    let writes = (0..plain.ops.len()).filter(|&write| plain.ops[write] == (key, Saw::Write));
    let mut choices: Vec<Saw> = writes.map(Saw::Op).collect();
    choices.extend([Saw::Nobody, Saw::Initial]);
    for choice in choices {
        plain.ops[op].1 = choice;
        choose_from(op + 1, plain, call);
    }
}
