//! The causal store on real sockets: three data centres as processes, in any order, killed and started
//! again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::datagrams::{Client, bytes};
use crate::directory::Directory;
use crate::process::{Ended, Server, wavetank};

/// So that a write is sent again soon to who was not there.
const SOON: &str = "--set replication_timeout_ms=100";

/// Three addresses of this computer, free until a moment ago.
fn free_addresses() -> [SocketAddr; 3] {
    let sockets = [(); 3].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap())
}

/// `--peer` for each of the numbers.
fn peers(numbers: &[usize], addresses: &[SocketAddr; 3]) -> String {
    let peer = |&number: &usize| format!("--peer {number}={} ", addresses[number]);
    numbers.iter().map(peer).collect()
}

/// The data centre of this number.
fn command(number: usize, addresses: &[SocketAddr; 3], options: &str) -> Command {
    let others: Vec<usize> = (0..3).filter(|&other| other != number).collect();
    let (address, peers) = (addresses[number], peers(&others, addresses));
    let arguments = format!("serve causal --listen {address} --id {number} {peers}{options}");
    wavetank(arguments.trim_end())
}

fn serve(number: usize, addresses: &[SocketAddr; 3], options: &str) -> Server {
    Server::listening(&mut command(number, addresses, options))
}

/// What a client of a data centre prints on stdout, for one command that ends ok.
fn ask(server: &Server, name: &str, words: &[&str]) -> String {
    let arguments = format!("client causal --server {}", server.address);
    let mut command = wavetank(&arguments);
    let ended = Ended::new(command.args(["--name", name]).args(words).output().unwrap());
    assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
    ended.out.trim_end().to_owned()
}

/// Waits until a data centre has told just these lines, in whatever order.
fn wait_for_all(server: &mut Server, expected: &[&str]) {
    let told: BTreeSet<String> = expected.iter().map(|_| server.told()).collect();
    assert_eq!(
        told,
        expected.iter().map(|line| (*line).to_owned()).collect()
    );
}

