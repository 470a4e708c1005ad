//! Clients of the main server that ask for too much, and clients that ask over TCP and in datagrams.

use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use wavetank::id::ClientId;
use wavetank::rpc::message::Message;

use super::*;

/// `register 5 6 lilith jameson`, as in docs/meeting.md.
fn register() -> Vec<u8> {
    let mut body = vec![2];
    for time in [5_u64, 6] {
        body.extend(time.to_be_bytes());
    }
    body.extend(2_u32.to_be_bytes());
    for name in ["lilith", "jameson"] {
        body.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
        body.extend(name.as_bytes());
    }
    body
}

/// Asks ten times. A flood gives way within milliseconds; without turns, nobody else is heard for as long as it goes on.
fn is_answered(mut line: Netcat) {
    line.limit(Duration::from_secs(10));
    for _ in 0..10 {
        let told = line.ask("lilith jameson");
        assert_eq!(told, "Available time slots: [2,3], [5,7]");
    }
}

/// Ends a flood, also when a test fails meanwhile.
struct Flood<'a>(&'a AtomicBool);

impl Drop for Flood<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn clients_that_ask_for_ever_and_read_all_of_it_shut_nobody_out() {
    let cluster = Cluster::start("meeting-flood", "");
    let line = cluster.netcat();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _flood = Flood(&is_over);
        for said in ["help\n", "#1/0 lilith\n", "\n"] {
            let mut flooder = TcpStream::connect(cluster.clients).unwrap();
            flooder
                .set_write_timeout(Some(Duration::from_secs(1)))
                .unwrap();
            let mut reader = flooder.try_clone().unwrap();
            let (is_over, said) = (&is_over, said.repeat(1_000));
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let _ = flooder.write_all(said.as_bytes());
                }
                flooder.shutdown(Shutdown::Both).unwrap();
            });
            scope.spawn(move || {
                let mut told = [0; 65_536];
                while reader.read(&mut told).is_ok_and(|count| count > 0) {}
            });
        }
        is_answered(line);
        is_answered(cluster.netcat());
    });
}

#[test]
fn connections_that_come_for_ever_shut_nobody_out() {
    let cluster = Cluster::start("meeting-connects", "");
    let line = cluster.netcat();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _flood = Flood(&is_over);
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let _ = TcpStream::connect(cluster.clients);
                }
            });
        }
        is_answered(line);
    });
}

#[test]
fn a_request_in_a_datagram_is_the_same_over_tcp() {
    let mut cluster = Cluster::start("meeting-both", "--set lookup_timeout_ms=1000");
    // Without b, both wait until it has been asked three times.
    cluster.b.take().unwrap().kill();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let ask = |message: Message<'_>| {
        let datagram = message.encode();
        socket.send_to(&datagram, cluster.addresses[0]).unwrap();
    };
    let hear = || {
        let mut datagram = [0; 1_024];
        let count = socket.recv(&mut datagram).unwrap();
        datagram[..count].to_vec()
    };
    let client = ClientId(7);
    let sequence = 1;
    ask(Message::Hello { client, sequence });
    let Ok(Message::Welcome { session, .. }) = Message::decode(&hear()) else {
        panic!("no welcome");
    };
    let request = Message::Request {
        client,
        session,
        sequence,
        awaited: sequence,
        body: &register(),
    };
    // It is under way when a second copy is told so.
    ask(request);
    ask(request);
    let in_progress = Message::InProgress { client, sequence };
    assert_eq!(hear(), in_progress.encode());
    let mut line = cluster.netcat();
    assert_eq!(
        line.ask("#7/1 register 5 6 lilith jameson"),
        "#7/1 in progress"
    );
    let nothing = "no answer from server b: nothing is registered";
    assert_eq!(line.told(), format!("#7/1 {nothing}"));
    let told = hear();
    assert!(matches!(Message::decode(&told), Ok(Message::Reply { .. })));
    assert_eq!(
        line.ask("#7/2 zein"),
        "#7/2 Available time slots: [1,4], [6,10]"
    );
}

#[test]
fn without_a_disk_there_are_no_sessions_and_nobody_is_given_one() {
    let mut main = wavetank("serve meeting --role main --listen 127.0.0.1:0 --tcp 127.0.0.1:0");
    let mut server = Server::listening(&mut main);
    let told = server.told();
    let clients = told.strip_prefix("clients connect to ").unwrap();
    let clients = clients.strip_suffix(" over TCP").unwrap();
    let mut line = Netcat::new(TcpStream::connect(clients).unwrap());
    assert_eq!(
        line.ask("#9/1 hello"),
        "#9/1 error: this server has no sessions; one that is started with --data or --reply-cache epoch has"
    );
}
