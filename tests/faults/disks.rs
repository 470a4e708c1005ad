//! Several crashes of one host with one disk.

use wavetank::seed::Seed;
use wavetank::services::catalogue;
use wavetank::sim::report::{self, Report};
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::trace::Detail;

/// Alice books four times on a durable server; the last request comes at 6 s. These crashes happen.
fn booked(crashes: &[&str]) -> Vec<(String, Report)> {
    let mut file = r#"
story = "Alice books while the server crashes."
service = "booking"
seed = 7
semantics = "at-most-once"
state = "disk"
reply_cache = "durable"
timeout_ms = 100
attempts = 20
[clients]
alice = [
    "book 'Meeting Room A' mon 08:00-09:00", "wait 2s", "book 'Meeting Room A' tue 08:00-09:00", "wait 2s",
    "book 'Meeting Room A' wed 08:00-09:00", "wait 2s", "book 'Meeting Room A' thu 08:00-09:00",
]
[expect.default]
final = { "query 'Meeting Room A' all" = "" }
"#
    .to_owned();
    for crash in crashes {
        let crash = format!("host = \"server\", restart_after_ms = 50, {crash}");
        file.push_str(&format!("[[fault]]\ncrash = {{ {crash} }}\n"));
    }
    let scenario = Scenario::parse("disks.toml", &file, &catalogue());
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let variant = &scenario.variants[0];
    let runs = Backend::ALL.map(|backend| {
        let report = report::run(variant, Seed(7), backend, Detail::Trace).unwrap();
        let trace = report.trace(&scenario, variant, Seed(7));
        (wavetank::trace::text::write(&trace), report)
    });
    assert_eq!(runs[0].0, runs[1].0, "both simulators tell the same story");
    runs.into()
}

/// The effects that alice was told of and that are gone.
fn effects(runs: &[(String, Report)]) -> bool {
    let verdicts = &runs[0].1.verdicts;
    verdicts
        .iter()
        .all(|(_, verdict)| verdict.evidence().is_empty())
}

#[test]
fn a_disk_that_lies_is_found_out_by_a_later_crash_too() {
    assert!(effects(&booked(&[r#"at_ms = 3000, disk = "lose""#])));
    for earlier in ["keep", "lie"] {
        let earlier = format!(r#"at_ms = 1000, disk = "{earlier}""#);
        let lying = r#"at_ms = 5000, disk = "lie""#;
        let runs = booked(&[&earlier, lying]);
        assert!(!effects(&runs), "{}", runs[0].0);
        let lost = runs[0]
            .0
            .lines()
            .filter(|line| line.contains("5000  server  crash"));
        let lost: Vec<&str> = lost.collect();
        assert!(lost[0].contains("sectors lost"), "{lost:?}");
    }
}

#[test]
fn a_crash_inside_a_disk_operation_comes_in_spite_of_crashes_before() {
    let inside = "disk_operation = 20";
    let alone = booked(&[inside]);
    assert_eq!(alone[0].0.matches("inside a disk operation").count(), 1);
    for others in [
        &["at_ms = 1000"][..],
        &["disk_operation = 3"],
        &["disk_operation = 25", "disk_operation = 3", "at_ms = 1000"],
    ] {
        let crashes: Vec<&str> = [inside].iter().chain(others).copied().collect();
        let runs = booked(&crashes);
        let (trace, report) = &runs[0];
        assert_eq!(trace.matches("  crash  ").count(), crashes.len(), "{trace}");
        assert!(report.run.idle_faults.is_empty(), "{trace}");
        assert!(effects(&runs), "{trace}");
    }
}
