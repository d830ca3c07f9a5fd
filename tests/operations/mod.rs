//! What the sidecar shows to people and scripts, and its effect on the database meanwhile.

mod alerts;
mod buttons;
mod cli;
mod commands;
mod demo;
mod dropped_records;
mod empty_pages;
pub(crate) mod fixture;
mod locks;
mod lsns;
mod metrics;
mod missing_columns;
mod outage_log;
mod page_times;
mod properties;
mod rotation;
mod secrets;
mod settings;
mod startup;
mod surge;
mod systemd;
mod untrusted_text;
mod webhooks;
mod webhooks_refused;
mod webhooks_sealed;

pub(crate) use fixture::release;
