//! Simulations: what they are made of, and what becomes of them.

pub mod scenario;
