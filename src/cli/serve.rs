//! `wavetank serve`: a service on a real socket, until a signal ends it.

use std::fmt::{Display, Write as _};
use std::future::{Future, poll_fn};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use anyhow::Context as _;

use crate::cli::exit::{Exit, UsageError};
use crate::cli::out::{note, say};
use crate::cli::peer::Peer;
use crate::cli::signals::Signals;
use crate::cli::{real, roles};
use crate::disk;
use crate::id::HostId;
use crate::net::conditions::{Conditions, Delay, Link, Probability};
use crate::net::real::{Listener, RealWorld, random_seed};
use crate::rpc::line_front::LineFront;
use crate::rpc::reply_cache::Limits;
use crate::rpc::serve::answer;
use crate::rpc::server::{RestoreError, RpcServer};
use crate::rpc::{CacheKind, Peers, Semantics};
use crate::seed::Seed;
use crate::services::Application;
use crate::services::words::Words;

/// The longest delay that can be asked for: a day. Beyond, nobody would see it end.
const DELAY_MS_MAX: u32 = 24 * 60 * 60 * 1_000;

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  wavetank serve booking                                                this computer only, port 3000
  wavetank serve booking --semantics at-least-once --loss 0.2           loses one datagram in five
  wavetank serve booking --listen 0.0.0.0:3000                          for other computers too
  wavetank serve booking --data bookings                                keeps what it knows in this directory
  wavetank serve lock --data locks                                      keeps locks and files in this directory
  wavetank serve lock --set lease_ms=500 --set locks=global             one lock for all files, shorter leases
  wavetank serve causal --listen 3001 --id 1 --peer 0=:3000 --peer 2=:3002    one data centre of three
  wavetank serve causal --listen 3001 --id 1 --peer 0=:3000 --peer 2=:3002 --rejoin    the same, started again
  wavetank serve meeting --role main --data main                        clients at port 24849, over TCP
  wavetank serve meeting --role data --name a --file examples/meeting/a.txt --data a
  wavetank serve meeting --role main --peer a=:21849 --peer b=:22849 --peer c=10.0.0.7:21849    three data servers

When a server has been started again, and gets a request of before once more, it
  executes it again                       with --reply-cache memory
  refuses it: the client does not know    with --reply-cache epoch
  answers it as before                    with --reply-cache durable, which needs --data

A data centre of the causal store that is started again without --data has forgotten what it wrote. Start it with
--rejoin then, or it gives versions that it has given before, and the others take new writes for old ones.

The first line on stdout is `listening on ADDR`. The main server of meeting then says where clients are to connect; a data
centre of the causal store then tells what arrives, a line for each write. Ctrl-C and SIGTERM end it with exit code 0. If it
cannot listen, or --data names a directory that it cannot use, or its disk is full or fails, it says so and ends with 4;
so does a data server of meeting with people whom another has.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The service, such as booking.
    service: String,
    /// Which of the service's servers this is, from 0, where a service has several.
    #[arg(long, value_name = "N")]
    id: Option<u16>,
    /// Another server of the service: its number, or of meeting its letter, and where it listens, as in
    /// 1=127.0.0.1:3001 and a=127.0.0.1:21849. Name all of them; any may be started first.
    #[arg(long = "peer", value_name = "N=ADDR", value_parser = Peer::parse)]
    peers: Vec<Peer>,
    /// Where to listen: HOST:PORT, or a port of the loopback network. Port 0 takes any free one.
    /// [default: 127.0.0.1:3000; of meeting 23849, and 21849 and 22849 of data servers a and b]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Whether duplicates of a request are filtered: maybe, at-least-once or at-most-once.
    #[arg(long, value_parser = real::parse_semantics, default_value = "at-most-once")]
    semantics: Semantics,
    /// Where to keep what the service knows, so that the next start finds it: a directory, made if need be.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// This server has run before and kept nothing, where a service has several: it fetches what the others
    /// hold before it answers.
    #[arg(long)]
    rejoin: bool,
    /// How duplicates are recognized after a restart: memory, epoch or durable, below [default: durable
    /// with --data, else memory].
    #[arg(long, value_name = "KIND", value_parser = parse_reply_cache)]
    reply_cache: Option<CacheKind>,
    /// How likely each datagram is lost, in and out: 0 to 1.
    #[arg(long, value_name = "P", value_parser = parse_probability, default_value = "0")]
    loss: Probability,
    /// How likely each datagram arrives twice, in and out: 0 to 1.
    #[arg(long, value_name = "P", value_parser = parse_probability, default_value = "0")]
    duplication: Probability,
    /// How long each datagram is delayed, in and out: N ms, or A..B for A to B ms.
    #[arg(long, value_name = "N|A..B", value_parser = parse_delay, default_value = "0")]
    delay_ms: Delay,
    /// Fixes the draws of loss, duplication and delay; without it, every start draws others.
    #[arg(long)]
    seed: Option<u64>,
    /// A facility of the booking service, in place of the usual ones; may be given several times.
    #[arg(long, value_name = "NAME")]
    facility: Vec<String>,
    /// A setting of the service, as in scenarios: KEY=VALUE, the value in TOML.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    role: roles::RoleArguments,
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let (application, place, usual) = arguments.server()?;
    let reply_cache = arguments.reply_cache()?;
    arguments.check_rejoin(&place, &*application)?;
    if arguments.data.is_some() && !application.stores_state() {
        let name = application.name();
        let message =
            format!("the service {name} keeps its state in memory only: leave --data out");
        return Err(UsageError(message).into());
    }
    let Some(listen) = arguments.listen.as_deref().or(usual) else {
        let name = &place.servers[usize::from(place.peers.own)];
        let message = format!(
            "say where data server {name} listens, with --listen, and tell the main server: --peer {name}=ADDR"
        );
        return Err(UsageError(message).into());
    };
    let address = real::addresses(listen)?[0];
    real::block_on(serve(arguments, application, &place, reply_cache, address))
}

