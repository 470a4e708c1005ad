//! Locks and files: the state of a lock server, without network and chance.
//!
//! ```text
//!            acquire          append A       append B        release
//! free  ->  token 7, until +2 s   staged: A  ->  staged: AB  ->  file: ..AB, free
//!                       \ its lease has run out and somebody waits: staged text vanishes, token 8 for the next
//! ```
//!
//! A *lease* that has run out ends nothing by itself: [`Lock::is_over`] says whether it may be ended. A
//! *fencing token* is given once; whoever comes with another than that of the living grant is refused.
//! Tokens and leases follow Gray and Cheriton, "Leases: an efficient fault-tolerant mechanism for
//! distributed file cache consistency", SOSP 1989, and Burrows, "The Chubby lock service for
//! loosely-coupled distributed systems", OSDI 2006, section 2.4 (sequencers).

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use crate::clock::Time;
use crate::id::{ClientId, OperationId};
use crate::rpc::service::Ticket;
use crate::services::lock::files::{FILE_BYTES_MAX, FILES, FileId, STAGED_BYTES_MAX, TEXT_BYTES};
use crate::services::lock::message::Refusal;
use crate::services::lock::settings::Locks;

/// A lock: its number. It is that of the file that it guards; where one lock guards all, it is 0.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct LockId(pub(super) u16);

impl LockId {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One lock.
#[derive(Clone, Debug, Default)]
pub(super) struct Lock {
    /// The last token that was given; 0 if none was.
    pub(super) newest: u64,
    /// The token of the last grant that its holder gave back; 0 if there is none.
    pub(super) given_back: u64,
    /// The living grant.
    pub(super) grant: Option<Grant>,
    /// Who waits, in order of arrival.
    pub(super) queue: VecDeque<Waiter>,
}

/// A grant that lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Grant {
    pub(super) token: u64,
    pub(super) holder: ClientId,
    /// The acquire that it was given to.
    pub(super) operation: OperationId,
    /// When its lease runs out.
    pub(super) until: Time,
    /// What appears at its release, in order.
    pub(super) staged: Vec<(FileId, String)>,
    /// What that takes, in bytes: [`TEXT_BYTES`] more for each text than its own.
    pub(super) staged_bytes: usize,
}

/// A request that waits for a lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Waiter {
    pub(super) ticket: Ticket,
    pub(super) client: ClientId,
    pub(super) operation: OperationId,
    /// When its client was last heard of.
    pub(super) heard: Time,
}

impl Lock {
    /// The grant that a client holds with this token, or why it does not.
    pub(super) fn held(&mut self, token: u64, client: ClientId) -> Result<&mut Grant, Refusal> {
        let refusal = match token {
            0 => Refusal::NotTheHolder,
            _ if token == self.given_back => Refusal::NotTheHolder,
            _ => Refusal::LeaseLost,
        };
        let grant = self.grant.as_mut();
        let held = grant.filter(|grant| grant.token == token && grant.holder == client);
        held.ok_or(refusal)
    }

    /// Whether its grant has outlived its lease.
    pub(super) fn is_over(&self, now: Time) -> bool {
        self.grant.as_ref().is_some_and(|grant| grant.until <= now)
    }

    /// Grants it, and says which token that gives.
    pub(super) fn give(&mut self, holder: ClientId, operation: OperationId, until: Time) -> u64 {
        self.newest += 1;
        self.grant = Some(Grant {
            token: self.newest,
            holder,
            operation,
            until,
            staged: Vec::new(),
            staged_bytes: 0,
        });
        self.newest
    }
}

impl Grant {
    /// Its staged text for a file.
    pub(super) fn staged_for(&self, file: FileId) -> impl Iterator<Item = &str> {
        let of_file = self.staged.iter().filter(move |(of, _)| *of == file);
        of_file.map(|(_, text)| text.as_str())
    }
}

/// All locks and files.
#[derive(Clone, Debug)]
pub(super) struct LockState {
    kind: Locks,
    pub(super) locks: Vec<Lock>,
    files: Vec<File>,
}

/// A file, and how much of it is where on the disk.
#[derive(Clone, Debug, Default)]
struct File {
    text: String,
    pieces: Pieces,
}

/// The pieces in which a file is stored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Pieces {
    /// How many there are.
    pub(super) count: u32,
    /// Where the last one begins, in bytes.
    pub(super) last: usize,
}

