//! Faults and conditions of the network, as they are read.

use super::*;

#[test]
fn conditions_and_faults_know_their_hosts() {
    let variant = only_variant(&format!(
        "{HEAD}{CLIENTS}
        [network]
        delay_ms = {{ exponential = {{ mean = 8, max = 50 }} }}
        loss = 0.5
        [network.link.\"server>bob\"]
        loss = 1
        delay_ms = {{ fixed = 3 }}
        [[fault]]
        drop = {{ request_from = \"alice#2\" }}
        [[fault]]
        duplicate = {{ reply_to = \"bob#1\", nth = 2, after_ms = 30 }}
        [[fault]]
        delay = {{ update_to = \"bob\", ms = 4000 }}
        [[fault]]
        drop = {{ update_to = \"bob#1\" }}
        [[fault]]
        partition = {{ between = [\"alice\", \"server\"], at_ms = 100, for_ms = 900 }}
        "
    ));
    let conditions = &variant.conditions;
    assert_eq!(
        conditions.everywhere.delay,
        Delay::Exponential { mean: 8, max: 50 }
    );
    assert_eq!(Some(conditions.everywhere.loss), Probability::new(0.5));
    let link = conditions.links[&(HostId(0), HostId(2))];
    assert_eq!(Some(link.loss), Probability::new(1.0));
    assert_eq!(link.delay, Delay::Fixed(3));
    assert_eq!(link.duplication, Probability::NEVER);

    let target = |label, nth| Target { label, nth };
    assert_eq!(
        conditions.faults,
        [
            Fault::Drop(target(Selector::RequestFrom(operation(1, 2)), 1)),
            Fault::Duplicate(
                target(Selector::ReplyTo(operation(2, 1)), 2),
                Duration::from_millis(30)
            ),
            Fault::Delay(
                target(Selector::UpdateToClient(HostId(2)), 1),
                Duration::from_secs(4)
            ),
            Fault::Drop(target(Selector::UpdateTo(operation(2, 1)), 1)),
            Fault::Partition(Partition {
                between: (HostId(1), HostId(0)),
                from: Time::from_ms(100),
                until: Time::from_ms(1_000),
                one_way: false,
                streams: Streams::Wait,
            }),
        ]
    );
}

/// The faults that these tables describe, each a line of a scenario.
fn faults(tables: &[&str]) -> Vec<Fault> {
    let tables = tables.iter().map(|table| format!("[[fault]]\n{table}\n"));
    let text = format!("{HEAD}{CLIENTS}{}", tables.collect::<String>());
    only_variant(&text).conditions.faults.clone()
}

#[test]
fn a_crash_has_a_time_an_event_or_a_disk_operation() {
    let at = |host, when| Crash {
        host: HostId(host),
        when,
        disk_operation: None,
        restart_after: None,
        disk: DiskFate::Keep,
    };
    let after = |word, operation, nth| {
        When::After(Trigger {
            word,
            operation,
            nth,
        })
    };
    let uniform = |min, max| Chosen::Uniform { min, max };
    let crashes = [
        (
            r#"crash = { host = "server", at_ms = 500 }"#,
            at(0, When::At(Chosen::Fixed(500))),
        ),
        (
            r#"crash = { host = "alice", at_ms = { uniform = [500, 20000] }, disk = "keep" }"#,
            at(1, When::At(uniform(500, 20_000))),
        ),
        (
            r#"crash = { host = "server", after = "execute alice#2", restart_after_ms = 1 }"#,
            Crash {
                restart_after: Some(Duration::from_millis(1)),
                ..at(0, after("execute", operation(1, 2), 1))
            },
        ),
        (
            r#"crash = { host = "server", after = "in-progress  bob#1", nth = 2, disk = "lose" }"#,
            Crash {
                disk: DiskFate::Lose,
                ..at(0, after("in-progress", operation(2, 1), 2))
            },
        ),
        (
            r#"crash = { host = "server", disk_operation = 7, disk = "tear" }"#,
            Crash {
                disk_operation: Some(Chosen::Fixed(7)),
                disk: DiskFate::Tear,
                ..at(0, When::At(Chosen::Fixed(0)))
            },
        ),
        (
            r#"crash = { host = "server", at_ms = 0, disk_operation = { uniform = [1, 40] }, disk = "lie" }"#,
            Crash {
                disk_operation: Some(uniform(1, 40)),
                disk: DiskFate::Lie,
                ..at(0, When::At(Chosen::Fixed(0)))
            },
        ),
        (
            r#"crash = { host = "server", after = "receive bob#1", disk_operation = { uniform = [3, 3] } }"#,
            Crash {
                disk_operation: Some(uniform(3, 3)),
                ..at(0, after("receive", operation(2, 1), 1))
            },
        ),
    ];
    assert_eq!(
        faults(&crashes.each_ref().map(|(table, _)| *table)),
        crashes.map(|(_, crash)| Fault::Crash(crash))
    );
}

#[test]
fn every_word_of_a_trace_that_is_about_an_operation_can_be_waited_for() {
    let words = Event::WORDS.map(|(word, _)| word);
    for word in words {
        if Event::WORDS_OF_NO_OPERATION.contains(&word) {
            continue;
        }
        let table = format!("crash = {{ host = \"server\", after = \"{word} bob#1\" }}");
        let [Fault::Crash(crash)] = &faults(&[&table])[..] else {
            panic!("one crash")
        };
        let trigger = Trigger {
            word,
            operation: operation(2, 1),
            nth: 1,
        };
        assert_eq!(crash.when, When::After(trigger));
    }
}

#[test]
fn a_partition_says_what_becomes_of_connections_and_a_reset_ends_them_at_a_time() {
    let partition = |streams| {
        Fault::Partition(Partition {
            between: (HostId(1), HostId(2)),
            from: Time::from_ms(5),
            until: Time::from_ms(9),
            one_way: false,
            streams,
        })
    };
    let reset = |at| {
        Fault::Reset(Reset {
            between: (HostId(1), HostId(0)),
            at,
        })
    };
    let cut = "partition = { between = [\"alice\", \"bob\"], at_ms = 5, for_ms = 4";
    let between = "reset = { between = [\"alice\", \"server\"], at_ms =";
    assert_eq!(
        faults(&[
            &format!("{cut}, streams = \"wait\" }}"),
            &format!("{cut}, streams = \"reset\" }}"),
            &format!("{between} 100 }}"),
            &format!("{between} {{ uniform = [3, 8] }} }}"),
        ]),
        [
            partition(Streams::Wait),
            partition(Streams::Reset),
            reset(Chosen::Fixed(100)),
            reset(Chosen::Uniform { min: 3, max: 8 }),
        ]
    );
}

#[test]
fn a_pause_has_a_time_and_a_length() {
    let pause = |at| {
        Fault::Pause(Pause {
            host: HostId(1),
            at,
            span: Duration::from_secs(3),
        })
    };
    assert_eq!(
        faults(&[
            r#"pause = { host = "alice", at_ms = 500, for_ms = 3000 }"#,
            r#"pause = { host = "alice", at_ms = { uniform = [0, 9] }, for_ms = 3000 }"#,
        ]),
        [
            pause(Chosen::Fixed(500)),
            pause(Chosen::Uniform { min: 0, max: 9 })
        ]
    );
}

#[test]
fn a_skew_has_an_offset_a_rate_or_both() {
    let skew = |host, offset_ms, rate_ppm| {
        Fault::Skew(Skew {
            host: HostId(host),
            offset_ms,
            rate_ppm,
        })
    };
    assert_eq!(
        faults(&[
            r#"skew = { host = "server", offset_ms = 250, rate = 1.01 }"#,
            r#"skew = { host = "alice", offset_ms = -3600000 }"#,
            r#"skew = { host = "bob", rate = 0.999999 }"#,
        ]),
        [
            skew(0, 250, 1_010_000),
            skew(1, -3_600_000, 1_000_000),
            skew(2, 0, 999_999)
        ]
    );
    assert_eq!(
        faults(&[
            r#"skew = { host = "server", offset_ms = 3600000, rate = 2 }"#,
            r#"skew = { host = "alice", rate = 0.5 }"#,
        ]),
        [skew(0, 3_600_000, 2_000_000), skew(1, 0, 500_000)]
    );
}
