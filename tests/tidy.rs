//! The rules of the house that clippy cannot say.
//!
//! Each test reads the tree as text and lists what breaks a rule, as `file:line: what to do instead`.
//! Nothing is compiled, run or asked of git. Each rule is a function from text to findings, and is
//! tested beside its definition on examples that break it: a check that cannot fail is no check.

#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/sims.rs"]
mod sims;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/texts.rs"]
mod texts;
#[path = "tidy/words.rs"]
mod words;

use layers::Layers;
use source::{Finding, Source, read_tree};

/// Fails with every finding, one to a line.
fn assert_tidy(findings: impl IntoIterator<Item = Finding>) {
    let lines: Vec<String> = findings.into_iter().map(|f| f.to_string()).collect();
    assert!(
        lines.is_empty(),
        "\n{}\n{} finding(s)",
        lines.join("\n"),
        lines.len()
    );
}

/// The Rust files below these directories.
fn rust_files(directories: &[&str]) -> Vec<Source> {
    directories
        .iter()
        .flat_map(|directory| read_tree(directory))
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| Source::new(&path, &text))
        .collect()
}

#[test]
fn the_walk_finds_the_source() {
    let paths: Vec<String> = rust_files(&["src", "tests"])
        .into_iter()
        .map(|source| source.path)
        .collect();
    for known in ["src/lib.rs", "src/net/mod.rs", "tests/tidy/source.rs"] {
        assert!(paths.iter().any(|path| path == known), "{known} is missing");
    }
}

#[test]
fn imports_go_down_only() {
    let sources = rust_files(&["src"]);
    let layers = Layers::of(sources.iter().map(|source| source.path.as_str()));
    assert_tidy(sources.iter().flat_map(|source| layers.check(source)));
}

#[test]
fn names_stay_in_their_places() {
    let sources = rust_files(&["src"]);
    assert_tidy(sources.iter().flat_map(words::misplaced));
}

#[test]
fn banned_words_are_absent() {
    let sources = rust_files(&["src"]);
    assert_tidy(sources.iter().flat_map(words::banned));
}

#[test]
fn selects_are_biased() {
    let sources = rust_files(&["src", "tests", "benches", "examples"]);
    assert_tidy(sources.iter().flat_map(words::unbiased_selects));
}

#[test]
fn no_test_is_ignored() {
    let sources = rust_files(&["src", "tests", "benches"]);
    assert_tidy(sources.iter().flat_map(words::ignored_tests));
}

#[test]
fn state_machines_are_pure() {
    let sources = rust_files(&["src"]);
    assert_tidy(sources.iter().flat_map(words::impure));
}

#[test]
fn files_are_short() {
    let sources = rust_files(&["src"]);
    assert_tidy(sources.iter().filter_map(words::too_long));
}

#[test]
fn files_say_what_they_are() {
    let sources = rust_files(&["src", "tests", "benches", "examples"]);
    assert_tidy(sources.iter().filter_map(words::undocumented));
}

#[test]
fn every_variant_has_its_snapshot_and_every_snapshot_its_variant() {
    assert_tidy(sims::check(&read_tree("sims"), &read_tree("snapshots")));
}

#[test]
fn the_changelog_knows_this_version() {
    let changelog = source::read("CHANGELOG.md");
    assert_tidy(texts::changelog(&changelog, env!("CARGO_PKG_VERSION")));
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    let files = texts::PLACES.iter().flat_map(|place| read_tree(place));
    assert_tidy(files.flat_map(|(path, text)| texts::machine_paths(&path, &text)));
}
