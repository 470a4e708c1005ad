//! Facility booking.

pub mod codec;
pub mod message;
pub mod v1;
