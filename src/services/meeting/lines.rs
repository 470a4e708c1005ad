//! Requests and replies as lines over TCP, in the words of the command grammar and of the seed's session; and
//! replies read back from these words.
//!
//! No name has a space in it. So a word of a list ends with a comma unless it is the last, which ends with what
//! comes after the list: every reply can be read again, whatever people are called.

use std::str::SplitWhitespace;

use crate::rpc::line::LineFormat;
use crate::services::meeting::message::{Answer, Refusal, Reply, Request};
use crate::services::meeting::{command, describe};

/// Where the main server listens for connections: the port of the seed document.
pub(super) const PORT: u16 = 24_849;

/// The words of the meeting scheduler.
pub(super) struct Words;

impl LineFormat for Words {
    fn read_request(&self, line: &str) -> Result<Vec<u8>, String> {
        let request = command::request(line).map_err(|error| error.message)?;
        Ok(request.encode())
    }

    fn write_request(&self, body: &[u8]) -> String {
        describe::request(body)
    }

    fn write_reply(&self, body: &[u8]) -> String {
        describe::reply(body)
    }

    fn read_reply(&self, request: &[u8], text: &str) -> Option<Vec<u8>> {
        let request = Request::decode(request).ok()?;
        Some(reply(&request, text)?.encode())
    }

    fn forms(&self) -> Vec<&'static str> {
        command::USAGE.iter().map(|usage| usage.form).collect()
    }
}

fn reply(request: &Request, text: &str) -> Option<Reply> {
    if let Some(refusal) = refusal(text) {
        return Some(Reply::Refused(refusal));
    }
    match request {
        Request::Free { names } => answer(names, text).map(Reply::Free),
        Request::Register(meeting) => {
            let reply = Reply::Registered(meeting.clone());
            (describe::reply(&reply.encode()) == text).then_some(reply)
        }
    }
}

/// What is refused has other words than what is answered.
fn refusal(text: &str) -> Option<Refusal> {
    let known = [
        Refusal::Invalid,
        Refusal::TooLong,
        Refusal::Full,
        Refusal::NotMain,
    ];
    if let Some(refusal) = known.into_iter().find(|it| it.to_string() == text) {
        return Some(refusal);
    }
    if let Some(names) = text.strip_prefix("not free: ") {
        return Some(Refusal::NotFree(listed(names)));
    }
    let rest = text.strip_suffix(": nothing is registered")?;
    if let Some(servers) = rest.strip_prefix("no answer from server ") {
        return Some(Refusal::Unavailable(listed(servers)));
    }
    let names = rest.strip_suffix(" not exist")?;
    let names = (names.strip_suffix(" does")).or_else(|| names.strip_suffix(" do"))?;
    Some(Refusal::Unknown(listed(names)))
}

/// When these people are free.
fn answer(names: &[String], text: &str) -> Option<Answer> {
    let mut answer = Answer::default();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once(' ')
        && let Some(after) = after.strip_prefix("does not exist.")
    {
        answer.unknown.push(name.to_owned());
        rest = after.trim_start();
    }
    if let Some(after) = rest.strip_prefix("No answer from server ") {
        let mut words = after.split_whitespace();
        answer.silent = list(&mut words, ":")?;
        let is_incomplete = words.next()? == "incomplete," && words.next()? == "without";
        answer.missing = is_incomplete.then(|| list(&mut words, "."))??;
        rest = rest_of(after, words);
    }
    if rest.is_empty() {
        let is_said = !answer.unknown.is_empty() || !answer.missing.is_empty();
        return is_said.then_some(answer);
    }
    let rest = rest.strip_prefix("Available time slots")?;
    let times = if let Some(times) = rest.strip_prefix(": ") {
        answer.names = names.to_vec();
        times
    } else {
        let of = rest.strip_prefix(" for ")?;
        let mut words = of.split_whitespace();
        answer.names = list(&mut words, ":")?;
        rest_of(of, words)
    };
    answer.times = times.parse().ok()?;
    Some(answer)
}

/// The words of a list with nothing after it.
fn listed(words: &str) -> Vec<String> {
    words.split(", ").map(str::to_owned).collect()
}

/// The words of a list, up to the one that ends with `end` and not with a comma.
fn list(words: &mut SplitWhitespace<'_>, end: &str) -> Option<Vec<String>> {
    let mut list = Vec::new();
    loop {
        let word = words.next()?;
        match word.strip_suffix(',') {
            Some(word) => list.push(word.to_owned()),
            None => {
                list.push(word.strip_suffix(end)?.to_owned());
                return Some(list);
            }
        }
    }
}

