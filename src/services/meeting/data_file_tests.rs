//! Data files as people write them, and where they are wrong.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<BTreeMap<String, Times>, String> {
    let read = DataFile::parse("a.txt", text.as_bytes());
    read.map(DataFile::into_people).map_err(|it| it.to_string())
}

/// Everybody of a file, as text.
fn people(text: &str) -> String {
    let people = parse(text).unwrap().into_iter();
    let people: Vec<String> = people.map(|(name, it)| format!("{name} {it:#}")).collect();
    people.join(" ")
}

fn error(text: &str) -> String {
    parse(text).unwrap_err()
}

#[test]
fn people_are_read_however_they_are_spaced() {
    let expected = "alice [[1,5],[7,9]] bob [[48,50]]";
    let same = [
        "alice;[[1,5],[7,9]]\nbob;[[48,50]]\n",
        "alice;[[1,5],[7,9]]\nbob;[[48,50]]",
        "alice;[[1,5],[7,9]]\r\nbob;[[48,50]]\r\n",
        "alice;[[1,5],[7,9]]\r\nbob;[[48,50]]\r",
        "\u{feff}bob;[[48,50]]\n\n  \t\r\n\nalice;[[1,5],[7,9]]\n\n",
        "  al ice ; [ [ 1 , 5 ] , [ 7 , 9 ] ] \n b\to b;[[4   8,\t5 0]]",
    ];
    for text in same {
        assert_eq!(people(text), expected, "{text:?}");
    }
    assert_eq!(people(""), "");
    assert_eq!(people("\u{feff}"), "");
    assert_eq!(people("otto;[]"), "otto []");
    assert_eq!(
        people("Zoë;[[0,18446744073709551615]]"),
        "Zoë [[0,18446744073709551615]]"
    );
}

#[test]
fn an_error_has_its_place_in_the_file_as_it_was_written() {
    let wrong = [
        (
            "x;[[1,5]]\n\nalice",
            "3:6: expected `;` after the name, found the end",
        ),
        (
            "alice[[1,5]]",
            "1:6: expected `;` after the name, found `[`",
        ),
        (" ;[[1,5]]", "1:2: expected a name, found `;`"),
        ("a,b;[[1,5]]", "1:2: expected a name and `;`, found `,`"),
        (
            "a\u{a0}b;[[1,5]]",
            "1:2: expected a name and `;`, found `\\u{a0}`",
        ),
        ("a\rb;[[1,5]]", "1:2: expected a name and `;`, found `\\r`"),
        ("alice;", "1:7: expected `[`, found the end"),
        ("alice;[1,5]", "1:8: expected `[`, found `1`"),
        ("alice;[[1,5]", "1:13: expected `,` or `]`, found the end"),
        ("alice;[[1,]]", "1:11: expected a number, found `]`"),
        ("alice;[[1.5,2]]", "1:10: expected `,`, found `.`"),
        ("alice;[[1,5]];", "1:14: expected nothing more, found `;`"),
        (
            "Zoë; [[1,5],\t[ 4 8, 9]]",
            "1:14: [48,9] is to start before it ends",
        ),
        (
            "Zoë; [[1,5],\t[5,9]]",
            "1:14: [5,9] is to start after [1,5] has ended",
        ),
        (
            "a;[[1,18446744073709551616]]",
            "1:7: this number is too large: at most 18446744073709551615",
        ),
        (
            "a;[[1,2]]\n  b;[[1,2]]\r\n \n a ;[]",
            "4:2: a stands in line 1 already",
        ),
    ];
    for (text, expected) in wrong {
        assert_eq!(error(text), format!("a.txt:{expected}"), "{text:?}");
    }
}

#[test]
fn a_name_has_a_longest() {
    let longest = "x".repeat(NAME_BYTES_MAX);
    assert!(parse(&format!("{longest};[]")).is_ok());
    assert_eq!(
        error(&format!("{longest}x;[]")),
        "a.txt:1:1: this name has 256 bytes, at most 255"
    );
}

#[test]
fn what_is_no_text_is_named_by_its_place_after_the_errors_before_it() {
    let read = |bytes: &[u8]| DataFile::parse("a.txt", bytes).unwrap_err().to_string();
    assert_eq!(
        read(b"a;[]\n\xC3\xAB\xFF;[]\n"),
        "a.txt:2:2: expected text in utf-8"
    );
    assert_eq!(
        read(b"a\n\xFF;[]\n"),
        "a.txt:1:2: expected `;` after the name, found the end"
    );
}

#[test]
fn a_name_stands_in_one_file_only() {
    let file = |name, text: &str| DataFile::parse(name, text.as_bytes()).unwrap();
    let a = file("a.txt", "\nzoe;[]\nbob;[]");
    let b = file("b.txt", "carl;[]\nann;[]");
    let c = file("c.txt", "dora;[]\n zoe;[]\nbob;[]");
    assert_eq!(DataFile::check_apart(&[a.clone(), b.clone()]), Ok(()));
    assert_eq!(
        DataFile::check_apart(&[a, b, c]).unwrap_err().to_string(),
        "c.txt:2:2: zoe stands in a.txt:2 already, one file has a name"
    );
}

#[test]
fn the_sample_data_tells_the_session_of_the_seed() {
    let sample = |file: &str| {
        let path = format!("{}/examples/meeting/{file}", env!("CARGO_MANIFEST_DIR"));
        DataFile::parse(file, &std::fs::read(path).unwrap()).unwrap()
    };
    let files = [sample("a.txt"), sample("b.txt")];
    DataFile::check_apart(&files).unwrap();
    let mut people = BTreeMap::new();
    people.extend(files.into_iter().flat_map(DataFile::into_people));
    assert!(people.len() >= 36);

    let common = |one: &str, other: &str| people[one].intersection(&people[other]).to_string();
    assert_eq!(common("lilith", "jameson"), "[2,3], [5,7]");
    assert_eq!(common("zein", "callie"), "[1,4], [6,8]");
    // The third answer of the seed fits to the first one if lilith has a meeting in between.
    let meeting = times::Interval::new(6, 7).unwrap();
    let lilith = people["lilith"].without(meeting);
    assert_eq!(lilith.to_string(), "[1,3], [4,6], [7,9]");
    assert!(!people.contains_key("ererer") && !people.contains_key("tttt"));
}

proptest! {
    #[test]
    fn spaces_change_nothing(
        gaps in prop::collection::vec("[ \t]{0,2}", 24),
    ) {
        let line = "zein;[[10,42],[61,100]]";
        let mut spaced = gaps[0].clone();
        for (symbol, gap) in line.chars().zip(&gaps[1..]) {
            spaced.push(symbol);
            spaced.push_str(gap);
        }
        prop_assert_eq!(parse(&spaced), parse(line));
    }

    #[test]
    fn any_bytes_are_people_or_an_error_in_the_file(
        bytes in prop::collection::vec(prop::sample::select(&b"a;[[,]]19 \r\n\n\xC3\xAB\xFF"[..]), 0..40),
    ) {
        if let Err(error) = DataFile::parse("a.txt", &bytes) {
            let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
            prop_assert!(error.column >= 1 && error.column <= 1 + lines[error.line - 1].len());
        }
    }
}
