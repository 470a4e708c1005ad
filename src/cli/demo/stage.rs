//! The stage of a demo: servers and clients on the loopback network, and what they did.

use std::cell::RefCell;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::check::{Verdict, commits, effects, executions};
use crate::cli::out::say;
use crate::history::{Outcome, OutcomeKind};
use crate::host::Host;
use crate::id::{HostId, OperationId};
use crate::net::conditions::{Conditions, Delay, Link};
use crate::net::real::RealWorld;
use crate::net::{Attempt, Datagrams};
use crate::rpc::client::{CallOptions, RpcClient, Wire};
use crate::rpc::line_front::LineFront;
use crate::rpc::line_socket::LineSocket;
use crate::rpc::retransmit::Policy;
use crate::rpc::serve::{serve, serve_with_front};
use crate::rpc::server::RpcServer;
use crate::rpc::{Peers, Semantics};
use crate::seed::Seed;
use crate::services::words::Words;
use crate::services::{Application, Client, Command};
use crate::sim::replay::Replay;
use crate::trace::text::line_text;
use crate::trace::{Detail, Event, Line, Names};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Clients of most demos do not wait as long for a reply as others: loopback takes less than 1 ms, and
/// whoever watches should see the retransmission soon.
pub(super) const POLICY: Policy = Policy {
    timeout: Duration::from_millis(300),
    attempts: 6,
    patience: Duration::from_millis(300),
};

/// What all experiments of one call have in common.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) application: Arc<dyn Application>,
    /// What was set of the application.
    pub(super) settings: toml::Table,
    pub(super) speaks_v1: bool,
}

impl Setting {
    /// The same, one more thing set.
    pub(super) fn with(&self, name: &str, value: impl Into<toml::Value>) -> anyhow::Result<Self> {
        let mut settings = self.settings.clone();
        settings.insert(name.to_owned(), value.into());
        Ok(Self {
            application: self.application.configure(&settings)?,
            settings,
            speaks_v1: self.speaks_v1,
        })
    }
}

/// One run of an experiment.
pub(super) struct Run<'a> {
    pub(super) clients: &'a [&'a str],
    pub(super) semantics: Semantics,
    /// How the clients retransmit.
    pub(super) policy: Policy,
    pub(super) conditions: Conditions,
    pub(super) seed: Seed,
}

/// The servers of a service and their clients.
pub(super) struct Stage {
    pub(super) application: Arc<dyn Application>,
    world: RealWorld,
    /// The servers, the first of all hosts: their names, and where clients call them.
    servers: Vec<(String, SocketAddr)>,
    /// Where they send each other datagrams, and the tasks that serve there.
    serving: RefCell<Vec<(SocketAddr, JoinHandle<()>)>>,
    options: CallOptions,
    names: Vec<String>,
    story: Rc<Story>,
}

/// What has happened.
#[derive(Default)]
struct Story {
    lines: RefCell<Vec<Line>>,
    news: Notify,
}

/// A client, and how many operations it has begun.
pub(super) struct Actor {
    host: Host,
    client: Box<dyn Client>,
    application: Arc<dyn Application>,
    operations: u32,
    /// Its tasks, if they stand still while it performs nothing.
    apart: Option<LocalSet>,
}

/// Prints the heading of a run, in the form of a trace's.
pub(super) fn heading(experiment: &str, variant: impl Display, story: &str) {
    say!("# {experiment} · {variant}\n# {story}");
}

impl Stage {
    /// Starts the servers for at-most-once, and nothing happens to messages.
    pub(super) fn calm(setting: &Setting, clients: &[&str]) -> anyhow::Result<Self> {
        let run = Run {
            clients,
            semantics: Semantics::AtMostOnce,
            policy: setting.application.policy(),
            conditions: Conditions {
                everywhere: Link {
                    delay: Delay::Fixed(1),
                    ..Link::default()
                },
                ..Conditions::default()
            },
            seed: Seed(1), // nothing is left to chance here
        };
        Self::set(setting, run)
    }

    /// Starts the servers; everything that happens is printed from now on.
    pub(super) fn set(setting: &Setting, run: Run<'_>) -> anyhow::Result<Self> {
        let application = setting.application.clone();
        let servers = application.servers();
        let servers = servers.iter().map(String::as_str);
        let names: Vec<&str> = servers.chain(run.clients.iter().copied()).collect();
        let story = Rc::new(Story::default());
        let (words, told) = (Words(application.clone()), story.clone());
        let listener = Box::new(move |line: &Line, names: &[String]| {
            let mut lines = told.lines.borrow_mut();
            lines.push(line.clone());
            let text = line_text(line, Names(names), &words);
            say!("{:6}{text}", lines.len());
            told.news.notify_one();
        });
        let (conditions, seed) = (Some(run.conditions), Some(run.seed));
        let world = RealWorld::new(&names, conditions, seed, Some(listener));
        let wire = match application.format_v1() {
            Some(format) if setting.speaks_v1 => Wire::V1(format),
            _ => Wire::V2,
        };
        let (servers, serving) = start(&world, &*application, run.semantics)?;
        Ok(Self {
            application,
            world,
            servers,
            serving: RefCell::new(serving),
            options: CallOptions {
                semantics: run.semantics,
                policy: run.policy,
                wire,
                sessions: false,
            },
            names: names.into_iter().map(str::to_owned).collect(),
            story,
        })
    }

