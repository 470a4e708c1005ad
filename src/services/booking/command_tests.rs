//! What can be typed, what it means, and what is said of the rest.

use super::*;
use crate::services::booking::describe;

fn described(line: &str) -> Vec<String> {
    let commands = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let bodies = commands.iter().map(|command| &command.body);
    bodies.map(|body| describe::request(body)).collect()
}

fn error(line: &str) -> (usize, String) {
    let error = parse(line).expect_err(line);
    (error.at, error.message)
}

#[test]
fn what_is_typed_in_the_described_form_is_described_as_typed() {
    for line in [
        "query 'Meeting Room A' mon,tue",
        "query 'Meeting Room A' all",
        "query 'Meeting Room A' tue,tue,mon",
        "book 'Meeting Room A' mon 10:00-11:00",
        "book 'Meeting Room A' mon 22:00-tue 02:00",
        "book 'Meeting Room A' mon 10:00-24:00",
        "book 'Meeting Room A' sun 11:00-10:00",
        "change CONF000001 +30m",
        "change CONF000001 -10h",
        "change CONF000001 +1d",
        "change CONF000001 -2147483648m",
        "extend CONF000001 90m",
        "extend CONF000001 1h",
        "cancel CONF000001",
        "cancel ''",
        "monitor 'Meeting Room A' --for 20m",
        "monitor \"Bob's\" --for 30s",
        "monitor '--for' --for 0s",
    ] {
        assert_eq!(described(line), [line]);
    }
}

#[test]
fn there_are_other_ways_to_type_the_same() {
    for (line, same) in [
        ("query Hall MON", "query 'Hall' mon"),
        ("query Hall Monday..wed,Sun", "query 'Hall' mon,tue,wed,sun"),
        ("query Hall mon..sun", "query 'Hall' all"),
        (
            "  book  \"Hall\"  Mon 9:00-10:00 ",
            "book 'Hall' mon 09:00-10:00",
        ),
        ("change CONF000001 +48h", "change CONF000001 +2d"),
        ("extend CONF000001 60m", "extend CONF000001 1h"),
        ("monitor Hall --for 90m", "monitor 'Hall' --for 90m"),
    ] {
        assert_eq!(described(line), [same], "{line}");
    }
}

#[test]
fn auto_book_stands_for_one_booking_a_day() {
    assert_eq!(
        described("auto-book mon..tue"),
        [
            "book 'Meeting Room A' mon 10:00-11:00",
            "book 'Meeting Room A' tue 10:00-11:00"
        ]
    );
    assert_eq!(
        described("auto-book fri --time 08:00-09:30 --facility 'Seminar Room B'"),
        ["book 'Seminar Room B' fri 08:00-09:30"]
    );
    assert!(parse("auto-book mon").unwrap()[0].verb == "book");
}

#[test]
fn words_that_are_split_already_are_words_even_with_spaces() {
    let split = ["book", "Meeting Room A", "mon", "22:00-tue", "02:00"];
    let line = "book 'Meeting Room A' mon 22:00-tue 02:00";
    assert_eq!(parse_words(&split), parse(line));
    assert_eq!(parse_words(&[line]), parse(line));
}

#[test]
fn an_error_says_where_and_what_was_expected() {
    let of_times = "book 'Meeting Room A' mon 25:00-26:00";
    let message = "`25:00` is no time of day; write 00:00 to 24:00";
    assert_eq!(error(of_times), (26, message.to_owned()));
    for (line, at, part) in [
        ("", 0, "a command"),
        (
            "boook x",
            0,
            "query, book, change, extend, cancel, monitor, auto-book",
        ),
        ("query", 5, "a facility"),
        ("query Hall", 10, "a day"),
        (
            "query Meeting Room A mon",
            14,
            "names with spaces in quotes",
        ),
        ("query Hall mon,xyz", 15, "`xyz` is no day"),
        ("query Hall mon..xyz", 16, "`xyz` is no day"),
        ("query Hall wed..mon", 11, "backwards"),
        ("query Hall mon tue", 15, "one word too many"),
        ("book Hall mon 10:00", 14, "10:00-11:00"),
        ("book Hall mon 10:00-24:01", 20, "`24:01`"),
        ("book Hall mon 10:00-1:60", 20, "`1:60`"),
        ("book Hall mon 22:00-tue", 23, "`02:00`"),
        ("change CONF000001 30m", 18, "a sign"),
        ("change CONF000001 +30", 18, "m, h or d"),
        ("change CONF000001 +2147483648m", 18, "no offset"),
        ("change CONF000001 +99999999999999999999d", 18, "no offset"),
        ("extend CONF000001 60", 18, "m or h"),
        ("extend CONF000001 4294967296m", 18, "no span"),
        ("cancel", 6, "CONF000001"),
        ("monitor Hall 20m", 13, "`--for`"),
        ("monitor Hall --for 20", 19, "20m"),
        ("monitor Hall --for 500ms", 19, "whole seconds"),
        ("monitor Hall --for 4294967296s", 19, "whole seconds"),
        ("auto-book mon --speed 3", 14, "--facility or --time"),
        ("auto-book mon --time 26:00-27:00", 21, "`26:00`"),
    ] {
        let (found_at, message) = error(line);
        assert_eq!(found_at, at, "{line}: {message}");
        assert!(message.contains(part), "{line}: {message}");
    }
}

#[test]
fn names_and_lists_that_no_server_would_read_are_refused_where_they_stand() {
    let (facility, id) = ("x".repeat(FACILITY.max), "x".repeat(CONFIRMATION.max));
    let days = vec!["mon"; QUERY_DAYS.max].join(",");
    for line in [
        format!("query {facility} {days}"),
        format!("monitor {facility} --for 20m"),
        format!("cancel {id}"),
    ] {
        assert_eq!(parse(&line).unwrap().len(), 1, "{line}");
    }
    for (line, at, message) in [
        (
            format!("query {facility}x mon"),
            6,
            "256 bytes, at most 255",
        ),
        (
            format!("book '{facility}x' mon 10:00-11:00"),
            6,
            "256 bytes",
        ),
        (
            format!("query Hall {days},tue"),
            11,
            "257 days, at most 256",
        ),
        (
            format!("auto-book mon --facility {facility}x"),
            25,
            "facility name",
        ),
        (format!("cancel {id}x"), 7, "65 bytes, at most 64"),
        (format!("change {id}x +1d"), 7, "confirmation id"),
        (format!("extend {id}x 1h"), 7, "confirmation id"),
    ] {
        let (found_at, found) = error(&line);
        assert_eq!(found_at, at, "{line}: {found}");
        assert!(
            found.contains("too long") && found.contains(message),
            "{found}"
        );
    }
}
