//! The documents tell the truth: what they quote, name and link to is there, and what they show is
//! what the program prints.
//!
//! The first word after the fence of a code block says how it is checked: `toml` is a whole scenario,
//! `snapshot STORY.VARIANT` an excerpt of a trace, `console` a command and what it prints on stdout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wavetank::services::catalogue;
use wavetank::sim::report;
use wavetank::sim::scenario::{Backend, Scenario};
use wavetank::trace::Detail;

/// A code block between fences.
struct Block {
    /// What stands after the opening fence, such as `snapshot storm.maybe`.
    info: String,
    body: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// README.md, ARCHITECTURE.md and all of docs/, each with its path.
fn documents() -> Vec<(PathBuf, String)> {
    let in_docs = fs::read_dir(root().join("docs")).unwrap();
    let mut paths: Vec<PathBuf> = in_docs.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.extend(["README.md", "ARCHITECTURE.md"].map(|name| root().join(name)));
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let body = lines.by_ref().take_while(|line| *line != "```");
            found.push(Block {
                info: info.to_owned(),
                body: body.map(|line| format!("{line}\n")).collect(),
            });
        }
    }
    found
}

/// The bodies of the blocks of this kind, each with what else its fence says.
fn blocks_of_kind(text: &str, kind: &str) -> Vec<(String, String)> {
    let of_kind = |block: Block| {
        let (first, rest) = block.info.split_once(' ').unwrap_or((&block.info, ""));
        (first == kind).then(|| (rest.to_owned(), block.body))
    };
    blocks(text).into_iter().filter_map(of_kind).collect()
}

/// Whether these lines stand in the text, one below the other.
fn holds_lines(text: &str, lines: &str) -> bool {
    !lines.is_empty() && format!("\n{text}").contains(&format!("\n{lines}"))
}

#[test]
fn the_two_commands_stand_in_the_readme() {
    let readme = text("README.md");
    for command in ["cargo run --release -- run sims", "cargo test"] {
        let line = format!("    {command}\n");
        assert!(holds_lines(&readme, &line), "no line `{command}`");
    }
}

#[test]
fn trace_excerpts_are_lines_of_their_snapshots() {
    let readme = text("README.md");
    let excerpts = blocks_of_kind(&readme, "snapshot");
    assert!(excerpts.len() >= 2, "a trace pair is missing");
    for (name, body) in excerpts {
        let snapshot = text(&format!("snapshots/booking/{name}.snap"));
        assert!(holds_lines(&snapshot, &body), "not in {name}:\n{body}");
    }
}

#[test]
fn every_trace_in_a_block_of_the_readme_names_its_snapshot() {
    for block in blocks(&text("README.md")) {
        let is_trace = block.body.contains("  server  execute  ");
        assert!(
            !is_trace || block.info.starts_with("snapshot "),
            "{}",
            block.body
        );
    }
}

#[test]
fn commands_print_what_the_readme_shows() {
    for (_, body) in blocks_of_kind(&text("README.md"), "console") {
        let (command, shown) = body.split_once('\n').unwrap();
        let arguments = command.strip_prefix("$ wavetank ").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_wavetank"))
            .args(arguments.split(' '))
            .current_dir(root())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(
            holds_lines(&printed, shown),
            "{command} printed\n{printed}\nand not\n{shown}"
        );
    }
}

#[test]
fn scenarios_in_the_documents_do_what_they_expect() {
    let mut count = 0;
    for (path, text) in documents() {
        for (_, body) in blocks_of_kind(&text, "toml") {
            count += 1;
            let file = path.file_name().unwrap().to_string_lossy();
            let scenario = Scenario::parse(&file, &body, &catalogue())
                .unwrap_or_else(|error| panic!("{error} in\n{body}"));
            for variant in &scenario.variants {
                let detail = Detail::Trace;
                let report =
                    report::run(variant, scenario.seed, Backend::Event, detail).expect("a run");
                let broken = report.broken.join("\n");
                assert!(broken.is_empty(), "{}: {broken} in\n{body}", variant.name);
            }
        }
    }
    assert!(count >= 2, "the documents show {count} scenarios");
}

#[test]
fn links_lead_to_files_and_headings() {
    for (path, text) in documents() {
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = match file {
                "" => path.clone(),
                _ => path.parent().unwrap().join(file),
            };
            assert!(linked.exists(), "{}: no file {target}", path.display());
            let found = heading.is_empty() || headings(&linked).iter().any(|each| each == heading);
            assert!(found, "{}: no heading {target}", path.display());
        }
    }
}

/// The names by which the headings of a document are linked to.
fn headings(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let name = |line: &str| -> String {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        words
            .chars()
            .filter(kept)
            .collect::<String>()
            .replace(' ', "-")
    };
    headings.map(name).collect()
}

#[test]
fn the_scenario_files_that_are_named_exist() {
    let mut count = 0;
    for (path, text) in documents() {
        let words = text.split(|c: char| c.is_whitespace() || "`,;:()".contains(c));
        for word in words.filter(|word| word.starts_with("sims/") && word.ends_with(".toml")) {
            // STORY and `*` stand for names, and the worked example of docs/trace.md is in no file.
            if word.contains("STORY")
                || word.contains('*')
                || word == "sims/booking/retransmitted-cancel.toml"
            {
                continue;
            }
            count += 1;
            assert!(root().join(word).exists(), "{}: {word}", path.display());
        }
    }
    assert!(count > 0, "no document names a scenario");
}

#[test]
fn the_walk_through_the_bank_shows_its_files() {
    let document = text("docs/your-own-service.md");
    let bank = text("examples/bank.rs");
    let parts = [
        (bank.clone(), blocks_of_kind(&document, "rust")),
        (
            text("examples/bank.toml"),
            blocks_of_kind(&document, "scenario"),
        ),
    ];
    let mut shown = 0;
    for (file, blocks) in parts {
        for (_, body) in blocks {
            assert!(file.contains(&body), "not in the example:\n{body}");
            shown += 1;
        }
    }
    assert!(shown >= 5, "{shown} excerpts");
    assert!(
        bank.lines().count() < 150,
        "the page promises less than 150 lines"
    );
}
