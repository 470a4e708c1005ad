//! A service that is no function of its seed, for the tests of those who look for such services.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Time;
use crate::rpc::client::RpcClient;
use crate::rpc::service::{Effects, Input, Service};
use crate::services::{Application, Client, PlainClient, Usage, catalogue};
use crate::sim::scenario::Scenario;

/// How often the moody service has been called, in all runs of this process.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Replies with the numbers of the process and of the call, which no seed determines; and panics when
/// it is asked to.
struct Moody;

impl Service for Moody {
    fn step(&mut self, _now: Time, input: Input<'_>, effects: &mut Effects) {
        let Input::Request { ticket, body, .. } = input else {
            return;
        };
        assert_ne!(body, b"fall", "a server that falls");
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        let reply = format!("process {}, call {number}", process::id());
        effects.complete(ticket, reply.as_bytes());
    }
}

#[derive(Debug)]
struct MoodyApplication;

impl Application for MoodyApplication {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn usage(&self) -> &'static [Usage] {
        &[
            Usage {
                form: "ask",
                help: "Asks.",
            },
            Usage {
                form: "fall",
                help: "Makes the server panic.",
            },
        ]
    }

    fn service(&self) -> Box<dyn Service> {
        Box::new(Moody)
    }

    fn client(&self, rpc: RpcClient) -> Box<dyn Client> {
        Box::new(PlainClient::new(rpc, |_| false))
    }
}

/// A scenario of this service, or of one of the catalogue, with the seed 7.
pub(crate) fn scenario(service: &str, rest: &str) -> Scenario {
    let file = format!("story = \"x\"\nservice = \"{service}\"\nseed = 7\n{rest}");
    let mut services = catalogue();
    services.push(Arc::new(MoodyApplication));
    let scenario = Scenario::parse("x.toml", &file, &services);
    scenario.unwrap_or_else(|mistake| panic!("{mistake}"))
}
