//! The servers of the meeting scheduler on the command line: by their roles, with the ports of the seed document.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use crate::cli::exit::UsageError;
use crate::cli::peer::{Peer, letter, parse_letter};
use crate::cli::real;
use crate::rpc::Peers;
use crate::services::meeting::MeetingScheduler;
use crate::services::meeting::data_file::DataFile;
use crate::services::{Application, SettingError};

/// The service whose servers have roles.
const SERVICE: &str = "meeting";

/// The setting that says how many data servers there are.
const COUNT: &str = "data_servers";

/// Where the main server listens for datagrams: the port of the seed document.
const MAIN_PORT: &str = "127.0.0.1:23849";

/// Where the data servers a and b listen: the ports of the seed document. Others have none.
const DATA_PORTS: [&str; 2] = ["127.0.0.1:21849", "127.0.0.1:22849"];

/// Settings that a server has no use for, and what to do instead.
const PEOPLE: (&str, &str) = (
    "people",
    "the people of a data server stand in a file, named with --file",
);
const IDLE: (&str, &str) = (
    "idle_ms",
    "it is for the main server, which clients connect to",
);
const FRONT: (&str, &str) = ("front", "it is for the main server, which clients call");

#[derive(Debug, clap::Args)]
pub(crate) struct RoleArguments {
    /// What a server of meeting is: the main server, or a data server.
    #[arg(long, value_enum)]
    role: Option<Role>,
    /// Which data server of meeting this is: a letter.
    #[arg(long, value_name = "LETTER", value_parser = parse_letter)]
    name: Option<u16>,
    /// The people of a data server of meeting: a line for each, such as `lilith;[[1,3],[4,9]]`.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Where the main server of meeting listens for datagrams [default: 127.0.0.1:23849].
    #[arg(long, value_name = "ADDR")]
    main: Option<String>,
    /// Where the main server of meeting listens for clients over TCP [default: port 24849 of --listen's address].
    #[arg(long, value_name = "ADDR")]
    tcp: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Role {
    Main,
    Data,
}

/// A server of the meeting scheduler, all that is special about it.
pub(crate) struct Cast {
    pub(crate) application: Arc<dyn Application>,
    pub(crate) peers: Peers,
    /// Where it listens for datagrams unless told otherwise; `None` if it must be told.
    pub(crate) listen: Option<&'static str>,
}

impl RoleArguments {
    /// The server that these arguments ask for; `None` if the service has no roles.
    pub(crate) fn cast(
        &self,
        service: &str,
        peers: &[Peer],
        set: &[String],
    ) -> anyhow::Result<Option<Cast>> {
        let wrong = |message: &str| Err(UsageError(message.to_owned()).into());
        if service != SERVICE {
            let is_used = self.role.is_some() || self.main.is_some() || self.tcp.is_some();
            return match is_used || self.name.is_some() || self.file.is_some() {
                true => wrong("--role, --name, --file, --main and --tcp are for meeting only"),
                false => Ok(None),
            };
        }
        match self.role {
            None => wrong("say which server of meeting this is: --role main, or --role data"),
            Some(Role::Main) if self.name.is_some() || self.file.is_some() => {
                wrong("--name and --file are for data servers: the main server has no people")
            }
            Some(Role::Main) if self.main.is_some() => {
                wrong("--main is for data servers: the main server listens at --listen and --tcp")
            }
            Some(Role::Main) => {
                let cast = cast_main(peers, set)?;
                if self.tcp.is_some() && cast.application.lines().is_none() {
                    return wrong("--tcp: with front = \"udp\" nobody connects, so leave it out");
                }
                Ok(Some(cast))
            }
            Some(Role::Data) if self.tcp.is_some() => {
                wrong("--tcp is for the main server: clients do not call data servers")
            }
            Some(Role::Data) if !peers.is_empty() => {
                wrong("--peer is for the main server: a data server knows it by --main")
            }
            Some(Role::Data) => match (self.name, &self.file) {
                (Some(place), Some(file)) => self.cast_data(place, file, set).map(Some),
                _ => wrong("a data server needs --name and --file, such as --name a --file a.txt"),
            },
        }
    }

