//! The two simulators tell the same story, to the byte, and datagrams on turmoil do cross turmoil.

#[path = "backends/asides.rs"]
mod asides;
#[path = "backends/carried.rs"]
mod carried;
#[path = "backends/disks.rs"]
mod disks;
#[path = "backends/hosts.rs"]
mod hosts;
#[path = "backends/lives.rs"]
mod lives;
#[path = "backends/storms.rs"]
mod storms;
#[path = "backends/tank.rs"]
mod tank;
#[path = "backends/told.rs"]
mod told;
