//! `POST /api/v1/deliveries/redeliver`, `discard` and `replay`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::deliveries::{DeliveryQuery, DeliveryState};
use crate::outcome::Class;
use crate::record::Callback;

/// Batches, selected by id or by the filter of a list.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverySelection {
    /// Their `webhook-id`s.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Only of this project.
    #[serde(default)]
    pub project: Option<String>,
    /// Only of this callback.
    #[serde(default)]
    #[schema(value_type = Option<Callback>)]
    pub callback: Option<String>,
    /// Only in this state.
    #[serde(default)]
    #[schema(value_type = Option<DeliveryState>)]
    pub state: Option<String>,
    /// Only with an attempt that failed with this class.
    #[serde(default)]
    #[schema(value_type = Option<Class>)]
    pub class: Option<String>,
    /// Only with an attempt that was answered with this status: `503`, or `5xx`.
    #[serde(default)]
    #[schema(pattern = "^[1-9]([0-9][0-9]|xx)$")]
    pub status: Option<String>,
    /// Only cut then or later: RFC 3339.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// Only cut before: RFC 3339.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// All of them. Required where neither ids nor a filter are given.
    #[serde(default)]
    pub all: bool,
    /// Of a replay: the most records a second, over all lanes.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub rate: Option<u32>,
    /// Only count, and estimate how long it takes.
    #[serde(default)]
    pub dry_run: bool,
}

impl DeliverySelection {
    /// The filter.
    pub fn filter(&self) -> DeliveryQuery {
        DeliveryQuery {
            project: self.project.clone(),
            callback: self.callback.clone(),
            state: self.state.clone(),
            class: self.class.clone(),
            status: self.status.clone(),
            since: self.since.clone(),
            until: self.until.clone(),
            ..DeliveryQuery::default()
        }
    }
}

/// How many batches a request is about.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct DeliveryCounts {
    /// Batches: of a redelivery or a discard, those that are dead letters; of a replay, those that are settled.
    pub deliveries: u64,
    /// Number of their records.
    pub records: u64,
    /// Batches that were named and are not in such a state, no longer kept, or have no webhook.
    pub left_out: u64,
    /// There are more of them: counting stopped.
    pub more: bool,
    /// About how long it takes.
    pub estimated_seconds: Option<f64>,
    /// The job that does it, where there are many. Its batches are not changed yet.
    pub job: Option<u64>,
    /// The number of the replay that sends them.
    pub replay: Option<u64>,
}
