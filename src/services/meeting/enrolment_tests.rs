//! A main server that asks whom data servers have, on a bad network, while all of them begin other lives.
//!
//! Lives are numbered in no order, and in each a data server has other people, in several pieces. What is late may be
//! later than several lives. In the end the main server knows whom each of them has now, and nothing more is said.

use std::collections::BTreeMap;
use std::time::Duration;

use super::directory::Directory;
use super::enrolment::Enrolment;
use super::message::{PeerBody, PeerMessage};
use super::settings::People;
use crate::clock::Time;
use crate::seed::{Seed, Stream};

const SEEDS: u64 = 500;
/// A name and its length take 9 bytes.
const PIECE_BYTES: usize = 18;
const TIMEOUT: Duration = Duration::from_millis(100);
const STORM: Time = Time::from_ms(3_000);
/// No message is longer under way, in a third of the seeds each. Where that is short, nothing of an earlier life comes
/// late enough to have the last one asked again, and what was wrong stays.
const DELAY_MS_MAX: [u32; 3] = [20, 200, 2_000];
const END: Time = Time::from_ms(30_000);
const MAIN: u16 = 0;
const PLACES: [u16; 2] = [1, 2];

struct Main {
    life: u64,
    directory: Directory,
}

struct Data {
    life: u64,
    people: People,
    enrolment: Enrolment,
}

struct Storm {
    now: Time,
    chance: Stream,
    delay_ms_max: u32,
    main: Main,
    data: BTreeMap<u16, Data>,
    mail: BTreeMap<(Time, u64), (u16, u16, PeerMessage)>,
    sent: u64,
    lives: u32,
}

impl Main {
    fn begin(chance: &mut Stream) -> Self {
        let life = chance.next_u64();
        Self {
            life,
            directory: Directory::new(life, PLACES.into_iter()),
        }
    }
}

