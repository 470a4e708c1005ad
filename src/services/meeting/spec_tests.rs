//! Histories that a meeting scheduler can give, and their twins that it cannot.

use super::*;
use crate::check::Verdict;
use crate::check::linearizable::{self, Sequential, Timed};

const STEPS_MAX: u64 = 10_000;

/// A call, and its reply if its client was given one.
type Call = (Asked, Option<Told>);

impl Sequential for MeetingSpec {
    type Call = Call;
    type State = Left;

    fn initial(&self) -> Left {
        Self::initial(self)
    }

    fn step(&self, left: &Left, (asked, told): &Call) -> Option<Left> {
        Self::step(self, left, asked, told.as_ref())
    }
}

/// Ann and bob are free from 1 to 5, and bob later too; otto never is.
fn spec() -> MeetingSpec {
    let people = [("ann", "[[1,5]]"), ("bob", "[[1,5],[7,9]]"), ("otto", "[]")];
    let person = |(name, times): (&str, &str)| (name.to_owned(), times.parse().unwrap());
    MeetingSpec::new(people.into_iter().map(person).collect())
}

fn names(names: &str) -> Names {
    names.split_whitespace().map(str::to_owned).collect()
}

/// What was told of the common time of `asked`, without these.
fn partly(asked: &str, times: Option<&str>, unknown: &str, unanswered: &str) -> Call {
    let told = Told::Free {
        times: times.map(|times| times.parse().unwrap()),
        unknown: names(unknown),
        unanswered: names(unanswered),
    };
    (Asked::Free(names(asked)), Some(told))
}

fn free(asked: &str, times: &str) -> Call {
    partly(asked, Some(times), "", "")
}

fn asked(start: u64, end: u64, of: &str) -> Asked {
    Asked::Register(Interval::new(start, end).unwrap(), names(of))
}

fn registered(start: u64, end: u64, of: &str) -> Call {
    (asked(start, end, of), Some(Told::Registered))
}

fn refused(start: u64, end: u64, of: &str, why: Refusal) -> Call {
    (asked(start, end, of), Some(Told::Refused(why)))
}

/// Judges calls with the places of their begins and ends.
fn judge(calls: Vec<(u64, Option<u64>, Call)>) -> Verdict {
    let timed = |(place, (began, ended, call))| Timed {
        call,
        began,
        ended,
        name: format!("call {place}"),
    };
    let calls = (1..).zip(calls).map(timed).collect();
    linearizable::judge(&spec(), &[calls], STEPS_MAX)
}

/// Whether these can be told one after the other.
fn is_right(calls: impl IntoIterator<Item = Call>) -> bool {
    let places = (0..).map(|place| (2 * place, Some(2 * place + 1)));
    let calls = places.zip(calls);
    let calls = calls.map(|((began, ended), call)| (began, ended, call));
    match judge(calls.collect()) {
        Verdict::Valid => true,
        Verdict::Violated(_) => false,
        Verdict::Unknown(reason) => panic!("{reason}"),
    }
}

#[test]
fn the_common_time_is_told() {
    assert!(is_right([
        free("ann bob", "[1,5]"),
        free("bob", "[1,5],[7,9]")
    ]));
    assert!(!is_right([free("ann bob", "[1,4]")]));
    assert!(is_right([free("ann otto", "[]")]));
    assert!(!is_right([free("ann otto", "[1,5]")]));
}

#[test]
fn who_does_not_exist_is_named_and_nobody_else() {
    assert!(is_right([partly(
        "ann ererer",
        Some("[1,5]"),
        "ererer",
        ""
    )]));
    assert!(!is_right([free("ann ererer", "[1,5]")]));
    assert!(!is_right([partly("ann bob", Some("[1,5]"), "bob", "")]));
    assert!(!is_right([partly("ann", Some("[1,5]"), "ererer", "")]));
    assert!(is_right([partly("ererer", None, "ererer", "")]));
    assert!(!is_right([partly("ererer", Some("[]"), "ererer", "")]));
    assert!(!is_right([partly("ann", None, "", "")]));
}

