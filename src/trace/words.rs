//! Words: how each event becomes a [`Row`].

use crate::clock::{Time, ms};
use crate::disk::Damage;
use crate::history::{Outcome, Told};
use crate::id::{ConnectionId, HostId, OperationId, Version};
use crate::net::fate::{Cause, Fate};
use crate::net::{Broken, Kind, Label};
use crate::trace::{
    AttemptRow, CauseRow, Decision, Describe, Event, Filtered, Ignored, Line, Names, OutcomeRow,
    Part, Row, TransactionStep,
};

/// What stands for the operation of a datagram that has no label.
const UNLABELLED: &str = "unlabelled";

impl Row {
    /// A line in words.
    #[must_use]
    pub fn new(number: u32, line: &Line, names: Names<'_>, describe: &dyn Describe) -> Self {
        let mut row = Self {
            number,
            ms: line.at.as_ms(),
            host: names.host(line.host).into_owned(),
            event: line.event.word().to_owned(),
            ..Self::default()
        };
        row.tell(line, names, describe);
        if row.details.contains('\n') {
            let details = row.details.trim_end().replace(".\n", ". ");
            row.details = details.replace('\n', "; ");
        }
        row
    }

    fn tell(&mut self, line: &Line, names: Names<'_>, describe: &dyn Describe) {
        let Line { at, host, event } = line;
        let peer = |host| Some(names.host(host).into_owned());
        match event {
            Event::Send {
                to,
                label,
                datagram,
                fate,
            } => {
                self.peer = peer(*to);
                self.name_datagram(*label, *host, names);
                let text = describe.datagram(datagram);
                let gap = if self.details.is_empty() { "" } else { " " };
                self.say(&format!("{gap}{text}"));
                self.note_fate(*at, fate);
            }
            Event::Receive { from, label } => {
                self.peer = peer(*from);
                self.name_datagram(*label, *from, names);
            }
            Event::Execute {
                operation,
                request,
                reply,
                stored,
                recovered,
            } => {
                self.name(*operation, names);
                self.note_recovered(*recovered);
                self.stored = *stored;
                let request = describe.request(request);
                let reply = reply.as_deref().map(|reply| describe.reply(reply));
                let told = reply.as_deref().unwrap_or("waits");
                self.say(&format!(" {request} -> {told}"));
                self.request = Some(request);
                self.reply = reply;
            }
            Event::Complete {
                operation,
                reply,
                recovered,
            } => {
                self.name(*operation, names);
                self.note_recovered(*recovered);
                let reply = describe.reply(reply);
                self.say(&format!(" -> {reply}"));
                self.reply = Some(reply);
            }
            Event::Commit(commit) => {
                match commit.operation {
                    Some(operation) => {
                        self.name(operation, names);
                        self.say(&format!(" {}", commit.text));
                    }
                    None => self.say(&commit.text),
                }
                self.version = Some(commit.version.to_string());
                self.needs = commit.needs.iter().map(Version::to_string).collect();
            }
            Event::Lock(step) => {
                self.name(step.operation, names);
                self.say(&format!(" {}", step.text));
                self.lock = Some(step.lock);
                self.token = Some(step.token);
                self.clock_ms = Some(step.clock.as_ms());
                self.lease_ms = match step.decision {
                    Decision::Grant(lease) | Decision::Renew(lease) => Some(ms(lease)),
                    Decision::Withdraw => None,
                };
            }
            Event::Transaction(step) => {
                if let Some(operation) = step.operation {
                    self.name(operation, names);
                    self.details.push(' ');
                }
                self.tell_transaction(step, names);
            }
            Event::Filter { operation, instead } => {
                self.name(*operation, names);
                self.say(&format!(" {}", instead.text()));
            }
            Event::Abandon { operation } => {
                self.name(*operation, names);
                self.say(" nobody waits for it any more");
            }
            Event::Ignore {
                from,
                label,
                reason,
            } => {
                self.peer = peer(*from);
                self.name_datagram(*label, *from, names);
                self.say_of_datagram(*label, reason.text());
            }
            Event::Patience {
                from,
                operation,
                until,
            } => {
                self.peer = peer(*from);
                self.name(*operation, names);
                self.say(&format!(" in progress: sends again at {until} ms"));
            }
            Event::Notified {
                from,
                operation,
                update,
            } => {
                self.peer = peer(*from);
                self.name(*operation, names);
                self.say(&format!(" {}", describe.update(update)));
            }
            Event::Outcome { operation, outcome } => {
                self.name(*operation, names);
                self.tell_outcome(*operation, outcome, names, describe);
            }
            Event::Segment(segment) => {
                self.peer = peer(segment.to);
                self.name_connection(segment.connection, names);
                if let Some(label) = segment.label {
                    self.details.push(' ');
                    self.name_datagram(Some(label), *host, names);
                }
                let text = describe.segment(&segment.bytes);
                self.say(&format!(" {text}"));
                self.note_fate(*at, &segment.fate);
            }
            Event::Broken {
                peer: other,
                connection,
                why,
                fault,
            } => {
                self.peer = peer(*other);
                self.name_connection(*connection, names);
                self.say(match why {
                    Broken::Refused => " refused",
                    Broken::Reset => " reset",
                    Broken::TimedOut => " timed out",
                });
                self.blame(*fault);
            }
            Event::Lost {
                from,
                connection: Some(connection),
                label,
                ..
            } => {
                self.peer = peer(*from);
                self.name_connection(*connection, names);
                if let Some(label) = label {
                    self.details.push(' ');
                    self.name_datagram(Some(*label), *from, names);
                }
                self.say(": host down, sent again later");
            }
            Event::Lost {
                from, label, down, ..
            } => {
                self.peer = peer(*from);
                self.name_datagram(*label, *from, names);
                let why = if *down { "host down" } else { "nobody listens" };
                self.say_of_datagram(*label, why);
            }
            Event::Partition {
                from,
                one_way,
                fault,
            } => {
                self.peer = peer(*from);
                let how = if *one_way {
                    "cut off, this way only"
                } else {
                    "cut off"
                };
                self.say(how);
                self.blame(Some(*fault));
            }
            Event::Heal { from, fault } => {
                self.peer = peer(*from);
                self.say("reachable again");
                self.blame(Some(*fault));
            }
            Event::Crash {
                fault,
                in_disk_operation,
                disk,
            } => {
                self.say(&crash_text(*in_disk_operation, *disk));
                self.blame(Some(*fault));
            }
            Event::Restart { fault } => self.blame(Some(*fault)),
            Event::Pause { span_ms, fault } => {
                self.say(&format!("for {span_ms} ms"));
                self.blame(*fault);
            }
            Event::Resume { fault } => self.blame(*fault),
            Event::Skew {
                offset_ms,
                rate_ppm,
                fault,
            } => {
                let rate = rate_text(*rate_ppm);
                self.say(&match (offset_ms, rate_ppm) {
                    (0, _) => format!("rate {rate}"),
                    (_, 1_000_000) => format!("{offset_ms:+} ms"),
                    _ => format!("{offset_ms:+} ms, rate {rate}"),
                });
                self.blame(Some(*fault));
            }
            Event::Service {
                operation: Some(operation),
                text,
                ..
            } => {
                self.name(*operation, names);
                self.say(&format!(" {text}"));
            }
            Event::Service { text, .. } => self.say(text),
        }
    }

