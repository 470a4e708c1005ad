//! What a lock server does with requests and heartbeats.

use super::fixture::{Fixture, caller};
use super::*;
use crate::services::lock::files::{FILE_BYTES_MAX, STAGED_BYTES_MAX, TEXT_BYTES};
use crate::services::lock::message::APPEND_BYTES_MAX;
use crate::services::lock::settings::{Expire, Locks};
use crate::services::lock::turns::DUE;

/// So many appends of the longest text fit into what a grant may stage.
const IN_A_GRANT: usize = STAGED_BYTES_MAX / (APPEND_BYTES_MAX + TEXT_BYTES);

#[test]
fn a_lock_goes_round_in_order_of_arrival() {
    let mut tank = Fixture::new();
    let granted = ["grant 1: file_0 token 1 for 2000 ms", "1: granted 1"];
    assert_eq!(tank.acquire(0, 1, "file_0"), granted);
    assert!(tank.acquire(1, 2, "file_0").is_empty());
    assert!(tank.acquire(2, 3, "file_0").is_empty());
    assert_eq!(
        tank.acquire(3, 4, "file_7"),
        ["grant 4: file_7 token 1 for 2000 ms", "4: granted 1"]
    );
    assert_eq!(
        tank.release(10, 1, 1),
        [
            "5: released 1",
            "grant 2: file_0 token 2 for 2000 ms",
            "2: granted 2"
        ]
    );
    assert_eq!(
        tank.release(11, 2, 2),
        [
            "6: released 2",
            "grant 3: file_0 token 3 for 2000 ms",
            "3: granted 3"
        ]
    );
    assert_eq!(tank.release(12, 3, 3), ["7: released 3"]);
    assert_eq!(tank.release(12, 3, 3), ["8: not the holder"]);
}

#[test]
fn the_holder_that_asks_again_has_the_same_grant_with_a_new_lease() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    assert_eq!(
        tank.acquire(1500, 1, "file_0"),
        ["renew 1: file_0 token 1 for 2000 ms", "2: granted 1"]
    );
    tank.acquire(1600, 2, "file_0");
    assert!(tank.let_timers_run(3499).is_empty());
    assert_eq!(tank.let_timers_run(3500).len(), 3);
}

#[test]
fn one_grant_answers_all_that_its_client_asks_for() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    for client in [2, 3, 2] {
        tank.acquire(1, client, "file_0");
    }
    let told = tank.release(5, 1, 1);
    assert_eq!(told[2..], ["2: granted 2", "4: granted 2"]);
    assert_eq!(tank.release(6, 2, 2)[2..], ["3: granted 3"]);
}

#[test]
fn a_lease_that_has_run_out_ends_when_somebody_waits_and_what_was_staged_vanishes() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    tank.append(1, 1, 1, "A");
    assert!(tank.let_timers_run(5000).is_empty(), "nobody else wants it");
    assert_eq!(tank.append(5000, 1, 1, "A"), ["3: staged 1"]);
    let taken = [
        "withdraw 1: file_0 token 1: its lease has run out, 2 appends vanish",
        "grant 2: file_0 token 2 for 2000 ms",
        "4: granted 2",
    ];
    assert_eq!(tank.acquire(5001, 2, "file_0"), taken);
    let refused = |ticket| [format!("{ticket}: lease lost: acquire again")];
    assert_eq!(tank.append(5002, 1, 1, "A"), refused(5));
    assert_eq!(tank.release(5002, 1, 1), refused(6));
    tank.release(5003, 2, 2);
    assert_eq!(tank.read(5004, 1, 0, 0), "\"\" from 0 of 0, own 0");
}

#[test]
fn with_expire_always_nobody_need_wait() {
    let mut tank = Fixture::with(Settings {
        expire: Expire::Always,
        ..Settings::default()
    });
    tank.acquire(0, 1, "file_0");
    assert!(tank.let_timers_run(1999).is_empty());
    let over = ["withdraw 1: file_0 token 1: its lease has run out"];
    assert_eq!(tank.let_timers_run(2000), over);
    assert_eq!(
        tank.append(2001, 1, 1, "A"),
        ["2: lease lost: acquire again"]
    );
}

