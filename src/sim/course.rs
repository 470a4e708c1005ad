//! What a client does next: act by act through its script, or through its load.

use std::cell::Cell;
use std::time::Duration;

use crate::host::Host;
use crate::seed::Stream;
use crate::services::{Client, Command};
use crate::sim::scenario::{Load, Script, Step};

/// How far a client is with its part, in whatever life.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Steps of the setup that were begun.
    pub(super) setup_steps: Cell<usize>,
    /// Steps of the script that were begun.
    pub(super) steps: Cell<usize>,
    /// Operations that were begun, setup not counted.
    operations: Cell<u32>,
}

/// One thing that a client does.
pub(super) enum Act<'a> {
    /// Nothing for that long.
    Rest(Duration),
    /// Its host pauses.
    Pause(Duration),
    /// A command, the operation of this number.
    Perform(&'a Command, u32),
    /// Its part is done.
    End,
}

/// The part of one life of a client.
pub(super) enum Course<'a> {
    Script(&'a [Step]),
    Load(&'a Load, Box<Draws>),
}

/// What a load is drawn from.
pub(super) struct Draws {
    chance: Stream,
    weights: Vec<u32>,
    weights_sum: u32,
    has_rested: bool,
    /// The latest one.
    command: Command,
}

impl<'a> Course<'a> {
    /// The part of a life that begins now.
    pub(super) fn begin(script: &'a Script, host: &Host) -> Self {
        match script {
            Script::Steps(steps) => Self::Script(steps),
            Script::Load(load) => {
                let weights: Vec<u32> = load.mix.iter().map(|(_, weight)| *weight).collect();
                let draws = Draws {
                    chance: host.stream("load"),
                    weights_sum: weights.iter().sum(),
                    weights,
                    has_rested: false,
                    command: Command::default(),
                };
                Self::Load(load, Box::new(draws))
            }
        }
    }

    /// What comes next. The progress counts it as begun.
    #[inline]
    pub(super) fn next(&mut self, progress: &Progress, client: &mut dyn Client) -> Act<'_> {
        match self {
            Self::Script(steps) => {
                let begun = progress.steps.get();
                let Some(step) = steps.get(begun) else {
                    return Act::End;
                };
                progress.steps.set(begun + 1);
                match step {
                    Step::Wait(span) => Act::Rest(*span),
                    Step::Pause(span) => Act::Pause(*span),
                    Step::Perform(command, _) => progress.perform(command),
                }
            }
            Self::Load(load, _) if progress.operations.get() >= load.requests => Act::End,
            Self::Load(load, draws) => {
                draws.has_rested = !draws.has_rested;
                if draws.has_rested {
                    return Act::Rest(load.think.draw(draws.chance.next_u32()));
                }
                let verb = draws.chance.pick_of(&draws.weights, draws.weights_sum);
                let verb = verb.map_or("", |place| load.mix[place].0);
                client
                    .generate(verb, &mut draws.chance, &mut draws.command)
                    .expect("the scenario's verbs were looked up");
                progress.perform(&draws.command)
            }
        }
    }
}

impl Progress {
    fn perform<'a>(&self, command: &'a Command) -> Act<'a> {
        let number = self.operations.get() + 1;
        self.operations.set(number);
        Act::Perform(command, number)
    }
}
