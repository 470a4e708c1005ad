//! What the calls of a recorded history mean to a register or a store of registers.
//!
//! Names are those of Jepsen: `read`, `write` and `cas`, whose value is `[old new]`; `get`, `put` and
//! `append` are those of others. Calls that failed and reads whose outcome is unknown mean nothing, and
//! are left out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::check::Verdict;
use crate::check::linearizable::Timed;
use crate::history::OutcomeKind;
use crate::history::recorded::{Call, Mistake, Recorded};

/// How many characters of a value evidence shows.
const SHOWN_MAX: usize = 40;

/// What a call asks of one value, or was told of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked<'a> {
    /// The client was told this value.
    Read(&'a Value),
    Write(&'a Value),
    /// Sets the second value where the first one was.
    CompareAndSet(&'a Value, &'a Value),
    /// Puts a text behind the one that is there.
    Append(&'a str),
}

/// A call that matters, and what it means.
#[derive(Debug)]
pub(crate) struct Meant<'a> {
    pub(crate) asked: Asked<'a>,
    /// The number of the value that it sees, if it sees one.
    pub(crate) seen: Option<u32>,
    /// The number of the value that it leaves there, if that is known without what was there.
    pub(crate) left: Option<u32>,
    /// How evidence names it.
    name: String,
    began: u64,
    /// By when it must have taken effect, if that is known.
    ended: Option<u64>,
}

/// Calls of one register, or of one key of a store.
pub(crate) type Meanings<'a> = Vec<Meant<'a>>;

/// What a history means.
#[derive(Debug)]
pub(crate) struct Meaning<'a> {
    /// For the register or for each key, the calls that matter.
    pub(crate) parts: Vec<Meanings<'a>>,
    /// The first call that saw a value which nobody had begun to write by then.
    pub(crate) out_of_thin_air: Option<Verdict>,
}

/// The number of nil.
pub(crate) const NIL: u32 = 0;

/// The numbers of values.
#[derive(Default)]
struct Numbers(BTreeMap<Number, u32>);

/// A value, so that it can be found again.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Number {
    Whole(i64),
    /// Any other, as JSON.
    Text(String),
}

impl Numbers {
    fn of(&mut self, value: &Value) -> u32 {
        if value.is_null() {
            return NIL;
        }
        let whole = value.as_i64().map(Number::Whole);
        let key = whole.unwrap_or_else(|| Number::Text(value.to_string()));
        let next = u32::try_from(self.0.len() + 1).expect("a history has fewer than 2^32 values");
        *self.0.entry(key).or_insert(next)
    }
}

/// What a history means to one register.
pub(crate) fn of_register<'a>(recorded: &'a Recorded<'_>) -> Result<Meaning<'a>, Mistake> {
    let mut numbers = Numbers::default();
    let mut meanings = Vec::new();
    for call in &recorded.calls {
        let mistake = |message| recorded.mistake(call, message);
        if !matters(call, false).map_err(mistake)? {
            continue;
        }
        let asked = meaning(call, &call.asked, &call.told).map_err(mistake)?;
        meanings.extend(asked.map(|asked| Meant::new(call, asked, None, &mut numbers)));
    }
    Ok(Meaning::of(vec![meanings]))
}

/// What a history means to a store.
pub(crate) fn of_store<'a>(recorded: &'a Recorded<'_>) -> Result<Meaning<'a>, Mistake> {
    let mut numbers = Numbers::default();
    let mut keys: BTreeMap<String, Meanings<'_>> = BTreeMap::new();
    for call in &recorded.calls {
        let mistake = |message| recorded.mistake(call, message);
        if !matters(call, true).map_err(mistake)? {
            continue;
        }
        let (key, asked) = pair(&call.asked).ok_or_else(|| {
            let (f, found) = (&call.f, shown(&call.asked));
            mistake(format!(
                "the value of a `{f}` is [key value], or a field `key` stands beside it; found {found}"
            ))
        })?;
        // A read that ends without its key was told what stands there.
        let told = match pair(&call.told) {
            Some((told_key, told)) if told_key == key => told,
            Some((told_key, _)) if is_read(call) && call.outcome == OutcomeKind::Ok => {
                let (key, told_key) = (shown(key), shown(told_key));
                let message = format!("the read began with key {key}, and ends with {told_key}");
                return Err(recorded.mistake_at_end(call, message));
            }
            _ => &call.told,
        };
        if let Some(asked) = meaning(call, asked, told).map_err(mistake)? {
            let meant = Meant::new(call, asked, Some(key), &mut numbers);
            keys.entry(key.to_string()).or_default().push(meant);
        }
    }
    Ok(Meaning::of(keys.into_values().collect()))
}

