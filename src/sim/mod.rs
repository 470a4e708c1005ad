//! Simulations: what they are made of, and what becomes of them.
//!
//! A [`scenario`] is read from a file; a [`simulation`] runs one of its variants under a seed; a
//! [`report`] judges the run and tells it as a trace; [`compare`] adds up the runs of many seeds.

pub mod compare;
mod course;
pub mod replay;
pub mod report;
pub mod scenario;
pub mod simulation;
mod stages;
