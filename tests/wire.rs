//! The wire formats: what is written is read, and what is malformed is refused.

use std::borrow::Cow;
use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use wavetank::id::ClientId;
use wavetank::rpc::message::{Message, Refused, is_v2};
use wavetank::rpc::v1::{FormatV1, FromServer};
use wavetank::services::booking::message::{
    Ask, Availability, DayAvailability, Refusal, Reply, Request, Update, WireTime,
};
use wavetank::services::booking::v1::BookingV1;
use wavetank::wire::{Limit, Reader, WireError};

// Strategies: everything that fits the limits, no more.

fn text(chars_max: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=chars_max).prop_map(|chars| chars.into_iter().collect())
}

/// At most 252 bytes.
fn facility() -> impl Strategy<Value = String> {
    text(63)
}

/// At most 64 bytes.
fn confirmation() -> impl Strategy<Value = String> {
    text(16)
}

fn time() -> impl Strategy<Value = WireTime> {
    any::<(u8, u8, u8)>().prop_map(|(day, hour, minute)| WireTime { day, hour, minute })
}

fn availability() -> impl Strategy<Value = Availability> {
    let day = (any::<u8>(), vec((time(), time()), 0..4))
        .prop_map(|(day, free)| DayAvailability { day, free });
    (facility(), vec(day, 0..=7)).prop_map(|(facility, days)| Availability { facility, days })
}

fn request() -> impl Strategy<Value = Request<'static>> {
    prop_oneof![
        (facility(), vec(any::<u8>(), 0..=256)).prop_map(|(facility, days)| Request::Query {
            facility: facility.into(),
            days: days.into()
        }),
        (facility(), time(), time()).prop_map(|(facility, start, end)| Request::Book {
            facility: facility.into(),
            start,
            end
        }),
        (confirmation(), any::<i32>()).prop_map(|(confirmation, offset_minutes)| {
            Request::Change {
                confirmation: confirmation.into(),
                offset_minutes,
            }
        }),
        (confirmation(), any::<u32>()).prop_map(|(confirmation, minutes)| Request::Extend {
            confirmation: confirmation.into(),
            minutes
        }),
        confirmation().prop_map(|confirmation| Request::Cancel {
            confirmation: confirmation.into()
        }),
        (facility(), any::<u32>()).prop_map(|(facility, seconds)| Request::Monitor {
            facility: facility.into(),
            seconds
        }),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        availability().prop_map(Reply::Availability),
        confirmation().prop_map(Reply::Booked),
        Just(Reply::Changed),
        Just(Reply::Extended),
        Just(Reply::Cancelled),
        any::<(u32, u32)>().prop_map(|(revision, seconds)| Reply::Monitoring { revision, seconds }),
        proptest::sample::select(Refusal::ALL.to_vec()).prop_map(Reply::Error),
    ]
}

fn changed() -> impl Strategy<Value = Update> {
    (any::<(u32, u32)>(), availability()).prop_map(|((revision, oldest), availability)| {
        Update::Changed {
            revision,
            oldest,
            availability,
        }
    })
}

fn update() -> impl Strategy<Value = Update> {
    let latest = (facility(), any::<(u32, bool)>()).prop_map(|(facility, (revision, ended))| {
        Update::Latest {
            facility,
            revision,
            ended,
        }
    });
    prop_oneof![changed(), latest]
}

fn ask() -> impl Strategy<Value = Ask> {
    (facility(), any::<u32>()).prop_map(|(facility, after)| Ask { facility, after })
}

/// A datagram of any kind.
fn envelope() -> impl Strategy<Value = Vec<u8>> {
    let numbers = (any::<(u64, u64)>(), 1_u32..)
        .prop_flat_map(|(ids, sequence)| (Just(ids), Just(sequence), 1..=sequence));
    let reason = proptest::sample::select(Refused::ALL.to_vec());
    (0..6, numbers, vec(any::<u8>(), 0..80), reason).prop_map(
        |(kind, ((client, session), sequence, awaited), body, reason)| {
            let client = ClientId(client);
            let body = body.as_slice();
            let message = match kind {
                0 => Message::Request {
                    client,
                    session,
                    sequence,
                    awaited,
                    body,
                },
                1 => Message::Reply {
                    client,
                    sequence,
                    body,
                },
                2 => Message::InProgress { client, sequence },
                3 => Message::Refused {
                    client,
                    sequence,
                    reason,
                },
                4 => Message::Update { client, body },
                _ => Message::OneWay { client, body },
            };
            let datagram = message.encode();
            assert_eq!(Message::decode(&datagram), Ok(message));
            datagram
        },
    )
}

