//! `wavetank completions`: completions for a shell, made from the program's own options.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli;
use crate::cli::exit::Exit;
use crate::cli::out;

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  source <(wavetank completions bash)
  wavetank completions zsh > ~/.zfunc/_wavetank
  wavetank completions fish > ~/.config/fish/completions/wavetank.fish";

/// Options of `wavetank completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Which shell.
    shell: Shell,
}

/// Prints the completions.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    let mut program = cli::Arguments::command();
    clap_complete::generate(arguments.shell, &mut program, "wavetank", &mut text);
    out::print(&String::from_utf8(text)?)?;
    Ok(Exit::Held)
}
