//! The program: one file per subcommand; the only code that prints, prompts or exits.
//!
//! Data goes to stdout, progress and logs to stderr. A subcommand returns how the program ends
//! (`exit::Exit`) or an error; errors are printed here, in one line, and give the exit code.

mod broken;
mod check;
mod choice;
mod client;
mod compare;
mod completions;
mod coverage;
mod demo;
mod exit;
mod explore;
mod judged;
mod logs;
mod merge;
mod out;
mod peer;
mod proportion;
mod real;
mod roles;
mod run;
mod schema;
mod selfcheck;
mod serve;
mod signals;
mod table;
mod verdicts;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, UsageError};

/// What stands below the options.
const EXAMPLES: &str = "\
Examples:
  wavetank run sims                              run every scenario, and see the verdicts
  wavetank run FILE --trace text                 read what happened, line by line
  wavetank compare FILE --seeds 0..2000          the same variants in 2000 storms
  wavetank explore sims --time 10m               find seeds that break an expectation
  wavetank check register HISTORY                judge what some register's clients recorded
  wavetank demo booking semantics                the same on real sockets, narrated

A scenario is a TOML file; `wavetank help COMMAND` says more about each command.";

/// A deterministic simulation testbed for distributed services: one seed, one storm, one trace, one
/// verdict.
#[derive(Debug, Parser)]
#[command(name = "wavetank", version, after_help = EXAMPLES)]
struct Arguments {
    /// Log more on stderr: every event of the trace (-v), details of sockets and runs (-vv).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios at their seeds, and say whether their expectations hold.
    Run(run::Arguments),
    /// Run one scenario over a range of seeds, and compare its variants.
    Compare(compare::Arguments),
    /// Run scenarios over many seeds, and say which of them break an expectation.
    Explore(explore::Arguments),
    /// Join the files of several explorations.
    Merge(merge::Arguments),
    /// Run scenarios in two processes and on both simulators, and compare every byte.
    Selfcheck(selfcheck::Arguments),
    /// Judge a recorded history, also one of somebody else's system.
    Check(check::Arguments),
    /// Serve a service on a real socket.
    Serve(serve::Arguments),
    /// Call a server on a real socket: one command, or a prompt.
    Client(client::Arguments),
    /// Show a service on loopback: servers and clients in one process, narrated.
    Demo(demo::Arguments),
    /// Print the JSON schema of scenario files.
    Schema(schema::Arguments),
    /// Print completions for a shell.
    Completions(completions::Arguments),
}

/// Parses the command line, runs the subcommand and says how the program ends.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logs::init(arguments.verbose);
    let ended = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Explore(arguments) => explore::run(&arguments),
        Command::Merge(arguments) => merge::run(&arguments),
        Command::Selfcheck(arguments) => selfcheck::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Client(arguments) => client::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    exit_of(ended)
}

/// Prints an error in one line, and gives its exit code.
fn exit_of(ended: anyhow::Result<Exit>) -> ExitCode {
    let exit = ended.unwrap_or_else(|error| {
        // Without a reader on stderr the exit code still tells.
        let _ = writeln!(out::stderr(), "wavetank: {error:#}");
        if error.is::<UsageError>() {
            Exit::Usage
        } else {
            Exit::Failure
        }
    });
    exit.into()
}
