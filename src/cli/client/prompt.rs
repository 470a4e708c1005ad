//! Commands one after another: from a prompt with history, or from piped input.
//!
//! Lines are read on a thread of their own, one at a time and when asked for. So what a client does
//! beside its commands goes on while nobody types: a lock that it holds is renewed.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::Context as _;
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::cli::client::line::{self, Line};
use crate::cli::client::session::{Session, unless_interrupted};
use crate::cli::exit::Exit;
use crate::cli::out::note;

/// Obeys line after line until the input ends.
pub(super) async fn run(session: &mut Session) -> anyhow::Result<Exit> {
    if io::stdin().is_terminal() {
        interactive(session).await
    } else {
        piped(session).await
    }
}

/// A prompt. Whoever sits there has seen how each command ended, so the end itself is no failure.
async fn interactive(session: &mut Session) -> anyhow::Result<Exit> {
    let mut editor = DefaultEditor::new().context("cannot show a prompt")?;
    // What is told while a line is typed stands above it.
    let printer = editor.create_external_printer();
    let mut printer = printer.context("cannot show a prompt")?;
    session.speak_through(move |line| {
        if printer.print(format!("{line}\n")).is_err() {
            note!("{line}");
        }
    });
    note!("`help` shows the commands, `quit` or Ctrl-D ends");
    let prompt = session.application.prompt();
    let mut lines = Lines::read_by(move || {
        loop {
            return match editor.readline(prompt) {
                Ok(text) => {
                    if !text.trim().is_empty() {
                        editor.add_history_entry(&text)?;
                    }
                    Ok(Some(text))
                }
                Err(ReadlineError::Interrupted) => continue, // Ctrl-C drops the line
                Err(ReadlineError::Eof) => Ok(None),
                Err(error) => Err(error).context("cannot read from the terminal"),
            };
        }
    })?;
    while let Some(text) = lines.next().await? {
        if obey(session, &text).await.is_none() {
            break;
        }
    }
    Ok(Exit::Held)
}

/// One command per line; errors do not stop it, and the worst of them is how it ends. Ctrl-C is the end
/// of the input.
async fn piped(session: &mut Session) -> anyhow::Result<Exit> {
    let mut worst = Exit::Held;
    let mut lines = Lines::read_by(|| {
        let mut bytes = Vec::new();
        let length = io::stdin().lock().read_until(b'\n', &mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        Ok((length > 0).then_some(text))
    })?;
    while let Some(text) = unless_interrupted(lines.next())
        .await
        .transpose()?
        .flatten()
    {
        let Some(exit) = obey(session, &text).await else {
            break;
        };
        worst = worst.max(exit);
    }
    Ok(worst)
}

/// Does what a line asks for; `None` if it asks to end.
async fn obey(session: &mut Session, text: &str) -> Option<Exit> {
    match Line::of_text(session.application.as_ref(), text) {
        Ok(Line::Quit) => None,
        Ok(line) => Some(session.obey(&line).await),
        Err(error) => {
            line::complain(text, &error);
            Some(Exit::Usage)
        }
    }
}

/// A line, or `None` at the end of the input.
type Read = anyhow::Result<Option<String>>;

/// Lines of a thread that reads them. It ends with the process at the latest.
struct Lines {
    wanted: Sender<()>,
    read: UnboundedReceiver<Read>,
}

impl Lines {
    /// Lets a thread read them so.
    fn read_by(mut read_line: impl FnMut() -> Read + Send + 'static) -> anyhow::Result<Self> {
        let (wanted, wishes) = channel();
        let (lines, read) = unbounded_channel();
        let reader = thread::Builder::new().name("lines".to_owned());
        reader
            .spawn(
                move || {
                    while wishes.recv().is_ok() && lines.send(read_line()).is_ok() {}
                },
            )
            .context("cannot read lines")?;
        Ok(Self { wanted, read })
    }

    /// The next line, not read before it is asked for.
    async fn next(&mut self) -> Read {
        // The thread lives as long as it is asked, unless it has panicked: then nothing more is read.
        let _asked = self.wanted.send(());
        self.read.recv().await.unwrap_or(Ok(None))
    }
}
