//! Times against a naive model, which knows of each unit of time whether it is free; and as text.

use proptest::prelude::*;

use super::*;

/// Units of time of the naive model.
const UNITS: usize = 24;

fn times(text: &str) -> Times {
    text.parse().unwrap()
}

fn interval(start: u64, end: u64) -> Interval {
    Interval::new(start, end).unwrap()
}

fn free_units(times: &Times) -> Vec<bool> {
    let is_free = |unit: u64| {
        let mut intervals = times.as_slice().iter();
        intervals.any(|it| it.start <= unit && unit < it.end)
    };
    (0..UNITS as u64).map(is_free).collect()
}

/// The times that are free in these units: one interval for each row of them.
fn from_units(units: &[bool]) -> Times {
    let mut intervals = Vec::new();
    let mut start = None;
    for (unit, is_free) in (0..).zip(units.iter().copied().chain([false])) {
        match (start, is_free) {
            (None, true) => start = Some(unit),
            (Some(begun), false) => {
                intervals.push(interval(begun, unit));
                start = None;
            }
            _ => {}
        }
    }
    Times::new(intervals).unwrap()
}

fn any_units() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(any::<bool>(), UNITS)
}

fn any_stretch() -> impl Strategy<Value = Interval> {
    let end = UNITS as u64;
    (0..end, 1..=end)
        .prop_map(|(start, length)| interval(start, (start + length).min(UNITS as u64)))
}

proptest! {
    #[test]
    fn the_common_time_is_what_is_free_for_everybody(
        all in prop::collection::vec(any_units(), 1..8),
    ) {
        let people: Vec<Times> = all.iter().map(|units| from_units(units)).collect();
        let common: Vec<bool> = (0..UNITS).map(|unit| all.iter().all(|it| it[unit])).collect();
        let people: Vec<&Times> = people.iter().collect();
        prop_assert_eq!(Times::common(&people), Some(from_units(&common)));
    }

    #[test]
    fn a_stretch_is_contained_if_each_of_its_units_is_free(
        units in any_units(),
        stretch in any_stretch(),
    ) {
        let is_free = (stretch.start..stretch.end).all(|unit| units[unit as usize]);
        prop_assert_eq!(from_units(&units).contains(stretch), is_free);
    }

    #[test]
    fn what_is_left_is_free_outside_of_what_was_taken(
        units in any_units(),
        stretch in any_stretch(),
    ) {
        let left = from_units(&units).without(stretch);
        let mut expected = units;
        expected[stretch.start as usize..stretch.end as usize].fill(false);
        prop_assert_eq!(free_units(&left), &expected[..]);
        prop_assert_eq!(left, from_units(&expected));
    }

    #[test]
    fn both_forms_are_read_back(units in any_units()) {
        let times = from_units(&units);
        prop_assert_eq!(times.to_string().parse(), Ok(times.clone()));
        prop_assert_eq!(format!("{times:#}").parse(), Ok(times.clone()));
        prop_assert_eq!(parse_list(&format!("{times:#}")), Ok(times));
    }

    #[test]
    fn any_text_gives_times_or_an_error_inside_it(text in "[\\[\\], 0-9é]{0,12}|\\PC{0,8}") {
        if let Err(error) = text.parse::<Times>() {
            prop_assert!(text.is_char_boundary(error.at), "{}", error);
        }
    }
}

#[test]
fn touching_is_not_meeting() {
    let common = |one: &str, other: &str| times(one).intersection(&times(other)).to_string();
    assert_eq!(common("[[15,17]]", "[[17,18]]"), "[]");
    assert_eq!(common("[[5,10]]", "[[8,11]]"), "[8,10]");
    assert_eq!(
        common("[[1,9]]", "[[1,2],[3,4],[8,12]]"),
        "[1,2], [3,4], [8,9]"
    );
    assert_eq!(common("[]", "[[1,2]]"), "[]");
}

#[test]
fn nobody_has_no_common_time() {
    assert_eq!(Times::common(&[]), None);
}

#[test]
fn a_stretch_is_taken_from_an_end_or_out_of_the_middle() {
    let left = |start, end| {
        times("[[1,5],[7,9]]")
            .without(interval(start, end))
            .to_string()
    };
    assert_eq!(left(1, 2), "[2,5], [7,9]");
    assert_eq!(left(2, 3), "[1,2], [3,5], [7,9]");
    assert_eq!(left(1, 5), "[7,9]");
    assert_eq!(left(4, 8), "[1,4], [8,9]");
    assert_eq!(left(5, 7), "[1,5], [7,9]");
    assert_eq!(left(0, u64::MAX), "[]");
}

#[test]
fn a_stretch_over_a_gap_is_not_contained() {
    let times = times("[[1,5],[7,9]]");
    assert!(times.contains(interval(1, 5)) && times.contains(interval(8, 9)));
    for (start, end) in [(0, 2), (4, 6), (4, 8), (5, 7), (8, 10), (10, 11)] {
        assert!(!times.contains(interval(start, end)), "[{start},{end}]");
    }
}

#[test]
fn times_without_a_gap_between_are_none() {
    assert_eq!(Interval::new(3, 3), None);
    let of = |last| Times::new(vec![interval(1, 5), last]);
    assert_eq!(of(interval(5, 7)), None);
    assert_eq!(of(interval(2, 3)), None);
    assert_eq!(of(interval(6, 7)), Some(times("[[1,5],[6,7]]")));
}

#[test]
fn spaces_stand_anywhere() {
    assert_eq!(
        times(" [ [ 4   8 , 5\t0 ] , [6 0,7 0 ]] ").to_string(),
        "[48,50], [60,70]"
    );
    assert_eq!(times(" [ ] "), Times::default());
}

#[test]
fn an_error_says_what_was_expected_and_where() {
    let huge = "[[18446744073709551615,18446744073709551616]]";
    let wrong = [
        ("", "0: expected `[`, found the end"),
        ("[[1,5]", "6: expected `,` or `]`, found the end"),
        ("[[1,5],]", "7: expected `[`, found `]`"),
        ("[[1,5] [7,9]]", "7: expected `,` or `]`, found `[`"),
        ("[[1;5]]", "3: expected `,`, found `;`"),
        ("[[,5]]", "2: expected a number, found `,`"),
        ("[[-1,5]]", "2: expected a number, found `-`"),
        ("[[1,5é]]", "5: expected `]`, found `é`"),
        ("[[]]", "2: expected a number, found `]`"),
        ("[[1,5]] x", "8: expected nothing more, found `x`"),
        ("[1,5] [7,9]", "6: expected `,`, found `[`"),
        ("[[5, 5]]", "1: [5,5] is to start before it ends"),
        (
            "[[1,5], [5,6]]",
            "8: [5,6] is to start after [1,5] has ended",
        ),
        (
            huge,
            "23: this number is too large: at most 18446744073709551615",
        ),
    ];
    for (text, expected) in wrong {
        let error = text.parse::<Times>().unwrap_err();
        assert_eq!(format!("{}: {error}", error.at), expected, "{text}");
    }
    assert_eq!(parse_list("[1,5]").unwrap_err().at, 1);
}
