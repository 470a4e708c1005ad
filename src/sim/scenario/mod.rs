//! Scenarios: one story of a service and its clients on a network that fails in a chosen way.
//!
//! A [`Scenario`] is read from a TOML file and is complete: whatever can be wrong with it is found
//! while it is read, as one [`ScenarioError`] with line and column. A file tells several runs over the
//! same storm, its [`Variant`]s; most differ in one word.
//!
//! - A variant's key replaces the file's key as a whole. The tables `network`, `setup`, `clients` and
//!   `load` are merged one level deep: `network = { loss = 0.2 }` keeps the delay of the file.
//! - What no variant may override: `story`, `service`, `seed`, `variants` and `expect`.
//! - A file without `[variants]` has one variant, `default`.
//! - Hosts are numbered: first the servers, mostly one, `server`; then the clients in the order of the file,
//!   then those that `[load]` generates.
//!
//! ```
//! # use std::sync::Arc;
//! use wavetank::services::Application;
//! use wavetank::sim::scenario::Scenario;
//!
//! let services: Vec<Arc<dyn Application>> = Vec::new();
//! let mistake = Scenario::parse("mine.toml", "story = 5", &services).unwrap_err();
//! assert_eq!(
//!     mistake.to_string(),
//!     "mine.toml:1:9: invalid type: integer `5`; expected a string"
//! );
//! ```

mod checks;
mod clients;
mod error;
mod expect;
mod field;
mod file;
mod host_faults;
mod hosts;
mod load;
mod network;
mod number;
mod resolve;
mod reword;
mod schema;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub use error::ScenarioError;
pub use schema::{schema, schema_text};

pub use crate::check::Check;
use crate::history::OutcomeKind;
use crate::id::{HostId, OperationId};
use crate::net::conditions::{Conditions, Delay};
use crate::rpc::reply_cache::Limits;
use crate::rpc::retransmit::Policy;
use crate::rpc::{CacheKind, Semantics, StateKind};
use crate::seed::Seed;
use crate::services::{Application, Command};

/// The name of the server, where a service has one.
pub const SERVER: &str = "server";

/// The host that asks what the scenario wants to know in the end. Hosts' streams are known by names,
/// so a client of this name would be given the observer's client id.
pub(crate) const OBSERVER: &str = "observer";

/// A scenario file, understood.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `booking/lost-cancel-reply`: the path below `sims/` without `.toml`, or else the file's stem.
    pub name: String,
    /// One or two sentences in one line.
    pub story: String,
    /// The path for commands that repeat a run: from `sims/` on where it has such a part.
    pub file: String,
    /// The pinned seed.
    pub seed: Seed,
    /// The service's name.
    pub service_name: String,
    /// The runs, at least one, in the order of the file.
    pub variants: Vec<Arc<Variant>>,
}

impl Scenario {
    /// The variant of this name.
    #[must_use]
    pub fn variant(&self, name: &str) -> Option<&Arc<Variant>> {
        self.variants.iter().find(|variant| variant.name == name)
    }
}

/// One run of a scenario.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Its name in the file; `default` if the file has no variants.
    pub name: String,
    /// The service, with its settings.
    pub application: Arc<dyn Application>,
    /// What becomes of a request whose message is lost.
    pub semantics: Semantics,
    /// What the reply cache survives; it counts with at-most-once only.
    pub reply_cache: CacheKind,
    /// How much that is, and for how long.
    pub reply_cache_limits: Limits,
    /// Where the server keeps its service's state.
    pub state: StateKind,
    /// The format of the datagrams.
    pub wire: Wire,
    /// When clients send again, and when they give up.
    pub policy: Policy,
    /// The simulators that can run it, at least one.
    pub backends: Vec<Backend>,
    /// How long each client's setup, the story and the commands at the end may take in virtual time;
    /// after that, the verdict is unknown.
    pub max_virtual: Duration,
    /// What is judged.
    pub checks: Vec<Check>,
    /// The names of the servers: hosts 0, 1, ..
    pub servers: Vec<String>,
    /// The clients in the order of hosts, which come after the servers.
    pub clients: Vec<ClientScript>,
    /// The network and the scripted faults.
    pub conditions: Conditions,
    /// What must come out of it.
    pub expect: Expectations,
    /// What a fresh client does in the end, for the check `liveness`; `None` without it.
    pub liveness: Option<Liveness>,
}

impl Variant {
    /// The hosts of the clients, in order.
    pub fn client_ids(&self) -> impl Iterator<Item = HostId> + use<> {
        let (servers, clients) = (self.servers.len(), self.clients.len());
        (0..=u16::MAX).map(HostId).skip(servers).take(clients)
    }

    /// The names of all hosts, in their order: the servers first.
    #[must_use]
    pub fn host_names(&self) -> Vec<String> {
        let clients = self.clients.iter().map(|client| client.name.clone());
        self.servers.iter().cloned().chain(clients).collect()
    }

    /// Whether somebody asks something when the story is over.
    pub(crate) fn has_observer(&self) -> bool {
        !self.expect.finals.is_empty()
            || self.liveness.is_some()
            || self.checks.contains(&Check::Exclusion)
            || self.checks.contains(&Check::Convergence)
    }

