//! Connections: what their two ends meet, rule by rule.

use std::future::{pending, poll_fn};

use wavetank::clock::Time;
use wavetank::host::Host;
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::{Conditions, Fault, Partition, Probability, Reset, Streams};
use wavetank::net::faults::Chosen;
use wavetank::net::{
    Broken, Connection, Kind, Label, Piece, UNREAD_BYTES_MAX, accept, read_until, write_all,
};
use wavetank::seed::Seed;
use wavetank::sim::scenario::Backend;

use crate::tank::{
    Named, PORT, address, fixed_delay, host, in_words, run_from, run_on_both, sleep, tell,
    world_after,
};

pub(crate) const SERVER: HostId = HostId(0);
pub(crate) const CLIENT: HostId = HostId(1);

pub(crate) fn with(faults: Vec<Fault>, delay_ms: u32) -> Conditions {
    Conditions {
        faults,
        ..fixed_delay(delay_ms)
    }
}

pub(crate) fn cut(from_ms: u64, until_ms: u64, streams: Streams) -> Fault {
    Fault::Partition(Partition {
        between: (CLIENT, SERVER),
        from: Time::from_ms(from_ms),
        until: Time::from_ms(until_ms),
        one_way: false,
        streams,
    })
}

/// What comes next, in words, once all pieces of this ms have been read.
pub(crate) async fn next(host: &Host, connection: &mut dyn Connection) -> String {
    let mut timer = host.timer();
    let mut bytes = Vec::new();
    let until = |bytes: &Vec<u8>| {
        if bytes.is_empty() {
            Time::NEVER
        } else {
            host.now()
        }
    };
    loop {
        let read = read_until(connection, &mut *timer, until(&bytes)).await;
        match read {
            Some(Ok(Some(piece))) => bytes.extend_from_slice(&piece.body),
            None => return String::from_utf8(bytes).unwrap(),
            Some(Ok(None)) if bytes.is_empty() => return "(end)".to_owned(),
            Some(Err(why)) if bytes.is_empty() => return format!("({why})"),
            Some(_) => return String::from_utf8(bytes).unwrap(),
        }
    }
}

pub(crate) async fn say(connection: &mut dyn Connection, text: &str) {
    let written = write_all(connection, text.as_bytes(), None).await;
    written.unwrap_or_default();
}

/// Tells of all that comes, until nothing more does; then closes.
pub(crate) async fn hear_out(host: &Host, mut connection: Box<dyn Connection>) {
    loop {
        let heard = next(host, &mut *connection).await;
        tell(host, &heard);
        if heard.starts_with('(') {
            return;
        }
    }
}

/// Tells of all that comes on every connection.
pub(crate) fn hearer() -> Named {
    host("server", |host| async move {
        let mut listener = host.listen(PORT).unwrap();
        loop {
            let connection = accept(&mut *listener).await;
            let inner = host.clone();
            host.spawn(async move { hear_out(&inner, connection).await });
        }
    })
}

/// Says `ms` at each of these times, and tells of what comes after the last.
pub(crate) fn sayer(at: &'static [u64]) -> Named {
    host("client", move |host| async move {
        let Ok(mut connection) = open(&host).await else {
            return;
        };
        for &ms in at {
            host.sleep_until(Time::from_ms(ms)).await;
            say(&mut *connection, &format!("{ms}.")).await;
        }
        hear_out(&host, connection).await;
    })
}

/// Opens a connection to the server and tells of it if that fails.
pub(crate) async fn open(host: &Host) -> Result<Box<dyn Connection>, Broken> {
    let opened = host.connect(address(host, "server")).await;
    if let Err(why) = &opened {
        tell(host, &format!("no connection: {why}"));
    }
    opened
}

#[test]
fn a_connection_carries_bytes_both_ways_and_each_end_says_when_it_has_finished() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let mut listener = host.listen(PORT).unwrap();
            let mut connection = accept(&mut *listener).await;
            assert_eq!(host.host_of(connection.peer_address()), CLIENT);
            tell(&host, &next(&host, &mut *connection).await);
            tell(&host, &next(&host, &mut *connection).await);
            say(&mut *connection, "and to you").await;
        });
        let client = host("client", |host| async move {
            let mut connection = open(&host).await.unwrap();
            assert_eq!(connection.peer_address(), address(&host, "server"));
            say(&mut *connection, "good day").await;
            connection.finish();
            connection.finish();
            let refused = poll_fn(|context| connection.poll_write(context, b"!", None)).await;
            assert_eq!(refused, Err(Broken::Reset), "it has finished");
            hear_out(&host, connection).await;
        });
        vec![server, client]
    }
    assert_eq!(
        run_on_both(hosts, &fixed_delay(3), 50),
        [
            "0 host1: connect 1/1 to host0 [3 ms]",
            "3 host0: accept 1/1 to host1 [3 ms]",
            "6 host1: segment 1/1 to host0 8 bytes [3 ms]",
            "6 host1: end 1/1 to host0 [3 ms]",
            "9 host0: good day",
            "9 host0: (end)",
            "9 host0: segment 1/1 to host1 10 bytes [3 ms]",
            "9 host0: end 1/1 to host1 [3 ms]",
            "12 host1: and to you",
            "12 host1: (end)",
        ]
    );
}

