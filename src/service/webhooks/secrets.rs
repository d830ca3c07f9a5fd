//! Secrets in the settings of webhooks, on their way into the spool.

use serde_json::Value;

use crate::settings::plain_secrets;

/// Makes the settings fit to be stored. References to secrets are stored as written; a plain secret is refused.
pub(super) fn seal(settings: &Value) -> Result<String, Vec<String>> {
    let plain = plain_secrets(settings);
    if plain.is_empty() {
        return Ok(settings.to_string());
    }
    let refusal = |path: String| {
        format!(
            "`webhook.{path}`: the spool holds no secret in plain text: give it as {{ \"env\": \"NAME\" }} or {{ \"file\": \"PATH\" }}"
        )
    };
    Err(plain.into_iter().map(refusal).collect())
}
