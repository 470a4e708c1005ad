//! The command grammar: one for the prompt, the one-shot command line and scenarios.
//!
//! ```text
//! hello
//! acquire FILE
//! renew FILE
//! append FILE TEXT
//! release FILE
//! read FILE [FROM]     FROM: the first byte that is asked for, from 0
//! close
//! ```
//!
//! A text with spaces stands in quotes (see `services::quoting`); in double quotes `\n` is a new line.
//! Commands carry no token: the client puts that of its grant in. Nor does the grammar know which files
//! there are: the server refuses the others.

use std::borrow::Cow;

use crate::services::lock::codec::{FILE, TEXT};
use crate::services::lock::message::Request;
use crate::services::quoting::{Word, Words};
use crate::services::{Command, CommandError, Usage};
use crate::wire::Limit;

/// The commands, for help texts.
pub(super) const USAGE: [Usage; 7] = [
    Usage {
        form: "hello",
        help: "Ask the server for a greeting.",
    },
    Usage {
        form: "acquire FILE",
        help: "Acquire the lock of a file (file_0 to file_99), and wait for it.",
    },
    Usage {
        form: "renew FILE",
        help: "Have the lease of a lock run anew, as a client does by itself while it holds it.",
    },
    Usage {
        form: "append FILE TEXT",
        help: r#"Append a text ("A\n" ends with a new line); it appears when the lock is released."#,
    },
    Usage {
        form: "release FILE",
        help: "Give the lock of a file back, and let what was appended appear.",
    },
    Usage {
        form: "read FILE [FROM]",
        help: "Read a file, from a byte on; of a file whose lock you hold, also what you have appended.",
    },
    Usage {
        form: "close",
        help: "Say goodbye: locks that you hold are free, and what was not released vanishes.",
    },
];

/// Reads a line.
pub(super) fn parse(line: &str) -> Result<Vec<Command>, CommandError> {
    command_of(Words::of_line(line)?)
}

/// Reads words that are split already. A single word is read as a line: a command of one word needs no
/// quotes.
pub(super) fn parse_words(words: &[&str]) -> Result<Vec<Command>, CommandError> {
    match words {
        [line] => parse(line),
        _ => command_of(Words::of_words(words)),
    }
}

/// The command of a request.
pub(super) fn command(request: Request<'static>) -> Command {
    Command {
        verb: verb(&request),
        body: request.encode(),
    }
}

/// What a request is called: the first word of its command.
pub(super) const fn verb(request: &Request<'_>) -> &'static str {
    match request {
        Request::Hello => "hello",
        Request::Acquire { .. } => "acquire",
        Request::Renew { .. } => "renew",
        Request::Append { .. } => "append",
        Request::Release { .. } => "release",
        Request::Read { .. } => "read",
        Request::Close => "close",
    }
}

/// The error that a word is none of the verbs.
pub(super) fn no_command(word: &str) -> String {
    let first_word = |usage: &Usage| usage.form.split(' ').next();
    let verbs: Vec<_> = USAGE.iter().filter_map(first_word).collect();
    format!("`{word}` is no command; write {}", verbs.join(", "))
}

fn command_of(mut words: Words) -> Result<Vec<Command>, CommandError> {
    let verb = words.expect("a command, such as `acquire` or `append`,")?;
    let token = 0;
    let request = match verb.text.as_str() {
        "hello" => Request::Hello,
        "acquire" => Request::Acquire {
            file: file(&mut words)?,
            token,
        },
        "renew" => Request::Renew {
            file: file(&mut words)?,
            token,
            number: 0,
        },
        "append" => Request::Append {
            file: file(&mut words)?,
            token,
            text: within(TEXT, words.expect("a text, such as `A` or 'two words',")?)?,
        },
        "release" => Request::Release {
            file: file(&mut words)?,
            token,
        },
        "read" => Request::Read {
            file: file(&mut words)?,
            token,
            from: words.next().map_or(Ok(0), |word| offset(&word))?,
        },
        "close" => Request::Close,
        other => return Err(verb.error(no_command(other))),
    };
    match words.next() {
        Some(word) => Err(word.error(format!("`{}` is one word too many", word.text))),
        None => Ok(vec![command(request)]),
    }
}

fn file(words: &mut Words) -> Result<Cow<'static, str>, CommandError> {
    let word = words.expect("a file, such as `file_0`,")?;
    if word.text.is_empty() {
        return Err(word.error("the file name is empty; write one such as `file_0`"));
    }
    within(FILE, word)
}

