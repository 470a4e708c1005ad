//! What `--sweep KEY=VALUES` asks for: a key of the scenario, and the values that it takes in turn.

use serde::{Serialize, Serializer};

use crate::cli::compare::decimal::{Decimal, RangeError};

/// As many values as a table and a plot can show, and a user can wait for.
const VALUES_MAX: usize = 100;

/// Keys that have a shorter name here, and what they are called in a scenario.
const SHORT_NAMES: [(&str, &str); 3] = [
    ("loss", "network.loss"),
    ("duplication", "network.duplication"),
    ("delay_ms", "network.delay_ms.fixed"),
];

/// A key, and the values that it takes in turn.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sweep {
    /// As `--set` understands it.
    pub(super) key: String,
    /// At least one, each once, in the order of the command line.
    pub(super) values: Vec<Value>,
}

/// A value of a swept key: a decimal number, or any other value that `--set` understands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Value {
    /// What stands behind `--set KEY=`.
    pub(super) text: String,
    /// The number, if it is one.
    pub(super) number: Option<Decimal>,
}

impl Value {
    fn new(text: &str) -> Self {
        Decimal::parse(text).map_or_else(
            || Self {
                text: text.to_owned(),
                number: None,
            },
            Self::from,
        )
    }
}

impl From<Decimal> for Value {
    fn from(number: Decimal) -> Self {
        Self {
            text: number.to_string(),
            number: Some(number),
        }
    }
}

/// A number as a number, anything else as its text.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.number.map(|number| (number, number.whole())) {
            None => serializer.serialize_str(&self.text),
            Some((_, Some(whole))) => serializer.serialize_i64(whole),
            Some((number, None)) => serializer.serialize_f64(number.to_f64()),
        }
    }
}

/// Reads `KEY=VALUES`.
///
/// # Errors
///
/// What is wrong, and in which column of the text, from 1.
pub(super) fn parse(text: &str) -> Result<Sweep, String> {
    let (key, values) = text
        .split_once('=')
        .ok_or("expected KEY=VALUES, as in loss=0,0.05..0.4")?;
    let first_column = key.chars().count() + 2;
    let key = key.trim();
    if key.is_empty() {
        return Err("column 1: the key is empty; expected one as in loss=0,0.05..0.4".to_owned());
    }
    if key.trim_matches('"') == "seed" {
        let told = "column 1: `seed` is no key to sweep; --seeds says which seeds are run";
        return Err(told.to_owned());
    }
    let known = SHORT_NAMES.iter().find(|(short, _)| *short == key);
    let mut all = Vec::new();
    for item in items(values, first_column)? {
        let place = format!("column {}", item.column);
        let more = values_of(&item, all.last()).map_err(|wrong| format!("{place}: {wrong}"))?;
        for value in more {
            if all.contains(&value) {
                return Err(format!("{place}: the value {} comes twice", value.text));
            }
            all.push(value);
        }
        if all.len() > VALUES_MAX {
            return Err(format!("{place}: {}", too_many()));
        }
    }
    Ok(Sweep {
        key: known.map_or(key, |(_, long)| *long).to_owned(),
        values: all,
    })
}

/// What stands between two commas.
struct Item<'a> {
    text: &'a str,
    /// Of its first character, from 1.
    column: usize,
    /// Where its `..` is, if it is a range.
    range_at: Option<usize>,
}

/// Cuts values at their commas, which do not count within quotes and brackets.
fn items(values: &str, first_column: usize) -> Result<Vec<Item<'_>>, String> {
    let mut items = Vec::new();
    let mut start = 0;
    let mut range_at = None;
    let mut open: Vec<(char, usize)> = Vec::new();
    let column_of = |at: usize| first_column + values[..at].chars().count();
    for (at, c) in values.char_indices().chain([(values.len(), ',')]) {
        let is_end = at == values.len();
        match (open.last(), c) {
            (Some((closing, _)), _) if *closing == c && !is_end => {
                open.pop();
            }
            (Some(('"' | '\'', _)), _) => {}
            (None, ',') => {
                items.push(item(values, start..at, range_at.take(), &column_of)?);
                start = at + 1;
            }
            (_, '[') => open.push((']', at)),
            (_, '{') => open.push(('}', at)),
            // Elsewhere it is an apostrophe of a word.
            (top, '"' | '\'') if top.is_some() || values[start..at].trim().is_empty() => {
                open.push((c, at));
            }
            (None, '.') if range_at.is_none() && values[at..].starts_with("..") => {
                range_at = Some(at - start);
            }
            _ => {}
        }
    }
    match open.first() {
        None => Ok(items),
        Some(&(closing, at)) => {
            let column = column_of(at);
            Err(format!(
                "column {column}: the `{closing}` that closes it is missing"
            ))
        }
    }
}

fn item<'a>(
    values: &'a str,
    part: std::ops::Range<usize>,
    range_at: Option<usize>,
    column_of: &dyn Fn(usize) -> usize,
) -> Result<Item<'a>, String> {
    let whole = &values[part.clone()];
    let text = whole.trim();
    let spaces = whole.len() - whole.trim_start().len();
    let column = column_of(part.start + spaces);
    if text.is_empty() {
        return Err(format!(
            "column {column}: a value is missing; expected values with commas between them"
        ));
    }
    Ok(Item {
        text,
        column,
        range_at: range_at.map(|at| at - spaces),
    })
}

