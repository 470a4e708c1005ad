//! A simulated disk: what is written is safe when it is synced, and what is not meets its fate at a
//! crash.
//!
//! ```text
//!   write, set_len ──► written ──sync──► safe
//!                         │               │
//!   crash          keep   └► both become ─┘   lose
//!                        tear: sector by sector, as drawn
//! ```
//!
//! Pages are shared until they are written, so that a new disk costs next to nothing.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::disk::store::Store;
use crate::seed::Stream;

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// What is copied when a shared page is written, in bytes: the size of redb's own pages.
const PAGE: usize = 4_096;

/// The content of a page that nobody has written.
static ZEROES: [u8; PAGE] = [0; PAGE];

/// What becomes at a crash of what a disk has not synced.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DiskFate {
    /// It is kept.
    #[default]
    Keep,
    /// It is lost.
    Lose,
    /// Of each sector of 512 bytes, either the old content is found or the new.
    Tear,
    /// The disk has lied since the story began: what it said was synced is lost with the rest.
    Lie,
}

/// What a crash has done to a disk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Damage {
    /// Sectors whose content was not synced, and differed from what was.
    pub unsynced: u32,
    /// How many of them hold their old content now.
    pub lost: u32,
}

/// The disk of a simulated host. It survives the host's lives; clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// What the present life has written.
    written: Image,
    /// What would be found if all else were lost.
    safe: Image,
    /// Pages that may differ between the two.
    unsynced: BTreeSet<usize>,
    /// Which life the host is in: what earlier ones still call has no effect.
    life: u64,
    /// Mutating operations so far.
    operations: u64,
    /// How many more of them succeed, if the disk is to fail.
    left: Option<u64>,
    failed: bool,
    /// The operation in which it failed: a crash that tears may find parts of it.
    interrupted: Option<Interrupted>,
    lies: bool,
}

#[derive(Debug)]
enum Interrupted {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// The content of a disk: pages that nobody has written are zero, and so is all beyond the length.
#[derive(Clone, Debug, Default)]
struct Image {
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
    len: u64,
}

/// A disk as one life of its host sees it.
#[derive(Debug)]
struct Life {
    disk: SimDisk,
    life: u64,
}

/// What opening a store on an empty disk and closing it leaves: made once per process.
static FORMATTED: LazyLock<Image> = LazyLock::new(|| {
    let disk = SimDisk::over(Image::default());
    let store = Store::open(disk.backend()).expect("an empty disk without faults takes a store");
    drop(store);
    disk.state().written.clone()
});

impl SimDisk {
    /// A disk with an empty store on it, all of it safe.
    #[must_use]
    pub fn formatted() -> Self {
        Self::over(FORMATTED.clone())
    }

