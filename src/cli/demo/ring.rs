//! The experiment of the causal store: that Bob is glad comes to a data centre before what he is glad of.

use std::time::Duration;

use crate::check::Verdict;
use crate::cli::demo::Promise;
use crate::cli::demo::stage::{Run, Setting, Stage, heading};
use crate::cli::out::say;
use crate::cli::real;
use crate::id::{HostId, OperationId};
use crate::net::conditions::{Conditions, Delay, Fault, Link, Selector, Target};
use crate::rpc::Semantics;
use crate::rpc::retransmit::Policy;
use crate::seed::Seed;
use crate::trace::{Event, Line, Word};

const DC2: HostId = HostId(2);
const ALICE: u16 = 3;
const BOB: u16 = 4;

/// How many data centres there are.
const DATA_CENTRES: usize = 3;

/// How long `found` takes to data centre 2: long enough for Bob to be there first, and not so long that
/// data centre 0 sends it again.
const DETOUR: Duration = Duration::from_millis(800);

const LOST: OperationId = operation(ALICE, 1);
const FOUND: OperationId = operation(ALICE, 2);
const GLAD: OperationId = operation(BOB, 2);

const fn operation(client: u16, number: u32) -> OperationId {
    OperationId {
        client: HostId(client),
        number,
    }
}

/// Runs it with dependencies, then without.
pub(super) fn run(setting: &Setting) -> anyhow::Result<Promise> {
    let mut promise = Promise::default();
    for (place, mode) in ["causal", "eventual"].into_iter().enumerate() {
        if place > 0 {
            say!("");
        }
        let setting = setting.with("mode", mode)?;
        real::block_on(async {
            heading(
                "ring",
                mode,
                "Alice loses her ring and finds it. Bob reads that, is glad, and goes to dc2, where it is not yet \
                 known that the ring was found.",
            );
            let stage = play(&setting).await?;
            conclude(&stage, mode, &mut promise);
            Ok(())
        })?;
    }
    Ok(promise)
}

async fn play(setting: &Setting) -> anyhow::Result<Stage> {
    let found_to_dc2 = Target {
        label: Selector::PeerAbout {
            operation: FOUND,
            to: DC2,
        },
        nth: 1,
    };
    let run = Run {
        clients: &["alice", "bob"],
        semantics: Semantics::AtMostOnce,
        policy: Policy::default(),
        conditions: Conditions {
            everywhere: Link {
                delay: Delay::Fixed(1),
                ..Link::default()
            },
            faults: vec![Fault::Delay(found_to_dc2, DETOUR)],
            ..Conditions::default()
        },
        seed: Seed(1), // nothing is left to chance here
    };
    let stage = Stage::set(setting, run)?;
    let (mut alice, mut bob) = (stage.client_at(ALICE, 0)?, stage.client_at(BOB, 1)?);
    let commits_of = |operation| move |line: &Line| is_commit(line, operation);
    alice.perform("lost").await?;
    stage.until_lines(DATA_CENTRES, commits_of(LOST)).await;
    alice.perform("found").await?;
    stage.until_lines(DATA_CENTRES - 1, commits_of(FOUND)).await;
    bob.perform("get ring").await?;
    bob.perform("glad").await?;
    let has_come =
        |line: &Line| line.host == DC2 && (is_commit(line, GLAD) || is_stall(&line.event));
    stage.until_lines(1, has_come).await;
    bob.perform("move dc2").await?;
    bob.perform("list").await?;
    for operation in [FOUND, GLAD] {
        stage.until_lines(DATA_CENTRES, commits_of(operation)).await;
    }
    Ok(stage)
}

fn is_commit(line: &Line, operation: OperationId) -> bool {
    matches!(&line.event, Event::Commit(commit) if commit.operation == Some(operation))
}

fn is_stall(event: &Event) -> bool {
    matches!(
        event,
        Event::Service {
            word: Word::Stall,
            ..
        }
    )
}

fn conclude(stage: &Stage, mode: &str, promise: &mut Promise) {
    let verdict = stage.judge_commits();
    let stalls = stage.count(is_stall);
    let ended = stage.operations();
    let list = ended.last().map_or("nothing", |list| list.told.as_str());
    say!("writes that stalled: {stalls}; at dc2 bob was told: {list}");
    let is_glad = list.contains("I am glad");
    if mode == "causal" {
        promise.show(
            stalls == 1
                && verdict == Verdict::Valid
                && is_glad
                && list.contains("found my wedding ring"),
            "causal: dc2 keeps the answer back until the ring is found there, and bob's move waits as long",
        );
    } else {
        promise.show(
            stalls == 0
                && matches!(verdict, Verdict::Violated(_))
                && is_glad
                && list.contains("lost my wedding ring"),
            "eventual: at dc2 bob is glad while the ring is still lost: an effect without its cause",
        );
    }
}
