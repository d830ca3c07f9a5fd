//! Exit statuses.

use std::process::ExitCode;

/// Exit statuses, as scripts rely on them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exit {
    /// Success.
    Done = 0,
    /// Failure.
    Failed = 1,
    /// The arguments are invalid.
    Usage = 64,
    /// Postgres or the running sidecar cannot be reached.
    Unreachable = 69,
    /// A setting, a privilege or the database must be changed first.
    Refused = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
