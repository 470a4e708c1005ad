//! The meeting scheduler: the common free time of any set of people, and meetings taken out of it.
//!
//! The service of the third seed document. A main server keeps no times; data servers keep those of
//! some people each.
//!
//! - [`times`]: when somebody is free
//! - [`data_file`]: the people of a data server, as their file has them
//! - [`spec`]: what all of it promises, one request after the other

pub mod data_file;
pub mod spec;
pub mod times;
