//! A file of the tree, and its code without comments and strings.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// What breaks a rule, where, and what to do instead.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Finding {
    /// Relative to the root of the repository.
    pub(crate) path: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// What is wrong and what to do instead.
    pub(crate) fix: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, fix: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.fix)
    }
}

/// A Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root of the repository, with `/`.
    pub(crate) path: String,
    /// As it stands in the file.
    pub(crate) text: String,
    /// The text with every comment and every literal blanked out; the lines are the same.
    pub(crate) code: String,
    /// The lines of the `#[cfg(test)]` items.
    tests: Vec<Range<usize>>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = without_comments_and_literals(text);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tests: test_items(&code),
            code,
        }
    }

    /// Whether this line belongs to tests.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        if self.path.ends_with("_tests.rs") {
            return true;
        }
        self.path.ends_with("/tests.rs") || self.tests.iter().any(|range| range.contains(&line))
    }

    /// The lines on which `needle` stands in the code, not as a part of a longer name.
    pub(crate) fn lines_with(&self, needle: &str) -> Vec<usize> {
        self.places_of(needle)
            .map(|at| line_of(&self.code, at))
            .collect()
    }

    /// Where `needle` stands in the code, not as a part of a longer name.
    pub(crate) fn places_of<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
        let code = &self.code;
        code.match_indices(needle).filter_map(move |(at, _)| {
            let before = code[..at].chars().next_back();
            let after = code[at + needle.len()..].chars().next();
            let joined_before = needle.starts_with(is_name) && before.is_some_and(is_name);
            let joined_after = needle.ends_with(is_name) && after.is_some_and(is_name);
            (!joined_before && !joined_after).then_some(at)
        })
    }
}

/// Whether a character may stand in a name.
pub(crate) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The line of a place in a text, counted from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text[..at].matches('\n').count()
}

/// The text of one file of the repository.
pub(crate) fn read(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(full).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Path and text of every text file below a directory (or of the one file), in order of paths. A
/// place that does not exist has no files.
pub(crate) fn read_tree(place: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut open = vec![place.to_owned()];
    while let Some(path) = open.pop() {
        let full = root.join(&path);
        if full.is_dir() {
            let entries = fs::read_dir(full).unwrap_or_else(|error| panic!("{path}: {error}"));
            for entry in entries {
                let name = entry.expect("a readable directory").file_name();
                open.push(format!("{path}/{}", name.to_string_lossy()));
            }
        } else if let Ok(text) = fs::read_to_string(full) {
            files.push((path, text));
        }
    }
    files.sort();
    files
}

/// Blanks comments, strings and characters; keeps every line where it is.
fn without_comments_and_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_blank(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            let blank = |c: &char| if *c == '\n' { '\n' } else { ' ' };
            code.extend(chars[at..end].iter().map(blank));
            at = end;
        }
    }
    code
}

/// Where the comment or literal that starts at `at` ends; `at` itself if none starts there.
fn end_of_blank(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let length = match rest {
        ['/', '/', ..] => rest.iter().take_while(|c| **c != '\n').count(),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        ['r', '"' | '#', ..] if starts_raw_string(chars, at) => raw_string(rest),
        _ => 0,
    };
    at + length.min(rest.len())
}

/// The length of a block comment, with those inside it.
fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal between quotes with escapes.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Whether the `r` at `at` begins a raw string: not the end of a name (but `br` and `cr` do).
fn starts_raw_string(chars: &[char], at: usize) -> bool {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let before: String = chars[..at]
        .iter()
        .rev()
        .take_while(|c| is_name(**c))
        .collect();
    chars.get(at + 1 + hashes) == Some(&'"') && matches!(before.as_str(), "" | "b" | "c")
}

/// The length of a raw string.
fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    let closing = |at: &usize| {
        rest[*at] == '"' && rest[*at + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    let body = hashes + 2;
    (body..rest.len())
        .find(closing)
        .map_or(rest.len(), |at| at + 1 + hashes)
}

/// The lines of each item under `#[cfg(test)]`.
fn test_items(code: &str) -> Vec<Range<usize>> {
    code.match_indices("#[cfg(test)]")
        .map(|(at, _)| line_of(code, at)..line_of(code, at + item_length(&code[at..])) + 1)
        .collect()
}

/// The length of an item: to its `;`, or to the end of its braces.
fn item_length(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at,
            '}' => depth -= 1,
            ';' if depth == 0 => return at,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new("src/x.rs", text).code
    }

    #[test]
    fn comments_are_skipped() {
        assert_eq!(
            code("a // b\nc /* d /* e */ f */ g").replace(' ', ""),
            "a\ncg"
        );
    }

    #[test]
    fn literals_are_skipped() {
        for literal in [
            r#""x\"y""#,
            r##"r#"x"y"#"##,
            r"'\''",
            "'x'",
            "b\"x\"",
            "br\"x\"",
        ] {
            let left = code(&format!("a({literal}, b)"));
            assert!(left.starts_with("a(") && left.ends_with(", b)"), "{left}");
            assert!(!left.contains('x'), "{left}");
        }
    }

    #[test]
    fn lifetimes_and_raw_names_are_no_literals() {
        let text = "fn f<'a>(x: &'a u8, r#type: &'a u8) {}";
        assert_eq!(code(text), text);
    }

    #[test]
    fn blanking_keeps_the_lines() {
        let text = "a\n\"b\nc\"\n/*\n*/ d";
        assert_eq!(code(text).lines().count(), text.lines().count());
        assert_eq!(Source::new("src/x.rs", text).lines_with("d"), [5]);
    }

    #[test]
    fn a_word_is_not_found_inside_a_longer_one() {
        let source = Source::new("src/x.rs", "eprint!(1); print!(2);\nprinted!(); print!(3)");
        assert_eq!(source.lines_with("print!"), [1, 2]);
    }

    #[test]
    fn the_lines_of_test_items_are_known() {
        let source = Source::new(
            "src/x.rs",
            "fn a() {}\n#[cfg(test)]\nuse x;\nfn b() {}\n#[cfg(test)]\nmod tests {\n  fn c() {}\n}\nfn d() {}",
        );
        let tests: Vec<usize> = (1..=9).filter(|line| source.is_test(*line)).collect();
        assert_eq!(tests, [2, 3, 5, 6, 7, 8]);
    }
}
