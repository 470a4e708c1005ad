//! A log that several clients share: the client library of the lock server in a whole program.
//!
//! `cargo run --example shared_log` starts a server in this process; with an address, as in
//! `cargo run --example shared_log -- 127.0.0.1:3000`, it calls one that was started by
//! `wavetank serve lock`. Eve gets the lock first, writes, and forgets to release it: she drops her guard.
//! When her lease has run out her lines vanish, and the lock goes to Ann and then to Bob.

use std::env;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::task::{LocalSet, spawn_local};
use wavetank::host::Host;
use wavetank::id::HostId;
use wavetank::net::real::RealWorld;
use wavetank::rpc::Semantics;
use wavetank::rpc::client::{CallOptions, RpcClient, Wire};
use wavetank::rpc::serve::serve;
use wavetank::rpc::server::RpcServer;
use wavetank::services::Application;
use wavetank::services::lock::LockService;
use wavetank::services::lock::library::{Connection, LockError};
use wavetank::services::lock::settings::Settings;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FILE: &str = "file_7";
const LINES: u32 = 3;

/// Hosts of this process, by their places.
const HOSTS: [&str; 4] = ["server", "eve", "ann", "bob"];

/// A server in this process, with shorter leases than usual.
fn start_server(host: &Host) -> std::io::Result<SocketAddr> {
    let lock = LockService::new(Settings {
        lease: Duration::from_millis(300),
        ..Settings::default()
    });
    let socket = host.bind(0)?;
    let address = socket.local_address();
    let server = RpcServer::new(lock.service(), None, Semantics::AtMostOnce);
    host.spawn(serve(host.clone(), socket, server));
    Ok(address)
}

/// A client on this host, which has said hello.
async fn connect(host: &Host, server: SocketAddr) -> Result<Connection, Box<dyn Error>> {
    let options = CallOptions {
        semantics: Semantics::AtMostOnce,
        policy: LockService::default().policy(),
        wire: Wire::V2,
        sessions: false,
    };
    let rpc = RpcClient::new(host.clone(), host.bind(0)?, server, options);
    Ok(Connection::connect(rpc).await?)
}

/// Appends some lines, all or none: between them is nobody else's.
async fn write(connection: &mut Connection, name: &str) -> Result<(), LockError> {
    let guard = connection.acquire(FILE).await?; // waits for its turn
    for line in 1..=LINES {
        let text = format!("{name}: line {line} of {LINES}\n");
        connection.append(&guard, &text).await?;
    }
    if name == "eve" {
        return Ok(()); // the mistake: the guard is dropped, and nothing renews the lease
    }
    connection.release(guard).await
}

/// Lets all three write at the same time; gives what is in the file then.
async fn share(server: Option<SocketAddr>) -> Result<String, Box<dyn Error>> {
    let world = RealWorld::new(&HOSTS, None, None, None);
    let host = |place| world.host(HostId(place), LOOPBACK);
    let address = match server {
        Some(address) => address,
        None => start_server(&host(0))?,
    };
    let mut writing = Vec::new();
    for (place, name) in (0..).zip(HOSTS).skip(1) {
        let mut connection = connect(&host(place), address).await?;
        writing.push(spawn_local(async move {
            write(&mut connection, name).await.map(|()| connection)
        }));
    }
    let mut connections = Vec::new();
    for writer in writing {
        connections.push(writer.await??);
    }
    let mut reader = connections.pop().ok_or("somebody to read")?;
    for connection in connections {
        connection.close().await?;
    }
    let text = reader.read(FILE, None).await?;
    reader.close().await?;
    Ok(text)
}

fn run(server: Option<SocketAddr>) -> Result<String, Box<dyn Error>> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;
    LocalSet::new().block_on(&runtime, share(server))
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).map(|word| word.parse()).transpose()?;
    print!("{}", run(address)?);
    Ok(())
}

#[test]
fn released_lines_stand_together_and_those_of_a_dropped_guard_vanish() {
    let text = run(None).unwrap();
    let of = |name: &str| {
        (1..=3)
            .map(|n| format!("{name}: line {n} of 3\n"))
            .collect::<String>()
    };
    assert_eq!(text, of("ann") + &of("bob"));
}
