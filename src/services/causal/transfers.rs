//! State images under way between data centres, a page at a time. Pure.
//!
//! Whoever sends an image sends a page until it is acknowledged, then the next one, as patiently as it
//! sends writes. Whoever asks for one asks until it has it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Time;
use crate::services::causal::message::{Page, PeerBody};
use crate::services::causal::outgoing::Sends;

/// Images under way, to and from this data centre.
#[derive(Debug)]
pub struct Transfers {
    timeouts: BTreeMap<u16, Duration>,
    /// How many images it has sent, so that each has a number.
    numbered: u32,
    sending: BTreeMap<u16, Sending>,
    receiving: BTreeMap<(u16, u32), Receiving>,
    /// Who is asked for an image and has not given it.
    asked: BTreeMap<u16, Sends>,
}

#[derive(Debug)]
struct Sending {
    number: u32,
    answers: u32,
    pages: Vec<Vec<u8>>,
    /// The page that is being sent.
    page: usize,
    sends: Sends,
}

#[derive(Debug)]
struct Receiving {
    number: u32,
    pages: Vec<Vec<u8>>,
    /// How many pages have come; when it is complete, they are gone.
    count: u32,
}

/// An image that has come in full.
#[derive(Debug)]
pub struct Received {
    /// Its pages.
    pub pages: Vec<Vec<u8>>,
}

impl Transfers {
    /// Nothing under way to these, each with its timeout.
    #[must_use]
    pub const fn new(timeouts: BTreeMap<u16, Duration>) -> Self {
        Self {
            timeouts,
            numbered: 0,
            sending: BTreeMap::new(),
            receiving: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Asks all others for their images.
    pub fn ask_all(&mut self, now: Time) {
        let others = self.timeouts.keys();
        self.asked = others.map(|&other| (other, Sends::at_once(now))).collect();
    }

    /// One of those asked has given its image.
    pub fn answered(&mut self, from: u16) {
        self.asked.remove(&from);
    }

    /// Sends an image, in the place of one that is under way; `answers` is the life that asked for it, or
    /// 0. What answers a question still does so when a later image takes its place.
    pub fn send(&mut self, now: Time, to: u16, answers: u32, pages: Vec<Vec<u8>>) {
        self.numbered += 1;
        let earlier = self.sending.get(&to).map_or(0, |sending| sending.answers);
        let sending = Sending {
            number: self.numbered,
            answers: if answers == 0 { earlier } else { answers },
            pages,
            page: 0,
            sends: Sends::at_once(now),
        };
        self.sending.insert(to, sending);
    }

    /// Whether an image is under way that answers this life.
    #[must_use]
    pub fn is_answering(&self, to: u16, life: u32) -> bool {
        self.sending
            .get(&to)
            .is_some_and(|sending| sending.answers == life)
    }

    /// A page has been acknowledged: the next one follows at once.
    pub fn acknowledge(&mut self, now: Time, from: u16, (number, page): (u32, u32)) {
        if let Some(sending) = self.sending.get_mut(&from)
            && sending.number == number
            && u32::try_from(sending.page) == Ok(page)
        {
            sending.page += 1;
            sending.sends = Sends::at_once(now);
            if sending.page == sending.pages.len() {
                self.sending.remove(&from);
            }
        }
    }

    /// Takes a page in; with the last one the image is there. Whether the page is to be acknowledged.
    pub fn receive(&mut self, from: u16, life: u32, page: &Page) -> (bool, Option<Received>) {
        if page.page >= page.of {
            return (false, None);
        }
        // Each life of a sender numbers its images upwards. A late page of an older image, or of a life that
        // has ended, is not to take the place of what is coming in.
        let known = self.receiving.get(&(from, life)).map(|it| it.number);
        match known {
            Some(number) if number == page.number => {}
            Some(number) if number > page.number => return (false, None),
            _ if page.page == 0 => {
                let fresh = Receiving {
                    number: page.number,
                    pages: Vec::new(),
                    count: 0,
                };
                self.receiving.insert((from, life), fresh);
            }
            _ => return (false, None),
        }
        let Some(receiving) = self.receiving.get_mut(&(from, life)) else {
            return (false, None);
        };
        if page.page != receiving.count {
            return (page.page < receiving.count, None);
        }
        receiving.pages.push(page.body.clone());
        receiving.count += 1;
        let is_complete = receiving.count == page.of;
        let received = is_complete.then(|| Received {
            pages: std::mem::take(&mut receiving.pages),
        });
        (true, received)
    }

    /// What is to be sent now: questions and pages.
    pub fn take_due(&mut self, now: Time) -> Vec<(u16, PeerBody)> {
        let timeouts = &self.timeouts;
        let mut due = Vec::new();
        for (&to, sends) in &mut self.asked {
            if sends.take_due(now, timeouts[&to]) {
                due.push((to, PeerBody::Fetch));
            }
        }
        for (&to, sending) in &mut self.sending {
            if sending.sends.take_due(now, timeouts[&to]) {
                let page = Page {
                    number: sending.number,
                    answers: sending.answers,
                    page: u32::try_from(sending.page).unwrap_or(u32::MAX),
                    of: u32::try_from(sending.pages.len()).unwrap_or(u32::MAX),
                    body: sending.pages[sending.page].clone(),
                };
                due.push((to, PeerBody::Page(page)));
            }
        }
        due
    }

    /// When something is to be sent next.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        let sending = self.sending.values().map(|sending| &sending.sends);
        self.asked.values().chain(sending).map(Sends::next).min()
    }

    /// The other data centres.
    pub fn others(&self) -> impl Iterator<Item = u16> {
        self.timeouts.keys().copied()
    }

    /// Whether everybody asked has answered.
    #[must_use]
    pub fn has_all_answers(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whether nothing is under way from here, and nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.sending.is_empty()
    }
}
