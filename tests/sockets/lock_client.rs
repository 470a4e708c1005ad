//! `wavetank client lock` and `wavetank demo lock` as processes: lines that are typed, and locks that are
//! kept, lost and passed on meanwhile.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use crate::lock::{LONG, serve};
use crate::process::{Ended, Server, wavetank};

/// A process of `wavetank client lock`, which is told its commands one by one.
struct Prompt {
    child: Child,
    commands: ChildStdin,
    told: BufReader<ChildStdout>,
    notes: BufReader<ChildStderr>,
}

impl Prompt {
    /// One that sends again soon, and with -v says what it does in the background.
    fn start(server: &Server) -> Self {
        let arguments = format!("-v client lock --server {}", server.address);
        let mut child = wavetank(&format!("{arguments} --timeout-ms 100 --attempts 50"))
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
        }
    }

    fn ask(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    fn told(&mut self) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// What it says to a command.
    fn perform(&mut self, command: &str) -> String {
        self.ask(command);
        self.told()
    }

    /// Waits for a line on stderr with this text.
    fn wait_for(&mut self, text: &str) -> String {
        let mut note = String::new();
        while !note.contains(text) {
            note.clear();
            let length = self.notes.read_line(&mut note).unwrap();
            assert!(length > 0, "the client ended before it said {text:?}");
        }
        note.trim_end().to_owned()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    fn end(mut self) -> Option<i32> {
        drop(self.commands);
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_client_keeps_its_lock_while_it_waits_for_a_line() {
    let server = serve("--set lease_ms=300");
    let (mut c1, mut c2) = (Prompt::start(&server), Prompt::start(&server));
    assert_eq!(c1.perform("hello"), "Connected!");
    assert_eq!(c1.perform("acquire file_0"), "granted, token 1 for 300 ms");
    c2.ask("acquire file_0");
    c2.wait_for("the server is at work on it");
    for _ in 0..9 {
        c1.wait_for("renewed, token 1"); // three leases long
    }
    assert_eq!(c1.perform("append file_0 'A'"), "staged");
    assert_eq!(c1.perform("release file_0"), "released");
    assert_eq!(c2.told(), "granted, token 2 for 300 ms");
    assert_eq!(c2.perform("read file_0"), "A");
    assert_eq!(c2.perform("close"), "Disconnected!");
    assert_eq!((c1.end(), c2.end()), (Some(0), Some(0)));
}

#[test]
fn a_client_that_was_stopped_is_told_that_its_lease_is_lost() {
    let server = serve("--set lease_ms=300");
    let (mut c1, mut c2) = (Prompt::start(&server), Prompt::start(&server));
    assert_eq!(c1.perform("acquire file_7"), "granted, token 1 for 300 ms");
    assert_eq!(c1.perform("append file_7 'A'"), "staged");
    c1.signal("STOP");
    assert_eq!(c2.perform("acquire file_7"), "granted, token 2 for 300 ms");
    c1.signal("CONT");
    let note = c1.wait_for("lease lost");
    assert_eq!(note, "lease lost: file_7 (token 1); acquire again");
    let refused = "failed: lease lost: acquire again";
    assert_eq!(c1.perform("append file_7 'A'"), refused);
    c1.ask("acquire file_7");
    c1.wait_for("the server is at work on it");
    c2.signal("KILL");
    assert_eq!(c1.told(), "granted, token 3 for 300 ms");
    assert_eq!(c1.perform("release file_7"), "released");
    assert_eq!(c1.perform("read file_7"), "nothing");
    assert_eq!((c1.end(), c2.end()), (Some(1), None));
}

#[test]
fn an_interrupted_client_keeps_its_place_in_the_queue_until_its_next_command() {
    let interrupted = "unknown: interrupted; the lock may have been granted, else the next command gives \
                       up the place in the queue";
    for next in ["hello", "acquire file_0"] {
        let server = serve(LONG);
        let (mut c1, mut c2) = (Prompt::start(&server), Prompt::start(&server));
        assert_eq!(
            c1.perform("acquire file_0"),
            "granted, token 1 for 60000 ms"
        );
        c2.ask("acquire file_0");
        c2.wait_for("the server is at work on it");
        c2.signal("INT");
        assert_eq!(c2.told(), interrupted);
        if next == "hello" {
            assert_eq!(c2.perform(next), "Connected!");
            assert_eq!(c1.perform("release file_0"), "released");
            // Nobody waits any more: c1 gets it again.
            assert_eq!(
                c1.perform("acquire file_0"),
                "granted, token 2 for 60000 ms"
            );
        } else {
            assert_eq!(c1.perform("release file_0"), "released");
            // It was its turn, and the grant is one that it does not know of yet.
            assert_eq!(c2.perform(next), "granted, token 2 for 60000 ms");
        }
        assert_eq!((c1.end(), c2.end()), (Some(0), Some(5)));
    }
}

#[test]
fn an_interrupt_ends_a_client_that_waits_for_a_line() {
    let server = serve(LONG);
    let mut client = Prompt::start(&server);
    assert_eq!(client.perform("hello"), "Connected!");
    let ended = loop {
        client.signal("INT"); // the first one may come before it waits again
        if let Some(ended) = client.child.try_wait().unwrap() {
            break ended;
        }
    };
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn one_shot_commands_have_the_usual_exit_codes() {
    let server = serve(LONG);
    let run = |options: &str, words: &[&str]| {
        let options = format!("client lock --server {} {options}", server.address);
        let mut command = wavetank(options.trim_end());
        Ended::new(command.args(words).output().unwrap())
    };
    let hello = run("", &["hello"]);
    assert_eq!((hello.code, hello.out.as_str()), (Some(0), "Connected!\n"));
    let acquired = run("", &["acquire", "file_0"]);
    assert_eq!(acquired.code, Some(0));
    assert_eq!(acquired.out, "granted, token 1 for 60000 ms\n");
    assert!(
        acquired.err.starts_with("the client ends here"),
        "{acquired:?}"
    );
    let unknown = run("", &["acquire", "file_100"]);
    assert_eq!(unknown.code, Some(1));
    assert_eq!(unknown.out, "failed: file not found\n");
    assert_eq!(unknown.err, "");
    let refused = run("", &["append", "file_0", "two words"]);
    assert_eq!(refused.out, "failed: not the holder\n");
    assert_eq!(refused.code, Some(1));
    let wrong = run("", &["acquire"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.ends_with("  acquire\n         ^\n"), "{wrong:?}");
    let gone = Ended::new(
        wavetank("client lock --server 127.0.0.1:1 --timeout-ms 20 --attempts 2 hello")
            .output()
            .unwrap(),
    );
    assert_eq!(gone.code, Some(5));
}

#[test]
fn the_demo_shows_the_five_clients_and_what_a_token_is_for() {
    let arguments = "demo lock --set lease_ms=300";
    let ended = Ended::new(wavetank(arguments).output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for line in [
        "file_0: Log entry from client_1 writing to file_0",
        "file_0: Log entry from client_3 writing to file_0",
        "file_2: Log entry from client_2 writing to file_2",
        "file_3: Log entry from client_4 writing to file_3",
        "file_3: Log entry from client_5 writing to file_3",
        "c1 came back and was told: failed: lease lost: acquire again; file_0: BBAA",
        "c1 came back and was told: ok: staged; file_0: BABAA",
    ] {
        let times = ended.out.lines().filter(|told| *told == line).count();
        assert_eq!(times, 1, "{line}\n{}", ended.out);
    }
    assert_eq!(ended.out.matches("\n=> ").count(), 3);
    // What is promised is looked at.
    let unfenced = "demo lock paused --set lease_ms=300 --set without=[\"fencing\"]";
    let ended = Ended::new(wavetank(unfenced).output().unwrap());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("this run does not show it: fencing"));
    for (arguments, part) in [
        ("demo lock --set lease_ms=0", "the setting `lease_ms`"),
        ("demo lock ring", "write five-clients, paused"),
        ("demo lock --wire v1", "lock has no format v1"),
    ] {
        let ended = Ended::new(wavetank(arguments).output().unwrap());
        assert_eq!(ended.code, Some(2), "{arguments}");
        assert!(ended.err.contains(part), "{arguments}: {}", ended.err);
    }
}