/// The value, or those of the range, whose step begins at the value before.
fn values_of(item: &Item<'_>, before: Option<&Value>) -> Result<Vec<Value>, String> {
    let Some(range_at) = item.range_at else {
        return Ok(vec![Value::new(item.text)]);
    };
    let text = item.text;
    let number = |text: &str| {
        Decimal::parse(text).ok_or_else(|| {
            format!(
                "`{text}` is no decimal number; expected a range such as 0.05..0.4 (quotes make \
                 a value of a word with `..` in it)"
            )
        })
    };
    let first = number(text[..range_at].trim())?;
    let last = number(text[range_at + 2..].trim())?;
    let before = before.and_then(|value| value.number).ok_or_else(|| {
        format!(
            "the range {text} has no step; expected a smaller number before it, as in 0,0.05..0.4"
        )
    })?;
    let numbers = Decimal::range([before, first, last], VALUES_MAX).map_err(|error| match error {
        RangeError::Backwards => format!(
            "{before},{text} does not go up; expected the smallest number first, as in 0,0.05..0.4"
        ),
        RangeError::Missed { step, below, above } => format!(
            "{last} is not reached in steps of {step}; expected a range that ends with {below} or \
             {above}"
        ),
        RangeError::TooMany => too_many(),
    })?;
    Ok(numbers.into_iter().map(Value::from).collect())
}

fn too_many() -> String {
    format!("more than {VALUES_MAX} values; expected fewer, or a longer step")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swept(text: &str) -> (String, Vec<String>) {
        let sweep = parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        let values = sweep.values.into_iter().map(|value| value.text);
        (sweep.key, values.collect())
    }

    #[test]
    fn values_are_single_ones_and_ranges() {
        for (text, key, values) in [
            ("loss=0,0.1..0.3", "network.loss", "0 0.1 0.2 0.3"),
            ("duplication=0.50", "network.duplication", "0.5"),
            ("delay_ms=1, 5 .. 13", "network.delay_ms.fixed", "1 5 9 13"),
            ("attempts=1,2..4,6..10", "attempts", "1 2 3 4 6 8 10"),
            (" timeout_ms = 500,100", "timeout_ms", "500 100"),
            ("reply_cache=memory,epoch", "reply_cache", "memory epoch"),
            ("x=[1,2],{a=\"b,}\"}", "x", "[1,2] {a=\"b,}\"}"),
            ("x='a,b','c..d'", "x", "'a,b' 'c..d'"),
            ("x=[1..2],Bob's,it", "x", "[1..2] Bob's it"),
        ] {
            assert_eq!(swept(text).0, key);
            assert_eq!(swept(text).1.join(" "), values);
        }
        assert_eq!(swept("x=0,1..99").1.len(), VALUES_MAX);
    }

    #[test]
    fn what_is_wrong_has_its_column() {
        for (text, told) in [
            ("loss", "expected KEY=VALUES"),
            ("=1", "column 1: the key is empty"),
            ("seed=1,2", "column 1: `seed` is no key to sweep"),
            ("loss=", "column 6: a value is missing"),
            ("loss=0,,1", "column 8: a value is missing"),
            ("loss=0,", "column 8: a value is missing"),
            ("loss=0.1..0.4", "column 6: the range 0.1..0.4 has no step"),
            ("x=a,1..4", "column 5: the range 1..4 has no step"),
            ("loss=0, .1..0.4", "column 9: `.1` is no decimal number"),
            ("loss=0,0.1..", "column 8: `` is no decimal number"),
            ("ä=1,mon..wed", "column 5: `mon` is no decimal number"),
            ("loss=0,0.4..0.1", "column 8: 0,0.4..0.1 does not go up"),
            ("loss=0.4,0.3..0", "column 10: 0.4,0.3..0 does not go up"),
            ("loss=0,0..1", "column 8: 0,0..1 does not go up"),
            (
                "loss=0,0.3..1",
                "column 8: 1 is not reached in steps of 0.3; expected a range that ends with 0.9 or 1.2",
            ),
            ("x=0,1..100", "column 5: more than 100 values"),
            ("x=0,0.0001..1", "column 5: more than 100 values"),
            ("loss=0.1,0.2,0.10", "column 14: the value 0.1 comes twice"),
            ("x=1,2..5,3", "column 10: the value 3 comes twice"),
            ("x=0,[1,2", "column 5: the `]` that closes it is missing"),
            ("x='a,b", "column 3: the `'` that closes it is missing"),
        ] {
            let wrong = parse(text).expect_err(text);
            assert!(wrong.starts_with(told), "{text}: {wrong}");
        }
    }

    #[test]
    fn numbers_are_numbers_in_json() {
        let json = serde_json::to_string(&parse("x=0,0.05..0.15,-3,memory").unwrap().values);
        assert_eq!(json.unwrap(), r#"[0,0.05,0.1,0.15,-3,"memory"]"#);
    }
}
