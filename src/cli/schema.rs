//! `wavetank schema`: the JSON schema of scenario files, for editors.

use crate::cli::exit::Exit;
use crate::cli::out;
use crate::services::catalogue;
use crate::sim::scenario::schema_text;

/// The schema has no options.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// Prints the schema.
pub(crate) fn run(_arguments: &Arguments) -> anyhow::Result<Exit> {
    out::print(&schema_text(&catalogue()))?;
    Ok(Exit::Held)
}
