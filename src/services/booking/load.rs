//! Commands made up for load: bookings that collide now and then, and calls about earlier ones.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::seed::Stream;
use crate::services::booking::codec::CONFIRMATION;
use crate::services::booking::command::{self, no_command};
use crate::services::booking::message::{Reply, Request, WireTime};
use crate::services::booking::week::WEEK_DAYS;
use crate::services::{Command, CommandError};

/// How many confirmation ids a client remembers: enough to choose from, and the recent ones.
const CONFIRMATIONS_MAX: usize = 16;

/// The first hour at which a made-up booking starts, and how many hours there are to choose from.
/// Thirteen hours of seven days are few enough for bookings to collide.
const START_HOURS: (u8, u32) = (8, 13);

/// The days of a week, to ask about one of them.
const DAYS: [u8; WEEK_DAYS as usize] = [0, 1, 2, 3, 4, 5, 6];

/// By how many minutes a made-up change moves a booking.
const OFFSETS_MINUTES: [i32; 4] = [-120, -60, 60, 120];

/// By how many minutes a made-up extension extends a booking.
const EXTENSIONS_MINUTES: [u32; 3] = [30, 60, 120];

/// Makes commands up.
#[derive(Debug)]
pub(crate) struct Load {
    facilities: Vec<String>,
    booked: VecDeque<Booked>,
}

/// A confirmation id that a client was given, without the datagram that it came in.
#[derive(Clone, Copy, Debug)]
struct Booked {
    text: [u8; CONFIRMATION.max],
    len: u8,
}

impl Booked {
    /// The id in a reply; `None` if it is none that a request could name.
    fn of(reply: &[u8]) -> Option<Self> {
        let id = Reply::confirmation(reply)?;
        let mut text = [0; CONFIRMATION.max];
        text.get_mut(..id.len())?.copy_from_slice(id.as_bytes());
        let len = u8::try_from(id.len()).ok()?;
        Some(Self { text, len })
    }

