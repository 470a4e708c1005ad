//! The faults of hosts: crashes, pauses, and clocks that go wrong.

use std::time::Duration;

use super::error::{ScenarioError, Source};
use super::field::At;
use super::file::{CrashTable, DiskWord, PauseTable, SkewTable};
use super::hosts::Hosts;
use super::number::Rate;
use crate::net::conditions::Fault;
use crate::net::faults::{Chosen, Crash, DiskFate, Pause, Skew, Trigger, When};

/// The crash that a table describes.
pub(super) fn crash(
    source: &Source,
    hosts: &Hosts,
    table: &At<CrashTable>,
) -> Result<Crash, ScenarioError> {
    let CrashTable {
        host,
        disk_operation,
        restart_after_ms,
        disk,
        ..
    } = &table.value;
    let host = match disk_operation {
        Some(_) => hosts.host_with_disk(host)?,
        None => hosts.host(host)?,
    };
    Ok(Crash {
        host,
        when: when(source, hosts, table)?,
        disk_operation: disk_operation.map(|number| number.0),
        restart_after: restart_after_ms.map(|ms| Duration::from_millis(u64::from(ms.0))),
        disk: disk.map_or(DiskFate::default(), |word| word.0.into()),
    })
}

fn when(source: &Source, hosts: &Hosts, table: &At<CrashTable>) -> Result<When, ScenarioError> {
    let wrong = |at, message| Err(source.error(at, message));
    let crash = &table.value;
    if let (Some(nth), None) = (&crash.nth, &crash.after) {
        let message = "`nth` counts events of the trace; expected it with `after`";
        return wrong(nth.span.start, message);
    }
    match (crash.at_ms, &crash.after) {
        (Some(at), None) => Ok(When::At(at.0)),
        (None, Some(event)) => {
            let (word, operation) = hosts.event(event)?;
            Ok(When::After(Trigger {
                word,
                operation,
                nth: crash.nth.as_ref().map_or(1, |nth| nth.value.0),
            }))
        }
        (None, None) if crash.disk_operation.is_some() => Ok(When::At(Chosen::Fixed(0))),
        (None, None) => wrong(
            table.span.start,
            "no time is named; expected one of `at_ms` and `after`, or `disk_operation`",
        ),
        (Some(_), Some(_)) => wrong(
            table.span.start,
            "two times are named; expected only one of `at_ms` and `after`",
        ),
    }
}

/// The pause that a table describes.
pub(super) fn pause(hosts: &Hosts, table: &PauseTable) -> Result<Pause, ScenarioError> {
    Ok(Pause {
        host: hosts.host(&table.host)?,
        at: table.at_ms.0,
        span: Duration::from_millis(u64::from(table.for_ms.0)),
    })
}

/// The skew that a table describes, if none of the other faults is one of the same host.
pub(super) fn skew(
    source: &Source,
    hosts: &Hosts,
    others: &[Fault],
    table: &At<SkewTable>,
) -> Result<Skew, ScenarioError> {
    let SkewTable {
        host,
        offset_ms,
        rate,
    } = &table.value;
    let wrong = |at, message| Err(source.error(at, message));
    let name = &host.value;
    let host_id = hosts.host(host)?;
    let same = |fault: &Fault| matches!(fault, Fault::Skew(skew) if skew.host == host_id);
    if others.iter().any(same) {
        let message = format!("the clock of `{name}` is skewed twice; expected it once");
        return wrong(host.span.start, message);
    }
    if offset_ms.is_none() && rate.is_none() {
        let message = "the clock is right; expected at least one of `offset_ms` and `rate`";
        return wrong(table.span.start, message.to_owned());
    }
    Ok(Skew {
        host: host_id,
        offset_ms: offset_ms.map_or(0, |offset| offset.0),
        rate_ppm: rate.unwrap_or(Rate::RIGHT).0,
    })
}

impl From<DiskWord> for DiskFate {
    fn from(word: DiskWord) -> Self {
        match word {
            DiskWord::Keep => Self::Keep,
            DiskWord::Lose => Self::Lose,
            DiskWord::Tear => Self::Tear,
            DiskWord::Lie => Self::Lie,
        }
    }
}
