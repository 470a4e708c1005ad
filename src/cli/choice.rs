//! Which runs a command line asks for: files, variants, simulators and overrides.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::exit::UsageError;
use crate::services::catalogue;
use crate::sim::scenario::{Backend, Scenario, Variant};

/// Options of every subcommand that simulates.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Choice {
    /// Run only this variant; may be given several times.
    #[arg(long = "variant", value_name = "NAME")]
    variants: Vec<String>,
    /// The simulator; both print the same. Without it: event, where the scenario allows it.
    #[arg(long, value_name = "BACKEND", value_parser = backends())]
    backend: Option<Backend>,
    /// Override a key of the scenario, with dots into tables; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_override)]
    overrides: Vec<(String, String)>,
}

/// A scenario, and what is to be run of it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Its path, as the user named it or the directory.
    pub(crate) path: String,
    /// The scenario, overrides applied.
    pub(crate) scenario: Scenario,
    /// The runs, in the order of the file.
    pub(crate) runs: Vec<(Arc<Variant>, Backend)>,
}

/// What is to be run, and what is not.
#[derive(Debug)]
pub(crate) struct Plans {
    /// Scenarios in the order of the command line, each with at least one run.
    pub(crate) plans: Vec<Plan>,
    /// A line for each variant that its directory offers and the chosen simulator cannot run.
    pub(crate) skipped: Vec<String>,
}

/// A scenario file that was found.
struct Found {
    path: PathBuf,
    /// Whether the user named it; if not, it lay in a directory.
    is_named: bool,
}

fn backends() -> impl TypedValueParser<Value = Backend> {
    let by_name = |name: String| Backend::ALL.into_iter().find(|each| each.name() == name);
    PossibleValuesParser::new(Backend::ALL.map(Backend::name))
        .map(move |name| by_name(name).expect("clap accepts these names only"))
}

fn parse_override(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("expected KEY=VALUE, as in network.loss=0.1")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl Choice {
    /// All variants as they stand in their files, on this simulator.
    pub(crate) fn on(backend: Backend) -> Self {
        Self {
            backend: Some(backend),
            ..Self::default()
        }
    }

    /// Finds and reads scenarios, and says what is to be run of them.
    ///
    /// # Errors
    ///
    /// [`UsageError`], if there is a mistake in the command line or in a file; or that a directory
    /// cannot be read.
    pub(crate) fn plan(&self, paths: &[PathBuf], seed: Option<u64>) -> anyhow::Result<Plans> {
        let overrides = self.overrides_with(seed);
        let mut found = Vec::new();
        for path in paths {
            find(path, &mut found)?;
        }
        let services = catalogue();
        let read = |file: Found| {
            let scenario = Scenario::load_with(&file.path, &services, &overrides);
            let scenario = scenario.map_err(|mistake| UsageError(mistake.to_string()))?;
            Ok((file, scenario))
        };
        let read: Vec<(Found, Scenario)> = found
            .into_iter()
            .map(read)
            .collect::<Result<_, UsageError>>()?;
        self.check_variants(read.iter().map(|(_, scenario)| scenario))?;
        let mut skipped = Vec::new();
        let mut plans = Vec::new();
        for (file, scenario) in read {
            let runs = self.runs(&file, &scenario, &mut skipped)?;
            if !runs.is_empty() {
                let path = file.path.display().to_string();
                plans.push(Plan {
                    path,
                    scenario,
                    runs,
                });
            }
        }
        if plans.is_empty() {
            let message = format!("nothing to run: {}", skipped.join("; "));
            return Err(UsageError(message).into());
        }
        Ok(Plans { plans, skipped })
    }

    /// The same choice with one more override, which wins over those before it.
    pub(crate) fn with_override(&self, key: &str, value: &str) -> Self {
        let mut choice = self.clone();
        choice.overrides.push((key.to_owned(), value.to_owned()));
        choice
    }

    /// Whether this key is overridden.
    pub(crate) fn overrides_key(&self, key: &str) -> bool {
        self.overrides
            .iter()
            .any(|(overridden, _)| overridden == key)
    }

    /// The command that repeats one run and prints its trace.
    pub(crate) fn replay(&self, path: &str, variant: &str, seed: u64) -> String {
        let (path, variant) = (shell_word(path), shell_word(variant));
        let backend = match self.backend {
            Some(backend) if backend != Backend::ALL[0] => format!(" --backend {}", backend.name()),
            _ => String::new(),
        };
        let overrides = self.overrides_as_options();
        format!(
            "wavetank run {path} --variant {variant} --seed {seed}{backend}{overrides} --trace text"
        )
    }

    /// The overrides as they would be typed, each with a space before it. That of a seed is left
    /// out: the seed of the run has an option of its own.
    pub(crate) fn overrides_as_options(&self) -> String {
        self.overrides
            .iter()
            .filter(|(key, _)| key != "seed")
            .map(|(key, value)| format!(" --set {}", shell_word(&format!("{key}={value}"))))
            .collect()
    }

    fn overrides_with(&self, seed: Option<u64>) -> Vec<(String, String)> {
        // As a TOML string, because TOML's integers end at 2^63.
        let seed = seed.map(|seed| ("seed".to_owned(), format!("\"{seed}\"")));
        self.overrides.iter().cloned().chain(seed).collect()
    }

    /// Every variant that was asked for is in one scenario at least.
    fn check_variants<'a>(
        &self,
        scenarios: impl Iterator<Item = &'a Scenario>,
    ) -> Result<(), UsageError> {
        let mut known: Vec<&str> = Vec::new();
        for variant in scenarios.flat_map(|scenario| &scenario.variants) {
            if !known.contains(&variant.name.as_str()) {
                known.push(&variant.name);
            }
        }
        let unknown = |name: &&String| !known.contains(&name.as_str());
        match self.variants.iter().find(unknown) {
            None => Ok(()),
            Some(name) => Err(UsageError(format!(
                "no scenario has the variant `{name}`; expected one of {}",
                known.join(", ")
            ))),
        }
    }

    fn runs(
        &self,
        file: &Found,
        scenario: &Scenario,
        skipped: &mut Vec<String>,
    ) -> Result<Vec<(Arc<Variant>, Backend)>, UsageError> {
        let is_chosen = |name: &String| self.variants.is_empty() || self.variants.contains(name);
        let mut runs = Vec::new();
        let chosen = scenario.variants.iter();
        for variant in chosen.filter(|variant| is_chosen(&variant.name)) {
            match self.backend_for(variant) {
                Ok(backend) => runs.push((variant.clone(), backend)),
                Err(reason) => {
                    let path = file.path.display();
                    let message = format!("{path}: variant `{}` {reason}", variant.name);
                    if file.is_named {
                        return Err(UsageError(message));
                    }
                    skipped.push(message);
                }
            }
        }
        Ok(runs)
    }

    /// The simulator for a variant, or why there is none.
    fn backend_for(&self, variant: &Variant) -> Result<Backend, String> {
        let can_run = |backend: &Backend| variant.backends.contains(backend);
        let Some(backend) = self.backend else {
            let usual = Backend::ALL.into_iter().find(can_run);
            return Ok(usual.expect("a variant has at least one backend"));
        };
        if can_run(&backend) {
            return Ok(backend);
        }
        let others: Vec<&str> = variant.backends.iter().map(|each| each.name()).collect();
        let (backend, others) = (backend.name(), others.join(", "));
        Err(format!("does not run on {backend}, only on {others}"))
    }
}

