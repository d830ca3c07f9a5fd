//! `/api/v1/projects/{project}/hand-over`: a text for the owner of a receiver.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::record::Callback;

/// Which webhook it is about.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams, Serialize)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HandOverQuery {
    /// The callback.
    pub callback: Callback,
}

/// What fails, for those who operate the receiver.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct HandOver {
    /// What fails and what mends it, and the request that failed last as a command. Secrets are replaced.
    pub text: String,
    /// The batch that failed last; `null`: none did, it is not on record any more, or the caller does not see the webhook.
    pub webhook_id: Option<String>,
}
