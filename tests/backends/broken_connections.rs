//! Connections on bad networks and between hosts that fail, rule by rule.

use std::future::pending;
use std::time::Duration;

use crate::connections::{CLIENT, SERVER, cut, hear_out, hearer, open, say, sayer, with};
use crate::tank::{Named, PORT, address, fixed_delay, host, run_on_both, sleep};
use wavetank::clock::Time;
use wavetank::disk::DiskFate;
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::{Fault, Probability, Reset, Selector, Streams, Target};
use wavetank::net::faults::{Chosen, Crash, Pause, When};
use wavetank::net::{Broken, Kind, Label, write_all};

fn crash(host: HostId, at_ms: u64, restart_ms: Option<u64>) -> Fault {
    Fault::Crash(Crash {
        host,
        when: When::At(Chosen::Fixed(at_ms)),
        disk_operation: None,
        restart_after: restart_ms.map(Duration::from_millis),
        disk: DiskFate::Keep,
    })
}

#[test]
fn where_nobody_listens_a_connection_is_refused() {
    fn hosts() -> Vec<Named> {
        let deaf = host("server", |host| async move {
            drop(host.listen(PORT).unwrap());
            let _datagrams = host.bind(PORT).unwrap();
            let other = host.listen(PORT + 1).unwrap();
            assert!(host.listen(PORT + 1).is_err(), "the port is taken");
            let any = host.listen(0).unwrap();
            assert_ne!(any.local_address(), other.local_address());
            pending().await
        });
        vec![deaf, sayer(&[])]
    }
    assert_eq!(
        run_on_both(hosts, &fixed_delay(2), 50),
        [
            "0 host1: connect 1/1 to host0 [2 ms]",
            "2 host0: refuse 1/1 to host1 [2 ms]",
            "4 host1: 1/1: connection refused",
            "4 host1: no connection: connection refused",
        ]
    );
}

#[test]
fn to_a_host_that_stays_down_and_to_no_host_a_connection_times_out() {
    fn hosts() -> Vec<Named> {
        let client = host("client", |host| async move {
            let nobody = host.connect(([10, 0, 9, 9], PORT).into()).await;
            assert_eq!(nobody.err(), Some(Broken::TimedOut));
            sleep(&host, 1).await;
            assert!(open(&host).await.is_err());
        });
        vec![hearer(), client]
    }
    assert_eq!(
        run_on_both(hosts, &with(vec![crash(SERVER, 0, None)], 2), 5_000),
        [
            "0 host0: crash",
            "1 host1: connect 1/1 to host0 [2 ms]",
            "3 host0: lost from host1: down",
            "203 host0: lost from host1: down",
            "603 host0: lost from host1: down",
            "1403 host0: lost from host1: down",
            "3001 host1: 1/1: connection timed out",
            "3001 host1: no connection: connection timed out",
        ]
    );
}

#[test]
fn to_a_host_that_comes_back_in_time_a_connection_opens() {
    let hosts = || vec![hearer(), sayer(&[300])];
    assert_eq!(
        run_on_both(hosts, &with(vec![crash(SERVER, 0, Some(203))], 3), 1_000),
        [
            "0 host0: crash",
            "0 host1: connect 1/1 to host0 [3 ms]",
            "3 host0: lost from host1: down",
            // In the ms of its restart a host is down.
            "203 host0: restart",
            "203 host0: lost from host1: down",
            "603 host0: accept 1/1 to host1 [3 ms]",
            "606 host1: segment 1/1 to host0 4 bytes [3 ms]",
            "609 host0: 300.",
        ]
    );
}

#[test]
fn who_sends_to_a_later_life_is_reset() {
    let hosts = || vec![hearer(), sayer(&[10, 30])];
    assert_eq!(
        run_on_both(hosts, &with(vec![crash(SERVER, 20, Some(5))], 3), 1_000),
        [
            "0 host1: connect 1/1 to host0 [3 ms]",
            "3 host0: accept 1/1 to host1 [3 ms]",
            "10 host1: segment 1/1 to host0 3 bytes [3 ms]",
            "13 host0: 10.",
            "20 host0: crash",
            "25 host0: restart",
            "30 host1: segment 1/1 to host0 3 bytes [3 ms]",
            "33 host0: reset 1/1 to host1 [3 ms]",
            "36 host1: 1/1: connection reset",
            "36 host1: (connection reset)",
        ]
    );
}

#[test]
fn who_only_says_that_it_has_finished_to_a_later_life_is_reset_too() {
    fn hosts() -> Vec<Named> {
        let client = host("client", |host| async move {
            let mut connection = open(&host).await.unwrap();
            host.sleep_until(Time::from_ms(30)).await;
            connection.finish();
            hear_out(&host, connection).await;
        });
        vec![hearer(), client]
    }
    assert_eq!(
        run_on_both(hosts, &with(vec![crash(SERVER, 20, Some(5))], 3), 1_000)[4..],
        [
            "30 host1: end 1/1 to host0 [3 ms]",
            "33 host0: reset 1/1 to host1 [3 ms]",
            "36 host1: 1/1: connection reset",
            "36 host1: (connection reset)",
        ]
    );
}

