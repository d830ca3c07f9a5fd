//! Why the service does not run.

use crate::settings::InvalidSettings;

/// Why a run ended without a stop signal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An operation failed.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
    /// A setting or the database must be corrected first.
    #[error("{0}")]
    Refused(String),
}

impl From<InvalidSettings> for RunError {
    fn from(invalid: InvalidSettings) -> Self {
        Self::Refused(invalid.to_string())
    }
}