    /// Where a main server listens for clients whose datagrams come to this address.
    pub(crate) fn tcp(&self, listen: SocketAddr, port: u16) -> anyhow::Result<SocketAddr> {
        match &self.tcp {
            Some(text) => Ok(real::addresses(text)?[0]),
            None => Ok(SocketAddr::new(listen.ip(), port)),
        }
    }

    fn cast_data(&self, place: u16, file: &Path, set: &[String]) -> anyhow::Result<Cast> {
        let name = file.display().to_string();
        let bytes = fs::read(file).with_context(|| format!("cannot read {name}"))?;
        let people = DataFile::parse(&name, &bytes)?.into_people();
        let scheduler = scheduler(place, set, &[PEOPLE, IDLE, FRONT])?.with_people(place, people);
        let main = self.main.as_deref().unwrap_or(MAIN_PORT);
        let mut addresses = vec![None; scheduler.servers().len()];
        addresses[0] = Some(real::addresses(main)?[0]);
        let own = place;
        Ok(Cast {
            application: Arc::new(scheduler),
            peers: Peers { own, addresses },
            listen: DATA_PORTS.get(usize::from(place) - 1).copied(),
        })
    }
}

/// The main server, which is to know where all data servers are: by default there are two, at the usual ports.
fn cast_main(peers: &[Peer], set: &[String]) -> anyhow::Result<Cast> {
    let mut named = Vec::new();
    for peer in peers {
        named.push((peer.letter()?, peer.address.as_str()));
    }
    if named.is_empty() {
        named.extend((1..).zip(DATA_PORTS));
    }
    let last = named.iter().map(|(place, _)| *place).max();
    let scheduler = scheduler(last.unwrap_or_default(), set, &[PEOPLE])?;
    let mut addresses = vec![None; scheduler.servers().len()];
    for (place, text) in &named {
        let name = letter(*place);
        match addresses.get_mut(usize::from(*place)) {
            Some(address) if *place > 0 && address.is_none() => {
                *address = Some(real::addresses(text)?[0]);
            }
            _ => {
                let message = format!(
                    "--peer {name}={text}: name each data server once, as in a=127.0.0.1:21849"
                );
                return Err(UsageError(message).into());
            }
        }
    }
    if let Some(missing) = (1..addresses.len()).find(|place| addresses[*place].is_none()) {
        let name = letter(missing as u16); // there are at most 26
        let message = format!("say where data server {name} is, with --peer {name}=ADDR");
        return Err(UsageError(message).into());
    }
    Ok(Cast {
        application: Arc::new(scheduler),
        peers: Peers { own: 0, addresses },
        listen: Some(MAIN_PORT),
    })
}

/// The scheduler with these settings, and at least so many data servers.
fn scheduler(
    least: u16,
    set: &[String],
    useless: &[(&str, &str)],
) -> anyhow::Result<MeetingScheduler> {
    let mut settings = real::settings(set)?;
    for (name, instead) in useless {
        if settings.contains_key(*name) {
            return Err(UsageError(format!("the setting `{name}`: {instead}")).into());
        }
    }
    if !settings.contains_key(COUNT) {
        settings.insert(COUNT.to_owned(), i64::from(least).into());
    }
    let configured = MeetingScheduler::default().configured(&settings);
    let scheduler = configured.map_err(|error: SettingError| {
        UsageError(format!("the setting `{}`: {error}", error.name))
    })?;
    let scheduler = scheduler.with_drawn_first_lives();
    if scheduler.servers().len() <= usize::from(least) {
        let message = format!(
            "there is no data server {}: see data_servers",
            letter(least)
        );
        return Err(UsageError(message).into());
    }
    Ok(scheduler)
}
