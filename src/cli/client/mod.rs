//! `wavetank client`: calls a server on a real socket, one command or a prompt.
//!
//! A process is one client life: its client id and its numbers go on over all commands of a prompt.

mod layout;
mod line;
mod narrator;
mod prompt;
mod session;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::exit::{Exit, UsageError};
use crate::cli::out::note;
use crate::cli::peer::Peer;
use crate::cli::real;
use crate::rpc::Semantics;
use crate::rpc::client::{CallOptions, Wire};
use crate::services::Application;

use line::Line;
use session::{ACQUIRE, Session};

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  wavetank client booking --server 127.0.0.1:3000                               a prompt; `help` shows the commands
  wavetank client booking --server 127.0.0.1:3000 query 'Meeting Room A' mon
  wavetank client booking --server 127.0.0.1:3000 book 'Meeting Room A' mon 10:00-11:00
  wavetank client booking --server 127.0.0.1:3000 monitor 'Meeting Room A' --for 20m
  wavetank client causal --name alice --server 127.0.0.1:3000 lost
  wavetank client lock --server 127.0.0.1:3000                                  acquire, append, release at a prompt
  wavetank client meeting --server 127.0.0.1:24849                              names in, times out
  wavetank client meeting --server 127.0.0.1:24849 lilith jameson
  printf 'acquire file_0\\nappend file_0 A\\nrelease file_0\\n' | wavetank client lock --server 127.0.0.1:3000

A client of the lock service holds its locks as long as it runs, and renews them while it waits for a line. Once it has
ended, its locks go to the next who waits, when their leases have run out; what it has not released vanishes then.

Options stand before the command. Exit codes: 0 the command ended ok, 1 it failed, 2 it was no command,
4 it could not be sent, 5 unknown: no reply came, and it may have been executed.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The service, such as booking.
    service: String,
    /// The server's address: HOST:PORT, or a port of this computer.
    #[arg(long, value_name = "ADDR")]
    server: String,
    /// A server that the session may move to, where a service has several: its number and where it listens,
    /// as in 1=127.0.0.1:3001. Name all of them, --server too.
    #[arg(long = "peer", value_name = "N=ADDR", value_parser = Peer::parse)]
    peers: Vec<Peer>,
    /// Who the client is, where a service asks for that: what it writes carries its name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The address to send from, to have a fixed port: ADDR:PORT, as in 0.0.0.0:3001, or a port.
    #[arg(long, value_name = "ADDR", value_parser = parse_bind)]
    bind: Option<SocketAddr>,
    /// The format to speak.
    #[arg(long, value_enum, default_value_t = WireName::V2)]
    wire: WireName,
    /// How long to wait for a reply before sending again [default: the service's own].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    timeout_ms: Option<u64>,
    /// How often to send a request at most [default: the service's own].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    attempts: Option<u16>,
    /// Whether to send again when no reply comes: maybe, at-least-once or at-most-once.
    #[arg(long, value_parser = real::parse_semantics, default_value = "at-most-once")]
    semantics: Semantics,
    /// The command; without one there is a prompt, or commands are read from the input.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum WireName {
    V1,
    V2,
}

/// An address, or a port of every address of this computer.
fn parse_bind(text: &str) -> Result<SocketAddr, String> {
    let port = || {
        text.parse()
            .ok()
            .map(|port: u16| (Ipv4Addr::UNSPECIFIED, port).into())
    };
    let address = text.parse().ok().or_else(port);
    address.ok_or_else(|| "write ADDR:PORT, as in 0.0.0.0:3001".to_owned())
}

/// Runs the command, or the prompt.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let application = real::application(&arguments.service)?;
    let application = arguments.configured(application)?;
    let options = arguments.options(application.as_ref())?;
    let words: Vec<&str> = arguments.command.iter().map(String::as_str).collect();
    let line = match Line::of_words(application.as_ref(), &words) {
        Ok(line) => line,
        Err(error) => {
            line::complain(&words.join(" "), &error);
            return Ok(Exit::Usage);
        }
    };
    let (server, bind) = arguments.addresses()?;
    let servers = arguments.servers(server, &*application)?;
    real::block_on(async {
        let mut session = Session::new(application, (server, servers), bind, options)?;
        if words.is_empty() {
            prompt::run(&mut session).await
        } else {
            let exit = session.obey(&line).await;
            if exit == Exit::Held && line.verb() == Some(ACQUIRE) {
                note!(
                    "the client ends here, and nobody renews its lease: acquire at a prompt, or in piped lines"
                );
            }
            Ok(exit)
        }
    })
}

