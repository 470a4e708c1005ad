//! A service that says that its server stops.

use std::time::Duration;

use wavetank::clock::Time;
use wavetank::rpc::Semantics;
use wavetank::rpc::service::{Effects, Input, Service, TimerKey};
use wavetank::trace::{Event, Word};

use crate::tank::{Run, SERVER, run, script};

/// Replies to everything. `stop` stops its server, and so does the first of two timers that a one-way message sets.
#[derive(Debug)]
struct Mortal;

impl Service for Mortal {
    fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Request { ticket, body, .. } => {
                if body == b"stop" {
                    effects.stop("the people of two files");
                }
                effects.complete(ticket, body);
            }
            Input::OneWay { .. } => {
                let at = now + Duration::from_millis(5);
                (0..2).for_each(|key| effects.set_timer(TimerKey(key), at));
            }
            Input::Timer(TimerKey(0)) => effects.stop("its time has come"),
            Input::Timer(_) => effects.tell(Word::Expire, None, "too late"),
            _ => {}
        }
    }
}

fn mortal() -> Box<dyn Service> {
    Box::new(Mortal)
}

/// What the server said that it stopped for.
fn halts(run: &Run) -> Vec<String> {
    let halts = run.lines.iter().filter_map(|line| match &line.event {
        Event::Service {
            word: Word::Halt,
            text,
            ..
        } => Some(text.to_string()),
        _ => None,
    });
    halts.collect()
}

#[test]
fn a_server_that_stops_carries_its_step_out_and_answers_nobody_any_more() {
    let calls = script(|client| async move {
        let mut rpc = client.rpc(1);
        for (number, body) in [(1, &b"go on"[..]), (2, b"stop"), (3, b"go on")] {
            client.call(&mut rpc, number, body).await;
        }
    });
    let run = run(mortal, Semantics::AtMostOnce, Vec::new(), vec![calls]);
    let told = [Some(b"go on".to_vec()), Some(b"stop".to_vec()), None];
    assert_eq!(run.replies(), told);
    assert_eq!(halts(&run), ["the people of two files"]);
    let words = run.words(SERVER);
    let halt = words.iter().position(|word| *word == "halt").unwrap();
    let later = words[halt + 1..].iter().filter(|word| **word != "lost");
    assert_eq!(later.count(), 0, "{words:?}");
}

#[test]
fn timers_that_are_due_with_the_one_that_stops_it_do_not_run_out() {
    let calls = script(|client| async move {
        let mut rpc = client.rpc(1);
        rpc.tell(client.operation(1), b"soon");
        client.host.sleep_until(Time::from_ms(100)).await;
    });
    let run = run(mortal, Semantics::Maybe, Vec::new(), vec![calls]);
    assert_eq!(halts(&run), ["its time has come"]);
    let words = run.words(SERVER);
    assert!(!words.contains(&"expire"), "{words:?}");
}
