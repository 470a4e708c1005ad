//! Where text goes: stdout and stderr, without a fuss when nobody reads any more.

use std::io::{self, BufWriter, ErrorKind, Write};

/// A stream that a reader may close early, as `head` does: what is written after that is dropped,
/// and the program goes on to its exit code.
#[derive(Debug)]
pub(crate) struct Stream<W> {
    to: W,
    /// What errors call it.
    name: &'static str,
    closed: bool,
}

impl<W: Write> Stream<W> {
    const fn new(to: W, name: &'static str) -> Self {
        Self {
            to,
            name,
            closed: false,
        }
    }

    fn unless_closed<T>(&mut self, result: io::Result<T>, dropped: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(dropped)
            }
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("{}: {error}", self.name),
            )),
            ok => ok,
        }
    }
}

impl<W: Write> Write for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let written = self.to.write(bytes);
        self.unless_closed(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let flushed = self.to.flush();
        self.unless_closed(flushed, ())
    }
}

/// Prints a line on stdout, at once. If nobody reads any more, whoever speaks goes on unheard.
pub(crate) fn print_line(line: std::fmt::Arguments<'_>) {
    let mut stdout = Stream::new(io::stdout().lock(), "stdout");
    if let Err(error) = writeln!(stdout, "{line}") {
        note_line(format_args!("wavetank: {error}"));
    }
}

/// Prints a line on stderr, at once. If nobody reads it, nothing is lost but words.
pub(crate) fn note_line(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(stderr(), "{line}");
}

/// `println!` for those who speak to a person: see [`print_line`].
macro_rules! say {
    ($($line:tt)*) => { $crate::cli::out::print_line(format_args!($($line)*)) };
}
pub(crate) use say;

/// `eprintln!` for those who speak to a person: see [`note_line`].
macro_rules! note {
    ($($line:tt)*) => { $crate::cli::out::note_line(format_args!($($line)*)) };
}
pub(crate) use note;

/// Stdout, for data.
pub(crate) fn stdout() -> BufWriter<Stream<io::StdoutLock<'static>>> {
    BufWriter::new(Stream::new(io::stdout().lock(), "stdout"))
}

/// Stderr, for progress, logs and errors.
pub(crate) fn stderr() -> Stream<io::Stderr> {
    Stream::new(io::stderr(), "stderr")
}

/// Prints data, all of it at once.
///
/// # Errors
///
/// If stdout cannot be written to; that its reader has left is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_who_left_is_no_error() {
        let mut stream = Stream::new(Failing(ErrorKind::BrokenPipe), "stdout");
        assert!(stream.write_all(b"dropped").is_ok());
        assert!(stream.closed);
        assert!(stream.flush().is_ok());
    }

    #[test]
    fn a_full_disk_is_one() {
        let mut stream = Stream::new(Failing(ErrorKind::StorageFull), "stdout");
        let error = stream.write_all(b"lost").map_err(|error| error.to_string());
        assert_eq!(error, Err("stdout: no storage space".to_owned()));
    }
}
