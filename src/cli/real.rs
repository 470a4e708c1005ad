//! What `serve`, `client` and `demo` share: a service by its name, addresses, a runtime for sockets.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime;
use tokio::task::LocalSet;

use crate::cli::exit::UsageError;
use crate::rpc::Semantics;
use crate::services::{Application, catalogue};

/// The service of this name.
pub(crate) fn application(name: &str) -> anyhow::Result<Arc<dyn Application>> {
    let mut services = catalogue();
    if let Some(at) = services.iter().position(|service| service.name() == name) {
        return Ok(services.swap_remove(at));
    }
    let names: Vec<_> = services.iter().map(|service| service.name()).collect();
    let message = format!("there is no service `{name}`; write {}", names.join(", "));
    Err(UsageError(message).into())
}

/// What `--set` says, all of it.
pub(crate) fn settings(set: &[String]) -> Result<toml::Table, UsageError> {
    let mut settings = toml::Table::new();
    for setting in set {
        settings.extend(parse_setting(setting)?);
    }
    Ok(settings)
}

/// The service with these settings.
pub(crate) fn configure(
    application: Arc<dyn Application>,
    settings: &toml::Table,
) -> anyhow::Result<Arc<dyn Application>> {
    if settings.is_empty() {
        return Ok(application);
    }
    application
        .configure(settings)
        .map_err(|error| UsageError(format!("the setting `{}`: {error}", error.name)).into())
}

/// `KEY=VALUE` in TOML; a bare word is taken for a string.
fn parse_setting(setting: &str) -> Result<toml::Table, UsageError> {
    let quoted = || {
        let (key, word) = setting.split_once('=')?;
        format!("{key} = {}", toml::Value::from(word)).parse().ok()
    };
    let read: Result<toml::Table, _> = setting.parse();
    read.or_else(|error| {
        quoted().ok_or_else(|| {
            let reason = error.message();
            UsageError(format!(
                "`--set {setting}`: {reason}; write KEY=VALUE, the value in TOML"
            ))
        })
    })
}

/// Reads the name of semantics, for the command line.
pub(crate) fn parse_semantics(text: &str) -> Result<Semantics, String> {
    let names = Semantics::ALL.map(Semantics::name);
    let at = names.iter().position(|name| *name == text);
    at.map(|at| Semantics::ALL[at])
        .ok_or_else(|| format!("write {}", names.join(", ")))
}

/// What `HOST:PORT` means, the addresses of format IPv4 first. Without a host it is this computer,
/// reached through its loopback network.
pub(crate) fn addresses(text: &str) -> anyhow::Result<Vec<SocketAddr>> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let wrong = || {
        let message = format!("`{text}` is no address; write HOST:PORT, as in 127.0.0.1:3000");
        UsageError(message)
    };
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if host.is_empty() {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]);
    }
    let is_name_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if !host.chars().all(is_name_part) || !host.contains(|c: char| c.is_ascii_alphabetic()) {
        return Err(wrong().into());
    }
    let found = (host, port).to_socket_addrs();
    let mut found: Vec<SocketAddr> = found
        .with_context(|| format!("cannot look up the host `{host}`"))?
        .collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    anyhow::ensure!(!found.is_empty(), "the host `{host}` has no address");
    Ok(found)
}

/// The setting by which a service says how many servers it has: as many as are named, unless it is set.
pub(crate) const SERVERS_SETTING: &str = "data_centres";

/// Counts the servers by their numbers, where a service wants to know and nobody has said. Number 0 alone
/// says nothing: whoever names it has forgotten the others.
pub(crate) fn count_servers(
    application: &dyn Application,
    numbers: impl Iterator<Item = u16>,
    settings: &mut toml::Table,
) {
    let known = application.settings();
    let is_asked = known.iter().any(|setting| setting.name == SERVERS_SETTING);
    if let Some(last @ 1..) = numbers.max()
        && is_asked
        && !settings.contains_key(SERVERS_SETTING)
    {
        settings.insert(SERVERS_SETTING.to_owned(), (i64::from(last) + 1).into());
    }
}

/// Runs a future with sockets, timers and tasks of its own; its tasks end with it.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime for sockets")?;
    LocalSet::new().block_on(&runtime, future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_the_loopback_network() {
        for text in ["3000", ":3000", "127.0.0.1:3000"] {
            let loopback = (Ipv4Addr::LOCALHOST, 3000).into();
            assert_eq!(addresses(text).unwrap(), [loopback], "{text}");
        }
        assert!(addresses("[::1]:0").unwrap()[0].is_ipv6());
        assert!(addresses("localhost:3000").unwrap()[0].ip().is_loopback());
    }

    #[test]
    fn what_is_no_address_is_a_mistake_of_the_user() {
        for text in [
            "",
            "127.0.0.1",
            "1.2.3.4.5:1",
            "999.0.0.1:1",
            "localhost",
            ":65536",
            "a b:1",
            "::1",
        ] {
            let error = addresses(text).unwrap_err();
            assert!(error.is::<UsageError>(), "{text}: {error}");
        }
    }

    #[test]
    fn services_and_semantics_are_known_by_name() {
        assert_eq!(application("booking").unwrap().name(), "booking");
        assert!(application("cooking").unwrap_err().is::<UsageError>());
        assert_eq!(parse_semantics("maybe"), Ok(Semantics::Maybe));
        assert!(parse_semantics("exactly-once").is_err());
    }
}
