//! Chats: many connections at once in every kind of storm, on both simulators.
//!
//! Each client says bytes that follow from their places, and the server says them back. So whoever reads
//! knows what must come next, and a byte that is lost, doubled or out of its place is noticed at once.

use std::collections::BTreeSet;
use std::time::Duration;

use rayon::prelude::*;
use wavetank::clock::Time;
use wavetank::disk::DiskFate;
use wavetank::host::Host;
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::{
    Conditions, Delay, Fault, Link, Partition, Probability, Reset, Streams,
};
use wavetank::net::faults::{Chosen, Crash, Pause, Trigger, When};
use wavetank::net::{Broken, Connection, Kind, Label, accept, read_until, write_all};
use wavetank::seed::{Seed, Stream};
use wavetank::sim::scenario::Backend;

use crate::tank::{Named, PORT, address, host, in_words, sleep, tell, world_after};

const SEEDS: u64 = 240;
const CLIENTS: u16 = 3;
const STORY_MS: u64 = 1_500;

/// What stands at a place of what a client says on its nth connection.
fn byte_at(client: HostId, nth: u32, place: usize) -> u8 {
    (usize::from(client.0) * 89 + nth as usize * 31 + place * 7 + place / 251) as u8
}

/// Says back whatever comes.
async fn say_back(host: &Host, mut connection: Box<dyn Connection>) -> Result<(), Broken> {
    let mut timer = host.timer();
    let never = Time::NEVER;
    while let Some(piece) = read_until(&mut *connection, &mut *timer, never)
        .await
        .transpose()?
        .flatten()
    {
        let label = piece
            .label
            .map(|label| Label::new(Kind::Reply, label.operation));
        write_all(&mut *connection, &piece.body, label).await?;
    }
    Ok(())
}

fn server() -> Named {
    host("server", |host| async move {
        sleep(&host, 15).await; // and who comes earlier is refused
        let mut listener = host.listen(PORT).unwrap();
        loop {
            let connection = accept(&mut *listener).await;
            let inner = host.clone();
            host.spawn(async move {
                let ended = say_back(&inner, connection).await;
                tell(&inner, &format!("served: {ended:?}"));
            });
        }
    })
}

/// One connection: says some messages, and reads what comes back at the same time or afterwards.
async fn chat(
    host: &Host,
    chance: &mut Stream,
    nth: u32,
    spoken: &mut u32,
) -> Result<usize, Broken> {
    let mut connection = host.connect(address(host, "server")).await?;
    let (mut timer, mut said, mut heard) = (host.timer(), 0, 0);
    for _ in 0..chance.below(6) {
        let size = match chance.below(10) {
            0 => chance.below(150_000),
            _ => chance.below(300),
        };
        *spoken += 1;
        let operation = OperationId {
            client: host.id(),
            number: *spoken,
        };
        let label = Some(Label::new(Kind::Request, operation));
        let bytes: Vec<u8> = (said..said + size as usize)
            .map(|place| byte_at(host.id(), nth, place))
            .collect();
        // A long message would wait for the server, which waits for us: say and hear in turns.
        for part in bytes.chunks(10_000) {
            write_all(&mut *connection, part, label).await?;
            said += part.len();
            while heard + 20_000 < said {
                heard = hear(host, &mut *connection, nth, heard, &mut *timer, Time::NEVER)
                    .await?
                    .expect("the server says all back before it ends");
            }
        }
        let until = host.now() + Duration::from_millis(chance.below(40).into());
        if let Some(more) = hear(host, &mut *connection, nth, heard, &mut *timer, until).await? {
            heard = more;
        }
    }
    if chance.below(8) == 0 {
        return Ok(heard); // leaves without a word
    }
    connection.finish();
    while let Some(more) =
        hear(host, &mut *connection, nth, heard, &mut *timer, Time::NEVER).await?
    {
        heard = more;
    }
    assert_eq!(heard, said, "all comes back before the end");
    Ok(said)
}

/// How much has been heard after the next piece; `None` at the end, or if nothing has come in time.
async fn hear(
    host: &Host,
    connection: &mut dyn Connection,
    nth: u32,
    heard: usize,
    timer: &mut dyn wavetank::net::Timer,
    until: Time,
) -> Result<Option<usize>, Broken> {
    let Some(read) = read_until(connection, timer, until).await else {
        return Ok(None);
    };
    let Some(piece) = read? else {
        return Ok(None);
    };
    for (place, byte) in (heard..).zip(piece.body.iter()) {
        assert_eq!(*byte, byte_at(host.id(), nth, place), "at {place} of {nth}");
    }
    Ok(Some(heard + piece.body.len()))
}

fn client(number: u16) -> Named {
    host(&format!("client{number}"), |host| async move {
        let mut chance = host.stream("chat");
        let mut spoken = 0;
        let mut pings = host.bind(PORT).unwrap();
        for nth in 1.. {
            // A datagram that nobody hears, in the same ms as segments.
            pings.send(address(&host, "server"), &b"?".into(), None);
            let ended = chat(&host, &mut chance, nth, &mut spoken).await;
            tell(&host, &format!("chat {nth}: {ended:?}"));
            sleep(&host, chance.below(60).into()).await;
        }
    })
}

fn hosts() -> Vec<Named> {
    let mut hosts: Vec<Named> = (1..=CLIENTS).map(client).collect();
    hosts.insert(0, server());
    hosts
}

/// Whether the faults of a seed end no connection: one in four.
const fn is_harmless(seed: u64) -> bool {
    seed.is_multiple_of(4)
}