impl<'a> Meaning<'a> {
    fn of(mut parts: Vec<Meanings<'a>>) -> Self {
        let mut first: Option<(u64, String)> = None;
        for part in &mut parts {
            // With appends a value is seen in what comes of it, and all stays as it is.
            if part
                .iter()
                .any(|meant| matches!(meant.asked, Asked::Append(_)))
            {
                continue;
            }
            let known = known(part);
            for meant in part.iter() {
                if let Some(ended) = meant.is_out_of_thin_air(&known)
                    && first.as_ref().is_none_or(|(other, _)| ended < *other)
                {
                    first = Some((ended, meant.name.clone()));
                }
            }
            simplify(part, &known);
        }
        let violated = |(_, name)| {
            Verdict::Violated(format!(
                "{name} fits nowhere: nobody had begun to write what it saw by its end"
            ))
        };
        Self {
            parts,
            out_of_thin_air: first.map(violated),
        }
    }
}

/// Whether a call matters, which one that failed does not; or why the model has no such call.
fn matters(call: &Call, is_store: bool) -> Result<bool, String> {
    match call.f.as_str() {
        "read" | "get" | "write" | "put" | "cas" => {}
        "append" if is_store => {}
        f => {
            let (model, knows) = match is_store {
                true => ("kv", "read (get), write (put), cas, append"),
                false => ("register", "read (get), write (put), cas"),
            };
            return Err(format!("the model {model} has no `{f}`; it knows {knows}"));
        }
    }
    Ok(call.outcome != OutcomeKind::Failed)
}

fn is_read(call: &Call) -> bool {
    ["read", "get"].contains(&call.f.as_str())
}

/// What a call that matters means, if anything.
fn meaning<'a>(
    call: &'a Call,
    asked: &'a Value,
    told: &'a Value,
) -> Result<Option<Asked<'a>>, String> {
    let found = |expected| format!("{expected}, not {}", shown(asked));
    Ok(Some(match call.f.as_str() {
        _ if is_read(call) && call.outcome != OutcomeKind::Ok => return Ok(None),
        _ if is_read(call) => Asked::Read(told),
        "cas" => {
            let (old, new) =
                pair(asked).ok_or_else(|| found("the value of a `cas` is [old new]"))?;
            Asked::CompareAndSet(old, new)
        }
        "append" => {
            let text = asked.as_str();
            Asked::Append(text.ok_or_else(|| found("the value of an `append` is a text"))?)
        }
        _ => Asked::Write(asked),
    }))
}

/// The two values of an array of two.
fn pair(value: &Value) -> Option<(&Value, &Value)> {
    match value.as_array().map(Vec::as_slice) {
        Some([first, second]) => Some((first, second)),
        _ => None,
    }
}

impl<'a> Meant<'a> {
    fn new(call: &'a Call, asked: Asked<'a>, key: Option<&Value>, numbers: &mut Numbers) -> Self {
        let (process, f) = (call.process, &call.f);
        let what = match asked {
            Asked::Read(told) => format!("{f} -> {}", shown(told)),
            Asked::Write(new) => format!("{f} {}", shown(new)),
            Asked::CompareAndSet(old, new) => format!("{f} [{} {}]", shown(old), shown(new)),
            Asked::Append(text) => format!("{f} {}", shown(&Value::from(text))),
        };
        let of_key = key.map(|key| format!(" of key {}", shown(key)));
        let of_key = of_key.unwrap_or_default();
        let lines = match call.lines {
            (begin, Some(end)) => format!("lines {begin}..{end}"),
            (begin, None) => format!("line {begin}, no end"),
        };
        let unknown = match (call.outcome, call.ended) {
            (OutcomeKind::Unknown, Some(_)) => ", unknown",
            _ => "",
        };
        let is_known = call.outcome != OutcomeKind::Unknown;
        let (seen, left) = match asked {
            Asked::Read(seen) => (Some(seen), None),
            Asked::Write(left) => (None, Some(left)),
            Asked::CompareAndSet(seen, left) => (Some(seen), Some(left)),
            Asked::Append(_) => (None, None),
        };
        let mut number = |value: Option<&Value>| value.map(|value| numbers.of(value));
        Self {
            name: format!("process {process}'s {what}{of_key} ({lines}{unknown})"),
            // Room between two records, for ends that follow from others.
            began: 2 * call.began,
            ended: call.ended.filter(|_| is_known).map(|ended| 2 * ended),
            seen: number(seen),
            left: number(left),
            asked,
        }
    }

