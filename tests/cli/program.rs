//! Runs the built program, and gives tests a directory of their own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A scenario that loses the reply to a cancel, with the three semantics as variants.
pub(crate) const STORY: &str = "sims/booking/lost-cancel-reply.toml";

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program, to be run at the root of the repository and not told by the environment what to log.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUST_LOG");
    command
}

/// Runs the program to its end.
pub(crate) fn wavetank(words: &[&str]) -> Ended {
    let output = command().args(words).output().expect("the program starts");
    Ended {
        code: output.status.code().expect("the program is not killed"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Runs the program with a stderr that nobody reads, and says how it ended.
pub(crate) fn exit_code_without_stderr(words: &str) -> i32 {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    let mut command = command();
    command
        .args(words.split(' '))
        .stdout(Stdio::null())
        .stderr(writer);
    let status = command.status().expect("the program starts");
    status.code().expect("the program is not killed")
}

/// Runs the program and closes its stdout after one line, as `head -1` does.
pub(crate) fn read_one_line<'a>(words: impl Iterator<Item = &'a str>) -> Ended {
    let mut program = command()
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdout = String::new();
    let mut pipe = BufReader::new(program.stdout.take().expect("it is piped"));
    pipe.read_line(&mut stdout).expect("UTF-8");
    drop(pipe);
    let mut stderr = String::new();
    let mut pipe = program.stderr.take().expect("it is piped");
    pipe.read_to_string(&mut stderr).expect("UTF-8");
    let status = program.wait().expect("the program ends");
    Ended {
        code: status.code().expect("the program is not killed"),
        stdout,
        stderr,
    }
}

/// A directory of one test's own, empty at first.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// The directory of the test of this name.
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
        if path.exists() {
            fs::remove_dir_all(&path).expect("what an earlier test run left can be removed");
        }
        fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// What is in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a directory");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry.expect("an entry")))
            .collect();
        names.sort();
        names
    }

    /// Writes a file, and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        let directory = path.parent().expect("a file is in a directory");
        fs::create_dir_all(directory).expect("a directory can be made");
        fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }
}

/// The program ended with a mistake of its user's: one line, and nothing on stdout.
pub(crate) fn assert_is_usage(ended: &Ended, told: &str) {
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains(told), "{told}\n{}", ended.stderr);
}
