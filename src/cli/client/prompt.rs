//! Commands one after another: from a prompt with history, or from piped input.

use std::io::{self, BufRead as _, IsTerminal as _};

use anyhow::Context as _;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::cli::client::line::{self, Line};
use crate::cli::client::session::Session;
use crate::cli::exit::Exit;
use crate::cli::out::note;

const PROMPT: &str = "> ";

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
    note!("`help` shows the commands, `quit` or Ctrl-D ends");
    loop {
        let text = match editor.readline(PROMPT) {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue, // Ctrl-C drops the line
            Err(ReadlineError::Eof) => return Ok(Exit::Held),
            Err(error) => return Err(error).context("cannot read from the terminal"),
        };
        if !text.trim().is_empty() {
            editor.add_history_entry(&text)?;
        }
        if obey(session, &text).await.is_none() {
            return Ok(Exit::Held);
        }
    }
}

/// One command per line; errors do not stop it, and the worst of them is how it ends.
async fn piped(session: &mut Session) -> anyhow::Result<Exit> {
    let mut worst = Exit::Held;
    let mut input = io::stdin().lock();
    let mut bytes = Vec::new();
    while input.read_until(b'\n', &mut bytes)? > 0 {
        let Some(exit) = obey(session, String::from_utf8_lossy(&bytes).trim_end()).await else {
            break;
        };
        worst = worst.max(exit);
        bytes.clear();
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