    /// The commands of the setup, in the order in which they are performed, and whose they are.
    pub fn setup_commands(&self) -> impl Iterator<Item = (HostId, &Command)> {
        let steps = self.client_ids().zip(&self.clients);
        let steps = steps.flat_map(|(id, client)| client.setup.iter().map(move |step| (id, step)));
        steps.filter_map(|(id, step)| match step {
            Step::Perform(command, _) => Some((id, command)),
            Step::Wait(_) | Step::Pause(_) => None,
        })
    }
}

/// What one client does.
#[derive(Clone, Debug)]
pub struct ClientScript {
    /// The name of its host.
    pub name: String,
    /// The server that it calls: its place among the servers.
    pub home: usize,
    /// Steps on a perfect network, before time zero of the trace.
    pub setup: Vec<Step>,
    /// The run itself.
    pub script: Script,
}

impl ClientScript {
    /// How many operations the client performs, setup not counted.
    #[must_use]
    pub fn operations(&self) -> u32 {
        match &self.script {
            Script::Steps(steps) => {
                let performs = steps
                    .iter()
                    .filter(|step| matches!(step, Step::Perform(..)));
                u32::try_from(performs.count()).unwrap_or(u32::MAX)
            }
            Script::Load(load) => load.requests,
        }
    }
}

/// Where a client's operations come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Script {
    /// From the lines of the file.
    Steps(Vec<Step>),
    /// They are drawn.
    Load(Load),
}

/// One step of a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// `wait 3s`: nothing for that long.
    Wait(Duration),
    /// `pause 3s`: the host runs nothing for that long; what arrives waits, and its timers are late.
    Pause(Duration),
    /// A command, with the line that it stands in.
    Perform(Command, String),
}

/// Generated operations of one client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Load {
    /// How many.
    pub requests: u32,
    /// How long the client waits before each of them.
    pub think: Think,
    /// Verbs of the service with their weights; not all weights are zero.
    pub mix: Vec<(&'static str, u32)>,
}

/// How long a client of a load waits between operations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Think {
    /// Always this many ms; may be zero.
    Fixed(u32),
    /// Every whole number of ms from `min` to `max`, equally likely; may be zero.
    Uniform {
        /// The shortest, in ms.
        min: u32,
        /// The longest, in ms.
        max: u32,
    },
    /// Exponential above 1 ms.
    Exponential {
        /// The mean before rounding and cutting, in ms.
        mean: u32,
        /// The longest, in ms.
        max: u32,
    },
}

impl Think {
    /// The think time for a 32-bit draw.
    ///
    /// # Determinism
    ///
    /// Integers only, drawn as the network draws its delays.
    #[must_use]
    #[inline]
    pub fn draw(self, word: u32) -> Duration {
        let ms = match self {
            Self::Fixed(ms) => ms,
            Self::Uniform { min, max } => {
                // The network's delays begin at 1 ms, so that zero is moved there and back.
                let (min, max) = (min.saturating_add(1), max.saturating_add(1));
                Delay::Uniform { min, max }.draw(word) - 1
            }
            Self::Exponential { mean, max } => Delay::Exponential { mean, max }.draw(word),
        };
        Duration::from_millis(u64::from(ms))
    }
}

/// The format of the datagrams.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Wire {
    /// The service's own, older format: no envelope, no client ids, replies without request id.
    V1,
    /// Requests and replies in one envelope for all services.
    #[default]
    V2,
}

impl Wire {
    /// The name in scenarios and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// A simulator.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The event-driven simulator.
    Event,
    /// The same hosts on turmoil.
    Turmoil,
}

impl Backend {
    /// Every simulator, the usual one first.
    pub const ALL: [Self; 2] = [Self::Event, Self::Turmoil];

    /// The name in scenarios and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Turmoil => "turmoil",
        }
    }
}

/// The verdict that a scenario expects of a check.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// At the pinned seed and at every other.
    Valid,
    /// At the pinned seed; over a range of seeds, at least at one.
    Violated,
}

impl Expected {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Violated => "violated",
        }
    }
}

/// What must come out of a variant, in the order of the file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expectations {
    /// Verdicts, of checks that the variant runs.
    pub checks: Vec<(Check, Expected)>,
    /// How operations end.
    pub outcomes: Vec<(OperationId, OutcomeKind)>,
    /// What commands say at the end, on a perfect network.
    pub finals: Vec<FinalCommand>,
}

/// The calls of a fresh client, once the faults have ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Liveness {
    /// Each line with the commands that it stands for; at least one.
    pub calls: Vec<(String, Vec<Command>)>,
    /// How long each command may take.
    pub within: Duration,
}

impl Liveness {
    /// Every call, with the line that it stands in.
    pub(crate) fn each_call(&self) -> impl Iterator<Item = (&str, &Command)> {
        let lines = self.calls.iter();
        lines.flat_map(|(line, commands)| commands.iter().map(move |each| (line.as_str(), each)))
    }
}

/// A command at the end of a run, and what it must say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FinalCommand {
    /// The line.
    pub line: String,
    /// The commands that the line stands for.
    pub commands: Vec<Command>,
    /// The text that must come out.
    pub expected: String,
}
