//! What is written is read, and what is malformed is refused.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "\\PC{0,16}"]
}

fn names() -> impl Strategy<Value = Vec<String>> {
    vec(name(), 0..5)
}

fn interval() -> impl Strategy<Value = Interval> {
    (0..u64::MAX).prop_flat_map(|start| {
        (start + 1..=u64::MAX).prop_map(move |end| Interval::new(start, end).unwrap())
    })
}

fn meeting() -> impl Strategy<Value = Meeting> {
    (interval(), names()).prop_map(|(stretch, names)| Meeting { stretch, names })
}

fn task() -> impl Strategy<Value = TaskId> {
    any::<(u64, u64)>().prop_map(|(life, number)| TaskId { life, number })
}

fn question() -> impl Strategy<Value = Question> {
    any::<(u64, u64)>().prop_map(|(main, number)| Question { main, number })
}

fn piece() -> impl Strategy<Value = Piece> {
    (1..=u32::MAX).prop_flat_map(|of| (0..of).prop_map(move |number| Piece { number, of }))
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        names().prop_map(|names| Request::Free { names }),
        meeting().prop_map(Request::Register),
    ]
}

pub(crate) fn reply() -> impl Strategy<Value = Reply> {
    let times = vec(1u64..9, 0..12).prop_map(|steps| {
        let ends = steps.iter().scan(0, |at, step| {
            *at += step;
            Some(*at)
        });
        let ends: Vec<u64> = ends.collect();
        let pairs = ends.chunks_exact(2);
        Times::new(pairs.filter_map(|it| Interval::new(it[0], it[1])).collect()).unwrap()
    });
    let answer = (names(), times, names(), names(), names());
    let answer = answer.prop_map(|(names, times, unknown, missing, silent)| Answer {
        names,
        times,
        unknown,
        missing,
        silent,
    });
    prop_oneof![
        answer.prop_map(Reply::Free),
        meeting().prop_map(Reply::Registered),
        refusal().prop_map(Reply::Refused),
    ]
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        Just(Refusal::Invalid),
        names().prop_map(Refusal::Unknown),
        names().prop_map(Refusal::NotFree),
        names().prop_map(Refusal::Unavailable),
        Just(Refusal::TooLong),
        Just(Refusal::Full),
        Just(Refusal::NotMain),
    ]
}

pub(crate) fn peer() -> impl Strategy<Value = PeerMessage> {
    let entry = (name(), vec(interval(), 0..4)).prop_map(|(name, times)| Entry { name, times });
    let body = prop_oneof![
        Just(PeerBody::Here),
        question().prop_map(|question| PeerBody::Who { question }),
        (question(), piece(), names()).prop_map(|(question, piece, names)| PeerBody::Names {
            question,
            piece,
            names,
        }),
        (question(), any::<(u64, u32)>()).prop_map(|(question, (of, piece))| {
            PeerBody::HasNames {
                question,
                of,
                piece,
            }
        }),
        (any::<u64>(), names()).prop_map(|(of, names)| PeerBody::NamesTaken { of, names }),
        (task(), names(), vec(any::<u32>(), 0..4)).prop_map(|(task, names, pieces)| {
            PeerBody::Lookup {
                task,
                names,
                pieces,
            }
        }),
        (task(), any::<u64>(), piece(), vec(entry, 0..4)).prop_map(
            |(task, taken, piece, entries)| PeerBody::Times {
                task,
                taken,
                piece,
                entries,
            }
        ),
        (task(), meeting()).prop_map(|(task, meeting)| PeerBody::Prepare { task, meeting }),
        (task(), names()).prop_map(|(task, against)| PeerBody::Vote { task, against }),
        (task(), any::<bool>()).prop_map(|(task, commit)| PeerBody::Decide { task, commit }),
        task().prop_map(|task| PeerBody::Done { task }),
        task().prop_map(|task| PeerBody::Inquire { task }),
    ];
    (any::<u64>(), body).prop_map(|(life, body)| PeerMessage { life, body })
}

proptest! {
    #[test]
    fn what_was_written_is_read(request in request(), reply in reply(), peer in peer()) {
        prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        prop_assert_eq!(Reply::is_refusal(&reply.encode()), matches!(reply, Reply::Refused(_)));
        prop_assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        prop_assert_eq!(PeerMessage::decode(&peer.encode()), Ok(peer));
    }

    #[test]
    fn a_part_of_a_message_is_none(
        request in request(),
        reply in reply(),
        peer in peer(),
        cut in any::<prop::sample::Index>(),
    ) {
        let part = |bytes: Vec<u8>| bytes[..cut.index(bytes.len())].to_vec();
        prop_assert!(Request::decode(&part(request.encode())).is_err());
        prop_assert!(Reply::decode(&part(reply.encode())).is_err());
        prop_assert!(PeerMessage::decode(&part(peer.encode())).is_err());
    }

    #[test]
    fn whatever_is_read_is_written_the_same(bytes in vec(any::<u8>(), 0..80), kind in 0u8..13) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(&request.encode(), &bytes);
        }
        if let Ok(reply) = Reply::decode(&bytes) {
            prop_assert_eq!(&reply.encode(), &bytes);
        }
        if let Ok(peer) = PeerMessage::decode(&bytes) {
            prop_assert_eq!(&peer.encode(), &bytes);
        }
    }
}

#[test]
fn a_time_that_ends_before_it_starts_is_refused() {
    let meeting = Meeting {
        stretch: Interval::new(1, 2).unwrap(),
        names: vec!["ann".to_owned()],
    };
    let mut bytes = Request::Register(meeting).encode();
    bytes[16] = 1; // the end
    let error = Request::decode(&bytes).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().contains("byte 9")),
        ("out-of-range", true)
    );
}

#[test]
fn names_that_would_fit_no_datagram_are_refused() {
    let request = |count: usize| {
        let names = vec!["x".repeat(252); count];
        Request::decode(&Request::Free { names }.encode()).map(drop)
    };
    assert_eq!(request(127), Ok(()));
    assert_eq!(request(128).unwrap_err().kind(), "too-long");
    let names = vec!["x".repeat(NAME_BYTES_MAX + 1)];
    let error = Request::decode(&Request::Free { names }.encode()).unwrap_err();
    assert_eq!(error.kind(), "too-long");
}

#[test]
fn times_out_of_order_are_no_answer() {
    let mut writer = Writer::default();
    writer.u8(DONE);
    writer.u8(FREE);
    write_names(&mut writer, &[]);
    let intervals = [(3, 4), (1, 2)].map(|(start, end)| Interval::new(start, end).unwrap());
    write_intervals(&mut writer, &intervals);
    (0..3).for_each(|_| write_names(&mut writer, &[]));
    let error = Reply::decode(&writer.finish()).unwrap_err();
    assert_eq!(error.kind(), "out-of-range");
}
