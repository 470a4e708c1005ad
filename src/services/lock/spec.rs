//! What the lock service promises, done one request after the other: a grant and a text for each lock,
//! and no more.
//!
//! It knows neither time nor clients: who comes with the token of the living grant is its holder. As it does
//! not know when a lease runs out or a client closes, a grant may be over whenever a reply says so, and is
//! over from there on:
//!
//! ```text
//! granted 7   staged A   lease lost   staged B        violated: the grant was over
//! granted 7   staged A   granted 8    read: A         violated: the text of 7 has vanished
//! granted 7   staged A   released     read: nothing   violated: it has appeared
//! granted 7   granted 6                               violated: tokens only grow
//! ```
//!
//! Nobody has told it the tokens of the commands of a setup, which ended well: they are taken for those of
//! one holder after the other, whose tokens count on by one. So a setup is not to acquire what it holds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::check::sequential::SequentialSpec;
use crate::services::lock::files::{FILE_BYTES_MAX, FileId, STAGED_BYTES_MAX};
use crate::services::lock::message::{Lease, Refusal, Reply, Request};
use crate::services::lock::settings::Locks;

/// The sequential specification of the lock service.
#[derive(Clone, Debug)]
pub(super) struct LockSpec {
    locks: Locks,
}

/// One lock and the files that it guards.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Guarded {
    /// The newest token.
    newest: u64,
    /// The grant that lives, if one does.
    grant: Option<Grant>,
    /// What has been released.
    files: Texts,
}

/// A grant that lives, unless a reply says that it is over.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Grant {
    token: u64,
    /// Whether the token has been seen in a reply or a request. Until then, requests of a setup need none.
    is_seen: bool,
    /// What it has staged.
    staged: Texts,
}

/// The texts of files. One that is not there is empty.
type Texts = Rc<BTreeMap<FileId, String>>;

impl LockSpec {
    /// The specification of a service whose locks guard this.
    pub(super) const fn new(locks: Locks) -> Self {
        Self { locks }
    }

    fn grants(&self, lease: &Lease) -> bool {
        lease.is_global == (self.locks == Locks::Global)
    }
}

impl SequentialSpec for LockSpec {
    type State = Guarded;

    fn initial(&self) -> Guarded {
        Guarded::default()
    }

    fn step(&self, state: &Guarded, request: &[u8], told: Option<&[u8]>) -> Option<Guarded> {
        let told = match told.map(Reply::decode) {
            None => None,
            Some(Ok(reply)) => Some(reply),
            Some(Err(_)) => return None,
        };
        let Ok(request) = Request::decode(request) else {
            let is_right = told.is_none_or(|told| told == Reply::Refused(Refusal::Invalid));
            return is_right.then(|| state.clone());
        };
        let Some((name, token)) = about(&request) else {
            let right = match request {
                Request::Hello => Reply::Connected,
                _ => Reply::Disconnected,
            };
            let is_right = told.is_none_or(|told| told == right);
            return is_right.then(|| state.clone());
        };
        let Some(file) = FileId::named(name) else {
            let is_right = told.is_none_or(|told| told == Reply::Refused(Refusal::FileNotFound));
            return is_right.then(|| state.clone());
        };
        let mut after = state.clone();
        after.see(token);
        let Some(told) = told else {
            after.do_untold(&request, file, token);
            return Some(after);
        };
        let is_right = match (&request, &told) {
            (Request::Acquire { .. }, Reply::Granted(lease)) => {
                self.grants(lease) && after.grant(lease.token)
            }
            // A client that closes waits no longer, as one that was silent for too long.
            (Request::Acquire { .. }, Reply::Refused(Refusal::Skipped | Refusal::NotTheHolder)) => {
                true
            }
            (Request::Renew { .. }, Reply::Renewed(lease)) => {
                self.grants(lease) && lease.token == token && after.is_living(token)
            }
            (Request::Append { text, .. }, Reply::Staged { token: by }) => {
                *by == token && after.stage(file, token, text)
            }
            (Request::Append { text, .. }, Reply::Refused(Refusal::Full)) => {
                after.is_living(token) && !after.fits(file, text)
            }
            (Request::Release { .. }, Reply::Released { token: by }) => {
                *by == token && after.release(token)
            }
            (Request::Read { from, .. }, Reply::Refused(Refusal::Invalid)) => {
                after.splits_a_character(file, token, *from)
            }
            (Request::Read { from, .. }, Reply::Text { token: by, .. }) => {
                (*by == token || *by == 0)
                    && after.has_or_loses(*by, token)
                    && after.shows(file, *from, &told)
            }
            (
                Request::Renew { .. } | Request::Append { .. } | Request::Release { .. },
                Reply::Refused(refusal @ (Refusal::NotTheHolder | Refusal::LeaseLost)),
            ) => {
                after.lose(token);
                token > 0 || *refusal == Refusal::NotTheHolder
            }
            _ => false,
        };
        is_right.then_some(after)
    }

    fn only_reads(&self, request: &[u8]) -> bool {
        let Ok(request) = Request::decode(request) else {
            return true;
        };
        match about(&request) {
            None => true,
            Some((name, token)) => {
                // A reply to whoever has a token may say that the grant is over.
                let is_plain_read = matches!(request, Request::Read { .. }) && token == 0;
                is_plain_read || FileId::named(name).is_none()
            }
        }
    }

    fn part<'a>(&self, request: &'a [u8]) -> &'a [u8] {
        // A name is borrowed from the request, and a file has one name.
        match (self.locks, name_of(request)) {
            (Locks::PerFile, Some(name)) => name.as_bytes(),
            _ => &[],
        }
    }
}

