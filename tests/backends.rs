//! The two simulators tell the same story, to the byte, and datagrams on turmoil do cross turmoil.

#[path = "backends/asides.rs"]
mod asides;
#[path = "backends/broken_connections.rs"]
mod broken_connections;
#[path = "backends/carried.rs"]
mod carried;
#[path = "backends/chats.rs"]
mod chats;
#[path = "backends/connections.rs"]
mod connections;
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
