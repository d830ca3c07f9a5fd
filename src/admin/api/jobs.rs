//! `/api/v1/jobs`: requests that take long, with their progress.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The last jobs since the start.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct JobList {
    /// The newest first.
    pub jobs: Vec<JobStatus>,
}

/// A job.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct JobStatus {
    /// Its number.
    pub no: u64,
    /// What it does: `redeliver` or `discard`.
    pub what: String,
    /// The project that it is limited to.
    pub project: Option<String>,
    /// Who started it.
    pub by: String,
    /// Its state.
    pub state: JobState,
    /// Dead letters to be changed.
    pub total: u64,
    /// Dead letters changed.
    pub done: u64,
    /// Their records.
    pub records: u64,
    /// When it was started.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// About how long it takes still.
    pub left_seconds: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The state of a job.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It was stopped; what was done stays done.
    Cancelled,
    /// It has done all.
    Done,
    /// It stopped at an error; what was done stays done.
    Failed,
    /// It is at work.
    Running,
}

impl JobState {
    /// Its name in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Running => "running",
        }
    }
}
