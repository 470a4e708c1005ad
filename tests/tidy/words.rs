//! Words that a file must not contain, or must begin with; and how long it may be.

use crate::paths::paths;
use crate::source::{Finding, Source, line_of};

/// Words that have no place in src, each with what to write instead.
const BANNED: [(&str, &str); 6] = [
    ("todo!", "write it, or leave it out until it can be written"),
    (
        "unimplemented!",
        "write it, or return an error that says so",
    ),
    (
        "dbg!",
        "remove it; for lasting insight record a trace event",
    ),
    (
        "HashMap",
        "use `BTreeMap`: iteration order is part of behaviour",
    ),
    (
        "HashSet",
        "use `BTreeSet`: iteration order is part of behaviour",
    ),
    (
        "thread_rng",
        "draw from a named stream: `Host::stream`, `Seed`",
    ),
];

/// Macros that write to the terminal.
const PRINTING: [&str; 4] = ["print!", "println!", "eprint!", "eprintln!"];

/// How many lines a file of src may have: past it, a second noun has moved in.
const LINES_MAX: usize = 500;

/// Whether a file is the module at `module` (`src/net/real` is real.rs and what is in real/).
fn is_in(source: &Source, module: &str) -> bool {
    let rest = source.path.strip_prefix(module);
    rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Names that belong to certain files, found elsewhere.
pub(crate) fn misplaced(source: &Source) -> Vec<Finding> {
    let mut findings = misplaced_paths(source);
    if !is_in(source, "src/cli") && source.path != "src/main.rs" {
        for name in PRINTING {
            let fix = format!("`{name}` belongs in src/cli/: return the text, or record an event");
            findings.extend(at_lines(source, source.lines_with(name), &fix));
        }
    }
    findings.extend(misplaced_turmoil(source));
    findings
}

fn misplaced_paths(source: &Source) -> Vec<Finding> {
    let real = is_in(source, "src/net/real");
    let turmoil = is_in(source, "src/net/turmoil");
    let program = is_in(source, "src/cli") || source.path == "src/main.rs";
    let rules: [(&[&str], bool, &str); 4] = [
        (
            &["tokio", "net"],
            real,
            "`tokio::net` belongs in src/net/real.rs: use `net::Datagrams`",
        ),
        (
            &["tokio", "time"],
            real || turmoil,
            "`tokio::time` belongs in src/net/real.rs and src/net/turmoil.rs: use `Host::timer`",
        ),
        (
            &["tokio", "*"],
            false,
            "`tokio::*` hides what is used: name it",
        ),
        (
            &["std", "process", "exit"],
            program,
            "`std::process::exit` belongs in src/cli/: return an error",
        ),
    ];
    let found = paths(source);
    let breaks = rules.iter().filter(|(_, allowed, _)| !allowed);
    breaks
        .flat_map(|(prefix, _, fix)| {
            let named = found.iter().filter(|named| named.starts_with(prefix));
            at_lines(source, named.map(|named| named.line), fix)
        })
        .collect()
}

/// `turmoil` is named in its backend; where a simulation is built, as `net::turmoil`.
fn misplaced_turmoil(source: &Source) -> Vec<Finding> {
    const FIX: &str = "`turmoil` belongs in src/net/turmoil.rs (and src/sim/simulation.rs may name \
                       `net::turmoil`): use the traits of `net`";
    const BACKEND: [&str; 3] = ["crate", "net", "turmoil"];
    if is_in(source, "src/net/turmoil") {
        return Vec::new();
    }
    let found = paths(source);
    let backend = |global: bool| {
        let of_backend = found.iter().any(|named| named.starts_with(&BACKEND));
        source.path == "src/sim/simulation.rs" && of_backend && !global
    };
    let lines = source.places_of("turmoil").filter_map(|at| {
        let before = source.code[..at].trim_end();
        // A leading `::` names the package whatever has been imported.
        let global = before
            .strip_suffix("::")
            .is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        let declared = source.path == "src/net/mod.rs" && before.ends_with("mod");
        (!declared && !backend(global)).then(|| line_of(&source.code, at))
    });
    at_lines(source, lines, FIX)
}

/// Words that have no place in src at all.
pub(crate) fn banned(source: &Source) -> Vec<Finding> {
    let words = BANNED.iter().flat_map(|(word, fix)| {
        at_lines(source, source.lines_with(word), &format!("`{word}`: {fix}"))
    });
    let unwraps = source.lines_with(".unwrap()").into_iter();
    let unwraps = unwraps.filter(|line| !source.is_test(*line));
    let fix = "`.unwrap()`: return an error, or `expect(\"why this cannot happen\")`";
    words.chain(at_lines(source, unwraps, fix)).collect()
}

/// `select!` without `biased;` as its first word.
pub(crate) fn unbiased_selects(source: &Source) -> Vec<Finding> {
    const SELECT: &str = "select!";
    let lines = source.places_of(SELECT).filter_map(|at| {
        let inside = source.code[at + SELECT.len()..].trim_start();
        let inside = inside.trim_start_matches(['{', '(', '[']).trim_start();
        (!inside.starts_with("biased;")).then(|| line_of(&source.code, at))
    });
    let fix = "begin `select!` with `biased;` and explain its order in one line";
    at_lines(source, lines, fix)
}

/// Tests that are switched off.
pub(crate) fn ignored_tests(source: &Source) -> Vec<Finding> {
    let fix = "an ignored test tells nothing: assert the known gap as it is, with a sentence";
    at_lines(source, source.lines_with("#[ignore"), fix)
}

/// Asynchronous code, or the host, in a state machine.
pub(crate) fn impure(source: &Source) -> Vec<Finding> {
    if !is_state_machine(source) {
        return Vec::new();
    }
    let words = ["async", "await"].map(|word| source.lines_with(word));
    let host = paths(source)
        .into_iter()
        .filter(|named| named.starts_with(&["crate", "host"]))
        .map(|named| named.line);
    let lines = words.into_iter().flatten().chain(host);
    let fix = "a state machine is synchronous and pure: take time and chance as arguments, give \
               effects back as values";
    at_lines(source, lines, fix)
}

fn is_state_machine(source: &Source) -> bool {
    const MODULES: [&str; 6] = [
        "src/rpc/reply_cache",
        "src/rpc/retransmit",
        "src/net/conditions",
        "src/net/fate",
        "src/net/segment_fate",
        "src/check",
    ];
    let in_service = source.path.strip_prefix("src/services/");
    let in_service = in_service.and_then(|path| path.split_once('/'));
    in_service.is_some_and(|(_, file)| file == "state.rs" || file.starts_with("state/"))
        || MODULES.iter().any(|module| is_in(source, module))
}

/// A file of src that is too long.
pub(crate) fn too_long(source: &Source) -> Option<Finding> {
    let lines = source.text.lines().count();
    (lines > LINES_MAX).then(|| {
        let fix = format!("{lines} lines, at most {LINES_MAX}: move its second noun to a file");
        Finding::new(&source.path, lines, fix)
    })
}

/// A file that does not begin with its module documentation.
pub(crate) fn undocumented(source: &Source) -> Option<Finding> {
    (!source.text.starts_with("//!")).then(|| {
        let fix = "begin the file with `//!` and a sentence that says what it is";
        Finding::new(&source.path, 1, fix)
    })
}

fn at_lines(source: &Source, lines: impl IntoIterator<Item = usize>, fix: &str) -> Vec<Finding> {
    let finding = |line| Finding::new(&source.path, line, fix);
    lines.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: impl Fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        let findings = rule(&Source::new(path, text));
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn sockets_and_timers_of_tokio_stay_in_the_backends() {
        let text =
            "use tokio::{net::UdpSocket, time};\ntime::sleep(x);\nuse tokio::task::LocalSet;";
        assert_eq!(lines(misplaced, "src/net/event.rs", text), [1, 1, 2]);
        assert_eq!(lines(misplaced, "src/net/turmoil.rs", text), [1]);
        assert_eq!(lines(misplaced, "src/net/real.rs", text), []);
        assert_eq!(lines(misplaced, "src/net/real.rs", "use tokio::*;"), [1]);
    }

    #[test]
    fn only_the_program_prints_and_exits() {
        let text = "println!(1);\neprint!(2);\nuse std::process;\nprocess::exit(3);";
        assert_eq!(lines(misplaced, "src/sim/mod.rs", text), [4, 1, 2]);
        assert_eq!(lines(misplaced, "src/main.rs", text), []);
        assert_eq!(lines(misplaced, "src/cli/run.rs", text), []);
    }

    #[test]
    fn turmoil_is_named_in_its_backend_only() {
        let text = "turmoil::Builder::new();\n// turmoil\nBackend::Turmoil => \"turmoil\"";
        assert_eq!(lines(misplaced, "src/host.rs", text), [1]);
        assert_eq!(lines(misplaced, "src/sim/simulation.rs", text), [1]);
        assert_eq!(lines(misplaced, "src/net/turmoil.rs", text), []);
        assert_eq!(lines(misplaced, "src/net/mod.rs", "pub mod turmoil;"), []);
    }

    #[test]
    fn a_simulation_may_name_the_backend_but_not_the_package() {
        let path = "src/sim/simulation.rs";
        assert_eq!(lines(misplaced, path, "crate::net::turmoil::run();"), []);
        let text = "use crate::net::{event, turmoil};\nturmoil::run();\n::turmoil::Builder::new();";
        assert_eq!(lines(misplaced, path, text), [3]);
        assert_eq!(lines(misplaced, "src/sim/mod.rs", text), [1, 2, 3]);
    }

    #[test]
    fn every_banned_word_is_found() {
        for (word, _) in BANNED {
            let text = format!("\n{word}(1)\n// {word}");
            assert_eq!(lines(banned, "src/x.rs", &text), [2], "{word}");
        }
    }

    #[test]
    fn unwrap_is_for_tests() {
        let text = "a.unwrap();\n#[cfg(test)]\nmod tests {\n    b.unwrap();\n}\nc.unwrap_or(1);";
        assert_eq!(lines(banned, "src/x.rs", text), [1]);
    }

    #[test]
    fn unbiased_selects_are_found() {
        let text = "tokio::select! {\n biased;\n a = b => {}\n}\nselect! { a = b => {} }";
        assert_eq!(lines(unbiased_selects, "src/x.rs", text), [5]);
    }

    #[test]
    fn ignored_tests_are_found() {
        let text = "#[test]\n#[ignore]\n#[ignore = \"slow\"]\nfn ignored() {}";
        assert_eq!(lines(ignored_tests, "tests/x.rs", text), [2, 3]);
    }

    #[test]
    fn state_machines_neither_wait_nor_know_the_host() {
        let text = "use crate::host::Host;\nasync fn f() { g().await }\nfn asynchronous() {}";
        for path in [
            "src/services/booking/state.rs",
            "src/check/effects.rs",
            "src/net/fate.rs",
        ] {
            assert_eq!(lines(impure, path, text), [2, 2, 1], "{path}");
        }
        assert_eq!(lines(impure, "src/services/booking/server.rs", text), []);
    }

    #[test]
    fn long_files_are_found() {
        let text = |lines: usize| "//!\n".repeat(lines);
        let finding = |path, lines| too_long(&Source::new(path, &text(lines)));
        assert!(finding("src/x.rs", LINES_MAX).is_none());
        assert!(finding("src/x.rs", LINES_MAX + 1).is_some());
    }

    #[test]
    fn files_without_documentation_are_found() {
        assert!(undocumented(&Source::new("src/x.rs", "use a;\n//! late")).is_some());
        assert!(undocumented(&Source::new("src/x.rs", "//! What it is.\nuse a;")).is_none());
    }
}