    fn over(image: Image) -> Self {
        let state = State {
            written: image.clone(),
            safe: image,
            unsynced: BTreeSet::new(),
            life: 0,
            operations: 0,
            left: None,
            failed: false,
            interrupted: None,
            lies: false,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The disk for the present life of its host. After the next crash every call through it fails
    /// and has no effect, so that a store of an older life may be closed whenever that happens.
    #[must_use]
    pub fn backend(&self) -> impl StorageBackend + use<> {
        Life {
            disk: self.clone(),
            life: self.state().life,
        }
    }

    /// The life of the host ends. What is not synced meets its fate, for which [`DiskFate::Tear`]
    /// alone draws: one number below 2 for the length, if that is not synced, then one for each
    /// sector that is not, in their order; what was added or cut off goes with the length, unless
    /// an added length is found. [`DiskFate::Lie`] is [`DiskFate::Lose`] here: it is
    /// [`lie`](Self::lie) that makes the difference.
    ///
    /// A disk that lies and keeps has not become safe thereby: a later crash may lose it.
    ///
    /// The next life finds the disk in order, with no failure ahead; whether it lies is not changed.
    pub fn crash(&self, fate: DiskFate, chance: &mut Stream) -> Damage {
        self.state().crash(fate, chance)
    }

    /// Lets so many further operations that change the disk succeed (writes, changes of the length
    /// and syncs), and then fails: the next one has no effect, except that a crash which tears may
    /// find parts of it, and all later ones fail too, reading included. `None`: it will not fail.
    pub fn fail_after(&self, operations: Option<u64>) {
        self.state().left = operations;
    }

    /// Whether it has failed, in this life of its host.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// While it lies, a sync does nothing and says that it did: what was written since the last
    /// honest sync is not safe. The first sync after that makes all of it safe.
    pub fn lie(&self, lies: bool) {
        self.state().lies = lies;
    }

    /// How many operations that change the disk it has been asked for and has done, in all lives.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts one operation that changes the disk; `false` if the disk fails in it.
    fn spend(&mut self) -> bool {
        if self.left == Some(0) {
            self.failed = true;
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        self.operations += 1;
        true
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let end = offset + data.len() as u64;
        self.written.len = self.written.len.max(end);
        self.unsynced.extend(pages(offset, end));
        self.written.write(offset, data);
    }

    fn set_len(&mut self, len: u64) {
        let (from, to) = (self.written.len.min(len), self.written.len.max(len));
        self.unsynced.extend(pages(from, to));
        self.written.set_len(len);
    }

    fn sync(&mut self) {
        if self.lies {
            return;
        }
        for page in std::mem::take(&mut self.unsynced) {
            self.safe.set_page(page, self.written.page(page).cloned());
        }
        self.safe.set_len(self.written.len);
    }

    fn crash(&mut self, fate: DiskFate, chance: &mut Stream) -> Damage {
        let interrupted = self.interrupted.take();
        if fate == DiskFate::Tear {
            match interrupted {
                Some(Interrupted::Write(offset, data)) => self.write(offset, &data),
                Some(Interrupted::Length(len)) => self.set_len(len),
                None => {}
            }
        }
        let damage = if fate == DiskFate::Keep && self.lies {
            Damage::default() // what it has not written it has still, to be lost later
        } else {
            self.settle(fate, chance)
        };
        self.life += 1;
        self.left = None;
        self.failed = false;
        damage
    }

    /// Both images become what the next life finds.
    fn settle(&mut self, fate: DiskFate, chance: &mut Stream) -> Damage {
        let mut damage = Damage::default();
        let mut is_lost = || match fate {
            DiskFate::Keep => false,
            DiskFate::Lose | DiskFate::Lie => true,
            DiskFate::Tear => chance.below(2) == 0,
        };
        let (old_len, new_len) = (self.safe.len, self.written.len);
        let length_is_lost = old_len != new_len && is_lost();
        let len = if length_is_lost { old_len } else { new_len };
        // What lies beyond shares the fate of the length.
        let bound = len.min(new_len);
        for page in std::mem::take(&mut self.unsynced) {
            let old = self.safe.page(page).map_or(&ZEROES, |old| &**old);
            let mut found = *self.written.page(page).map_or(&ZEROES, |new| &**new);
            for start in (0..PAGE).step_by(SECTOR) {
                let sector = start..start + SECTOR;
                if found[sector.clone()] == old[sector.clone()] {
                    continue;
                }
                let beyond = (page * PAGE + start) as u64 >= bound;
                damage.unsynced += 1;
                if (beyond && length_is_lost) || (!beyond && is_lost()) {
                    damage.lost += 1;
                    found[sector.clone()].copy_from_slice(&old[sector]);
                }
            }
            self.written.set_page(page, Some(Arc::new(found)));
        }
        self.written.set_len(len);
        self.safe = self.written.clone();
        damage
    }
}

impl Image {
    fn page(&self, page: usize) -> Option<&Arc<[u8; PAGE]>> {
        self.pages.get(page)?.as_ref()
    }

    fn set_page(&mut self, page: usize, content: Option<Arc<[u8; PAGE]>>) {
        if page >= self.pages.len() {
            self.pages.resize(page + 1, None);
        }
        self.pages[page] = content;
    }

    fn set_len(&mut self, len: u64) {
        self.len = len;
        let whole = place(len);
        let (last, kept) = (whole / PAGE, whole % PAGE);
        if kept > 0 && self.page(last).is_some() {
            self.page_mut(last)[kept..].fill(0);
        }
        self.pages.truncate(whole.div_ceil(PAGE));
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let mut at = place(offset);
        let mut left = data;
        while !left.is_empty() {
            let start = at % PAGE;
            let (here, rest) = left.split_at(left.len().min(PAGE - start));
            if let Ok(whole) = <[u8; PAGE]>::try_from(here) {
                self.set_page(at / PAGE, Some(Arc::new(whole)));
            } else {
                self.page_mut(at / PAGE)[start..start + here.len()].copy_from_slice(here);
            }
            at += here.len();
            left = rest;
        }
    }

    /// Says whether all of it is there to be read.
    fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        if offset
            .checked_add(out.len() as u64)
            .is_none_or(|end| end > self.len)
        {
            return false;
        }
        let mut at = place(offset);
        let mut left = out;
        while !left.is_empty() {
            let start = at % PAGE;
            let len = left.len().min(PAGE - start);
            let (here, rest) = left.split_at_mut(len);
            let page = self.page(at / PAGE).map_or(&ZEROES, |page| &**page);
            here.copy_from_slice(&page[start..start + len]);
            at += len;
            left = rest;
        }
        true
    }

    /// A page to write to, which is nobody else's.
    fn page_mut(&mut self, page: usize) -> &mut [u8; PAGE] {
        if page >= self.pages.len() {
            self.pages.resize(page + 1, None);
        }
        Arc::make_mut(self.pages[page].get_or_insert_with(|| Arc::new(ZEROES)))
    }
}

impl Life {
    /// The disk, as long as the life lasts and the disk works.
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("the life of this host has ended"));
        }
        if state.failed {
            return Err(failure());
        }
        Ok(state)
    }
}

impl StorageBackend for Life {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.written.len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.state()?.written.read(offset, out) {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state()?;
        if !state.spend() {
            state.interrupted = Some(Interrupted::Length(len));
            return Err(failure());
        }
        state.set_len(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state()?;
        if !state.spend() {
            return Err(failure());
        }
        state.sync();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        if !state.spend() {
            state.interrupted = Some(Interrupted::Write(offset, data.to_vec()));
            return Err(failure());
        }
        state.write(offset, data);
        Ok(())
    }
}

fn failure() -> io::Error {
    io::Error::other("the simulated disk has failed")
}

/// The pages that hold the bytes from `start` to below `end`.
fn pages(start: u64, end: u64) -> Range<usize> {
    place(start) / PAGE..place(end).div_ceil(PAGE)
}

/// A place on the disk as one in memory, which holds all of the disk.
fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a simulated disk fits into memory")
}

#[cfg(test)]
#[path = "sim_tests.rs"]
mod tests;
