//! wavetank: a deterministic simulation testbed for distributed services.
//!
//! A wave tank is the basin in which a scale model meets the same wave as often as you like. Here a
//! server and its clients, written once against an abstract network, meet the same storm: loss,
//! duplication, delay, reordering and partitions, all from one seed. One seed, one storm, one trace,
//! one verdict, to the byte.
//!
//! ```text
//! cli                                  the program
//! sim                                  scenarios, simulations, reports, comparisons
//! services                             what a service is as a whole; booking
//! rpc       check                      requests and replies; properties
//! net  disk  trace  history  host      what hosts touch and what is recorded
//! wire  seed  id  clock                no I/O, no async
//! ```
//!
//! Imports go down only. `ARCHITECTURE.md` has the map, the invariants and the reasons.
//!
//! A service of one's own implements [`rpc::service::Service`] and [`services::Application`];
//! `examples/bank.rs` does, in a hundred lines, and runs on both simulators.

pub mod check;
#[doc(hidden)]
pub mod cli;
pub mod clock;
pub mod disk;
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
