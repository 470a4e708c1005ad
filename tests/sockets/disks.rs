//! Directories and disks that a server cannot use, or no longer: one line, exit code 4, and nothing
//! acknowledged that is not kept.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::datagrams::{Client, bytes};
use crate::directory::{Directory, serve_from};
use crate::process::{Ended, Server};

const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// Blocks of 512 bytes: a limit on the size of files that lets an empty store be made, and little more.
const BLOCKS: &str = "2100";

/// Says on stderr, even of a test that succeeds, why a part of it could not be tried here.
fn skipped(why: &str) {
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// What a server says that was not to start, with `HERE` for the directory.
fn complaint(command: &mut Command, directory: &Directory) -> String {
    let ended = Ended::new(command.output().unwrap());
    assert_eq!((ended.code, &*ended.out), (Some(4), ""), "{ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    ended
        .err
        .replace(directory.path().to_str().unwrap(), "HERE")
}

fn serve(data: &Path, options: &str) -> Command {
    serve_from(data, ANY_PORT.into(), options)
}

#[test]
fn a_directory_that_cannot_be_is_refused() {
    let directory = Directory::new("no-directory");
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let said = complaint(&mut serve(&file, ""), &directory);
    let advice = "name a directory that this user may write\n";
    let expected = format!("wavetank: cannot keep records in HERE/file: not a directory: {advice}");
    assert_eq!(said, expected);
    let said = complaint(&mut serve(&file.join("below"), ""), &directory);
    let start = "wavetank: cannot keep records in HERE/file/below: ";
    assert!(said.starts_with(start) && said.ends_with(advice), "{said}");
}

#[test]
fn a_directory_without_permission_is_refused() {
    let directory = Directory::new("no-permission");
    let closed = directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o500)).unwrap();
    let mut command = serve(&closed, "");
    // Nothing is forbidden to the superuser, who can be somebody else.
    if fs::write(closed.join("allowed"), "").is_ok() {
        command.uid(65_534).gid(65_534);
        if command.output().is_err() {
            return skipped("the program lies where only the superuser can run it");
        }
    }
    let said = complaint(&mut command, &directory);
    assert_eq!(
        said,
        "wavetank: cannot keep records in HERE/closed: Permission denied (os error 13): name a \
         directory that this user may write\n"
    );
}

#[test]
fn a_directory_in_use_is_refused() {
    let directory = Directory::new("in-use");
    let first = directory.serve("");
    assert_eq!(
        complaint(&mut serve(directory.path(), ""), &directory),
        "wavetank: HERE is in use by another process: end that one first, or name another directory\n"
    );
    // The one that was first goes on.
    assert_eq!(
        first.client("", &["query", "Meeting Room A", "mon"]).code,
        Some(0)
    );
    first.kill();
    directory.serve("");
}

#[test]
fn files_that_are_foreign_or_damaged_are_refused_and_left_alone() {
    let directory = Directory::new("damaged");
    drop(directory.serve(""));
    let whole = fs::read(directory.file()).unwrap();
    let mut flipped = whole.clone();
    flipped[..4_096].iter_mut().for_each(|byte| *byte ^= 0x55);
    for found in [b"somebody's letters", &whole[..10_000], &flipped] {
        fs::write(directory.file(), found).unwrap();
        let said = complaint(&mut serve(directory.path(), ""), &directory);
        let start = "wavetank: the records in HERE are damaged or not wavetank's (";
        let end = "): restore a copy, or move them away to begin with none\n";
        assert!(said.starts_with(start) && said.ends_with(end), "{said}");
        assert_eq!(fs::read(directory.file()).unwrap(), found);
    }
}

#[test]
fn other_facilities_than_were_stored_are_refused_and_more_are_not() {
    let directory = Directory::new("facilities");
    directory.serve("--facility Hall --facility Attic").kill();
    for (options, reason) in [
        (
            "--facility Attic --facility Hall",
            "facility 1 is 'Hall' in the records and 'Attic' in the configuration; facilities can \
             only be added at the end",
        ),
        (
            "--facility Hall",
            "facility 2 is 'Attic' in the records, and the configuration has 1; facilities can only \
             be added",
        ),
    ] {
        assert_eq!(
            complaint(&mut serve(directory.path(), options), &directory),
            format!(
                "wavetank: cannot serve from HERE: the record with key \"\\x01\" cannot be taken up: \
                 {reason}: name another directory, or serve what was served from it\n"
            )
        );
    }
    let server = directory.serve("--facility Hall --facility Attic --facility Cellar");
    assert_eq!(server.client("", &["query", "Cellar", "mon"]).code, Some(0));
}

/// `wavetank serve` where no file may become larger than so many blocks of 512 bytes.
fn serve_with_little_space(data: &Path, blocks: &str) -> Command {
    let server = serve(data, "");
    let mut command = Command::new("sh");
    let script = "ulimit -f \"$0\" && exec \"$@\"";
    command
        .args(["-c", script, blocks])
        .arg(server.get_program());
    command
        .args(server.get_args())
        .stdin(Stdio::null())
        .env_remove("RUST_LOG");
    command
}

#[test]
fn a_store_that_finds_no_space_is_not_opened() {
    let directory = Directory::new("no-space");
    let said = complaint(
        &mut serve_with_little_space(directory.path(), "100"),
        &directory,
    );
    assert_eq!(
        said,
        "wavetank: no space is left in HERE: free some and start again; what was acknowledged is safe\n"
    );
    directory.serve("");
}

