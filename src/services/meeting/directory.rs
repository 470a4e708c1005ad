//! Which data server has whom, as the main server knows it. Pure.
//!
//! It is kept in memory only: a main server that begins asks all data servers, and one that comes back says
//! so, and is asked. Nobody has two data servers: one that comes with a name of another is refused as a
//! whole, and is to stop.
//!
//! The lives of a data server have numbers in no order that can be relied on, and what an earlier life has said may
//! come late. So each question has a number, which the answer repeats; and all that is heard of a data
//! server since it was asked is to be of one life. If something of another life comes, it is asked anew. So what is
//! believed was said by a life that was there after the question was asked, and since then nothing has been heard
//! of another one; and a life that comes later says that it is there until it is heard.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Time;
use crate::services::meeting::message::{Piece, Question};
use crate::services::meeting::sends::Sends;

/// How many names a refusal tells at most.
const REFUSED_TOLD_MAX: usize = 10;

/// Who is where.
#[derive(Debug)]
pub(super) struct Directory {
    /// The life of the main server.
    main: u64,
    places: BTreeMap<String, u16>,
    servers: BTreeMap<u16, Server>,
}

/// What is known of a data server.
#[derive(Debug)]
struct Server {
    standing: Standing,
    /// The life in which it said what was heard last.
    life: Option<u64>,
    /// The number of the last question.
    question: u64,
    /// Whether that has not been answered, or not as a whole.
    is_asked: bool,
    /// The pieces of the answer that have come.
    coming: BTreeMap<u32, Vec<String>>,
    asks: Sends,
}

#[derive(Debug, Eq, PartialEq)]
enum Standing {
    /// It is not known whom it has.
    Unknown,
    /// It is known whom it has, or had in its last life.
    Known,
    /// It has people of these names, who are those of another.
    Refused(Vec<String>),
}

impl Directory {
    /// Of these data servers, each unknown to a main server in this life.
    pub(super) fn new(main: u64, servers: impl Iterator<Item = u16>) -> Self {
        let unknown = || Server {
            standing: Standing::Unknown,
            life: None,
            question: 1,
            is_asked: true,
            coming: BTreeMap::new(),
            asks: Sends::at_once(Time::ZERO),
        };
        Self {
            main,
            places: BTreeMap::new(),
            servers: servers.map(|place| (place, unknown())).collect(),
        }
    }

    /// The data server of this person.
    pub(super) fn place_of(&self, name: &str) -> Option<u16> {
        self.places.get(name).copied()
    }

    /// The data servers of which it is not known whom they have.
    pub(super) fn unknown(&self) -> impl Iterator<Item = u16> {
        let is_unknown = |server: &Server| server.standing == Standing::Unknown;
        let unknown = self.servers.iter().filter(move |(_, it)| is_unknown(it));
        unknown.map(|(&place, _)| place)
    }

    /// Something of this life of a data server has come, whatever it is.
    pub(super) fn hear(&mut self, now: Time, place: u16, life: u64) {
        let Some(server) = self.servers.get_mut(&place) else {
            return;
        };
        let before = server.life.replace(life);
        match before {
            // It was asked in vain until now, and is there.
            None if server.is_asked => server.asks = Sends::at_once(now),
            Some(before) if before != life => server.ask_anew(now),
            _ => {}
        }
    }

    /// Takes in a piece of an answer of the life that was heard last. Whether all are there with it: then it is
    /// known whom the data server has; or it is [refused](Self::refused), as some names are those of another.
    pub(super) fn hear_names(
        &mut self,
        place: u16,
        question: Question,
        (piece, names): (Piece, Vec<String>),
    ) -> bool {
        let Some(server) = self.servers.get_mut(&place) else {
            return false;
        };
        if !server.is_asked || (question.main, question.number) != (self.main, server.question) {
            return false;
        }
        server.coming.insert(piece.number, names);
        if server.coming.len() < piece.of as usize {
            return false;
        }
        server.is_asked = false;
        let names = std::mem::take(&mut server.coming).into_values().flatten();
        self.replace(place, names.collect());
        true
    }

    /// The names for which a data server is refused, if it is.
    pub(super) fn refused(&self, place: u16) -> Option<&[String]> {
        match &self.servers.get(&place)?.standing {
            Standing::Refused(names) => Some(names),
            Standing::Unknown | Standing::Known => None,
        }
    }

    /// A data server has these people, and no others, unless some of them are those of another: then nothing
    /// changes but its standing.
    fn replace(&mut self, place: u16, names: Vec<String>) {
        let is_taken = |name: &&String| {
            let known = self.place_of(name);
            known.is_some_and(|other| other != place)
        };
        let taken = names.iter().filter(is_taken).take(REFUSED_TOLD_MAX);
        let taken: Vec<String> = taken.cloned().collect();
        let is_refused = !taken.is_empty();
        if let Some(server) = self.servers.get_mut(&place) {
            server.standing = match is_refused {
                true => Standing::Refused(taken),
                false => Standing::Known,
            };
        }
        if !is_refused {
            self.places.retain(|_, of| *of != place);
            let names = names.into_iter().map(|name| (name, place));
            self.places.extend(names);
        }
    }

