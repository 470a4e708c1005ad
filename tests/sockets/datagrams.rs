//! A client that knows nothing of this house: bytes on a socket.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// Longer than any reply takes, so that a missing one fails the test and does not hang it.
const PATIENCE: Duration = Duration::from_secs(10);

/// As long as a reply takes that is not late.
const IMPATIENCE: Duration = Duration::from_millis(200);

/// The longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_507;

pub(crate) struct Client(UdpSocket);

impl Client {
    pub(crate) fn of(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    pub(crate) fn send(&self, datagram: &[u8]) {
        self.0.send(datagram).unwrap();
    }

    pub(crate) fn receive(&self) -> Vec<u8> {
        self.try_to_receive().unwrap()
    }

    pub(crate) fn call(&self, request: &[u8]) -> Vec<u8> {
        self.send(request);
        self.receive()
    }

    /// The same, of a server that may be gone. The system says so, but only of what is sent after its
    /// end: so this does not wait long.
    pub(crate) fn try_to_call(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.0.send(request)?;
        self.0.set_read_timeout(Some(IMPATIENCE))?;
        let received = self.try_to_receive();
        self.0.set_read_timeout(Some(PATIENCE))?;
        received
    }

    fn try_to_receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let length = self.0.recv(&mut buffer)?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// Bytes from hex digits and quoted text: `01 00000001 "Hall"`.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (place, part) in text.split('"').enumerate() {
        if place % 2 == 1 {
            bytes.extend(part.as_bytes());
            continue;
        }
        let digits: String = part.split_whitespace().collect();
        for at in (0..digits.len()).step_by(2) {
            bytes.push(u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
        }
    }
    bytes
}
