//! A server on a disk is killed and started again: what was acknowledged is there, once.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use crate::datagrams::{Client, bytes};
use crate::directory::Directory;
use crate::process::Server;

const DAYS: [&str; 5] = ["mon", "tue", "wed", "thu", "fri"];

/// Bookings of an hour on each day, from 08:00 to 16:00.
const A_DAY: usize = 8;

/// A process of `wavetank client booking`, which is told its commands one by one.
struct Series {
    child: Child,
    commands: ChildStdin,
    told: BufReader<ChildStdout>,
    notes: BufReader<ChildStderr>,
    asked: usize,
}

impl Series {
    /// One that sends again soon and often enough for a server that is started again.
    fn start(server: &Server) -> Self {
        let mut child = server
            .client_command("--timeout-ms 150 --attempts 200")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            commands: child.stdin.take().unwrap(),
            told: BufReader::new(child.stdout.take().unwrap()),
            notes: BufReader::new(child.stderr.take().unwrap()),
            child,
            asked: 0,
        }
    }

    /// Lets it book the next hour, by this command.
    fn ask(&mut self) -> String {
        let (day, hour) = (DAYS[self.asked / A_DAY], 8 + self.asked % A_DAY);
        let next = hour + 1;
        let command = format!("book 'Meeting Room A' {day} {hour:02}:00-{next:02}:00");
        writeln!(self.commands, "{command}").unwrap();
        self.asked += 1;
        command
    }

    /// How the next of its commands has ended.
    fn told(&mut self) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits until it has sent something once more than it should have to.
    fn wait_until_it_sends_again(&mut self) {
        let mut note = String::new();
        while !note.contains("sending again") {
            note.clear();
            let length = self.notes.read_line(&mut note).unwrap();
            assert!(length > 0, "the client ended while its server was down");
        }
    }

    fn end(mut self) -> Option<i32> {
        drop(self.commands);
        self.child.wait().unwrap().code()
    }
}

/// Books all week, and kills and restarts the server in the middle of it once a day, each time at
/// another place; gives what the client was told, the server and how the client ended.
fn book_over_five_lives(
    directory: &Directory,
    reply_cache: &str,
) -> (Vec<String>, Server, Option<i32>) {
    let serve_at = |address, life| {
        // In some lives replies are late, so that a request is executed and its reply never sent.
        let delay_ms = if life % 2 == 0 { 30 } else { 0 };
        let options = format!("-v --reply-cache {reply_cache} --delay-ms {delay_ms}");
        directory.serve_at(address, &options)
    };
    let mut server = serve_at(([127, 0, 0, 1], 0).into(), 0);
    let address = server.address;
    let mut series = Series::start(&server);
    let mut told = Vec::new();
    for life in 0..DAYS.len() {
        for _ in 0..=life {
            series.ask();
            told.push(series.told());
        }
        // One command is under way when the server is killed; the others come while it is down.
        let command = series.ask();
        if life % 2 == 0 {
            server.wait_for(&command); // which its execution names
        }
        server.kill();
        (life + 2..A_DAY).for_each(|_| drop(series.ask()));
        series.wait_until_it_sends_again();
        server = serve_at(address, life + 1);
        told.extend((life + 1..A_DAY).map(|_| series.told()));
    }
    (told, server, series.end())
}

/// The confirmation id that a client was told.
fn booked(told: &str) -> &str {
    let id = told.strip_prefix("booked: ");
    id.unwrap_or_else(|| panic!("{told}"))
}

/// What a client is told of all days.
fn query_of_all_days(server: &Server) -> String {
    server
        .client("", &["query", "Meeting Room A", "mon..fri"])
        .out
}

fn free_on_all_days(hours: &str) -> String {
    let days = [
        "Monday:    ",
        "Tuesday:   ",
        "Wednesday: ",
        "Thursday:  ",
        "Friday:    ",
    ];
    let lines = days.map(|day| format!("  {day} {hours}\n"));
    format!("Meeting Room A is free on\n{}", lines.concat())
}

