//! A client of format v1 that knows nothing of this house: bytes on a socket.

use crate::datagrams::{Client, bytes};
use crate::process::Server;

const QUERY: &str = r#"01 00000001 0000000e"Meeting Room A" 00000003 000102"#;
const QUERY_REPLY: &str = r#"65 0000000e"Meeting Room A" 00000003
    00 00000001 000000 001800  01 00000001 010000 011800  02 00000001 020000 021800"#;
const BOOK: &str = r#"02 00000002 0000000e"Meeting Room A" 000a00 000b1e"#;
const BOOK_REPLY: &str = r#"66 0000000a"CONF000001""#;
const CHANGE: &str = r#"03 00000006 0000000a"CONF000001" fffffda8"#;
const CHANGE_REPLY: &str = "67 01";
const EXTEND: &str = r#"05 00000009 0000000a"CONF000001" 0000003c"#;
const CANCEL: &str = r#"06 0000000c 0000000a"CONF000001""#;
const MONITOR: &str = r#"04 00000001 0000000e"Meeting Room A" 00000003"#;

/// The reply begins with these bytes, and a text of the length that it says ends it.
fn assert_text_follows(reply: &[u8], head: &[u8]) {
    assert_eq!(&reply[..2], head, "{reply:?}");
    let length = u32::from_be_bytes(reply[2..6].try_into().unwrap());
    assert_eq!(reply.len(), 6 + length as usize, "{reply:?}");
    assert!(std::str::from_utf8(&reply[6..]).is_ok());
}

#[test]
fn the_examples_of_the_format_are_answered_byte_for_byte() {
    for semantics in ["at-least-once", "at-most-once"] {
        let server = Server::start(&format!("--semantics {semantics}"));
        let client = Client::of(server.address);
        for (request, reply) in [
            (QUERY, QUERY_REPLY),
            (BOOK, BOOK_REPLY),
            (CHANGE, CHANGE_REPLY),
        ] {
            assert_eq!(client.call(&bytes(request)), bytes(reply), "{request}");
        }
        assert_text_follows(&client.call(&bytes(EXTEND)), &[105, 1]);
        assert_text_follows(&client.call(&bytes(CANCEL)), &[106, 1]);
        // Request ids go with the source address: another client begins at 1 again.
        let watcher = Client::of(server.address);
        assert_text_follows(&watcher.call(&bytes(MONITOR)), &[104, 1]);
        let book_again = bytes(&BOOK.replace("00000002", "0000000d"));
        let booked = client.call(&book_again);
        assert_eq!(booked, bytes(&BOOK_REPLY.replace("000001", "000002")));
        let update = watcher.receive();
        assert_eq!(update[..5], [200, 0, 0, 0, 14]);
        assert_eq!(update[19..23], [0, 0, 0, 7], "an update has seven days");
    }
}

#[test]
fn duplicates_are_filtered_under_at_most_once_only() {
    for (semantics, again) in [("at-least-once", [255, 7]), ("at-most-once", [106, 1])] {
        let server = Server::start(&format!("--semantics {semantics}"));
        let client = Client::of(server.address);
        assert_eq!(client.call(&bytes(BOOK)), bytes(BOOK_REPLY));
        let first = client.call(&bytes(CANCEL));
        assert_text_follows(&first, &[106, 1]);
        let second = client.call(&bytes(CANCEL));
        assert_text_follows(&second, &again);
        assert_eq!(second == first, semantics == "at-most-once");
    }
}

#[test]
fn what_is_no_request_gets_error_5_and_what_has_no_header_nothing() {
    let server = Server::start("");
    let client = Client::of(server.address);
    for malformed in [
        "09 00000001",
        "02 00000001 ffffffff",
        "06 00000001 00000002 ff fe",
        "06 0000000c 0000000a\"CONF000001\" 00",
    ] {
        assert_text_follows(&client.call(&bytes(malformed)), &[255, 5]);
    }
    for short in ["", "01", "01 000000"] {
        client.send(&bytes(short));
    }
    assert_eq!(client.call(&bytes(QUERY)), bytes(QUERY_REPLY));
}

#[test]
fn the_numbers_of_strangers_cost_nothing_under_conditions() {
    let server = Server::start("--delay-ms 1..2 --seed 7");
    let client = Client::of(server.address);
    let highest = QUERY.replace("00000001 0000000e", "ffffffff 0000000e");
    assert_eq!(client.call(&bytes(&highest)), bytes(QUERY_REPLY));
}
