//! What a host keeps when its life ends: records by key, on a disk.
//!
//! ```text
//! store      records by key: one transaction, one sync, then it is safe
//!   redb     the pages of a database, written by somebody else
//! sim  real  a simulated disk, which crashes, tears, fails and lies; a file
//! ```
//!
//! The same [`Store`] runs over both disks. Over an honest disk, what [`Store::commit`] has
//! acknowledged is found again after any crash, all of a batch or nothing of it. Over a disk that lies
//! about its syncs nothing is promised except that losses are losses or errors, never a panic.
//!
//! Not here: what the records mean, and who may ask for a disk. There are no other threads, and
//! nothing is written unless the store is called.

pub mod real;
pub mod sim;
mod store;

pub use self::sim::{Damage, DiskFate, SimDisk};
pub use self::store::{Batch, Record, Store, StoreError};
