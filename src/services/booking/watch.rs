//! What a client that monitors makes of the updates it receives.
//!
//! In format v2 every change of a facility has a revision, one higher than the last. A [`Watch`]
//! accepts them in this order only. So a lost update shows as a gap, a doubled one as known, and an
//! overtaken one comes too early; for a gap the server is asked to send again.
//!
//! ```text
//! received   3       5                   6        4 (again)   5 (again)   6 (again)   5
//!            taken   early: ask after 3  early    taken       taken       taken       known
//! ```
//!
//! In format v1 updates have no number: every one counts, the lost and the doubled alike.

use crate::services::booking::facility::UPDATES_PER_ASK;
use crate::services::booking::message::{Ask, Update};
use crate::trace::Ignored;

/// What to make of an update by its revision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is the next one.
    Take,
    /// It is known already.
    Known,
    /// An earlier one is missing.
    Early,
}

/// Which revisions a client has, and which it knows to exist.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revisions {
    /// The last one accepted; every earlier one is accepted or given up.
    last: u32,
    /// The highest one heard of.
    latest: u32,
    /// How many are given up: the server no longer keeps them.
    given_up: u32,
    /// What the client last asked for: everything after this revision.
    asked_after: Option<u32>,
    /// How many were accepted since.
    accepted: usize,
    /// Whether it is time to ask.
    is_to_ask: bool,
}

impl Revisions {
    /// Everything after this revision is wanted.
    pub(crate) const fn after(last: u32) -> Self {
        Self {
            last,
            latest: last,
            given_up: 0,
            asked_after: None,
            accepted: 0,
            is_to_ask: false,
        }
    }

    /// An update with this revision has come from a server that keeps those from `oldest` on. What is
    /// missing and no longer kept is given up.
    ///
    /// Each gap is asked for once; and again when all has come that one question brings, and more is
    /// missing.
    pub(crate) fn update(&mut self, revision: u32, oldest: u32) -> Verdict {
        self.latest = self.latest.max(revision);
        self.give_up_before(oldest.min(revision));
        if revision <= self.last {
            return Verdict::Known;
        }
        if revision - self.last > 1 {
            self.is_to_ask = self.asked_after != Some(self.last);
            return Verdict::Early;
        }
        self.last = revision;
        self.accepted += 1;
        self.is_to_ask = self.accepted == UPDATES_PER_ASK && !self.is_complete();
        Verdict::Take
    }

    /// The server has said which revision is the latest. If something is missing it is asked for, be
    /// it again: the question or the updates may have been lost.
    pub(crate) fn heard_of(&mut self, latest: u32) {
        self.latest = self.latest.max(latest);
        self.is_to_ask = !self.is_complete();
    }

    /// The revision after which to ask for updates, if it is time to.
    pub(crate) fn ask(&mut self) -> Option<u32> {
        if !std::mem::take(&mut self.is_to_ask) {
            return None;
        }
        self.asked_after = Some(self.last);
        self.accepted = 0;
        Some(self.last)
    }

    /// Whether no update is missing, as far as the client can know.
    pub(crate) const fn is_complete(&self) -> bool {
        self.last >= self.latest
    }

    /// How many updates are missing or given up.
    pub(crate) const fn missed(&self) -> u32 {
        self.given_up
            .saturating_add(self.latest.saturating_sub(self.last))
    }

    fn give_up_before(&mut self, kept: u32) {
        let before = kept.saturating_sub(1);
        if before > self.last {
            self.given_up = self.given_up.saturating_add(before - self.last);
            self.last = before;
        }
    }
}

/// A client's monitoring of one facility.
#[derive(Debug)]
pub(crate) struct Watch {
    facility: String,
    /// `None` in format v1, which has no revisions.
    revisions: Option<Revisions>,
    taken: u32,
    ended: bool,
}

impl Watch {
    /// Watches a facility in format v2, from after this revision.
    pub(crate) const fn after(facility: String, revision: u32) -> Self {
        Self {
            facility,
            revisions: Some(Revisions::after(revision)),
            taken: 0,
            ended: false,
        }
    }

    /// Watches a facility in format v1.
    pub(crate) const fn without_revisions(facility: String) -> Self {
        Self {
            facility,
            revisions: None,
            taken: 0,
            ended: false,
        }
    }