/// The text of a word, if a server will read that much.
fn within(limit: Limit, word: Word) -> Result<Cow<'static, str>, CommandError> {
    let Limit { what, max } = limit;
    match word.text.len() {
        bytes if bytes > max => Err(word.error(format!(
            "the {what} is too long: {bytes} bytes, at most {max}"
        ))),
        _ => Ok(Cow::Owned(word.text)),
    }
}

fn offset(word: &Word) -> Result<u64, CommandError> {
    let is_plain = word.text.bytes().all(|byte| byte.is_ascii_digit());
    let offset = word.text.parse().ok().filter(|_| is_plain);
    offset.ok_or_else(|| {
        word.error(format!(
            "`{}` is no number of bytes; write one such as 32768",
            word.text
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::lock::describe;

    /// The command of a line, told again.
    fn told(line: &str) -> String {
        let commands = parse(line).unwrap();
        assert_eq!(commands.len(), 1);
        let words = describe::request(&commands[0].body);
        assert!(words.starts_with(commands[0].verb), "{words}");
        words
    }

    #[test]
    fn what_is_told_of_a_command_is_a_command() {
        for line in [
            "hello",
            "acquire file_0",
            "acquire file_100",
            "acquire '../file_0'",
            "renew file_99",
            "append file_0 'A'",
            "append file_0 ''",
            r#"append file_0 "it's\none line\n""#,
            r#"append file_0 "a\\n\u{9}""#,
            "release file_0",
            "read file_0",
            "read file_0 32768",
            "read file_0 18446744073709551615",
            "close",
        ] {
            assert_eq!(told(line), line);
        }
        assert_eq!(told("append file_0 A"), "append file_0 'A'");
        assert_eq!(told("read 'file_0' 0"), "read file_0");
    }

    #[test]
    fn words_of_a_shell_need_no_quotes() {
        let split = parse_words(&["append", "file_0", "two words\n"]).unwrap();
        assert_eq!(split, parse(r#"append file_0 "two words\n""#).unwrap());
        assert_eq!(parse_words(&["close"]), parse("close"));
    }

    #[test]
    fn every_form_of_the_help_is_a_command() {
        for Usage { form, .. } in USAGE {
            let line = form.replace("FILE", "file_0").replace("TEXT", "A");
            let short = parse(line.split(" [").next().unwrap()).unwrap();
            let long = parse(&line.replace("[FROM]", "7")).unwrap();
            let first_word = form.split(' ').next().unwrap();
            assert_eq!((short[0].verb, long[0].verb), (first_word, first_word));
        }
    }

    #[test]
    fn what_is_no_command_is_refused_where_it_is_wrong() {
        let long_text = format!("append file_0 {}", "x".repeat(4_097));
        let long_file = format!("acquire {}", "x".repeat(65));
        for (line, at, part) in [
            ("", 0, "expected a command"),
            ("lock file_0", 0, "write hello, acquire, renew"),
            ("acquire", 7, "expected a file"),
            ("acquire ''", 9, "file name is empty"),
            ("append file_0", 13, "expected a text"),
            ("append file_0 A B", 16, "`B` is one word too many"),
            ("read file_0 from", 12, "no number of bytes"),
            ("read file_0 +1", 12, "no number of bytes"),
            ("read file_0 18446744073709551616", 12, "no number"),
            ("close file_0", 6, "one word too many"),
            (long_text.as_str(), 14, "4097 bytes, at most 4096"),
            (long_file.as_str(), 8, "65 bytes, at most 64"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.at, at, "{line}: {error}");
            assert!(error.message.contains(part), "{line}: {error}");
        }
    }
}
