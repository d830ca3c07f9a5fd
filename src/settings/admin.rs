//! `[admin]`: who is served on the admin port.

use super::error::SettingErrors;
use super::raw;
use crate::admin::AccessOptions;

pub(super) fn access(raw: &raw::Admin, errors: &mut SettingErrors) -> AccessOptions {
    let hosts = raw.hosts.iter().filter_map(|name| errors.or("admin.hosts", host(name))).collect();
    AccessOptions { hosts }
}

/// A name as requests give it, without its port.
fn host(name: &str) -> Result<String, String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let is_port = |port: &str| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let has_port = name.matches(':').count() == 1 && name.rsplit(':').next().is_some_and(is_port);
    if name.is_empty() || has_port || !name.chars().all(is_letter) {
        return Err(format!(
            "`{name}` is no host: expected a name like sidecar.example.com, without scheme and port"
        ));
    }
    Ok(name)
}
