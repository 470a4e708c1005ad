//! The experiment of the meeting scheduler: the session of the seed document, and a data server that is killed.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::demo::Promise;
use crate::cli::demo::stage::{Actor, Setting, Stage, heading};
use crate::cli::exit::UsageError;
use crate::cli::out::say;
use crate::cli::real;
use crate::history::Told;
use crate::rpc::Semantics;
use crate::services::Application;
use crate::services::meeting::MeetingScheduler;
use crate::services::meeting::data_file::DataFile;

/// The data files of the examples.
const FILES: [(u16, &str, &str); 2] = [
    (1, "a.txt", include_str!("../../../examples/meeting/a.txt")),
    (2, "b.txt", include_str!("../../../examples/meeting/b.txt")),
];

/// The seed's session: what is asked, and what is told.
const SESSION: [(&str, &str); 3] = [
    ("lilith jameson", "Available time slots: [2,3], [5,7]"),
    ("zein callie", "Available time slots: [1,4], [6,8]"),
    (
        "lilith ererer",
        "ererer does not exist.\nAvailable time slots for lilith: [1,3], [4,9]",
    ),
];

/// What is told while server b is down.
const WITHOUT_B: &str = "No answer from server b: incomplete, without jameson.\n\
    Available time slots for lilith: [1,3], [4,9]";

const B: u16 = 2;
const CLIENT: u16 = 3;

/// So long server b has for saying whom it has: it says so when it is back, which takes loopback a few ms.
const HEAD_START: Duration = Duration::from_millis(300);

/// Plays the seed's session, kills server b, and starts it again.
pub(super) fn session(setting: &Setting) -> anyhow::Result<Promise> {
    let mut promise = Promise::default();
    let setting = with_examples(setting)?;
    real::block_on(async {
        heading(
            "session",
            Semantics::AtMostOnce,
            "A client asks the main server over TCP, and that asks the data servers over UDP.",
        );
        let stage = Stage::calm(&setting, &["client"])?;
        let mut client = stage.client(CLIENT)?;
        let mut is_told = true;
        for (asked, expected) in SESSION {
            is_told &= ask(&stage, &mut client, asked).await? == expected;
        }
        promise.show(is_told, "the session of the seed document");
        say!("# Server b is killed.");
        stage.kill(B.into());
        let without = ask(&stage, &mut client, SESSION[0].0).await?;
        promise.show(
            without == WITHOUT_B,
            "an answer without it says so, and gives what is known of the others",
        );
        say!("# Server b is started again.");
        stage.restart(B).await?;
        client.rest(HEAD_START).await;
        let again = ask(&stage, &mut client, SESSION[0].0).await?;
        promise.show(
            again == SESSION[0].1,
            "it has made itself known, and the answer is whole again",
        );
        Ok(())
    })?;
    Ok(promise)
}

/// The scheduler with the people of the examples.
fn with_examples(setting: &Setting) -> anyhow::Result<Setting> {
    for name in ["people", "data_servers"] {
        if setting.settings.contains_key(name) {
            let message = format!(
                "the setting `{name}`: the session is that of a and b with the people of examples/meeting"
            );
            return Err(UsageError(message).into());
        }
    }
    let mut scheduler = MeetingScheduler::default().configured(&setting.settings)?;
    let read = FILES.map(|(_, name, text)| DataFile::parse(name, text.as_bytes()));
    let files = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    DataFile::check_apart(&files)?;
    for ((place, ..), file) in FILES.into_iter().zip(files) {
        scheduler = scheduler.with_people(place, file.into_people());
    }
    let application: Arc<dyn Application> = Arc::new(scheduler);
    Ok(Setting {
        application,
        ..setting.clone()
    })
}

/// What the client is told.
async fn ask(stage: &Stage, client: &mut Actor, line: &str) -> anyhow::Result<String> {
    let outcome = client.ask(line).await?;
    Ok(match &outcome.told {
        Told::Reply(reply) => stage.application.describe_reply(reply),
        Told::Text(text) => text.clone().into_owned(),
    })
}