/// A client at a prompt, to which commands are piped.
struct Prompt {
    child: Child,
    commands: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Prompt {
    fn start(server: SocketAddr, options: &str) -> Self {
        let arguments = format!("client causal --server {server} {options}");
        let mut child = wavetank(arguments.trim_end())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            commands: child.stdin.take().unwrap(),
            told: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn begin(&mut self, line: &str) {
        writeln!(self.commands, "{line}").unwrap();
    }

    /// What the next of its commands has printed.
    fn told(&mut self) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        self.begin(line);
        self.told()
    }

    /// Ends it, and says how it ended.
    fn end(self) -> Option<i32> {
        let Self {
            mut child,
            commands,
            ..
        } = self;
        drop(commands);
        child.wait().unwrap().code()
    }
}

#[test]
fn data_centres_start_in_any_order_and_tell_what_arrives() {
    let addresses = free_addresses();
    let mut dc2 = serve(2, &addresses, SOON);
    let place = ask(&dc2, "", &["put", "place", "here\nbob: a lie"]);
    assert_eq!(place, "place (1,2)");
    let place = |way: &str| format!("someone: here\\nbob: a lie (place, {way} at time 1)");
    assert_eq!(dc2.told(), place("received directly from a client"));

    let mut dc0 = serve(0, &addresses, SOON);
    assert_eq!(dc0.told(), place("received from data centre 2"));
    assert_eq!(ask(&dc0, "alice", &["lost"]), "ring (2,0)");
    let ring = |way: &str| format!("alice: I have lost my wedding ring! (ring, {way} at time 2)");
    assert_eq!(dc0.told(), ring("received directly from a client"));
    assert_eq!(dc2.told(), ring("received from data centre 0"));

    let mut dc1 = serve(1, &addresses, SOON);
    let arrived = [
        place("received from data centre 2"),
        ring("received from data centre 0"),
    ];
    wait_for_all(&mut dc1, &arrived.each_ref().map(String::as_str));
    for server in [&dc0, &dc1, &dc2] {
        assert_eq!(
            ask(server, "", &["list"]),
            "place (1,2) \"here\\u{a}bob: a lie\"; ring (2,0) 'I have lost my wedding ring!' by alice"
        );
    }
}

#[test]
fn the_seeds_session_goes_as_it_did() {
    let addresses = free_addresses();
    let mut servers = [0, 1, 2].map(|number| serve(number, &addresses, SOON));
    let mut alice = Prompt::start(addresses[0], "--name alice");
    let mut bob = Prompt::start(addresses[1], "--name bob");
    let mut all_tell = |what: &str, home: usize, time: u64| {
        for (number, server) in servers.iter_mut().enumerate() {
            let way = match number == home {
                true => "directly from a client".to_owned(),
                false => format!("from data centre {home}"),
            };
            let (head, key) = what.rsplit_once(' ').unwrap();
            let line = format!("{head} ({key}, received {way} at time {time})");
            assert_eq!(server.told(), line);
        }
    };
    assert_eq!(alice.ask("lost"), "ring (1,0)");
    all_tell("alice: I have lost my wedding ring! ring", 0, 1);
    assert_eq!(alice.ask("wait 3"), "the time is now 4");
    assert_eq!(alice.ask("found"), "ring (5,0)");
    all_tell("alice: I have found my wedding ring! ring", 0, 5);
    let found = "'I have found my wedding ring!' (5,0) by alice";
    assert_eq!(bob.ask("get ring"), found);
    assert_eq!(bob.ask("wait 5s"), "the time is now 10");
    assert_eq!(bob.ask("glad"), "answer (11,1)");
    all_tell("bob: I am glad to hear that! answer", 1, 11);
    assert_eq!([alice.end(), bob.end()], [Some(0); 2]);
}

#[test]
fn an_effect_before_its_cause_stalls_and_a_session_that_moves_waits_for_it() {
    let addresses = free_addresses();
    // What data centre 0 sends to 2 comes here first.
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut of_dc0 = addresses;
    of_dc0[2] = relay.local_addr().unwrap();
    let _dc0 = serve(0, &of_dc0, "");
    let mut dc1 = serve(1, &addresses, "");
    let mut dc2 = serve(2, &addresses, "");
    let mut alice = Prompt::start(addresses[0], "--name alice");
    let everywhere = peers(&[2, 0, 1], &addresses);
    let mut bob = Prompt::start(addresses[1], &format!("{everywhere}--name bob"));

    assert_eq!(alice.ask("lost"), "ring (1,0)");
    let lost = "alice: I have lost my wedding ring! (ring, received from data centre 0 at time 1)";
    assert_eq!(dc1.told(), lost);
    let mut datagram = [0; 512];
    let length = relay.recv(&mut datagram).unwrap();

    bob.ask("get ring");
    assert_eq!(bob.ask("glad"), "answer (2,1)");
    assert_eq!(
        dc2.told(),
        "answer (2,1) received before ring (1,0), stalling"
    );
    let unknown = "failed: this client does not know where dc2 is; `--peer` names every server";
    assert_eq!(alice.ask("move dc2"), unknown);
    bob.begin("move dc2");
    relay.send_to(&datagram[..length], addresses[2]).unwrap();
    assert_eq!(dc2.told(), lost);
    let glad =
        "bob: I am glad to hear that! (answer, received from data centre 1 at time 2, after ";
    let told = dc2.told();
    assert!(told.starts_with(glad) && told.ends_with("s)"), "{told}");
    assert_eq!(bob.told(), "now at dc2");
    let here = "'I have lost my wedding ring!' (1,0) by alice";
    assert_eq!(bob.ask("get ring"), here);
    assert_eq!([alice.end(), bob.end()], [Some(1), Some(0)]);
}

#[test]
fn a_killed_data_centre_with_a_disk_loses_nothing_that_was_acknowledged() {
    let addresses = free_addresses();
    let directory = Directory::new("causal-disk");
    let serve_dc1 = || {
        let mut command = command(1, &addresses, SOON);
        Server::listening(command.arg("--data").arg(directory.path()))
    };
    let mut others = [0, 2].map(|number| serve(number, &addresses, SOON));
    let mut dc1 = serve_dc1();
    let mut client = Prompt::start(addresses[1], "--timeout-ms 150 --attempts 200");
    for life in 0..3 {
        let keys: Vec<String> = (0..4).map(|number| format!("k{life}{number}")).collect();
        for key in &keys[..3] {
            let told = client.ask(&format!("put {key} {life}"));
            assert!(told.starts_with(&format!("{key} (")), "{told}");
        }
        client.begin(&format!("put {} {life}", keys[3]));
        dc1.kill();
        dc1 = serve_dc1();
        let told = client.told();
        assert!(told.starts_with(&format!("{} (", keys[3])), "{told}");
    }
    // Each of them arrives once.
    for server in &mut others {
        let keys: BTreeSet<String> = (0..12).map(|_| key(&server.told())).collect();
        assert_eq!(keys.len(), 12, "{keys:?}");
    }
    let list = ask(&dc1, "", &["list"]);
    assert_eq!(list.matches("; k").count(), 11, "{list}");
    for server in &others {
        assert_eq!(ask(server, "", &["list"]), list);
    }
    assert_eq!(client.end(), Some(0));
}

/// The key that an arrival is of.
fn key(told: &str) -> String {
    let (_, rest) = told.split_once('(').unwrap();
    rest.split(',').next().unwrap().to_owned()
}

#[test]
fn a_data_centre_without_a_disk_rejoins() {
    let addresses = free_addresses();
    let mut others = [0, 2].map(|number| serve(number, &addresses, SOON));
    let mut dc1 = serve(1, &addresses, SOON);
    assert_eq!(ask(&dc1, "bob", &["put", "x", "1"]), "x (1,1)");
    dc1.told();
    for server in &mut others {
        server.told();
    }
    dc1.kill();

    let mut dc1 = serve(1, &addresses, &format!("{SOON} --rejoin"));
    assert_eq!(ask(&dc1, "", &["get", "x"]), "'1' (1,1) by bob");
    let fetched = dc1.told();
    let from = |number: u16| format!("bob: 1 (x, fetched from data centre {number} at time 1)");
    assert!([from(0), from(2)].contains(&fetched), "{fetched}");
    let written = ask(&dc1, "bob", &["put", "x", "2"]);
    assert!(written.starts_with("x (2,1/"), "{written}");
    for server in &mut others {
        let line = "bob: 2 (x, received from data centre 1 at time 2)";
        assert_eq!(server.told(), line);
    }
}

#[test]
fn what_is_no_message_of_a_peer_is_counted_and_changes_nothing() {
    let addresses = free_addresses();
    let mut dc0 = serve(0, &addresses, "");
    let stranger = Client::of(dc0.address);
    let peer = |number: &str| bytes(&format!("57 54 02 09 {number} 00000001 07"));
    for number in ["0003", "0000", "ffff"] {
        stranger.send(&peer(number));
    }
    stranger.send(&peer("0001")); // of a peer, and no message of a data centre
    stranger.send(b"garbage");
    stranger.send(&[0x57, 0x54]);
    assert_eq!(ask(&dc0, "alice", &["put", "x", "1"]), "x (1,0)");
    assert_eq!(
        dc0.told(),
        "alice: 1 (x, received directly from a client at time 1)"
    );
    let (code, said) = dc0.end("TERM");
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        last.starts_with("ignored 5 datagrams that were no message: "),
        "{said}"
    );
    assert!(last.contains("3 unknown-peer"), "{said}");
}

