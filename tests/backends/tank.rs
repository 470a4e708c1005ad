//! Hosts of a test's own, without scenario or service.

use std::future::pending;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use wavetank::clock::Time;
use wavetank::host::Host;
use wavetank::id::{ConnectionId, HostId};
use wavetank::net::conditions::{Conditions, Delay, Link};
use wavetank::net::world::{Director, Main, Next, World};
use wavetank::net::{Datagrams, event, recv_until, turmoil};
use wavetank::seed::Seed;
use wavetank::sim::scenario::Backend;
use wavetank::trace::{Detail, Event, Line, Recorder, Word};

pub(crate) const PORT: u16 = 3000;

/// A host and what it runs.
pub(crate) type Named = (String, Main);

/// A host that runs an async function.
pub(crate) fn host<F>(name: &str, main: impl Fn(Host) -> F + 'static) -> Named
where
    F: Future<Output = ()> + 'static,
{
    (
        name.to_owned(),
        Rc::new(move |machine| Box::pin(main(machine.host()))),
    )
}

/// Sends one byte to the server at each of these milliseconds.
pub(crate) fn sender(at: &'static [u64]) -> Named {
    host("sender", move |host| async move {
        let mut socket = host.bind(PORT).unwrap();
        for &ms in at {
            host.sleep_until(Time::from_ms(ms)).await;
            socket.send(address(&host, "server"), &(&[ms as u8]).into(), None);
        }
        pending().await
    })
}

/// Runs hosts for so many milliseconds of a story that begins at once.
pub(crate) fn run(hosts: Vec<Named>, conditions: Conditions, ms: u64, on: Backend) -> Vec<Line> {
    run_from(0, hosts, conditions, ms, on)
}

/// Runs hosts for so many milliseconds, with a story that begins at the first number.
pub(crate) fn run_from(
    story_ms: u64,
    hosts: Vec<Named>,
    conditions: Conditions,
    ms: u64,
    on: Backend,
) -> Vec<Line> {
    let times = [story_ms, ms];
    let world = world_after(Seed(7), times, hosts, conditions, on);
    world.into_recorder().finish().lines
}

/// The world after a run under this seed, whose story begins at the first time and ends at the second.
pub(crate) fn world_after(
    seed: Seed,
    [story_ms, ms]: [u64; 2],
    hosts: Vec<Named>,
    conditions: Conditions,
    on: Backend,
) -> World {
    let (names, mains): (Vec<String>, Vec<Main>) = hosts.into_iter().unzip();
    let world = World::new(seed, names, conditions, Recorder::new(Detail::Trace));
    let mut until = Until {
        story: Time::from_ms(story_ms),
        end: Time::from_ms(ms),
    };
    let world = match on {
        Backend::Event => event::run(world, &mains, &mut until),
        Backend::Turmoil => turmoil::run(world, &mains, &mut until),
    };
    assert_eq!(
        world.now(),
        Time::from_ms(ms),
        "a run ends when it is told to"
    );
    world
}

/// Runs the same hosts on both simulators; what they did is the same.
pub(crate) fn run_on_both(
    hosts: fn() -> Vec<Named>,
    conditions: &Conditions,
    ms: u64,
) -> Vec<String> {
    let [event, turmoil] = Backend::ALL.map(|backend| {
        let lines = run(hosts(), conditions.clone(), ms, backend);
        lines.iter().map(in_words).collect::<Vec<String>>()
    });
    for (ours, theirs) in event.iter().zip(&turmoil) {
        assert_eq!(ours, theirs, "event, turmoil");
    }
    assert_eq!(event.len(), turmoil.len());
    event
}

/// The message with which a run panics.
pub(crate) fn panic_of(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("the run panics");
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&str>().expect("a message")).to_owned(),
    }
}

