//! The limits of requests: those of `[batch]` and `[delivery]`, and those of a webhook.

use std::time::Duration;

use super::error::{SettingError, SettingErrors};
use super::raw::{self, Raw};
use crate::deliver::Limits;

pub(super) fn limits(raw: &Raw, errors: &mut SettingErrors) -> Limits {
    let (batch, delivery) = (&raw.batch, &raw.delivery);
    let limits = Limits {
        records_max: batch.records_max,
        bytes_max: batch.bytes_max.0,
        wait_max: Duration::from_millis(batch.wait_max_ms),
        timeout: Duration::from_millis(delivery.timeout_ms),
        connect_timeout: Duration::from_millis(delivery.connect_timeout_ms),
        retry_schedule: delivery.retry_schedule.iter().map(|span| span.0).collect(),
        give_up_after: delivery.give_up_after.0,
        order_wait: delivery.order_wait.0,
        response_bytes_max: delivery.response_bytes_max.0,
        connection_age_max: delivery.connection_age_max.0,
        gzip: delivery.gzip,
    };
    check_limits(&limits, "batch", "delivery", errors);
    limits
}

fn check_limits(limits: &Limits, batch: &str, delivery: &str, errors: &mut SettingErrors) {
    if limits.records_max == 0 {
        errors.note(&format!("{batch}.records_max"), "at least 1 is needed");
    }
    if limits.timeout.is_zero() {
        errors.note(&format!("{delivery}.timeout_ms"), "at least 1 is needed");
    }
    if limits.retry_schedule.is_empty() || limits.retry_schedule.iter().any(Duration::is_zero) {
        errors.note(&format!("{delivery}.retry_schedule"), "at least one wait is needed, and none of 0");
    }
}

/// The limits of a webhook at `path`: its own, else the default ones.
pub(super) fn own_limits(
    path: &str,
    raw: &raw::Webhook,
    default: &Limits,
    errors: &mut SettingErrors,
) -> Limits {
    let limits = over_default(raw, default);
    let mut own = SettingErrors::default();
    check_limits(&limits, path, path, &mut own);
    // An error in the defaults is reported for the defaults' own path.
    let is_own = |fault: &SettingError| match fault.path.last().map(String::as_str) {
        Some("records_max") => raw.records_max.is_some(),
        Some("timeout_ms") => raw.timeout_ms.is_some(),
        _ => raw.retry_schedule.is_some(),
    };
    errors.0.extend(own.0.into_iter().filter(is_own));
    limits
}

fn over_default(raw: &raw::Webhook, default: &Limits) -> Limits {
    let millis = |own: Option<u64>, default: Duration| own.map_or(default, Duration::from_millis);
    let schedule = raw.retry_schedule.as_ref().map(|spans| spans.iter().map(|span| span.0).collect());
    Limits {
        records_max: raw.records_max.unwrap_or(default.records_max),
        bytes_max: raw.bytes_max.map_or(default.bytes_max, |size| size.0),
        wait_max: millis(raw.wait_max_ms, default.wait_max),
        timeout: millis(raw.timeout_ms, default.timeout),
        connect_timeout: millis(raw.connect_timeout_ms, default.connect_timeout),
        retry_schedule: schedule.unwrap_or_else(|| default.retry_schedule.clone()),
        give_up_after: raw.give_up_after.map_or(default.give_up_after, |span| span.0),
        order_wait: raw.order_wait.map_or(default.order_wait, |span| span.0),
        response_bytes_max: raw.response_bytes_max.map_or(default.response_bytes_max, |size| size.0),
        connection_age_max: raw.connection_age_max.map_or(default.connection_age_max, |span| span.0),
        gzip: raw.gzip.unwrap_or(default.gzip),
    }
}
