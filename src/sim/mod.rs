//! Simulations: what they are made of, and what becomes of them.
//!
//! A [`scenario`] is read from a file; a [`simulation`] runs one of its variants under a seed; a
//! [`report`] judges the run and tells it as a trace; [`compare`] adds up the runs of many seeds;
//! [`explore`] says what each of them amounts to, and [`explored`] is the file of that; a [`shard`] is
//! a part of a range of seeds; [`hold`] says in a test whether expectations hold over many seeds; [`twice`] says where two tellings of one run part.

pub mod atomicity;
pub mod causal;
pub mod compare;
mod course;
pub mod exclusion;
pub mod explore;
pub mod explored;
pub mod hold;
#[cfg(test)]
pub(crate) mod moody;
mod player;
pub mod replay;
pub mod report;
pub mod scenario;
pub mod shard;
pub mod simulation;
mod stages;
pub mod standing;
pub mod twice;
