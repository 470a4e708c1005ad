//! The messages of serde and toml in this house's words: what is wrong; what was expected.

/// A list longer than this is not shown where one of its words was probably meant.
const LISTED_MAX: usize = 4;

/// Rewords a message. `more` are keys that are known besides those that the message lists.
pub(super) fn reword(message: &str, more: &[&str]) -> String {
    if let Some((name, mut known)) = unknown(message, "unknown field `") {
        known.extend(more);
        return unknown_word("unknown key", name, &known);
    }
    if let Some((name, known)) = unknown(message, "unknown variant `") {
        return unknown_word("unknown word", name, &known);
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("{name} is missing");
    }
    let kind = "expected exactly one key, which names the kind";
    match message {
        "wanted exactly 1 element, found 0 elements" => return format!("no key; {kind}"),
        "wanted exactly 1 element, more than 1 element" => {
            return format!("more than one key; {kind}");
        }
        "duplicate key" => return "duplicate key; expected each key once".to_owned(),
        "wanted string or table" => {
            return "wrong type; expected a table with one key, such as { fixed = 3 }".to_owned();
        }
        _ if message.starts_with("invalid type: unit variant") => {
            return "wrong type; expected a table with one key, such as { fixed = 3 }".to_owned();
        }
        _ => {}
    }
    let line: Vec<&str> = message.lines().collect();
    let line = line.join(", ").replacen(", expected ", "; expected ", 1);
    if let Some((wrong, _)) = line.split_once("; expected struct ") {
        // serde reads a list as a struct's fields in order.
        let is_list = wrong.starts_with("invalid length") || wrong.starts_with("invalid type: seq");
        let wrong = if is_list { "invalid type: list" } else { wrong };
        return format!("{wrong}; expected a table");
    }
    line.replacen("invalid type: map", "invalid type: table", 1)
        .replacen("invalid type: sequence", "invalid type: list", 1)
        .replacen("expected a sequence", "expected a list", 1)
        .replacen("expected an array", "expected a list", 1)
}

/// A word is not among those that are known here.
pub(super) fn unknown_word(what: &str, word: &str, known: &[&str]) -> String {
    let expected = one_of(known);
    match closest(word, known) {
        Some(closest) if known.len() > LISTED_MAX => {
            format!("{what} `{word}`; did you mean `{closest}`?")
        }
        _ => format!("{what} `{word}`; expected {expected}"),
    }
}

/// Lists the choices.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The unknown name and the known ones in a message of serde's.
fn unknown<'a>(message: &'a str, start: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let (name, list) = message.strip_prefix(start)?.split_once("`, ")?;
    Some((name, list.split('`').skip(1).step_by(2).collect()))
}

/// The known word that was probably meant: at most one edit in three characters away.
fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    known
        .iter()
        .map(|&candidate| (edits(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be inserted, deleted or replaced to get from one word to another.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_probably_meant_is_named() {
        let known = ["semantics", "seed", "setup"];
        assert_eq!(closest("semantisc", &known), Some("semantics"));
        assert_eq!(closest("sed", &known), Some("seed"));
        assert_eq!(closest("frobnicate", &known), None);
    }

    #[test]
    fn messages_of_serde_are_reworded() {
        assert_eq!(
            reword(
                "unknown field `los`, expected `loss` or `link`",
                &["volume"]
            ),
            "unknown key `los`; expected `loss`, `link` or `volume`"
        );
        assert_eq!(
            reword(
                "unknown field `e`, expected one of `ab`, `cd`, `ef`, `gh`, `ij`",
                &[]
            ),
            "unknown key `e`; did you mean `ef`?"
        );
        assert_eq!(reword("missing field `mix`", &[]), "`mix` is missing");
    }
}
