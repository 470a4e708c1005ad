//! Histories in the text format of Plume, an isolation checker.
//!
//! One operation a line, `r(key,value,session,txn)` or `w(key,value,session,txn)`, the four of them
//! numbers, and those of a session in its order. Value 0 is what a key holds before it is written; the
//! transaction -1 stands for all that were aborted. Liu, Gu, Wei and Basin, "Plume: Efficient and
//! Complete Black-Box Checking of Weak Isolation Levels", OOPSLA 2024: its text loader and its checker
//! say so; PolySI reads the same lines.
//!
//! Here each operation is a transaction of its own: a file in which a transaction has two is refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::history::OutcomeKind;
use crate::history::recorded::Mistake;
use crate::history::sessions::{Access, AccessKind, SessionHistory};
use crate::trace::json::numbered;

/// How the format writes the value of a key that nobody has written.
const INITIAL: u64 = 0;

/// The transaction of what was aborted.
const ABORTED: &str = "-1";

/// The largest number: Plume's are signed and of 64 bits.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// Reads a history. Empty lines and blanks around the others are skipped, and what was aborted has failed.
///
/// # Errors
///
/// Says where a line is not of the form above, a number is too large, or a transaction has a second
/// operation.
pub fn read(text: &str) -> Result<SessionHistory, Mistake> {
    let mut history = SessionHistory::default();
    let mut sessions = BTreeMap::new();
    let mut transactions = BTreeMap::new();
    for (number, text) in numbered(text) {
        let mut line = Line {
            number,
            text,
            at: text.len() - text.trim_start().len(),
        };
        let operation = line.operation()?;
        if let Some(transaction) = operation.transaction
            && let Some(first) = transactions.insert(transaction, number)
        {
            let message = format!(
                "transaction {transaction} has several operations, the first in line {first}: only \
                 operations that are transactions of their own can be judged"
            );
            return Err(line.error(operation.transaction_at, message));
        }
        let next = history.sessions.len();
        let session = *sessions.entry(operation.session).or_insert(next);
        if session == history.sessions.len() {
            history.sessions.push(Vec::new());
        }
        history.sessions[session].push(operation.access);
    }
    Ok(history)
}

/// Writes what is certain of a history (see [`SessionHistory::settled`]): session by session, each
/// operation a transaction of its own.
///
/// Keys that are all numbers stay as they are, else they are numbered as they come; so with values,
/// from 1.
#[must_use]
pub fn write(history: &SessionHistory) -> String {
    let settled = history.settled();
    let all = || settled.iter().flatten();
    let keys = Numbers::of(all().map(|access| access.key.as_str()), 0);
    let values = Numbers::of(
        all().filter_map(|access| access.value.as_deref()),
        INITIAL + 1,
    );
    let mut out = String::new();
    let mut transaction = 0_u64;
    for (session, accesses) in settled.iter().enumerate() {
        for access in accesses {
            let word = match access.kind {
                AccessKind::Read => 'r',
                AccessKind::Write => 'w',
            };
            let key = keys.number(&access.key);
            let value = access
                .value
                .as_deref()
                .map_or(INITIAL, |value| values.number(value));
            writeln!(out, "{word}({key},{value},{session},{transaction})")
                .expect("a text can always be appended to");
            transaction += 1;
        }
    }
    out
}

/// Words as numbers.
struct Numbers<'a>(BTreeMap<&'a str, u64>);

impl<'a> Numbers<'a> {
    /// The words themselves if all are numbers from `least`, else their places, counted from there.
    fn of(words: impl Iterator<Item = &'a str>, least: u64) -> Self {
        let mut places = BTreeMap::new();
        for word in words {
            let next = least + places.len() as u64;
            places.entry(word).or_insert(next);
        }
        let own = |word: &str| {
            let number: u64 = word.parse().ok()?;
            let plain = number.to_string() == word && (least..=NUMBER_MAX).contains(&number);
            plain.then_some(number)
        };
        let spelled: Option<BTreeMap<&str, u64>> = places
            .keys()
            .map(|word| Some((*word, own(word)?)))
            .collect();
        Self(spelled.unwrap_or(places))
    }

    fn number(&self, word: &str) -> u64 {
        self.0.get(word).copied().unwrap_or_default()
    }
}

/// What a line says.
struct Operation {
    session: u64,
    /// `None` if it was aborted.
    transaction: Option<u64>,
    /// Where in the line the transaction stands.
    transaction_at: usize,
    access: Access,
}

/// A line that is being read.
struct Line<'a> {
    number: usize,
    text: &'a str,
    /// How many bytes of it have been read.
    at: usize,
}

impl Line<'_> {
    fn operation(&mut self) -> Result<Operation, Mistake> {
        let kind = match self.text.as_bytes()[self.at] {
            b'r' => AccessKind::Read,
            b'w' => AccessKind::Write,
            _ => return Err(self.expected("`r` or `w`")),
        };
        self.at += 1;
        self.take("(")?;
        let key = self.number()?;
        self.take(",")?;
        let value = self.number()?;
        self.take(",")?;
        let session = self.number()?;
        self.take(",")?;
        let transaction_at = self.at;
        let transaction = match self.take(ABORTED) {
            Ok(()) => None,
            Err(_) => Some(self.number()?),
        };
        self.take(")")?;
        if !self.rest().trim().is_empty() {
            return Err(self.expected("the end of the line"));
        }
        let access = Access {
            kind,
            key: key.to_string(),
            value: (value != INITIAL).then(|| value.to_string()),
            outcome: match transaction {
                Some(_) => OutcomeKind::Ok,
                None => OutcomeKind::Failed,
            },
            place: format!("line {}", self.number),
        };
        Ok(Operation {
            session,
            transaction,
            transaction_at,
            access,
        })
    }

    fn take(&mut self, word: &str) -> Result<(), Mistake> {
        if !self.rest().starts_with(word) {
            return Err(self.expected(&format!("`{word}`")));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<u64, Mistake> {
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(self.expected("a number from 0"));
        }
        let number: Option<u64> = rest[..digits].parse().ok();
        let Some(number) = number.filter(|number| *number <= NUMBER_MAX) else {
            let message = format!("a number beyond {NUMBER_MAX}");
            return Err(self.error(self.at, message));
        };
        self.at += digits;
        Ok(number)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn expected(&self, what: &str) -> Mistake {
        let message = format!(
            "expected {what}: a line is r(key,value,session,txn) or w(key,value,session,txn)"
        );
        self.error(self.at, message)
    }

    fn error(&self, at: usize, message: String) -> Mistake {
        Mistake {
            line: self.number,
            column: self.text[..at].chars().count() + 1,
            message,
        }
    }
}

#[cfg(test)]
#[path = "plume_tests.rs"]
mod tests;