/// `12 host1: lost from host0`; what a host told is its own text.
pub(crate) fn in_words(line: &Line) -> String {
    let what = match &line.event {
        Event::Service { text, .. } => text.to_string(),
        Event::Lost { from, down, .. } => {
            let why = if *down { ": down" } else { "" };
            format!("lost from host{}{why}", from.0)
        }
        Event::Segment(segment) => {
            let word = line.event.word();
            let fate = match segment.fate.delays_ms() {
                [] => "lost".to_owned(),
                [delay_ms] => format!("{delay_ms} ms"),
                more => panic!("a segment arrives once: {more:?}"),
            };
            let late = if segment.fate.delayed.is_some() {
                ", late"
            } else {
                ""
            };
            let bytes = match segment.bytes.len() {
                0 => String::new(),
                bytes => format!(" {bytes} bytes"),
            };
            let connection = connection(segment.connection);
            format!(
                "{word} {connection} to host{}{bytes} [{fate}{late}]",
                segment.to.0
            )
        }
        Event::Broken {
            connection: id,
            why,
            fault,
            ..
        } => {
            let fault = fault.map_or(String::new(), |fault| format!(" by fault {fault}"));
            format!("{}: {why}{fault}", connection(*id))
        }
        Event::Crash {
            in_disk_operation,
            disk,
            ..
        } => {
            let place = if *in_disk_operation {
                " in its disk"
            } else {
                ""
            };
            match disk.lost {
                0 => format!("crash{place}"),
                lost => format!("crash{place}, {lost} sectors lost"),
            }
        }
        Event::Restart { .. } => "restart".to_owned(),
        Event::Pause { .. } => "pause".to_owned(),
        Event::Resume { .. } => "resume".to_owned(),
        Event::Skew {
            offset_ms,
            rate_ppm,
            ..
        } => format!("skew {offset_ms} ms, rate {rate_ppm}"),
        Event::Send {
            to, datagram, fate, ..
        } => {
            let bytes = datagram.len();
            format!("send {bytes} bytes to host{} {:?}", to.0, fate.delays_ms())
        }
        other => format!("{other:?}"),
    };
    format!("{} host{}: {what}", line.at, line.host.0)
}

/// `1/2`: the second connection that host1 has opened.
fn connection(id: ConnectionId) -> String {
    format!("{}/{}", id.opener.0, id.number)
}

/// Tells the trace something.
pub(crate) fn tell(host: &Host, text: &str) {
    host.record(Event::Service {
        word: Word::Expire,
        operation: None,
        text: text.into(),
    });
}

/// Tells the trace of everything that arrives until then.
pub(crate) async fn listen(host: &Host, socket: &mut dyn Datagrams, until: Time) {
    let mut timer = host.timer();
    while let Some(arrival) = recv_until(socket, &mut *timer, until).await {
        let HostId(from) = host.host_of(arrival.from);
        let first = arrival.body.first();
        tell(
            host,
            &format!(
                "got {} bytes from host{from}, first {first:?}",
                arrival.body.len()
            ),
        );
    }
}

/// Does nothing for so many milliseconds.
pub(crate) async fn sleep(host: &Host, ms: u64) {
    host.sleep_until(host.now() + Duration::from_millis(ms))
        .await;
}

/// The port of the host of this name.
pub(crate) fn address(host: &Host, name: &str) -> SocketAddr {
    (host.lookup(name).expect("a host of the run"), PORT).into()
}

/// Every datagram is so long under way.
pub(crate) fn fixed_delay(ms: u32) -> Conditions {
    let everywhere = Link {
        delay: Delay::Fixed(ms),
        ..Link::default()
    };
    Conditions {
        everywhere,
        ..Conditions::default()
    }
}

struct Until {
    story: Time,
    end: Time,
}

impl Director for Until {
    fn before(&mut self, world: &mut World) {
        if world.now() == self.story {
            world.begin_story();
        }
    }

    fn after(&mut self, world: &mut World) -> Next {
        if world.now() < self.story {
            Next::At(self.story)
        } else if world.now() < self.end {
            Next::At(self.end)
        } else {
            Next::Stop
        }
    }
}
