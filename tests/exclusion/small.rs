//! A small lock service, whole or with a flaw: three locks, three files, leases of a second.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use wavetank::check::exclusion::LockAccess;
use wavetank::clock::Time;
use wavetank::history::{Outcome, Told};
use wavetank::id::{HostId, OperationId};
use wavetank::rpc::called::Called;
use wavetank::rpc::client::RpcClient;
use wavetank::rpc::service::{Effects, Input, Service, Ticket, TimerKey};
use wavetank::seed::Stream;
use wavetank::services::{Application, Client, Command, CommandError, Usage};
use wavetank::trace::{Decision, LockStep};

/// How long a lease is.
const LEASE: Duration = Duration::from_secs(1);

/// How many locks there are, and files.
const LOCKS: u16 = 3;

/// What is wrong with the service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flaw {
    /// Nothing.
    None,
    /// Whoever appends is taken for the holder.
    NoFencing,
    /// Texts appear at once.
    NoStaging,
    /// No lease runs out.
    NoLeases,
    /// What is released does not appear.
    Forgetful,
    /// A lock is granted once.
    Deaf,
    /// Whoever came last is served first.
    Unfair,
    /// A close ends nothing.
    Open,
}

/// The service as a whole.
#[derive(Debug)]
pub(crate) struct Locks(Flaw);

impl Locks {
    pub(crate) fn with(flaw: Flaw) -> Arc<dyn Application> {
        Arc::new(Self(flaw))
    }
}

const USAGE: [Usage; 5] = [
    Usage::new("acquire LOCK", "Waits for a lock."),
    Usage::new("append LOCK TEXT", "Stages a text."),
    Usage::new("release LOCK", "Lets go."),
    Usage::new("read LOCK", "Reads a file."),
    Usage::new("close", "Lets go of all, and what was staged vanishes."),
];

impl Application for Locks {
    fn name(&self) -> &'static str {
        "locks"
    }

    fn usage(&self) -> &'static [Usage] {
        &USAGE
    }

    fn service(&self) -> Box<dyn Service> {
        Box::new(Server {
            flaw: self.0,
            locks: Default::default(),
        })
    }

    fn client(&self, rpc: RpcClient) -> Box<dyn Client> {
        Box::new(Holder {
            rpc,
            tokens: [0; LOCKS as usize],
        })
    }

    fn probes(&self) -> Vec<Command> {
        let read = |lock| Command {
            verb: "read",
            body: format!("read {lock} 0").into_bytes(),
        };
        (0..LOCKS).map(read).collect()
    }

    fn has_locks(&self) -> bool {
        true
    }

    fn lock_access(&self, request: &[u8], reply: Option<&[u8]>) -> Option<LockAccess> {
        let request = words(request);
        if request[0] == "close" {
            return reply.map(|_| LockAccess::Closed);
        }
        let lock = request[1].parse().ok()?;
        let Some(reply) = reply.map(words) else {
            return (request[0] == "acquire").then_some(LockAccess::Waits { lock });
        };
        let token = reply.get(1)?.parse().ok()?;
        Some(match reply[0] {
            "granted" => LockAccess::Granted { lock, token },
            "staged" => LockAccess::Staged {
                lock,
                token,
                file: lock,
                text: request[3].into(),
            },
            "released" => LockAccess::Released { lock, token },
            _ => LockAccess::Read {
                file: lock,
                token,
                from: 0,
                total: reply[2].len() as u64,
                text: reply[2].into(),
            },
        })
    }
}

fn words(bytes: &[u8]) -> Vec<&str> {
    str::from_utf8(bytes).expect("a text").split(' ').collect()
}

/// A client, with the tokens of its grants.
struct Holder {
    rpc: RpcClient,
    tokens: [u64; LOCKS as usize],
}

impl Client for Holder {
    fn rpc(&mut self) -> &mut RpcClient {
        &mut self.rpc
    }

    /// Puts the token behind the lock, unless it is there.
    fn prepare<'a>(&mut self, _operation: OperationId, command: &'a Command) -> Cow<'a, Command> {
        let typed = words(&command.body);
        let is_done = command.verb == "read" && typed.len() == 3;
        if is_done || ["acquire", "close"].contains(&command.verb) {
            return Cow::Borrowed(command);
        }
        let lock: usize = typed[1].parse().expect("a lock");
        let mut sent: Vec<String> = typed.iter().map(|word| (*word).to_owned()).collect();
        sent.insert(2, self.tokens[lock].to_string());
        Cow::Owned(Command {
            verb: command.verb,
            body: sent.join(" ").into_bytes(),
        })
    }

    fn conclude(&mut self, command: &Command, called: &Called) -> Outcome {
        let outcome = called.outcome(|reply| reply == b"refused");
        if let Told::Reply(reply) = &outcome.told
            && let ["granted", token] = words(reply)[..]
        {
            let lock: usize = words(&command.body)[1].parse().expect("a lock");
            self.tokens[lock] = token.parse().expect("a token");
        }
        outcome
    }

    fn generate(
        &mut self,
        verb: &str,
        _: &mut Stream,
        _: &mut Command,
    ) -> Result<(), CommandError> {
        panic!("nobody generates `{verb}`")
    }
}

