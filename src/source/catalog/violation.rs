//! Requirements that the server does not meet, and the SQL that fixes them. Pure.

use std::fmt;

use crate::source::SourceError;

/// A state of the server in which the sidecar does not start, because it would lose changes or break
/// the application's writes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// One sentence.
    pub what: String,
    /// The SQL that fixes it; `None` if a setting does.
    pub fix_sql: Option<String>,
}

impl Violation {
    /// A violation that SQL fixes.
    pub fn with_fix(what: impl Into<String>, sql: impl Into<String>) -> Self {
        Self { what: what.into(), fix_sql: Some(sql.into()) }
    }

    /// A violation that a setting fixes, as its sentence explains.
    pub fn in_settings(what: impl Into<String>) -> Self {
        Self { what: what.into(), fix_sql: None }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.fix_sql.iter().try_for_each(|sql| write!(f, "\n  fix: {sql}"))
    }
}

/// Why an operation on the server failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The server or the settings must be changed first: exit status 78.
    #[error("{}", sentences(.0))]
    Refused(Vec<Violation>),
    /// The server or the connection failed; a retry may help.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl From<tokio_postgres::Error> for CatalogError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Source(error.into())
    }
}

impl From<Violation> for CatalogError {
    fn from(violation: Violation) -> Self {
        Self::Refused(vec![violation])
    }
}

fn sentences(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
