//! A directory for the data of one test, and servers on it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use wavetank::disk::real::FILE;

use crate::process::{Server, wavetank};

pub(crate) struct Directory(PathBuf);

impl Directory {
    /// An empty one, for the test of this name.
    pub(crate) fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sockets-{test}"));
        let _left_by_an_earlier_run = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The file with the records.
    pub(crate) fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    /// A server that keeps its data here.
    pub(crate) fn serve(&self, options: &str) -> Server {
        self.serve_at(([127, 0, 0, 1], 0).into(), options)
    }

    /// The same, at this address.
    pub(crate) fn serve_at(&self, address: SocketAddr, options: &str) -> Server {
        Server::listening(&mut serve_from(&self.0, address, options))
    }
}

/// `wavetank serve` with this data directory.
pub(crate) fn serve_from(data: &Path, address: SocketAddr, options: &str) -> Command {
    let arguments = format!("serve booking --listen {address} {options}");
    let mut command = wavetank(arguments.trim_end());
    command.arg("--data").arg(data);
    command
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
