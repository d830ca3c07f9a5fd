//! The limits of requests: those of `[batch]` and `[delivery]`, and those of a webhook.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::error::{SettingError, SettingErrors};
use super::raw::{self, MaybeSurge, Raw};
use crate::deliver::{HostLimits, Limits, RequestLimits, RequestRate, SurgeLimit};

pub(super) fn limits(raw: &Raw, errors: &mut SettingErrors) -> Limits {
    let (batch, delivery) = (&raw.batch, &raw.delivery);
    let limits = Limits {
        records_max: batch.records_max,
        bytes_max: batch.bytes_max.0,
        wait_max: Duration::from_millis(batch.wait_max_ms),
        timeout: Duration::from_millis(delivery.timeout_ms),
        connect_timeout: Duration::from_millis(delivery.connect_timeout_ms),
        retry_schedule: delivery.retry_schedule.iter().map(|span| span.0).collect(),
        refusals_max: delivery.refusals_max,
        give_up_after: delivery.give_up_after.0,
        order_wait: delivery.order_wait.0,
        response_bytes_max: delivery.response_bytes_max.0,
        connection_age_max: delivery.connection_age_max.0,
        gzip: delivery.gzip,
        requests: RequestLimits {
            rate: rate("delivery.requests_per_second", delivery.requests_per_second, errors),
            in_flight_max: None,
        },
    };
    check_limits(&limits, "batch", "delivery", errors);
    limits
}

fn check_limits(limits: &Limits, batch: &str, delivery: &str, errors: &mut SettingErrors) {
    if limits.records_max == 0 {
        errors.note(&format!("{batch}.records_max"), "at least 1 is needed");
    }
    if limits.refusals_max == 0 {
        errors.note(&format!("{delivery}.refusals_max"), "at least 1 is needed");
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
    let rate = raw
        .requests_per_second
        .map_or(default.requests.rate, |number| rate(&format!("{path}.requests_per_second"), number, errors));
    let limits = over_default(raw, rate, default);
    let mut own = SettingErrors::default();
    check_limits(&limits, path, path, &mut own);
    // An error in the defaults is reported for the defaults' own path.
    let is_own = |fault: &SettingError| match fault.path.last().map(String::as_str) {
        Some("records_max") => raw.records_max.is_some(),
        Some("refusals_max") => raw.refusals_max.is_some(),
        Some("timeout_ms") => raw.timeout_ms.is_some(),
        _ => raw.retry_schedule.is_some(),
    };
    errors.0.extend(own.0.into_iter().filter(is_own));
    limits
}

fn over_default(raw: &raw::Webhook, rate: Option<RequestRate>, default: &Limits) -> Limits {
    let millis = |own: Option<u64>, default: Duration| own.map_or(default, Duration::from_millis);
    let schedule = raw.retry_schedule.as_ref().map(|spans| spans.iter().map(|span| span.0).collect());
    Limits {
        records_max: raw.records_max.unwrap_or(default.records_max),
        bytes_max: raw.bytes_max.map_or(default.bytes_max, |size| size.0),
        wait_max: millis(raw.wait_max_ms, default.wait_max),
        timeout: millis(raw.timeout_ms, default.timeout),
        connect_timeout: millis(raw.connect_timeout_ms, default.connect_timeout),
        retry_schedule: schedule.unwrap_or_else(|| default.retry_schedule.clone()),
        refusals_max: raw.refusals_max.unwrap_or(default.refusals_max),
        give_up_after: raw.give_up_after.map_or(default.give_up_after, |span| span.0),
        order_wait: raw.order_wait.map_or(default.order_wait, |span| span.0),
        response_bytes_max: raw.response_bytes_max.map_or(default.response_bytes_max, |size| size.0),
        connection_age_max: raw.connection_age_max.map_or(default.connection_age_max, |span| span.0),
        gzip: raw.gzip.unwrap_or(default.gzip),
        requests: RequestLimits { rate, in_flight_max: raw.in_flight_max.filter(|max| *max > 0) },
    }
}

/// The limits of hosts. A `[[host]]` without one of them has that of every host.
pub(super) fn host_limits(raw: &Raw, errors: &mut SettingErrors) -> HostLimits {
    let default = RequestLimits {
        rate: rate("delivery.host_requests_per_second", raw.delivery.host_requests_per_second, errors),
        in_flight_max: Some(raw.delivery.host_in_flight_max).filter(|max| *max > 0),
    };
    let mut named = BTreeMap::new();
    for (at, host) in raw.host.iter().enumerate() {
        let field = |name: &str| format!("host[{at}].{name}");
        let own = RequestLimits {
            rate: host
                .requests_per_second
                .map_or(default.rate, |number| rate(&field("requests_per_second"), number, errors)),
            in_flight_max: host
                .in_flight_max
                .map_or(default.in_flight_max, |max| Some(max).filter(|max| *max > 0)),
        };
        let Some(name) = errors.or(&field("name"), host_name(&host.name)) else { continue };
        if named.insert(name, own).is_some() {
            errors.note(&field("name"), "another [[host]] has this name: keep one");
        }
    }
    HostLimits { default, named }
}

/// A host as URLs name it, in lower case, with the port where one is given.
fn host_name(text: &str) -> Result<String, String> {
    let expected = || format!("`{text}` is not a host like \"example.com\" or \"example.com:8443\"");
    let has_more = text.contains(['/', '?', '#', '@', '\\']);
    let parsed = Url::parse(&format!("http://{text}/")).ok().filter(|_| !has_more).ok_or_else(expected)?;
    let host = parsed.host_str().ok_or_else(expected)?;
    let written = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let port = written.filter(|_| !text.ends_with(']')).map(|port| format!(":{port}"));
    Ok(format!("{host}{}", port.unwrap_or_default()))
}

/// 0 is no limit.
fn rate(field: &str, requests: f64, errors: &mut SettingErrors) -> Option<RequestRate> {
    if requests == 0.0 {
        return None;
    }
    let rate = RequestRate::per_second(requests);
    errors.or(field, rate.ok_or("a number of requests from 0.001 to 10000 is expected, or 0 for no limit"))
}

/// How many records of a project, in which time, are not held.
pub(super) fn surge(raw: &Raw, errors: &mut SettingErrors) -> Option<SurgeLimit> {
    match &raw.delivery.surge {
        MaybeSurge::Off(text) if text.is_empty() => None,
        MaybeSurge::Surge(surge) if surge.records > 0 && surge.within.0 >= WITHIN_MIN => {
            Some(SurgeLimit { records: surge.records, within: surge.within.0 })
        }
        MaybeSurge::Off(_) | MaybeSurge::Surge(_) => {
            let why = "{ records = 100000, within = \"10m\" } is expected, with at least 1 record and 1 second, or \"\"";
            errors.note("delivery.surge", why);
            None
        }
    }
}

const WITHIN_MIN: Duration = Duration::from_secs(1);
