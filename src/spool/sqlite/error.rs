//! What SQLite's errors mean for the spool.

use rusqlite::ErrorCode;

use crate::spool::error::SpoolError;

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
