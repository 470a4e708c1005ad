//! The first experiment: what a lost reply does to an extend and to a cancel.

use crate::check::Verdict;
use crate::cli::demo::stage::{POLICY, Run, Setting, Stage};
use crate::cli::demo::{Promise, under_both};
use crate::cli::out::say;
use crate::history::OutcomeKind;
use crate::id::{HostId, OperationId};
use crate::net::conditions::{Conditions, Delay, Fault, Link, Selector, Target};
use crate::rpc::Semantics;
use crate::seed::Seed;

const ALICE: HostId = HostId(1);
const BOOK: &str = "book 'Meeting Room A' mon 10:00-11:00";
const EXTEND: &str = "extend CONF000001 1h";
const CANCEL: &str = "cancel CONF000001";

/// Runs it under at-least-once, then under at-most-once.
pub(super) fn run(setting: &Setting) -> anyhow::Result<Promise> {
    let what =
        "The replies to alice's extend and to her cancel are lost, and she sends both again.";
    under_both(
        "semantics",
        what,
        async |semantics| play(setting, semantics).await,
        conclude,
    )
}

async fn play(setting: &Setting, semantics: Semantics) -> anyhow::Result<Stage> {
    let run = Run {
        clients: &["alice"],
        semantics,
        policy: POLICY,
        conditions: Conditions {
            everywhere: Link {
                delay: Delay::Fixed(1),
                ..Link::default()
            },
            faults: vec![lost_reply(2), lost_reply(3)],
            ..Conditions::default()
        },
        seed: Seed(1), // nothing is left to chance here
    };
    let stage = Stage::set(setting, run)?;
    let mut alice = stage.client(1)?;
    for line in [BOOK, EXTEND, CANCEL] {
        alice.perform(line).await?;
    }
    Ok(stage)
}

/// The first reply to alice's operation of this number is lost.
fn lost_reply(number: u32) -> Fault {
    let operation = OperationId {
        client: ALICE,
        number,
    };
    Fault::Drop(Target {
        label: Selector::ReplyTo(operation),
        nth: 1,
    })
}

fn conclude(stage: &Stage, semantics: Semantics, promise: &mut Promise) {
    let verdicts = stage.judge();
    let ended = stage.operations();
    let [_, extend, cancel] = ended.as_slice() else {
        return promise.show(false, "three operations end");
    };
    for (line, operation) in [(EXTEND, extend), (CANCEL, cancel)] {
        let (name, times, told) = (&operation.name, operation.executions, &operation.told);
        let times = if times == 1 {
            "once".to_owned()
        } else {
            format!("{times} times")
        };
        say!("{name} {line}: executed {times}; alice was told: {told}");
    }
    if semantics == Semantics::AtMostOnce {
        promise.show(
            ended.iter().all(|operation| operation.executions == 1)
                && ended.iter().all(|operation| operation.kind == OutcomeKind::Ok)
                && verdicts.executions == Verdict::Valid
                && verdicts.effects == Verdict::Valid,
            "at-most-once: the duplicates are answered from the reply cache, and alice is told the truth",
        );
        return;
    }
    promise.show(
        extend.executions > 1 && extend.kind == OutcomeKind::Ok,
        "at-least-once: the extend is idempotent, and its second execution does no harm",
    );
    promise.show(
        cancel.executions > 1
            && cancel.kind == OutcomeKind::Failed
            && matches!(verdicts.effects, Verdict::Violated(_)),
        "at-least-once: the cancel is not; alice is told that it failed, and it was her own",
    );
}
