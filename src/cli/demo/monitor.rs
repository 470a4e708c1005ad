//! The second experiment: a client watches a facility, and one of its updates is lost.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::cli::demo::Promise;
use crate::cli::demo::stage::{POLICY, Run, Setting, Stage, heading};
use crate::cli::out::say;
use crate::cli::real;
use crate::id::{HostId, OperationId};
use crate::net::Kind;
use crate::net::conditions::{Conditions, Delay, Fault, Link, Selector, Target};
use crate::rpc::Semantics;
use crate::seed::Seed;
use crate::trace::Event;

const CAROL: HostId = HostId(1);
const MONITOR: &str = "monitor 'Meeting Room A' --for 2s";
const AUTO_BOOK: &str = "auto-book mon..wed";

/// How many changes bob makes.
const CHANGES: usize = 3;

/// Carol's monitoring.
const MONITORING: OperationId = OperationId {
    client: CAROL,
    number: 1,
};

/// Runs it under at-most-once.
pub(super) fn run(setting: &Setting) -> anyhow::Result<Promise> {
    let mut promise = Promise::default();
    real::block_on(async {
        heading(
            "monitor",
            Semantics::AtMostOnce,
            "Carol monitors a room for 2 s while bob books it on three days; her second update is lost.",
        );
        let stage = play(setting).await?;
        conclude(&stage, setting.speaks_v1, &mut promise);
        Ok(())
    })?;
    Ok(promise)
}

async fn play(setting: &Setting) -> anyhow::Result<Stage> {
    let lost_update = Target {
        label: Selector::UpdateTo(MONITORING),
        nth: 2,
    };
    let run = Run {
        clients: &["carol", "bob"],
        semantics: Semantics::AtMostOnce,
        policy: POLICY,
        conditions: Conditions {
            everywhere: Link {
                delay: Delay::Fixed(1),
                ..Link::default()
            },
            faults: vec![Fault::Drop(lost_update)],
            ..Conditions::default()
        },
        seed: Seed(1), // nothing is left to chance here
    };
    let stage = Stage::set(setting, run)?;
    let (mut carol, mut bob) = (stage.client(1)?, stage.client(2)?);
    let watching = carol.perform(MONITOR);
    let booking = async {
        stage.until(is_registration).await;
        bob.perform(AUTO_BOOK).await
    };
    both(watching, booking).await?;
    Ok(stage)
}

/// Runs two futures side by side to their ends.
async fn both(
    first: impl Future<Output = anyhow::Result<()>>,
    second: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut running = [true, true];
    poll_fn(|context| {
        let futures = [
            first.as_mut() as std::pin::Pin<&mut dyn Future<Output = anyhow::Result<()>>>,
            second.as_mut(),
        ];
        for (future, running) in futures.into_iter().zip(&mut running) {
            if *running && let Poll::Ready(ended) = future.poll(context) {
                *running = false;
                if ended.is_err() {
                    return Poll::Ready(ended);
                }
            }
        }
        if running == [false, false] {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    })
    .await
}

fn is_registration(event: &Event) -> bool {
    matches!(event, Event::Execute { operation, .. } if *operation == MONITORING)
}

fn conclude(stage: &Stage, speaks_v1: bool, promise: &mut Promise) {
    let words = |event: &Event| match event {
        Event::Notified { update, .. } => Some(stage.application.describe_update(update)),
        _ => None,
    };
    let taken = stage.count(|event| words(event).is_some_and(|text| text.contains(": ")));
    let lost = stage.count(
        |event| matches!(event, Event::Send { label: Some(label), fate, .. } if label.kind == Kind::Update && fate.lost.is_some()),
    );
    let asked = stage.count(
        |event| matches!(event, Event::Send { label: Some(label), .. } if label.kind == Kind::OneWay),
    );
    let ended = stage.operations();
    let watched = ended.iter().find(|ended| ended.operation == MONITORING);
    let told = watched.map_or("nothing", |watched| watched.told.as_str());
    say!(
        "changes: {CHANGES}, updates lost: {lost}, questions after them: {asked}; carol was told: {told}"
    );
    if speaks_v1 {
        promise.show(
            taken == CHANGES - 1 && lost == 1 && asked == 0,
            "format v1: updates have no number, and carol does not know that one is missing",
        );
    } else {
        promise.show(
            taken == CHANGES && lost == 1 && asked >= 1,
            "carol saw the gap in the revisions, asked, and has every update",
        );
    }
}
