//! What a client tells its user while a call or a monitoring is under way: from the trace's events.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::client::layout;
use crate::cli::out::{note, say};
use crate::clock::ms;
use crate::net::real::Listener;
use crate::services::Application;
use crate::services::words::Words;
use crate::trace::{Event, Ignored};

/// A listener that logs every event, and tells of those that a user waits for. It counts the updates
/// that it has shown.
pub(super) fn listener(
    application: Arc<dyn Application>,
    timeout: Duration,
    updates: Rc<Cell<u32>>,
) -> Listener {
    let words = Words(application.clone());
    Box::new(move |line, names| {
        words.log(line, names);
        match &line.event {
            Event::Send {
                label: Some(label), ..
            } if label.attempt.number > 1 => {
                let (span, attempt) = (in_words(timeout), label.attempt);
                let (number, of) = (attempt.number, attempt.of);
                note!("no reply after {span}, sending again (attempt {number} of {of})");
            }
            Event::Patience { .. } => note!("the server is at work on it"),
            Event::Notified { update, .. } => {
                let number = updates.get() + 1;
                if let Some(text) = layout::update(application.as_ref(), number, update) {
                    updates.set(number);
                    say!("{text}");
                }
            }
            Event::Ignore {
                reason: Ignored::EarlyUpdate,
                ..
            } => note!("an update before this one is missing, asking the server for it"),
            _ => {}
        }
    })
}

/// A span as people say it: `5 s`, `300 ms`.
fn in_words(span: Duration) -> String {
    match ms(span) {
        whole if whole % 1_000 == 0 => format!("{} s", whole / 1_000),
        other => format!("{other} ms"),
    }
}
