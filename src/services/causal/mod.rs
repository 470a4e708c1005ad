//! The causal store: keys and values, kept by several data centres.

pub mod committed;
pub mod outgoing;
pub mod replica;
pub mod write;
