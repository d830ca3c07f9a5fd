//! `GET /api/v1/projects` and `/api/v1/projects/PROJECT`: projects with their lanes and webhooks.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::deliveries::DeliveryRequest;
use super::lane_activity::LaneActivity;
use super::status::{LaneBacklog, LaneStatus};
use super::webhooks::WebhookDetail;
use crate::deliver::LaneCondition;
use crate::record::Callback;

/// A page of projects, filtered.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProjectQuery {
    /// Only those whose name, hosts or owner hold this text, in any case.
    pub search: Option<String>,
    /// Only those with a lane in this state.
    pub state: Option<LaneCondition>,
    /// Only those after this name.
    pub after: Option<String>,
    /// The most to return; 100 by default, 1,000 at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
}

/// The body of `GET /api/v1/projects`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ProjectPage {
    /// In the order of their names.
    pub projects: Vec<ProjectStatus>,
    /// The next page starts after this name; `null` on the last page.
    pub next: Option<String>,
}

/// A project that has had a record, or has a webhook of its own.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ProjectStatus {
    /// Its name.
    pub project: String,
    /// The state of its lanes that matters most; `null`: it has had no record.
    pub state: Option<LaneCondition>,
    /// Hosts and ports of the webhooks that answer for it.
    pub hosts: Vec<String>,
    /// Owners of these webhooks.
    pub owners: Vec<String>,
    /// Records of its lanes that are not settled.
    pub pending: LaneBacklog,
    /// Seconds since the last success of any of its lanes; `null`: there was none since the process started.
    pub last_success_seconds: Option<f64>,
}

/// The body of `GET /api/v1/projects/PROJECT`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ProjectDetail {
    /// Its name.
    pub project: String,
    /// The three callbacks.
    pub callbacks: Vec<CallbackDetail>,
    /// Its live documents; `null`: not known before the first start has finished.
    #[serde(default)]
    pub documents: Option<DocumentCount>,
}

/// How many live documents a project has.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct DocumentCount {
    /// Their number.
    pub count: u64,
    /// It is estimated from a sample of the documents.
    pub is_estimate: bool,
}

/// One callback of a project.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct CallbackDetail {
    /// The callback.
    pub callback: Callback,
    /// The webhook that answers for it; `null`: its records are not kept. Its `lanes` are left out. Of one for all
    /// projects, a caller of one project sees no settings.
    pub webhook: Option<WebhookDetail>,
    /// Its lane; `null`: it has had no record.
    pub lane: Option<LaneStatus>,
    /// What was attempted for its lane lately.
    #[serde(default)]
    pub activity: Option<LaneActivity>,
    /// A test request with a specimen as its body, secrets replaced; `null`: it has no webhook, or one for all projects,
    /// which a caller of one project does not see.
    #[serde(default)]
    pub specimen: Option<DeliveryRequest>,
}

/// Which of a project's states matters most: the first of these.
pub const STATES_BY_WEIGHT: [LaneCondition; 8] = [
    LaneCondition::NeedsOwner,
    LaneCondition::Failing,
    LaneCondition::Paused,
    LaneCondition::Throttled,
    LaneCondition::Busy,
    LaneCondition::Waiting,
    LaneCondition::Idle,
    LaneCondition::WithoutWebhook,
];
