//! What nobody knows when a server dies inside a commit: whether its step has happened.
//!
//! ```text
//!   life 1   execute, commit ──╳ crash           nothing of the step is seen
//!   life 2                      open the disk    the step is there, or it is not
//! ```
//!
//! A step is seen when it is durable, so such a step is in no trace. If the next life finds it on the
//! disk, then it was executed, its effects stay and its reply may be sent: the trace is to say so. An
//! [`InDoubt`] stands outside the lives of a simulated server, and remembers the step that is being
//! committed. A real server needs none: nobody judges its trace.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::disk::{Batch, Store, StoreError};
use crate::rpc::output::Action;
use crate::trace::Event;

/// The step that a server is committing; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct InDoubt(Rc<RefCell<Option<Step>>>);

#[derive(Debug)]
struct Step {
    batch: Batch,
    events: Vec<Event>,
}

impl InDoubt {
    /// What was executed and completed by the step that the last life could not see committed, if the
    /// disk holds it. Whether it does is known from now on.
    ///
    /// # Errors
    ///
    /// If the disk fails: then nothing is known yet.
    pub fn found(&self, store: &mut Store) -> Result<Vec<Event>, StoreError> {
        if self.0.borrow().is_none() {
            return Ok(Vec::new());
        }
        let records: BTreeMap<_, _> = store.records(&[])?.into_iter().collect();
        let step = self.0.take();
        let is_there = |step: &Step| {
            let wanted: BTreeMap<_, _> = step.batch.changes().collect();
            let mut wanted = wanted.into_iter();
            wanted.all(|(key, value)| records.get(key).map(Vec::as_slice) == value)
        };
        Ok(step
            .filter(is_there)
            .map_or_else(Vec::new, |step| step.events))
    }

    /// A commit begins.
    pub(super) fn begin(&self, batch: &Batch, actions: &[Action]) {
        let executed = |action: &Action| match action {
            Action::Record(event @ (Event::Execute { .. } | Event::Complete { .. })) => {
                Some(event.clone())
            }
            _ => None,
        };
        let step = Step {
            batch: batch.clone(),
            events: actions.iter().filter_map(executed).collect(),
        };
        self.0.replace(Some(step));
    }

    /// It is done.
    pub(super) fn end(&self) {
        self.0.take();
    }
}