async fn serve(
    arguments: &Arguments,
    application: Arc<dyn Application>,
    place: &Place,
    reply_cache: CacheKind,
    address: SocketAddr,
) -> anyhow::Result<Exit> {
    let seed = arguments.seed.map(Seed);
    let is_watched = Words::are_logged() || application.tells_arrivals();
    let listener = is_watched.then(|| listener(application.clone()));
    let names: Vec<&str> = place.servers.iter().map(String::as_str).collect();
    let world = RealWorld::new(&names, arguments.conditions(), seed, listener);
    let own = place.peers.own;
    for (number, peer) in (0..).zip(&place.peers.addresses) {
        if let Some(peer) = peer {
            world.name_address(*peer, HostId(number));
        }
    }
    let host = world.host(HostId(own), address.ip());
    let mut socket = host
        .bind(address.port())
        .with_context(|| format!("cannot listen on {address}"))?;
    let mut signals = Signals::new().context("cannot listen to signals")?;
    let service = match place.servers.len() {
        1 => application.service(),
        // Never of --seed: what one life has drawn, no other is to draw.
        _ => application.replica(own, random_seed().stream("replica")),
    };
    let format_v1 = application.format_v1();
    let server = RpcServer::new(service, format_v1, arguments.semantics);
    let mut server = server.with_peers(place.peers.clone()).with_reply_cache(
        reply_cache,
        Limits::default(),
        // Never of --seed: a session of an earlier life is not to be given again.
        random_seed().stream("sessions"),
    );
    if let Some(directory) = &arguments.data {
        let store = disk::real::open(directory).map_err(said)?;
        let restored = server.with_store(host.now(), store);
        server = restored.map_err(|error| unusable(directory, error))?;
    } else if arguments.rejoin || place.has_roles {
        server = server.begin_again(host.now());
    }
    let front = match application.lines() {
        Some(lines) if usize::from(own) < application.entrances() => {
            let tcp = arguments.role.tcp(address, lines.port)?;
            let host = world.host(HostId(own), tcp.ip());
            let listener = host.listen(tcp.port());
            let listener =
                listener.with_context(|| format!("cannot listen on {tcp} for connections"))?;
            Some(LineFront::new(host, listener, lines))
        }
        _ => None,
    };
    writeln!(io::stdout(), "listening on {}", socket.local_address())?;
    if let Some(front) = &front {
        say!("clients connect to {} over TCP", front.local_address());
    }
    let stop = {
        let answering = answer(&host, &mut *socket, &mut server);
        let mut answering = pin!(answering.with_front(front));
        poll_fn(|context| {
            if signals.poll(context).is_ready() {
                return Poll::Ready(None);
            }
            answering.as_mut().poll(context).map(Some)
        })
        .await
    };
    if let Some(text) = malformed(&server) {
        note!("{text}");
    }
    stop.map_or(Ok(Exit::Held), |stop| Err(said(stop)))
}

