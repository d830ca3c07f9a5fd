//! What is valid and yet likely to be a mistake.

use super::values::Settings;
use crate::deliver::SigningSecret;

impl Settings {
    /// One sentence each. Pure.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (at, webhook) in self.routes.all().enumerate() {
            for length in webhook.secrets.iter().filter_map(SigningSecret::too_short) {
                warnings.push(format!(
                    "`webhook[{at}].secret`: a secret of {length} bytes can be guessed: Standard Webhooks asks for 24 to 64 \
                     random bytes, such as whsec_ followed by what `openssl rand -base64 32` prints"
                ));
            }
        }
        warnings
    }
}
