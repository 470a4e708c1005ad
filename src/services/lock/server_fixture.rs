//! A lock server without network, for its tests: requests in, words out.

use std::collections::BTreeMap;

use super::*;
use crate::id::{HostId, OperationId};
use crate::rpc::service::Effect;
use crate::services::lock::turns::DUE;
use crate::trace::{Decision, LockStep};

/// A server, its disk, and what it has done.
pub(super) struct Fixture {
    pub(super) server: LockServer,
    settings: Settings,
    disk: BTreeMap<Vec<u8>, Vec<u8>>,
    tickets: u64,
    pub(super) timer: Option<u64>,
}

pub(super) fn at(ms: u64) -> Time {
    Time::from_ms(ms)
}

pub(super) fn caller(client: u16) -> Caller {
    Caller {
        client: ClientKey::Id(ClientId(client.into())),
        address: ([10, 0, 0, 1], client).into(),
        operation: OperationId {
            client: HostId(client),
            number: 1,
        },
    }
}

pub(super) fn without(protection: Protection) -> Settings {
    Settings {
        without: [protection].into(),
        ..Settings::default()
    }
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let mut fixture = Self {
            server: LockServer::new(settings.clone()),
            settings,
            disk: BTreeMap::new(),
            tickets: 0,
            timer: None,
        };
        fixture.restart(0);
        fixture
    }

    /// A new life, with what the disk holds. What its first step says.
    pub(super) fn restart(&mut self, ms: u64) -> Vec<String> {
        self.server = LockServer::new(self.settings.clone());
        self.timer = None;
        let mut effects = Effects::default().with_records();
        let records: Vec<Record> = self.disk.clone().into_iter().collect();
        let mut records = records.into_iter();
        self.server
            .restore(at(ms), &mut records, &mut effects)
            .expect("it has stored them");
        self.carry_out(&effects);
        self.let_timers_run(ms)
    }

    pub(super) fn step(&mut self, ms: u64, input: Input<'_>) -> Vec<String> {
        let mut effects = Effects::default().with_records();
        self.server.step(at(ms), input, &mut effects);
        self.carry_out(&effects)
    }

    pub(super) fn carry_out(&mut self, effects: &Effects) -> Vec<String> {
        let mut told = Vec::new();
        for effect in effects.iter() {
            match effect {
                Effect::Complete { ticket, reply } => {
                    told.push(format!(
                        "{}: {}",
                        ticket.0,
                        words(&Reply::decode(reply).expect("a reply"))
                    ));
                }
                Effect::Push { to, update } => {
                    let client = to.operation.client.0;
                    told.push(format!(
                        "to {client}: {:?}",
                        Update::decode(update).expect("an update")
                    ));
                }
                Effect::Lock(LockStep {
                    decision,
                    text,
                    operation,
                    ..
                }) => {
                    let word = match decision {
                        Decision::Grant(_) => "grant",
                        Decision::Renew(_) => "renew",
                        Decision::Withdraw => "withdraw",
                    };
                    told.push(format!("{word} {}: {text}", operation.client.0));
                }
                Effect::Tell(_, _, text) => told.push(format!("expire {text}")),
                Effect::SetTimer(_, until) => self.timer = Some(until.as_ms()),
                Effect::Store { key, value } => {
                    match value {
                        Some(value) => self.disk.insert(key.to_vec(), value.to_vec()),
                        None => self.disk.remove(key),
                    };
                }
                other => panic!("{other:?}"),
            }
        }
        told
    }

    /// Lets the timer run out if it is due by then.
    pub(super) fn let_timers_run(&mut self, ms: u64) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(due) = self.timer.filter(|due| *due <= ms) {
            self.timer = None;
            told.extend(self.step(due, Input::Timer(DUE)));
        }
        told
    }

    pub(super) fn ask(&mut self, ms: u64, client: u16, request: &Request<'_>) -> Vec<String> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let (caller, body) = (&caller(client), &request.encode());
        self.step(
            ms,
            Input::Request {
                ticket,
                caller,
                body,
            },
        )
    }

    pub(super) fn acquire(&mut self, ms: u64, client: u16, file: &str) -> Vec<String> {
        let (file, token) = (file.into(), 0);
        self.ask(ms, client, &Request::Acquire { file, token })
    }

    pub(super) fn append(&mut self, ms: u64, client: u16, token: u64, text: &str) -> Vec<String> {
        let request = Request::Append {
            file: "file_0".into(),
            token,
            text: text.into(),
        };
        self.ask(ms, client, &request)
    }

    pub(super) fn release(&mut self, ms: u64, client: u16, token: u64) -> Vec<String> {
        let request = Request::Release {
            file: "file_0".into(),
            token,
        };
        self.ask(ms, client, &request)
    }

    /// The last reply to a read, without its ticket.
    pub(super) fn read(&mut self, ms: u64, client: u16, token: u64, from: u64) -> String {
        let request = Request::Read {
            file: "file_0".into(),
            token,
            from,
        };
        let told = self.ask(ms, client, &request);
        let last = told.last().expect("a reply");
        last.split_once(": ").expect("a ticket").1.to_owned()
    }

    pub(super) fn beat(&mut self, ms: u64, client: u16, token: u64) -> Vec<String> {
        let body = &Request::Renew {
            file: "file_0".into(),
            token,
            number: 1,
        }
        .encode();
        let caller = &caller(client);
        self.step(ms, Input::OneWay { caller, body })
    }
}

pub(super) fn words(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Granted(lease) => format!("granted {}", lease.token),
        Reply::Renewed(lease) => format!("renewed {}", lease.token),
        Reply::Released { token } => format!("released {token}"),
        Reply::Staged { token } => format!("staged {token}"),
        Reply::Text {
            token,
            from,
            total,
            text,
        } => {
            let text = if text.len() > 10 { &text[..10] } else { text };
            format!("{text:?} from {from} of {total}, own {token}")
        }
        Reply::Refused(refusal) => refusal.to_string(),
        Reply::Connected => "Connected!".to_owned(),
        Reply::Disconnected => "Disconnected!".to_owned(),
    }
}
