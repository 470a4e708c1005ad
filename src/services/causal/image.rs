//! State images: all that a data centre holds and has committed, at one moment, in pages.
//!
//! An image is causally closed, since what it was taken of was; so it is merged whole or not at all.

use std::collections::BTreeMap;

use crate::services::causal::codec::{read_entry, read_origin, unknown, write_entry, write_origin};
use crate::services::causal::committed::Committed;
use crate::services::causal::message::{Entry, PAGE_BYTES_MAX};
use crate::services::causal::replica::Replica;
use crate::services::causal::write::Origin;
use crate::wire::{Reader, WireError, Writer};

const CLOCK: u8 = 1;
const ORIGIN: u8 = 2;
const NUMBER: u8 = 3;
const ENTRY: u8 = 4;

/// A data centre's state at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Image {
    /// Its Lamport clock.
    pub clock: u64,
    /// What has been committed of each origin.
    pub committed: BTreeMap<Origin, Committed>,
    /// What each key holds.
    pub entries: Vec<Entry>,
}

impl Image {
    /// The pages of a data centre's image: one or more, each short enough for a datagram.
    #[must_use]
    pub fn pages(replica: &Replica) -> Vec<Vec<u8>> {
        let mut pages = Pages::default();
        pages.item(|writer| {
            writer.u8(CLOCK);
            writer.u64(replica.clock());
        });
        for (&origin, committed) in replica.committed() {
            pages.item(|writer| {
                writer.u8(ORIGIN);
                write_origin(writer, origin);
                writer.u64(committed.prefix());
                writer.u64(committed.everywhere());
            });
            let timestamps = committed.timestamps();
            let untimed = committed
                .beyond()
                .iter()
                .filter(|it| !timestamps.contains_key(it));
            let numbers = timestamps
                .iter()
                .map(|(&number, &timestamp)| (number, timestamp));
            for (number, timestamp) in numbers.chain(untimed.map(|&number| (number, 0))) {
                pages.item(|writer| {
                    writer.u8(NUMBER);
                    write_origin(writer, origin);
                    writer.u64(number);
                    writer.u64(timestamp);
                });
            }
        }
        for (key, held) in replica.keys() {
            pages.item(|writer| {
                writer.u8(ENTRY);
                let write = held.write(key);
                let (value, author) = (held.value.clone(), held.author.clone());
                write_entry(
                    writer,
                    &Entry {
                        write,
                        value,
                        author,
                    },
                );
            });
        }
        pages.finish()
    }

    /// Reads the pages of an image.
    ///
    /// # Errors
    ///
    /// If they are none.
    pub fn read<'a>(pages: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, WireError> {
        let mut image = Self::default();
        for page in pages {
            let mut reader = Reader::new(page);
            while reader.position() < page.len() {
                image.take_up(&mut reader)?;
            }
        }
        Ok(image)
    }

    fn take_up(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        let at = reader.position();
        match reader.u8("kind of item")? {
            CLOCK => self.clock = reader.u64("clock")?,
            ORIGIN => {
                let origin = read_origin(reader)?;
                let prefix = reader.u64("number of a write")?;
                let everywhere = reader.u64("number of a write")?;
                self.committed
                    .insert(origin, Committed::up_to(prefix, everywhere));
            }
            NUMBER => {
                let committed = self.committed.entry(read_origin(reader)?).or_default();
                let number = reader.u64("number of a write")?;
                committed.insert(number, reader.u64("timestamp")?);
            }
            ENTRY => self.entries.push(read_entry(reader)?),
            value => return Err(unknown("kind of item", at, value)),
        }
        Ok(())
    }
}

/// Pages being filled.
#[derive(Debug, Default)]
struct Pages {
    full: Vec<Vec<u8>>,
    writer: Writer,
}

impl Pages {
    fn item(&mut self, write: impl FnOnce(&mut Writer)) {
        if self.writer.written().len() > PAGE_BYTES_MAX {
            self.full.push(std::mem::take(&mut self.writer).finish());
        }
        write(&mut self.writer);
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        self.full.push(self.writer.finish());
        self.full
    }
}