impl Arguments {
    /// The service, with as many servers as are named, and the client's name.
    fn configured(
        &self,
        application: Arc<dyn Application>,
    ) -> anyhow::Result<Arc<dyn Application>> {
        let mut settings = toml::Table::new();
        let numbers = self.peers.iter().filter_map(|peer| peer.number().ok());
        real::count_servers(&*application, numbers, &mut settings);
        let application = if settings.is_empty() {
            application
        } else {
            let configured = application.configure(&settings);
            configured.map_err(|error| UsageError(format!("--peer: {error}")))?
        };
        let Some(name) = &self.name else {
            return Ok(application);
        };
        let named = application.with_client_name(name);
        named.map_err(|error| UsageError(format!("--name {}: {error}", name.escape_debug())).into())
    }

    /// The servers that the session may move to, with their names and in their order, the one that it
    /// calls among them; none unless they are named.
    fn servers(
        &self,
        server: SocketAddr,
        application: &dyn Application,
    ) -> anyhow::Result<Vec<(String, SocketAddr)>> {
        if self.peers.is_empty() {
            return Ok(Vec::new());
        }
        let wrong = |message: String| Err(UsageError(message).into());
        let (names, name) = (application.servers(), application.name());
        if names.len() > 1 && application.entrances() == 1 {
            return wrong(format!(
                "--peer: clients of {name} call one server: name it with --server, and leave --peer out"
            ));
        }
        let mut addresses = vec![None; names.len()];
        for peer in &self.peers {
            let number = peer.number()?;
            let place = addresses.get_mut(usize::from(number));
            let Some(place) = place.filter(|_| names.len() > 1) else {
                return wrong(format!("--peer {peer}: {name} has no such server"));
            };
            if place.is_some() {
                return wrong(format!("--peer {number} is there twice"));
            }
            *place = Some(real::addresses(&peer.address)?[0]);
        }
        if let Some(missing) = addresses.iter().position(Option::is_none) {
            return wrong(format!(
                "say where number {missing} is, with --peer {missing}=ADDR"
            ));
        }
        let addresses: Vec<SocketAddr> = addresses.into_iter().flatten().collect();
        if !addresses.contains(&server) {
            return wrong(format!(
                "--server {server} is none of those that --peer names: name it, too"
            ));
        }
        Ok(names.into_iter().zip(addresses).collect())
    }

    fn options(&self, application: &dyn Application) -> anyhow::Result<CallOptions> {
        if let Some(bind) = self.bind.filter(|bind| bind.port() > 0)
            && application.lines().is_some()
        {
            return Err(UsageError(format!(
                "--bind {bind}: clients of {} connect from any port; write {}:0",
                application.name(),
                bind.ip()
            ))
            .into());
        }
        let mut policy = application.policy();
        if let Some(timeout_ms) = self.timeout_ms {
            policy.timeout = Duration::from_millis(timeout_ms);
        }
        policy.attempts = self.attempts.unwrap_or(policy.attempts);
        let wire = match (self.wire, application.format_v1()) {
            (WireName::V2, _) => Wire::V2,
            (WireName::V1, Some(format)) => Wire::V1(format),
            (WireName::V1, None) => {
                let name = application.name();
                return Err(UsageError(format!("the service {name} has no format v1")).into());
            }
        };
        Ok(CallOptions {
            semantics: self.semantics,
            policy,
            wire,
            // Over a connection it costs nothing to ask first, and then a request that comes too late is refused.
            sessions: application.lines().is_some() && self.semantics.filters_duplicates(),
        })
    }

    /// The server's address and the one to send from, of the same family.
    fn addresses(&self) -> anyhow::Result<(SocketAddr, SocketAddr)> {
        let found = real::addresses(&self.server)?;
        let fits = |server: &&SocketAddr| {
            let bind = self.bind.as_ref();
            bind.is_none_or(|bind| bind.is_ipv4() == server.is_ipv4())
        };
        let Some(&(mut server)) = found.iter().find(fits) else {
            let message = "the addresses of --server and --bind are of different families";
            return Err(UsageError(message.to_owned()).into());
        };
        // A server that listens everywhere on this computer replies from its loopback address.
        match server.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => server.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => server.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let anywhere: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Ok((server, self.bind.unwrap_or((anywhere, 0).into())))
    }
}
