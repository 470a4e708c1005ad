//! What the rest of the house knows of a service: one small trait.
//!
//! An [`Application`] is a service as a whole: its state machine, its client, its command grammar and
//! its words. The simulator, the program and the checkers work with this trait only; services know
//! nothing of them, nor of each other.

pub mod booking;
pub mod causal;
pub mod lock;
pub mod meeting;
pub(crate) mod quoting;
pub mod words;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::check::Check;
use crate::check::atomicity;
use crate::check::exclusion::LockAccess;
use crate::check::sequential::Specification;
use crate::history::Outcome;
use crate::history::sessions::AccessKind;
use crate::host::Task;
use crate::id::OperationId;
use crate::rpc::called::Called;
use crate::rpc::client::RpcClient;
use crate::rpc::line::Lines;
use crate::rpc::retransmit::Policy;
use crate::rpc::service::Service;
use crate::rpc::v1::FormatV1;
use crate::seed::Stream;
use crate::trace::{Line, segment_text};

/// A service as a whole.
///
/// What is provided suits a service that speaks text: a command line is the request, and the reply is
/// text. `examples/bank.rs` is a whole service, its scenario and its test, in a hundred lines.
pub trait Application: fmt::Debug + Send + Sync {
    /// Its name in scenarios and on the command line.
    fn name(&self) -> &'static str;

    /// The same application with settings of its own, those of [`Self::settings`].
    ///
    /// # Errors
    ///
    /// Says which setting is wrong and what was expected.
    fn configure(&self, settings: &toml::Table) -> Result<Arc<dyn Application>, SettingError> {
        let name = settings.keys().next().cloned().unwrap_or_default();
        Err(SettingError {
            message: format!("`{}` has no settings", self.name()),
            name,
        })
    }

    /// The settings it understands, each with a sentence and its JSON schema. Unless it says
    /// otherwise, none.
    fn settings(&self) -> Vec<Setting> {
        Vec::new()
    }

    /// The commands it understands, for help texts.
    fn usage(&self) -> &'static [Usage];

    /// How its clients retransmit unless a scenario says otherwise: [`Policy::default`].
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// A fresh server's state machine.
    fn service(&self) -> Box<dyn Service>;

    /// The names of its servers. Unless a service says otherwise there is one, `server`.
    fn servers(&self) -> Vec<String> {
        vec!["server".to_owned()]
    }

    /// How many of its servers clients call: the first ones. Unless a service says otherwise, all.
    fn entrances(&self) -> usize {
        self.servers().len()
    }

    /// A fresh state machine of one of several servers: its place among them from 0, and chance that
    /// repeats in no life of it. Unless a service says otherwise, all are the same.
    fn replica(&self, _place: u16, _chance: Stream) -> Box<dyn Service> {
        self.service()
    }

    /// What its runs are judged by unless a scenario says otherwise.
    fn checks(&self) -> Vec<Check> {
        Check::USUAL.to_vec()
    }

    /// Whether its service stores its state, so that a server on a disk survives a crash. Unless a
    /// service says otherwise, it does not, and scenarios refuse `state = "disk"`.
    fn stores_state(&self) -> bool {
        false
    }

    /// A client of it.
    fn client(&self, rpc: RpcClient) -> Box<dyn Client>;