/// What any of the formats may carry, and what looks nearly so.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![
        envelope(),
        request().prop_map(|request| request.encode()),
        request().prop_map(|request| BookingV1.encode_request(7, &request.encode()).unwrap()),
        reply().prop_map(|reply| reply.encode()),
        reply().prop_map(|reply| BookingV1.encode_reply(&reply.encode()).unwrap()),
        update().prop_map(|update| update.encode()),
        ask().prop_map(|ask| ask.encode()),
    ];
    let damage = (any::<proptest::sample::Index>(), any::<u8>());
    let damaged = (valid, vec(damage, 0..3)).prop_map(|(mut bytes, damages)| {
        for (index, value) in damages {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        bytes
    });
    prop_oneof![vec(any::<u8>(), 0..200), damaged]
}

/// Every truncation, and every addition, is refused.
fn assert_strict<T, E>(bytes: &[u8], decode: impl Fn(&[u8]) -> Result<T, E>) {
    assert!(decode(bytes).is_ok());
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "{length} of {bytes:x?}");
    }
    for trailing in [0, 1, 255] {
        assert!(decode(&[bytes, &[trailing]].concat()).is_err());
    }
}

fn first_of_each(days: &[u8]) -> Vec<u8> {
    let mut seen = BTreeSet::new();
    days.iter()
        .copied()
        .filter(|day| seen.insert(*day))
        .collect()
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(500)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn envelopes_are_strict(datagram in envelope()) {
        assert!(is_v2(&datagram));
        assert_strict(&datagram, |bytes| Message::decode(bytes).map(drop));
    }

    #[test]
    fn requests_come_back(request in request()) {
        let body = request.encode();
        prop_assert_eq!(Request::decode(&body), Ok(request));
        assert_strict(&body, |bytes| Request::decode(bytes).map(|request| request.encode()));
    }

    #[test]
    fn replies_come_back(reply in reply()) {
        let body = reply.encode();
        prop_assert_eq!(Reply::decode(&body), Ok(reply));
        assert_strict(&body, Reply::decode);
    }

    #[test]
    fn updates_come_back(update in update()) {
        let body = update.encode();
        prop_assert_eq!(Update::decode(&body), Ok(update));
        assert_strict(&body, Update::decode);
    }

    #[test]
    fn asks_come_back(ask in ask()) {
        let body = ask.encode();
        prop_assert_eq!(Ask::decode(&body), Ok(ask));
        assert_strict(&body, Ask::decode);
    }

    #[test]
    fn v1_requests_come_back_without_repeated_days(number: u32, request in request()) {
        let datagram = BookingV1.encode_request(number, &request.encode()).unwrap();
        let expected = match request {
            Request::Query { facility, days } => Request::Query {
                facility,
                days: first_of_each(&days).into(),
            },
            request => request,
        };
        prop_assert!(!is_v2(&datagram));
        prop_assert_eq!(BookingV1.decode_request(&datagram), Ok((number, expected.encode())));
        assert_strict(&datagram, |bytes| BookingV1.decode_request(bytes));
    }

    #[test]
    fn a_malformed_v1_request_is_answered_from_five_bytes_on(datagram in datagram()) {
        if let Err(malformed) = BookingV1.decode_request(&datagram) {
            let reply = b"\xff\x05\0\0\0\x0finvalid request".to_vec();
            prop_assert_eq!(malformed.reply, (datagram.len() >= 5).then_some(reply));
        }
    }

    #[test]
    fn v1_replies_come_back_if_their_type_fits(request in request(), reply in reply()) {
        let request_body = request.encode();
        let reply_body = reply.encode();
        let datagram = BookingV1.encode_reply(&reply_body).unwrap();
        let read = |bytes: &[u8]| BookingV1.decode_from_server(Some(&request_body), bytes);
        let fits = reply_body[0] == request_body[0] + 100 || matches!(reply, Reply::Error(_));
        if !fits {
            prop_assert_eq!(read(&datagram), Ok(FromServer::OtherReply));
            return Ok(());
        }
        let expected = match request {
            Request::Monitor { seconds, .. } if matches!(reply, Reply::Monitoring { .. }) => {
                Reply::Monitoring { revision: 0, seconds }
            }
            _ => reply,
        };
        prop_assert_eq!(read(&datagram), Ok(FromServer::Reply(expected.encode())));
        assert_strict(&datagram, read);
    }

    #[test]
    fn v1_updates_come_back_without_revision(request in request(), update in changed()) {
        let request = request.encode();
        let datagram = BookingV1.encode_update(&update.encode()).unwrap().unwrap();
        let Update::Changed { availability, .. } = update else { unreachable!() };
        let expected = Update::Changed { revision: 0, oldest: 0, availability };
        let read = |bytes: &[u8]| BookingV1.decode_from_server(Some(&request), bytes);
        prop_assert_eq!(read(&datagram), Ok(FromServer::Update(expected.encode())));
        assert_strict(&datagram, read);
    }

    /// Whatever is read is written again as it was: a message has one encoding.
    #[test]
    fn any_bytes_are_the_encoding_of_a_message_or_an_error(bytes in datagram()) {
        let again = [
            Message::decode(&bytes).map(|message| message.encode()),
            Request::decode(&bytes).map(|request| request.encode()),
            Reply::decode(&bytes).map(|reply| reply.encode()),
            Update::decode(&bytes).map(|update| update.encode()),
            Ask::decode(&bytes).map(|ask| ask.encode()),
        ];
        for read in again {
            match read {
                Ok(again) => prop_assert_eq!(&again, &bytes),
                Err(error) => assert_error_is_short_and_plain(error),
            }
        }
    }

    #[test]
    fn any_bytes_whatever_are_translated_or_refused(bytes in datagram(), other in datagram()) {
        let _ = BookingV1.decode_request(&bytes);
        let _ = BookingV1.encode_request(1, &bytes);
        let _ = BookingV1.encode_reply(&bytes);
        let _ = BookingV1.encode_update(&bytes);
        let _ = BookingV1.decode_from_server(Some(&other), &bytes);
    }

    /// No list is allocated but for the count that `Reader::count` lets pass, no string or bytes but
    /// for what `Reader::bytes` lets pass: neither believes more than the datagram holds.
    #[test]
    fn no_declared_length_is_believed_beyond_the_datagram(
        declared: u32,
        scale in 0_u32..32,
        rest in vec(any::<u8>(), 0..100),
        element_bytes_min in 1_usize..10,
    ) {
        const UNLIMITED: Limit = Limit::new("list", usize::MAX);
        let datagram = [&(declared >> scale).to_be_bytes(), rest.as_slice()].concat();
        if let Ok(count) = Reader::new(&datagram).count(UNLIMITED, element_bytes_min) {
            prop_assert!(count * element_bytes_min <= rest.len());
        }
        if let Ok(bytes) = Reader::new(&datagram).bytes(UNLIMITED) {
            prop_assert!(bytes.len() <= rest.len());
        }
    }

    /// An allocator that counts would be unsafe code, so what is measured is what the messages hold.
    /// A day takes more room in memory (32 bytes) than on the wire (5); there are seven at most.
    #[test]
    fn what_is_read_holds_no_allocation_larger_than_the_datagram(
        mut body in prop_oneof![changed().prop_map(|update| update.encode()), datagram()],
        place: proptest::sample::Index,
        declared in prop_oneof![0_u32..9, Just(255), Just(720), any::<u32>()],
        hostile: bool,
    ) {
        if hostile && body.len() >= 4 {
            let at = place.index(body.len() - 3);
            body[at..at + 4].copy_from_slice(&declared.to_be_bytes());
        }
        prop_assert!(Request::decode(&body).is_ok_and(|request| is_borrowed(&request)) || Request::decode(&body).is_err());
        let largest = [
            Reply::decode(&body).map_or(0, |reply| largest_in_reply(&reply)),
            Update::decode(&body).map_or(0, |update| largest_in_update(&update)),
            Ask::decode(&body).map_or(0, |ask| ask.facility.capacity()),
        ];
        let days_bytes_max = 7 * size_of::<DayAvailability>();
        prop_assert!(largest.into_iter().all(|bytes| bytes <= body.len().max(days_bytes_max)));
    }
}

