//! Settings are set, and wrong ones are refused with a reason.

use super::*;

fn set(text: &str) -> Result<Settings, SettingError> {
    let mut settings = Settings::default();
    let table: toml::Table = text.parse().unwrap();
    settings.set_all(&table).map(|()| settings)
}

#[test]
fn each_setting_can_be_set() {
    let settings = set(
        "data_servers = 3\nlookup_timeout_ms = 7\nlookup_attempts = 2\ndecision_timeout_ms = 9\n\
         piece_bytes = 64\nfront = \"udp\"\nidle_ms = 11\nwithout = [\"votes-by-name\"]\n\
         people = { b = [\"lilith;[[1,3],[4,6]]\", \"nobody;[]\"] }",
    )
    .unwrap();
    let lilith = "[1,3], [4,6]".parse().unwrap();
    let expected = Settings {
        data_servers: 3,
        people: vec![
            Arc::default(),
            Arc::new(
                [
                    ("lilith".to_owned(), lilith),
                    ("nobody".to_owned(), Times::default()),
                ]
                .into(),
            ),
        ],
        lookup_timeout: Duration::from_millis(7),
        lookup_attempts: 2,
        decision_timeout: Duration::from_millis(9),
        piece_bytes: 64,
        front: Front::Udp,
        idle: Duration::from_millis(11),
        without: [Protection::VotesByName].into(),
    };
    assert_eq!(settings, expected);
    assert_eq!(settings.patience(), Duration::from_millis(14));
}

#[test]
fn a_wrong_setting_is_refused_with_what_was_expected() {
    for (text, name, expected) in [
        ("data_servers = 0", "data_servers", "from 1 to 26"),
        ("data_servers = 27", "data_servers", "from 1 to 26"),
        (
            "lookup_timeout_ms = -1",
            "lookup_timeout_ms",
            "from 1 to 3600000",
        ),
        ("front = \"sctp\"", "front", "\"tcp\" or \"udp\""),
        ("piece_bytes = 8", "piece_bytes", "from 32 to 49152"),
        (
            "without = [\"locks\"]",
            "without",
            "\"logged-decisions\" or",
        ),
        ("people = [\"a\"]", "people", "lists of lines"),
        ("people = { main = [] }", "people", "a letter from `a` on"),
        ("people = { c = [] }", "people", "none beyond server b"),
        ("people = { a = [\"y;[]\", \"x\"] }", "people", "a:2:"),
        ("people = { a = [\"x;[[3,1]]\"] }", "people", "a:1:4: [3,1]"),
        (
            "people = { a = [\"x;[]\", \"x;[]\"] }",
            "people",
            "a:2:1: x stands",
        ),
        (
            "people = { a = [\"x;[]\"], b = [\"x;[]\"] }",
            "people",
            "b:1:1: x stands in a:1 already",
        ),
        ("port = 1", "port", "data_servers, people"),
    ] {
        let error = set(text).unwrap_err();
        assert_eq!(error.name, name, "{text}");
        assert!(error.message.contains(expected), "{text}: {error}");
    }
}

#[test]
fn servers_are_named_in_their_order() {
    let names: Vec<String> = (0..=26).map(Settings::server_name).collect();
    assert_eq!((&*names[0], &*names[1], &*names[26]), ("main", "a", "z"));
}