    /// The client in this place among the hosts, at the first server.
    pub(super) fn client(&self, place: u16) -> anyhow::Result<Actor> {
        self.client_at(place, 0)
    }

    /// The client in this place among the hosts, at the server in that one. It has its host's name, where
    /// clients have names.
    pub(super) fn client_at(&self, place: u16, server: usize) -> anyhow::Result<Actor> {
        let host = self.world.host(HostId(place), LOOPBACK);
        let socket: Box<dyn Datagrams> = match self.application.lines() {
            Some(lines) => Box::new(LineSocket::new(host.clone(), lines.format)),
            None => host.bind(0).context("cannot send on loopback")?,
        };
        let rpc = RpcClient::new(host.clone(), socket, self.servers[server].1, self.options);
        let rpc = rpc.with_servers(self.servers.clone());
        let plain = self.application.clone();
        let name = &self.names[usize::from(place)];
        let application = plain.with_client_name(name).unwrap_or(plain);
        Ok(Actor {
            host,
            client: application.client(rpc),
            application,
            operations: 0,
            apart: None,
        })
    }

    /// The same as [`Self::client`], but between its commands it stands still, like a process that is
    /// paused: nobody runs what it does in the background.
    pub(super) fn client_apart(&self, place: u16) -> anyhow::Result<Actor> {
        let actor = self.client(place)?;
        Ok(Actor {
            apart: Some(LocalSet::new()),
            ..actor
        })
    }

    /// Ends the life of the server in this place. What it had in memory is gone.
    pub(super) fn kill(&self, place: usize) {
        self.serving.borrow()[place].1.abort();
    }

    /// Begins another life of the server in this place, when the life before has ended. Clients do not call it.
    pub(super) async fn restart(&self, place: u16) -> anyhow::Result<()> {
        let index = usize::from(place);
        let (address, mut serving) = self.serving.borrow_mut().remove(index);
        let _aborted = (&mut serving).await;
        let host = self.world.host(HostId(place), LOOPBACK);
        let socket = host.bind(address.port()).context("cannot listen again")?;
        let addresses = self.serving.borrow().iter().map(|it| Some(it.0)).collect();
        let mut peers = Peers {
            own: place,
            addresses,
        };
        peers.addresses.insert(index, None);
        let semantics = self.options.semantics;
        let server = server(&host, &*self.application, peers, semantics);
        let server = server.begin_again(host.now());
        let serving = spawn_local(serve(host, socket, server));
        self.serving.borrow_mut().insert(index, (address, serving));
        Ok(())
    }

    /// Waits until one of the events is such a one. One task at a time may wait.
    pub(super) async fn until(&self, is_it: impl Fn(&Event) -> bool) {
        self.until_lines(1, |line| is_it(&line.event)).await;
    }

    /// Waits until so many of the lines are such. One task at a time may wait.
    pub(super) async fn until_lines(&self, count: usize, is_it: impl Fn(&Line) -> bool) {
        while self
            .story
            .lines
            .borrow()
            .iter()
            .filter(|it| is_it(it))
            .count()
            < count
        {
            self.story.news.notified().await;
        }
    }

    /// How many of the events are such.
    pub(super) fn count(&self, is_it: impl Fn(&Event) -> bool) -> usize {
        let lines = self.story.lines.borrow();
        lines.iter().filter(|line| is_it(&line.event)).count()
    }

    /// Whether a server has made a write visible before its causes, printed as in a trace.
    pub(super) fn judge_commits(&self) -> Verdict {
        let lines = self.story.lines.borrow();
        let steps = commits::from_lines(&lines, Detail::Trace, false);
        let verdict = commits::judge(steps, Names(&self.names));
        say!("causal      {verdict}");
        verdict
    }

    /// How many requests were sent again.
    pub(super) fn retransmissions(&self) -> usize {
        self.count(|event| attempt(event).number > 1)
    }

    /// How often an operation was executed.
    pub(super) fn executions_of(&self, asked: OperationId) -> usize {
        self.count(|event| matches!(event, Event::Execute { operation, .. } if *operation == asked))
    }

    /// Every operation that has ended: what it was, how often it was executed, how it ended.
    pub(super) fn operations(&self) -> Vec<Ended> {
        let words = Words(self.application.clone());
        let lines = self.story.lines.borrow();
        let ended = lines.iter().filter_map(|line| match &line.event {
            Event::Outcome { operation, outcome } => Some((*operation, outcome, line)),
            _ => None,
        });
        ended
            .map(|(operation, outcome, line)| {
                let text = line_text(line, Names(&self.names), &words);
                let name = Names(&self.names).operation(operation);
                let told = text.split_once(&format!("{name} "));
                Ended {
                    operation,
                    told: told.map_or_else(String::new, |(_, told)| told.to_owned()),
                    name,
                    kind: outcome.kind,
                    executions: self.executions_of(operation),
                }
            })
            .collect()
    }

