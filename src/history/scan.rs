//! Values of EDN and JSON, read from a text with their places.
//!
//! EDN is the notation of Jepsen's histories (github.com/edn-format/edn): JSON's values with other
//! words, and keywords, symbols, lists, sets and tags beside them. Here all become JSON's: keywords,
//! symbols and characters are strings, lists and sets arrays, a tag is left out, and so is what
//! `#_` discards. The elements of a set are sorted by their JSON, since a set has no order. A number
//! that JSON's cannot hold exactly is a string.

use serde_json::{Map, Number, Value};

/// How deep values may stand in each other.
const DEPTH_MAX: usize = 64;

/// Digits of a decimal that survive in 64 bits, whatever they are.
const DIGITS_MAX: usize = 15;

/// How many characters of a wrong text a message shows.
const SHOWN_MAX: usize = 20;

/// Which notation a text is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Notation {
    Edn,
    Json,
}

/// What is wrong with a text, and where: a place in bytes.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// One entry of a map, with the place of its value.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: Value,
    pub(crate) at: usize,
}

/// Goes through a text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    /// In bytes.
    pub(crate) at: usize,
    notation: Notation,
}

impl<'a> Scanner<'a> {
    pub(crate) const fn new(text: &'a str, at: usize, notation: Notation) -> Self {
        Self { text, at, notation }
    }

    /// The next character, if there is one.
    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes this character, if it is the next one.
    pub(crate) fn take(&mut self, c: char) -> bool {
        let is_next = self.rest().starts_with(c);
        if is_next {
            self.at += c.len_utf8();
        }
        is_next
    }

    /// Goes on to what means something: past blanks, and in EDN past commas, comments and what is
    /// discarded.
    pub(crate) fn skip_blank(&mut self) -> Result<(), Wrong> {
        self.skip_blank_within(DEPTH_MAX)
    }

