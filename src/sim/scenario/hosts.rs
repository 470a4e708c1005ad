//! The hosts of a variant, as the rest of its file names them.

use super::error::{ScenarioError, Source};
use super::field::At;
use super::reword::{one_of, unknown_word};
use super::{ClientScript, SERVER};
use crate::id::{HostId, OperationId};

/// The most clients that a variant may have.
pub(super) const CLIENTS_MAX: usize = 1_000; // far more than a trace can show

/// The hosts' names, and how many operations each performs.
#[derive(Debug)]
pub(super) struct Hosts<'a> {
    source: Source<'a>,
    hosts: Vec<(&'a str, u32)>,
}

impl<'a> Hosts<'a> {
    /// The server and these clients.
    pub(super) fn new(source: Source<'a>, clients: &'a [ClientScript]) -> Self {
        let clients = clients
            .iter()
            .map(|client| (client.name.as_str(), client.operations()));
        let hosts = std::iter::once((SERVER, 0)).chain(clients).collect();
        Self { source, hosts }
    }

    /// The host of this name.
    pub(super) fn host(&self, at: usize, name: &str) -> Result<HostId, ScenarioError> {
        self.find(name, 0)
            .ok_or_else(|| self.unknown(at, "unknown host", name, 0))
    }

    /// The client of this name.
    pub(super) fn client(&self, at: usize, name: &str) -> Result<HostId, ScenarioError> {
        self.find(name, 1)
            .ok_or_else(|| self.unknown(at, "unknown client", name, 1))
    }

    /// The operation `alice#1`.
    pub(super) fn operation(&self, text: &At<String>) -> Result<OperationId, ScenarioError> {
        let at = text.span.start;
        let Some((client, number)) = text.value.split_once('#') else {
            let message = format!(
                "`{}` is no operation; expected one such as alice#1",
                text.value
            );
            return Err(self.source.error(at, message));
        };
        let client = self.client(at, client)?;
        let (name, operations) = self.hosts[client.index()];
        let known = number
            .parse()
            .ok()
            .filter(|number| (1..=operations).contains(number));
        let Some(number) = known else {
            let message = match operations {
                0 => format!("unknown operation `{}`; {name} performs none", text.value),
                1 => format!("unknown operation `{}`; expected `{name}#1`", text.value),
                _ => format!(
                    "unknown operation `{}`; expected `{name}#1` to `{name}#{operations}`",
                    text.value
                ),
            };
            return Err(self.source.error(at, message));
        };
        Ok(OperationId { client, number })
    }

    fn find(&self, name: &str, first: usize) -> Option<HostId> {
        let mut hosts = self.hosts.iter().skip(first);
        let index = hosts.position(|&(host, _)| host == name)? + first;
        u16::try_from(index).ok().map(HostId)
    }

    fn unknown(&self, at: usize, what: &str, name: &str, first: usize) -> ScenarioError {
        /// Beyond this, the names are not worth listing.
        const LISTED_MAX: usize = 10;

        let known: Vec<&str> = self
            .hosts
            .iter()
            .skip(first)
            .map(|&(host, _)| host)
            .collect();
        let message = if known.len() > LISTED_MAX {
            let listed = one_of(&known[..LISTED_MAX]);
            format!(
                "{what} `{name}`; expected {listed}, or another of the {}",
                known.len()
            )
        } else {
            unknown_word(what, name, &known)
        };
        self.source.error(at, message)
    }
}

/// Refuses names that would not fit into file names and traces.
pub(super) fn check_name(source: &Source, name: &At<String>) -> Result<(), ScenarioError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    if !name.value.is_empty() && name.value.chars().all(fits) {
        return Ok(());
    }
    let message = format!(
        "`{}` is no name; expected letters a to z, digits, `-` and `_`",
        name.value
    );
    Err(source.error(name.span.start, message))
}
