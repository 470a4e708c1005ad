//! Datagrams from one host to another: counted, and each given its draws.
//!
//! Each kind of datagram reads from streams of its own, named after the two hosts and the operation's
//! client, so that nothing that is sent elsewhere changes what is drawn here.

use std::fmt::Write;

use crate::id::{HostId, OperationId};
use crate::net::conditions::Link;
use crate::net::fate::{Cause, Fate};
use crate::net::{Kind, Label};
use crate::seed::{Seed, Stream};

/// Words of a stream that belong to one datagram: loss, duplication, the delays of two copies, and
/// room for what later conditions draw.
const WORDS: u64 = 8;

/// Bytes that the name of a stream usually takes.
const NAME_USUAL: usize = 96;

/// Datagrams from one host to another.
#[derive(Debug)]
pub(super) struct Flow {
    route: String,
    link: Link,
    /// Sends so far: by kind, client and operation number.
    sends: [Vec<Vec<u32>>; Kind::ALL.len()],
    unlabelled: u32,
    pub(super) updates: u32,
    /// The stream last used for each kind, and one for datagrams without label.
    readers: [Option<Reader>; Kind::ALL.len() + 1],
}

impl Flow {
    pub(super) fn new(route: String, link: Link) -> Self {
        Self {
            route,
            link,
            sends: Default::default(),
            unlabelled: 0,
            updates: 0,
            readers: Default::default(),
        }
    }

    /// Counts a send, from 1.
    pub(super) fn count(&mut self, label: Option<Label>) -> u32 {
        let Some(Label {
            kind, operation, ..
        }) = label
        else {
            self.unlabelled += 1;
            return self.unlabelled;
        };
        if kind == Kind::Update {
            self.updates += 1;
        }
        let clients = &mut self.sends[kind as usize];
        if clients.len() <= operation.client.index() {
            clients.resize_with(operation.client.index() + 1, Vec::new);
        }
        let numbers = &mut clients[operation.client.index()];
        let number = operation.number as usize;
        if numbers.len() <= number {
            numbers.resize(number + 1, 0);
        }
        numbers[number] += 1;
        numbers[number]
    }

    /// What chance alone does.
    #[inline]
    pub(super) fn chance(
        &mut self,
        seed: Seed,
        names: &[String],
        label: Option<Label>,
        nth: u32,
    ) -> Fate {
        let (key, place) = StreamKey::of(label, nth);
        let reader = &mut self.readers[label.map_or(Kind::ALL.len(), |label| label.kind as usize)];
        if reader.as_ref().is_none_or(|reader| reader.key != key) {
            *reader = Some(Reader::new(key, seed.stream(&key.name(&self.route, names))));
        }
        let words = reader.as_mut().expect("made above").read(place);
        let [loss, duplication, first, second, ..] = words;
        if self.link.loss.hits(loss) {
            return Fate::lost(Cause::Chance);
        }
        let mut fate = Fate::once(self.link.delay.draw(first));
        if self.link.duplication.hits(duplication) {
            fate.push(self.link.delay.draw(second));
            fate.duplicated = Some(Cause::Chance);
        }
        fate
    }
}

/// Which stream a label reads from.
///
/// Kinds that are sent once or twice per operation share a stream for their nth sends, in the order
/// of operations; kinds that are sent many times per operation have a stream for each operation. So
/// the usual run reads its streams in sequence, which is ten times cheaper than seeking.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum StreamKey {
    Unlabelled,
    NthSends {
        kind: Kind,
        client: HostId,
        nth: u32,
    },
    Operation {
        kind: Kind,
        operation: OperationId,
    },
}

impl StreamKey {
    fn of(label: Option<Label>, nth: u32) -> (Self, u64) {
        match label {
            None => (Self::Unlabelled, nth.into()),
            Some(Label {
                kind: kind @ (Kind::Update | Kind::OneWay | Kind::Peer),
                operation,
                ..
            }) => (Self::Operation { kind, operation }, nth.into()),
            Some(Label {
                kind, operation, ..
            }) => {
                let client = operation.client;
                (
                    Self::NthSends { kind, client, nth },
                    operation.number.into(),
                )
            }
        }
    }

    fn name(self, route: &str, names: &[String]) -> String {
        let name = |client: HostId| &names[client.index()];
        let mut stream = String::with_capacity(NAME_USUAL);
        let written = match self {
            Self::Unlabelled => write!(stream, "fate {route}"),
            Self::NthSends { kind, client, nth } => {
                let (kind, client) = (kind.name(), name(client));
                write!(stream, "fate {route} {kind} of {client} send {nth}")
            }
            Self::Operation { kind, operation } => {
                let OperationId { client, number } = operation;
                let (kind, client) = (kind.name(), name(client));
                write!(stream, "fate {route} {kind} of {client}#{number}")
            }
        };
        written.expect("a string takes what is written to it");
        stream
    }
}

/// Reads a stream in places of [`WORDS`] words, in sequence where it can.
#[derive(Debug)]
struct Reader {
    key: StreamKey,
    stream: Stream,
    next: u64,
}

impl Reader {
    fn new(key: StreamKey, stream: Stream) -> Self {
        Self {
            key,
            stream,
            next: 0,
        }
    }

    fn read(&mut self, place: u64) -> [u32; WORDS as usize] {
        if place != self.next {
            self.stream.seek(place * WORDS);
        }
        self.next = place + 1;
        std::array::from_fn(|_| self.stream.next_u32())
    }
}
