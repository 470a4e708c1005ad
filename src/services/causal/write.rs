//! Writes, and what they depend on.

use crate::id::Version;

/// Whose writes are numbered together: a life of a data centre. A data centre whose state is on a disk
/// is one origin for all its lives.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Origin {
    /// The data centre, from 0.
    pub replica: u16,
    /// As in [`Version::life`].
    pub life: u32,
}

/// A write that another one, or a session, depends on.
///
/// The order is that of versions.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Dependency {
    /// The write's version: this one, no newer one.
    pub version: Version,
    /// The write's number among those of its origin, from 1.
    pub sequence: u64,
    /// The key that was written.
    pub key: String,
}

/// A write of a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Write {
    /// The key.
    pub key: String,
    /// Its value from now on.
    pub value: String,
    /// Who wrote it; empty if that client has no name.
    pub author: String,
    /// Greater than the versions of all that it depends on.
    pub version: Version,
    /// Its number among the writes of its origin, from 1.
    pub sequence: u64,
    /// What the session that wrote it had read and written, less what is known everywhere.
    pub needs: Vec<Dependency>,
}

impl Dependency {
    /// Whose write it is.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        origin(self.version)
    }
}

impl Write {
    /// Whose write it is.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        origin(self.version)
    }

    /// This write, as others depend on it.
    #[must_use]
    pub fn as_dependency(&self) -> Dependency {
        Dependency {
            version: self.version,
            sequence: self.sequence,
            key: self.key.clone(),
        }
    }
}

/// The origin of a version.
const fn origin(version: Version) -> Origin {
    Origin {
        replica: version.replica,
        life: version.life,
    }
}
