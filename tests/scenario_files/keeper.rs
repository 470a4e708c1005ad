//! A service for tests of scenario files that stores its state and has a format v1; it is never run.

use wavetank::rpc::client::RpcClient;
use wavetank::rpc::service::Service;
use wavetank::rpc::v1::FormatV1;
use wavetank::services::booking::v1::BookingV1;
use wavetank::services::{Application, Client, Usage};

/// A service that keeps what it was told: `keep TEXT`.
#[derive(Debug)]
pub(crate) struct Keeper;

impl Application for Keeper {
    fn name(&self) -> &'static str {
        "keeper"
    }

    fn usage(&self) -> &'static [Usage] {
        &[Usage {
            form: "keep TEXT",
            help: "Keeps it.",
        }]
    }

    fn service(&self) -> Box<dyn Service> {
        unreachable!("never run")
    }

    fn stores_state(&self) -> bool {
        true
    }

    fn client(&self, _rpc: RpcClient) -> Box<dyn Client> {
        unreachable!("never run")
    }

    fn format_v1(&self) -> Option<&'static dyn FormatV1> {
        Some(&BookingV1)
    }
}
