//! A main server and data servers on a bad network, with a crash at any step.
//!
//! Registrations are to be all or nothing on every server, whatever is lost, doubled, delayed or overtaken, and
//! whoever crashes: before a step is stored, after it with nothing or some of it sent. Nobody's time is
//! given twice, what clients were told is what the specification tells, and what servers say of their parts is
//! what they have. Each protection that is left out is found out.

use super::cluster_storm_tests::{Cluster, Crash, Crashes, SERVERS};
use super::message::{Meeting, Reply, Request};
use super::settings::Protection;
use super::times::Interval;

/// The first faults of so many runs, each with its seed.
fn faults(seeds: u64, without: &[Protection]) -> Vec<String> {
    let mut found = Vec::new();
    for seed in 0..seeds {
        let mut cluster = Cluster::new(seed, without, Crashes::Often(25));
        cluster.live();
        let faults = cluster.faults();
        found.extend(faults.first().map(|fault| format!("seed {seed}: {fault}")));
    }
    found
}

#[test]
fn registrations_are_all_or_nothing_whatever_is_lost_and_whoever_crashes() {
    assert_eq!(faults(400, &[]), [""; 0]);
}

#[test]
fn without_a_protection_some_are_half_done() {
    for protection in Protection::ALL {
        let found = faults(500, &[protection]);
        let half_done = found.iter().filter(|fault| fault.contains("half done"));
        assert!(half_done.count() > 0, "{protection:?}: {found:?}");
    }
}

#[test]
fn storms_are_no_calm() {
    let (mut registered, mut refused, mut unknown) = (0, 0, 0);
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed, &[], Crashes::Often(25));
        cluster.live();
        registered += cluster.count(|reply| matches!(reply, Reply::Registered(_)));
        refused += cluster.count(|reply| matches!(reply, Reply::Refused(_)));
        unknown += cluster
            .calls
            .iter()
            .filter(|timed| timed.ended.is_none())
            .count();
    }
    let least = registered.min(refused).min(unknown);
    assert!(
        least > 10,
        "{registered} registered, {refused} refused, {unknown} unknown"
    );
}

/// Two registrations that want the same time of ann, on a network that loses nothing.
fn two_registrations(crashes: Crashes) -> Cluster {
    let mut cluster = Cluster::new(1, &[], crashes);
    (cluster.loss, cluster.doubles) = (0, 0);
    cluster.advance(300);
    for names in [["ann", "cat"], ["dan", "ann"]] {
        let names = names.map(str::to_owned).into();
        let stretch = Interval::new(4, 5).unwrap();
        cluster.call(&Request::Register(Meeting { stretch, names }));
        cluster.advance(20);
    }
    cluster.end();
    cluster
}

#[test]
fn a_crash_at_any_step_of_any_server_leaves_all_or_nothing() {
    let mut calm = two_registrations(Crashes::Never);
    assert_eq!(calm.faults(), [""; 0]);
    assert_eq!(calm.count(|reply| matches!(reply, Reply::Registered(_))), 1);
    let mut runs = 0;
    for place in 0..SERVERS {
        let steps = calm.steps[usize::from(place)];
        for step in 1..=steps {
            let crashes = [
                Crash::Before,
                Crash::After(0),
                Crash::After(1),
                Crash::After(2),
            ];
            for crash in crashes {
                let mut cluster = two_registrations(Crashes::Once(place, step, crash));
                assert_eq!(
                    cluster.faults(),
                    [""; 0],
                    "server {place}, step {step}, {crash:?}"
                );
                runs += 1;
            }
        }
    }
    assert!(runs > 100, "{runs}");
}
