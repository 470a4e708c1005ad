//! The paths that a file names: in `use` trees and in the midst of code.

use std::collections::BTreeMap;

use crate::source::{Source, is_name};

/// A path of at least two names, as far as the file itself says what it means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    /// `crate`, `self` and `super` and names brought in by `use` are resolved.
    pub(crate) segments: Vec<String>,
    /// Whether it was written with a leading `::`.
    pub(crate) global: bool,
}

impl Named {
    pub(crate) fn starts_with(&self, prefix: &[&str]) -> bool {
        self.segments.len() >= prefix.len()
            && prefix.iter().zip(&self.segments).all(|(a, b)| a == b)
    }
}

/// Every path of a file.
pub(crate) fn paths(source: &Source) -> Vec<Named> {
    let mut reader = Reader {
        tokens: tokens(&source.code),
        at: 0,
        found: Vec::new(),
        aliases: BTreeMap::new(),
    };
    reader.read();
    let home = module_of(&source.path);
    reader
        .found
        .iter()
        .map(|named| Named {
            segments: resolve(named, source, &home, &reader.aliases),
            ..named.clone()
        })
        .collect()
}

/// The module that a file of src is: `["net", "fate"]`; nothing for the crate root.
pub(crate) fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    inner
        .split('/')
        .filter(|name| !matches!(*name, "mod" | "lib" | "main"))
        .map(str::to_owned)
        .collect()
}

/// How many imports may lead from a name to what it means: no real file comes near.
const ALIAS_STEPS_MAX: usize = 8;

fn resolve(
    named: &Named,
    source: &Source,
    home: &[String],
    aliases: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut segments = named.segments.clone();
    for _ in 0..ALIAS_STEPS_MAX {
        // `use serde::de; use de::Error;` but not `use tokio;`, which leads to itself.
        match aliases.get(&segments[0]) {
            Some(target) if !named.global && target[0] != segments[0] => {
                segments.splice(..1, target.iter().cloned());
            }
            _ => break,
        }
    }
    // Inside a module of tests, `super` is the file itself.
    let parent = if source.is_test(named.line) {
        home
    } else {
        &home[..home.len().saturating_sub(1)]
    };
    let base = match segments[0].as_str() {
        "self" => home,
        "super" => parent,
        _ => return segments,
    };
    let root = ["crate".to_owned()];
    let rest = segments[1..].iter();
    root.iter().chain(base).chain(rest).cloned().collect()
}

#[derive(Debug, Eq, PartialEq)]
enum Token {
    Name(String),
    Separator,
    Sign(char),
}

