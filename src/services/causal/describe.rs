//! Every message of the causal store in words.

use crate::clock::Time;
use crate::services::causal::message::{
    Answer, Ask, Entry, Page, PeerBody, PeerMessage, Refusal, Reply, Request,
};
use crate::services::causal::replica::{Done, Merged};
use crate::services::causal::write::{Dependency, Write};
use crate::services::quoting::{quote, quote_if_needed};

/// How many dependencies a message names in words.
const NAMED_MAX: usize = 4;

/// A request, as its client would type it, and what it depends on.
pub(super) fn request(body: &[u8]) -> String {
    match Request::decode(body) {
        Err(error) => format!("no request: {error}"),
        Ok(request) => format!("{}{}", ask(&request.ask), after(&request.needs)),
    }
}

/// A reply.
pub(super) fn reply(body: &[u8]) -> String {
    match Reply::decode(body) {
        Err(error) => format!("no reply: {error}"),
        Ok(reply) => answer(&reply.answer),
    }
}

/// A message to another data centre.
pub(super) fn peer(body: &[u8]) -> String {
    match PeerMessage::decode(body).map(|message| message.body) {
        Err(error) => format!("no message: {error}"),
        Ok(PeerBody::Write(write)) => format!("{}{}", assignment(&write), after(&write.needs)),
        Ok(PeerBody::Acknowledge { version, .. }) => format!("has {version}"),
        Ok(PeerBody::Fetch) => "has lost its memory, and asks for all".to_owned(),
        Ok(PeerBody::Page(Page { page, of, .. })) => {
            format!("page {} of {of} of its state", page.saturating_add(1))
        }
        Ok(PeerBody::HasPage { page, .. }) => format!("has page {}", page.saturating_add(1)),
    }
}

/// `ring (2,0)`
pub(super) fn dependency(dependency: &Dependency) -> String {
    let Dependency { key, version, .. } = dependency;
    format!("{} {version}", quote_if_needed(key))
}

/// `ring = 'I have found my wedding ring!' (2,0) by alice`, and what else there is to say of a commit.
pub(super) fn commit(done: &Done, now: Time) -> String {
    let mut text = assignment(&done.write);
    if let Some(newer) = done.hidden_by {
        text += &format!(" older than {newer}");
    }
    if let Some(since) = done.since {
        text += &format!(" after {} ms", now.as_ms().saturating_sub(since.as_ms()));
    }
    text
}

/// `ring = 'I have found my wedding ring!' (2,0) from dc1`: what a state image has brought.
pub(super) fn merged(merged: &Merged, from: u16) -> String {
    match merged {
        Merged::Visible(Entry {
            write,
            value,
            author,
        }) => {
            let (key, by) = (quote_if_needed(&write.key), by(author));
            let version = write.version;
            format!("{key} = {} {version}{by} from dc{from}", quote(value))
        }
        Merged::Hidden(version) => format!("{version} from dc{from}, no longer visible"),
    }
}

/// `answer (3,1) waits for ring (2,0)`
pub(super) fn stall(waiting: &Dependency, missing: &Dependency) -> String {
    format!("{} waits for {}", dependency(waiting), dependency(missing))
}

fn ask(ask: &Ask) -> String {
    match ask {
        Ask::Get { key } => format!("get {}", quote_if_needed(key)),
        Ask::Put { key, value, .. } => format!("put {} {}", quote_if_needed(key), quote(value)),
        Ask::List => "list".to_owned(),
        Ask::Attach { to } => format!("move dc{to}"),
        Ask::Wait { ms } => format!("wait {ms}ms"),
    }
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Found(Entry {
            write,
            value,
            author,
        }) => format!("{} {}{}", quote(value), write.version, by(author)),
        Answer::Nothing => "nothing".to_owned(),
        Answer::Put(write) => dependency(write),
        Answer::Listed { entries, more } => {
            let held = |entry: &Entry| {
                let (value, by) = (quote(&entry.value), by(&entry.author));
                format!("{} {value}{by}", dependency(&entry.write))
            };
            let mut parts: Vec<String> = entries.iter().map(held).collect();
            match more {
                0 if parts.is_empty() => return "nothing".to_owned(),
                0 => {}
                more => parts.push(format!(".. and {more} more")),
            }
            parts.join("; ")
        }
        Answer::Attached { to } => format!("now at dc{to}"),
        Answer::Refused(refusal) => refused(refusal),
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Invalid => "invalid request".to_owned(),
        Refusal::Missing(missing) => format!("dependencies missing: {}", dependency(missing)),
        Refusal::Recovering => {
            "the data centre has lost its memory and not yet fetched it from others".to_owned()
        }
        Refusal::Full => "too many requests wait here".to_owned(),
    }
}

fn assignment(write: &Write) -> String {
    let Write {
        key,
        value,
        version,
        author,
        ..
    } = write;
    let (key, by) = (quote_if_needed(key), by(author));
    format!("{key} = {} {version}{by}", quote(value))
}

/// ` by alice`, or nothing.
fn by(author: &str) -> String {
    match author {
        "" => String::new(),
        author => format!(" by {}", quote_if_needed(author)),
    }
}

/// ` after ring (2,0)`, or nothing.
fn after(needs: &[Dependency]) -> String {
    let mut named: Vec<String> = needs.iter().take(NAMED_MAX).map(dependency).collect();
    if let Some(more @ 1..) = needs.len().checked_sub(NAMED_MAX) {
        named.push(format!("{more} more"));
    }
    match named.as_slice() {
        [] => String::new(),
        named => format!(" after {}", named.join(", ")),
    }
}
