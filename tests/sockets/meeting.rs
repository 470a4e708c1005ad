//! The meeting scheduler on real sockets: a main server that people reach with netcat, and data servers.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::directory::Directory;
use crate::process::{Ended, Server, wavetank, with_input};

#[path = "meeting_front.rs"]
mod front;

/// How long a reply may take: far more than it takes on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

const A: &str = "lilith;[[1,3],[4,9]]\nzein;[[1,4],[6,10]]\n";
pub(crate) const B: &str = "jameson;[[2,3],[5,7]]\ncallie;[[0,5],[6,8]]\n";

/// A main server and two data servers.
pub(crate) struct Cluster {
    pub(crate) directory: Directory,
    /// Of main, a and b, for datagrams.
    pub(crate) addresses: [SocketAddr; 3],
    pub(crate) main: Option<Server>,
    clients: SocketAddr,
    a: Option<Server>,
    pub(crate) b: Option<Server>,
}

impl Cluster {
    /// Starts all of them, and waits until the main server knows everybody.
    pub(crate) fn start(test: &str, settings: &str) -> Self {
        let cluster = Self::start_with(test, settings, [A, B]);
        cluster.wait_for_all();
        cluster
    }

    /// The same with other people, and without waiting.
    fn start_with(test: &str, settings: &str, [a, b]: [&str; 2]) -> Self {
        let sockets = [0; 3].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let addresses = sockets.map(|socket| socket.local_addr().unwrap());
        let directory = Directory::new(test);
        for (name, people) in [("a", a), ("b", b)] {
            fs::write(file(directory.path(), name), people).unwrap();
        }
        let mut cluster = Self {
            directory,
            addresses,
            main: None,
            clients: ([127, 0, 0, 1], 0).into(),
            a: None,
            b: None,
        };
        cluster.start_main(settings);
        cluster.a = Some(cluster.data_server("a"));
        cluster.b = Some(cluster.data_server("b"));
        cluster
    }

    /// Starts the main server where it was before.
    pub(crate) fn start_main(&mut self, settings: &str) {
        let [main, a, b] = self.addresses;
        let mut command = wavetank(&format!(
            "serve meeting --role main --listen {main} --tcp {} --peer a={a} --peer b={b}",
            self.clients
        ));
        command.args(settings.split_whitespace());
        command
            .arg("--data")
            .arg(self.directory.path().join("main"));
        let mut server = Server::listening(&mut command);
        let told = server.told();
        let clients = told.strip_prefix("clients connect to ");
        let clients = clients.and_then(|rest| rest.strip_suffix(" over TCP"));
        self.clients = clients.expect(&told).parse().unwrap();
        self.main = Some(server);
    }

    pub(crate) fn data_server(&self, name: &str) -> Server {
        let own = self.addresses[if name == "a" { 1 } else { 2 }];
        let main = self.addresses[0];
        let mut command = wavetank(&format!(
            "serve meeting --role data --name {name} --listen {own} --main {main}"
        ));
        let path = self.directory.path();
        command.arg("--file").arg(file(path, name));
        command.arg("--data").arg(path.join(format!("data-{name}")));
        Server::listening(&mut command)
    }

    /// Until then an answer about them is incomplete.
    pub(crate) fn wait_for_all(&self) {
        let mut line = self.netcat();
        loop {
            let told = line.ask("lilith zein jameson callie");
            if !told.contains("incomplete") && !told.contains("not exist") {
                break;
            }
        }
    }

    pub(crate) fn netcat(&self) -> Netcat {
        Netcat::new(TcpStream::connect(self.clients).unwrap())
    }

    /// What the program prints as a client, given this input.
    fn client(&self, input: &str) -> Ended {
        let client = format!("client meeting --server {}", self.clients);
        with_input(wavetank(&client), input)
    }
}

pub(crate) fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.txt"))
}

/// Somebody who types lines.
pub(crate) struct Netcat {
    stream: BufReader<TcpStream>,
}