/// Adds the scenario file of this path, or all in and below this directory, by path.
fn find(path: &Path, found: &mut Vec<Found>) -> anyhow::Result<()> {
    let shown = path.display();
    let kind = fs::metadata(path)
        .map_err(|error| UsageError(format!("{shown}: cannot be read: {error}")))?;
    if !kind.is_dir() {
        found.push(Found {
            path: path.to_owned(),
            is_named: true,
        });
        return Ok(());
    }
    let mut files = Vec::new();
    walk(path, &mut files)?;
    if files.is_empty() {
        return Err(UsageError(format!("{shown}: no scenario (*.toml) in this directory")).into());
    }
    files.sort();
    found.extend(files.into_iter().map(|path| Found {
        path,
        is_named: false,
    }));
    Ok(())
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let context = || format!("{}: cannot be listed", directory.display());
    for entry in fs::read_dir(directory).with_context(context)? {
        let entry = entry.with_context(context)?;
        let path = entry.path();
        // The entry's own type: a link to a directory could lead in circles.
        if entry.file_type().with_context(context)?.is_dir() {
            walk(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// A word as a POSIX shell reads it: quoted if it has to be.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_can_be_pasted_into_a_shell() {
        let choice = Choice {
            variants: Vec::new(),
            backend: Some(Backend::Turmoil),
            overrides: [("seed", "3"), ("network.link.\"alice>server\".loss", "0.5")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec(),
        };
        assert_eq!(
            choice.replay("sims/x.toml", "maybe", 8),
            "wavetank run sims/x.toml --variant maybe --seed 8 --backend turmoil \
             --set 'network.link.\"alice>server\".loss=0.5' --trace text"
        );
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn an_override_is_a_key_and_a_value() {
        let expected = ("network.loss".to_owned(), "0.1".to_owned());
        assert_eq!(parse_override("network.loss = 0.1"), Ok(expected));
        assert!(parse_override("network.loss").is_err());
    }
}