#[test]
fn who_gives_up_before_a_connection_is_open_resets_it() {
    fn hosts() -> Vec<Named> {
        let client = host("client", |host| async move {
            let mut opening = Box::pin(host.connect(address(&host, "server")));
            poll_fn(|context| {
                assert!(opening.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            drop(opening);
            pending().await
        });
        vec![hearer(), client]
    }
    assert_eq!(
        run_on_both(hosts, &fixed_delay(3), 50),
        [
            "0 host1: connect 1/1 to host0 [3 ms]",
            "3 host0: accept 1/1 to host1 [3 ms]",
            "6 host1: reset 1/1 to host0 [3 ms]",
            "9 host0: 1/1: connection reset",
            "9 host0: (connection reset)",
        ]
    );
}

#[test]
fn a_writer_waits_until_the_other_end_has_read() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let mut listener = host.listen(PORT).unwrap();
            let mut connection = accept(&mut *listener).await;
            sleep(&host, 1_000).await;
            let mut heard = 0;
            while let Ok(Some(Piece { body, .. })) =
                poll_fn(|context| connection.poll_read(context)).await
            {
                heard += body.len();
            }
            tell(&host, &format!("heard {heard} bytes"));
        });
        let client = host("client", |host| async move {
            let mut connection = open(&host).await.unwrap();
            let bytes = vec![7; UNREAD_BYTES_MAX];
            write_all(&mut *connection, &bytes, None).await.unwrap();
            tell(&host, "written");
            write_all(&mut *connection, &[8], None).await.unwrap();
            tell(&host, "written more");
        });
        vec![server, client]
    }
    let lines = run_on_both(hosts, &fixed_delay(2), 2_000);
    let told: Vec<&String> = lines
        .iter()
        .filter(|line| !line.contains(" to host"))
        .collect();
    assert_eq!(
        told,
        [
            "4 host1: written",
            "1004 host1: written more",
            "1006 host0: heard 65537 bytes",
        ]
    );
}

#[test]
fn who_closes_before_all_is_read_resets_and_who_has_read_all_does_not() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let mut listener = host.listen(PORT).unwrap();
            drop(accept(&mut *listener).await);
            let connection = accept(&mut *listener).await;
            sleep(&host, 10).await;
            drop(connection);
            pending().await
        });
        let client = host("client", |host| async move {
            let mut connection = open(&host).await.unwrap();
            tell(&host, &next(&host, &mut *connection).await);
            say(&mut *connection, "too late").await;
            sleep(&host, 5).await;
            say(&mut *connection, "and again").await;
            tell(&host, "no more room for hope");
            drop(connection);
            let mut connection = open(&host).await.unwrap();
            say(&mut *connection, "unread").await;
            hear_out(&host, connection).await;
        });
        vec![server, client]
    }
    assert_eq!(
        run_on_both(hosts, &fixed_delay(2), 100),
        [
            "0 host1: connect 1/1 to host0 [2 ms]",
            "2 host0: accept 1/1 to host1 [2 ms]",
            "2 host0: end 1/1 to host1 [2 ms]",
            "4 host1: (end)",
            "4 host1: segment 1/1 to host0 8 bytes [2 ms]",
            "6 host0: reset 1/1 to host1 [2 ms]",
            "8 host1: 1/1: connection reset",
            "9 host1: no more room for hope",
            "9 host1: connect 1/2 to host0 [2 ms]",
            "11 host0: accept 1/2 to host1 [2 ms]",
            "13 host1: segment 1/2 to host0 6 bytes [2 ms]",
            "21 host0: reset 1/2 to host1 [2 ms]",
            "23 host1: 1/2: connection reset",
            "23 host1: (connection reset)",
        ]
    );
}

