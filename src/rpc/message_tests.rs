//! The envelope of format v2, byte by byte.

use super::*;

const CLIENT: ClientId = ClientId(0x0102_0304_0506_0708);

fn request(sequence: u32, awaited: u32) -> Vec<u8> {
    let message = Message::Request {
        client: CLIENT,
        session: 0,
        sequence,
        awaited,
        body: b"hi",
    };
    message.encode()
}

#[test]
fn a_request_is_laid_out_as_documented() {
    let expected = b"WT\x02\x01\x01\x02\x03\x04\x05\x06\x07\x08\
        \0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\x05\0\0\0\x02hi";
    assert_eq!(request(7, 5), expected);
    assert_eq!(expected.len(), REQUEST_BYTES + 2);
}

#[test]
fn every_kind_comes_back() {
    let messages = [
        Message::decode(&request(1, 1)).unwrap().encode(),
        Message::Reply {
            client: CLIENT,
            sequence: 9,
            body: b"",
        }
        .encode(),
        Message::InProgress {
            client: CLIENT,
            sequence: 9,
        }
        .encode(),
        Message::Update {
            client: CLIENT,
            body: b"news",
        }
        .encode(),
        Message::OneWay {
            client: CLIENT,
            body: b"beat",
        }
        .encode(),
        Message::Hello {
            client: CLIENT,
            sequence: 9,
        }
        .encode(),
        Message::Welcome {
            client: CLIENT,
            sequence: 9,
            session: 77,
        }
        .encode(),
        Message::Peer {
            from: 2,
            body: b"write",
        }
        .encode(),
    ];
    for datagram in messages {
        assert!(is_v2(&datagram));
        assert_eq!(Message::decode(&datagram).unwrap().encode(), datagram);
    }
}

#[test]
fn every_refusal_has_a_code_and_a_text() {
    for (code, reason) in (1..).zip(Refused::ALL) {
        let message = Message::Refused {
            client: CLIENT,
            sequence: 1,
            reason,
        };
        assert_eq!(reason.code(), code);
        assert_eq!(Message::decode(&message.encode()), Ok(message));
        assert!(!reason.to_string().is_empty());
    }
}

#[test]
fn only_the_first_byte_decides_between_the_formats() {
    assert!(!is_v2(b""));
    assert!(!is_v2(&[1, b'W', b'T']));
    assert!(is_v2(b"Wx"));
    let wrong = WireError::WrongMagic { found: 0x5778 };
    assert_eq!(Message::decode(b"Wx"), Err(wrong));
    let version = WireError::BadVersion { found: 3 };
    assert_eq!(Message::decode(b"WT\x03"), Err(version));
}

#[test]
fn a_client_waits_for_no_number_below_1_or_above_the_last() {
    for (sequence, awaited, message) in [
        (
            0,
            1,
            "sequence at byte 20 out of range: 0, expected at least 1",
        ),
        (
            7,
            0,
            "awaited at byte 24 out of range: 0, expected 1 to the sequence number",
        ),
        (
            7,
            8,
            "awaited at byte 24 out of range: 8, expected 1 to the sequence number",
        ),
    ] {
        let error = Message::decode(&request(sequence, awaited)).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.kind(), "out-of-range");
    }
}

#[test]
fn the_longest_body_fills_a_datagram() {
    let body = vec![0; BODY.max];
    let message = Message::Request {
        client: CLIENT,
        session: u64::MAX,
        sequence: u32::MAX,
        awaited: u32::MAX,
        body: &body,
    };
    let datagram = message.encode();
    assert_eq!(datagram.len(), DATAGRAM_BYTES_MAX);
    assert_eq!(Message::decode(&datagram), Ok(message));
    let body = vec![0; BODY.max + 1];
    let longer = Message::OneWay {
        client: CLIENT,
        body: &body,
    };
    let error = Message::decode(&longer.encode()).unwrap_err().kind();
    assert_eq!(error, "too-long");
}

/// What is found at one look in a datagram, as a message.
fn found(datagram: &[u8]) -> Option<Message<'_>> {
    let request = RequestFound::find(datagram).map(|found| Message::Request {
        client: found.client,
        session: found.session,
        sequence: found.sequence,
        awaited: found.awaited,
        body: found.body,
    });
    let reply = ReplyFound::find(datagram).map(|found| Message::Reply {
        client: found.client,
        sequence: found.sequence,
        body: found.body,
    });
    assert!(request.is_none() || reply.is_none());
    request.or(reply)
}

/// The same, read field by field.
fn read(datagram: &[u8]) -> Option<Message<'_>> {
    Message::decode(datagram)
        .ok()
        .filter(|message| matches!(message, Message::Request { .. } | Message::Reply { .. }))
}

#[test]
fn at_one_look_no_other_requests_and_replies_are_found_than_field_by_field() {
    let reply = Message::Reply {
        client: CLIENT,
        sequence: 9,
        body: b"ok",
    };
    for datagram in [request(7, 5), reply.encode(), request(0, 1), request(1, 2)] {
        assert_eq!(found(&datagram), read(&datagram));
        for length in 0..datagram.len() {
            assert_eq!(found(&datagram[..length]), None, "{length} bytes");
        }
        for place in 0..datagram.len() {
            for change in [1, 2, 3, 0x80, 0xff] {
                let mut datagram = datagram.clone();
                datagram[place] ^= change;
                let what = format!("byte {place} is {:#x}", datagram[place]);
                assert_eq!(found(&datagram), read(&datagram), "{what}");
            }
        }
        let longer = [&datagram[..], b"!"].concat();
        assert_eq!(found(&longer), None);
    }
    let body = vec![0; BODY.max + 1];
    let too_long = Message::Request {
        client: CLIENT,
        session: 0,
        sequence: 1,
        awaited: 1,
        body: &body,
    };
    assert_eq!(found(&too_long.encode()), None);
    let body = vec![0; REPLY_BODY.max + 1];
    let (client, sequence, body) = (CLIENT, 1, &body[..]);
    let too_long = Message::Reply {
        client,
        sequence,
        body,
    };
    assert_eq!(found(&too_long.encode()), None);
}