    /// What stands before a line that somebody types.
    fn prompt(&self) -> &'static str {
        "> "
    }

    /// The same application, its clients of this name. Unless a service says otherwise, its clients have
    /// none.
    ///
    /// # Errors
    ///
    /// Says why its clients cannot have it.
    fn with_client_name(&self, _name: &str) -> Result<Arc<dyn Application>, String> {
        Err(format!("clients of {} have no names", self.name()))
    }

    /// Reads a command line. Some lines stand for several commands. Unless a service can do better,
    /// the line is the request, if its first word is that of one of the commands.
    ///
    /// # Errors
    ///
    /// Says what was expected where the line is no command.
    fn parse(&self, line: &str) -> Result<Vec<Command>, CommandError> {
        let verbs = || {
            self.usage()
                .iter()
                .filter_map(|usage| usage.form.split(' ').next())
        };
        let word = line.split_whitespace().next().unwrap_or_default();
        match verbs().find(|verb| *verb == word) {
            Some(verb) => Ok(vec![Command {
                verb,
                body: line.as_bytes().into(),
            }]),
            None => {
                let known: Vec<&str> = verbs().collect();
                let message = format!("`{word}` is no command; write {}", known.join(", "));
                Err(CommandError { message, at: 0 })
            }
        }
    }

    /// Reads a command that is split into words already, as a shell hands it over; a word with
    /// spaces is one word. Unless a service can do better, the words are joined by spaces.
    ///
    /// # Errors
    ///
    /// Says what was expected where the words are no command; positions count as if the words were
    /// joined by single spaces.
    fn parse_words(&self, words: &[&str]) -> Result<Vec<Command>, CommandError> {
        self.parse(&words.join(" "))
    }

    /// The commands whose replies tell the whole state, for the check `effects`: where a request ran
    /// twice, they show whether it matters though no client was told so. They change nothing. Unless
    /// a service says otherwise, none: then only what a scenario asks in the end is looked at.
    fn probes(&self) -> Vec<Command> {
        Vec::new()
    }

    /// What it promises, done one request after the other, for the check `linearizable`. Unless a
    /// service says otherwise, it has no such specification, and the check is refused.
    fn spec(&self) -> Option<Box<dyn Specification>> {
        None
    }

    /// Whether it is a store of values by keys, with a word on each call in [`Self::access`]: then runs
    /// can be judged by the checks of causal consistency.
    fn is_store(&self) -> bool {
        false
    }

    /// Of a store: whether a call reads or writes, which key, and which value. A read that was not
    /// answered has none, nor has one of a key that nobody has written.
    fn access(
        &self,
        _request: &[u8],
        _reply: Option<&[u8]>,
    ) -> Option<(AccessKind, String, Option<String>)> {
        None
    }

    /// A request in words, as its client would type it.
    fn describe_request(&self, body: &[u8]) -> String {
        as_text(body)
    }

    /// A reply in words.
    fn describe_reply(&self, body: &[u8]) -> String {
        as_text(body)
    }

    /// An update in words.
    fn describe_update(&self, body: &[u8]) -> String {
        as_text(body)
    }

    /// A message from a client that asks for no reply, in words.
    fn describe_one_way(&self, body: &[u8]) -> String {
        as_text(body)
    }

    /// A message from one of its servers to another, in words.
    fn describe_peer(&self, body: &[u8]) -> String {
        as_text(body)
    }

    /// The bytes of a segment of a connection, in words: a part of a message, or several.
    fn describe_segment(&self, bytes: &[u8]) -> String {
        segment_text(bytes)
    }

    /// Whether it is a service of locks, with a word on each request in [`Self::lock_access`]: then runs can
    /// be judged by the check `exclusion`. Its [`Self::probes`] are then to read each file.
    fn has_locks(&self) -> bool {
        false
    }

    /// Of a service of locks: what a request of it was about, given the reply unless there was none yet, for
    /// the check `exclusion`. Nothing of what was refused, or is about no lock.
    fn lock_access(&self, _request: &[u8], _reply: Option<&[u8]>) -> Option<LockAccess> {
        None
    }

    /// Of a service whose servers take part in transactions, and say so step by step: the place of the one that
    /// decides. Then runs can be judged by the check `atomicity`. Unless a service says otherwise, it has none.
    fn coordinator(&self) -> Option<u16> {
        None
    }

    /// Of a service with transactions: how the one that a request asked for has ended, as this reply tells its
    /// client. Nothing of a request that asks for none.
    fn transaction_told(&self, _request: &[u8], _reply: &[u8]) -> Option<atomicity::Decision> {
        None
    }

    /// What a server tells whoever watches it, one line: that something has come in, as an event of its
    /// trace has it. Unless a service says otherwise, nothing.
    fn arrival(&self, _line: &Line) -> Option<String> {
        None
    }

    /// Whether whoever watches a server is told of [arrivals](Self::arrival). Unless a service says otherwise, not.
    fn tells_arrivals(&self) -> bool {
        false
    }

    /// How its clients reach its [entrances](Self::entrances) by lines of text over connections. Unless a service
    /// says otherwise, they do not: they send datagrams.
    fn lines(&self) -> Option<Lines> {
        None
    }

    /// Format v1 of this service, if it has one.
    fn format_v1(&self) -> Option<&'static dyn FormatV1> {
        None
    }
}

/// One life of a client of a service.
pub trait Client {
    /// What it calls through: while it performs nothing, whoever drives it takes in what arrives.
    fn rpc(&mut self) -> &mut RpcClient;

    /// Whether a command is one call, and no more; unless a client says otherwise, each is. Such a command
    /// is to be [prepared](Self::prepare) first.
    fn is_one_call(&self, _command: &Command) -> bool {
        true
    }

