//! The file of `--out`, written block by block.
//!
//! With a range of seeds the runs are done in the order of the file, and each block is appended: a
//! kill leaves whole lines, and at most a torn last one. With a time, the range is known only at the
//! end: the blocks go to a second file, `FILE.part`, and are copied from there in the right order.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};

use anyhow::Context;

use crate::cli::exit::UsageError;
use crate::sim::explored::{Header, RunLine, line};

/// Where runs are kept.
pub(crate) enum Kept {
    /// Nowhere.
    Nowhere,
    /// In the file, in its order.
    InOrder(Named),
    /// In the second file.
    Unsorted(Unsorted),
}

/// A file and its name.
pub(crate) struct Named {
    path: String,
    file: File,
}

/// Blocks in the order in which they were run.
pub(crate) struct Unsorted {
    path: String,
    part: Named,
    written: u64,
    /// For each variant, where its blocks are: their first bytes and lengths.
    blocks: Vec<Vec<(u64, u64)>>,
}

/// A file of runs from its beginning, line by line.
pub(crate) struct Lines {
    path: String,
    reader: BufReader<File>,
    line: u64,
    /// Bytes of whole lines so far.
    pub(crate) whole: u64,
    /// Whether it ends in the middle of a line.
    pub(crate) is_torn: bool,
}

impl Kept {
    /// Begins a file.
    pub(crate) fn create(path: &str, header: &Header) -> anyhow::Result<Self> {
        let mut named = Named::create(path.to_owned())?;
        named.write(line(header).as_bytes())?;
        Ok(Self::InOrder(named))
    }

    /// Begins a file of so many variants whose range is known at the end only.
    pub(crate) fn create_unsorted(path: &str, variants: usize) -> anyhow::Result<Self> {
        Ok(Self::Unsorted(Unsorted {
            path: path.to_owned(),
            part: Named::create(format!("{path}.part"))?,
            written: 0,
            blocks: vec![Vec::new(); variants],
        }))
    }

    /// Goes on with a file, or begins it if there is none. What is in it is handed to `take`, run by
    /// run, with the place; a torn last line is dropped.
    pub(crate) fn resume(
        path: &str,
        header: &Header,
        mut take: impl FnMut(RunLine, &str) -> Result<(), UsageError>,
    ) -> anyhow::Result<Self> {
        let mut options = File::options();
        let file = match options.read(true).write(true).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::create(path, header),
            file => file.with_context(|| format!("{path}: cannot be opened"))?,
        };
        let copy = file
            .try_clone()
            .with_context(|| format!("{path}: cannot be opened"))?;
        let mut lines = Lines::new(path, copy);
        if let Some(found) = lines.header()? {
            check_same(path, header, &found)?;
            while let Some((run, _)) = lines.next_run()? {
                take(run, &lines.place())?;
            }
        }
        let mut named = Named {
            path: path.to_owned(),
            file,
        };
        let is_empty = lines.whole == 0;
        if is_empty {
            // What a killed exploration has left of its first line is no loss. Anything else is not ours.
            let begun = fs::read(path).with_context(|| format!("{path}: cannot be read"))?;
            if !line(header).as_bytes().starts_with(&begun) {
                let message =
                    format!("{path}:1: is no file of `wavetank explore`; it is left alone");
                return Err(UsageError(message).into());
            }
        }
        let cut = named.file.set_len(lines.whole);
        cut.and_then(|()| named.file.seek(SeekFrom::End(0)))
            .with_context(|| format!("{path}: cannot be written"))?;
        if is_empty {
            named.write(line(header).as_bytes())?;
        }
        Ok(Self::InOrder(named))
    }

    /// Appends the runs of a block, of the variant in this place.
    pub(crate) fn write(&mut self, variant: usize, runs: &[RunLine]) -> anyhow::Result<()> {
        let text = || -> String { runs.iter().map(line).collect() };
        match self {
            Self::Nowhere => Ok(()),
            Self::InOrder(named) => named.write(text().as_bytes()),
            Self::Unsorted(unsorted) => {
                let text = text();
                let length = text.len() as u64;
                unsorted.blocks[variant].push((unsorted.written, length));
                unsorted.written += length;
                unsorted.part.write(text.as_bytes())
            }
        }
    }

    /// Ends the file, if its range was not known until now.
    pub(crate) fn finish(self, header: &Header) -> anyhow::Result<()> {
        match self {
            Self::Nowhere | Self::InOrder(_) => Ok(()),
            Self::Unsorted(unsorted) => unsorted.finish(header),
        }
    }
}

