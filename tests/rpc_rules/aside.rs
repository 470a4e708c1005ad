//! A second socket of a client, for a task beside its calls.

use std::time::Duration;

use wavetank::clock::Time;
use wavetank::net::conditions::{Fault, Selector, Target};
use wavetank::net::faults::{Chosen, Crash, DiskFate, Pause, When};
use wavetank::rpc::Semantics;
use wavetank::rpc::service::{Effects, Input, Service};
use wavetank::trace::Event;

use crate::tank::{ALICE, BOB, Run, Script, alice, run, script};

/// Completes nothing, and pushes a message that asks for no reply back to where it came from.
#[derive(Debug)]
struct Mirror;

impl Service for Mirror {
    fn step(&mut self, _now: Time, input: Input<'_>, effects: &mut Effects) {
        if let Input::OneWay { caller, body } = input {
            effects.push(*caller, body);
        }
    }
}

/// Waits for the reply to a call; meanwhile a task says every 200 ms that the client is there.
fn caller() -> Script {
    script(|client| async move {
        let mut rpc = client.rpc(1);
        let (host, mut aside) = (client.host.clone(), rpc.aside().expect("a free port"));
        let operation = client.operation(7);
        client.host.spawn(async move {
            for beat in 1..=5 {
                aside.tell(operation, &[beat]);
                let next = host.now() + Duration::from_millis(200);
                while let Some(update) = aside.next_update(next).await {
                    aside.notified(&update, operation);
                }
            }
        });
        client.call(&mut rpc, 1, b"wait").await;
    })
}

/// Of a host: when it heard the answer to which beat.
fn heard(run: &Run, host: wavetank::id::HostId) -> Vec<(u64, u8)> {
    let of_host = run.lines.iter().filter(|line| line.host == host);
    let heard = of_host.filter_map(|line| match &line.event {
        Event::Notified { update, .. } => Some((line.at.as_ms(), update[0])),
        _ => None,
    });
    heard.collect()
}

fn run_with(faults: Vec<Fault>, clients: usize) -> Run {
    let scripts = (0..clients).map(|_| caller()).collect();
    run(|| Box::new(Mirror), Semantics::AtMostOnce, faults, scripts)
}

#[test]
fn a_task_speaks_and_hears_while_its_client_waits_for_a_reply() {
    let run = run_with(Vec::new(), 2);
    let beats = [(20, 1), (220, 2), (420, 3), (620, 4), (820, 5)];
    assert_eq!(heard(&run, ALICE), beats);
    assert_eq!(heard(&run, BOB), beats, "each hears its own");
    let is_ignored = |line: &&wavetank::trace::Line| matches!(line.event, Event::Ignore { .. });
    assert_eq!(run.lines.iter().filter(is_ignored).count(), 0);
}

#[test]
fn scripted_faults_reach_its_messages_by_their_number() {
    let target = |nth| Target {
        label: Selector::TellFrom(alice(7)),
        nth,
    };
    let faults = vec![
        Fault::Drop(target(2)),
        Fault::Delay(target(3), Duration::from_millis(100)),
        Fault::Duplicate(target(5), Duration::from_millis(50)),
    ];
    let run = run_with(faults, 1);
    let beats = [(20, 1), (510, 3), (620, 4), (820, 5), (870, 5)];
    assert_eq!(heard(&run, ALICE), beats);
}

#[test]
fn a_pause_of_the_host_stops_it_and_a_crash_ends_it() {
    let pause = Fault::Pause(Pause {
        host: ALICE,
        at: Chosen::Fixed(300),
        span: Duration::from_millis(1_000),
    });
    let paused = run_with(vec![pause], 1);
    assert_eq!(
        heard(&paused, ALICE),
        [(20, 1), (220, 2), (1_320, 3), (1_520, 4), (1_720, 5)]
    );
    let crash = Fault::Crash(Crash {
        host: ALICE,
        when: When::At(Chosen::Fixed(300)),
        disk_operation: None,
        restart_after: None,
        disk: DiskFate::Keep,
    });
    let crashed = run_with(vec![crash], 1);
    assert_eq!(heard(&crashed, ALICE), [(20, 1), (220, 2)]);
}
