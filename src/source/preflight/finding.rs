//! What a check found.

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// What follows from it; may be empty.
    pub explanation: String,
    /// The SQL that cures it, where SQL does.
    pub cure_sql: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Good to know.
    Note,
    /// May go wrong later.
    Warning,
    /// The sidecar does not start, exit status 78.
    Problem,
}

pub(in crate::source) fn ok(title: impl Into<String>) -> Finding {
    Finding { severity: Severity::Ok, title: title.into(), explanation: String::new(), cure_sql: None }
}

pub(in crate::source) fn note(title: impl Into<String>, explanation: impl Into<String>) -> Finding {
    Finding { severity: Severity::Note, title: title.into(), explanation: explanation.into(), cure_sql: None }
}

pub(in crate::source) fn warning(title: impl Into<String>, explanation: impl Into<String>) -> Finding {
    Finding { severity: Severity::Warning, ..note(title, explanation) }
}
