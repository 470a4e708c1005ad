//! `docs/wire.md` tells the truth: its examples are what the encoders write, its texts those of the
//! code.

use std::collections::BTreeMap;

use wavetank::id::ClientId;
use wavetank::rpc::message::{Message, NO_SESSION, Refused};
use wavetank::rpc::v1::FormatV1;
use wavetank::services::booking::message::{
    Ask, Availability, DayAvailability, Refusal, Reply, Request, Update, WireTime,
};
use wavetank::services::booking::v1::BookingV1;
use wavetank::services::lock::message as lock;

const CLIENT: ClientId = ClientId(0x0123_4567_89ab_cdef);

#[test]
fn the_documented_examples_are_what_the_encoders_write() {
    let mut written: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, number, request) in requests() {
        let body = request.encode();
        let v1 = BookingV1.encode_request(number, &body).unwrap();
        written.insert(format!("v1-{name}"), v1);
        written.insert(name.into(), body);
    }
    for (name, reply) in replies() {
        let body = reply.encode();
        let v1 = BookingV1.encode_reply(&body).unwrap();
        written.insert(format!("v1-{name}"), v1);
        written.insert(name.into(), body);
    }
    let monitoring = Reply::Monitoring {
        revision: 3,
        seconds: 60,
    };
    let changed = Update::Changed {
        revision: 4,
        oldest: 1,
        availability: room_on_days(7),
    };
    let others = [
        ("monitoring", monitoring.encode()),
        ("update-changed", changed.encode()),
        ("update-latest", latest(false).encode()),
        ("update-ended", latest(true).encode()),
        ("ask", asked().encode()),
    ];
    let others = others.into_iter().chain(envelopes());
    let others = others.chain(of_locks());
    written.extend(others.map(|(name, bytes)| (name.to_string(), bytes)));
    assert_eq!(documented(), written);
}

#[test]
fn the_documented_texts_are_those_of_the_code() {
    let document = include_str!("../docs/wire.md");
    for refusal in Refusal::ALL {
        let row = format!("| {} | {refusal} |", refusal.code());
        assert!(document.contains(&row), "{row}");
    }
    for refusal in lock::Refusal::ALL {
        let row = format!("| {} | {refusal} |", refusal.code() as u8);
        assert!(document.contains(&row), "{row}");
    }
    for reason in Refused::ALL {
        let row = format!("| {} | {reason} |", reason.code());
        assert!(document.contains(&row), "{row}");
    }
}

/// The examples of `docs/wire.md`, by name.
fn documented() -> BTreeMap<String, Vec<u8>> {
    let mut examples: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut name = String::new();
    let mut in_block = false;
    for line in include_str!("../docs/wire.md").lines() {
        if line.starts_with("```") {
            in_block = line == "```wire";
            continue;
        }
        if !in_block {
            continue;
        }
        let bytes = match line.split_once(": ") {
            Some((new_name, bytes)) => {
                name = new_name.into();
                assert!(!examples.contains_key(&name), "{name} is there twice");
                bytes
            }
            None => line,
        };
        examples
            .entry(name.clone())
            .or_default()
            .extend(parse_bytes(bytes));
    }
    examples
}

/// Reads hexadecimal digits, and text in quotes.
fn parse_bytes(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            bytes.extend(part.bytes());
            continue;
        }
        let digits: Vec<_> = part.chars().filter(|c| !c.is_whitespace()).collect();
        let digits = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
        bytes.extend(digits.map(|pair| u8::from_str_radix(&pair, 16).unwrap()));
    }
    bytes
}

fn at(day: u8, hour: u8, minute: u8) -> WireTime {
    WireTime { day, hour, minute }
}

/// Booked on Monday from 10:00 to 11:30, else free.
fn room_on_days(days: u8) -> Availability {
    let free = |day| match day {
        0 => vec![(at(0, 0, 0), at(0, 10, 0)), (at(0, 11, 30), at(0, 24, 0))],
        day => vec![(at(day, 0, 0), at(day, 24, 0))],
    };
    let days = (0..days).map(|day| DayAvailability {
        day,
        free: free(day),
    });
    Availability {
        facility: room(),
        days: days.collect(),
    }
}

fn room() -> String {
    "Meeting Room A".into()
}

fn booking() -> String {
    "CONF000001".into()
}

/// The requests of the examples, with the numbers that they have in format v1.
fn requests() -> [(&'static str, u32, Request<'static>); 6] {
    let book = Request::Book {
        facility: room().into(),
        start: at(0, 10, 0),
        end: at(0, 11, 30),
    };
    let query = Request::Query {
        facility: room().into(),
        days: vec![0, 1, 2].into(),
    };
    let change = Request::Change {
        confirmation: booking().into(),
        offset_minutes: -600,
    };
    let monitor = Request::Monitor {
        facility: room().into(),
        seconds: 3,
    };
    let extend = Request::Extend {
        confirmation: booking().into(),
        minutes: 60,
    };
    let cancel = Request::Cancel {
        confirmation: booking().into(),
    };
    [
        ("query", 1, query),
        ("book", 2, book),
        ("change", 6, change),
        ("monitor", 1, monitor),
        ("extend", 9, extend),
        ("cancel", 12, cancel),
    ]
}

