//! `/api/v1/doctor` and `/api/v1/settings`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::source::preflight::Severity;

/// What the checks of `sidecar doctor` find.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DoctorReport {
    /// The worst first.
    pub findings: Vec<FindingStatus>,
}

/// The result of one check.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct FindingStatus {
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// The consequences; may be empty.
    pub explanation: String,
    /// The SQL that fixes it, if SQL does.
    pub fix_sql: Option<String>,
}

/// The effective settings.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SettingList {
    /// In the order of the settings file.
    pub settings: Vec<EffectiveSetting>,
}

/// One setting.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct EffectiveSetting {
    /// `batch.records_max`
    pub name: String,
    /// As the settings file would have it; `"…"` for a secret.
    pub value: String,
    /// What the process uses, where that is another value: it started with it, and no SIGHUP has applied the new one.
    #[serde(default)]
    pub at_start: Option<String>,
    /// Where it is set: `defaults`, file and line, the environment or `--set`.
    pub source: String,
}
