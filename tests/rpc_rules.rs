//! The rules of requests and replies, each with a test that fails without it.
//!
//! Clients and servers of small services run in the event simulator. Where a rule is about what a
//! server answers to a datagram that no client of this crate sends, the server is asked directly.

#[path = "rpc_rules/aside.rs"]
mod aside;
#[path = "rpc_rules/cache.rs"]
mod cache;
#[path = "rpc_rules/calls.rs"]
mod calls;
#[path = "rpc_rules/durable.rs"]
mod durable;
#[path = "rpc_rules/lives.rs"]
mod lives;
#[path = "rpc_rules/semantics.rs"]
mod semantics;
#[path = "rpc_rules/services.rs"]
mod services;
#[path = "rpc_rules/sessions.rs"]
mod sessions;
#[path = "rpc_rules/stops.rs"]
mod stops;
#[path = "rpc_rules/tank.rs"]
mod tank;
#[path = "rpc_rules/waiting.rs"]
mod waiting;
