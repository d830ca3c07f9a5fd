//! `[alerts]` → where alerts are posted, and what they are about.

use super::error::SettingErrors;
use super::raw;
use super::url::url;
use super::values::Alerts;
use super::webhook_section::{header, secrets};
use crate::alert::Budgets;
use crate::deliver::{HeaderNames, UrlTemplate, Webhook};

/// `None` without a URL, or with errors.
pub(super) fn alerts(
    raw: &raw::Alerts,
    names: Option<&HeaderNames>,
    errors: &mut SettingErrors,
) -> Option<Alerts> {
    if !(0.0..=1.0).contains(&raw.spool_share_max) {
        errors.note("alerts.spool_share_max", "a share from 0.0 to 1.0 is expected");
    }
    let text = errors.or("alerts.url", raw.url.value()).filter(|text| !text.expose().is_empty())?;
    let url = errors.or("alerts.url", UrlTemplate::parse(text.expose(), url))?;
    let secrets = match &raw.secret {
        raw::OneOrManySecrets::One(one) if one.value().is_ok_and(|text| text.expose().is_empty()) => {
            Vec::new()
        }
        some => secrets(Some(some), "alerts.secret", errors),
    };
    let headers = raw.headers.iter().filter_map(|(name, value)| {
        let checked = value.value().and_then(|value| header(name, &value, names));
        errors.or(&format!("alerts.headers.{name}"), checked)
    });
    let webhook = Webhook { headers: headers.collect(), secrets, ..Webhook::new(url) };
    let no_change_after = Some(raw.no_change_after.0).filter(|after| !after.is_zero());
    let budgets = Budgets {
        failing_after: raw.failing_after.0,
        slot_retained_bytes_max: raw.slot_retained_max.0,
        spool_share_max: raw.spool_share_max,
        no_change_after,
    };
    Some(Alerts { webhook, budgets })
}
