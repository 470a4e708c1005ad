//! What is written is read, and what is malformed is refused.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::rpc::message::BODY;

fn file() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof!["file_[0-9]{1,3}", "\\PC{0,16}"].prop_map(Cow::Owned)
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    any::<String>().prop_map(Cow::Owned)
}

pub(crate) fn request() -> impl Strategy<Value = Request<'static>> {
    let held = || (file(), any::<u64>());
    prop_oneof![
        Just(Request::Hello),
        held().prop_map(|(file, token)| Request::Acquire { file, token }),
        (held(), any::<u32>()).prop_map(|((file, token), number)| Request::Renew {
            file,
            token,
            number,
        }),
        held().prop_map(|(file, token)| Request::Release { file, token }),
        (held(), text()).prop_map(|((file, token), text)| Request::Append { file, token, text }),
        (held(), any::<u64>()).prop_map(|((file, token), from)| Request::Read {
            file,
            token,
            from
        }),
        Just(Request::Close),
    ]
}

fn lease() -> impl Strategy<Value = Lease> {
    any::<(u64, u32, bool)>().prop_map(|(token, lease_ms, is_global)| Lease {
        token,
        lease_ms,
        is_global,
    })
}

pub(crate) fn reply() -> impl Strategy<Value = Reply<'static>> {
    prop_oneof![
        Just(Reply::Connected),
        lease().prop_map(Reply::Granted),
        lease().prop_map(Reply::Renewed),
        any::<u64>().prop_map(|token| Reply::Released { token }),
        any::<u64>().prop_map(|token| Reply::Staged { token }),
        (any::<[u64; 3]>(), text()).prop_map(|([token, from, total], text)| Reply::Text {
            token,
            from,
            total,
            text,
        }),
        Just(Reply::Disconnected),
        proptest::sample::select(Refusal::ALL.to_vec()).prop_map(Reply::Refused),
    ]
}

pub(crate) fn update() -> impl Strategy<Value = Update> {
    prop_oneof![
        (lease(), any::<u32>()).prop_map(|(lease, number)| Update::Renewed { lease, number }),
        any::<u64>().prop_map(|token| Update::Lost { token }),
    ]
}

/// Every cut is refused, and so is a byte too many.
fn assert_strict<T>(bytes: &[u8], decode: impl Fn(&[u8]) -> Result<T, WireError>) {
    assert!(decode(bytes).is_ok());
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "{length} of {bytes:x?}");
    }
    assert!(decode(&[bytes, &[0]].concat()).is_err());
}

proptest! {
    #[test]
    fn requests_are_read_as_they_were_written(request in request()) {
        let bytes = request.encode();
        prop_assert_eq!(Request::decode(&bytes), Ok(request));
        assert_strict(&bytes, |bytes| Request::decode(bytes).map(drop));
    }

    #[test]
    fn replies_are_read_as_they_were_written(reply in reply()) {
        let bytes = reply.encode();
        prop_assert_eq!(bytes[0], reply.code() as u8);
        let is_refusal = matches!(reply, Reply::Refused(_));
        prop_assert_eq!(Reply::is_refusal(&bytes), is_refusal);
        prop_assert_eq!(Reply::decode(&bytes), Ok(reply));
        assert_strict(&bytes, |bytes| Reply::decode(bytes).map(drop));
    }

    #[test]
    fn updates_are_read_as_they_were_written(update in update()) {
        let bytes = update.encode();
        prop_assert_eq!(Update::decode(&bytes), Ok(update));
        assert_strict(&bytes, Update::decode);
    }

    #[test]
    fn whatever_bytes_arrive_are_those_of_a_message_or_an_error(
        kind in 0_u8..10,
        success in prop_oneof![Just(0_u8), 0_u8..10],
        rest in vec(prop_oneof![Just(0_u8), any::<u8>()], 0..80),
    ) {
        for bytes in [[&[kind], &rest[..]].concat(), [&[success, kind], &rest[..]].concat()] {
            if let Ok(request) = Request::decode(&bytes) {
                prop_assert_eq!(&request.encode(), &bytes);
            }
            if let Ok(reply) = Reply::decode(&bytes) {
                prop_assert_eq!(&reply.encode(), &bytes);
            }
            if let Ok(update) = Update::decode(&bytes) {
                prop_assert_eq!(&update.encode(), &bytes);
            }
        }
    }
}

#[test]
fn what_is_longer_than_its_limit_is_refused() {
    let append = |file: usize, text: usize| {
        let request = Request::Append {
            file: "f".repeat(file).into(),
            token: 1,
            text: "x".repeat(text).into(),
        };
        Request::decode(&request.encode()).map(drop)
    };
    assert_eq!(append(64, APPEND_BYTES_MAX), Ok(()));
    let kind = |refused: Result<(), WireError>| refused.unwrap_err().kind();
    assert_eq!(kind(append(65, 1)), "too-long");
    assert_eq!(kind(append(1, APPEND_BYTES_MAX + 1)), "too-long");
    let piece = |bytes: usize| {
        let reply = Reply::Text {
            token: 0,
            from: 0,
            total: 1,
            text: "x".repeat(bytes).into(),
        };
        let bytes = reply.encode();
        assert!(bytes.len() <= BODY.max);
        Reply::decode(&bytes).map(drop)
    };
    assert_eq!(piece(PIECE_BYTES_MAX), Ok(()));
    assert_eq!(kind(piece(PIECE_BYTES_MAX + 1)), "too-long");
}

#[test]
fn a_code_that_no_reply_of_the_service_has_is_refused() {
    for code in [ResultCode::InProgress, ResultCode::SessionExpired] {
        let error = Reply::decode(&[code as u8]).unwrap_err();
        assert_eq!(error, unknown("result code", 0, code as u8));
    }
    assert_eq!(Reply::decode(&[9]), Err(unknown("result code", 0, 9)));
    assert!(!Reply::is_refusal(&[]));
}

#[test]
fn a_request_borrows_its_texts() {
    let bytes = Request::Append {
        file: "file_0".into(),
        token: 1,
        text: "A".into(),
    }
    .encode();
    let Ok(Request::Append { file, text, .. }) = Request::decode(&bytes) else {
        panic!("no append");
    };
    assert!(matches!((file, text), (Cow::Borrowed(_), Cow::Borrowed(_))));
}
