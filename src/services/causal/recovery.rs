//! How a data centre that has lost its memory comes to know what the others hold.
//!
//! A data centre whose state is in memory forgets all in a crash, its own writes too. Its next life:
//!
//! - gives its versions a number of its own, drawn by chance ([`Version::life`]), so that no version is ever
//!   given twice. A first life needs none: whoever starts a server knows whether it is the first time, as
//!   with the `initial-cluster-state` of etcd. So a first life asks nobody, waits for nobody and blocks on
//!   nobody, in whatever order data centres start.
//! - asks every other data centre for its state image, until it has it, and neither answers clients nor
//!   commits until all have given theirs. It needs each of them: a write that its earlier life had
//!   acknowledged is sent to it by nobody but in an image; and what is known everywhere, and so in no list
//!   of dependencies any more, may have been in the hands of its origin and of that earlier life alone when
//!   the others' images were taken. Requests wait meanwhile as for dependencies, and are refused in the end.
//!   A data centre that is recovering itself gives what it has: if all have crashed, what they knew is lost
//!   for all, and they go on.
//! - spreads to all what it learns of its own earlier lives: a write that was on its way to several when
//!   they ended is sent by nobody any more. A data centre that commits such a write later, knowing of
//!   another life, sends it back the same way. Until the data centre is restarted, such a write stays
//!   where it came to, and what depends on it stalls elsewhere.
//!
//! What no data centre but the one that crashed had committed is lost. A session that depends on it is
//! refused, not answered wrongly. This holds for crashes one after the other; where a data centre crashes
//! while another one recovers, what is known everywhere may be missing there until it has been spread.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::clock::Time;
use crate::id::HostId;
#[cfg(doc)]
use crate::id::Version;
use crate::rpc::service::Effects;
use crate::services::causal::describe;
use crate::services::causal::image::Image;
use crate::services::causal::message::{Page, PeerBody};
use crate::services::causal::replica::Replica;
use crate::services::causal::server::CausalServer;
use crate::services::causal::write::Origin;
use crate::trace::Commit;

impl CausalServer {
    /// Takes a page of an image in, and merges the image when it is complete.
    pub(super) fn receive_page(
        &mut self,
        now: Time,
        sender: Origin,
        page: &Page,
        effects: &mut Effects,
    ) {
        let (is_taken, received) = self.transfers.receive(sender.replica, sender.life, page);
        if let Some(image) = received.and_then(|received| {
            let pages = received.pages.iter().map(Vec::as_slice);
            Image::read(pages).ok()
        }) {
            self.merge(now, sender.replica, &image, effects);
            if page.answers == self.replica.own().life && page.answers != 0 {
                self.transfers.answered(sender.replica);
                self.is_recovering &= !self.transfers.has_all_answers();
            }
            let mut done = Vec::new();
            if !self.is_recovering {
                self.replica.release(&mut done);
            }
            self.tell_arrived(now, &done, effects);
        }
        if is_taken {
            let body = PeerBody::HasPage {
                life: sender.life,
                number: page.number,
                page: page.page,
            };
            self.post(now, (sender.replica, None), body, effects);
        }
    }

    /// Merges an image. What it brings of a life that has ended nobody sends any more. Of this data
    /// centre's own earlier lives it goes on to all; of another's it goes back there, to be spread the
    /// same way.
    fn merge(&mut self, now: Time, from: u16, image: &Image, effects: &mut Effects) {
        let count = |replica: &Replica| -> BTreeMap<Origin, (u64, usize)> {
            let committed = replica.committed().iter();
            committed
                .map(|(&origin, it)| (origin, (it.prefix(), it.beyond().len())))
                .collect()
        };
        let before = count(&self.replica);
        for merged in self.replica.merge(image) {
            effects.commit(Commit {
                operation: None,
                version: merged.version(),
                needs: Rc::new([]),
                stalled: None,
                taken_from: Some(HostId(from)),
                text: describe::merged(&merged, from).into(),
            });
        }
        let own = self.replica.own();
        let after = count(&self.replica);
        let is_new = |(origin, it): &(&Origin, &(u64, usize))| before.get(origin) != Some(it);
        let mut told: BTreeSet<u16> = BTreeSet::new();
        for (origin, _) in after.iter().filter(is_new) {
            let living = match origin.replica == own.replica {
                true => own.life,
                false => self.lives.get(&origin.replica).copied().unwrap_or_default(),
            };
            if origin.life == living {
                continue;
            }
            if origin.replica == own.replica {
                told.extend(self.transfers.others());
            } else {
                told.insert(origin.replica);
            }
        }
        told.into_iter().for_each(|to| self.send_image(now, to, 0));
    }

    /// Sends a data centre the image of this moment; `answers` is the life that asked for it, or 0.
    pub(super) fn send_image(&mut self, now: Time, to: u16, answers: u32) {
        let image = Image::pages(&self.replica);
        self.transfers.send(now, to, answers, image);
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
