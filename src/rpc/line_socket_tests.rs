//! What a client makes of the lines that it is told.

use std::net::Ipv4Addr;

use super::*;
use crate::id::HostId;
use crate::net::real::RealWorld;

/// Words of a service whose replies are no errors.
struct Numbers;

impl LineFormat for Numbers {
    fn read_request(&self, line: &str) -> Result<Vec<u8>, String> {
        Ok(line.into())
    }

    fn write_request(&self, body: &[u8]) -> String {
        String::from_utf8_lossy(body).into_owned()
    }

    fn write_reply(&self, body: &[u8]) -> String {
        self.write_request(body)
    }

    fn read_reply(&self, _request: &[u8], text: &str) -> Option<Vec<u8>> {
        text.parse::<u8>().ok().map(|it| vec![it])
    }

    fn forms(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

/// What is kept for a user when request 1 of client 9 is told this line.
fn kept(line: &str) -> Option<String> {
    let world = RealWorld::new(&["client"], None, None, None);
    let host = world.host(HostId(0), Ipv4Addr::LOCALHOST.into());
    let complaint = Rc::<RefCell<Option<String>>>::default();
    let mut socket = LineSocket::new(host, &Numbers).with_complaints(complaint.clone());
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
