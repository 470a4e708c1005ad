//! Disks of hosts that crash: what a new life finds there.

use std::time::Duration;

use wavetank::clock::Time;
use wavetank::disk::{Batch, DiskFate};
use wavetank::id::HostId;
use wavetank::net::conditions::{Conditions, Fault};
use wavetank::net::faults::{Chosen, Crash, When};
use wavetank::net::recv_until;

use crate::tank::{Named, PORT, fixed_delay, host, run_on_both, sender, tell};

/// A server that counts datagrams, one by one, on its disk.
fn hosts() -> Vec<Named> {
    let server = host("server", |host| async move {
        let mut store = match host.open_store() {
            Ok(store) => store,
            Err(error) => return tell(&host, &error.to_string()),
        };
        let mut count = match store.records(b"count") {
            Ok(found) => found.first().map_or(0, |(_, count)| count[0]),
            Err(error) => return tell(&host, &error.to_string()),
        };
        tell(&host, &format!("found {count}"));
        let mut socket = host.bind(PORT).unwrap();
        let mut timer = host.timer();
        loop {
            recv_until(&mut *socket, &mut *timer, Time::NEVER).await;
            count += 1;
            let mut batch = Batch::default();
            batch.put(b"count", &[count]);
            let committed = store.commit(&batch).is_ok();
            tell(&host, &format!("counted {count}: {committed}"));
        }
    });
    vec![server, sender(&[2, 3, 4, 10, 11])]
}

/// What the server tells if it crashes so.
fn told(crashes: &[Crash]) -> Vec<String> {
    let faults = crashes.iter().cloned().map(Fault::Crash).collect();
    let conditions = Conditions {
        faults,
        ..fixed_delay(1)
    };
    let lines = run_on_both(hosts, &conditions, 20);
    let of_server = lines.iter().filter_map(|line| {
        let (ms, text) = line.split_once(" host0: ")?;
        Some(format!("{ms} {text}"))
    });
    of_server.collect()
}

const fn crash(at_ms: u64, disk_operation: Option<u64>, disk: DiskFate) -> Crash {
    Crash {
        host: HostId(0),
        when: When::At(Chosen::Fixed(at_ms)),
        disk_operation: match disk_operation {
            Some(nth) => Some(Chosen::Fixed(nth)),
            None => None,
        },
        restart_after: Some(Duration::from_millis(3)),
        disk,
    }
}

#[test]
fn what_was_committed_is_found_after_a_crash() {
    for fate in [DiskFate::Keep, DiskFate::Lose, DiskFate::Tear] {
        let told = told(&[crash(6, None, fate)]);
        assert_eq!(
            told,
            [
                "0 found 0",
                "3 counted 1: true",
                "4 counted 2: true",
                "5 counted 3: true",
                "6 crash",
                "9 restart",
                "9 found 3",
                "11 counted 4: true",
                "12 counted 5: true",
            ],
            "{fate:?}"
        );
    }
}

#[test]
fn a_host_dies_inside_the_operation_in_which_its_disk_fails() {
    let told = told(&[crash(4, Some(1), DiskFate::Lose)]);
    assert_eq!(
        told,
        [
            "0 found 0",
            "3 counted 1: true",
            "4 crash in its disk",
            "5 lost from host1: down",
            "7 restart",
            "7 found 1",
            "11 counted 2: true",
            "12 counted 3: true",
        ]
    );
}

#[test]
fn a_torn_commit_is_found_whole_or_not_at_all() {
    for nth in 1..6 {
        let told = told(&[crash(4, Some(nth), DiskFate::Tear)]);
        let found = told.iter().rfind(|line| line.contains("found"));
        let found = found.unwrap_or_else(|| panic!("operation {nth}: {told:?}"));
        // A commit may take fewer operations: then the next one dies, and what it answers is 2.
        assert!(
            ["found 1", "found 2", "found 3"]
                .iter()
                .any(|text| found.ends_with(text)),
            "operation {nth}: {told:?}"
        );
        assert!(
            told.iter().any(|line| line.contains("crash in its disk")),
            "{told:?}"
        );
    }
}

#[test]
fn a_disk_that_lied_has_nothing_of_what_it_said_was_safe() {
    let told = told(&[crash(6, None, DiskFate::Lie)]);
    assert!(told.contains(&"5 counted 3: true".to_owned()), "{told:?}");
    assert!(told.contains(&"9 found 0".to_owned()), "{told:?}");
    let crash = told.iter().find(|line| line.starts_with("6 crash"));
    assert!(crash.unwrap().contains("sectors lost"), "{told:?}");
}

#[test]
fn what_is_chosen_is_drawn_from_the_stream_of_the_fault() {
    let crashed = |crashes: &[Crash]| {
        let told = told(crashes);
        told.into_iter().find(|line| line.contains(" crash"))
    };
    let mut drawn = crash(0, None, DiskFate::Keep);
    drawn.when = When::At(Chosen::Uniform { min: 1, max: 15 });
    let never = crash(10_000, None, DiskFate::Keep);
    let first = crashed(&[drawn.clone()]);
    assert_eq!(first, crashed(&[drawn.clone(), never.clone()]));
    let second = crashed(&[never, drawn]);
    assert!(first.is_some() && second.is_some());
    assert_ne!(first, second, "the second fault has a stream of its own");
}
