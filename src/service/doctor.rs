//! The checks of `sidecar doctor`: server, table, disk and webhooks.

use std::collections::BTreeSet;
use std::path::Path;

use super::required;
use crate::amount::{count, size};
use crate::deliver::Routes;
use crate::record::Callback;
use crate::settings::Settings;
use crate::source::preflight::doctor::{doctor as examine, replication_refused};
use crate::source::preflight::{Finding, Severity};
use crate::source::{Connection, SourceError, connect_sql};
use crate::spool::bytes_on_disk;

/// What the checks find, the worst first. `dropped`: records that the running sidecar dropped.
pub async fn findings(
    settings: &Settings,
    routes: &Routes,
    dropped: Option<u64>,
) -> Result<Vec<Finding>, SourceError> {
    let client = connect_sql(&settings.conninfo).await?;
    let mut findings = examine(&client, &required(settings, routes)).await?;
    if let Err(error) = Connection::open(&settings.conninfo).await {
        findings.push(replication_refused(&error.to_string()));
    }
    findings.extend(disk(settings));
    findings.extend(webhooks(routes));
    findings.extend(dropped.filter(|records| *records > 0).map(dropped_records));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(findings)
}

/// Whether the disk has space for the largest spool. `None` if the file system does not report its space.
fn disk(settings: &Settings) -> Option<Finding> {
    let folder = settings.spool_path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(folder).ok()?;
    let taken = bytes_on_disk(&settings.spool_path);
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    Some(disk_space(folder, free.saturating_add(taken), settings.spool_bytes_max))
}

/// `available`: free bytes, and those that the spool already uses.
fn disk_space(folder: &Path, available: u64, bytes_max: u64) -> Finding {
    let required = bytes_max.saturating_add(SPOOL_LOG_BYTES);
    let title = format!(
        "the disk of {} has {} for a spool of up to {}",
        folder.display(),
        size(available),
        size(required)
    );
    if available >= required {
        return finding(Severity::Ok, &title, "");
    }
    let explanation = "The spool needs `spool.bytes_max`, 64 MiB for SQLite's log, and space for the shadow. When the disk is full,\n\
         reading stops until there is space again. Enlarge the disk or lower `spool.bytes_max`.";
    finding(Severity::Warning, &title, explanation)
}

/// Records that are dropped because no webhook is configured for them.
fn webhooks(routes: &Routes) -> Vec<Finding> {
    if routes.all().next().is_none() {
        let why = "`sidecar tail` shows the records.";
        return vec![finding(Severity::Warning, "no webhook is configured: every record is dropped", why)];
    }
    let uncovered = |callback: Callback| {
        let webhooks = routes.all().filter(|webhook| webhook.callback.is_none_or(|own| own == callback));
        let projects: Option<BTreeSet<&str>> = webhooks.map(|webhook| webhook.project.as_deref()).collect();
        let projects = projects?;
        let of = match projects.len() {
            0 => String::new(),
            1..=PROJECTS_NAMED => {
                let named: Vec<String> =
                    projects.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
                format!(" of other projects than {}", named.join(", "))
            }
            more => format!(" of other projects than the {more} that have one"),
        };
        let title = format!("`{callback}` records{of} are dropped: no [[webhook]] is configured for them");
        Some(finding(Severity::Note, &title, "`sidecar status` counts them."))
    };
    let uncovered: Vec<Finding> = Callback::ALL.into_iter().filter_map(uncovered).collect();
    if uncovered.is_empty() {
        return vec![finding(Severity::Ok, "every record has a [[webhook]]", "")];
    }
    uncovered
}

/// Records that the running sidecar dropped.
fn dropped_records(records: u64) -> Finding {
    let title = format!(
        "{} dropped since the sidecar was started: no [[webhook]] is configured for that",
        count(records, "record was", "records were")
    );
    finding(Severity::Warning, &title, "`sidecar status` lists them by project and callback.")
}

fn finding(severity: Severity, title: &str, explanation: &str) -> Finding {
    Finding { severity, title: title.to_owned(), explanation: explanation.to_owned(), fix_sql: None }
}

/// The most projects that a finding lists by name.
const PROJECTS_NAMED: usize = 8;
/// The largest size of the write-ahead log of the spool.
const SPOOL_LOG_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_smaller_than_the_largest_spool_is_a_warning() {
        let found = |available| disk_space(Path::new("/spool"), available, 1 << 30);
        assert_eq!(found((1 << 30) + SPOOL_LOG_BYTES).severity, Severity::Ok);
        let short = found(1 << 30);
        assert_eq!(short.severity, Severity::Warning);
        assert!(short.title.contains("has 1.0 GiB for a spool of up to 1.0 GiB"), "{}", short.title);
    }
}
