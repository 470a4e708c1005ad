//! Deciders straight from the definitions: all orders are tried. For histories of a few operations.
//!
//! Bouajjani, Enea, Guerraoui and Hamza, POPL 2017. `co` is a strict partial order that
//! contains the sessions' own; an order of operations *explains* a read if the last write of its key
//! before it, or else the initial value, is what it saw. There is
//!
//! - for CC, a `co` such that for each operation some order of its past, in keeping with `co`, explains it;
//! - for CM, a `co` such that for each operation some such order explains it and all that come before it
//!   in its session;
//! - for CCv, a `co` and a total order that contains it, which restricted to the past of each operation
//!   explains that operation.

use crate::small::{Plain, Saw, sessions};

/// A set of operations.
type Set = u8;

/// What can be told from the lengths of the sessions alone, so that it is not made anew for each
/// history.
pub(crate) struct Definitions {
    /// Of each operation, itself and those before it in its session.
    own: Vec<Set>,
    orders: Vec<PartialOrder>,
}

/// A `co`.
struct PartialOrder {
    /// What is before each operation.
    before: Vec<Set>,
    /// Of each operation all orders of its past, itself the last.
    pasts: Vec<Vec<Vec<usize>>>,
    /// All total orders that contain it.
    totals: Vec<Vec<usize>>,
}

impl Definitions {
    pub(crate) fn new(shape: &[usize]) -> Self {
        let sessions = sessions(shape);
        let count = sessions.len();
        let own = |op: usize| {
            let before = (0..=op).filter(|&other| sessions[other] == sessions[op]);
            before.fold(0, |set, other| set | 1 << other)
        };
        let own: Vec<Set> = (0..count).map(own).collect();
        let orders = partial_orders(count)
            .into_iter()
            .filter(|before| (0..count).all(|op| (before[op] | 1 << op) & own[op] == own[op]));
        Self {
            orders: orders.map(PartialOrder::new).collect(),
            own,
        }
    }

    /// Whether a history is CC, CCv and CM.
    pub(crate) fn judge(&self, plain: &Plain) -> [bool; 3] {
        // Only a spared effort: what a read saw must be in its past, else no order explains it.
        let may_do = |order: &&PartialOrder| {
            plain
                .ops
                .iter()
                .enumerate()
                .all(|(op, (_, saw))| match saw {
                    Saw::Op(write) => order.before[op] >> write & 1 == 1,
                    Saw::Nobody => false,
                    Saw::Write | Saw::Initial => true,
                })
        };
        let orders: Vec<&PartialOrder> = self.orders.iter().filter(may_do).collect();
        let explained = |order: &PartialOrder, explained: &dyn Fn(usize) -> Set| {
            order.pasts.iter().enumerate().all(|(op, pasts)| {
                pasts
                    .iter()
                    .any(|past| explains(plain, past, explained(op)))
            })
        };
        let alone = |op: usize| 1 << op;
        let with_own = |op: usize| self.own[op];
        let convergent = |order: &PartialOrder| {
            order.totals.iter().any(|total| {
                (0..plain.ops.len()).all(|op| {
                    let is_past = |other: &usize| order.before[op] >> other & 1 == 1;
                    let past = total.iter().copied().filter(is_past);
                    let past: Vec<usize> = past.chain([op]).collect();
                    explains(plain, &past, 1 << op)
                })
            })
        };
        [
            orders.iter().any(|order| explained(order, &alone)),
            orders.iter().any(|order| convergent(order)),
            orders.iter().any(|order| explained(order, &with_own)),
        ]
    }
}

impl PartialOrder {
    fn new(before: Vec<Set>) -> Self {
        let count = before.len();
        let of_past = |op: usize| {
            let mut pasts = linear(&before, before[op]);
            pasts.iter_mut().for_each(|past| past.push(op));
            pasts
        };
        Self {
            pasts: (0..count).map(of_past).collect(),
            totals: linear(&before, all(count)),
            before,
        }
    }
}

fn all(count: usize) -> Set {
    (0..count).fold(0, |set, op| set | 1 << op)
}

/// All strict partial orders of so many operations: one of fewer, with one operation more that comes
/// after a downward closed set and before an upward closed one that lies above it.
fn partial_orders(count: usize) -> Vec<Vec<Set>> {
    let Some(new) = count.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let mut orders = Vec::new();
    for smaller in partial_orders(new) {
        let below = |set: Set, op: usize| set >> op & 1 == 1;
        for down in 0..=all(new) {
            let is_closed = (0..new).all(|op| !below(down, op) || smaller[op] & !down == 0);
            for up in (0..=all(new)).filter(|up| is_closed && up & down == 0) {
                let mut order = smaller.clone();
                order.push(down);
                for (op, before) in order.iter_mut().enumerate().take(new) {
                    if below(up, op) {
                        *before |= 1 << new;
                    }
                }
                let is_transitive = (0..count).all(|op| {
                    let mut before = (0..count).filter(|&other| below(order[op], other));
                    before.all(|other| order[other] & !order[op] == 0)
                });
                if is_transitive {
                    orders.push(order);
                }
            }
        }
    }
    orders
}

