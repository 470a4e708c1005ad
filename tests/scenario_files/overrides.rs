//! Keys that are set on the command line.

use super::*;

/// Overrides as the command line hands them over: `semantics=maybe`.
fn with_overrides(settings: &[&str]) -> Result<Scenario, String> {
    let text = format!(
        "{HEAD}{CLIENTS}[variants]\na = {{ semantics = \"maybe\" }}\nb = {{}}\n[network]\nloss = 0.1\n"
    );
    let overrides: Vec<(String, String)> = settings
        .iter()
        .map(|setting| setting.split_once('=').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Scenario::parse_with("good.toml", &text, &services(), &overrides).map_err(|e| e.to_string())
}

#[test]
fn overrides_win_over_the_file_and_its_variants() {
    let scenario = with_overrides(&[
        "semantics=at-least-once",
        "reply_cache=epoch",
        "network.loss=0.5",
        "network.delay_ms.fixed=9",
        "volume=10",
        "seed=18446744073709551615",
        "clients.carol=[\"ask\"]",
    ])
    .unwrap();
    assert_eq!(scenario.seed, Seed(u64::MAX));
    for variant in &scenario.variants {
        assert_eq!(variant.semantics, Semantics::AtLeastOnce);
        assert_eq!(variant.reply_cache, CacheKind::Epoch);
        assert_eq!(
            Some(variant.conditions.everywhere.loss),
            Probability::new(0.5)
        );
        assert_eq!(variant.conditions.everywhere.delay, Delay::Fixed(9));
        assert_eq!(format!("{:?}", variant.application), "Echo { volume: 10 }");
        assert_eq!(variant.host_names(), ["server", "alice", "bob", "carol"]);
    }
}

#[test]
fn a_mistake_in_an_override_names_the_override() {
    let mut wrong = Vec::new();
    for (setting, expected) in [
        (
            "network.loss=2",
            "2 is out of range; expected a number from 0 to 1",
        ),
        (
            "network.los=0.1",
            "unknown key `los`; expected `delay_ms`, `loss`, `duplication` or `link`",
        ),
        (
            "semantics=never",
            "unknown word `never`; expected `maybe`, `at-least-once` or `at-most-once`",
        ),
        (
            "sematics=maybe",
            "unknown key `sematics`; did you mean `semantics`?",
        ),
        (
            "seed=-1",
            "-1 is no seed; expected a whole number from 0 to 18446744073709551615, as a string if it is above 9223372036854775807",
        ),
        (
            "seed=x",
            "x is no seed; expected a whole number from 0 to 18446744073709551615, as a string if it is above 9223372036854775807",
        ),
        (
            "story=other",
            "`story` may not be overridden; expected a key of a variant",
        ),
        (
            "network..loss=1",
            "a key is empty; expected keys with dots between them, as in network.loss",
        ),
        (
            "timeout_ms.x=1",
            "invalid type: table; expected a whole number from 1 to 3600000",
        ),
        (
            r#"clients.alice=["say"]"#,
            "nothing to say; expected a text",
        ),
        (
            "attempts=0",
            "0 is out of range; expected a whole number from 1 to 1000",
        ),
        ("wire=v1", "echo has no format v1; expected `v2`"),
        (
            "reply_cache=durable",
            "the state is in memory; expected `memory` or `epoch`, or `disk` as `state`",
        ),
        (
            "state=disk",
            "echo does not store its state; expected `memory`",
        ),
        (
            "clients.server=[]",
            "`server` is the host of the server; expected another name for a client",
        ),
    ] {
        let said = with_overrides(&[setting]).unwrap_err();
        if said != format!("--set {setting}: {expected}") {
            wrong.push(said);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