#[test]
fn what_is_sent_to_a_host_that_is_down_is_sent_again_until_it_is_back() {
    let hosts = || vec![hearer(), sayer(&[30])];
    assert_eq!(
        run_on_both(hosts, &with(vec![crash(SERVER, 20, Some(300))], 3), 2_000),
        [
            "0 host1: connect 1/1 to host0 [3 ms]",
            "3 host0: accept 1/1 to host1 [3 ms]",
            "20 host0: crash",
            "30 host1: segment 1/1 to host0 3 bytes [3 ms]",
            "33 host0: lost from host1: down",
            "233 host0: lost from host1: down",
            "320 host0: restart",
            "633 host0: reset 1/1 to host1 [3 ms]",
            "636 host1: 1/1: connection reset",
            "636 host1: (connection reset)",
        ]
    );
}

#[test]
fn a_connection_whose_other_host_never_comes_back_is_given_up() {
    let hosts = || vec![hearer(), sayer(&[30])];
    let lines = run_on_both(hosts, &with(vec![crash(SERVER, 20, None)], 3), 120_000);
    let lost = lines.iter().filter(|line| line.contains("lost")).count();
    assert_eq!(lost, 32);
    assert_eq!(
        lines[lines.len() - 2..],
        [
            "89434 host1: 1/1: connection timed out",
            "89434 host1: (connection timed out)"
        ]
    );
}

#[test]
fn the_crash_of_a_host_is_silent_and_what_it_has_sent_arrives() {
    let hosts = || vec![hearer(), sayer(&[10])];
    assert_eq!(
        run_on_both(hosts, &with(vec![crash(CLIENT, 12, None)], 3), 1_000),
        [
            "0 host1: connect 1/1 to host0 [3 ms]",
            "3 host0: accept 1/1 to host1 [3 ms]",
            "10 host1: segment 1/1 to host0 3 bytes [3 ms]",
            "12 host1: crash",
            "13 host0: 10.",
        ]
    );
}

#[test]
fn segments_wait_for_the_end_of_a_partition_and_keep_their_order() {
    let hosts = || vec![hearer(), sayer(&[20, 30, 300])];
    let faults = vec![cut(15, 250, Streams::Wait)];
    assert_eq!(
        run_on_both(hosts, &with(faults, 3), 1_000)[2..],
        [
            "15 host1: Partition { from: HostId(0), one_way: false, fault: 1 }",
            "20 host1: segment 1/1 to host0 3 bytes [603 ms, late]",
            "30 host1: segment 1/1 to host0 3 bytes [603 ms, late]",
            "250 host1: Heal { from: HostId(0), fault: 1 }",
            "300 host1: segment 1/1 to host0 4 bytes [333 ms]",
            "623 host0: 20.",
            "633 host0: 30.300.",
        ]
    );
}

#[test]
fn nothing_arrives_after_a_segment_that_was_given_up() {
    let hosts = || vec![hearer(), sayer(&[30, 90_000])];
    let faults = vec![cut(15, 95_000, Streams::Wait)];
    let lines = run_on_both(hosts, &with(faults, 3), 110_000);
    assert_eq!(
        lines[2..],
        [
            "15 host1: Partition { from: HostId(0), one_way: false, fault: 1 }",
            "30 host1: segment 1/1 to host0 3 bytes [lost]",
            "90000 host1: segment 1/1 to host0 6 bytes [lost]",
            "92630 host1: 1/1: connection timed out",
            "92630 host1: (connection timed out)",
            "95000 host1: Heal { from: HostId(0), fault: 1 }",
        ]
    );
}

#[test]
fn a_partition_may_reset_connections_at_both_ends_when_it_begins() {
    let hosts = || vec![hearer(), sayer(&[10])];
    let faults = vec![cut(15, 250, Streams::Reset)];
    assert_eq!(
        run_on_both(hosts, &with(faults, 3), 1_000)[4..],
        [
            "15 host0: 1/1: connection reset by fault 1",
            "15 host0: (connection reset)",
            "15 host1: Partition { from: HostId(0), one_way: false, fault: 1 }",
            "15 host1: 1/1: connection reset by fault 1",
            "15 host1: (connection reset)",
            "250 host1: Heal { from: HostId(0), fault: 1 }",
        ]
    );
}

#[test]
fn during_a_partition_no_connection_opens() {
    let hosts = || vec![hearer(), sayer(&[])];
    for streams in [Streams::Wait, Streams::Reset] {
        let lines = run_on_both(hosts, &with(vec![cut(0, 5_000, streams)], 3), 4_000);
        let last = &lines[lines.len() - 1];
        assert_eq!(last, "3000 host1: no connection: connection timed out");
    }
}

