//! The errors of a spool.

use super::chunk::DamagedChunk;
use super::scratch::ScratchError;

/// Why an operation was not done. Nothing of it was.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SpoolError {
    /// What was read is not what was written.
    #[error("the spool is damaged: {0}")]
    Damaged(String),
    /// The writer has ended, and accepts no operation.
    #[error("the spool is closed")]
    Closed,
    /// There is no room on the disk. It may be submitted again.
    #[error("the spool's disk is full")]
    DiskFull,
    /// A queue inside the process gave no reply: the operation was applied, or not.
    #[error("{0} does not reply")]
    NoReply(&'static str),
    /// It breaks a rule of the spool: a mistake of the caller.
    #[error("the spool refuses: {0}")]
    Refused(&'static str),
    /// Temporary space failed. The spool is as it was.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// A write or sync failed: nobody knows what the disk holds. Nothing more is written.
    #[error("the state of the spool's disk is unknown: {0}")]
    Unknown(String),
}

impl From<DamagedChunk> for SpoolError {
    fn from(error: DamagedChunk) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something in it is not what was written.
    #[error(
        "the spool {location} is damaged ({what}); nothing is read from it. Restore it from a copy, or move the folder away: \
         the next `sidecar run` then makes a first start"
    )]
    Damaged {
        /// The file.
        location: String,
        /// What was found.
        what: String,
    },
    /// The folder or a file in it cannot be used.
    #[error("open the spool {location}: {source}")]
    Io {
        /// The folder or file.
        location: String,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("another sidecar{} runs on the spool {location}; a spool has one", pid.as_ref().map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked {
        /// The folder.
        location: String,
        /// Its process, where the lock file names it.
        pid: Option<String>,
    },
    /// The disk has no room for what a start writes.
    #[error("the disk of the spool {location} is full: make room on it, and start again")]
    DiskFull {
        /// The file.
        location: String,
    },
    /// A write or sync failed.
    #[error("the spool {location} cannot be written ({what}): look after its disk, and start again")]
    Unwritable {
        /// The file.
        location: String,
        /// What was found.
        what: String,
    },
    /// Written by a later version.
    #[error(
        "the spool {location} has format {found}, and this sidecar knows {known}: run the version that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        location: String,
        /// Its format.
        found: i64,
        /// The newest format that this version reads.
        known: i64,
    },
    /// A step to a newer format failed.
    #[error(
        "the spool {location} cannot be migrated from format {from} to {to} ({what}); it is as it was, and {copy} is a copy of it \
         from before the first step"
    )]
    Migration {
        /// The file.
        location: String,
        /// The format that it has.
        from: i64,
        /// The format that the step makes.
        to: i64,
        /// What was found.
        what: String,
        /// The copy.
        copy: String,
    },
    /// It is not a spool at all.
    #[error("{location} is no spool of a sidecar: choose another folder in `spool.path`")]
    NotASpool {
        /// The file.
        location: String,
    },
}

impl OpenError {
    /// Why the spool at `location` cannot be opened, where an operation on it failed with `error`.
    pub(super) fn of(location: String, error: &SpoolError) -> Self {
        match error {
            SpoolError::DiskFull => Self::DiskFull { location },
            SpoolError::Closed | SpoolError::NoReply(_) | SpoolError::Scratch(_) | SpoolError::Unknown(_) => {
                Self::Unwritable { location, what: error.to_string() }
            }
            SpoolError::Damaged(_) | SpoolError::Refused(_) => {
                Self::Damaged { location, what: error.to_string() }
            }
        }
    }
}
