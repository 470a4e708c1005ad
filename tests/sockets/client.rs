//! The client and the server as programs.

use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::thread;

use crate::datagrams::Client;
use crate::process::{Ended, Server, wavetank};

#[test]
fn a_client_lays_replies_out_and_ends_as_its_operation_did() {
    let server = Server::start("");
    for wire in ["--wire v2", "--wire v1"] {
        let book = ["book", "Meeting Room A", "mon", "10:00-11:00"];
        let booked = server.client(wire, &book);
        assert_eq!(booked.code, Some(0), "{booked:?}");
        let id = booked.out.trim_end().strip_prefix("booked: ").unwrap();
        let again = server.client(wire, &book);
        assert_eq!(
            (again.code, again.out.as_str()),
            (Some(1), "failed: not available\n")
        );
        let moved = server.client(wire, &["change", id, "+30m"]);
        assert_eq!(moved.out, format!("changed: {id}\n"));
        let query = server.client(wire, &["query", "Meeting Room A", "mon,tue"]);
        assert_eq!(
            query.out,
            "Meeting Room A is free on
  Monday:     00:00 - 10:30, 11:30 - 24:00
  Tuesday:    00:00 - 24:00
"
        );
        let cancelled = server.client(wire, &["cancel", id]);
        assert_eq!(cancelled.out, format!("cancelled: {id}\n"));
    }
    let unknown = server.client("", &["query", "Cellar", "mon"]);
    assert_eq!(
        (unknown.code, unknown.out.as_str()),
        (Some(1), "failed: no such facility\n")
    );
}

#[test]
fn a_mistake_in_a_command_is_pointed_at() {
    let server = Server::start("");
    let wrong = server.client("", &["book", "Meeting Room A", "mon", "25:00-26:00"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(2), ""));
    let place = "book Meeting Room A mon ".len();
    assert_eq!(
        wrong.err,
        format!(
            "wavetank: `25:00` is no time of day; write 00:00 to 24:00\n  book Meeting Room A mon \
             25:00-26:00\n  {:place$}^\n",
            ""
        )
    );
}

#[test]
fn piped_commands_go_on_after_mistakes_and_end_with_the_worst() {
    let server = Server::start("--facility Hall --facility Attic");
    let input = "# one life, and its numbers go on\nbook Hall tue 09:00-10:00\n\nwait 1ms\n\
                 book Hall tue 09:00-10:00\nbok\nauto-book mon..tue --facility Hall --time 9:00-10:00\n\
                 cancel CONF000001";
    let ended = server.piped_client(input);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(
        ended.out,
        "booked: CONF000001
failed: not available
book 'Hall' mon 09:00-10:00 -> booked: CONF000002
book 'Hall' tue 09:00-10:00 -> failed: not available
cancelled: CONF000001
"
    );
    assert!(
        ended.err.starts_with("wavetank: `bok` is no command"),
        "{ended:?}"
    );
    let quit = server.piped_client("help cancel\nquit\nbok\n");
    assert_eq!((quit.code, quit.err.as_str()), (Some(0), ""));
    assert!(quit.out.starts_with("cancel ID\n"));
}

