//! What a lock server is after a restart, and without its protections.

use super::fixture::{Fixture, without};
use super::*;

#[test]
fn a_restarted_server_honours_what_it_finds_and_forgets_who_waits() {
    let mut tank = Fixture::new();
    tank.acquire(0, 1, "file_0");
    tank.append(1, 1, 1, "A");
    tank.acquire(2, 2, "file_0");
    let found = ["renew 1: file_0 token 1 for 2000 ms"];
    assert_eq!(tank.restart(1_900), found);
    tank.acquire(1_901, 3, "file_0");
    assert!(tank.let_timers_run(3_899).is_empty(), "a new full lease");
    assert_eq!(
        tank.release(3_899, 1, 1)[1..],
        ["grant 3: file_0 token 2 for 2000 ms", "4: granted 2"]
    );
    assert_eq!(tank.read(3_899, 2, 0, 0), "\"A\" from 0 of 1, own 0");
    tank.release(3_899, 3, 2);
    assert!(tank.restart(4_000).is_empty());
    assert_eq!(
        tank.acquire(4_001, 3, "file_0")[1],
        "8: granted 3",
        "tokens go on"
    );
}

#[test]
fn a_restart_at_any_step_changes_nothing_but_leases_and_queues() {
    let script = |tank: &mut Fixture, restart_after: usize| -> String {
        let steps: [&dyn Fn(&mut Fixture); 9] = [
            &|tank| drop(tank.acquire(0, 1, "file_0")),
            &|tank| drop(tank.append(0, 1, 1, "one ")),
            &|tank| drop(tank.append(0, 1, 1, "two ")),
            &|tank| drop(tank.release(0, 1, 1)),
            &|tank| drop(tank.acquire(0, 2, "file_0")),
            &|tank| drop(tank.append(0, 2, 2, "three ")),
            &|tank| drop(tank.release(0, 2, 2)),
            &|tank| drop(tank.acquire(0, 1, "file_0")),
            &|tank| drop(tank.append(0, 1, 3, "four ")),
        ];
        for (number, step) in steps.iter().enumerate() {
            step(tank);
            if number == restart_after {
                tank.restart(0);
            }
        }
        format!("{:?}", tank.server.state)
    };
    let whole = script(&mut Fixture::new(), usize::MAX);
    for place in 0..9 {
        assert_eq!(
            script(&mut Fixture::new(), place),
            whole,
            "restarted after step {place}"
        );
    }
}

#[test]
fn without_fencing_whoever_asks_is_taken_for_the_holder() {
    let mut tank = Fixture::with(without(Protection::Fencing));
    assert_eq!(
        tank.append(0, 3, 0, "C"),
        ["1: staged 0"],
        "it has appeared"
    );
    tank.acquire(0, 1, "file_0");
    assert_eq!(tank.append(1, 2, 0, "B"), ["3: staged 1"]);
    assert_eq!(tank.release(2, 2, 0), ["4: released 1"]);
    assert_eq!(tank.read(3, 3, 0, 0), "\"CB\" from 0 of 2, own 0");
}

#[test]
fn each_protection_that_is_left_out_is_missed() {
    let mut tank = Fixture::with(without(Protection::Staging));
    tank.acquire(0, 1, "file_0");
    tank.append(0, 1, 1, "A");
    assert_eq!(tank.read(0, 2, 0, 0), "\"A\" from 0 of 1, own 0");

    let mut tank = Fixture::with(without(Protection::Leases));
    tank.acquire(0, 1, "file_0");
    tank.acquire(0, 2, "file_0");
    assert_eq!(tank.timer, None, "nothing ends it");

    let mut tank = Fixture::with(without(Protection::RenewalCheck));
    tank.acquire(0, 1, "file_0");
    tank.release(0, 1, 1);
    tank.acquire(0, 2, "file_0");
    assert_eq!(
        tank.beat(1_000, 1, 1)[0],
        "renew 2: file_0 token 1 for 2000 ms"
    );

    let mut tank = Fixture::with(without(Protection::DurableTokens));
    tank.acquire(0, 1, "file_0");
    tank.release(0, 1, 1);
    tank.restart(1);
    assert_eq!(tank.acquire(2, 2, "file_0")[1], "3: granted 1");

    let mut tank = Fixture::with(without(Protection::HonouredGrants));
    tank.acquire(0, 1, "file_0");
    tank.append(0, 1, 1, "A");
    assert!(tank.restart(1).is_empty());
    assert_eq!(tank.acquire(2, 2, "file_0")[1], "3: granted 2");
    tank.restart(3);
}

#[test]
fn a_thousand_clients_are_served_in_order() {
    let mut tank = Fixture::new();
    for client in 1..=1_000 {
        tank.acquire(u64::from(client), client, "file_0");
    }
    for client in 1..1_000_u16 {
        let ms = 1_000 + u64::from(client);
        let told = tank.release(ms, client, client.into());
        let next = format!(
            "grant {}: file_0 token {} for 2000 ms",
            client + 1,
            client + 1
        );
        assert_eq!(told[1], next);
    }
}
