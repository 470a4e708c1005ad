//! The stage of a demo: a server and its clients on the loopback network, and what they did.

use std::cell::RefCell;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Notify;

use crate::check::{Verdict, effects, executions};
use crate::cli::out::say;
use crate::history::OutcomeKind;
use crate::id::{HostId, OperationId};
use crate::net::Attempt;
use crate::net::conditions::Conditions;
use crate::net::real::RealWorld;
use crate::rpc::Semantics;
use crate::rpc::client::{CallOptions, RpcClient, Wire};
use crate::rpc::retransmit::Policy;
use crate::rpc::serve::serve;
use crate::rpc::server::RpcServer;
use crate::seed::Seed;
use crate::services::words::Words;
use crate::services::{Application, Client};
use crate::sim::replay::Replay;
use crate::trace::text::line_text;
use crate::trace::{Detail, Event, Line, Names};

/// The server, the first of all hosts.
const SERVER: HostId = HostId(0);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Clients of a demo do not wait as long for a reply as others: loopback takes less than 1 ms, and
/// whoever watches should see the retransmission soon.
const POLICY: Policy = Policy {
    timeout: Duration::from_millis(300),
    attempts: 6,
    patience: Duration::from_millis(300),
};

/// What all experiments of one call have in common.
pub(super) struct Setting {
    pub(super) application: Arc<dyn Application>,
    pub(super) speaks_v1: bool,
}

/// One run of an experiment.
pub(super) struct Run<'a> {
    pub(super) clients: &'a [&'a str],
    pub(super) semantics: Semantics,
    pub(super) conditions: Conditions,
    pub(super) seed: Seed,
}

/// A server and its clients.
pub(super) struct Stage {
    pub(super) application: Arc<dyn Application>,
    world: RealWorld,
    server: SocketAddr,
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
    host: crate::host::Host,
    client: Box<dyn Client>,
    application: Arc<dyn Application>,
    operations: u32,
}

/// Prints the heading of a run, in the form of a trace's.
pub(super) fn heading(experiment: &str, variant: impl Display, story: &str) {
    say!("# {experiment} · {variant}\n# {story}");
}

impl Stage {
    /// Starts the server; everything that happens is printed from now on.
    pub(super) fn set(setting: &Setting, run: Run<'_>) -> anyhow::Result<Self> {
        let application = setting.application.clone();
        let names: Vec<&str> = [&["server"], run.clients].concat();
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
        let host = world.host(SERVER, LOOPBACK);
        let socket = host.bind(0).context("cannot listen on loopback")?;
        let server = socket.local_address();
        let (service, format_v1) = (application.service(), application.format_v1());
        let rpc = RpcServer::new(service, format_v1, run.semantics);
        host.spawn(serve(host.clone(), socket, rpc));
        Ok(Self {
            application,
            world,
            server,
            options: CallOptions {
                semantics: run.semantics,
                policy: POLICY,
                wire,
                sessions: false,
            },
            names: names.into_iter().map(str::to_owned).collect(),
            story,
        })
    }

    /// The client in this place, from 1.
    pub(super) fn client(&self, place: u16) -> anyhow::Result<Actor> {
        let host = self.world.host(HostId(place), LOOPBACK);
        let socket = host.bind(0).context("cannot send on loopback")?;
        let rpc = RpcClient::new(host.clone(), socket, self.server, self.options);
        Ok(Actor {
            host,
            client: self.application.client(rpc),
            application: self.application.clone(),
            operations: 0,
        })
    }

    /// Waits until one of the events is such a one. One task at a time may wait.
    pub(super) async fn until(&self, is_it: impl Fn(&Event) -> bool) {
        while self.count(&is_it) == 0 {
            self.story.news.notified().await;
        }
    }

    /// How many of the events are such.
    pub(super) fn count(&self, is_it: impl Fn(&Event) -> bool) -> usize {
        let lines = self.story.lines.borrow();
        lines.iter().filter(|line| is_it(&line.event)).count()
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
        let commands = self.application.parse(line);
        for command in commands.with_context(|| format!("`{line}` is no command"))? {
            self.operations += 1;
            let operation = OperationId {
                client: self.host.id(),
                number: self.operations,
            };
            let outcome = self.client.perform(operation, &command).await;
            self.host.record_outcome(operation, &outcome);
        }
        Ok(())
    }
}
