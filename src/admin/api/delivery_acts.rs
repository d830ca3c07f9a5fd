//! `POST /api/v1/deliveries/redeliver`, `discard` and `replay`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::deliveries::DeliveryFilter;
use super::flattened;

/// Batches, selected by id or by the filter of a list.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverySelection {
    /// Their `webhook-id`s.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Or those of a filter.
    #[serde(flatten, deserialize_with = "flattened::read")]
    #[schema(inline)]
    pub filter: DeliveryFilter,
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

/// How many batches a request is about.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct DeliveryCounts {
    /// Batches: of a redelivery or a discard, those that are dead letters; of a replay, those that are settled.
    pub deliveries: u64,
    /// Number of their records.
    pub records: u64,
    /// Batches that were named and are not in such a state, no longer kept, or have no webhook.
    pub left_out: u64,
    /// Of a replay: there are more of them, and counting stopped.
    pub more: bool,
    /// About how long it takes.
    pub estimated_seconds: Option<f64>,
    /// The job that does it, where there are many. Its batches are not changed yet.
    pub job: Option<u64>,
    /// The number of the replay that sends them.
    pub replay: Option<u64>,
}
