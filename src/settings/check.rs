//! The raw settings → validated settings. Every error is reported, not only the first.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::admin::access;
use super::alerts::alerts;
use super::documents::mapping;
use super::egress::{egress, proxy};
use super::error::SettingErrors;
use super::limits::{host_limits, limits, surge};
use super::raw::{self, MaybeSize, OneOrManyKeys, Raw};
use super::secret_source::PasswordSetting;
use super::values::{Initial, LogFormat, OnTruncate, Settings, WebhookDefaults, WebhookSections};
use super::webhook_section::webhook;
use super::webhook_sources::webhook_sources;
use crate::deliver::{HeaderNames, Limits, Routes, Webhook};
use crate::secret::Secret;
use crate::source::{Conninfo, PasswordSource};
use crate::spool::{SpoolKey, SpoolKeys};

pub(super) fn check(raw: &Raw) -> Result<Settings, SettingErrors> {
    let mut errors = check_ranges(raw);
    let limits = limits(raw, &mut errors);
    let header_names = errors.or("delivery.header_prefix", HeaderNames::new(&raw.delivery.header_prefix));
    let given_token = errors.or("admin.token", raw.admin.token.value());
    let (proxy, egress) = (proxy(&raw.egress, &mut errors), egress(&raw.egress, &mut errors));
    let (host_limits, surge) = (host_limits(raw, &mut errors), surge(raw, &mut errors));
    let lane_bytes_max = lane_bytes_max(&raw.spool, &mut errors);
    let alerts = alerts(&raw.alerts, header_names.as_ref(), &mut errors);
    let (access, spool_keys) = (access(&raw.admin, &mut errors), spool_keys(&raw.spool.key, &mut errors));
    let webhook_sources = webhook_sources(raw, &mut errors);
    let found = (
        conninfo(&raw.postgres, &mut errors),
        mapping(&raw.documents, &mut errors),
        routes(raw, (&limits, header_names.as_ref()), &mut errors),
        listen(&raw.admin.listen, &mut errors),
        choice("documents.on_truncate", &raw.documents.on_truncate, ON_TRUNCATE, &mut errors),
        choice("documents.initial", &raw.documents.initial, INITIAL, &mut errors),
        choice("log.format", &raw.log.format, FORMATS, &mut errors),
        header_names,
    );
    let (
        Some(conninfo),
        Some(mapping),
        Some(routes),
        Some(listen),
        Some(on_truncate),
        Some(initial),
        Some(log_format),
        Some(header_names),
    ) = found
    else {
        return Err(errors);
    };
    if !errors.0.is_empty() {
        return Err(errors);
    }
    Ok(Settings {
        conninfo,
        slot: raw.postgres.slot.clone(),
        failover_slot: raw.postgres.failover_slot,
        publication: raw.postgres.publication.clone(),
        mapping,
        on_truncate,
        initial,
        routes,
        in_flight_max: raw.delivery.in_flight_max,
        surge,
        webhook_defaults: WebhookDefaults { limits, header_names },
        webhook_sections: WebhookSections::default(),
        webhook_sources,
        host_limits,
        spool_path: raw.spool.path.clone(),
        spool_bytes_max: raw.spool.bytes_max.0,
        lane_bytes_max,
        spool_keys,
        retain: raw.spool.retain.0,
        missing_max: raw.recovery.missing_max,
        egress,
        ca_file: some_path(&raw.egress.ca_file),
        proxy,
        listen,
        token: given_token.filter(|token| !is_empty(token)),
        access,
        alerts,
        metrics_projects_max: raw.metrics.project_label.then_some(raw.metrics.projects_max),
        log_format,
        log_level: raw.log.level.clone(),
    })
}

fn routes(
    raw: &Raw,
    defaults: (&Limits, Option<&HeaderNames>),
    errors: &mut SettingErrors,
) -> Option<Routes> {
    let sections = raw.webhook.iter().enumerate();
    let webhooks: Vec<Webhook> =
        sections.filter_map(|(at, section)| webhook(at, section, defaults, errors)).collect();
    errors.or("webhook", Routes::new(webhooks))
}

/// Checks ranges and other constraints that types alone do not express.
fn check_ranges(raw: &Raw) -> SettingErrors {
    let mut errors = SettingErrors::default();
    let slot_ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let named = |name: &str| (1..=63).contains(&name.len());
    let level = &raw.log.level;
    for (right, field, why) in [
        (raw.spool.bytes_max.0 >= 1 << 20, "spool.bytes_max", "at least 1MiB is needed"),
        (
            (0.0..=1.0).contains(&raw.recovery.missing_max),
            "recovery.missing_max",
            "a share from 0.0 to 1.0 is expected",
        ),
        (raw.delivery.in_flight_max > 0, "delivery.in_flight_max", "at least 1 is needed"),
        (raw.postgres.connect_timeout_ms > 0, "postgres.connect_timeout_ms", "at least 1 is needed"),
        (raw.delivery.connect_timeout_ms > 0, "delivery.connect_timeout_ms", "at least 1 is needed"),
        (named(&raw.postgres.slot), "postgres.slot", "a name of 1 to 63 bytes is expected"),
        (named(&raw.postgres.publication), "postgres.publication", "a name of 1 to 63 bytes is expected"),
        (
            raw.postgres.slot.chars().all(slot_ok),
            "postgres.slot",
            "a slot's name has lower-case letters, digits and underscores only",
        ),
        (
            is_level(level),
            "log.level",
            "one of error, warn, info, debug, trace and off is expected, or a list like info,sidecar::source=debug",
        ),
        (
            raw.egress.ca_file.as_os_str().is_empty() || raw.egress.ca_file.is_file(),
            "egress.ca_file",
            "there is no such file",
        ),
    ] {
        if !right {
            errors.note(field, why);
        }
    }
    errors
}

