//! Every scenario of `sims/`, as a test of its own: run on each of its simulators, its expectations
//! held, and its traces compared with the reviewed snapshots.
//!
//! `cargo test` reports a difference; `INSTA_UPDATE=always cargo test --test snapshots` writes what
//! is new, to be read in the diff before it is committed.

use std::path::Path;

use wavetank::services::catalogue;
use wavetank::sim::report;
use wavetank::sim::scenario::{Scenario, Variant};
use wavetank::trace::{Detail, text};

fn tells_its_story(path: &Path) -> datatest_stable::Result<()> {
    let scenario = Scenario::load(path, &catalogue())?;
    for variant in &scenario.variants {
        let told: Vec<String> = variant
            .backends
            .iter()
            .map(|&backend| {
                let report = report::run(variant, scenario.seed, backend, Detail::Trace)?;
                let trace = text::write(&report.trace(&scenario, variant, scenario.seed));
                match report.broken.is_empty() {
                    true => Ok(trace),
                    false => Err(format!("{}\n\n{trace}", report.broken.join("\n")).into()),
                }
            })
            .collect::<datatest_stable::Result<_>>()?;
        for other in &told[1..] {
            assert_eq!(told[0], *other, "the simulators tell different stories");
        }
        assert_snapshot(&scenario, variant, &told[0]);
    }
    Ok(())
}

/// `snapshots/SERVICE/STORY.VARIANT.snap`
fn assert_snapshot(scenario: &Scenario, variant: &Variant, trace: &str) {
    let (service, story) = scenario
        .name
        .rsplit_once('/')
        .unwrap_or(("", &scenario.name));
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("snapshots")
            .join(service),
    );
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(format!(
        "reproduce: wavetank run {} --trace text",
        scenario.file
    ));
    settings.bind(|| insta::assert_snapshot!(format!("{story}.{}", variant.name), trace));
}

datatest_stable::harness! {
    { test = tells_its_story, root = "sims", pattern = r"\.toml$" },
}
