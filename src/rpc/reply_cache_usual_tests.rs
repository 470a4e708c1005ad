//! The usual case, a client's next request after an acknowledged one, is decided quickly, and as it would be if it were
//! not told apart.

use super::*;
use crate::seed::{Seed, Stream};

const LIMITS: Limits = Limits {
    clients: 3,
    replies_per_client: 3,
    bytes: 6 * (REQUEST_BYTES + 32),
    age: Duration::from_secs(20),
};

/// A cache that tells the usual case apart, and one that does not.
struct Twins {
    quick: ReplyCache,
    plain: ReplyCache,
    /// Of each client: its session, the number of its last request, and whether that was completed.
    clients: [(u64, u32, bool); 4],
}

impl Twins {
    fn new(kind: CacheKind) -> Self {
        Self {
            quick: ReplyCache::new(kind, LIMITS),
            plain: ReplyCache::new(kind, LIMITS),
            clients: [(NO_SESSION, 0, false); 4],
        }
    }

    /// One step; says what came of it.
    fn step(&mut self, chance: &mut Stream, now: Time) -> String {
        let place = chance.below(4) as usize;
        let (session, last, is_over) = &mut self.clients[place];
        let client = ClientId(place as u64);
        let id = |sequence| RequestId {
            client: ClientKey::Id(client),
            sequence,
        };
        match chance.below(12) {
            0 => {
                let fresh = chance.next_u64();
                let given = self.quick.hello(now, client, fresh);
                assert_eq!(given, self.plain.hello(now, client, fresh));
                *session = given.unwrap_or(*session);
                "hello".to_owned()
            }
            1 => {
                let (id, reply) = (id(1 + chance.below(*last + 2)), reply(chance));
                self.quick.complete(now, id, &reply);
                self.plain.complete_any(now, id, &reply);
                *is_over |= id.sequence == *last;
                "completed at any time".to_owned()
            }
            action => {
                let is_next = action > 3;
                let sequence = match is_next {
                    true => *last + 1,
                    false => last.saturating_sub(chance.below(3)).max(1),
                };
                let awaited = match action {
                    2..6 => sequence - chance.below(sequence.min(3)),
                    _ => sequence,
                };
                let longer = 200 * usize::from(chance.below(8) == 0);
                let body = SharedBytes::from(&[7; 220][..20 + longer]);
                let id = id(sequence);
                let is_usual = is_next && *is_over && awaited == sequence;
                let admission = self.quick.admit(now, id, *session, awaited, &body);
                let plain = self.plain.admit_any(now, id, *session, awaited, &body);
                assert_eq!(admission, plain);
                *last = sequence.max(*last);
                *is_over &= !is_next;
                if admission == Admission::New && chance.below(4) > 0 {
                    let reply = reply(chance);
                    self.quick.complete(now, id, &reply);
                    self.plain.complete_any(now, id, &reply);
                    *is_over = true;
                }
                let admission = format!("{admission:?}");
                let word = admission.split('(').next().unwrap_or_default();
                format!("{word}{}", if is_usual { ", usual" } else { "" })
            }
        }
    }

    /// All that each remembers.
    fn told(cache: &ReplyCache) -> String {
        let ReplyCache {
            clients,
            bytes,
            next_sweep,
            ..
        } = cache;
        format!("{clients:?}, {bytes} bytes, sweeps at {next_sweep}")
    }
}

fn reply(chance: &mut Stream) -> SharedBytes {
    (&[8; 20][..chance.below(20) as usize]).into()
}

#[test]
fn the_usual_case_is_decided_as_any_other() {
    for kind in [CacheKind::Memory, CacheKind::Epoch] {
        let mut seen = std::collections::BTreeMap::new();
        for seed in 0..200 {
            let mut chance = Seed(seed).stream("steps");
            let mut twins = Twins::new(kind);
            let mut now = Time::ZERO;
            for step in 0..300 {
                let pause = [0, 1, 3, 15, 21][chance.pick(&[6, 6, 3, 1, 1]).unwrap_or(0)];
                now = now + Duration::from_secs(pause);
                let done = twins.step(&mut chance, now);
                let (quick, plain) = (Twins::told(&twins.quick), Twins::told(&twins.plain));
                assert_eq!(quick, plain, "{kind:?}, seed {seed}, step {step}: {done}");
                *seen.entry(done).or_insert(0) += 1;
            }
        }
        let mut expected = vec![
            "New, usual",
            "Full, usual",
            "New",
            "Full",
            "Stored",
            "InProgress",
        ];
        if kind == CacheKind::Epoch {
            expected.push("SessionExpired, usual");
        }
        for what in expected {
            let count = seen.get(what).copied().unwrap_or(0);
            assert!(count > 50, "{kind:?}, {what}: {seen:?}");
        }
    }
}
