//! The lock server and its append-only files.
//!
//! - [`message`]: requests, replies and updates; [`codec`]: their bytes
//! - [`files`]: which files there are
//! - [`settings`]: what a server is like, and which protections can be left out

pub mod codec;
pub mod files;
pub mod message;
pub mod settings;

mod command;
mod describe;
mod load;
mod spec;