impl Netcat {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Nothing takes longer than that from now on.
    fn limit(&mut self, time: Duration) {
        self.stream.get_ref().set_read_timeout(Some(time)).unwrap();
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n").as_bytes());
        self.told()
    }

    /// The next line.
    fn told(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.strip_suffix('\n').expect("a whole line").to_owned()
    }

    /// All that still comes, until the connection is closed.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        rest
    }

    fn end_input(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }
}

#[test]
fn the_session_of_the_seed_document() {
    let cluster = Cluster::start("meeting-session", "");
    let ended = cluster.client("lilith jameson\nzein callie\nlilith ererer\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let expected = "Available time slots: [2,3], [5,7]\nAvailable time slots: [1,4], [6,8]\n\
        ererer does not exist.\nAvailable time slots for lilith: [1,3], [4,9]\n";
    assert_eq!(ended.out, expected, "{ended:?}");
    let ended = cluster.client("register 5 6 lilith jameson\nregister 5 6 jameson\nlilith\n");
    let expected = "Registered [5,6] for lilith, jameson\nfailed: not free: jameson\n\
        Available time slots: [1,3], [4,5], [6,9]\n";
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), expected));
}

#[test]
fn a_person_with_netcat_is_told_everything_in_lines() {
    let cluster = Cluster::start("meeting-netcat", "");
    let mut line = cluster.netcat();
    assert_eq!(
        line.ask("help"),
        "commands: free NAME.., register START END NAME.., help, quit"
    );
    line.send(b"\r\n\n");
    assert_eq!(
        line.ask("lilith jameson\r"),
        "Available time slots: [2,3], [5,7]"
    );
    assert_eq!(
        line.ask("free lilith ererer"),
        "ererer does not exist. Available time slots for lilith: [1,3], [4,9]"
    );
    assert!(
        line.ask("register 6 5 zein")
            .starts_with("error: the time ends at 5;")
    );
    assert!(
        line.ask("#9f register 5 6 zein")
            .starts_with("error: `#9f` is no request id")
    );
    line.send(b"\xff\xfe\n");
    assert_eq!(line.told(), "error: the line is no text in UTF-8");
    // Sent again under its id, a registration is the one of before; without an id it is another one.
    let registered = "Registered [6,7] for zein";
    for _ in 0..2 {
        assert_eq!(
            line.ask("#9f/1 register 6 7 zein"),
            format!("#9f/1 {registered}")
        );
    }
    let mut other = cluster.netcat();
    assert_eq!(
        other.ask("#9f/1 register 6 7 zein"),
        format!("#9f/1 {registered}")
    );
    assert_eq!(other.ask("register 6 7 zein"), "not free: zein");
    let refused = other.ask("#9f/1 register 7 8 zein");
    assert!(refused.starts_with("#9f/1 refused: "), "{refused}");
    assert_eq!(
        other.ask("#9f/2 zein"),
        "#9f/2 Available time slots: [1,4], [7,10]"
    );
    assert_eq!(
        other.ask("#9f/1 register 6 7 zein"),
        "#9f/1 error: a later request of this client has come"
    );
    // Three lines at once are answered in their order; the end of a line may be missing at the end.
    other.send(b"lilith\ncallie\njameson");
    other.end_input();
    let expected = "Available time slots: [1,3], [4,9]\nAvailable time slots: [0,5], [6,8]\n\
        Available time slots: [2,3], [5,7]\n";
    assert_eq!(other.rest(), expected);
    line.send(b"quit\nlilith\n");
    assert_eq!(line.rest(), "");
}

#[test]
fn a_line_that_is_too_long_or_does_not_come_closes_its_connection_alone() {
    let cluster = Cluster::start("meeting-limits", "--set idle_ms=300");
    let mut silent = cluster.netcat();
    silent.send(b"lili");
    assert_eq!(silent.rest(), "error: nothing came for 300ms\n");
    let mut long = cluster.netcat();
    long.send(&[b'x'; 40 * 1_024 + 1]);
    assert_eq!(long.told(), "error: the line is longer than 40960 bytes");
    long.end_input();
    assert_eq!(long.rest(), "");
    let mut fits = cluster.netcat();
    let line = format!("lilith{}", " ".repeat(40 * 1_024 - 6));
    assert_eq!(fits.ask(&line), "Available time slots: [1,3], [4,9]");
}