/// All orders of a set in keeping with a partial one.
fn linear(before: &[Set], set: Set) -> Vec<Vec<usize>> {
    if set == 0 {
        return vec![Vec::new()];
    }
    let mut orders = Vec::new();
    for last in (0..before.len()).filter(|&op| set >> op & 1 == 1) {
        let is_last = (0..before.len()).all(|op| set >> op & 1 == 0 || before[op] >> last & 1 == 0);
        if is_last {
            for mut order in linear(before, set & !(1 << last)) {
                order.push(last);
                orders.push(order);
            }
        }
    }
    orders
}

/// Whether an order explains all reads of it that are in `told`.
fn explains(plain: &Plain, order: &[usize], told: Set) -> bool {
    order.iter().enumerate().all(|(place, &op)| {
        let (key, saw) = plain.ops[op];
        if told >> op & 1 == 0 || saw == Saw::Write {
            return true;
        }
        let mut before = order[..place].iter().rev();
        let last = before.find(|&&other| plain.ops[other] == (key, Saw::Write));
        saw == last.map_or(Saw::Initial, |&write| Saw::Op(write))
    })
}

/// The causal order as a matrix, by Warshall's algorithm; `None` if it has a cycle.
pub(crate) fn causal_order(plain: &Plain) -> Option<Vec<Vec<bool>>> {
    let sessions = plain.sessions();
    let count = sessions.len();
    let mut order = vec![vec![false; count]; count];
    for a in 0..count {
        for b in 0..count {
            let in_session = a < b && sessions[a] == sessions[b];
            order[a][b] = in_session || plain.ops[b].1 == Saw::Op(a);
        }
    }
    close(&mut order);
    (0..count).all(|op| !order[op][op]).then_some(order)
}

/// Makes a relation transitive.
pub(crate) fn close(relation: &mut [Vec<bool>]) {
    for middle in 0..relation.len() {
        let after = relation[middle].clone();
        for row in relation.iter_mut().filter(|row| row[middle]) {
            for (known, after) in row.iter_mut().zip(&after) {
                *known |= after;
            }
        }
    }
}

/// Whether read-your-writes, monotonic-reads, monotonic-writes and writes-follow-reads hold, word by
/// word; nothing is known where the causal order has a cycle.
pub(crate) fn session_guarantees(plain: &Plain) -> [Option<bool>; 4] {
    let Some(order) = causal_order(plain) else {
        return [None; 4];
    };
    let count = plain.ops.len();
    let sessions = plain.sessions();
    let po = |a: usize, b: usize| a < b && sessions[a] == sessions[b];
    let saw = |read: usize| plain.ops[read].1;
    let older = |a: Saw, b: usize| match a {
        Saw::Initial => true,
        Saw::Op(a) => order[a][b],
        Saw::Write | Saw::Nobody => false,
    };
    let pairs = || (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
    let same_key = |a: usize, b: usize| plain.key(a) == plain.key(b);
    // A read whose session had read `w2` before, and that saw something older than `w1`.
    let missed = |w1: usize, w2: usize| {
        pairs().any(|(ra, rb)| {
            po(ra, rb) && saw(ra) == Saw::Op(w2) && same_key(rb, w1) && older(saw(rb), w1)
        })
    };
    let read_your_writes =
        |(w, r)| po(w, r) && plain.is_write(w) && same_key(w, r) && older(saw(r), w);
    let monotonic_reads = |(r1, r2)| {
        let Saw::Op(seen) = saw(r1) else { return false };
        po(r1, r2) && same_key(r1, r2) && older(saw(r2), seen)
    };
    let monotonic_writes =
        |(w1, w2)| po(w1, w2) && plain.is_write(w1) && plain.is_write(w2) && missed(w1, w2);
    let writes_follow_reads = |(r0, w2)| {
        let Saw::Op(w1) = saw(r0) else { return false };
        po(r0, w2) && plain.is_write(w2) && missed(w1, w2)
    };
    [
        Some(!pairs().any(read_your_writes)),
        Some(!pairs().any(monotonic_reads)),
        Some(!pairs().any(monotonic_writes)),
        Some(!pairs().any(writes_follow_reads)),
    ]
}