/// Logs every event, and tells what arrives.
fn listener(application: Arc<dyn Application>) -> Listener {
    let words = Words(application.clone());
    Box::new(move |line, names| {
        words.log(line, names);
        if let Some(text) = application.arrival(line) {
            say!("{text}");
        }
    })
}

/// What is in a directory is no use to this server.
fn unusable(directory: &Path, error: RestoreError) -> anyhow::Error {
    match error {
        RestoreError::Store(error) => said(error),
        RestoreError::Record(_) => {
            let place = directory.display();
            said(format_args!("cannot serve from {place}: {error}"))
        }
    }
}

/// An error whose text already says what caused it, so that its cause is not printed again.
fn said(error: impl Display) -> anyhow::Error {
    anyhow::Error::msg(error.to_string())
}

/// How many datagrams were no message, by kind; nothing if there were none.
fn malformed(server: &RpcServer) -> Option<String> {
    let kinds = server.malformed();
    let (mut all, mut text) = (0, String::new());
    for (kind, count) in kinds {
        all += count;
        let between = if text.is_empty() { ": " } else { ", " };
        let _infallible = write!(text, "{between}{count} {kind}");
    }
    (all > 0).then(|| format!("ignored {all} datagrams that were no message{text}"))
}

/// Which of a service's servers this is, and where the others are.
struct Place {
    servers: Vec<String>,
    peers: Peers,
    /// Whether it has a role; then each of its lives knows by itself that there may have been others.
    has_roles: bool,
}

impl Place {
    fn of(arguments: &Arguments, application: &dyn Application) -> anyhow::Result<Self> {
        let servers = application.servers();
        let wrong = |message: String| Err(UsageError(message).into());
        let (count, name) = (servers.len(), application.name());
        if count == 1 {
            if arguments.id.is_some_and(|id| id > 0) || !arguments.peers.is_empty() {
                return wrong(format!(
                    "{name} has one server here: leave --id and --peer out"
                ));
            }
            let peers = Peers::default();
            return Ok(Self {
                servers,
                peers,
                has_roles: false,
            });
        }
        let own = arguments.id.unwrap_or_default();
        let mut addresses = vec![None; count];
        for peer in &arguments.peers {
            let number = peer.number()?;
            match addresses.get_mut(usize::from(number)) {
                Some(place) if place.is_none() && number != own => {
                    *place = Some(real::addresses(&peer.address)?[0]);
                }
                Some(_) if number == own => {
                    return wrong(format!("--peer {peer}: this server is number {own} itself"));
                }
                Some(_) => return wrong(format!("--peer {number} is there twice")),
                None => {
                    let last = count - 1;
                    return wrong(format!("--peer {peer}: the servers are 0 to {last}"));
                }
            }
        }
        if usize::from(own) >= count {
            return wrong(format!("--id {own}: the servers are 0 to {}", count - 1));
        }
        let is_missing = |place: &usize| addresses[*place].is_none() && *place != usize::from(own);
        if let Some(missing) = (0..count).find(is_missing) {
            return wrong(format!(
                "{name} has {count} servers: say where number {missing} is, with --peer {missing}=ADDR"
            ));
        }
        let peers = Peers { own, addresses };
        Ok(Self {
            servers,
            peers,
            has_roles: false,
        })
    }
}

impl Arguments {
    /// The service, which of its servers this is, and where it listens unless told otherwise; `None` if it must be
    /// told.
    fn server(&self) -> anyhow::Result<(Arc<dyn Application>, Place, Option<&'static str>)> {
        let service = &self.service;
        if let Some(cast) = self.role.cast(service, &self.peers, &self.set)? {
            if self.id.is_some() || !self.facility.is_empty() {
                let message = format!("{service} has no --id and --facility: see --role");
                return Err(UsageError(message).into());
            }
            let place = Place {
                servers: cast.application.servers(),
                peers: cast.peers,
                has_roles: true,
            };
            return Ok((cast.application, place, cast.listen));
        }
        let application = configure(real::application(service)?, self)?;
        let place = Place::of(self, &*application)?;
        Ok((application, place, Some("127.0.0.1:3000")))
    }

