//! Runs the built program, and gives tests a directory of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program to its end, at the root of the repository.
pub(crate) fn wavetank(words: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUST_LOG");
    let output = command.args(words).output().expect("the program starts");
    Ended {
        code: output.status.code().expect("the program is not killed"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Runs `wavetank compare`.
pub(crate) fn compare(words: &[&str]) -> Ended {
    wavetank(&[&["compare"], words].concat())
}

/// The program ended with this code, this message and nothing on stdout.
pub(crate) fn assert_fails(ended: &Ended, code: i32, told: &str) {
    assert_eq!(ended.code, code, "{told}\n{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains(told), "{told}\n{}", ended.stderr);
}

/// A directory of one test's own, empty at first.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// The directory of the test of this name.
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("compare-{name}"));
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

    /// Writes a file, and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("a file can be written");
        path
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
}
