//! The bad patterns as the paper writes them, on matrices: slow, and with nothing left out.

use crate::definitions::{causal_order, close, session_guarantees};
use crate::small::{Plain, Saw};

/// The names of what is broken, in the order of the checkers.
pub(crate) fn reported(plain: &Plain) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    match consistency(plain) {
        Err(pattern) => names.push(pattern),
        Ok(order) => {
            if cyclic_conflicts(plain, &order) {
                names.push("cyclic-cf");
            }
            names.extend(causal_memory(plain, &order));
        }
    }
    let guarantees = [
        "read-your-writes",
        "monotonic-reads",
        "monotonic-writes",
        "writes-follow-reads",
    ];
    let held = session_guarantees(plain);
    let broken = guarantees
        .into_iter()
        .zip(held)
        .filter(|(_, held)| *held == Some(false));
    names.extend(broken.map(|(name, _)| name));
    names.into_iter().map(str::to_owned).collect()
}

type Matrix = Vec<Vec<bool>>;

/// The causal order, or the first base pattern.
fn consistency(plain: &Plain) -> Result<Matrix, &'static str> {
    let count = plain.ops.len();
    let order = causal_order(plain).ok_or("cyclic-co")?;
    if plain.ops.iter().any(|(_, saw)| *saw == Saw::Nobody) {
        return Err("thin-air-read");
    }
    let write_of = |w: usize, r: usize| plain.is_write(w) && plain.key(w) == plain.key(r);
    let pairs = || (0..count).flat_map(|w| (0..count).map(move |r| (w, r)));
    if pairs().any(|(w, r)| plain.ops[r].1 == Saw::Initial && write_of(w, r) && order[w][r]) {
        return Err("write-co-init-read");
    }
    let between = |w1: usize, w2: usize, r: usize| w1 != w2 && order[w1][w2] && order[w2][r];
    let missed = |(w2, r): (usize, usize)| match plain.ops[r].1 {
        Saw::Op(w1) => write_of(w2, r) && between(w1, w2, r),
        _ => false,
    };
    if pairs().any(missed) {
        return Err("write-co-read");
    }
    Ok(order)
}

fn cyclic_conflicts(plain: &Plain, order: &Matrix) -> bool {
    let count = plain.ops.len();
    let mut both = order.clone();
    for (r, &(_, saw)) in plain.ops.iter().enumerate() {
        let Saw::Op(w2) = saw else {
            continue;
        };
        for w1 in (0..count).filter(|&w1| w1 != w2 && plain.is_write(w1)) {
            both[w1][w2] |= plain.key(w1) == plain.key(w2) && order[w1][r];
        }
    }
    close(&mut both);
    (0..count).any(|op| both[op][op])
}

/// The pattern of the first session that has one. All operations are tried, not only the last of each
/// session; `hb` of an earlier one is part of that of a later one.
fn causal_memory(plain: &Plain, order: &Matrix) -> Option<&'static str> {
    let count = plain.ops.len();
    let sessions = plain.sessions();
    let last = |op: &usize| op + 1 == count || sessions[op + 1] != sessions[*op];
    let found: Vec<Option<&str>> = (0..count)
        .map(|o| happened_before(plain, order, o))
        .collect();
    // What an earlier operation shows, the last one shows as well.
    for o in (0..count).filter(|&o| found[o].is_some()) {
        let end = (o..count).find(last).unwrap();
        assert!(
            found[end].is_some(),
            "operation {o} has a pattern, and {end} has none"
        );
    }
    (0..count).filter(last).find_map(|o| found[o])
}

/// The pattern that `hb` of one operation has.
fn happened_before(plain: &Plain, order: &Matrix, o: usize) -> Option<&'static str> {
    let count = plain.ops.len();
    let sessions = plain.sessions();
    let past = |op: usize| op == o || order[op][o];
    let own = |op: usize| op <= o && sessions[op] == sessions[o];
    let mut hb = vec![vec![false; count]; count];
    for a in (0..count).filter(|&a| past(a)) {
        for b in (0..count).filter(|&b| past(b)) {
            hb[a][b] = order[a][b];
        }
    }
    loop {
        let known = hb.clone();
        for r2 in (0..count).filter(|&op| own(op)) {
            let Saw::Op(w2) = plain.ops[r2].1 else {
                continue;
            };
            for w1 in (0..count).filter(|&w1| w1 != w2 && plain.is_write(w1)) {
                hb[w1][w2] |= plain.key(w1) == plain.key(w2) && hb[w1][r2];
            }
        }
        close(&mut hb);
        if hb == known {
            break;
        }
    }
    let initial = |r: &usize| own(*r) && plain.ops[*r].1 == Saw::Initial;
    let missed = |r: usize| {
        (0..count).any(|w| plain.is_write(w) && plain.key(w) == plain.key(r) && hb[w][r])
    };
    if (0..count).filter(initial).any(missed) {
        return Some("write-hb-init-read");
    }
    (0..count).any(|op| hb[op][op]).then_some("cyclic-hb")
}
