//! Datagrams that are no message: they stop nobody, and do not fill a log.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use wavetank::seed::{Seed, Stream};

use crate::process::Server;

const DATAGRAMS: u32 = 100_000;
const LENGTH_MAX: u32 = 200;

/// How many are sent before the server is asked for a sign of life: what a socket's queue holds by
/// far, so that all of them arrive.
const AT_A_TIME: u32 = 100;

/// A normal request, with the number that the reply will not say.
fn query(number: u32) -> Vec<u8> {
    let mut request = vec![1];
    request.extend(number.to_be_bytes());
    request.extend(14_u32.to_be_bytes());
    request.extend(b"Meeting Room A");
    request.extend([0, 0, 0, 1, 3]);
    request
}

/// Any bytes, every other time with the first byte of format v2; or the start of something valid.
fn junk(chance: &mut Stream) -> Vec<u8> {
    if chance.below(4) == 0 {
        let mut request = query(chance.next_u32());
        request[0] = u8::try_from(chance.below(7)).unwrap();
        request.truncate(chance.below(28) as usize);
        return request;
    }
    let length = chance.below(LENGTH_MAX + 1);
    let mut bytes: Vec<u8> = (0..length)
        .map(|_| u8::try_from(chance.below(256)).unwrap())
        .collect();
    if let Some(first) = bytes.first_mut()
        && chance.below(2) == 0
    {
        *first = 0x57;
    }
    bytes
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "that the server is not slowed is seen by the wall clock only"
)]
fn a_hundred_thousand_random_datagrams_neither_stop_nor_slow_the_server() {
    let server = Server::start("--loss 0.0 --duplication 0");
    let flooder = UdpSocket::bind("127.0.0.1:0").unwrap();
    flooder.set_nonblocking(true).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut chance = Seed(1).stream("flood");
    let mut slowest = Duration::ZERO;
    let mut reply = [0; 1024];
    for round in 1..=DATAGRAMS / AT_A_TIME {
        for _ in 0..AT_A_TIME {
            let _lost = flooder.send_to(&junk(&mut chance), server.address);
        }
        let began = Instant::now();
        client.send_to(&query(round), server.address).unwrap();
        let length = client.recv(&mut reply).unwrap();
        assert_eq!((reply[0], length), (101, 34), "round {round}");
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");

    let (code, said) = server.end("TERM");
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = said.lines().collect();
    let (last, warnings) = lines.split_last().unwrap();
    assert!(last.starts_with("ignored "), "{last}");
    let kinds = last.matches(',').count() + 1;
    let distinct: BTreeSet<&str> = warnings
        .iter()
        .filter_map(|line| line.split("; more ").nth(1))
        .collect();
    assert_eq!((warnings.len(), distinct.len()), (kinds, kinds), "{said}");
}
