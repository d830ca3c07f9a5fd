//! The labels of metrics. None has a value without bound.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

use crate::outcome::OutcomeKind;
use crate::record::{Callback, Property};

/// `outcome="done"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OutcomeLabel {
    /// `done`, `failed` or `held`.
    pub outcome: &'static str,
}

/// `operation="insert"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OperationLabel {
    /// `insert`, `update`, `delete` or `truncate`.
    pub operation: &'static str,
}

/// `callback="ingested"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct CallbackLabel {
    /// The callback.
    pub callback: Callback,
}

/// `property="labels"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct PropertyLabel {
    /// The property that records are about.
    pub property: Property,
}

/// `callback="ingested",outcome="delivered"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct AttemptLabel {
    /// The callback.
    pub callback: Callback,
    /// The outcome of the attempt.
    pub outcome: OutcomeKind,
}

/// `project="acme"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ProjectLabel {
    /// One of the first projects, or `other`.
    pub(super) project: String,
}

/// `project="acme",callback="ingested",outcome="delivered"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ProjectAttemptLabel {
    /// One of the first projects, or `other`.
    pub(super) project: String,
    /// The callback.
    pub(super) callback: Callback,
    /// The outcome of the attempt.
    pub(super) outcome: OutcomeKind,
}

/// `origin="query"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OriginLabel {
    /// `file`, `query` or `set`.
    pub origin: &'static str,
}

/// `state="failing"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct StateLabel {
    /// The condition of the lane.
    pub state: &'static str,
}

/// `alert="failing",outcome="posted"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct AlertLabel {
    /// What the alert is about.
    pub alert: &'static str,
    /// `posted` or `dropped`.
    pub outcome: &'static str,
}

/// `reason="given_up"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct ReasonLabel {
    /// Why records became a dead letter.
    pub reason: &'static str,
}

/// `reused="true"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct ReusedLabel {
    /// Whether the connection came from the pool.
    pub reused: BoolLabel,
}

/// `true` or `false`, as the value of a label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct BoolLabel(pub bool);

impl EncodeLabelValue for Callback {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl EncodeLabelValue for Property {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl EncodeLabelValue for BoolLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&if self.0 { "true" } else { "false" }, encoder)
    }
}