/// Faults of a seed.
fn conditions(seed: u64) -> Conditions {
    let mut chance = Seed(seed).stream("storm");
    let any_host = |chance: &mut Stream| HostId(chance.below(u32::from(CLIENTS) + 1) as u16);
    let any_client = |chance: &mut Stream| HostId(1 + chance.below(CLIENTS.into()) as u16);
    let mut faults = Vec::new();
    for _ in 0..chance.below(3) {
        let from = Time::from_ms(chance.below(1_000).into());
        let harmless = is_harmless(seed) || chance.below(2) == 0;
        faults.push(Fault::Partition(Partition {
            between: (any_client(&mut chance), HostId(0)),
            from,
            until: from + Duration::from_millis((1 + chance.below(400)).into()),
            one_way: chance.below(3) == 0,
            streams: if harmless {
                Streams::Wait
            } else {
                Streams::Reset
            },
        }));
    }
    if chance.below(2) == 0 {
        faults.push(Fault::Pause(Pause {
            host: any_host(&mut chance),
            at: Chosen::Uniform { min: 0, max: 1_000 },
            span: Duration::from_millis(chance.below(200).into()),
        }));
    }
    if !is_harmless(seed) {
        faults.push(Fault::Reset(Reset {
            between: (HostId(0), any_client(&mut chance)),
            at: Chosen::Uniform {
                min: 10,
                max: 1_000,
            },
        }));
        for _ in 0..chance.below(4) {
            let when = match chance.below(2) {
                0 => When::At(Chosen::Uniform { min: 0, max: 1_300 }),
                _ => When::After(Trigger {
                    word: "segment",
                    operation: OperationId {
                        client: any_client(&mut chance),
                        number: 1 + chance.below(9),
                    },
                    nth: 1 + chance.below(3),
                }),
            };
            faults.push(Fault::Crash(Crash {
                host: any_host(&mut chance),
                when,
                disk_operation: None,
                restart_after: Some(Duration::from_millis((1 + chance.below(300)).into())),
                disk: DiskFate::Keep,
            }));
        }
    }
    let losses = [0.0, 0.02, 0.1, 0.3];
    Conditions {
        everywhere: Link {
            loss: Probability::new(losses[chance.below(4) as usize]).unwrap(),
            duplication: Probability::new(0.2).unwrap(),
            delay: [Delay::Fixed(1), Delay::Uniform { min: 1, max: 20 }][chance.below(2) as usize],
        },
        faults,
        ..Conditions::default()
    }
}

/// The lines of a run, and what was counted.
type Told = (Vec<String>, Vec<(String, u64)>);

fn run(seed: u64, on: Backend) -> Told {
    // Every third story begins while connections are open.
    let times = [if seed.is_multiple_of(3) { 40 } else { 0 }, STORY_MS];
    let world = world_after(Seed(seed), times, hosts(), conditions(seed), on);
    let coverage = world.coverage().counts();
    let lines = world.into_recorder().finish().lines;
    (lines.iter().map(in_words).collect(), coverage)
}

#[test]
fn both_simulators_tell_the_same_of_every_chat_and_no_byte_is_out_of_place() {
    let runs: Vec<Told> = (0..SEEDS)
        .into_par_iter()
        .map(|seed| {
            let [event, turmoil] = Backend::ALL.map(|backend| run(seed, backend));
            let pairs = event.0.iter().zip(&turmoil.0);
            for (ours, theirs) in pairs {
                assert_eq!(ours, theirs, "seed {seed}: event, turmoil");
            }
            assert_eq!(event, turmoil, "seed {seed}");
            event
        })
        .collect();
    // Where nothing ends a connection, every client hears all that it has said.
    for (seed, (lines, _)) in (0..).zip(&runs).filter(|(seed, _)| is_harmless(*seed)) {
        let is_cut_off = |line: &&String| line.contains(": Err(") && line.contains("chat");
        let cut_off = lines.iter().filter(is_cut_off);
        let others: Vec<&String> = cut_off.filter(|line| !line.contains("Refused")).collect();
        assert!(others.is_empty(), "seed {seed}: {others:?}");
    }
    the_chats_had_teeth(&runs);
}

/// That silent runs agree would prove nothing.
fn the_chats_had_teeth(runs: &[Told]) {
    let words: BTreeSet<&str> = runs
        .iter()
        .flat_map(|(lines, _)| lines)
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect();
    for word in ["connect", "accept", "segment", "end", "reset", "refuse"] {
        assert!(words.contains(word), "no run has `{word}`: {words:?}");
    }
    let count = |name: &str| -> u64 {
        let counts = runs.iter().flat_map(|(_, counts)| counts);
        counts.filter(|(of, _)| of == name).map(|(_, n)| n).sum()
    };
    for name in [
        "segment late",
        "connection refused",
        "connection reset",
        "scripted reset",
        "partition",
        "host down",
        "crash",
        "pause",
    ] {
        assert!(count(name) > SEEDS / 20, "{name}: {}", count(name));
    }
    let lines = |what: &str| -> usize {
        let lines = runs.iter().flat_map(|(lines, _)| lines);
        lines.filter(|line| line.contains(what)).count()
    };
    assert!(lines(": Ok(") > 3_000, "{} chats ended", lines(": Ok("));
    assert!(lines(": Err(Reset)") > 200, "{}", lines(": Err(Reset)"));
}

#[test]
fn the_same_seed_gives_the_same_chats_and_another_seed_gives_others() {
    assert_eq!(run(5, Backend::Event), run(5, Backend::Event));
    assert_ne!(run(5, Backend::Event), run(6, Backend::Event));
}
