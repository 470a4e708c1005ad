//! A data centre taken up from its records.

use crate::clock::Time;
use crate::rpc::service::{BadRecord, Record};
use crate::services::causal::describe;
use crate::services::causal::outgoing::Outgoing;
use crate::services::causal::records::{Counts, Stored, held_key, origin_key};
use crate::services::causal::replica::Replica;

/// Takes up what earlier lives of a data centre have stored, in order of keys. Its own writes that some
/// have not acknowledged are due at once.
///
/// # Errors
///
/// If a record is none that this data centre has stored.
pub(super) fn restore(
    now: Time,
    data_centres: u16,
    records: &mut dyn Iterator<Item = Record>,
    (replica, outgoing): (&mut Replica, &mut Outgoing),
) -> Result<(), BadRecord> {
    let mut counts = None;
    for (key, value) in records {
        let taken = take_up(
            now,
            data_centres,
            (&key, &value),
            &mut counts,
            (replica, outgoing),
        );
        taken.map_err(|reason| BadRecord { key, reason })?;
    }
    if let Some(counts) = counts {
        check(counts, replica)?;
    }
    replica.take_changed();
    outgoing.take_changed();
    Ok(())
}

fn take_up(
    now: Time,
    data_centres: u16,
    (key, value): (&[u8], &[u8]),
    counts: &mut Option<Counts>,
    (replica, outgoing): (&mut Replica, &mut Outgoing),
) -> Result<(), String> {
    let stored = Stored::read(key, value).map_err(|error| error.to_string())?;
    if let Stored::DataCentre(stored) = stored {
        let place = replica.own().replica;
        if (stored.data_centres, stored.place) != (data_centres, place) {
            return Err(format!(
                "the records are those of dc{} of {} data centres, and this is dc{place} of {data_centres}",
                stored.place, stored.data_centres
            ));
        }
        replica.restore_counts(stored.clock, stored.last);
        *counts = Some(stored);
        return Ok(());
    }
    let Some(counts) = counts else {
        return Err("the record of the data centre is missing".to_owned());
    };
    match stored {
        Stored::DataCentre(_) => {}
        Stored::Held(key, held) => {
            if held.version.timestamp > counts.clock {
                return Err("its time is beyond the data centre's clock".to_owned());
            }
            replica.restore_held(key, held);
        }
        Stored::Origin(origin, committed) => {
            if origin.replica >= data_centres {
                return Err(format!("there is no dc{}", origin.replica));
            }
            replica.restore_committed(origin, committed);
        }
        Stored::Unacknowledged(write, about, waiting) => {
            let is_other = |&place: &u16| place < data_centres && place != counts.place;
            if write.origin() != replica.own() || !(1..=counts.last).contains(&write.sequence) {
                return Err("it is no write of this data centre".to_owned());
            }
            if waiting.is_empty() || !waiting.iter().all(is_other) {
                return Err("it names nobody, or no other data centre, to send it to".to_owned());
            }
            outgoing.add(now, write.into(), about, Some(&waiting));
        }
    }
    Ok(())
}

/// Checks what only all records together tell.
fn check(counts: Counts, replica: &Replica) -> Result<(), BadRecord> {
    let own = replica.own();
    let committed = replica.committed().get(&own);
    let found = committed.map_or(0, |committed| {
        committed
            .beyond()
            .last()
            .copied()
            .unwrap_or(committed.prefix())
    });
    if found != counts.last || committed.is_some_and(|it| !it.beyond().is_empty()) {
        return Err(BadRecord {
            key: origin_key(own),
            reason: format!(
                "the data centre has written {} times, and not just these are committed",
                counts.last
            ),
        });
    }
    for (key, held) in replica.keys() {
        let write = held.write(key);
        if !replica.has_committed(write.origin(), write.sequence) {
            return Err(BadRecord {
                key: held_key(key),
                reason: format!("{} was never committed", describe::dependency(&write)),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