fn replies() -> [(&'static str, Reply); 6] {
    [
        ("availability", Reply::Availability(room_on_days(2))),
        ("booked", Reply::Booked(booking())),
        ("changed", Reply::Changed),
        ("extended", Reply::Extended),
        ("cancelled", Reply::Cancelled),
        ("error", Reply::Error(Refusal::NotAvailable)),
    ]
}

fn envelopes() -> [(&'static str, Vec<u8>); 11] {
    let client = CLIENT;
    let sequence = 2;
    let body = &requests()[1].2.encode();
    let request = |session, sequence, awaited| {
        Message::Request {
            client,
            session,
            sequence,
            awaited,
            body,
        }
        .encode()
    };
    let reply = Message::Reply {
        client,
        sequence,
        body: &Reply::Booked(booking()).encode(),
    }
    .encode();
    let update = Message::Update {
        client,
        body: &latest(false).encode(),
    }
    .encode();
    let one_way = Message::OneWay {
        client,
        body: &asked().encode(),
    }
    .encode();
    let refused = |reason| {
        Message::Refused {
            client,
            sequence,
            reason,
        }
        .encode()
    };
    let session = 0xfedc_ba98_7654_3210;
    let hello = Message::Hello {
        client,
        sequence: 3,
    };
    let welcome = Message::Welcome {
        client,
        sequence: 3,
        session,
    };
    let peer = Message::Peer {
        from: 2,
        body: &[1, 2, 3],
    };
    [
        ("request", request(NO_SESSION, sequence, 1)),
        ("reply", reply),
        (
            "in-progress",
            Message::InProgress { client, sequence }.encode(),
        ),
        ("refused", refused(Refused::DifferentBody)),
        ("update", update),
        ("one-way", one_way),
        ("refused-without-session", refused(Refused::SessionExpired)),
        ("hello", hello.encode()),
        ("welcome", welcome.encode()),
        ("peer", peer.encode()),
        ("request-in-session", request(session, 4, 4)),
    ]
}

fn latest(ended: bool) -> Update {
    Update::Latest {
        facility: room(),
        revision: 4,
        ended,
    }
}

fn asked() -> Ask {
    Ask {
        facility: room(),
        after: 2,
    }
}

/// The messages of the lock service.
fn of_locks() -> Vec<(&'static str, Vec<u8>)> {
    let file = || "file_0".into();
    let token = 3;
    let lease = lock::Lease {
        token,
        lease_ms: 2_000,
        is_global: false,
    };
    let of_all_files = lock::Lease {
        is_global: true,
        ..lease
    };
    let append = lock::Request::Append {
        file: file(),
        token,
        text: "A\n".into(),
    };
    let read = lock::Request::Read {
        file: file(),
        token,
        from: 32_768,
    };
    let text = lock::Reply::Text {
        token: 0,
        from: 0,
        total: 2,
        text: "BA".into(),
    };
    let requests = [
        ("lock-hello", lock::Request::Hello),
        (
            "lock-acquire",
            lock::Request::Acquire {
                file: file(),
                token: 0,
            },
        ),
        (
            "lock-renew",
            lock::Request::Renew {
                file: file(),
                token,
                number: 1,
            },
        ),
        (
            "lock-release",
            lock::Request::Release {
                file: file(),
                token,
            },
        ),
        ("lock-append", append),
        ("lock-read", read),
        ("lock-close", lock::Request::Close),
    ];
    let replies = [
        ("lock-connected", lock::Reply::Connected),
        ("lock-granted", lock::Reply::Granted(lease)),
        ("lock-renewed", lock::Reply::Renewed(of_all_files)),
        ("lock-released", lock::Reply::Released { token }),
        ("lock-staged", lock::Reply::Staged { token }),
        ("lock-text", text),
        ("lock-disconnected", lock::Reply::Disconnected),
        (
            "lock-refused",
            lock::Reply::Refused(lock::Refusal::LeaseLost),
        ),
    ];
    let updates = [
        (
            "lock-update-renewed",
            lock::Update::Renewed { lease, number: 1 },
        ),
        ("lock-update-lost", lock::Update::Lost { token }),
    ];
    let requests = requests.map(|(name, request)| (name, request.encode()));
    let replies = replies.map(|(name, reply)| (name, reply.encode()));
    let updates = updates.map(|(name, update)| (name, update.encode()));
    requests.into_iter().chain(replies).chain(updates).collect()
}