    fn tell_transaction(&mut self, step: &TransactionStep, names: Names<'_>) {
        self.note_recovered(step.found);
        self.say(&step.transaction);
        if let Part::Decide {
            commit,
            participants,
        } = &step.part
        {
            let places = participants.iter();
            let servers = places.map(|&place| names.host(HostId(place)).into_owned());
            self.participants = servers.collect();
            self.commit = Some(*commit);
            let decision = if *commit { "commit" } else { "abort" };
            self.say(&format!(" {decision} on {}:", self.participants.join(", ")));
        }
        self.say(&format!(" {}", step.text));
        self.transaction = Some(step.transaction.to_string());
    }

    fn say(&mut self, text: &str) {
        self.details.push_str(text.trim_end());
    }

    /// Names the scripted fault that did it.
    fn blame(&mut self, fault: Option<u16>) {
        self.fault = fault;
        if let Some(fault) = fault {
            self.note = format!("fault {fault}");
        }
    }

    fn name(&mut self, operation: OperationId, names: Names<'_>) {
        let name = names.operation(operation);
        self.say(&name);
        self.operation = Some(name);
    }

    fn name_connection(&mut self, connection: ConnectionId, names: Names<'_>) {
        let name = names.connection(connection);
        self.say(&name);
        self.connection = Some(name);
    }

    fn name_datagram(&mut self, label: Option<Label>, sender: HostId, names: Names<'_>) {
        let Some(label) = label else {
            return self.say(UNLABELLED);
        };
        let own = OperationId {
            client: sender,
            number: 0,
        };
        if label.kind != Kind::Peer || label.operation != own {
            self.name(label.operation, names);
        }
        self.kind = Some(label.kind.name().to_owned());
        if label.kind == Kind::Request && label.attempt.number > 0 {
            self.attempt = Some(AttemptRow {
                number: label.attempt.number,
                of: label.attempt.of,
            });
        }
    }

