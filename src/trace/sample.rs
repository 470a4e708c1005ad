//! Sample events, for the tests of this module.

use std::time::Duration;

use crate::clock::Time;
use crate::disk::Damage;
use crate::history::{Outcome, OutcomeKind, Told};
use crate::id::{ConnectionId, HostId, OperationId, Version};
use crate::net::fate::{Cause, Fate};
use crate::net::{Attempt, Broken, Kind, Label};
use crate::seed::Seed;
use crate::trace::{
    Commit, Decision, Describe, Event, Filtered, Header, Ignored, Line, LockStep, Part,
    SegmentEvent, SegmentWord, TransactionStep, VerdictRow, Word,
};
use crate::wire::SharedBytes;

/// A service whose bytes are its words.
pub(crate) struct Plain;

impl Describe for Plain {
    fn datagram(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn request(&self, body: &[u8]) -> String {
        self.datagram(body)
    }

    fn reply(&self, body: &[u8]) -> String {
        self.datagram(body)
    }

    fn update(&self, body: &[u8]) -> String {
        self.datagram(body)
    }
}

const ALICE: HostId = HostId(0);
const SERVER: HostId = HostId(1);

pub(crate) fn alice(number: u32) -> OperationId {
    OperationId {
        client: ALICE,
        number,
    }
}

pub(crate) fn hosts() -> Vec<String> {
    vec!["alice".to_owned(), "server".to_owned()]
}

pub(crate) fn header() -> Header {
    let (file, variant) = ("sims/booking/lost-cancel-reply.toml", "at-least-once");
    Header {
        scenario: "booking/lost-cancel-reply".to_owned(),
        variant: variant.to_owned(),
        seed: Seed(7),
        story: "The reply to a cancel is lost; the retransmission runs the cancel again."
            .to_owned(),
        command: Header::command(file, variant, Seed(7)),
        hosts: hosts(),
        comment: None,
    }
}

pub(crate) fn verdicts() -> Vec<VerdictRow> {
    let row = |check: &str, evidence: &str| VerdictRow {
        check: check.to_owned(),
        verdict: "violated".to_owned(),
        evidence: evidence.to_owned(),
    };
    vec![
        row("executions", "alice#1 ran 2 times (lines 3, 7)"),
        row(
            "effects",
            "alice was told \"already cancelled\" (line 9) of her own first cancel (line 3)",
        ),
    ]
}

pub(crate) fn line(at_ms: u64, event: Event) -> Line {
    Line {
        at: Time::from_ms(at_ms),
        host: ALICE,
        event,
    }
}

fn server_line(at_ms: u64, event: Event) -> Line {
    Line {
        host: SERVER,
        ..line(at_ms, event)
    }
}

pub(crate) fn lost() -> Fate {
    lost_by(Cause::Chance)
}

fn lost_by(cause: Cause) -> Fate {
    let mut fate = Fate::default();
    fate.lost = Some(cause);
    fate
}

fn datagram(to: HostId, label: Option<Label>, text: &str, fate: Fate) -> Event {
    Event::Send {
        to,
        label,
        datagram: text.as_bytes().into(),
        fate,
    }
}

fn attempt(number: u16) -> Option<Label> {
    Some(Label {
        attempt: Attempt { number, of: 3 },
        ..Label::new(Kind::Request, alice(1))
    })
}

pub(crate) fn send(kind: Kind, text: &str, fate: Fate) -> Event {
    datagram(SERVER, Some(Label::new(kind, alice(1))), text, fate)
}

fn reply(text: &str, fate: Fate) -> Event {
    datagram(ALICE, Some(Label::new(Kind::Reply, alice(1))), text, fate)
}

fn bytes(text: &str) -> SharedBytes {
    text.as_bytes().into()
}

fn execute(reply: &str) -> Event {
    Event::Execute {
        operation: alice(1),
        request: bytes("cancel CONF000001"),
        reply: Some(bytes(reply)),
        stored: false,
        recovered: false,
    }
}

fn receive(number: u16) -> Event {
    Event::Receive {
        from: ALICE,
        label: attempt(number),
    }
}

fn outcome(kind: OutcomeKind, told: Told, reply_to: Option<OperationId>) -> Event {
    Event::Outcome {
        operation: alice(1),
        outcome: Outcome {
            kind,
            told,
            reply_to,
        },
    }
}

/// The example of a trace that the documents show.
pub(crate) fn lost_cancel_reply() -> Vec<Line> {
    let cancel = "cancel CONF000001";
    let lost = lost_by(Cause::Fault(1));
    let told = Told::Reply(bytes("already cancelled"));
    vec![
        line(0, datagram(SERVER, attempt(1), cancel, Fate::once(3))),
        server_line(3, receive(1)),
        server_line(3, execute("cancelled")),
        server_line(3, reply("cancelled", lost)),
        line(5000, datagram(SERVER, attempt(2), cancel, Fate::once(2))),
        server_line(5002, receive(2)),
        server_line(5002, execute("already cancelled")),
        server_line(5002, reply("already cancelled", Fate::once(3))),
        line(5005, outcome(OutcomeKind::Failed, told, Some(alice(1)))),
    ]
}

fn crash(in_disk_operation: bool, lost: u32, unsynced: u32) -> Event {
    Event::Crash {
        fault: 4,
        in_disk_operation,
        disk: Damage { unsynced, lost },
    }
}

const CONNECTION: ConnectionId = ConnectionId {
    opener: ALICE,
    number: 2,
};

fn segment(word: SegmentWord, label: Option<Label>, text: &str, fate: Fate) -> Event {
    Event::Segment(Box::new(SegmentEvent {
        to: SERVER,
        connection: CONNECTION,
        word,
        label,
        bytes: bytes(text),
        fate,
    }))
}

fn late(cause: Cause) -> Fate {
    let mut fate = Fate::once(203);
    fate.delayed = Some(cause);
    fate
}

const fn broken(why: Broken, fault: Option<u16>) -> Event {
    Event::Broken {
        peer: SERVER,
        connection: CONNECTION,
        why,
        fault,
    }
}

/// Every word at least once, in the order of their list.
pub(crate) fn every_event() -> Vec<Event> {
    let mut delayed = Fate::once(4003);
    delayed.delayed = Some(Cause::Fault(3));
    let mut doubled = Fate::once(2);
    doubled.duplicated = Some(Cause::Chance);
    let label = |kind| Some(Label::new(kind, alice(1)));
    vec![
        datagram(SERVER, attempt(1), "cancel A", delayed),
        datagram(SERVER, attempt(2), "cancel A", doubled),
        send(Kind::Reply, "cancelled", lost()),
        send(Kind::InProgress, "", Fate::once(1)),
        send(Kind::Update, "free", Fate::once(1)),
        send(Kind::OneWay, "still here", Fate::once(1)),
        send(Kind::Hello, "asks for a session", Fate::once(1)),
        send(Kind::Welcome, "has a session", Fate::once(1)),
        send(Kind::Peer, "replicate A", Fate::once(1)),
        datagram(SERVER, None, "x", Fate::once(1)),
        Event::Receive {
            from: SERVER,
            label: label(Kind::Request),
        },
        Event::Execute {
            operation: alice(0),
            request: bytes("book A"),
            reply: None,
            stored: true,
            recovered: false,
        },
        Event::Complete {
            operation: alice(1),
            reply: bytes("granted"),
            recovered: false,
        },
        Event::Commit(Commit {
            operation: Some(alice(2)),
            version: version(2),
            needs: [version(1)].into(),
            stalled: None,
            taken_from: None,
            text: "A (2,0)".into(),
        }),
        lock(
            Decision::Grant(Duration::from_secs(2)),
            "A, token 7, for 2000 ms",
        ),
        lock(
            Decision::Renew(Duration::from_secs(2)),
            "A, token 7, for 2000 ms",
        ),
        lock(Decision::Withdraw, "A, token 7: its lease has run out"),
        transaction(Part::Decide {
            commit: true,
            participants: [0, 1].into(),
        }),
        transaction(Part::Hold),
        transaction(Part::Take),
        transaction(Part::Release),
        Event::Filter {
            operation: alice(1),
            instead: Filtered::ReplyStored,
        },
        Event::Abandon {
            operation: alice(1),
        },
        Event::Ignore {
            from: SERVER,
            label: label(Kind::Reply),
            reason: Ignored::NotWaiting,
        },
        Event::Ignore {
            from: SERVER,
            label: None,
            reason: Ignored::Malformed,
        },
        Event::Patience {
            from: SERVER,
            operation: alice(1),
            until: Time::from_ms(9000),
        },
        Event::Notified {
            from: SERVER,
            operation: alice(1),
            update: bytes("free"),
        },
        outcome(
            OutcomeKind::Unknown,
            Told::Text("no reply to 3 sends".into()),
            None,
        ),
        outcome(
            OutcomeKind::Ok,
            Told::Reply(bytes("cancelled")),
            Some(alice(2)),
        ),
        segment(SegmentWord::Connect, None, "", Fate::once(1)),
        segment(SegmentWord::Accept, None, "", Fate::once(1)),
        segment(
            SegmentWord::Segment,
            attempt(1),
            "find Bob\n",
            late(Cause::Chance),
        ),
        segment(SegmentWord::Segment, None, "\u{1}\u{2}", Fate::once(1)),
        segment(SegmentWord::End, None, "", Fate::once(1)),
        segment(SegmentWord::Reset, None, "", lost()),
        segment(SegmentWord::Refuse, None, "", Fate::once(1)),
        broken(Broken::Refused, None),
        broken(Broken::Reset, Some(7)),
        broken(Broken::TimedOut, None),
        Event::Lost {
            from: SERVER,
            connection: Some(CONNECTION),
            label: label(Kind::Request),
            down: true,
        },
        Event::Lost {
            from: SERVER,
            connection: None,
            label: label(Kind::Request),
            down: false,
        },
        Event::Lost {
            from: SERVER,
            connection: None,
            label: label(Kind::Request),
            down: true,
        },
        Event::Partition {
            from: SERVER,
            one_way: true,
            fault: 2,
        },
        Event::Heal {
            from: SERVER,
            fault: 2,
        },
        crash(false, 0, 4),
        crash(false, 3, 3),
        crash(true, 3, 4),
        Event::Restart { fault: 4 },
        Event::Pause {
            span_ms: 3000,
            fault: None,
        },
        Event::Pause {
            span_ms: 1,
            fault: Some(5),
        },
        Event::Resume { fault: Some(5) },
        Event::Skew {
            offset_ms: 250,
            rate_ppm: 1_010_000,
            fault: 6,
        },
        Event::Service {
            word: Word::Expire,
            operation: None,
            text: "lock A of alice".into(),
        },
        Event::Service {
            word: Word::Expire,
            operation: Some(alice(3)),
            text: "monitor".into(),
        },
        Event::Service {
            word: Word::Halt,
            operation: None,
            text: "the disk is full".into(),
        },
        Event::Service {
            word: Word::Stall,
            operation: Some(alice(2)),
            text: "waits for A (1,0)".into(),
        },
    ]
}

fn transaction(part: Part) -> Event {
    Event::Transaction(TransactionStep {
        operation: Some(alice(1)),
        transaction: "1.2".into(),
        found: part == Part::Take,
        part,
        text: "A".into(),
    })
}

fn lock(decision: Decision, text: &str) -> Event {
    Event::Lock(LockStep {
        operation: alice(1),
        lock: 0,
        token: 7,
        clock: Time::from_ms(3),
        decision,
        text: text.into(),
    })
}

fn version(timestamp: u64) -> Version {
    Version {
        timestamp,
        replica: 0,
        life: 0,
    }
}
