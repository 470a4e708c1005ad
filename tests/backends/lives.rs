//! Hosts that crash and come back, pause, and have clocks that are wrong: what their code meets.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use wavetank::clock::Time;
use wavetank::disk::DiskFate;
use wavetank::id::{HostId, OperationId};
use wavetank::net::Datagrams;
use wavetank::net::conditions::{Conditions, Fault};
use wavetank::net::faults::{Chosen, Crash, Pause, Skew, Trigger, When};
use wavetank::seed::Seed;
use wavetank::sim::scenario::Backend;
use wavetank::trace::{Event, Word};

use crate::tank::{
    Named, PORT, address, fixed_delay, host, in_words, listen, run, run_from, run_on_both, sender,
    sleep, tell,
};

const SERVER: HostId = HostId(0);
const SENDER: HostId = HostId(1);

fn with(faults: Vec<Fault>, delay_ms: u32) -> Conditions {
    Conditions {
        faults,
        ..fixed_delay(delay_ms)
    }
}

fn crash(host: HostId, when: When, restart_ms: Option<u64>) -> Fault {
    Fault::Crash(Crash {
        host,
        when,
        disk_operation: None,
        restart_after: restart_ms.map(Duration::from_millis),
        disk: DiskFate::Keep,
    })
}

const fn at(ms: u64) -> When {
    When::At(Chosen::Fixed(ms))
}

const OPERATION: OperationId = OperationId {
    client: SENDER,
    number: 1,
};

/// The event that `tell_of_operation` records.
const fn after_nth(nth: u32) -> When {
    When::After(Trigger {
        word: "expire",
        operation: OPERATION,
        nth,
    })
}

fn tell_of_operation(host: &wavetank::host::Host) {
    host.record(Event::Service {
        word: Word::Expire,
        operation: Some(OPERATION),
        text: "operation".into(),
    });
}

fn listener() -> Named {
    host("server", |host| async move {
        let mut socket = host.bind(PORT).unwrap();
        listen(&host, &mut *socket, Time::NEVER).await;
    })
}

/// Lines of a host, without its name.
fn of(host: HostId, lines: &[String]) -> Vec<String> {
    let name = format!(" host{}: ", host.0);
    let mine = lines.iter().filter(|line| line.contains(&name));
    mine.map(|line| line.replace(&name, " ")).collect()
}

#[test]
fn a_datagram_under_way_survives_its_sender() {
    let faults = vec![crash(SENDER, at(2), None)];
    let lines = run_on_both(|| vec![listener(), sender(&[1, 3])], &with(faults, 5), 20);
    assert_eq!(
        lines,
        [
            "1 host1: send 1 bytes to host0 [5]",
            "2 host1: crash",
            "6 host0: got 1 bytes from host1, first Some(1)",
        ]
    );
}

#[test]
fn a_host_hears_nothing_of_what_came_while_it_was_down_or_in_the_ms_of_its_restart() {
    let faults = vec![crash(SERVER, at(5), Some(5))];
    let hosts = || vec![listener(), sender(&[3, 4, 6, 9, 10])];
    let lines = run_on_both(hosts, &with(faults, 1), 20);
    assert_eq!(
        of(SERVER, &lines),
        [
            "4 got 1 bytes from host1, first Some(3)",
            "5 crash",
            "5 lost from host1: down",
            "7 lost from host1: down",
            "10 restart",
            "10 lost from host1: down",
            "11 got 1 bytes from host1, first Some(10)",
        ]
    );
}

#[test]
fn a_life_has_no_effect_after_the_event_that_ends_it() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let mut socket = host.bind(PORT).unwrap();
            let mut chance = host.stream("chance");
            tell(&host, &format!("drew {}", chance.below(1_000)));
            sleep(&host, 5).await;
            tell_of_operation(&host);
            // From here on nothing counts, in the first life.
            socket.send(address(&host, "sender"), &b"?".into(), None);
            host.bind(PORT).map(drop).unwrap_or_default();
            drop(socket);
            drop(host.stream("chance"));
            assert!(host.bind(PORT + 1).is_ok());
            tell(&host, "went on");
            host.sleep_until(Time::ZERO).await;
            pending().await
        });
        vec![server, sender(&[])]
    }
    let faults = vec![crash(SERVER, after_nth(1), Some(1))];
    let lines = run_on_both(hosts, &with(faults, 1), 20);
    let drew: Vec<&String> = lines.iter().filter(|line| line.contains("drew")).collect();
    let [first, second] = ["chance", "chance 2"].map(|name| {
        let mut stream = Seed(7).stream(&format!("{name} of server"));
        stream.below(1_000)
    });
    let expected = [
        format!("0 host0: drew {first}"),
        format!("6 host0: drew {second}"),
    ];
    assert_eq!(drew, expected.iter().collect::<Vec<_>>());
    let others: Vec<&String> = lines.iter().filter(|line| !line.contains("drew")).collect();
    assert_eq!(
        others,
        [
            "5 host0: operation",
            "5 host0: crash",
            "6 host0: restart",
            "11 host0: operation",
            "11 host0: send 1 bytes to host1 [1]",
            "11 host0: went on",
        ]
    );
}

