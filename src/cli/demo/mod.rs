//! `wavetank demo`: servers and clients in one process, on the loopback network, narrated.
//!
//! What a demo shows are the events of a trace, printed as they happen; what it concludes comes from
//! the same events, judged by the same checkers as a simulation's.

mod lock;
mod loss;
mod meeting;
mod monitor;
mod ring;
mod semantics;
mod stage;

use std::fmt;
use std::slice;

use clap::ValueEnum;

use crate::cli::exit::{Exit, UsageError};
use crate::cli::out::say;
use crate::cli::real;
use crate::rpc::Semantics;

use stage::{Setting, Stage, heading};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The service: booking, causal, lock or meeting.
    service: String,
    /// The experiment; all of the service's, one after another, unless one is named.
    #[arg(value_enum)]
    experiment: Option<Experiment>,
    /// The format that the clients speak.
    #[arg(long, value_enum, default_value_t = WireName::V2)]
    wire: WireName,
    /// A setting of the service, as in scenarios: KEY=VALUE, the value in TOML.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Experiment {
    /// booking: a reply is lost, and the request is sent again: extend and cancel under two semantics.
    Semantics,
    /// booking: a client watches a facility while another one books it.
    Monitor,
    /// booking: one message in five is lost, and clients send again.
    Loss,
    /// causal: an effect comes to a data centre before its cause, under two modes of replication.
    Ring,
    /// lock: five clients write one line each to files that they share.
    FiveClients,
    /// lock: a client pauses past its lease and comes back, with fencing and without.
    Paused,
    /// meeting: the session of the seed document; then a data server is killed, and comes back.
    Session,
}

impl Experiment {
    /// Those of a service.
    const fn all_of(service: &str) -> &'static [Self] {
        match service.as_bytes() {
            b"causal" => &[Self::Ring],
            b"lock" => &[Self::FiveClients, Self::Paused],
            b"meeting" => &[Self::Session],
            _ => &[Self::Semantics, Self::Monitor, Self::Loss],
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
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

impl Arguments {
    /// The experiments that are asked for.
    fn chosen(&self) -> Result<&[Experiment], UsageError> {
        let all = Experiment::all_of(&self.service);
        let Some(one) = &self.experiment else {
            return Ok(all);
        };
        if all.contains(one) {
            return Ok(slice::from_ref(one));
        }
        let names: Vec<String> = all
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        Err(UsageError(format!(
            "{} has no such experiment; write {}",
            self.service,
            names.join(", ")
        )))
    }
}

/// Runs the experiments; broken if one did not show what it promises.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let settings = real::settings(&arguments.set)?;
    let setting = Setting {
        application: real::configure(real::application(&arguments.service)?, &settings)?,
        settings,
        speaks_v1: arguments.wire == WireName::V1,
    };
    let chosen = arguments.chosen()?;
    if setting.speaks_v1 && setting.application.format_v1().is_none() {
        let name = &arguments.service;
        return Err(UsageError(format!("the service {name} has no format v1")).into());
    }
    let mut worst = Exit::Held;
    for (place, experiment) in chosen.iter().enumerate() {
        if place > 0 {
            say!("");
        }
        let promise = match experiment {
            Experiment::Semantics => semantics::run(&setting)?,
            Experiment::Monitor => monitor::run(&setting)?,
            Experiment::Loss => loss::run(&setting)?,
            Experiment::Ring => ring::run(&setting)?,
            Experiment::FiveClients => lock::five_clients(&setting)?,
            Experiment::Paused => lock::paused(&setting)?,
            Experiment::Session => meeting::session(&setting)?,
        };
        worst = worst.max(promise.exit());
    }
    Ok(worst)
}
