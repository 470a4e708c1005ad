//! `wavetank demo`: server and clients in one process, on the loopback network, narrated.
//!
//! What a demo shows are the events of a trace, printed as they happen; what it concludes comes from
//! the same events, judged by the same checkers as a simulation's.

mod loss;
mod monitor;
mod semantics;
mod stage;

use std::fmt;

use crate::cli::exit::Exit;
use crate::cli::out::say;
use crate::cli::real;
use crate::rpc::Semantics;

use stage::{Setting, Stage, heading};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The service, such as booking.
    service: String,
    /// The experiment; all of them, one after another, unless one is named.
    #[arg(value_enum)]
    experiment: Option<Experiment>,
    /// The format that the clients speak.
    #[arg(long, value_enum, default_value_t = WireName::V2)]
    wire: WireName,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Experiment {
    /// A reply is lost, and the request is sent again: extend and cancel under two semantics.
    Semantics,
    /// A client watches a facility while another one books it.
    Monitor,
    /// One message in five is lost, and clients send again.
    Loss,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum WireName {
    V1,
    V2,
}

/// What a demo promised to show, and whether it did.
#[derive(Debug, Default)]
struct Promise {
    broken: bool,
}

impl Promise {
    /// Prints a conclusion, or that it could not be drawn.
    fn show(&mut self, holds: bool, conclusion: impl fmt::Display) {
        if holds {
            say!("=> {conclusion}");
        } else {
            say!("=> this run does not show it: {conclusion}");
            self.broken = true;
        }
    }

    const fn exit(&self) -> Exit {
        if self.broken {
            Exit::Broken
        } else {
            Exit::Held
        }
    }
}

/// Plays an experiment under at-least-once, then under at-most-once, and draws its conclusions.
fn under_both(
    title: &str,
    what: &str,
    play: impl AsyncFn(Semantics) -> anyhow::Result<Stage>,
    conclude: impl Fn(&Stage, Semantics, &mut Promise),
) -> anyhow::Result<Promise> {
    let mut promise = Promise::default();
    for semantics in [Semantics::AtLeastOnce, Semantics::AtMostOnce] {
        if semantics == Semantics::AtMostOnce {
            say!("");
        }
        real::block_on(async {
            heading(title, semantics, what);
            let stage = play(semantics).await?;
            conclude(&stage, semantics, &mut promise);
            Ok(())
        })?;
    }
    Ok(promise)
}

/// Runs the experiments; broken if one did not show what it promises.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let all = [Experiment::Semantics, Experiment::Monitor, Experiment::Loss];
    let chosen = match &arguments.experiment {
        Some(one) => std::slice::from_ref(one),
        None => &all,
    };
    let setting = Setting {
        application: real::application(&arguments.service)?,
        speaks_v1: arguments.wire == WireName::V1,
    };
    let mut worst = Exit::Held;
    for (place, experiment) in chosen.iter().enumerate() {
        if place > 0 {
            say!("");
        }
        let promise = match experiment {
            Experiment::Semantics => semantics::run(&setting)?,
            Experiment::Monitor => monitor::run(&setting)?,
            Experiment::Loss => loss::run(&setting)?,
        };
        worst = worst.max(promise.exit());
    }
    Ok(worst)
}