#[test]
fn an_incomplete_answer_is_right_for_those_that_it_has() {
    assert!(is_right([partly(
        "ann bob",
        Some("[1,5],[7,9]"),
        "",
        "ann"
    )]));
    assert!(!is_right([partly(
        "ann bob",
        Some("[1,5],[7,9]"),
        "",
        "bob"
    )]));
    assert!(is_right([partly("ann bob", None, "", "ann bob")]));
    assert!(is_right([partly(
        "ann ererer",
        Some("[1,5]"),
        "",
        "ererer"
    )]));
    assert!(!is_right([partly("ann", Some("[1,5]"), "", "bob")]));
}

#[test]
fn a_registration_takes_from_everybody() {
    let taken = || registered(1, 2, "ann bob");
    assert!(is_right([
        taken(),
        free("ann", "[2,5]"),
        free("bob", "[2,5],[7,9]")
    ]));
    assert!(!is_right([
        taken(),
        free("ann", "[2,5]"),
        free("bob", "[1,5],[7,9]")
    ]));
    assert!(!is_right([free("ann", "[2,5]")]));
    assert!(is_right([
        registered(3, 4, "ann"),
        free("ann", "[1,3],[4,5]")
    ]));
}

#[test]
fn no_time_is_taken_twice() {
    assert!(is_right([
        registered(1, 3, "ann bob"),
        registered(3, 5, "ann")
    ]));
    assert!(!is_right([
        registered(1, 3, "ann bob"),
        registered(2, 5, "ann")
    ]));
    assert!(!is_right([registered(4, 8, "bob")]));
    assert!(!is_right([registered(1, 2, "ann ererer")]));
}

#[test]
fn a_refusal_has_a_true_reason_and_takes_nothing() {
    let busy = |of, who| refused(1, 3, of, Refusal::Busy(names(who)));
    let taken = || registered(2, 3, "bob");
    assert!(is_right([
        taken(),
        busy("ann bob", "bob"),
        free("ann", "[1,5]")
    ]));
    assert!(!is_right([taken(), busy("ann bob", "ann bob")]));
    assert!(!is_right([busy("ann bob", "bob"), taken()]));
    assert!(!is_right([taken(), busy("ann bob", "")]));
    assert!(!is_right([taken(), busy("ann", "bob")]));
    assert!(!is_right([busy("ererer", "ererer")]));

    let unknown = |who| refused(1, 3, "ann ererer", Refusal::Unknown(names(who)));
    assert!(is_right([unknown("ererer"), free("ann", "[1,5]")]));
    assert!(!is_right([unknown("ann ererer")]));
    assert!(!is_right([unknown("")]));

    let not_agreed = || refused(1, 3, "ann", Refusal::NotAgreed);
    assert!(is_right([not_agreed(), free("ann", "[1,5]")]));
    assert!(!is_right([not_agreed(), free("ann", "[3,5]")]));
}

#[test]
fn a_registration_without_a_reply_has_happened_or_not_but_not_half() {
    let untold = || (0, None, (asked(1, 2, "ann bob"), None));
    let seen = |ann, bob| {
        let calls = vec![
            untold(),
            (1, Some(2), free("ann", ann)),
            (3, Some(4), free("bob", bob)),
            (5, Some(6), free("ann", ann)),
        ];
        judge(calls)
    };
    let (before, after) = ("[1,5],[7,9]", "[2,5],[7,9]");
    assert_eq!(seen("[1,5]", before), Verdict::Valid);
    assert_eq!(seen("[2,5]", after), Verdict::Valid);
    assert_eq!(seen("[2,5]", before).name(), "violated");
    assert_eq!(seen("[1,5]", after).name(), "violated");
}

#[test]
fn a_registration_under_way_is_seen_by_all_or_by_none() {
    let seen = |bob| {
        let calls = vec![
            (0, Some(5), registered(1, 2, "ann bob")),
            (1, Some(2), free("ann", "[2,5]")),
            (3, Some(4), free("bob", bob)),
        ];
        judge(calls)
    };
    assert_eq!(seen("[2,5],[7,9]"), Verdict::Valid);
    assert_eq!(seen("[1,5],[7,9]").name(), "violated");
}

#[test]
fn a_reply_fits_its_request() {
    assert!(!is_right([(
        Asked::Free(names("ann")),
        Some(Told::Registered)
    )]));
    let (_, times) = free("ann", "[1,5]");
    assert!(!is_right([(asked(1, 2, "ann"), times)]));
}