#[test]
fn people_with_thousands_of_times_are_told_whole() {
    let times = |count: u32| {
        let times = (0..count).map(|it| format!("[{},{}]", 2 * it, 2 * it + 1));
        times.collect::<Vec<_>>()
    };
    let (many, more) = (times(4_000), times(50_000));
    let people = [("many", &many), ("more", &more)].map(|(name, times)| {
        let times = times.join(",");
        format!("{name};[{times}]\n")
    });
    let mut cluster = Cluster::start_with("meeting-long", "", [&people[0], &people[1]]);
    let mut line = cluster.netcat();
    while line.ask("many more").contains("incomplete") {}
    let slots = |times: &[String]| format!("Available time slots: {}", times.join(", "));
    assert_eq!(line.ask("many"), slots(&many));
    // Under an id the reply is kept, and given again.
    let told = format!("#9f/1 {}", slots(&more));
    assert_eq!(line.ask("#9f/1 more"), told);
    assert_eq!(cluster.netcat().ask("#9f/1 more"), told);
    let ended = cluster.client("more\nmore many\n");
    let expected = format!("{}\n{}\n", slots(&more), slots(&many));
    assert!(ended.out == expected, "{}", ended.err);
    assert_eq!(ended.code, Some(0));
    cluster.main.take().unwrap().kill();
    cluster.start_main("");
    assert!(cluster.netcat().ask("#9f/1 more") == told);
}

