//! The lock server and its append-only files.
pub mod codec;
pub mod files;
pub mod guard;
pub mod library;
pub mod message;
mod records;
pub mod server;
pub mod settings;
mod state;
