//! One key of a store, as [`linearizable`] wants it: a value that is read, written, changed if it is
//! what a client thinks, and appended to.
//!
//! In the beginning there is nothing, which clients see as nil or as the empty text. Texts are never
//! put together: of a text, only that beginning matters with which it may yet become one that some
//! call sees. All others are the same to everybody.
//!
//! [`linearizable`]: crate::check::linearizable

use std::collections::BTreeSet;

use serde_json::Value;

use crate::check::Verdict;
use crate::check::linearizable::{Sequential, Timed, judge_counting};
use crate::check::register_calls::{Asked, Meant, NIL, of_store};
use crate::history::recorded::{Mistake, Recorded};
use crate::seed::fnv1a;

/// What stands at a key.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Content {
    Nothing,
    /// Something that is no text, by its number.
    Value(u32),
    /// The first so many bytes of a text that some call sees: of the first one that begins with them.
    Beginning {
        text: usize,
        bytes: usize,
    },
    /// A text with which no text begins that some call sees.
    Other,
}

#[derive(Debug)]
enum KvCall {
    Read(Content),
    Write(Content),
    CompareAndSet(Content, Content),
    Append(String),
}

/// The texts that calls see, in their order.
struct Kv(Vec<String>);

/// Judges a store, key by key, within so many steps of the search.
///
/// # Errors
///
/// Says which call the store does not have, or cannot understand.
pub fn judge(recorded: &Recorded<'_>, steps_max: u64) -> Result<(Verdict, u64), Mistake> {
    let meaning = of_store(recorded)?;
    if let Some(violated) = meaning.out_of_thin_air {
        return Ok((violated, 0));
    }
    let texts = meaning
        .parts
        .iter()
        .flatten()
        .filter_map(|meant| match meant.asked {
            Asked::Read(Value::String(seen)) | Asked::CompareAndSet(Value::String(seen), _) => {
                Some(seen.clone())
            }
            _ => None,
        });
    let texts: BTreeSet<String> = texts.chain([String::new()]).collect();
    let kv = Kv(texts.into_iter().collect());
    let parts = meaning.parts.into_iter();
    let parts: Vec<Vec<Timed<KvCall>>> = parts
        .map(|key| key.into_iter().map(|meant| kv.call(meant)).collect())
        .collect();
    Ok(judge_counting(&kv, &parts, steps_max))
}

impl Kv {
    fn call(&self, meant: Meant<'_>) -> Timed<KvCall> {
        let content = |value: &Value, number: Option<u32>| match value {
            Value::String(text) => self.beginning(text),
            _ => Content::Value(number.unwrap_or(NIL)),
        };
        let (seen, left) = (meant.seen, meant.left);
        let call = match meant.asked {
            Asked::Read(told) => KvCall::Read(content(told, seen)),
            Asked::Write(new) => KvCall::Write(content(new, left)),
            Asked::CompareAndSet(old, new) => {
                KvCall::CompareAndSet(content(old, seen), content(new, left))
            }
            Asked::Append(text) => KvCall::Append(text.to_owned()),
        };
        meant.timed(call)
    }

    fn beginning(&self, text: &str) -> Content {
        let place = self.0.partition_point(|seen| seen.as_str() < text);
        match self.0.get(place) {
            Some(seen) if seen.starts_with(text) => Content::Beginning {
                text: place,
                bytes: text.len(),
            },
            _ => Content::Other,
        }
    }

    /// The beginning of the first text that begins so, with more behind it.
    fn longer(&self, first: usize, bytes: usize, more: &str) -> Content {
        let beginning = &self.0[first][..bytes];
        let texts = &self.0[first..];
        // Texts that begin so follow each other.
        let is_before = |seen: &String| {
            let rest = seen.strip_prefix(beginning);
            rest.is_some_and(|rest| rest < more)
        };
        let place = first + texts.partition_point(is_before);
        let seen = self.0.get(place).map(String::as_str).unwrap_or_default();
        match seen.strip_prefix(beginning) {
            Some(rest) if rest.starts_with(more) => Content::Beginning {
                text: place,
                bytes: bytes + more.len(),
            },
            _ => Content::Other,
        }
    }

    /// Whether a client that finds this content sees the other.
    fn is_seen(found: Content, seen: Content) -> bool {
        let empty = Content::Beginning { text: 0, bytes: 0 };
        let nil = Content::Value(NIL);
        found == seen || found == Content::Nothing && (seen == nil || seen == empty)
    }
}

impl Sequential for Kv {
    type Call = KvCall;
    type State = Content;

    fn initial(&self) -> Content {
        Content::Nothing
    }

    fn step(&self, &found: &Content, call: &KvCall) -> Option<Content> {
        match call {
            KvCall::Read(told) => Self::is_seen(found, *told).then_some(found),
            KvCall::Write(new) => Some(*new),
            KvCall::CompareAndSet(old, new) => Self::is_seen(found, *old).then_some(*new),
            KvCall::Append(more) => Some(match found {
                Content::Nothing | Content::Value(NIL) => self.beginning(more),
                Content::Beginning { text, bytes } => self.longer(text, bytes, more),
                // What comes of appending to what is no text, nobody says.
                Content::Value(_) | Content::Other => Content::Other,
            }),
        }
    }

    fn alike(&self, one: &KvCall, other: &KvCall) -> bool {
        match (one, other) {
            (KvCall::Write(one), KvCall::Write(other)) => one == other,
            (KvCall::CompareAndSet(old, new), KvCall::CompareAndSet(other_old, other_new)) => {
                (old, new) == (other_old, other_new)
            }
            (KvCall::Append(one), KvCall::Append(other)) => one == other,
            _ => false,
        }
    }

    fn bucket(&self, call: &KvCall) -> u64 {
        fnv1a(format!("{call:?}").as_bytes())
    }

    fn only_reads(&self, call: &KvCall) -> bool {
        matches!(call, KvCall::Read(_))
    }
}
