//! A real server beside a bare UDP echo in the same runtime, in one run.
//!
//! `cargo bench --bench sockets` sends the same datagrams, 32 under way at a time, from a thread of its
//! own to each server in turn, and prints datagrams answered per second and the ratio: the median over
//! many rounds. The echo is a tokio socket on a runtime of one thread that sends back what it receives;
//! the server is `wavetank serve booking` in the same kind of runtime, answering queries.
//!
//! It also prints how many requests a second are executed and durable, one at a time and each with its
//! sync: by a server with data in a directory among the temporary files (set `TMPDIR` to measure
//! another disk), whose durable reply cache keeps each reply.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use wavetank::disk;
use wavetank::id::{ClientId, HostId};
use wavetank::net::real::RealWorld;
use wavetank::rpc::message::Message;
use wavetank::rpc::reply_cache::Limits;
use wavetank::rpc::serve::serve;
use wavetank::rpc::server::RpcServer;
use wavetank::rpc::{CacheKind, Semantics};
use wavetank::services::Application;
use wavetank::services::booking::Booking;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Datagrams under way: enough to keep a server busy, few enough for every socket buffer.
const WINDOW: u32 = 32;

/// Datagrams of a round.
const DATAGRAMS: u32 = 20_000;

/// Durable requests of a round.
const DURABLE: u32 = 500;

const ROUNDS: usize = 21;

/// Starts a server on a thread of its own and gives its address.
fn start(serve: impl AsyncFnOnce(mpsc::Sender<SocketAddr>) + Send + 'static) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime of one thread");
        tokio::task::LocalSet::new().block_on(&runtime, serve(tell));
    });
    told.recv().expect("the server says where it listens")
}

async fn echo(tell: mpsc::Sender<SocketAddr>) {
    let socket = tokio::net::UdpSocket::bind((LOOPBACK, 0))
        .await
        .expect("a free port");
    tell.send(socket.local_addr().expect("bound"))
        .expect("somebody waits for it");
    let mut buffer = vec![0; 65_536];
    loop {
        let (len, from) = socket.recv_from(&mut buffer).await.expect("a datagram");
        socket
            .send_to(&buffer[..len], from)
            .await
            .expect("sent back");
    }
}

/// A server of bookings, with its data in this directory if there is one.
async fn booking(data: Option<PathBuf>, tell: mpsc::Sender<SocketAddr>) {
    let world = RealWorld::new(&["server"], None, None, None);
    let host = world.host(HostId(0), LOOPBACK);
    let socket = host.bind(0).expect("a free port");
    tell.send(socket.local_address())
        .expect("somebody waits for it");
    let booking = Booking::default();
    let mut server = RpcServer::new(
        booking.service(),
        booking.format_v1(),
        Semantics::AtMostOnce,
    );
    if let Some(directory) = data {
        let store = disk::real::open(&directory).expect("a directory for temporary files");
        let numbers = host.stream("sessions");
        server = server
            .with_reply_cache(CacheKind::Durable, Limits::default(), numbers)
            .with_store(host.now(), store)
            .expect("an empty store");
    }
    serve(host, socket, server).await;
}

/// A client of the server with data, one request at a time.
struct Caller {
    socket: UdpSocket,
    session: u64,
    sequence: u32,
}

impl Caller {
    /// It has a session and a booking.
    fn new(server: SocketAddr) -> Self {
        let socket = client();
        socket.connect(server).expect("an address of loopback");
        let (client, sequence) = (ClientId(2), 1);
        let hello = Message::Hello { client, sequence }.encode();
        let mut caller = Self {
            socket,
            session: 0,
            sequence: 0,
        };
        if let Ok(Message::Welcome { session, .. }) = Message::decode(&caller.answer(&hello)) {
            caller.session = session;
        }
        caller.call("book 'Meeting Room A' mon 10:00-11:00");
        caller
    }

    fn call(&mut self, command: &str) {
        self.sequence += 1;
        let command = Booking::default().parse(command).expect("a command");
        let request = Message::Request {
            client: ClientId(2),
            session: self.session,
            sequence: self.sequence,
            awaited: self.sequence,
            body: &command[0].body,
        };
        let answer = self.answer(&request.encode());
        let is_reply = matches!(Message::decode(&answer), Ok(Message::Reply { .. }));
        assert!(is_reply, "{command:?} was refused");
    }

    fn answer(&self, message: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; 2_048];
        self.socket.send(message).expect("sent");
        let length = self.socket.recv(&mut buffer).expect("an answer");
        buffer.truncate(length);
        buffer
    }

    /// Moves the booking to and fro; gives the seconds that it took.
    #[expect(
        clippy::disallowed_methods,
        reason = "a bench measures the machine's time"
    )]
    fn round(&mut self) -> f64 {
        let start = Instant::now();
        for _ in 0..DURABLE / 2 {
            self.call("change CONF000001 +30m");
            self.call("change CONF000001 -30m");
        }
        start.elapsed().as_secs_f64()
    }
}

fn client() -> UdpSocket {
    let client = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    let timeout = Some(Duration::from_secs(5));
    client.set_read_timeout(timeout).expect("a timeout");
    client
}

/// Sends a round of requests and waits for every answer; gives the seconds that it took.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures the machine's time"
)]
fn round(client: &UdpSocket, to: SocketAddr, id: ClientId, first: u32) -> f64 {
    let booking = Booking::default();
    let query = booking
        .parse("query 'Meeting Room A' mon")
        .expect("a command");
    let send = |sequence| {
        let awaited = sequence;
        let body = &query[0].body;
        let request = Message::Request {
            client: id,
            session: 0,
            sequence,
            awaited,
            body,
        };
        client.send_to(&request.encode(), to).expect("sent");
    };
    let start = Instant::now();
    (first..first + WINDOW).for_each(send);
    let mut buffer = [0; 2_048];
    for answered in 0..DATAGRAMS {
        client
            .recv(&mut buffer)
            .expect("loopback with this window loses nothing");
        if answered + WINDOW < DATAGRAMS {
            send(first + answered + WINDOW);
        }
    }
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let directory = env::temp_dir().join(format!("wavetank-bench-{}", process::id()));
    let data = Some(directory.clone());
    let servers = [
        start(echo),
        start(async |tell: mpsc::Sender<SocketAddr>| booking(None, tell).await),
    ];
    let durable = start(async |tell: mpsc::Sender<SocketAddr>| booking(data, tell).await);
    let (client, mut caller) = (client(), Caller::new(durable));
    let mut sequence = 1;
    let rounds: Vec<[f64; 2]> = (0..ROUNDS)
        .map(|_| {
            let took = servers.map(|server| round(&client, server, ClientId(1), sequence));
            sequence += DATAGRAMS;
            took
        })
        .collect();
    for (place, name) in ["bare UDP echo", "serve booking"].into_iter().enumerate() {
        let took = median(rounds.iter().map(|round| round[place]).collect());
        let per_second = f64::from(DATAGRAMS) / took;
        println!(
            "{name:<14} {per_second:8.0} answers/s  {:5.2} us each",
            1e6 / per_second
        );
    }
    let ratio = median(rounds.iter().map(|round| round[1] / round[0]).collect());
    println!("serve booking / bare UDP echo  {ratio:.2}");
    let took = median((0..ROUNDS).map(|_| caller.round()).collect());
    let per_second = f64::from(DURABLE) / took;
    println!(
        "serve booking --data, one at a time  {per_second:.0} durable requests/s  {:.0} us each",
        1e6 / per_second
    );
    fs::remove_dir_all(&directory).expect("the directory of this bench");
}
