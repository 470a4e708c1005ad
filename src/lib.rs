//! A deterministic simulation testbed for distributed services.

pub mod check;
pub mod cli;
pub mod clock;
pub mod history;
pub mod host;
pub mod id;
pub mod net;
pub mod rpc;
pub mod seed;
pub mod services;
pub mod sim;
pub mod trace;
pub mod wire;
