//! What a client tells its user while a call or a monitoring is under way: from the trace's events.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::client::layout;
use crate::cli::out::{note, say};
use crate::clock::ms;
use crate::id::OperationId;
use crate::net::real::Listener;
use crate::net::{Kind, Label};
use crate::rpc::message::Message;
use crate::services::Application;
use crate::services::lock::files::FileId;
use crate::services::lock::message::{Request, Update};
use crate::services::words::Words;
use crate::trace::{Event, Ignored};

/// How lines reach a user that may be typing: on stderr, unless there is a prompt to stand above.
#[derive(Clone, Default)]
pub(super) struct Voice(Rc<RefCell<Option<Speaker>>>);

type Speaker = Box<dyn FnMut(&str)>;

impl Voice {
    pub(super) fn speak_through(&self, speaker: impl FnMut(&str) + 'static) {
        *self.0.borrow_mut() = Some(Box::new(speaker));
    }

    fn say(&self, line: fmt::Arguments<'_>) {
        match &mut *self.0.borrow_mut() {
            Some(speaker) => speaker(&line.to_string()),
            None => note!("{line}"),
        }
    }
}

/// A listener that logs every event, and tells of those that a user waits for. It counts the updates
/// that it has shown.
pub(super) fn listener(
    application: Arc<dyn Application>,
    timeout: Duration,
    updates: Rc<Cell<u32>>,
    voice: Voice,
) -> Listener {
    let words = Words(application.clone());
    let mut locks = (application.name() == "lock").then(Locks::default);
    Box::new(move |line, names| {
        words.log(line, names);
        if let Some(locks) = &mut locks {
            locks.follow(&line.event, &voice);
        }
        if let Some(Label { attempt, .. }) = sent(&line.event)
            && attempt.number > 1
        {
            let (span, number, of) = (in_words(timeout), attempt.number, attempt.of);
            note!("no reply after {span}, sending again (attempt {number} of {of})");
        }
        match &line.event {
            Event::Broken { why, .. } => note!("{why}"),
            Event::Patience { .. } => note!("the server is at work on it"),
            Event::Notified { update, .. } if locks.is_none() => {
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

/// What a client sends with this event, if it sends something.
fn sent(event: &Event) -> Option<Label> {
    match event {
        Event::Send { label, .. } => *label,
        Event::Segment(segment) => segment.label,
        _ => None,
    }
}

/// Which locks the user has asked for, so that the loss of one can be told by its name.
#[derive(Default)]
struct Locks {
    acquired: BTreeMap<OperationId, FileId>,
}

impl Locks {
    fn follow(&mut self, event: &Event, voice: &Voice) {
        match event {
            Event::Send {
                label: Some(label),
                datagram,
                ..
            } => self.asked(*label, datagram),
            Event::Notified {
                operation, update, ..
            } => {
                if let Ok(Update::Lost { token }) = Update::decode(update)
                    && let Some(file) = self.acquired.get(operation)
                {
                    let file = file.name();
                    voice.say(format_args!(
                        "lease lost: {file} (token {token}); acquire again"
                    ));
                }
            }
            _ => {}
        }
    }

    fn asked(&mut self, label: Label, datagram: &[u8]) {
        if label.kind == Kind::Request
            && let Ok(Message::Request { body, .. }) = Message::decode(datagram)
            && let Ok(Request::Acquire { file, .. }) = Request::decode(body)
            && let Some(file) = FileId::named(&file)
        {
            self.acquired.retain(|_, earlier| *earlier != file); // so many as there are files
            self.acquired.insert(label.operation, file);
        }
    }
}

/// A span as people say it: `5 s`, `300 ms`.
fn in_words(span: Duration) -> String {
    match ms(span) {
        whole if whole % 1_000 == 0 => format!("{} s", whole / 1_000),
        other => format!("{other} ms"),
    }
}