impl LockState {
    /// Empty files, and free locks of this kind.
    pub(super) fn new(kind: Locks) -> Self {
        let count = match kind {
            Locks::PerFile => usize::from(FILES),
            Locks::Global => 1,
        };
        Self {
            kind,
            locks: vec![Lock::default(); count],
            files: vec![File::default(); usize::from(FILES)],
        }
    }

    /// What one lock guards.
    pub(super) const fn kind(&self) -> Locks {
        self.kind
    }

    /// Every lock's number.
    pub(super) fn ids(&self) -> impl Iterator<Item = LockId> + use<> {
        (0..self.locks.len() as u16).map(LockId)
    }

    /// The lock that guards a file.
    pub(super) const fn guarding(&self, file: FileId) -> LockId {
        match self.kind {
            Locks::PerFile => LockId(file.number()),
            Locks::Global => LockId(0),
        }
    }

    pub(super) fn lock(&mut self, id: LockId) -> &mut Lock {
        &mut self.locks[id.index()]
    }

    /// The released text of a file.
    pub(super) fn text(&self, file: FileId) -> &str {
        &self.files[file.index()].text
    }

    /// The pieces in which a file is stored.
    pub(super) fn pieces(&mut self, file: FileId) -> &mut Pieces {
        &mut self.files[file.index()].pieces
    }

    /// Stages a text under the living grant of a lock.
    ///
    /// # Errors
    ///
    /// If there is no room for it in the file, or among what a grant may stage.
    pub(super) fn stage(&mut self, id: LockId, file: FileId, text: &str) -> Result<(), Refusal> {
        let released = self.text(file).len();
        let Some(grant) = &mut self.locks[id.index()].grant else {
            return Err(Refusal::NotTheHolder);
        };
        let staged: usize = grant.staged_for(file).map(str::len).sum();
        let takes = TEXT_BYTES + text.len();
        let fits = released + staged + text.len() <= FILE_BYTES_MAX
            && grant.staged_bytes + takes <= STAGED_BYTES_MAX;
        if !fits {
            return Err(Refusal::Full);
        }
        grant.staged_bytes += takes;
        grant.staged.push((file, text.to_owned()));
        Ok(())
    }

    /// Lets a text appear at the end of a file.
    ///
    /// # Errors
    ///
    /// If there is no room for it.
    pub(super) fn append(&mut self, file: FileId, text: &str) -> Result<(), Refusal> {
        let file = &mut self.files[file.index()].text;
        if file.len() + text.len() > FILE_BYTES_MAX {
            return Err(Refusal::Full);
        }
        file.push_str(text);
        Ok(())
    }

    /// Ends the living grant of a lock at its holder's wish: what was staged appears. Gives the files that
    /// have grown, and by how many bytes.
    pub(super) fn give_back(&mut self, id: LockId) -> BTreeMap<FileId, usize> {
        let lock = &mut self.locks[id.index()];
        let Some(mut grant) = lock.grant.take() else {
            return BTreeMap::new();
        };
        lock.given_back = grant.token;
        let mut grown = BTreeMap::new();
        for (file, text) in mem::take(&mut grant.staged) {
            self.files[file.index()].text.push_str(&text); // it was staged because there was room
            *grown.entry(file).or_default() += text.len();
        }
        grown
    }

    /// The piece of a file from this byte on, at most so long, as a client sees it whose grant has this
    /// token: with its own staged text. Also whether that grant lives, and how long the file is then.
    /// `None` if there is no character at `from`.
    pub(super) fn read(
        &self,
        (file, from, most): (FileId, usize, usize),
        token: u64,
        client: ClientId,
    ) -> Option<(bool, usize, String)> {
        let lock = &self.locks[self.guarding(file).index()];
        let own = |grant: &&Grant| grant.token == token && grant.holder == client;
        let own = lock.grant.as_ref().filter(own);
        let released = self.text(file);
        let staged: String = own
            .iter()
            .flat_map(|grant| grant.staged_for(file))
            .collect();
        let total = released.len() + staged.len();
        let (first, second) = match from.checked_sub(released.len()) {
            None => (released.get(from..)?, &staged[..]),
            Some(over) if from <= total => ("", staged.get(over..)?),
            Some(_) => ("", ""),
        };
        let mut piece = beginning(first, most).to_owned();
        if piece.len() == first.len() {
            piece.push_str(beginning(second, most - piece.len()));
        }
        Some((own.is_some(), total, piece))
    }
}

/// As much of a text as fits into so many bytes.
fn beginning(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