impl Guarded {
    fn is_living(&self, token: u64) -> bool {
        self.grant.as_ref().is_some_and(|it| it.token == token)
    }

    /// A client has shown that it knows this token.
    fn see(&mut self, token: u64) {
        for grant in self.grant.iter_mut().filter(|it| it.token == token) {
            grant.is_seen = true;
        }
    }

    /// Does a request whose client was given no reply, if it can be done.
    fn do_untold(&mut self, request: &Request<'_>, file: FileId, token: u64) {
        let of_setup = self.grant.as_ref().filter(|it| token == 0 && !it.is_seen);
        let token = of_setup.map_or(token, |grant| grant.token);
        match request {
            Request::Acquire { .. } => self.give(self.newest + 1, false),
            Request::Append { text, .. } => {
                self.stage(file, token, text);
            }
            Request::Release { .. } => {
                self.release(token);
            }
            _ => {}
        }
    }

    /// Whether a client can be told of a grant with this token: it is a new one, or the living one.
    fn grant(&mut self, token: u64) -> bool {
        let is_new = token > self.newest;
        if is_new {
            self.give(token, true);
        }
        self.see(token);
        self.is_living(token)
    }

    /// The former grant, if there still is one, is over: what it has staged is gone.
    fn give(&mut self, token: u64, is_seen: bool) {
        self.newest = token;
        self.grant = Some(Grant {
            token,
            is_seen,
            staged: Texts::default(),
        });
    }

    fn lose(&mut self, token: u64) {
        if self.is_living(token) {
            self.grant = None;
        }
    }

    /// Whether a read can have seen the grant with this token: it lives; or 0 for none, so that the one of the
    /// reader is over.
    fn has_or_loses(&mut self, seen: u64, token: u64) -> bool {
        if seen == 0 {
            self.lose(token);
            return true;
        }
        self.is_living(seen)
    }

    fn stage(&mut self, file: FileId, token: u64, text: &str) -> bool {
        let fits = self.fits(file, text);
        let grant = self.grant.as_mut();
        let Some(grant) = grant.filter(|it| fits && it.token == token) else {
            return false;
        };
        let staged = Rc::make_mut(&mut grant.staged);
        staged.entry(file).or_default().push_str(text);
        true
    }

    /// Whether there is room for one more text in a file, and among what is staged.
    fn fits(&self, file: FileId, text: &str) -> bool {
        let bytes = |texts: &Texts| texts.get(&file).map_or(0, String::len);
        let staged = self.grant.as_ref().map(|grant| &grant.staged);
        let in_file = bytes(&self.files) + staged.map_or(0, bytes);
        let in_all: usize = staged
            .iter()
            .flat_map(|it| it.values())
            .map(String::len)
            .sum();
        in_file + text.len() <= FILE_BYTES_MAX && in_all + text.len() <= STAGED_BYTES_MAX
    }

    fn release(&mut self, token: u64) -> bool {
        let Some(grant) = self.grant.take_if(|it| it.token == token) else {
            return false;
        };
        for (file, text) in grant.staged.iter() {
            let files = Rc::make_mut(&mut self.files);
            files.entry(*file).or_default().push_str(text);
        }
        true
    }

    /// The text of a file as others see it, or as the holder does.
    fn visible(&self, file: FileId, to_holder: bool) -> String {
        let mut text = self.files.get(&file).cloned().unwrap_or_default();
        let staged = self.grant.as_ref().and_then(|it| it.staged.get(&file));
        if let Some(staged) = staged.filter(|_| to_holder) {
            text.push_str(staged);
        }
        text
    }

    /// Whether a read from this byte on gives this: all that is there, or a beginning of it.
    fn shows(&self, file: FileId, asked: u64, told: &Reply<'_>) -> bool {
        let Reply::Text {
            token,
            from,
            total,
            text,
        } = told
        else {
            return false;
        };
        let visible = self.visible(file, *token > 0);
        let first = asked.min(*total);
        let rest = usize::try_from(first).ok().and_then(|it| visible.get(it..));
        *total == visible.len() as u64
            && (*from == asked || *from == first)
            && rest
                .is_some_and(|rest| rest.starts_with(&**text) && text.is_empty() == rest.is_empty())
    }

    /// Whether there is no character that begins at this byte of a file, as its reader sees it.
    fn splits_a_character(&self, file: FileId, token: u64, from: u64) -> bool {
        let splits = |text: String| {
            let from = usize::try_from(from).ok().filter(|&it| it < text.len());
            from.is_some_and(|from| !text.is_char_boundary(from))
        };
        splits(self.visible(file, false))
            || self.is_living(token) && splits(self.visible(file, true))
    }
}

/// The file that a request is about, and its token; `None` if it is about no file.
fn about<'a>(request: &'a Request<'_>) -> Option<(&'a str, u64)> {
    match request {
        Request::Hello | Request::Close => None,
        Request::Acquire { file, .. } => Some((file, 0)),
        Request::Renew { file, token, .. }
        | Request::Release { file, token }
        | Request::Append { file, token, .. }
        | Request::Read { file, token, .. } => Some((file, *token)),
    }
}

fn name_of(request: &[u8]) -> Option<&str> {
    match Request::decode(request).ok()? {
        Request::Hello | Request::Close => None,
        Request::Acquire { file, .. }
        | Request::Renew { file, .. }
        | Request::Release { file, .. }
        | Request::Append { file, .. }
        | Request::Read { file, .. } => match file {
            Cow::Borrowed(name) => Some(name),
            Cow::Owned(_) => None,
        },
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "spec_served_tests.rs"]
mod served_tests;