/// A client by bytes, `WAVETANK` by name, that fills the disk of a server: each of its requests has a
/// long body that is none, is answered with error 5 and must be remembered, since it waits for all.
struct Filler {
    client: Client,
    session: Vec<u8>,
}

const FILLED: &str = "57 54 02 02 \"WAVETANK\"";

impl Filler {
    /// It has made one booking as request 1.
    fn of(server: SocketAddr) -> Self {
        let client = Client::of(server);
        let welcome = client.call(&bytes("57 54 02 07 \"WAVETANK\" 00000001"));
        let session = welcome[16..].to_vec();
        let filler = Self { client, session };
        filler.finds_its_booking();
        filler
    }

    /// The same life of it, with a server elsewhere.
    fn moves_to(&mut self, server: SocketAddr) {
        self.client = Client::of(server);
    }

    /// Books, or finds that it has.
    fn finds_its_booking(&self) {
        let book = bytes("02 0000000e\"Meeting Room A\" 000a00 000b00");
        let booked = bytes(&format!(
            "{FILLED} 00000001 0000000f 66 0000000a\"CONF000001\""
        ));
        assert_eq!(self.client.call(&self.request(1, &book)), booked);
    }

    fn request(&self, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut request = bytes("57 54 02 01 \"WAVETANK\"");
        request.extend(&self.session);
        request.extend(sequence.to_be_bytes());
        request.extend(1_u32.to_be_bytes());
        request.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        request.extend(body);
        request
    }

    fn long_request(&self, sequence: u32) -> Vec<u8> {
        self.request(sequence, &[0; 60_000])
    }

    /// The reply to a long request.
    fn invalid(sequence: u32) -> Vec<u8> {
        bytes(&format!("{FILLED} {sequence:08x} 00000002 ff 05"))
    }

    /// Calls until the server is gone; gives the number of the request that has no reply.
    fn fill(&self) -> u32 {
        let mut sequence = 2;
        for _ in 0..1_000 {
            match self.client.try_to_call(&self.long_request(sequence)) {
                Ok(reply) if reply == Self::invalid(sequence) => sequence += 1,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return sequence,
                // The server ended after it got the request, or is slow: it is sent again.
                _ => {}
            }
        }
        panic!("the disk is not full after {sequence} long requests");
    }

    /// Finds all replies of before, and one to the request that had none.
    fn finds_everything(&self, unanswered: u32) {
        self.finds_its_booking();
        for sequence in 2..=unanswered {
            let reply = self.client.call(&self.long_request(sequence));
            assert_eq!(reply, Self::invalid(sequence));
        }
    }
}

#[test]
fn a_server_that_runs_out_of_space_acknowledges_nothing_more_and_loses_nothing() {
    let directory = Directory::new("full");
    let server = Server::listening(&mut serve_with_little_space(directory.path(), BLOCKS));
    let mut filler = Filler::of(server.address);
    let unanswered = filler.fill();
    let (code, said) = server.ended();
    let expected = "wavetank: no space is left in HERE: free some and start again; what was \
                    acknowledged is safe\n";
    let here = directory.path().to_str().unwrap();
    assert_eq!(
        (code, said.replace(here, "HERE")),
        (Some(4), expected.to_owned())
    );
    assert!(unanswered > 2, "there was space for nothing");

    let server = directory.serve("");
    filler.moves_to(server.address);
    filler.finds_everything(unanswered);
    let query = server.client("", &["query", "Meeting Room A", "mon"]);
    assert!(
        query.out.contains("00:00 - 10:00, 11:00 - 24:00"),
        "{query:?}"
    );
}

/// A small disk of the shell's own, and two servers on it, one after the other; in between the disk is
/// made larger.
const SMALL_DISK: &str = "
    data=\"$0\"
    mount -t tmpfs -o size=600k none \"$data\" || exit 99
    \"$@\"
    echo \"ended with $?\"
    mount -o remount,size=16m \"$data\"
    exec \"$@\"";

#[test]
fn a_disk_that_is_full_is_the_same() {
    let directory = Directory::new("small-disk");
    let server = serve(directory.path(), "");
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        SMALL_DISK,
    ]);
    command
        .arg(directory.path())
        .arg(server.get_program())
        .args(server.get_args());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let Ok(mut disk) = command.env_remove("RUST_LOG").spawn() else {
        return skipped("no program `unshare`, to mount a small disk with");
    };
    let mut lines = BufReader::new(disk.stdout.take().unwrap()).lines();
    let mut address = || -> Option<SocketAddr> {
        let line = lines.next()?.unwrap();
        Some(line.strip_prefix("listening on ")?.parse().unwrap())
    };
    let Some(first) = address() else {
        let said = Ended::new(disk.wait_with_output().unwrap()).err;
        assert!(!said.contains("wavetank: "), "{said}");
        return skipped(&format!("no small disk can be mounted here: {said}"));
    };
    let mut filler = Filler::of(first);
    let unanswered = filler.fill();
    assert_eq!(
        address(),
        None,
        "a line that says how the first server ended"
    );
    let second = address().unwrap();
    filler.moves_to(second);
    filler.finds_everything(unanswered);
    disk.kill().unwrap();
    let ended = Ended::new(disk.wait_with_output().unwrap());
    assert!(
        ended.err.starts_with("wavetank: no space is left in "),
        "{ended:?}"
    );
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
}
