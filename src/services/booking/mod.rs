//! Facility booking.

pub mod message;
