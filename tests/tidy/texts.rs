//! Rules for all texts, not only for code.

use crate::source::{Finding, is_name, line_of};

/// The files and directories whose texts are read. What Cargo writes is not among them.
pub(crate) const PLACES: [&str; 13] = [
    ".ci",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.toml",
    "README.md",
    "benches",
    "clippy.toml",
    "docs",
    "examples",
    "sims",
    "snapshots",
    "src",
    "tests",
];

/// Directories at the root of a file system that differ from one machine to the next.
const MACHINE_ROOTS: [&str; 4] = ["home", "root", "Users", "work"];

/// A changelog that knows neither of changes to come nor of this version.
pub(crate) fn changelog(text: &str, version: &str) -> Option<Finding> {
    let headings = ["## [Unreleased]".to_owned(), format!("## [{version}]")];
    let known = |line: &str| {
        headings
            .iter()
            .any(|heading| line.starts_with(heading.as_str()))
    };
    (!text.lines().any(known)).then(|| {
        let [unreleased, released] = &headings;
        let fix = format!("add the heading `{unreleased}` or `{released}`");
        Finding::new("CHANGELOG.md", 1, fix)
    })
}

/// Absolute paths that only exist on one machine.
pub(crate) fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    let found = MACHINE_ROOTS.iter().flat_map(|root| {
        let needle = format!("/{root}/");
        let places: Vec<usize> = text.match_indices(&needle).map(|(at, _)| at).collect();
        places.into_iter().filter(|at| begins_path(text, *at))
    });
    let fix = "a path of one machine: write it relative to the repository";
    found
        .map(|at| Finding::new(path, line_of(text, at), fix))
        .collect()
}

/// Whether the slash at `at` begins a path, and is not inside a relative one or an address.
fn begins_path(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    !before.is_some_and(|c| is_name(c) || matches!(c, '.' | '-' | '~' | '}' | ')' | '>' | '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_needs_a_heading_for_this_version_or_the_next() {
        assert!(changelog("# Changelog\n\n## [Unreleased]\n", "1.2.3").is_none());
        assert!(changelog("## [1.2.3] - 2026-01-01\n", "1.2.3").is_none());
        assert!(changelog("## [1.2.2]\nUnreleased 1.2.3\n", "1.2.3").is_some());
    }

    #[test]
    fn paths_of_a_machine_are_found_on_their_line() {
        for root in MACHINE_ROOTS {
            for before in ["", " ", "\"", "`", "file://", "--data="] {
                let text = format!("one\n{before}/{root}/x");
                let found = machine_paths("docs/x.md", &text);
                assert_eq!(found.len(), 1, "{text}");
                assert_eq!(found[0].line, 2);
            }
        }
    }

    #[test]
    fn other_paths_are_fine() {
        for root in MACHINE_ROOTS {
            for before in ["src", "..", "~", "${DIR}", "https://example.org"] {
                let text = format!("{before}/{root}/x");
                assert_eq!(machine_paths("docs/x.md", &text), [], "{text}");
            }
        }
    }
}
