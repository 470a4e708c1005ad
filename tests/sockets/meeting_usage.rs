//! The meeting scheduler's command line: what it refuses, and what a client says when nobody answers.

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use crate::process::{Ended, wavetank};

fn ended(command: &str) -> Ended {
    Ended::new(wavetank(command).output().unwrap())
}

#[test]
fn what_would_be_of_no_use_is_refused() {
    let data = "serve meeting --role data --file examples/meeting/a.txt --name";
    let main = "serve meeting --role main";
    for (command, expected) in [
        (
            format!("{data} c"),
            "say where data server c listens, with --listen",
        ),
        (format!("{data} a --set idle_ms=5"), "for the main server"),
        (format!("{data} a --set front=udp"), "for the main server"),
        (
            format!("{data} a --set people={{}}"),
            "in a file, named with --file",
        ),
        (
            format!("{main} --set people={{}}"),
            "in a file, named with --file",
        ),
        (format!("{main} --tcp 1 --set front=udp"), "leave it out"),
        (format!("{main} --rejoin"), "makes itself known"),
        (
            format!("{main} --peer 27=:1"),
            "the letter of the data server",
        ),
        (
            format!("{main} --peer main=:1"),
            "or of meeting a=127.0.0.1:21849",
        ),
        (
            "serve causal --peer b=:1".to_owned(),
            "the number of the server",
        ),
        (
            "client meeting --server 1 --peer 1=:3 lilith".to_owned(),
            "clients of meeting call one server",
        ),
        (
            "demo meeting --set data_servers=1".to_owned(),
            "`data_servers`",
        ),
        ("demo meeting --set people={}".to_owned(), "`people`"),
    ] {
        let ended = ended(&command);
        assert_eq!(ended.code, Some(2), "{command}: {ended:?}");
        assert!(ended.err.contains(expected), "{command}: {}", ended.err);
    }
}

#[test]
fn a_client_says_why_nobody_answers() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let asked = "--timeout-ms 50 --attempts 2 lilith";
    let refused = ended(&format!("client meeting --server {address} {asked}"));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.err, "connection refused\n".repeat(2));
    let expected = format!(
        "failed: no session: no answer to 2 hellos; the server at {address} may be unreachable\n"
    );
    assert_eq!(refused.out, expected);
}

#[test]
fn a_client_passes_on_what_a_full_server_says() {
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = full.local_addr().unwrap();
    let server = thread::spawn(move || {
        for connection in full.incoming().take(2) {
            let mut connection = connection.unwrap();
            connection
                .write_all(b"error: too many connections\n")
                .unwrap();
        }
    });
    let asked = "--timeout-ms 200 --attempts 2 lilith";
    let ended = ended(&format!("client meeting --server {address} {asked}"));
    server.join().unwrap();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = "may be unreachable (it said: too many connections)\n";
    assert!(ended.out.ends_with(said), "{}", ended.out);
}

#[test]
fn a_client_says_that_it_asks_again() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let asked = "--timeout-ms 100 --attempts 2 --semantics at-least-once lilith";
    let ended = ended(&format!("client meeting --server {address} {asked}"));
    drop(silent);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    let expected = "no reply after 100 ms, sending again (attempt 2 of 2)\n";
    assert_eq!(ended.err, expected);
}