fn lane_bytes_max(raw: &raw::Spool, errors: &mut SettingErrors) -> u64 {
    match &raw.lane_bytes_max {
        MaybeSize::Size(size) => size.0,
        MaybeSize::Empty(text) if text.is_empty() => raw.bytes_max.0 / 4,
        MaybeSize::Empty(text) => {
            let why = format!("`{text}` is not a size: \"2GiB\", or \"\" for a quarter of bytes_max");
            errors.note("spool.lane_bytes_max", why);
            0
        }
    }
}

/// The keys of secrets in the spool. An empty text is none.
fn spool_keys(raw: &OneOrManyKeys, errors: &mut SettingErrors) -> SpoolKeys {
    let sources = match raw {
        OneOrManyKeys::One(one) => std::slice::from_ref(one),
        OneOrManyKeys::Many(many) => many,
    };
    let is_one = matches!(raw, OneOrManyKeys::One(_));
    let mut keys = Vec::new();
    for source in sources {
        match errors.or("spool.key", source.value()) {
            Some(text) if is_one && is_empty(&text) => {}
            Some(text) => keys.extend(errors.or("spool.key", SpoolKey::parse(text.expose()))),
            None => {}
        }
    }
    SpoolKeys::new(keys)
}

fn is_empty(secret: &Secret) -> bool {
    secret.expose().is_empty()
}

fn conninfo(raw: &raw::Postgres, errors: &mut SettingErrors) -> Option<Conninfo> {
    let url = errors.or("postgres.url", raw.url.value())?;
    let user = std::env::var("PGUSER").ok().or_else(os_user);
    let mut conninfo = errors.or("postgres.url", Conninfo::parse(url.expose(), user.as_deref()))?;
    if conninfo.password.is_some() {
        conninfo.password_source = raw.url.file().cloned().map(PasswordSource::UrlFile);
    }
    match &raw.password {
        PasswordSetting::Command(command) if command.expose().first().is_none_or(String::is_empty) => {
            errors.note("postgres.password", "`command` is empty: the name of a program is expected");
        }
        PasswordSetting::Command(command) => {
            conninfo.password_source = Some(PasswordSource::Command(command.expose().clone()));
        }
        PasswordSetting::Secret(secret) => {
            let password = errors.or("postgres.password", secret.value())?;
            if !is_empty(&password) {
                conninfo.password = Some(password);
                conninfo.password_source = secret.file().cloned().map(PasswordSource::File);
            }
        }
    }
    if !url.expose().contains("connect_timeout") {
        conninfo.connect_timeout = Duration::from_millis(raw.connect_timeout_ms);
    }
    Some(conninfo)
}

/// The operating system's user, which is libpq's default role.
fn os_user() -> Option<String> {
    let uid = std::fs::metadata("/proc/self").ok().map(|process| process.uid().to_string());
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let by_uid = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == uid.as_deref()).then(|| name.to_owned())
    });
    by_uid.or_else(|| std::env::var("USER").ok())
}

fn listen(text: &str, errors: &mut SettingErrors) -> Option<SocketAddr> {
    let parsed = text.parse::<SocketAddr>();
    errors.or("admin.listen", parsed.map_err(|_| format!("`{text}` is not an address like 127.0.0.1:9187")))
}

/// Whether it is a level, or directives such as `info,sidecar::source=debug`. EnvFilter accepts an unknown
/// word as a target, and an empty directive: both are treated as mistakes here.
fn is_level(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let directive =
        |part: &str| part.split_once('=').map_or_else(|| is_word(part), |(_, word)| is_word(word));
    text.split(',').map(str::trim).all(directive) && EnvFilter::try_new(text).is_ok()
}

fn choice<T: Copy>(field: &str, word: &str, choices: &[(&str, T)], errors: &mut SettingErrors) -> Option<T> {
    let found = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        errors.note(field, format!("`{word}` is not one of {}", names.join(", ")));
    }
    found
}

fn some_path(path: &std::path::Path) -> Option<std::path::PathBuf> {
    Some(path.to_owned()).filter(|path| !path.as_os_str().is_empty())
}

const ON_TRUNCATE: &[(&str, OnTruncate)] =
    &[("exclude", OnTruncate::Exclude), ("ignore", OnTruncate::Ignore)];
const INITIAL: &[(&str, Initial)] = &[("silent", Initial::Silent), ("ingested", Initial::Ingested)];
const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