    fn skip_blank_within(&mut self, depth: usize) -> Result<(), Wrong> {
        let is_edn = self.notation == Notation::Edn;
        loop {
            let is_blank = |c: char| c.is_whitespace() || is_edn && c == ',';
            self.at = self.text.len() - self.rest().trim_start_matches(is_blank).len();
            if is_edn && self.rest().starts_with(';') {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if is_edn && self.rest().starts_with("#_") {
                self.at += 2;
                self.value_within(depth.saturating_sub(1))?;
            } else {
                return Ok(());
            }
        }
    }

    /// Goes past the tag of an EDN value, if it has one: `#jepsen.history.Op{..}`.
    pub(crate) fn skip_tag(&mut self) -> Result<(), Wrong> {
        self.skip_tag_within(DEPTH_MAX)
    }

    fn skip_tag_within(&mut self, depth: usize) -> Result<(), Wrong> {
        let is_tag = |rest: &str| {
            let mut rest = rest.chars();
            rest.next() == Some('#') && rest.next().is_some_and(char::is_alphabetic)
        };
        while self.notation == Notation::Edn && is_tag(self.rest()) {
            self.token();
            self.skip_blank_within(depth)?;
        }
        Ok(())
    }

    /// Reads a value.
    pub(crate) fn value(&mut self) -> Result<Value, Wrong> {
        self.value_within(DEPTH_MAX)
    }

    /// Reads the fields of a map.
    pub(crate) fn map(&mut self) -> Result<Vec<Field>, Wrong> {
        self.map_within(DEPTH_MAX)
    }

    /// What is wrong here: this was expected, and something else is found.
    pub(crate) fn expected(&self, expected: &str) -> Wrong {
        let shown: String = self.rest().chars().take_while(|c| *c != '\n').collect();
        let found = match shown.char_indices().nth(SHOWN_MAX) {
            None if shown.is_empty() => "the end of the line".to_owned(),
            None => format!("`{}`", shown.trim_end()),
            Some((end, _)) => format!("`{}..`", &shown[..end]),
        };
        Wrong {
            at: self.at,
            message: format!("expected {expected}, found {found}"),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn value_within(&mut self, depth: usize) -> Result<Value, Wrong> {
        if depth == 0 {
            return Err(self.expected("fewer values within each other"));
        }
        self.skip_blank_within(depth)?;
        self.skip_tag_within(depth)?;
        let is_edn = self.notation == Notation::Edn;
        match self.peek() {
            Some('{') => {
                let fields = self.map_within(depth)?.into_iter();
                let fields: Map<_, _> = fields.map(|field| (field.name, field.value)).collect();
                Ok(Value::Object(fields))
            }
            Some('[') => self.sequence("[", ']', depth),
            Some('(') if is_edn => self.sequence("(", ')', depth),
            Some('#') if self.rest().starts_with("#{") => {
                let mut set = self.sequence("#{", '}', depth)?;
                if let Value::Array(elements) = &mut set {
                    elements.sort_by_cached_key(Value::to_string);
                }
                Ok(set)
            }
            Some('"') => self.string().map(Value::String),
            Some(c) if is_edn && c == '\\' => {
                self.at += 1;
                let first = self.peek().map_or(0, char::len_utf8);
                let start = self.at;
                self.at += first;
                self.token();
                Ok(Value::from(&self.text[start..self.at]))
            }
            _ => self.word(),
        }
    }

    fn map_within(&mut self, depth: usize) -> Result<Vec<Field>, Wrong> {
        if !self.take('{') {
            return Err(self.expected("`{`"));
        }
        let mut fields = Vec::new();
        while !self.ends_within('}', fields.is_empty(), depth - 1)? {
            let name = match self.value_within(depth - 1)? {
                Value::String(name) => name,
                other => other.to_string(),
            };
            self.skip_blank_within(depth - 1)?;
            if self.notation == Notation::Json && !self.take(':') {
                return Err(self.expected("`:`"));
            }
            self.skip_blank_within(depth - 1)?;
            let at = self.at;
            let value = self.value_within(depth - 1)?;
            fields.push(Field { name, value, at });
        }
        Ok(fields)
    }

    fn sequence(&mut self, open: &str, close: char, depth: usize) -> Result<Value, Wrong> {
        self.at += open.len();
        let mut values = Vec::new();
        while !self.ends_within(close, values.is_empty(), depth - 1)? {
            values.push(self.value_within(depth - 1)?);
        }
        Ok(Value::Array(values))
    }

    /// Whether a map or a sequence ends here; if not, goes on to its next part.
    pub(crate) fn ends(&mut self, close: char, is_empty: bool) -> Result<bool, Wrong> {
        self.ends_within(close, is_empty, DEPTH_MAX)
    }

    fn ends_within(&mut self, close: char, is_empty: bool, depth: usize) -> Result<bool, Wrong> {
        self.skip_blank_within(depth)?;
        if self.take(close) {
            return Ok(true);
        }
        if self.notation == Notation::Json && !is_empty {
            if !self.take(',') {
                return Err(self.expected(&format!("`,` or `{close}`")));
            }
            self.skip_blank_within(depth)?;
        }
        if self.rest().is_empty() {
            return Err(self.expected(&format!("`{close}`")));
        }
        Ok(false)
    }

    /// Takes all up to the next delimiter.
    fn token(&mut self) -> &'a str {
        let is_end = |c: char| c.is_whitespace() || "{}[]()\",;".contains(c);
        let length = self.rest().find(is_end).unwrap_or(self.rest().len());
        let token = &self.rest()[..length];
        self.at += length;
        token
    }

    /// A number, a word, a keyword or a symbol.
    fn word(&mut self) -> Result<Value, Wrong> {
        let start = self.at;
        let token = self.token();
        let is_edn = self.notation == Notation::Edn;
        let value = match token {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" if !is_edn => Some(Value::Null),
            "nil" if is_edn => Some(Value::Null),
            "" => None,
            _ if token.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) => {
                number(token, is_edn)
            }
            _ if is_edn => {
                let name = token.strip_prefix(':').unwrap_or(token);
                (!name.is_empty()).then(|| Value::from(name))
            }
            _ => None,
        };
        value.ok_or_else(|| {
            self.at = start;
            self.expected("a value")
        })
    }

    fn string(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        let inside = &self.rest()[1..];
        let mut is_escaped = false;
        let end = inside.find(|c: char| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        let Some(end) = end else {
            return Err(Wrong {
                at: start,
                message: "a string begins here and does not end".to_owned(),
            });
        };
        let inside = &inside[..end];
        self.at = start + end + 2;
        if !inside.contains('\\') {
            return Ok(inside.to_owned());
        }
        // EDN lets lines end within strings, and has the same escapes otherwise.
        let plain = [("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")];
        let plain = plain
            .iter()
            .fold(inside.to_owned(), |text, (from, to)| text.replace(from, to));
        serde_json::from_str(&format!("\"{plain}\"")).map_err(|_| Wrong {
            at: start,
            message: "a string with an escape that is none".to_owned(),
        })
    }
}

/// A number; one that a JSON number cannot hold exactly is a text.
fn number(token: &str, is_edn: bool) -> Option<Value> {
    let digits = if is_edn {
        let digits = token.strip_suffix(['N', 'M']).unwrap_or(token);
        digits.strip_prefix('+').unwrap_or(digits)
    } else {
        token
    };
    if let Ok(number) = serde_json::from_str::<Number>(digits) {
        return Some(match number.is_f64() && !is_exact(digits) {
            true => Value::from(digits),
            false => Value::Number(number),
        });
    }
    // Symbols such as `-` and ratios such as 1/3.
    is_edn.then(|| Value::from(token))
}

/// Whether a number that is held as a decimal of 64 bits keeps all its digits.
fn is_exact(digits: &str) -> bool {
    if digits.bytes().all(|c| c.is_ascii_digit() || c == b'-') {
        return false;
    }
    let before_exponent = digits.split(['e', 'E']).next().unwrap_or_default();
    let significant = before_exponent.replace(['-', '.'], "");
    significant.trim_matches('0').len() <= DIGITS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn edn(text: &str) -> Value {
        Scanner::new(text, 0, Notation::Edn).value().unwrap()
    }

    #[test]
    fn values_of_edn_become_those_of_json() {
        for (text, value) in [
            ("nil", json!(null)),
            (" , true", json!(true)),
            ("-12", json!(-12)),
            ("+7N", json!(7)),
            ("1.5M", json!(1.5)),
            (
                "123456789012345678901234567890",
                json!("123456789012345678901234567890"),
            ),
            ("123456789012345678901N", json!("123456789012345678901")),
            ("+123456789012345678901", json!("123456789012345678901")),
            ("0.12345678901234567890M", json!("0.12345678901234567890")),
            ("0.12345678901234567891M", json!("0.12345678901234567891")),
            ("0.100000000000000000000", json!(0.1)),
            ("-1234567890.12345e7", json!(-1234567890.12345e7)),
            ("1/3", json!("1/3")),
            (":timed-out", json!("timed-out")),
            ("sym/bol", json!("sym/bol")),
            (r#""a \"b\" \u0041""#, json!("a \"b\" A")),
            ("\"two\nlines \\t\"", json!("two\nlines \t")),
            ("\"x ; y\"", json!("x ; y")),
            ("[1 (2 3), #{4}]", json!([1, [2, 3], [4]])),
            ("#{3 #{:b :a} 1}", json!([1, 3, ["a", "b"]])),
            (
                "{:a 1, \"b\" [nil], 3 \\c}",
                json!({"a": 1, "b": [null], "3": "c"}),
            ),
            ("#inst \"2020\"", json!("2020")),
            ("; a comment\n#_ [1 2] 5", json!(5)),
        ] {
            assert_eq!(edn(text), value, "{text}");
        }
    }

    #[test]
    fn json_is_read_strictly() {
        let read = |text| Scanner::new(text, 0, Notation::Json).value();
        let text = r#"{"a":[1,-2.5e3,null,true],"b":{"c":"\u00e9\n"}}"#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read(text).unwrap(), expected);
        for wrong in [
            "{\"a\" 1}",
            "[1 2]",
            "nil",
            ":a",
            "[1,",
            "{\"a\":}",
            "(1)",
            "\"\\q\"",
            "+1",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, at, message) in [
            ("[1 2", 4, "expected `]`, found the end of the line"),
            ("[1 }", 3, "expected a value, found `}`"),
            ("{:a \"x", 4, "a string begins here and does not end"),
            ("{:a", 3, "expected a value, found the end of the line"),
        ] {
            let wrong = Scanner::new(text, 0, Notation::Edn).value().unwrap_err();
            assert_eq!((wrong.at, wrong.message.as_str()), (at, message), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(Scanner::new(&deep, 0, Notation::Edn).value().is_err());
        for part in [
            "#_", "#a #_ ", "{", "#{", "[#_", "{#_", "(#_", "#{#_", "{1 #_", "[1 #_",
        ] {
            let deep = part.repeat(100_000);
            assert!(Scanner::new(&deep, 0, Notation::Edn).value().is_err());
        }
    }
}