#[test]
fn a_monitoring_client_shows_what_another_one_changes() {
    let mut server = Server::start("-v");
    let watching = server
        .client_command("monitor")
        .args(["Meeting Room A", "--for", "2s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    server.wait_for("monitoring for 2s");
    let booked = server.client("", &["auto-book", "mon,tue"]);
    assert_eq!(booked.code, Some(0), "{booked:?}");
    let watched = Ended::new(watching.wait_with_output().unwrap());
    assert_eq!(watched.code, Some(0), "{watched:?}");
    assert_eq!(
        watched.out,
        "update 1: 'Meeting Room A': taken mon 10:00-11:00
  Monday:     00:00 - 10:00, 11:00 - 24:00
  every other day is free
update 2: 'Meeting Room A': taken mon 10:00-11:00, tue 10:00-11:00
  Monday:     00:00 - 10:00, 11:00 - 24:00
  Tuesday:    00:00 - 10:00, 11:00 - 24:00
  every other day is free
2 updates in 2s
"
    );
}

#[test]
fn a_client_that_gives_up_does_not_know() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let arguments = format!("client booking --server {address} --timeout-ms 100 --attempts 2");
    let ended = wavetank(&arguments).args(["query", "Hall", "mon"]).output();
    let ended = Ended::new(ended.unwrap());
    assert_eq!(ended.code, Some(5));
    assert_eq!(
        ended.out,
        format!(
            "unknown: no reply to 2 sends; the server at {address} may be unreachable, and the \
             request may have been executed\n"
        )
    );
    assert_eq!(
        ended.err,
        "no reply after 100 ms, sending again (attempt 2 of 2)\n"
    );
}

#[test]
fn a_server_that_cannot_serve_says_so_in_one_line() {
    let server = Server::start("");
    let used = server.address.to_string();
    for (arguments, code) in [
        (format!("serve booking --listen {used}"), 4),
        ("serve booking --listen 192.0.2.1:0".to_owned(), 4),
        ("serve booking --listen nowhere".to_owned(), 2),
        ("serve cooking --listen 0".to_owned(), 2),
        ("serve booking --set facilities=1".to_owned(), 2),
        ("serve booking --reply-cache durable".to_owned(), 2),
        (
            format!("client booking --server {used} --bind {used} help"),
            4,
        ),
    ] {
        let ended = Ended::new(wavetank(&arguments).output().unwrap());
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(code), ""),
            "{arguments}"
        );
        assert_eq!(ended.err.lines().count(), 1, "{arguments}: {}", ended.err);
    }
    for arguments in [
        "--reply-cache forever",
        "--loss 2",
        "--delay-ms 9..1",
        "--semantics once",
    ] {
        let arguments = format!("serve booking {arguments}");
        let ended = Ended::new(wavetank(&arguments).output().unwrap());
        assert_eq!(ended.code, Some(2), "{arguments}");
    }
}

#[test]
fn a_reply_cache_is_refused_where_there_is_none() {
    for semantics in ["maybe", "at-least-once"] {
        for (kind, data) in [("epoch", ""), ("durable", " --data never-made")] {
            let options = format!("--semantics {semantics} --reply-cache {kind}{data}");
            let arguments = format!("serve booking --listen 0 {options}");
            let ended = Ended::new(wavetank(&arguments).output().unwrap());
            let line = format!(
                "wavetank: --reply-cache {kind} needs --semantics at-most-once: with {semantics} \
                 there is no reply cache\n"
            );
            assert_eq!((ended.code, ended.err), (Some(2), line), "{options}");
        }
        let told = format!("--semantics {semantics} --reply-cache memory");
        drop(Server::start(&told));
    }
}

/// Takes one request to a server and its reply back, which comes from another address than was asked.
fn reply_from_elsewhere(server: &Server) -> SocketAddr {
    let [asked, replies] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = asked.local_addr().unwrap();
    let server = Client::of(server.address);
    thread::spawn(move || {
        let mut request = [0; 512];
        let (length, client) = asked.recv_from(&mut request).unwrap();
        let reply = server.call(&request[..length]);
        replies.send_to(&reply, client).unwrap();
    });
    address
}

#[test]
fn a_reply_from_another_address_is_taken_in_v2_and_dropped_in_v1() {
    let server = Server::start("--facility Hall");
    for (wire, timeout_ms, code) in [("v2", 10_000, 0), ("v1", 200, 5)] {
        let address = reply_from_elsewhere(&server);
        let options = format!("--wire {wire} --timeout-ms {timeout_ms} --attempts 1");
        let arguments = format!("client booking --server {address} {options} query Hall mon");
        let ended = Ended::new(wavetank(&arguments).output().unwrap());
        assert_eq!(ended.code, Some(code), "{ended:?}");
    }
}

#[test]
fn signals_end_a_server_cleanly() {
    for signal in ["TERM", "INT"] {
        let server = Server::start("");
        let (code, said) = server.end(signal);
        assert_eq!((code, said.as_str()), (Some(0), ""), "{signal}");
    }
}
