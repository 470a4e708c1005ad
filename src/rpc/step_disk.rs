//! The disk of a server: each step becomes durable, and only then is anything of it seen.

use crate::disk::{Batch, Store, StoreError};
use crate::rpc::dispatch::Dispatch;
use crate::rpc::output::{Held, Output};
use crate::rpc::records;
use crate::rpc::reply_cache::ReplyCache;
use crate::rpc::service::{Effect, Effects};

/// The disk of a server.
pub(super) struct StepDisk {
    store: Store,
    /// For the keys of the service's records.
    key: Vec<u8>,
    held: Held,
    /// What the last commit changed, or was to change.
    batch: Batch,
}

impl StepDisk {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            key: Vec::new(),
            held: Held::default(),
            batch: Batch::default(),
        }
    }

    /// Commits what a step brings about, and then lets it be seen. What of it the host does not live to
    /// see is in doubt until the disk is opened again: with a commit that failed all, and with a crash
    /// upon one of the step's events those after it.
    pub(super) fn show(
        &mut self,
        dispatch: &mut Dispatch,
        effects: &Effects,
        out: &mut dyn Output,
        carry_out: impl FnOnce(&mut Dispatch, &Effects, &mut dyn Output),
    ) -> Result<(), StoreError> {
        let was_alive = out.is_alive(); // what a life does after its end has no effect, then or later
        self.held.wants_all_events = out.wants_all_events();
        carry_out(dispatch, effects, &mut self.held);
        let committed = self.commit(effects, dispatch.cache.as_mut());
        let unseen = match committed {
            Ok(()) => self.held.release(out),
            Err(_) => self.held.take_events(),
        };
        // A step that changed nothing left nothing behind.
        if was_alive && !unseen.is_empty() && !self.batch.is_empty() {
            out.doubt(&self.batch, unseen);
        }
        committed
    }

    /// Carries out what a service does as it begins: nothing of that is seen.
    pub(super) fn begin(
        &mut self,
        effects: &Effects,
        carry_out: impl FnOnce(&Effects, &mut dyn Output),
    ) -> Result<(), StoreError> {
        carry_out(effects, &mut self.held);
        self.held.clear();
        self.commit(effects, None)
    }

    /// Commits what the service stores and what has changed in the reply cache.
    pub(super) fn commit(
        &mut self,
        effects: &Effects,
        cache: Option<&mut ReplyCache>,
    ) -> Result<(), StoreError> {
        self.batch.clear();
        if let Some(cache) = cache {
            std::mem::swap(cache.changes(), &mut self.batch);
        }
        for effect in effects.iter() {
            if let Effect::Store { key, value } = effect {
                self.key.clear();
                self.key.push(records::SERVICE);
                self.key.extend_from_slice(key);
                match value {
                    Some(value) => self.batch.put(&self.key, value),
                    None => self.batch.erase(&self.key),
                }
            }
        }
        self.store.commit(&self.batch)
    }
}
