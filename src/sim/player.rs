//! The clients of a run: each plays its part, and an observer asks what is to be known in the end.
//!
//! A client that crashes and comes back goes on with the next step of its script: how far it is stands
//! outside its lives.

use std::future::{Future, pending, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::check::convergence::Replica;
use crate::check::exclusion::LockAccess;
use crate::check::liveness::FreshCall;
use crate::clock::{Time, ms};
use crate::history::{Outcome, OutcomeKind, Told};
use crate::host::Host;
use crate::id::OperationId;
use crate::net::Datagrams;
use crate::net::simulated::SimHost;
use crate::net::world::Main;
use crate::rpc::client::{self, CallOptions, RpcClient};
use crate::rpc::line_socket::LineSocket;
use crate::services::{Client, Command};
use crate::sim::course::{Act, Course, Progress};
use crate::sim::scenario::{Check, FinalCommand, Liveness, Script, Step, Variant, Wire};
use crate::sim::simulation::{SetupError, SharedOutcomes, addresses};

/// Every client's port in simulation.
const CLIENT_PORT: u16 = 3001;

/// One life of one client, and its part of a run.
struct Player {
    machine: SimHost,
    host: Host,
    client: Box<dyn Client>,
    progress: Rc<Progress>,
    outcomes: SharedOutcomes,
}

pub(super) fn client_main(
    variant: &Arc<Variant>,
    number: usize,
    setup_stage: u32,
    story: u32,
    outcomes: &SharedOutcomes,
) -> Main {
    let (variant, outcomes) = (variant.clone(), outcomes.clone());
    let progress = Rc::<Progress>::default();
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

/// The observer is a fresh client for each server and each purpose: what one of them has seen does not
/// change what the next is told.
pub(super) fn observer_main(variant: &Arc<Variant>, stage: u32, outcomes: &SharedOutcomes) -> Main {
    let (variant, outcomes) = (variant.clone(), outcomes.clone());
    Rc::new(move |machine| {
        let (variant, outcomes) = (variant.clone(), outcomes.clone());
        Box::pin(async move {
            let afresh = |home| {
                Player::new(
                    machine.clone(),
                    &variant,
                    home,
                    Rc::default(),
                    outcomes.clone(),
                )
            };
            machine.stage(stage).await;
            let entrances = variant.application.entrances();
            let mut said = Vec::new();
            for home in 0..entrances {
                said.push(afresh(home).ask_finals(&variant).await);
            }
            for (place, asked) in variant.expect.finals.iter().enumerate() {
                let of_each = said.iter().map(|told| told[place].as_str()).collect();
                let told = joined(&variant.servers[..entrances], of_each);
                outcomes
                    .borrow_mut()
                    .finals
                    .push((asked.line.clone(), told));
            }
            if variant.checks.contains(&Check::Convergence) {
                for (home, name) in variant.servers.iter().cloned().enumerate() {
                    let state = afresh(home).ask_state(&variant).await;
                    outcomes.borrow_mut().replicas.push(Replica { name, state });
                }
            }
            if variant.checks.contains(&Check::Exclusion) {
                let files = afresh(0).read_files(&variant).await;
                outcomes.borrow_mut().files = files;
            }
            if let Some(liveness) = &variant.liveness {
                for home in 0..entrances {
                    afresh(home).call_in_time(liveness, home, &variant).await;
                }
            }
            machine.stage(stage + 1).await;
        })
    })
}

/// What all servers say; or what each of them says, unless it is the same.
fn joined(servers: &[String], told: Vec<&str>) -> String {
    if told.windows(2).all(|pair| pair[0] == pair[1]) {
        return told.first().copied().unwrap_or_default().to_owned();
    }
    let each = servers
        .iter()
        .zip(told)
        .map(|(server, told)| format!("{server}: {told}"));
    each.collect::<Vec<_>>().join(" | ")
}

impl Player {
    fn new(
        machine: SimHost,
        variant: &Variant,
        home: usize,
        progress: Rc<Progress>,
        outcomes: SharedOutcomes,
    ) -> Self {
        let host = machine.host();
        let mut servers: Vec<SocketAddr> = addresses(&host, &variant.servers).collect();
        let socket: Box<dyn Datagrams> = match variant.application.lines() {
            None => {
                let socket = host.bind(CLIENT_PORT);
                socket.expect("a client has its host to itself")
            }
            Some(lines) => {
                servers.iter_mut().for_each(|it| it.set_port(lines.port));
                Box::new(LineSocket::new(host.clone(), lines.format))
            }
        };
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
        while let Some(step) = steps.get(self.progress.setup_steps.get()) {
            if !self.machine.is_alive() {
                return pending().await; // the next life goes on
            }
            self.progress
                .setup_steps
                .set(self.progress.setup_steps.get() + 1);
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
            if !self.machine.is_alive() {
                return pending().await; // the next life goes on
            }
            match course.next(&self.progress, &mut *self.client) {
                Act::Rest(span) => self.rest(span).await,
                Act::Pause(span) => self.pause(span).await,
                Act::Perform(command, number) => {
                    let operation = OperationId {
                        client: self.host.id(),
                        number,
                    };
                    let command = self.client.prepare(operation, command);
                    self.host.record_invocation(operation, &command.body);
                    if !self.client.is_one_call(&command) {
                        let outcome = self.client.perform_series(operation, &command).await;
                        self.host.record_outcome(operation, &outcome);
                        continue;
                    }
                    // A layer of futures less than `Client::perform`: most of a run goes through here.
                    let body = &command.body;
                    self.client.rpc().begin_call(operation, body);
                    poll_fn(|context| {
                        let polled = self.client.rpc().poll_call(context, body);
                        let Poll::Ready(called) = &polled else {
                            return Poll::Pending;
                        };
                        let outcome = self.client.conclude(&command, called);
                        self.host.record_outcome(operation, &outcome);
                        Poll::Ready(())
                    })
                    .await;
                }
                Act::End => return self.client.leave(),
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

    /// What its server says to each line of `final`.
    async fn ask_finals(&mut self, variant: &Variant) -> Vec<String> {
        let mut said = Vec::new();
        for FinalCommand { commands, .. } in &variant.expect.finals {
            let mut told = Vec::new();
            for command in commands {
                let outcome = self.ask(command).await;
                told.push(in_words(&outcome, variant));
            }
            said.push(told.join("; "));
        }
        said
    }

    /// The whole state of its server, or why it does not say.
    async fn ask_state(&mut self, variant: &Variant) -> Result<Vec<(String, String)>, String> {
        let mut state = Vec::new();
        for probe in &variant.application.probes() {
            let outcome = self.ask(probe).await;
            let told = in_words(&outcome, variant);
            if outcome.kind != OutcomeKind::Ok {
                return Err(told);
            }
            state.push((variant.application.describe_request(&probe.body), told));
        }
        Ok(state)
    }

    /// What each file of a service of locks holds, or what was said instead.
    async fn read_files(&mut self, variant: &Variant) -> Vec<Result<LockAccess, String>> {
        let mut files = Vec::new();
        for probe in &variant.application.probes() {
            let outcome = self.ask(probe).await;
            let read = match &outcome.told {
                Told::Reply(reply) => variant.application.lock_access(&probe.body, Some(reply)),
                Told::Text(_) => None,
            };
            files.push(read.ok_or_else(|| {
                let asked = variant.application.describe_request(&probe.body);
                format!("`{asked}` said in the end: {}", in_words(&outcome, variant))
            }));
        }
        files
    }

    /// Makes the calls of the check `liveness`. One that is not answered within the bound is not waited for
    /// any longer: its client may be patient for ever.
    async fn call_in_time(&mut self, liveness: &Liveness, home: usize, variant: &Variant) {
        for (line, command) in liveness.each_call() {
            let began = self.host.now();
            let too_late = began + liveness.within + Duration::from_millis(1);
            let outcome = self.ask_until(command, too_late).await;
            let outcome = outcome.unwrap_or_else(|| {
                let within_ms = ms(liveness.within);
                Outcome::text(
                    OutcomeKind::Unknown,
                    format!("no answer after {within_ms} ms"),
                )
            });
            let call = FreshCall {
                command: match variant.servers.len() {
                    1 => line.to_owned(),
                    _ => format!("{line} at {}", variant.servers[home]),
                },
                is_answered: outcome.kind == OutcomeKind::Ok
                    || matches!(outcome.told, Told::Reply(_)),
                told: in_words(&outcome, variant),
                took: self.host.now() - began,
            };
            self.outcomes.borrow_mut().fresh_calls.push(call);
        }
    }

    /// Performs a command outside the story, as long as it takes but not beyond this time.
    async fn ask_until(&mut self, command: &Command, until: Time) -> Option<Outcome> {
        let mut timer = self.host.timer();
        let mut asked = pin!(self.ask(command));
        poll_fn(|context| match asked.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => timer.poll_until(context, until).map(|()| None),
        })
        .await
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