impl Named {
    fn create(path: String) -> anyhow::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&path);
        let file = file.with_context(|| format!("{path}: cannot be created"))?;
        Ok(Self { path, file })
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.file.write_all(bytes);
        written.with_context(|| format!("{}: cannot be written", self.path))
    }
}

impl Unsorted {
    fn finish(mut self, header: &Header) -> anyhow::Result<()> {
        let sorted = Named::create(self.path.clone())?;
        let mut to = BufWriter::new(sorted.file);
        self.copy(header, &mut to)
            .with_context(|| format!("{}: cannot be written", self.path))?;
        let path = &self.part.path;
        fs::remove_file(path).with_context(|| format!("{path}: cannot be removed"))
    }

    fn copy(&mut self, header: &Header, to: &mut impl Write) -> io::Result<()> {
        to.write_all(line(header).as_bytes())?;
        for &(from, length) in self.blocks.iter().flatten() {
            self.part.file.seek(SeekFrom::Start(from))?;
            io::copy(&mut (&self.part.file).take(length), to)?;
        }
        to.flush()
    }
}

/// The file was begun by the same command.
fn check_same(path: &str, own: &Header, found: &Header) -> Result<(), UsageError> {
    let seeds = |header: &Header| header.seeds.join("..");
    let difference = own.first_difference(found).or_else(|| {
        let fields = [
            ("seeds", seeds(own), seeds(found)),
            ("shard", own.shard.clone(), found.shard.clone()),
        ];
        let mut fields = fields.into_iter();
        fields.find_map(|(name, own, found)| {
            (own != found).then(|| format!("`{name}` is {found} and not {own}"))
        })
    });
    difference.map_or(Ok(()), |difference| {
        Err(UsageError(format!(
            "{path}: cannot be resumed: its {difference}; repeat the command that began it, or name \
             another file"
        )))
    })
}

impl Lines {
    /// Opens a file.
    pub(crate) fn open(path: &str) -> anyhow::Result<Self> {
        let file = File::open(path);
        let file = file.map_err(|error| UsageError(format!("{path}: cannot be read: {error}")))?;
        Ok(Self::new(path, file))
    }

    fn new(path: &str, file: File) -> Self {
        Self {
            path: path.to_owned(),
            reader: BufReader::new(file),
            line: 0,
            whole: 0,
            is_torn: false,
        }
    }

    /// The first line; `None` if not even that is whole.
    pub(crate) fn header(&mut self) -> anyhow::Result<Option<Header>> {
        let Some(text) = self.next_line()? else {
            return Ok(None);
        };
        let header = serde_json::from_str(&text).map_err(|error| {
            let place = self.place();
            UsageError(format!(
                "{place}: is no file of `wavetank explore`: {error}"
            ))
        });
        Ok(Some(header?))
    }

    /// The next run, and its line as it stands there; `None` at the end, torn or not.
    pub(crate) fn next_run(&mut self) -> anyhow::Result<Option<(RunLine, String)>> {
        let Some(text) = self.next_line()? else {
            return Ok(None);
        };
        let run = serde_json::from_str(&text)
            .map_err(|error| UsageError(format!("{}: is no run: {error}", self.place())))?;
        Ok(Some((run, text)))
    }

    /// `FILE:LINE` of what was read last.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.path, self.line)
    }

    fn next_line(&mut self) -> anyhow::Result<Option<String>> {
        let mut bytes = Vec::new();
        let read = self.reader.read_until(b'\n', &mut bytes);
        let length = read.with_context(|| format!("{}: cannot be read", self.path))?;
        if bytes.last() != Some(&b'\n') {
            self.is_torn = length > 0;
            return Ok(None);
        }
        self.line += 1;
        self.whole += length as u64;
        let text = String::from_utf8(bytes);
        Ok(Some(text.map_err(|_| {
            UsageError(format!("{}: is no text", self.place()))
        })?))
    }
}
