//! Hosts that do what no scenario does: panic, never rest, all speak at once, close their sockets.

use std::future::{pending, poll_fn};
use std::task::Poll;

use wavetank::clock::Time;
use wavetank::net::DATAGRAM_BYTES_MAX;
use wavetank::net::conditions::{Conditions, Delay, Link, Probability};
use wavetank::sim::scenario::Backend;

use crate::tank::{
    Named, PORT, address, fixed_delay, host, listen, panic_of, run, run_on_both, sender, sleep,
    tell,
};

#[test]
fn a_panic_of_a_host_is_carried_out_of_the_run_with_its_message() {
    for backend in Backend::ALL {
        let server = host("server", |host| async move {
            sleep(&host, 3).await;
            panic!("the server has {} legs", 3);
        });
        let hosts = vec![server, sender(&[1, 2, 3])];
        let message = panic_of(|| drop(run(hosts, fixed_delay(5), 20, backend)));
        assert_eq!(message, "the server has 3 legs", "{}", backend.name());
    }
}

#[test]
fn a_panic_of_a_task_that_a_host_started_is_carried_out_too() {
    for backend in Backend::ALL {
        let server = host("server", |host| async move {
            let inner = host.clone();
            host.spawn(async move {
                sleep(&inner, 3).await;
                panic!("a leg broke");
            });
            pending().await
        });
        let message = panic_of(|| drop(run(vec![server], fixed_delay(5), 20, backend)));
        assert_eq!(message, "a leg broke", "{}", backend.name());
    }
}

#[test]
fn a_task_that_wakes_itself_for_ever_is_reported_and_hangs_nothing() {
    for backend in Backend::ALL {
        let restless = host("restless", |host| async move {
            sleep(&host, 4).await;
            poll_fn(|context| {
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        });
        let message = panic_of(|| drop(run(vec![restless], fixed_delay(5), 20, backend)));
        let expected = "a task wakes itself for ever at 4 ms";
        assert!(
            message.starts_with(expected),
            "{}: {message}",
            backend.name()
        );
    }
}

#[test]
fn a_hundred_hosts_that_all_speak_at_once_are_heard_in_the_same_order() {
    fn hosts() -> Vec<Named> {
        let speaker = |number: u16| {
            host(&format!("h{number}"), move |host| async move {
                let mut socket = host.bind(PORT).unwrap();
                sleep(&host, 5).await;
                for step in [1, 2, 50] {
                    let to = format!("h{}", (number + step) % 100);
                    socket.send(address(&host, &to), &(&[number as u8]).into(), None);
                }
                listen(&host, &mut *socket, Time::NEVER).await;
            })
        };
        (0..100).map(speaker).collect()
    }
    let everywhere = Link {
        duplication: Probability::new(0.3).unwrap(),
        delay: Delay::Uniform { min: 1, max: 2 },
        ..Link::default()
    };
    let conditions = Conditions {
        everywhere,
        ..Conditions::default()
    };
    let lines = run_on_both(hosts, &conditions, 10);
    let got = lines
        .iter()
        .filter(|line| line.contains("got 1 bytes"))
        .count();
    assert!(
        got > 350,
        "{got} arrivals of 300 datagrams, some of them twice"
    );
}

#[test]
fn a_datagram_to_a_port_where_nobody_listens_is_lost() {
    fn hosts() -> Vec<Named> {
        let deaf = host("server", |host| async move {
            let mut socket = host.bind(PORT + 1).unwrap();
            listen(&host, &mut *socket, Time::NEVER).await;
        });
        vec![deaf, sender(&[1])]
    }
    assert_eq!(
        run_on_both(hosts, &fixed_delay(2), 20),
        [
            "1 host1: send 1 bytes to host0 [2]",
            "3 host0: lost from host1"
        ]
    );
}

#[test]
fn a_datagram_that_is_too_long_is_lost_and_the_longest_is_not() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let mut socket = host.bind(PORT).unwrap();
            listen(&host, &mut *socket, Time::NEVER).await;
        });
        let talker = host("talker", |host| async move {
            let mut socket = host.bind(PORT).unwrap();
            for bytes in [0, DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MAX + 1] {
                sleep(&host, 1).await;
                socket.send(address(&host, "server"), &vec![7; bytes].into(), None);
            }
        });
        vec![server, talker]
    }
    let lines = run_on_both(hosts, &fixed_delay(2), 20);
    let got: Vec<&String> = lines.iter().filter(|line| line.contains("got")).collect();
    assert_eq!(
        got,
        [
            "3 host0: got 0 bytes from host1, first None",
            "4 host0: got 65507 bytes from host1, first Some(7)",
        ]
    );
}

#[test]
fn a_datagram_to_an_address_of_nobody_vanishes() {
    fn hosts() -> Vec<Named> {
        let lonely = host("lonely", |host| async move {
            let mut socket = host.bind(PORT).unwrap();
            for address in [[10, 0, 9, 9], [10, 0, 0, 0], [127, 0, 0, 1]] {
                socket.send((address, PORT).into(), &b"?".into(), None);
            }
        });
        vec![lonely]
    }
    assert_eq!(run_on_both(hosts, &fixed_delay(2), 20), [""; 0]);
}

#[test]
fn a_socket_that_is_closed_hears_nothing_until_its_port_is_bound_again() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            for (open_ms, closed_ms) in [(5, 10), (15, 20)] {
                let mut socket = host.bind(PORT).unwrap();
                assert!(host.bind(PORT).is_err(), "the port is taken");
                listen(&host, &mut *socket, Time::from_ms(open_ms)).await;
                drop(socket);
                tell(&host, "closed");
                host.sleep_until(Time::from_ms(closed_ms)).await;
            }
        });
        // They arrive a millisecond later: at the moment of closing and of opening too.
        vec![server, sender(&[3, 4, 5, 8, 9, 10, 14, 15])]
    }
    let lines = run_on_both(hosts, &fixed_delay(1), 20);
    let at_server: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("host0: "))
        .collect();
    assert_eq!(
        at_server,
        [
            "4 host0: got 1 bytes from host1, first Some(3)",
            "5 host0: got 1 bytes from host1, first Some(4)",
            "5 host0: closed",
            "6 host0: lost from host1",
            "9 host0: lost from host1",
            "10 host0: lost from host1",
            "11 host0: got 1 bytes from host1, first Some(10)",
            "15 host0: got 1 bytes from host1, first Some(14)",
            "15 host0: closed",
            "16 host0: lost from host1",
        ]
    );
}
