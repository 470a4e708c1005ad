//! The names of hosts' streams of chance.
//!
//! A host that asks for a name again is given another stream: two lives of a client on one host must
//! not draw the same client id, nor a generator that starts again the same load.

use std::collections::BTreeMap;

use crate::id::HostId;

/// How often each host has asked for each name.
#[derive(Debug, Default)]
pub(crate) struct StreamNames(BTreeMap<(HostId, String), u32>);

impl StreamNames {
    /// What the stream is called that a host is given for this name: `load of alice`, and when it
    /// asks again, `load 2 of alice`.
    pub(crate) fn next(&mut self, host: HostId, host_name: &str, name: &str) -> String {
        let asked = self.0.entry((host, name.to_owned())).or_default();
        *asked += 1;
        match *asked {
            1 => format!("{name} of {host_name}"),
            nth => format!("{name} {nth} of {host_name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once_to_each_host() {
        let mut names = StreamNames::default();
        let mut next = |host, name| names.next(HostId(host), ["alice", "bob"][host as usize], name);
        assert_eq!(next(0, "load"), "load of alice");
        assert_eq!(next(0, "client id"), "client id of alice");
        assert_eq!(next(0, "load"), "load 2 of alice");
        assert_eq!(next(1, "load"), "load of bob");
    }
}