#[test]
fn who_has_closed_is_told_of_nothing_more_and_nothing_is_left_to_reset() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let mut listener = host.listen(PORT).unwrap();
            let unread = accept(&mut *listener).await;
            sleep(&host, 10).await;
            drop(unread);
            hear_out(&host, accept(&mut *listener).await).await;
            pending().await
        });
        let client = host("client", |host| async move {
            for _ in 0..2 {
                let mut connection = open(&host).await.unwrap();
                say(&mut *connection, "bye").await;
                drop(connection);
            }
            pending().await
        });
        vec![server, client]
    }
    let reset = Fault::Reset(Reset {
        between: (SERVER, CLIENT),
        at: Chosen::Fixed(50),
    });
    let conditions = with(vec![reset], 2);
    let lines = run_on_both(hosts, &conditions, 100);
    assert!(
        lines
            .iter()
            .any(|line| line == "12 host0: reset 1/1 to host1 [2 ms]")
    );
    assert!(
        lines.iter().all(|line| !line.contains("connection reset")),
        "{lines:?}"
    );
    let on = Backend::Event;
    let world = world_after(Seed(7), [0, 100], hosts(), conditions, on);
    assert_eq!(world.idle_faults().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_connection_ends_once() {
    fn hosts() -> Vec<Named> {
        let client = host("client", |host| async move {
            let mut connection = open(&host).await.unwrap();
            host.sleep_until(Time::from_ms(30)).await;
            say(&mut *connection, "never heard").await; // and given up after 93 s
            pending().await
        });
        vec![hearer(), client]
    }
    let reset = Fault::Reset(Reset {
        between: (SERVER, CLIENT),
        at: Chosen::Fixed(100),
    });
    let faults = vec![cut(15, 100_000, Streams::Wait), reset];
    let lines = run_on_both(hosts, &with(faults, 2), 99_000);
    let last = &lines[lines.len() - 1];
    assert_eq!(last, "100 host1: 1/1: connection reset by fault 2");
}

#[test]
fn before_the_story_begins_connections_are_perfect() {
    let mut conditions = fixed_delay(7);
    conditions.everywhere.loss = Probability::new(1.0).unwrap();
    for on in Backend::ALL {
        let hosts = vec![hearer(), sayer(&[1, 2, 20])];
        let lines = run_from(10, hosts, conditions.clone(), 30, on);
        let lines: Vec<String> = lines.iter().map(in_words).collect();
        assert_eq!(lines, ["10 host1: segment 1/1 to host0 3 bytes [lost]"]);
        let hosts = vec![hearer(), sayer(&[10, 20])];
        let lines = run_from(15, hosts, fixed_delay(7), 40, on);
        let lines: Vec<String> = lines.iter().map(in_words).collect();
        let expected = [
            "5 host1: segment 1/1 to host0 3 bytes [7 ms]",
            "12 host0: 20.",
        ];
        assert_eq!(lines, expected, "it has opened in 2 ms");
    }
}

#[test]
fn who_stops_listening_resets_those_that_nobody_has_accepted() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let listener = host.listen(PORT).unwrap();
            sleep(&host, 10).await;
            drop(listener);
            pending().await
        });
        vec![server, sayer(&[])]
    }
    assert_eq!(
        run_on_both(hosts, &fixed_delay(2), 100)[2..],
        [
            "10 host0: reset 1/1 to host1 [2 ms]",
            "12 host1: 1/1: connection reset",
            "12 host1: (connection reset)",
        ]
    );
}

#[test]
fn connections_that_nobody_accepts_are_refused_beyond_a_limit() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let _listener = host.listen(PORT).unwrap();
            pending().await
        });
        let client = host("client", |host| async move {
            let mut connections = Vec::new();
            while let Ok(connection) = open(&host).await {
                connections.push(connection);
            }
            tell(&host, &format!("{} are open", connections.len()));
            pending().await
        });
        vec![server, client]
    }
    let lines = run_on_both(hosts, &fixed_delay(1), 3_000);
    assert!(lines.last().unwrap().ends_with("1024 are open"));
}

#[test]
fn a_host_may_connect_to_itself() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let mut listener = host.listen(PORT).unwrap();
            let mut here = host.connect(address(&host, "server")).await.unwrap();
            let there = accept(&mut *listener).await;
            say(&mut *here, "is anybody in?").await;
            here.finish();
            hear_out(&host, there).await;
            tell(&host, &next(&host, &mut *here).await);
        });
        vec![server]
    }
    let lines = run_on_both(hosts, &fixed_delay(1), 20);
    assert_eq!(
        lines[4..],
        [
            "3 host0: is anybody in?",
            "3 host0: (end)",
            "3 host0: end 0/1 to host0 [1 ms]",
            "4 host0: (end)",
        ]
    );
}

#[test]
fn a_label_arrives_with_its_bytes_and_bytes_are_cut_anywhere() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let mut listener = host.listen(PORT).unwrap();
            let mut connection = accept(&mut *listener).await;
            let mut sizes = Vec::new();
            while let Ok(Some(piece)) = poll_fn(|context| connection.poll_read(context)).await {
                assert_eq!(piece.label.map(|label| label.operation.number), Some(9));
                sizes.push(piece.body.len());
            }
            assert!(sizes.len() > 10 && sizes.len() <= 20, "{sizes:?}");
            assert_eq!(sizes.iter().sum::<usize>(), 1_000);
            tell(&host, "all is there");
        });
        let client = host("client", |host| async move {
            let mut connection = open(&host).await.unwrap();
            let operation = OperationId {
                client: CLIENT,
                number: 9,
            };
            let label = Some(Label::new(Kind::Request, operation));
            for _ in 0..10 {
                write_all(&mut *connection, &[7; 100], label).await.unwrap();
            }
        });
        vec![server, client]
    }
    let lines = run_on_both(hosts, &fixed_delay(2), 100);
    assert!(lines.iter().any(|line| line.ends_with("all is there")));
}
