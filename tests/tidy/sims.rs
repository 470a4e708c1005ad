//! Scenarios and snapshots belong together: one snapshot for each variant, and none that is left over.

use std::collections::BTreeSet;

use crate::source::{Finding, line_of};

/// How many lines of trace a snapshot must stay below: more is no document that somebody reads.
const TRACE_LINES_LIMIT: usize = 200;

/// What is wrong with these files of sims/ and snapshots/, given as path and text.
pub(crate) fn check(sims: &[(String, String)], snapshots: &[(String, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut expected = BTreeSet::new();
    let present: BTreeSet<&str> = snapshots.iter().map(|(path, _)| path.as_str()).collect();
    for (path, text) in sims.iter().filter(|(path, _)| path.ends_with(".toml")) {
        match expected_snapshots(path, text) {
            Ok(paths) => {
                let missing = paths.iter().filter(|snap| !present.contains(snap.as_str()));
                findings.extend(missing.map(|snap| Finding::new(path, 1, fix_missing(snap))));
                expected.extend(paths);
            }
            Err(finding) => findings.push(finding),
        }
    }
    for (path, text) in snapshots.iter().filter(|(path, _)| path.ends_with(".snap")) {
        if !expected.contains(path) {
            let fix = "no variant of a scenario in sims/ has this snapshot: delete it, or rename it \
                       together with its scenario";
            findings.push(Finding::new(path, 1, fix));
        }
        let lines = trace_lines(text);
        if lines >= TRACE_LINES_LIMIT {
            let fix = format!(
                "{lines} lines of trace, fewer than {TRACE_LINES_LIMIT} can be read: tell a shorter story"
            );
            findings.push(Finding::new(path, 1, fix));
        }
    }
    findings
}

fn fix_missing(snapshot: &str) -> String {
    format!(
        "`{snapshot}` is missing: run `INSTA_UPDATE=always cargo test --test snapshots`, read it, \
         and add it"
    )
}

/// The snapshots of a scenario: one for each variant, `default` if there are none.
fn expected_snapshots(path: &str, text: &str) -> Result<Vec<String>, Finding> {
    let scenario: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        Finding::new(path, line, error.message())
    })?;
    let variants: Vec<&str> = match scenario.get("variants").and_then(toml::Value::as_table) {
        Some(variants) if !variants.is_empty() => variants.keys().map(String::as_str).collect(),
        _ => vec!["default"],
    };
    let story = path.trim_start_matches("sims/").trim_end_matches(".toml");
    let snapshot = |variant| format!("snapshots/{story}.{variant}.snap");
    Ok(variants.into_iter().map(snapshot).collect())
}

/// The lines of a snapshot below its header, which stands between two lines `---`.
fn trace_lines(text: &str) -> usize {
    let header = text.strip_prefix("---\n");
    let body = header.and_then(|rest| rest.split_once("\n---\n"));
    body.map_or(text, |(_, body)| body).lines().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = "[variants]\nmaybe = {}\nat-most-once = { semantics = \"x\" }\n";

    fn findings(sims: &[(&str, &str)], snapshots: &[(&str, &str)]) -> Vec<String> {
        let owned = |files: &[(&str, &str)]| -> Vec<(String, String)> {
            let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
            files.iter().map(own).collect()
        };
        let found = check(&owned(sims), &owned(snapshots));
        found
            .iter()
            .map(|f| format!("{}:{}", f.path, f.line))
            .collect()
    }

    #[test]
    fn complete_pairs_are_fine() {
        let sims = [
            ("sims/booking/a.toml", SCENARIO),
            ("sims/booking/b.toml", "seed = 7"),
            ("sims/scenario.schema.json", "{}"),
        ];
        let snapshots = [
            ("snapshots/booking/a.at-most-once.snap", ""),
            ("snapshots/booking/a.maybe.snap", ""),
            ("snapshots/booking/b.default.snap", ""),
        ];
        assert_eq!(findings(&sims, &snapshots), [""; 0]);
    }

    #[test]
    fn a_variant_without_snapshot_is_found() {
        let snapshots = [("snapshots/booking/a.maybe.snap", "")];
        let found = findings(&[("sims/booking/a.toml", SCENARIO)], &snapshots);
        assert_eq!(found, ["sims/booking/a.toml:1"]);
    }

    #[test]
    fn a_snapshot_without_variant_is_found() {
        let snapshots = [
            ("snapshots/booking/a.at-most-once.snap", ""),
            ("snapshots/booking/a.default.snap", ""),
            ("snapshots/booking/a.maybe.snap", ""),
            ("snapshots/booking/gone.maybe.snap", ""),
        ];
        let found = findings(&[("sims/booking/a.toml", SCENARIO)], &snapshots);
        let orphans = [
            "snapshots/booking/a.default.snap:1",
            "snapshots/booking/gone.maybe.snap:1",
        ];
        assert_eq!(found, orphans);
    }

    #[test]
    fn a_scenario_that_is_no_toml_is_found_on_its_line() {
        let found = findings(&[("sims/booking/a.toml", "seed = 7\nstory = \n")], &[]);
        assert_eq!(found, ["sims/booking/a.toml:2"]);
    }

    #[test]
    fn a_trace_that_nobody_would_read_is_found() {
        let sims = [("sims/booking/a.toml", "")];
        let snapshot = |lines: usize| format!("---\nsource: x\n---\n{}", "line\n".repeat(lines));
        let path = "snapshots/booking/a.default.snap";
        assert_eq!(findings(&sims, &[(path, &snapshot(199))]), [""; 0]);
        assert_eq!(
            findings(&sims, &[(path, &snapshot(200))]),
            [format!("{path}:1")]
        );
    }
}