    /// What the reply cache is to survive.
    fn reply_cache(&self) -> Result<CacheKind, UsageError> {
        let otherwise = if self.data.is_some() {
            CacheKind::Durable
        } else {
            CacheKind::Memory
        };
        let reply_cache = self.reply_cache.unwrap_or(otherwise);
        if reply_cache == CacheKind::Durable && self.data.is_none() {
            let message = "--reply-cache durable needs a disk: name a directory with --data";
            return Err(UsageError(message.to_owned()));
        }
        if !self.semantics.filters_duplicates()
            && let Some(kind @ (CacheKind::Epoch | CacheKind::Durable)) = self.reply_cache
        {
            return Err(UsageError(format!(
                "--reply-cache {} needs --semantics at-most-once: with {} there is no reply cache",
                kind.name(),
                self.semantics.name()
            )));
        }
        Ok(reply_cache)
    }

    /// Whether it can be that this server joins others again, with nothing that it knows.
    fn check_rejoin(&self, place: &Place, application: &dyn Application) -> Result<(), UsageError> {
        if self.rejoin && self.data.is_some() {
            let message = "--rejoin is for a server that kept nothing: with --data, leave it out";
            return Err(UsageError(message.to_owned()));
        }
        if self.rejoin && place.has_roles {
            let message = "--rejoin: a server of meeting that is started again makes itself known, so leave it out";
            return Err(UsageError(message.to_owned()));
        }
        if self.rejoin && place.servers.len() == 1 {
            let name = application.name();
            return Err(UsageError(format!(
                "--rejoin: {name} has one server here, and nobody to fetch anything from"
            )));
        }
        Ok(())
    }

    /// What each datagram meets; `None` if nothing may happen to it.
    fn conditions(&self) -> Option<Conditions> {
        let everywhere = Link {
            loss: self.loss,
            duplication: self.duplication,
            delay: self.delay_ms,
        };
        let harmless = Link {
            delay: Delay::Fixed(1),
            ..Link::default()
        };
        (everywhere != harmless).then(|| Conditions {
            everywhere,
            ..Conditions::default()
        })
    }
}

/// The service with its settings, those of `--set` and `--facility`.
fn configure(
    application: Arc<dyn Application>,
    arguments: &Arguments,
) -> anyhow::Result<Arc<dyn Application>> {
    let mut settings = real::settings(&arguments.set)?;
    if !arguments.facility.is_empty() {
        settings.insert("facilities".to_owned(), arguments.facility.clone().into());
    }
    if !arguments.peers.is_empty() {
        let numbers = arguments.peers.iter().filter_map(|peer| peer.number().ok());
        real::count_servers(&*application, numbers.chain(arguments.id), &mut settings);
    }
    real::configure(application, &settings)
}

fn parse_reply_cache(text: &str) -> Result<CacheKind, String> {
    let found = CacheKind::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| "write memory, epoch or durable".to_owned())
}

fn parse_probability(text: &str) -> Result<Probability, String> {
    let read = text.parse().ok().and_then(Probability::new);
    read.ok_or_else(|| "write a number from 0 to 1, as in 0.2".to_owned())
}

/// On real sockets the delay of 1 ms is none, and each longer one is 1 ms less than its number.
fn parse_delay(text: &str) -> Result<Delay, String> {
    let read = |text: &str| {
        let delay_ms: Option<u32> = text.parse().ok();
        delay_ms.filter(|&delay_ms| delay_ms <= DELAY_MS_MAX)
    };
    let delay = match text.split_once("..") {
        Some((min, max)) => read(min).zip(read(max)).and_then(|(min, max)| {
            (min <= max).then_some(Delay::Uniform {
                min: min + 1,
                max: max + 1,
            })
        }),
        None => read(text).map(|delay_ms| Delay::Fixed(delay_ms + 1)),
    };
    delay.ok_or_else(|| {
        format!("write milliseconds up to {DELAY_MS_MAX}, as in 50, or two of them, as in 20..80")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_a_number_or_two() {
        assert_eq!(parse_delay("0"), Ok(Delay::Fixed(1)));
        assert_eq!(
            parse_delay("20..80"),
            Ok(Delay::Uniform { min: 21, max: 81 })
        );
        for wrong in ["", "-1", "80..20", "1..", "86400001", "1.5"] {
            assert!(parse_delay(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn probabilities_are_from_0_to_1() {
        assert_eq!(parse_probability("0"), Ok(Probability::NEVER));
        for wrong in ["", "1.1", "-0.1", "NaN", "20%"] {
            assert!(parse_probability(wrong).is_err(), "{wrong}");
        }
    }
}