    /// Takes an update in, or says why it is ignored.
    pub(crate) fn take_in(&mut self, body: &[u8]) -> Result<(), Ignored> {
        let update = Update::decode(body).map_err(|_| Ignored::Malformed)?;
        match update {
            Update::Changed {
                revision,
                oldest,
                availability,
            } => {
                self.is_ours(&availability.facility)?;
                self.changed(revision, oldest)
            }
            Update::Latest {
                facility,
                revision,
                ended,
            } => {
                self.is_ours(&facility)?;
                self.ended |= ended;
                if let Some(revisions) = &mut self.revisions {
                    revisions.heard_of(revision);
                }
                Ok(())
            }
        }
    }

    /// The question to send now, if there is one.
    pub(crate) fn ask(&mut self) -> Option<Ask> {
        let after = self.revisions.as_mut()?.ask()?;
        Some(Ask {
            facility: self.facility.clone(),
            after,
        })
    }

    /// Whether the registration has ended with nothing missing: nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.ended
            && self
                .revisions
                .is_none_or(|revisions| revisions.is_complete())
    }

    /// What came of it: `3 updates, 2 missed`.
    pub(crate) fn summary(&self) -> String {
        let taken = match self.taken {
            0 => "no updates".to_owned(),
            1 => "1 update".to_owned(),
            taken => format!("{taken} updates"),
        };
        match self.revisions.map_or(0, |revisions| revisions.missed()) {
            0 => taken,
            missed => format!("{taken}, {missed} missed"),
        }
    }

    /// What came of it if the registration did not end when it was due: the server's clock may be fast,
    /// or it may have forgotten the registration. Updates may be missing of which nobody has heard.
    pub(crate) fn summary_without_end(&self, silent_before_due: bool) -> String {
        let summary = self.summary();
        match self.revisions {
            Some(_) if !self.ended => format!("{summary}, and no word of the end"),
            Some(_) if self.is_over() && silent_before_due => {
                format!("{summary}, and the server ended it early")
            }
            _ => summary,
        }
    }

    fn is_ours(&self, facility: &str) -> Result<(), Ignored> {
        if facility == self.facility {
            Ok(())
        } else {
            Err(Ignored::NotMonitoring)
        }
    }

    fn changed(&mut self, revision: u32, oldest: u32) -> Result<(), Ignored> {
        let verdict = match &mut self.revisions {
            Some(revisions) => revisions.update(revision, oldest),
            None => Verdict::Take,
        };
        match verdict {
            Verdict::Take => {
                self.taken = self.taken.saturating_add(1);
                Ok(())
            }
            Verdict::Known => Err(Ignored::KnownUpdate),
            Verdict::Early => Err(Ignored::EarlyUpdate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::booking::message::Availability;

    fn changed(facility: &str, revision: u32, oldest: u32) -> Vec<u8> {
        let update = Update::Changed {
            revision,
            oldest,
            availability: Availability {
                facility: facility.to_owned(),
                days: Vec::new(),
            },
        };
        update.encode()
    }

    fn latest(revision: u32, ended: bool) -> Vec<u8> {
        let update = Update::Latest {
            facility: "Hall".to_owned(),
            revision,
            ended,
        };
        update.encode()
    }

    fn watch() -> Watch {
        Watch::after("Hall".to_owned(), 2)
    }

    fn asked(watch: &mut Watch) -> Option<u32> {
        watch.ask().map(|ask| ask.after)
    }

    #[test]
    fn a_registration_that_does_not_end_when_it_is_due_is_reported() {
        let mut watch = watch();
        assert_eq!(
            watch.summary_without_end(true),
            "no updates, and no word of the end"
        );
        watch.take_in(&latest(2, true)).unwrap();
        assert_eq!(
            watch.summary_without_end(true),
            "no updates, and the server ended it early"
        );
        assert_eq!(watch.summary_without_end(false), "no updates");
        watch.take_in(&latest(3, true)).unwrap();
        assert_eq!(watch.summary_without_end(true), "no updates, 1 missed");
        let v1 = Watch::without_revisions("Hall".to_owned());
        assert_eq!(v1.summary_without_end(true), "no updates");
    }

    #[test]
    fn updates_count_in_order_and_doubled_ones_do_not() {
        let mut watch = watch();
        assert_eq!(watch.take_in(&changed("Hall", 3, 1)), Ok(()));
        assert_eq!(
            watch.take_in(&changed("Hall", 3, 1)),
            Err(Ignored::KnownUpdate)
        );
        assert_eq!(watch.take_in(&changed("Hall", 4, 1)), Ok(()));
        assert_eq!(watch.take_in(&latest(4, true)), Ok(()));
        assert_eq!(asked(&mut watch), None);
        assert!(watch.is_over());
        assert_eq!(watch.summary(), "2 updates");
    }

    #[test]
    fn a_gap_is_asked_for_once_and_again_when_the_latest_is_told() {
        let mut watch = watch();
        let early = watch.take_in(&changed("Hall", 4, 1));
        assert_eq!(early, Err(Ignored::EarlyUpdate));
        assert_eq!(asked(&mut watch), Some(2));
        let early = watch.take_in(&changed("Hall", 5, 1));
        assert_eq!(early, Err(Ignored::EarlyUpdate));
        assert_eq!(asked(&mut watch), None);
        assert_eq!(watch.take_in(&latest(5, false)), Ok(()));
        assert_eq!(asked(&mut watch), Some(2));
        for revision in 3..=5 {
            assert_eq!(watch.take_in(&changed("Hall", revision, 1)), Ok(()));
            assert_eq!(asked(&mut watch), None);
        }
        let early = watch.take_in(&changed("Hall", 7, 1));
        assert_eq!(early, Err(Ignored::EarlyUpdate));
        assert_eq!(asked(&mut watch), Some(5));
    }

    #[test]
    fn an_end_with_a_gap_is_over_when_the_gap_is_filled() {
        let mut watch = watch();
        assert_eq!(watch.take_in(&latest(3, true)), Ok(()));
        assert_eq!(asked(&mut watch), Some(2));
        assert!(!watch.is_over());
        assert_eq!(watch.summary(), "no updates, 1 missed");
        assert_eq!(watch.take_in(&changed("Hall", 3, 1)), Ok(()));
        assert!(watch.is_over());
        assert_eq!(watch.summary(), "1 update");
    }

    #[test]
    fn a_long_gap_is_asked_for_piece_by_piece() {
        let mut watch = watch();
        assert_eq!(watch.take_in(&latest(50, true)), Ok(()));
        let mut questions = Vec::new();
        while let Some(after) = asked(&mut watch) {
            questions.push(after);
            for revision in (after + 1..=50).take(UPDATES_PER_ASK) {
                assert_eq!(watch.take_in(&changed("Hall", revision, 1)), Ok(()));
            }
        }
        assert_eq!(questions, [2, 18, 34]);
        assert!(watch.is_over());
    }

    #[test]
    fn what_the_server_no_longer_keeps_is_counted_as_missed() {
        let mut watch = watch();
        assert_eq!(watch.take_in(&changed("Hall", 10, 10)), Ok(()));
        assert_eq!(watch.summary(), "1 update, 7 missed");
        let early = watch.take_in(&changed("Hall", 20, 15));
        assert_eq!(early, Err(Ignored::EarlyUpdate));
        assert_eq!(asked(&mut watch), Some(14));
        assert_eq!(watch.summary(), "1 update, 17 missed");
        for revision in 15..=20 {
            assert_eq!(watch.take_in(&changed("Hall", revision, 15)), Ok(()));
        }
        assert_eq!(watch.summary(), "7 updates, 11 missed");
    }

    #[test]
    fn updates_of_another_facility_and_garbage_change_nothing() {
        let mut watch = watch();
        assert_eq!(
            watch.take_in(&changed("Room", 9, 1)),
            Err(Ignored::NotMonitoring)
        );
        assert_eq!(watch.take_in(b""), Err(Ignored::Malformed));
        assert_eq!(watch.summary(), "no updates");
    }

    #[test]
    fn without_revisions_every_update_counts() {
        let mut watch = Watch::without_revisions("Hall".to_owned());
        for _ in 0..2 {
            assert_eq!(watch.take_in(&changed("Hall", 0, 0)), Ok(()));
        }
        assert_eq!(asked(&mut watch), None);
        assert!(!watch.is_over());
        assert_eq!(watch.summary(), "2 updates");
    }

    #[test]
    fn revisions_at_the_end_of_the_numbers_do_not_overflow() {
        let mut revisions = Revisions::after(u32::MAX - 1);
        assert_eq!(revisions.update(u32::MAX, u32::MAX), Verdict::Take);
        assert_eq!(revisions.update(u32::MAX, u32::MAX), Verdict::Known);
        let mut revisions = Revisions::after(0);
        assert_eq!(revisions.update(0, u32::MAX), Verdict::Known);
        assert_eq!(revisions.update(u32::MAX, 0), Verdict::Early);
        assert_eq!(revisions.missed(), u32::MAX);
    }
}
