//! Transactions as JSON lines, for twins and for whoever has a service of their own.
//!
//! One object a line. `docs/checking.md` lists the fields. A line that is only a `comment` is no
//! transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{Decision, Participant, Standing, Transaction};
use crate::check::json_lines::{self, mistake};
use crate::history::recorded::Mistake;

/// A line, its fields not yet asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    transaction: Option<String>,
    decided: Option<Vec<Decision>>,
    told: Option<Decision>,
    #[serde(default, deserialize_with = "in_order")]
    participants: Option<Vec<Participant>>,
    comment: Option<String>,
}

/// Reads JSON lines. Each transaction has the number of its line, and its participants in their order there.
///
/// # Errors
///
/// Says in which line something is missing, not known or told twice, and where there is no transaction
/// at all.
pub fn read(text: &str) -> Result<Vec<Transaction>, Mistake> {
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut lines: BTreeMap<String, u32> = BTreeMap::new();
    for fields in json_lines::read::<Fields>(text, "transaction") {
        let (line, fields) = fields?;
        if fields.is_comment() {
            continue;
        }
        let transaction = fields
            .transaction(line)
            .map_err(|message| mistake(line, message))?;
        let name = &transaction.name;
        if let Some(before) = lines.insert(name.clone(), line) {
            let message = format!("`{name}` stands in line {before} already");
            return Err(mistake(line, message));
        }
        transactions.push(transaction);
    }
    if transactions.is_empty() {
        let message = "no transaction; expected JSON lines such as {\"transaction\":\"t1\",\
                       \"decided\":[\"commit\"],\"participants\":{\"a\":\"taken\",\"b\":\"taken\"}} \
                       (docs/checking.md lists all fields)";
        return Err(mistake(1, message.to_owned()));
    }
    Ok(transactions)
}

impl Fields {
    /// Whether there is a comment and nothing else.
    const fn is_comment(&self) -> bool {
        self.comment.is_some()
            && self.transaction.is_none()
            && self.decided.is_none()
            && self.told.is_none()
            && self.participants.is_none()
    }

    fn transaction(self, line: u32) -> Result<Transaction, String> {
        let Some(name) = self.transaction else {
            return Err("a transaction needs `transaction`, its name".to_owned());
        };
        let Some(participants) = self.participants else {
            return Err(format!("`{name}` needs `participants`"));
        };
        Ok(Transaction {
            name,
            line,
            decided: self.decided.unwrap_or_default(),
            told: self.told,
            participants,
        })
    }
}

fn in_order<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Participant>>, D::Error> {
    deserializer.deserialize_map(InOrder).map(Some)
}

/// Reads participants in the order in which they stand there.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Vec<Participant>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("participants such as {\"a\":\"taken\",\"b\":\"nothing\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = BTreeSet::new();
        let mut participants = Vec::new();
        while let Some((name, standing)) = map.next_entry::<String, Standing>()? {
            if !names.insert(name.clone()) {
                return Err(Error::custom(format!("participant `{name}` stands twice")));
            }
            participants.push(Participant { name, standing });
        }
        Ok(participants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_transaction_with_its_number_and_its_participants_in_order() {
        let text = "{\"comment\":\"two\"}\n\n\
                    {\"transaction\":\"t1\",\"decided\":[\"abort\",\"commit\"],\"told\":\"abort\",\
                    \"participants\":{\"b\":\"taken\",\"a\":\"prepared\",\"c\":\"nothing\"}}\n\
                    {\"transaction\":\"t2\",\"participants\":{},\"comment\":\"nobody\"}\n";
        let participant = |(name, standing): (&str, Standing)| Participant {
            name: name.to_owned(),
            standing,
        };
        let first = Transaction {
            name: "t1".to_owned(),
            line: 3,
            decided: vec![Decision::Abort, Decision::Commit],
            told: Some(Decision::Abort),
            participants: [
                ("b", Standing::Taken),
                ("a", Standing::Prepared),
                ("c", Standing::Nothing),
            ]
            .map(participant)
            .to_vec(),
        };
        let second = Transaction {
            name: "t2".to_owned(),
            line: 4,
            decided: Vec::new(),
            told: None,
            participants: Vec::new(),
        };
        assert_eq!(read(text), Ok(vec![first, second]));
    }
}