    /// The data servers that are to be asked now whom they have.
    pub(super) fn take_due(&mut self, now: Time, timeout: Duration) -> Vec<(u16, Question)> {
        let main = self.main;
        let asked = self.servers.iter_mut().filter(|(_, it)| it.is_asked);
        let due = asked.filter_map(|(&place, it)| {
            let number = it.question;
            let is_due = it.asks.take_due(now, timeout);
            is_due.then_some((place, Question { main, number }))
        });
        due.collect()
    }

    /// When somebody is to be asked next.
    pub(super) fn next(&self) -> Option<Time> {
        let asked = self.servers.values().filter(|it| it.is_asked);
        asked.map(|it| it.asks.next()).min()
    }
}

impl Server {
    /// What has come since the last question is of different lives.
    fn ask_anew(&mut self, now: Time) {
        self.question += 1;
        self.is_asked = true;
        self.coming.clear();
        self.asks = Sends::at_once(now);
        if matches!(self.standing, Standing::Refused(_)) {
            self.standing = Standing::Unknown;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(number: u32, of: u32, names: &str) -> (Piece, Vec<String>) {
        let names = names.split_whitespace().map(str::to_owned).collect();
        (Piece { number, of }, names)
    }

    fn directory() -> Directory {
        Directory::new(1, 1..=2)
    }

    /// What a data server says in a life, in answer to the question of this number.
    fn say(
        directory: &mut Directory,
        (place, life, number): (u16, u64, u64),
        names: (Piece, Vec<String>),
    ) -> Result<(), Vec<String>> {
        directory.hear(Time::ZERO, place, life);
        directory.hear_names(place, Question { main: 1, number }, names);
        match directory.refused(place) {
            None => Ok(()),
            Some(names) => Err(names.to_vec()),
        }
    }

    fn unknown(directory: &Directory) -> Vec<u16> {
        directory.unknown().collect()
    }

    /// The numbers of the questions that are due now, by place.
    fn asked(directory: &mut Directory) -> Vec<(u16, u64)> {
        let due = directory.take_due(Time::ZERO, Duration::from_millis(100));
        due.iter().map(|(place, it)| (*place, it.number)).collect()
    }

    #[test]
    fn a_server_is_known_when_all_its_pieces_are_there_in_whatever_order() {
        let mut directory = directory();
        assert_eq!(say(&mut directory, (1, 7, 1), piece(1, 2, "bob")), Ok(()));
        assert_eq!(say(&mut directory, (1, 7, 1), piece(1, 2, "bob")), Ok(()));
        assert_eq!(
            (directory.place_of("bob"), unknown(&directory)),
            (None, vec![1, 2])
        );
        assert_eq!(say(&mut directory, (1, 7, 1), piece(0, 2, "ann")), Ok(()));
        assert_eq!(
            (directory.place_of("bob"), unknown(&directory)),
            (Some(1), vec![2])
        );
        assert_eq!(say(&mut directory, (9, 7, 1), piece(0, 1, "eve")), Ok(()));
        assert_eq!(directory.place_of("eve"), None, "there is no such server");
    }

    #[test]
    fn only_the_piece_that_completes_an_answer_is_news() {
        let mut directory = directory();
        let mut is_news =
            |place, number, names| directory.hear_names(place, Question { main: 1, number }, names);
        assert!(!is_news(1, 1, piece(0, 2, "ann")), "it is half of it");
        assert!(!is_news(1, 1, piece(0, 2, "ann")), "a copy");
        assert!(!is_news(1, 9, piece(1, 2, "bob")), "of another question");
        assert!(is_news(1, 1, piece(1, 2, "bob")));
        assert!(!is_news(1, 1, piece(1, 2, "bob")), "it is known");
        assert!(is_news(2, 1, piece(0, 1, "bob")), "it is refused now");
        assert!(!is_news(2, 1, piece(0, 1, "bob")), "it was refused before");
        assert!(
            !is_news(9, 1, piece(0, 1, "eve")),
            "there is no such server"
        );
    }

    #[test]
    fn another_life_has_other_people_once_it_has_told_all() {
        let mut directory = directory();
        say(&mut directory, (1, 7, 1), piece(0, 1, "ann bob")).unwrap();
        assert_eq!(asked(&mut directory), [(2, 1)]);
        directory.hear(Time::ZERO, 1, 8);
        assert_eq!(asked(&mut directory), [(1, 2)]);
        say(&mut directory, (1, 8, 2), piece(0, 2, "bob")).unwrap();
        assert_eq!(directory.place_of("ann"), Some(1));
        say(&mut directory, (1, 8, 2), piece(1, 2, "eve")).unwrap();
        let places = ["ann", "bob", "eve"].map(|name| directory.place_of(name));
        assert_eq!(places, [None, Some(1), Some(1)]);
    }

    #[test]
    fn pieces_of_two_lives_are_not_joined_and_the_server_is_asked_anew() {
        let mut directory = directory();
        say(&mut directory, (1, 8, 1), piece(0, 2, "ann")).unwrap();
        say(&mut directory, (1, 7, 1), piece(0, 2, "old")).unwrap();
        say(&mut directory, (1, 8, 1), piece(1, 2, "bob")).unwrap();
        say(&mut directory, (1, 7, 1), piece(1, 2, "older")).unwrap();
        assert_eq!(unknown(&directory), [1, 2]);
        assert_eq!(asked(&mut directory), [(1, 4), (2, 1)]);
        say(&mut directory, (1, 8, 4), piece(1, 2, "bob")).unwrap();
        assert_eq!(asked(&mut directory), [(1, 5)], "it is in life 8 now");
        say(&mut directory, (1, 8, 5), piece(1, 2, "bob")).unwrap();
        assert_eq!(unknown(&directory), [1, 2], "earlier pieces are forgotten");
        let due = directory.take_due(Time::from_ms(100), Duration::from_millis(100));
        assert_eq!(due[0], (1, Question { main: 1, number: 5 }));
        say(&mut directory, (1, 8, 5), piece(0, 2, "ann")).unwrap();
        assert_eq!(
            (directory.place_of("ann"), asked(&mut directory)),
            (Some(1), vec![])
        );
    }

    #[test]
    fn what_an_earlier_life_has_said_replaces_nothing_when_it_comes_late() {
        let mut directory = directory();
        say(&mut directory, (2, 9, 1), piece(0, 1, "eve")).unwrap();
        say(&mut directory, (1, 7, 1), piece(0, 1, "ann bob")).unwrap();
        let late = say(&mut directory, (2, 3, 1), piece(0, 1, "bob"));
        assert_eq!(late, Ok(()), "it answers no question that is asked");
        assert_eq!(directory.place_of("eve"), Some(2));
        assert_eq!(asked(&mut directory), [(2, 2)], "it may be a new life");
        directory.hear(Time::ZERO, 2, 9);
        assert_eq!(asked(&mut directory), [(2, 3)]);
        say(&mut directory, (2, 9, 3), piece(0, 1, "eve")).unwrap();
        let places = ["eve", "bob"].map(|name| directory.place_of(name));
        assert_eq!(
            (places, asked(&mut directory)),
            ([Some(2), Some(1)], vec![])
        );
    }

    #[test]
    fn an_answer_to_an_earlier_life_of_the_main_server_counts_for_nothing() {
        let mut directory = Directory::new(2, 1..=1);
        say(&mut directory, (1, 7, 1), piece(0, 1, "ann")).unwrap();
        assert_eq!(
            (directory.place_of("ann"), unknown(&directory)),
            (None, vec![1])
        );
    }

    #[test]
    fn a_name_of_another_server_is_refused_until_the_next_life() {
        let mut directory = directory();
        say(&mut directory, (1, 7, 1), piece(0, 1, "ann bob")).unwrap();
        let refused = Err(vec!["bob".to_owned()]);
        assert_eq!(
            say(&mut directory, (2, 7, 1), piece(0, 1, "bob eve")),
            refused
        );
        assert_eq!(
            (directory.place_of("eve"), unknown(&directory)),
            (None, vec![]),
            "it is not waited for"
        );
        let again = say(&mut directory, (2, 7, 1), piece(0, 1, "bob eve"));
        assert_eq!(again, refused, "the first refusal may be lost");
        assert_eq!(directory.next(), None, "it is not asked again");
        directory.hear(Time::ZERO, 2, 8);
        assert_eq!(unknown(&directory), [2]);
        assert_eq!(say(&mut directory, (2, 8, 2), piece(0, 1, "eve")), Ok(()));
        assert_eq!(directory.place_of("eve"), Some(2));
    }

    #[test]
    fn whom_a_server_had_before_it_was_refused_is_still_known() {
        let mut directory = directory();
        say(&mut directory, (1, 7, 1), piece(0, 1, "bob")).unwrap();
        say(&mut directory, (2, 7, 1), piece(0, 1, "eve")).unwrap();
        directory.hear(Time::ZERO, 2, 8);
        say(&mut directory, (2, 8, 2), piece(0, 1, "eve bob")).unwrap_err();
        let places = ["eve", "bob"].map(|name| directory.place_of(name));
        assert_eq!(places, [Some(2), Some(1)]);
    }

    #[test]
    fn who_is_unknown_is_asked_again_and_again() {
        let mut directory = directory();
        let timeout = Duration::from_millis(100);
        assert_eq!(asked(&mut directory), [(1, 1), (2, 1)]);
        assert_eq!(directory.next(), Some(Time::from_ms(100)));
        say(&mut directory, (1, 7, 1), piece(0, 1, "")).unwrap();
        let due = directory.take_due(Time::from_ms(100), timeout);
        assert_eq!(due, [(2, Question { main: 1, number: 1 })]);
    }
}
