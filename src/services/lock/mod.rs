//! The lock server and its append-only files.
//!
//! - [`message`]: requests, replies and updates
//! - [`files`]: which files there are
//! - [`settings`]: what a server is like, and which protections can be left out

pub mod files;
pub mod message;
pub mod settings;
