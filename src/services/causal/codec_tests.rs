//! What is written is read, and what is malformed is refused.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::rpc::message::BODY;
use crate::services::causal::describe;
use crate::services::causal::image::Image;
use crate::services::causal::message::DEPENDENCIES_BYTES_MAX;
use crate::services::causal::replica::{Mode, Replica};

fn version() -> impl Strategy<Value = Version> {
    (0..=TIMESTAMP_MAX, any::<u16>(), any::<u32>()).prop_map(|(timestamp, replica, life)| Version {
        timestamp,
        replica,
        life,
    })
}

fn dependency() -> impl Strategy<Value = Dependency> {
    (version(), any::<u64>(), "\\PC{0,20}").prop_map(|(version, sequence, key)| Dependency {
        version,
        sequence,
        key,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    (dependency(), "\\PC{0,40}", "\\PC{0,10}").prop_map(|(write, value, author)| Entry {
        write,
        value,
        author,
    })
}

fn write() -> impl Strategy<Value = Write> {
    (entry(), vec(dependency(), 0..4)).prop_map(|(entry, needs)| Write {
        key: entry.write.key,
        value: entry.value,
        author: entry.author,
        version: entry.write.version,
        sequence: entry.write.sequence,
        needs,
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        "\\PC{0,20}".prop_map(|key| Ask::Get { key }),
        ("\\PC{0,20}", "\\PC{0,40}", "\\PC{0,10}").prop_map(|(key, value, author)| Ask::Put {
            key,
            value,
            author
        }),
        Just(Ask::List),
        any::<u16>().prop_map(|to| Ask::Attach { to }),
        any::<u64>().prop_map(|ms| Ask::Wait { ms }),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        entry().prop_map(Answer::Found),
        Just(Answer::Nothing),
        dependency().prop_map(Answer::Put),
        (vec(entry(), 0..4), any::<u32>())
            .prop_map(|(entries, more)| Answer::Listed { entries, more }),
        any::<u16>().prop_map(|to| Answer::Attached { to }),
        dependency().prop_map(|missing| Answer::Refused(Refusal::Missing(missing))),
        Just(Answer::Refused(Refusal::Invalid)),
        Just(Answer::Refused(Refusal::Recovering)),
        Just(Answer::Refused(Refusal::Full)),
    ]
}

fn body() -> impl Strategy<Value = PeerBody> {
    let page = (any::<[u32; 4]>(), vec(any::<u8>(), 0..40));
    prop_oneof![
        write().prop_map(PeerBody::Write),
        (version(), any::<u64>())
            .prop_map(|(version, sequence)| PeerBody::Acknowledge { version, sequence }),
        Just(PeerBody::Fetch),
        page.prop_map(|([number, answers, page, of], body)| PeerBody::Page(Page {
            number,
            answers,
            page,
            of,
            body,
        })),
        any::<[u32; 3]>().prop_map(|[life, number, page]| PeerBody::HasPage { life, number, page }),
    ]
}

proptest! {
    #[test]
    fn requests_are_read_as_they_were_written(
        clock in 0..=CLOCK_MAX,
        needs in vec(dependency(), 0..4),
        ask in ask(),
    ) {
        let request = Request { clock, needs, ask };
        let bytes = request.encode();
        prop_assert_eq!(describe::request(&bytes).lines().count(), 1);
        prop_assert_eq!(Request::decode(&bytes), Ok(request));
    }

    #[test]
    fn replies_are_read_as_they_were_written(
        clock: u64,
        everywhere in vec(any::<(u16, u32, u64)>(), 0..4),
        answer in answer(),
    ) {
        let origin = |(replica, life, number)| (Origin { replica, life }, number);
        let everywhere = everywhere.into_iter().map(origin).collect();
        let is_refusal = matches!(answer, Answer::Refused(_));
        let reply = Reply { clock, everywhere, answer };
        let bytes = reply.encode();
        prop_assert_eq!(Reply::is_refusal(&bytes), is_refusal);
        prop_assert_eq!(describe::reply(&bytes).lines().count(), 1);
        prop_assert_eq!(Reply::decode(&bytes), Ok(reply));
    }

    #[test]
    fn messages_between_data_centres_are_read_as_they_were_written(
        life: u32,
        everywhere: u64,
        body in body(),
    ) {
        let message = PeerMessage { life, everywhere, body };
        let bytes = message.encode();
        prop_assert_eq!(describe::peer(&bytes).lines().count(), 1);
        prop_assert_eq!(PeerMessage::decode(&bytes), Ok(message));
    }

    #[test]
    fn every_cut_is_refused_and_so_is_a_byte_too_many(
        request in (vec(dependency(), 0..3), ask()),
        answer in answer(),
        body in body(),
    ) {
        let (needs, ask) = request;
        let request = Request { clock: 1, needs, ask }.encode();
        let reply = Reply { clock: 1, everywhere: vec![], answer }.encode();
        let peer = PeerMessage { life: 1, everywhere: 0, body }.encode();
        for length in 0..request.len() {
            prop_assert!(Request::decode(&request[..length]).is_err());
        }
        for length in 0..reply.len() {
            prop_assert!(Reply::decode(&reply[..length]).is_err());
        }
        for length in 0..peer.len() {
            prop_assert!(PeerMessage::decode(&peer[..length]).is_err());
        }
        let longer = |bytes: &[u8]| [bytes, &[0]].concat();
        prop_assert!(Request::decode(&longer(&request)).is_err());
        prop_assert!(Reply::decode(&longer(&reply)).is_err());
        prop_assert!(PeerMessage::decode(&longer(&peer)).is_err());
    }

    #[test]
    fn whatever_bytes_arrive_give_a_message_or_an_error(bytes in vec(any::<u8>(), 0..120)) {
        let _ = Request::decode(&bytes);
        let _ = Reply::decode(&bytes);
        let _ = PeerMessage::decode(&bytes);
        let _ = Image::read([bytes.as_slice()]);
    }
}

#[test]
fn a_clock_beyond_its_limit_is_refused() {
    let request = Request {
        clock: CLOCK_MAX + 1,
        needs: Vec::new(),
        ask: Ask::List,
    };
    assert!(Request::decode(&request.encode()).is_err());
}

#[test]
fn a_list_of_dependencies_beyond_its_limit_is_refused_before_it_is_read() {
    let mut bytes = vec![0; 8];
    bytes.extend((DEPENDENCIES_MAX as u32 + 1).to_be_bytes());
    assert!(matches!(
        Request::decode(&bytes),
        Err(WireError::TooLong { .. })
    ));
}

/// The longest key or value of characters.
fn longest(limit: Limit) -> String {
    "x".repeat(limit.max)
}

#[test]
fn the_longest_messages_fit_a_datagram() {
    let long = Dependency {
        version: Version::default(),
        sequence: 1,
        key: longest(KEY),
    };
    let count = DEPENDENCIES_BYTES_MAX / dependency_bytes(&long);
    let needs = vec![long.clone(); count];
    let (key, value, author) = (longest(KEY), longest(VALUE), longest(AUTHOR));
    let put = Request {
        clock: 1,
        needs: needs.clone(),
        ask: Ask::Put {
            key: key.clone(),
            value: value.clone(),
            author: author.clone(),
        },
    };
    assert!(put.encode().len() <= BODY.max);
    let write = Write {
        key,
        value,
        author,
        version: Version::default(),
        sequence: 1,
        needs,
    };
    let message = PeerMessage {
        life: 1,
        everywhere: 0,
        body: PeerBody::Write(write),
    };
    assert!(message.encode().len() <= BODY.max);
    let full = Reply {
        clock: 1,
        everywhere: vec![(long.origin(), 1); ORIGINS_MAX],
        answer: Answer::Listed {
            entries: vec![
                Entry {
                    write: long,
                    value: longest(VALUE),
                    author: longest(AUTHOR),
                };
                PAGE_BYTES_MAX
                    / entry_bytes(&longest(KEY), &longest(VALUE), &longest(AUTHOR))
            ],
            more: 1,
        },
    };
    assert!(full.encode().len() <= BODY.max);
}

#[test]
fn an_image_is_read_as_it_was_taken_however_many_pages_it_has() {
    let own = Origin {
        replica: 2,
        life: 7,
    };
    let mut replica = Replica::new(own, Mode::Causal);
    for number in 0..60 {
        let key = format!("{number:255}");
        replica.put((&key, &longest(VALUE), &longest(AUTHOR)), Vec::new(), 0);
    }
    replica.forget(own, 20);
    let pages = Image::pages(&replica);
    assert!(pages.len() > 5, "{}", pages.len());
    for page in &pages {
        let body = PeerBody::Page(Page {
            number: 1,
            answers: 1,
            page: 1,
            of: 1,
            body: page.clone(),
        });
        let message = PeerMessage {
            life: 1,
            everywhere: 0,
            body,
        };
        let bytes = message.encode();
        assert!(bytes.len() <= BODY.max);
        assert_eq!(PeerMessage::decode(&bytes), Ok(message));
    }
    let image = Image::read(pages.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(image.clock, 60);
    assert_eq!(&image.committed, replica.committed());
    let mut other = Replica::new(
        Origin {
            replica: 1,
            life: 0,
        },
        Mode::Causal,
    );
    assert_eq!(other.merge(&image).len(), 60);
    assert!(other.keys().eq(replica.keys()));
    assert_eq!((other.clock(), other.merge(&image).len()), (60, 0));
    let held: BTreeMap<_, _> = other.keys().collect();
    assert_eq!(held.len(), 60);
}

#[test]
fn dependencies_of_more_bytes_than_a_write_can_carry_are_refused() {
    let request = |count: u64| Request {
        clock: 0,
        needs: (1..=count)
            .map(|sequence| Dependency {
                version: Version {
                    timestamp: sequence,
                    ..Version::default()
                },
                sequence,
                key: "k".repeat(255),
            })
            .collect(),
        ask: Ask::List,
    };
    let bytes = |count| -> usize { request(count).needs.iter().map(dependency_bytes).sum() };
    let most = (1..)
        .find(|&count| bytes(count) > DEPENDENCIES_BYTES_MAX)
        .unwrap()
        - 1;
    assert!(Request::decode(&request(most).encode()).is_ok());
    let error = Request::decode(&request(most + 1).encode()).unwrap_err();
    assert_eq!(error.kind(), "out-of-range");
}

#[test]
fn a_timestamp_that_would_drive_a_clock_to_its_end_is_refused() {
    let request = |timestamp| {
        let need = Dependency {
            version: Version {
                timestamp,
                ..Version::default()
            },
            sequence: 1,
            key: "k".to_owned(),
        };
        let request = Request {
            clock: 0,
            needs: vec![need],
            ask: Ask::List,
        };
        request.encode()
    };
    assert!(Request::decode(&request(TIMESTAMP_MAX)).is_ok());
    let error = Request::decode(&request(TIMESTAMP_MAX + 1)).unwrap_err();
    assert_eq!(error.kind(), "out-of-range");
}