#[test]
fn a_fault_resets_connections_between_two_hosts_and_no_others() {
    fn hosts() -> Vec<Named> {
        let other = host("other", |host| async move {
            let mut connection = open(&host).await.unwrap();
            sleep(&host, 30).await;
            say(&mut *connection, "still here").await;
            pending().await
        });
        vec![hearer(), sayer(&[14]), other]
    }
    let reset = Fault::Reset(Reset {
        between: (SERVER, CLIENT),
        at: Chosen::Fixed(15),
    });
    let lines = run_on_both(hosts, &with(vec![reset], 3), 100);
    assert_eq!(
        lines[4..],
        [
            "14 host1: segment 1/1 to host0 3 bytes [3 ms]",
            "15 host0: 1/1: connection reset by fault 1",
            "15 host0: (connection reset)",
            "15 host1: 1/1: connection reset by fault 1",
            "15 host1: (connection reset)",
            // What was under way finds nobody.
            "17 host0: reset 1/1 to host1 [3 ms]",
            "36 host2: segment 2/1 to host0 10 bytes [3 ms]",
            "39 host0: still here",
        ]
    );
}

#[test]
fn a_host_that_pauses_takes_segments_in_and_its_tasks_hear_of_them_later() {
    let hosts = || vec![hearer(), sayer(&[10, 20])];
    let pause = Fault::Pause(Pause {
        host: SERVER,
        at: Chosen::Fixed(1),
        span: Duration::from_millis(50),
    });
    assert_eq!(
        run_on_both(hosts, &with(vec![pause], 3), 100),
        [
            "0 host1: connect 1/1 to host0 [3 ms]",
            "1 host0: pause",
            "3 host0: accept 1/1 to host1 [3 ms]",
            "10 host1: segment 1/1 to host0 3 bytes [3 ms]",
            "20 host1: segment 1/1 to host0 3 bytes [3 ms]",
            "51 host0: resume",
            "51 host0: 10.20.",
        ]
    );
}

#[test]
fn what_a_life_that_has_ended_does_with_its_connections_has_no_effect() {
    fn hosts() -> Vec<Named> {
        let client = host("client", |host| async move {
            drop(host.listen(PORT + 1).unwrap());
            if host.now() > Time::ZERO {
                return; // the second life
            }
            let mut connection = open(&host).await.unwrap();
            let operation = OperationId {
                client: CLIENT,
                number: 1,
            };
            let label = Some(Label::new(Kind::Request, operation));
            write_all(&mut *connection, b"one", label).await.unwrap();
            // The host has crashed with this segment, which is under way.
            connection.finish();
            drop(connection);
            drop(host.listen(PORT + 1));
            drop(host.connect(address(&host, "server")));
            open(&host).await.map(drop).unwrap_or_default();
        });
        vec![hearer(), client]
    }
    let crash = Fault::Crash(Crash {
        host: CLIENT,
        when: When::After(wavetank::net::faults::Trigger {
            word: "segment",
            operation: OperationId {
                client: CLIENT,
                number: 1,
            },
            nth: 1,
        }),
        disk_operation: None,
        restart_after: Some(Duration::from_millis(1)),
        disk: DiskFate::Keep,
    });
    assert_eq!(
        run_on_both(hosts, &with(vec![crash], 2), 100),
        [
            "0 host1: connect 1/1 to host0 [2 ms]",
            "2 host0: accept 1/1 to host1 [2 ms]",
            "4 host1: segment 1/1 to host0 3 bytes [2 ms]",
            "4 host1: crash",
            "5 host1: restart",
            "6 host0: one",
        ]
    );
}

#[test]
fn scripted_faults_make_the_nth_segment_of_a_label_late_and_what_follows_waits() {
    fn hosts() -> Vec<Named> {
        let client = host("client", |host| async move {
            let mut connection = open(&host).await.unwrap();
            for number in [1, 2, 1] {
                let operation = OperationId {
                    client: CLIENT,
                    number,
                };
                let label = Some(Label::new(Kind::Request, operation));
                let text = format!("{number}.");
                write_all(&mut *connection, text.as_bytes(), label)
                    .await
                    .unwrap();
                sleep(&host, 300).await;
            }
            pending().await
        });
        vec![hearer(), client]
    }
    let first = |nth| Target {
        label: Selector::RequestFrom(OperationId {
            client: CLIENT,
            number: 1,
        }),
        nth,
    };
    let faults = vec![
        Fault::Drop(first(2)),
        Fault::Delay(first(1), Duration::from_millis(400)),
    ];
    assert_eq!(
        run_on_both(hosts, &with(faults, 2), 1_500)[2..],
        [
            "4 host1: segment 1/1 to host0 2 bytes [400 ms, late]",
            "304 host1: segment 1/1 to host0 2 bytes [100 ms]",
            "404 host0: 1.2.",
            "604 host1: segment 1/1 to host0 2 bytes [202 ms, late]",
            "806 host0: 1.",
        ]
    );
}

#[test]
fn a_network_that_loses_everything_ends_connections_in_time_outs() {
    let hosts = || vec![hearer(), sayer(&[])];
    let mut conditions = fixed_delay(2);
    conditions.everywhere.loss = Probability::new(1.0).unwrap();
    assert_eq!(
        run_on_both(hosts, &conditions, 4_000),
        [
            "0 host1: connect 1/1 to host0 [lost]",
            "3000 host1: 1/1: connection timed out",
            "3000 host1: no connection: connection timed out",
        ]
    );
}