    /// The verdicts of the checkers, printed as in a trace.
    pub(super) fn judge(&self) -> Verdicts {
        let lines = self.story.lines.borrow();
        let names = Names(&self.names);
        let (executed, told) = executions::from_lines(&lines, Detail::Trace);
        let executions = executions::judge(&executed, &told, names);
        let words = Words(self.application.clone());
        let (applied, told) = effects::from_lines(&lines, Detail::Trace, &words);
        let mut spec = Replay::fresh(self.application.clone(), false);
        let effects = effects::judge(&applied, &told, &[], &mut spec, names);
        say!("executions  {executions}\neffects     {effects}");
        Verdicts {
            executions,
            effects,
        }
    }
}

/// Servers by name, with their addresses for clients; and those for datagrams, with the tasks that serve there.
type Started = (Vec<(String, SocketAddr)>, Vec<(SocketAddr, JoinHandle<()>)>);

/// Starts the servers of a service: all have their addresses before the first one runs.
fn start(
    world: &RealWorld,
    application: &dyn Application,
    semantics: Semantics,
) -> anyhow::Result<Started> {
    let mut hosts = Vec::new();
    let (mut servers, mut datagrams) = (Vec::new(), Vec::new());
    for (own, name) in (0..).zip(application.servers()) {
        let host = world.host(HostId(own), LOOPBACK);
        let socket = host.bind(0).context("cannot listen on loopback")?;
        let address = socket.local_address();
        let is_entrance = servers.len() < application.entrances();
        let front = match application.lines().filter(|_| is_entrance) {
            Some(lines) => {
                let listener = host.listen(0).context("cannot listen on loopback")?;
                Some(LineFront::new(host.clone(), listener, lines))
            }
            None => None,
        };
        let called = front.as_ref().map_or(address, LineFront::local_address);
        servers.push((name, called));
        datagrams.push(address);
        hosts.push((own, host, socket, front));
    }
    let mut serving = Vec::new();
    for ((own, host, socket, front), &address) in hosts.into_iter().zip(&datagrams) {
        let mut addresses: Vec<_> = datagrams.iter().copied().map(Some).collect();
        addresses[usize::from(own)] = None;
        let server = server(&host, application, Peers { own, addresses }, semantics);
        let task = spawn_local(serve_with_front(host, socket, front, server));
        serving.push((address, task));
    }
    Ok((servers, serving))
}

/// One of the servers of a service.
fn server(
    host: &Host,
    application: &dyn Application,
    peers: Peers,
    semantics: Semantics,
) -> RpcServer {
    let service = match peers.addresses.len() {
        1 => application.service(),
        _ => application.replica(peers.own, host.stream("replica")),
    };
    RpcServer::new(service, application.format_v1(), semantics).with_peers(peers)
}

/// What the checkers say of a run.
pub(super) struct Verdicts {
    pub(super) executions: Verdict,
    pub(super) effects: Verdict,
}

/// An operation that has ended.
pub(super) struct Ended {
    pub(super) operation: OperationId,
    pub(super) name: String,
    /// How it ended, with the words of the reply.
    pub(super) told: String,
    pub(super) kind: OutcomeKind,
    pub(super) executions: usize,
}

/// Which attempt the sending of a request is.
fn attempt(event: &Event) -> Attempt {
    match event {
        Event::Send {
            label: Some(label), ..
        } => label.attempt,
        _ => Attempt::default(),
    }
}

impl Actor {
    /// Performs a line's commands one after another, whatever their outcomes.
    pub(super) async fn perform(&mut self, line: &str) -> anyhow::Result<()> {
        for command in self.parse(line)? {
            self.perform_one(&command).await;
        }
        Ok(())
    }

    /// Performs a line's only command, and gives how it ended.
    pub(super) async fn ask(&mut self, line: &str) -> anyhow::Result<Outcome> {
        let commands = self.parse(line)?;
        let command = commands.first().context("a line with a command")?;
        Ok(self.perform_one(command).await)
    }

    /// Does nothing for so long.
    pub(super) async fn rest(&mut self, span: Duration) {
        let until = self.host.now() + span;
        self.client.rpc().idle_until(until).await;
    }

    fn parse(&self, line: &str) -> anyhow::Result<Vec<Command>> {
        let commands = self.application.parse(line);
        commands.with_context(|| format!("`{line}` is no command"))
    }

    async fn perform_one(&mut self, command: &Command) -> Outcome {
        self.operations += 1;
        let operation = OperationId {
            client: self.host.id(),
            number: self.operations,
        };
        let performing = self.client.perform(operation, command);
        let outcome = match &self.apart {
            Some(tasks) => tasks.run_until(performing).await,
            None => performing.await,
        };
        self.host.record_outcome(operation, &outcome);
        outcome
    }
}