impl Data {
    /// A life with some of ten people whom no other data server ever has.
    fn begin(now: Time, place: u16, chance: &mut Stream) -> Self {
        let people = (0..10).filter(|_| chance.below(2) == 0);
        let people: People = people
            .map(|number| (format!("p{place}-{number:02}"), "[1,2]".parse().unwrap()))
            .collect();
        let mut enrolment = Enrolment::new(&people, PIECE_BYTES);
        enrolment.begin(now);
        Self {
            life: chance.next_u64(),
            people,
            enrolment,
        }
    }
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut chance = Seed(seed).stream("enrolment");
        let data = |place| (place, Data::begin(Time::ZERO, place, &mut chance));
        let data = PLACES.map(data).into();
        Self {
            now: Time::ZERO,
            main: Main::begin(&mut chance),
            data,
            chance,
            delay_ms_max: DELAY_MS_MAX[seed as usize % DELAY_MS_MAX.len()],
            mail: BTreeMap::new(),
            sent: 0,
            lives: 0,
        }
    }

    fn send(&mut self, from: u16, to: u16, body: PeerBody) {
        let life = match from {
            MAIN => self.main.life,
            place => self.data[&place].life,
        };
        let copies = match self.chance.below(5) {
            0 if self.now < STORM => 0,
            1 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let bound = [10, 10, self.delay_ms_max][self.chance.below(3) as usize];
            let delay = Duration::from_millis(1 + u64::from(self.chance.below(bound)));
            let body = body.clone();
            let message = PeerMessage { life, body };
            self.sent += 1;
            self.mail
                .insert((self.now + delay, self.sent), (from, to, message));
        }
    }

    /// What the main server does with a message.
    fn main_hears(&mut self, from: u16, PeerMessage { life, body }: PeerMessage) {
        self.main.directory.hear(self.now, from, life);
        if let PeerBody::Names {
            question,
            piece,
            names,
        } = body
        {
            let number = piece.number;
            let directory = &mut self.main.directory;
            directory.hear_names(from, question, (piece, names));
            assert_eq!(directory.refused(from), None, "nobody is at two of them");
            let (of, piece) = (life, number);
            let body = PeerBody::HasNames {
                question,
                of,
                piece,
            };
            self.send(MAIN, from, body);
        }
    }

    /// What a data server does with a message.
    fn data_hears(&mut self, place: u16, body: &PeerBody) {
        let Some(data) = self.data.get_mut(&place) else {
            return;
        };
        match *body {
            PeerBody::Who { question } => data.enrolment.asked(self.now, question),
            PeerBody::HasNames {
                question,
                of,
                piece,
            } if of == data.life => data.enrolment.acknowledge(self.now, question, piece),
            _ => {}
        }
    }

    fn attend(&mut self) {
        for (place, question) in self.main.directory.take_due(self.now, TIMEOUT) {
            self.send(MAIN, place, PeerBody::Who { question });
        }
        for place in PLACES {
            let Some(data) = self.data.get_mut(&place) else {
                continue;
            };
            for body in data.enrolment.take_due(self.now, TIMEOUT, &data.people) {
                self.send(place, MAIN, body);
            }
        }
    }

    fn begin_some(&mut self) {
        match self.chance.below(60) {
            0 => self.main = Main::begin(&mut self.chance),
            1..=4 => {
                let place = PLACES[self.chance.below(2) as usize];
                let data = Data::begin(self.now, place, &mut self.chance);
                self.data.insert(place, data);
            }
            _ => return,
        }
        self.lives += 1;
    }

    /// When something happens next: before the end of the storm, something always may.
    fn next(&self) -> Option<Time> {
        let mail = self.mail.keys().next().map(|(due, _)| *due);
        let spoken = self.data.values().filter_map(|data| data.enrolment.next());
        let next = mail
            .into_iter()
            .chain(spoken)
            .chain(self.main.directory.next());
        let next = next.min();
        if self.now >= STORM {
            return next;
        }
        let change = Time::from_ms(self.now.as_ms() / 10 * 10 + 10);
        Some(next.map_or(change, |next| next.min(change)))
    }

    fn rage(&mut self) {
        while self.now < END {
            if self.now < STORM && self.now.as_ms().is_multiple_of(10) {
                self.begin_some();
            }
            while let Some(entry) = self.mail.first_entry()
                && entry.key().0 <= self.now
            {
                match entry.remove() {
                    (from, MAIN, message) => self.main_hears(from, message),
                    (_, place, message) => self.data_hears(place, &message.body),
                }
            }
            self.attend();
            let Some(next) = self.next() else {
                break;
            };
            self.now = self.now.max(next);
        }
    }

    /// What is wrong in the end.
    fn fault(&self) -> Option<String> {
        let directory = &self.main.directory;
        let unknown: Vec<u16> = directory.unknown().collect();
        if !unknown.is_empty() {
            return Some(format!("whom {unknown:?} have is not known"));
        }
        for place in PLACES {
            for number in 0..10 {
                let name = format!("p{place}-{number:02}");
                let is_there = self.data[&place].people.contains_key(&name);
                if directory.place_of(&name) != is_there.then_some(place) {
                    let known = directory.place_of(&name);
                    return Some(format!("{name} is at {known:?}, it is said: {is_there}"));
                }
            }
        }
        let mut speak = self.data.values().map(|data| data.enrolment.next());
        let is_quiet = directory.next().is_none() && speak.all(|next| next.is_none());
        (!is_quiet || !self.mail.is_empty()).then(|| "they go on".to_owned())
    }
}

#[test]
fn in_the_end_it_is_known_whom_each_server_has_whatever_came_late() {
    let mut lives = 0;
    for seed in 0..SEEDS {
        let mut storm = Storm::new(seed);
        storm.rage();
        assert_eq!(storm.fault(), None, "seed {seed}");
        lives += storm.lives;
    }
    assert!(u64::from(lives) > 10 * SEEDS, "{lives}");
}