/// What of a text begins with the next of its words.
fn rest_of<'a>(text: &'a str, mut words: SplitWhitespace<'a>) -> &'a str {
    words.next().map_or("", |word| {
        &text[word.as_ptr() as usize - text.as_ptr() as usize..]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rpc::line::REPLY_LINE_BYTES_MAX;
    use crate::services::meeting::message::{LINE_REPLY_BYTES_MAX, Meeting, NAMES_BYTES_MAX};
    use crate::services::meeting::times::{Interval, Times};

    /// Names that look like the words around them.
    fn any_name() -> impl Strategy<Value = String> {
        let hard = "(No|Available|does|not|free:|refused:|in|session|[a-z,.:;\\[\\]#é]{1,4})";
        proptest::string::string_regex(hard).unwrap()
    }

    fn any_names(least: usize) -> impl Strategy<Value = Vec<String>> {
        prop::collection::btree_set(any_name(), least..4)
            .prop_map(|names| names.into_iter().rev().collect())
    }

    fn any_times() -> impl Strategy<Value = Times> {
        prop::collection::btree_set(any::<u64>(), 0..6).prop_map(|ends| {
            let ends: Vec<u64> = ends.into_iter().collect();
            let pairs = ends.chunks_exact(2);
            let intervals = pairs.map(|pair| Interval::new(pair[0], pair[1]).unwrap());
            Times::new(intervals.collect()).unwrap()
        })
    }

    fn is_read_back(request: &Request, reply: &Reply) {
        let text = describe::reply(&reply.encode()).replace('\n', " ");
        let read = Words.read_reply(&request.encode(), &text);
        assert_eq!(read, Some(reply.encode()), "{text}");
    }

    proptest! {
        #[test]
        fn an_answer_is_read_back(
            (known, unknown, missing) in (any_names(0), any_names(0), any_names(0)),
            times in any_times(),
        ) {
            prop_assume!(known.len() + unknown.len() + missing.len() > 0);
            let silent = match missing.len() {
                0 => Vec::new(),
                1 => vec!["a".to_owned()],
                _ => vec!["a".to_owned(), "b".to_owned()],
            };
            let names: Vec<String> = [&known[..], &unknown, &missing].concat();
            let times = if known.is_empty() { Times::default() } else { times };
            let answer = Answer { names: known, times, unknown, missing, silent };
            is_read_back(&Request::Free { names }, &Reply::Free(answer));
        }

        #[test]
        fn a_refusal_is_read_back(names in any_names(1), register in any::<bool>()) {
            let request = if register {
                let stretch = Interval::new(1, 2).unwrap();
                Request::Register(Meeting { stretch, names: names.clone() })
            } else {
                Request::Free { names: names.clone() }
            };
            for refusal in [
                Refusal::Invalid,
                Refusal::Unknown(names.clone()),
                Refusal::NotFree(names),
                Refusal::Unavailable(vec!["a".to_owned(), "z".to_owned()]),
                Refusal::TooLong,
                Refusal::Full,
                Refusal::NotMain,
            ] {
                is_read_back(&request, &Reply::Refused(refusal));
            }
        }

        #[test]
        fn a_registration_is_read_back(names in any_names(1)) {
            let stretch = Interval::new(5, 6).unwrap();
            let meeting = Meeting { stretch, names };
            is_read_back(&Request::Register(meeting.clone()), &Reply::Registered(meeting));
        }

        #[test]
        fn no_text_panics(text in "\\PC*", words in "(No answer from server |Available time slots|[a-z ,:.])*") {
            let names = vec!["lilith".to_owned()];
            let request = Request::Free { names }.encode();
            for text in [text, words] {
                let _may_be_none = Words.read_reply(&request, &text);
            }
        }
    }

    #[test]
    fn the_longest_answer_fits_a_line() {
        let count = (LINE_REPLY_BYTES_MAX / 16) as u64;
        let intervals = (0..count).map(|number| {
            let start = u64::MAX - 2 * number - 1;
            Interval::new(start, start + 1).unwrap()
        });
        let mut intervals: Vec<Interval> = intervals.collect();
        intervals.reverse();
        let answer = Answer {
            names: vec!["lilith".to_owned()],
            times: Times::new(intervals).unwrap(),
            ..Answer::default()
        };
        let request = Request::Free {
            names: answer.names.clone(),
        };
        let text = describe::reply(&Reply::Free(answer.clone()).encode());
        // Besides the times, there are two times the names at most.
        assert!(
            text.len() + 2 * NAMES_BYTES_MAX < REPLY_LINE_BYTES_MAX,
            "{}",
            text.len()
        );
        assert!(reply(&request, &text) == Some(Reply::Free(answer)));
    }
}