#[test]
fn a_crash_that_another_host_triggers_comes_in_the_next_ms_whatever_the_order_of_hosts() {
    fn hosts() -> Vec<Named> {
        let teller = host("teller", |host| async move {
            sleep(&host, 3).await;
            tell_of_operation(&host);
        });
        let busy = |name| {
            host(name, |host| async move {
                loop {
                    sleep(&host, 1).await;
                    tell(&host, "busy");
                }
            })
        };
        vec![busy("first"), teller, busy("last")]
    }
    for victim in [HostId(0), HostId(2)] {
        let faults = vec![crash(victim, after_nth(1), None)];
        let lines = run_on_both(hosts, &with(faults, 1), 10);
        assert_eq!(
            of(victim, &lines),
            ["1 busy", "2 busy", "3 busy", "4 crash"],
            "{victim:?}"
        );
    }
}

#[test]
fn the_panic_of_a_life_that_has_ended_is_not_carried_out_of_the_run() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            tell_of_operation(&host);
            std::panic::resume_unwind(Box::new("nobody hears this"));
        });
        vec![server]
    }
    let faults = vec![crash(SERVER, after_nth(1), None)];
    let lines = run_on_both(hosts, &with(faults, 1), 5);
    assert_eq!(lines, ["0 host0: operation", "0 host0: crash"]);
}

#[test]
fn a_socket_of_an_older_life_does_not_close_the_port_of_a_newer_one() {
    for backend in Backend::ALL {
        let kept: Rc<RefCell<Option<Box<dyn Datagrams>>>> = Rc::default();
        let mine = kept.clone();
        let server = host("server", move |host| {
            let kept = mine.clone();
            async move {
                let mut socket = host.bind(PORT).unwrap();
                let old = kept.borrow_mut().take();
                if old.is_some() {
                    drop(old);
                    listen(&host, &mut *socket, Time::NEVER).await;
                }
                *kept.borrow_mut() = Some(socket);
                pending().await
            }
        });
        let faults = vec![crash(SERVER, at(3), Some(2))];
        let hosts = vec![server, sender(&[8])];
        let lines = run(hosts, with(faults, 1), 20, backend);
        let last = lines.last().unwrap();
        assert!(matches!(&last.event, Event::Service { .. }), "{last:?}");
    }
}

#[test]
fn a_host_that_pauses_is_late_with_arrivals_first_and_its_clock_goes_on() {
    fn hosts() -> Vec<Named> {
        let server = host("server", |host| async move {
            let ticker = host.clone();
            host.spawn(async move {
                for ms in [4, 7, 12, 24, 26] {
                    ticker.sleep_until(Time::from_ms(ms)).await;
                    tell(&ticker, &format!("timer of {ms} at {}", ticker.now()));
                }
            });
            let mut socket = host.bind(PORT).unwrap();
            listen(&host, &mut *socket, Time::NEVER).await;
        });
        vec![server, sender(&[4, 9, 23, 24])]
    }
    let pause = Fault::Pause(Pause {
        host: SERVER,
        at: Chosen::Fixed(5),
        span: Duration::from_millis(20),
    });
    let lines = run_on_both(hosts, &with(vec![pause], 2), 40);
    assert_eq!(
        of(SERVER, &lines),
        [
            "4 timer of 4 at 4",
            "5 pause",
            "25 resume",
            "25 got 1 bytes from host1, first Some(4)",
            "25 got 1 bytes from host1, first Some(9)",
            "25 got 1 bytes from host1, first Some(23)",
            "25 timer of 7 at 25",
            "25 timer of 12 at 25",
            "25 timer of 24 at 25",
            "26 got 1 bytes from host1, first Some(24)",
            "26 timer of 26 at 26",
        ]
    );
}

