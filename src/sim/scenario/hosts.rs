//! The hosts of a variant, as the rest of its file names them.

use super::ClientScript;
use super::error::{ScenarioError, Source};
use super::field::At;
use super::reword::{one_of, unknown_word};
use crate::id::{HostId, OperationId};
use crate::trace::Event;

/// The most clients that a variant may have.
pub(super) const CLIENTS_MAX: usize = 1_000; // far more than a trace can show

/// The hosts' names, and how many operations each performs.
#[derive(Debug)]
pub(super) struct Hosts<'a> {
    source: Source<'a>,
    hosts: Vec<(&'a str, u32)>,
    servers: usize,
}

impl<'a> Hosts<'a> {
    /// These servers and clients.
    pub(super) fn new(
        source: Source<'a>,
        servers: &'a [String],
        clients: &'a [ClientScript],
    ) -> Self {
        let of_servers = servers.iter().map(|server| (server.as_str(), 0));
        let clients = clients
            .iter()
            .map(|client| (client.name.as_str(), client.operations()));
        Self {
            source,
            hosts: of_servers.chain(clients).collect(),
            servers: servers.len(),
        }
    }

    /// The host of this name.
    pub(super) fn host(&self, name: &At<String>) -> Result<HostId, ScenarioError> {
        self.host_at(name.span.start, &name.value)
    }

    /// The host of a name at this byte.
    pub(super) fn host_at(&self, at: usize, name: &str) -> Result<HostId, ScenarioError> {
        self.find("unknown host", name, 0)
            .map_err(|message| self.source.error(at, message))
    }

    /// The server of this name.
    pub(super) fn server(&self, name: &At<String>) -> Result<HostId, ScenarioError> {
        let host = self.host(name)?;
        if host.index() < self.servers {
            return Ok(host);
        }
        let message = format!("`{}` is a client; expected a server", name.value);
        Err(self.source.error(name.span.start, message))
    }

    /// The client of this name.
    pub(super) fn client(&self, name: &At<String>) -> Result<HostId, ScenarioError> {
        self.find("unknown client", &name.value, self.servers)
            .map_err(|message| self.source.error(name.span.start, message))
    }

    /// The host of this name, which is to have a disk.
    pub(super) fn host_with_disk(&self, name: &At<String>) -> Result<HostId, ScenarioError> {
        let host = self.host(name)?;
        if host.index() < self.servers {
            return Ok(host);
        }
        let servers: Vec<&str> = self.hosts[..self.servers]
            .iter()
            .map(|&(name, _)| name)
            .collect();
        let message = format!(
            "`{}` is a client and has no disk; expected {}, or no `disk_operation`",
            name.value,
            one_of(&servers)
        );
        Err(self.source.error(name.span.start, message))
    }

    /// The operation `alice#1`.
    pub(super) fn operation(&self, text: &At<String>) -> Result<OperationId, ScenarioError> {
        self.find_operation(&text.value)
            .map_err(|message| self.source.error(text.span.start, message))
    }

    /// The event `execute alice#2`: its word and its operation.
    pub(super) fn event(
        &self,
        text: &At<String>,
    ) -> Result<(&'static str, OperationId), ScenarioError> {
        let wrong = |at, message| Err(self.source.error_inside(text, at, message));
        let (word, rest) = text.value.split_once(' ').unwrap_or((&text.value, ""));
        if Event::WORDS_OF_NO_OPERATION.contains(&word) {
            let message =
                format!("`{word}` is about no operation; expected a word such as `execute`");
            return wrong(0, message);
        }
        let mut words = Event::WORDS.map(|(word, _)| word).to_vec();
        words.retain(|word| !Event::WORDS_OF_NO_OPERATION.contains(word));
        let Some(&known) = words.iter().find(|&&known| known == word) else {
            return wrong(0, unknown_word("unknown word", word, &words));
        };
        let operation = rest.trim();
        if operation.is_empty() {
            let message = format!("no operation; expected one, as in \"{word} alice#1\"");
            return wrong(0, message);
        }
        let at = text.value.len() - rest.trim_start().len();
        match self.find_operation(operation) {
            Ok(operation) => Ok((known, operation)),
            Err(message) => wrong(at, message),
        }
    }

    fn find_operation(&self, text: &str) -> Result<OperationId, String> {
        let Some((client, number)) = text.split_once('#') else {
            return Err(format!(
                "`{text}` is no operation; expected one such as alice#1"
            ));
        };
        let client = self.find("unknown client", client, self.servers)?;
        let (name, operations) = self.hosts[client.index()];
        let known = number
            .parse()
            .ok()
            .filter(|number| (1..=operations).contains(number));
        let number = known.ok_or_else(|| match operations {
            0 => format!("unknown operation `{text}`; {name} performs none"),
            1 => format!("unknown operation `{text}`; expected `{name}#1`"),
            _ => {
                format!("unknown operation `{text}`; expected `{name}#1` to `{name}#{operations}`")
            }
        })?;
        Ok(OperationId { client, number })
    }

    /// The host of this name from the host of this number on.
    fn find(&self, what: &str, name: &str, first: usize) -> Result<HostId, String> {
        let mut hosts = self.hosts.iter().skip(first);
        let index = hosts.position(|&(host, _)| host == name);
        index
            .and_then(|index| u16::try_from(index + first).ok())
            .map(HostId)
            .ok_or_else(|| self.unknown(what, name, first))
    }

    fn unknown(&self, what: &str, name: &str, first: usize) -> String {
        /// Beyond this, the names are not worth listing.
        const LISTED_MAX: usize = 10;

        let known: Vec<&str> = self
            .hosts
            .iter()
            .skip(first)
            .map(|&(host, _)| host)
            .collect();
        if known.len() > LISTED_MAX {
            let listed = one_of(&known[..LISTED_MAX]);
            format!(
                "{what} `{name}`; expected {listed}, or another of the {}",
                known.len()
            )
        } else {
            unknown_word(what, name, &known)
        }
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
