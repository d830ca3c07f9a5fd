//! The result of one check.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The result of one check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// The consequences; may be empty.
    pub explanation: String,
    /// The SQL that fixes it, if SQL does.
    pub fix_sql: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Information.
    Note,
    /// May cause a failure later.
    Warning,
    /// The sidecar does not start: exit status 78.
    Problem,
}

pub(in crate::source) fn ok(title: impl Into<String>) -> Finding {
    Finding { severity: Severity::Ok, title: title.into(), explanation: String::new(), fix_sql: None }
}

pub(in crate::source) fn note(title: impl Into<String>, explanation: impl Into<String>) -> Finding {
    Finding { severity: Severity::Note, title: title.into(), explanation: explanation.into(), fix_sql: None }
}

pub(in crate::source) fn warning(title: impl Into<String>, explanation: impl Into<String>) -> Finding {
    Finding { severity: Severity::Warning, ..note(title, explanation) }
}
