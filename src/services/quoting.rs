//! The words of a command line, and quotes around names.
//!
//! Words are parted by spaces. A word in single quotes is taken as it stands; in double quotes, `\"`,
//! `\\`, `\n` and `\u{..}` stand for a quote, a backslash, a new line and any character. So every name can
//! be written, and [`quote`] writes it.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::CharIndices;

use crate::services::CommandError;

/// A word of a command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Word {
    /// The word, without quotes.
    pub(crate) text: String,
    /// Where it begins, in bytes from the start of the line.
    pub(crate) at: usize,
    /// Whether it was quoted; a quoted word is never an option.
    pub(crate) quoted: bool,
}

impl Word {
    /// The error that something is wrong with this word.
    pub(crate) fn error(&self, message: impl Into<String>) -> CommandError {
        self.error_at(0, message)
    }

    /// The error that something is wrong with this word, from this byte of it on.
    pub(crate) fn error_at(&self, offset: usize, message: impl Into<String>) -> CommandError {
        CommandError {
            message: message.into(),
            at: self.at + usize::from(self.quoted) + offset,
        }
    }
}

/// The words of one line, taken one by one.
#[derive(Debug)]
pub(crate) struct Words {
    words: Vec<Word>,
    taken: usize,
    end: usize,
}

impl Words {
    /// Splits a line into words.
    ///
    /// # Errors
    ///
    /// If a quote is not closed, or what follows it is no space.
    pub(crate) fn of_line(line: &str) -> Result<Self, CommandError> {
        let mut words = Vec::new();
        let mut rest = line.char_indices().peekable();
        while let Some(&(at, first)) = rest.peek() {
            match first {
                '\'' | '"' => words.push(quoted(&mut rest, at, first)?),
                _ if first.is_whitespace() => {
                    rest.next();
                }
                _ => words.push(bare(&mut rest, at)),
            }
        }
        Ok(Self {
            words,
            taken: 0,
            end: line.len(),
        })
    }

    /// Takes words that are split already; a word may hold spaces. Positions count as if the words
    /// were joined by single spaces.
    pub(crate) fn of_words(split: &[&str]) -> Self {
        let mut words = Vec::with_capacity(split.len());
        let mut at = 0;
        for &text in split {
            words.push(Word {
                text: text.to_owned(),
                at,
                quoted: false,
            });
            at += text.len() + 1;
        }
        Self {
            words,
            taken: 0,
            end: at.saturating_sub(1),
        }
    }

    /// The next word.
    pub(crate) fn next(&mut self) -> Option<Word> {
        let word = self.words.get(self.taken).cloned()?;
        self.taken += 1;
        Some(word)
    }

    /// The next word; its absence is the error that `expected` is missing.
    pub(crate) fn expect(&mut self, expected: &str) -> Result<Word, CommandError> {
        let at = self.end;
        self.next().ok_or_else(|| CommandError {
            message: format!(
                "the line ends too early; expected {}",
                expected.trim_end_matches(',')
            ),
            at,
        })
    }
}

fn bare(rest: &mut Peekable<CharIndices<'_>>, at: usize) -> Word {
    let mut text = String::new();
    while let Some((_, character)) = rest.next_if(|(_, character)| !character.is_whitespace()) {
        text.push(character);
    }
    Word {
        text,
        at,
        quoted: false,
    }
}

fn quoted(
    rest: &mut Peekable<CharIndices<'_>>,
    at: usize,
    quote: char,
) -> Result<Word, CommandError> {
    rest.next();
    let mut text = String::new();
    loop {
        match rest.next() {
            Some((_, character)) if character == quote => break,
            Some((at, '\\')) if quote == '"' => text.push(escaped(rest, at)?),
            Some((_, character)) => text.push(character),
            None => {
                let message = format!("the quote is not closed; write {quote} after the name");
                return Err(CommandError { message, at });
            }
        }
    }
    match rest.peek() {
        Some(&(at, after)) if !after.is_whitespace() => Err(CommandError {
            message: "a space was expected after the closing quote".to_owned(),
            at,
        }),
        _ => Ok(Word {
            text,
            at,
            quoted: true,
        }),
    }
}

