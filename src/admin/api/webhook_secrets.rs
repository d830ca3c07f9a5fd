//! `/api/v1/webhooks/secret` and `rotate`: bodies that hold signing secrets.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::webhooks::{WebhookKey, WebhookOrigin};
use crate::secret::Secret;

/// The response to `POST /api/v1/webhooks/secret`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SigningSecretList {
    /// The project, or `*`.
    pub project: String,
    /// The callback, or `*`.
    pub callback: String,
    /// Where the webhook comes from.
    pub origin: WebhookOrigin,
    /// Those that sign now, the newest first.
    pub secrets: Vec<ReceiverSecret>,
}

/// A signing secret, as the receiver's library reads it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ReceiverSecret {
    /// `whsec_…`, or of an Ed25519 key its public half, `whpk_…`.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub secret: Secret,
    /// When it ends to sign; `null`: it has no end.
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

/// The body of `POST /api/v1/webhooks/rotate`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// The project, or `*`.
    pub project: String,
    /// The callback, or `*`.
    #[schema(pattern = "^(ingested|modified|excluded|\\*)$")]
    pub callback: String,
    /// How long the old secrets sign beside the new one; 24 hours by default.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 31_536_000)]
    pub overlap_seconds: Option<f64>,
    /// The new secret: a text, `{"env": "NAME"}` or `{"file": "PATH"}`. By default, one is drawn.
    #[serde(default)]
    pub secret: Option<Value>,
}

impl RotateRequest {
    /// The webhook that it is of.
    pub fn key(&self) -> WebhookKey {
        WebhookKey { project: self.project.clone(), callback: self.callback.clone() }
    }
}

/// The response to `rotate`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct RotateResult {
    /// The project, or `*`.
    pub project: String,
    /// The callback, or `*`.
    pub callback: String,
    /// The number of this version of the webhook.
    pub revision: u64,
    /// The new secret, for the receiver.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub secret: Secret,
    /// Old secrets that still sign.
    pub old_secrets: u64,
    /// When the last of them ends; `null` where none signs.
    #[schema(format = DateTime)]
    pub old_until: Option<String>,
}

/// A secret as a text of JSON.
pub(super) mod text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::secret::Secret;

    pub(in crate::admin::api) fn serialize<S: Serializer>(
        secret: &Secret,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub(in crate::admin::api) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::of_text)
    }
}
