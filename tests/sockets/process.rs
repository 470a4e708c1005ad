//! The program as a process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

/// The program with these arguments, a line of words in which none has a space.
pub(crate) fn wavetank(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command
        .args(arguments.split(' '))
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// A process of `wavetank serve`, of booking unless a test says otherwise.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it on any free port, and waits until it listens.
    pub(crate) fn start(options: &str) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), options)
    }

    /// Starts it on this address, and waits until it listens.
    pub(crate) fn start_at(address: SocketAddr, options: &str) -> Self {
        let arguments = format!("serve booking --listen {address} {options}");
        Self::listening(&mut wavetank(arguments.trim_end()))
    }

    /// Starts what this command runs, and waits until it listens.
    pub(crate) fn listening(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut first).unwrap();
        let address = first.trim_end().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("the first line is {first:?}"));
        Self {
            stderr: BufReader::new(child.stderr.take().unwrap()),
            stdout,
            address: address.parse().unwrap(),
            child,
        }
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line on stdout.
    pub(crate) fn told(&mut self) -> String {
        let mut line = String::new();
        let length = self.stdout.read_line(&mut line).unwrap();
        assert!(length > 0, "the server ended before it said anything more");
        line.trim_end_matches('\n').to_owned()
    }

    /// Waits for a line on stderr with this text.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let length = self.stderr.read_line(&mut line).unwrap();
            assert!(length > 0, "the server ended before it said {text:?}");
        }
    }

    /// Kills it, as a machine that loses its power does, and waits until nothing of it is left.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }

    /// Ends it by a signal; gives its exit code and the rest of what it said.
    pub(crate) fn end(self, signal: &str) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.unwrap().success());
        self.ended()
    }

    /// What a client of this server prints: these options, then one command of these words.
    pub(crate) fn client(&self, options: &str, words: &[&str]) -> Ended {
        Ended::new(self.client_command(options).args(words).output().unwrap())
    }

    /// A client that reads its commands from its input.
    pub(crate) fn piped_client(&self, input: &str) -> Ended {
        with_input(self.client_command(""), input)
    }

    pub(crate) fn client_command(&self, options: &str) -> Command {
        let arguments = format!("client booking --server {} {options}", self.address);
        wavetank(arguments.trim_end())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// What a program prints, given this input.
pub(crate) fn with_input(mut command: Command, input: &str) -> Ended {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    Ended::new(child.wait_with_output().unwrap())
}
