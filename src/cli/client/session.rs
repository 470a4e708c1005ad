//! One client life, and what it does at a user's word.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::client::layout;
use crate::cli::client::line::{self, Line};
use crate::cli::client::narrator::{self, Voice};
use crate::cli::exit::Exit;
use crate::cli::out::{note, say};
use crate::clock::show_span;
use crate::history::OutcomeKind;
use crate::host::Host;
use crate::id::{HostId, OperationId};
use crate::net::Datagrams;
use crate::net::real::RealWorld;
use crate::rpc::client::{CallOptions, RpcClient};
use crate::rpc::line_socket::LineSocket;
use crate::services::{Application, Client, Command};

/// The command during which updates are shown.
const MONITOR: &str = "monitor";

/// The command whose effect ends with the client: a lock is renewed no longer. Whoever waits for one has a
/// place in a queue, until the server hears of a later command.
pub(super) const ACQUIRE: &str = "acquire";

/// The places of the names in the world.
const CLIENT: HostId = HostId(0);
const SERVER: HostId = HostId(1);

/// A client of one server.
pub(super) struct Session {
    pub(super) application: Arc<dyn Application>,
    host: Host,
    client: Box<dyn Client>,
    server: SocketAddr,
    operations: u32,
    /// What the server has said last about no request, where it talks in lines.
    complaint: Rc<RefCell<Option<String>>>,
    /// How many updates the user has been shown.
    updates: Rc<Cell<u32>>,
    voice: Voice,
}

impl Session {
    /// A client of this server, that may move to others and sends from the address `bind`.
    pub(super) fn new(
        application: Arc<dyn Application>,
        (server, servers): (SocketAddr, Vec<(String, SocketAddr)>),
        bind: SocketAddr,
        options: CallOptions,
    ) -> anyhow::Result<Self> {
        let (updates, voice) = (Rc::new(Cell::new(0)), Voice::default());
        let (timeout, told) = (options.policy.timeout, voice.clone());
        let listener = narrator::listener(application.clone(), timeout, updates.clone(), told);
        let world = RealWorld::new(&["client", "server"], None, None, Some(listener));
        world.name_address(server, SERVER);
        let host = world.host(CLIENT, bind.ip());
        let complaint = Rc::<RefCell<Option<String>>>::default();
        let socket: Box<dyn Datagrams> = match application.lines() {
            Some(lines) => {
                let socket = LineSocket::new(host.clone(), lines.format);
                Box::new(socket.with_complaints(complaint.clone()))
            }
            None => {
                let bound = host.bind(bind.port());
                bound.with_context(|| format!("cannot send from {bind}"))?
            }
        };
        let rpc = RpcClient::new(host.clone(), socket, server, options).with_servers(servers);
        Ok(Self {
            client: application.client(rpc),
            application,
            host,
            server,
            operations: 0,
            complaint,
            updates,
            voice,
        })
    }

    /// What is told beside commands goes this way from now on.
    pub(super) fn speak_through(&self, speaker: impl FnMut(&str) + 'static) {
        self.voice.speak_through(speaker);
    }

    /// Does what a line asks for, and says how it ended.
    pub(super) async fn obey(&mut self, line: &Line) -> Exit {
        match line {
            Line::Nothing | Line::Quit => Exit::Held,
            Line::Help(verb) => self.help(verb.as_deref()),
            Line::Wait(span) => self.rest(*span).await,
            Line::Perform(commands) => {
                let mut worst = Exit::Held;
                for command in commands {
                    worst = worst.max(self.perform(command, commands.len() > 1).await);
                }
                worst
            }
        }
    }

    fn help(&self, verb: Option<&str>) -> Exit {
        if line::help(self.application.as_ref(), verb) {
            return Exit::Held;
        }
        let verb = verb.unwrap_or_default().escape_default();
        note!("wavetank: there is no command `{verb}`; `help` shows them all");
        Exit::Usage
    }

    async fn rest(&mut self, span: Duration) -> Exit {
        let until = self.host.now() + span;
        // Ctrl-C ends it early: nothing is lost by that.
        let _ended = unless_interrupted(self.client.rpc().idle_until(until)).await;
        Exit::Held
    }

    async fn perform(&mut self, command: &Command, one_of_several: bool) -> Exit {
        self.operations += 1;
        let operation = OperationId {
            client: CLIENT,
            number: self.operations,
        };
        let words = self.application.describe_request(&command.body);
        if command.verb == MONITOR {
            note!("{words}; Ctrl-C ends it");
        }
        self.updates.set(0);
        let began = self.host.now();
        let performed = unless_interrupted(self.client.perform(operation, command)).await;
        let span = (self.host.now() - began + Duration::from_millis(500)).as_secs();
        let span = Duration::from_secs(span); // rounded: nobody counts an update by the ms
        let Some(outcome) = performed else {
            return self.interrupted(command, span);
        };
        self.host.record_outcome(operation, &outcome);
        let server = (self.server, self.complaint.borrow_mut().take());
        let text = layout::outcome(self.application.as_ref(), command, &outcome, server);
        if command.verb == MONITOR && outcome.kind == OutcomeKind::Ok {
            let comma = if text.contains(',') { "," } else { "" };
            let span = layout::monitored(&command.body).map_or(span, |asked| asked.min(span));
            say!("{text}{comma} in {}", show_span(span));
        } else if one_of_several {
            say!("{words} -> {text}");
        } else {
            say!("{text}");
        }
        match outcome.kind {
            OutcomeKind::Ok => Exit::Held,
            OutcomeKind::Failed => Exit::Broken,
            OutcomeKind::Unknown => Exit::Unknown,
        }
    }

    /// The user has ended a command by Ctrl-C: a monitoring is over, of a call nobody knows.
    fn interrupted(&self, command: &Command, span: Duration) -> Exit {
        let unknown = match command.verb {
            MONITOR => None,
            ACQUIRE => Some(
                "the lock may have been granted, else the next command gives up the place in the queue",
            ),
            _ => Some("the request may have been executed"),
        };
        if let Some(unknown) = unknown {
            say!("unknown: interrupted; {unknown}");
            return Exit::Unknown;
        }
        let updates = match self.updates.get() {
            0 => "no updates".to_owned(),
            1 => "1 update".to_owned(),
            updates => format!("{updates} updates"),
        };
        say!("{updates} in {}, then interrupted", show_span(span));
        Exit::Held
    }
}

/// What comes of a future; `None` if Ctrl-C comes first.
pub(super) async fn unless_interrupted<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut is_heard = true;
    poll_fn(|context| {
        // Where signals cannot be listened to, there is nothing to wait for.
        if is_heard && let Poll::Ready(heard) = interrupt.as_mut().poll(context) {
            is_heard = false;
            if heard.is_ok() {
                return Poll::Ready(None);
            }
        }
        future.as_mut().poll(context).map(Some)
    })
    .await
}
