//! What can go wrong with a spool.

use std::path::PathBuf;

use super::chunk::DamagedChunk;
use super::sqlite::ScratchError;

/// Why an operation was not done. Nothing of it was.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SpoolError {
    /// What was read is not what was written.
    #[error("the spool is damaged: {0}")]
    Damaged(String),
    /// The writer has ended, and takes nothing more.
    #[error("the spool is closed")]
    Closed,
    /// There is no room on the disk. It may be submitted again.
    #[error("the spool's disk is full")]
    DiskFull,
    /// A queue inside the process gave no reply. The spool is as it was, or did what was requested.
    #[error("{0} does not reply")]
    NoReply(&'static str),
    /// It does not fit what is there: a mistake of the caller.
    #[error("the spool refuses: {0}")]
    Refused(&'static str),
    /// A temporary file beside the spool failed. The spool is as it was.
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
        "the spool {} is damaged ({what}); nothing is read from it. Restore it from a copy, or move the folder away: \
         the next `sidecar run` then makes a first start", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The folder or a file in it cannot be used.
    #[error("open the spool {}: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("another sidecar{} runs on the spool {}; a spool has one", pid.as_ref().map(|pid| format!(" (pid {pid})")).unwrap_or_default(), path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Whose, where it says so.
        pid: Option<String>,
    },
    /// The disk has no room for what a start writes.
    #[error("the disk of the spool {} is full: make room on it, and start again", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A write or sync failed.
    #[error("the spool {} cannot be written ({what}): look after its disk, and start again", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// Written by a later version.
    #[error("the spool {} has format {found}, and this sidecar knows {known}: run the version that wrote it, or a later one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this version reads.
        known: i64,
    },
    /// A step to a newer format failed.
    #[error(
        "the spool {} cannot be migrated from format {from} to {to} ({what}); it is as it was, and {} is a copy of it \
         from before the first step", path.display(), copy.display()
    )]
    Migration {
        /// The file.
        path: PathBuf,
        /// The format that it has.
        from: i64,
        /// The format that the step makes.
        to: i64,
        /// What was found.
        what: String,
        /// The copy.
        copy: PathBuf,
    },
    /// It is not a spool at all.
    #[error("{} is no spool of a sidecar: choose another folder in `spool.path`", path.display())]
    NotASpool {
        /// The file.
        path: PathBuf,
    },
}

impl OpenError {
    /// Why the file at `path` cannot be opened, when an operation on it failed so.
    pub(super) fn of(path: PathBuf, error: &SpoolError) -> Self {
        match error {
            SpoolError::DiskFull => Self::DiskFull { path },
            SpoolError::Closed | SpoolError::NoReply(_) | SpoolError::Scratch(_) | SpoolError::Unknown(_) => {
                Self::Unwritable { path, what: error.to_string() }
            }
            SpoolError::Damaged(_) | SpoolError::Refused(_) => {
                Self::Damaged { path, what: error.to_string() }
            }
        }
    }
}
