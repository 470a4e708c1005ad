//! The experiments of the lock server: five clients that share files, and one that comes back too late.

use crate::cli::demo::Promise;
use std::time::Duration;

use crate::cli::demo::stage::{Actor, Setting, Stage, heading};
use crate::cli::out::say;
use crate::cli::real;
use crate::history::{OutcomeKind, Told};
use crate::id::{HostId, OperationId};
use crate::rpc::Semantics;
use crate::services::lock::message::Reply;
use crate::trace::{Decision, Event};

/// The seed's clients by number, and the number of the file that each writes to.
const FIVE: [(u16, u16); 5] = [(1, 0), (2, 2), (3, 0), (4, 3), (5, 3)];

/// The files that are written to.
const FILES: [u16; 3] = [0, 2, 3];

const FIVE_NAMES: [&str; 5] = ["client_1", "client_2", "client_3", "client_4", "client_5"];

/// For how long c1 alone has the lock: so that the lease runs out before c2 sends again.
const HEAD_START: Duration = Duration::from_millis(100);

const C1: u16 = 1;
const C2: u16 = 2;

/// Who looks at the files in the end.
const READER: &str = "reader";

/// What c1 appends when it has come back.
const LATE: OperationId = OperationId {
    client: HostId(C1),
    number: 2,
};

/// Runs the seed's demonstration.
pub(super) fn five_clients(setting: &Setting) -> anyhow::Result<Promise> {
    let mut promise = Promise::default();
    real::block_on(async {
        heading(
            "five-clients",
            Semantics::AtMostOnce,
            "Five clients write one line each: 1 and 3 to file_0, 2 to file_2, 4 and 5 to file_3.",
        );
        let names = FIVE_NAMES.into_iter().chain([READER]);
        let stage = Stage::calm(setting, &names.collect::<Vec<_>>())?;
        let mut playing = Vec::new();
        for (client, file) in FIVE {
            let actor = stage.client(client)?;
            playing.push(tokio::task::spawn_local(write_a_line(actor, client, file)));
        }
        for client in playing {
            client.await??;
        }
        let mut texts = Vec::new();
        let mut reader = stage.client(6)?;
        for file in FILES {
            texts.push((file, text_of(&mut reader, file).await?));
        }
        conclude_five(&stage, &texts, &mut promise);
        Ok(())
    })?;
    Ok(promise)
}

/// What each of the five does.
async fn write_a_line(mut actor: Actor, client: u16, file: u16) -> anyhow::Result<()> {
    actor.perform("hello").await?;
    actor.perform(&format!("acquire file_{file}")).await?;
    let append = format!("append file_{file} \"{}\\n\"", line(client, file));
    actor.perform(&append).await?;
    actor.perform(&format!("release file_{file}")).await?;
    actor.perform("close").await
}

/// The seed's line.
fn line(client: u16, file: u16) -> String {
    format!("Log entry from client_{client} writing to file_{file}")
}

fn conclude_five(stage: &Stage, texts: &[(u16, String)], promise: &mut Promise) {
    let grants = stage.count(is_grant);
    let ended = stage.operations();
    let done = ended.iter().filter(|ended| ended.kind == OutcomeKind::Ok);
    let (all, done) = (ended.len(), done.count());
    say!("{all} operations, {done} ended ok; {grants} grants");
    let mut are_right = true;
    for (file, text) in texts {
        let writers = FIVE.iter().filter(|(_, written)| written == file);
        let expected: Vec<String> = writers.map(|(client, _)| line(*client, *file)).collect();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.iter().for_each(|line| say!("file_{file}: {line}"));
        lines.sort_unstable();
        are_right &= lines == expected;
    }
    promise.show(
        are_right && done == all && grants == FIVE.len(),
        "each client held the lock of its file once, and its line is there once",
    );
}

/// Runs the paused client with fencing, then without.
pub(super) fn paused(setting: &Setting) -> anyhow::Result<Promise> {
    let mut promise = Promise::default();
    for (place, variant) in ["fencing", "no-fencing"].into_iter().enumerate() {
        if place > 0 {
            say!("");
        }
        let setting = match variant {
            "fencing" => setting.clone(),
            _ => setting.with("without", vec!["fencing"])?,
        };
        real::block_on(async {
            heading(
                "paused",
                variant,
                "c1 acquires the lock and pauses past its lease; c2 gets the lock. When c1 goes on it still believes \
                 to be the holder.",
            );
            let stage = Stage::calm(&setting, &["c1", "c2", READER])?;
            let text = play_paused(&stage).await?;
            conclude_paused(&stage, &text, variant, &mut promise);
            Ok(())
        })?;
    }
    Ok(promise)
}

/// Gives what is in the file at the end.
async fn play_paused(stage: &Stage) -> anyhow::Result<String> {
    let (mut c1, mut c2) = (stage.client_apart(C1)?, stage.client(C2)?);
    c1.perform("acquire file_0").await?;
    // From here on c1 stands still, and its heartbeats too.
    c2.rest(HEAD_START).await;
    c2.perform("acquire file_0").await?;
    c2.perform("append file_0 'B'").await?;
    c1.perform("append file_0 'A'").await?;
    c2.perform("append file_0 'B'").await?;
    c2.perform("release file_0").await?;
    c1.perform("acquire file_0").await?;
    c1.perform("append file_0 'A'").await?;
    c1.perform("append file_0 'A'").await?;
    c1.perform("release file_0").await?;
    text_of(&mut stage.client(3)?, 0).await
}

fn conclude_paused(stage: &Stage, text: &str, variant: &str, promise: &mut Promise) {
    let grants = stage.count(is_grant);
    let withdrawn = stage
        .count(|event| matches!(event, Event::Lock(step) if step.decision == Decision::Withdraw));
    let has_passed_on = withdrawn == 1 && grants == 3;
    let ended = stage.operations();
    let late = ended.iter().find(|ended| ended.operation == LATE);
    let told = late.map_or("nothing", |late| late.told.as_str());
    let kind = late.map(|late| late.kind);
    say!("c1 came back and was told: {told}; file_0: {text}");
    if variant == "fencing" {
        promise.show(
            has_passed_on && kind == Some(OutcomeKind::Failed) && text == "BBAA",
            "fencing: c1's token is older than c2's, its append is refused, and it acquires the lock again",
        );
    } else {
        promise.show(
            has_passed_on && kind == Some(OutcomeKind::Ok) && text == "BABAA",
            "without fencing: c1's A stands in the middle of what c2 wrote under the lock",
        );
    }
}

/// The released text of a file.
async fn text_of(reader: &mut Actor, file: u16) -> anyhow::Result<String> {
    let outcome = reader.ask(&format!("read file_{file}")).await?;
    Ok(match &outcome.told {
        Told::Reply(reply) => match Reply::decode(reply) {
            Ok(Reply::Text { text, .. }) => text.into_owned(),
            _ => String::new(),
        },
        Told::Text(_) => String::new(),
    })
}

fn is_grant(event: &Event) -> bool {
    matches!(event, Event::Lock(step) if matches!(step.decision, Decision::Grant(_)))
}
