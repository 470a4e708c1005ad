//! Jepsen's histories as EDN: one map for each invocation and each end.
//!
//! ```text
//! {:process 0, :type :invoke, :f :cas, :value [1 4], :time 123, :index 0}
//! {:process 4, :type :invoke, :f :get, :key "9", :value nil}
//! ```
//!
//! One map stands below the other, or all stand in one vector. A map with a `:key` is read as if its
//! value were `[key value]`, as `jepsen.independent` writes it. The same as JSON objects is read too.

use serde_json::Value;

use crate::history::json::RecordKind;
use crate::history::recorded::Line;
use crate::history::scan::{Field, Notation, Scanner, Wrong};

/// What a record is, for messages.
const RECORD_EDN: &str = "a map: {:process 0, :type :invoke, :f :read, :value nil}";
const RECORD_JSON: &str = "an object: {\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}";

/// Reads the records of clients, in their order.
pub(crate) fn read(text: &str, notation: Notation) -> Result<Vec<Line>, Wrong> {
    let mut scanner = Scanner::new(text, 0, notation);
    let mut lines = Vec::new();
    loop {
        scanner.skip_blank()?;
        let close = match scanner.peek() {
            None => return Ok(lines),
            Some('[') => Some(']'),
            Some('(') if notation == Notation::Edn => Some(')'),
            _ => None,
        };
        let Some(close) = close else {
            lines.extend(read_record(&mut scanner, text, notation)?);
            continue;
        };
        scanner.at += 1;
        let mut is_empty = true;
        while !scanner.ends(close, is_empty)? {
            is_empty = false;
            lines.extend(read_record(&mut scanner, text, notation)?);
        }
    }
}

/// Reads a record, unless it is not a client's.
fn read_record(
    scanner: &mut Scanner<'_>,
    text: &str,
    notation: Notation,
) -> Result<Option<Line>, Wrong> {
    scanner.skip_tag()?;
    let at = scanner.at;
    if scanner.peek() != Some('{') {
        return Err(scanner.expected(match notation {
            Notation::Edn => RECORD_EDN,
            Notation::Json => RECORD_JSON,
        }));
    }
    let fields = Fields {
        at,
        fields: scanner.map()?,
    };
    fields.line(text)
}

/// The fields of a record.
struct Fields {
    /// The place of the record.
    at: usize,
    fields: Vec<Field>,
}

impl Fields {
    fn line(mut self, text: &str) -> Result<Option<Line>, Wrong> {
        let process = self.needed("process")?;
        // A number too large is a text here, but none in the source.
        let is_word = text[process.at..].starts_with([':', '"']);
        if is_word && process.value.is_string() {
            return Ok(None);
        }
        let process = process
            .value
            .as_u64()
            .ok_or_else(|| wrong(&process, "a process is a number from 0"))?;
        let kind = self.needed("type")?;
        let kind = kind
            .value
            .as_str()
            .and_then(kind_of)
            .ok_or_else(|| wrong(&kind, "a type is `invoke`, `ok`, `fail` or `info`"))?;
        let f = self.needed("f")?;
        let Value::String(f) = f.value else {
            return Err(wrong(&f, "an f is the name of an operation"));
        };
        let mut value = self.taken("value");
        if let Some(key) = self.find("key") {
            value = Value::from(vec![key.value, value]);
        }
        Ok(Some(Line {
            at: self.at,
            process,
            kind,
            f,
            value,
            operation: self.taken("operation").as_str().map(str::to_owned),
        }))
    }

    fn find(&mut self, name: &str) -> Option<Field> {
        let place = self.fields.iter().position(|field| field.name == name)?;
        Some(self.fields.swap_remove(place))
    }

    fn taken(&mut self, name: &str) -> Value {
        self.find(name).map_or(Value::Null, |field| field.value)
    }

    fn needed(&mut self, name: &str) -> Result<Field, Wrong> {
        self.find(name).ok_or_else(|| Wrong {
            at: self.at,
            message: format!("a record has a field `{name}`, this one has none"),
        })
    }
}

/// What a type means.
pub(crate) fn kind_of(word: &str) -> Option<RecordKind> {
    match word {
        "invoke" => Some(RecordKind::Invoke),
        "ok" => Some(RecordKind::Ok),
        "fail" | "failed" => Some(RecordKind::Fail),
        "info" | "unknown" => Some(RecordKind::Unknown),
        _ => None,
    }
}

fn wrong(field: &Field, expected: &str) -> Wrong {
    Wrong {
        at: field.at,
        message: format!("{expected}, not {}", field.value),
    }
}
