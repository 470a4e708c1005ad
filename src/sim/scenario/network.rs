//! The network of a variant, and its scripted faults.

use std::time::Duration;

use super::error::{ScenarioError, Source};
use super::field::{At, Whole};
use super::file::{DelayTable, FaultTable, Keys, LinkTable, PartitionTable};
use super::host_faults;
use super::hosts::Hosts;
use crate::clock::Time;
use crate::id::HostId;
use crate::net::conditions::{Conditions, Delay, Fault, Link, Partition, Selector, Target};

/// The conditions that the keys describe.
pub(super) fn conditions(
    source: &Source,
    hosts: &Hosts,
    keys: &Keys,
) -> Result<Conditions, ScenarioError> {
    let network = &keys.network;
    let mut conditions = Conditions {
        everywhere: Link {
            loss: network.loss.map_or(Link::default().loss, |loss| loss.0),
            duplication: network
                .duplication
                .map_or(Link::default().duplication, |p| p.0),
            delay: delay(source, network.delay_ms.as_ref(), Link::default().delay)?,
        },
        ..Conditions::default()
    };
    for (name, table) in &network.link.0 {
        let ends = ends(source, hosts, name)?;
        let link = link(source, table, conditions.everywhere)?;
        if conditions.links.insert(ends, link).is_some() {
            let message = format!("the link `{}` is there twice; expected it once", name.value);
            return Err(source.error(name.span.start, message));
        }
    }
    for table in &keys.fault {
        let fault = fault(source, hosts, &conditions.faults, table)?;
        conditions.faults.push(fault);
    }
    Ok(conditions)
}

/// What a table of delays stands for, as the variants of some other type.
pub(super) fn spread<T, const MIN: u32, const MAX: u32>(
    source: &Source,
    table: &At<DelayTable<Whole<MIN, MAX>>>,
    fixed: impl Fn(u32) -> T,
    uniform: impl Fn(u32, u32) -> T,
    exponential: impl Fn(u32, u32) -> T,
) -> Result<T, ScenarioError> {
    let wrong = |message| Err(source.error(table.span.start, message));
    match table.value {
        DelayTable::Fixed(ms) => Ok(fixed(ms.0)),
        DelayTable::Uniform([min, max]) if min > max => wrong(format!(
            "{} is above {}; expected the shortest first, then the longest",
            min.0, max.0
        )),
        DelayTable::Uniform([min, max]) => Ok(uniform(min.0, max.0)),
        DelayTable::Exponential(table) if table.mean > table.max => wrong(format!(
            "the mean {} is above the max {}; expected a max of at least the mean",
            table.mean.0, table.max.0
        )),
        DelayTable::Exponential(table) => Ok(exponential(table.mean.0, table.max.0)),
    }
}

fn delay<const MIN: u32, const MAX: u32>(
    source: &Source,
    table: Option<&At<DelayTable<Whole<MIN, MAX>>>>,
    otherwise: Delay,
) -> Result<Delay, ScenarioError> {
    let uniform = |min, max| Delay::Uniform { min, max };
    let exponential = |mean, max| Delay::Exponential { mean, max };
    table.map_or(Ok(otherwise), |table| {
        spread(source, table, Delay::Fixed, uniform, exponential)
    })
}

fn link(source: &Source, table: &LinkTable, everywhere: Link) -> Result<Link, ScenarioError> {
    Ok(Link {
        loss: table.loss.map_or(everywhere.loss, |loss| loss.0),
        duplication: table.duplication.map_or(everywhere.duplication, |p| p.0),
        delay: delay(source, table.delay_ms.as_ref(), everywhere.delay)?,
    })
}

/// The hosts of `alice>server`.
fn ends(
    source: &Source,
    hosts: &Hosts,
    name: &At<String>,
) -> Result<(HostId, HostId), ScenarioError> {
    let at = name.span.start;
    let Some((from, to)) = name.value.split_once('>') else {
        let message = format!(
            "`{}` is no link; expected one such as \"alice>server\"",
            name.value
        );
        return Err(source.error(at, message));
    };
    let ends = (
        hosts.host_at(at, from.trim())?,
        hosts.host_at(at, to.trim())?,
    );
    two_hosts(source, at, ends)
}

fn two_hosts(
    source: &Source,
    at: usize,
    hosts: (HostId, HostId),
) -> Result<(HostId, HostId), ScenarioError> {
    if hosts.0 == hosts.1 {
        return Err(source.error(at, "the same host twice; expected two hosts"));
    }
    Ok(hosts)
}

