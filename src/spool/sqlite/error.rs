//! What SQLite's errors mean for the spool.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::spool::error::{OpenError, SpoolError};

/// The error of an operation whose statement failed.
pub(super) fn failed(error: rusqlite::Error) -> SpoolError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => SpoolError::DiskFull,
        // Without a code: a value of a kind that was never written.
        None | Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            SpoolError::Damaged(error.to_string())
        }
        Some(_) => SpoolError::Unknown(error.to_string()),
    }
}

/// The error of a system call on `path`, while the spool is opened.
pub(super) fn io_failed(path: &Path) -> impl Fn(std::io::Error) -> OpenError {
    move |source| OpenError::Io { location: location(path), source }
}

/// The error of a statement on the file at `path`, while the spool is opened.
pub(super) fn open_failed(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError {
    move |error| OpenError::of(location(path), &failed(error))
}

/// A path as messages show it.
pub(super) fn location(path: &Path) -> String {
    path.display().to_string()
}