fn assert_error_is_short_and_plain(error: WireError) {
    let text = error.to_string();
    assert!(text.len() < 120 && !text.ends_with('.'), "{text}");
    assert!(text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit()));
    assert!(!error.kind().contains(' '));
}

/// A decoded request borrows everything from its datagram.
fn is_borrowed(request: &Request<'_>) -> bool {
    match request {
        Request::Query { facility, days } => {
            matches!((facility, days), (Cow::Borrowed(_), Cow::Borrowed(_)))
        }
        Request::Book { facility: text, .. }
        | Request::Monitor { facility: text, .. }
        | Request::Change {
            confirmation: text, ..
        }
        | Request::Extend {
            confirmation: text, ..
        }
        | Request::Cancel { confirmation: text } => matches!(text, Cow::Borrowed(_)),
    }
}

fn largest_in_reply(reply: &Reply) -> usize {
    match reply {
        Reply::Availability(availability) => largest_in_availability(availability),
        Reply::Booked(confirmation) => confirmation.capacity(),
        _ => 0,
    }
}

fn largest_in_update(update: &Update) -> usize {
    match update {
        Update::Changed { availability, .. } => largest_in_availability(availability),
        Update::Latest { facility, .. } => facility.capacity(),
    }
}

fn largest_in_availability(availability: &Availability) -> usize {
    let days = &availability.days;
    let free = days
        .iter()
        .map(|day| day.free.capacity() * size_of::<(WireTime, WireTime)>());
    let name = availability.facility.capacity();
    let days_bytes = days.capacity() * size_of::<DayAvailability>();
    free.fold(name.max(days_bytes), usize::max)
}
