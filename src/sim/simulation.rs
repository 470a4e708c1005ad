//! One run: a scenario's hosts, wired to a simulator.
//!
//! A run has three parts. In the *setup*, clients perform their setup one after another on a perfect
//! network. Then the *story* begins: time zero of the trace. When every client has done its part and
//! no request or reply is under way, the story is over, and an *observer* asks on a perfect network
//! what the scenario wants to know in the end.
//!
//! What clients do is in `player`.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::check::convergence::Replica;
use crate::check::exclusion::LockAccess;
use crate::check::liveness::FreshCall;
use crate::history::History;
use crate::host::{Host, Task};
use crate::id::{HostId, OperationId};
use crate::net::simulated::SimHost;
use crate::net::world::{Main, Traffic, World};
use crate::net::{event, turmoil};
use crate::rpc::line_front::LineFront;
use crate::rpc::reply_cache::Limits;
use crate::rpc::serve::{halt, serve_with_front};
use crate::rpc::server::{RestoreError, RpcServer};
use crate::rpc::{Peers, StateKind};
use crate::seed::Seed;
use crate::services::words::Words;
use crate::sim::player::{client_main, observer_main};
use crate::sim::scenario::{Backend, OBSERVER, Variant};
use crate::sim::stages::Stages;
use crate::trace::{Coverage, Detail, Line, Recorded, Recorder};

/// The server's port in simulation.
const SERVER_PORT: u16 = 3000;

/// What a run leaves behind.
#[derive(Debug)]
pub struct Run {
    /// The names of its hosts, in their order.
    pub names: Vec<String>,
    /// What servers did in the setup, for checks.
    pub setup: Vec<Line>,
    /// The trace, in canonical order.
    pub lines: Vec<Line>,
    /// Whose requests were executed, once for each execution.
    pub executed: Vec<OperationId>,
    /// The history.
    pub history: History,
    /// What was sent during the story.
    pub traffic: Traffic,
    /// The numbers of the faults that struck nothing.
    pub idle_faults: Vec<u16>,
    /// How often each kind of fault has struck, and each rare case has occurred; whatever the detail.
    pub coverage: Coverage,
    /// What the observer was told: each line of `final` with its text.
    pub finals: Vec<(String, String)>,
    /// The calls that the observer then made for the check `liveness`, and how they ended.
    pub fresh_calls: Vec<FreshCall>,
    /// What each server then said of its state, for the check `convergence`.
    pub replicas: Vec<Replica>,
    /// What each probe of a service of locks read in the end, for the check `exclusion`, or what was said
    /// instead.
    pub files: Vec<Result<LockAccess, String>>,
    /// How long the story took, in virtual time.
    pub story_took: Duration,
    /// Why the run came to no end, if so.
    pub unfinished: Option<String>,
}

/// A command of the setup did not succeed, so that the story could not begin.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("setup of {client}: `{command}` ended {outcome}; a setup must succeed")]
pub struct SetupError {
    /// Whose setup.
    pub client: String,
    /// The line.
    pub command: String,
    /// What the client was told.
    pub outcome: String,
}