#[test]
fn heartbeats_keep_a_lease_and_one_that_comes_too_late_is_told_so() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    tank.acquire(1, 2, "file_0");
    for beat in 1..6 {
        let ms = beat * 1999;
        assert!(tank.let_timers_run(ms).is_empty());
        tank.step(ms, Input::Again(Ticket(2)));
        let told = tank.beat(ms, 1, 1);
        assert_eq!(told[0], "renew 1: file_0 token 1 for 2000 ms");
        assert!(told[1].starts_with("to 1: Renewed"), "{told:?}");
    }
    assert_eq!(tank.let_timers_run(5 * 1999 + 2000).len(), 3);
    assert_eq!(tank.beat(20_000, 1, 1), ["to 1: Lost { token: 1 }"]);
    assert_eq!(
        tank.beat(20_000, 1, 2),
        ["to 1: Lost { token: 2 }"],
        "not its own"
    );
}

#[test]
fn a_waiter_that_is_silent_closed_or_gone_is_skipped() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    for client in 2..=6 {
        tank.acquire(1, client, "file_0"); // tickets 2 to 6
    }
    let closed = tank.ask(2, 3, &Request::Close);
    assert_eq!(closed, ["3: not the holder", "7: Disconnected!"]);
    assert!(tank.step(3, Input::Abandoned(Ticket(4))).is_empty());
    let skipped = |ticket| {
        [
            "expire turn for file_0: silent for 12000 ms".to_owned(),
            format!("{ticket}: skipped: silent for too long"),
        ]
    };
    for ms in [1_900, 3_800, 5_700, 7_600, 9_500, 11_000, 12_900] {
        let told = tank.step(ms, Input::Again(Ticket(5)));
        tank.beat(ms, 1, 1);
        let expected = if ms < 12_001 { &[] } else { &skipped(2)[..] };
        assert_eq!(told, expected);
    }
    assert_eq!(
        tank.release(12_901, 1, 1),
        [
            "8: released 1",
            "grant 5: file_0 token 2 for 2000 ms",
            "5: granted 2"
        ]
    );
    let told = tank.release(12_902, 5, 2);
    assert_eq!(told[0], "9: released 2");
    assert_eq!(told[1..], skipped(6));
}

#[test]
fn silent_clients_behind_a_living_one_are_skipped_now_and_then() {
    let mut tank = Fixture::new();
    for client in 1..=200 {
        tank.acquire(0, client, "file_0");
    }
    let mut skipped = 0;
    for ms in (0..20_000).step_by(1_000) {
        let mut told = tank.beat(ms, 1, 1);
        told.extend(tank.step(ms, Input::Again(Ticket(2))));
        skipped += told.iter().filter(|told| told.contains("skipped")).count();
    }
    assert_eq!(skipped, 198);
    assert_eq!(tank.release(20_000, 1, 1)[2], "2: granted 2");
}

#[test]
fn whoever_is_done_with_a_grant_begins_anew_behind_those_who_wait() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    tank.append(1, 1, 1, "half");
    tank.acquire(2, 2, "file_0");
    let file = || "file_0".into();
    let again = |token| Request::Acquire {
        file: file(),
        token,
    };
    assert_eq!(
        tank.ask(3, 1, &again(0)),
        ["renew 1: file_0 token 1 for 2000 ms", "4: granted 1"],
        "its first request has come again"
    );
    assert_eq!(
        tank.ask(4, 1, &again(1)),
        [
            "withdraw 1: file_0 token 1: its holder acquires anew, 1 append vanishes",
            "grant 2: file_0 token 2 for 2000 ms",
            "3: granted 2"
        ]
    );
    assert_eq!(tank.release(5, 2, 2)[2], "5: granted 3");
    tank.append(6, 1, 3, "whole");
    tank.release(7, 1, 3);
    assert_eq!(tank.read(8, 1, 0, 0), "\"whole\" from 0 of 5, own 0");
}

#[test]
fn a_server_that_has_stood_still_takes_no_lock_away_and_skips_nobody() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    tank.acquire(1, 2, "file_0");
    // It was to wake at 2,000 ms.
    let told = tank.step(30_000, Input::Timer(DUE));
    assert_eq!(told, ["renew 1: file_0 token 1 for 2000 ms"]);
    assert!(tank.let_timers_run(31_999).is_empty());
    assert_eq!(tank.let_timers_run(32_000)[2], "2: granted 2");
}

