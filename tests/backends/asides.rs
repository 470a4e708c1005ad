//! A client's second socket: a task speaks beside the client's call, as long as the host lives and moves.

use std::time::Duration;

use wavetank::clock::Time;
use wavetank::disk::DiskFate;
use wavetank::host::Host;
use wavetank::id::{HostId, OperationId};
use wavetank::net::conditions::{Conditions, Fault};
use wavetank::net::faults::{Chosen, Crash, Pause, When};
use wavetank::rpc::Semantics;
use wavetank::rpc::client::{CallOptions, RpcClient, Wire};
use wavetank::rpc::retransmit::Policy;
use wavetank::rpc::serve::serve;
use wavetank::rpc::server::RpcServer;
use wavetank::rpc::service::{Effects, Input, Service};

use crate::tank::{Named, PORT, address, fixed_delay, host, run_on_both, tell};

const ALICE: HostId = HostId(1);

/// Completes nothing, and pushes a message that asks for no reply back to where it came from.
struct Mirror;

impl Service for Mirror {
    fn step(&mut self, _now: Time, input: Input<'_>, effects: &mut Effects) {
        if let Input::OneWay { caller, body } = input {
            effects.push(*caller, body);
        }
    }
}

/// Lets a task say every 20 ms that the client is there.
fn beat(host: Host, client: &RpcClient) {
    let mut aside = client.aside().expect("a free port");
    let operation = OperationId {
        client: ALICE,
        number: 1,
    };
    client.host().spawn(async move {
        for beat in 1_u8.. {
            aside.tell(operation, &[beat]);
            let next = host.now() + Duration::from_millis(20);
            while let Some(update) = aside.next_update(next).await {
                tell(&host, &format!("heard {}", update.body[0]));
            }
        }
    });
}

fn hosts() -> Vec<Named> {
    let server = host("server", |host| async move {
        let socket = host.bind(PORT).expect("a free port");
        let server = RpcServer::new(Box::new(Mirror), None, Semantics::Maybe);
        serve(host, socket, server).await;
    });
    let alice = host("alice", |host| async move {
        let options = CallOptions {
            semantics: Semantics::Maybe,
            policy: Policy::default(),
            wire: Wire::V2,
            sessions: false,
        };
        let socket = host.bind(PORT).expect("a free port");
        let server = address(&host, "server");
        let mut client = RpcClient::new(host.clone(), socket, server, options);
        beat(host, &client);
        let operation = OperationId {
            client: ALICE,
            number: 2,
        };
        client.call(operation, b"wait").await;
    });
    vec![server, alice]
}

#[test]
fn a_task_speaks_beside_a_call_until_its_host_pauses_or_dies() {
    let pause = Fault::Pause(Pause {
        host: ALICE,
        at: Chosen::Fixed(30),
        span: Duration::from_millis(100),
    });
    let crash = Fault::Crash(Crash {
        host: ALICE,
        when: When::At(Chosen::Fixed(155)),
        disk_operation: None,
        restart_after: Some(Duration::from_millis(10)),
        disk: DiskFate::Keep,
    });
    let conditions = Conditions {
        faults: vec![pause, crash],
        ..fixed_delay(3)
    };
    let lines = run_on_both(hosts, &conditions, 200);
    let told = lines.iter().filter_map(|line| line.split_once(" host1: "));
    let is_told = |(_, what): &(&str, &str)| {
        ["heard", "pause", "resume", "crash", "restart"]
            .iter()
            .any(|word| what.starts_with(word))
    };
    let told: Vec<String> = told
        .filter(is_told)
        .map(|(at, what)| format!("{at} {what}"))
        .collect();
    assert_eq!(
        told,
        [
            "6 heard 1",
            "26 heard 2",
            "30 pause",
            "130 resume",
            "136 heard 3",
            "155 crash",
            "165 restart",
            "171 heard 1",
            "191 heard 2",
        ]
    );
}