/// The tokens of blanked code with their lines.
fn tokens(code: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let length = if is_name(c) {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            tokens.push((line, Token::Name(rest[..end].to_owned())));
            end
        } else if rest.starts_with("::") {
            tokens.push((line, Token::Separator));
            2
        } else {
            if c == '\n' {
                line += 1;
            } else if !c.is_whitespace() {
                tokens.push((line, Token::Sign(c)));
            }
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    at: usize,
    found: Vec<Named>,
    /// What each name brought in by `use` stands for.
    aliases: BTreeMap<String, Vec<String>>,
}

impl Reader {
    fn read(&mut self) {
        while self.at < self.tokens.len() {
            if self.take_name_if("use") {
                // `impl Trait + use<'a>` is no import.
                if self.peek() != Some(&Token::Sign('<')) {
                    let global = self.take(&Token::Separator);
                    self.use_tree(&[], global);
                }
            } else if matches!(self.peek(), Some(Token::Name(_))) {
                self.inline_path();
            } else {
                self.at += 1;
            }
        }
    }

    /// `a::b::{c, d::e as f, self, *}`
    fn use_tree(&mut self, prefix: &[String], global: bool) {
        let mut segments = prefix.to_vec();
        let line = self.line();
        loop {
            if let Some(name) = self.take_name() {
                if name != "self" || segments.is_empty() {
                    segments.push(name);
                }
            } else if self.take(&Token::Sign('*')) {
                segments.push("*".to_owned());
            } else if self.take(&Token::Sign('{')) {
                while self.at < self.tokens.len() && !self.take(&Token::Sign('}')) {
                    self.use_tree(&segments, global);
                    self.take(&Token::Sign(','));
                }
                return;
            } else {
                // No import at all: step on, so that reading ends.
                self.at += 1;
                return;
            }
            if !self.take(&Token::Separator) {
                break;
            }
        }
        let renamed = self.take_name_if("as").then(|| self.take_name()).flatten();
        if let Some(alias) = renamed.or_else(|| segments.last().cloned()) {
            self.aliases.insert(alias, segments.clone());
        }
        self.found.push(Named {
            line,
            segments,
            global,
        });
    }

    /// A path in the midst of code; a name alone is none.
    fn inline_path(&mut self) {
        let line = self.line();
        let before = |back: usize| self.at.checked_sub(back).map(|at| &self.tokens[at].1);
        let global = before(1) == Some(&Token::Separator);
        let of_a_type = global && before(2) == Some(&Token::Sign('>'));
        let mut segments = Vec::new();
        while let Some(name) = self.take_name() {
            segments.push(name);
            if !self.take(&Token::Separator) {
                break;
            }
        }
        if segments.len() > 1 && !of_a_type {
            self.found.push(Named {
                line,
                segments,
                global,
            });
        }
    }

    fn take(&mut self, token: &Token) -> bool {
        let taken = self.peek() == Some(token);
        self.at += usize::from(taken);
        taken
    }

    fn take_name(&mut self) -> Option<String> {
        let Some(Token::Name(name)) = self.peek() else {
            return None;
        };
        let name = name.clone();
        self.at += 1;
        Some(name)
    }

    fn take_name_if(&mut self, wanted: &str) -> bool {
        self.take(&Token::Name(wanted.to_owned()))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |(line, _)| *line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, text: &str) -> Vec<(usize, String)> {
        paths(&Source::new(path, text))
            .into_iter()
            .map(|named| (named.line, named.segments.join("::")))
            .collect()
    }

    fn names(text: &str) -> Vec<String> {
        let found = named("src/services/booking/state.rs", text);
        found.into_iter().map(|(_, path)| path).collect()
    }

    #[test]
    fn a_use_group_over_several_lines_is_read() {
        let text = "use crate::{\n    net::{self, fate::Fate},\n    seed::*,\n};\nuse std::fmt;";
        let expected = [
            (2, "crate::net"),
            (2, "crate::net::fate::Fate"),
            (3, "crate::seed::*"),
            (5, "std::fmt"),
        ];
        let expected = expected.map(|(line, path)| (line, path.to_owned()));
        assert_eq!(named("src/x.rs", text), expected);
    }

    #[test]
    fn inline_paths_are_read_and_comments_are_not() {
        let text = "// crate::sim::x\n/// [crate::cli]\nlet a = crate::net::recv(\"crate::rpc\");";
        assert_eq!(names(text), ["crate::net::recv"]);
    }

    #[test]
    fn imported_names_are_followed() {
        assert_eq!(
            names("use crate::services;\nuse tokio::time as t;\nservices::lock::f(); t::sleep();"),
            [
                "crate::services",
                "tokio::time",
                "crate::services::lock::f",
                "tokio::time::sleep",
            ],
        );
    }

    #[test]
    fn self_and_super_are_resolved() {
        assert_eq!(
            names("super::command::f();\nself::g();\n#[cfg(test)]\nmod tests { use super::h; }"),
            [
                "crate::services::booking::command::f",
                "crate::services::booking::state::g",
                "crate::services::booking::state::h",
            ],
        );
    }

    #[test]
    fn associated_items_are_no_global_paths() {
        assert_eq!(
            names("<T as a::B>::C::d(); Vec::<u8>::e(); ::f::g();"),
            ["a::B", "f::g"]
        );
    }

    #[test]
    fn broken_code_is_read_to_its_end() {
        assert_eq!(names("use ; use a::{b, ; c"), ["a::b", "a::c"]);
    }
}
