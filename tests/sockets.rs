//! Real sockets: that the same servers and clients are wired to them rightly.
//!
//! What the protocols do is proved in simulation; these tests are few. Every socket has port 0, or one
//! that was free just before where several servers must know of each other; and nothing waits but for
//! events: a line that a process prints, a reply, an end.

#[path = "sockets/causal.rs"]
mod causal;
#[path = "sockets/client.rs"]
mod client;
#[path = "sockets/connections.rs"]
mod connections;
#[path = "sockets/datagrams.rs"]
mod datagrams;
#[path = "sockets/directory.rs"]
mod directory;
#[path = "sockets/disks.rs"]
mod disks;
#[path = "sockets/flood.rs"]
mod flood;
#[path = "sockets/library.rs"]
mod library;
#[path = "sockets/lives.rs"]
mod lives;
#[path = "sockets/lock.rs"]
mod lock;
#[path = "sockets/lock_client.rs"]
mod lock_client;
#[path = "sockets/lock_kills.rs"]
mod lock_kills;
#[path = "sockets/lock_many.rs"]
mod lock_many;
#[path = "sockets/meeting.rs"]
mod meeting;
#[path = "sockets/meeting_files.rs"]
mod meeting_files;
#[path = "sockets/meeting_usage.rs"]
mod meeting_usage;
#[path = "sockets/process.rs"]
mod process;
#[path = "sockets/v1.rs"]
mod v1;
