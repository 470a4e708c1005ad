//! Judging the history of a causal store: 100,000 operations in ten sessions.
//!
//! `cargo bench --bench causal` makes up what clients of ten replicas see, half of it reads, and prints
//! what judging it takes: medians over some rounds. Replicas learn of each other's writes late and in
//! causal order, and the last writer wins; so the history is CC and CCv. In a second one, two clients
//! each see the other's last write come second. CM, which has no such bound, is judged on several lengths,
//! of that store and of one where the last write to arrive wins, which is CM.

use std::fmt::Write as _;
use std::time::Instant;

use wavetank::check::Verdict;
use wavetank::check::causal::{History, Judge};
use wavetank::history::sessions;
use wavetank::seed::Seed;

const OPERATIONS: usize = 100_000;

/// What CM is judged on.
const LENGTHS: [usize; 3] = [1_000, 10_000, OPERATIONS];

const SESSIONS: usize = 10;

const KEYS: u32 = 100;

/// More than is needed here.
const JOINS_MAX: u64 = 1 << 32;

const ROUNDS: usize = 7;

/// Which history is made up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Store {
    /// The last writer wins.
    LastWriter,
    /// The same, and two clients each see the other's last write come second.
    Crossed,
    /// What arrives last wins, at each replica in its own order.
    LastToArrive,
}

/// A write that replicas learn of.
struct Write {
    key: u32,
    /// How many writes of each replica its writer knew, its own included.
    known: [usize; SESSIONS],
    /// Its place among all writes, which no write before it in its past has: the last writer wins by it.
    value: usize,
}

/// A replica and its one client.
struct Replica {
    known: [usize; SESSIONS],
    /// The newest value of each key; 0 is the initial one.
    values: Vec<usize>,
}

/// A history in the text format of Plume, so that reading it can be measured too.
fn history(operations: usize, store: Store) -> String {
    let mut stream = Seed(7).stream("history");
    let mut replicas: Vec<Replica> = (0..SESSIONS)
        .map(|_| Replica {
            known: [0; SESSIONS],
            values: vec![0; KEYS as usize],
        })
        .collect();
    let mut writes: Vec<Vec<Write>> = (0..SESSIONS).map(|_| Vec::new()).collect();
    let mut written = 0;
    let mut text = String::new();
    let mut line = |word: char, key: u32, value: usize, session: usize| {
        let transaction = text.len();
        writeln!(text, "{word}({key},{value},{session},{transaction})").expect("a text grows");
    };
    for _ in 0..operations {
        let session = stream.below(SESSIONS as u32) as usize;
        let origin = stream.below(SESSIONS as u32) as usize;
        let replica = &mut replicas[session];
        learn(replica, origin, &writes[origin], store);
        let key = stream.below(KEYS);
        if stream.below(2) == 0 {
            line('r', key, replica.values[key as usize], session);
            continue;
        }
        written += 1;
        line('w', key, written, session);
        replica.known[session] += 1;
        replica.values[key as usize] = written;
        writes[session].push(Write {
            key,
            known: replica.known,
            value: written,
        });
    }
    if store == Store::Crossed {
        let [first, second] = [written + 1, written + 2];
        line('w', KEYS, first, 0);
        line('w', KEYS, second, 1);
        line('r', KEYS, second, 0);
        line('r', KEYS, first, 1);
    }
    text
}

/// Lets a replica learn of what another one wrote, as far as it knows what that depends on.
fn learn(replica: &mut Replica, origin: usize, writes: &[Write], store: Store) {
    for write in &writes[replica.known[origin]..] {
        let others = (0..SESSIONS).filter(|&other| other != origin);
        if others
            .into_iter()
            .any(|other| write.known[other] > replica.known[other])
        {
            return;
        }
        replica.known[origin] += 1;
        let value = &mut replica.values[write.key as usize];
        *value = match store {
            Store::LastToArrive => write.value,
            Store::LastWriter | Store::Crossed => write.value.max(*value),
        };
    }
}

/// The result of a call, and how many seconds it took in the median.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures the machine's time"
)]
fn timed<T>(mut call: impl FnMut() -> T) -> (T, f64) {
    let mut rounds: Vec<f64> = Vec::new();
    loop {
        let start = Instant::now();
        let result = call();
        rounds.push(start.elapsed().as_secs_f64());
        if rounds.len() == ROUNDS {
            rounds.sort_by(f64::total_cmp);
            return (result, rounds[ROUNDS / 2]);
        }
    }
}

fn main() {
    for (name, store) in [
        ("valid", Store::LastWriter),
        ("crossed at the end", Store::Crossed),
    ] {
        let text = history(OPERATIONS, store);
        let (history, reading) = timed(|| {
            let history = sessions::read(&text).expect("a history in the text format of Plume");
            History::new(&history)
        });
        let ([consistent, convergent], judging) = timed(|| {
            let judge = Judge::new(&history);
            [judge.causal_consistency(), judge.causal_convergence()]
        });
        assert_eq!(consistent, Verdict::Valid);
        let expected = if store == Store::Crossed {
            "violated"
        } else {
            "valid"
        };
        assert_eq!(convergent.name(), expected, "{convergent}");
        let judge = Judge::new(&history);
        let (guarantees, four) = timed(|| judge.session_guarantees());
        assert!(
            guarantees
                .iter()
                .all(|(_, verdict)| *verdict == Verdict::Valid)
        );
        println!(
            "{name}, {} operations in {SESSIONS} sessions",
            history.len()
        );
        println!("  read and numbered    {reading:6.3} s");
        println!("  CC and CCv           {judging:6.3} s");
        println!("  session guarantees   {four:6.3} s");
    }
    for operations in LENGTHS {
        println!("{operations} operations in {SESSIONS} sessions");
        for (name, store) in [
            ("last writer", Store::LastWriter),
            ("last to arrive", Store::LastToArrive),
        ] {
            let history = sessions::read(&history(operations, store)).expect("a history");
            let history = History::new(&history);
            let judge = Judge::new(&history);
            let (memory, took) = timed(|| judge.causal_memory(JOINS_MAX));
            println!("  CM, {name:<14} wins {took:6.3} s  {}", memory.name());
        }
    }
}
