//! Names of hosts and operations, as traces and evidence write them.

use std::borrow::Cow;

use crate::id::{ConnectionId, HostId, OperationId};

/// What operations of a scenario's setup have in place of a number.
const SETUP: &str = "setup";

/// The names of a run's hosts, in the order of hosts.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a>(pub &'a [String]);

impl<'a> Names<'a> {
    /// The host's name: `alice`; for a host without name its place, `host7`.
    #[must_use]
    pub fn host(self, host: HostId) -> Cow<'a, str> {
        match self.0.get(host.index()) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("host{}", host.0)),
        }
    }

    /// The operation's name: `alice#3`, or `alice#setup` for those of the setup.
    #[must_use]
    pub fn operation(self, operation: OperationId) -> String {
        let client = self.host(operation.client);
        match operation.number {
            0 => format!("{client}#{SETUP}"),
            number => format!("{client}#{number}"),
        }
    }

    /// The connection's name: `alice/2`, the second that alice has opened.
    #[must_use]
    pub fn connection(self, connection: ConnectionId) -> String {
        let ConnectionId { opener, number } = connection;
        format!("{}/{number}", self.host(opener))
    }

    /// The host of this name.
    #[must_use]
    pub fn find_host(self, name: &str) -> Option<HostId> {
        let place = self.0.iter().position(|host| host == name)?;
        u16::try_from(place).ok().map(HostId)
    }

    /// The operation of this name, the reverse of [`Self::operation`].
    #[must_use]
    pub fn find_operation(self, name: &str) -> Option<OperationId> {
        let (client, number) = name.rsplit_once('#')?;
        let number = match number {
            SETUP => 0,
            number => number.parse().ok().filter(|&number| number > 0)?,
        };
        Some(OperationId {
            client: self.find_host(client)?,
            number,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_as_they_are_written() {
        let hosts = ["alice".to_owned(), "server".to_owned()];
        let names = Names(&hosts);
        for number in [0, 1, 12] {
            let operation = OperationId {
                client: HostId(0),
                number,
            };
            let name = names.operation(operation);
            assert_eq!(names.find_operation(&name), Some(operation), "{name}");
        }
        for wrong in ["alice", "alice#", "alice#0", "alice#-1", "bob#1"] {
            assert_eq!(names.find_operation(wrong), None, "{wrong}");
        }
        assert_eq!(names.host(HostId(7)), "host7");
    }
}
