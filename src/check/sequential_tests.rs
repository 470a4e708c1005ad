//! From the entries of a history to calls, and a counter as a spec.

use super::*;
use crate::clock::Time;
use crate::id::HostId;

/// Counters by the first byte of a request. `+` gives the count after it; `?` the count; `!` refuses
/// to count.
struct Counters;

impl SequentialSpec for Counters {
    type State = u8;

    fn initial(&self) -> u8 {
        0
    }

    fn step(&self, count: &u8, request: &[u8], told: Option<&[u8]>) -> Option<u8> {
        let (after, gives) = match request[1] {
            b'+' => (count + 1, count + 1),
            b'?' => (*count, *count),
            _ => (*count, u8::MAX),
        };
        told.is_none_or(|told| told == [gives]).then_some(after)
    }

    fn only_reads(&self, request: &[u8]) -> bool {
        request[1] == b'?'
    }

    fn part<'a>(&self, request: &'a [u8]) -> &'a [u8] {
        &request[..1]
    }
}

fn operation(client: u16, number: u32) -> OperationId {
    OperationId {
        client: HostId(client),
        number,
    }
}

fn entry(operation: OperationId, event: HistoryEvent) -> Entry {
    Entry {
        at: Time::ZERO,
        operation,
        event,
    }
}

fn begin(operation: OperationId, request: &[u8]) -> Entry {
    entry(operation, HistoryEvent::Invoke(request.into()))
}

fn end(operation: OperationId, kind: OutcomeKind, reply: u8) -> Entry {
    let outcome = Outcome {
        kind,
        told: Told::Reply([reply][..].into()),
        reply_to: None,
    };
    entry(operation, HistoryEvent::Complete(outcome))
}

fn end_in_words(operation: OperationId, kind: OutcomeKind) -> Entry {
    entry(
        operation,
        HistoryEvent::Complete(Outcome::text(kind, "no reply")),
    )
}

/// The verdict on these entries after two `a+` of the setup.
fn verdict(entries: &[Entry]) -> String {
    let setup = [SharedBytes::from(b"a+"), SharedBytes::from(b"a+")];
    let name = |operation: OperationId, request: &SharedBytes, _: Option<&Outcome>| {
        let request = String::from_utf8_lossy(request).into_owned();
        format!("{}#{} {request}", operation.client.0, operation.number)
    };
    Counters
        .judge(&calls(setup, entries, name), 1_000)
        .name()
        .to_owned()
}

const ONE: OperationId = OperationId {
    client: HostId(1),
    number: 1,
};
const TWO: OperationId = OperationId {
    client: HostId(2),
    number: 1,
};

#[test]
fn the_setup_comes_first() {
    let counted = |reply| [begin(ONE, b"a+"), end(ONE, OutcomeKind::Ok, reply)];
    assert_eq!(verdict(&counted(3)), "valid");
    assert_eq!(verdict(&counted(1)), "violated");
}

#[test]
fn parts_are_judged_by_themselves() {
    let counted = |reply| [begin(ONE, b"b+"), end(ONE, OutcomeKind::Ok, reply)];
    assert_eq!(verdict(&counted(1)), "valid");
    assert_eq!(verdict(&counted(3)), "violated");
}

#[test]
fn what_ended_unknown_may_have_happened_or_not_and_later_too() {
    let read_after_unknown = |count| {
        let third = operation(2, 2);
        [
            begin(ONE, b"a+"),
            end_in_words(ONE, OutcomeKind::Unknown),
            begin(TWO, b"a?"),
            end(TWO, OutcomeKind::Ok, 2),
            begin(third, b"a?"),
            end(third, OutcomeKind::Ok, count),
        ]
    };
    assert_eq!(verdict(&read_after_unknown(2)), "valid");
    assert_eq!(verdict(&read_after_unknown(3)), "valid");
    assert_eq!(verdict(&read_after_unknown(4)), "violated");
}

#[test]
fn a_call_that_never_ended_is_as_one_that_ended_unknown() {
    let read = [begin(TWO, b"a?"), end(TWO, OutcomeKind::Ok, 3)];
    let [began, ended] = read;
    assert_eq!(
        verdict(&[begin(ONE, b"a+"), began.clone(), ended.clone()]),
        "valid"
    );
    assert_eq!(verdict(&[began, ended]), "violated");
}

#[test]
fn what_certainly_did_not_happen_is_left_out_and_a_refusal_is_not() {
    let failed = |end| {
        [
            begin(ONE, b"a+"),
            end,
            begin(TWO, b"a?"),
            self::end(TWO, OutcomeKind::Ok, 3),
        ]
    };
    assert_eq!(
        verdict(&failed(end_in_words(ONE, OutcomeKind::Failed))),
        "violated"
    );
    assert_eq!(
        verdict(&failed(end_in_words(ONE, OutcomeKind::Ok))),
        "valid"
    );

    let refused = |reply| [begin(ONE, b"a!"), end(ONE, OutcomeKind::Failed, reply)];
    assert_eq!(verdict(&refused(u8::MAX)), "valid");
    assert_eq!(verdict(&refused(1)), "violated");
}

#[test]
fn reads_without_reply_say_nothing_however_many_they_are() {
    let reads = (1..=500).map(|number| operation(1, number));
    let mut entries: Vec<Entry> = reads
        .flat_map(|read| [begin(read, b"a?"), end_in_words(read, OutcomeKind::Unknown)])
        .collect();
    entries.extend([begin(TWO, b"a+"), end(TWO, OutcomeKind::Ok, 3)]);
    assert_eq!(verdict(&entries), "valid");
}

#[test]
fn calls_that_overlap_may_take_effect_in_either_order() {
    let overlapping = |first, second| {
        [
            begin(ONE, b"a+"),
            begin(TWO, b"a+"),
            end(ONE, OutcomeKind::Ok, first),
            end(TWO, OutcomeKind::Ok, second),
        ]
    };
    assert_eq!(verdict(&overlapping(3, 4)), "valid");
    assert_eq!(verdict(&overlapping(4, 3)), "valid");
    assert_eq!(verdict(&overlapping(3, 3)), "violated");
}
