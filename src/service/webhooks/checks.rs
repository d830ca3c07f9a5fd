//! What a change of a webhook has to hold before it is stored.

use std::sync::Arc;

use serde_json::Value;

use super::in_force::{Checked, InForce, SetWebhook};
use super::secrets::seal;
use super::tenant;
use crate::admin::{RequestError, WebhookKey};
use crate::deliver::SetBy;
use crate::settings::InvalidSettings;

impl InForce {
    /// Checks the settings of a webhook that is to be set.
    pub(super) fn check(
        &self,
        key: &WebhookKey,
        settings: Value,
        set_by: SetBy,
    ) -> Result<Checked, RequestError> {
        let stored = seal(&tenant::marked(&settings, set_by), key, self.keys());
        let webhook = self.webhook(key, &settings).map(|webhook| self.owned(webhook, set_by));
        match (stored, webhook) {
            (Ok(stored), Ok(webhook)) => {
                let webhook = Arc::new(webhook);
                Ok(Checked { key: key.clone(), settings, stored, webhook })
            }
            (stored, webhook) => {
                let plain = stored.err().unwrap_or_default();
                let wrong = webhook.err().map(|invalid| invalid.0).unwrap_or_default();
                Err(InvalidSettings([wrong, plain].concat()).into())
            }
        }
    }
}

/// The change without `project` and `callback`, which must be those of the key.
pub(super) fn without_key(key: &WebhookKey, change: &Value) -> Result<Value, RequestError> {
    let mut change = change.clone();
    let Some(fields) = change.as_object_mut() else {
        return Err(RequestError::field("webhook", "an object is expected"));
    };
    for (field, own) in [("project", &key.project), ("callback", &key.callback)] {
        if fields.remove(field).is_some_and(|given| given != own.as_str()) {
            return Err(RequestError::field(
                format!("webhook.{field}"),
                "it is another than that of the path: remove it, or set that webhook",
            ));
        }
    }
    Ok(change)
}

pub(super) fn check_revision(
    key: &WebhookKey,
    before: Option<&SetWebhook>,
    revision: Option<u64>,
) -> Result<(), RequestError> {
    let found = before.map_or(0, |set| set.revision);
    match revision {
        Some(expected) if expected != found => Err(RequestError::Changed(format!(
            "the webhook {} was changed meanwhile: it has revision {found}, not {expected}: read it again, and repeat the change",
            shown(key)
        ))),
        _ => Ok(()),
    }
}

/// Its project and its callback.
pub(super) fn shown(key: &WebhookKey) -> String {
    format!("project `{}`, callback `{}`", key.project, key.callback)
}
