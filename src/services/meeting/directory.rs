//! Which data server has whom, as the main server knows it. Pure.
//!
//! It is kept in memory only: a main server that begins asks all data servers, and one that comes back says
//! by itself whom it has. Nobody has two data servers: one that comes with a name of another is refused as a
//! whole, until it comes in another life.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Time;
use crate::services::meeting::message::Piece;
use crate::services::meeting::sends::Sends;

/// How many names a refusal tells at most.
const REFUSED_TOLD_MAX: usize = 10;

/// Who is where.
#[derive(Debug)]
pub(super) struct Directory {
    places: BTreeMap<String, u16>,
    servers: BTreeMap<u16, Server>,
}

/// What is known of a data server.
#[derive(Debug)]
struct Server {
    standing: Standing,
    /// Names of another life, not all of them.
    coming: Option<Coming>,
    asks: Sends,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// It is not known whom it has.
    Unknown,
    /// It is known whom it has, as it said in this life.
    Known(u64),
    /// What it said in this life has been refused.
    Refused(u64),
}

/// The pieces of names that have come.
#[derive(Debug)]
struct Coming {
    life: u64,
    of: u32,
    pieces: BTreeMap<u32, Vec<String>>,
}

impl Directory {
    /// Of these data servers, each unknown.
    pub(super) fn new(servers: impl Iterator<Item = u16>) -> Self {
        let unknown = || Server {
            standing: Standing::Unknown,
            coming: None,
            asks: Sends::at_once(Time::ZERO),
        };
        Self {
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
        let is_known = |server: &Server| matches!(server.standing, Standing::Known(_));
        let unknown = self.servers.iter().filter(move |(_, it)| !is_known(it));
        unknown.map(|(&place, _)| place)
    }

    /// Takes in a piece of the names of a data server's life. If all are there now, some may be those of
    /// another: then the data server is refused, for these names.
    pub(super) fn hear(
        &mut self,
        place: u16,
        life: u64,
        (piece, names): (Piece, Vec<String>),
    ) -> Result<(), Vec<String>> {
        let Some(server) = self.servers.get_mut(&place) else {
            return Ok(());
        };
        if let Standing::Known(known) | Standing::Refused(known) = server.standing
            && known == life
        {
            return Ok(());
        }
        let is_same = |coming: &&mut Coming| (coming.life, coming.of) == (life, piece.of);
        if server.coming.as_mut().filter(is_same).is_none() {
            let pieces = BTreeMap::new();
            let of = piece.of;
            server.coming = Some(Coming { life, of, pieces });
        }
        let Some(coming) = &mut server.coming else {
            return Ok(());
        };
        coming.pieces.insert(piece.number, names);
        if coming.pieces.len() < coming.of as usize {
            return Ok(());
        }
        let pieces = std::mem::take(&mut coming.pieces);
        server.coming = None;
        self.replace(place, life, pieces.into_values().flatten().collect())
    }

    /// A data server has these people, and no others.
    fn replace(&mut self, place: u16, life: u64, names: Vec<String>) -> Result<(), Vec<String>> {
        self.places.retain(|_, of| *of != place);
        let is_taken = |name: &&String| self.places.contains_key(*name);
        let taken = names.iter().filter(is_taken).take(REFUSED_TOLD_MAX);
        let taken: Vec<String> = taken.cloned().collect();
        let standing = match taken.is_empty() {
            true => Standing::Known(life),
            false => Standing::Refused(life),
        };
        if let Some(server) = self.servers.get_mut(&place) {
            server.standing = standing;
        }
        if !taken.is_empty() {
            return Err(taken);
        }
        self.places
            .extend(names.into_iter().map(|name| (name, place)));
        Ok(())
    }

    /// The data servers that are to be asked now whom they have.
    pub(super) fn take_due(&mut self, now: Time, timeout: Duration) -> Vec<u16> {
        let unknown = self.servers.iter_mut().filter(|(_, it)| it.is_asked());
        let due =
            unknown.filter_map(|(&place, it)| it.asks.take_due(now, timeout).then_some(place));
        due.collect()
    }

    /// When somebody is to be asked next.
    pub(super) fn next(&self) -> Option<Time> {
        let unknown = self.servers.values().filter(|it| it.is_asked());
        unknown.map(|it| it.asks.next()).min()
    }
}

impl Server {
    fn is_asked(&self) -> bool {
        self.standing == Standing::Unknown
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
        Directory::new(1..=2)
    }

    fn unknown(directory: &Directory) -> Vec<u16> {
        directory.unknown().collect()
    }

    #[test]
    fn a_server_is_known_when_all_its_pieces_are_there_in_whatever_order() {
        let mut directory = directory();
        assert_eq!(directory.hear(1, 7, piece(1, 2, "bob")), Ok(()));
        assert_eq!(directory.hear(1, 7, piece(1, 2, "bob")), Ok(()));
        assert_eq!(
            (directory.place_of("bob"), unknown(&directory)),
            (None, vec![1, 2])
        );
        assert_eq!(directory.hear(1, 7, piece(0, 2, "ann")), Ok(()));
        assert_eq!(
            (directory.place_of("bob"), unknown(&directory)),
            (Some(1), vec![2])
        );
        assert_eq!(directory.hear(9, 7, piece(0, 1, "eve")), Ok(()));
        assert_eq!(directory.place_of("eve"), None, "there is no such server");
    }

    #[test]
    fn another_life_has_other_people_once_it_has_told_all() {
        let mut directory = directory();
        directory.hear(1, 7, piece(0, 1, "ann bob")).unwrap();
        directory.hear(1, 8, piece(0, 2, "bob")).unwrap();
        assert_eq!(directory.place_of("ann"), Some(1));
        directory.hear(1, 8, piece(1, 2, "eve")).unwrap();
        let places = ["ann", "bob", "eve"].map(|name| directory.place_of(name));
        assert_eq!(places, [None, Some(1), Some(1)]);
    }

    #[test]
    fn a_name_of_another_server_is_refused_until_the_next_life() {
        let mut directory = directory();
        directory.hear(1, 7, piece(0, 1, "ann bob")).unwrap();
        let refused = directory.hear(2, 7, piece(0, 1, "bob eve"));
        assert_eq!(refused, Err(vec!["bob".to_owned()]));
        assert_eq!(
            (directory.place_of("eve"), unknown(&directory)),
            (None, vec![2])
        );
        assert_eq!(directory.hear(2, 7, piece(0, 1, "eve")), Ok(()));
        assert_eq!(directory.place_of("eve"), None);
        assert_eq!(directory.next(), None, "it is not asked again");
        assert_eq!(directory.hear(2, 8, piece(0, 1, "eve")), Ok(()));
        assert_eq!(directory.place_of("eve"), Some(2));
    }

    #[test]
    fn who_is_unknown_is_asked_again_and_again() {
        let mut directory = directory();
        let timeout = Duration::from_millis(100);
        assert_eq!(directory.take_due(Time::ZERO, timeout), [1, 2]);
        assert_eq!(directory.next(), Some(Time::from_ms(100)));
        directory.hear(1, 7, piece(0, 1, "")).unwrap();
        assert_eq!(directory.take_due(Time::from_ms(100), timeout), [2]);
    }
}
