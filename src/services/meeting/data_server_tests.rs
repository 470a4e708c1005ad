//! What a data server does when it begins, and when it is refused.

use std::time::Duration;

use super::*;
use crate::rpc::service::Effect;
use crate::seed::Seed;
use crate::services::Application;
use crate::services::meeting::MeetingScheduler;
use crate::services::meeting::message::Question;
use crate::services::meeting::times::Interval;

const TASK: TaskId = TaskId { life: 1, number: 1 };

fn scheduler(people: &str) -> MeetingScheduler {
    let settings = people.parse().unwrap();
    MeetingScheduler::default().configured(&settings).unwrap()
}

fn meeting(start: u64, end: u64, names: &[&str]) -> Meeting {
    Meeting {
        stretch: Interval::new(start, end).unwrap(),
        names: names.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// What a server sends and stores in this step, and why it stops.
#[derive(Debug, Default)]
struct Done {
    sent: Vec<PeerMessage>,
    stored: Vec<Record>,
    stops: Option<String>,
}

fn done(effects: &Effects) -> Done {
    let mut done = Done::default();
    for effect in effects.iter() {
        match effect {
            Effect::Send { body, .. } => done.sent.push(PeerMessage::decode(body).unwrap()),
            Effect::Store { key, value } => {
                done.stored.retain(|(stored, _)| stored != key);
                let value = value.map(|value| (key.to_vec(), value.to_vec()));
                done.stored.extend(value);
            }
            Effect::Stop(why) => done.stops = Some(why.to_string()),
            _ => {}
        }
    }
    done
}

fn hear(server: &mut dyn Service, from: u16, life: u64, body: PeerBody) -> Done {
    let mut effects = Effects::default().with_records();
    let (about, body) = (None, &PeerMessage { life, body }.encode());
    server.step(Time::ZERO, Input::Peer { from, about, body }, &mut effects);
    done(&effects)
}

/// Begins a life with these records.
fn restore(server: &mut dyn Service, records: &[Record]) -> Result<(), BadRecord> {
    let mut effects = Effects::default().with_records();
    let mut records = records.iter().cloned();
    server.restore(Time::ZERO, &mut records, &mut effects)
}

#[test]
fn one_that_is_refused_stops_and_says_which_names_and_what_to_do() {
    let mut server = scheduler("people.a = [\"ann;[]\"]").replica(1, Seed(1).stream("replica"));
    let names = vec!["ann".to_owned()];
    let taken = |of| PeerBody::NamesTaken {
        of,
        names: names.clone(),
    };
    let earlier = hear(&mut *server, MAIN, 1, taken(7));
    assert_eq!(earlier.stops, None, "that was another life");
    let why = hear(&mut *server, MAIN, 1, taken(1)).stops.unwrap();
    assert!(
        why.contains(": ann: ") && why.contains("start this server again"),
        "{why}"
    );
}

/// A copy of a question may reach a new life first, and what the main server has told the earlier one of its answer
/// may come after it. If that counted and the new answer were lost, the new life would say no more.
#[test]
fn what_the_main_server_has_of_an_earlier_life_is_told_again_by_this_one() {
    let mut server = scheduler("people.a = [\"ann;[]\"]").replica(1, Seed(1).stream("replica"));
    let question = Question { main: 1, number: 1 };
    let sent = hear(&mut *server, MAIN, 1, PeerBody::Who { question }).sent;
    let [PeerMessage { life, .. }] = sent[..] else {
        panic!("one piece: {sent:?}");
    };
    let timeout = Duration::from_millis(200);
    let has_names = |of| PeerBody::HasNames {
        question,
        of,
        piece: 0,
    };
    for (of, then, is_told) in [
        (life + 1, Time::ZERO + timeout, true),
        (life, Time::ZERO + 10 * timeout, false),
    ] {
        hear(&mut *server, MAIN, 1, has_names(of));
        let mut effects = Effects::default().with_records();
        server.step(then, Input::Timer(DUE), &mut effects);
        assert_eq!(done(&effects).sent == sent, is_told, "of life {of}");
    }
}

#[test]
fn one_that_holds_or_has_taken_time_of_somebody_who_is_gone_does_not_start() {
    let mut before = scheduler("people.a = [\"ann;[[1,9]]\", \"bob;[[1,9]]\"]")
        .replica(1, Seed(1).stream("replica"));
    let meeting = meeting(1, 2, &["ann", "bob"]);
    let prepare = PeerBody::Prepare {
        task: TASK,
        meeting,
    };
    let held = hear(&mut *before, MAIN, 1, prepare).stored;
    let (task, commit) = (TASK, true);
    let taken = hear(&mut *before, MAIN, 1, PeerBody::Decide { task, commit }).stored;
    for records in [held, taken] {
        assert_eq!(records.len(), 1);
        let begin = |people| {
            let mut server = scheduler(people).replica(1, Seed(2).stream("replica"));
            restore(&mut *server, &records)
        };
        let refused = begin("people.a = [\"ann;[[1,9]]\"]").unwrap_err().reason;
        assert!(
            refused.contains(": bob: ") && refused.contains("`bob;[]`"),
            "{refused}"
        );
        assert_eq!(begin("people.a = [\"ann;[[1,9]]\", \"bob;[]\"]"), Ok(()));
    }
}

/// The life in which a main server asks, on an empty disk.
fn first_life(scheduler: &MeetingScheduler, seed: u64) -> (Box<dyn Service>, u64) {
    let mut main = scheduler.replica(MAIN, Seed(seed).stream("replica"));
    restore(&mut *main, &[]).unwrap();
    let mut effects = Effects::default().with_records();
    main.step(Time::ZERO, Input::Timer(DUE), &mut effects);
    let life = done(&effects).sent[0].life;
    (main, life)
}

#[test]
fn the_first_life_on_an_empty_disk_is_drawn_where_disks_may_be_emptied() {
    let scheduler = MeetingScheduler::default();
    assert_eq!(first_life(&scheduler, 1).1, 1);
    let scheduler = scheduler.with_drawn_first_lives();
    let lives = [1, 2, 3].map(|seed| first_life(&scheduler, seed).1);
    assert!(lives[0] != lives[1] && lives[1] != lives[2] && lives[0] != lives[2]);
    assert!(
        lives.iter().all(|life| (2..1 << 33).contains(life)),
        "{lives:?}"
    );
}