    /// The command as it is to be sent: with what only the client knows, such as the token of a lock that
    /// it holds. Unless a client says otherwise, as it is.
    fn prepare<'a>(&mut self, _operation: OperationId, command: &'a Command) -> Cow<'a, Command> {
        Cow::Borrowed(command)
    }

    /// The client has nothing more to do: what it keeps up in the background may end.
    fn leave(&mut self) {}

    /// What follows from how the call of such a command ended.
    fn conclude(&mut self, command: &Command, called: &Called) -> Outcome;

    /// Performs a command that is more than one call.
    fn perform_series<'a>(
        &'a mut self,
        operation: OperationId,
        command: &'a Command,
    ) -> Task<'a, Outcome> {
        Box::pin(async move {
            let called = self.rpc().call(operation, &command.body).await;
            self.conclude(command, &called)
        })
    }

    /// Makes up a command with this verb, for generated load. It may use what earlier replies said, and the room
    /// of the command whose place it takes.
    ///
    /// # Errors
    ///
    /// If the verb is none of the service's, or cannot be generated.
    fn generate(
        &mut self,
        verb: &str,
        chance: &mut Stream,
        made_up: &mut Command,
    ) -> Result<(), CommandError>;
}

impl dyn Client {
    /// Performs a command to its end. One call, as most commands are, takes no future of its own.
    pub async fn perform(&mut self, operation: OperationId, command: &Command) -> Outcome {
        if self.is_one_call(command) {
            let command = self.prepare(operation, command);
            let called = self.rpc().call(operation, &command.body).await;
            self.conclude(&command, &called)
        } else {
            self.perform_series(operation, command).await
        }
    }
}

/// A client each of whose commands is one call.
#[derive(Debug)]
pub struct PlainClient {
    rpc: RpcClient,
    is_refusal: fn(&[u8]) -> bool,
    generate: Generate,
}

/// Makes up a command with this verb; `None` if it cannot.
type Generate = fn(&str, &mut Stream) -> Option<Command>;

impl PlainClient {
    /// A client that calls through `rpc`; `is_refusal` says of a reply whether the service refused.
    #[must_use]
    pub const fn new(rpc: RpcClient, is_refusal: fn(&[u8]) -> bool) -> Self {
        Self {
            rpc,
            is_refusal,
            generate: |_, _| None,
        }
    }

    /// The same client, which makes up commands with these verbs for generated load.
    #[must_use]
    pub const fn with_load(mut self, generate: fn(&str, &mut Stream) -> Option<Command>) -> Self {
        self.generate = generate;
        self
    }
}

impl Client for PlainClient {
    fn rpc(&mut self) -> &mut RpcClient {
        &mut self.rpc
    }

    fn conclude(&mut self, _command: &Command, called: &Called) -> Outcome {
        called.outcome(self.is_refusal)
    }

    fn generate(
        &mut self,
        verb: &str,
        chance: &mut Stream,
        made_up: &mut Command,
    ) -> Result<(), CommandError> {
        *made_up = (self.generate)(verb, chance).ok_or_else(|| CommandError {
            message: format!("`{verb}` cannot be generated"),
            at: 0,
        })?;
        Ok(())
    }
}

fn as_text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// A command, understood. The default is none: no service has an empty verb.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Command {
    /// Its first word.
    pub verb: &'static str,
    /// The command in the service's own encoding: the body of its request.
    pub body: Vec<u8>,
}

/// A setting of a service: a top-level key of its scenarios.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key.
    pub name: &'static str,
    /// Its JSON schema, with a description.
    pub schema: serde_json::Value,
}

/// How a command is written.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// The form, with parameters in capitals.
    pub form: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
}

impl Usage {
    /// This form, with this help.
    #[must_use]
    pub const fn new(form: &'static str, help: &'static str) -> Self {
        Self { form, help }
    }
}

/// A line is no command.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// What was expected.
    pub message: String,
    /// Where in the line, in bytes from its start.
    pub at: usize,
}

/// A setting is wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SettingError {
    /// Which setting.
    pub name: String,
    /// What was expected.
    pub message: String,
}

/// Every service of this crate.
#[must_use]
pub fn catalogue() -> Vec<Arc<dyn Application>> {
    vec![
        Arc::new(booking::Booking::default()),
        Arc::new(causal::Causal::default()),
        Arc::new(lock::LockService::default()),
        Arc::new(meeting::MeetingScheduler::default()),
    ]
}

/// How long a client goes on listening after the last moment at which a server may still speak.
pub const GRACE: Duration = Duration::from_secs(1);
