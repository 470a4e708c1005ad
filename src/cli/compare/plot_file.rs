//! The file of `--plot`: whole, or not there.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A file that is to be written. Until it is whole, it is called `FILE.part`; that is removed if it
/// cannot be made whole. A signal that ends the program leaves it.
#[derive(Debug)]
pub(super) struct PlotFile {
    /// What errors call it.
    name: String,
    path: PathBuf,
    part: PathBuf,
    file: File,
}

impl PlotFile {
    /// Begins the file.
    ///
    /// # Errors
    ///
    /// If it could not be written in the end.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let context = || format!("{name}: cannot be written");
        // A link stays a link, and leads to the new file.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Ok(found) = fs::metadata(&path) {
            if !found.is_file() {
                bail!("{name}: cannot be written: it is no regular file");
            }
            // It is replaced only if it may be.
            File::options()
                .append(true)
                .open(&path)
                .with_context(context)?;
        }
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).with_context(context)?;
        Ok(Self {
            name,
            path,
            part,
            file,
        })
    }

    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// If it cannot be written. The file is then what it was before.
    pub(super) fn write(mut self, text: &str) -> anyhow::Result<()> {
        let written = self.file.write_all(text.as_bytes());
        written
            .and_then(|()| self.file.sync_all())
            .and_then(|()| fs::rename(&self.part, &self.path))
            .with_context(|| format!("{}: cannot be written", self.name))
    }
}

impl Drop for PlotFile {
    fn drop(&mut self) {
        // If it was written, it has another name by now.
        let _ = fs::remove_file(&self.part);
    }
}
