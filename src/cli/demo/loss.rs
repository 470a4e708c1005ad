//! The third experiment: one message in five is lost.

use std::collections::BTreeSet;

use crate::check::Verdict;
use crate::cli::demo::stage::{POLICY, Run, Setting, Stage};
use crate::cli::demo::{Promise, under_both};
use crate::cli::out::say;
use crate::history::OutcomeKind;
use crate::net::conditions::{Conditions, Delay, Link, Probability};
use crate::rpc::Semantics;
use crate::seed::Seed;

/// How likely each request and each reply is lost: the seed's 20 %.
const LOSS: f64 = 0.2;

/// A storm in which some requests and some replies are lost, the reply to a cancel among them. Both
/// semantics meet the same one.
const SEED: Seed = Seed(1);

/// How often alice books, extends, and cancels again.
const ROUNDS: u32 = 4;

/// Runs it under at-least-once, then under at-most-once.
pub(super) fn run(setting: &Setting) -> anyhow::Result<Promise> {
    let what =
        "Alice books, extends and cancels four times; each message is lost with probability 0.2.";
    under_both(
        "loss",
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
                loss: Probability::new(LOSS).unwrap_or_default(),
                delay: Delay::Fixed(1),
                ..Link::default()
            },
            ..Conditions::default()
        },
        seed: SEED,
    };
    let stage = Stage::set(setting, run)?;
    let mut alice = stage.client(1)?;
    for round in 1..=ROUNDS {
        alice
            .perform("book 'Meeting Room A' mon 10:00-11:00")
            .await?;
        alice.perform(&format!("extend CONF{round:06} 1h")).await?;
        alice.perform(&format!("cancel CONF{round:06}")).await?;
    }
    Ok(stage)
}

fn conclude(stage: &Stage, semantics: Semantics, promise: &mut Promise) {
    let verdicts = stage.judge();
    let ended = stage.operations();
    let executed: usize = ended.iter().map(|ended| ended.executions).sum();
    let again: BTreeSet<&str> = ended
        .iter()
        .filter(|ended| ended.executions > 1)
        .map(|ended| ended.name.as_str())
        .collect();
    let failed = ended.iter().filter(|ended| ended.kind != OutcomeKind::Ok);
    say!(
        "{} operations, {} retransmissions, {executed} executions, {} operations executed more than \
         once, {} operations that did not end ok",
        ended.len(),
        stage.retransmissions(),
        again.len(),
        failed.count()
    );
    match semantics {
        Semantics::AtMostOnce => promise.show(
            stage.retransmissions() > 0
                && verdicts.executions == Verdict::Valid
                && verdicts.effects == Verdict::Valid,
            "at-most-once: whatever is lost, nothing is executed twice, and every reply is the truth",
        ),
        _ => promise.show(
            !again.is_empty() && matches!(verdicts.effects, Verdict::Violated(_)),
            "at-least-once: lost replies lead to second executions, and some replies are not the truth",
        ),
    }
}