    /// Its end, if it saw a value that nobody had begun to write by then.
    fn is_out_of_thin_air(&self, known: &BTreeMap<u32, Seen>) -> Option<u64> {
        let began = known.get(&self.seen?).and_then(|seen| seen.began);
        let ended = self.ended?;
        let may_be_there = match self.asked {
            Asked::Read(seen) | Asked::CompareAndSet(seen, _) => is_nothing(seen),
            Asked::Write(_) | Asked::Append(_) => true,
        };
        (!may_be_there && began.is_none_or(|began| began > ended)).then_some(ended)
    }

    /// The call as the search wants it.
    pub(crate) fn timed<C>(self, call: C) -> Timed<C> {
        Timed {
            call,
            began: self.began,
            ended: self.ended,
            name: self.name,
        }
    }
}

/// What is known of a value of one register.
#[derive(Default)]
struct Seen {
    /// How many calls leave it there.
    writers: usize,
    /// The first begin of one of them.
    began: Option<u64>,
    /// The last end of a call that sees it; an unknown one never ends.
    seen_until: Option<u64>,
    /// The first end of a call that certainly saw it.
    seen_by: Option<u64>,
}

fn known(part: &Meanings<'_>) -> BTreeMap<u32, Seen> {
    let mut known: BTreeMap<u32, Seen> = BTreeMap::new();
    let earlier = |one: Option<u64>, other| Some(one.map_or(other, |one: u64| one.min(other)));
    for meant in part {
        if let Some(left) = meant.left {
            let seen = known.entry(left).or_default();
            seen.writers += 1;
            seen.began = earlier(seen.began, meant.began);
        }
        if let Some(value) = meant.seen {
            let seen = known.entry(value).or_default();
            let until = meant.ended.unwrap_or(u64::MAX);
            seen.seen_until = seen.seen_until.max(Some(until));
            if let Some(ended) = meant.ended {
                seen.seen_by = earlier(seen.seen_by, ended);
            }
        }
    }
    known
}

/// Leaves out unknown calls that leave a value which no call sees later: taken out of an order that explains
/// a history, they leave one that does, since nothing but a write can follow them there. And where only
/// one call leaves a value there, and somebody has seen it, that call had taken effect by then.
fn simplify(part: &mut Meanings<'_>, known: &BTreeMap<u32, Seen>) {
    let seen = |meant: &Meant<'_>| known.get(&meant.left?);
    part.retain(|meant| {
        let is_seen = |seen: &Seen| seen.seen_until > Some(meant.began);
        meant.ended.is_some() || seen(meant).is_none_or(is_seen)
    });
    for meant in part {
        let may_be_there = match meant.asked {
            Asked::Write(left) | Asked::CompareAndSet(_, left) => is_nothing(left),
            Asked::Read(_) | Asked::Append(_) => true,
        };
        if meant.ended.is_none()
            && !may_be_there
            && let Some(seen) = seen(meant)
            && seen.writers == 1
            && let Some(ended) = seen.seen_by
            && ended > meant.began
        {
            meant.ended = Some(ended - 1);
            meant.name.truncate(meant.name.len() - 1);
            meant.name.push_str(", but its value was seen)");
        }
    }
}

/// Whether a value may be there in the beginning.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// A value as Jepsen writes it, cut if it is long.
fn shown(value: &Value) -> String {
    let text = edn(value);
    match text.char_indices().nth(SHOWN_MAX) {
        None => text,
        Some((end, _)) => format!("{}..", &text[..end]),
    }
}

fn edn(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(edn).collect();
            format!("[{}]", values.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "register_calls_tests.rs"]
mod tests;