#[test]
fn a_client_that_reads_nothing_holds_up_nobody() {
    let cluster = Cluster::start("meeting-slow", "");
    // It asks until the system takes no more: nothing of what it is told is read.
    let mut slow = TcpStream::connect(cluster.clients).unwrap();
    slow.set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let lines = "help\n".repeat(10_000);
    let full = loop {
        if let Err(error) = slow.write_all(lines.as_bytes()) {
            break error;
        }
    };
    assert!(
        matches!(full.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{full}"
    );
    assert_eq!(
        cluster.netcat().ask("lilith jameson"),
        "Available time slots: [2,3], [5,7]"
    );
}

#[test]
fn a_hundred_clients_are_served_at_once() {
    let cluster = Cluster::start("meeting-hundred", "");
    let mut clients: Vec<Netcat> = (0..100).map(|_| cluster.netcat()).collect();
    for client in &mut clients {
        client.send(b"register 5 6 lilith jameson\n");
    }
    let told: Vec<String> = clients.iter_mut().map(Netcat::told).collect();
    let registered = |told: &&String| *told == "Registered [5,6] for lilith, jameson";
    let refused = |told: &&String| told.starts_with("not free: ");
    assert_eq!(told.iter().filter(registered).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(refused).count(), 99, "{told:?}");
}

#[test]
fn an_answer_without_a_killed_data_server_is_incomplete_until_it_is_back() {
    let mut cluster = Cluster::start("meeting-data-killed", "");
    let mut line = cluster.netcat();
    assert_eq!(
        line.ask("register 5 6 lilith jameson"),
        "Registered [5,6] for lilith, jameson"
    );
    cluster.b.take().unwrap().kill();
    assert_eq!(
        line.ask("lilith jameson"),
        "No answer from server b: incomplete, without jameson. Available time slots for lilith: \
         [1,3], [4,5], [6,9]"
    );
    assert_eq!(
        line.ask("register 6 7 lilith jameson"),
        "no answer from server b: nothing is registered"
    );
    cluster.b = Some(cluster.data_server("b"));
    cluster.wait_for_all();
    assert_eq!(
        line.ask("lilith jameson"),
        "Available time slots: [2,3], [6,7]"
    );
}

#[test]
fn a_registration_is_the_same_after_the_main_server_was_killed() {
    let mut cluster = Cluster::start("meeting-main-killed", "");
    let mut line = cluster.netcat();
    let asked = "#9f/1 register 5 6 lilith jameson";
    let registered = "#9f/1 Registered [5,6] for lilith, jameson";
    line.send(format!("{asked}\n").as_bytes());
    assert_eq!(line.told(), registered);
    cluster.main.take().unwrap().kill();
    assert_eq!(line.rest(), "");
    cluster.start_main("");
    let mut line = cluster.netcat();
    assert_eq!(line.ask(asked), registered);
    cluster.wait_for_all();
    assert_eq!(
        line.ask("lilith jameson"),
        "Available time slots: [2,3], [6,7]"
    );
}

#[test]
fn the_demo_shows_the_session_and_a_data_server_that_is_killed() {
    let ended = Ended::new(wavetank("demo meeting").output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let conclusions = ended.out.lines().filter(|line| line.starts_with("=> "));
    let expected = [
        "=> the session of the seed document",
        "=> an answer without it says so, and gives what is known of the others",
        "=> it has made itself known, and the answer is whole again",
    ];
    assert_eq!(conclusions.collect::<Vec<_>>(), expected, "{}", ended.out);
}

#[test]
fn a_client_goes_on_with_a_main_server_that_was_killed() {
    let mut cluster = Cluster::start("meeting-client", "");
    let mut child = wavetank(&format!(
        "client meeting --server {} --timeout-ms 300",
        cluster.clients
    ))
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut ask = |line: &str| {
        writeln!(input, "{line}").unwrap();
        let mut told = String::new();
        output.read_line(&mut told).unwrap();
        told
    };
    assert_eq!(ask("lilith zein"), "Available time slots: [1,3], [6,9]\n");
    cluster.main.take().unwrap().kill();
    cluster.start_main("");
    cluster.wait_for_all();
    assert_eq!(
        ask("register 6 9 lilith zein"),
        "Registered [6,9] for lilith, zein\n"
    );
    assert_eq!(ask("lilith zein"), "Available time slots: [1,3]\n");
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_mistake_in_the_options_is_named() {
    let missing = "--role data --name a --file no-such-file.txt";
    for (options, expected, code) in [
        ("", "--role main, or --role data", 2),
        ("--role main --name a", "are for data servers", 2),
        ("--role main --main 1", "--main is for data servers", 2),
        ("--role main --peer a=:1 --peer c=:3", "data server b", 2),
        (
            "--role main --peer a=:1 --peer a=:2",
            "each data server once",
            2,
        ),
        ("--role main --id 1", "no --id", 2),
        ("--role data --name a", "needs --name and --file", 2),
        ("--role data --name 1 --file a.txt", "a letter", 2),
        ("--role data --tcp 1", "--tcp is for the main server", 2),
        (
            "--role data --peer a=:1",
            "--peer is for the main server",
            2,
        ),
        (missing, "cannot read no-such-file.txt", 4),
    ] {
        let command = format!("serve meeting {options}");
        let ended = Ended::new(wavetank(command.trim_end()).output().unwrap());
        assert_eq!(ended.code, Some(code), "{options}: {ended:?}");
        assert!(ended.err.contains(expected), "{options}: {}", ended.err);
    }
    let directory = Directory::new("meeting-file");
    let people = file(directory.path(), "a");
    fs::write(&people, "lilith;[[1,3],[4,9]]\nzein;[[1,4],[4,10]]\n").unwrap();
    let mut command = wavetank("serve meeting --role data --name a --file");
    let ended = Ended::new(command.arg(&people).output().unwrap());
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.err.contains("a.txt:2:13: "), "{}", ended.err);
    let ended = Ended::new(wavetank("serve lock --role main").output().unwrap());
    assert!(ended.err.contains("for meeting only"), "{ended:?}");
    let bound = wavetank("client meeting --server 1 --bind 3001 lilith").output();
    let ended = Ended::new(bound.unwrap());
    assert!(ended.err.contains("connect from any port"), "{ended:?}");
}