struct Server {
    flaw: Flaw,
    locks: [Lock; LOCKS as usize],
}

#[derive(Default)]
struct Lock {
    token: u64,
    /// Whose the newest grant is, and when its lease runs out.
    held: Option<(OperationId, Time)>,
    waiting: VecDeque<(Ticket, OperationId)>,
    staged: String,
    file: String,
}

impl Service for Server {
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Request {
                ticket,
                caller,
                body,
            } => {
                let words = words(body);
                if words[0] == "close" {
                    self.close(caller.operation.client, now, effects);
                    return effects.complete(ticket, b"closed");
                }
                let number: u16 = words[1].parse().expect("a lock");
                if words[0] == "acquire" {
                    let lock = &mut self.locks[usize::from(number)];
                    lock.waiting.push_back((ticket, caller.operation));
                } else {
                    let reply = self.reply(number, &words);
                    effects.complete(ticket, reply.as_bytes());
                }
                self.hand_on(number, now, effects);
            }
            Input::Timer(TimerKey(number)) => self.hand_on(number as u16, now, effects),
            _ => {}
        }
    }
}

impl Server {
    fn reply(&mut self, number: u16, words: &[&str]) -> String {
        let flaw = self.flaw;
        let lock = &mut self.locks[usize::from(number)];
        let token: u64 = words[2].parse().expect("a token");
        let is_newest = lock.held.is_some() && (token == lock.token || flaw == Flaw::NoFencing);
        match words[0] {
            "append" if is_newest => {
                match flaw {
                    Flaw::NoStaging => lock.file.push_str(words[3]),
                    _ => lock.staged.push_str(words[3]),
                }
                format!("staged {}", lock.token)
            }
            "release" if is_newest => {
                lock.held = None;
                let staged = std::mem::take(&mut lock.staged);
                if flaw != Flaw::Forgetful {
                    lock.file.push_str(&staged);
                }
                format!("released {}", lock.token)
            }
            "read" if is_newest => format!("text {token} {}{}", lock.file, lock.staged),
            "read" => format!("text 0 {}", lock.file),
            _ => "refused".to_owned(),
        }
    }

    /// Ends the grants of a client.
    fn close(&mut self, client: HostId, now: Time, effects: &mut Effects) {
        if self.flaw == Flaw::Open {
            return;
        }
        for number in 0..LOCKS {
            let lock = &mut self.locks[usize::from(number)];
            let its = lock.held.filter(|(holder, _)| holder.client == client);
            if let Some((holder, _)) = its {
                effects.lock(step(number, now, holder, (lock.token, Decision::Withdraw)));
                lock.staged.clear();
                lock.held = None;
                self.hand_on(number, now, effects);
            }
        }
    }

    /// Grants the lock to whoever waits, if it is free or its lease has run out.
    fn hand_on(&mut self, number: u16, now: Time, effects: &mut Effects) {
        let flaw = self.flaw;
        let lock = &mut self.locks[usize::from(number)];
        let next = match flaw {
            Flaw::Unfair => lock.waiting.back(),
            _ => lock.waiting.front(),
        };
        let Some(&(ticket, operation)) = next else {
            return;
        };
        match lock.held {
            _ if flaw == Flaw::Deaf && lock.token > 0 => return,
            Some(_) if flaw == Flaw::NoLeases => return,
            Some((_, end)) if now < end => {
                return effects.set_timer(TimerKey(number.into()), end);
            }
            Some((holder, _)) => {
                effects.lock(step(number, now, holder, (lock.token, Decision::Withdraw)));
                lock.staged.clear();
            }
            None => {}
        }
        lock.waiting.retain(|(of, _)| *of != ticket);
        lock.token += 1;
        lock.held = Some((operation, now + LEASE));
        let grant = Decision::Grant(LEASE);
        effects.lock(step(number, now, operation, (lock.token, grant)));
        effects.complete(ticket, format!("granted {}", lock.token).as_bytes());
        self.hand_on(number, now, effects);
    }
}

fn step(lock: u16, clock: Time, operation: OperationId, what: (u64, Decision)) -> LockStep {
    let (token, decision) = what;
    LockStep {
        operation,
        lock,
        token,
        clock,
        decision,
        text: format!("lock {lock} with token {token}").into(),
    }
}