/// Gives each table that names a datagram its target.
macro_rules! target {
    ($source:expr, $hosts:expr, $table:expr) => {{
        let label = Label {
            request_from: $table.value.request_from.as_ref(),
            reply_to: $table.value.reply_to.as_ref(),
            update_to: $table.value.update_to.as_ref(),
            tell_from: $table.value.tell_from.as_ref(),
            peer_about: $table.value.peer_about.as_ref(),
            to: $table.value.to.as_ref(),
        };
        Target {
            label: label.selector($source, $hosts, $table.span.start)?,
            nth: $table.value.nth.map_or(1, |nth| nth.0),
        }
    }};
}

/// The fault of a table that comes after others.
fn fault(
    source: &Source,
    hosts: &Hosts,
    others: &[Fault],
    table: &FaultTable,
) -> Result<Fault, ScenarioError> {
    let ms = |ms: u32| Duration::from_millis(u64::from(ms));
    Ok(match table {
        FaultTable::Drop(table) => Fault::Drop(target!(source, hosts, table)),
        FaultTable::Duplicate(table) => {
            let after = ms(table.value.after_ms.0);
            Fault::Duplicate(target!(source, hosts, table), after)
        }
        FaultTable::Delay(table) => {
            let delay = ms(table.value.ms.0);
            Fault::Delay(target!(source, hosts, table), delay)
        }
        FaultTable::Partition(table) => Fault::Partition(partition(source, hosts, table)?),
        FaultTable::Crash(table) => Fault::Crash(host_faults::crash(source, hosts, table)?),
        FaultTable::Pause(table) => Fault::Pause(host_faults::pause(hosts, table)?),
        FaultTable::Skew(table) => Fault::Skew(host_faults::skew(source, hosts, others, table)?),
    })
}

/// The label of a datagram, as a fault names it: exactly one of these, `to` with the last of them.
struct Label<'a> {
    request_from: Option<&'a At<String>>,
    reply_to: Option<&'a At<String>>,
    update_to: Option<&'a At<String>>,
    tell_from: Option<&'a At<String>>,
    peer_about: Option<&'a At<String>>,
    to: Option<&'a At<String>>,
}

/// The keys that name a datagram.
const NAMES: &str = "`request_from`, `reply_to`, `update_to`, `tell_from` and `peer_about`";

impl Label<'_> {
    fn selector(
        &self,
        source: &Source,
        hosts: &Hosts,
        at: usize,
    ) -> Result<Selector, ScenarioError> {
        let wrong = |message: String| Err(source.error(at, message));
        let named = [
            self.request_from,
            self.reply_to,
            self.update_to,
            self.tell_from,
            self.peer_about,
        ];
        match named.into_iter().flatten().count() {
            0 => return wrong(format!("no datagram is named; expected one of {NAMES}")),
            1 => {}
            _ => {
                let message = format!("several datagrams are named; expected only one of {NAMES}");
                return wrong(message);
            }
        }
        if let (Some(to), None) = (self.to, self.peer_about) {
            let message = "`to` goes with `peer_about` only: the others say who receives it";
            return Err(source.error(to.span.start, message));
        }
        if let Some(operation) = self.request_from {
            return Ok(Selector::RequestFrom(hosts.operation(operation)?));
        }
        if let Some(operation) = self.reply_to {
            return Ok(Selector::ReplyTo(hosts.operation(operation)?));
        }
        if let Some(of) = self.update_to {
            return Ok(if of.value.contains('#') {
                Selector::UpdateTo(hosts.operation(of)?)
            } else {
                Selector::UpdateToClient(hosts.client(of)?)
            });
        }
        if let Some(operation) = self.tell_from {
            return Ok(Selector::TellFrom(hosts.operation(operation)?));
        }
        match (self.peer_about, self.to) {
            (Some(operation), Some(to)) => Ok(Selector::PeerAbout {
                operation: hosts.operation(operation)?,
                to: hosts.server(to)?,
            }),
            _ => wrong("to which server is missing; expected `to` beside `peer_about`".to_owned()),
        }
    }
}

fn partition(
    source: &Source,
    hosts: &Hosts,
    table: &PartitionTable,
) -> Result<Partition, ScenarioError> {
    let [one, other] = &table.between.value;
    let between = (hosts.host(one)?, hosts.host(other)?);
    let from = Time::from_ms(u64::from(table.at_ms.0));
    Ok(Partition {
        between: two_hosts(source, table.between.span.start, between)?,
        from,
        until: from + Duration::from_millis(u64::from(table.for_ms.0)),
        one_way: table.one_way,
    })
}
