//! Reading a scenario, from the path or the text to the whole.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::error::{ScenarioError, Source};
use super::field::At;
use super::file::Head;
use super::resolve::Resolver;
use super::reword::{reword, unknown_word};
use super::tree::{self, HEAD_KEYS, Override};
use super::{Scenario, hosts};
use crate::seed::Seed;
use crate::services::Application;

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    ///
    /// The first mistake in the file; or that the file cannot be read.
    pub fn load(path: &Path, services: &[Arc<dyn Application>]) -> Result<Self, ScenarioError> {
        Self::load_with(path, services, &[])
    }

    /// Reads a scenario file, with overrides as in [`Self::parse_with`].
    ///
    /// # Errors
    ///
    /// The first mistake in the file or the overrides; or that the file cannot be read.
    pub fn load_with(
        path: &Path,
        services: &[Arc<dyn Application>],
        overrides: &[(String, String)],
    ) -> Result<Self, ScenarioError> {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| ScenarioError {
            file: file.clone(),
            line: 0,
            column: 0,
            message: format!("cannot be read: {error}"),
        })?;
        Self::parse_with(&file, &text, services, overrides)
    }

    /// Reads a scenario from its text; `file` is its path.
    ///
    /// # Errors
    ///
    /// The first mistake in the text.
    pub fn parse(
        file: &str,
        text: &str,
        services: &[Arc<dyn Application>],
    ) -> Result<Self, ScenarioError> {
        Self::parse_with(file, text, services, &[])
    }

    /// Reads a scenario, with overrides that win over the file and every variant.
    ///
    /// An override is a key, with dots into tables (`network.loss`), and a TOML value; a word needs
    /// no quotes. `seed` and every key of a variant can be overridden.
    ///
    /// # Errors
    ///
    /// The first mistake in the text or the overrides.
    pub fn parse_with(
        file: &str,
        text: &str,
        services: &[Arc<dyn Application>],
        overrides: &[(String, String)],
    ) -> Result<Self, ScenarioError> {
        let source = Source {
            file,
            text,
            overrides,
        };
        let root = DeTable::parse(text).map_err(|error| toml_error(&source, &error, &[]))?;
        let mut parts = tree::split(&source, root.into_inner())?;
        let overrides = Override::all(&source)?;
        for of_head in overrides.iter().filter(|each| each.is_of_head()) {
            of_head.apply(&source, &mut parts.head)?;
        }
        let head: Head = read(&source, parts.head, &[])?;
        check_story(&source, &head.story)?;
        let application = find_service(&source, services, &head.service)?;

        let resolver = Resolver {
            source,
            application,
            service_at: head.service.span.start,
        };
        resolver.keys(parts.base.clone(), &HEAD_KEYS)?;
        let named = parts
            .variants
            .unwrap_or_else(|| vec![(default_name(), DeTable::new())]);
        check_expect(&source, &head, &named)?;
        let mut variants = Vec::new();
        for (name, variant) in named {
            hosts::check_name(&source, &name)?;
            let mut keys = tree::merged(&parts.base, variant);
            for of_variant in overrides.iter().filter(|each| !each.is_of_head()) {
                of_variant.apply(&source, &mut keys)?;
            }
            let expect = head.expect.0.iter().find(|(of, _)| of.value == name.value);
            let expect = expect.map(|(_, expect)| expect);
            variants.push(Arc::new(resolver.variant(name.value, keys, expect)?));
        }
        Ok(Self {
            name: name_of(file),
            story: head.story.value,
            file: portable(file).to_owned(),
            seed: Seed(head.seed.value.0),
            service_name: head.service.value,
            variants,
        })
    }
}

/// Reads a table of the file. `more` are keys that are known besides those of the type.
pub(super) fn read<'a, T: Deserialize<'a>>(
    source: &Source,
    table: DeTable<'a>,
    more: &[&str],
) -> Result<T, ScenarioError> {
    let keys: Vec<Range<usize>> = table.keys().map(Spanned::span).collect();
    let root = Spanned::new(0..source.text.len(), table);
    T::deserialize(Deserializer::from(root)).map_err(|error| {
        let of_this_table = error.span().is_some_and(|span| keys.contains(&span));
        toml_error(source, &error, if of_this_table { more } else { &[] })
    })
}

/// A mistake that toml or serde has found.
pub(super) fn toml_error(source: &Source, error: &toml::de::Error, more: &[&str]) -> ScenarioError {
    let at = error.span().map_or(0, |span| span.start);
    source.error(at, reword(error.message(), more))
}

fn check_story(source: &Source, story: &At<String>) -> Result<(), ScenarioError> {
    let expected = "expected one or two sentences in one line";
    let wrong = |what| Err(source.error(story.span.start, format!("{what}; {expected}")));
    if story.value.trim().is_empty() {
        return wrong("the story is empty");
    }
    if story.value.contains(char::is_control) {
        return wrong("the story has a line break or a control character");
    }
    Ok(())
}

fn find_service(
    source: &Source,
    services: &[Arc<dyn Application>],
    name: &At<String>,
) -> Result<Arc<dyn Application>, ScenarioError> {
    let found = services.iter().find(|service| service.name() == name.value);
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = services.iter().map(|service| service.name()).collect();
        source.error(
            name.span.start,
            unknown_word("unknown service", &name.value, &known),
        )
    })
}

fn default_name() -> At<String> {
    At {
        span: 0..0,
        value: "default".to_owned(),
    }
}

fn check_expect(
    source: &Source,
    head: &Head,
    variants: &[(At<String>, DeTable<'_>)],
) -> Result<(), ScenarioError> {
    let known: Vec<&str> = variants
        .iter()
        .map(|(name, _)| name.value.as_str())
        .collect();
    let unknown = head
        .expect
        .0
        .iter()
        .find(|(name, _)| !known.contains(&name.value.as_str()));
    unknown.map_or(Ok(()), |(name, _)| {
        let message = unknown_word("unknown variant", &name.value, &known);
        Err(source.error(name.span.start, message))
    })
}

/// The path from its last `sims/` on, or as it is.
fn portable(file: &str) -> &str {
    match file.rfind("/sims/") {
        Some(slash) => &file[slash + 1..],
        None => file,
    }
}

fn name_of(file: &str) -> String {
    let name = match portable(file).strip_prefix("sims/") {
        Some(below) => below,
        None => file.rsplit('/').next().unwrap_or(file),
    };
    name.strip_suffix(".toml").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_path_below_sims_or_the_stem() {
        for (file, name) in [
            (
                "sims/booking/lost-cancel-reply.toml",
                "booking/lost-cancel-reply",
            ),
            ("/x/sims/lock/two.toml", "lock/two"),
            ("./sims/one.toml", "one"),
            ("elsewhere/mine.toml", "mine"),
            ("mine", "mine"),
        ] {
            assert_eq!(name_of(file), name);
        }
        assert_eq!(portable("/x/sims/lock/two.toml"), "sims/lock/two.toml");
        assert_eq!(portable("elsewhere/mine.toml"), "elsewhere/mine.toml");
    }
}
