//! The program: one file per subcommand; the only code that prints, prompts or exits.
//!
//! Data goes to stdout, progress and logs to stderr. A subcommand returns how the program ends
//! ([`exit::Exit`]) or an error; errors are printed here, in one line, and give the exit code.

mod exit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, UsageError};

/// A deterministic simulation testbed for distributed services: one seed, one storm, one trace, one
/// verdict.
#[derive(Debug, Parser)]
#[command(name = "wavetank", version)]
struct Arguments {
    /// Log more on stderr: every event of the trace (-v), details of the sockets (-vv).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {}

/// Parses the command line, runs the subcommand and says how the program ends.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.command {};
    exit_of(ended)
}

/// Prints an error in one line, and gives its exit code.
fn exit_of(ended: anyhow::Result<Exit>) -> ExitCode {
    let exit = ended.unwrap_or_else(|error| {
        eprintln!("wavetank: {error:#}");
        if error.is::<UsageError>() { Exit::Usage } else { Exit::Failure }
    });
    exit.into()
}