/// The character that an escape stands for; the backslash has been read.
fn escaped(rest: &mut Peekable<CharIndices<'_>>, at: usize) -> Result<char, CommandError> {
    let wrong = || CommandError {
        message: r#"only \", \\, \n and \u{..} can follow a backslash in double quotes"#.to_owned(),
        at,
    };
    match rest.next() {
        Some((_, character @ ('"' | '\\'))) => Ok(character),
        Some((_, 'n')) => Ok('\n'),
        Some((_, 'u')) => {
            rest.next_if(|&(_, brace)| brace == '{').ok_or_else(wrong)?;
            let mut digits = String::new();
            while let Some((_, digit)) = rest.next_if(|(_, digit)| digit.is_ascii_hexdigit()) {
                digits.push(digit);
            }
            rest.next_if(|&(_, brace)| brace == '}').ok_or_else(wrong)?;
            let code = u32::from_str_radix(&digits, 16).map_err(|_| wrong())?;
            char::from_u32(code).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// A name in quotes, on one line whatever it holds: `'Meeting Room A'`, `"Bob's"`.
#[must_use]
pub(crate) fn quote(name: &str) -> String {
    quote_with(name, r"\u{a}")
}

/// A text in quotes, on one line as well, in which new lines are common: `"one\ntwo\n"`.
#[must_use]
pub(crate) fn quote_text(text: &str) -> String {
    quote_with(text, r"\n")
}

fn quote_with(name: &str, new_line: &str) -> String {
    if !name.contains(|c: char| c == '\'' || breaks_lines(c)) {
        return format!("'{name}'");
    }
    let mut text = String::from('"');
    for character in name.chars() {
        match character {
            '\n' => text.push_str(new_line),
            '"' | '\\' => text.extend(['\\', character]),
            _ if breaks_lines(character) => {
                let _infallible = write!(text, "\\u{{{:x}}}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text.push('"');
    text
}

/// A word in quotes if it needs them: `CONF000001`, `'CONF 1'`.
#[must_use]
pub(crate) fn quote_if_needed(word: &str) -> String {
    if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        word.to_owned()
    } else {
        quote(word)
    }
}

/// Whether a character would break the line of a trace, or hide in it.
pub(crate) fn breaks_lines(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let words = Words::of_line(line).unwrap().words;
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_parted_by_spaces_outside_of_quotes() {
        assert_eq!(
            texts("  book 'Meeting Room A'\tmon  10:00-11:00 "),
            ["book", "Meeting Room A", "mon", "10:00-11:00"]
        );
        assert_eq!(texts(r#"a "Bob's" 'say "hi"' '' b'c"#).len(), 5);
        assert_eq!(texts(r#""a\"b\\c\u{e9}""#), ["a\"b\\cé"]);
    }

    #[test]
    fn a_new_line_is_written_in_double_quotes() {
        assert_eq!(
            texts(r#""a\nb\\n" 'a\nb' a\nb"#),
            ["a\nb\\n", r"a\nb", r"a\nb"]
        );
        assert_eq!(quote_text("it's\n\t\\n"), r#""it's\n\u{9}\\n""#);
        assert_eq!(
            (quote("a\n"), quote_text("a")),
            (r#""a\u{a}""#.into(), "'a'".into())
        );
        let error = Words::of_line(r#"put "a\tb""#).unwrap_err();
        assert_eq!(error.at, 6);
        assert!(error.message.contains(r#"\n and \u{..}"#), "{error}");
    }

    #[test]
    fn an_open_quote_is_named_where_it_opens() {
        let error = Words::of_line("query 'Hall mon").unwrap_err();
        assert_eq!(error.at, 6);
        assert!(error.message.contains("not closed"), "{error}");
        let error = Words::of_line("query 'Hall'mon").unwrap_err();
        assert_eq!(error.at, 12);
    }

    #[test]
    fn positions_of_split_words_count_as_if_joined() {
        let words = Words::of_words(&["query", "Meeting Room A", "mon"]).words;
        assert_eq!(words[1].text, "Meeting Room A");
        assert_eq!(words[2].at, "query Meeting Room A ".len());
    }

    #[test]
    fn only_ids_need_no_quotes() {
        assert_eq!(quote_if_needed("CONF000001"), "CONF000001");
        assert_eq!(quote_if_needed("--for"), "'--for'");
        assert_eq!(quote_if_needed(""), "''");
    }

    proptest! {
        #[test]
        fn every_name_in_quotes_is_one_line_and_reads_back(name in any::<String>()) {
            for quoted in [quote(&name), quote_text(&name)] {
                prop_assert_eq!(quoted.lines().count(), 1);
                prop_assert_eq!(texts(&quoted), [name.as_str()]);
            }
        }

        #[test]
        fn no_line_panics(line in any::<String>()) {
            let _words = Words::of_line(&line);
        }
    }
}