    fn say_of_datagram(&mut self, label: Option<Label>, text: &str) {
        match label {
            Some(label) => self.say(&format!(" {}: {text}", label.kind.name())),
            None => self.say(&format!(": {text}")),
        }
    }

    fn note_recovered(&mut self, recovered: bool) {
        if recovered {
            self.recovered = true;
            self.note = "before the crash: found on the disk".to_owned();
        }
    }

    fn note_fate(&mut self, at: Time, fate: &Fate) {
        self.arrives_ms = fate
            .delays_ms()
            .iter()
            .map(|&delay_ms| at.as_ms() + u64::from(delay_ms))
            .collect();
        self.lost = fate.lost.map(CauseRow::from);
        self.duplicated = fate.duplicated.map(CauseRow::from);
        self.delayed = fate.delayed.map(CauseRow::from);
        let attempt = self.attempt.filter(|attempt| attempt.number > 1);
        let notes = [
            attempt.map(|attempt| format!("attempt {} of {}", attempt.number, attempt.of)),
            self.lost.map(|cause| format!("lost: {}", cause.text())),
            self.duplicated
                .map(|cause| format!("duplicated: {}", cause.text())),
            // What never arrives is not late.
            self.delayed
                .zip(self.arrives_ms.first())
                .map(|(cause, arrives)| format!("delayed to {arrives} ms: {}", cause.text())),
        ];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        self.note = notes.join(", ");
    }

    fn tell_outcome(
        &mut self,
        operation: OperationId,
        outcome: &Outcome,
        names: Names<'_>,
        describe: &dyn Describe,
    ) {
        let text = match &outcome.told {
            Told::Reply(reply) => describe.reply(reply),
            Told::Text(text) => text.clone().into_owned(),
        };
        self.say(&match text.as_str() {
            "" => format!(" {}", outcome.kind.name()),
            text => format!(" {}: {text}", outcome.kind.name()),
        });
        let reply_to = outcome.reply_to.map(|reply_to| names.operation(reply_to));
        if let (Some(name), true) = (&reply_to, outcome.reply_to != Some(operation)) {
            self.note = format!("taken from the reply to {name}");
        }
        self.outcome = Some(OutcomeRow {
            kind: outcome.kind,
            text,
            by_reply: matches!(outcome.told, Told::Reply(_)),
            reply_to,
        });
    }
}

/// What became of a disk in a crash, if there is something to say.
fn crash_text(in_disk_operation: bool, disk: Damage) -> String {
    let Damage { unsynced, lost } = disk;
    let lost = match (lost, unsynced) {
        (0, _) => None,
        (1, 1) => Some("1 sector lost".to_owned()),
        (lost, unsynced) if lost == unsynced => Some(format!("{lost} sectors lost")),
        (lost, unsynced) => Some(format!("{lost} of {unsynced} sectors lost")),
    };
    match (in_disk_operation, lost) {
        (false, None) => String::new(),
        (false, Some(lost)) => format!("disk: {lost}"),
        (true, None) => "inside a disk operation".to_owned(),
        (true, Some(lost)) => format!("inside a disk operation, {lost}"),
    }
}

/// A rate in millionths, as a number: `1.01`.
fn rate_text(rate_ppm: u32) -> String {
    let (whole, rest) = (rate_ppm / 1_000_000, rate_ppm % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl CauseRow {
    fn text(self) -> String {
        match self {
            Self::Chance => "chance".to_owned(),
            Self::Fault(number) => format!("fault {number}"),
        }
    }
}

impl From<Cause> for CauseRow {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Chance => Self::Chance,
            Cause::Fault(number) => Self::Fault(number),
        }
    }
}

impl Filtered {
    /// What a trace says of it.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::ReplyStored => "duplicate: stored reply sent",
            Self::InProgress => "duplicate: in progress",
            Self::Acknowledged => "no longer waited for: ignored",
            Self::DifferentBody => "same id, different body: refused",
            Self::Full => "reply cache full: refused",
            Self::SessionExpired => "session expired: refused",
        }
    }
}

impl Ignored {
    /// What a trace says of it.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::NotWaiting => "not waiting for it",
            Self::KnownUpdate => "known already",
            Self::EarlyUpdate => "an earlier one is missing",
            Self::NotMonitoring => "not monitoring",
            Self::Malformed => "malformed",
        }
    }
}
