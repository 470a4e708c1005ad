//! `wavetank serve`

use crate::cli::exit::Exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments) -> anyhow::Result<Exit> {
    Ok(Exit::Held)
}
