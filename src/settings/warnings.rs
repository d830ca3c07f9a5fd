//! What is valid and yet likely to be a mistake.

use crate::deliver::{Routes, SigningSecret};
use crate::record::Callback;

/// About these webhooks, one sentence each. Pure.
pub fn warnings(routes: &Routes) -> Vec<String> {
    let mut warnings = Vec::new();
    for webhook in routes.all() {
        let (project, callback) = (webhook.project.as_deref(), webhook.callback.map(Callback::name));
        let (project, callback) = (project.unwrap_or("*").escape_debug(), callback.unwrap_or("*"));
        for length in webhook.secrets.iter().filter_map(SigningSecret::too_short) {
            warnings.push(format!(
                "the webhook of project `{project}`, callback `{callback}`: `secret` has {length} bytes, which can be \
                 guessed: Standard Webhooks asks for 24 to 64 random bytes, such as whsec_ followed by what \
                 `openssl rand -base64 32` prints"
            ));
        }
    }
    warnings
}
