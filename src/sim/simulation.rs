//! One run: a scenario's hosts, wired to a simulator.
//!
//! A run has three parts. In the *setup*, clients perform their setup one after another on a perfect
//! network. Then the *story* begins: time zero of the trace. When every client has done its part and
//! no request or reply is under way, the story is over, and an *observer* asks on a perfect network
//! what the scenario wants to know in the end.
//!
//! A client that crashes and comes back goes on with the next step of its script: how far it is stands
//! outside its lives.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::check::liveness::FreshCall;
use crate::clock::Time;
use crate::history::{History, Outcome, OutcomeKind, Told};
use crate::host::{Host, Task};
use crate::id::{HostId, OperationId};
use crate::net::simulated::SimHost;
use crate::net::world::{Main, Traffic, World};
use crate::net::{event, turmoil};
use crate::rpc::Peers;
use crate::rpc::StateKind;
use crate::rpc::client::{self, CallOptions, RpcClient};
use crate::rpc::reply_cache::Limits;
use crate::rpc::serve::{halt, serve};
use crate::rpc::server::{RestoreError, RpcServer};
use crate::seed::Seed;
use crate::services::words::Words;
use crate::services::{Client, Command};
use crate::sim::course::{Act, Course, Progress};
use crate::sim::scenario::{Backend, FinalCommand, OBSERVER, Script, Step, Variant, Wire};
use crate::sim::stages::Stages;
use crate::trace::{Coverage, Detail, Line, Recorded, Recorder};

/// The server's port in simulation.
const SERVER_PORT: u16 = 3000;

/// Every client's port in simulation.
const CLIENT_PORT: u16 = 3001;

/// What a run leaves behind.
#[derive(Debug)]
pub struct Run {
    /// The names of its hosts, in their order.
    pub names: Vec<String>,
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
    if !variant.expect.finals.is_empty() || variant.liveness.is_some() {
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
    } = outcomes.take();
    if let Some(error) = setup_error {
        return Err(error);
    }
    names.truncate(variant.servers.len() + variant.clients.len());
    let (traffic, idle_faults) = (world.traffic(), world.idle_faults().collect());
    let coverage = world.coverage();
    let Recorded {
        lines,
        executed,
        history,
    } = world.into_recorder().finish();
    let unfinished = stages.unfinished;
    Ok(Run {
        names,
        lines,
        executed,
        history,
        traffic,
        idle_faults,
        coverage,
        finals,
        fresh_calls,
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
    finals: Vec<(String, String)>,
    fresh_calls: Vec<FreshCall>,
}

pub(super) type SharedOutcomes = Rc<RefCell<Outcomes>>;

fn server_main(variant: &Variant, place: u16) -> Main {
    let servers = variant.servers.clone();
    let (application, semantics) = (variant.application.clone(), variant.semantics);
    let (reply_cache, limits) = (variant.reply_cache, variant.reply_cache_limits);
    let state = variant.state;
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
        Box::pin(serve(host, socket, server))
    })
}

/// Where the other servers are.
fn peers(host: &Host, servers: &[String], own: u16) -> Peers {
    let mut addresses: Vec<Option<SocketAddr>> = addresses(host, servers).map(Some).collect();
    addresses[usize::from(own)] = None;
    Peers { own, addresses }
}

fn addresses<'a>(host: &'a Host, servers: &'a [String]) -> impl Iterator<Item = SocketAddr> + 'a {
    servers.iter().map(|server| {
        let ip = host.lookup(server).expect("every run has its servers");
        SocketAddr::new(ip, SERVER_PORT)
    })
}

/// One life of one client, and its part of a run.
struct Player {
    machine: SimHost,
    host: Host,
    client: Box<dyn Client>,
    progress: Rc<Cell<Progress>>,
    outcomes: SharedOutcomes,
}

fn client_main(
    variant: &Arc<Variant>,
    number: usize,
    setup_stage: u32,
    story: u32,
    outcomes: &SharedOutcomes,
) -> Main {
    let (variant, outcomes) = (variant.clone(), outcomes.clone());
    let progress = Rc::<Cell<Progress>>::default();
    Rc::new(move |machine| {
        let (variant, outcomes) = (variant.clone(), outcomes.clone());
        let progress = progress.clone();
        Box::pin(async move {
            let part = &variant.clients[number];
            let mut player = Player::new(machine, &variant, part.home, progress, outcomes);
            player.wait_for_stage(setup_stage).await;
            player.set_up(&part.setup, &part.name, &variant).await;
            player.wait_for_stage(story).await;
            player.play(&part.script).await;
            player.wait_for_stage(story + 1).await;
            player.client.rpc().idle_until(Time::NEVER).await;
        })
    })
}

fn observer_main(variant: &Arc<Variant>, stage: u32, outcomes: &SharedOutcomes) -> Main {
    let (variant, outcomes) = (variant.clone(), outcomes.clone());
    Rc::new(move |machine| {
        let (variant, outcomes) = (variant.clone(), outcomes.clone());
        Box::pin(async move {
            let progress = Rc::default();
            let mut player = Player::new(machine, &variant, 0, progress, outcomes);
            player.wait_for_stage(stage).await;
            player.observe(&variant).await;
            player.wait_for_stage(stage + 1).await;
        })
    })
}