/// Pauses of a host at 5 ms and at `at`, and the lines of the trace about it.
fn two_pauses(ms: u64, at: u64, next_ms: u64) -> Vec<String> {
    let pause = |at, ms| {
        Fault::Pause(Pause {
            host: SERVER,
            at: Chosen::Fixed(at),
            span: Duration::from_millis(ms),
        })
    };
    let faults = vec![pause(5, ms), pause(at, next_ms)];
    let hosts = || vec![listener(), sender(&[6, 14, 24])];
    of(SERVER, &run_on_both(hosts, &with(faults, 1), 40))
}

#[test]
fn a_pause_that_begins_during_another_lets_the_host_go_on_at_the_later_end() {
    let got = |at: u64, sent: u64| format!("{at} got 1 bytes from host1, first Some({sent})");
    for (ms, at, next_ms, ends) in [
        (10, 12, 8, 20),
        (10, 15, 5, 20),
        (10, 5, 15, 20),
        (15, 5, 10, 20),
        (15, 12, 1, 20),
        (15, 12, 8, 20),
    ] {
        let told = two_pauses(ms, at, next_ms);
        let expected = [
            "5 pause".to_owned(),
            format!("{at} pause"),
            format!("{ends} resume"),
            got(ends, 6),
            got(ends, 14),
            got(25, 24),
        ];
        assert_eq!(told, expected, "{ms} ms, and from {at} on {next_ms} ms");
    }
    let [after, ..] = &two_pauses(10, 16, 4)[2..] else {
        panic!("four lines");
    };
    assert_eq!(
        after, "15 got 1 bytes from host1, first Some(6)",
        "each for itself"
    );
}

#[test]
fn what_a_host_holds_while_it_pauses_is_lost_with_its_life() {
    let pause = Fault::Pause(Pause {
        host: SERVER,
        at: Chosen::Fixed(2),
        span: Duration::from_millis(8),
    });
    let faults = vec![pause, crash(SERVER, at(6), Some(1))];
    let lines = run_on_both(|| vec![listener(), sender(&[3, 8])], &with(faults, 1), 20);
    assert_eq!(
        of(SERVER, &lines),
        [
            "2 pause",
            "6 crash",
            "7 restart",
            "9 got 1 bytes from host1, first Some(8)",
        ]
    );
}

#[test]
fn timers_go_by_the_clock_of_their_host() {
    fn hosts() -> Vec<Named> {
        let waiter = |name| {
            host(name, |host| async move {
                let start = host.now();
                for ms in [10, 11, 100] {
                    let until = start + Duration::from_millis(ms);
                    host.sleep_until(until).await;
                    assert!(host.now() >= until);
                    tell(&host, &format!("{ms} have passed"));
                }
            })
        };
        vec![waiter("fast"), waiter("slow"), waiter("right")]
    }
    let skew = |host, offset_ms, rate_ppm| {
        Fault::Skew(Skew {
            host: HostId(host),
            offset_ms,
            rate_ppm,
        })
    };
    let faults = vec![skew(0, 7_000, 3_000_000), skew(1, -5_000, 500_000)];
    let lines = run_on_both(hosts, &with(faults, 1), 300);
    assert_eq!(
        lines,
        [
            "0 host0: skew 7000 ms, rate 3000000",
            "0 host1: skew -5000 ms, rate 500000",
            "4 host0: 10 have passed",
            "4 host0: 11 have passed",
            "10 host2: 10 have passed",
            "11 host2: 11 have passed",
            "20 host1: 10 have passed",
            "22 host1: 11 have passed",
            "34 host0: 100 have passed",
            "100 host2: 100 have passed",
            "200 host1: 100 have passed",
        ]
    );
}

#[test]
fn a_clock_goes_at_its_rate_from_time_zero_of_the_trace_on() {
    // The story begins at 50 ms, and the timer was set before: half its time has passed.
    for (rate_ppm, fires_at) in [(500_000, 100), (1_000_000, 50), (2_000_000, 25)] {
        for backend in Backend::ALL {
            let waiter = host("waiter", |host| async move {
                sleep(&host, 100).await;
                tell(&host, "fired");
                pending().await
            });
            let skew = Fault::Skew(Skew {
                host: HostId(0),
                offset_ms: 9,
                rate_ppm,
            });
            let lines = run_from(50, vec![waiter], with(vec![skew], 1), 300, backend);
            let fired = lines
                .iter()
                .map(in_words)
                .find(|line| line.ends_with("fired"));
            assert_eq!(fired, Some(format!("{fires_at} host0: fired")));
        }
    }
}