#[test]
fn every_booking_of_a_series_over_five_kills_is_acknowledged_and_there_once() {
    let directory = Directory::new("durable-series");
    let (told, server, code) = book_over_five_lives(&directory, "durable");
    let ids: Vec<&str> = told.iter().map(|told| booked(told)).collect();
    let numbers = 1..=DAYS.len() * A_DAY;
    let expected: Vec<String> = numbers.map(|n| format!("CONF{n:06}")).collect();
    assert_eq!(
        (ids, code),
        (expected.iter().map(String::as_str).collect(), Some(0))
    );
    let free = free_on_all_days("00:00 - 08:00, 16:00 - 24:00");
    assert_eq!(query_of_all_days(&server), free);

    // Nothing was booked beside what was acknowledged.
    let cancels: String = expected.iter().map(|id| format!("cancel {id}\n")).collect();
    assert_eq!(server.piped_client(&cancels).code, Some(0));
    assert_eq!(
        query_of_all_days(&server),
        free_on_all_days("00:00 - 24:00")
    );
    let next = server.client("", &["book", "Meeting Room A", "mon", "10:00-11:00"]);
    assert_eq!(booked(next.out.trim_end()), "CONF000041");
}

#[test]
fn with_epochs_each_kill_leaves_one_call_unknown_and_what_was_acknowledged_is_there() {
    let directory = Directory::new("epoch-series");
    let (told, server, code) = book_over_five_lives(&directory, "epoch");
    let told = told.iter().map(String::as_str);
    let (unknown, acknowledged): (Vec<&str>, Vec<&str>) =
        told.partition(|told| !told.starts_with("booked: "));
    let expired = "unknown: session expired; the request may have been executed";
    assert_eq!((unknown, code), (vec![expired; DAYS.len()], Some(5)));
    let cancels = acknowledged
        .iter()
        .map(|told| format!("cancel {}\n", booked(told)));
    let cancelled = server.piped_client(&cancels.collect::<String>());
    assert_eq!(cancelled.code, Some(0), "{cancelled:?}");
}

/// The head of a message of format v2, from or to the client `ABCDEFGH`.
fn head(kind: u8) -> String {
    format!("57 54 02 {kind:02x} \"ABCDEFGH\"")
}

fn hello(sequence: u32) -> Vec<u8> {
    bytes(&format!("{} {sequence:08x}", head(7)))
}

