//! What a client makes of the lines that it is told.

use std::net::Ipv4Addr;

use super::*;
use crate::id::HostId;
use crate::net::real::RealWorld;
use crate::rpc::line_front::tests::Echo;

/// What is kept for a user when request 1 of client 9 is told this line.
fn kept(line: &str) -> Option<String> {
    let world = RealWorld::new(&["client"], None, None, None);
    let host = world.host(HostId(0), Ipv4Addr::LOCALHOST.into());
    let complaint = Rc::<RefCell<Option<String>>>::default();
    let mut socket = LineSocket::new(host, &Echo).with_complaints(complaint.clone());
    socket.asked = Some(Asked {
        client: ClientId(9),
        sequence: 1,
        body: Some(vec![1].into()),
        line: Vec::new(),
        written: 0,
        label: None,
        is_answered: false,
    });
    assert_eq!(*socket.hear(line.as_bytes()), *line.as_bytes(), "no reply");
    complaint.take()
}

#[test]
fn an_error_is_kept_with_an_id_and_without() {
    for line in [
        "error: too many connections\n",
        "#0000000000000009/1 error: too many connections\r\n",
        "#0000000000000009/00000000000000ab/1 error: too many connections\n",
    ] {
        assert_eq!(
            kept(line).as_deref(),
            Some("too many connections"),
            "{line}"
        );
    }
    for line in [
        "#0000000000000009/1 no error: at all\n",
        "an error: of others\n",
        "#0000000000000008/1 7\n",
    ] {
        assert_eq!(kept(line), None, "{line}");
    }
}
