//! Faults of hosts in whole scenarios: crashes, restarts, pauses and clocks that are wrong.

#[path = "faults/clients.rs"]
mod clients;
#[path = "faults/disks.rs"]
mod disks;
#[path = "faults/parity.rs"]
mod parity;
#[path = "backends/told.rs"]
mod told;