    #[inline]
    fn id(&self) -> &str {
        str::from_utf8(&self.text[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl Load {
    /// Load on these facilities.
    pub(crate) fn new(facilities: Vec<String>) -> Self {
        Self {
            facilities,
            booked: VecDeque::with_capacity(CONFIRMATIONS_MAX),
        }
    }

    /// The client was given the confirmation id in this reply.
    pub(crate) fn booked(&mut self, reply: &[u8]) {
        let Some(booked) = Booked::of(reply) else {
            return;
        };
        if self.booked.len() == CONFIRMATIONS_MAX {
            self.booked.pop_front();
        }
        self.booked.push_back(booked);
    }

    /// Makes up a command with this verb, in the place of `made_up`. A client that has no booking to change,
    /// extend or cancel books instead, so that the load goes on. A booking that it cancels is forgotten, so
    /// that a client cancels none twice, and `already cancelled` always tells of a duplicate.
    ///
    /// # Errors
    ///
    /// If the verb is none, or cannot be made up.
    pub(crate) fn generate(
        &mut self,
        verb: &str,
        chance: &mut Stream,
        made_up: &mut Command,
    ) -> Result<(), CommandError> {
        match verb {
            "query" => self.query(chance, made_up),
            "book" => self.book(chance, made_up),
            "change" | "extend" | "cancel" => match self.choose_booking(chance) {
                Some(index) => self.about(verb, index, chance, made_up),
                None => self.book(chance, made_up),
            },
            "monitor" | "auto-book" => {
                return Err(wrong(format!(
                    "`{verb}` cannot be generated; write query, book, change, extend or cancel"
                )));
            }
            other => return Err(wrong(no_command(other))),
        }
        Ok(())
    }

    #[inline]
    fn query(&self, chance: &mut Stream, made_up: &mut Command) {
        let facility = self.facility(chance);
        let day = usize::from(day(chance));
        let days = Cow::Borrowed(&DAYS[day..=day]);
        command::replace(made_up, &Request::Query { facility, days });
    }

    #[inline]
    fn book(&self, chance: &mut Stream, made_up: &mut Command) {
        let facility = self.facility(chance);
        let day = day(chance);
        let (first, hours) = START_HOURS;
        let start = first + chance.below(hours) as u8;
        let end = start + 1 + chance.below(2) as u8;
        let on_the_hour = |hour| WireTime {
            day,
            hour,
            minute: 0,
        };
        let request = Request::Book {
            facility,
            start: on_the_hour(start),
            end: on_the_hour(end),
        };
        command::replace(made_up, &request);
    }

    fn about(&mut self, verb: &str, index: usize, chance: &mut Stream, made_up: &mut Command) {
        let confirmation = Cow::Borrowed(self.booked[index].id());
        let request = match verb {
            "cancel" => Request::Cancel { confirmation },
            "change" => Request::Change {
                confirmation,
                offset_minutes: one_of(&OFFSETS_MINUTES, chance),
            },
            _ => Request::Extend {
                confirmation,
                minutes: one_of(&EXTENSIONS_MINUTES, chance),
            },
        };
        command::replace(made_up, &request);
        if verb == "cancel" {
            self.booked.remove(index);
        }
    }

    #[inline]
    fn facility(&self, chance: &mut Stream) -> Cow<'_, str> {
        let count = self.facilities.len() as u32;
        Cow::Borrowed(&self.facilities[chance.below(count) as usize])
    }

    fn choose_booking(&self, chance: &mut Stream) -> Option<usize> {
        let count = self.booked.len() as u32;
        (count > 0).then(|| chance.below(count) as usize)
    }
}

fn day(chance: &mut Stream) -> u8 {
    chance.below(WEEK_DAYS.into()) as u8
}

fn one_of<T: Copy>(choices: &[T], chance: &mut Stream) -> T {
    choices[chance.below(choices.len() as u32) as usize]
}

fn wrong(message: String) -> CommandError {
    CommandError { message, at: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::services::booking::describe;
    use crate::services::booking::state::BookingState;

    fn load() -> Load {
        Load::new(vec!["Hall".to_owned(), "Room".to_owned()])
    }

    fn booked(number: u32) -> Vec<u8> {
        Reply::Booked(format!("CONF{number:06}")).encode()
    }

    fn made_up(load: &mut Load, verb: &str, chance: &mut Stream) -> Command {
        let mut made_up = Command::default();
        load.generate(verb, chance, &mut made_up).unwrap();
        made_up
    }

    #[test]
    fn every_made_up_booking_is_one_that_a_server_accepts() {
        let mut load = load();
        let mut chance = Seed(7).stream("load");
        for _ in 0..500 {
            let made_up = made_up(&mut load, "book", &mut chance);
            let Ok(Request::Book {
                facility,
                start,
                end,
            }) = Request::decode(&made_up.body)
            else {
                panic!("no booking");
            };
            let mut state = BookingState::new(["Hall", "Room"]);
            let facility = state.facility(&facility).unwrap();
            assert!(state.book(facility, (start, end)).is_ok());
        }
    }

    #[test]
    fn without_a_booking_it_books_instead_of_asking_about_one() {
        let mut chance = Seed(7).stream("load");
        for verb in ["change", "extend", "cancel"] {
            let made_up = made_up(&mut load(), verb, &mut chance);
            assert_eq!(made_up.verb, "book");
        }
    }

    #[test]
    fn a_client_asks_about_its_own_bookings_and_cancels_each_once() {
        let mut load = load();
        let mut chance = Seed(7).stream("load");
        load.booked(&booked(5));
        for verb in ["change", "extend", "cancel"] {
            let made_up = made_up(&mut load, verb, &mut chance);
            let words = describe::request(&made_up.body);
            assert!(words.starts_with(&format!("{verb} CONF000005")), "{words}");
        }
        assert_eq!(made_up(&mut load, "cancel", &mut chance).verb, "book");
    }

    #[test]
    fn the_last_sixteen_bookings_are_remembered() {
        let mut load = load();
        for number in 1..=20 {
            load.booked(&booked(number));
        }
        assert_eq!(load.booked.len(), CONFIRMATIONS_MAX);
        assert_eq!(load.booked[0].id(), "CONF000005");
    }

    #[test]
    fn monitoring_and_unknown_verbs_are_no_load() {
        let mut chance = Seed(7).stream("load");
        for verb in ["monitor", "auto-book", "acquire"] {
            let mut made_up = Command::default();
            let error = load().generate(verb, &mut chance, &mut made_up);
            let error = error.unwrap_err();
            assert!(error.message.contains("query, book"), "{error}");
        }
    }
}