/// The session that a welcome gives.
fn session(welcome: &[u8], sequence: u32) -> String {
    let start = bytes(&format!("{} {sequence:08x}", head(8)));
    assert_eq!((&welcome[..16], welcome.len()), (&*start, 24));
    welcome[16..]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn request(session: &str, sequence: u32, body: &str) -> Vec<u8> {
    let length = bytes(body).len();
    let head = head(1);
    bytes(&format!(
        "{head} {session} {sequence:08x} {sequence:08x} {length:08x} {body}"
    ))
}

fn reply(sequence: u32, body: &str) -> Vec<u8> {
    let length = bytes(body).len();
    bytes(&format!("{} {sequence:08x} {length:08x} {body}", head(2)))
}

#[test]
fn a_client_learns_from_refusals_whether_its_server_has_sessions() {
    let refused = |sequence: u32| bytes(&format!("{} {sequence:08x} 03", head(4)));
    let none = "0000000000000000";
    for options in ["--reply-cache epoch", "--reply-cache durable"] {
        let directory = Directory::new(&options.replace("--reply-cache ", "sessions-"));
        let server = directory.serve(options);
        let client = Client::of(server.address);
        for _ in 0..2 {
            assert_eq!(
                client.call(&request(none, 1, BOOK)),
                refused(1),
                "{options}"
            );
        }
        let given = session(&client.call(&hello(2)), 2);
        assert_ne!(given, none);
        assert_eq!(session(&client.call(&hello(2)), 2), given);
        assert_eq!(client.call(&request(&given, 3, BOOK)), reply(3, BOOKED));
        assert_eq!(client.call(&request(none, 4, BOOK)), refused(4));
    }
    for options in ["--reply-cache memory", "--semantics at-least-once"] {
        let server = Server::start(options);
        let client = Client::of(server.address);
        assert_eq!(session(&client.call(&hello(1)), 1), none);
        assert_eq!(
            client.call(&request("0000000000000001", 2, BOOK)),
            refused(2)
        );
        assert_eq!(client.call(&request(none, 3, BOOK)), reply(3, BOOKED));
    }
}

const BOOK: &str = r#"02 0000000e"Meeting Room A" 000a00 000b00"#;
const BOOKED: &str = r#"66 0000000a"CONF000001""#;
const LATER_BY_AN_HOUR: &str = r#"03 0000000a"CONF000001" 0000003c"#;
const CHANGED: &str = "67";

#[test]
fn what_a_killed_server_has_answered_is_executed_again_with_a_cache_in_memory_only() {
    let session_expired = bytes(&format!("{} 00000002 03", head(4)));
    for (reply_cache, again, free) in [
        ("durable", reply(2, CHANGED), "00:00 - 11:00, 12:00 - 24:00"),
        ("epoch", session_expired, "00:00 - 11:00, 12:00 - 24:00"),
        ("memory", reply(2, CHANGED), "00:00 - 12:00, 13:00 - 24:00"),
    ] {
        let directory = Directory::new(&format!("answered-{reply_cache}"));
        let options = format!("--reply-cache {reply_cache} --seed 7"); // of no session
        let server = directory.serve(&options);
        let address = server.address;
        let client = Client::of(address);
        let given = session(&client.call(&hello(1)), 1);
        assert_eq!(given == "0000000000000000", reply_cache == "memory");
        assert_eq!(client.call(&request(&given, 1, BOOK)), reply(1, BOOKED));
        let change = request(&given, 2, LATER_BY_AN_HOUR);
        assert_eq!(client.call(&change), reply(2, CHANGED));
        server.kill();

        let server = directory.serve_at(address, &options);
        assert_eq!(client.call(&change), again, "{reply_cache}");
        // The first session of this life, with the same --seed.
        let other = session(&client.call(&hello(3)), 3);
        assert_eq!(other == given, reply_cache != "epoch", "{reply_cache}");
        let query = server.client("", &["query", "Meeting Room A", "mon"]);
        assert!(
            query.out.contains(&format!(" {free}\n")),
            "{reply_cache}: {query:?}"
        );
    }
}

#[test]
fn a_client_that_monitors_hears_of_changes_in_the_servers_next_life() {
    let directory = Directory::new("monitor");
    let mut server = directory.serve("-v");
    let address = server.address;
    let mut watching = server
        .client_command("--timeout-ms 200 monitor")
        .args(["Meeting Room A", "--for", "10m"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    server.wait_for("monitoring for 10m");
    server.kill();
    let server = directory.serve_at(address, "");
    let booked = server.client("", &["book", "Meeting Room A", "mon", "10:00-11:00"]);
    assert_eq!(booked.code, Some(0), "{booked:?}");
    let mut seen = BufReader::new(watching.stdout.take().unwrap()).lines();
    let update = "update 1: 'Meeting Room A': taken mon 10:00-11:00";
    assert_eq!(seen.next().unwrap().unwrap(), update);
    let interrupt = ["-s", "INT", &watching.id().to_string()];
    assert!(
        Command::new("kill")
            .args(interrupt)
            .status()
            .unwrap()
            .success()
    );
    let last = seen.last().unwrap().unwrap();
    assert!(
        last.starts_with("1 update in ") && last.ends_with(", then interrupted"),
        "{last}"
    );
    assert_eq!(watching.wait().unwrap().code(), Some(0));
}

#[test]
fn a_registration_expires_in_the_servers_next_life() {
    let directory = Directory::new("expiry");
    let server = directory.serve("");
    let address = server.address;
    let client = Client::of(address);
    let given = session(&client.call(&hello(1)), 1);
    let monitor = request(&given, 1, r#"04 0000000e"Meeting Room A" 00000001"#);
    assert_eq!(client.call(&monitor), reply(1, "68 00000000 00000001"));
    server.kill();
    let _server = directory.serve_at(address, "");
    let ended = r#"c9 0000000e"Meeting Room A" 00000000 01"#;
    let length = bytes(ended).len();
    let update = bytes(&format!("{} {length:08x} {ended}", head(5)));
    assert_eq!(client.receive(), update);
}

#[test]
fn a_signal_closes_the_records_and_the_next_life_finds_them() {
    for signal in ["TERM", "INT"] {
        let directory = Directory::new(&format!("closed-by-{signal}"));
        let server = directory.serve("");
        let client = Client::of(server.address);
        let given = session(&client.call(&hello(1)), 1);
        assert_eq!(client.call(&request(&given, 1, BOOK)), reply(1, BOOKED));
        let length = || fs::metadata(directory.file()).unwrap().len();
        let open = length();
        assert_eq!(server.end(signal), (Some(0), String::new()));
        assert!(
            length() < open,
            "whoever closes the file gives up the space that it kept free"
        );
        let server = directory.serve("");
        let client = Client::of(server.address);
        assert_eq!(client.call(&request(&given, 1, BOOK)), reply(1, BOOKED));
    }
}