impl Player {
    fn new(
        machine: SimHost,
        variant: &Variant,
        home: usize,
        progress: Rc<Cell<Progress>>,
        outcomes: SharedOutcomes,
    ) -> Self {
        let host = machine.host();
        let servers: Vec<SocketAddr> = addresses(&host, &variant.servers).collect();
        let socket = host
            .bind(CLIENT_PORT)
            .expect("a client has its host to itself");
        let wire = match (variant.wire, variant.application.format_v1()) {
            (Wire::V1, Some(format)) => client::Wire::V1(format),
            _ => client::Wire::V2,
        };
        let options = CallOptions {
            semantics: variant.semantics,
            policy: variant.policy,
            wire,
            sessions: variant.semantics.filters_duplicates() && variant.reply_cache.has_sessions(),
        };
        let mut rpc = RpcClient::new(host.clone(), socket, servers[home], options);
        if let [_, _, ..] = servers[..] {
            let names = variant.servers.iter().cloned();
            rpc = rpc.with_servers(names.zip(servers).collect());
        }
        let client = variant.application.client(rpc);
        Self {
            machine,
            host,
            client,
            progress,
            outcomes,
        }
    }

    /// Goes on. A life that has ended goes on no more: the next one does so.
    fn go_on(&self, progress: Progress) -> impl Future<Output = ()> + use<> {
        let goes_on = self.machine.is_alive();
        if goes_on {
            self.progress.set(progress);
        }
        poll_fn(move |_| {
            if goes_on {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }

    /// Waits for a stage. What arrives meanwhile is taken in, and ignored.
    async fn wait_for_stage(&mut self, stage: u32) {
        let mut entered = pin!(self.machine.stage(stage));
        let mut idle = pin!(self.client.rpc().idle_until(Time::NEVER));
        poll_fn(|context| {
            if entered.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            idle.as_mut().poll(context)
        })
        .await;
    }

    async fn set_up(&mut self, steps: &[Step], name: &str, variant: &Variant) {
        while let Some(step) = steps.get(self.progress.get().setup_steps) {
            let mut progress = self.progress.get();
            progress.setup_steps += 1;
            self.go_on(progress).await;
            match step {
                Step::Wait(span) => self.rest(*span).await,
                Step::Pause(span) => self.pause(*span).await,
                Step::Perform(command, line) => {
                    let outcome = self.ask(command).await;
                    if outcome.kind != OutcomeKind::Ok {
                        self.outcomes.borrow_mut().setup_error = Some(SetupError {
                            client: name.to_owned(),
                            command: line.clone(),
                            outcome: in_words(&outcome, variant),
                        });
                    }
                }
            }
        }
    }

    async fn play(&mut self, script: &Script) {
        let mut course = Course::begin(script, &self.host);
        loop {
            let mut progress = self.progress.get();
            let act = course.next(&mut progress, &mut *self.client);
            self.go_on(progress).await;
            match act {
                Act::Rest(span) => self.rest(span).await,
                Act::Pause(span) => self.pause(span).await,
                Act::Perform(command, number) => {
                    let operation = OperationId {
                        client: self.host.id(),
                        number,
                    };
                    self.host.record_invocation(operation, &command.body);
                    // A layer of futures less than `Client::perform`: most of a run goes through here.
                    let outcome = if self.client.is_one_call(&command) {
                        let called = self.client.rpc().call(operation, &command.body).await;
                        self.client.conclude(&command, called)
                    } else {
                        self.client.perform_series(operation, &command).await
                    };
                    self.host.record_outcome(operation, &outcome);
                }
                Act::End => return,
            }
        }
    }

    /// Pauses the host from the next ms on: what the client waits for comes when it goes on.
    async fn pause(&mut self, span: Duration) {
        self.machine.pause(span);
        self.rest(Duration::from_millis(1)).await;
    }

    fn rest(&mut self, span: Duration) -> impl Future<Output = ()> + '_ {
        let until = self.host.now() + span;
        self.client.rpc().idle_until(until)
    }

    async fn observe(&mut self, variant: &Variant) {
        for FinalCommand { line, commands, .. } in &variant.expect.finals {
            let told = self.ask_servers(commands, variant).await;
            let mut outcomes = self.outcomes.borrow_mut();
            outcomes.finals.push((line.clone(), told));
        }
        let calls = variant.liveness.iter().flat_map(|liveness| &liveness.calls);
        for (line, commands) in calls {
            for command in commands {
                let began = self.host.now();
                let outcome = self.ask(command).await;
                let call = FreshCall {
                    command: line.clone(),
                    is_answered: outcome.kind == OutcomeKind::Ok
                        || matches!(outcome.told, Told::Reply(_)),
                    told: in_words(&outcome, variant),
                    took: self.host.now() - began,
                };
                self.outcomes.borrow_mut().fresh_calls.push(call);
            }
        }
    }

    /// What the server says to these commands; where there are several servers, what each of them says,
    /// unless all say the same.
    async fn ask_servers(&mut self, commands: &[Command], variant: &Variant) -> String {
        let mut said: Vec<(&str, String)> = Vec::new();
        for (place, server) in variant.servers.iter().enumerate() {
            self.client.rpc().move_to(place);
            let mut told = Vec::new();
            for command in commands {
                let outcome = self.ask(command).await;
                told.push(in_words(&outcome, variant));
            }
            said.push((server, told.join("; ")));
        }
        match &said[..] {
            [(_, first), others @ ..] if others.iter().all(|(_, other)| other == first) => {
                first.clone()
            }
            _ => {
                let each = said
                    .iter()
                    .map(|(server, told)| format!("{server}: {told}"));
                each.collect::<Vec<_>>().join(" | ")
            }
        }
    }

    /// Performs a command outside the story.
    async fn ask(&mut self, command: &Command) -> Outcome {
        let operation = OperationId {
            client: self.host.id(),
            number: 0,
        };
        self.client.perform(operation, command).await
    }
}

/// An outcome in words, without its kind.
fn in_words(outcome: &Outcome, variant: &Variant) -> String {
    match &outcome.told {
        Told::Reply(reply) => variant.application.describe_reply(reply),
        Told::Text(text) => text.clone().into_owned(),
    }
}