/// Runs a variant under a seed.
///
/// # Errors
///
/// If a command of the setup does not succeed.
///
/// # Panics
///
/// If a server or client panics.
///
/// # Determinism
///
/// Everything that the result holds is a pure function of the variant, the seed and the detail; it
/// does not depend on the backend.
pub fn run(
    variant: &Arc<Variant>,
    seed: Seed,
    backend: Backend,
    detail: Detail,
) -> Result<Run, SetupError> {
    let mut names = variant.host_names();
    let mut stages = Stages::new(variant);
    let outcomes = Rc::new(RefCell::new(Outcomes::default()));
    let mut mains: Vec<Main> = (0..u16_of(variant.servers.len()))
        .map(|place| server_main(variant, place))
        .collect();
    for (number, stage) in (0..variant.clients.len()).zip(stages.setup_stages(variant)) {
        mains.push(client_main(variant, number, stage, stages.story, &outcomes));
    }
    if variant.has_observer() {
        stages.observer = Some(HostId(u16_of(names.len())));
        names.push(OBSERVER.to_owned());
        mains.push(observer_main(variant, stages.story + 1, &outcomes));
    }
    stages.outcomes = outcomes.clone();
    let operations = variant.clients.iter();
    let operations: usize = operations.map(|client| client.operations() as usize).sum();
    let mut recorder = Recorder::new(detail).with_room_for(operations);
    if Words::are_logged() {
        let (words, names) = (Words(variant.application.clone()), names.clone());
        recorder = recorder.with_live(Box::new(move |line| words.log(line, &names)));
    }
    let world = World::new(seed, names.clone(), variant.conditions.clone(), recorder);
    let world = match backend {
        Backend::Event => event::run(world, &mains, &mut stages),
        Backend::Turmoil => turmoil::run(world, &mains, &mut stages),
    };
    let Outcomes {
        setup_error,
        finals,
        fresh_calls,
        replicas,
        files,
    } = outcomes.take();
    if let Some(error) = setup_error {
        return Err(error);
    }
    names.truncate(variant.servers.len() + variant.clients.len());
    let (traffic, idle_faults) = (world.traffic(), world.idle_faults().collect());
    let coverage = world.coverage();
    let Recorded {
        setup,
        lines,
        executed,
        history,
    } = world.into_recorder().finish();
    let unfinished = stages.unfinished;
    Ok(Run {
        names,
        setup,
        lines,
        executed,
        history,
        traffic,
        idle_faults,
        coverage,
        finals,
        fresh_calls,
        replicas,
        files,
        story_took: stages.story_took,
        unfinished,
    })
}

pub(super) fn u16_of(count: usize) -> u16 {
    u16::try_from(count).expect("a scenario has fewer than 2^16 hosts")
}

/// What the hosts of a run report to whoever runs it.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) setup_error: Option<SetupError>,
    pub(super) finals: Vec<(String, String)>,
    pub(super) fresh_calls: Vec<FreshCall>,
    pub(super) replicas: Vec<Replica>,
    pub(super) files: Vec<Result<LockAccess, String>>,
}

pub(super) type SharedOutcomes = Rc<RefCell<Outcomes>>;

fn server_main(variant: &Variant, place: u16) -> Main {
    let servers = variant.servers.clone();
    let (application, semantics) = (variant.application.clone(), variant.semantics);
    let (reply_cache, limits) = (variant.reply_cache, variant.reply_cache_limits);
    let state = variant.state;
    let is_entrance = usize::from(place) < application.entrances();
    let lines = application.lines().filter(|_| is_entrance);
    let has_lived = Cell::new(false);
    Rc::new(move |machine: SimHost| -> Task<'static> {
        let host = machine.host();
        let is_first_life = !has_lived.replace(true);
        let service = match servers.len() {
            1 => application.service(),
            _ => application.replica(place, host.stream("replica")),
        };
        let mut server = RpcServer::new(service, application.format_v1(), semantics);
        if servers.len() > 1 {
            server = server.with_peers(peers(&host, &servers, place));
        }
        if reply_cache.has_sessions() || limits != Limits::default() {
            let numbers = host.stream("sessions");
            server = server.with_reply_cache(reply_cache, limits, numbers);
        }
        if state == StateKind::Disk {
            let opened = host.open_store().map_err(RestoreError::from);
            match opened.and_then(|store| server.with_store(host.now(), store)) {
                Ok(restored) => server = restored,
                Err(why) => return Box::pin(async move { halt(&host, &why) }),
            }
        } else if !is_first_life {
            server = server.begin_again(host.now());
        }
        let socket = host
            .bind(SERVER_PORT)
            .expect("a server has its host to itself");
        let front = lines.map(|lines| {
            let listener = host.listen(lines.port);
            let listener = listener.expect("a server has its host to itself");
            LineFront::new(host.clone(), listener, lines)
        });
        Box::pin(serve_with_front(host, socket, front, server))
    })
}

/// Where the other servers are.
fn peers(host: &Host, servers: &[String], own: u16) -> Peers {
    let mut addresses: Vec<Option<SocketAddr>> = addresses(host, servers).map(Some).collect();
    addresses[usize::from(own)] = None;
    Peers { own, addresses }
}

/// Where all servers are.
pub(super) fn addresses<'a>(
    host: &'a Host,
    servers: &'a [String],
) -> impl Iterator<Item = SocketAddr> + 'a {
    servers.iter().map(|server| {
        let ip = host.lookup(server).expect("every run has its servers");
        SocketAddr::new(ip, SERVER_PORT)
    })
}
