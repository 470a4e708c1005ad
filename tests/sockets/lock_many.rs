//! Many clients of one lock server, garbage among what they send, and what an idle one costs.
//!
//! These clients are bytes on one socket: a process may not open as many as there are clients.

use std::fs;

use wavetank::id::ClientId;
use wavetank::rpc::message::{Message, NO_SESSION};
use wavetank::seed::Seed;
use wavetank::services::lock::message::{Reply, Request};

use crate::datagrams::Client;
use crate::lock::serve;
use crate::process::Server;

/// So many clients wait for one lock.
const WAITING: u64 = 1_000;

/// A request of the client with this number.
fn request(client: u64, sequence: u32, body: &Request<'_>) -> Vec<u8> {
    let message = Message::Request {
        client: ClientId(client),
        session: NO_SESSION,
        sequence,
        awaited: sequence,
        body: &body.encode(),
    };
    message.encode()
}

/// The client and the call that a reply is for, and its body.
fn reply(datagram: &[u8]) -> (u64, u32, Vec<u8>) {
    match Message::decode(datagram) {
        Ok(Message::Reply {
            client,
            sequence,
            body,
        }) => (client.0, sequence, body.to_vec()),
        other => panic!("{other:?}"),
    }
}

fn acquire() -> Request<'static> {
    Request::Acquire {
        token: 0,
        file: "file_0".into(),
    }
}

/// The token of the grant that comes next, and whose it is.
fn granted(socket: &Client) -> (u64, u64) {
    let (client, _, body) = reply(&socket.receive());
    match Reply::decode(&body) {
        Ok(Reply::Granted(lease)) => (client, lease.token),
        other => panic!("{other:?}"),
    }
}

/// Appends the holder's number and releases the lock.
fn write_and_release(socket: &Client, client: u64, token: u64) {
    let append = Request::Append {
        file: "file_0".into(),
        token,
        text: format!("{client} ").into(),
    };
    let (_, _, body) = reply(&socket.call(&request(client, 2, &append)));
    assert_eq!(Reply::decode(&body), Ok(Reply::Staged { token }));
    let release = Request::Release {
        file: "file_0".into(),
        token,
    };
    socket.send(&request(client, 3, &release));
}

#[test]
fn a_thousand_clients_that_wait_for_one_lock_are_served_in_the_order_of_their_arrival() {
    let server = serve("--set lease_ms=60000 --set silence_ms=600000");
    let socket = Client::of(server.address);
    // In an order that is none of their numbers.
    let clients: Vec<u64> = (0..WAITING).map(|place| 1 + place * 7 % WAITING).collect();
    socket.send(&request(clients[0], 1, &acquire()));
    let mut holder = granted(&socket);
    assert_eq!(holder, (clients[0], 1));
    for &client in &clients[1..] {
        let acquire = request(client, 1, &acquire());
        socket.send(&acquire);
        // It is there when its duplicate is answered.
        let in_progress = Message::InProgress {
            client: ClientId(client),
            sequence: 1,
        };
        assert_eq!(socket.call(&acquire), in_progress.encode());
    }
    for (&client, token) in clients[1..].iter().zip(2..) {
        write_and_release(&socket, holder.0, holder.1);
        // The release is answered before what follows from it.
        let (released, ..) = reply(&socket.receive());
        assert_eq!(released, holder.0);
        holder = granted(&socket);
        assert_eq!(holder, (client, token));
    }
    write_and_release(&socket, holder.0, holder.1);
    reply(&socket.receive());
    let read = Request::Read {
        file: "file_0".into(),
        token: 0,
        from: 0,
    };
    let (_, _, body) = reply(&socket.call(&request(1, 4, &read)));
    let text = clients.iter().map(|client| format!("{client} "));
    let text = text.collect::<String>();
    let whole = Reply::Text {
        token: 0,
        from: 0,
        total: text.len() as u64,
        text: text.into(),
    };
    assert_eq!(Reply::decode(&body), Ok(whole));
}

#[test]
fn garbage_neither_stops_the_server_nor_moves_a_lock() {
    let server = serve("--set lease_ms=60000");
    let socket = Client::of(server.address);
    socket.send(&request(1, 1, &acquire()));
    assert_eq!(granted(&socket), (1, 1));
    let garbage = Client::of(server.address);
    let mut chance = Seed(1).stream("garbage");
    let bodies = [
        acquire(),
        Request::Release {
            file: "file_0".into(),
            token: 1,
        },
        Request::Append {
            file: "file_0".into(),
            token: 1,
            text: "garbage".into(),
        },
        Request::Close,
    ];
    for round in 0..2_000_u32 {
        // A request of a stranger, cut off or with one byte changed, but never in the client's id.
        let body = &bodies[chance.below(4) as usize];
        let mut datagram = request(1_000 + u64::from(round), 1, body);
        let at = chance.below(datagram.len() as u32) as usize;
        match chance.below(2) {
            0 => datagram.truncate(at),
            _ if (4..12).contains(&at) => datagram[0] = 0,
            _ => datagram[at] ^= 1 << chance.below(8),
        }
        garbage.send(&datagram);
        if round % 50 == 0 {
            // A sign of life, so that all of them arrive.
            let hello = request(2, 1 + round, &Request::Hello);
            let (client, ..) = reply(&socket.call(&hello));
            assert_eq!(client, 2, "round {round}");
        }
    }
    write_and_release(&socket, 1, 1);
    let (client, _, body) = reply(&socket.receive());
    let released = Reply::Released { token: 1 };
    assert_eq!((client, Reply::decode(&body)), (1, Ok(released)));
    let (code, said) = server.end("TERM");
    assert_eq!(code, Some(0));
    assert!(said.contains("ignored "), "{said}");
}

/// What a server process holds in memory, in bytes.
fn resident(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.unwrap().trim().parse::<u64>().unwrap() * 1_024
}

/// What an idle client may cost, with all that its calls have left in the reply cache: docs/performance.md
/// has the figure.
const IDLE_BYTES_MAX: u64 = 2_048;

#[test]
#[cfg(target_os = "linux")]
fn an_idle_client_costs_little_memory() {
    const CLIENTS: u64 = 10_000;
    let server = serve("");
    let socket = Client::of(server.address);
    let before = resident(&server);
    for client in 1..=CLIENTS {
        reply(&socket.call(&request(client, 1, &Request::Hello)));
        let (_, _, body) = reply(&socket.call(&request(client, 2, &acquire())));
        let Ok(Reply::Granted(lease)) = Reply::decode(&body) else {
            panic!("{body:?}");
        };
        let release = Request::Release {
            file: "file_0".into(),
            token: lease.token,
        };
        reply(&socket.call(&request(client, 3, &release)));
    }
    let cost = (resident(&server) - before) / CLIENTS;
    println!("{cost} bytes for each of {CLIENTS} idle clients");
    assert!((1..=IDLE_BYTES_MAX).contains(&cost), "{cost} bytes each");
}