#[test]
fn a_holder_that_closes_leaves_nothing() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    tank.acquire(0, 1, "file_9");
    tank.append(1, 1, 1, "A");
    tank.acquire(2, 2, "file_0");
    assert_eq!(
        tank.ask(3, 1, &Request::Close),
        [
            "withdraw 1: file_0 token 1: its holder has closed, 1 append vanishes",
            "withdraw 1: file_9 token 1: its holder has closed",
            "5: Disconnected!",
            "grant 2: file_0 token 2 for 2000 ms",
            "4: granted 2",
        ]
    );
    assert_eq!(tank.read(4, 1, 1, 0), "\"\" from 0 of 0, own 0");
}

#[test]
fn a_critical_section_appears_whole_and_its_holder_sees_it_before() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    tank.append(1, 1, 1, "A");
    tank.append(1, 1, 1, "Bé");
    assert_eq!(tank.read(2, 1, 1, 0), "\"ABé\" from 0 of 4, own 1");
    assert_eq!(tank.read(2, 1, 1, 2), "\"é\" from 2 of 4, own 1");
    assert_eq!(
        tank.read(2, 1, 1, 3),
        "invalid request",
        "inside a character"
    );
    assert_eq!(tank.read(2, 2, 0, 0), "\"\" from 0 of 0, own 0");
    assert_eq!(
        tank.read(2, 2, 1, 0),
        "\"\" from 0 of 0, own 0",
        "not its token"
    );
    tank.release(3, 1, 1);
    assert_eq!(tank.read(4, 2, 0, 0), "\"ABé\" from 0 of 4, own 0");
    assert_eq!(tank.read(4, 2, 0, 9), "\"\" from 9 of 4, own 0");
}

#[test]
fn what_has_no_room_is_refused_and_what_is_no_file_not_found() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    let text = "x".repeat(APPEND_BYTES_MAX);
    for _ in 0..IN_A_GRANT {
        let told = tank.append(0, 1, 1, &text);
        assert!(told[0].ends_with("staged 1"), "{told:?}");
    }
    assert!(tank.append(0, 1, 1, &text)[0].ends_with("the file is full"));
    tank.release(0, 1, 1);
    assert_eq!(
        tank.read(0, 1, 0, 60_000),
        "\"xxxxxxxxxx\" from 60000 of 61440, own 0"
    );
    let mut token = 1;
    while tank.server.state.text(FileId(0)).len() + IN_A_GRANT * APPEND_BYTES_MAX <= FILE_BYTES_MAX
    {
        token += 1;
        tank.acquire(0, 1, "file_0");
        for _ in 0..IN_A_GRANT {
            tank.append(0, 1, token, &text);
        }
        tank.release(0, 1, token);
    }
    tank.acquire(0, 1, "file_0");
    let mut staged = 0;
    while tank.append(0, 1, token + 1, &text)[0].ends_with(&format!("staged {}", token + 1)) {
        staged += 1;
    }
    assert_eq!(
        staged,
        FILE_BYTES_MAX % (IN_A_GRANT * APPEND_BYTES_MAX) / APPEND_BYTES_MAX
    );
    tank.restart(1);
    assert!(tank.acquire(2, 1, "file_100")[0].ends_with("file not found"));
    assert!(tank.ask(2, 1, &Request::Hello)[0].ends_with("Connected!"));
    let garbage = tank.step(
        2,
        Input::Request {
            ticket: Ticket(99),
            caller: &caller(1),
            body: b"\xff\xff",
        },
    );
    assert_eq!(garbage, ["99: invalid request"]);
    assert!(
        tank.step(
            2,
            Input::OneWay {
                caller: &caller(1),
                body: b"\xff"
            }
        )
        .is_empty(),
        "no heartbeat"
    );
}

#[test]
fn one_lock_may_guard_all_files() {
    let mut tank = Fixture::with(Settings {
        locks: Locks::Global,
        ..Settings::default()
    });
    assert_eq!(
        tank.acquire(0, 1, "file_0"),
        ["grant 1: all files token 1 for 2000 ms", "1: granted 1"]
    );
    assert!(tank.acquire(0, 2, "file_7").is_empty());
    let other = Request::Append {
        file: "file_5".into(),
        token: 1,
        text: "B".into(),
    };
    assert_eq!(tank.ask(1, 1, &other), ["3: staged 1"]);
    assert_eq!(tank.append(1, 1, 1, "A"), ["4: staged 1"]);
    tank.restart(2);
    assert_eq!(tank.release(3, 1, 1), ["5: released 1"]);
    assert_eq!(tank.server.state.text(FileId(0)), "A");
    assert_eq!(tank.server.state.text(FileId(5)), "B");
}