#[test]
fn the_demo_shows_the_ring_with_dependencies_and_without() {
    let ended = Ended::new(wavetank("demo causal").output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in [
        "  dc2     stall               bob#2 answer (3,1) waits for ring (2,0)\n",
        "\ncausal      valid\n",
        "\ncausal      violated  dc2 committed answer",
        "\n=> eventual: at dc2 bob is glad while the ring is still lost",
    ] {
        assert!(ended.out.contains(part), "{part}\n{}", ended.out);
    }
}

#[test]
fn mistakes_in_the_command_are_said_in_one_line() {
    let long = format!("client causal --server 1 --name {} lost", "x".repeat(65));
    for (arguments, part) in [
        (
            "serve causal --listen 0 --id 1 --peer 2=:1",
            "causal has 3 servers: say where number 0 is",
        ),
        (
            "serve causal --listen 0",
            "say where number 1 is, with --peer 1=ADDR",
        ),
        (
            "serve causal --listen 0 --peer 1=:1 --peer 1=:2",
            "there twice",
        ),
        (
            "serve causal --listen 0 --peer 0=:1",
            "this server is number 0 itself",
        ),
        (
            "serve causal --listen 0 --set data_centres=2 --id 2 --peer 1=:1",
            "the servers are 0 to 1",
        ),
        (
            "serve causal --listen 0 --peer 1=:1 --data never --rejoin",
            "leave it out",
        ),
        (
            "serve booking --listen 0 --rejoin",
            "booking has one server here",
        ),
        (
            "client booking --server 1 --name alice list",
            "clients of booking have no names",
        ),
        (
            "client causal --server :1 --peer 0=:1 list",
            "say where number 1 is",
        ),
        (
            "demo causal loss",
            "causal has no such experiment; write ring",
        ),
        ("demo booking ring", "write semantics, monitor, loss"),
        ("demo causal --wire v1", "causal has no format v1"),
        (long.as_str(), "65 bytes, at most 64"),
        (
            "client causal --server :1 --peer 2=:1 --peer 1=:2 list",
            "say where number 0 is",
        ),
        (
            "client causal --server :9 --peer 1=:1 --peer 0=:2 list",
            "none of those that --peer names",
        ),
    ] {
        let ended = Ended::new(wavetank(arguments).output().unwrap());
        assert_eq!(
            (ended.code, &*ended.out),
            (Some(2), ""),
            "{arguments}: {ended:?}"
        );
        assert_eq!(ended.err.lines().count(), 1, "{arguments}: {}", ended.err);
        assert!(ended.err.contains(part), "{arguments}: {}", ended.err);
    }
}
